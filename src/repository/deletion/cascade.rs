//! Deleting instruments with all that belongs to them, as one batch: rules, alerts, bars and ticks.

use diesel::prelude::*;

use super::TICKS_PER_TRANSACTION;
use super::read::of_moment;
use super::undo::lock;
use crate::database::{BackendConnection, Database};
use crate::domain::DeletionState;
use crate::error::{Error, Result};
use crate::models::{Deletion, NewDeletion};
use crate::repository::deletion_batch::DeletionBatch;
use crate::repository::{alert_log, alert_rule, bar, instrument, market_data};
use crate::soft_delete::SoftDeletable;
use crate::tables::instruments;
use crate::timestamp::Timestamp;

const AGAIN: &str = "delete the instruments again";

/// Moves instruments with their rules, alerts, bars and ticks to the trash, as one batch, which can
/// be undone as one.
///
/// The instruments go in the first transaction, so that no tick comes in meanwhile, and up to 100,000
/// ticks with them; more ticks in further ones. A crash between them leaves the batch `running`:
/// [`resume`] goes on with it, and [`undo`](super::undo) takes back what it did.
///
/// # Errors
/// [`Error::NotFound`] naming an instrument that is not there or deleted; [`Error::Invalid`] for a
/// name or a reason that is too long; [`Error::Conflict`] when somebody undoes it while it goes on;
/// those of [`Database::write`].
pub fn delete_instruments(db: &Database, ids: &[i64], new: &NewDeletion) -> Result<Deletion> {
    let (now, ids, new) = (db.clock().now(), ids.to_vec(), new.clone());
    let deletion = db.write("deletion.delete_instruments", move |conn| {
        begin(conn, &ids, &new, now)
    })?;
    finish(db, deletion)
}

/// Goes on with a batch that was cut off by a crash; one that is done stays as it is.
///
/// # Errors
/// [`Error::NotFound`] when there is no such batch; [`Error::Conflict`] when it was undone or purged;
/// those of [`Database::write`].
pub fn resume(db: &Database, id: i64) -> Result<Deletion> {
    let deletion = db.read("deletion.get", |conn| super::get(conn, id))?;
    match deletion.state {
        DeletionState::Done => Ok(deletion),
        DeletionState::Running => finish(db, deletion),
        DeletionState::Undone | DeletionState::Purged => Err(ended(&deletion, AGAIN)),
    }
}

pub(super) fn ended(deletion: &Deletion, remedy: &str) -> Error {
    Error::Conflict {
        what: format!("deletion {} cannot go on", deletion.id()),
        existing: format!("it is {}; {remedy}", deletion.state),
    }
}

fn begin(
    conn: &mut BackendConnection<'_>,
    ids: &[i64],
    new: &NewDeletion,
    now: Timestamp,
) -> Result<Deletion> {
    // First: another deletion of one of them may be under way.
    instrument::lock(conn, ids)?;
    for id in ids {
        instrument::find(conn, *id)?;
    }
    let mut batch = DeletionBatch::begin(conn, new, now)?;
    let rules = alert_rule::of_instruments(conn, ids)?;
    let rules: Vec<i64> = rules.iter().map(|rule| rule.id).collect();
    alert_rule::soft_delete(conn, &rules, &mut batch)?;
    for id in ids {
        alert_log::soft_delete_all(conn, *id, &mut batch)?;
        bar::soft_delete_all(conn, *id, &mut batch)?;
        #[cfg(feature = "archive")]
        market_data::soft_delete_files(conn, *id, &mut batch)?;
    }
    instrument::soft_delete(conn, ids, &mut batch)?;
    ticks(conn, ids, batch)
}

/// Deletes ticks of the instruments, some at most, and notes down how far it is.
fn ticks(
    conn: &mut BackendConnection<'_>,
    ids: &[i64],
    mut batch: DeletionBatch,
) -> Result<Deletion> {
    let mut left = TICKS_PER_TRANSACTION;
    for id in ids {
        if left > 0 {
            let deleted = market_data::soft_delete_some(conn, *id, left, &mut batch)?;
            left = left.saturating_sub(deleted);
        }
    }
    let state = match left {
        0 => DeletionState::Running,
        _ => DeletionState::Done,
    };
    batch.write(conn, state)
}

/// Deletes what is left.
fn finish(db: &Database, mut deletion: Deletion) -> Result<Deletion> {
    while deletion.state == DeletionState::Running {
        let deleted_at = deletion.deleted_at;
        deletion = db.write("deletion.delete_ticks", move |conn| {
            lock(conn, deleted_at)?;
            let deletion = of_moment(conn, deleted_at)?;
            if deletion.state != DeletionState::Running {
                return Err(ended(&deletion, AGAIN));
            }
            let ids = instruments::table
                .deleted()
                .filter(instruments::deleted_at.eq(deleted_at))
                .select(instruments::id)
                .order(instruments::id);
            let ids: Vec<i64> = crate::on_backend!(&mut *conn, |c| ids.load(c))?;
            ticks(conn, &ids, DeletionBatch::of(&deletion))
        })?;
    }
    let rows = deletion.counts().total();
    tracing::info!(
        id = deletion.id(),
        request = deletion.request,
        rows,
        "soft-deleted"
    );
    Ok(deletion)
}
