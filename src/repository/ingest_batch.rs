//! Answers of batches sent with an idempotency key, kept for 24 hours.

use diesel::prelude::*;

use crate::database::{BackendConnection, Invalidation};
use crate::error::{Error, Result};
use crate::repository::market_data::InsertReport;
use crate::schema::ingest_batches;
use crate::timestamp::Timestamp;

/// The time that a key is remembered, in microseconds.
const KEPT_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
/// The longest key, in characters.
const KEY_LENGTH_MAX: usize = 255;

/// The answer that the key's first batch got, unless that is more than 24 hours ago.
pub(crate) fn find(
    conn: &mut BackendConnection<'_>,
    key: &str,
    now: Timestamp,
) -> Result<Option<InsertReport>> {
    let length = key.chars().count();
    if length == 0 || length > KEY_LENGTH_MAX {
        return Err(Error::invalid(
            "idempotency key",
            format!("it has {length} characters"),
            format!("use 1 to {KEY_LENGTH_MAX}"),
        ));
    }
    take_turns(conn, key)?;
    // After the turn and before the look: a key of yesterday must not answer for today's batch.
    expire(conn, now)?;
    let query = ingest_batches::table
        .find(key)
        .select(ingest_batches::response);
    let response: Option<String> = crate::on_backend!(conn, |c| query.first(c).optional())?;
    response.map(|text| read(&text)).transpose()
}

/// Two batches with one key at once: the second waits here for the first's commit.
fn take_turns(conn: &mut BackendConnection<'_>, key: &str) -> Result<()> {
    match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => {} // The write lane is the turn.
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(c) => {
            diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
                .bind::<diesel::sql_types::Text, _>(key)
                .execute(*c)?;
        }
    }
    let _ = key;
    Ok(())
}

fn read(text: &str) -> Result<InsertReport> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt {
        what: "ingest_batches.response",
        value: text.chars().take(80).collect(),
        reason: error.to_string(),
    })
}

/// Keeps the answer of a batch.
pub(crate) fn remember(
    conn: &mut BackendConnection<'_>,
    key: &str,
    report: &InsertReport,
    now: Timestamp,
) -> Result<()> {
    let response = serde_json::to_string(report)
        .map_err(|error| Error::invalid("report", error.to_string(), "report this as a defect"))?;
    let insert = diesel::insert_into(ingest_batches::table).values((
        ingest_batches::idempotency_key.eq(key),
        ingest_batches::response.eq(response),
        ingest_batches::created_at.eq(now),
    ));
    crate::on_backend!(conn, |c| insert.execute(c))?;
    Ok(())
}

/// Forgets keys older than 24 hours; returns how many.
pub(crate) fn expire(conn: &mut BackendConnection<'_>, now: Timestamp) -> Result<usize> {
    let _said = conn.invalidates(Invalidation::Nothing);
    let delete = diesel::delete(ingest_batches::table.filter(is_expired(now)));
    Ok(crate::on_backend!(conn, |c| delete.execute(c))?)
}

/// Counts the keys that [`expire`] would forget.
pub(crate) fn count_expired(conn: &mut BackendConnection<'_>, now: Timestamp) -> Result<i64> {
    let query = ingest_batches::table.filter(is_expired(now)).count();
    Ok(crate::on_backend!(conn, |c| query.get_result(c))?)
}

fn is_expired(now: Timestamp) -> diesel::dsl::LtEq<ingest_batches::created_at, Timestamp> {
    ingest_batches::created_at.le(now.saturating_add_micros(-KEPT_MICROS))
}
