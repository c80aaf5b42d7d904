//! The ticks of a segment: real trades, and generated ones with all nine values.

use std::fs::File;
use std::io::{BufRead, BufReader};

use flate2::read::MultiGzDecoder;
use tickbase::Timestamp;
use tickbase::segment::SegmentTick;

use crate::real_data::es_trades;

const GENERATED: i64 = 1_000_000;

/// The real trades, as one instrument's.
pub(crate) fn trades() -> (String, Vec<SegmentTick>) {
    let source = es_trades();
    let text = BufReader::new(MultiGzDecoder::new(File::open(&source).unwrap()));
    let mut ticks: Vec<SegmentTick> = Vec::new();
    for line in text.lines().skip(1) {
        let line = line.unwrap();
        let fields: Vec<&str> = line.split(',').collect();
        let [moment, price, volume] = fields[..] else {
            panic!("{line}")
        };
        let (timestamp, _) = Timestamp::parse(moment.as_bytes()).unwrap();
        let mut values = [None; 9];
        values[0] = Some(price.parse().unwrap());
        values[1] = Some(volume.parse().unwrap());
        let same = ticks.last().filter(|last| last.timestamp == timestamp);
        let sequence = same.map_or(0, |last| last.sequence + 1);
        ticks.push(SegmentTick {
            timestamp,
            source_id: 1,
            sequence,
            values,
        });
    }
    let name = source.file_name().unwrap().to_string_lossy().into_owned();
    (name, ticks)
}

/// All nine values: a random walk of five places with a bid and an ask around it, random sizes, gaps of
/// up to 2 ms; open, high and low of the session so far, as feeds have them.
pub(crate) fn generated() -> Vec<SegmentTick> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound) as i64
    };
    const OPEN: i64 = 108_000;
    let (mut moment, mut points) = (1_700_000_000_000_000_i64, OPEN);
    let (mut high, mut low) = (OPEN, OPEN);
    let tick = |sequence: i64| {
        moment += 1 + below(2_000);
        points += below(21) - 10;
        (high, low) = (high.max(points), low.min(points));
        let spread = 1 + below(10);
        let price = |points: i64| Some(points as f64 / 1e5);
        let mut size = |bound: u64| Some((1 + below(bound)) as f64);
        SegmentTick {
            timestamp: Timestamp::from_micros(moment).unwrap(),
            source_id: 1,
            sequence,
            values: [
                price(points),
                size(500),
                price(points - spread),
                price(points + spread),
                size(100),
                size(100),
                price(OPEN),
                price(high),
                price(low),
            ],
        }
    };
    (0..GENERATED).map(tick).collect()
}
