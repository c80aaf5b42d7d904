//! A few rules for the demo, one of each kind, and what they fired.

use serde::Serialize;

use tickbase::database::Database;
use tickbase::decimal::Decimal;
use tickbase::domain::{Condition, RuleType};
use tickbase::error::Result;
use tickbase::models::{AlertRule, NewAlertRule};
use tickbase::repository::alert_log::{self, AlertFilter, PageQuery};
use tickbase::repository::alert_rule::{self, RuleFilter};

/// The first alerts of a run that are shown one by one.
const SHOWN_MAX: usize = 5;

/// What the rules fired, in all runs on this database.
#[derive(Debug, Serialize)]
pub(super) struct Alerts {
    rules: usize,
    fired: i64,
    by_rule: Vec<(String, i64)>,
    /// The oldest ones.
    first: Vec<DemoAlert>,
}

#[derive(Debug, Serialize)]
struct DemoAlert {
    timestamp: String,
    message: String,
}

/// The rules of the demo on an instrument; those that an earlier run has added stay.
pub(super) fn prepare(database: &Database, instrument_id: i64) -> Result<Vec<AlertRule>> {
    let filter = RuleFilter {
        instrument_id: Some(instrument_id),
        ..RuleFilter::default()
    };
    let wanted = rules(instrument_id)?;
    let now = database.clock().now();
    let mut all = database.write("alert_rule.insert", move |conn| {
        let mut all = alert_rule::list(conn, filter)?;
        for rule in &wanted {
            if !all.iter().any(|known| known.name == rule.name) {
                all.push(alert_rule::insert(conn, rule, now)?);
            }
        }
        Ok(all)
    })?;
    all.sort_by_key(|rule| rule.id);
    Ok(all)
}

fn rules(instrument_id: i64) -> Result<[NewAlertRule; 5]> {
    let rule = |name: &str, rule_type, condition, threshold: Option<&str>| -> Result<_> {
        Ok(NewAlertRule {
            name: Some(format!("demo: {name}")),
            condition: Some(condition),
            threshold: threshold.map(str::parse::<Decimal>).transpose()?,
            ..NewAlertRule::new(instrument_id, rule_type)
        })
    };
    let price = rule(
        "price",
        RuleType::Threshold,
        Condition::Above,
        Some("1641.5"),
    )?;
    let mut mean = rule("mean", RuleType::Crossover, Condition::CrossesBelow, None)?;
    mean.moving_average_period = Some(1_000);
    let change = Condition::PercentChangeDown;
    let mut fall = rule("fall", RuleType::RateOfChange, change, Some("0.1"))?;
    fall.time_window_seconds = Some(60);
    let block = rule(
        "block",
        RuleType::VolumeSpike,
        Condition::VolumeAbove,
        Some("300"),
    )?;
    let both = NewAlertRule {
        name: Some("demo: large and low".to_owned()),
        expression: Some(
            r#"{"all":[{"condition":"below","threshold":"1639"},
                       {"condition":"volume_above","threshold":"100"}]}"#
                .to_owned(),
        ),
        ..NewAlertRule::new(instrument_id, RuleType::MultiCondition)
    };
    Ok([price, mean, fall, block, both])
}

/// What the rules have fired.
pub(super) fn fired(database: &Database, rules: &[AlertRule]) -> Result<Alerts> {
    let count = |rule_id: Option<i64>| {
        let filter = AlertFilter {
            rule_id,
            ..AlertFilter::default()
        };
        database.read("alert_log.count", |conn| alert_log::count(conn, filter))
    };
    let mut by_rule = Vec::with_capacity(rules.len());
    for rule in rules {
        let name = rule.name.clone().unwrap_or_else(|| rule.id.to_string());
        by_rule.push((name, count(Some(rule.id))?));
    }
    // Pages are newest first.
    let all = PageQuery::new(AlertFilter::default(), PageQuery::LIMIT_MAX);
    let newest = database.read("alert_log.page", |conn| alert_log::page(conn, &all))?;
    let oldest = newest.rows.iter().rev().take(SHOWN_MAX);
    Ok(Alerts {
        rules: rules.len(),
        fired: count(None)?,
        by_rule,
        first: oldest
            .map(|alert| DemoAlert {
                timestamp: alert.timestamp.to_string(),
                message: alert.alert_message.clone(),
            })
            .collect(),
    })
}

/// The lines of the report.
pub(super) fn for_people(alerts: &Alerts) -> String {
    let by_rule: Vec<String> = alerts
        .by_rule
        .iter()
        .map(|(name, count)| format!("{} {count}", name.trim_start_matches("demo: ")))
        .collect();
    let mut text = format!(
        "alerts      {} fired by {} rules, each in the transaction of its tick: {}\n",
        alerts.fired,
        alerts.rules,
        by_rule.join(", ")
    );
    for shown in &alerts.first {
        text.push_str(&format!(
            "            {}  {}\n",
            shown.timestamp, shown.message
        ));
    }
    text
}
