//! The only hard delete, through the public interface, on both backends.

use crate::support::{TestDatabase, db_delete, db_read, db_write, insert_bars, on_both};
use tickbase::Timestamp;
use tickbase::clock::Clock;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{Bar, InstrumentType, RawBar, Symbol};
use tickbase::domain::{ChannelKind, Condition, DeliveryStatus, FiredStatus, Frequency, RuleType};
use tickbase::models::{NewAlertLog, NewAlertRule, NewInstrument};
use tickbase::repository::alert_delivery::{self, ChannelKey};
use tickbase::repository::bar::{self, BarRange};
use tickbase::repository::instrument;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickRange};
use tickbase::repository::purge::{self, PurgeReport, TablePurge};
use tickbase::repository::storage::{self, TableCount};
use tickbase::repository::{alert_log, alert_rule};

const HOUR: i64 = 3_600_000_000;
const OLD: i64 = 1_000 * HOUR;
const CUT_OFF: i64 = 1_100 * HOUR;
const RECENT: i64 = 1_200 * HOUR;
const NOW: i64 = 2_000 * HOUR;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

/// A database whose clock stands where a test puts it.
struct World {
    db: Database,
    clock: Clock,
}

impl World {
    fn new(place: &TestDatabase) -> Self {
        let clock = Clock::manual(at(1));
        let config = DatabaseConfig::new(place.url()).unwrap();
        let db = Database::open_with_clock(config, clock.clone()).unwrap();
        Self { db, clock }
    }

    /// The database at a moment.
    fn on(&self, micros: i64) -> &Database {
        self.clock.set(at(micros));
        &self.db
    }

    fn ticks(&self, instrument_id: i64, stamps: impl Iterator<Item = i64>) {
        let ticks = stamps.map(|stamp| {
            Tick::try_from(RawTick {
                instrument_id: Some(instrument_id),
                timestamp: Some(at(stamp)),
                price: Some(1.0),
                ..RawTick::default()
            })
            .unwrap()
        });
        let repository = MarketDataRepository::new(&self.db);
        let report = repository.insert_batch(ticks.collect(), InsertOptions::default());
        assert!(report.unwrap().rejected.is_empty());
    }

    fn delete_ticks(&self, instrument_id: i64, end: i64, now: i64) {
        let mut of = TickRange::all(instrument_id);
        of.end = Some(at(end));
        let repository = MarketDataRepository::new(self.on(now));
        assert!(repository.soft_delete_range(of).unwrap() > 0);
    }

    fn bar(&self, instrument_id: i64) {
        let price = Some("1".parse().unwrap());
        let bar = Bar::try_from(RawBar {
            instrument_id,
            timestamp: at(0),
            frequency: Frequency::OneDay,
            source_id: None,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: None,
            open_interest: None,
        });
        let report = insert_bars(&self.db, [&bar.unwrap()]);
        assert_eq!(report.unwrap().inserted, 1);
    }

    fn delete_bars(&self, instrument_id: i64, now: i64) {
        let of = BarRange::all(instrument_id, Frequency::OneDay);
        assert_eq!(
            db_delete!(self.on(now), bar::soft_delete_range(&of)).unwrap(),
            1
        );
    }

    fn rule(&self, instrument_id: i64) -> i64 {
        let rule = NewAlertRule {
            condition: Some(Condition::Above),
            threshold: Some("1".parse().unwrap()),
            name: Some("breakout".to_owned()),
            ..NewAlertRule::new(instrument_id, RuleType::Threshold)
        };
        db_write!(self.db, |now| alert_rule::insert(&rule, now))
            .unwrap()
            .id
    }

    fn delete_rule(&self, id: i64, now: i64) {
        assert_eq!(
            db_delete!(self.on(now), alert_rule::soft_delete(&[id])).unwrap(),
            1
        );
    }

    fn alert(&self, rule_id: i64, instrument_id: i64, stamp: i64) -> i64 {
        let alert = NewAlertLog {
            timestamp: at(stamp),
            source_id: 1,
            sequence: 0,
            rule_id,
            instrument_id,
            trigger_value: 2.0,
            threshold_value: Some(1.0),
            fired_status: FiredStatus::Fired,
            delivery_status: DeliveryStatus::Pending,
            evaluation_time_us: 1,
            rule_condition: "above".to_owned(),
            alert_message: "Alert: breakout".to_owned(),
            error_message: None,
        };
        db_write!(self.db, alert_log::insert(&alert))
            .unwrap()
            .unwrap()
            .id
    }

    /// Two for each alert.
    fn queue_deliveries(&self, alerts: usize) {
        let channels = [("log", ChannelKind::Log), ("desk", ChannelKind::InApp)];
        let channels = channels.map(|(name, kind)| ChannelKey {
            name: name.to_owned(),
            kind,
        });
        let queued = self.db.write("alert_delivery.enqueue", move |conn| {
            let now = conn.shared_now()?;
            alert_delivery::enqueue(conn, &channels, now, 100)
        });
        assert_eq!(queued.unwrap(), 2 * alerts);
    }

    fn delete_alert(&self, id: i64, now: i64) {
        assert_eq!(
            db_delete!(self.on(now), alert_log::soft_delete(&[id])).unwrap(),
            1
        );
    }

    fn delete_instruments(&self, ids: &[i64], now: i64) {
        let gone = ids.to_vec();
        let deleted = db_delete!(self.on(now), instrument::soft_delete(&gone));
        assert_eq!(deleted.unwrap(), ids.len());
    }

    fn counts(&self) -> Vec<TableCount> {
        db_read!(self.db, storage::counts()).unwrap()
    }

    fn purge(&self, cut_off: Timestamp, dry_run: bool) -> PurgeReport {
        purge::run(self.on(NOW), cut_off, dry_run).unwrap()
    }

    /// A dry run, then the real one: the dry one changes nothing and tells the same.
    fn purge_twice(&self, cut_off: Timestamp) -> PurgeReport {
        let before = self.counts();
        let mut dry = self.purge(cut_off, true);
        assert_eq!(self.counts(), before);
        assert!(dry.dry_run);
        dry.dry_run = false;
        let report = self.purge(cut_off, false);
        assert_eq!(dry, report);
        for (before, after) in before.iter().zip(self.counts()) {
            assert_eq!(before.active, after.active, "{}", before.table);
            let purged = report.tables.iter().find(|t| t.table == before.table);
            let deleted = purged.map_or(0, |table| table.deleted as i64);
            assert_eq!(before.deleted - deleted, after.deleted, "{}", before.table);
        }
        report
    }
}

fn table<'a>(report: &'a PurgeReport, name: &str) -> &'a TablePurge {
    report
        .tables
        .iter()
        .find(|table| table.table == name)
        .unwrap()
}

/// Deleted and kept rows by table, in the order of the purge.
fn numbers(report: &PurgeReport) -> Vec<(&'static str, usize, usize)> {
    let tables = report.tables.iter();
    tables.map(|t| (t.table, t.deleted, t.kept)).collect()
}

fn kept_rows(table: &TablePurge) -> Vec<String> {
    table.kept_rows.iter().map(ToString::to_string).collect()
}

fn reasons(table: &TablePurge) -> Vec<String> {
    table.reasons.iter().map(ToString::to_string).collect()
}

on_both! {
    fn only_what_was_deleted_up_to_the_cut_off_goes(place: &TestDatabase) {
        let world = World::new(place);
        world.ticks(1, 0..30);
        world.delete_ticks(1, 10, OLD);
        world.delete_ticks(1, 20, RECENT);
        let rule = world.rule(1);
        let alerts: Vec<i64> = (0..3).map(|stamp| world.alert(rule, 1, stamp)).collect();
        world.queue_deliveries(3);
        world.delete_alert(alerts[0], CUT_OFF);
        world.delete_alert(alerts[1], CUT_OFF + 1);
        let report = world.purge_twice(at(CUT_OFF));
        let expected = [
            ("alert_deliveries", 2, 0),
            ("alert_logs", 1, 0),
            ("alert_silences", 0, 0),
            ("alert_rules", 0, 0),
            ("archive_segments", 0, 0),
            ("market_data", 10, 0),
            ("market_data_bars", 0, 0),
            ("saved_queries", 0, 0),
            ("instruments", 0, 0),
            ("ingest_batches", 0, 0),
        ];
        assert_eq!(numbers(&report), expected);
        assert_eq!((report.deleted(), report.kept()), (13, 0));
        assert_eq!(world.purge(at(CUT_OFF), false).deleted(), 0);
        let left = alerts.iter().map(|id| db_read!(world.db, alert_delivery::of_alerts(&[*id])).unwrap().len());
        assert_eq!(left.collect::<Vec<_>>(), [0, 2, 2]);
    }

    fn a_purge_takes_what_its_own_earlier_steps_set_free(place: &TestDatabase) {
        let world = World::new(place);
        world.ticks(2, 0..3);
        world.bar(2);
        let rule = world.rule(2);
        let alert = world.alert(rule, 2, 1);
        world.delete_ticks(2, 3, OLD);
        world.delete_bars(2, OLD);
        world.delete_alert(alert, OLD);
        world.delete_rule(rule, OLD);
        world.delete_instruments(&[2], OLD);
        let report = world.purge_twice(at(CUT_OFF));
        assert_eq!((report.deleted(), report.kept()), (1 + 1 + 3 + 1 + 1, 0));
        let restored = db_write!(world.db, instrument::restore(&[2]));
        assert_eq!(restored.unwrap(), 0, "it is gone for good");
    }

    fn rows_that_others_refer_to_are_kept_and_the_reason_is_named(place: &TestDatabase) {
        let world = World::new(place);
        world.ticks(3, 0..5);
        world.delete_ticks(3, 3, OLD);
        world.bar(3);
        world.delete_bars(3, RECENT);
        let (old, recent) = (world.rule(4), world.rule(1));
        world.alert(old, 4, 1);
        let gone = world.alert(old, 4, 2);
        world.delete_alert(gone, OLD);
        world.delete_rule(old, OLD);
        world.delete_rule(recent, RECENT);
        world.delete_instruments(&[3, 4, 6], OLD);
        world.delete_instruments(&[5], RECENT);
        let report = world.purge_twice(at(CUT_OFF));
        let rules = table(&report, "alert_rules");
        let named = format!("rule {old} \"breakout\" is referred to by 1 alert");
        assert_eq!((rules.deleted, kept_rows(rules)), (0, vec![named]));
        assert_eq!(reasons(rules), ["1 is referred to by alerts"]);
        let instruments = table(&report, "instruments");
        assert_eq!((instruments.deleted, instruments.kept), (1, 2));
        assert_eq!(
            kept_rows(instruments),
            [
                "instrument 3 \"YM\" is referred to by 2 ticks, 1 bar",
                "instrument 4 \"CL\" is referred to by 1 rule, 1 alert",
            ]
        );
        assert_eq!(
            reasons(instruments),
            [
                "1 is referred to by ticks",
                "1 is referred to by bars",
                "1 is referred to by rules",
                "1 is referred to by alerts",
            ]
        );
        // Once the trash of the referrers is old enough, too, all of it goes.
        let bars = world.purge_twice(at(RECENT));
        assert_eq!(table(&bars, "market_data_bars").deleted, 1);
        let left = kept_rows(table(&bars, "instruments"));
        assert_eq!(left[0], "instrument 3 \"YM\" is referred to by 2 ticks");
    }

    fn of_many_kept_rows_all_are_counted_and_the_first_are_named(place: &TestDatabase) {
        let world = World::new(place);
        let ids: Vec<i64> = (0..70)
            .map(|n| {
                let symbol = Symbol::new(&format!("X{n}")).unwrap();
                let new = NewInstrument::new(symbol, "x", InstrumentType::Equity);
                db_write!(world.db, |now| instrument::insert(&new, now)).unwrap().id
            })
            .collect();
        for id in &ids[..50] {
            world.ticks(*id, 0..2);
        }
        world.delete_instruments(&ids, OLD);
        let report = world.purge_twice(at(CUT_OFF));
        let instruments = table(&report, "instruments");
        assert_eq!((instruments.deleted, instruments.kept), (20, 50));
        assert_eq!(instruments.kept_rows.len(), 20);
        assert_eq!(reasons(instruments), ["50 are referred to by ticks"]);
    }

    fn a_large_trash_goes_chunk_by_chunk(place: &TestDatabase) {
        let world = World::new(place);
        world.ticks(1, 0..12_000);
        world.delete_ticks(1, 11_999, OLD);
        let report = world.purge_twice(at(CUT_OFF));
        assert_eq!(table(&report, "market_data").deleted, 11_999);
        let operations = world.db.operations();
        let chunks = operations.iter().find(|op| op.op == "purge.market_data");
        assert_eq!(chunks.unwrap().calls, 4, "three with rows, one that finds none");
        let left = MarketDataRepository::new(&world.db).count(&TickRange::all(1));
        assert_eq!(left.unwrap(), 1);
    }

    fn no_cut_off_reaches_an_active_row(place: &TestDatabase) {
        let world = World::new(place);
        world.ticks(1, 0..3);
        world.bar(1);
        let rule = world.rule(1);
        world.alert(rule, 1, 1);
        let report = world.purge_twice(Timestamp::MAX);
        assert_eq!((report.deleted(), report.kept()), (0, 0));
    }

    fn old_idempotency_keys_are_forgotten_whatever_the_cut_off(place: &TestDatabase) {
        let world = World::new(place);
        let remember = |key: &str, now: i64| {
            let options = InsertOptions {
                idempotency_key: Some(key.to_owned()),
                ..InsertOptions::default()
            };
            let repository = MarketDataRepository::new(world.on(now));
            repository.insert_batch(Vec::new(), options).unwrap();
        };
        remember("old", NOW - 24 * HOUR);
        remember("new", NOW - 23 * HOUR);
        let report = world.purge_twice(Timestamp::MIN);
        assert_eq!(table(&report, "ingest_batches").deleted, 1);
        assert_eq!(report.deleted(), 1);
    }
}
