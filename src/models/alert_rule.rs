//! Alert rules: the row, a new one, and a change.

use diesel::prelude::*;

use crate::decimal::Decimal;
use crate::domain::{Condition, RuleShape, RuleType};
use crate::models::soft_deletable_row;
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::alert_rules;
use crate::timestamp::Timestamp;

/// When to raise an alert for an instrument.
#[derive(Debug, Clone, PartialEq, Eq, HasQuery)]
#[diesel(table_name = alert_rules)]
#[diesel(base_query = alert_rules::table.active(), base_query_type = Active<alert_rules::table>)]
#[non_exhaustive]
pub struct AlertRule {
    /// Its number.
    pub id: i64,
    /// The instrument that it watches.
    pub instrument_id: i64,
    /// The kind of the rule.
    pub rule_type: RuleType,
    /// When it matches; none for a multi-condition rule.
    pub condition: Option<Condition>,
    /// The value that it compares with.
    pub threshold: Option<Decimal>,
    /// The conditions of a multi-condition rule, JSON text.
    pub expression: Option<String>,
    /// True when it is evaluated.
    pub active: bool,
    /// Its name, at most 100 characters.
    pub name: Option<String>,
    /// A description for people.
    pub description: Option<String>,
    /// The window of a rate of change, in seconds.
    pub time_window_seconds: Option<i32>,
    /// The length of the mean, in ticks.
    pub moving_average_period: Option<i32>,
    /// The pause after firing, in seconds of event time.
    pub cooldown_seconds: i32,
    /// The time of the tick that fired it last.
    pub last_triggered: Option<Timestamp>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was deleted, if it was.
    pub deleted_at: Option<Timestamp>,
}
soft_deletable_row!(AlertRule);
crate::identifiable!(AlertRule of alert_rules by id: i64);

impl AlertRule {
    /// The parts that must fit together.
    #[must_use]
    pub fn shape(&self) -> RuleShape<'_> {
        RuleShape {
            rule_type: self.rule_type,
            condition: self.condition,
            threshold: self.threshold.as_ref(),
            expression: self.expression.as_deref(),
            time_window_seconds: self.time_window_seconds,
            moving_average_period: self.moving_average_period,
            cooldown_seconds: self.cooldown_seconds,
            name: self.name.as_deref(),
        }
    }
}

/// A rule to add.
#[derive(Debug, Clone, PartialEq, Eq, Insertable)]
#[diesel(table_name = alert_rules, treat_none_as_default_value = false)]
pub struct NewAlertRule {
    /// The instrument that it watches.
    pub instrument_id: i64,
    /// The kind of the rule.
    pub rule_type: RuleType,
    /// When it matches; none for a multi-condition rule.
    pub condition: Option<Condition>,
    /// The value that it compares with.
    pub threshold: Option<Decimal>,
    /// The conditions of a multi-condition rule, JSON text.
    pub expression: Option<String>,
    /// True when it is evaluated.
    pub active: bool,
    /// Its name, at most 100 characters.
    pub name: Option<String>,
    /// A description for people.
    pub description: Option<String>,
    /// The window of a rate of change, in seconds.
    pub time_window_seconds: Option<i32>,
    /// The length of the mean, in ticks.
    pub moving_average_period: Option<i32>,
    /// The pause after firing, in seconds of event time.
    pub cooldown_seconds: i32,
}

impl NewAlertRule {
    /// An active rule with a cooldown of 60 seconds and no other parameter.
    #[must_use]
    pub fn new(instrument_id: i64, rule_type: RuleType) -> Self {
        Self {
            instrument_id,
            rule_type,
            condition: None,
            threshold: None,
            expression: None,
            active: true,
            name: None,
            description: None,
            time_window_seconds: None,
            moving_average_period: None,
            cooldown_seconds: 60,
        }
    }

    /// The expression of one condition: TradeAssist gives a multi-condition rule no more.
    #[cfg(any(feature = "server", feature = "sqlite"))] // Who brings such rules along.
    pub(crate) fn expression_of(condition: Condition, threshold: &Decimal) -> String {
        let one = serde_json::json!({
            "condition": condition.as_str(),
            "threshold": threshold.to_string(),
        });
        serde_json::json!({ "all": [one] }).to_string()
    }

    /// The parts that must fit together.
    #[must_use]
    pub fn shape(&self) -> RuleShape<'_> {
        RuleShape {
            rule_type: self.rule_type,
            condition: self.condition,
            threshold: self.threshold.as_ref(),
            expression: self.expression.as_deref(),
            time_window_seconds: self.time_window_seconds,
            moving_average_period: self.moving_average_period,
            cooldown_seconds: self.cooldown_seconds,
            name: self.name.as_deref(),
        }
    }
}

/// A change of a rule: `None` leaves a column as it is, `Some(None)` writes NULL.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = alert_rules)]
pub struct AlertRuleChange {
    /// The kind of the rule.
    pub rule_type: Option<RuleType>,
    /// When it matches.
    pub condition: Option<Option<Condition>>,
    /// The value that it compares with.
    pub threshold: Option<Option<Decimal>>,
    /// The conditions of a multi-condition rule, JSON text.
    pub expression: Option<Option<String>>,
    /// True when it is evaluated.
    pub active: Option<bool>,
    /// Its name, at most 100 characters.
    pub name: Option<Option<String>>,
    /// A description for people.
    pub description: Option<Option<String>>,
    /// The window of a rate of change, in seconds.
    pub time_window_seconds: Option<Option<i32>>,
    /// The length of the mean, in ticks.
    pub moving_average_period: Option<Option<i32>>,
    /// The pause after firing, in seconds of event time.
    pub cooldown_seconds: Option<i32>,
}

impl AlertRuleChange {
    /// The parts that must fit together, of `rule` with this change.
    #[must_use]
    pub fn shape_of<'a>(&'a self, rule: &'a AlertRule) -> RuleShape<'a> {
        let text = |new: &'a Option<Option<String>>, old: &'a Option<String>| {
            new.as_ref().unwrap_or(old).as_deref()
        };
        RuleShape {
            rule_type: self.rule_type.unwrap_or(rule.rule_type),
            condition: self.condition.unwrap_or(rule.condition),
            threshold: self.threshold.as_ref().unwrap_or(&rule.threshold).as_ref(),
            expression: text(&self.expression, &rule.expression),
            time_window_seconds: self.time_window_seconds.unwrap_or(rule.time_window_seconds),
            moving_average_period: self
                .moving_average_period
                .unwrap_or(rule.moving_average_period),
            cooldown_seconds: self.cooldown_seconds.unwrap_or(rule.cooldown_seconds),
            name: text(&self.name, &rule.name),
        }
    }
}
