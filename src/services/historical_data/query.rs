//! What is asked of the history, and what it answers. It reads nothing.

use crate::domain::{BarPrice, Candle, Frequency, PeriodBar};
use crate::error::{Error, Result};
use crate::repository::bar_composition::TimeSpan;
use crate::repository::bounds;
use crate::timestamp::Timestamp;

/// What stands for a period without a bar between two that have one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "server", derive(serde::Deserialize, utoipa::ToSchema))]
#[cfg_attr(feature = "server", serde(rename_all = "lowercase"))]
pub enum Fill {
    /// Nothing: the period is absent.
    #[default]
    None,
    /// A bar at the close before it, with volume 0.
    Previous,
    /// A bar without values.
    Null,
}

/// Which bars of an instrument are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BarQuery {
    /// The instrument.
    pub instrument_id: i64,
    /// Length of the periods.
    pub frequency: Frequency,
    /// The first moment at which a bar may start; `None` for the beginning.
    pub start: Option<Timestamp>,
    /// The moment before which a bar starts; `None` for the end. The last bar may end after it.
    pub end: Option<Timestamp>,
    /// What stands for periods without a bar.
    pub fill: Fill,
    /// The newest so many bars, at least 1; `None` for all.
    pub max_records: Option<usize>,
    /// The price of ticks that bars are made of. Bars that came in are bars of trades: of bid, ask
    /// and mid there are built bars and ticks, and their volume is 0, as a quote is no trade.
    pub price: BarPrice,
    /// Only what came in from this source, put together by the same rule: its bars of the
    /// frequency, else its bars of shorter ones, else its ticks. No built bar counts, as it may be
    /// made of other sources, too. Of the source of built bars: these bars as they are stored, also
    /// where they are stale, and nothing else. `None` for the best of all sources.
    pub source: Option<i64>,
}

impl BarQuery {
    /// All bars of an instrument.
    #[must_use]
    pub fn all(instrument_id: i64, frequency: Frequency) -> Self {
        Self {
            instrument_id,
            frequency,
            start: None,
            end: None,
            fill: Fill::None,
            max_records: None,
            price: BarPrice::Last,
            source: None,
        }
    }

    /// The periods that start in the range.
    pub(super) fn span(&self) -> Result<TimeSpan> {
        if self.max_records == Some(0) {
            let remedy = "ask for at least one bar";
            return Err(Error::invalid("max_records", "it is 0", remedy));
        }
        bounds::moments(self.start, self.end)?;
        let aligned = |moment: Timestamp| {
            let (start, next) = self.frequency.period_micros(moment.micros());
            if start == moment.micros() {
                start
            } else {
                next
            }
        };
        Ok(TimeSpan {
            start: aligned(self.start.unwrap_or(Timestamp::MIN)),
            end: match self.end {
                Some(end) => aligned(end),
                None => self.frequency.period_micros(Timestamp::MAX.micros()).1,
            },
        })
    }
}

/// Where a bar comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BarOrigin {
    /// Stored as it came in, from the source with this id.
    Imported(i64),
    /// Stored, built from ticks.
    Built,
    /// Made of ticks or of finer bars for this answer.
    Aggregated,
    /// Nothing was traded: [`Fill`] put it there.
    Filled,
}

impl BarOrigin {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imported(_) => "imported",
            Self::Built => "built",
            Self::Aggregated => "aggregated",
            Self::Filled => "filled",
        }
    }
}

/// A period of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryBar {
    /// Start of the period.
    pub timestamp: Timestamp,
    /// Where the bar comes from.
    pub origin: BarOrigin,
    /// The values; none in a period that [`Fill::Null`] put there.
    pub values: Option<PeriodBar>,
}

impl HistoryBar {
    /// The bar as indicators and charts take it; none in a period without values.
    #[must_use]
    pub fn candle(&self) -> Option<Candle> {
        let values = self.values.as_ref()?;
        Some(Candle {
            timestamp: self.timestamp,
            open: values.open,
            high: values.high,
            low: values.low,
            close: values.close,
            volume: values.volume,
        })
    }
}

/// What an answer rests on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "server", derive(serde::Serialize, utoipa::ToSchema))]
#[cfg_attr(feature = "server", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "server", schema(as = HistoryBasis))]
pub enum BarBasis {
    /// There is no bar.
    #[default]
    NoData,
    /// Every bar was stored.
    Stored,
    /// At least one bar was made for the answer.
    Aggregated,
}

impl BarBasis {
    /// The word of responses: `stored`, `aggregated`, `no_data`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoData => "no_data",
            Self::Stored => "stored",
            Self::Aggregated => "aggregated",
        }
    }
}

/// What the bars of an answer were made of, those of filled periods apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistorySources {
    /// The names of the data sources of stored bars, by id. That of built bars is
    /// [`BUILT_SOURCE_NAME`](crate::repository::bar_series::BUILT_SOURCE_NAME), or of quotes
    /// `tickbase-bars-bid` and so on.
    pub data_sources: Vec<String>,
    /// Whether ticks were folded for the answer.
    pub ticks: bool,
}

impl HistorySources {
    /// The names of the data sources, and `ticks`.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let names = self.data_sources.iter().map(String::as_str);
        names.chain(self.ticks.then_some("ticks")).collect()
    }
}

/// Bars of one instrument and frequency, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct BarHistory {
    /// The bars.
    pub bars: Vec<HistoryBar>,
    /// Whether the range holds older bars than `max_records` let in.
    pub has_more: bool,
    /// What they were made of.
    pub sources: HistorySources,
}

impl BarHistory {
    /// What the bars rest on.
    #[must_use]
    pub fn basis(&self) -> BarBasis {
        if self.bars.is_empty() {
            return BarBasis::NoData;
        }
        let is_aggregated = |bar: &HistoryBar| bar.origin == BarOrigin::Aggregated;
        if self.bars.iter().any(is_aggregated) {
            BarBasis::Aggregated
        } else {
            BarBasis::Stored
        }
    }
}
