//! Which rules fire on which ticks: the evaluation behind the [`AlertEngine`](super::AlertEngine).
//!
//! It is a function with a memory: (state, ticks, rules) -> firings. It reads no database, starts no
//! thread and asks no clock; time is the ticks' own, so a replay fires what live fired. Storing what
//! fired, in the transaction that stores the ticks, is the caller's.
//!
//! ```
//! use tickbase::domain::{Condition, RuleType, StoredTick, Symbol};
//! use tickbase::models::NewAlertRule;
//! use tickbase::services::alert_engine::{Evaluator, Rule, WatchedInstrument};
//! use tickbase::Timestamp;
//! # fn main() -> tickbase::Result<()> {
//! let mut engine = Evaluator::new();
//! engine.watch(WatchedInstrument {
//!     id: 1,
//!     symbol: Symbol::new("ES")?,
//!     price_decimals: None,
//!     is_watched: true,
//!     last_tick: None,
//! });
//! let mut above = NewAlertRule::new(1, RuleType::Threshold);
//! above.condition = Some(Condition::Above);
//! above.threshold = Some("1650".parse()?);
//! engine.put_rule(Rule::new(7, 1, &above.shape(), true, None)?)?;
//!
//! let tick = |second: i64, price: f64| -> tickbase::Result<StoredTick> {
//!     Ok(StoredTick {
//!         instrument_id: 1,
//!         timestamp: Timestamp::from_micros(second * 1_000_000)?,
//!         source_id: 1,
//!         sequence: 0,
//!         price: Some(price),
//!         volume: None,
//!     })
//! };
//! let firings = engine.evaluate_batch([tick(0, 1650.0)?, tick(1, 1650.25)?, tick(2, 1651.0)?]);
//! // .. store them with the ticks; when that is committed:
//! engine.commit();
//! assert_eq!(firings.fired.len(), 1, "the cooldown of 60 seconds holds back the third tick");
//! assert_eq!(
//!     firings.fired[0].message(),
//!     "Alert: ES threshold - Price 1650.25 above threshold 1650.00"
//! );
//! # Ok(())
//! # }
//! ```
//!
//! # What the rules mean
//!
//! - **Order.** Ticks come in the order in which they are stored. One that is older than the newest
//!   of its instrument is late: it evaluates nothing and changes nothing. Ticks of one stamp are taken
//!   as they come.
//! - **Values.** A tick without a price says nothing about prices: sides, means and references stay
//!   as they are. A tick without a volume is no observation of a volume: it is not counted in any
//!   mean. A multi-condition rule is evaluated at ticks with a price, since that is its trigger value.
//! - **Comparison.** Thresholds are exact decimals and are compared as the nearest doubles, which is
//!   what a feed's price with the same digits is. Where arithmetic comes between (means, changes,
//!   `equals`), what doubles lose against decimals is allowed for: a change from 1640 to 1656.4 is 1 %,
//!   and 1650.26 is not nearer than 0.01 to 1650.25.
//! - **Crossing.** Sides are those of the instrument's prices, not of a rule: a rule that is added,
//!   changed or switched on knows at once on which side the last price is, and such a change never
//!   fires by itself. At a price that equals the threshold the side is that of the last other price.
//! - **Means.** A mean of n is known from the nth value on; before that nothing is compared, and the
//!   first comparison only sets the side.
//! - **Change.** The reference is the first price of the earliest stamp in the window, before the
//!   tick itself: a tick is not its own reference. It is among the ticks that were evaluated.
//! - **Cooldown.** From firing at t, matches before t + cooldown are counted and write nothing. The
//!   counts are exact, in all and for each rule, and live as long as the engine.
//!
//! # Memory and its past
//!
//! [`Evaluator::commit`] and [`Evaluator::roll_back`] follow the transaction, and a [`JournalMark`] the
//! savepoints within it. After a start, and whenever [`Evaluator::is_unsettled`] says that a rule
//! needs more past than there is, the caller loads stored ticks by [`Evaluator::history_need`] and
//! gives them to [`Evaluator::warm_up`]; so it does when ticks of the recent past were deleted or
//! restored. The past is then that of the stored ticks in key order, late ones included.

mod composite;
mod eval_context;
mod firing;
mod history;
mod instrument_rules;
mod journal;
mod lookback;
mod message;
mod need;
mod plan;
mod ranks;
mod recent_values;
mod rule;
mod rule_state;
mod sum;
#[cfg(test)]
mod tests;
mod threshold_range;

use std::collections::HashMap;
use std::time::Instant;

pub use firing::{Firing, Firings, WatchedInstrument};
use instrument_rules::InstrumentRules;
pub use journal::JournalMark;
use journal::{Journal, Undo};
pub use need::HistoryNeed;
pub use rule::Rule;

use crate::domain::StoredTick;
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

/// Evaluates rules on ticks. See the [module](self).
#[derive(Debug, Default)]
pub struct Evaluator {
    watches: HashMap<i64, InstrumentRules>,
    /// The instrument of each rule.
    rules: HashMap<i64, i64>,
    journal: Journal,
    /// Whether something is evaluated that is neither committed nor rolled back.
    is_open: bool,
    /// Changes of the rules that wait for the end of the open batch.
    waiting: Vec<EngineChange>,
    totals: AlertTotals,
}

/// What an engine has done since it was made, without what was rolled back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlertTotals {
    /// Ticks evaluated.
    pub evaluated: u64,
    /// Late ticks, which evaluate nothing.
    pub late: u64,
    /// Firings.
    pub fired: u64,
    /// Matches held back by a cooldown.
    pub suppressed: u64,
}

/// A change of what is watched.
#[derive(Debug)]
enum EngineChange {
    Watch(WatchedInstrument),
    Forget(i64),
    Put(Box<Rule>),
    Remove(i64),
}

impl Evaluator {
    /// An engine that watches nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Watches an instrument, or takes note that its symbol, places or status changed.
    ///
    /// As all changes, it takes effect at once, or at the end of the open batch if there is one.
    pub fn watch(&mut self, instrument: WatchedInstrument) {
        self.change(EngineChange::Watch(instrument));
    }

    /// Watches an instrument no more, and forgets its rules and its past.
    pub fn forget(&mut self, instrument_id: i64) {
        self.change(EngineChange::Forget(instrument_id));
    }

    /// Adds a rule, or takes another version of it: changed, switched on or off, restored. What
    /// it has done stays: a changed rule still cools down from when it fired last, by its new
    /// cooldown. Other rules are not affected.
    ///
    /// # Errors
    /// [`Error::NotFound`] when its instrument is not watched.
    pub fn put_rule(&mut self, rule: Rule) -> Result<()> {
        let id = rule.instrument_id();
        let is_waiting =
            |change: &EngineChange| matches!(change, EngineChange::Watch(it) if it.id == id);
        if !self.watches.contains_key(&id) && !self.waiting.iter().any(is_waiting) {
            let what = format!("watched instrument {id} of rule {}", rule.id());
            return Err(Error::not_found(what, "watch the instrument first"));
        }
        self.change(EngineChange::Put(Box::new(rule)));
        Ok(())
    }

    /// Forgets a rule.
    pub fn remove_rule(&mut self, rule_id: i64) {
        self.change(EngineChange::Remove(rule_id));
    }

    fn change(&mut self, change: EngineChange) {
        if self.is_open {
            self.waiting.push(change);
        } else {
            self.apply(change);
        }
    }

    fn apply(&mut self, change: EngineChange) {
        match change {
            EngineChange::Watch(facts) => match self.watches.get_mut(&facts.id) {
                Some(watch) => watch.set_facts(facts),
                None => {
                    self.watches.insert(facts.id, InstrumentRules::new(facts));
                }
            },
            EngineChange::Forget(id) => {
                if let Some(watch) = self.watches.remove(&id) {
                    watch.rule_ids().for_each(|rule| {
                        self.rules.remove(&rule);
                    });
                }
            }
            EngineChange::Put(rule) => {
                let (id, instrument) = (rule.id(), rule.instrument_id());
                if self
                    .rules
                    .get(&id)
                    .is_some_and(|before| *before != instrument)
                {
                    self.apply(EngineChange::Remove(id));
                }
                if let Some(watch) = self.watches.get_mut(&instrument) {
                    self.rules.insert(id, instrument);
                    watch.put(*rule);
                }
            }
            EngineChange::Remove(id) => {
                let instrument = self.rules.remove(&id);
                let watch = instrument.and_then(|instrument| self.watches.get_mut(&instrument));
                if let Some(watch) = watch {
                    watch.remove(id);
                }
            }
        }
    }

    /// The past that the active rules of an instrument read.
    #[must_use]
    pub fn history_need(&self, instrument_id: i64) -> HistoryNeed {
        let watch = self.watches.get(&instrument_id);
        watch.map(InstrumentRules::history_need).unwrap_or_default()
    }

    /// Whether older ticks of an instrument, if there are any, could change what a rule does: a
    /// mean or a window is not full, or a price that equals its mean or threshold has no side
    /// yet. A loader that wants it exact reads further back until this is false or no older tick
    /// is left.
    pub fn is_unsettled(&mut self, instrument_id: i64) -> bool {
        let watch = self.watches.get_mut(&instrument_id);
        watch.is_some_and(InstrumentRules::is_unsettled)
    }

    /// Takes stored ticks, oldest first, as the past of an instrument, in place of the one that it
    /// has. Nothing fires; cooldowns and counts stay. Ticks of other instruments are passed over.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the instrument is not watched; [`Error::Conflict`] while a batch
    /// is open.
    pub fn warm_up(
        &mut self,
        instrument_id: i64,
        ticks: impl IntoIterator<Item = StoredTick>,
    ) -> Result<()> {
        let what = || format!("watched instrument {instrument_id}");
        if self.is_open {
            return Err(Error::Conflict {
                what: format!("{} cannot be given another past", what()),
                existing: "a batch is open; commit it or roll it back first".to_owned(),
            });
        }
        match self.watches.get_mut(&instrument_id) {
            Some(watch) => {
                watch.warm_up(ticks.into_iter());
                Ok(())
            }
            None => Err(Error::not_found(what(), "watch the instrument first")),
        }
    }

    /// The place to which [`Evaluator::roll_back_to`] returns: taken before a savepoint.
    pub fn mark(&mut self) -> JournalMark {
        self.is_open = true;
        self.journal.mark()
    }

    /// Evaluates ticks in the order in which they are stored, those of several instruments as they
    /// come. What that changes is open until it is committed or rolled back; more batches may be
    /// evaluated before that.
    pub fn evaluate_batch(&mut self, ticks: impl IntoIterator<Item = StoredTick>) -> Firings {
        let began = Instant::now();
        self.mark();
        self.journal.totals(self.totals);
        let mut firings = Firings::default();
        let mut current: Option<(i64, Option<&mut InstrumentRules>)> = None;
        for tick in ticks {
            let id = tick.instrument_id;
            if current.as_ref().is_none_or(|(current, _)| *current != id) {
                let watch = self.watches.get_mut(&id);
                current = Some((id, watch));
                if let Some((_, Some(watch))) = &mut current {
                    watch.arrange();
                    self.journal.instrument(id);
                }
            }
            if let Some((_, Some(watch))) = &mut current {
                watch.evaluate(&tick, &mut self.journal, &mut firings);
            }
        }
        self.totals.add(&AlertTotals::of(&firings));
        firings.elapsed = began.elapsed();
        firings
    }

    /// Makes what was evaluated final, after the transaction was committed.
    pub fn commit(&mut self) {
        for id in self.journal.end() {
            if let Some(watch) = self.watches.get_mut(&id) {
                watch.commit();
            }
        }
        self.close();
    }

    /// Undoes all that was evaluated since the last commit, because the transaction was.
    pub fn roll_back(&mut self) {
        self.undo_after(self.journal.beginning());
        self.journal.end();
        self.close();
    }

    /// Undoes what was evaluated since the mark, because the savepoint was; what was evaluated
    /// before it stays open. A mark of a batch that has ended undoes nothing.
    pub fn roll_back_to(&mut self, mark: JournalMark) {
        self.undo_after(mark);
    }

    fn undo_after(&mut self, mark: JournalMark) {
        for (instrument, change) in self.journal.take_after(mark) {
            if let Undo::Totals(totals) = change {
                self.totals = totals;
            } else if let Some(watch) = self.watches.get_mut(&instrument) {
                watch.undo(change);
            }
        }
    }

    fn close(&mut self) {
        self.is_open = false;
        for change in std::mem::take(&mut self.waiting) {
            self.apply(change);
        }
    }

    /// How many matches of a rule a cooldown has held back since the rule is known here; none for
    /// a rule that is not.
    #[must_use]
    pub fn suppressed(&self, rule_id: i64) -> Option<u64> {
        self.watch_of(rule_id)?.suppressed(rule_id)
    }

    /// When a rule fired last, as far as is known here.
    #[must_use]
    pub fn last_triggered(&self, rule_id: i64) -> Option<Timestamp> {
        self.watch_of(rule_id)?.last_triggered(rule_id)
    }

    /// The stamp before which a tick of an instrument is late; none before its first.
    #[must_use]
    pub fn newest_tick(&self, instrument_id: i64) -> Option<Timestamp> {
        self.watches.get(&instrument_id)?.newest_tick()
    }

    fn watch_of(&self, rule_id: i64) -> Option<&InstrumentRules> {
        self.watches.get(self.rules.get(&rule_id)?)
    }

    /// What the engine has done.
    #[must_use]
    pub fn totals(&self) -> AlertTotals {
        self.totals
    }
}

impl AlertTotals {
    pub(super) fn of(firings: &Firings) -> Self {
        Self {
            evaluated: firings.evaluated,
            late: firings.late,
            fired: firings.fired.len() as u64,
            suppressed: firings.suppressed,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.evaluated += other.evaluated;
        self.late += other.late;
        self.fired += other.fired;
        self.suppressed += other.suppressed;
    }
}
