//! The ticks of the bench, and the files of them that psql reads.
#![allow(clippy::unwrap_used)] // A failure ends the bench.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tickbase::Timestamp;
use tickbase::domain::tick::{RawTick, Tick};

pub(crate) const INSTRUMENTS: u64 = 100;
pub(crate) const ROWS_PER_TRANSACTION: usize = 10_000;

pub(crate) const START_MICROS: i64 = 1_700_000_000_000_000;

/// A small generator of our own, so that every build makes the same ticks.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// 0.25 to `bound` times that.
    fn quarters(&mut self, bound: u64) -> f64 {
        (1 + self.below(bound)) as f64 / 4.0
    }
}

pub(crate) fn ticks(rows: usize) -> Vec<Tick> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut micros = START_MICROS;
    let mut all = Vec::with_capacity(rows);
    for index in 0..rows {
        micros += 1 + random.below(2_000) as i64;
        let price = 1_000.0 + random.quarters(4_000);
        let spread = random.quarters(10);
        let tick = Tick::try_from(RawTick {
            instrument_id: Some(1 + random.below(INSTRUMENTS) as i64),
            timestamp: Some(Timestamp::from_micros(micros).unwrap()),
            source_id: None,
            sequence: Some(index as i64),
            price: Some(price),
            volume: Some(random.quarters(500)),
            bid: Some(price - spread),
            ask: Some(price + spread),
            bid_size: Some(random.quarters(100)),
            ask_size: Some(random.quarters(100)),
            open_price: Some(1_500.25),
            high_price: Some(price.max(1_900.0)),
            low_price: Some(price.min(1_100.0)),
        });
        all.push(tick.unwrap());
    }
    all
}

/// The same ticks as a feed without numbers sends them.
pub(crate) fn unnumbered(ticks: &[Tick]) -> Vec<Tick> {
    let without = |tick: &Tick| {
        let [
            price,
            volume,
            bid,
            ask,
            bid_size,
            ask_size,
            open_price,
            high_price,
            low_price,
        ] = values(tick);
        let raw = RawTick {
            instrument_id: Some(tick.instrument_id()),
            timestamp: Some(tick.timestamp()),
            source_id: Some(tick.source_id()),
            sequence: None,
            price,
            volume,
            bid,
            ask,
            bid_size,
            ask_size,
            open_price,
            high_price,
            low_price,
        };
        Tick::try_from(raw).unwrap()
    };
    ticks.iter().map(without).collect()
}

pub(crate) fn batches(ticks: &[Tick]) -> Vec<Vec<Tick>> {
    let batches = ticks.chunks(ROWS_PER_TRANSACTION);
    batches.map(<[Tick]>::to_vec).collect()
}

pub(crate) const VALUES: [&str; 9] = [
    "price",
    "volume",
    "bid",
    "ask",
    "bid_size",
    "ask_size",
    "open_price",
    "high_price",
    "low_price",
];

pub(crate) fn values(tick: &Tick) -> [Option<f64>; 9] {
    [
        tick.price(),
        tick.volume(),
        tick.bid(),
        tick.ask(),
        tick.bid_size(),
        tick.ask_size(),
        tick.open_price(),
        tick.high_price(),
        tick.low_price(),
    ]
}

pub(crate) fn sequence(tick: &Tick) -> i64 {
    tick.sequence().unwrap()
}

/// What psql reads: a script of one `\copy` a transaction, in each format.
pub(crate) struct Files {
    pub(crate) csv: PathBuf,
    pub(crate) binary: PathBuf,
}

impl Files {
    pub(crate) fn write(folder: &Path, ticks: &[Tick]) -> Self {
        let script = |format: &str, content: fn(&[Tick]) -> Vec<u8>| {
            let mut lines = String::new();
            for (number, batch) in ticks.chunks(ROWS_PER_TRANSACTION).enumerate() {
                let file = folder.join(format!("{number}.{format}"));
                std::fs::write(&file, content(batch)).unwrap();
                let (columns, file) = (VALUES.join(", "), file.display());
                writeln!(
                    lines,
                    "\\copy market_data (instrument_id, \"timestamp\", source_id, sequence, \
                     {columns}) FROM '{file}' WITH (FORMAT {format})"
                )
                .unwrap();
            }
            let script = folder.join(format!("{format}.sql"));
            std::fs::write(&script, lines).unwrap();
            script
        };
        Self {
            csv: script("csv", csv),
            binary: script("binary", binary),
        }
    }
}

fn csv(ticks: &[Tick]) -> Vec<u8> {
    let mut text = String::new();
    for tick in ticks {
        let (id, at, source) = (tick.instrument_id(), tick.timestamp(), tick.source_id());
        write!(text, "{id},{at},{source},{}", sequence(tick)).unwrap();
        for value in values(tick).into_iter().flatten() {
            write!(text, ",{value}").unwrap();
        }
        text.push('\n');
    }
    text.into_bytes()
}

pub(crate) fn binary(ticks: &[Tick]) -> Vec<u8> {
    /// From 1970 to 2000, PostgreSQL's epoch.
    const EPOCH_MICROS: i64 = 946_684_800_000_000;
    let mut bytes = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for tick in ticks {
        bytes.extend(13_i16.to_be_bytes());
        let mut put = |field: [u8; 8]| {
            bytes.extend(8_i32.to_be_bytes());
            bytes.extend(field);
        };
        let micros = tick.timestamp().micros() - EPOCH_MICROS;
        for number in [
            tick.instrument_id(),
            micros,
            tick.source_id(),
            sequence(tick),
        ] {
            put(number.to_be_bytes());
        }
        for value in values(tick).into_iter().flatten() {
            put(value.to_be_bytes());
        }
    }
    bytes.extend((-1_i16).to_be_bytes());
    bytes
}
