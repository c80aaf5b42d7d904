//! What is undone has not fired: a call that fails, a savepoint, a panic. The same tick fires once
//! when it comes again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tickbase::Error;
use tickbase::database::BackendConnection;
use tickbase::domain::Condition;
use tickbase::domain::tick::Tick;
use tickbase::models::NewAlertRule;
use tickbase::repository::market_data::{InsertOptions, insert_batch};
use tickbase::repository::{alert_log, alert_rule};
use tickbase::services::Service;

use crate::alerts::place::{Place, at, prices, rule, tick};
use crate::support::{TestDatabase, db_delete, db_read, db_write, on_both};

fn insert(conn: &mut BackendConnection<'_>, ticks: &[Tick]) -> tickbase::Result<usize> {
    let options = InsertOptions::default();
    insert_batch(conn, ticks, &options, at(0)).map(|report| report.inserted)
}

fn no() -> Error {
    Error::invalid("test", "it says no", "none")
}

/// An engine with a rule that cools down for a minute, one that crosses and one that always fires.
fn with_rules(db: &TestDatabase) -> (Place, [i64; 3]) {
    let place = Place::open(db);
    let cools = NewAlertRule {
        cooldown_seconds: 60,
        ..rule(Condition::Above, "10")
    };
    let rules = [
        cools,
        rule(Condition::CrossesAbove, "10"),
        rule(Condition::Above, "10"),
    ];
    let ids = rules.map(|rule| place.add(rule).id);
    place.insert(vec![tick(0, 9.0, None)]);
    (place, ids)
}

/// All that the rules demand of a tick above 10 at this second.
fn all_fired(ids: [i64; 3], second: i64) -> Vec<(i64, i64, i64)> {
    ids.map(|id| (id, second * 1_000_000, 0)).to_vec()
}

on_both! {
    fn a_call_that_fails_after_the_insertion_has_not_fired(db: &TestDatabase) {
        let (place, ids) = with_rules(db);
        let ticks = vec![tick(1, 11.0, None)];
        let failing = ticks.clone();
        let failed = place.db.write("test.fail", move |conn| {
            insert(conn, &failing)?;
            Err::<(), _>(no())
        });
        assert!(failed.is_err());
        assert_eq!(place.fired(), []);
        assert_eq!(db_read!(place.db, alert_rule::get(ids[0])).unwrap().last_triggered, None);
        assert_eq!(place.engine.totals().fired, 0);
        place.insert(ticks);
        assert_eq!(place.fired(), all_fired(ids, 1));
        assert_eq!(place.engine.totals().fired, 3);
    }

    fn a_savepoint_that_is_undone_has_not_fired_and_what_is_around_it_has(db: &TestDatabase) {
        let (place, ids) = with_rules(db);
        place.db.write("test.savepoint", move |conn| {
            insert(conn, &[tick(1, 8.0, None)])?;
            let undone = conn.savepoint(|conn| {
                insert(conn, &[tick(2, 12.0, None)])?;
                conn.savepoint(|conn| insert(conn, &[tick(3, 8.0, None)]))?;
                Err::<(), _>(no())
            });
            assert!(undone.is_err());
            insert(conn, &[tick(4, 11.0, None)])?;
            conn.savepoint(|conn| insert(conn, &[tick(5, 9.0, None)]))?;
            Ok(())
        }).unwrap();
        assert_eq!(place.fired(), all_fired(ids, 4));
        assert_eq!(place.engine.totals().evaluated, 4);
    }

    fn a_savepoint_in_which_the_memory_is_read_is_undone_with_it(db: &TestDatabase) {
        let place = Place::open(db);
        let first = place.add(rule(Condition::Above, "10")).id;
        place.db.write("test.savepoint", move |conn| {
            insert(conn, &[tick(0, 11.0, None)])?;
            let undone = conn.savepoint(|conn| {
                alert_rule::insert(conn, &rule(Condition::Above, "5"), at(0))?;
                insert(conn, &[tick(1, 11.0, None)])?;
                Err::<(), _>(no())
            });
            assert!(undone.is_err());
            insert(conn, &[tick(2, 11.0, None)])?;
            Ok(())
        }).unwrap();
        place.insert(vec![tick(3, 11.0, None)]);
        let seconds = [0, 2, 3].map(|second| (first, second * 1_000_000, 0));
        assert_eq!(place.fired(), seconds);
    }

    fn a_panic_after_the_insertion_has_not_fired(db: &TestDatabase) {
        let (place, ids) = with_rules(db);
        let ticks = vec![tick(1, 11.0, None)];
        let failing = ticks.clone();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            place.db.write("test.panic", move |conn| -> tickbase::Result<()> {
                insert(conn, &failing)?;
                panic!("expected");
            })
        }));
        assert!(panicked.is_err());
        place.insert(ticks);
        assert_eq!(place.fired(), all_fired(ids, 1));
    }

    fn a_resent_tick_fires_nothing_also_after_its_alert_was_deleted(db: &TestDatabase) {
        let (place, ids) = with_rules(db);
        place.insert(vec![tick(1, 11.0, None)]);
        let deleted: Vec<i64> = place.alerts().iter().map(|alert| alert.id).collect();
        let gone = deleted.clone();
        assert_eq!(db_delete!(place.db, alert_log::soft_delete(&gone)).unwrap(), 3);
        assert_eq!(place.insert(vec![tick(1, 11.0, None)]).duplicates, 1);
        assert_eq!(place.fired(), []);
        // Even to an engine that would fire again: it reads the rules without their last firing.
        place.engine.stop();
        db.raw("UPDATE alert_rules SET last_triggered = NULL; \
                UPDATE market_data SET deleted_at = \"timestamp\" WHERE price = 11; \
                DELETE FROM market_data WHERE price = 11; \
                UPDATE instrument_state SET last_tick = NULL").unwrap();
        place.engine.start().unwrap();
        place.insert(vec![tick(1, 11.0, None)]);
        assert_eq!(place.fired(), []);
        db_write!(place.db, alert_log::restore(&deleted)).unwrap();
        assert_eq!(place.fired(), all_fired(ids, 1));
    }

    fn a_cooldown_survives_a_restart(db: &TestDatabase) {
        let (place, [cools, crosses, always]) = with_rules(db);
        place.insert(vec![tick(1, 11.0, None)]);
        place.db.close();
        drop(place);
        let place = Place::open(db);
        place.insert(vec![tick(2, 11.0, None), tick(61, 12.0, None)]);
        let at = |rule, second: i64| (rule, second * 1_000_000, 0);
        assert_eq!(place.fired(), [
            at(cools, 1), at(cools, 61), at(crosses, 1), at(always, 1), at(always, 2), at(always, 61),
        ]);
        assert_eq!(place.engine.suppressed(cools), Some(1));
    }

    fn a_stopped_engine_fires_nothing_then_or_later(db: &TestDatabase) {
        let (place, ids) = with_rules(db);
        place.engine.stop();
        place.insert(prices(&[0.0, 11.0, 9.0])[1..].to_vec());
        place.engine.start().unwrap();
        assert!(place.engine.start().is_err(), "it runs");
        place.insert(vec![tick(3, 11.0, None)]);
        assert_eq!(place.fired(), all_fired(ids, 3));
    }

    fn suppressed_matches_are_counted_once_and_not_when_undone(db: &TestDatabase) {
        let (place, [cools, ..]) = with_rules(db);
        place.insert(vec![tick(1, 11.0, None)]);
        let failed = place.db.write("test.fail", |conn| {
            insert(conn, &[tick(2, 11.0, None)])?;
            Err::<(), _>(no())
        });
        assert!(failed.is_err());
        place.insert(vec![tick(3, 11.0, None), tick(4, 11.0, None)]);
        // A changed rule is read again; its counts go on.
        place.add(rule(Condition::Above, "1000"));
        place.insert(vec![tick(5, 11.0, None)]);
        assert_eq!(place.engine.suppressed(cools), Some(3));
        assert_eq!(place.engine.totals().suppressed, 3);
        assert_eq!(place.engine.suppressed(999), None);
    }
}
