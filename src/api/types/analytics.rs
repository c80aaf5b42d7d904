//! Analytics as the API writes and reads them: what is asked.
//!
//! Parameters become the types of the formulas here; what does not fit is refused by name.

mod answers;

pub(in crate::api) use answers::*;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, Schema, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{IntoParams, ToSchema};

use crate::domain::Frequency;
use crate::error::{Error, Result};
use crate::ingest::whole;
use crate::services::analytics::{Buckets, Confidence, Horizon, RiskMethod, Simulation};
use crate::services::analytics_engine::{
    AnalysisWindow, CorrelationQuestion, Indicator, IndicatorLinesQuestion, IndicatorQuestion,
    MarketQuestion, RiskQuestion, ValueAtRiskQuestion, VolumeQuestion,
};
use crate::timestamp::Timestamp;

/// A day: what a market analysis and a volume profile look back on.
const DAY_HOURS: u32 = 24;
/// A year: what figures of risk look back on.
const YEAR_HOURS: u32 = 8_760;
/// Bars that lines of indicators span, unless the caller says otherwise.
const LINES_BARS_DEFAULT: usize = 500;
/// The largest value of a position.
const POSITION_MAX: f64 = 1e15;

/// The method that estimates a value at risk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RiskMethod)]
pub(in crate::api) enum RiskMethodName {
    /// By the returns that were.
    #[default]
    Historical,
    /// By a normal distribution with their mean and deviation.
    Parametric,
    /// By simulated prices.
    MonteCarlo,
}

fn window(
    hours: Option<u32>,
    default: u32,
    frequency: Option<Frequency>,
) -> Result<AnalysisWindow> {
    AnalysisWindow::new(hours.unwrap_or(default), frequency)
}

/// What a market analysis takes in.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct MarketQuery {
    /// How far back it looks, from the newest bar
    #[param(minimum = 1, maximum = 8760, default = 24)]
    lookback_hours: Option<u32>,
    /// The bars; without it the shortest that makes 1,000 of them at most
    #[param(inline)]
    frequency: Option<Frequency>,
}

impl MarketQuery {
    pub(in crate::api) fn question(&self, instrument_id: i64) -> Result<MarketQuestion> {
        Ok(MarketQuestion {
            instrument_id,
            window: window(self.lookback_hours, DAY_HOURS, self.frequency)?,
        })
    }
}

/// Which indicators are asked for.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct IndicatorQuery {
    /// Which ones, once each: `indicators=rsi&indicators=macd`; without it all
    #[param(inline)]
    #[serde(default)]
    indicators: Vec<Indicator>,
    /// The bars; without it those of 1min
    #[param(inline)]
    frequency: Option<Frequency>,
}

impl IndicatorQuery {
    pub(in crate::api) fn question(self, instrument_id: i64) -> IndicatorQuestion {
        let frequency = self.frequency.unwrap_or(Frequency::OneMinute);
        let mut question = IndicatorQuestion::all(instrument_id, frequency);
        if !self.indicators.is_empty() {
            question
                .indicators
                .retain(|which| self.indicators.contains(which));
        }
        question
    }
}

/// Which indicators are asked for, at the bars of which range.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct IndicatorLinesQuery {
    /// Which ones, once each: `indicators=rsi&indicators=macd`; without it all
    #[param(inline)]
    #[serde(default)]
    indicators: Vec<Indicator>,
    /// The bars; without it those of 1min
    #[param(inline)]
    frequency: Option<Frequency>,
    /// The first moment at which a bar may start, ISO 8601; from the beginning when absent
    #[param(format = DateTime)]
    start: Option<String>,
    /// The moment before which a bar starts, ISO 8601; to the end when absent
    #[param(format = DateTime)]
    end: Option<String>,
    /// The newest so many bars of the range
    #[param(minimum = 1, maximum = 10000, default = 500)]
    max_records: Option<usize>,
}

impl IndicatorLinesQuery {
    pub(in crate::api) fn question(self, instrument_id: i64) -> Result<IndicatorLinesQuestion> {
        let moment = |name: &'static str, text: Option<String>| {
            let parsed = text.map(|text| text.parse::<Timestamp>()).transpose();
            parsed.map_err(|error| match error {
                Error::Invalid { reason, remedy, .. } => Error::invalid(name, reason, remedy),
                other => other,
            })
        };
        let bars_max = self.max_records.unwrap_or(LINES_BARS_DEFAULT);
        let most = usize::try_from(AnalysisWindow::BARS_MAX).unwrap_or(usize::MAX);
        if !(1..=most).contains(&bars_max) {
            let reason = format!("{bars_max} is out of range");
            return Err(Error::invalid(
                "max_records",
                reason,
                format!("write 1 to {most}"),
            ));
        }
        let chosen =
            |which: &Indicator| self.indicators.is_empty() || self.indicators.contains(which);
        let (start, end) = (moment("start", self.start)?, moment("end", self.end)?);
        if let (Some(start), Some(end)) = (start, end)
            && start > end
        {
            let remedy = "give the earlier moment first";
            return Err(Error::invalid("start", "it is after end", remedy));
        }
        Ok(IndicatorLinesQuestion {
            instrument_id,
            frequency: self.frequency.unwrap_or(Frequency::OneMinute),
            start,
            end,
            bars_max,
            indicators: Indicator::ALL.into_iter().filter(chosen).collect(),
        })
    }
}

/// What figures of risk take in.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct RiskQuery {
    /// How far back they look, from the newest bar
    #[param(minimum = 1, maximum = 8760, default = 8760)]
    lookback_hours: Option<u32>,
    /// The bars; without it the shortest that makes 1,000 of them at most
    #[param(inline)]
    frequency: Option<Frequency>,
    /// The risk-free rate of a year: 0.02 for 2 %
    #[param(minimum = -0.5, maximum = 1, default = 0)]
    risk_free_rate: Option<f64>,
    /// The instrument that beta is taken against
    benchmark_id: Option<i64>,
}

impl RiskQuery {
    pub(in crate::api) fn question(&self, instrument_id: i64) -> Result<RiskQuestion> {
        let window = window(self.lookback_hours, YEAR_HOURS, self.frequency)?;
        let question = RiskQuestion::new(instrument_id, window);
        Ok(RiskQuestion {
            risk_free_rate: self.risk_free_rate.unwrap_or(question.risk_free_rate),
            benchmark_id: self.benchmark_id,
            ..question
        })
    }
}

/// A value at risk to calculate.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ValueAtRiskRequest)]
pub(in crate::api) struct ValueAtRiskBody {
    #[serde(deserialize_with = "whole::number")]
    instrument_id: i64,
    /// Without it historical.
    method: Option<RiskMethodName>,
    /// With which probability the loss stays below it.
    #[schema(minimum = 0.5, maximum = 0.999, default = 0.95)]
    confidence_level: Option<f64>,
    /// In how many bars the loss may come.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schema(minimum = 1, maximum = 1000, default = 1)]
    horizon_bars: Option<u16>,
    /// How far back it looks, from the newest bar.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schema(minimum = 1, maximum = 8760, default = 8760)]
    lookback_hours: Option<u32>,
    /// The bars; without it the shortest that makes 1,000 of them at most.
    frequency: Option<Frequency>,
    /// The value of the position, for amounts beside the shares.
    #[schema(minimum = 0, maximum = 1e15)]
    position_value: Option<f64>,
    /// Paths of a Monte Carlo simulation.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schema(minimum = 1000, maximum = 100000, default = 10000)]
    simulations: Option<u32>,
    /// Where its random numbers begin: the same seed gives the same answer.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schema(default = 42)]
    seed: Option<u64>,
}

impl ValueAtRiskBody {
    fn method(&self) -> RiskMethodName {
        self.method.unwrap_or_default()
    }

    pub(in crate::api) fn question(&self) -> Result<ValueAtRiskQuestion> {
        let standard = Simulation::default();
        let paths = self.simulations.unwrap_or(standard.paths());
        let simulation = Simulation::new(paths, self.seed.unwrap_or(standard.seed))?;
        if self
            .position_value
            .is_some_and(|value| !(0.0..=POSITION_MAX).contains(&value))
        {
            let remedy = format!("write 0 to {POSITION_MAX:e}, or leave it out");
            return Err(Error::invalid(
                "position_value",
                "it is out of range",
                remedy,
            ));
        }
        Ok(ValueAtRiskQuestion {
            instrument_id: self.instrument_id,
            window: window(self.lookback_hours, YEAR_HOURS, self.frequency)?,
            method: match self.method() {
                RiskMethodName::Historical => RiskMethod::Historical,
                RiskMethodName::Parametric => RiskMethod::Parametric,
                RiskMethodName::MonteCarlo => RiskMethod::MonteCarlo(simulation),
            },
            confidence: match self.confidence_level {
                Some(level) => Confidence::new(level)?,
                None => Confidence::default(),
            },
            horizon: match self.horizon_bars {
                Some(bars) => Horizon::new(bars)?,
                None => Horizon::default(),
            },
        })
    }
}

/// A volume profile to calculate.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = VolumeProfileRequest)]
pub(in crate::api) struct VolumeProfileBody {
    #[serde(deserialize_with = "whole::number")]
    instrument_id: i64,
    /// How far back it looks, from the newest bar.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schema(minimum = 1, maximum = 8760, default = 24)]
    lookback_hours: Option<u32>,
    /// The bars; without it the shortest that makes 1,000 of them at most.
    frequency: Option<Frequency>,
    /// Rows of the profile.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schema(minimum = 1, maximum = 1000, default = 24)]
    buckets: Option<u32>,
}

impl VolumeProfileBody {
    pub(in crate::api) fn question(&self) -> Result<VolumeQuestion> {
        Ok(VolumeQuestion {
            instrument_id: self.instrument_id,
            window: window(self.lookback_hours, DAY_HOURS, self.frequency)?,
            buckets: match self.buckets {
                Some(rows) => Buckets::new(rows)?,
                None => Buckets::default(),
            },
        })
    }
}

fn instrument_ids() -> RefOr<Schema> {
    let format = SchemaFormat::KnownFormat(KnownFormat::Int64);
    let id = ObjectBuilder::new().schema_type(Type::Integer);
    let ids = ArrayBuilder::new().items(id.format(Some(format)));
    let most = CorrelationQuestion::INSTRUMENTS_MAX;
    ids.min_items(Some(2))
        .max_items(Some(most))
        .unique_items(true)
        .into()
}

/// Whose correlations are asked for.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct CorrelationQuery {
    /// 2 to 20 instruments, once each: `instrument_ids=1&instrument_ids=2`
    #[param(schema_with = instrument_ids)]
    instrument_ids: Vec<i64>,
    /// How far back they look, from the newest bar of each
    #[param(minimum = 1, maximum = 8760, default = 8760)]
    lookback_hours: Option<u32>,
    /// The bars; without it the shortest that makes 1,000 of them at most
    #[param(inline)]
    frequency: Option<Frequency>,
}

impl CorrelationQuery {
    pub(in crate::api) fn question(self) -> Result<CorrelationQuestion> {
        let window = window(self.lookback_hours, YEAR_HOURS, self.frequency)?;
        CorrelationQuestion::new(self.instrument_ids, window)
    }
}
