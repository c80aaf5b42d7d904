//! A tick: one trade, quote or summary at one moment, validated once.
//!
//! [`RawTick`] is what came in; [`Tick`] is what may be stored. There is no other way from one to
//! the other, and no field of a `Tick` can be set afterwards.

use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

/// The data source of ticks that name none: row 1 of `data_sources`, "tickbase".
pub const DEFAULT_SOURCE_ID: i64 = 1;

/// The values of a tick, in the order of their columns.
pub(crate) const VALUE_NAMES: [&str; 9] = [
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

/// Prices may be zero or negative (oil has traded below zero, spreads do daily).
const NOT_NEGATIVE: [bool; 9] = [false, true, false, false, true, true, false, false, false];

/// A tick as it came, with nothing checked.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RawTick {
    /// The instrument's id.
    pub instrument_id: Option<i64>,
    /// Event time.
    pub timestamp: Option<Timestamp>,
    /// The data source's id; [`DEFAULT_SOURCE_ID`] when there is none.
    pub source_id: Option<i64>,
    /// The feed's own trade id or sequence, or the occurrence within the stamp; without it the
    /// writer gives the next free number.
    pub sequence: Option<i64>,
    /// Price of the trade.
    pub price: Option<f64>,
    /// Size of the trade, or volume of the period.
    pub volume: Option<f64>,
    /// Best bid.
    pub bid: Option<f64>,
    /// Best ask. A crossed quote (bid above ask) is real and accepted.
    pub ask: Option<f64>,
    /// Size at the best bid.
    pub bid_size: Option<f64>,
    /// Size at the best ask.
    pub ask_size: Option<f64>,
    /// Open of the period.
    pub open_price: Option<f64>,
    /// High of the period.
    pub high_price: Option<f64>,
    /// Low of the period.
    pub low_price: Option<f64>,
}

/// A valid tick: it has an instrument, a moment and at least one value; every value is finite,
/// sizes, volumes and the sequence are not negative. That the instrument exists is checked when
/// it is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tick {
    instrument_id: i64,
    timestamp: Timestamp,
    source_id: i64,
    sequence: Option<i64>,
    values: [Option<f64>; 9],
}

/// A stored tick as watchers of the stream see it: key, price and volume.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoredTick {
    /// The instrument.
    pub instrument_id: i64,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its data source.
    pub source_id: i64,
    /// Its number within the stamp and the source.
    pub sequence: i64,
    /// Price of the trade.
    pub price: Option<f64>,
    /// Size of the trade, or volume of the period.
    pub volume: Option<f64>,
}

impl StoredTick {
    /// A tick, stored under `sequence`.
    #[must_use]
    pub const fn new(tick: &Tick, sequence: i64) -> Self {
        Self {
            instrument_id: tick.instrument_id,
            timestamp: tick.timestamp,
            source_id: tick.source_id,
            sequence,
            price: tick.price(),
            volume: tick.volume(),
        }
    }
}

impl Tick {
    /// Returns this tick under another instrument and source.
    pub(crate) const fn moved_to(self, instrument_id: i64, source_id: i64) -> Self {
        Self {
            instrument_id,
            source_id,
            ..self
        }
    }

    /// The price of a trade.
    ///
    /// # Errors
    /// As [`Tick::try_from`].
    pub fn trade(
        instrument_id: i64,
        timestamp: Timestamp,
        price: f64,
        volume: f64,
    ) -> Result<Self> {
        Self::try_from(RawTick {
            instrument_id: Some(instrument_id),
            timestamp: Some(timestamp),
            price: Some(price),
            volume: Some(volume),
            ..RawTick::default()
        })
    }

    /// The best bid and ask.
    ///
    /// # Errors
    /// As [`Tick::try_from`].
    pub fn quote(instrument_id: i64, timestamp: Timestamp, bid: f64, ask: f64) -> Result<Self> {
        Self::try_from(RawTick {
            instrument_id: Some(instrument_id),
            timestamp: Some(timestamp),
            bid: Some(bid),
            ask: Some(ask),
            ..RawTick::default()
        })
    }

    /// The instrument's id.
    #[must_use]
    pub const fn instrument_id(&self) -> i64 {
        self.instrument_id
    }

    /// Event time.
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The data source's id.
    #[must_use]
    pub const fn source_id(&self) -> i64 {
        self.source_id
    }

    /// The number within (instrument, timestamp, source), from 0, if the feed knows it.
    #[must_use]
    pub const fn sequence(&self) -> Option<i64> {
        self.sequence
    }

    /// Price of the trade.
    #[must_use]
    pub const fn price(&self) -> Option<f64> {
        self.values[0]
    }

    /// Size of the trade, or volume of the period.
    #[must_use]
    pub const fn volume(&self) -> Option<f64> {
        self.values[1]
    }

    /// Best bid.
    #[must_use]
    pub const fn bid(&self) -> Option<f64> {
        self.values[2]
    }

    /// Best ask.
    #[must_use]
    pub const fn ask(&self) -> Option<f64> {
        self.values[3]
    }

    /// Size at the best bid.
    #[must_use]
    pub const fn bid_size(&self) -> Option<f64> {
        self.values[4]
    }

    /// Size at the best ask.
    #[must_use]
    pub const fn ask_size(&self) -> Option<f64> {
        self.values[5]
    }

    /// Open of the period.
    #[must_use]
    pub const fn open_price(&self) -> Option<f64> {
        self.values[6]
    }

    /// High of the period.
    #[must_use]
    pub const fn high_price(&self) -> Option<f64> {
        self.values[7]
    }

    /// Low of the period.
    #[must_use]
    pub const fn low_price(&self) -> Option<f64> {
        self.values[8]
    }

    /// All values, in the order of `VALUE_NAMES`.
    #[must_use]
    #[allow(dead_code)] // Read by the writers.
    pub(crate) const fn values(&self) -> [Option<f64>; 9] {
        self.values
    }
}

impl RawTick {
    const fn values(&self) -> [Option<f64>; 9] {
        [
            self.price,
            self.volume,
            self.bid,
            self.ask,
            self.bid_size,
            self.ask_size,
            self.open_price,
            self.high_price,
            self.low_price,
        ]
    }
}

impl TryFrom<RawTick> for Tick {
    type Error = Error;

    /// Checks every rule of a tick.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the first field that breaks one.
    fn try_from(raw: RawTick) -> Result<Self> {
        let instrument_id = raw.instrument_id.ok_or_else(|| absent("instrument_id"))?;
        let timestamp = raw.timestamp.ok_or_else(|| absent("timestamp"))?;
        if let Some(sequence) = raw.sequence.filter(|sequence| *sequence < 0) {
            return Err(negative("sequence", sequence));
        }
        let mut values = raw.values();
        let mut any = false;
        for (index, value) in values.iter_mut().enumerate() {
            let Some(number) = *value else { continue };
            if !number.is_finite() {
                return Err(not_finite(VALUE_NAMES[index], number));
            }
            if NOT_NEGATIVE[index] && number < 0.0 {
                return Err(negative(VALUE_NAMES[index], number));
            }
            // Minus zero is stored as zero, so that equal ticks have equal bytes.
            *value = Some(number + 0.0);
            any = true;
        }
        if !any {
            return Err(Error::invalid(
                "tick",
                "it has no value at all",
                "give at least one of price, volume, bid, ask, sizes, open, high or low",
            ));
        }
        let source_id = raw.source_id.unwrap_or(DEFAULT_SOURCE_ID);
        Ok(Self {
            instrument_id,
            timestamp,
            source_id,
            sequence: raw.sequence,
            values,
        })
    }
}

#[cold]
fn absent(name: &str) -> Error {
    Error::invalid(name, "it is missing", "every tick needs one")
}

#[cold]
pub(crate) fn not_finite(name: &str, number: f64) -> Error {
    Error::invalid(
        name,
        format!("{number} is not a finite number"),
        "leave it out if unknown",
    )
}

#[cold]
pub(crate) fn negative(name: &str, number: impl std::fmt::Display) -> Error {
    Error::invalid(
        name,
        format!("{number} is negative"),
        "it must be 0 or more",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw() -> RawTick {
        RawTick {
            instrument_id: Some(1),
            timestamp: Some(Timestamp::from_micros(0).unwrap()),
            price: Some(1650.25),
            ..RawTick::default()
        }
    }

    fn refusal(raw: RawTick) -> String {
        Tick::try_from(raw).unwrap_err().to_string()
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused_by_name() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(
                refusal(RawTick {
                    ask: Some(number),
                    ..raw()
                })
                .starts_with("ask: ")
            );
        }
    }

    #[test]
    fn negative_sizes_volumes_and_sequences_are_refused() {
        assert!(
            refusal(RawTick {
                volume: Some(-1.0),
                ..raw()
            })
            .contains("volume: -1 is negative")
        );
        assert!(
            refusal(RawTick {
                bid_size: Some(-0.5),
                ..raw()
            })
            .contains("bid_size")
        );
        assert!(
            refusal(RawTick {
                ask_size: Some(-0.5),
                ..raw()
            })
            .contains("ask_size")
        );
        assert!(
            refusal(RawTick {
                sequence: Some(-1),
                ..raw()
            })
            .contains("sequence")
        );
    }

    #[test]
    fn zero_and_negative_prices_and_crossed_quotes_are_real() {
        let tick = Tick::try_from(RawTick {
            price: Some(-37.63),
            bid: Some(2.0),
            ask: Some(1.0),
            open_price: Some(0.0),
            low_price: Some(-40.32),
            ..raw()
        });
        assert_eq!(tick.unwrap().price(), Some(-37.63));
    }

    #[test]
    fn a_tick_without_any_value_or_without_its_key_is_refused() {
        assert!(
            refusal(RawTick {
                price: None,
                ..raw()
            })
            .contains("no value")
        );
        assert!(
            refusal(RawTick {
                instrument_id: None,
                ..raw()
            })
            .contains("instrument_id")
        );
        assert!(
            refusal(RawTick {
                timestamp: None,
                ..raw()
            })
            .contains("timestamp")
        );
    }

    #[test]
    fn a_tick_without_a_source_is_of_the_default_source() {
        assert_eq!(
            Tick::try_from(raw()).unwrap().source_id(),
            DEFAULT_SOURCE_ID
        );
    }

    #[test]
    fn minus_zero_becomes_zero() {
        let tick = Tick::try_from(RawTick {
            volume: Some(-0.0),
            ..raw()
        })
        .unwrap();
        assert!(tick.volume().unwrap().is_sign_positive());
    }

    proptest! {
        #[test]
        fn a_tick_holds_only_what_the_rules_allow(
            values in proptest::array::uniform9(proptest::option::of(proptest::num::f64::ANY)),
            sequence: Option<i64>,
        ) {
            let raw = RawTick {
                sequence,
                price: values[0], volume: values[1], bid: values[2], ask: values[3],
                bid_size: values[4], ask_size: values[5], open_price: values[6],
                high_price: values[7], low_price: values[8],
                ..raw()
            };
            if let Ok(tick) = Tick::try_from(raw) {
                prop_assert_eq!(tick.values(), values);
                prop_assert!(values.iter().flatten().all(|value| value.is_finite()));
                prop_assert!(sequence.unwrap_or(0) >= 0);
                for size in [tick.volume(), tick.bid_size(), tick.ask_size()] {
                    prop_assert!(size.unwrap_or(0.0) >= 0.0);
                }
            }
        }
    }
}
