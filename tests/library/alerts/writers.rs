//! Many writers: of one process, and of several on one database. What fires is what the plain
//! definition demands of the stored ticks in the order in which they were stored.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tickbase::domain::tick::Tick;
use tickbase::domain::{Condition, StoredTick};
use tickbase::models::NewAlertRule;
use tickbase::repository::alert_rule;
use tickbase::repository::market_data::{InsertOptions, insert_batch};

use crate::alerts::place::{Place, at, demanded, numbered, of_every_type, rule, tick};
use crate::support::{db_delete, on_both};

const PRODUCERS: usize = 8;
const BATCHES: usize = 40;

/// A walk of prices around 1640 in quarters, and volumes up to 300.
fn walk(number: i64) -> (f64, f64) {
    let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let price = 1639.75 + (number as f64 / 40.0).sin() * 2.0;
    ((price * 4.0).round() / 4.0, (mixed % 300) as f64)
}

/// Batches of one producer: the next numbers of all, one of them stored with its order.
fn produce(place: &Place, next: &AtomicI64, order: &'static AtomicU64) -> Vec<(u64, Vec<Tick>)> {
    let mut stored = Vec::new();
    for batch in 0..BATCHES {
        let size = [1, 3, 20, 150][batch % 4];
        let first = next.fetch_add(size, Ordering::Relaxed);
        let ticks = (first..first + size).map(|number| {
            let (price, volume) = walk(number);
            numbered(number * 40_000, number, Some(price), Some(volume))
        });
        let ticks: Vec<Tick> = ticks.collect();
        fail(place, batch, &ticks);
        let sent = ticks.clone();
        // The instrument is locked until the commit: the numbers are in the order of the commits.
        let place_in_order = place.db.write("test.produce", move |conn| {
            insert_batch(conn, &sent, &InsertOptions::default(), at(0))?;
            Ok(order.fetch_add(1, Ordering::Relaxed))
        });
        stored.push((place_in_order.unwrap(), ticks));
    }
    stored
}

/// Some batches fail before they are sent once more, and some panic: in a group of SQLite's writer,
/// whose other jobs stand, or are run again.
fn fail(place: &Place, batch: usize, ticks: &[Tick]) {
    let (sent, panics) = (ticks.to_vec(), batch % 13 == 12);
    if batch % 5 != 4 && !panics {
        return;
    }
    let failed = catch_unwind(AssertUnwindSafe(|| {
        place.db.write("test.fail", move |conn| {
            insert_batch(conn, &sent, &InsertOptions::default(), at(0))?;
            assert!(!panics, "expected");
            Err::<(), _>(tickbase::Error::invalid("test", "it says no", "none"))
        })
    }));
    assert_eq!(failed.is_err(), panics);
}

fn in_order(mut batches: Vec<(u64, Vec<Tick>)>) -> Vec<StoredTick> {
    batches.sort_unstable_by_key(|(order, _)| *order);
    let ticks = batches.iter().flat_map(|(_, ticks)| ticks);
    ticks
        .map(|tick| StoredTick::new(tick, tick.sequence().unwrap()))
        .collect()
}

fn produce_on(places: &[&Place], order: &'static AtomicU64) -> Vec<StoredTick> {
    let next = AtomicI64::new(0);
    let batches = std::thread::scope(|scope| {
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|n| {
                let (place, next) = (places[n % places.len()], &next);
                scope.spawn(move || produce(place, next, order))
            })
            .collect();
        producers
            .into_iter()
            .flat_map(|producer| producer.join().unwrap())
            .collect()
    });
    in_order(batches)
}

on_both! {
    fn eight_producers_fire_what_the_stored_order_demands(db: &TestDatabase) {
        static ORDER: AtomicU64 = AtomicU64::new(0);
        let place = Place::open(db);
        let rules: Vec<_> = of_every_type().into_iter().map(|rule| place.add(rule)).collect();
        let ticks = produce_on(&[&place], &ORDER);
        let demanded = demanded(&rules, &ticks);
        assert!(demanded.len() > 100, "{}", demanded.len());
        assert_eq!(place.fired(), demanded);
        assert_eq!(place.engine.totals().fired as usize, demanded.len());
    }

    fn two_processes_at_once_fire_what_a_plain_rule_demands_of_their_order(db: &TestDatabase) {
        static ORDER: AtomicU64 = AtomicU64::new(0);
        let places = [Place::open(db), Place::open(db)];
        // Rules whose past does not depend on whether late ticks are in it: the other process
        // reads them from the database.
        let rules = [
            rule(Condition::Above, "1641"),
            rule(Condition::VolumeAbove, "250"),
            NewAlertRule { cooldown_seconds: 7, ..rule(Condition::Below, "1639") },
        ];
        let rules = rules.map(|rule| places[0].add(rule));
        let ticks = produce_on(&[&places[0], &places[1]], &ORDER);
        let demanded = demanded(&rules, &ticks);
        assert!(demanded.len() > 100, "{}", demanded.len());
        assert_eq!(places[0].fired(), demanded);
        let fired: u64 = places.iter().map(|place| place.engine.totals().fired).sum();
        assert_eq!(fired as usize, demanded.len());
    }

    fn two_processes_in_turns_fire_as_one(db: &TestDatabase) {
        let places = [Place::open(db), Place::open(db)];
        let rules: Vec<_> = of_every_type().into_iter().map(|rule| places[0].add(rule)).collect();
        for number in 0..600 {
            let (price, volume) = walk(number);
            let tick = numbered(number * 250_000, number, Some(price), Some(volume));
            places[(number % 3 == 0) as usize].insert(vec![tick]);
        }
        let demanded = demanded(&rules, &places[0].stored(1));
        assert!(demanded.len() > 100, "{}", demanded.len());
        assert_eq!(places[1].fired(), demanded);
    }

    fn a_rule_of_another_process_works_from_the_next_tick(db: &TestDatabase) {
        let (here, there) = (Place::open(db), Place::open(db));
        here.insert(vec![tick(0, 1.0, None)]);
        let id = there.add(rule(Condition::Above, "0")).id;
        here.insert(vec![tick(1, 1.0, None)]);
        db_delete!(there.db, alert_rule::soft_delete(&[id])).unwrap();
        here.insert(vec![tick(2, 1.0, None)]);
        there.insert(vec![tick(3, 1.0, None)]);
        assert_eq!(here.fired(), [(id, 1_000_000, 0)]);
    }
}
