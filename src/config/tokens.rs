//! Tokens: who may read and who may write over HTTP, by which secret.
//!
//! Owns the values, and how they are read from a directory with a file for each, as Docker and
//! Kubernetes mount secrets; how a settings file and a variable write them is in `entry`. No text
//! of a token is in an error.

mod entry;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
pub(super) use entry::tokens;

/// The longest name of a token: it stands in each line of the log.
const NAME_BYTES_MAX: usize = 64;

/// A secret that is never written out.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The shortest token: a shorter one is guessed.
    pub const BYTES_MIN: usize = 16;

    /// Checks a token.
    ///
    /// # Errors
    /// [`Error::Config`] when it is shorter than 16 characters, or has one that a header cannot
    /// carry.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        Self::of("server.token", text.into())
    }

    /// The token of this setting.
    fn of(setting: &str, text: String) -> Result<Self> {
        let refuse = |reason: &str| {
            let remedy = "use 16 or more printable ASCII characters, like those of \
                          `openssl rand -hex 32`";
            Err(Error::config(setting, reason, remedy))
        };
        if text.len() < Self::BYTES_MIN {
            return refuse("it is shorter than 16 characters");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse("it has a blank or a character that a header cannot carry");
        }
        Ok(Self(text))
    }

    /// The bytes to compare with.
    #[cfg(feature = "server")]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The rights of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenRights {
    /// Reads, where `server.protect_reads` asks for a token.
    Read,
    /// Writes, and reads.
    Write,
}

impl TokenRights {
    fn of(setting: &str, text: &str) -> Result<Self> {
        match text {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            _ => Err(Error::config(
                setting,
                "its rights are neither read nor write",
                "give it the rights read, or write, which includes read",
            )),
        }
    }
}

/// A token with the name under which the log tells of it, and with what it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedToken {
    name: String,
    token: Token,
    rights: TokenRights,
}

impl NamedToken {
    /// Checks the name.
    ///
    /// # Errors
    /// [`Error::Config`] when it is empty, longer than 64 characters, or has one that is no letter,
    /// digit, `-`, `_` or `.`.
    pub fn new(name: impl Into<String>, token: Token, rights: TokenRights) -> Result<Self> {
        let name = name.into();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(fits) {
            // It may be a token at the wrong place: it is not repeated.
            return Err(Error::config(
                "server.tokens",
                "one of them has an invalid name",
                "use 1 to 64 letters, digits, -, _ and .",
            ));
        }
        Ok(Self {
            name,
            token,
            rights,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the rights of the token.
    #[must_use]
    pub fn rights(&self) -> TokenRights {
        self.rights
    }

    /// The secret.
    #[cfg(feature = "server")]
    pub(crate) fn token(&self) -> &Token {
        &self.token
    }
}

/// A name tells one token from the others in the log, and a secret has one name and its rights.
pub(super) fn refuse_twins(tokens: &[NamedToken]) -> Result<()> {
    // Each with each: there are few, and secrets are compared by equality alone.
    for (at, token) in tokens.iter().enumerate() {
        for other in &tokens[..at] {
            let (name, reason) = if other.name == token.name {
                (&token.name, "two tokens have this name".to_owned())
            } else if other.token == token.token {
                (&token.name, format!("it is the same as {}", other.name))
            } else {
                continue;
            };
            return Err(Error::config(
                format!("server.tokens.{name}"),
                reason,
                "give each token a name and a secret of its own (server.token is `default`)",
            ));
        }
    }
    Ok(())
}

/// The tokens of a directory: `NAME.read` and `NAME.write`, each with a token in it.
pub(super) fn in_directory(directory: &Path) -> Result<Vec<NamedToken>> {
    let refuse = |path: &Path, reason: &str, remedy: &str| {
        let reason = format!("{}: {reason}", path.display());
        Error::config("server.tokens_dir", reason, remedy)
    };
    let unreadable = |path: &Path, error: &std::io::Error| {
        let remedy = "give a directory whose files this user may read";
        refuse(path, &error.to_string(), remedy)
    };
    let entries = std::fs::read_dir(directory).and_then(|entries| {
        let paths = entries.map(|entry| Ok(entry?.path()));
        paths.collect::<std::io::Result<Vec<PathBuf>>>()
    });
    let mut paths = entries.map_err(|error| unreadable(directory, &error))?;
    // The order of a directory is that of its file system; errors and the log must not depend on
    // it.
    paths.sort();
    let mut tokens = Vec::new();
    for path in &paths {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        // Kubernetes keeps the versions of a secret in directories whose names begin with dots.
        if file.starts_with('.') {
            continue;
        }
        let named = file.rsplit_once('.');
        let Some((name, rights @ ("read" | "write"))) = named else {
            let remedy = "name it NAME.read or NAME.write, or take it out of the directory";
            return Err(refuse(path, "its name does not tell its rights", remedy));
        };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        let setting = format!("server.tokens_dir: {}", path.display());
        // Editors and `echo` end a file with a line break.
        let token = Token::of(&setting, text.trim_end().to_owned())?;
        tokens.push(NamedToken::new(
            name,
            token,
            TokenRights::of(&setting, rights)?,
        )?);
    }
    if tokens.is_empty() {
        let remedy = "put a token into a file like desk.write, or leave the setting out";
        return Err(refuse(directory, "there is no token in it", remedy));
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerConfig;

    const ONE: &str = "0123456789abcdef";
    const TWO: &str = "fedcba9876543210";

    fn named(name: &str, secret: &str, rights: TokenRights) -> NamedToken {
        NamedToken::new(name, Token::new(secret).unwrap(), rights).unwrap()
    }

    /// Names and rights, in their order.
    fn listed(tokens: &[NamedToken]) -> Vec<(&str, TokenRights)> {
        tokens.iter().map(|it| (it.name(), it.rights())).collect()
    }

    fn directory(files: &[(&str, &str)]) -> (tempfile::TempDir, ServerConfig) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let config = ServerConfig {
            tokens_dir: Some(directory.path().to_owned()),
            ..ServerConfig::default()
        };
        (directory, config)
    }

    #[test]
    fn a_token_is_long_fits_a_header_and_is_never_shown() {
        for wrong in ["", "short", "sixteen letters ", "0123456789abcdeé"] {
            let error = Token::new(wrong).unwrap_err().to_string();
            assert!(error.starts_with("server.token"), "{error}");
        }
        let token = Token::new(ONE).unwrap();
        assert_eq!(format!("{token:?}"), "Token(..)");
        let named = named("desk", ONE, TokenRights::Read);
        assert!(!format!("{named:?}").contains(ONE), "{named:?}");
    }

    #[test]
    fn each_token_has_a_name_and_a_secret_of_its_own() {
        let config = |tokens: Vec<NamedToken>| ServerConfig {
            token: Some(Token::new(ONE).unwrap()),
            tokens,
            ..ServerConfig::default()
        };
        let both = config(vec![named("grafana", TWO, TokenRights::Read)]);
        both.validate().unwrap();
        assert_eq!(
            listed(&both.read_tokens().unwrap()),
            [
                ("default", TokenRights::Write),
                ("grafana", TokenRights::Read)
            ]
        );
        for (name, secret, said) in [
            ("default", TWO, "server.tokens.default: two tokens"),
            ("desk", ONE, "server.tokens.desk: it is the same as default"),
        ] {
            let twins = config(vec![named(name, secret, TokenRights::Read)]);
            let error = twins.validate().unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
        let secret = Token::new(ONE).unwrap();
        for name in ["", "a b", "é", "a/b", &"x".repeat(65)] {
            let named = NamedToken::new(name, secret.clone(), TokenRights::Read);
            assert!(named.is_err(), "{name}");
        }
    }

    #[test]
    fn a_directory_has_a_file_for_each_token() {
        let (kept, config) = directory(&[
            ("desk.write", &format!("{ONE}\n")),
            ("grafana.v2.read", TWO),
        ]);
        // As Kubernetes mounts a secret: links into a directory of this version.
        std::fs::create_dir(kept.path().join("..2026_11_28")).unwrap();
        assert_eq!(
            listed(&config.read_tokens().unwrap()),
            [
                ("desk", TokenRights::Write),
                ("grafana.v2", TokenRights::Read)
            ]
        );
    }

    #[test]
    fn a_directory_that_cannot_be_read_as_tokens_is_refused_and_shows_none() {
        for (files, said) in [
            (&[][..], "there is no token in it"),
            (&[("desk.writ", ONE)], "does not tell its rights"),
            (&[("desk", ONE)], "does not tell its rights"),
            (&[("desk.write", "too-short")], "shorter than 16"),
            (&[("desk.write", "0123456789abc def")], "a blank"),
            (&[("a.read", ONE), ("b.write", ONE)], "the same as a"),
            (&[("a.read", ONE), ("a.write", TWO)], "two tokens"),
            (&[(".read", ONE)], "there is no token in it"),
        ] {
            let (_kept, config) = directory(files);
            config.validate().unwrap();
            let error = config.read_tokens().unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            for (_, text) in files {
                assert!(!error.contains(text), "{error}");
            }
        }
        let (kept, config) = directory(&[]);
        drop(kept);
        let error = config.read_tokens().unwrap_err().to_string();
        assert!(error.starts_with("server.tokens_dir: "), "{error}");
    }
}
