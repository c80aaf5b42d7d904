//! Monitoring through the public interface, on both backends: what it sees, when it raises and
//! clears, whom it tells, and what it survives.

mod held;
mod log;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::support::{TestDatabase, db_read, eventually, on_both};
use tickbase::config::{DatabaseConfig, MonitoringConfig};
use tickbase::database::{Database, QueryPlan};
use tickbase::domain::tick::Tick;
use tickbase::monitoring::{
    Check, CheckLevel, DatabaseMonitoringService, HealthStatus, LevelChange,
};
use tickbase::repository::instrument;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::services::{Service, ServiceState};
use tickbase::{Error, Timestamp};

/// A database of two connections, both of which a test can hold.
fn small(db: &TestDatabase) -> Database {
    let config = DatabaseConfig::new(db.url()).unwrap().with(|config| {
        config.pool.base = 2;
        config.pool.overflow = 0;
        config.postgres.connect_timeout = Duration::from_secs(20);
    });
    Database::open(config).unwrap()
}

fn watch(database: &Database) -> DatabaseMonitoringService {
    watch_with(database, |_| {})
}

fn watch_with(
    database: &Database,
    change: impl FnOnce(&mut MonitoringConfig),
) -> DatabaseMonitoringService {
    let config = MonitoringConfig::default().with(|config| {
        config.interval = Duration::from_secs(1);
        // Many tests connect to one small server at once.
        config.probe_timeout = Duration::from_secs(30);
        change(config);
    });
    DatabaseMonitoringService::new(database.clone(), config).unwrap()
}

/// A gate that holders of connections wait at.
#[derive(Default)]
struct Gate {
    /// Those who hold one, and whether they may go.
    state: Mutex<(usize, bool)>,
    moved: Condvar,
}

impl Gate {
    fn hold(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.moved.notify_all();
        drop(self.moved.wait_while(state, |state| !state.1).unwrap());
    }

    fn until_held_by(&self, holders: usize) {
        let state = self.state.lock().unwrap();
        drop(
            self.moved
                .wait_while(state, |state| state.0 < holders)
                .unwrap(),
        );
    }
}

/// Lets the holders go, also when the test has failed.
struct Opens<'a>(&'a Gate);

impl Drop for Opens<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().1 = true;
        self.0.moved.notify_all();
    }
}

/// Runs `work` while two threads hold the two connections of a small database.
fn exhausted(database: &Database, work: impl FnOnce()) {
    let gate = Gate::default();
    std::thread::scope(|scope| {
        let _opens = Opens(&gate);
        for _ in 0..2 {
            scope.spawn(|| {
                database.read("test.hold", |_| {
                    gate.hold();
                    Ok(())
                })
            });
        }
        gate.until_held_by(2);
        work();
    });
}

fn tick(micros: i64) -> Tick {
    Tick::trade(1, Timestamp::from_micros(micros).unwrap(), 1_650.25, 3.0).unwrap()
}

on_both! {
    fn an_exhausted_pool_is_told_once_and_cleared_once(db: &TestDatabase) {
        let database = small(db);
        let monitoring = watch(&database);
        let told = Arc::new(Mutex::new(Vec::<LevelChange>::new()));
        let list = Arc::clone(&told);
        let _registered = monitoring.on_change(move |change| {
            list.lock().unwrap().push(change.clone());
        });
        let lines = log::lines(|| {
            assert_eq!(monitoring.check_now().health, HealthStatus::Healthy);
            exhausted(&database, || {
                for _ in 0..5 {
                    assert_eq!(monitoring.check_now().pool.in_use, 2);
                }
                let [alert] = &monitoring.alerts()[..] else {
                    panic!("{:?}", monitoring.alerts())
                };
                assert_eq!((alert.check, alert.level), (Check::PoolUtilization, CheckLevel::Critical));
                assert_eq!(monitoring.latest().unwrap().health, HealthStatus::Unhealthy);
            });
            for _ in 0..5 {
                monitoring.check_now();
            }
        });
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert_eq!(
            lines[0],
            "ERROR message=alert check=\"pool_utilization\" from=\"ok\" to=\"critical\" \
             value=1.0 threshold=0.85 unit=\"ratio\""
        );
        assert!(lines[1].starts_with("INFO message=alert check=\"pool_utilization\""));
        let told = told.lock().unwrap();
        let [raised, cleared] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!((raised.check, raised.to), (Check::PoolUtilization, CheckLevel::Critical));
        assert_eq!((cleared.from, cleared.to), (CheckLevel::Critical, CheckLevel::Ok));
        assert!(monitoring.alerts().is_empty());
        assert_eq!(monitoring.latest().unwrap().health, HealthStatus::Healthy);
        let status = monitoring.status();
        assert_eq!((status.runs, status.errors), (11, 0), "{status:?}");
    }

    fn a_callback_that_panics_harms_nobody(db: &TestDatabase) {
        let database = small(db);
        let monitoring = watch(&database);
        let calls = Arc::new(AtomicUsize::new(0));
        let _panics = monitoring.on_change(|change| panic!("on {}", change.check.name()));
        let counted = Arc::clone(&calls);
        let counts = monitoring.on_change(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let lines = log::lines(|| {
            exhausted(&database, || {
                monitoring.check_now();
                monitoring.check_now();
            });
            monitoring.check_now();
            monitoring.check_now();
        });
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        assert_eq!(monitoring.status().panics, 2);
        let panics = lines.iter().filter(|line| line.contains("on pool_utilization"));
        assert_eq!(panics.count(), 2, "{lines:#?}");

        drop(counts);
        exhausted(&database, || {
            monitoring.check_now();
            monitoring.check_now();
        });
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        assert_eq!(monitoring.status().panics, 3);
    }

    fn it_starts_stops_and_starts_again(db: &TestDatabase) {
        let database = small(db);
        let monitoring = watch(&database);
        assert_eq!(monitoring.status().state, ServiceState::Stopped);
        monitoring.stop();
        monitoring.start().unwrap();
        let error = monitoring.start().unwrap_err();
        assert!(matches!(error, Error::Service { .. }), "{error}");
        eventually("the first round", || monitoring.status().runs > 0);
        assert_eq!(monitoring.status().state, ServiceState::Running);
        monitoring.stop();
        let stopped = monitoring.status();
        assert_eq!(stopped.state, ServiceState::Stopped);
        monitoring.stop();
        assert_eq!(monitoring.history(usize::MAX).len() as u64, stopped.runs);

        monitoring.start().unwrap();
        eventually("another round", || monitoring.status().runs > stopped.runs);
        let status = monitoring.status();
        assert_eq!((status.state, status.errors), (ServiceState::Running, 0), "{status:?}");
        assert!(status.started_at > stopped.started_at);
    }

    fn it_stops_at_once_also_between_rounds_that_are_an_hour_apart(db: &TestDatabase) {
        let database = small(db);
        let monitoring = watch_with(&database, |config| config.interval = Duration::from_secs(3_600));
        monitoring.start().unwrap();
        eventually("the first round", || monitoring.status().runs == 1);
        monitoring.stop();
        assert_eq!(monitoring.status().runs, 1);
    }

    fn a_callback_may_stop_the_service_and_make_rounds(db: &TestDatabase) {
        let database = small(db);
        let monitoring = watch_with(&database, |config| config.raise_rounds = 1);
        let monitoring = Arc::new(monitoring);
        let (weak, calls) = (Arc::downgrade(&monitoring), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&calls);
        monitoring
            .on_change(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
                let Some(monitoring) = weak.upgrade() else {
                    return;
                };
                monitoring.check_now();
                monitoring.stop();
            })
            .detach();
        exhausted(&database, || {
            monitoring.start().unwrap();
            eventually("it stops", || monitoring.status().state == ServiceState::Stopped);
        });
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    fn a_snapshot_tells_what_was_done_since_the_round_before(db: &TestDatabase) {
        let database = small(db);
        let ticks = MarketDataRepository::new(&database);
        let insert = |range: std::ops::Range<i64>| {
            let options = InsertOptions::default();
            ticks.insert_batch(range.map(tick).collect(), options).unwrap();
        };
        insert(0..100);
        let monitoring = watch(&database);
        insert(1_000..1_250);
        db_read!(database, instrument::get(1)).unwrap();
        database.read::<()>("test.fails", |_| Err(Error::Closed)).unwrap_err();

        let snapshot = monitoring.check_now();
        assert_eq!(snapshot.inserts.ticks.inserted, 350);
        let find = |op: &str| {
            let all = &snapshot.operations;
            all.iter().find(|operation| operation.op == op).unwrap().clone()
        };
        let inserted = find("market_data.insert_batch");
        assert_eq!((inserted.calls, inserted.window_calls), (2, 1));
        assert_eq!((inserted.rows, inserted.duration.count), (350, 2));
        assert_eq!(inserted.window_duration.count, 1);
        assert!(inserted.rows_per_second > 0.0);
        let failed = find("test.fails");
        assert_eq!((failed.window_calls, failed.window_errors), (1, 1));
        assert_eq!(snapshot.calls.count, 3, "its own operations are not counted");
        assert_eq!(snapshot.commits.duration.count, 1);
        assert_eq!(snapshot.commits.rows, 250);
        assert_eq!(snapshot.commits.jobs_per_commit, Some(1.0));
        assert!(snapshot.rates.insert_rows_per_second.one_minute.unwrap() > 0.0);
        assert!(snapshot.storage.as_ref().unwrap().size.database_bytes > 0);
        assert_eq!(snapshot.probe.error, None);
        assert_eq!(snapshot.errors, [""; 0]);
        let postgres = database.backend() == tickbase::database::Backend::Postgres;
        assert_eq!(snapshot.postgres.is_some(), postgres);
        #[cfg(feature = "sqlite")]
        assert_eq!(snapshot.writer.is_some(), !postgres);

        // A round later there is nothing new, and what was is remembered.
        let next = monitoring.check_now();
        assert_eq!((next.calls.count, next.commits.rows), (0, 0));
        assert_eq!(next.inserts.ticks.inserted, 350);
        let [newest, older] = &monitoring.history(9)[..] else {
            panic!("two rounds")
        };
        assert!(Arc::ptr_eq(newest, &next) && Arc::ptr_eq(older, &snapshot));
        assert_eq!(monitoring.snapshot_now().calls.count, 0);
        assert_eq!(monitoring.history(9).len(), 2);
    }

    fn slow_statements_are_explained_while_it_runs(db: &TestDatabase) {
        let config = DatabaseConfig::new(db.url()).unwrap().with(|config| {
            config.observe.slow_query_after = Duration::from_micros(1);
            config.postgres.connect_timeout = Duration::from_secs(20);
        });
        let database = Database::open(config).unwrap();
        db_read!(database, instrument::get(1)).unwrap();
        let explained = || {
            let slow = database.slow_queries();
            let ours = slow.iter().find(|query| query.op == "instrument.get");
            matches!(ours.unwrap().plan, QueryPlan::Lines(_))
        };
        assert!(!explained());
        let monitoring = watch(&database);
        monitoring.start().unwrap();
        eventually("it is explained", explained);
        assert!(monitoring.latest().unwrap().slow_queries.observed > 0);
    }

    fn only_so_many_snapshots_are_kept(db: &TestDatabase) {
        let database = small(db);
        let monitoring = watch_with(&database, |config| config.history_snapshots_max = 3);
        let rounds: Vec<_> = (0..5).map(|_| monitoring.check_now()).collect();
        let kept = monitoring.history(usize::MAX);
        assert_eq!(kept.len(), 3);
        let newest = rounds.iter().rev().take(3);
        assert!(kept.iter().zip(newest).all(|(kept, made)| Arc::ptr_eq(kept, made)));
        assert_eq!(monitoring.history(1).len(), 1);
    }

    fn a_closed_database_is_told_and_not_waited_for(db: &TestDatabase) {
        let database = small(db);
        let monitoring = watch(&database);
        database.close();
        let snapshot = monitoring.check_now();
        assert_ne!(snapshot.errors, [""; 0]);
        assert_eq!(monitoring.status().failing_runs, 1);
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    #[cfg(feature = "sqlite")]
    {
        let db = TestDatabase::sqlite();
        let config = MonitoringConfig::default().with(|config| config.raise_rounds = 0);
        let refused = DatabaseMonitoringService::new(small(&db), config).unwrap_err();
        assert!(matches!(refused, Error::Config { .. }), "{refused}");
    }
}

/// While the database is away the loop goes on, says so, and recovers by itself.
fn survives(database: &Database, take_away: impl FnOnce(), bring_back: impl FnOnce()) {
    let monitoring = watch_with(database, |config| {
        config.probe_timeout = Duration::from_secs(5);
    });
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    let _registered = monitoring.on_change(move |change| {
        let mut list = list.lock().unwrap();
        list.push((change.check, change.to));
    });
    monitoring.start().unwrap();
    eventually("a good round", || monitoring.status().runs > 0);
    assert_eq!(monitoring.status().errors, 0);

    take_away();
    eventually("two failing rounds", || {
        monitoring.status().failing_runs >= 2
    });
    let status = monitoring.status();
    assert_eq!(status.state, ServiceState::Running);
    let error = status.last_error.unwrap();
    assert!(error.text.starts_with("cannot open "), "{}", error.text);
    let snapshot = monitoring.latest().unwrap();
    assert_eq!(snapshot.health, HealthStatus::Unhealthy);
    assert!(snapshot.probe.cause.is_some());

    bring_back();
    eventually("it is healthy again", || {
        let health = monitoring.latest().unwrap().health;
        health == HealthStatus::Healthy && monitoring.status().failing_runs == 0
    });
    monitoring.stop();
    let told = told.lock().unwrap();
    let probe: Vec<_> = told
        .iter()
        .filter(|(check, _)| *check == Check::Probe)
        .collect();
    assert_eq!(
        probe,
        [
            &(Check::Probe, CheckLevel::Critical),
            &(Check::Probe, CheckLevel::Ok)
        ]
    );
}

#[cfg(feature = "sqlite")]
#[test]
fn it_survives_a_file_that_is_moved_away() {
    let db = TestDatabase::sqlite();
    let database = small(&db);
    let away = format!("{}.away", db.url());
    survives(
        &database,
        || std::fs::rename(db.url(), &away).unwrap(),
        || std::fs::rename(&away, db.url()).unwrap(),
    );
}

#[cfg(feature = "postgres")]
#[test]
fn it_survives_a_server_that_is_stopped() {
    let server = Mutex::new(crate::support::server::Server::start());
    let db = TestDatabase::postgres_empty_on(&server.lock().unwrap());
    let database = small(&db);
    survives(
        &database,
        || server.lock().unwrap().stop(),
        || server.lock().unwrap().start_again(),
    );
}
