//! The archive from outside: claims of others, periods of several lengths, files in the trash, late ticks,
//! and what those see who ask the table alone.
#![cfg(feature = "archive")]

use tickbase::Timestamp;
use tickbase::clock::Clock;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::diesel::prelude::*;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{ArchivePeriod, Frequency};
use tickbase::repository::archive::{self, ArchiveRequest, Archiver, PeriodOutcome};
use tickbase::repository::bar_series::{self, BuildSpan, SeriesKey};
use tickbase::repository::deletion::{self, UndoOptions};
use tickbase::repository::market_data::{
    InsertOptions, InsertReport, MarketDataRepository, RowOutcome, TickRange,
};

use crate::support::{TestDatabase, on_both};

const DAY: i64 = 86_400_000_000;
/// 2013-09-01, the first day of a month.
const START: i64 = 1_377_993_600_000_000;

fn at(day: i64, second: i64) -> Timestamp {
    Timestamp::from_micros(START + day * DAY + second * 1_000_000).unwrap()
}

fn open(db: &TestDatabase) -> (Database, Clock) {
    let clock = Clock::manual(at(100, 0));
    let config = DatabaseConfig::new(db.url()).unwrap();
    (
        Database::open_with_clock(config, clock.clone()).unwrap(),
        clock,
    )
}

fn tick(moment: Timestamp, sequence: Option<i64>, price: f64) -> Tick {
    Tick::try_from(RawTick {
        instrument_id: Some(1),
        timestamp: Some(moment),
        sequence,
        price: Some(price),
        ..RawTick::default()
    })
    .unwrap()
}

fn store(database: &Database, ticks: Vec<Tick>) -> InsertReport {
    let options = InsertOptions {
        outcomes: true,
        ..InsertOptions::default()
    };
    MarketDataRepository::new(database)
        .insert_batch(ticks, options)
        .unwrap()
}

/// Ten ticks of each of these days.
fn fill(database: &Database, days: &[i64]) {
    let ticks = days
        .iter()
        .flat_map(|day| (0..10).map(|second| tick(at(*day, second), Some(0), 1.0)));
    store(database, ticks.collect());
}

fn count(database: &Database) -> i64 {
    MarketDataRepository::new(database)
        .count(&TickRange::all(1))
        .unwrap()
}

fn day(n: i64) -> (Timestamp, Timestamp) {
    (at(n, 0), at(n + 1, 0))
}

fn run(database: &Database, period: ArchivePeriod, before: Timestamp) {
    let request = ArchiveRequest {
        instrument_ids: vec![1],
        before,
        period,
        dry_run: false,
    };
    archive::run(database, &Archiver::default(), &request, |of| {
        let is_archived = matches!(of.outcome, PeriodOutcome::Archived { .. });
        assert!(is_archived, "{of:?}");
        Ok(())
    })
    .unwrap();
}

fn periods(database: &Database) -> Vec<(Timestamp, Timestamp, i64)> {
    let all = database.read("test.list", |conn| archive::list(conn, Some(1)));
    let all = all.unwrap().into_iter();
    all.map(|of| (of.starts_at, of.ends_at, of.rows)).collect()
}

on_both! {
    fn a_period_of_another_archiver_is_left_alone_until_its_lease_ends(db: &TestDatabase) {
        let (database, clock) = open(db);
        fill(&database, &[0]);
        // A run that is cut off while it takes the rows away gives its claim back.
        db.raw("DELETE FROM archive_permit").unwrap();
        Archiver::default().archive_period(&database, 1, day(0)).unwrap_err();
        db.raw("INSERT INTO archive_permit VALUES (1, FALSE)").unwrap();
        assert_eq!(count(&database), 10);
        // One that is killed does not.
        let until = at(100, 600);
        database
            .write("test.claim", move |conn| {
                use tickbase::tables::archive_segments::{claimed_until, owner, table};
                let claim = tickbase::diesel::update(table).set((owner.eq("dead"), claimed_until.eq(until)));
                Ok(tickbase::on_backend!(conn, |c| claim.execute(c))?)
            })
            .unwrap();
        let ours = Archiver::default();
        let outcome = ours.archive_period(&database, 1, day(0)).unwrap();
        let PeriodOutcome::Busy(segment) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(segment.owner.as_deref(), Some("dead"));
        clock.set(at(100, 601));
        let outcome = ours.archive_period(&database, 1, day(0)).unwrap();
        let PeriodOutcome::Archived { segment, rows_removed } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((segment.version, segment.rows, rows_removed), (2, 10, 10));
        assert_eq!((segment.owner, count(&database)), (None, 10));
    }

    fn periods_of_several_lengths_lie_beside_each_other(db: &TestDatabase) {
        let (database, _) = open(db);
        fill(&database, &[2, 5]);
        run(&database, ArchivePeriod::Day, at(3, 0));
        assert_eq!(periods(&database), [(at(2, 0), at(3, 0), 10)]);
        fill(&database, &[1, 2, 8]);
        run(&database, ArchivePeriod::Month, at(30, 0));
        let expected = [(at(0, 0), at(2, 0), 10), (at(2, 0), at(3, 0), 10), (at(3, 0), at(30, 0), 20)];
        assert_eq!(periods(&database), expected);
        assert_eq!(count(&database), 40);
        // Nothing is left, nor is a month that is not over.
        fill(&database, &[99]);
        run(&database, ArchivePeriod::Month, Timestamp::MAX);
        assert_eq!(periods(&database).len(), 3);
    }

    fn a_late_tick_without_a_number_gets_one_behind_those_of_the_file(db: &TestDatabase) {
        let (database, _) = open(db);
        store(&database, (0..3).map(|n| tick(at(0, 5), Some(n), 1.0)).collect());
        run(&database, ArchivePeriod::Day, at(1, 0));
        let report = store(&database, vec![tick(at(0, 5), None, 7.0), tick(at(0, 5), None, 8.0), tick(at(0, 6), None, 9.0)]);
        let numbers = report.outcomes.unwrap();
        let expected = [3, 4, 0].map(|sequence| RowOutcome::Inserted { sequence });
        assert_eq!(numbers, expected);
        assert_eq!(count(&database), 6);
    }

    fn what_is_in_the_trash_stays_there_until_it_is_undone(db: &TestDatabase) {
        let (database, _) = open(db);
        fill(&database, &[0]);
        run(&database, ArchivePeriod::Day, at(1, 0));
        let repository = MarketDataRepository::new(&database);
        assert_eq!(repository.soft_delete_range(TickRange::all(1)).unwrap(), 10);
        assert_eq!((count(&database), periods(&database).len()), (0, 0));
        let parts = "SELECT count(*) || '' AS text FROM market_data";
        assert_eq!(db.texts(parts), ["0"], "one row stands for all of them");
        let report = store(&database, vec![tick(at(0, 3), Some(0), 1.0), tick(at(0, 3), Some(1), 1.0)]);
        assert_eq!((report.deleted, report.inserted), (1, 1));
        let outcome = Archiver::default().archive_period(&database, 1, day(0)).unwrap();
        assert!(matches!(outcome, PeriodOutcome::InTrash(_)), "{outcome:?}");
        assert_eq!(count(&database), 1);
        let batch = database.read("test.deletions", |conn| deletion::list(conn, None, 1)).unwrap();
        assert_eq!(batch[0].counts().ticks, 10);
        let undone = deletion::undo(&database, batch[0].id(), &UndoOptions::default()).unwrap();
        assert_eq!((undone.restored.ticks, count(&database)), (10, 11));
        // Some of a file in the trash come back alone.
        assert_eq!(repository.soft_delete_range(TickRange::all(1)).unwrap(), 11);
        let some = TickRange { instrument_id: 1, start: Some(at(0, 2)), end: Some(at(0, 4)) };
        assert_eq!(repository.restore_range(some).unwrap(), 3);
        assert_eq!(count(&database), 3);
    }

    fn bars_follow_what_becomes_of_archived_ticks(db: &TestDatabase) {
        let (database, _) = open(db);
        fill(&database, &[0, 1, 2]);
        let key = SeriesKey::of_trades(1, Frequency::OneDay);
        let ticks = bar_series::TICKS_PER_TRANSACTION_MAX;
        let bars = || db.texts("SELECT count(*) || '' AS text FROM market_data_bars WHERE deleted_at IS NULL")[0].clone();
        let stale = || db.texts("SELECT count(*) || '' AS text FROM stale_bars")[0].clone();
        bar_series::build(&database, key, BuildSpan::default(), ticks).unwrap();
        // Of a day each: the file of the first one is deleted as a whole.
        run(&database, ArchivePeriod::Day, at(30, 0));
        assert_eq!((stale().as_str(), bars().as_str()), ("0", "2"), "archiving changes nothing");
        let repository = MarketDataRepository::new(&database);
        let first = TickRange { instrument_id: 1, start: None, end: Some(at(1, 0)) };
        repository.soft_delete_range(first).unwrap();
        assert_eq!(stale(), "1");
        bar_series::refresh(&database, key, ticks, &|| true).unwrap();
        assert_eq!((stale().as_str(), bars().as_str()), ("0", "1"));
        store(&database, vec![tick(at(1, 50), Some(0), 2.0)]);
        assert_eq!(stale(), "1", "a late tick marks the bar of its day");
    }

    fn a_restoration_stops_when_its_ticks_are_deleted(db: &TestDatabase) {
        let (database, _) = open(db);
        let repository = MarketDataRepository::new(&database);
        let many = 30_000;
        store(&database, (0..many).map(|n| tick(at(0, n), Some(0), 1.0)).collect());
        let rows = || db.texts("SELECT count(*) || '' AS text FROM market_data")[0].clone();
        let mut stopped = false;
        for _ in 0..10 {
            run(&database, ArchivePeriod::Day, at(1, 0));
            let file = database.read("test.list", |conn| archive::list(conn, Some(1))).unwrap();
            let outcome = std::thread::scope(|scope| {
                let restoration = scope.spawn(|| Archiver::default().restore_period(&database, &file[0]));
                while rows() == "0" && !restoration.is_finished() {}
                assert_eq!(repository.soft_delete_range(TickRange::all(1)).unwrap(), many as usize);
                restoration.join().unwrap()
            });
            assert_eq!(count(&database), 0);
            stopped |= matches!(outcome, Err(tickbase::Error::Conflict { .. }));
            let batch = database.read("test.deletions", |conn| deletion::list(conn, None, 1)).unwrap();
            deletion::undo(&database, batch[0].id(), &UndoOptions::default()).unwrap();
            assert_eq!(count(&database), many);
            if stopped {
                break;
            }
        }
        assert!(stopped, "each deletion came after a restoration");
    }

    fn those_who_ask_the_table_alone_are_told(db: &TestDatabase) {
        let (database, _) = open(db);
        fill(&database, &[0, 40]);
        run(&database, ArchivePeriod::Month, at(30, 0));
        let require = |range: TickRange| database.read("test.require", |conn| archive::require_hot(conn, &range));
        let refused = require(TickRange::all(1)).unwrap_err().to_string();
        assert!(refused.contains("are archived"), "{refused}");
        require(TickRange { instrument_id: 1, start: Some(at(30, 0)), end: None }).unwrap();
        require(TickRange::all(2)).unwrap();
        let archived = db.texts("SELECT symbol || ' ' || rows AS text FROM v_archived");
        assert_eq!(archived.len(), 1, "{archived:?}");
        assert!(archived[0].ends_with(" 10"), "{archived:?}");
    }
}
