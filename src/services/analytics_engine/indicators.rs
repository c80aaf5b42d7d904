//! The newest values of indicators. The formulas are [`analytics::indicators`]'s.

use super::AnalyticsQuestion;
use super::series::{AnalysisWindow, BarsOfInstrument, Extent, Subject, only};
use crate::database::BackendConnection;
use crate::domain::Frequency;
use crate::error::Result;
use crate::services::analytics::indicators as formula;
use crate::services::analytics::{LONG, LookbackPeriod, MIDDLE, Measured, PriceColumns, SHORT};

pub(super) const FAST: LookbackPeriod = LookbackPeriod::known(12);
pub(super) const SLOW: LookbackPeriod = LookbackPeriod::known(26);
pub(super) const SIGNAL: LookbackPeriod = LookbackPeriod::known(9);
pub(super) const WILDER: LookbackPeriod = LookbackPeriod::known(14);
pub(super) const BAND: LookbackPeriod = LookbackPeriod::known(20);
pub(super) const BAND_DEVIATIONS: f64 = 2.0;
pub(super) const SMOOTH: LookbackPeriod = LookbackPeriod::known(3);

/// An indicator, with the settings that the field uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "server",
    derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)
)]
#[cfg_attr(feature = "server", serde(rename_all = "snake_case"))]
pub enum Indicator {
    /// RSI(14).
    Rsi,
    /// MACD(12, 26, 9).
    Macd,
    /// Bollinger bands(20, 2).
    Bollinger,
    /// SMA(20), SMA(50), SMA(200).
    Sma,
    /// EMA(20), EMA(50), EMA(200).
    Ema,
    /// Slow stochastic(14, 3, 3).
    Stochastic,
    /// ATR(14).
    Atr,
    /// Williams %R(14).
    WilliamsR,
    /// ADX(14).
    Adx,
}

impl Indicator {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Rsi,
        Self::Macd,
        Self::Bollinger,
        Self::Sma,
        Self::Ema,
        Self::Stochastic,
        Self::Atr,
        Self::WilliamsR,
        Self::Adx,
    ];

    /// Its lines, by name.
    pub(super) fn lines(self, of: &PriceColumns) -> Vec<NamedLine> {
        let close = &of.close;
        let averages = |name: [&'static str; 3], average: AverageFormula| {
            let of_one = |(name, period)| price(name, average(close, period));
            name.into_iter()
                .zip([SHORT, MIDDLE, LONG])
                .map(of_one)
                .collect()
        };
        match self {
            Self::Rsi => vec![number("rsi", formula::rsi(close, WILDER))],
            Self::Macd => macd(close),
            Self::Bollinger => bollinger(close),
            Self::Sma => averages(["sma_20", "sma_50", "sma_200"], formula::sma),
            Self::Ema => averages(["ema_20", "ema_50", "ema_200"], formula::ema),
            Self::Stochastic => stochastic(of),
            Self::Atr => vec![price("atr", formula::atr(of, WILDER))],
            Self::WilliamsR => vec![number("williams_r", formula::williams_r(of, WILDER))],
            Self::Adx => vec![number("adx", formula::adx(of, WILDER))],
        }
    }

    /// Its values at the last bar, by name.
    fn values(self, of: &PriceColumns) -> impl Iterator<Item = IndicatorValue> {
        self.lines(of).into_iter().map(|line| IndicatorValue {
            name: line.name,
            value: line.line.map(|line| line.last()),
            is_price: line.is_price,
        })
    }
}

type AverageFormula = fn(&[f64], LookbackPeriod) -> Measured<formula::IndicatorLine>;

/// A line of an indicator, or why there is none.
pub(super) struct NamedLine {
    /// As in [`IndicatorValue::name`].
    pub(super) name: &'static str,
    pub(super) line: Measured<formula::IndicatorLine>,
    /// True when it is in units of price.
    pub(super) is_price: bool,
}

/// A value of an indicator at the last bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IndicatorValue {
    /// `rsi`, `macd`, `macd_signal`, `macd_histogram`, `bollinger_upper`, `bollinger_middle`,
    /// `bollinger_lower`, `sma_20` and so on.
    pub name: &'static str,
    /// The value, or why there is none.
    pub value: Measured<f64>,
    /// True when it is in units of price.
    pub is_price: bool,
}

const fn price(name: &'static str, line: Measured<formula::IndicatorLine>) -> NamedLine {
    NamedLine {
        name,
        line,
        is_price: true,
    }
}

const fn number(name: &'static str, line: Measured<formula::IndicatorLine>) -> NamedLine {
    NamedLine {
        name,
        line,
        is_price: false,
    }
}

/// The lines of an indicator that has several, each as `kind` makes it; all are missing when it is.
fn each<T, const N: usize>(
    found: Measured<T>,
    kind: fn(&'static str, Measured<formula::IndicatorLine>) -> NamedLine,
    names: [&'static str; N],
    parts: fn(T) -> [formula::IndicatorLine; N],
) -> Vec<NamedLine> {
    match found.map(parts) {
        Ok(lines) => names
            .into_iter()
            .zip(lines)
            .map(|(name, line)| kind(name, Ok(line)))
            .collect(),
        Err(missing) => names
            .into_iter()
            .map(|name| kind(name, Err(missing)))
            .collect(),
    }
}

fn macd(close: &[f64]) -> Vec<NamedLine> {
    let found = formula::macd(close, FAST, SLOW, SIGNAL);
    let names = ["macd", "macd_signal", "macd_histogram"];
    each(found, price, names, |of| [of.macd, of.signal, of.histogram])
}

fn bollinger(close: &[f64]) -> Vec<NamedLine> {
    let found = formula::bollinger(close, BAND, BAND_DEVIATIONS);
    let names = ["bollinger_upper", "bollinger_middle", "bollinger_lower"];
    each(found, price, names, |of| [of.upper, of.middle, of.lower])
}

fn stochastic(of: &PriceColumns) -> Vec<NamedLine> {
    let found = formula::stochastic(of, WILDER, SMOOTH, SMOOTH);
    each(found, number, ["stochastic_k", "stochastic_d"], |of| {
        [of.k, of.d]
    })
}

/// Indicators at the newest bar of an instrument.
#[derive(Debug, Clone, PartialEq)]
pub struct IndicatorQuestion {
    /// The instrument.
    pub instrument_id: i64,
    /// The length of the bars' periods.
    pub frequency: Frequency,
    /// The indicators, in the order of the answer.
    pub indicators: Vec<Indicator>,
}

impl IndicatorQuestion {
    /// All indicators.
    #[must_use]
    pub fn all(instrument_id: i64, frequency: Frequency) -> Self {
        Self {
            instrument_id,
            frequency,
            indicators: Indicator::ALL.to_vec(),
        }
    }
}

/// Indicators at the newest bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Indicators {
    /// The instrument.
    pub subject: Subject,
    /// The bars that were taken in.
    pub extent: Extent,
    /// Close of the newest bar.
    pub price: Option<f64>,
    /// The values.
    pub values: Vec<IndicatorValue>,
}

impl AnalyticsQuestion for IndicatorQuestion {
    type Answer = Indicators;

    const OPERATION: &'static str = "analytics.indicators";

    fn read(&self, conn: &mut BackendConnection<'_>) -> Result<Vec<BarsOfInstrument>> {
        let window = AnalysisWindow::settled(self.frequency);
        Ok(vec![BarsOfInstrument::read(
            conn,
            self.instrument_id,
            window,
        )?])
    }

    fn answer(&self, series: Vec<BarsOfInstrument>) -> Result<Indicators> {
        let series = only(series)?;
        let columns = PriceColumns::of(series.window());
        let values = self
            .indicators
            .iter()
            .flat_map(|which| which.values(&columns));
        Ok(Indicators {
            extent: series.extent(),
            price: columns.close.last().copied(),
            values: values.collect(),
            subject: series.subject,
        })
    }
}
