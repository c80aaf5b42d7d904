//! Connections that do not come back: who holds them is said once, counted, and shown for as long as
//! it is so.

use std::sync::mpsc;
use std::time::Duration;

use tickbase::config::{DatabaseConfig, MonitoringConfig};
use tickbase::database::{Database, PoolSnapshot};
use tickbase::monitoring::DatabaseMonitoringService;
use tickbase::monitoring::metrics::{self, Exposition};

use super::log::lines;
use crate::support::{TestDatabase, eventually, on_both};

const WARNING: Duration = Duration::from_millis(20);

fn open(db: &TestDatabase, warning: Duration) -> (Database, DatabaseMonitoringService) {
    let config = DatabaseConfig::new(db.url()).unwrap();
    let database =
        Database::open(config.with(|config| config.pool.held_warning = warning)).unwrap();
    let monitoring =
        DatabaseMonitoringService::new(database.clone(), MonitoringConfig::default()).unwrap();
    (database, monitoring)
}

/// The operations that hold connections for too long.
fn holders(pool: &PoolSnapshot) -> Vec<&'static str> {
    pool.held_too_long.iter().map(|held| held.op).collect()
}

/// The lines about them that a round writes.
fn warnings(monitoring: &DatabaseMonitoringService) -> Vec<String> {
    let all = lines(|| drop(monitoring.check_now())).into_iter();
    all.filter(|line| line.contains("pool.held_warning_ms"))
        .collect()
}

on_both! {
    fn who_holds_a_connection_for_long_is_told_once_and_shown_until_it_is_back(db: &TestDatabase) {
        let (database, monitoring) = open(db, WARNING);
        assert_eq!(warnings(&monitoring), [] as [String; 0]);
        let (release, released) = mpsc::channel::<()>();
        let holder = {
            let database = database.clone();
            std::thread::spawn(move || {
                database.read("test.forgotten", |_| {
                    released.recv().ok();
                    Ok(())
                })
            })
        };
        eventually("it is held for long", || holders(&database.pool_snapshot()) == ["test.forgotten"]);
        assert_eq!(database.pool_snapshot().held_too_long_found, 0, "nobody has looked");
        let said = warnings(&monitoring);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("WARN ") && said[0].contains("op=\"test.forgotten\""), "{said:?}");
        assert_eq!(warnings(&monitoring), [] as [String; 0], "it is said once");
        let pool = database.pool_snapshot();
        assert_eq!((holders(&pool), pool.held_too_long_found), (vec!["test.forgotten"], 1));
        assert!(pool.held_too_long[0].held >= WARNING);
        let mut text = Exposition::default();
        metrics::database_metrics(&mut text, &database);
        let text = text.finish();
        for line in ["tickbase_connections_overdue 1", "tickbase_connections_held_too_long_total 1"] {
            assert!(text.contains(&format!("{line}\n")), "{text}");
        }
        release.send(()).unwrap();
        holder.join().unwrap().unwrap();
        let pool = database.pool_snapshot();
        assert_eq!((holders(&pool), pool.held_too_long_found), (vec![], 1));
        // The asynchronous door, too, and a second one counts again.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (release, released) = mpsc::channel::<()>();
        let held = {
            let database = database.clone();
            runtime.spawn(async move {
                let held = database.read_async("test.later", move |_| {
                    released.recv().ok();
                    Ok(())
                });
                held.await
            })
        };
        eventually("it is held for long", || holders(&database.pool_snapshot()) == ["test.later"]);
        assert_eq!(warnings(&monitoring).len(), 1);
        release.send(()).unwrap();
        runtime.block_on(held).unwrap().unwrap();
        let pool = database.pool_snapshot();
        assert_eq!((holders(&pool), pool.held_too_long_found), (vec![], 2));
    }

    fn with_0_nobody_looks(db: &TestDatabase) {
        let (database, monitoring) = open(db, Duration::ZERO);
        database.read("test.held", |_| {
            std::thread::sleep(Duration::from_millis(1));
            assert_eq!(warnings(&monitoring), [] as [String; 0]);
            assert_eq!(holders(&database.pool_snapshot()), [] as [&str; 0]);
            Ok(())
        }).unwrap();
    }
}
