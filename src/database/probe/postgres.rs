//! The probe of a PostgreSQL server.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::ProbeFinding;
use crate::config::DatabaseConfig;
use crate::database::postgres::{ConnectRefusal, named_url_of};
use crate::database::probe_cause::ProbeCause;
use crate::error::BackendCondition;

/// What the server says of itself; the version table is the one that is there in every version.
#[derive(QueryableByName)]
struct ServerState {
    #[diesel(sql_type = Bool)]
    is_standby: bool,
    #[diesel(sql_type = Bool)]
    has_tables: bool,
}

const STATE: &str = "SELECT pg_is_in_recovery() AS is_standby, \
                     to_regclass('tickbase_schema_migrations') IS NOT NULL AS has_tables";

pub(super) fn ask(config: &DatabaseConfig, timeout: Duration) -> Result<(), ProbeFinding> {
    let config = config.clone().with(|config| {
        config.postgres.connect_timeout = timeout;
    });
    let url = named_url_of(&config, "tickbase probe");
    let url = url.map_err(|error| unreachable(error.to_string()))?;
    let mut conn = PgConnection::establish(&url)
        .map_err(|error| judge(ConnectRefusal::of(&config, &url, &error.to_string())))?;
    let state: ServerState = diesel::sql_query(STATE)
        .get_result(&mut conn)
        .map_err(|error| unreachable(error.to_string()))?;
    if !state.has_tables {
        let reason = "the table tickbase_schema_migrations does not exist";
        let remedy = "bring its tables back, or run `tickbase migrate run`";
        return Err(ProbeFinding::new(ProbeCause::NotADatabase, reason, remedy));
    }
    conn.batch_execute("SELECT 1 FROM tickbase_schema_migrations LIMIT 1")
        .map_err(|error| unreachable(error.to_string()))?;
    if state.is_standby {
        let reason = "the server is a standby: it is read and takes no writes";
        let remedy = "promote it, or name the primary; a URL with several hosts and \
                      target_session_attrs=read-write finds it";
        return Err(ProbeFinding::new(ProbeCause::ReadOnly, reason, remedy));
    }
    Ok(())
}

fn unreachable(reason: String) -> ProbeFinding {
    let remedy = "check that the server runs and answers";
    ProbeFinding::new(ProbeCause::Unreachable, reason, remedy)
}

fn judge(refusal: ConnectRefusal) -> ProbeFinding {
    let ConnectRefusal {
        reason, sqlstate, ..
    } = refusal;
    let words = BackendCondition::in_words(&reason);
    match sqlstate.as_deref() {
        Some("28000" | "28P01" | "42501") => {
            let remedy = "check user and password of the URL, and the server's pg_hba.conf";
            ProbeFinding::new(ProbeCause::PermissionDenied, reason, remedy)
        }
        Some("3D000") => {
            let remedy = "create the database, or bring it back under its name";
            ProbeFinding::new(ProbeCause::Missing, reason, remedy)
        }
        Some("53300") => {
            let remedy = "raise max_connections of the server, or lower pool.base + pool.overflow";
            ProbeFinding::new(ProbeCause::Unreachable, reason, remedy)
        }
        None if words == Some(BackendCondition::Password) => {
            let remedy = "give the password that the server asks for";
            ProbeFinding::new(ProbeCause::PermissionDenied, reason, remedy)
        }
        None if words == Some(BackendCondition::TimedOut) => {
            let remedy = "check the network and the server's load";
            ProbeFinding::new(ProbeCause::TimedOut, reason, remedy)
        }
        _ => unreachable(reason),
    }
}
