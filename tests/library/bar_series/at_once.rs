//! Builds beside writers of the same instrument.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::bar_series::world::{HOUR, World, at, open};
#[cfg(feature = "postgres")]
use crate::support::TestDatabase;
use crate::support::on_both;
use tickbase::domain::Frequency;
use tickbase::models::NewDeletion;
use tickbase::repository::deletion;

const M1: Frequency = Frequency::OneMinute;
const H1: Frequency = Frequency::OneHour;

on_both! {
    fn a_build_beside_live_late_and_deleted_ticks_misses_nothing(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[0, 30]);
        for frequency in [M1, H1] {
            world.build(frequency);
        }
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for frequency in [M1, H1, M1] {
                let (db, id, done) = (&db, world.id, &done);
                scope.spawn(move || {
                    let world = World { db, id };
                    while !done.load(Ordering::Acquire) {
                        world.refresh_by(3, frequency, &|| true);
                    }
                });
            }
            let (db, id) = (&db, world.id);
            let live = scope.spawn(move || {
                let world = World { db, id };
                for n in 1..150 {
                    world.insert(&[n * 47, n * 47 + 1]);
                }
            });
            let late = scope.spawn(move || {
                let world = World { db, id };
                for n in 1..80 {
                    world.insert(&[n * 31 + 5]);
                    world.ticks().soft_delete_range(world.range(n * 61, n * 61 + 20)).unwrap();
                    world.ticks().restore_range(world.range(n * 30, n * 30 + 40)).unwrap();
                }
            });
            let ended = [live.join(), late.join()];
            done.store(true, Ordering::Release);
            ended.into_iter().for_each(|ended| ended.unwrap());
        });
        world.assert_true();
        for frequency in [M1, H1] {
            world.refresh(frequency);
            assert_eq!(world.stale(frequency), [0_i64; 0]);
        }
        world.assert_true();
        assert!(world.of(H1).unwrap().built_to >= at(HOUR));
    }
}

#[cfg(feature = "postgres")]
mod on_postgres {
    use std::sync::{Arc, mpsc};
    use std::time::{Duration, Instant};

    use diesel::prelude::*;
    use diesel::sql_types::BigInt;
    use tickbase::database::BackendConnection;
    use tickbase::repository::bar::{self, BarRange};
    use tickbase::repository::bar_series::BuildSpan;
    use tickbase::repository::market_data::{self, InsertOptions};
    use tickbase::{Result, on_backend};

    use super::*;

    /// Waits until another session of this database waits for a lock.
    fn until_somebody_waits(conn: &mut BackendConnection<'_>) -> Result<()> {
        until(conn, || false)
    }

    /// [`until_somebody_waits`], or until something else has happened.
    fn until(conn: &mut BackendConnection<'_>, is_over: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let waiting = diesel::dsl::sql::<BigInt>(
                "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            );
            let waiting: i64 = on_backend!(&mut *conn, |c| waiting.get_result(c))?;
            if waiting > 0 || is_over() {
                return Ok(());
            }
            let refresh = diesel::sql_query("SELECT pg_stat_clear_snapshot()");
            on_backend!(&mut *conn, |c| refresh.execute(c))?;
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        panic!("nobody waits for a lock");
    }

    #[test]
    fn a_bar_that_is_deleted_beside_its_repair_stays_marked() {
        let place = TestDatabase::postgres();
        let db = open(&place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, 130]);
        world.build(M1);
        let bars = BarRange::all(world.id, M1);
        let (began, begun) = mpsc::channel();
        let repaired = AtomicBool::new(false);
        // The marks are there already, of ticks that went and came back: the repair finds each bar
        // as it must be, and takes the marks away.
        world
            .ticks()
            .soft_delete_range(world.range(0, 100))
            .unwrap();
        world.ticks().restore_range(world.range(0, 100)).unwrap();
        std::thread::scope(|scope| {
            let (db, repaired) = (&db, Arc::new(repaired));
            let is_repaired = Arc::clone(&repaired);
            let deletion = scope.spawn(move || {
                db.write("test.delete", move |conn| {
                    let new = NewDeletion::of("a test");
                    deletion::batch(conn, &new, at(0), |conn, batch| {
                        bar::soft_delete_range(conn, &bars, batch)
                    })?;
                    began.send(()).unwrap();
                    until(conn, || is_repaired.load(Ordering::Acquire))
                })
            });
            begun.recv().unwrap();
            world.refresh(M1);
            repaired.store(true, Ordering::Release);
            deletion.join().unwrap().unwrap();
        });
        world.assert_true();
        world.refresh(M1);
        assert_eq!(world.stored(M1).len(), 2);
        world.assert_true();
    }

    #[test]
    fn a_build_waits_for_a_writer_that_has_not_committed_and_sees_its_ticks() {
        let place = TestDatabase::postgres();
        let db = open(&place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, 130]);
        let late = world.tick(15, 0, Some(1.0));
        let (began, begun) = mpsc::channel();
        let report = std::thread::scope(|scope| {
            let db = &db;
            let writer = scope.spawn(move || {
                db.write("test.late", move |conn| {
                    let options = InsertOptions::default();
                    market_data::insert_batch(conn, &[late], &options, at(0))?;
                    began.send(()).unwrap();
                    until_somebody_waits(conn)
                })
            });
            begun.recv().unwrap();
            let report = world.build_span(M1, BuildSpan::default());
            writer.join().unwrap().unwrap();
            report.unwrap()
        });
        assert_eq!(report.ticks_read, 3, "the late tick is among them");
        world.assert_true();
        // Two writers of late ticks to one built period: both mark it, neither fails.
        let (one, two) = (world.tick(16, 0, Some(1.0)), world.tick(17, 0, Some(1.0)));
        let (began, begun) = mpsc::channel();
        std::thread::scope(|scope| {
            let db = &db;
            let writer = scope.spawn(move || {
                db.write("test.one", move |conn| {
                    let options = InsertOptions::default();
                    market_data::insert_batch(conn, &[one], &options, at(0))?;
                    began.send(()).unwrap();
                    until_somebody_waits(conn)
                })
            });
            begun.recv().unwrap();
            let second = world
                .ticks()
                .insert_batch(vec![two], InsertOptions::default());
            writer.join().unwrap().unwrap();
            assert_eq!(second.unwrap().inserted, 1);
        });
        assert_eq!(world.stale(M1), [0]);
        world.refresh(M1);
        world.assert_true();
    }
}
