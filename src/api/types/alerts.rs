//! Alerts as the API writes and reads them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Rounding;
use crate::domain::{ChannelKind, DeliveryState, DeliveryStatus, FiredStatus, PriceDecimals};
use crate::models::{AlertDelivery, AlertLog};
use crate::timestamp::Timestamp;

/// What was tried to deliver an alert on one channel.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AlertDelivery)]
pub(in crate::api) struct DeliveryItem {
    /// The channel's name in the settings.
    channel: String,
    kind: ChannelKind,
    status: DeliveryState,
    /// Attempts that count; those that the receiver put off do not.
    attempts: i32,
    /// When it is due, or may be taken over by another process; null when nothing is left to try.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    /// Why the last attempt that failed did so.
    last_error: Option<String>,
    #[schema(format = DateTime)]
    first_attempted_at: Option<String>,
    /// When it was delivered, or given up.
    #[schema(format = DateTime)]
    completed_at: Option<String>,
}

impl From<AlertDelivery> for DeliveryItem {
    fn from(row: AlertDelivery) -> Self {
        let text = |moment: Option<Timestamp>| moment.map(|moment| moment.to_string());
        Self {
            channel: row.channel,
            kind: row.kind,
            status: row.status,
            attempts: row.attempts,
            next_attempt_at: text(row.next_attempt_at),
            last_error: row.last_error,
            first_attempted_at: text(row.first_attempted_at),
            completed_at: text(row.completed_at),
        }
    }
}

/// Which deliveries that were given up are sent again.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ResendQuery {
    /// Only those of this channel
    #[param(pattern = r"^[a-z0-9_-]{1,64}$")]
    pub(in crate::api) channel: Option<String>,
}

/// What is sent again.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ResentCount {
    /// Deliveries that had been given up and are due again.
    pub(in crate::api) resent: usize,
}

/// An alert.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Alert)]
pub(in crate::api) struct AlertItem {
    pub(in crate::api) id: i64,
    /// Event time of the tick that fired it.
    #[schema(format = DateTime)]
    pub(in crate::api) timestamp: String,
    pub(in crate::api) rule_id: i64,
    /// The name that the rule has now, deleted or not.
    pub(in crate::api) rule_name: Option<String>,
    pub(in crate::api) instrument_id: i64,
    pub(in crate::api) instrument_symbol: String,
    /// Price, percent or volume, by the type of the rule.
    pub(in crate::api) trigger_value: f64,
    /// What it was compared with; null for a multi-condition rule.
    pub(in crate::api) threshold_value: Option<f64>,
    pub(in crate::api) fired_status: FiredStatus,
    pub(in crate::api) delivery_status: DeliveryStatus,
    /// The rule's condition at that moment; the expression of a multi-condition rule.
    pub(in crate::api) rule_condition: String,
    pub(in crate::api) evaluation_time_ms: f64,
    /// The text for people.
    pub(in crate::api) alert_message: String,
    /// The silence that keeps it from being delivered.
    pub(in crate::api) silence_id: Option<i64>,
    /// When somebody acknowledged it.
    #[schema(format = DateTime)]
    pub(in crate::api) acknowledged_at: Option<String>,
    pub(in crate::api) acknowledged_by: Option<String>,
    pub(in crate::api) acknowledgement_note: Option<String>,
    /// The trace of the request whose tick fired it, if that had a header `traceparent`.
    pub(in crate::api) trace_id: Option<String>,
    /// By channel, as far as the channel has met the alert; absent unless it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(in crate::api) deliveries: Option<Vec<DeliveryItem>>,
}

/// What an alert shows of its rule and its instrument.
#[derive(Debug, Clone, Default)]
pub(in crate::api) struct AlertLabel {
    pub(in crate::api) rule_name: Option<String>,
    pub(in crate::api) symbol: String,
    pub(in crate::api) places: Option<PriceDecimals>,
}

impl AlertItem {
    pub(in crate::api) fn new(row: AlertLog, label: AlertLabel) -> Self {
        let rounding = Rounding::from(label.places);
        let value = rounding.price(Some(row.trigger_value));
        Self {
            id: row.id,
            timestamp: row.timestamp.to_string(),
            rule_id: row.rule_id,
            rule_name: label.rule_name,
            instrument_id: row.instrument_id,
            instrument_symbol: label.symbol,
            trigger_value: value.unwrap_or(row.trigger_value),
            threshold_value: rounding.price(row.threshold_value),
            fired_status: row.fired_status,
            delivery_status: row.delivery_status,
            rule_condition: row.rule_condition,
            evaluation_time_ms: row.evaluation_time_us as f64 / 1e3,
            alert_message: row.alert_message,
            silence_id: row.silence_id,
            acknowledged_at: row.acknowledged_at.map(|at| at.to_string()),
            acknowledged_by: row.acknowledged_by,
            acknowledgement_note: row.acknowledgement_note,
            trace_id: row.trace_id,
            deliveries: None,
        }
    }
}

/// Alerts, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AlertPage {
    pub(in crate::api) alerts: Vec<AlertItem>,
    /// Alerts that pass the filter; null on a page that a cursor asked for.
    pub(in crate::api) total: Option<i64>,
    pub(in crate::api) has_more: bool,
    /// The number of the page; null on a page that a cursor asked for.
    pub(in crate::api) page: Option<u64>,
    /// Alerts of one page.
    pub(in crate::api) limit: usize,
    /// Goes on after the last alert, however deep; null at the end.
    pub(in crate::api) next_cursor: Option<String>,
}

/// Alerts in figures. Days are those of UTC, times those of the ticks.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AlertStats {
    pub(in crate::api) total_alerts_today: i64,
    /// Of the last 7 days, as all that follows.
    pub(in crate::api) total_alerts_this_week: i64,
    /// Null without alerts, as the next two.
    pub(in crate::api) avg_evaluation_time_ms: Option<f64>,
    pub(in crate::api) fastest_evaluation_ms: Option<f64>,
    pub(in crate::api) slowest_evaluation_ms: Option<f64>,
    /// Alerts by symbol.
    pub(in crate::api) alerts_by_instrument: BTreeMap<String, i64>,
    /// Alerts by the type of their rule.
    pub(in crate::api) alerts_by_rule_type: BTreeMap<&'static str, i64>,
}

/// Which alerts are asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct AlertExportQuery {
    /// Only those of this instrument
    pub(in crate::api) instrument_id: Option<i64>,
    /// Only those of this rule
    pub(in crate::api) rule_id: Option<i64>,
    /// Only those that ended so
    #[param(inline)]
    pub(in crate::api) fired_status: Option<FiredStatus>,
    /// Only those whose delivery got so far
    #[param(inline)]
    pub(in crate::api) delivery_status: Option<DeliveryStatus>,
    /// The first day in UTC, like 2013-09-01
    #[param(format = Date)]
    pub(in crate::api) start_date: Option<String>,
    /// The last day in UTC, itself included
    #[param(format = Date)]
    pub(in crate::api) end_date: Option<String>,
}

/// Which alerts a page holds.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct AlertQuery {
    /// The page, from 1. The higher, the longer it takes: follow `cursor` instead
    #[param(minimum = 1, default = 1)]
    pub(in crate::api) page: Option<u64>,
    /// Alerts of one page
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub(in crate::api) per_page: Option<usize>,
    /// Goes on where the page before ended: its `next_cursor`; in place of `page`
    #[param(pattern = r"^-?[0-9]{1,18}\.-?[0-9]{1,19}$")]
    pub(in crate::api) cursor: Option<String>,
    /// Only those of this instrument
    pub(in crate::api) instrument_id: Option<i64>,
    /// Only those of this rule
    pub(in crate::api) rule_id: Option<i64>,
    /// Only those that ended so
    #[param(inline)]
    pub(in crate::api) fired_status: Option<FiredStatus>,
    /// Only those whose delivery got so far
    #[param(inline)]
    pub(in crate::api) delivery_status: Option<DeliveryStatus>,
    /// The first day in UTC, like 2013-09-01
    #[param(format = Date)]
    pub(in crate::api) start_date: Option<String>,
    /// The last day in UTC, itself included
    #[param(format = Date)]
    pub(in crate::api) end_date: Option<String>,
    /// Each alert with its `deliveries`
    #[serde(default)]
    #[param(default = false)]
    pub(in crate::api) with_deliveries: bool,
}

impl AlertQuery {
    /// Returns the filter that a page and an export have in common.
    pub(in crate::api) fn filter(&self) -> AlertExportQuery {
        AlertExportQuery {
            instrument_id: self.instrument_id,
            rule_id: self.rule_id,
            fired_status: self.fired_status,
            delivery_status: self.delivery_status,
            start_date: self.start_date.clone(),
            end_date: self.end_date.clone(),
        }
    }
}
