//! The text that Prometheus scrapes, of a database at work, on both backends.

use std::collections::BTreeSet;

use crate::support::{TestDatabase, exposition, on_both};
use prometheus_parse::{Scrape, Value};
use tickbase::Timestamp;
use tickbase::config::{DatabaseConfig, MonitoringConfig};
use tickbase::database::{Backend, Database};
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::monitoring::{DatabaseMonitoringService, metrics};
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::repository::storage;

fn monitored(db: &TestDatabase) -> DatabaseMonitoringService {
    let config = DatabaseConfig::new(db.url()).unwrap().with(|config| {
        // Every statement is slow: the family of slow statements has something to say.
        config.observe.slow_query_after = std::time::Duration::from_micros(1);
    });
    let database = Database::open(config).unwrap();
    let config = MonitoringConfig::default().with(|config| {
        // Many tests connect to one small server at once.
        config.probe_timeout = std::time::Duration::from_secs(30);
    });
    DatabaseMonitoringService::new(database, config).unwrap()
}

fn insert(database: &Database, micros: std::ops::Range<i64>) {
    let tick = |at| {
        let raw = RawTick {
            instrument_id: Some(1),
            timestamp: Some(Timestamp::from_micros(at).unwrap()),
            sequence: Some(at),
            price: Some(1_650.25),
            ..RawTick::default()
        };
        Tick::try_from(raw).unwrap()
    };
    MarketDataRepository::new(database)
        .insert_batch(micros.map(tick).collect(), InsertOptions::default())
        .unwrap();
}

/// The value of the one sample that has these labels, or more.
fn value(scrape: &Scrape, metric: &str, labels: &[(&str, &str)]) -> f64 {
    let has = |sample: &&prometheus_parse::Sample| {
        sample.metric == metric
            && labels
                .iter()
                .all(|(name, value)| sample.labels.get(name) == Some(*value))
    };
    let found: Vec<_> = scrape.samples.iter().filter(has).collect();
    match &found[..] {
        [sample] => match &sample.value {
            Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => *value,
            Value::Histogram(buckets) => buckets.last().unwrap().count,
            other => panic!("{metric}: {other:?}"),
        },
        other => panic!("{metric} {labels:?}: {other:?}"),
    }
}

on_both! {
    fn what_prometheus_scrapes_is_well_formed_and_true(db: &TestDatabase) {
        let monitoring = monitored(db);
        let database = monitoring.database();
        // Before the first round there is no snapshot, and the text is whole all the same.
        exposition::check(&metrics::render(&monitoring));

        insert(database, 0..100);
        insert(database, 50..150);
        database.read::<()>("test.fails", |_| Err(tickbase::Error::Closed)).unwrap_err();
        storage::refresh_statistics(database).unwrap();
        monitoring.check_now();
        let scrape = exposition::check(&metrics::render(&monitoring));

        let of = |metric: &str, labels: &[(&str, &str)]| value(&scrape, metric, labels);
        let ticks = |outcome| of("tickbase_ingest_rows_total", &[("kind", "ticks"), ("outcome", outcome)]);
        assert_eq!((ticks("inserted"), ticks("duplicate")), (150.0, 50.0));
        let system = match database.backend() {
            Backend::Postgres => "postgresql",
            _ => "sqlite",
        };
        let insertion = [("db_operation_name", "market_data.insert_batch"), ("db_system_name", system)];
        assert_eq!(of("db_client_operation_duration_seconds", &insertion), 2.0);
        let failed = [("db_operation_name", "test.fails")];
        assert_eq!(of("tickbase_operation_errors_total", &failed), 1.0);
        let used = [
            ("db_client_connection_pool_name", "blocking"),
            ("db_client_connection_state", "used"),
        ];
        assert_eq!(of("db_client_connections", &used), 0.0);
        assert_eq!(of("db_client_connection_max", &[]), 70.0);
        assert_eq!(of("db_client_connection_idle_max", &[]), 20.0);
        assert_eq!(of("tickbase_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
        assert_eq!(of("tickbase_health_status", &[("status", "healthy")]), 1.0);
        assert_eq!(of("tickbase_health_status", &[("status", "unhealthy")]), 0.0);
        assert_eq!(of("tickbase_check_level", &[("check", "probe")]), 0.0);
        assert_eq!(of("tickbase_probe_success", &[]), 1.0);
        assert!(of("tickbase_database_bytes", &[]) > 50_000.0);
        assert!(of("tickbase_slow_queries_total", &[]) > 0.0);
        let rounds = [("service", "database_monitoring"), ("outcome", "success")];
        assert_eq!(of("tickbase_service_runs_total", &rounds), 1.0);
        assert_eq!(of("tickbase_write_transaction_duration_seconds", &[]), 2.0);
        #[cfg(target_os = "linux")]
        assert!(of("process_resident_memory_bytes", &[]) > 1e6);
    }

    fn scraping_again_changes_values_and_no_series(db: &TestDatabase) {
        let monitoring = monitored(db);
        insert(monitoring.database(), 0..10);
        let series = || -> BTreeSet<String> {
            monitoring.check_now();
            let text = metrics::render(&monitoring);
            let samples = text.lines().filter(|line| !line.starts_with('#'));
            samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
        };
        let first = series();
        insert(monitoring.database(), 10..20);
        let second = series();
        assert_eq!(first, second);
        // Operations are the only label whose values grow with what is done.
        assert!(first.len() < 300, "{}", first.len());
    }
}
