//! One run of the engine, from start to stop: the instruments that it has met.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::lock;
use super::notifier::AlertNotifier;
use super::state::WatchedState;
use crate::clock::Clock;
use crate::error::Result;
use crate::repository::market_data::InstrumentVersions;
use crate::services::ServiceRecord;
use crate::services::alert_engine::AlertTotals;

/// What lasts over restarts.
#[derive(Debug)]
pub(super) struct EngineTotals {
    pub(super) clock: Clock,
    pub(super) record: ServiceRecord,
    pub(super) totals: Mutex<AlertTotals>,
    pub(super) told: Arc<AlertNotifier>,
}

/// A run of the engine. Transactions that are open when it is stopped end with it.
#[derive(Debug)]
pub(super) struct EngineRun {
    pub(super) shared: Arc<EngineTotals>,
    instruments: RwLock<HashMap<i64, Arc<WatchedState>>>,
    /// The instrument of each rule that was met.
    rules: Mutex<HashMap<i64, i64>>,
}

impl EngineRun {
    pub(super) fn new(shared: Arc<EngineTotals>) -> Self {
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

    fn known(&self, instrument_id: i64) -> Option<Arc<WatchedState>> {
        let known = self.instruments.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        known.get(&instrument_id).cloned()
    }

    pub(super) fn known_or_new(&self, instrument_id: i64) -> Arc<WatchedState> {
        if let Some(known) = self.known(instrument_id) {
            return known;
        }
        let known = self.instruments.write();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(WatchedState::new());
        Arc::clone(known.entry(instrument_id).or_insert_with(new))
    }

    /// Those of which something is evaluated, or which were never looked at.
    pub(super) fn not_idle(&self, of: &[InstrumentVersions]) -> Vec<InstrumentVersions> {
        let known = self.instruments.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        let is_idle = |of: &&InstrumentVersions| {
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

    pub(super) fn failed<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome.inspect_err(|error| {
            let now = self.shared.clock.now();
            self.shared.record.ran(now, Some(error.chain()));
        })
    }
}
