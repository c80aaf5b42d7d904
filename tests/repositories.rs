//! The repositories through the doors: what a caller sees, and that a refused call leaves nothing.

#![allow(clippy::unwrap_used)] // It is all test code.

mod support;

use support::{TestDatabase, on_both};
use tickbase::Timestamp;
use tickbase::clock::Clock;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::{Bar, Frequency, InstrumentType, ProviderType, RawBar, Symbol};
use tickbase::domain::{Condition, DeliveryStatus, FiredStatus, RuleType};
use tickbase::error::Error;
use tickbase::models::{
    AlertRuleChange, InstrumentChange, NewAlertLog, NewAlertRule, NewDataSource, NewInstrument,
};
use tickbase::repository::RangeQuery;
use tickbase::repository::alert_log::{AlertFilter, AlertLogRepository, PageQuery};
use tickbase::repository::alert_rule::{AlertRuleRepository, RuleFilter};
use tickbase::repository::bar::{BarRange, BarRepository};
use tickbase::repository::data_source::DataSourceRepository;
use tickbase::repository::instrument::{InstrumentFilter, InstrumentRepository};

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
        let instruments = InstrumentRepository::new(&db);
        let symbol = Symbol::new("btcusd").unwrap();
        let new = NewInstrument::new(symbol.clone(), "Bitcoin", InstrumentType::Crypto);
        let stored = instruments.insert(new).unwrap();
        assert_eq!(stored.created_at, at(100), "rows are stamped by the clock");
        clock.set(at(200));
        let change = InstrumentChange {
            name: Some("Bitcoin in dollars".to_owned()),
            ..InstrumentChange::default()
        };
        let changed = instruments.update(stored.id, change).unwrap();
        assert_eq!(changed.updated_at, at(200));
        assert_eq!(instruments.get(stored.id).unwrap(), changed);
        assert_eq!(instruments.by_symbol(&symbol).unwrap(), Some(changed));
        assert_eq!(instruments.soft_delete(vec![stored.id]).unwrap(), 1);
        assert_eq!(instruments.by_symbol(&symbol).unwrap(), None);
        assert_eq!(instruments.restore(vec![stored.id]).unwrap(), 1);
        assert_eq!(instruments.list(InstrumentFilter::default()).unwrap().len(), 13);
    }

    fn a_refused_bulk_deletion_leaves_every_row_as_it_was(place: &TestDatabase) {
        let db = open(place, &Clock::manual(at(100)));
        let instruments = InstrumentRepository::new(&db);
        let rules = AlertRuleRepository::new(&db);
        rules.insert(rule(9_999)).unwrap_err();
        let last = rules.insert(rule(12)).unwrap();
        let error = instruments.soft_delete((1..=12).collect()).unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }), "{error:?}");
        let listed = instruments.list_with_rules(InstrumentFilter::default()).unwrap();
        assert_eq!(listed.len(), 12);
        let (trin, of_trin) = listed.iter().find(|(row, _)| row.id == 12).unwrap();
        assert_eq!((trin.symbol.as_str(), of_trin.as_slice()), ("TRIN", std::slice::from_ref(&last)));
        assert_eq!(rules.soft_delete(vec![last.id]).unwrap(), 1);
        assert_eq!(instruments.soft_delete((1..=12).collect()).unwrap(), 12);
        let error = rules.restore(vec![last.id]).unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }), "{error:?}");
    }

    fn rules_are_listed_changed_deleted_and_restored(place: &TestDatabase) {
        let clock = Clock::manual(at(100));
        let db = open(place, &clock);
        let rules = AlertRuleRepository::new(&db);
        let stored = rules.insert(rule(1)).unwrap();
        clock.set(at(200));
        let off = AlertRuleChange {
            active: Some(false),
            ..AlertRuleChange::default()
        };
        let changed = rules.update(stored.id, off).unwrap();
        assert_eq!((changed.active, changed.updated_at), (false, at(200)));
        assert_eq!(rules.get(stored.id).unwrap(), changed);
        assert_eq!(rules.of_instruments(&[1, 2]).unwrap(), std::slice::from_ref(&changed));
        assert_eq!(rules.list(RuleFilter::default()).unwrap(), [changed]);
        let on = RuleFilter {
            active_only: true,
            ..RuleFilter::default()
        };
        assert_eq!(rules.list(on).unwrap(), []);
        assert_eq!(rules.soft_delete(vec![stored.id]).unwrap(), 1);
        assert_eq!(rules.restore(vec![stored.id]).unwrap(), 1);
    }

    fn sources_are_added_and_switched_off(place: &TestDatabase) {
        let db = open(place, &Clock::manual(at(100)));
        let sources = DataSourceRepository::new(&db);
        let stored = sources.insert(NewDataSource::new("vendor", ProviderType::Api)).unwrap();
        assert_eq!(sources.by_name("vendor").unwrap(), Some(stored.clone()));
        assert_eq!(sources.list(true).unwrap().len(), 6);
        assert!(!sources.set_active(stored.id, false).unwrap().is_active);
        assert_eq!(sources.list(true).unwrap().len(), 5);
        assert!(!sources.get(stored.id).unwrap().is_active);
    }

    fn bars_go_in_from_a_slice_and_come_back_in_pages(place: &TestDatabase) {
        let clock = Clock::manual(at(100));
        let db = open(place, &clock);
        let repository = BarRepository::new(&db);
        let batch = bars(0..10);
        assert_eq!(repository.insert_batch(&batch).unwrap().inserted, 10);
        assert_eq!(repository.insert_batch(&batch).unwrap().duplicates, 10);
        assert_eq!(repository.upsert_batch(&batch).unwrap().unchanged, 10);
        let whole = BarRange::all(1, Frequency::OneMinute);
        assert_eq!(repository.count(&whole).unwrap(), 10);
        let first = repository.range(&RangeQuery::new(whole, 4)).unwrap();
        let ids: Vec<i64> = first.rows.iter().map(|bar| bar.id).collect();
        assert_eq!(repository.soft_delete(ids.clone()).unwrap(), 4);
        assert_eq!(repository.soft_delete_range(whole).unwrap(), 6);
        assert_eq!(repository.restore(ids).unwrap(), 4);
        assert_eq!(repository.restore_range(whole).unwrap().restored, 6);
    }

    fn alerts_are_stored_once_paged_deleted_and_restored(place: &TestDatabase) {
        let db = open(place, &Clock::manual(at(100)));
        let rule = AlertRuleRepository::new(&db).insert(rule(1)).unwrap();
        let alerts = AlertLogRepository::new(&db);
        let stored = alerts.insert(alert(rule.id)).unwrap().unwrap();
        assert_eq!(alerts.insert(alert(rule.id)).unwrap(), None);
        assert_eq!(alerts.get(stored.id).unwrap(), stored);
        let all = AlertFilter::default();
        let page = alerts.page(&PageQuery::new(all, 50)).unwrap();
        assert_eq!((page.rows, alerts.count(all).unwrap()), (vec![stored.clone()], 1));
        assert_eq!(alerts.soft_delete(vec![stored.id]).unwrap(), 1);
        assert_eq!(alerts.count(all).unwrap(), 0);
        assert_eq!(alerts.restore(vec![stored.id]).unwrap(), 1);
    }
}
