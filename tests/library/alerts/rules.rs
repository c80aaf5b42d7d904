//! Each type of rule, from the insertion of a tick to the stored alert; and what is committed
//! together.

use std::time::Duration;

use tickbase::Timestamp;
use tickbase::clock::Clock;
use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::Condition;
use tickbase::models::NewAlertRule;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::repository::{alert_rule, instrument};

use crate::alerts::place::{Place, at, joined, numbered, prices, rule, tick};
use crate::support::{db_read, db_write, on_both};

fn seconds(place: &Place) -> Vec<i64> {
    let alerts = place.alerts();
    alerts
        .iter()
        .map(|alert| alert.timestamp.micros() / 1_000_000)
        .collect()
}

on_both! {
    fn a_threshold_fires_with_the_tick_and_its_row_says_why(db: &TestDatabase) {
        let place = Place::open(db);
        let rule = place.add(NewAlertRule { name: Some("High".to_owned()), ..rule(Condition::Above, "1650") });
        place.insert(prices(&[1650.0, 1650.25]));
        let [alert] = &place.alerts()[..] else { panic!("{:?}", place.alerts()) };
        assert_eq!((alert.rule_id, alert.instrument_id, alert.timestamp), (rule.id, 1, at(1)));
        assert_eq!((alert.trigger_value, alert.threshold_value), (1650.25, Some(1650.0)));
        assert_eq!(alert.alert_message, "Alert: High - Price 1650.25 above threshold 1650.0000");
        assert_eq!(alert.rule_condition, "above");
        assert_eq!(db_read!(place.db, alert_rule::get(rule.id)).unwrap().last_triggered, Some(at(1)));
        assert_eq!(db_read!(place.db, alert_rule::get(rule.id)).unwrap().updated_at, rule.updated_at);
        assert_eq!(db_read!(place.db, instrument::get(1)).unwrap().last_tick, Some(at(1)));
    }

    fn a_tick_of_the_year_2262_is_refused_and_silences_no_rule(db: &TestDatabase) {
        let place = Place::open(db);
        place.add(rule(Condition::Above, "10"));
        let far = Timestamp::parse(b"2262-04-11T23:47:16.854775Z").unwrap().0.micros();
        let report = place.insert(vec![numbered(far, 0, Some(11.0), None), tick(1, 11.0, None)]);
        assert_eq!((report.received, report.inserted, report.late), (2, 1, 0));
        let [rejected] = &report.rejected[..] else { panic!("{report:?}") };
        assert_eq!(rejected.index, 0);
        for part in ["2262-04-11", "86400 s ahead", "write.future_seconds_max"] {
            assert!(rejected.reason.contains(part), "{}", rejected.reason);
        }
        assert_eq!(place.insert(vec![tick(2, 11.0, None)]).late, 0);
        assert_eq!(seconds(&place), [1, 2]);
    }

    fn how_far_ahead_a_tick_may_be_is_a_setting(db: &TestDatabase) {
        for (limit, expected) in [(60, [true, false]), (0, [true, true])] {
            let sibling = db.empty_sibling();
            let mut config = DatabaseConfig::new(sibling.url()).unwrap();
            config.write.future_max = Duration::from_secs(limit);
            let database = Database::open_with_clock(config, Clock::manual(at(100))).unwrap();
            let ticks = MarketDataRepository::new(&database);
            let stored = [tick(160, 1.0, None), numbered(160_000_001, 0, Some(1.0), None)]
                .map(|tick| ticks.insert_batch(vec![tick], InsertOptions::default()).unwrap().inserted == 1);
            assert_eq!(stored, expected, "{limit}");
        }
    }

    fn below_and_equals_fire(db: &TestDatabase) {
        let place = Place::open(db);
        let below = place.add(rule(Condition::Below, "10")).id;
        let equals = place.add(rule(Condition::Equals, "10")).id;
        place.insert(prices(&[9.0, 10.0, 11.0]));
        assert_eq!(place.fired(), [(below, 0, 0), (equals, 1_000_000, 0)]);
    }

    fn a_crossing_knows_the_side_of_stored_ticks(db: &TestDatabase) {
        let place = Place::open(db);
        place.insert(prices(&[9.0, 10.0]));
        place.add(rule(Condition::CrossesAbove, "10"));
        place.insert(vec![tick(2, 11.0, None)]);
        place.insert(vec![tick(3, 12.0, None)]);
        assert_eq!(seconds(&place), [2]);
    }

    fn a_crossing_of_the_mean_reads_the_past(db: &TestDatabase) {
        let place = Place::open(db);
        place.insert(prices(&[10.0, 10.0, 9.0]));
        place.add(NewAlertRule { moving_average_period: Some(3), ..rule(Condition::CrossesAbove, "") });
        place.insert(vec![tick(3, 12.0, None)]);
        assert_eq!(seconds(&place), [3]);
    }

    fn a_rate_of_change_reads_its_window(db: &TestDatabase) {
        let place = Place::open(db);
        place.insert(prices(&[100.0, 100.0]));
        place.add(NewAlertRule { time_window_seconds: Some(60), ..rule(Condition::PercentChangeUp, "1") });
        place.add(NewAlertRule { time_window_seconds: Some(60), ..rule(Condition::PercentChangeDown, "1") });
        place.insert(vec![tick(2, 101.0, None)]);
        place.insert(vec![tick(3, 99.0, None)]);
        place.insert(vec![tick(200, 90.0, None)]);
        assert_eq!(seconds(&place), [2, 3], "nothing is in the window of the last");
    }

    fn a_volume_is_compared_with_the_mean_of_the_volumes_before(db: &TestDatabase) {
        let place = Place::open(db);
        place.insert((0..3).map(|second| tick(second, None, 10.0)).collect());
        place.add(NewAlertRule { moving_average_period: Some(3), ..rule(Condition::VolumeAbove, "2") });
        place.add(rule(Condition::VolumeAbove, "100"));
        place.insert(vec![tick(3, 1.0, 20.0), tick(4, 1.0, 41.0), tick(5, 1.0, 101.0)]);
        assert_eq!(seconds(&place), [4, 5, 5]);
    }

    fn a_joined_rule_fires_when_all_of_it_holds(db: &TestDatabase) {
        let place = Place::open(db);
        place.add(joined(
            r#"{"all":[{"condition":"above","threshold":"10"},{"condition":"volume_above","threshold":"5"}]}"#,
        ));
        place.insert(vec![tick(0, 11.0, 5.0), tick(1, 11.0, 6.0), tick(2, 10.0, 6.0)]);
        assert_eq!(seconds(&place), [1]);
        assert_eq!(place.alerts()[0].threshold_value, None);
    }

    fn a_thousand_alerts_of_a_batch_are_stored(db: &TestDatabase) {
        let place = Place::open(db);
        let rules: Vec<i64> = (0..5).map(|_| place.add(rule(Condition::Above, "0")).id).collect();
        place.insert((0..1_000).map(|second| tick(second, 1.0, None)).collect());
        assert_eq!(place.fired().len(), 5_000);
        for rule in rules {
            assert_eq!(db_read!(place.db, alert_rule::get(rule)).unwrap().last_triggered, Some(at(999)));
        }
        assert_eq!(place.engine.totals().fired, 5_000);
    }

    fn a_late_tick_fires_nothing_and_report_and_engine_agree_on_it(db: &TestDatabase) {
        let place = Place::open(db);
        place.add(rule(Condition::Above, "0"));
        // The ticks of a batch are taken in the order of their keys: none of these is late.
        let report = place.insert(vec![tick(5, 1.0, None), tick(3, 1.0, None), tick(4, 1.0, None)]);
        assert_eq!((report.late, seconds(&place)), (0, vec![3, 4, 5]));
        let report = place.insert(vec![tick(2, 1.0, None), tick(6, 1.0, None)]);
        assert_eq!((report.late, place.engine.totals().late), (1, 1));
        assert_eq!(seconds(&place), [3, 4, 5, 6]);
        // Wholly late: it changes nothing that is shown, but the ticks are others.
        assert_eq!(place.insert(vec![tick(1, 1.0, None)]).late, 1);
        place.insert(vec![tick(7, 1.0, None)]);
        assert_eq!(seconds(&place), [3, 4, 5, 6, 7]);
    }

    fn an_inactive_instrument_fires_nothing(db: &TestDatabase) {
        use tickbase::domain::InstrumentStatus;
        use tickbase::models::InstrumentChange;
        let place = Place::open(db);
        place.add(rule(Condition::Above, "0"));
        let switch = |status| {
            let change = InstrumentChange { status: Some(status), ..InstrumentChange::default() };
            db_write!(place.db, |now| instrument::update(1, &change, now)).unwrap();
        };
        switch(InstrumentStatus::Inactive);
        place.insert(vec![tick(0, 1.0, None)]);
        switch(InstrumentStatus::Active);
        place.insert(vec![tick(1, 1.0, None)]);
        assert_eq!(seconds(&place), [1]);
    }

    fn a_batch_of_many_instruments_fires_on_each(db: &TestDatabase) {
        let place = Place::open(db);
        for instrument_id in [3, 1, 7] {
            place.add(NewAlertRule { instrument_id, ..rule(Condition::Above, "0") });
        }
        let ticks = (1..=9).map(|id| {
            tickbase::domain::tick::Tick::trade(id, at(0), 1.0, 1.0).unwrap()
        });
        let ticks: Vec<_> = ticks.rev().collect();
        place.insert(ticks);
        let instruments: Vec<i64> = place.alerts().iter().map(|alert| alert.instrument_id).collect();
        assert_eq!(instruments, [1, 3, 7]);
    }

    fn a_repeated_idempotency_key_fires_nothing(db: &TestDatabase) {
        let place = Place::open(db);
        place.add(rule(Condition::Above, "0"));
        let options = InsertOptions { idempotency_key: Some("a".to_owned()), ..InsertOptions::default() };
        for _ in 0..2 {
            let live = tickbase::domain::tick::Tick::trade(1, at(0), 1.0, 1.0).unwrap();
            let report = MarketDataRepository::new(&place.db).insert_batch(vec![live], options.clone());
            assert_eq!(report.unwrap().inserted, 1);
        }
        assert_eq!(seconds(&place), [0]);
    }
}
