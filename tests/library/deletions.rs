//! Batches of soft deletes: what one deleted comes back by undoing it, and nothing else, on both
//! backends.

use std::collections::BTreeMap;

use crate::support::{TestDatabase, db_delete, db_read, db_write, flat_bar, insert_bars, on_both};
use tickbase::clock::Clock;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::tick::Tick;
use tickbase::domain::{
    Condition, DeletedKind, DeletionCounts, DeletionState, Frequency, InstrumentType, RuleType,
    Symbol,
};
use tickbase::models::{NewAlertRule, NewDeletion, NewInstrument};
use tickbase::repository::bar::{self, BarRange};
use tickbase::repository::deletion::{self, UndoOptions, UndoOutcome};
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickRange};
use tickbase::repository::{alert_rule, instrument, purge};
use tickbase::{Error, Timestamp};

const ES: i64 = 1;
const NQ: i64 = 2;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).unwrap()
}

/// A database with ticks, bars and rules of ES and NQ.
struct World {
    db: Database,
    clock: Clock,
}

impl World {
    fn new(place: &TestDatabase, seconds: i64) -> Self {
        let clock = Clock::manual(at(1_000_000));
        let config = DatabaseConfig::new(place.url()).unwrap();
        let db = Database::open_with_clock(config, clock.clone()).unwrap();
        let world = Self { db, clock };
        for id in [ES, NQ] {
            world.ticks(id, 0..seconds);
            let bars = (0..20).map(|n| flat_bar(id, Frequency::OneMinute, at(n * 60), 1.0));
            assert_eq!(insert_bars(&world.db, bars).unwrap().inserted, 20);
        }
        world
    }

    fn ticks(&self, id: i64, seconds: std::ops::Range<i64>) {
        let ticks = seconds.map(|second| Tick::trade(id, at(second), 1.0 + second as f64, 1.0));
        let ticks = ticks.collect::<Result<_, _>>().unwrap();
        let repository = MarketDataRepository::new(&self.db);
        let report = repository
            .insert_batch(ticks, InsertOptions::default())
            .unwrap();
        assert!(
            report.rejected.is_empty() && report.deleted == 0,
            "{report:?}"
        );
    }

    fn rule(&self, id: i64, name: &str) -> i64 {
        let rule = NewAlertRule {
            condition: Some(Condition::Above),
            threshold: Some("1000000".parse().unwrap()),
            name: Some(name.to_owned()),
            ..NewAlertRule::new(id, RuleType::Threshold)
        };
        db_write!(self.db, |now| alert_rule::insert(&rule, now))
            .unwrap()
            .id
    }

    fn delete_ticks(&self, id: i64, seconds: std::ops::Range<i64>) -> Option<i64> {
        let range = TickRange {
            start: Some(at(seconds.start)),
            end: Some(at(seconds.end)),
            ..TickRange::all(id)
        };
        let repository = MarketDataRepository::new(&self.db);
        let deleted = repository.soft_delete_range(range).unwrap();
        (deleted > 0).then(|| self.newest())
    }

    fn delete_bars(&self, id: i64, minutes: std::ops::Range<i64>) -> Option<i64> {
        let range = BarRange {
            start: Some(at(minutes.start * 60)),
            end: Some(at(minutes.end * 60)),
            ..BarRange::all(id, Frequency::OneMinute)
        };
        let deleted = db_delete!(self.db, bar::soft_delete_range(&range)).unwrap();
        (deleted > 0).then(|| self.newest())
    }

    fn delete_instrument(&self, id: i64) -> i64 {
        let new = NewDeletion::of("all of it").by("desk").because("expired");
        deletion::delete_instruments(&self.db, &[id], &new)
            .unwrap()
            .id()
    }

    /// The batch that was made last.
    fn newest(&self) -> i64 {
        let newest = self
            .db
            .read("test.newest", |conn| deletion::list(conn, None, 1));
        newest.unwrap()[0].id()
    }

    fn undo(&self, id: i64) -> DeletionCounts {
        let options = UndoOptions {
            by: Some("desk".to_owned()),
            ..UndoOptions::default()
        };
        let report = deletion::undo(&self.db, id, &options).unwrap();
        assert_eq!(
            (report.outcome, report.conflicts.len()),
            (UndoOutcome::Undone, 0)
        );
        report.restored
    }

    fn state(&self, id: i64) -> DeletionState {
        let row = self.db.read("test.state", |conn| deletion::get(conn, id));
        row.unwrap().state
    }
}

/// Every row with its moment of deletion.
fn contents(place: &TestDatabase) -> BTreeMap<String, String> {
    let micros = |column: &str| {
        if place.dir().is_some() {
            format!("coalesce({column} || '', '')")
        } else {
            format!("coalesce((extract(epoch FROM {column}) * 1000000)::bigint::text, '')")
        }
    };
    let mut all = BTreeMap::new();
    for (table, key) in [
        (
            "market_data",
            "instrument_id || ' ' || \"timestamp\" || ' ' || sequence",
        ),
        ("market_data_bars", "id"),
        ("instruments", "id"),
        ("alert_rules", "id"),
    ] {
        let sql = format!(
            "SELECT '{table} ' || {key} || '=' || {} AS text FROM {table}",
            micros("deleted_at")
        );
        let rows = place.texts(&sql);
        all.extend(rows.iter().map(|row| {
            let (key, deleted_at) = row.split_once('=').unwrap();
            (key.to_owned(), deleted_at.to_owned())
        }));
    }
    all
}

fn with_ticks(ticks: usize) -> DeletionCounts {
    DeletionCounts {
        ticks,
        ..DeletionCounts::default()
    }
}

on_both! {
    fn undoing_restores_the_batch_and_nothing_that_was_deleted_before(place: &TestDatabase) {
        let world = World::new(place, 100);
        let start = contents(place);
        let first = world.delete_ticks(ES, 10..30).unwrap();
        let after_first = contents(place);
        // It overlaps the first: those ticks keep their moment, and belong to it.
        let second = world.delete_ticks(ES, 20..50).unwrap();
        assert_ne!(first, second);
        assert_eq!(world.undo(second), with_ticks(20));
        assert_eq!(contents(place), after_first);
        assert_eq!(world.undo(first), with_ticks(20));
        assert_eq!(contents(place), start);
        assert_eq!(world.state(first), DeletionState::Undone);
        let again = deletion::undo(&world.db, first, &UndoOptions::default()).unwrap_err();
        assert!(again.to_string().contains("it was undone at"), "{again}");
        let unknown = deletion::undo(&world.db, 5, &UndoOptions::default()).unwrap_err();
        assert!(matches!(unknown, Error::NotFound { .. }), "{unknown}");
        assert_eq!(db_read!(world.db, instrument::get(ES)).unwrap().last_tick, Some(at(99)));
    }

    fn an_instrument_goes_with_all_that_is_its_and_comes_back_with_it(place: &TestDatabase) {
        let world = World::new(place, 100);
        let (kept, gone) = (world.rule(ES, "kept"), world.rule(ES, "gone"));
        db_delete!(world.db, alert_rule::soft_delete(&[gone])).unwrap();
        world.delete_ticks(ES, 0..10).unwrap();
        let before = contents(place);
        let id = world.delete_instrument(ES);
        let row = world.db.read("test.get", |conn| deletion::get(conn, id)).unwrap();
        assert_eq!(row.counts(), DeletionCounts {
            instruments: 1, rules: 1, bars: 20, ticks: 90, ..DeletionCounts::default()
        });
        assert_eq!((row.actor.as_deref(), row.reason.as_deref()), (Some("desk"), Some("expired")));
        let gone_rows = contents(place);
        assert!(gone_rows.iter().filter(|(key, _)| key.starts_with("market_data 1 ")).all(|(_, at)| !at.is_empty()));
        assert_eq!(gone_rows[&format!("alert_rules {kept}")], id.to_string());
        assert!(matches!(db_read!(world.db, instrument::get(ES)), Err(Error::NotFound { .. })));
        // The other instrument has lost nothing.
        assert_eq!(MarketDataRepository::new(&world.db).count(&TickRange::all(NQ)).unwrap(), 100);

        let dry = UndoOptions { dry_run: true, ..UndoOptions::default() };
        let report = deletion::undo(&world.db, id, &dry).unwrap();
        assert_eq!((report.outcome, report.restored.total()), (UndoOutcome::DryRun, 112));
        assert_eq!(contents(place), gone_rows);
        assert_eq!(world.undo(id).total(), 112);
        assert_eq!(contents(place), before);
        let back = db_read!(world.db, instrument::get(ES)).unwrap();
        assert_eq!((back.last_tick, back.last_price), (Some(at(99)), Some(100.0)));
        let missing = deletion::delete_instruments(&world.db, &[ES, 999], &NewDeletion::of("x"));
        assert!(missing.unwrap_err().to_string().contains("instrument 999"));
        assert_eq!(contents(place), before);
    }

    fn what_was_taken_meanwhile_keeps_the_batch_in_the_trash_and_is_listed(place: &TestDatabase) {
        let world = World::new(place, 10);
        let rule = world.rule(ES, "breakout");
        let rules = db_delete!(world.db, alert_rule::soft_delete(&[rule])).map(|_| world.newest());
        let bars = world.delete_bars(NQ, 0..20).unwrap();
        let whole = world.delete_instrument(ES);
        let symbol = Symbol::new("ES").unwrap();
        let new = NewInstrument::new(symbol, "another", InstrumentType::Future);
        let holder = db_write!(world.db, |now| instrument::insert(&new, now)).unwrap().id;
        let bar = flat_bar(NQ, Frequency::OneMinute, at(60), 2.0);
        assert_eq!(insert_bars(&world.db, [bar]).unwrap().inserted, 1);
        let before = contents(place);
        let options = UndoOptions::default();
        for (id, kinds, reason) in [
            (whole, vec![DeletedKind::Instrument], format!("active instrument {holder}")),
            (rules.unwrap(), vec![DeletedKind::Rule], "its instrument 1 ES is deleted".to_owned()),
            (bars, vec![DeletedKind::Bar], "has its period".to_owned()),
        ] {
            let report = deletion::undo(&world.db, id, &options).unwrap();
            assert_eq!((report.outcome, report.restored.total()), (UndoOutcome::Refused, 0));
            let found: Vec<DeletedKind> = report.conflicts.iter().map(|of| of.kind).collect();
            assert_eq!(found, kinds);
            assert!(report.conflicts[0].to_string().contains(&reason), "{}", report.conflicts[0]);
        }
        assert_eq!(contents(place), before, "all or nothing");

        // The rest of a batch comes back when that is asked for; and the others later.
        let skip = UndoOptions { skip_conflicts: true, ..UndoOptions::default() };
        let dry = deletion::undo(&world.db, bars, &UndoOptions { dry_run: true, ..skip.clone() });
        let report = deletion::undo(&world.db, bars, &skip).unwrap();
        assert_eq!((report.restored.bars, report.conflicts.len()), (19, 1));
        assert_eq!(dry.unwrap().restored, report.restored);
        assert_eq!(world.state(bars), DeletionState::Done);
        let of = BarRange { end: Some(at(120)), start: Some(at(60)), ..BarRange::all(NQ, Frequency::OneMinute) };
        db_delete!(world.db, bar::soft_delete_range(&of)).unwrap();
        assert_eq!(world.undo(bars).bars, 1);
        assert_eq!(world.state(bars), DeletionState::Undone);
    }

    fn the_trash_lists_names_and_counts_by_batch(place: &TestDatabase) {
        let world = World::new(place, 10);
        let rule = world.rule(ES, "breakout");
        world.delete_bars(NQ, 5..8).unwrap();
        let whole = world.delete_instrument(ES);
        place.raw("UPDATE market_data SET deleted_at = \"timestamp\" WHERE instrument_id = 2 AND price < 3").unwrap();
        let page = world.db.read("test.trash", |conn| deletion::trash(conn, None, 10)).unwrap();
        let mut listed = Vec::new();
        for (deletion, entries) in &page.batches {
            for of in entries {
                let id = of.id.map_or_else(String::new, |id| format!("{id} "));
                listed.push(format!("{} {id}{} {} {}", of.kind, of.name, of.rows, deletion.request));
            }
        }
        let bars = "a test";
        assert_eq!(listed, [
            "instrument 1 ES 1 all of it".to_owned(),
            format!("rule {rule} ES breakout 1 all of it"),
            "bar ES 1min 20 all of it".to_owned(),
            "tick ES 10 all of it".to_owned(),
            format!("bar NQ 1min 3 {bars}"),
            "tick NQ 1 unknown".to_owned(),
            "tick NQ 1 unknown".to_owned(),
        ]);
        let ticks = &page.batches[0].1[3];
        assert_eq!(ticks.span, Some((at(0), at(9))));
        assert_eq!(page.next, None);
        let first = world.db.read("test.trash", |conn| deletion::trash(conn, None, 1)).unwrap();
        assert_eq!(first.next.map(Timestamp::micros), Some(whole));
        let next = world.db.read("test.trash", |conn| deletion::trash(conn, first.next, 1)).unwrap();
        assert_eq!(next.batches[0].1[0].rows, 3);
        world.undo(whole);
        let page = world.db.read("test.trash", |conn| deletion::trash(conn, None, 10)).unwrap();
        assert_eq!(page.batches.len(), 3, "{page:?}");
    }

    fn a_purged_batch_does_not_come_back(place: &TestDatabase) {
        let world = World::new(place, 10);
        let old = world.delete_ticks(ES, 0..5).unwrap();
        world.clock.set(at(2_000_000));
        let new = world.delete_ticks(ES, 5..7).unwrap();
        let cut_off = at(1_500_000);
        assert_eq!(purge::run(&world.db, cut_off, true).unwrap().deleted(), 5);
        assert_eq!(world.state(old), DeletionState::Done);
        assert_eq!(purge::run(&world.db, cut_off, false).unwrap().deleted(), 5);
        assert_eq!((world.state(old), world.state(new)), (DeletionState::Purged, DeletionState::Done));
        let error = deletion::undo(&world.db, old, &UndoOptions::default()).unwrap_err();
        assert!(error.to_string().contains("removed for good"), "{error}");
        assert_eq!(world.undo(new), with_ticks(2));
    }

    fn what_a_crash_has_cut_off_goes_on_or_is_undone(place: &TestDatabase) {
        let world = World::new(place, 200);
        let before = contents(place);
        let cut_off = |id: i64| {
            // As if it had stopped after the first of its transactions.
            place.raw("UPDATE market_data SET deleted_at = NULL WHERE instrument_id = 1 AND price > 50").unwrap();
            place.raw("UPDATE deletions SET state = 'running', ticks = 50").unwrap();
            assert_eq!(world.state(id), DeletionState::Running);
        };
        let first = world.delete_instrument(ES);
        let whole = contents(place);
        cut_off(first);
        let resumed = deletion::resume(&world.db, first).unwrap();
        assert_eq!((resumed.state, resumed.ticks), (DeletionState::Done, 200));
        assert_eq!(contents(place), whole);
        cut_off(first);
        assert_eq!(world.undo(first).ticks, 50);
        assert_eq!(contents(place), before);
        let error = deletion::resume(&world.db, first).unwrap_err();
        assert!(error.to_string().contains("it is undone"), "{error}");
    }

    fn any_order_of_deletions_and_undos_is_as_a_plain_model_says(place: &TestDatabase) {
        const SECONDS: i64 = 60;
        let world = World::new(place, SECONDS);
        let mut random = fastrand::Rng::with_seed(7);
        // Of each row, the batch that deleted it.
        let mut model: BTreeMap<String, String> = contents(place);
        let mut open: Vec<i64> = Vec::new();
        let mut done = (0, 0);
        for _ in 0..80 {
            let id = [ES, NQ][random.usize(0..2)];
            let from = random.i64(0..SECONDS);
            let to = random.i64(from..=SECONDS);
            let deleted = match random.u8(0..10) {
                0..4 if !open.is_empty() => {
                    let batch = open.swap_remove(random.usize(0..open.len()));
                    let back = world.undo(batch).total();
                    let of_batch = model.values_mut().filter(|at| **at == batch.to_string());
                    assert_eq!(of_batch.map(String::clear).count(), back);
                    done.1 += 1;
                    None
                }
                4..7 => world.delete_ticks(id, from..to).map(|batch| (batch, None)),
                7..9 => world.delete_bars(id, from / 3..to / 3).map(|batch| (batch, None)),
                _ if model[&format!("instruments {id}")].is_empty() => {
                    Some((world.delete_instrument(id), Some(id)))
                }
                _ => None,
            };
            if let Some((batch, _)) = deleted {
                // What the database says is new is what it deleted: held against the counts.
                let now = contents(place);
                let new = now.iter().filter(|(_, at)| **at == batch.to_string());
                let new: Vec<&String> = new.map(|(key, _)| key).collect();
                let row = world.db.read("test.get", |conn| deletion::get(conn, batch)).unwrap();
                assert_eq!(row.counts().total(), new.len());
                for key in new {
                    let was = model.insert(key.clone(), batch.to_string()).unwrap();
                    assert_eq!(was, "", "{key} was deleted already");
                }
                open.push(batch);
                done.0 += 1;
            }
            assert_eq!(contents(place), model);
        }
        assert!(done.0 > 20 && done.1 > 10, "{done:?}");
        while let Some(batch) = open.pop() {
            world.undo(batch);
        }
        assert!(contents(place).values().all(String::is_empty));
    }
}

/// Ticks of one transaction are 100,000: this takes three to delete, and three to undo.
#[cfg(feature = "sqlite")]
#[test]
fn many_ticks_go_and_come_back_in_several_transactions() {
    let place = TestDatabase::sqlite();
    let world = World::new(&place, 250_000);
    let id = world.delete_instrument(ES);
    let row = world
        .db
        .read("test.get", |conn| deletion::get(conn, id))
        .unwrap();
    assert_eq!((row.ticks, row.state), (250_000, DeletionState::Done));
    let repository = MarketDataRepository::new(&world.db);
    assert_eq!(repository.count(&TickRange::all(ES)).unwrap(), 0);
    let calls = |op: &str| {
        let operations = world.db.operations();
        let found = operations.iter().find(|of| of.op == op);
        found.map_or(0, |of| of.calls)
    };
    assert_eq!(
        (
            calls("deletion.delete_instruments"),
            calls("deletion.delete_ticks")
        ),
        (1, 2)
    );
    assert_eq!(world.undo(id).ticks, 250_000);
    assert_eq!(
        (calls("deletion.undo"), calls("deletion.undo_ticks")),
        (1, 2)
    );
    assert_eq!(repository.count(&TickRange::all(ES)).unwrap(), 250_000);
    assert_eq!(world.state(id), DeletionState::Undone);

    // One that is undone while it goes on does not win over the undo.
    let undone = std::thread::scope(|scope| {
        scope.spawn(|| {
            let new = NewDeletion::of("once more");
            // It is done, as far as it came, or is told that it was undone.
            let _ = deletion::delete_instruments(&world.db, &[ES], &new);
        });
        crate::support::eventually("it has begun", || world.newest() != id);
        let newest = world.newest();
        world.undo(newest);
        newest
    });
    assert_eq!(world.state(undone), DeletionState::Undone);
    assert_eq!(repository.count(&TickRange::all(ES)).unwrap(), 250_000);
}
