//! The alerts of a chart.

use std::collections::HashMap;

use tickbase::chart::AlertMark;
use tickbase::database::BackendConnection;
use tickbase::domain::RuleType;
use tickbase::error::Result;
use tickbase::models::AlertLog;
use tickbase::repository::alert_log::{self, AlertFilter, PageQuery};
use tickbase::repository::alert_rule::{self, RuleLabel};
use tickbase::timestamp::Timestamp;

/// The active alerts of an instrument from a moment on and before another.
pub(crate) fn marks(
    conn: &mut BackendConnection<'_>,
    instrument_id: i64,
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<AlertMark>> {
    let filter = AlertFilter {
        instrument_id: Some(instrument_id),
        start: Some(start),
        end: Some(end),
        ..AlertFilter::default()
    };
    let mut query = PageQuery::new(filter, PageQuery::LIMIT_MAX);
    let mut alerts: Vec<AlertLog> = Vec::new();
    loop {
        let page = alert_log::page(conn, &query)?;
        alerts.extend(page.rows);
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    let mut ids: Vec<i64> = alerts.iter().map(|alert| alert.rule_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let rules = alert_rule::labels_of_all(conn, &ids)?;
    let rules: HashMap<i64, RuleLabel> = rules.into_iter().map(|rule| (rule.id, rule)).collect();
    let mark = |alert: AlertLog| mark(rules.get(&alert.rule_id), alert);
    Ok(alerts.into_iter().map(mark).collect())
}

fn mark(rule: Option<&RuleLabel>, alert: AlertLog) -> AlertMark {
    let rule_type = rule.map(|rule| rule.rule_type);
    let name = rule.and_then(|rule| rule.name.clone());
    AlertMark {
        timestamp: alert.timestamp,
        price: rule_type
            .is_some_and(is_of_price)
            .then_some(alert.trigger_value),
        label: name.unwrap_or_else(|| rule_type.map_or("alert", RuleType::as_str).to_owned()),
        message: alert.alert_message,
    }
}

/// Whether the value that fires a rule is a price, and not a change or a volume.
fn is_of_price(rule_type: RuleType) -> bool {
    match rule_type {
        RuleType::Threshold | RuleType::Crossover | RuleType::MultiCondition => true,
        RuleType::RateOfChange | RuleType::VolumeSpike => false,
    }
}
