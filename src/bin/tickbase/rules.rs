//! `rules`: lists, adds and removes alert rules, and moves them between databases as files.

mod file;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use file::{ExportedRule, is_same, renamed};
pub(super) use file::{NamedRule, RuleFormat, read as read_file, type_of};

use crate::database::DatabaseNeed;
use crate::deletions::{DeletionArguments, undo_hint};
use crate::named::{self, unknown};
use crate::output::{cannot_write, table, to_file, to_stderr, to_stdout};
use crate::{CommandResult, Context};
use tickbase::database::BackendConnection;
use tickbase::decimal::Decimal;
use tickbase::domain::{Condition, RuleType, Symbol};
use tickbase::error::Result;
use tickbase::models::{AlertRule, Deletion, NewAlertRule};
use tickbase::repository::alert_rule::{self, RuleFilter};
use tickbase::repository::{deletion, instrument};

#[derive(Debug, Subcommand)]
pub(super) enum RulesAction {
    /// List the rules, newest first
    List(ListRulesArguments),
    /// Add a rule
    Add(Box<AddArguments>),
    /// Move rules to the trash; their alerts stay
    Remove {
        /// Their ids, as `rules list` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
        #[command(flatten)]
        deletion: DeletionArguments,
    },
    /// Add the rules of a file, all or none; those that are there already stay as they are
    Import {
        /// TOML or JSON
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// What the file is, when its ending does not say it
        #[arg(long, value_enum)]
        format: Option<RuleFormat>,
    },
    /// Write the rules as a file that `rules import` reads back
    Export {
        /// The file to write; standard output by default
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// toml, unless the ending of the file says otherwise
        #[arg(long, value_enum)]
        format: Option<RuleFormat>,
    },
}

#[derive(Debug, Args)]
pub(super) struct ListRulesArguments {
    /// Only those of this instrument
    #[arg(long)]
    symbol: Option<String>,
    /// Only those of this type, such as threshold
    #[arg(long = "type", value_name = "TYPE")]
    rule_type: Option<RuleType>,
    /// Only those that are evaluated
    #[arg(long)]
    active_only: bool,
}

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// The instrument
    #[arg(long)]
    symbol: String,
    /// above, below, equals, crosses_above, crosses_below, percent_change_up,
    /// percent_change_down or volume_above; the type of the rule follows from it
    #[arg(long, required_unless_present = "expression")]
    condition: Option<Condition>,
    /// What is compared with, exact, at any magnitude; equals means nearer than half a unit of
    /// the last place that the instrument shows, or equal where it shows all
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    threshold: Option<String>,
    /// Several conditions: {"all":[{"condition":"above","threshold":"1650"},..]}
    #[arg(long, value_name = "JSON", conflicts_with_all = ["condition", "threshold"])]
    expression: Option<String>,
    /// The name that its messages begin with
    #[arg(long)]
    name: Option<String>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// The window of a percent change
    #[arg(long, value_name = "SECONDS")]
    time_window: Option<i32>,
    /// The length of the mean, in ticks
    #[arg(long, value_name = "TICKS")]
    moving_average: Option<i32>,
    /// The pause after firing
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    cooldown: i32,
    /// Add it switched off
    #[arg(long)]
    inactive: bool,
}

pub(super) fn run(context: &Context, action: RulesAction) -> CommandResult {
    match action {
        RulesAction::List(arguments) => list(context, &arguments),
        RulesAction::Add(arguments) => add(context, *arguments),
        RulesAction::Remove { ids, deletion } => remove(context, ids, &deletion),
        RulesAction::Import { file, format } => import(context, &file, format),
        RulesAction::Export { file, format } => export(context, file.as_deref(), format),
    }
}

/// A rule as `list` and `add` show it.
#[derive(Serialize)]
struct ListedRule {
    id: i64,
    #[serde(flatten)]
    rule: ExportedRule,
    last_triggered: Option<String>,
    created_at: String,
}

fn list(context: &Context, arguments: &ListRulesArguments) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let symbol = arguments.symbol.as_deref().map(Symbol::new).transpose()?;
    let of = symbol.map(|symbol| named::instrument(&database, &symbol).map(|found| found.id));
    let filter = RuleFilter {
        instrument_id: of.transpose()?,
        active_only: arguments.active_only,
        rule_type: arguments.rule_type,
    };
    let shown = database.read("alert_rule.list", |conn| {
        let rules = alert_rule::list(conn, filter)?;
        shown(conn, rules)
    })?;
    context.output.result(&shown, |shown| for_people(shown))
}

fn shown(conn: &mut BackendConnection<'_>, rules: Vec<AlertRule>) -> Result<Vec<ListedRule>> {
    let ids: BTreeSet<i64> = rules.iter().map(|rule| rule.instrument_id).collect();
    let ids: Vec<i64> = ids.into_iter().collect();
    let labels = instrument::labels_of_all(conn, &ids)?;
    let symbols: HashMap<i64, Symbol> = labels
        .into_iter()
        .map(|label| (label.id, label.symbol))
        .collect();
    let one = |rule: AlertRule| {
        Some(ListedRule {
            id: rule.id,
            last_triggered: rule.last_triggered.map(|at| at.to_string()),
            created_at: rule.created_at.to_string(),
            rule: ExportedRule::new(symbols.get(&rule.instrument_id)?, rule),
        })
    };
    Ok(rules.into_iter().filter_map(one).collect())
}

fn for_people(rules: &[ListedRule]) -> String {
    if rules.is_empty() {
        return "there are no rules".to_owned();
    }
    let header = ["rule", "id", "symbol", "active", "cooldown", "last fired"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(rules.iter().map(|shown| {
        vec![
            shown.rule.summary(),
            shown.id.to_string(),
            shown.rule.symbol().to_owned(),
            if shown.rule.is_active() { "yes" } else { "no" }.to_owned(),
            format!("{} s", shown.rule.cooldown_seconds()),
            shown
                .last_triggered
                .clone()
                .unwrap_or_else(|| "-".to_owned()),
        ]
    }));
    table(&rows)
}

fn add(context: &Context, arguments: AddArguments) -> CommandResult {
    let threshold = arguments.threshold.as_deref().map(str::parse::<Decimal>);
    let rule = NewAlertRule {
        condition: arguments.condition,
        threshold: threshold
            .transpose()
            .map_err(|error| renamed("--threshold", error))?,
        expression: arguments.expression,
        active: !arguments.inactive,
        name: arguments.name,
        description: arguments.description,
        time_window_seconds: arguments.time_window,
        moving_average_period: arguments.moving_average,
        cooldown_seconds: arguments.cooldown,
        ..NewAlertRule::new(0, type_of(arguments.condition))
    };
    rule.shape().kind()?;
    let named = NamedRule {
        place: String::new(),
        symbol: Symbol::new(&arguments.symbol)?,
        rule,
    };
    let database = context.open(DatabaseNeed::Existing)?;
    let now = database.clock().now();
    let added = database.write("alert_rule.insert", move |conn| {
        let rules = with_ids(conn, std::slice::from_ref(&named))?;
        let added = rules.iter().map(|rule| alert_rule::insert(conn, rule, now));
        let added = added.collect::<Result<Vec<_>>>()?;
        shown(conn, added)
    })?;
    context.output.result(&added.first(), |added| {
        added.map_or_else(String::new, |it| {
            format!("added rule {}: {}", it.id, it.rule.summary())
        })
    })
}

/// The rules with the ids of their instruments.
pub(super) fn with_ids(
    conn: &mut BackendConnection<'_>,
    named: &[NamedRule],
) -> Result<Vec<NewAlertRule>> {
    let symbols: BTreeSet<&Symbol> = named.iter().map(|rule| &rule.symbol).collect();
    let symbols: Vec<Symbol> = symbols.into_iter().cloned().collect();
    let labels = instrument::labels_by_symbol(conn, &symbols)?;
    let ids: HashMap<Symbol, i64> = labels
        .into_iter()
        .map(|label| (label.symbol, label.id))
        .collect();
    let found = named.iter().map(|named| match ids.get(&named.symbol) {
        Some(id) => Ok(NewAlertRule {
            instrument_id: *id,
            ..named.rule.clone()
        }),
        None if named.place.is_empty() => Err(unknown(&named.symbol, "check the symbol")),
        None => Err(unknown(
            &named.symbol,
            &format!("check the symbol in {}; nothing was changed", named.place),
        )),
    });
    found.collect()
}

fn remove(context: &Context, ids: Vec<i64>, by: &DeletionArguments) -> CommandResult {
    let names: Vec<String> = ids.iter().map(i64::to_string).collect();
    let new = by.of(format!("tickbase rules remove {}", names.join(" ")));
    let database = context.open(DatabaseNeed::Existing)?;
    let now = database.clock().now();
    let (removed, deletion) = database.write("alert_rule.soft_delete", move |conn| {
        // One that is not there is a slip of the pen: then none is removed.
        for id in &ids {
            alert_rule::get(conn, *id)?;
        }
        deletion::batch(conn, &new, now, |conn, batch| {
            alert_rule::soft_delete(conn, &ids, batch)
        })
    })?;
    let id = deletion.as_ref().map(Deletion::id);
    let result = serde_json::json!({ "removed": removed, "deletion_id": id });
    context.output.result(&result, |_| {
        let undo = deletion.as_ref().map_or_else(String::new, undo_hint);
        format!("removed {removed} rule(s){undo}")
    })
}

/// What became of the rules of a file.
#[derive(Serialize)]
struct Imported {
    read: usize,
    added: usize,
    /// They were there already.
    unchanged: usize,
}

fn import(context: &Context, path: &Path, format: Option<RuleFormat>) -> CommandResult {
    let named = read_file(path, RuleFormat::of(path, format)?)?;
    let read = named.len();
    let database = context.open(DatabaseNeed::Existing)?;
    let now = database.clock().now();
    let added = database.write("alert_rule.import", move |conn| {
        let rules = with_ids(conn, &named)?;
        let ids: BTreeSet<i64> = rules.iter().map(|rule| rule.instrument_id).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let mut there = alert_rule::of_instruments(conn, &ids)?;
        let mut added = 0;
        for rule in &rules {
            // Each stored rule stands for one of the file: two that are equal are two rules.
            match there.iter().position(|stored| is_same(stored, rule)) {
                Some(place) => drop(there.swap_remove(place)),
                None => {
                    alert_rule::insert(conn, rule, now)?;
                    added += 1;
                }
            }
        }
        Ok(added)
    })?;
    let imported = Imported {
        read,
        added,
        unchanged: read - added,
    };
    context.output.result(&imported, |it| {
        format!(
            "{} rules read, {} added, {} unchanged",
            it.read, it.added, it.unchanged
        )
    })
}

fn export(context: &Context, path: Option<&Path>, format: Option<RuleFormat>) -> CommandResult {
    let format = match path {
        Some(path) => RuleFormat::of(path, format)?,
        None if context.output.is_json() => RuleFormat::Json,
        None => format.unwrap_or(RuleFormat::Toml),
    };
    let database = context.open(DatabaseNeed::Existing)?;
    let (rules, left_out) = database.read("alert_rule.export", |conn| {
        let mut rules = alert_rule::list(conn, RuleFilter::default())?;
        rules.reverse();
        let all = rules.len();
        let ids: BTreeSet<i64> = rules.iter().map(|rule| rule.instrument_id).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let labels = instrument::labels(conn, &ids)?;
        let symbols: HashMap<i64, Symbol> =
            labels.into_iter().map(|it| (it.id, it.symbol)).collect();
        let one =
            |rule: AlertRule| Some(ExportedRule::new(symbols.get(&rule.instrument_id)?, rule));
        let rules: Vec<ExportedRule> = rules.into_iter().filter_map(one).collect();
        let left_out = all - rules.len();
        Ok((rules, left_out))
    })?;
    if left_out > 0 {
        to_stderr(&format!(
            "left out {left_out} rule(s) of deleted instruments: no symbol names those"
        ));
    }
    let text = file::write(&rules, format)?;
    let Some(path) = path else {
        return to_stdout(&text);
    };
    to_file(path, |out| {
        out.write_all(text.as_bytes())
            .map_err(|error| cannot_write(&path.display().to_string(), &error))
    })?;
    let result = serde_json::json!({ "exported": rules.len() });
    context.output.result(&result, |_| {
        format!("exported {} rules to {}", rules.len(), path.display())
    })
}
