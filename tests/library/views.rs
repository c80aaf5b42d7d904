//! The views for readers of SQL: active rows, by name, with moments that people and programs read.

use tickbase::config::DatabaseConfig;
use tickbase::database::Database;
use tickbase::domain::Frequency;
use tickbase::domain::tick::Tick;
use tickbase::domain::{Condition, RuleType};
use tickbase::models::NewAlertRule;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository, TickRange};
use tickbase::repository::{alert_rule, instrument, market_data};
use tickbase::services::{AlertEngine, Service};

use crate::support::{TestDatabase, build_bars, db_delete, db_write, on_both};

fn tick(instrument_id: i64, at: &str, price: f64) -> Tick {
    Tick::trade(instrument_id, at.parse().unwrap(), price, 2.0).unwrap()
}

/// A line of texts of a view, as `a|b|c`.
fn lines(db: &TestDatabase, columns: &[&str], of: &str) -> Vec<String> {
    let texts: Vec<String> = columns
        .iter()
        .map(|column| format!("coalesce(CAST({column} AS TEXT), '-')"))
        .collect();
    db.texts(&format!(
        "SELECT {} AS text FROM {of}",
        texts.join(" || '|' || ")
    ))
}

on_both! {
    fn active_rows_are_shown_by_name(db: &TestDatabase) {
        let database = Database::open(DatabaseConfig::new(db.url()).unwrap()).unwrap();
        let engine = AlertEngine::new(database.clone());
        engine.start().unwrap();
        let mut above = NewAlertRule::new(1, RuleType::Threshold);
        above.condition = Some(Condition::Above);
        above.threshold = Some("1650".parse().unwrap());
        above.name = Some("high".to_owned());
        db_write!(database, |now| alert_rule::insert(&above, now)).unwrap();
        let ticks = vec![
            tick(1, "1969-12-31T23:59:59.999999Z", 1640.5),
            tick(1, "2013-09-03T10:23:00.074Z", 1650.25),
            tick(1, "2013-09-03T10:24:00Z", 1651.0),
            tick(2, "2013-09-03T10:24:00Z", 3120.0),
        ];
        let repository = MarketDataRepository::new(&database);
        repository.insert_batch(ticks, InsertOptions::default()).unwrap();
        build_bars(&database, 1, Frequency::OneMinute);
        let last = TickRange {
            start: Some("2013-09-03T10:24:00Z".parse().unwrap()),
            ..TickRange::all(1)
        };
        assert_eq!(db_delete!(database, market_data::soft_delete_range(&last)).unwrap(), 1);
        db_delete!(database, instrument::soft_delete(&[2])).unwrap();

        let time = if db.dir().is_some() { "time" } else {
            r#"to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#
        };
        let ticks = lines(db, &["symbol", time, "source", "price", "volume", "bid"],
            "v_ticks ORDER BY \"timestamp\"");
        let plain: Vec<String> = ticks.iter().map(|line| line.replace(".0|", "|")).collect();
        assert_eq!(plain, [
            "ES|1969-12-31T23:59:59.999999Z|tickbase|1640.5|2|-",
            "ES|2013-09-03T10:23:00.074000Z|tickbase|1650.25|2|-",
        ]);
        let unix = db.texts("SELECT CAST(CAST(time_unix * 1000 AS BIGINT) AS TEXT) AS text \
            FROM v_ticks WHERE time_unix > 0");
        assert_eq!(unix, ["1378203780074"]);
        // The built bar of the deleted tick is gone with it, or stale; that of the other is there.
        let bars = lines(db, &["symbol", "frequency", "source", "close_price"],
            "v_bars WHERE time_unix BETWEEN 1378203000 AND 1378203800");
        assert_eq!(bars, ["ES|1min|tickbase-bars|1650.25"]);
        let alerts = lines(db, &["symbol", "rule", "rule_condition", "trigger_value", "fired_status"],
            "v_alerts ORDER BY \"timestamp\"");
        assert_eq!(alerts, ["ES|high|above|1650.25|fired"]);
    }
}
