//! What the evaluation of an instrument is made of, read from the database in the transaction that
//! needs it: rules with when they fired last, and as much of the past as they read. It stores
//! nothing.

use std::collections::HashMap;

use crate::database::BackendConnection;
use crate::domain::StoredTick;
use crate::error::Result;
use crate::models::{AlertRule, MarketData};
use crate::repository::market_data::TickRange;
use crate::repository::{PAGE_ROWS_MAX, RangeQuery, SortOrder};
use crate::repository::{alert_rule, instrument, market_data};
use crate::services::alert_engine::{Evaluator, HistoryNeed, Rule, WatchedInstrument};

/// Ticks of the first page of a past: most rules read few.
const FIRST_PAGE_TICKS: usize = 256;
/// So many ticks before the longest window are looked through for values that a rule lacks: a feed
/// without volumes has none however far one reads.
const LOOK_BACK_TICKS_MAX: usize = 65_536;

/// The rules of an instrument, ready to be evaluated.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) instrument_id: i64,
    /// None when no rule of it is evaluated.
    pub(super) evaluator: Option<Evaluator>,
    pub(super) rules: Vec<i64>,
}

/// Reads these instruments, which are active.
pub(super) fn load(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<Vec<Loaded>> {
    let mut rules: HashMap<i64, Vec<AlertRule>> = HashMap::new();
    for rule in alert_rule::find_of_instruments(conn, ids)? {
        if rule.active {
            rules.entry(rule.instrument_id).or_default().push(rule);
        }
    }
    let mut loaded = Vec::with_capacity(ids.len());
    for id in ids {
        loaded.push(match rules.remove(id) {
            Some(rules) => one(conn, *id, &rules)?,
            None => Loaded::idle(*id),
        });
    }
    Ok(loaded)
}

impl Loaded {
    fn idle(instrument_id: i64) -> Self {
        Self {
            instrument_id,
            evaluator: None,
            rules: Vec::new(),
        }
    }
}

fn one(conn: &mut BackendConnection<'_>, id: i64, rows: &[AlertRule]) -> Result<Loaded> {
    let facts = WatchedInstrument::from(&instrument::find(conn, id)?);
    if !facts.is_watched {
        return Ok(Loaded::idle(id));
    }
    let mut evaluator = Evaluator::new();
    evaluator.watch(facts);
    let mut rules = Vec::with_capacity(rows.len());
    for row in rows {
        // The repository stores no such rule. One that came another way must not keep the ticks
        // of its instrument from being stored.
        match Rule::try_from(row) {
            Ok(rule) => evaluator.put_rule(rule)?,
            Err(error) => {
                let (rule, error) = (row.id, error.chain());
                tracing::warn!(
                    rule,
                    error,
                    "the rule cannot be evaluated and fires nothing"
                );
                continue;
            }
        }
        rules.push(row.id);
    }
    if rules.is_empty() {
        return Ok(Loaded::idle(id));
    }
    warm_up(conn, &mut evaluator, id)?;
    Ok(Loaded {
        instrument_id: id,
        evaluator: Some(evaluator),
        rules,
    })
}

/// Gives the evaluator the past that its rules read.
fn warm_up(conn: &mut BackendConnection<'_>, evaluator: &mut Evaluator, id: i64) -> Result<()> {
    let need = evaluator.history_need(id);
    if need.is_none() {
        return Ok(());
    }
    let mut past = LoadedPast::default();
    let mut query = RangeQuery {
        order: SortOrder::Descending,
        ..RangeQuery::new(TickRange::all(id), FIRST_PAGE_TICKS)
    };
    loop {
        let page = market_data::find_range(conn, &query)?;
        past.take(&page.rows, &need);
        let ended = page.next.is_none();
        if ended || past.holds(&need) {
            evaluator.warm_up(id, past.newest_first.iter().rev().copied())?;
            if ended || past.is_exhausted() || !evaluator.is_unsettled(id) {
                return Ok(());
            }
        }
        query.cursor = page.next;
        query.limit = PAGE_ROWS_MAX;
    }
}

/// Stored ticks, on the way back.
#[derive(Debug, Default)]
struct LoadedPast {
    newest_first: Vec<StoredTick>,
    prices: usize,
    volumes: usize,
    /// Ticks before the longest window.
    before_window: usize,
}

impl LoadedPast {
    fn take(&mut self, rows: &[MarketData], need: &HistoryNeed) {
        let newest = self.newest_first.first().map(|tick| tick.timestamp);
        let newest = newest.or(rows.first().map(|row| row.timestamp));
        let window_micros = need.window_seconds.saturating_mul(1_000_000);
        let Some(from) = newest.map(|newest| newest.saturating_add_micros(-window_micros)) else {
            return;
        };
        for row in rows {
            self.prices += usize::from(row.price.is_some());
            self.volumes += usize::from(row.volume.is_some());
            self.before_window += usize::from(window_micros == 0 || row.timestamp < from);
            self.newest_first.push(StoredTick {
                instrument_id: row.instrument_id,
                timestamp: row.timestamp,
                source_id: row.source_id,
                sequence: row.sequence,
                price: row.price,
                volume: row.volume,
            });
        }
    }

    fn holds(&self, need: &HistoryNeed) -> bool {
        let values = self.prices >= need.prices && self.volumes >= need.volumes;
        self.before_window > 0 && (values || self.is_exhausted())
    }

    fn is_exhausted(&self) -> bool {
        self.before_window >= LOOK_BACK_TICKS_MAX
    }
}
