//! One run of the engine, from start to stop: the instruments that it has met, and the watcher of
//! the ticks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::lock;
use super::memory::Known;
use super::open::Open;
use super::told::Told;
use crate::clock::Clock;
use crate::database::BackendConnection;
use crate::domain::StoredTick;
use crate::error::Result;
use crate::models::AlertLog;
use crate::repository::market_data::{Demand, TickWatcher, Versions};
use crate::services::ServiceRecord;
use crate::services::alert_engine::AlertTotals;

/// What lasts over restarts.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) record: ServiceRecord,
    pub(super) totals: Mutex<AlertTotals>,
    pub(super) told: Arc<Told>,
}

/// A run of the engine. Transactions that are open when it is stopped end with it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    instruments: RwLock<HashMap<i64, Arc<Known>>>,
    /// The instrument of each rule that was met.
    rules: Mutex<HashMap<i64, i64>>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            instruments: RwLock::default(),
            rules: Mutex::default(),
        }
    }

    pub(super) fn suppressed(&self, rule_id: i64) -> Option<u64> {
        let instrument_id = *lock(&self.rules).get(&rule_id)?;
        self.known(instrument_id)?.suppressed(rule_id)
    }

    /// Takes note of the rules of an instrument.
    pub(super) fn met(&self, instrument_id: i64, rules: &[i64]) {
        let each = rules.iter().map(|rule| (*rule, instrument_id));
        lock(&self.rules).extend(each);
    }

    fn known(&self, instrument_id: i64) -> Option<Arc<Known>> {
        let known = self.instruments.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        known.get(&instrument_id).cloned()
    }

    pub(super) fn known_or_new(&self, instrument_id: i64) -> Arc<Known> {
        if let Some(known) = self.known(instrument_id) {
            return known;
        }
        let known = self.instruments.write();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Known::new());
        Arc::clone(known.entry(instrument_id).or_insert_with(new))
    }

    /// Those of which something is evaluated, or which were never looked at.
    fn not_idle(&self, of: &[Versions]) -> Vec<Versions> {
        let known = self.instruments.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        let is_idle = |of: &&Versions| {
            let known = known.get(&of.instrument_id);
            known.is_some_and(|known| known.is_idle_at(of.rules))
        };
        of.iter().filter(|of| !is_idle(of)).copied().collect()
    }

    /// Counts a transaction that was committed.
    pub(super) fn committed(&self, totals: AlertTotals) {
        lock(&self.shared.totals).add(&totals);
        self.shared.record.ran(self.shared.clock.now(), None);
    }

    fn failed<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome.inspect_err(|error| {
            let now = self.shared.clock.now();
            self.shared.record.ran(now, Some(error.chain()));
        })
    }
}

impl TickWatcher for Arc<Session> {
    fn prepare(&self, conn: &mut BackendConnection<'_>, of: &[Versions]) -> Result<Vec<i64>> {
        let of = self.not_idle(of);
        if of.is_empty() {
            return Ok(Vec::new());
        }
        match conn.follower(|| Open::new(Arc::clone(self))) {
            Some(open) => self.failed(open.prepare(conn, &of)),
            None => Ok(Vec::new()),
        }
    }

    fn evaluate(
        &self,
        conn: &mut BackendConnection<'_>,
        stored: &mut dyn Iterator<Item = StoredTick>,
    ) -> Result<Demand> {
        match conn.follower(|| Open::new(Arc::clone(self))) {
            Some(open) => Ok(open.evaluate(stored)),
            None => Ok(Demand::default()),
        }
    }

    fn stored(&self, conn: &mut BackendConnection<'_>, alerts: Vec<AlertLog>) {
        if let Some(open) = conn.follower(|| Open::new(Arc::clone(self))) {
            open.stored(alerts);
        }
    }
}
