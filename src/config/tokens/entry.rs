//! Tokens as a settings file and a variable write them.

use serde::{Deserialize, Deserializer};

use super::{NamedToken, Token, TokenRights};
use crate::config::read::{list_or_text, refused, table, text};
use crate::error::{Error, Result};

const SETTING: &str = "server.tokens";

/// An entry of `[[server.tokens]]`. The rights are a text: serde's own error would repeat what
/// stands there, which may be a token at the wrong place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    name: String,
    rights: String,
    token: Token,
}

/// `[[server.tokens]]` in a file; in a variable `name:rights:token`, with blanks between them,
/// which no token has.
pub(in crate::config) fn tokens<'de, D>(from: D) -> Result<Vec<NamedToken>, D::Error>
where
    D: Deserializer<'de>,
{
    let expected = "tables [[server.tokens]] with name, rights and token";
    list_or_text(from, expected, |text| {
        let entries = text.split_whitespace().enumerate();
        entries.map(|(at, entry)| written(at + 1, entry)).collect()
    })
}

/// The token of an entry of a variable.
fn written(number: usize, entry: &str) -> Result<NamedToken> {
    let mut parts = entry.splitn(3, ':');
    let (Some(name), Some(rights), Some(token)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Error::config(
            SETTING,
            format!("the entry {number} is not written as name:rights:token"),
            "write desk:write:TOKEN grafana:read:TOKEN, with a blank between two of them",
        ));
    };
    // Its name is checked last; until then no error may repeat it.
    let token = Token::of(SETTING, token.to_owned())?;
    NamedToken::new(name, token, TokenRights::of(SETTING, rights)?)
}

impl<'de> Deserialize<'de> for NamedToken {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let TokenEntry {
            name,
            rights,
            token,
        } = table(from)?;
        let rights = TokenRights::of(SETTING, &rights).map_err(refused)?;
        Self::new(name, token, rights).map_err(refused)
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(text(from)?).map_err(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ServerConfig, Settings};

    const ONE: &str = "0123456789abcdef";
    const TWO: &str = "fedcba9876543210";

    /// Names and rights, in their order.
    fn listed(tokens: &[NamedToken]) -> Vec<(&str, TokenRights)> {
        tokens.iter().map(|it| (it.name(), it.rights())).collect()
    }

    fn loaded(toml: &str, variables: &[(&str, &str)]) -> Result<ServerConfig> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tickbase.toml");
        std::fs::write(&file, toml).unwrap();
        let variables = variables.iter();
        let variables = variables.map(|(name, value)| {
            let name = format!("TICKBASE_SERVER_{name}");
            (name, (*value).to_owned())
        });
        Ok(Settings::load(Some(&file), variables)?.server)
    }

    #[test]
    fn tokens_stand_in_a_file_or_in_a_variable_which_wins() {
        let file = format!(
            "[[server.tokens]]\nname = 'desk'\nrights = 'write'\ntoken = '{ONE}'\n\
             [[server.tokens]]\nname = 'grafana'\nrights = 'read'\ntoken = '{TWO}'"
        );
        let both = [("desk", TokenRights::Write), ("grafana", TokenRights::Read)];
        let of_file = loaded(&file, &[]).unwrap();
        assert_eq!(listed(&of_file.tokens), both);
        let variable = format!(" desk:write:{ONE}\n grafana:read:{TWO} ");
        assert_eq!(
            listed(&loaded("", &[("TOKENS", &variable)]).unwrap().tokens),
            both
        );
        // A token may have colons and commas, as it may have all that a header can carry.
        let odd = loaded(&file, &[("TOKENS", "odd:read:0123,456:789:abcdef")]).unwrap();
        assert_eq!(listed(&odd.tokens), [("odd", TokenRights::Read)]);
        let expected = Token::new("0123,456:789:abcdef").unwrap();
        assert!(odd.tokens[0].token == expected);
    }

    #[test]
    fn what_is_no_token_is_refused_without_repeating_it() {
        let entry = |text: &str| format!("[[server.tokens]]\n{text}");
        let whole = format!("name = 'desk'\nrights = 'write'\ntoken = '{ONE}'");
        for (toml, variable, said) in [
            (
                entry(&whole.replace("write", "admin")),
                "",
                "neither read nor write",
            ),
            (
                entry(&whole.replace("token", "tokn")),
                "",
                "unknown field `tokn`",
            ),
            (
                entry(&whole.replace("rights = 'write'", "")),
                "",
                "missing field `rights`",
            ),
            (
                entry(
                    &whole
                        .replace("desk", ONE)
                        .replace("abcdef'\n", "abc def'\n"),
                ),
                "",
                "invalid name",
            ),
            (
                entry(&whole.replace(ONE, "0123456789")),
                "",
                "shorter than 16",
            ),
            (
                format!("[server.tokens]\ndesk = '{ONE}'"),
                "",
                "[[server.tokens]] with name",
            ),
            (
                format!("[server]\ntokens = ['{ONE}']"),
                "",
                "is not a table",
            ),
            (
                String::new(),
                ONE,
                "the entry 1 is not written as name:rights:token",
            ),
            (String::new(), "desk:0123456789abcdef", "the entry 1"),
            (
                String::new(),
                "0123456789abcdef:desk:write",
                "shorter than 16",
            ),
            (
                String::new(),
                "a:read:0123456789abcdef b:write:0123456789abcdef",
                "the same as a",
            ),
        ] {
            let variables = [("TOKENS", variable)];
            let variables = if variable.is_empty() {
                &[][..]
            } else {
                &variables
            };
            let error = loaded(&toml, variables).unwrap_err().chain();
            assert!(error.contains(said), "{error}");
            assert!(!error.contains("0123456789"), "{error}");
        }
    }
}
