//! `alerts ack`, `silence`, `silences`, `unsilence`: who has seen an alert, and what is not delivered
//! for a time. A running `serve` and other processes heed it at once: it lies in the database.

use std::time::Duration;

use clap::{ArgGroup, Args};
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::named::{ByArgument, instrument, moment, span};
use crate::output::table;
use crate::{CommandFailure, CommandResult, Context};
use tickbase::domain::Symbol;
use tickbase::models::{AlertSilence, NewAlertSilence, SilenceEnd, SilenceSubject};
use tickbase::repository::alert_log;
use tickbase::repository::alert_silence::{self, SilenceFilter};
use tickbase::timestamp::Timestamp;

#[derive(Debug, Args)]
pub(crate) struct AckArguments {
    /// The ids of the alerts
    #[arg(value_name = "ID", required = true)]
    ids: Vec<i64>,
    /// What is to be said of them
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    by: ByArgument,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["rule", "symbol"]).required(true)))]
#[command(group(ArgGroup::new("end").args(["until", "for"]).required(true)))]
pub(crate) struct SilenceArguments {
    /// The rule
    #[arg(long, value_name = "ID")]
    rule: Option<i64>,
    /// The instrument, all rules of which are silenced
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// When it ends: 2026-12-01, 2026-12-01T17:00:00Z, ..
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// How long it lasts: 30m, 2h, 3d
    #[arg(long = "for", id = "for", value_name = "SPAN", value_parser = span, allow_hyphen_values = true)]
    lasts: Option<i64>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    by: ByArgument,
}

#[derive(Debug, Args)]
pub(crate) struct SilencesArguments {
    /// Those that ended, too
    #[arg(long)]
    all: bool,
    /// At most so many, up to 1000
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct UnsilenceArguments {
    /// The number of the silence
    #[arg(value_name = "ID")]
    id: i64,
    #[command(flatten)]
    by: ByArgument,
}

#[derive(Serialize)]
struct AckReport {
    /// Alerts that nobody had acknowledged.
    acknowledged: Vec<i64>,
    by: String,
}

pub(super) fn acknowledge(context: &Context, arguments: &AckArguments) -> CommandResult {
    let by = arguments.by.name()?;
    let database = context.open(DatabaseNeed::Existing)?;
    let now = database.clock().now();
    let (ids, note, who) = (arguments.ids.clone(), arguments.note.clone(), by.clone());
    let new = database.write("alert_log.acknowledge", move |conn| {
        alert_log::acknowledge(conn, &ids, &who, note.as_deref(), now)
    })?;
    database.close();
    let acknowledged: Vec<i64> = new.iter().map(|alert| alert.id).collect();
    let asked = arguments.ids.len();
    let report = AckReport { acknowledged, by };
    context.output.result(&report, |report| {
        let (new, by) = (report.acknowledged.len(), &report.by);
        match asked.saturating_sub(new) {
            0 => format!("{new} acknowledged by {by}"),
            before => format!("{new} acknowledged by {by}; {before} had been before"),
        }
    })
}

#[derive(Serialize)]
struct ListedSilence {
    id: i64,
    rule_id: Option<i64>,
    instrument_id: Option<i64>,
    until: String,
    reason: Option<String>,
    created_by: String,
    created_at: String,
    lifted_by: Option<String>,
    lifted_at: Option<String>,
}

impl From<AlertSilence> for ListedSilence {
    fn from(row: AlertSilence) -> Self {
        Self {
            id: row.id,
            rule_id: row.rule_id,
            instrument_id: row.instrument_id,
            until: row.until.to_string(),
            reason: row.reason,
            created_by: row.created_by,
            created_at: row.created_at.to_string(),
            lifted_by: row.lifted_by,
            lifted_at: row.lifted_at.map(|at| at.to_string()),
        }
    }
}

impl ListedSilence {
    fn subject(&self) -> String {
        match (self.rule_id, self.instrument_id) {
            (Some(id), _) => format!("rule {id}"),
            (None, id) => format!("instrument {}", id.unwrap_or_default()),
        }
    }
}

pub(super) fn add(context: &Context, arguments: &SilenceArguments) -> CommandResult {
    let created_by = arguments.by.name()?;
    let database = context.open(DatabaseNeed::Existing)?;
    let symbol = arguments.symbol.as_deref().map(Symbol::new).transpose()?;
    let subject = match (arguments.rule, symbol) {
        (Some(id), _) => SilenceSubject::Rule(id),
        (None, Some(symbol)) => SilenceSubject::Instrument(instrument(&database, &symbol)?.id),
        (None, None) => return Err(CommandFailure::Usage("give --rule or --symbol".to_owned())),
    };
    let end = match (arguments.until, arguments.lasts) {
        (Some(until), _) => SilenceEnd::At(until),
        (None, lasts) => {
            let micros = u64::try_from(lasts.unwrap_or_default()).unwrap_or(0);
            SilenceEnd::After(Duration::from_micros(micros))
        }
    };
    let new = NewAlertSilence {
        subject,
        end,
        reason: arguments.reason.clone(),
        created_by,
    };
    let added = database.write("alert_silence.insert", move |conn| {
        alert_silence::insert(conn, &new)
    })?;
    database.close();
    context.output.result(&ListedSilence::from(added), |it| {
        format!("silence {}: {} until {}", it.id, it.subject(), it.until)
    })
}

pub(super) fn list(context: &Context, arguments: &SilencesArguments) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let filter = SilenceFilter {
        with_ended: arguments.all,
        ..SilenceFilter::default()
    };
    let rows = database.read("alert_silence.list", |conn| {
        alert_silence::list(conn, filter, None, arguments.limit)
    })?;
    let listed: Vec<ListedSilence> = rows.into_iter().map(Into::into).collect();
    context.output.result(&listed, |listed| for_people(listed))
}

fn for_people(listed: &[ListedSilence]) -> String {
    if listed.is_empty() {
        return "nothing is silenced".to_owned();
    }
    let heads = ["id", "what", "until", "by", "why", "lifted"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(listed.iter().map(|silence| {
        let lifted = silence.lifted_at.as_ref().zip(silence.lifted_by.as_ref());
        vec![
            silence.id.to_string(),
            silence.subject(),
            silence.until.clone(),
            silence.created_by.clone(),
            silence.reason.clone().unwrap_or_default(),
            lifted.map_or_else(String::new, |(at, by)| format!("{at} by {by}")),
        ]
    }));
    table(&rows)
}

pub(super) fn lift(context: &Context, arguments: &UnsilenceArguments) -> CommandResult {
    let by = arguments.by.name()?;
    let database = context.open(DatabaseNeed::Existing)?;
    let id = arguments.id;
    let lifted = database.write("alert_silence.lift", move |conn| {
        alert_silence::lift(conn, id, &by)
    })?;
    database.close();
    context.output.result(&ListedSilence::from(lifted), |it| {
        let until = it.lifted_at.as_ref().unwrap_or(&it.until);
        format!("silence {} of {} ended at {until}", it.id, it.subject())
    })
}
