//! Callbacks hear of what was committed, and of nothing else.

use std::sync::mpsc::{self, Receiver};

use tickbase::domain::Condition;
use tickbase::models::AlertLog;
use tickbase::repository::alert_log;
use tickbase::repository::market_data::{InsertOptions, insert_batch};
use tickbase::services::{Service, ServiceState};

use crate::alerts::place::{Place, at, key, rule, tick};
use crate::support::{db_delete, on_both};

fn listen(place: &Place) -> Receiver<Vec<AlertLog>> {
    let (send, fired) = mpsc::channel();
    place
        .engine
        .on_fired(move |alerts| send.send(alerts.to_vec()).unwrap())
        .detach();
    fired
}

on_both! {
    fn what_is_committed_is_told_with_its_rows_and_in_order(db: &TestDatabase) {
        let place = Place::open(db);
        let id = place.add(rule(Condition::Above, "0")).id;
        let told = listen(&place);
        let failed = place.db.write("test.fail", |conn| {
            insert_batch(conn, &[tick(0, 1.0, None)], &InsertOptions::default(), at(0))?;
            Err::<(), _>(tickbase::Error::invalid("test", "it says no", "none"))
        });
        assert!(failed.is_err());
        place.insert(vec![tick(1, 1.0, None), tick(2, 1.0, None)]);
        place.insert(vec![tick(3, 1.0, None)]);
        let first = told.recv().unwrap();
        assert_eq!(first, place.alerts()[..2]);
        assert_eq!(told.recv().unwrap().iter().map(key).collect::<Vec<_>>(), [(id, 3_000_000, 0)]);
        assert_eq!(place.engine.status().runs, 2);
    }

    fn a_callback_that_panics_harms_nothing(db: &TestDatabase) {
        let place = Place::open(db);
        place.add(rule(Condition::Above, "0"));
        place.engine.on_fired(|_| panic!("expected")).detach();
        let told = listen(&place);
        for second in 0..3 {
            place.insert(vec![tick(second, 1.0, None)]);
            told.recv().unwrap();
        }
        place.engine.stop();
        let status = place.engine.status();
        assert_eq!((status.state, status.panics, status.errors), (ServiceState::Stopped, 3, 0));
        assert_eq!((place.fired().len(), place.engine.missed()), (3, 0));
    }

    fn a_callback_may_write_to_the_database_and_is_forgotten_when_it_goes(db: &TestDatabase) {
        let place = Place::open(db);
        place.add(rule(Condition::Above, "0"));
        let (writer, (send, written)) = (place.db.clone(), mpsc::channel());
        let registration = place.engine.on_fired(move |alerts| {
            let ids: Vec<i64> = alerts.iter().map(|alert| alert.id).collect();
            let deleted = db_delete!(writer, alert_log::soft_delete(&ids));
            send.send(deleted.unwrap()).unwrap();
        });
        place.insert(vec![tick(0, 1.0, None)]);
        assert_eq!(written.recv().unwrap(), 1);
        drop(registration);
        place.insert(vec![tick(1, 1.0, None)]);
        place.engine.stop();
        assert_eq!(place.fired().len(), 1);
    }

    fn there_is_one_engine_on_a_database(db: &TestDatabase) {
        let place = Place::open(db);
        let other = tickbase::services::AlertEngine::new(place.db.clone());
        let refused = other.start().unwrap_err();
        assert!(refused.to_string().contains("another engine runs"), "{refused}");
        place.engine.stop();
        other.start().unwrap();
    }
}
