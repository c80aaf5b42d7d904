//! The pool through the public interface: base, overflow, waiting, recycling, cleanliness, for
//! both doors and both backends.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::support::{TestDatabase, eventually, on_both};
use diesel::connection::{Connection, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::Text;
use tickbase::config::DatabaseConfig;
use tickbase::database::{BackendConnection, Database, PoolSnapshot};
use tickbase::{Error, Result, on_backend};
use tokio::runtime::Runtime;

fn open(db: &TestDatabase, change: impl FnOnce(&mut DatabaseConfig)) -> Database {
    let config = DatabaseConfig::new(db.url()).unwrap().with(|config| {
        // Many tests connect to one small server at once.
        config.postgres.connect_timeout = Duration::from_secs(20);
        change(config);
    });
    Database::open(config).unwrap()
}

/// One of the two ways to a connection; each test runs on both.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Door {
    Blocking,
    Asynchronous,
}

const DOORS: [Door; 2] = [Door::Blocking, Door::Asynchronous];

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(300)
        .enable_all()
        .build()
        .unwrap()
}

/// Reads through a door, from a plain thread.
fn read<T: Send + 'static>(
    door: Door,
    runtime: &Runtime,
    database: &Database,
    work: impl FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    match door {
        Door::Blocking => database.read("test.read", work),
        Door::Asynchronous => runtime.block_on(database.read_async("test.read", work)),
    }
}

/// A gate that holders of connections wait at.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    fn wait(&self) {
        let open = self.open.lock().unwrap();
        drop(self.moved.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.moved.notify_all();
    }
}

/// Connections in use until it is dropped.
struct Holders {
    gate: Arc<Gate>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Holders {
    fn new(database: &Database, runtime: &Arc<Runtime>, door: Door, count: usize) -> Self {
        let gate = Arc::new(Gate::default());
        let before = database.pool_snapshot().in_use;
        let inside = Arc::new(AtomicUsize::new(0));
        let threads = (0..count)
            .map(|_| {
                let (database, runtime) = (database.clone(), Arc::clone(runtime));
                let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
                std::thread::spawn(move || {
                    read(door, &runtime, &database, move |conn| {
                        on_backend!(conn, |c| c.batch_execute("SELECT 1"))?;
                        inside.fetch_add(1, Ordering::SeqCst);
                        gate.wait();
                        Ok(())
                    })
                    .unwrap();
                })
            })
            .collect();
        eventually("all are lent", || inside.load(Ordering::SeqCst) == count);
        assert_eq!(database.pool_snapshot().in_use, before + count);
        Self { gate, threads }
    }
}

impl Drop for Holders {
    fn drop(&mut self) {
        self.gate.open();
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

fn at_rest(database: &Database) -> PoolSnapshot {
    eventually("the pool is at rest", || {
        let now = database.pool_snapshot();
        now.in_use == 0 && now.idle == now.open
    });
    database.pool_snapshot()
}

fn text_of(conn: &mut BackendConnection<'_>, sql: &str) -> Result<String> {
    let query = diesel::dsl::sql::<Text>(sql);
    Ok(on_backend!(conn, |c| query.get_result(c))?)
}

on_both! {
    fn nothing_is_opened_before_it_is_needed(db: &TestDatabase) {
        let database = open(db, |_| {});
        let snapshot = database.pool_snapshot();
        assert_eq!((snapshot.base, snapshot.capacity, snapshot.open), (20, 70, 0));
    }

    fn twenty_stay_seventy_at_most_and_the_next_waits_and_times_out(db: &TestDatabase) {
        for door in DOORS {
            let runtime = Arc::new(runtime());
            let database = open(db, |c| c.pool.acquire_timeout = Duration::from_secs(2));
            let holders = Holders::new(&database, &runtime, door, 70);
            let full = database.pool_snapshot();
            assert_eq!((full.in_use, full.open, full.overflow), (70, 70, 50));
            assert!((full.utilization - 1.0).abs() < f64::EPSILON);
            for waiting in DOORS {
                let began = Instant::now();
                let error = read(waiting, &runtime, &database, |_| Ok(())).unwrap_err();
                assert!(began.elapsed() >= Duration::from_secs(2));
                assert!(matches!(error, Error::PoolTimeout { .. }), "{error}");
                assert!(error.to_string().contains("70 of 70 connections in use"), "{error}");
            }
            assert_eq!(database.pool_snapshot().timeouts, 2);
            drop(holders);
            let rest = at_rest(&database);
            assert_eq!((rest.open, rest.idle, rest.overflow), (20, 20, 0), "{door:?}");
            assert_eq!((rest.opened, rest.closed.overflow), (70, 50));
            // And they are used again.
            drop(Holders::new(&database, &runtime, door, 20));
            assert_eq!(at_rest(&database).opened, 70);
        }
    }

    fn a_caller_that_waits_gets_the_next_connection_that_comes_back(db: &TestDatabase) {
        let runtime = Arc::new(runtime());
        let database = open(db, |c| (c.pool.base, c.pool.overflow) = (1, 1));
        let holders = Holders::new(&database, &runtime, Door::Blocking, 2);
        let waiters: Vec<_> = DOORS
            .into_iter()
            .map(|door| {
                let (database, runtime) = (database.clone(), Arc::clone(&runtime));
                std::thread::spawn(move || read(door, &runtime, &database, |_| Ok(())))
            })
            .collect();
        eventually("two wait", || database.pool_snapshot().waiting == 2);
        drop(holders);
        for waiter in waiters {
            waiter.join().unwrap().unwrap();
        }
        assert_eq!(at_rest(&database).waiting, 0);
    }

    fn both_doors_together_never_pass_the_budget(db: &TestDatabase) {
        let runtime = Arc::new(runtime());
        let database = open(db, |c| (c.pool.base, c.pool.overflow) = (4, 6));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        std::thread::scope(|scope| {
            for n in 0..64 {
                let door = DOORS[n % 2];
                let (database, runtime, now, most) = (&database, &runtime, &now, &most);
                scope.spawn(move || {
                    for _ in 0..50 {
                        let (now, most) = (Arc::clone(now), Arc::clone(most));
                        read(door, runtime, database, move |conn| {
                            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            on_backend!(conn, |c| c.batch_execute("SELECT 1"))?;
                            now.fetch_sub(1, Ordering::SeqCst);
                            Ok(())
                        })
                        .unwrap();
                        assert!(database.pool_snapshot().open <= 10);
                    }
                });
            }
        });
        let most = most.load(Ordering::SeqCst);
        assert!((2..=10).contains(&most), "{most}");
        let rest = at_rest(&database);
        eventually("the rest is closed", || database.pool_snapshot().open <= 4);
        assert_eq!(rest.timeouts, 0);
    }

    fn what_was_opened_for_callers_that_need_it_no_more_does_not_stay(db: &TestDatabase) {
        let runtime = runtime();
        let database = open(db, |c| (c.pool.base, c.pool.overflow) = (2, 14));
        for _ in 0..5 {
            std::thread::scope(|scope| {
                for n in 0..24 {
                    // Mostly the blocking door: a caller there may take what another one gives back
                    // while its own is being opened.
                    let door = DOORS[usize::from(n % 4 == 0)];
                    let (runtime, database) = (&runtime, &database);
                    scope.spawn(move || {
                        for _ in 0..10 {
                            read(door, runtime, database, |_| Ok(())).unwrap();
                            assert!(database.pool_snapshot().open <= 16);
                        }
                    });
                }
            });
            eventually("the base is left", || {
                let now = database.pool_snapshot();
                now.open <= 2 && now.idle == now.open && now.in_use == 0
            });
        }
        assert_eq!(database.pool_snapshot().timeouts, 0);
    }

    fn idle_connections_of_one_door_make_room_for_the_other(db: &TestDatabase) {
        for (first, second) in [(DOORS[0], DOORS[1]), (DOORS[1], DOORS[0])] {
            let runtime = Arc::new(runtime());
            let database = open(db, |c| (c.pool.base, c.pool.overflow) = (5, 0));
            drop(Holders::new(&database, &runtime, first, 5));
            assert_eq!(at_rest(&database).idle, 5);
            let holders = Holders::new(&database, &runtime, second, 5);
            let snapshot = database.pool_snapshot();
            assert_eq!((snapshot.open, snapshot.closed.evicted), (5, 5), "{second:?}");
            drop(holders);
        }
    }

    fn a_connection_that_reached_its_age_is_replaced(db: &TestDatabase) {
        for door in DOORS {
            let runtime = runtime();
            let database = open(db, |c| {
                c.pool.recycle_after = Duration::from_nanos(1);
                c.pool.recycle_jitter = 0.0;
            });
            for _ in 0..3 {
                read(door, &runtime, &database, |_| Ok(())).unwrap();
            }
            let snapshot = at_rest(&database);
            assert_eq!((snapshot.opened, snapshot.closed.recycled), (3, 2), "{door:?}");
        }
    }

    fn an_idle_connection_is_pinged_and_a_busy_one_is_not(db: &TestDatabase) {
        for door in DOORS {
            let runtime = runtime();
            let database = open(db, |c| c.pool.pre_ping_after = Duration::ZERO);
            for _ in 0..3 {
                read(door, &runtime, &database, |_| Ok(())).unwrap();
            }
            assert_eq!(at_rest(&database).opened, 1, "a ping that is answered replaces nothing");
        }
    }

    fn a_transaction_left_open_never_reaches_the_next_user(db: &TestDatabase) {
        fn begin<C: Connection>(conn: &mut C) -> QueryResult<()> {
            C::TransactionManager::begin_transaction(conn)
        }
        for door in DOORS {
            let runtime = runtime();
            let database = open(db, |c| (c.pool.base, c.pool.overflow) = (1, 0));
            type Leave = fn(&mut BackendConnection<'_>) -> Result<()>;
            let leaves: [Leave; 3] = [
                |conn| Ok(on_backend!(conn, |c| begin(c))?),
                |conn| Ok(on_backend!(conn, |c| c.batch_execute("BEGIN"))?),
                |conn| Ok(on_backend!(conn, |c| c.batch_execute("BEGIN; SELECT 1"))?),
            ];
            for (n, leave) in leaves.into_iter().enumerate() {
                read(door, &runtime, &database, leave).unwrap();
                let snapshot = at_rest(&database);
                assert_eq!(snapshot.closed.open_transaction, n as u64 + 1, "{door:?}");
                // A transaction of one's own can be begun: none is open.
                read(door, &runtime, &database, |conn| {
                    Ok(on_backend!(conn, |c| c.batch_execute("BEGIN; COMMIT"))?)
                })
                .unwrap();
            }
            assert_eq!(at_rest(&database).opened, 4);
        }
    }

    fn a_user_that_panics_costs_one_connection(db: &TestDatabase) {
        for door in DOORS {
            let runtime = Arc::new(runtime());
            let database = open(db, |c| (c.pool.base, c.pool.overflow) = (2, 0));
            drop(Holders::new(&database, &runtime, door, 2));
            let (panicking, inside) = (database.clone(), Arc::clone(&runtime));
            let outcome = std::thread::spawn(move || {
                read(door, &inside, &panicking, |_| -> Result<()> { panic!("on purpose") })
            })
            .join();
            let failed = !matches!(outcome, Ok(Ok(())));
            assert!(failed);
            let snapshot = at_rest(&database);
            assert_eq!((snapshot.open, snapshot.closed.panicked), (1, 1), "{door:?}");
            read(door, &runtime, &database, |_| Ok(())).unwrap();
        }
    }

    fn a_future_that_is_dropped_gives_its_connection_back_when_its_work_ends(db: &TestDatabase) {
        let runtime = runtime();
        let database = open(db, |c| (c.pool.base, c.pool.overflow) = (1, 0));
        let gate = Arc::new(Gate::default());
        let held = Arc::clone(&gate);
        runtime.block_on(async {
            let read = database.read_async("test.held", move |_| {
                held.wait();
                Ok(())
            });
            let outcome = tokio::time::timeout(Duration::from_millis(50), read).await;
            assert!(outcome.is_err(), "the work is held");
        });
        assert_eq!(database.pool_snapshot().in_use, 1, "the work goes on");
        gate.open();
        let snapshot = at_rest(&database);
        assert_eq!((snapshot.open, snapshot.idle), (1, 1));
    }

    fn a_runtime_that_ends_before_the_database_does_no_harm(db: &TestDatabase) {
        let database = open(db, |_| {});
        let first = runtime();
        read(Door::Asynchronous, &first, &database, |_| Ok(())).unwrap();
        drop(first);
        read(Door::Blocking, &runtime(), &database, |_| Ok(())).unwrap();
        drop(database);
    }

    fn a_connection_that_is_lent_while_the_pool_is_closed_does_not_stay(db: &TestDatabase) {
        let runtime = Arc::new(runtime());
        for door in DOORS {
            let database = open(db, |_| {});
            let holders = Holders::new(&database, &runtime, door, 3);
            database.close();
            drop(holders);
            eventually("all are closed", || database.pool_snapshot().open == 0);
            assert_eq!(database.pool_snapshot().closed.shutdown, 3, "{door:?}");
        }
    }

    fn the_snapshot_counts_acquisitions_and_holds_of_each_door(db: &TestDatabase) {
        let runtime = runtime();
        let database = open(db, |_| {});
        for _ in 0..3 {
            read(Door::Blocking, &runtime, &database, |_| Ok(())).unwrap();
        }
        for _ in 0..2 {
            read(Door::Asynchronous, &runtime, &database, |_| Ok(())).unwrap();
        }
        let [blocking, asynchronous] = at_rest(&database).doors;
        assert_eq!((blocking.name, blocking.acquire.count(), blocking.hold.count()), ("blocking", 3, 3));
        assert_eq!(asynchronous.name, "async");
        assert_eq!((asynchronous.acquire.count(), asynchronous.hold.count()), (2, 2));
        assert_eq!((blocking.size, asynchronous.size), (1, 1));
    }
}
