//! A bar: open, high, low, close and volume of one period, validated once.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Text;
#[cfg(feature = "sqlite")]
use diesel::sqlite::Sqlite;

use crate::domain::tick::{DEFAULT_SOURCE_ID, negative, not_finite};
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

/// The length of a bar's period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
#[cfg_attr(
    feature = "server",
    derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)
)]
pub enum Frequency {
    /// `1min`
    #[cfg_attr(feature = "server", serde(rename = "1min"))]
    OneMinute,
    /// `5min`
    #[cfg_attr(feature = "server", serde(rename = "5min"))]
    FiveMinutes,
    /// `15min`
    #[cfg_attr(feature = "server", serde(rename = "15min"))]
    FifteenMinutes,
    /// `30min`
    #[cfg_attr(feature = "server", serde(rename = "30min"))]
    ThirtyMinutes,
    /// `1h`
    #[cfg_attr(feature = "server", serde(rename = "1h"))]
    OneHour,
    /// `4h`
    #[cfg_attr(feature = "server", serde(rename = "4h"))]
    FourHours,
    /// `1d`
    #[cfg_attr(feature = "server", serde(rename = "1d"))]
    OneDay,
    /// `1w`
    #[cfg_attr(feature = "server", serde(rename = "1w"))]
    OneWeek,
    /// `1M`
    #[cfg_attr(feature = "server", serde(rename = "1M"))]
    OneMonth,
}

impl Frequency {
    /// Every frequency, shortest first.
    pub const ALL: [Self; 9] = [
        Self::OneMinute,
        Self::FiveMinutes,
        Self::FifteenMinutes,
        Self::ThirtyMinutes,
        Self::OneHour,
        Self::FourHours,
        Self::OneDay,
        Self::OneWeek,
        Self::OneMonth,
    ];

    /// The text that is stored and shown: `1min` to `1M`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneMinute => "1min",
            Self::FiveMinutes => "5min",
            Self::FifteenMinutes => "15min",
            Self::ThirtyMinutes => "30min",
            Self::OneHour => "1h",
            Self::FourHours => "4h",
            Self::OneDay => "1d",
            Self::OneWeek => "1w",
            Self::OneMonth => "1M",
        }
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Frequency {
    type Err = Error;

    /// Reads `1min` to `1M`; case matters, as `1M` is a month.
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|frequency| frequency.as_str() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                Error::invalid(
                    "frequency",
                    format!("{text:?} is none"),
                    format!("write one of {known}"),
                )
            })
    }
}

#[cfg(feature = "sqlite")]
impl ToSql<Text, Sqlite> for Frequency {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.as_str());
        Ok(IsNull::No)
    }
}

#[cfg(feature = "sqlite")]
impl FromSql<Text, Sqlite> for Frequency {
    fn from_sql(bytes: diesel::sqlite::SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(<String as FromSql<Text, Sqlite>>::from_sql(bytes)?.parse()?)
    }
}

impl ToSql<Text, Pg> for Frequency {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(self.as_str().as_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<Text, Pg> for Frequency {
    fn from_sql(bytes: diesel::pg::PgValue<'_>) -> deserialize::Result<Self> {
        Ok(std::str::from_utf8(bytes.as_bytes())?.parse()?)
    }
}

/// A bar as it came, with nothing checked.
#[derive(Debug, Clone, PartialEq)]
pub struct RawBar {
    /// The instrument's id.
    pub instrument_id: i64,
    /// Start of the period.
    pub timestamp: Timestamp,
    /// Length of the period.
    pub frequency: Frequency,
    /// The data source's id; [`DEFAULT_SOURCE_ID`] when there is none.
    pub source_id: Option<i64>,
    /// First price of the period.
    pub open: Option<f64>,
    /// Greatest price.
    pub high: Option<f64>,
    /// Least price.
    pub low: Option<f64>,
    /// Last price.
    pub close: Option<f64>,
    /// Volume; 0 when there is none.
    pub volume: Option<f64>,
    /// Open interest.
    pub open_interest: Option<f64>,
}

/// A valid bar: its four prices are finite, high is the greatest and low the least of them, and
/// the volume is finite and not negative.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    instrument_id: i64,
    timestamp: Timestamp,
    frequency: Frequency,
    source_id: i64,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    open_interest: Option<f64>,
}

impl Bar {
    /// Returns this bar under another instrument and source.
    pub(crate) const fn moved_to(self, instrument_id: i64, source_id: i64) -> Self {
        Self {
            instrument_id,
            source_id,
            ..self
        }
    }

    /// The instrument's id.
    #[must_use]
    pub const fn instrument_id(&self) -> i64 {
        self.instrument_id
    }

    /// Start of the period.
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Length of the period.
    #[must_use]
    pub const fn frequency(&self) -> Frequency {
        self.frequency
    }

    /// The data source's id.
    #[must_use]
    pub const fn source_id(&self) -> i64 {
        self.source_id
    }

    /// First price of the period.
    #[must_use]
    pub const fn open(&self) -> f64 {
        self.open
    }

    /// Greatest price.
    #[must_use]
    pub const fn high(&self) -> f64 {
        self.high
    }

    /// Least price.
    #[must_use]
    pub const fn low(&self) -> f64 {
        self.low
    }

    /// Last price.
    #[must_use]
    pub const fn close(&self) -> f64 {
        self.close
    }

    /// Volume of the period.
    #[must_use]
    pub const fn volume(&self) -> f64 {
        self.volume
    }

    /// Open interest at the end of the period.
    #[must_use]
    pub const fn open_interest(&self) -> Option<f64> {
        self.open_interest
    }
}

impl TryFrom<RawBar> for Bar {
    type Error = Error;

    /// Checks every rule of a bar.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the first field that breaks one.
    fn try_from(raw: RawBar) -> Result<Self> {
        let bar = Self {
            instrument_id: raw.instrument_id,
            timestamp: raw.timestamp,
            frequency: raw.frequency,
            source_id: raw.source_id.unwrap_or(DEFAULT_SOURCE_ID),
            open: price("open", raw.open)?,
            high: price("high", raw.high)?,
            low: price("low", raw.low)?,
            close: price("close", raw.close)?,
            volume: amount("volume", raw.volume)?.unwrap_or(0.0),
            open_interest: amount("open_interest", raw.open_interest)?,
        };
        for (name, price) in [("open", bar.open), ("low", bar.low), ("close", bar.close)] {
            if price > bar.high {
                return Err(out_of_order("high", bar.high, "below", name, price));
            }
            if price < bar.low {
                return Err(out_of_order("low", bar.low, "above", name, price));
            }
        }
        Ok(bar)
    }
}

fn price(name: &str, value: Option<f64>) -> Result<f64> {
    match value {
        Some(number) if !number.is_finite() => Err(not_finite(name, number)),
        // Minus zero is kept as zero, so that equal bars have equal bytes.
        Some(number) => Ok(number + 0.0),
        None => Err(absent(name)),
    }
}

fn amount(name: &str, value: Option<f64>) -> Result<Option<f64>> {
    match value {
        Some(number) if !number.is_finite() => Err(not_finite(name, number)),
        Some(number) if number < 0.0 => Err(negative(name, number)),
        other => Ok(other),
    }
}

#[cold]
fn absent(name: &str) -> Error {
    Error::invalid(
        name,
        "it is missing",
        "a bar needs open, high, low and close",
    )
}

#[cold]
fn out_of_order(bound: &str, limit: f64, side: &str, name: &str, price: f64) -> Error {
    let remedy = "high must be the greatest and low the least of the four prices";
    Error::invalid(
        bound,
        format!("{limit} is {side} the {name} {price}"),
        remedy,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(open: f64, high: f64, low: f64, close: f64) -> RawBar {
        RawBar {
            instrument_id: 1,
            timestamp: Timestamp::from_micros(0).unwrap(),
            frequency: Frequency::OneMinute,
            source_id: None,
            open: Some(open),
            high: Some(high),
            low: Some(low),
            close: Some(close),
            volume: None,
            open_interest: None,
        }
    }

    #[test]
    fn every_frequency_reads_back_from_its_text_and_case_matters() {
        for frequency in Frequency::ALL {
            assert_eq!(
                frequency.to_string().parse::<Frequency>().unwrap(),
                frequency
            );
        }
        assert!(
            "1m".parse::<Frequency>()
                .unwrap_err()
                .to_string()
                .contains("1min, 5min")
        );
    }

    #[test]
    fn a_bar_below_zero_is_real() {
        let bar = Bar::try_from(raw(-1.0, 0.5, -40.32, -37.63)).unwrap();
        assert_eq!(bar.volume(), 0.0);
        assert_eq!(bar.low(), -40.32);
    }

    #[test]
    fn prices_outside_high_and_low_are_refused_by_name() {
        let refusal = |raw: RawBar| Bar::try_from(raw).unwrap_err().to_string();
        assert!(refusal(raw(2.0, 1.0, 0.0, 1.0)).contains("high: 1 is below the open 2"));
        assert!(refusal(raw(1.0, 2.0, 1.5, 2.0)).contains("low: 1.5 is above the open 1"));
        assert!(refusal(raw(1.0, 2.0, 1.0, 2.00000001)).contains("close 2.00000001"));
        assert!(refusal(raw(1.0, 0.0, 1.0, 1.0)).contains("high"));
    }

    #[test]
    fn a_bar_needs_its_four_prices_and_a_sound_volume() {
        let refusal = |raw: RawBar| Bar::try_from(raw).unwrap_err().to_string();
        assert!(
            refusal(RawBar {
                close: None,
                ..raw(1.0, 1.0, 1.0, 1.0)
            })
            .contains("close")
        );
        for (name, price) in [("open", f64::NAN), ("high", f64::INFINITY)] {
            let bar = match name {
                "open" => RawBar {
                    open: Some(price),
                    ..raw(1.0, 1.0, 1.0, 1.0)
                },
                _ => RawBar {
                    high: Some(price),
                    ..raw(1.0, 1.0, 1.0, 1.0)
                },
            };
            assert!(refusal(bar).contains(&format!("{name}: {price} is not a finite")));
        }
        let volume = |volume| RawBar {
            volume: Some(volume),
            ..raw(1.0, 1.0, 1.0, 1.0)
        };
        assert!(refusal(volume(-1.0)).contains("volume: -1 is negative"));
        assert!(refusal(volume(f64::NAN)).contains("volume: NaN is not a finite"));
    }
}
