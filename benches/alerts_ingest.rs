//! What firing costs: insertion of real trades with and without the alert engine, and how long it
//! takes from a tick to its committed alert.
//!
//! ```sh
//! cargo bench --bench alerts_ingest             # 200,090 trades, 7 rounds
//! cargo bench --bench alerts_ingest -- 100045 3 # trades, rounds
//! ```
//!
//! Each contender stores the shipped excerpt of real trades, again and again with later stamps, into
//! one instrument of a database of its own, 1,000 rows a call. One has no engine, the others have
//! one and so many rules: crossings of prices all over the range of the trades, with the usual
//! pause. They take turns in each round; shown are the median rates and the medians of the ratios
//! within a round. Then ticks come at 10,000 a second to an engine with 1,000 rules, one of
//! which fires on every hundredth tick; shown is the time from when a tick was due until its alert
//! was committed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.
#![allow(missing_docs, unreachable_pub)] // Nobody imports a bench.

mod common;

use std::time::{Duration, Instant};

use common::{Place, Stopwatch, Times, Took, median, sizes};
use tickbase::Timestamp;
use tickbase::database::Database;
use tickbase::domain::tick::{RawTick, Tick};
use tickbase::domain::{Condition, RuleType};
use tickbase::ingest::{Feed, FeedOptions, FeedTarget, Input};
use tickbase::models::NewAlertRule;
use tickbase::repository::alert_rule;
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::services::{AlertEngine, Service};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/es-trades-sample.csv.gz");
const SAMPLE_TRADES: usize = 20_009;
/// The excerpt is less than this long.
const LATER_MICROS: i64 = 3_600_000_000;
const ROWS_PER_CALL: usize = 1_000;
/// No engine, or one with so many rules.
const CONTENDERS: [(&str, Option<usize>); 5] = [
    ("no engine", None),
    ("engine, no rule", Some(0)),
    ("engine, 1 rule", Some(1)),
    ("engine, 100 rules", Some(100)),
    ("engine, 1,000 rules", Some(1_000)),
];
/// Ticks of a second of the second part, and its length.
const TICKS_PER_SECOND: usize = 10_000;
const SECONDS: usize = 5;

fn main() {
    let (rows, rounds) = sizes(10 * SAMPLE_TRADES, 7);
    let given = trades(rows);
    let mut times = Times::new(&CONTENDERS.map(|(name, _)| name), rows);
    let mut fired = [0; CONTENDERS.len()];
    for round in 0..rounds {
        for turn in 0..CONTENDERS.len() {
            // Whoever begins a round has the machine as the round before left it.
            let contender = (turn + round) % CONTENDERS.len();
            let (took, alerts) = run(CONTENDERS[contender].1, &given);
            times.add(contender, took);
            fired[contender] = alerts;
        }
    }
    let title = format!("{rows} trades, {rounds} rounds; ratios to no engine");
    times.print(&title, 1);
    println!("alerts: {fired:?}\n");
    for size in [1, 10, 100] {
        latency(size, &given);
    }
}

/// Real trades, each with a sequence of its own.
fn trades(rows: usize) -> Vec<Tick> {
    let mut feed = Feed::open::<Tick>(Input::open(SAMPLE).unwrap(), &FeedOptions::default());
    let feed = feed.as_mut().unwrap();
    let target = FeedTarget {
        instrument_id: 1,
        source_id: 1,
        frequency: None,
    };
    let mut sample = Vec::new();
    while let Some(batch) = feed.next_batch::<Tick>(&target).unwrap() {
        sample.extend(batch.rows);
    }
    assert_eq!(sample.len(), SAMPLE_TRADES);
    let all = sample.iter().cycle().take(rows).zip(0..);
    let later = |(tick, number): (&Tick, i64)| {
        let round = number / SAMPLE_TRADES as i64;
        Tick::try_from(RawTick {
            instrument_id: Some(1),
            timestamp: Some(tick.timestamp().saturating_add_micros(round * LATER_MICROS)),
            sequence: Some(number),
            price: tick.price(),
            volume: tick.volume(),
            ..RawTick::default()
        })
        .unwrap()
    };
    all.map(later).collect()
}

fn add_rules(database: &Database, count: usize) {
    for number in 0..count {
        let conditions = [Condition::CrossesAbove, Condition::CrossesBelow];
        // From 1637.25 to 1642, in any order.
        let threshold = 1_637.25 + (number * 617 % 1_000) as f64 * 0.004_75;
        let rule = NewAlertRule {
            condition: Some(conditions[number % 2]),
            threshold: Some(format!("{threshold:.5}").parse().unwrap()),
            ..NewAlertRule::new(1, RuleType::Crossover)
        };
        add_rule(database, rule);
    }
}

fn add_rule(database: &Database, rule: NewAlertRule) {
    let now = database.clock().now();
    let added = database.write("alert_rule.insert", move |conn| {
        alert_rule::insert(conn, &rule, now)
    });
    added.unwrap();
}

fn run(rules: Option<usize>, given: &[Tick]) -> (Took, u64) {
    let place = Place::new();
    let database = place.open();
    let engine = AlertEngine::new(database.clone());
    if let Some(count) = rules {
        add_rules(&database, count);
        engine.start().unwrap();
    }
    let batches: Vec<Vec<Tick>> = given.chunks(ROWS_PER_CALL).map(<[Tick]>::to_vec).collect();
    let watch = Stopwatch::start();
    for batch in batches {
        insert(&database, batch);
    }
    let took = watch.stop();
    let ticks = database.insert_totals().ticks.inserted;
    assert_eq!(ticks, given.len() as u64);
    let evaluated = if rules > Some(0) { ticks } else { 0 };
    assert_eq!(engine.totals().evaluated, evaluated);
    (took, engine.totals().fired)
}

fn insert(database: &Database, batch: Vec<Tick>) {
    let rows = batch.len();
    let report = MarketDataRepository::new(database).insert_batch(batch, InsertOptions::default());
    assert_eq!(report.unwrap().inserted, rows);
}

/// Sends calls of so many ticks at their times.
fn latency(size: usize, given: &[Tick]) {
    let place = Place::new();
    let database = place.open();
    add_rules(&database, 999);
    let marker = NewAlertRule {
        condition: Some(Condition::VolumeAbove),
        threshold: Some("99999".parse().unwrap()),
        cooldown_seconds: 0,
        ..NewAlertRule::new(1, RuleType::VolumeSpike)
    };
    add_rule(&database, marker);
    let engine = AlertEngine::new(database.clone());
    engine.start().unwrap();
    let count = (TICKS_PER_SECOND * SECONDS).min(given.len());
    let mut latencies_us = Vec::new();
    let began = Instant::now();
    for (call, ticks) in given[..count].chunks(size).enumerate() {
        let due = began + Duration::from_secs_f64((call * size) as f64 / TICKS_PER_SECOND as f64);
        let fires = (call * size).is_multiple_of(100);
        let mut ticks = ticks.to_vec();
        if fires {
            ticks[0] = marked(&ticks[0]);
        }
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            // The last stretch is spun: a sleep ends some 60 us late.
            if left > Duration::from_micros(200) {
                std::thread::sleep(left - Duration::from_micros(150));
            }
        }
        insert(&database, ticks);
        if fires {
            latencies_us.push(due.elapsed().as_secs_f64() * 1e6);
        }
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    assert!(engine.totals().fired as usize >= latencies_us.len());
    latencies_us.sort_by(f64::total_cmp);
    let p99 = latencies_us[latencies_us.len() * 99 / 100];
    println!(
        "calls of {size:>3}: {rate:.0} ticks/s, tick to committed alert p50 {:.0} us, p99 {p99:.0} us",
        median(latencies_us.clone()),
    );
}

/// The same tick with a volume that fires.
fn marked(tick: &Tick) -> Tick {
    let at: Timestamp = tick.timestamp();
    Tick::try_from(RawTick {
        instrument_id: Some(1),
        timestamp: Some(at),
        sequence: tick.sequence(),
        price: tick.price(),
        volume: Some(100_000.0),
        ..RawTick::default()
    })
    .unwrap()
}
