//! Opening PostgreSQL connections: settings, what stands between here and the server, and errors
//! without passwords.
//!
//! Settings are the session's; behind a pooler that lends a connection for a transaction they are
//! each transaction's, for another program has the session next.

use std::time::Duration;

use diesel::connection::{CacheSize, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::libpq::{Attempt, RawConnection, attempt};
use crate::config::{DatabaseConfig, DatabaseUrl, Pooler, PostgresConfig, with_database};
use crate::error::{Error, Result};

/// Whatever the server takes for granted: work locks rows, and must see then what their last
/// holder has committed. A stricter transaction would fail at that point.
const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE";

/// One moment for all statements: parts of a read that must fit together cannot begin a transaction
/// of their own in it.
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// How often a connection is tried that was refused and then accepted a moment later.
const ESTABLISH_ATTEMPTS: u32 = 3;

/// Opens a connection and sets its session up.
pub(crate) fn open(config: &DatabaseConfig) -> Result<PgConnection> {
    let mut conn = establish(config)?;
    prepare(&mut conn, config)?;
    Ok(conn)
}

/// Opens a connection, whose session is as the server makes it.
pub(crate) fn establish(config: &DatabaseConfig) -> Result<PgConnection> {
    let url = named_url_of(config, &config.postgres.application_name)?;
    let mut attempts = 1;
    loop {
        let mut refused = match PgConnection::establish(&url) {
            Ok(conn) => return Ok(conn),
            Err(error) => ConnectRefusal::of(config, &url, &error.to_string()),
        };
        if refused.is_over && attempts == ESTABLISH_ATTEMPTS {
            // What refuses and accepts by turns is a limit on connections.
            refused.sqlstate = Some(TOO_MANY_CONNECTIONS.to_owned());
        } else if refused.is_over {
            attempts += 1;
            continue;
        }
        return Err(refused.into_error(config));
    }
}

/// The URL with the connect timeout in it, which libpq takes from there alone.
pub(crate) fn url_of(config: &DatabaseConfig) -> Result<String> {
    let DatabaseUrl::Postgres(url) = &config.url else {
        return Err(Error::config(
            "database.url",
            "it is not a PostgreSQL URL",
            "give postgres://..",
        ));
    };
    if url.contains("connect_timeout=") {
        return Ok(url.clone());
    }
    // libpq counts whole seconds, and takes 1 as 2.
    let seconds = config
        .postgres
        .connect_timeout
        .max(Duration::from_secs(1))
        .as_secs();
    Ok(with_parameter(url, "connect_timeout", &seconds.to_string()))
}

/// The same with the name that `pg_stat_activity` shows: a pooler keeps a name that comes with the
/// connection apart from those of others.
pub(super) fn named_url_of(config: &DatabaseConfig, name: &str) -> Result<String> {
    Ok(with_parameter(&url_of(config)?, "application_name", name))
}

fn with_parameter(url: &str, name: &str, value: &str) -> String {
    use std::fmt::Write;
    let separator = if url.contains('?') { '&' } else { '?' };
    let mut url = format!("{url}{separator}{name}=");
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() {
            url.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

/// Creates an empty database on the server of `admin` and returns its URL.
pub(crate) fn create_database(admin: &DatabaseConfig, name: &str) -> Result<String> {
    let sql = format!("CREATE DATABASE {name} TEMPLATE template0");
    administer(admin, &sql).map_err(|error| error.during("testing.create_database"))?;
    Ok(with_database(&url_of(admin)?, name))
}

/// Drops a database, and cuts the connections that it still has.
pub(crate) fn drop_database(admin: &DatabaseConfig, name: &str) -> Result<()> {
    administer(
        admin,
        &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
    )
}

fn administer(admin: &DatabaseConfig, sql: &str) -> Result<()> {
    Ok(establish(admin)?.batch_execute(sql)?)
}

/// Sessions are read-only until the write door says otherwise; see [`settings`] for the others.
/// Behind a pooler that lends for a transaction, nothing is left in the session, and no statement
/// is prepared for longer than it runs.
pub(crate) fn prepare(conn: &mut PgConnection, config: &DatabaseConfig) -> Result<()> {
    if config.postgres.pooler == Some(Pooler::Transaction) {
        conn.set_prepared_statement_cache_size(CacheSize::Disabled);
        return Ok(());
    }
    let settings = settings("SET", &config.postgres);
    conn.batch_execute(&format!(
        "{settings}; SET default_transaction_read_only = on"
    ))?;
    Ok(())
}

/// Nothing is compiled: statements are short, and where the estimate of one is far too high, as
/// without statistics, compiling it takes many times as long as running it.
fn settings(set: &str, config: &PostgresConfig) -> String {
    let timeout_ms = config.statement_timeout.as_millis();
    format!("{set} statement_timeout = {timeout_ms}; {set} TIME ZONE 'UTC'; {set} jit = off")
}

/// How a transaction of the write door begins.
pub(super) fn begin_write(config: &PostgresConfig) -> String {
    match config.pooler {
        Some(Pooler::Transaction) => format!("{BEGIN_WRITE}; {}", settings("SET LOCAL", config)),
        Some(Pooler::Session) | None => BEGIN_WRITE.to_owned(),
    }
}

/// How the transaction of a read begins; `None` where the session has the settings and each
/// statement is one of its own.
pub(super) fn begin_read(config: &PostgresConfig) -> Option<String> {
    (config.pooler == Some(Pooler::Transaction))
        .then(|| format!("{BEGIN_READ}; {}", settings("SET LOCAL", config)))
}

/// Refuses a pooler that the settings do not name: what a session is told behind it may reach other
/// programs, or get lost. Nothing is told before. A pooler announces a process that is none of the
/// server's; and in one that lends for a transaction the next connection gets the same process.
pub(crate) fn refuse_unnamed_pooler(config: &DatabaseConfig) -> Result<()> {
    let named = config.postgres.pooler;
    if named == Some(Pooler::Transaction) {
        return Ok(());
    }
    let url = named_url_of(config, &config.postgres.application_name)?;
    let timeout = config.postgres.connect_timeout;
    let connect = || {
        RawConnection::open(&url)
            .map_err(|reason| ConnectRefusal::of(config, &url, &reason).into_error(config))
    };
    let first = connect()?;
    let Some(process) = first.answering_process(timeout) else {
        let reason = format!("it accepts a connection and does not answer within {timeout:?}");
        return Err(ConnectRefusal::without_code(&reason).into_error(config));
    };
    let announced = first.announced_process();
    if announced == process {
        return Ok(());
    }
    if named.is_none() {
        return Err(Error::config(
            "postgres.pooler",
            format!(
                "a connection pooler stands before the server: it announced process {announced}, \
                 and process {process} answers"
            ),
            "say what it lends a connection for, `session` or `transaction` (pgbouncer's pool_mode)",
        ));
    }
    if connect()?.answering_process(timeout) == Some(process) {
        return Err(Error::config(
            "postgres.pooler",
            format!("it is `session`, but two connections at a time share process {process}"),
            "say `transaction`, or set pool_mode = session in the pooler",
        ));
    }
    Ok(())
}

/// Whether the server of a connection takes no writes. It is asked for: the texts of errors are in
/// the server's language, and Diesel does not tell their codes.
pub(super) fn is_standby(conn: &mut PgConnection) -> QueryResult<bool> {
    diesel::dsl::sql::<Bool>("SELECT pg_is_in_recovery()").get_result(conn)
}

/// A connection that was not made.
pub(super) struct ConnectRefusal {
    /// Why, in the words of libpq or the server, without a password.
    pub(super) reason: String,
    /// The server's code for it.
    pub(super) sqlstate: Option<String>,
    /// Another connection was accepted a moment later.
    is_over: bool,
}

impl ConnectRefusal {
    /// Asks again for the code, where the text is one of the server's.
    pub(super) fn of(config: &DatabaseConfig, url: &str, text: &str) -> Self {
        let text = config.url.without_password(text);
        let mut refusal = Self::without_code(&text);
        // So the server's severity and its text are put apart; libpq's own texts have none.
        if text.contains(":  ") {
            match attempt(url, config.postgres.connect_timeout) {
                Attempt::Accepted => refusal.is_over = true,
                Attempt::Refused(sqlstate) => refusal.sqlstate = sqlstate,
            }
        }
        // pgbouncer speaks English, and has one code for all.
        if text.contains("no more connections allowed") {
            refusal.sqlstate = Some(TOO_MANY_CONNECTIONS.to_owned());
        }
        refusal
    }

    fn without_code(text: &str) -> Self {
        Self {
            reason: text.split_whitespace().collect::<Vec<_>>().join(" "),
            sqlstate: None,
            is_over: false,
        }
    }

    fn into_error(self, config: &DatabaseConfig) -> Error {
        let remedy = match self.sqlstate.as_deref() {
            Some(TOO_MANY_CONNECTIONS) => {
                tracing::debug!(
                    reason = self.reason,
                    "the server accepts no more connections"
                );
                return Error::TooManyConnections {
                    state: "it refused another one".to_owned(),
                };
            }
            Some("28000" | "28P01") => "check user and password of the URL",
            Some("3D000") => "create the database, or name one that exists",
            Some("42501") => "GRANT CONNECT on the database to the user",
            Some("57P03") => "wait until the server has started",
            None if self.reason.contains("password") => "check user and password of the URL",
            _ => "check that the server runs and that host and port of the URL are right",
        };
        Error::Connect {
            target: format!("{:?}", config.url),
            reason: self.reason,
            remedy: remedy.to_owned(),
        }
    }
}

/// SQLSTATE `too_many_connections`.
const TOO_MANY_CONNECTIONS: &str = "53300";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_added_as_libpq_reads_it() {
        for (url, wanted) in [
            (
                "postgres://h/d",
                "postgres://h/d?application_name=it%27s%20%26%20so",
            ),
            (
                "postgres://h/d?a=1",
                "postgres://h/d?a=1&application_name=it%27s%20%26%20so",
            ),
        ] {
            let found = with_parameter(url, "application_name", "it's & so");
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn transactions_have_their_own_settings_behind_a_pooler_that_lends_for_one() {
        let mut config = PostgresConfig::default();
        for pooler in [None, Some(Pooler::Session)] {
            config.pooler = pooler;
            assert_eq!(begin_write(&config), BEGIN_WRITE);
            assert_eq!(begin_read(&config), None);
        }
        config.pooler = Some(Pooler::Transaction);
        let read = begin_read(&config).unwrap();
        assert!(
            read.contains("READ ONLY; SET LOCAL statement_timeout = 30000; "),
            "{read}"
        );
        assert!(begin_write(&config).contains("READ WRITE; SET LOCAL statement_timeout"));
    }
}
