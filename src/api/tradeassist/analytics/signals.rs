//! Anomalies and the trend: by rules, where the original has models of its machine.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::engine::{AnswerHead, ask, instrument, price};
use crate::api::ApiState;
use crate::api::tradeassist::fields::{FieldLocation, RequestFields};
use crate::api::tradeassist::moments::NaiveMoment;
use crate::api::tradeassist::refusal::Refusal;
use crate::api::tradeassist::values;
use crate::services::analytics::{OUTLIER_SCORE_MIN, Trend};
use crate::services::analytics_engine::{
    AnalysisWindow, Anomaly, AnomalyQuestion, TrendAnswer, TrendQuestion,
};

/// The hours of bars that a trend is taken from.
const TREND_HOURS: u32 = 48;
/// The score below which an anomaly is severe, as in the original.
const SEVERE_SCORE: f64 = -0.5;

#[derive(Debug, Serialize)]
pub(super) struct AnomaliesAnswer {
    #[serde(flatten)]
    head: AnswerHead,
    lookback_hours: u32,
    anomalies_detected: usize,
    anomalies: Vec<AnomalyItem>,
}

#[derive(Debug, Serialize)]
struct AnomalyItem {
    timestamp: NaiveMoment,
    anomaly_score: f64,
    severity: &'static str,
    features: FeatureFigures,
}

#[derive(Debug, Serialize)]
struct FeatureFigures {
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    ma_5: Option<f64>,
    ma_10: Option<f64>,
    ma_20: Option<f64>,
    rsi: Option<f64>,
    price_change_1: Option<f64>,
    price_change_5: Option<f64>,
    price_change_10: Option<f64>,
    volume_ma: Option<f64>,
    volume_ratio: Option<f64>,
    volatility: Option<f64>,
    price_position: Option<f64>,
}

impl From<&Anomaly> for FeatureFigures {
    fn from(of: &Anomaly) -> Self {
        let (candle, features) = (&of.candle, &of.features);
        let [ma_5, ma_10, ma_20] = features.averages.map(|it| it.map(price));
        let [price_change_1, price_change_5, price_change_10] = features.changes;
        Self {
            open: price(candle.open),
            high: price(candle.high),
            low: price(candle.low),
            close: price(candle.close),
            volume: candle.volume,
            ma_5,
            ma_10,
            ma_20,
            rsi: features.rsi,
            price_change_1,
            price_change_5,
            price_change_10,
            volume_ma: features.mean_volume,
            volume_ratio: features.volume_ratio,
            volatility: features.deviation,
            price_position: features.price_position,
        }
    }
}

impl From<&Anomaly> for AnomalyItem {
    fn from(of: &Anomaly) -> Self {
        // Below 0 for an anomaly, and the lower the farther: the original's scale.
        let anomaly_score = 1.0 - of.score / OUTLIER_SCORE_MIN;
        Self {
            timestamp: NaiveMoment(of.candle.timestamp),
            anomaly_score,
            severity: if anomaly_score < SEVERE_SCORE {
                "high"
            } else {
                "medium"
            },
            features: of.into(),
        }
    }
}

pub(super) async fn anomalies(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<AnomaliesAnswer>, Refusal> {
    let id = fields.id("instrument_id");
    let hours = fields.or(
        FieldLocation::Query,
        "lookback_hours",
        24,
        values::within(1..=168),
    );
    let id = fields.complete(id)?;
    let instrument = instrument(&state, id).await?;
    let lookback_hours = u32::try_from(hours).unwrap_or(u32::MAX);
    let question = AnomalyQuestion {
        instrument_id: id,
        window: AnalysisWindow::new(lookback_hours, None)?,
    };
    let of = ask(&state, question).await?;
    Ok(Json(AnomaliesAnswer {
        head: AnswerHead::new(&state, &instrument),
        lookback_hours,
        anomalies_detected: of.found.len(),
        anomalies: of.found.iter().map(AnomalyItem::from).collect(),
    }))
}

#[derive(Debug, Serialize)]
pub(super) struct ClassificationAnswer {
    #[serde(flatten)]
    head: AnswerHead,
    #[serde(flatten)]
    classification: Classification,
}

/// What a trend is said to be.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Classification {
    Unknown {
        trend: &'static str,
        confidence: f64,
    },
    Found {
        trend: &'static str,
        confidence: f64,
        trend_slope: f64,
        volatility: f64,
        momentum: f64,
        analysis_period: &'static str,
    },
}

impl Classification {
    /// None where bars are too few for one of the figures.
    fn of(of: &TrendAnswer) -> Option<Self> {
        let line = of.line.ok()?;
        let (trend, confidence) = match of.trend.ok()? {
            Trend::Up => ("bullish", line.r_squared),
            Trend::Down => ("bearish", line.r_squared),
            Trend::Sideways => ("sideways", 1.0 - line.r_squared),
        };
        Some(Self::Found {
            trend,
            confidence,
            trend_slope: line.slope,
            volatility: of.deviation.ok()?,
            momentum: of.momentum.ok()?,
            analysis_period: "20_periods",
        })
    }
}

pub(super) async fn trend(
    State(state): State<ApiState>,
    mut fields: RequestFields,
) -> Result<Json<ClassificationAnswer>, Refusal> {
    let id = fields.id("instrument_id");
    let id = fields.complete(id)?;
    let instrument = instrument(&state, id).await?;
    let question = TrendQuestion {
        instrument_id: id,
        window: AnalysisWindow::new(TREND_HOURS, None)?,
    };
    let of = ask(&state, question).await?;
    let unknown = Classification::Unknown {
        trend: "unknown",
        confidence: 0.0,
    };
    Ok(Json(ClassificationAnswer {
        head: AnswerHead::new(&state, &instrument),
        classification: Classification::of(&of).unwrap_or(unknown),
    }))
}
