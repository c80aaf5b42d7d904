//! Where the database is: a SQLite file or a PostgreSQL server. Never shows a password.

use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL URL, `postgres://user:password@host:port/name`; never printed as it is.
    Postgres(String),
}

impl Default for DatabaseUrl {
    /// `sqlite://data/tickbase.db`.
    fn default() -> Self {
        Self::Sqlite(PathBuf::from("data/tickbase.db"))
    }
}

impl DatabaseUrl {
    /// Reads `postgres://..`, `sqlite://path` or a plain path.
    ///
    /// # Errors
    /// [`Error::Config`] for `:memory:`, for other schemes, and for a backend that this build
    /// does not have.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |reason: &str, remedy: &str| Error::config("database.url", reason, remedy);
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return if cfg!(feature = "postgres") {
                Ok(Self::Postgres(text.to_owned()))
            } else {
                let remedy = "build with `--features postgres`, or give the path of a SQLite file";
                Err(refuse("this build has no PostgreSQL", remedy))
            };
        }
        let path = text.strip_prefix("sqlite://").unwrap_or(text);
        if path.is_empty() {
            return Err(refuse(
                "it is empty",
                "give the path of a SQLite file or postgres://..",
            ));
        }
        if path.contains(":memory:") || path.starts_with("file:") {
            let reason = "each connection of the pool would see a database of its own";
            return Err(refuse(
                reason,
                "give the path of a file, in a temporary directory if need be",
            ));
        }
        if let Some((scheme, _)) = path.split_once("://") {
            let reason = format!("the scheme {scheme:?} is unknown");
            return Err(refuse(&reason, "use sqlite:// or postgres://"));
        }
        if cfg!(feature = "sqlite") {
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        Err(refuse(
            "this build has no SQLite",
            "build with `--features sqlite`",
        ))
    }

    #[cfg(any(feature = "postgres", test))]
    /// The same text with the URL's password, as written and decoded, blotted out.
    pub(crate) fn without_password(&self, text: &str) -> String {
        let Self::Postgres(url) = self else {
            return text.to_owned();
        };
        let mut shown = text.to_owned();
        for secret in secrets(url) {
            for form in [percent_decoded(&secret), secret] {
                if !form.is_empty() {
                    shown = shown.replace(&form, "***");
                }
            }
        }
        shown
    }
}

impl fmt::Display for DatabaseUrl {
    /// User, host, port and name; never a password or a parameter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match self {
            Self::Sqlite(path) => return write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => url,
        };
        let (authority, rest) = split(url);
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let user = user.split(':').next().unwrap_or_default();
        let at = if user.is_empty() { "" } else { "@" };
        let name = rest.split('?').next().unwrap_or_default();
        write!(f, "postgres://{user}{at}{host}{name}")
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `user:password@host:port` and what follows. A password may hold `/` or `?` unescaped, so the
/// authority ends at the first of them after the last `@`.
fn split(url: &str) -> (&str, &str) {
    let body = url.split_once("://").map_or(url, |(_, body)| body);
    let from = body.rfind('@').map_or(0, |at| at + 1);
    let end = body[from..]
        .find(['/', '?'])
        .map_or(body.len(), |at| from + at);
    body.split_at(end)
}

/// The URL of another database of the same server, with the same user and parameters.
#[cfg(feature = "postgres")]
pub(crate) fn with_database(url: &str, name: &str) -> String {
    let (_, rest) = split(url);
    let server = &url[..url.len() - rest.len()];
    let parameters = rest
        .split_once('?')
        .map_or("", |(_, parameters)| parameters);
    // The parameter would win over the path.
    let kept: Vec<&str> = parameters
        .split('&')
        .filter(|parameter| !parameter.is_empty() && !parameter.starts_with("dbname="))
        .collect();
    let separator = if kept.is_empty() { "" } else { "?" };
    format!("{server}/{name}{separator}{}", kept.join("&"))
}

#[cfg(any(feature = "postgres", test))]
fn secrets(url: &str) -> Vec<String> {
    let (authority, rest) = split(url);
    let user_info = authority.rsplit_once('@').map(|(user_info, _)| user_info);
    let password = user_info
        .and_then(|u| u.split_once(':'))
        .map(|(_, password)| password);
    let parameters = rest
        .split_once('?')
        .map_or("", |(_, parameters)| parameters)
        .split('&');
    let named = parameters.filter_map(|p| p.split_once('='));
    let named = named
        .filter(|(name, _)| name.contains("password"))
        .map(|(_, value)| value);
    password
        .into_iter()
        .chain(named)
        .map(str::to_owned)
        .collect()
}

#[cfg(any(feature = "postgres", test))]
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_path_is_a_sqlite_file_with_and_without_the_scheme() {
        let file = DatabaseUrl::Sqlite(PathBuf::from("a/b.db"));
        assert_eq!(DatabaseUrl::parse("a/b.db").unwrap(), file);
        assert_eq!(DatabaseUrl::parse("sqlite://a/b.db").unwrap(), file);
        assert_eq!(
            DatabaseUrl::default().to_string(),
            "sqlite://data/tickbase.db"
        );
    }

    #[test]
    fn what_cannot_be_pooled_or_understood_is_refused_with_a_remedy() {
        for url in [
            "",
            ":memory:",
            "sqlite://:memory:",
            "file:x?mode=memory",
            "mysql://x/y",
        ] {
            let error = DatabaseUrl::parse(url).unwrap_err().to_string();
            assert!(
                error.starts_with("database.url: ") && error.contains("; "),
                "{error}"
            );
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn the_url_of_another_database_keeps_server_user_and_parameters() {
        for (url, expected) in [
            ("postgres://h", "postgres://h/new"),
            ("postgres://u:p@h:5432/old", "postgres://u:p@h:5432/new"),
            (
                "postgresql://u:p/?@h/old?a=1&b=2",
                "postgresql://u:p/?@h/new?a=1&b=2",
            ),
            ("postgres://h/old?dbname=other&a=1", "postgres://h/new?a=1"),
            ("postgres://h?dbname=other", "postgres://h/new"),
        ] {
            assert_eq!(with_database(url, "new"), expected);
        }
    }

    #[test]
    fn no_form_of_a_password_is_ever_shown() {
        for (url, secrets) in [
            ("postgres://u:s3cret@h:5432/db", vec!["s3cret"]),
            ("postgres://u:p@ss:w/rd?x@h/db", vec!["p@ss:w/rd?x"]),
            ("postgres://u:p%40ss%2F@h/db", vec!["p%40ss%2F", "p@ss/"]),
            ("postgres://u@h/db?password=hidden&x=1", vec!["hidden"]),
            ("postgres://h/db?sslpassword=k3y", vec!["k3y"]),
        ] {
            let parsed = DatabaseUrl::Postgres(url.to_owned());
            for secret in secrets {
                let message = format!("connection to {url} failed with {secret}");
                let shown = parsed.without_password(&message);
                assert!(!shown.contains(secret), "{shown}");
                for text in [format!("{parsed}"), format!("{parsed:?}")] {
                    assert!(!text.contains(secret), "{text}");
                }
            }
        }
        let url = DatabaseUrl::Postgres("postgres://u:s@h:5432/db?x=1".to_owned());
        assert_eq!(url.to_string(), "postgres://u@h:5432/db");
    }
}
