//! Market analysis and indicators at the newest bar.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::engine::{AnswerHead, ask, instrument, missing, now, price};
use super::indicators::{IndicatorItem, TechnicalIndicator, atr_percent};
use crate::api::ApiState;
use crate::api::tradeassist::fields::{FieldLocation, RequestFields};
use crate::api::tradeassist::refusal::Refusal;
use crate::api::tradeassist::values;
use crate::domain::Frequency;
use crate::services::analytics::{Measured, PriceLevel};
use crate::services::analytics_engine::{
    AnalysisWindow, PricePattern, TechnicalQuestion, Technicals,
};

/// Bars below which there is no market analysis.
const ANALYSIS_BARS_MIN: usize = 50;
/// Bars below which there are no indicators.
const INDICATOR_BARS_MIN: usize = 20;
/// Levels above and below the price.
const LEVELS_MAX: usize = 3;
/// The largest volatility rank.
const RANK_MAX: f64 = 5.0;

#[derive(Debug, Serialize)]
pub(super) struct AnalysisAnswer {
    #[serde(flatten)]
    head: AnswerHead,
    lookback_hours: u32,
    technical_indicators: Vec<IndicatorItem>,
    trend_analysis: TrendAnalysis,
    volatility_metrics: VolatilityMetrics,
    support_resistance: SupportResistance,
    pattern_signals: Vec<PatternSignal>,
}

#[derive(Debug, Serialize)]
struct TrendAnalysis {
    short_term: &'static str,
    medium_term: &'static str,
    long_term: &'static str,
    trend_strength_20d: Option<f64>,
    current_price: Option<f64>,
    ma_20: Option<f64>,
    ma_50: Option<f64>,
}

#[derive(Debug, Serialize)]
struct VolatilityMetrics {
    volatility_annualized: Option<f64>,
    atr_percent: Option<f64>,
    daily_volatility: Option<f64>,
    volatility_rank: Option<f64>,
}

#[derive(Debug, Serialize)]
struct SupportResistance {
    support: Vec<f64>,
    resistance: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct PatternSignal {
    pattern: &'static str,
    signal: &'static str,
    confidence: f64,
    description: String,
}

pub(super) async fn analysis(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<AnalysisAnswer>, Refusal> {
    let id = fields.id("instrument_id");
    let hours = values::within(1..=i64::from(AnalysisWindow::LOOKBACK_HOURS_MAX));
    let hours = fields.or(FieldLocation::Query, "lookback_hours", 24, hours);
    let id = fields.complete(id)?;
    let instrument = instrument(&state, id).await?;
    let lookback_hours = u32::try_from(hours).unwrap_or(u32::MAX);
    let window = AnalysisWindow::new(lookback_hours, None)?;
    let question = TechnicalQuestion {
        instrument_id: id,
        window,
    };
    let of = ask(&state, question).await?;
    if of.extent.bars < ANALYSIS_BARS_MIN {
        return Err(missing("Insufficient data for analysis"));
    }
    let head = AnswerHead::new(&state, &instrument);
    let all = TechnicalIndicator::ALL.into_iter();
    Ok(Json(AnalysisAnswer {
        lookback_hours,
        technical_indicators: all
            .map(|(_, which)| IndicatorItem::of(which, head.timestamp, &of))
            .collect(),
        head,
        trend_analysis: trend(&of),
        volatility_metrics: volatility(&of),
        support_resistance: levels(&of),
        pattern_signals: of.patterns.iter().map(signal).collect(),
    }))
}

fn trend(of: &Technicals) -> TrendAnalysis {
    let [_, _, ma_20, ma_50, ma_200] = of.averages;
    let side = |average: Measured<f64>| match (of.close, average) {
        (Ok(close), Ok(average)) if close > average => "bullish",
        (Ok(_), Ok(_)) => "bearish",
        _ => "insufficient_data",
    };
    TrendAnalysis {
        short_term: side(ma_20),
        medium_term: side(ma_50),
        long_term: side(ma_200),
        trend_strength_20d: of.change_share.ok().map(|share| share * 100.0),
        current_price: of.close.ok().map(price),
        ma_20: ma_20.ok().map(price),
        ma_50: ma_50.ok().map(price),
    }
}

fn volatility(of: &Technicals) -> VolatilityMetrics {
    let annual = of.volatility.ok().map(|share| share * 100.0);
    VolatilityMetrics {
        volatility_annualized: annual,
        atr_percent: atr_percent(of),
        daily_volatility: annual.map(|annual| annual / of.days_per_year.bars().sqrt()),
        volatility_rank: annual.map(|annual| (annual / 20.0).min(RANK_MAX)),
    }
}

fn levels(of: &Technicals) -> SupportResistance {
    let nearest = |levels: &[PriceLevel]| {
        let levels = levels.iter().take(LEVELS_MAX);
        levels.map(|level| price(level.price)).collect()
    };
    match &of.levels {
        Ok(levels) => SupportResistance {
            support: nearest(&levels.support),
            resistance: nearest(&levels.resistance),
        },
        Err(_) => SupportResistance {
            support: Vec::new(),
            resistance: Vec::new(),
        },
    }
}

/// The confidences are constants of the original: they are no probabilities.
fn signal(pattern: &PricePattern) -> PatternSignal {
    let (pattern, signal, confidence, description) = match pattern {
        PricePattern::ShortCrossUp => {
            let text = "5-day MA crossed above 20-day MA".to_owned();
            ("golden_cross", "bullish", 0.7, text)
        }
        PricePattern::ShortCrossDown => {
            let text = "5-day MA crossed below 20-day MA".to_owned();
            ("death_cross", "bearish", 0.7, text)
        }
        PricePattern::BreakoutHigh(high) => {
            let text = format!("Price broke above recent high of {high:.2}");
            ("breakout_high", "bullish", 0.6, text)
        }
        PricePattern::BreakdownLow(low) => {
            let text = format!("Price broke below recent low of {low:.2}");
            ("breakdown_low", "bearish", 0.6, text)
        }
    };
    PatternSignal {
        pattern,
        signal,
        confidence,
        description,
    }
}

#[derive(Debug, Serialize)]
pub(super) struct IndicatorAnswer {
    #[serde(flatten)]
    head: AnswerHead,
    indicators: Vec<IndicatorItem>,
}

pub(super) async fn real_time(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<IndicatorAnswer>, Refusal> {
    let id = fields.id("instrument_id");
    let names = fields.all_of("indicators", values::text);
    let id = fields.complete(id)?;
    let instrument = instrument(&state, id).await?;
    let default = || {
        ["rsi", "macd", "bollinger_bands"]
            .map(str::to_owned)
            .to_vec()
    };
    let wanted: Vec<TechnicalIndicator> = names
        .unwrap_or_else(default)
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_, String>>()
        .map_err(|error| {
            let detail = format!("Invalid indicator: {error}");
            Refusal::new(StatusCode::BAD_REQUEST, detail)
        })?;
    let question = TechnicalQuestion {
        instrument_id: id,
        window: AnalysisWindow::settled(Frequency::OneMinute),
    };
    let of = ask(&state, question).await?;
    let is_enough = of.extent.bars >= INDICATOR_BARS_MIN;
    let wanted = wanted.into_iter().filter(|_| is_enough);
    let at = now(&state);
    Ok(Json(IndicatorAnswer {
        head: AnswerHead::new(&state, &instrument),
        indicators: wanted
            .map(|which| IndicatorItem::of(which, at, &of))
            .collect(),
    }))
}
