//! Tokens as a settings file and a variable write them.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use super::{NamedToken, Token, TokenRights};
use crate::error::{Error, Result};

/// A text; a variable that reads as a number arrives as one.
#[derive(Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum TokenText {
    Written(String),
    Integer(i64),
    Other(de::IgnoredAny),
}

impl TokenText {
    /// A number may have been written in a form that its value does not keep: it is refused rather
    /// than changed.
    pub(in crate::config) fn into_token(self, setting: &str) -> Result<Token> {
        match self {
            Self::Written(text) => Token::of(setting, text),
            Self::Integer(number) => Token::of(setting, number.to_string()),
            Self::Other(_) => Token::of(setting, String::new()),
        }
    }
}

/// `[[server.tokens]]` in a file; in a variable `name:rights:token`, with blanks between them,
/// which no token has.
pub(in crate::config) enum TokensLayer {
    List(Vec<TokenLayer>),
    Text(String),
}

/// An entry of `[[server.tokens]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct TokenLayer {
    name: String,
    rights: String,
    token: TokenText,
}

impl TokensLayer {
    pub(in crate::config) fn into_tokens(self) -> Result<Vec<NamedToken>> {
        match self {
            Self::List(list) => list.into_iter().map(TokenLayer::into_token).collect(),
            Self::Text(text) => {
                let entries = text.split_whitespace().enumerate();
                entries.map(|(at, entry)| written(at + 1, entry)).collect()
            }
        }
    }
}

/// The token of an entry of a variable.
fn written(number: usize, entry: &str) -> Result<NamedToken> {
    let mut parts = entry.splitn(3, ':');
    let (Some(name), Some(rights), Some(token)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Error::config(
            "server.tokens",
            format!("the entry {number} is not written as name:rights:token"),
            "write desk:write:TOKEN grafana:read:TOKEN, with a blank between two of them",
        ));
    };
    TokenLayer {
        name: name.to_owned(),
        rights: rights.to_owned(),
        token: TokenText::Written(token.to_owned()),
    }
    .into_token()
}

impl TokenLayer {
    fn into_token(self) -> Result<NamedToken> {
        // Its name is checked last; until then no error may repeat it.
        let token = self.token.into_token("server.tokens")?;
        let rights = TokenRights::of("server.tokens", &self.rights)?;
        NamedToken::new(self.name, token, rights)
    }
}

impl<'de> Deserialize<'de> for TokensLayer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListOrText;

        impl<'de> Visitor<'de> for ListOrText {
            type Value = TokensLayer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tables [[server.tokens]] with name, rights and token")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TokensLayer, E> {
                Ok(TokensLayer::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<TokensLayer, A::Error> {
                let mut tokens = Vec::new();
                while let Some(entry) = list.next_element()? {
                    // serde's own error would repeat a text in place of a table: it may be a secret.
                    let toml::Value::Table(table) = entry else {
                        return Err(de::Error::custom("an entry of server.tokens is no table"));
                    };
                    let token = TokenLayer::deserialize(table);
                    tokens.push(token.map_err(|error| de::Error::custom(error.message()))?);
                }
                Ok(TokensLayer::List(tokens))
            }
        }

        deserializer.deserialize_any(ListOrText)
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
                "no name",
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
            (format!("[server]\ntokens = ['{ONE}']"), "", "is no table"),
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
