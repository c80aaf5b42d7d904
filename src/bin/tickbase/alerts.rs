//! `alerts`: the newest alerts, all of them in figures, and sending again what was given up.
//! Acknowledging and silencing is in [`silences`].

mod channel_trial;
mod silences;

use std::collections::{BTreeMap, HashMap};

use clap::{ArgGroup, Args, Subcommand};
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::named::{instrument, moment};
use crate::output::{grouped, table};
use crate::{CommandResult, Context};
use tickbase::database::{BackendConnection, Database};
use tickbase::domain::{Frequency, Symbol};
use tickbase::error::Result;
use tickbase::models::AlertLog;
use tickbase::repository::alert_delivery::{self, DeadLetterFilter};
use tickbase::repository::alert_log::{self, AlertFigures, AlertFilter, PageQuery};
use tickbase::repository::{alert_rule, instrument};
use tickbase::timestamp::Timestamp;

const WEEK_MICROS: i64 = 7 * 24 * 60 * 60 * 1_000_000;

#[derive(Debug, Subcommand)]
pub(super) enum AlertsAction {
    /// List alerts, newest first
    List(ListAlertsArguments),
    /// Show how many there were, and how long evaluating took
    Stats,
    /// Have deliveries that were given up (dead letters) tried again, by a running `serve`
    Resend(ResendArguments),
    /// Note down that somebody has seen alerts; the first one who does counts
    Ack(silences::AckArguments),
    /// Store and not deliver what a rule, or all rules of an instrument, fire for a time
    Silence(silences::SilenceArguments),
    /// List the silences in force, newest first
    Silences(silences::SilencesArguments),
    /// End a silence
    Unsilence(silences::UnsilenceArguments),
    /// Send one sample alert on a channel of the settings, and show what the receiver answered;
    /// stores nothing
    TestChannel(channel_trial::TestChannelArguments),
}

#[derive(Debug, Args)]
pub(super) struct ListAlertsArguments {
    /// Only those of this instrument
    #[arg(long)]
    symbol: Option<String>,
    /// Only those of this rule
    #[arg(long, value_name = "ID")]
    rule: Option<i64>,
    /// The first moment: 2013-09-01, 2013-09-01T17:00:00Z, ..
    #[arg(long, value_name = "TIME", value_parser = moment)]
    start: Option<Timestamp>,
    /// The moment before which it ends
    #[arg(long, value_name = "TIME", value_parser = moment)]
    end: Option<Timestamp>,
    /// At most so many, up to 1000
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").args(["ids", "channel", "all"]).required(true).multiple(true)))]
pub(super) struct ResendArguments {
    /// Those of these alerts, by their ids
    #[arg(value_name = "ID", conflicts_with = "all")]
    ids: Vec<i64>,
    /// Only those of this channel
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// All of them
    #[arg(long)]
    all: bool,
    /// Change nothing, and list them
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(context: &Context, action: &AlertsAction) -> CommandResult {
    match action {
        AlertsAction::List(arguments) => list(context, arguments),
        AlertsAction::Stats => stats(context),
        AlertsAction::Resend(arguments) => resend(context, arguments),
        AlertsAction::Ack(arguments) => silences::acknowledge(context, arguments),
        AlertsAction::Silence(arguments) => silences::add(context, arguments),
        AlertsAction::Silences(arguments) => silences::list(context, arguments),
        AlertsAction::Unsilence(arguments) => silences::lift(context, arguments),
        AlertsAction::TestChannel(arguments) => channel_trial::run(context, arguments),
    }
}

#[derive(Serialize)]
struct ListedAlert {
    id: i64,
    timestamp: String,
    symbol: String,
    rule_id: i64,
    rule_name: Option<String>,
    trigger_value: f64,
    threshold_value: Option<f64>,
    fired_status: &'static str,
    delivery_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_by: Option<String>,
    message: String,
}

#[derive(Serialize)]
struct AlertListing {
    alerts: Vec<ListedAlert>,
    /// Whether there are older ones.
    has_more: bool,
}

fn list(context: &Context, arguments: &ListAlertsArguments) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let symbol = arguments.symbol.as_deref().map(Symbol::new).transpose()?;
    let of = symbol.map(|symbol| instrument(&database, &symbol).map(|found| found.id));
    let filter = AlertFilter {
        instrument_id: of.transpose()?,
        rule_id: arguments.rule,
        start: arguments.start,
        end: arguments.end,
        ..AlertFilter::default()
    };
    let query = PageQuery::new(filter, arguments.limit);
    let listed = database.read("alert_log.page", |conn| {
        let page = alert_log::page(conn, &query)?;
        Ok(AlertListing {
            has_more: page.next.is_some(),
            alerts: shown(conn, page.rows)?,
        })
    })?;
    context.output.result(&listed, for_people)
}

fn shown(conn: &mut BackendConnection<'_>, rows: Vec<AlertLog>) -> Result<Vec<ListedAlert>> {
    let ids = |id: fn(&AlertLog) -> i64| {
        let mut ids: Vec<i64> = rows.iter().map(id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let rules = alert_rule::labels_of_all(conn, &ids(|row| row.rule_id))?;
    let rules: HashMap<i64, Option<String>> =
        rules.into_iter().map(|rule| (rule.id, rule.name)).collect();
    let symbols = symbols(conn, &ids(|row| row.instrument_id))?;
    let one = |row: AlertLog| ListedAlert {
        id: row.id,
        timestamp: row.timestamp.to_string(),
        symbol: symbols.get(&row.instrument_id).cloned().unwrap_or_default(),
        rule_id: row.rule_id,
        rule_name: rules.get(&row.rule_id).cloned().flatten(),
        trigger_value: row.trigger_value,
        threshold_value: row.threshold_value,
        fired_status: row.fired_status.as_str(),
        delivery_status: row.delivery_status.as_str(),
        acknowledged_by: row.acknowledged_by,
        message: row.alert_message,
    };
    Ok(rows.into_iter().map(one).collect())
}

/// The symbols of instruments, deleted ones included.
fn symbols(conn: &mut BackendConnection<'_>, ids: &[i64]) -> Result<HashMap<i64, String>> {
    let labels = instrument::labels_of_all(conn, ids)?;
    let symbol = |label: instrument::InstrumentLabel| (label.id, label.symbol.to_string());
    Ok(labels.into_iter().map(symbol).collect())
}

fn for_people(listed: &AlertListing) -> String {
    if listed.alerts.is_empty() {
        return "there are no alerts".to_owned();
    }
    let line = |alert: &ListedAlert| format!("{}  {}\n", alert.timestamp, alert.message);
    let mut text: String = listed.alerts.iter().map(line).collect();
    if listed.has_more {
        text.push_str("there are older ones: --limit or --end shows them\n");
    }
    text
}

/// Figures of the last 7 days, but for the first.
#[derive(Serialize)]
struct Stats {
    total_alerts_today: i64,
    total_alerts_this_week: i64,
    avg_evaluation_time_ms: Option<f64>,
    fastest_evaluation_ms: Option<f64>,
    slowest_evaluation_ms: Option<f64>,
    alerts_by_instrument: BTreeMap<String, i64>,
    alerts_by_rule_type: BTreeMap<&'static str, i64>,
}

fn stats(context: &Context) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let now = database.clock().now();
    let stats = database.read("alert_log.stats", |conn| figures(conn, now))?;
    context.output.result(&stats, |stats| {
        let ms = |value: Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.3} ms"));
        let mut rows = vec![
            vec!["alerts today".to_owned(), grouped(stats.total_alerts_today)],
            vec![
                "in 7 days".to_owned(),
                grouped(stats.total_alerts_this_week),
            ],
            vec![
                "evaluation, mean".to_owned(),
                ms(stats.avg_evaluation_time_ms),
            ],
            vec!["  fastest".to_owned(), ms(stats.fastest_evaluation_ms)],
            vec!["  slowest".to_owned(), ms(stats.slowest_evaluation_ms)],
        ];
        for (symbol, count) in &stats.alerts_by_instrument {
            rows.push(vec![format!("of {symbol}"), grouped(*count)]);
        }
        for (rule_type, count) in &stats.alerts_by_rule_type {
            rows.push(vec![format!("by {rule_type}"), grouped(*count)]);
        }
        table(&rows)
    })
}

fn figures(conn: &mut BackendConnection<'_>, now: Timestamp) -> Result<Stats> {
    let groups = alert_log::groups_since(conn, now.saturating_add_micros(-WEEK_MICROS))?;
    let of_today = AlertFilter {
        start: Some(Frequency::OneDay.period_start(now)),
        ..AlertFilter::default()
    };
    let ids: Vec<i64> = groups.iter().map(|group| group.instrument_id).collect();
    let symbols = symbols(conn, &ids)?;
    let ids: Vec<i64> = groups.iter().map(|group| group.rule_id).collect();
    let types: HashMap<i64, &'static str> = alert_rule::labels_of_all(conn, &ids)?
        .into_iter()
        .map(|rule| (rule.id, rule.rule_type.as_str()))
        .collect();
    let mut by_instrument = BTreeMap::new();
    let mut by_type = BTreeMap::new();
    for group in &groups {
        let symbol = symbols.get(&group.instrument_id).cloned();
        *by_instrument.entry(symbol.unwrap_or_default()).or_default() += group.count;
        let rule_type = types.get(&group.rule_id).copied().unwrap_or_default();
        *by_type.entry(rule_type).or_default() += group.count;
    }
    let all = AlertFigures::of(&groups);
    let ms = |micros: Option<i64>| micros.map(|micros| micros as f64 / 1e3);
    Ok(Stats {
        total_alerts_today: alert_log::count(conn, of_today)?,
        total_alerts_this_week: all.count,
        avg_evaluation_time_ms: all.evaluation_us_mean.map(|micros| micros / 1e3),
        fastest_evaluation_ms: ms(all.evaluation_us_min),
        slowest_evaluation_ms: ms(all.evaluation_us_max),
        alerts_by_instrument: by_instrument,
        alerts_by_rule_type: by_type,
    })
}

/// A delivery that was given up.
#[derive(Serialize)]
struct DeadLetter {
    alert_id: i64,
    channel: String,
    attempts: i32,
    given_up_at: Option<String>,
    last_error: Option<String>,
}

#[derive(Serialize)]
struct ResendReport {
    dry_run: bool,
    /// Deliveries that are due again, or would be.
    resent: usize,
    /// They, of a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<Vec<DeadLetter>>,
}

fn resend(context: &Context, arguments: &ResendArguments) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    if !arguments.ids.is_empty() {
        // A slip in one of them is told before anything is sent.
        database.read("alert_log.get", |conn| {
            arguments
                .ids
                .iter()
                .try_for_each(|id| alert_log::get(conn, *id).map(drop))
        })?;
    }
    let filter = |alert_id: Option<i64>| DeadLetterFilter {
        alert_id,
        channel: arguments.channel.clone(),
    };
    let filters: Vec<DeadLetterFilter> = match arguments.ids.as_slice() {
        [] => vec![filter(None)],
        ids => ids.iter().map(|id| filter(Some(*id))).collect(),
    };
    let (mut resent, mut listed) = (0, arguments.dry_run.then(Vec::new));
    for filter in &filters {
        match &mut listed {
            None => resent += alert_delivery::resend_all(&database, filter)?,
            Some(listed) => {
                listed.extend(dead_letters(&database, filter)?);
                resent = listed.len();
            }
        }
    }
    database.close();
    let report = ResendReport {
        dry_run: arguments.dry_run,
        resent,
        deliveries: listed,
    };
    context.output.result(&report, resent_for_people)
}

fn dead_letters(database: &Database, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = database.read("alert_delivery.dead_letters", |conn| {
            alert_delivery::dead_letters(conn, filter, before, alert_delivery::LIMIT_MAX)
        })?;
        let Some(last) = page.last() else {
            return Ok(all);
        };
        before = Some(last.id);
        all.extend(page.into_iter().map(|row| DeadLetter {
            alert_id: row.alert_id,
            channel: row.channel,
            attempts: row.attempts,
            given_up_at: row.completed_at.map(|at| at.to_string()),
            last_error: row.last_error,
        }));
    }
}

fn resent_for_people(report: &ResendReport) -> String {
    let count = grouped(report.resent as u64);
    let Some(listed) = &report.deliveries else {
        return match report.resent {
            0 => "none of these deliveries was given up: there is nothing to send again".to_owned(),
            _ => format!("{count} deliveries are due again: a running `tickbase serve` tries them"),
        };
    };
    let mut rows = vec![
        ["alert", "channel", "given up", "why"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(listed.iter().map(|letter| {
        vec![
            letter.alert_id.to_string(),
            letter.channel.clone(),
            letter.given_up_at.clone().unwrap_or_default(),
            letter.last_error.clone().unwrap_or_default(),
        ]
    }));
    format!(
        "{}\n{count} deliveries would be tried again",
        table(&rows).trim_end()
    )
}
