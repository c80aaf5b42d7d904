//! An archiver is killed at random moments, beside writers, deletions, undoing and purges: what is read
//! stays what a plain model says, and late ticks are judged as it says.
//!
//! `TICKBASE_CRASH_SEED` repeats a sequence of random choices; a failure names its seed.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::{Cursor, Database};
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::models::ArchiveSegment;
use tickbase::repository::archive::{self, Archiver};
use tickbase::repository::deletion::{self, UndoOptions};
use tickbase::repository::market_data::{
    InsertOptions, MarketDataRepository, RowOutcome, TickKey, TickRange,
};
use tickbase::repository::{RangeQuery, purge};
use tickbase::segment::{Segment, WantedColumns};

use crate::crash::kills::seed;
use crate::crash::load::Chance;
use crate::support::TestDatabase;
use crate::support::chaos::{report, scaled};

/// The variable that makes an archiver of the process: seed and URL.
const ORDERS: &str = "TICKBASE_CRASH_ARCHIVER";
/// The test that a child starts with.
const CHILD: &str = "crash::archiver::reads_are_those_of_a_model_whatever_kills_the_archiver";
/// Kills in the suite, and under `scripts/chaos`.
const KILLS: (u64, u64) = (30, 1_000);
/// The archiver lives at most so long.
const LIFE_MAX: Duration = Duration::from_millis(150);
/// Others take its periods over at once: it is dead, or finds that out.
const LEASE: Duration = Duration::from_millis(1);

const DAY: i64 = 86_400_000_000;
const START: i64 = 1_378_000_000_000_000 / DAY * DAY;
const DAYS: u64 = 3;
/// Moments of a day, which are few: keys meet again.
const OFFSETS: u64 = 2_000;

fn at(day: u64, offset: u64) -> Timestamp {
    Timestamp::from_micros(START + day as i64 * DAY + offset as i64 * 1_000).unwrap()
}

fn open(url: &str) -> Database {
    Database::open(DatabaseConfig::new(url).unwrap()).unwrap()
}

/// Archives days and brings them back, until it is killed.
fn archive_for_ever(orders: &str) -> ! {
    let (seed, url) = orders.split_once(' ').unwrap();
    let (mut chance, database) = (Chance::new(seed.parse().unwrap()), open(url));
    let archiver = Archiver::with_lease(LEASE);
    loop {
        let day = chance.below(DAYS);
        let period = (at(day, 0), at(day + 1, 0));
        let periods = || database.read("test.list", |conn| archive::list(conn, Some(1)));
        let outcome = match chance.below(5) {
            0 => periods().and_then(|all| match all.first() {
                Some(first) => archiver.restore_period(&database, first).map(|_| ()),
                None => Ok(()),
            }),
            _ => archiver.archive_period(&database, 1, period).map(|_| ()),
        };
        match outcome {
            // Somebody has taken it over.
            Ok(()) | Err(tickbase::Error::Conflict { .. } | tickbase::Error::NotFound { .. }) => {}
            Err(error) => panic!("{}", error.chain()),
        }
    }
}

fn start(url: &str, seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        .env(ORDERS, format!("{seed} {url}"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills it, unless it has ended by itself, which it should not.
fn kill(mut child: Child) {
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "", "the archiver failed");
}

/// What the database must hold: price of each tick, and the deletion that it is in.
#[derive(Default)]
struct Model {
    ticks: BTreeMap<TickKey, (f64, Option<i64>)>,
    deletions: Vec<i64>,
    work: Work,
}

/// How much of each kind was done.
#[derive(Debug, Default, Clone, Copy)]
struct Work {
    inserted: usize,
    duplicates: usize,
    conflicts: usize,
    deletions: usize,
    undone: usize,
    purged: usize,
    compared: usize,
}

fn write(database: &Database, model: &mut Model, chance: &mut Chance) {
    match chance.below(8) {
        0..=3 => store(database, model, chance),
        4 | 5 => delete(database, model, chance),
        6 => undo(database, model, chance),
        _ => remove(database, model),
    }
}

fn store(database: &Database, model: &mut Model, chance: &mut Chance) {
    let (day, first) = (chance.below(DAYS), chance.below(OFFSETS));
    let ticks: Vec<Tick> = (0..1 + chance.below(300))
        .map(|n| {
            Tick::try_from(RawTick {
                instrument_id: Some(1),
                timestamp: Some(at(day, (first + n) % OFFSETS)),
                sequence: Some(chance.below(2) as i64),
                price: Some(chance.below(2) as f64),
                ..RawTick::default()
            })
            .unwrap()
        })
        .collect();
    let options = InsertOptions {
        outcomes: true,
        ..InsertOptions::default()
    };
    let repository = MarketDataRepository::new(database);
    let report = repository.insert_batch(ticks.clone(), options).unwrap();
    for (tick, outcome) in ticks.iter().zip(report.outcomes.unwrap()) {
        let key = TickKey {
            instrument_id: 1,
            timestamp: tick.timestamp(),
            source_id: tick.source_id(),
            sequence: tick.sequence().unwrap(),
        };
        let price = tick.price().unwrap();
        let expected = match model.ticks.get(&key) {
            None => RowOutcome::Inserted {
                sequence: key.sequence,
            },
            Some((_, Some(_))) => RowOutcome::Deleted,
            Some((stored, None)) if *stored == price => RowOutcome::Duplicate,
            Some(_) => RowOutcome::Conflict,
        };
        assert_eq!(outcome, expected, "{key:?}");
        match outcome {
            RowOutcome::Inserted { .. } => {
                model.work.inserted += 1;
                model.ticks.insert(key, (price, None));
            }
            RowOutcome::Duplicate => model.work.duplicates += 1,
            _ => model.work.conflicts += 1,
        }
    }
}

fn delete(database: &Database, model: &mut Model, chance: &mut Chance) {
    let (day, first) = (chance.below(DAYS), chance.below(OFFSETS));
    let (start, end) = match chance.below(8) {
        0 => (at(day, 0), at(day + 1, 0)),
        _ => (at(day, first), at(day, first + chance.below(200))),
    };
    let range = TickRange {
        instrument_id: 1,
        start: Some(start),
        end: Some(end),
    };
    let deleted = MarketDataRepository::new(database)
        .soft_delete_range(range)
        .unwrap();
    let newest = database
        .read("test.deletion", |conn| deletion::list(conn, None, 1))
        .unwrap();
    let id = newest.first().map(|of| of.id()).filter(|_| deleted > 0);
    let within = model
        .ticks
        .iter_mut()
        .filter(|(key, (_, deletion))| deletion.is_none() && (start..end).contains(&key.timestamp));
    let expected = within.map(|(_, (_, deletion))| *deletion = id).count();
    assert_eq!(deleted, expected);
    model.deletions.extend(id);
    model.work.deletions += usize::from(deleted > 0);
}

fn undo(database: &Database, model: &mut Model, chance: &mut Chance) {
    if model.deletions.is_empty() {
        return;
    }
    let nth = chance.below(model.deletions.len() as u64) as usize;
    let id = model.deletions.swap_remove(nth);
    let report = deletion::undo(database, id, &UndoOptions::default()).unwrap();
    let of_batch = model.ticks.values_mut().filter(|(_, of)| *of == Some(id));
    let expected = of_batch.map(|(_, deletion)| *deletion = None).count();
    assert_eq!(report.restored.ticks, expected);
    model.work.undone += 1;
}

/// A purge of all that is deleted. What it leaves, as the archiver works at it, is deleted still.
fn remove(database: &Database, model: &mut Model) {
    let report = purge::run(database, Timestamp::MAX, false).unwrap();
    model.work.purged += report.deleted();
    model.deletions.clear();
    let left = deleted_keys(database);
    model
        .ticks
        .retain(|key, (_, deletion)| deletion.is_none() || left.contains(key));
}

/// The keys of deleted rows: a tick of this key is refused as one that was deleted.
fn deleted_keys(database: &Database) -> Vec<TickKey> {
    use tickbase::diesel::prelude::*;
    use tickbase::soft_delete::SoftDeletable;
    use tickbase::tables::market_data;
    let rows: Vec<(i64, Timestamp, i64, i64)> = database
        .read("test.deleted", |conn| {
            let query = market_data::table.deleted().select((
                market_data::instrument_id,
                market_data::timestamp,
                market_data::source_id,
                market_data::sequence,
            ));
            Ok(tickbase::on_backend!(conn, |c| query.load(c))?)
        })
        .unwrap();
    let key = |(instrument_id, timestamp, source_id, sequence)| TickKey {
        instrument_id,
        timestamp,
        source_id,
        sequence,
    };
    let mut keys: Vec<TickKey> = rows.into_iter().map(key).collect();
    keys.extend(keys_in_trash(database));
    keys
}

/// The keys of files in the trash: those that a purge leaves, as the archiver works at them.
fn keys_in_trash(database: &Database) -> Vec<TickKey> {
    use tickbase::diesel::prelude::*;
    use tickbase::tables::archive_segments;
    let files: Vec<Bytes> = database
        .read("test.trash", |conn| {
            let query = archive_segments::table
                .filter(archive_segments::deleted_at.is_not_null())
                .filter(archive_segments::version.gt(0));
            let all: Vec<ArchiveSegment> = tickbase::on_backend!(&mut *conn, |c| query
                .select(ArchiveSegment::as_select())
                .load(c))?;
            all.iter().map(|of| archive::bytes(conn, of)).collect()
        })
        .unwrap();
    let keys = files.into_iter().flat_map(|mut bytes| {
        let segment = Segment::open(&mut bytes).unwrap();
        let whole = (Timestamp::MIN, Timestamp::MAX);
        let rows = segment.rows_of(&mut bytes, whole, WantedColumns::ALL);
        let keys = rows.flat_map(|rows| {
            let rows = rows.unwrap();
            (0..rows.len())
                .filter_map(|row| rows.key(row))
                .collect::<Vec<_>>()
        });
        keys.collect::<Vec<_>>()
    });
    let key = |(timestamp, source_id, sequence)| TickKey {
        instrument_id: 1,
        timestamp,
        source_id,
        sequence,
    };
    keys.map(key).collect()
}

/// Everything that is read, page by page, against the model.
fn compare(database: &Database, model: &mut Model) {
    let (repository, mut found, mut cursor) =
        (MarketDataRepository::new(database), Vec::new(), None);
    loop {
        let query = RangeQuery {
            cursor,
            ..RangeQuery::new(TickRange::all(1), 5_000)
        };
        let page = repository.range(&query).unwrap();
        found.extend(page.rows.iter().map(|row| (row.key(), row.price.unwrap())));
        match page.next {
            Some(next @ Cursor::After(_)) => cursor = Some(next),
            _ => break,
        }
    }
    let active = model.ticks.iter().filter(|(_, (_, of))| of.is_none());
    let expected: Vec<_> = active.map(|(key, (price, _))| (*key, *price)).collect();
    let differs = found.iter().zip(&expected).position(|(a, b)| a != b);
    assert_eq!(
        (differs, found.len()),
        (None, expected.len()),
        "{:?}",
        model.work
    );
    let count = repository.count(&TickRange::all(1)).unwrap();
    assert_eq!(count, expected.len() as i64);
    model.work.compared += 1;
}

fn survives(db: &TestDatabase) {
    let (seed, kills) = (seed(), scaled(KILLS.0, KILLS.1));
    println!("TICKBASE_CRASH_SEED={seed}");
    let mut chance = Chance::new(seed);
    let (database, mut model) = (open(db.url()), Model::default());
    for _ in 0..20 {
        store(&database, &mut model, &mut chance);
    }
    for _ in 0..kills {
        let archiver = start(db.url(), chance.below(u64::MAX));
        let life = LIFE_MAX.mul_f64(chance.below(1_000) as f64 / 1_000.0);
        let end = Instant::now() + life;
        while Instant::now() < end {
            write(&database, &mut model, &mut chance);
        }
        kill(archiver);
        compare(&database, &mut model);
    }
    let periods = database
        .read("test.list", |conn| archive::list(conn, Some(1)))
        .unwrap();
    let versions: i64 = periods.iter().map(|of| of.version).sum();
    println!("{:?}, versions of files: {versions}", model.work);
    let Work {
        duplicates,
        conflicts,
        deletions,
        undone,
        purged,
        ..
    } = model.work;
    let kinds = [duplicates, conflicts, deletions, undone, purged];
    assert!(kinds.iter().all(|work| *work > 0), "{:?}", model.work);
    let backend = if db.dir().is_some() {
        "SQLite"
    } else {
        "PostgreSQL"
    };
    let inserted = model.work.inserted;
    report(
        format!("an archiver is killed, {backend}"),
        format!("{inserted} ticks, {deletions} deletions, {undone} undone, {purged} rows purged"),
        format!("{kills} SIGKILLs"),
        "0 lost, 0 back from the trash, 0 judged wrongly",
    );
}

#[cfg(feature = "sqlite")]
#[test]
fn reads_are_those_of_a_model_whatever_kills_the_archiver() {
    if let Ok(orders) = std::env::var(ORDERS) {
        archive_for_ever(&orders);
    }
    survives(&TestDatabase::sqlite());
}

#[cfg(all(feature = "sqlite", feature = "postgres"))]
#[test]
fn reads_are_those_of_a_model_whatever_kills_the_archiver_of_postgresql() {
    survives(&TestDatabase::postgres());
}
