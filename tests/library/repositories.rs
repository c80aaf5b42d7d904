//! The repositories through the doors: what a caller sees, and that a refused call leaves nothing.

use crate::support::{
    TestDatabase, db_delete, db_read, db_write, insert_bars, on_both, upsert_bars,
};
use tickbase::Timestamp;
use tickbase::clock::Clock;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::{Bar, Frequency, InstrumentType, ProviderType, RawBar, Symbol};
use tickbase::domain::{Condition, DeliveryStatus, FiredStatus, RuleType};
use tickbase::error::Error;
use tickbase::models::{
    AlertRuleChange, DataSourceChange, InstrumentChange, NewAlertLog, NewAlertRule, NewDataSource,
    NewInstrument,
};
use tickbase::repository::RangeQuery;
use tickbase::repository::alert_log::{self, AlertFilter, PageQuery};
use tickbase::repository::alert_rule::{self, RuleFilter};
use tickbase::repository::bar::{self, BarRange};
use tickbase::repository::data_source;
use tickbase::repository::instrument::{self, InstrumentFilter};

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

fn open(place: &TestDatabase, clock: &Clock) -> Database {
    let config = DatabaseConfig::new(place.url()).unwrap();
    Database::open_with_clock(config, clock.clone()).unwrap()
}

fn rule(instrument_id: i64) -> NewAlertRule {
    NewAlertRule {
        condition: Some(Condition::Above),
        threshold: Some("1".parse().unwrap()),
        ..NewAlertRule::new(instrument_id, RuleType::Threshold)
    }
}

fn bars(stamps: std::ops::Range<i64>) -> Vec<Bar> {
    let price = Some("1".parse().unwrap());
    stamps
        .map(|stamp| {
            let raw = RawBar {
                instrument_id: 1,
                timestamp: at(stamp),
                frequency: Frequency::OneMinute,
                source_id: None,
                open: price,
                high: price,
                low: price,
                close: price,
                volume: Some(1.0),
                open_interest: None,
            };
            Bar::try_from(raw).unwrap()
        })
        .collect()
}

fn alert(rule_id: i64) -> NewAlertLog {
    NewAlertLog {
        timestamp: at(10),
        source_id: 1,
        sequence: 0,
        rule_id,
        instrument_id: 1,
        trigger_value: 2.0,
        threshold_value: Some(1.0),
        fired_status: FiredStatus::Fired,
        delivery_status: DeliveryStatus::Pending,
        evaluation_time_us: 1,
        rule_condition: "above".to_owned(),
        alert_message: "Alert: ES threshold".to_owned(),
        error_message: None,
    }
}

on_both! {
    fn instruments_live_are_renamed_deleted_and_restored(place: &TestDatabase) {
        let clock = Clock::manual(at(100));
        let db = open(place, &clock);
        let symbol = Symbol::new("btcusd").unwrap();
        let new = NewInstrument::new(symbol.clone(), "Bitcoin", InstrumentType::Crypto);
        let stored = db_write!(db, |now| instrument::insert(&new, now)).unwrap();
        assert_eq!(stored.created_at, at(100), "rows are stamped by the clock");
        clock.set(at(200));
        let change = InstrumentChange {
            name: Some("Bitcoin in dollars".to_owned()),
            ..InstrumentChange::default()
        };
        let changed = db_write!(db, |now| instrument::update(stored.id, &change, now)).unwrap();
        assert_eq!(changed.updated_at, at(200));
        assert_eq!(db_read!(db, instrument::get(stored.id)).unwrap(), changed);
        assert_eq!(db_read!(db, instrument::by_symbol(&symbol)).unwrap(), Some(changed));
        assert_eq!(db_delete!(db, instrument::soft_delete(&[stored.id])).unwrap(), 1);
        assert_eq!(db_read!(db, instrument::by_symbol(&symbol)).unwrap(), None);
        assert_eq!(db_write!(db, instrument::restore(&[stored.id])).unwrap(), 1);
        assert_eq!(db_read!(db, instrument::list(InstrumentFilter::default())).unwrap().len(), 13);
    }

    fn a_refused_bulk_deletion_leaves_every_row_as_it_was(place: &TestDatabase) {
        let db = open(place, &Clock::manual(at(100)));
        db_write!(db, |now| alert_rule::insert(&rule(9_999), now)).unwrap_err();
        let last = db_write!(db, |now| alert_rule::insert(&rule(12), now)).unwrap();
        let error = db_delete!(db, instrument::soft_delete(&(1..=12).collect::<Vec<_>>())).unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }), "{error:?}");
        let listed = db_read!(db, instrument::list_with_rules(InstrumentFilter::default())).unwrap();
        assert_eq!(listed.len(), 12);
        let (trin, of_trin) = listed.iter().find(|(row, _)| row.id == 12).unwrap();
        assert_eq!((trin.symbol.as_str(), of_trin.as_slice()), ("TRIN", std::slice::from_ref(&last)));
        assert_eq!(db_delete!(db, alert_rule::soft_delete(&[last.id])).unwrap(), 1);
        assert_eq!(db_delete!(db, instrument::soft_delete(&(1..=12).collect::<Vec<_>>())).unwrap(), 12);
        let error = db_write!(db, alert_rule::restore(&[last.id])).unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }), "{error:?}");
    }

    fn rules_are_listed_changed_deleted_and_restored(place: &TestDatabase) {
        let clock = Clock::manual(at(100));
        let db = open(place, &clock);
        let stored = db_write!(db, |now| alert_rule::insert(&rule(1), now)).unwrap();
        clock.set(at(200));
        let off = AlertRuleChange {
            active: Some(false),
            ..AlertRuleChange::default()
        };
        let changed = db_write!(db, |now| alert_rule::update(stored.id, &off, now)).unwrap();
        assert_eq!((changed.active, changed.updated_at), (false, at(200)));
        assert_eq!(db_read!(db, alert_rule::get(stored.id)).unwrap(), changed);
        assert_eq!(db_read!(db, alert_rule::of_instruments(&[1, 2])).unwrap(), std::slice::from_ref(&changed));
        assert_eq!(db_read!(db, alert_rule::list(RuleFilter::default())).unwrap(), [changed]);
        let on = RuleFilter {
            active_only: true,
            ..RuleFilter::default()
        };
        assert_eq!(db_read!(db, alert_rule::list(on)).unwrap(), []);
        assert_eq!(db_delete!(db, alert_rule::soft_delete(&[stored.id])).unwrap(), 1);
        assert_eq!(db_write!(db, alert_rule::restore(&[stored.id])).unwrap(), 1);
    }

    fn sources_are_added_and_switched_off(place: &TestDatabase) {
        let db = open(place, &Clock::manual(at(100)));
        let stored = db_write!(db, |now| data_source::insert(&NewDataSource::new("vendor", ProviderType::Api), now)).unwrap();
        assert_eq!(db_read!(db, data_source::by_name("vendor")).unwrap(), Some(stored.clone()));
        assert_eq!(db_read!(db, data_source::list(true)).unwrap().len(), 6);
        let off = DataSourceChange { is_active: Some(false), ..DataSourceChange::default() };
        assert!(!db_write!(db, |now| data_source::update(stored.id, &off, now)).unwrap().is_active);
        assert_eq!(db_read!(db, data_source::list(true)).unwrap().len(), 5);
        assert!(!db_read!(db, data_source::get(stored.id)).unwrap().is_active);
    }

    fn bars_go_in_from_a_slice_and_come_back_in_pages(place: &TestDatabase) {
        let clock = Clock::manual(at(100));
        let db = open(place, &clock);
        let batch = bars(0..10);
        assert_eq!(insert_bars(&db, &batch).unwrap().inserted, 10);
        assert_eq!(insert_bars(&db, &batch).unwrap().duplicates, 10);
        assert_eq!(upsert_bars(&db, &batch).unwrap().unchanged, 10);
        let whole = BarRange::all(1, Frequency::OneMinute);
        assert_eq!(db_read!(db, bar::count(&whole)).unwrap(), 10);
        let first = db_read!(db, bar::range(&RangeQuery::new(whole, 4))).unwrap();
        let ids: Vec<i64> = first.rows.iter().map(|bar| bar.id).collect();
        let gone = ids.clone();
        assert_eq!(db_delete!(db, bar::soft_delete(&gone)).unwrap(), 4);
        assert_eq!(db_delete!(db, bar::soft_delete_range(&whole)).unwrap(), 6);
        assert_eq!(db_write!(db, bar::restore(&ids)).unwrap(), 4);
        assert_eq!(db_write!(db, bar::restore_range(&whole)).unwrap().restored, 6);
    }

    fn alerts_are_stored_once_paged_deleted_and_restored(place: &TestDatabase) {
        let db = open(place, &Clock::manual(at(100)));
        let rule = db_write!(db, |now| alert_rule::insert(&rule(1), now)).unwrap();
        let stored = db_write!(db, alert_log::insert(&alert(rule.id))).unwrap().unwrap();
        assert_eq!(db_write!(db, alert_log::insert(&alert(rule.id))).unwrap(), None);
        assert_eq!(db_read!(db, alert_log::get(stored.id)).unwrap(), stored);
        let all = AlertFilter::default();
        let page = db_read!(db, alert_log::page(&PageQuery::new(all, 50))).unwrap();
        assert_eq!((page.rows, db_read!(db, alert_log::count(all)).unwrap()), (vec![stored.clone()], 1));
        assert_eq!(db_delete!(db, alert_log::soft_delete(&[stored.id])).unwrap(), 1);
        assert_eq!(db_read!(db, alert_log::count(all)).unwrap(), 0);
        assert_eq!(db_write!(db, alert_log::restore(&[stored.id])).unwrap(), 1);
    }
}
