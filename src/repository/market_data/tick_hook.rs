//! The seam to whoever watches stored ticks: a batch shows what it stores, within its transaction,
//! and writes down what that demands. What is demanded, and why, is the watcher's.
//!
//! A watcher is attached to a database. Without one a batch does nothing here.

use std::sync::Arc;

use super::insert_report::RowOutcome;
use super::tick_store::KeyedTick;
use super::tick_store::KnownInstrument;
use crate::database::BackendConnection;
use crate::domain::{StoredTick, TraceId};
use crate::error::Result;
use crate::models::{AlertLog, NewAlertLog};
use crate::repository::{alert_log, alert_rule};
use crate::timestamp::Timestamp;

/// An instrument of a batch, as its row says under the lock, before the batch is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InstrumentVersions {
    /// The instrument.
    pub(crate) instrument_id: i64,
    /// Rises with each change of the instrument and of its rules.
    pub(crate) rules: i64,
    /// Rises by 1 with each batch that stores ticks of it, and whenever ticks of it are deleted or
    /// restored.
    pub(crate) ticks: i64,
}

/// The alerts that the stored ticks of a batch demand in their transaction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Demand {
    /// Alerts, in the order of the ticks.
    pub(crate) alerts: Vec<NewAlertLog>,
    /// When each of the rules fired last.
    pub(crate) last_triggered: Vec<(i64, Timestamp)>,
}

/// Watches stored ticks. It is called on the thread of the transaction, once per step of a batch.
pub(crate) trait TickWatcher: Send + Sync {
    /// Before the batch is stored: makes itself ready for these instruments, which are locked
    /// against other writers until the commit and come by id. Returns those that it watches, by
    /// id.
    fn prepare(
        &self,
        conn: &mut BackendConnection<'_>,
        of: &[InstrumentVersions],
    ) -> Result<Vec<i64>>;

    /// After it is stored: takes the stored ticks of the watched instruments, in the order of
    /// their keys, and says what they demand.
    fn evaluate(
        &self,
        conn: &mut BackendConnection<'_>,
        stored: &mut dyn Iterator<Item = StoredTick>,
    ) -> Result<Demand>;

    /// What was stored of the demanded alerts; those that were there before are not among them.
    fn stored(&self, conn: &mut BackendConnection<'_>, alerts: Vec<AlertLog>);
}

/// A watcher, as it is attached to a database.
pub(crate) struct Watcher(pub(crate) Box<dyn TickWatcher>);

/// A batch that is watched.
pub(super) struct Watched {
    watcher: Arc<Watcher>,
    /// By id.
    instruments: Vec<i64>,
}

/// Asks the watcher, if there is one, which of the instruments it watches.
pub(super) fn prepare(
    conn: &mut BackendConnection<'_>,
    known: impl Iterator<Item = KnownInstrument>,
) -> Result<Option<Watched>> {
    let Some(watcher) = conn.attached::<Watcher>() else {
        return Ok(None);
    };
    let versions = known.map(|known| InstrumentVersions {
        instrument_id: known.id,
        rules: known.rules_version,
        ticks: known.ticks_version,
    });
    let mut versions: Vec<InstrumentVersions> = versions.collect();
    // By id: the watcher locks its memory of the instruments in this order, as every batch does.
    versions.sort_unstable_by_key(|of| of.instrument_id);
    let instruments = watcher.0.prepare(conn, &versions)?;
    let is_watched = !instruments.is_empty();
    Ok(is_watched.then_some(Watched {
        watcher,
        instruments,
    }))
}

impl Watched {
    /// Shows the watcher the stored rows, which come in key order with what became of the rows of
    /// the batch, and writes down what they demand.
    pub(super) fn evaluate(
        &self,
        conn: &mut BackendConnection<'_>,
        rows: &[KeyedTick<'_>],
        outcomes: &[RowOutcome],
        trace: Option<TraceId>,
    ) -> Result<()> {
        let mut last = (None, false);
        let mut is_watched = |id: i64| {
            if last.0 != Some(id) {
                last = (Some(id), self.instruments.binary_search(&id).is_ok());
            }
            last.1
        };
        let is_stored =
            |row: &&KeyedTick<'_>| matches!(outcomes[row.index], RowOutcome::Inserted { .. });
        let stored = rows.iter().filter(is_stored);
        let mut stored = stored
            .filter(|row| is_watched(row.key.instrument_id))
            .map(|row| StoredTick::new(row.tick, row.key.sequence));
        let demand = self.watcher.0.evaluate(conn, &mut stored)?;
        if demand.alerts.is_empty() {
            return Ok(());
        }
        // Alert and `last_triggered` in the transaction of the tick: all of it is committed, or
        // none.
        let alerts = alert_log::insert_many(conn, &demand.alerts, trace)?;
        alert_rule::triggered(conn, &demand.last_triggered)?;
        self.watcher.0.stored(conn, alerts);
        Ok(())
    }
}
