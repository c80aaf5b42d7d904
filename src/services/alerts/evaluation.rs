//! What an open transaction has evaluated: the memories that it holds, and how they follow it.
//!
//! Each savepoint begins an epoch. A memory that has changed in an epoch which is undone is forgotten,
//! and read again by the batch that needs it next: a failed write is rare, and an undo of each change
//! would cost every batch. Only its counts go back, for no row has them.

use std::sync::{Arc, Mutex};

use tokio::sync::OwnedMutexGuard;

use super::engine_run::EngineRun;
use super::load::{self, Loaded};
use super::lock;
use super::state::{InstrumentState, SuppressedCounts, WatchedState};
use crate::database::{BackendConnection, Ending, TransactionHook};
use crate::domain::StoredTick;
use crate::error::Result;
use crate::models::AlertLog;
use crate::repository::market_data::{Demand, InstrumentVersions};
use crate::services::alert_engine::AlertTotals;

/// The evaluation of an open transaction.
pub(super) struct BatchEvaluation {
    session: Arc<EngineRun>,
    state: Mutex<BatchState>,
}

#[derive(Default)]
struct BatchState {
    epoch: u64,
    /// By instrument.
    held: Vec<LockedState>,
    /// What each epoch has fired.
    alerts: Vec<(u64, Vec<AlertLog>)>,
    totals: Vec<(u64, AlertTotals)>,
}

/// A memory that the transaction holds.
struct LockedState {
    instrument_id: i64,
    known: Arc<WatchedState>,
    memory: OwnedMutexGuard<InstrumentState>,
    /// The epoch in which it was taken.
    since: u64,
    /// The epochs in which it has changed, each with the counts before that.
    marks: Vec<(u64, SuppressedCounts)>,
}

impl BatchEvaluation {
    pub(super) fn new(session: Arc<EngineRun>) -> Self {
        Self {
            session,
            state: Mutex::default(),
        }
    }

    /// Takes the memories of these instruments, which are locked, and reads those that are not
    /// true any more. Returns the instruments of which rules are evaluated.
    pub(super) fn prepare(
        &self,
        conn: &mut BackendConnection<'_>,
        of: &[InstrumentVersions],
    ) -> Result<Vec<i64>> {
        let stale = self.take(of);
        let ids: Vec<i64> = stale.iter().map(|of| of.instrument_id).collect();
        if !ids.is_empty() {
            let loaded = load::load(conn, &ids)?;
            let mut state = lock(&self.state);
            for (loaded, versions) in loaded.into_iter().zip(&stale) {
                self.session.met(loaded.instrument_id, &loaded.rules);
                state.put(loaded, versions);
            }
        }
        let mut state = lock(&self.state);
        let evaluates = |id: &i64| {
            state
                .held(*id)
                .is_some_and(|it| it.memory.evaluator.is_some())
        };
        Ok(of
            .iter()
            .map(|of| of.instrument_id)
            .filter(evaluates)
            .collect())
    }

    /// Takes the memories, and returns the versions of those that do not stand for them.
    fn take(&self, of: &[InstrumentVersions]) -> Vec<InstrumentVersions> {
        let mut state = lock(&self.state);
        let mut stale = Vec::new();
        for versions in of {
            if state.held(versions.instrument_id).is_none() {
                let known = self.session.known_or_new(versions.instrument_id);
                state.hold(versions.instrument_id, known);
            }
            let held = state.held(versions.instrument_id);
            if held.is_some_and(|held| !held.memory.stands_for(versions)) {
                stale.push(*versions);
            }
        }
        stale
    }

    /// Evaluates stored ticks, which come by instrument.
    pub(super) fn evaluate(&self, stored: &mut dyn Iterator<Item = StoredTick>) -> Demand {
        let ticks: Vec<StoredTick> = stored.collect();
        let mut state = lock(&self.state);
        let epoch = state.epoch;
        let mut demand = Demand::default();
        for ticks in ticks.chunk_by(|a, b| a.instrument_id == b.instrument_id) {
            let held = state.held(ticks[0].instrument_id);
            let totals = held.and_then(|held| held.evaluate(epoch, ticks, &mut demand));
            totals.iter().for_each(|totals| state.count(totals));
        }
        demand
    }

    pub(super) fn stored(&self, alerts: Vec<AlertLog>) {
        let mut state = lock(&self.state);
        let epoch = state.epoch;
        state.alerts.push((epoch, alerts));
    }
}

impl TransactionHook for BatchEvaluation {
    fn savepoint(&self) -> u64 {
        let mut state = lock(&self.state);
        state.epoch += 1;
        state.epoch
    }

    fn rollback_to(&self, mark: u64) {
        let mut state = lock(&self.state);
        state.alerts.retain(|(epoch, _)| *epoch < mark);
        state.totals.retain(|(epoch, _)| *epoch < mark);
        state
            .held
            .iter_mut()
            .for_each(|held| held.rollback_to(mark));
        // PostgreSQL lets go of their rows: who locks them next must not wait for their memories.
        state.held.retain(|held| held.since < mark);
    }

    fn ended(&self, ending: Ending) {
        match ending {
            // Whether an unknown one stands, the database says when it is read again.
            Ending::RolledBack | Ending::Unknown => self.rollback_to(0),
            Ending::Committed => {
                let mut state = std::mem::take(&mut *lock(&self.state));
                state.held.iter_mut().for_each(LockedState::commit);
                let mut sum = AlertTotals::default();
                let totals = state.totals.iter();
                totals.for_each(|(_, totals)| sum.add(totals));
                self.session.committed(sum);
                // Before the memories are given back: what is told of an instrument is in order.
                let alerts = state.alerts.drain(..).flat_map(|(_, alerts)| alerts);
                self.session.shared.told.enqueue(alerts.collect());
            }
        }
    }
}

impl BatchState {
    fn held(&mut self, instrument_id: i64) -> Option<&mut LockedState> {
        let place = self.place(instrument_id).ok()?;
        Some(&mut self.held[place])
    }

    fn place(&self, instrument_id: i64) -> Result<usize, usize> {
        self.held
            .binary_search_by_key(&instrument_id, |held| held.instrument_id)
    }

    fn hold(&mut self, instrument_id: i64, known: Arc<WatchedState>) {
        if let Err(place) = self.place(instrument_id) {
            let held = LockedState {
                instrument_id,
                memory: known.lock_memory(),
                known,
                since: self.epoch,
                marks: Vec::new(),
            };
            self.held.insert(place, held);
        }
    }

    fn count(&mut self, totals: &AlertTotals) {
        match self.totals.last_mut() {
            Some((epoch, sum)) if *epoch == self.epoch => sum.add(totals),
            _ => self.totals.push((self.epoch, *totals)),
        }
    }

    fn put(&mut self, loaded: Loaded, versions: &InstrumentVersions) {
        let epoch = self.epoch;
        if let Some(held) = self.held(loaded.instrument_id) {
            held.mark(epoch);
            held.memory.put(loaded.evaluator, versions);
        }
    }
}

impl LockedState {
    /// Says that it is about to change in an epoch.
    fn mark(&mut self, epoch: u64) {
        if self.marks.last().is_none_or(|(last, _)| *last < epoch) {
            self.marks.push((epoch, self.memory.suppressed()));
        }
    }

    /// Evaluates stored ticks of the instrument, some at least.
    fn evaluate(
        &mut self,
        epoch: u64,
        ticks: &[StoredTick],
        demand: &mut Demand,
    ) -> Option<AlertTotals> {
        self.mark(epoch);
        let memory = &mut *self.memory;
        let evaluator = memory.evaluator.as_mut()?;
        // After a panic, which the caller may catch, it is half evaluated.
        memory.is_known = false;
        // As the row of the instrument, by the batch that has stored them.
        memory.ticks_version += 1;
        let firings = evaluator.evaluate_batch(ticks.iter().copied());
        demand.alerts.extend(firings.alert_logs());
        demand.last_triggered.extend(firings.last_triggered());
        memory.is_known = true;
        Some(AlertTotals::of(&firings))
    }

    fn rollback_to(&mut self, mark: u64) {
        let changed = self.marks.iter().position(|(epoch, _)| *epoch >= mark);
        if let Some((_, suppressed)) = changed.and_then(|first| self.marks.drain(first..).next()) {
            self.memory.forget(suppressed);
        }
    }

    fn commit(&mut self) {
        if self.marks.is_empty() {
            return;
        }
        let memory = &mut *self.memory;
        let is_idle = memory.is_known && memory.evaluator.is_none();
        self.known
            .set_idle_at(is_idle.then_some(memory.rules_version));
        self.known.publish(memory.suppressed());
    }
}
