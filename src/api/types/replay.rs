//! The replay of a rule, as the API takes and answers it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Rounding, RuleBody};
use crate::domain::PriceDecimals;
use crate::services::alert_engine::Firing;
use crate::services::replay::Replayed;

/// A rule to try, and the range of ticks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RuleReplay)]
pub(in crate::api) struct ReplayBody {
    /// As it would be added; whether it is active makes no difference.
    pub(in crate::api) rule: RuleBody,
    /// The first moment, ISO 8601; from the beginning when absent. What the rule needs of the time
    /// before is read, too.
    #[schema(format = DateTime)]
    pub(in crate::api) start: Option<String>,
    /// The moment that is no longer part of it, ISO 8601; to the end when absent.
    #[schema(format = DateTime)]
    pub(in crate::api) end: Option<String>,
}

/// What a rule would have fired.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleReplayed)]
pub(in crate::api) struct ReplayAnswer {
    /// Ticks that were evaluated.
    ticks: u64,
    /// Ticks before the range, read for the past that the rule needs.
    warm_up_ticks: u64,
    /// Firings in all.
    fired: u64,
    /// Matches that a cooldown held back.
    suppressed: u64,
    /// True when the range has more ticks than one request evaluates.
    has_more: bool,
    /// The first 1,000 firings, oldest first.
    firings: Vec<ReplayedFiring>,
}

impl ReplayAnswer {
    pub(in crate::api) fn new(of: Replayed, firings: Vec<ReplayedFiring>) -> Self {
        Self {
            ticks: of.ticks,
            warm_up_ticks: of.warm_up_ticks,
            fired: of.fired,
            suppressed: of.suppressed,
            has_more: of.has_more,
            firings,
        }
    }
}

/// A firing that a replay found.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ReplayedFiring {
    /// Event time of the tick, which the next two complete to its key.
    #[schema(format = DateTime)]
    timestamp: String,
    source_id: i64,
    sequence: i64,
    /// Price, percent or volume, by the type of the rule.
    trigger_value: f64,
    /// What it was compared with; null for a multi-condition rule.
    threshold_value: Option<f64>,
    /// The text for people.
    alert_message: String,
}

impl ReplayedFiring {
    pub(in crate::api) fn new(firing: &Firing, places: Option<PriceDecimals>) -> Self {
        let rounding = Rounding::from(places);
        let value = rounding.price(Some(firing.trigger_value));
        Self {
            timestamp: firing.timestamp.to_string(),
            source_id: firing.source_id,
            sequence: firing.sequence,
            trigger_value: value.unwrap_or(firing.trigger_value),
            threshold_value: rounding.price(firing.threshold_value),
            alert_message: firing.message(),
        }
    }
}
