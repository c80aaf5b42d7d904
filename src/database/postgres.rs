//! Opening PostgreSQL connections: session settings, and errors without passwords.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::config::{DatabaseConfig, DatabaseUrl, with_database};
use crate::error::{Error, Result};

/// Opens a connection and sets its session up.
pub(crate) fn open(config: &DatabaseConfig) -> Result<PgConnection> {
    let mut conn = establish(config)?;
    prepare(&mut conn, config)?;
    Ok(conn)
}

/// Opens a connection, whose session is as the server makes it.
pub(crate) fn establish(config: &DatabaseConfig) -> Result<PgConnection> {
    let url = url_of(config)?;
    PgConnection::establish(&url).map_err(|error| refused(config, &error))
}

/// The URL with the connect timeout in it, which libpq takes from there alone.
pub(crate) fn url_of(config: &DatabaseConfig) -> Result<String> {
    let DatabaseUrl::Postgres(url) = &config.url else {
        return Err(Error::config(
            "database.url",
            "it is no PostgreSQL URL",
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
    let separator = if url.contains('?') { '&' } else { '?' };
    Ok(format!("{url}{separator}connect_timeout={seconds}"))
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

/// Sessions are read-only until the write door says otherwise. Nothing is compiled: statements are
/// short, and where the estimate of one is far too high, as without statistics, compiling it takes
/// many times as long as running it.
pub(crate) fn prepare(conn: &mut PgConnection, config: &DatabaseConfig) -> Result<()> {
    let settings = &config.postgres;
    let name = settings.application_name.replace('\'', "''");
    let timeout_ms = settings.statement_timeout.as_millis();
    conn.batch_execute(&format!(
        "SET application_name = '{name}'; SET statement_timeout = {timeout_ms}; \
         SET TIME ZONE 'UTC'; SET default_transaction_read_only = on; SET jit = off"
    ))?;
    Ok(())
}

/// The error of a connection that was not made.
pub(crate) fn refused(config: &DatabaseConfig, error: &ConnectionError) -> Error {
    let text = config.url.without_password(&error.to_string());
    let remedy = if text.contains("password") || text.contains("role") {
        "check user and password of the URL"
    } else if text.contains("does not exist") {
        "create the database, or name one that exists"
    } else {
        "check that the server runs and that host and port of the URL are right"
    };
    Error::Connect {
        target: format!("{:?}", config.url),
        reason: text.split_whitespace().collect::<Vec<_>>().join(" "),
        remedy: remedy.to_owned(),
    }
}
