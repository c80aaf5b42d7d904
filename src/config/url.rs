//! The location of the database: a SQLite file or a PostgreSQL server. It never shows a password.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use super::read::refused;
use crate::error::{Error, Result};

/// The location of the database.
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

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(refused)
    }
}

impl DatabaseUrl {
    /// Reads `postgres://..`, `sqlite://path` or a plain path, and the URLs of SQLAlchemy, which name
    /// a driver: `sqlite+aiosqlite:///path`, `postgresql+asyncpg://..`.
    ///
    /// # Errors
    /// [`Error::Config`] for what is none of them, for `:memory:`, and for a backend that this
    /// build does not have. It never repeats the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |reason: &str, remedy: &str| Error::config("database.url", reason, remedy);
        let text = &*without_driver(text);
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return if cfg!(feature = "postgres") {
                Ok(Self::Postgres(text.to_owned()))
            } else {
                let remedy = "build with `--features postgres`, or give the path of a SQLite file";
                Err(refuse("this build has no PostgreSQL", remedy))
            };
        }
        let path = text.strip_prefix("sqlite://").unwrap_or(text);
        if let Some((reason, remedy)) = no_path(path) {
            return Err(refuse(reason, remedy));
        }
        if cfg!(feature = "sqlite") {
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        Err(refuse(
            "this build has no SQLite",
            "build with `--features sqlite`",
        ))
    }

    /// Host and port of a server, as they are written; the path of a file.
    #[cfg(feature = "postgres")]
    pub(crate) fn host_and_port(&self) -> String {
        let Self::Postgres(url) = self else {
            return self.to_string();
        };
        let (authority, _) = split(url);
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        host.to_owned()
    }

    #[cfg(any(feature = "postgres", test))]
    /// Blots out the URL's password in a text, as it was written and decoded.
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

/// The drivers that SQLAlchemy names behind a scheme, the only ones that a URL may name.
const SQLITE_DRIVERS: [&str; 2] = ["aiosqlite", "pysqlite"];
const POSTGRES_DRIVERS: [&str; 3] = ["asyncpg", "psycopg2", "psycopg"];

/// A URL of SQLAlchemy as one of ours; another text as it is. Behind its `sqlite+driver://` stands a
/// host, which is empty, and then a slash that is no part of the path: `///x.db` is a relative path,
/// `////x.db` an absolute one.
fn without_driver(text: &str) -> Cow<'_, str> {
    let parts = text.split_once("://").and_then(|(scheme, rest)| {
        let (scheme, driver) = scheme.split_once('+')?;
        Some((scheme, driver, rest))
    });
    match parts {
        Some(("sqlite", driver, rest)) if SQLITE_DRIVERS.contains(&driver) => Cow::Owned(format!(
            "sqlite://{}",
            rest.strip_prefix('/').unwrap_or(rest)
        )),
        Some(("postgresql", driver, rest)) if POSTGRES_DRIVERS.contains(&driver) => {
            Cow::Owned(format!("postgresql://{rest}"))
        }
        _ => Cow::Borrowed(text),
    }
}

/// Why a text is no path of a SQLite file, and what to write instead. A file may be named nearly
/// anything; what other programs take for something else is refused unless a directory stands
/// before it, as a typing error must not make a new, empty database.
fn no_path(text: &str) -> Option<(&'static str, &'static str)> {
    /// Takes a file of any name.
    const FILE: &str = "write postgres://user:password@host:port/name, sqlite://path or a path; a \
                        file of such a name is ./NAME";
    if text.trim().is_empty() {
        return Some((
            "it is empty",
            "give the path of a SQLite file or postgres://..",
        ));
    }
    if text.contains(":memory:") || text.starts_with("file:") {
        return Some((
            "each connection of the pool would see a database of its own",
            "give the path of a file, in a temporary directory if need be",
        ));
    }
    if text.contains("://") {
        return Some((
            "it is a URL of another scheme",
            "use sqlite:// or postgres://, in small letters",
        ));
    }
    if has_parameters(text) {
        return Some((
            "it has parameters behind its path",
            "leave them out: the settings of [sqlite] say how the file is opened",
        ));
    }
    let first = text.split(['/', '\\']).next().unwrap_or_default();
    // `host=h password=p`, as libpq takes it.
    let assigned = first.split_once('=').map(|(name, _)| name.trim());
    if assigned.is_some_and(is_word) || text.contains("password=") {
        return Some(("it is a list of names and values, and no path", FILE));
    }
    // `postgres:/..`, `sqlite:x`, `host:5432`; a single letter before a separator is a drive.
    let is_drive = first.len() == 2 && first.ends_with(':');
    if first.contains(':') && !is_drive {
        return Some((
            "it is neither a path nor a URL of a scheme that is taken",
            FILE,
        ));
    }
    None
}

/// True when it ends like a URL: `x.db?mode=ro`.
fn has_parameters(text: &str) -> bool {
    let behind = text
        .rsplit_once('?')
        .and_then(|(_, behind)| behind.split_once('='));
    behind.is_some_and(|(name, _)| is_word(name))
}

fn is_word(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.chars().all(is_letter)
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

#[cfg(any(feature = "postgres", feature = "server", test))]
pub(super) fn percent_decoded(text: &str) -> String {
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

    #[test]
    fn what_is_neither_a_path_nor_a_known_scheme_is_refused_without_repeating_it() {
        for url in [
            "host=db.example password=s3cret",
            "host=/var/run user=u password=s3cret",
            "user = u",
            "postgres:/u:s3cret@h/db",
            "postgres:u:s3cret@h/db",
            "POSTGRES://u:s3cret@h/db",
            "u:s3cret@h/db",
            "localhost:5432/s3cret",
            "10.0.0.1:5432/s3cret",
            "sqlite:s3cret.db",
            "sqlite:/s3cret.db",
            "s3cret.db?mode=ro",
            "sqlite://s3cret.db?mode=ro&cache=shared",
            "data/s3cret.db?immutable=1",
            "mysql://u:s3cret@h/db",
            "x y s3cret://h",
        ] {
            let error = DatabaseUrl::parse(url).unwrap_err();
            for text in [error.to_string(), format!("{error:?}")] {
                assert!(!text.contains("s3cret"), "{url}: {text}");
            }
            assert!(error.to_string().starts_with("database.url: "), "{error}");
        }
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_file_may_have_any_name_behind_a_directory() {
        for path in [
            "./host=db",
            "./sqlite:x",
            "/data/10:30.db",
            "data/a=b.db",
            "what?.db",
            "./a ? b.db",
            "C:\\data\\x.db",
            "c:/x.db",
            "x y.db",
            "ünïcode.db",
        ] {
            let parsed = DatabaseUrl::parse(path).unwrap();
            assert_eq!(parsed, DatabaseUrl::Sqlite(PathBuf::from(path)));
            let with_scheme = DatabaseUrl::parse(&format!("sqlite://{path}")).unwrap();
            assert_eq!(with_scheme, parsed);
        }
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_url_of_sqlalchemy_names_the_file_that_it_names_there() {
        for (url, path) in [
            ("sqlite+aiosqlite:///x.db", "x.db"),
            ("sqlite+aiosqlite:///./data/x.db", "./data/x.db"),
            ("sqlite+pysqlite:////srv/x.db", "/srv/x.db"),
        ] {
            let file = DatabaseUrl::Sqlite(PathBuf::from(path));
            assert_eq!(DatabaseUrl::parse(url).unwrap(), file, "{url}");
        }
        for url in [
            "sqlite+aiosqlite://",
            "sqlite+aiosqlite:///:memory:",
            "sqlite+aiosqlite:///s3cret.db?mode=ro",
            "sqlite+odd:///s3cret.db",
            "postgresql+odd://u:s3cret@h/db",
            "sqlite+asyncpg:///s3cret.db",
        ] {
            let error = DatabaseUrl::parse(url).unwrap_err().to_string();
            assert!(error.starts_with("database.url: "), "{url}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_url_of_sqlalchemy_names_the_server_that_it_names_there() {
        for driver in POSTGRES_DRIVERS {
            let url = format!("postgresql+{driver}://u:s3cret@h:5432/db");
            let parsed = DatabaseUrl::parse(&url).unwrap();
            let plain = DatabaseUrl::Postgres("postgresql://u:s3cret@h:5432/db".to_owned());
            assert_eq!(parsed, plain);
            assert_eq!(parsed.to_string(), "postgres://u@h:5432/db");
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
