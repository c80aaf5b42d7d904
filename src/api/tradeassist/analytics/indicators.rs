//! Indicators as items of a list: `{type, timestamp, values, metadata}`.

use std::str::FromStr;

use serde::Serialize;

use super::engine::price;
use crate::api::tradeassist::moments::NaiveMoment;
use crate::services::analytics_engine::{AVERAGE_BARS, Technicals};

/// The indicators of the original, by its words.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TechnicalIndicator {
    Rsi,
    Macd,
    BollingerBands,
    MovingAverage,
    Stochastic,
    WilliamsR,
    Atr,
    Adx,
}

impl TechnicalIndicator {
    /// In the order of a market analysis.
    pub(super) const ALL: [(&str, Self); 8] = [
        ("rsi", Self::Rsi),
        ("macd", Self::Macd),
        ("bollinger_bands", Self::BollingerBands),
        ("moving_average", Self::MovingAverage),
        ("stochastic", Self::Stochastic),
        ("williams_r", Self::WilliamsR),
        ("atr", Self::Atr),
        ("adx", Self::Adx),
    ];
}

impl FromStr for TechnicalIndicator {
    type Err = String;

    /// The error is the text of Python's.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|(name, _)| *name == text).map(|(_, it)| it);
        found.ok_or_else(|| format!("'{text}' is not a valid TechnicalIndicator"))
    }
}

/// An indicator at the newest bar.
#[derive(Debug, Serialize)]
pub(super) struct IndicatorItem {
    r#type: TechnicalIndicator,
    timestamp: NaiveMoment,
    values: ItemValues,
    metadata: ItemSettings,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ItemValues {
    Rsi {
        rsi: Option<f64>,
        overbought: f64,
        oversold: f64,
    },
    Macd {
        macd: Option<f64>,
        signal: Option<f64>,
        histogram: Option<f64>,
    },
    Bands {
        upper_band: Option<f64>,
        middle_band: Option<f64>,
        lower_band: Option<f64>,
        bandwidth: Option<f64>,
    },
    Averages {
        ma_5: Option<f64>,
        ma_10: Option<f64>,
        ma_20: Option<f64>,
        ma_50: Option<f64>,
        ma_200: Option<f64>,
    },
    Stochastic {
        k_percent: Option<f64>,
        d_percent: Option<f64>,
    },
    WilliamsR {
        williams_r: Option<f64>,
    },
    Atr {
        atr: Option<f64>,
        atr_percent: Option<f64>,
    },
    Adx {
        adx: Option<f64>,
    },
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ItemSettings {
    Period { period: u16 },
    Macd { fast: u16, slow: u16, signal: u16 },
    Bands { period: u16, std_dev: u16 },
    Averages { periods: [u16; 5] },
    Stochastic { k_period: u16, d_period: u16 },
}

const FOURTEEN: ItemSettings = ItemSettings::Period { period: 14 };

impl IndicatorItem {
    pub(super) fn of(which: TechnicalIndicator, at: NaiveMoment, of: &Technicals) -> Self {
        let (values, metadata) = match which {
            TechnicalIndicator::Rsi => rsi(of),
            TechnicalIndicator::Macd => macd(of),
            TechnicalIndicator::BollingerBands => bands(of),
            TechnicalIndicator::MovingAverage => averages(of),
            TechnicalIndicator::Stochastic => stochastic(of),
            TechnicalIndicator::WilliamsR => {
                let williams_r = of.williams_r.ok();
                (ItemValues::WilliamsR { williams_r }, FOURTEEN)
            }
            TechnicalIndicator::Atr => {
                let (atr, atr_percent) = (of.atr.ok(), atr_percent(of));
                (ItemValues::Atr { atr, atr_percent }, FOURTEEN)
            }
            TechnicalIndicator::Adx => (ItemValues::Adx { adx: of.adx.ok() }, FOURTEEN),
        };
        Self {
            r#type: which,
            timestamp: at,
            values,
            metadata,
        }
    }
}

/// The average true range in percent of the price.
pub(super) fn atr_percent(of: &Technicals) -> Option<f64> {
    let percent = of.atr.ok()? / of.close.ok()? * 100.0;
    percent.is_finite().then_some(percent)
}

fn rsi(of: &Technicals) -> (ItemValues, ItemSettings) {
    let values = ItemValues::Rsi {
        rsi: of.rsi.ok(),
        // Wilder's.
        overbought: 70.0,
        oversold: 30.0,
    };
    (values, FOURTEEN)
}

fn macd(of: &Technicals) -> (ItemValues, ItemSettings) {
    let [macd, signal, histogram] = parts(of.macd.ok());
    let settings = ItemSettings::Macd {
        fast: 12,
        slow: 26,
        signal: 9,
    };
    let values = ItemValues::Macd {
        macd,
        signal,
        histogram,
    };
    (values, settings)
}

fn bands(of: &Technicals) -> (ItemValues, ItemSettings) {
    let [upper, middle, lower] = parts(of.bands.ok());
    let width = || Some((upper? - lower?) / middle? * 100.0);
    let values = ItemValues::Bands {
        upper_band: upper.map(price),
        middle_band: middle.map(price),
        lower_band: lower.map(price),
        bandwidth: width().filter(|width| width.is_finite()),
    };
    let settings = ItemSettings::Bands {
        period: 20,
        std_dev: 2,
    };
    (values, settings)
}

fn averages(of: &Technicals) -> (ItemValues, ItemSettings) {
    let [ma_5, ma_10, ma_20, ma_50, ma_200] = of.averages.map(|of| of.ok().map(price));
    let values = ItemValues::Averages {
        ma_5,
        ma_10,
        ma_20,
        ma_50,
        ma_200,
    };
    let periods = AVERAGE_BARS;
    (values, ItemSettings::Averages { periods })
}

fn stochastic(of: &Technicals) -> (ItemValues, ItemSettings) {
    let [k_percent, d_percent] = parts(of.stochastic.ok());
    let values = ItemValues::Stochastic {
        k_percent,
        d_percent,
    };
    let settings = ItemSettings::Stochastic {
        k_period: 14,
        d_period: 3,
    };
    (values, settings)
}

/// Each of some values, or none of them.
fn parts<const N: usize>(all: Option<[f64; N]>) -> [Option<f64>; N] {
    match all {
        Some(all) => all.map(Some),
        None => [None; N],
    }
}
