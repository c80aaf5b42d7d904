//! Tests of how the views that readers of SQL have (`v_ticks`, `v_bars`, `v_alerts`) are planned: by the
//! keys of their tables, as the crate's own queries are.

#[cfg(feature = "sqlite")]
#[test]
fn views_seek_in_the_keys_of_sqlite() {
    use crate::database::BackendConnection;
    use crate::test_support::{on_sqlite, sqlite_plan};
    let queries = [
        (
            "SELECT * FROM v_ticks WHERE symbol = 'ES' AND \"timestamp\" BETWEEN 1 AND 2 \
             ORDER BY \"timestamp\"",
            "SEARCH t USING PRIMARY KEY (instrument_id=? AND timestamp>? AND timestamp<?)",
        ),
        (
            "SELECT price FROM v_ticks WHERE symbol = 'ES' ORDER BY \"timestamp\" DESC LIMIT 1",
            "SEARCH t USING PRIMARY KEY (instrument_id=?)",
        ),
        (
            "SELECT price FROM v_ticks WHERE instrument_id = (SELECT instrument_id FROM v_instruments \
             WHERE symbol = 'ES') ORDER BY \"timestamp\" DESC LIMIT 100",
            "SEARCH t USING PRIMARY KEY (instrument_id=?)",
        ),
        (
            "SELECT * FROM v_bars WHERE symbol = 'ES' AND frequency = '1d' AND \"timestamp\" > 1 \
             ORDER BY \"timestamp\"",
            "market_data_bars_period_active (instrument_id=? AND frequency=? AND timestamp>?)",
        ),
        (
            "SELECT * FROM v_alerts ORDER BY \"timestamp\" DESC, id DESC LIMIT 10",
            "SCAN a USING INDEX alert_logs_newest_active",
        ),
        (
            "SELECT * FROM v_alerts WHERE instrument_id = 1 ORDER BY \"timestamp\" DESC LIMIT 10",
            "alert_logs_instrument_active (instrument_id=?)",
        ),
    ];
    on_sqlite(|conn| {
        #[allow(irrefutable_let_patterns)] // Of a build with SQLite alone.
        let BackendConnection::Sqlite(conn) = conn else {
            unreachable!("it is SQLite");
        };
        for (sql, expected) in queries {
            let plan = sqlite_plan(conn, sql);
            assert!(plan.contains(expected), "{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        }
    });
}

#[cfg(feature = "postgres")]
#[test]
fn views_seek_in_the_keys_of_postgresql() {
    use crate::database::BackendConnection;
    use crate::test_support::{on_postgres, postgres_plan};
    let queries = [
        (
            "SELECT * FROM v_ticks WHERE symbol = 'ES' AND \"timestamp\" > '2020-01-01Z'",
            "market_data_pkey",
        ),
        (
            "SELECT price FROM v_ticks WHERE instrument_id = (SELECT instrument_id FROM v_instruments \
             WHERE symbol = 'ES') ORDER BY \"timestamp\" DESC LIMIT 100",
            "Index Scan Backward using market_data_pkey",
        ),
        (
            "SELECT * FROM v_bars WHERE symbol = 'ES' AND frequency = '1d' AND \"timestamp\" > '2020-01-01Z'",
            "market_data_bars_period_active",
        ),
        (
            "SELECT * FROM v_alerts ORDER BY \"timestamp\" DESC, id DESC LIMIT 10",
            "alert_logs_newest_active",
        ),
    ];
    on_postgres(|conn| {
        #[allow(irrefutable_let_patterns)]
        let BackendConnection::Postgres(conn) = conn else {
            return;
        };
        for (sql, expected) in queries {
            let plan = postgres_plan(conn, sql, 0);
            assert!(plan.contains(expected), "{sql}\n{plan}");
            let of_data = ["on market_data", "on alert_logs", "on instruments"];
            let scanned = of_data
                .iter()
                .any(|of| plan.contains(&format!("Seq Scan {of}")));
            assert!(!scanned, "{sql}\n{plan}");
        }
    });
}
