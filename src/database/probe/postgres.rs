//! The probe of a PostgreSQL server.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::{Found, ProbeCause};
use crate::config::DatabaseConfig;
use crate::database::postgres::{refused, url_of};
use crate::error::Error;

pub(super) fn ask(config: &DatabaseConfig, timeout: Duration) -> Result<(), Found> {
    let config = config.clone().with(|config| {
        config.postgres.connect_timeout = timeout;
    });
    let url = url_of(&config).map_err(|error| unreachable(error.to_string()))?;
    let mut conn = PgConnection::establish(&url).map_err(|error| judge(&config, &error))?;
    // The one table that is there in every version.
    let ask = "SET application_name = 'tickbase probe'; \
               SELECT 1 FROM tickbase_schema_migrations LIMIT 1";
    conn.batch_execute(ask).map_err(|error| {
        let reason = error.to_string();
        if !reason.contains("does not exist") {
            return unreachable(reason);
        }
        let remedy = "bring its tables back, or run `tickbase migrate run`";
        Found::new(ProbeCause::NotADatabase, reason, remedy)
    })
}

fn unreachable(reason: String) -> Found {
    let remedy = "check that the server runs and answers";
    Found::new(ProbeCause::Unreachable, reason, remedy)
}

fn judge(config: &DatabaseConfig, error: &ConnectionError) -> Found {
    let reason = match refused(config, error) {
        Error::Connect { reason, .. } => reason,
        other => other.to_string(),
    };
    let has = |texts: &[&str]| texts.iter().any(|text| reason.contains(text));
    if has(&["password", "role", "pg_hba.conf", "permission denied"]) {
        let remedy = "check user and password of the URL, and the server's pg_hba.conf";
        Found::new(ProbeCause::PermissionDenied, reason, remedy)
    } else if has(&["database"]) && has(&["does not exist"]) {
        let remedy = "create the database, or bring it back under its name";
        Found::new(ProbeCause::Missing, reason, remedy)
    } else if has(&["timeout expired"]) {
        let remedy = "check the network and the server's load";
        Found::new(ProbeCause::TimedOut, reason, remedy)
    } else {
        unreachable(reason)
    }
}
