//! Builds beside writers of the same instrument.

use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(feature = "postgres")]
use crate::support::TestDatabase;
use crate::support::on_both;
use crate::world::{HOUR, World, at, open};
use tickbase::domain::Frequency;

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
                    let few = world.series().ticks_per_transaction_max(3);
                    while !done.load(Ordering::Acquire) {
                        few.refresh(id, frequency, &|| true).unwrap();
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
    use std::sync::mpsc;

    use tickbase::repository::bar_series::BuildSpan;
    use tickbase::repository::market_data::{self, InsertOptions};

    use super::*;
    use crate::support::until_somebody_waits;

    #[test]
    fn a_build_waits_for_a_writer_that_has_not_committed_and_sees_its_ticks() {
        let place = TestDatabase::postgres();
        let db = open(&place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, 130]);
        let late = world.tick(15, 0, Some(1.0));
        let (began, begun) = mpsc::channel();
        let url = place.url().to_owned();
        let report = std::thread::scope(|scope| {
            let db = &db;
            let writer = scope.spawn(move || {
                db.write("test.late", move |conn| {
                    let options = InsertOptions::default();
                    market_data::insert_batch(conn, &[late], &options, at(0))?;
                    began.send(()).unwrap();
                    until_somebody_waits(&url);
                    Ok(())
                })
            });
            begun.recv().unwrap();
            let report = world.series().build(world.id, M1, BuildSpan::default());
            writer.join().unwrap().unwrap();
            report.unwrap()
        });
        assert_eq!(report.ticks_read, 3, "the late tick is among them");
        world.assert_true();
        // Two writers of late ticks to one built period: both mark it, neither fails.
        let (one, two) = (world.tick(16, 0, Some(1.0)), world.tick(17, 0, Some(1.0)));
        let (began, begun) = mpsc::channel();
        let url = place.url().to_owned();
        std::thread::scope(|scope| {
            let db = &db;
            let writer = scope.spawn(move || {
                db.write("test.one", move |conn| {
                    let options = InsertOptions::default();
                    market_data::insert_batch(conn, &[one], &options, at(0))?;
                    began.send(()).unwrap();
                    until_somebody_waits(&url);
                    Ok(())
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
