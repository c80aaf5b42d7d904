//! Retention policies: what goes, what stays, what comes back, and that bars outlive what they were made of.
#![cfg(feature = "archive")]

use std::time::Duration;

use tickbase::Timestamp;
use tickbase::clock::Clock;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{ArchivePeriod, Frequency, InstrumentType, RetentionKind};
use tickbase::models::{BarSeries, NewDeletion, NewInstrument, NewRetentionPolicy};
use tickbase::repository::archive::Archiver;
use tickbase::repository::bar::{self, BarRange};
use tickbase::repository::bar_series::{self, BuildSpan, SeriesKey, TICKS_PER_TRANSACTION_MAX};
use tickbase::repository::deletion::{self, UndoOptions, UndoOutcome};
use tickbase::repository::market_data::{self, InsertOptions, MarketDataRepository, TickRange};
use tickbase::repository::retention::{
    self, RetentionOutcome, RetentionReport, RetentionRequest, RetentionStep,
};
use tickbase::repository::{instrument, retention_policy};
use tickbase::services::historical_data::{self, BarQuery};

mod limits;
mod undone;

use crate::support::{TestDatabase, build_bars, flat_bar, insert_bars, on_both};

const DAY: i64 = 86_400_000_000;
/// 2013-09-01, the first day of a month.
const START: i64 = 1_377_993_600_000_000;
const DAILY: Frequency = Frequency::OneDay;
const MINUTES: Frequency = Frequency::OneMinute;

fn at(day: i64, second: i64) -> Timestamp {
    Timestamp::from_micros(START + day * DAY + second * 1_000_000).unwrap()
}

fn days(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count * 86_400))
}

fn open(db: &TestDatabase, day: i64) -> (Database, Clock) {
    let clock = Clock::manual(at(day, 0));
    let config = DatabaseConfig::new(db.url()).unwrap();
    let database = Database::open_with_clock(config, clock.clone()).unwrap();
    (database, clock)
}

fn store(database: &Database, instrument_id: i64, moments: &[(Timestamp, f64)]) {
    let ticks = moments.iter().map(|(moment, price)| {
        Tick::try_from(RawTick {
            instrument_id: Some(instrument_id),
            timestamp: Some(*moment),
            price: Some(*price),
            ..RawTick::default()
        })
        .unwrap()
    });
    let options = InsertOptions::default();
    let report = MarketDataRepository::new(database)
        .insert_batch(ticks.collect(), options)
        .unwrap();
    assert!(report.rejected.is_empty(), "{:?}", report.rejected.first());
}

/// Three ticks of each of these days, an hour apart.
fn fill(database: &Database, of: std::ops::Range<i64>) {
    let ticks =
        of.flat_map(|day| (1..4).map(move |hour| (at(day, hour * 3_600), (day + hour) as f64)));
    store(database, 1, &ticks.collect::<Vec<_>>());
}

fn set(database: &Database, policy: NewRetentionPolicy) {
    let now = database.clock().now();
    let set = move |conn: &mut tickbase::database::BackendConnection<'_>| {
        retention_policy::set(conn, &policy, now)
    };
    database.write("test.set", set).unwrap();
}

fn ticks_policy(archive: Option<Duration>, delete: Option<Duration>) -> NewRetentionPolicy {
    NewRetentionPolicy {
        archive_after: archive,
        delete_after: delete,
        ..NewRetentionPolicy::of(RetentionKind::Ticks)
    }
}

fn bars_policy(frequency: Option<Frequency>, delete: Option<Duration>) -> NewRetentionPolicy {
    NewRetentionPolicy {
        frequency,
        delete_after: delete,
        ..NewRetentionPolicy::of(RetentionKind::Bars)
    }
}

fn request() -> RetentionRequest {
    RetentionRequest {
        period: ArchivePeriod::Month,
        purge_after: None,
        dry_run: false,
        deletion: NewDeletion::of("test"),
    }
}

fn run(database: &Database) -> RetentionReport {
    retention::run(database, &Archiver::default(), &request(), &|| true).unwrap()
}

fn rows_of(report: &RetentionReport) -> Vec<(RetentionStep, RetentionOutcome, i64)> {
    let lines = report.lines.iter();
    lines.map(|of| (of.step, of.outcome, of.rows)).collect()
}

fn undo(database: &Database, report: &RetentionReport) {
    let id = report.deletion.as_ref().unwrap().id();
    let undone = deletion::undo(database, id, &UndoOptions::default()).unwrap();
    assert_eq!(undone.outcome, UndoOutcome::Undone, "{undone:?}");
}

fn count(database: &Database) -> i64 {
    MarketDataRepository::new(database)
        .count(&TickRange::all(1))
        .unwrap()
}

fn stored_bars(database: &Database, frequency: Frequency) -> i64 {
    let range = BarRange::all(1, frequency);
    database
        .read("test.count", |conn| bar::count(conn, &range))
        .unwrap()
}

/// Start, open, high, low, close and volume of every bar that is answered.
fn history(database: &Database, frequency: Frequency) -> Vec<String> {
    let query = BarQuery::all(1, frequency);
    let found = database.read("test.bars", |conn| historical_data::bars(conn, &query));
    let bars = found.unwrap().bars.into_iter();
    bars.map(|of| format!("{} {:?}", of.timestamp, of.values))
        .collect()
}

fn series(database: &Database, frequency: Frequency) -> BarSeries {
    let all = database
        .read("test.series", |conn| bar_series::of_instrument(conn, 1))
        .unwrap();
    all.into_iter()
        .find(|of| of.frequency == frequency)
        .unwrap()
}

fn refresh(database: &Database) {
    let all = database
        .read("test.series", |conn| bar_series::of_instrument(conn, 1))
        .unwrap();
    for of in all {
        bar_series::refresh(database, of.key(), TICKS_PER_TRANSACTION_MAX, &|| true).unwrap();
    }
}

on_both! {
    fn one_minute_bars_a_month_and_daily_bars_for_ever(db: &TestDatabase) {
        let (database, _) = open(db, 100);
        // Ten minutes of each of 100 days, as a vendor delivers them.
        let minutes = (0..100).flat_map(|day| (0..10).map(move |minute| flat_bar(1, MINUTES, at(day, 36_000 + minute * 60), (day * 10 + minute) as f64)));
        insert_bars(&database, minutes).unwrap();
        build_bars(&database, 1, DAILY);
        let daily = history(&database, DAILY);
        assert_eq!((daily.len(), stored_bars(&database, DAILY)), (100, 99));
        set(&database, bars_policy(Some(MINUTES), days(30)));
        set(&database, bars_policy(Some(DAILY), None));

        let dry = retention::run(&database, &Archiver::default(), &RetentionRequest { dry_run: true, ..request() }, &|| true).unwrap();
        assert_eq!(stored_bars(&database, MINUTES), 1_000, "a dry run changes nothing");
        let report = run(&database);
        // The newest bar is of 2013-12-09 10:09: days that were over 30 days before go.
        let step = RetentionStep::DeleteBars { frequency: MINUTES, data_source_id: 1 };
        assert_eq!(rows_of(&report), [(step, RetentionOutcome::Done, 690)]);
        assert_eq!(rows_of(&dry), [(step, RetentionOutcome::WouldBeDone, 690)]);
        assert_eq!(report.lines[0].bars_that_stay, [DAILY]);
        assert_eq!(stored_bars(&database, MINUTES), 310);
        refresh(&database);
        assert_eq!(history(&database, DAILY), daily);
        // What comes late to days whose minutes are gone would make a day of one minute.
        insert_bars(&database, [flat_bar(1, MINUTES, at(3, 50_000 / 60 * 60), 99_999.0)]).unwrap();
        refresh(&database);
        assert_eq!(history(&database, DAILY), daily);
        assert_eq!(rows_of(&run(&database)), [(step, RetentionOutcome::Done, 1)]);
        assert!(run(&database).lines.is_empty(), "nothing is due any more");
        assert_eq!(history(&database, DAILY), daily);

        undo(&database, &report);
        refresh(&database);
        assert_eq!(stored_bars(&database, MINUTES), 1_000);
        assert_eq!(history(&database, DAILY), daily);
        // They are made of minutes again, but for the day of which one is in the trash still.
        insert_bars(&database, [flat_bar(1, MINUTES, at(3, 60_000), 99_999.0)]).unwrap();
        refresh(&database);
        assert_eq!(history(&database, DAILY), daily);
        insert_bars(&database, [flat_bar(1, MINUTES, at(4, 60_000), 99_999.0)]).unwrap();
        refresh(&database);
        assert_ne!(history(&database, DAILY), daily);
    }

    fn a_series_of_built_bars_begins_later_and_comes_back(db: &TestDatabase) {
        let (database, _) = open(db, 200);
        fill(&database, 0..100);
        for frequency in [MINUTES, DAILY] {
            build_bars(&database, 1, frequency);
        }
        let (minutes, daily) = (history(&database, MINUTES), history(&database, DAILY));
        let built = series(&database, MINUTES);
        set(&database, bars_policy(Some(MINUTES), days(30)));
        let first = run(&database);
        assert_eq!(first.lines.len(), 1, "{first:?}");
        assert_eq!(stored_bars(&database, MINUTES) + first.lines[0].rows, 299);
        let begins = series(&database, MINUTES).built_from;
        assert!(begins > at(68, 0) && begins < at(69, 0), "{begins}");
        refresh(&database);
        assert_eq!(series(&database, MINUTES).built_from, begins, "they are not built again");
        // The ticks are there, and are what is answered.
        assert_eq!((history(&database, MINUTES), history(&database, DAILY)), (minutes.clone(), daily.clone()));
        assert_eq!(db.texts("SELECT count(*) || '' AS text FROM retention_spans"), ["0"], "days are made of ticks that are there");
        // A late tick where the bars lie in the trash, and one in a gap between two batches.
        fill(&database, 100..110);
        refresh(&database);
        let second = run(&database);
        store(&database, 1, &[(at(5, 3_600), 7.0), (at(72, 50_000), 8.0)]);
        let (minutes, daily) = (history(&database, MINUTES), history(&database, DAILY));
        undo(&database, &first);
        assert_eq!(series(&database, MINUTES).built_from, built.built_from);
        refresh(&database);
        assert_eq!((history(&database, MINUTES), history(&database, DAILY)), (minutes.clone(), daily.clone()));
        undo_what_is_free(&database, &second);
        refresh(&database);
        assert_eq!((history(&database, MINUTES), history(&database, DAILY)), (minutes, daily));
    }

    fn bars_outlive_their_ticks(db: &TestDatabase) {
        let (database, _) = open(db, 200);
        fill(&database, 0..100);
        build_bars(&database, 1, DAILY);
        let daily = history(&database, DAILY);
        set(&database, ticks_policy(days(10), days(60)));
        let report = run(&database);
        // The newest tick is of 2013-12-09: September is 60 days old, November 10 days at its end only.
        let expected = [(RetentionStep::ArchiveTicks, RetentionOutcome::Done, 183), (RetentionStep::DeleteTicks, RetentionOutcome::Done, 90)];
        assert_eq!(rows_of(&report), expected);
        assert_eq!((report.lines[0].periods, report.lines[1].periods), (2, 1));
        assert_eq!(report.lines[1].bars_that_stay, [DAILY]);
        assert_eq!(report.deletion.as_ref().unwrap().counts().ticks, 90);
        assert_eq!(count(&database), 210);
        refresh(&database);
        assert_eq!(history(&database, DAILY), daily);
        // A tick that comes late to a day of September is stored, and is no day of its own.
        store(&database, 1, &[(at(3, 50_000), 1_000.0)]);
        refresh(&database);
        assert_eq!((history(&database, DAILY), count(&database)), (daily.clone(), 211));
        // The day after is made of its ticks.
        store(&database, 1, &[(at(31, 50_000), 1_000.0)]);
        refresh(&database);
        let later = history(&database, DAILY);
        assert_ne!(later, daily);
        assert_eq!(later[..30], daily[..30]);
        // With the ticks the days follow them again, and the late one is among them.
        undo(&database, &report);
        assert_eq!(count(&database), 302);
        refresh(&database);
        let back = history(&database, DAILY);
        assert_ne!(back[3], daily[3]);
        assert_eq!((&back[..3], &back[4..]), (&later[..3], &later[4..]));
    }

    fn the_month_of_the_newest_tick_stays_whatever_the_clock_says(db: &TestDatabase) {
        let (database, clock) = open(db, 60);
        fill(&database, 0..45);
        set(&database, ticks_policy(days(1), days(2)));
        clock.set(at(40_000, 0));
        let report = run(&database);
        let expected = [(RetentionStep::ArchiveTicks, RetentionOutcome::Done, 90), (RetentionStep::DeleteTicks, RetentionOutcome::Done, 90)];
        assert_eq!(rows_of(&report), expected, "a clock that is ahead makes nothing old");
        assert!(run(&database).lines.is_empty());
        assert_eq!(count(&database), 45);
        // Of an instrument whose feed has ended the last month stays, too.
        let other = NewInstrument::new("QUIET".parse().unwrap(), "a feed that ended", InstrumentType::Future);
        let now = database.clock().now();
        let other = database.write("test.other", move |conn| instrument::insert(conn, &other, now)).unwrap();
        store(&database, other.id, &[(at(0, 1), 1.0), (at(1, 1), 1.0)]);
        assert!(run(&database).lines.is_empty());
    }

    fn what_is_not_built_yet_keeps_its_ticks(db: &TestDatabase) {
        let (database, _) = open(db, 60);
        // 2013-10-01 is a Tuesday: the week of it is not over on 2013-10-03.
        fill(&database, 0..33);
        build_bars(&database, 1, Frequency::OneWeek);
        set(&database, ticks_policy(None, days(1)));
        let report = run(&database);
        let kept = (RetentionStep::DeleteTicks, RetentionOutcome::BarsWait, 90);
        assert_eq!(rows_of(&report)[1], kept);
        assert_eq!((count(&database), report.deletion), (99, None));
        let weeks = history(&database, Frequency::OneWeek);
        fill(&database, 33..40);
        // Stale and missing bars are built first.
        store(&database, 1, &[(at(4, 5), 3.0)]);
        let report = run(&database);
        let gone = rows_of(&report).into_iter().find(|of| of.0 == RetentionStep::DeleteTicks).unwrap();
        assert_eq!((gone.1, gone.2), (RetentionOutcome::Done, 91));
        refresh(&database);
        let later = history(&database, Frequency::OneWeek);
        assert_eq!(later.len(), weeks.len() + 1);
        // The week that has days of both months stays as it is.
        store(&database, 1, &[(at(31, 50_000), 1_000.0)]);
        refresh(&database);
        assert_eq!(history(&database, Frequency::OneWeek), later);
    }

    fn the_most_specific_policy_counts_and_trash_is_purged(db: &TestDatabase) {
        let (database, clock) = open(db, 100);
        fill(&database, 0..100);
        set(&database, ticks_policy(days(10), days(60)));
        set(&database, NewRetentionPolicy { instrument_id: Some(1), ..ticks_policy(None, None) });
        assert!(run(&database).lines.is_empty(), "those of the instrument stay for ever");
        let all = database.read("test.list", retention_policy::list).unwrap();
        assert_eq!(all.len(), 2);
        let id = all[1].policy.id;
        database.write("test.remove", move |conn| retention_policy::remove(conn, id)).unwrap();
        let report = run(&database);
        assert_eq!(report.lines.len(), 2);
        let purging = RetentionRequest { purge_after: days(30), ..request() };
        let purged = |report: RetentionReport| -> usize {
            report.purge.unwrap().tables.iter().filter(|of| of.table == "archive_segments").map(|of| of.deleted).sum()
        };
        let run = || retention::run(&database, &Archiver::default(), &purging, &|| true).unwrap();
        assert_eq!(purged(run()), 0);
        clock.set(at(131, 0));
        assert_eq!(purged(run()), 1);
        assert_eq!(count(&database), 210);
        let id = report.deletion.unwrap().id();
        let refused = deletion::undo(&database, id, &UndoOptions::default()).unwrap_err().to_string();
        assert!(refused.contains("purge"), "{refused}");
    }

    fn a_run_that_is_told_to_end_leaves_a_batch_that_can_be_undone(db: &TestDatabase) {
        let (database, _) = open(db, 100);
        let minutes = (0..30).flat_map(|day| (0..1_000).map(move |minute| flat_bar(1, MINUTES, at(day, minute * 60), 1.0)));
        insert_bars(&database, minutes).unwrap();
        set(&database, bars_policy(None, days(1)));
        // One of two transactions.
        let asked = std::cell::Cell::new(0);
        let goes_on = || {
            asked.set(asked.get() + 1);
            stored_bars(&database, MINUTES) == 30_000
        };
        let report = retention::run(&database, &Archiver::default(), &request(), &goes_on).unwrap();
        assert!(asked.get() > 1);
        assert_eq!(stored_bars(&database, MINUTES), 10_000);
        assert_eq!(report.deletion.as_ref().unwrap().counts().bars, 20_000);
        assert_eq!(run(&database).lines[0].rows, 8_000);
        undo(&database, &report);
        assert_eq!(stored_bars(&database, MINUTES), 22_000);
    }

    fn a_run_that_is_told_to_end_while_it_archives_loses_nothing(db: &TestDatabase) {
        let (database, _) = open(db, 100);
        let many: Vec<(Timestamp, f64)> = (0..70_000).map(|n| (at(n % 20, n), n as f64)).collect();
        store(&database, 1, &many);
        fill(&database, 40..41);
        set(&database, ticks_policy(days(1), None));
        let rows = || db.texts("SELECT count(*) || '' AS text FROM market_data")[0].clone();
        let mut seen = std::collections::BTreeSet::new();
        for budget in [1, 2, 3, 4, 8] {
            let asked = std::cell::Cell::new(0);
            let goes_on = || {
                asked.set(asked.get() + 1);
                asked.get() <= budget
            };
            let report = retention::run(&database, &Archiver::default(), &request(), &goes_on).unwrap();
            assert!(report.lines.is_empty(), "{report:?}");
            assert_eq!(count(&database), 70_003);
            seen.insert(rows());
        }
        // Before the file was there, and while its rows went.
        assert!(seen.len() > 1 && seen.contains("70003"), "{seen:?}");
        let report = run(&database);
        assert_eq!(rows_of(&report), [(RetentionStep::ArchiveTicks, RetentionOutcome::Done, 70_000)]);
        assert_eq!((count(&database), rows().as_str()), (70_003, "3"));
    }
}

/// Undoes a batch as far as nothing is in the way: bars that were built again are.
fn undo_what_is_free(database: &Database, report: &RetentionReport) {
    let options = UndoOptions {
        skip_conflicts: true,
        ..UndoOptions::default()
    };
    let id = report.deletion.as_ref().unwrap().id();
    deletion::undo(database, id, &options).unwrap();
}

/// Another database on the same backend.
fn another(db: &TestDatabase) -> TestDatabase {
    match db.backend() {
        #[cfg(feature = "postgres")]
        "PostgreSQL" => TestDatabase::postgres(),
        _ => TestDatabase::sqlite(),
    }
}
