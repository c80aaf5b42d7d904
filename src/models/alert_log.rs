//! Alerts: the row, and a new one.

use diesel::prelude::*;

use crate::domain::{DeliveryStatus, FiredStatus};
use crate::error::{Error, Result};
use crate::models::soft_deletable_row;
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::alert_logs;
use crate::timestamp::Timestamp;

/// An alert. Its identity is (rule_id, instrument_id, timestamp, source_id, sequence): the rule
/// and the tick that fired it, so that each pair fires at most once.
#[derive(Debug, Clone, PartialEq, HasQuery)]
#[diesel(table_name = alert_logs)]
#[diesel(base_query = alert_logs::table.active(), base_query_type = Active<alert_logs::table>)]
#[non_exhaustive]
pub struct AlertLog {
    /// Its number.
    pub id: i64,
    /// Time of the tick that fired it.
    pub timestamp: Timestamp,
    /// Source of that tick.
    pub source_id: i64,
    /// Number of that tick within its stamp and source.
    pub sequence: i64,
    /// The rule.
    pub rule_id: i64,
    /// The instrument.
    pub instrument_id: i64,
    /// The value that matched: price, percent or volume, by the type of the rule.
    pub trigger_value: f64,
    /// The threshold at that moment; none for a multi-condition rule.
    pub threshold_value: Option<f64>,
    /// The outcome of the match.
    pub fired_status: FiredStatus,
    /// How far its delivery got.
    pub delivery_status: DeliveryStatus,
    /// Time that evaluating the rule took, in microseconds.
    pub evaluation_time_us: i64,
    /// The rule's condition at that moment.
    pub rule_condition: String,
    /// The text for people.
    pub alert_message: String,
    /// The last failure of its delivery.
    pub error_message: Option<String>,
    /// When delivery was first tried.
    pub delivery_attempted_at: Option<Timestamp>,
    /// When delivery ended.
    pub delivery_completed_at: Option<Timestamp>,
    /// When it was deleted, if it was.
    pub deleted_at: Option<Timestamp>,
    /// The silence that keeps it from being delivered, if one does.
    pub silence_id: Option<i64>,
    /// When somebody acknowledged it.
    pub acknowledged_at: Option<Timestamp>,
    /// Who did.
    pub acknowledged_by: Option<String>,
    /// What was said of it.
    pub acknowledgement_note: Option<String>,
    /// The trace of the request whose tick fired it, 32 hexadecimal digits, if it has one.
    pub trace_id: Option<String>,
}
soft_deletable_row!(AlertLog);
crate::identifiable!(AlertLog of alert_logs by id: i64);

/// An alert to store.
#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = alert_logs, treat_none_as_default_value = false)]
pub struct NewAlertLog {
    /// Time of the tick that fired it.
    pub timestamp: Timestamp,
    /// Source of that tick.
    pub source_id: i64,
    /// Number of that tick within its stamp and source.
    pub sequence: i64,
    /// The rule.
    pub rule_id: i64,
    /// The instrument.
    pub instrument_id: i64,
    /// The value that matched: price, percent or volume, by the type of the rule.
    pub trigger_value: f64,
    /// The threshold at that moment; none for a multi-condition rule.
    pub threshold_value: Option<f64>,
    /// The outcome of the match.
    pub fired_status: FiredStatus,
    /// How far its delivery got.
    pub delivery_status: DeliveryStatus,
    /// Time that evaluating the rule took, in microseconds; not negative.
    pub evaluation_time_us: i64,
    /// The rule's condition.
    pub rule_condition: String,
    /// The text for people.
    pub alert_message: String,
    /// The last failure of its delivery.
    pub error_message: Option<String>,
}

impl NewAlertLog {
    /// Checks what the types leave open: a database keeps no NaN, and SQLite would store NULL.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value that is not finite or a time below zero.
    pub fn check(&self) -> Result<()> {
        let values = [
            ("trigger_value", Some(self.trigger_value)),
            ("threshold_value", self.threshold_value),
        ];
        for (name, value) in values {
            if let Some(value) = value.filter(|value| !value.is_finite()) {
                let reason = format!("{value} is not a finite number");
                return Err(Error::invalid(
                    name,
                    reason,
                    "give the value that was compared",
                ));
            }
        }
        if self.evaluation_time_us < 0 {
            let reason = format!("{} is below zero", self.evaluation_time_us);
            let remedy = "give the microseconds that evaluating took";
            return Err(Error::invalid("evaluation_time_us", reason, remedy));
        }
        Ok(())
    }
}
