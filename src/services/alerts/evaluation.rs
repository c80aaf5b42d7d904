//! What an open transaction has evaluated: the memories that it holds, and how they follow it.
//!
//! Each savepoint begins an epoch. A memory is marked before its first evaluation in an epoch, so
//! that returning to a savepoint takes back what came in its epoch and in later ones. What was
//! read from the database in the transaction may hold what only that sees: it is forgotten when
//! the transaction, or the savepoint around it, is undone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::OwnedMutexGuard;

use super::engine_run::EngineRun;
use super::load::{self, Loaded};
use super::lock;
use super::state::{InstrumentState, WatchedState};
use crate::database::{BackendConnection, Ending, TransactionHook};
use crate::domain::StoredTick;
use crate::error::Result;
use crate::models::AlertLog;
use crate::repository::market_data::{Demand, InstrumentVersions};
use crate::services::alert_engine::{AlertTotals, JournalMark};

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
    /// The epoch in which it was last read from the database.
    loaded: Option<u64>,
    /// Whether an evaluation began that did not end.
    broken: bool,
    marks: Vec<Marked>,
    /// Matches held back in this transaction by evaluators that it has replaced.
    suppressed: HashMap<i64, u64>,
}

/// A memory at its first evaluation in an epoch.
struct Marked {
    epoch: u64,
    mark: JournalMark,
    ticks_version: i64,
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
        for mut held in state.held.extract_if(.., |held| held.since >= mark) {
            held.roll_back();
        }
        state
            .held
            .iter_mut()
            .for_each(|held| held.rollback_to(mark));
    }

    fn ended(&self, ending: Ending) {
        let mut state = std::mem::take(&mut *lock(&self.state));
        match ending {
            Ending::RolledBack => state.held.iter_mut().for_each(LockedState::roll_back),
            Ending::Unknown => state.held.iter_mut().for_each(LockedState::forget),
            Ending::Committed => {
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
                loaded: None,
                broken: false,
                marks: Vec::new(),
                suppressed: HashMap::new(),
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
            held.replace(epoch, loaded, versions);
        }
    }
}

impl LockedState {
    /// Puts what was read in place of what was known.
    fn replace(&mut self, epoch: u64, loaded: Loaded, versions: &InstrumentVersions) {
        self.count_open();
        self.forget();
        self.memory.is_known = true;
        self.memory.evaluator = loaded.evaluator;
        self.memory.rules = loaded.rules;
        self.memory.rules_version = versions.rules;
        self.memory.ticks_version = versions.ticks;
        self.loaded = Some(epoch);
    }

    /// Keeps the counts of an evaluator that is about to be replaced after it has evaluated in this
    /// transaction.
    fn count_open(&mut self) {
        if self.marks.is_empty() || self.broken {
            return;
        }
        let open = self.memory.suppressed();
        if let Some(evaluator) = &mut self.memory.evaluator {
            evaluator.roll_back();
        }
        let before = self.memory.suppressed();
        for (rule, count) in open {
            let more = count - before.get(&rule).copied().unwrap_or(0);
            *self.suppressed.entry(rule).or_default() += more;
        }
    }

    /// Evaluates stored ticks of the instrument, some at least.
    fn evaluate(
        &mut self,
        epoch: u64,
        ticks: &[StoredTick],
        demand: &mut Demand,
    ) -> Option<AlertTotals> {
        let memory = &mut *self.memory;
        let evaluator = memory.evaluator.as_mut()?;
        if self.marks.last().is_none_or(|last| last.epoch < epoch) {
            self.marks.push(Marked {
                epoch,
                mark: evaluator.mark(),
                ticks_version: memory.ticks_version,
            });
        }
        self.broken = true;
        // As the row of the instrument, by the batch that has stored them.
        memory.ticks_version += 1;
        let firings = evaluator.evaluate_batch(ticks.iter().copied());
        demand.alerts.extend(firings.alert_logs());
        demand.last_triggered.extend(firings.last_triggered());
        self.broken = false;
        Some(AlertTotals::of(&firings))
    }

    fn rollback_to(&mut self, mark: u64) {
        if self.broken || self.loaded.is_some_and(|epoch| epoch >= mark) {
            self.suppressed.clear();
            return self.forget();
        }
        let Some(place) = self.marks.iter().position(|marked| marked.epoch >= mark) else {
            return;
        };
        let marked = &self.marks[place];
        self.memory.ticks_version = marked.ticks_version;
        if let Some(evaluator) = &mut self.memory.evaluator {
            evaluator.roll_back_to(marked.mark);
        }
        self.marks.truncate(place);
    }

    fn roll_back(&mut self) {
        if self.broken || self.loaded.is_some() {
            return self.forget();
        }
        let Some(first) = self.marks.first() else {
            return;
        };
        self.memory.ticks_version = first.ticks_version;
        if let Some(evaluator) = &mut self.memory.evaluator {
            evaluator.roll_back();
        }
    }

    /// Forgets what must be read again; only what was committed stays counted.
    fn forget(&mut self) {
        let memory = &mut *self.memory;
        if std::mem::take(&mut self.broken) {
            memory.evaluator = None; // Its state is unknown, and so are its counts.
        } else if let Some(evaluator) = &mut memory.evaluator {
            evaluator.roll_back();
        }
        memory.forget();
        self.marks.clear();
        self.loaded = None;
    }

    fn commit(&mut self) {
        if self.broken {
            self.forget();
        }
        let memory = &mut *self.memory;
        if let Some(evaluator) = &mut memory.evaluator {
            evaluator.commit();
        }
        for (rule, count) in self.suppressed.drain() {
            *memory.suppressed_before.entry(rule).or_default() += count;
        }
        let is_idle = memory.is_known && memory.evaluator.is_none();
        self.known
            .set_idle_at(is_idle.then_some(memory.rules_version));
        self.known.publish(memory);
    }
}
