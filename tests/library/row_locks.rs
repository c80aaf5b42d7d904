//! Two writers at once on PostgreSQL: the second waits for the first and then sees what it did.
//! On SQLite the write lane lets nobody in between.

#![cfg(feature = "postgres")]

use std::sync::mpsc;

use crate::support::{
    TestDatabase, db_delete, db_read, db_write, flat_bar, insert_bars, until_somebody_waits,
    upsert_bars,
};
use tickbase::config::DatabaseConfig;
use tickbase::database::{BackendConnection, Database};
use tickbase::domain::tick::Tick;
use tickbase::domain::{Condition, Frequency, RuleType};
use tickbase::models::{NewAlertRule, NewDeletion, NewMarketDataBar};
use tickbase::repository::market_data::{
    self, InsertOptions, MarketDataRepository, TickKey, TickRange,
};
use tickbase::repository::purge;
use tickbase::repository::{alert_rule, bar, deletion, instrument};
use tickbase::{Error, Result, Timestamp};

fn open(place: &TestDatabase) -> Database {
    Database::open(DatabaseConfig::new(place.url()).unwrap()).unwrap()
}

fn rule() -> NewAlertRule {
    NewAlertRule {
        condition: Some(Condition::Above),
        threshold: Some("1".parse().unwrap()),
        ..NewAlertRule::new(1, RuleType::Threshold)
    }
}

fn daily(close: &str) -> NewMarketDataBar {
    NewMarketDataBar {
        high_price: 9.0,
        close_price: close.parse().unwrap(),
        ..flat_bar(
            1,
            Frequency::OneDay,
            Timestamp::from_micros(0).unwrap(),
            1.0,
        )
    }
}

/// Runs `first` in a transaction that commits only when `second`, started after it, waits.
fn one_after_the_other<T: Send>(
    (place, db): (&TestDatabase, &Database),
    first: impl Fn(&mut BackendConnection<'_>) -> Result<()> + Send + 'static,
    second: impl FnOnce() -> T + Send,
) -> T {
    let (began, begun) = mpsc::channel();
    let url = place.url().to_owned();
    std::thread::scope(|scope| {
        let holder = scope.spawn(move || {
            db.write("test.first", move |conn| {
                first(conn)?;
                began.send(()).unwrap();
                until_somebody_waits(&url);
                Ok(())
            })
        });
        begun.recv().unwrap();
        let outcome = second();
        holder.join().unwrap().unwrap();
        outcome
    })
}

fn now() -> Timestamp {
    Timestamp::from_micros(1).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).unwrap()
}

/// The key of instrument 1's tick at a second.
fn key(second: i64) -> TickKey {
    TickKey {
        instrument_id: 1,
        timestamp: at(second),
        source_id: 1,
        sequence: 0,
    }
}

/// The ticks of instrument 1 before a second.
fn until(second: i64) -> TickRange {
    TickRange {
        end: Some(at(second)),
        ..TickRange::all(1)
    }
}

#[test]
fn a_rule_does_not_slip_onto_an_instrument_that_is_being_deleted() {
    let place = TestDatabase::postgres();
    let db = open(&place);
    let delete = |conn: &mut BackendConnection<'_>| {
        let done = deletion::batch(conn, &NewDeletion::of("a test"), now(), |conn, batch| {
            instrument::soft_delete(conn, &[1], batch)
        });
        assert_eq!(done?.0, 1);
        Ok(())
    };
    let outcome = one_after_the_other((&place, &db), delete, || {
        db_write!(db, |now| alert_rule::insert(&rule(), now))
    });
    assert!(
        matches!(outcome, Err(Error::NotFound { .. })),
        "{outcome:?}"
    );
}

/// It waits for the lock of the deletion, and then must not see the instrument as it was before.
#[test]
fn a_tick_does_not_slip_onto_an_instrument_that_is_being_deleted() {
    let place = TestDatabase::postgres();
    let db = open(&place);
    let delete = |conn: &mut BackendConnection<'_>| {
        let done = deletion::batch(conn, &NewDeletion::of("a test"), now(), |conn, batch| {
            instrument::soft_delete(conn, &[1], batch)
        });
        assert_eq!(done?.0, 1);
        Ok(())
    };
    let ticks = [1, 2].map(|id| Tick::trade(id, at(1), 1.0, 1.0).unwrap());
    let report = one_after_the_other((&place, &db), delete, || {
        MarketDataRepository::new(&db).insert_batch(ticks.to_vec(), InsertOptions::default())
    });
    let report = report.unwrap();
    assert_eq!((report.inserted, report.rejected.len()), (1, 1));
    assert!(
        report.rejected[0]
            .reason
            .contains("instrument 1 is unknown or deleted")
    );
}

#[test]
fn an_instrument_is_not_deleted_beside_a_rule_that_is_being_added() {
    let place = TestDatabase::postgres();
    let db = open(&place);
    let insert = |conn: &mut BackendConnection<'_>| {
        alert_rule::insert(conn, &rule(), now())?;
        Ok(())
    };
    let outcome = one_after_the_other((&place, &db), insert, || {
        db_delete!(db, instrument::soft_delete(&[1]))
    });
    assert!(
        matches!(outcome, Err(Error::Conflict { .. })),
        "{outcome:?}"
    );
    assert_eq!(db_read!(db, instrument::get(1)).unwrap().id, 1);
}

#[test]
fn two_writers_of_one_bar_agree_on_what_is_stored() {
    let place = TestDatabase::postgres();
    let db = open(&place);
    let insert = |close: &'static str| {
        move |conn: &mut BackendConnection<'_>| {
            bar::insert_batch(conn, &[daily(close)], now())?;
            Ok(())
        }
    };
    let second = one_after_the_other((&place, &db), insert("2"), || {
        insert_bars(&db, [daily("3")])
    });
    assert_eq!(second.unwrap().conflicts.len(), 1);
    let upsert = |conn: &mut BackendConnection<'_>| {
        bar::upsert_batch(conn, &[daily("4")], now())?;
        Ok(())
    };
    let second = one_after_the_other((&place, &db), upsert, || upsert_bars(&db, [daily("4")]));
    assert_eq!(second.unwrap().unchanged, 1);
}

#[test]
fn a_bar_that_is_restored_while_a_purge_comes_by_stays() {
    let place = TestDatabase::postgres();
    let db = open(&place);
    insert_bars(&db, [daily("2")]).unwrap();
    let whole = bar::BarRange::all(1, Frequency::OneDay);
    db_delete!(db, bar::soft_delete_range(&whole)).unwrap();
    let restore = move |conn: &mut BackendConnection<'_>| {
        assert_eq!(bar::restore_range(conn, &whole)?.restored, 1);
        Ok(())
    };
    let purge = || purge::run(&db, Timestamp::MAX, false);
    let report = one_after_the_other((&place, &db), restore, purge).unwrap();
    assert_eq!(report.deleted(), 0);
    assert_eq!(db_read!(db, bar::count(&whole)).unwrap(), 1);
}

#[test]
fn an_instrument_shows_a_tick_that_was_stored_while_others_were_deleted_or_restored() {
    let place = TestDatabase::postgres();
    let db = open(&place);
    let ticks = MarketDataRepository::new(&db);
    let insert = |second: i64| {
        let tick = Tick::trade(1, at(second), 1.0, 1.0).unwrap();
        move |conn: &mut BackendConnection<'_>| {
            market_data::insert_batch(conn, &[tick], &InsertOptions::default(), now())?;
            Ok(())
        }
    };
    let last_tick = || db_read!(db, instrument::get(1)).unwrap().last_tick;
    db.write("test.zero", insert(0)).unwrap();
    let (key, range) = (key(0), until(10));
    let changes: [&(dyn Fn() -> Result<usize> + Sync); 4] = [
        &|| ticks.soft_delete_keys(vec![key]),
        &|| ticks.restore_keys(vec![key]),
        &|| ticks.soft_delete_range(range),
        &|| ticks.restore_range(range),
    ];
    for (second, change) in (11..).zip(changes) {
        assert_eq!(
            one_after_the_other((&place, &db), insert(second), change).unwrap(),
            1
        );
        assert_eq!(last_tick(), Some(at(second)));
    }
}
