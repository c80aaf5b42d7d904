//! What evaluating alert rules costs: the time of a tick with 0 to 10,000 rules of its instrument,
//! over real trades.
//!
//! ```sh
//! cargo bench --bench alert_rules
//! ```
//!
//! The 20,009 trades of the sample in batches of 1,000, each committed; the engine is made ready
//! before the clock starts, and no database takes part. What fires is part of the time: the number
//! of firings and of matches that a cooldown held back is printed beside, and checked to be the same in
//! batches of another size.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failure ends the bench.
#![allow(clippy::print_stdout)] // It is its output.

use std::io::Read;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use tickbase::domain::{Condition, PriceDecimals, RuleType, StoredTick, Symbol};
use tickbase::models::NewAlertRule;
use tickbase::services::alert_engine::{AlertTotals, Evaluator, Rule, WatchedInstrument};
use tickbase::{Decimal, Timestamp};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/es-trades-sample.csv.gz");
const BATCH: usize = 1_000;
const ES: i64 = 1;

/// Which rules an instrument has.
#[derive(Clone, Copy, Debug)]
enum Rules {
    /// Thresholds that the price never reaches.
    Far,
    /// Above, below and equals, between 1630 and 1650; the price moves between 1637.25 and 1642.
    Around,
    /// All types: of ten rules four thresholds, three crossings of a threshold, one of a mean, one
    /// change or volume, and one multi-condition rule.
    Mixed,
}

fn trades() -> Vec<StoredTick> {
    let mut text = String::new();
    let file = std::fs::File::open(SAMPLE).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    let trade = |(sequence, line): (usize, &str)| {
        let fields: Vec<&str> = line.split(',').collect();
        let stamp = format!("{}Z", fields[0].replace(' ', "T"));
        StoredTick {
            instrument_id: ES,
            timestamp: Timestamp::parse(stamp.as_bytes()).unwrap().0,
            source_id: 1,
            sequence: sequence as i64,
            price: Some(fields[1].parse().unwrap()),
            volume: Some(fields[2].parse().unwrap()),
        }
    };
    text.lines().skip(1).enumerate().map(trade).collect()
}

/// A threshold in units of 10^-8, spread over `low..high` by a fixed rule.
fn spread_scaled(n: usize, low: i64, high: i64) -> i64 {
    let steps = (n as i64).wrapping_mul(2_654_435_761) & 0xffff;
    low * 100_000_000 + (high - low) * steps * 100_000_000 / 0x10000
}

fn scaled(threshold: i64) -> Decimal {
    format!("{threshold}e-8").parse().unwrap()
}

fn spread(n: usize, low: i64, high: i64) -> Decimal {
    scaled(spread_scaled(n, low, high))
}

fn rule(condition: Condition, threshold: Decimal) -> NewAlertRule {
    NewAlertRule {
        condition: Some(condition),
        threshold: Some(threshold),
        ..NewAlertRule::new(ES, RuleType::of(condition))
    }
}

fn threshold_rule(n: usize, low: i64, high: i64) -> NewAlertRule {
    let conditions = [Condition::Above, Condition::Below, Condition::Equals];
    rule(conditions[n % 3], spread(n, low, high))
}

fn mixed_rule(n: usize) -> NewAlertRule {
    let percent = |n| spread(n, 1, 10);
    let crossing = [Condition::CrossesAbove, Condition::CrossesBelow][n / 10 % 2];
    match n % 10 {
        0..4 => threshold_rule(n / 3, 1_630, 1_650),
        4..7 => rule(crossing, spread(n, 1_630, 1_650)),
        7 => NewAlertRule {
            moving_average_period: Some(5 * (1 + n as i32 / 10 % 20)),
            threshold: None,
            ..rule(crossing, percent(n))
        },
        8 if (n / 10).is_multiple_of(2) => NewAlertRule {
            time_window_seconds: Some(30 * (1 + n as i32 / 10 % 10)),
            ..rule(
                Condition::PercentChangeDown,
                scaled(spread_scaled(n, 1, 10) / 40),
            )
        },
        8 => NewAlertRule {
            moving_average_period: Some(10 * (1 + n as i32 / 10 % 10)),
            ..rule(Condition::VolumeAbove, percent(n))
        },
        _ => NewAlertRule {
            condition: None,
            threshold: None,
            expression: Some(format!(
                r#"{{"all":[{{"condition":"above","threshold":"{}"}},
                    {{"condition":"volume_above","threshold":"{}"}}]}}"#,
                spread(n, 1_630, 1_650),
                n % 300
            )),
            ..NewAlertRule::new(ES, RuleType::MultiCondition)
        },
    }
}

fn compiled(rules: Rules, count: usize) -> Vec<Rule> {
    let new = |n| match rules {
        Rules::Far => threshold_rule(n * 3, 2_000, 3_000),
        Rules::Around => threshold_rule(n, 1_630, 1_650),
        Rules::Mixed => mixed_rule(n),
    };
    (0..count)
        .map(|n| Rule::new(n as i64, ES, &new(n).shape(), true, None).unwrap())
        .collect()
}

fn ready(rules: &[Rule]) -> Evaluator {
    let mut engine = Evaluator::new();
    engine.watch(WatchedInstrument {
        id: ES,
        symbol: Symbol::new("ES").unwrap(),
        price_decimals: PriceDecimals::new(4).ok(),
        is_watched: true,
        last_tick: None,
    });
    for rule in rules {
        engine.put_rule(rule.clone()).unwrap();
    }
    engine.is_unsettled(ES); // Arranges the rules.
    engine
}

fn run(engine: &mut Evaluator, trades: &[StoredTick], batch: usize) -> AlertTotals {
    for ticks in trades.chunks(batch) {
        std::hint::black_box(engine.evaluate_batch(ticks.iter().copied()));
        engine.commit();
    }
    engine.totals()
}

fn main() {
    let trades = trades();
    assert_eq!(trades.len(), 20_009);
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("alert_rules");
    group.throughput(Throughput::Elements(trades.len() as u64));
    for rules in [Rules::Far, Rules::Around, Rules::Mixed] {
        for count in [0, 1, 100, 1_000, 10_000] {
            let compiled = compiled(rules, count);
            let totals = run(&mut ready(&compiled), &trades, BATCH);
            assert_eq!(
                totals,
                run(&mut ready(&compiled), &trades, 77),
                "{rules:?} {count}"
            );
            println!(
                "{rules:?} {count}: {} fired, {} suppressed",
                totals.fired, totals.suppressed
            );
            let id = BenchmarkId::new(format!("{rules:?}"), count);
            group.bench_with_input(id, &compiled, |bencher, compiled| {
                bencher.iter_batched(
                    || ready(compiled),
                    |mut engine| (run(&mut engine, &trades, BATCH), engine),
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
    criterion.final_summary();
}
