//! The bars that a question is about: which window, of which instrument, and how far they reach.

use super::candles;
use crate::database::BackendConnection;
use crate::domain::{Candle, Frequency, InstrumentType, PriceDecimals, Symbol};
use crate::error::{Error, Result};
use crate::repository::instrument;
use crate::services::analytics::PerYear;
use crate::timestamp::Timestamp;

const HOUR_MICROS: i64 = 3_600_000_000;

/// Bars before a window that indicators need to have settled: SMA(200), and Wilder's averages.
const WARM_UP_BARS: usize = 250;

/// Bars after which EMA(200) has forgotten with which value it began: 0.005 % of it is left.
const SETTLED_BARS: usize = 1_000;

/// The part of a series that a question takes in, in bars of one frequency.
///
/// It counts back from the newest bar, not from now: a market that is closed has an answer, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnalysisWindow {
    frequency: Frequency,
    /// Its length in microseconds; `None` for all bars.
    micros: Option<i64>,
    /// The most bars that it takes in.
    bars: usize,
    /// The range that it lies in, when it does not count back from the newest bar.
    range: Option<WindowRange>,
}

/// A range of bars, and the most of them that count: the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WindowRange {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    bars_max: usize,
}

impl AnalysisWindow {
    /// The longest, in hours: a year.
    pub const LOOKBACK_HOURS_MAX: u32 = 8_760;
    /// The most bars of one.
    pub const BARS_MAX: i64 = 10_000;
    /// The most bars of one whose frequency nobody chose.
    const BARS_BY_DEFAULT_MAX: i64 = 1_000;

    /// So many hours, in bars of this frequency; without one, of the shortest that makes 1,000 bars
    /// at most: 5 minutes for a day, a day for a year.
    ///
    /// # Errors
    /// [`Error::Invalid`] for hours out of 1 to [`AnalysisWindow::LOOKBACK_HOURS_MAX`], for more than
    /// [`AnalysisWindow::BARS_MAX`] bars, and for a period longer than the window.
    pub fn new(lookback_hours: u32, frequency: Option<Frequency>) -> Result<Self> {
        if !(1..=Self::LOOKBACK_HOURS_MAX).contains(&lookback_hours) {
            let reason = format!("{lookback_hours} is out of range");
            let remedy = format!("write 1 to {}", Self::LOOKBACK_HOURS_MAX);
            return Err(Error::invalid("lookback_hours", reason, remedy));
        }
        let micros = i64::from(lookback_hours) * HOUR_MICROS;
        let bars = |frequency| micros / period_micros(frequency);
        let frequency = frequency.unwrap_or_else(|| {
            let mut all = Frequency::ALL.into_iter();
            let short = all.find(|frequency| bars(*frequency) <= Self::BARS_BY_DEFAULT_MAX);
            short.unwrap_or(Frequency::OneDay)
        });
        let refused = |reason: &str, remedy: &str| {
            let reason = format!("{lookback_hours} hours are {reason} bars of {frequency}");
            Err(Error::invalid("frequency", reason, remedy))
        };
        match bars(frequency) {
            0 => refused("no", "take a shorter one, or look back further"),
            bars if bars > Self::BARS_MAX => {
                let remedy = format!("take a longer one, for {} at most", Self::BARS_MAX);
                refused(&bars.to_string(), &remedy)
            }
            bars => Ok(Self {
                frequency,
                micros: Some(micros),
                bars: usize::try_from(bars).unwrap_or(0) + WARM_UP_BARS,
                range: None,
            }),
        }
    }

    /// The newest bars, as many as indicators need to have settled.
    #[must_use]
    pub const fn settled(frequency: Frequency) -> Self {
        Self {
            frequency,
            micros: None,
            bars: SETTLED_BARS,
            range: None,
        }
    }

    /// The newest bars of a range, `bars_max` but [`AnalysisWindow::BARS_MAX`] at most, and before
    /// them as many as indicators need to have settled.
    #[must_use]
    pub fn of_range(
        frequency: Frequency,
        start: Option<Timestamp>,
        end: Option<Timestamp>,
        bars_max: usize,
    ) -> Self {
        let bars_max = bars_max.min(usize::try_from(Self::BARS_MAX).unwrap_or(usize::MAX));
        Self {
            frequency,
            micros: None,
            bars: bars_max + SETTLED_BARS,
            range: Some(WindowRange {
                start,
                end,
                bars_max,
            }),
        }
    }

    /// The newest bars, so many of them, but [`AnalysisWindow::BARS_MAX`] at most.
    #[must_use]
    pub fn newest(frequency: Frequency, bars: u16) -> Self {
        Self {
            frequency,
            micros: None,
            bars: usize::from(bars).min(usize::try_from(Self::BARS_MAX).unwrap_or(usize::MAX)),
            range: None,
        }
    }

    /// The length of its bars' periods.
    #[must_use]
    pub const fn frequency(self) -> Frequency {
        self.frequency
    }
}

impl WindowRange {
    /// Index of the first bar that counts.
    fn first(self, candles: &[Candle]) -> usize {
        let start = self.start.unwrap_or(Timestamp::MIN);
        let in_range = candles.partition_point(|candle| candle.timestamp < start);
        in_range.max(candles.len().saturating_sub(self.bars_max))
    }
}

/// A period's length; a month's is its mean.
fn period_micros(frequency: Frequency) -> i64 {
    let minutes = match frequency {
        Frequency::OneMinute => 1,
        Frequency::FiveMinutes => 5,
        Frequency::FifteenMinutes => 15,
        Frequency::ThirtyMinutes => 30,
        Frequency::OneHour => 60,
        Frequency::FourHours => 240,
        Frequency::OneDay => 1_440,
        Frequency::OneWeek => 10_080,
        Frequency::OneMonth => 43_830,
    };
    minutes * 60_000_000
}

/// The instrument that an answer is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Its id.
    pub instrument_id: i64,
    /// Its symbol.
    pub symbol: Symbol,
    /// Its type.
    pub instrument_type: InstrumentType,
    /// Places to which its prices are shown; none where they are shown as they are stored.
    pub price_decimals: Option<PriceDecimals>,
}

/// The bars that an answer stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The length of their periods.
    pub frequency: Frequency,
    /// The number of bars in the window.
    pub bars: usize,
    /// Start of the first.
    pub first_at: Option<Timestamp>,
    /// Start of the last.
    pub last_at: Option<Timestamp>,
}

/// Bars of one instrument, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct BarsOfInstrument {
    /// The instrument.
    pub subject: Subject,
    /// The length of the bars' periods.
    pub frequency: Frequency,
    candles: Vec<Candle>,
    /// Index of the first that is in the window.
    from: usize,
}

impl BarsOfInstrument {
    /// Reads the bars of a window, and those before it that indicators need.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Query`].
    pub fn read(
        conn: &mut BackendConnection<'_>,
        instrument_id: i64,
        window: AnalysisWindow,
    ) -> Result<Self> {
        let row = instrument::get(conn, instrument_id)?;
        let frequency = window.frequency;
        let end = window.range.and_then(|range| range.end);
        let candles = candles::newest(conn, instrument_id, frequency, end, window.bars)?;
        let in_range = window.range.map(|range| range.first(&candles));
        let from = match (candles.last(), window.micros) {
            (Some(last), Some(micros)) => {
                let before = last.timestamp.saturating_add_micros(-micros);
                candles.partition_point(|candle| candle.timestamp <= before)
            }
            _ => in_range.unwrap_or(0),
        };
        let subject = Subject {
            instrument_id,
            symbol: row.symbol,
            instrument_type: row.instrument_type,
            price_decimals: row.price_decimals,
        };
        Ok(Self {
            subject,
            frequency,
            candles,
            from,
        })
    }

    /// The bars of the window.
    #[must_use]
    pub fn window(&self) -> &[Candle] {
        &self.candles[self.from..]
    }

    /// The bars of the window and those before it, for what has to settle.
    #[must_use]
    pub fn with_warm_up(&self) -> &[Candle] {
        &self.candles
    }

    /// Returns the extent of the window.
    #[must_use]
    pub fn extent(&self) -> Extent {
        let window = self.window();
        Extent {
            frequency: self.frequency,
            bars: window.len(),
            first_at: window.first().map(|candle| candle.timestamp),
            last_at: window.last().map(|candle| candle.timestamp),
        }
    }

    /// Returns the number of such bars in a year.
    #[must_use]
    pub fn per_year(&self) -> PerYear {
        let extent = self.extent();
        let micros = |at: Option<Timestamp>| at.map_or(0, Timestamp::micros);
        PerYear::of(
            micros(extent.first_at),
            micros(extent.last_at),
            extent.bars,
            self.frequency,
            self.subject.instrument_type,
        )
    }
}

/// The only series of a question about one instrument.
pub(super) fn only(series: Vec<BarsOfInstrument>) -> Result<BarsOfInstrument> {
    let missing = || Error::invalid("series", "there is none", "let the question read one");
    series.into_iter().next().ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_without_a_frequency_takes_the_shortest_that_is_not_too_many_bars() {
        for (hours, expected) in [
            (1, Frequency::OneMinute),
            (16, Frequency::OneMinute),
            (17, Frequency::FiveMinutes),
            (24, Frequency::FiveMinutes),
            (720, Frequency::OneHour),
            (8_760, Frequency::OneDay),
        ] {
            assert_eq!(
                AnalysisWindow::new(hours, None).unwrap().frequency(),
                expected,
                "{hours}"
            );
        }
    }

    #[test]
    fn a_window_that_cannot_be_is_refused_by_name() {
        let said = |hours, frequency| {
            AnalysisWindow::new(hours, frequency)
                .unwrap_err()
                .to_string()
        };
        for hours in [0, 8_761] {
            assert!(said(hours, None).starts_with("lookback_hours: "));
        }
        assert_eq!(
            said(8_760, Some(Frequency::OneMinute)),
            "frequency: 8760 hours are 525600 bars of 1min; take a longer one, for 10000 at most"
        );
        assert_eq!(
            said(23, Some(Frequency::OneDay)),
            "frequency: 23 hours are no bars of 1d; take a shorter one, or look back further"
        );
    }
}
