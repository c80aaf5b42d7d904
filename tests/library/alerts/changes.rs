//! A change of rules, instruments or stored ticks works from the next tick after its commit.

use tickbase::domain::Condition;
use tickbase::models::{AlertRuleChange, NewAlertRule};
use tickbase::repository::market_data::{
    InsertOptions, MarketDataRepository, TickRange, insert_batch,
};
use tickbase::repository::{alert_rule, instrument};

use crate::alerts::place::{Place, at, prices, rule, tick};
use crate::support::{db_delete, db_write, on_both};

on_both! {
    fn rules_added_changed_switched_and_deleted_work_from_the_next_tick(db: &TestDatabase) {
        let place = Place::open(db);
        let mut second = 0;
        let mut fires = |place: &Place| {
            second += 1;
            let before = place.fired().len();
            place.insert(vec![tick(second, 10.0, None)]);
            place.fired().len() - before
        };
        assert_eq!(fires(&place), 0);
        let id = place.add(rule(Condition::Above, "5")).id;
        assert_eq!(fires(&place), 1);
        let change = |change: AlertRuleChange| {
            db_write!(place.db, |now| alert_rule::update(id, &change, now)).unwrap();
        };
        let threshold = |text: &str| AlertRuleChange {
            threshold: Some(Some(text.parse().unwrap())),
            ..AlertRuleChange::default()
        };
        let active = |active| AlertRuleChange { active: Some(active), ..AlertRuleChange::default() };
        change(threshold("15"));
        assert_eq!(fires(&place), 0);
        change(threshold("9"));
        assert_eq!(fires(&place), 1);
        change(active(false));
        assert_eq!(fires(&place), 0);
        change(active(true));
        assert_eq!(fires(&place), 1);
        db_delete!(place.db, alert_rule::soft_delete(&[id])).unwrap();
        assert_eq!(fires(&place), 0);
        db_write!(place.db, alert_rule::restore(&[id])).unwrap();
        assert_eq!(fires(&place), 1);
        place.add(rule(Condition::Above, "5"));
        assert_eq!(fires(&place), 2);
    }

    fn a_rule_and_the_tick_that_fires_it_may_share_a_transaction(db: &TestDatabase) {
        let place = Place::open(db);
        let insert = |conn: &mut tickbase::database::BackendConnection<'_>, second| {
            insert_batch(conn, &[tick(second, 10.0, None)], &InsertOptions::default(), at(0))
        };
        let rolled_back = place.db.write("test.rule", move |conn| {
            alert_rule::insert(conn, &rule(Condition::Above, "5"), at(0))?;
            insert(conn, 0)?;
            Err::<(), _>(tickbase::Error::invalid("test", "it says no", "none"))
        });
        assert!(rolled_back.is_err());
        // The versions are those of the transaction that was undone; the rule is another one.
        let id = place.db.write("test.rule", move |conn| {
            let id = alert_rule::insert(conn, &rule(Condition::Below, "50"), at(0))?.id;
            insert(conn, 0)?;
            alert_rule::insert(conn, &rule(Condition::Above, "500"), at(0))?;
            insert(conn, 1)?;
            Ok(id)
        }).unwrap();
        assert_eq!(place.fired(), [(id, 0, 0), (id, 1_000_000, 0)]);
    }

    fn deleted_and_restored_ticks_are_no_past_and_past_again(db: &TestDatabase) {
        let place = Place::open(db);
        place.add(NewAlertRule { time_window_seconds: Some(60), ..rule(Condition::PercentChangeUp, "1") });
        let repository = MarketDataRepository::new(&place.db);
        place.insert(prices(&[100.0, 110.0]));
        assert_eq!(place.fired().len(), 1);
        let first = TickRange { end: Some(at(1)), ..TickRange::all(1) };
        repository.soft_delete_range(first).unwrap();
        place.insert(vec![tick(2, 110.5, None)]);
        assert_eq!(place.fired().len(), 1, "its reference is 110");
        repository.restore_range(first).unwrap();
        place.insert(vec![tick(3, 110.5, None)]);
        assert_eq!(place.fired().len(), 2, "its reference is 100");
    }

    fn a_deleted_instrument_and_its_rules_come_back_together(db: &TestDatabase) {
        let place = Place::open(db);
        let id = place.add(rule(Condition::Above, "0")).id;
        place.insert(vec![tick(0, 1.0, None)]);
        db_delete!(place.db, alert_rule::soft_delete(&[id])).unwrap();
        db_delete!(place.db, instrument::soft_delete(&[1])).unwrap();
        assert_eq!(place.insert(vec![tick(1, 1.0, None)]).rejected.len(), 1);
        db_write!(place.db, instrument::restore(&[1])).unwrap();
        place.insert(vec![tick(2, 1.0, None)]);
        db_write!(place.db, alert_rule::restore(&[id])).unwrap();
        place.insert(vec![tick(3, 1.0, None)]);
        assert_eq!(place.fired(), [(id, 0, 0), (id, 3_000_000, 0)]);
    }

    fn a_rule_that_cannot_be_read_does_not_keep_ticks_from_being_stored(db: &TestDatabase) {
        let place = Place::open(db);
        let good = place.add(rule(Condition::Above, "0")).id;
        let bad = place.add(NewAlertRule { time_window_seconds: Some(60), ..rule(Condition::PercentChangeUp, "1") }).id;
        db.raw(&format!("UPDATE alert_rules SET time_window_seconds = NULL WHERE id = {bad}")).unwrap();
        place.insert(vec![tick(0, 1.0, None), tick(1, 100.0, None)]);
        assert_eq!(place.fired(), [(good, 0, 0), (good, 1_000_000, 0)]);
    }
}
