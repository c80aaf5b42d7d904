//! Trades whose stamps rise by a microsecond, of twelve instruments in turn.

use tickbase::Timestamp;
use tickbase::domain::tick::{RawTick, Tick};

pub(crate) const INSTRUMENTS: i64 = 12;

/// So many, from a number on.
pub(crate) fn ticks(first: i64, count: i64) -> Vec<Tick> {
    let tick = |n: i64| {
        Tick::try_from(RawTick {
            instrument_id: Some(n % INSTRUMENTS + 1),
            timestamp: Some(Timestamp::from_micros(1_378_000_000_000_000 + n).unwrap()),
            sequence: Some(n),
            price: Some(1640.25),
            volume: Some(8.0),
            ..RawTick::default()
        })
        .unwrap()
    };
    (first..first + count).map(tick).collect()
}
