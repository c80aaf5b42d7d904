//! `retention`: how long ticks and bars stay, and doing what the policies ask for.

mod run;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::output::{cannot_write, table, to_file};
use crate::{CommandResult, Context};
use tickbase::database::{BackendConnection, Database};
use tickbase::domain::{RetentionKind, RetentionPolicies, RetentionPolicyText};
use tickbase::error::{Error, Result};
use tickbase::models::NewRetentionPolicy;
use tickbase::repository::retention_policy;

#[derive(Debug, Subcommand)]
pub(super) enum RetentionAction {
    /// Set a policy, in the place of one of the same kind, symbol, source and frequency
    Set(PolicySetArguments),
    /// List the policies
    List,
    /// Remove a policy; what it has archived and deleted stays so
    Remove(PolicyRemoveArguments),
    /// Do what the policies ask for, as a running server does by itself
    Run(run::PolicyRunArguments),
    /// Write the policies as TOML
    Export(PolicyExportArguments),
    /// Make the policies those of a file: others are removed
    Import(PolicyImportArguments),
}

#[derive(Debug, Args)]
pub(super) struct PolicySetArguments {
    /// What it is of: ticks or bars
    #[arg(value_name = "KIND", value_parser = str::parse::<RetentionKind>)]
    kind: RetentionKind,
    /// The instrument [default: all]
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// The data source, of bars alone [default: all]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// The length of their periods, of bars alone: 1min to 1M [default: all]
    #[arg(long, value_name = "FREQUENCY")]
    frequency: Option<String>,
    /// The age at which ticks are archived: 90d, 12w [default: when they are deleted]
    #[arg(long, value_name = "AGE", allow_hyphen_values = true)]
    archive_after: Option<String>,
    /// The age at which they are moved to the trash: 30d, 52w [default: never]
    #[arg(long, value_name = "AGE", allow_hyphen_values = true)]
    delete_after: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct PolicyRemoveArguments {
    /// The number of the policy
    #[arg(value_name = "ID")]
    id: i64,
}

#[derive(Debug, Args)]
pub(super) struct PolicyExportArguments {
    /// The file [default: the standard output]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct PolicyImportArguments {
    /// The file, as `export` writes it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Change nothing, and show what would be
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct ListedPolicy {
    id: i64,
    #[serde(flatten)]
    policy: RetentionPolicyText,
}

#[derive(Serialize)]
struct ImportedPolicies {
    dry_run: bool,
    added: usize,
    changed: usize,
    unchanged: usize,
    removed: usize,
}

pub(super) fn run(context: &Context, action: &RetentionAction) -> CommandResult {
    match action {
        RetentionAction::Set(arguments) => set(context, arguments),
        RetentionAction::List => list(context),
        RetentionAction::Remove(arguments) => remove(context, arguments.id),
        RetentionAction::Run(arguments) => run::run_policies(context, arguments),
        RetentionAction::Export(arguments) => export(context, arguments.file.as_deref()),
        RetentionAction::Import(arguments) => import(context, arguments),
    }
}

fn set(context: &Context, arguments: &PolicySetArguments) -> CommandResult {
    let text = RetentionPolicyText {
        kind: arguments.kind.to_string(),
        symbol: arguments.symbol.clone(),
        source: arguments.source.clone(),
        frequency: arguments.frequency.clone(),
        archive_after: arguments.archive_after.clone(),
        delete_after: arguments.delete_after.clone(),
    };
    let database = context.open(DatabaseNeed::Existing)?;
    let now = database.clock().now();
    let policy = database.write("retention_policy.set", move |conn| {
        let new = retention_policy::of_text(conn, &text)?;
        retention_policy::set(conn, &new, now)
    })?;
    database.close();
    let listed = ListedPolicy {
        id: policy.policy.id,
        policy: policy.text(),
    };
    context.output.result(&listed, |of| {
        format!("policy {}: {}", of.id, sentence(&of.policy))
    })
}

/// `1min bars of ES are moved to the trash after 30d`
fn sentence(of: &RetentionPolicyText) -> String {
    let mut text = match (&of.frequency, of.kind.as_str()) {
        (Some(frequency), kind) => format!("{frequency} {kind}"),
        (None, kind) => kind.to_owned(),
    };
    if let Some(symbol) = &of.symbol {
        text.push_str(&format!(" of {symbol}"));
    }
    if let Some(source) = &of.source {
        text.push_str(&format!(" from {source}"));
    }
    let archived = of
        .archive_after
        .as_ref()
        .map(|age| format!("are archived after {age}"));
    let deleted = of
        .delete_after
        .as_ref()
        .map(|age| format!("are moved to the trash after {age}"));
    match (archived, deleted) {
        (None, None) => format!("{text} stay for ever"),
        (Some(one), None) | (None, Some(one)) => format!("{text} {one}"),
        (Some(one), Some(other)) => format!("{text} {one} and {other}"),
    }
}

fn listed(database: &Database) -> Result<Vec<ListedPolicy>> {
    let all = database.read("retention_policy.list", retention_policy::list)?;
    let listed = all.iter().map(|of| ListedPolicy {
        id: of.policy.id,
        policy: of.text(),
    });
    Ok(listed.collect())
}

fn list(context: &Context) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let listed = listed(&database)?;
    context.output.result(&listed, |listed| {
        if listed.is_empty() {
            return "no policy: everything stays for ever".to_owned();
        }
        let heads = [
            "id",
            "kind",
            "symbol",
            "source",
            "frequency",
            "archive after",
            "delete after",
        ];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        let all = |name: &Option<String>| name.clone().unwrap_or_else(|| "all".to_owned());
        let never = |age: &Option<String>| age.clone().unwrap_or_else(|| "-".to_owned());
        rows.extend(listed.iter().map(|of| {
            let policy = &of.policy;
            let of_bars = |name| match policy.kind == RetentionKind::Bars.as_str() {
                true => all(name),
                false => "-".to_owned(),
            };
            vec![
                of.id.to_string(),
                policy.kind.clone(),
                all(&policy.symbol),
                of_bars(&policy.source),
                of_bars(&policy.frequency),
                never(&policy.archive_after),
                never(&policy.delete_after),
            ]
        }));
        table(&rows)
    })
}

fn remove(context: &Context, id: i64) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    database.write("retention_policy.remove", move |conn| {
        retention_policy::remove(conn, id)
    })?;
    database.close();
    #[derive(Serialize)]
    struct Removed {
        removed: i64,
    }
    context.output.result(&Removed { removed: id }, |of| {
        format!("policy {} is removed", of.removed)
    })
}

fn export(context: &Context, path: Option<&Path>) -> CommandResult {
    let database = context.open(DatabaseNeed::Existing)?;
    let listed = listed(&database)?;
    let policies = RetentionPolicies {
        policies: listed.into_iter().map(|of| of.policy).collect(),
    };
    let text = match context.output.is_json() {
        true => serde_json::to_string_pretty(&policies).map_err(|error| error.to_string()),
        false => toml::to_string_pretty(&policies).map_err(|error| error.to_string()),
    };
    let text =
        text.map_err(|reason| Error::invalid("policies", reason, "report this as a defect"))?;
    match path {
        Some(path) => {
            let name = path.display().to_string();
            to_file(path, |out| {
                let written = out.write_all(text.as_bytes());
                written.map_err(|error| cannot_write(&name, &error))
            })
        }
        None => crate::output::to_stdout(text.trim_end()),
    }
}

fn import(context: &Context, arguments: &PolicyImportArguments) -> CommandResult {
    let path = &arguments.file;
    let refused = |reason: String, remedy: &str| Error::File {
        path: path.display().to_string(),
        reason,
        remedy: remedy.to_owned(),
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| refused(error.to_string(), "give a text file that can be read"))?;
    let wrong = |reason: String| refused(reason, "see `tickbase retention export`");
    // As `export` writes it, with --json too.
    let policies: RetentionPolicies = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?,
        false => toml::from_str(&text).map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.lines().count().max(1));
            wrong(format!(
                "line {line}: {}",
                error.message().replace('\n', " ")
            ))
        })?,
    };
    let database = context.open(DatabaseNeed::Existing)?;
    let (now, dry_run) = (database.clock().now(), arguments.dry_run);
    let read = move |conn: &mut BackendConnection<'_>| -> Result<Vec<NewRetentionPolicy>> {
        retention_policy::of_texts(conn, &policies)
    };
    let changes = match dry_run {
        true => database.read("retention_policy.compare", |conn| {
            let new = read(conn)?;
            retention_policy::compare(conn, &new)
        })?,
        false => database.write("retention_policy.replace_all", move |conn| {
            let new = read(conn)?;
            retention_policy::replace_all(conn, &new, now)
        })?,
    };
    database.close();
    let imported = ImportedPolicies {
        dry_run,
        added: changes.added,
        changed: changes.changed,
        unchanged: changes.unchanged,
        removed: changes.removed,
    };
    context.output.result(&imported, |of| {
        format!(
            "policies: {}{} added, {} changed, {} unchanged, {} removed",
            if of.dry_run { "would be " } else { "" },
            of.added,
            of.changed,
            of.unchanged,
            of.removed
        )
    })
}
