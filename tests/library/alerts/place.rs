//! A database with an engine on it, and short words for rules, ticks and what fired.

use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{Condition, RuleType, StoredTick};
use tickbase::models::{AlertLog, AlertRule, MarketData, NewAlertRule};
use tickbase::repository::alert_log::{self, AlertFilter, PageQuery};
use tickbase::repository::alert_rule;
use tickbase::repository::market_data::{
    InsertOptions, InsertReport, MarketDataRepository, TickRange,
};
use tickbase::services::{AlertEngine, Service};

use crate::alerts::plain::oracle::Oracle;
use crate::support::{TestDatabase, db_read, db_write};
use tickbase::repository::{PAGE_ROWS_MAX, RangeQuery};

pub struct Place {
    pub db: Database,
    pub engine: AlertEngine,
}

/// (rule, microseconds, sequence) of an alert.
pub type Key = (i64, i64, i64);

impl Place {
    pub fn open(place: &TestDatabase) -> Self {
        let db = Database::open(DatabaseConfig::new(place.url()).unwrap()).unwrap();
        let engine = AlertEngine::new(db.clone());
        engine.start().unwrap();
        Self { db, engine }
    }

    pub fn add(&self, rule: NewAlertRule) -> AlertRule {
        db_write!(self.db, |now| alert_rule::insert(&rule, now)).unwrap()
    }

    pub fn insert(&self, ticks: Vec<Tick>) -> InsertReport {
        MarketDataRepository::new(&self.db)
            .insert_batch(ticks, InsertOptions::default())
            .unwrap()
    }

    /// Every alert that is not deleted, by id.
    pub fn alerts(&self) -> Vec<AlertLog> {
        let mut query = PageQuery::new(AlertFilter::default(), PageQuery::LIMIT_MAX);
        let mut alerts = Vec::new();
        loop {
            let page = db_read!(self.db, alert_log::page(&query)).unwrap();
            alerts.extend(page.rows);
            query.cursor = page.next;
            if query.cursor.is_none() {
                alerts.sort_by_key(|alert| alert.id);
                return alerts;
            }
        }
    }

    /// The keys of every alert, sorted.
    pub fn fired(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.alerts().iter().map(key).collect();
        keys.sort_unstable();
        keys
    }

    /// The stored ticks of an instrument, in the order of their keys.
    pub fn stored(&self, instrument_id: i64) -> Vec<StoredTick> {
        let repository = MarketDataRepository::new(&self.db);
        let mut query = RangeQuery::new(TickRange::all(instrument_id), PAGE_ROWS_MAX);
        let mut ticks = Vec::new();
        loop {
            let page = repository.range(&query).unwrap();
            ticks.extend(page.rows.iter().map(stored));
            query.cursor = page.next;
            if query.cursor.is_none() {
                return ticks;
            }
        }
    }
}

pub fn key(alert: &AlertLog) -> Key {
    (alert.rule_id, alert.timestamp.micros(), alert.sequence)
}

fn stored(row: &MarketData) -> StoredTick {
    StoredTick {
        instrument_id: row.instrument_id,
        timestamp: row.timestamp,
        source_id: row.source_id,
        sequence: row.sequence,
        price: row.price,
        volume: row.volume,
    }
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).unwrap()
}

/// A tick of instrument 1, number 0 of its second.
pub fn tick(second: i64, price: impl Into<Option<f64>>, volume: impl Into<Option<f64>>) -> Tick {
    numbered(second * 1_000_000, 0, price.into(), volume.into())
}

pub fn numbered(micros: i64, sequence: i64, price: Option<f64>, volume: Option<f64>) -> Tick {
    Tick::try_from(RawTick {
        instrument_id: Some(1),
        timestamp: Some(Timestamp::from_micros(micros).unwrap()),
        sequence: Some(sequence),
        price,
        volume,
        ..RawTick::default()
    })
    .unwrap()
}

/// One tick a second from second 0 on.
pub fn prices(prices: &[f64]) -> Vec<Tick> {
    let ticks = (0..).zip(prices);
    ticks
        .map(|(second, price)| tick(second, *price, None))
        .collect()
}

/// A rule of instrument 1 without a cooldown.
pub fn rule(condition: Condition, threshold: &str) -> NewAlertRule {
    NewAlertRule {
        condition: Some(condition),
        threshold: (!threshold.is_empty()).then(|| threshold.parse().unwrap()),
        cooldown_seconds: 0,
        ..NewAlertRule::new(1, RuleType::of(condition))
    }
}

pub fn joined(expression: &str) -> NewAlertRule {
    NewAlertRule {
        expression: Some(expression.to_owned()),
        cooldown_seconds: 0,
        ..NewAlertRule::new(1, RuleType::MultiCondition)
    }
}

/// Rules of every type around the prices of the sample, 1637.25 to 1642.
pub fn of_every_type() -> Vec<NewAlertRule> {
    let with = |mut rule: NewAlertRule, period: Option<i32>, window: Option<i32>, cooldown| {
        rule.moving_average_period = period;
        rule.time_window_seconds = window;
        rule.cooldown_seconds = cooldown;
        rule
    };
    vec![
        with(rule(Condition::Above, "1641"), None, None, 1),
        with(rule(Condition::Below, "1638.5"), None, None, 10),
        with(rule(Condition::Equals, "1640.25"), None, None, 5),
        rule(Condition::CrossesAbove, "1640"),
        rule(Condition::CrossesBelow, "1640.25"),
        with(rule(Condition::CrossesAbove, ""), Some(20), None, 1),
        with(rule(Condition::CrossesBelow, ""), Some(100), None, 0),
        with(rule(Condition::PercentChangeUp, "0.03"), None, Some(5), 5),
        with(
            rule(Condition::PercentChangeDown, "0.045"),
            None,
            Some(20),
            20,
        ),
        rule(Condition::VolumeAbove, "200"),
        with(rule(Condition::VolumeAbove, "10"), Some(50), None, 1),
        joined(
            r#"{"all":[{"condition":"crosses_below","threshold":"1640"},{"any":[
                {"condition":"volume_above","threshold":"10"},
                {"condition":"percent_change_down","threshold":"0.02","time_window_seconds":20}]}]}"#,
        ),
    ]
}

/// What these rules demand of ticks in this order, sorted.
pub fn demanded(rules: &[AlertRule], ticks: &[StoredTick]) -> Vec<Key> {
    let mut oracle = Oracle::default();
    for rule in rules {
        oracle.put(rule.id, as_new(rule));
    }
    let fired = ticks.iter().flat_map(|tick| oracle.evaluate(tick));
    let mut keys: Vec<Key> = fired
        .map(|fired| (fired.rule_id, fired.timestamp.micros(), fired.sequence))
        .collect();
    keys.sort_unstable();
    keys
}

fn as_new(rule: &AlertRule) -> NewAlertRule {
    NewAlertRule {
        condition: rule.condition,
        threshold: rule.threshold.clone(),
        expression: rule.expression.clone(),
        active: rule.active,
        time_window_seconds: rule.time_window_seconds,
        moving_average_period: rule.moving_average_period,
        cooldown_seconds: rule.cooldown_seconds,
        ..NewAlertRule::new(rule.instrument_id, rule.rule_type)
    }
}
