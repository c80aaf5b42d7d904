//! The state of instruments, which the database keeps beside them, on both backends.

use crate::support::{TestDatabase, db_delete, db_read, db_write, on_both};
use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::tick::Tick;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickRange};
use tickbase::repository::{check, instrument, purge};

fn open(place: &TestDatabase) -> Database {
    Database::open(DatabaseConfig::new(place.url()).unwrap()).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).unwrap()
}

/// Which instruments have a state, and whether it takes them for deleted.
fn states(place: &TestDatabase) -> Vec<String> {
    place.texts(
        "SELECT instrument_id || CASE WHEN is_deleted THEN ' deleted' ELSE '' END AS text \
         FROM instrument_state WHERE instrument_id IN (1, 2, 77) ORDER BY instrument_id",
    )
}

/// What is wrong with the states, by the check.
fn problem(db: &Database) -> Option<String> {
    let findings = check::run(db).unwrap();
    let of_states = findings
        .into_iter()
        .find(|of| of.subject == "state of instruments");
    of_states.unwrap().problem
}

on_both! {
    fn it_comes_follows_and_goes_with_the_instrument_by_sql_too(place: &TestDatabase) {
        let db = open(place);
        place.raw("INSERT INTO instruments (id, symbol, name, instrument_type, created_at, updated_at) \
            SELECT 77, 'BTC', 'Bitcoin', 'crypto', created_at, updated_at FROM instruments WHERE id = 1").unwrap();
        assert_eq!(states(place), ["1", "2", "77"]);
        let tick = |second| Tick::trade(77, at(second), 5.0, 1.0).unwrap();
        let repository = MarketDataRepository::new(&db);
        let insert = |second| repository.insert_batch(vec![tick(second)], InsertOptions::default()).unwrap();
        assert_eq!(insert(1).inserted, 1);
        assert_eq!(db_read!(db, instrument::get(77)).unwrap().last_tick, Some(at(1)));

        place.raw("UPDATE instruments SET deleted_at = created_at WHERE id = 77").unwrap();
        assert_eq!(states(place), ["1", "2", "77 deleted"]);
        assert_eq!((insert(2).inserted, insert(2).rejected.len()), (0, 1));
        place.raw("UPDATE instruments SET deleted_at = NULL WHERE id = 77").unwrap();
        assert_eq!((states(place).len(), insert(2).inserted), (3, 1));

        db_delete!(db, instrument::soft_delete(&[2, 77])).unwrap();
        assert_eq!(states(place), ["1", "2 deleted", "77 deleted"]);
        repository.soft_delete_range(TickRange::all(77)).unwrap();
        assert_eq!(purge::run(&db, Timestamp::MAX, false).unwrap().deleted(), 4);
        assert_eq!(states(place), ["1"]);
        assert_eq!(problem(&db), None);
    }

    fn a_restored_instrument_shows_its_newest_tick_whatever_became_of_them_meanwhile(place: &TestDatabase) {
        let db = open(place);
        let repository = MarketDataRepository::new(&db);
        let ticks = (1..4).map(|second| Tick::trade(1, at(second), second as f64, 1.0).unwrap());
        repository.insert_batch(ticks.collect(), InsertOptions::default()).unwrap();
        db_delete!(db, instrument::soft_delete(&[1])).unwrap();
        assert_eq!(repository.latest(&[1]).unwrap(), []);
        let newest = TickRange { start: Some(at(3)), ..TickRange::all(1) };
        assert_eq!(repository.soft_delete_range(newest).unwrap(), 1);
        db_write!(db, instrument::restore(&[1])).unwrap();
        let shown = db_read!(db, instrument::get(1)).unwrap();
        assert_eq!((shown.last_tick, shown.last_price), (Some(at(2)), Some(2.0)));
        assert_eq!(repository.latest(&[1]).unwrap()[0].timestamp, at(2));
    }

    fn the_check_finds_a_state_that_is_missing_or_wrong_and_its_remedy_heals_it(place: &TestDatabase) {
        let db = open(place);
        assert_eq!(problem(&db), None);
        place.raw("DELETE FROM instrument_state WHERE instrument_id = 1").unwrap();
        place.raw("UPDATE instrument_state SET is_deleted = TRUE WHERE instrument_id = 2").unwrap();
        let problem_found = problem(&db).unwrap();
        assert!(problem_found.starts_with("of instruments 1, 2 it is missing"), "{problem_found}");
        let remedy = problem_found.split("; run ").nth(1).unwrap();
        let remedy = remedy.split(", and create the triggers").next().unwrap();
        place.raw(remedy).unwrap();
        assert_eq!((problem(&db), states(place)), (None, vec!["1".to_owned(), "2".to_owned()]));
        place.raw(if place.dir().is_some() {
            "DROP TRIGGER instruments_follow_deletion"
        } else {
            "DROP TRIGGER instruments_follow_deletion ON instruments"
        }).unwrap();
        let findings = check::run(&db).unwrap();
        let triggers = findings.iter().find(|of| of.subject == "triggers").unwrap();
        assert!(triggers.problem.as_deref().unwrap().contains("instruments_follow_deletion"));
    }
}
