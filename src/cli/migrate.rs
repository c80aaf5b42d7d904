//! `migrate run|revert|status`.

use clap::Subcommand;
use serde::Serialize;

use super::output::table;
use super::{Context, Outcome};
use crate::app::Need;

#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum Action {
    /// Apply the missing migrations, all or none
    Run,
    /// Take the newest migration back, with all that its tables hold
    Revert,
    /// List the migrations and when they were applied
    Status,
}

#[derive(Serialize)]
struct Line {
    version: String,
    name: String,
    applied_at: Option<String>,
}

pub(super) fn run(context: &Context, action: Action) -> Outcome {
    match action {
        Action::Run => up(context),
        Action::Revert => down(context),
        Action::Status => status(context),
    }
}

fn up(context: &Context) -> Outcome {
    let applied = context.open(Need::Bare)?.migrate()?;
    context
        .output
        .result(&serde_json::json!({ "applied": applied }), |_| {
            if applied.is_empty() {
                return "the schema is up to date".to_owned();
            }
            applied
                .iter()
                .map(|name| format!("applied {name}\n"))
                .collect()
        })
}

fn down(context: &Context) -> Outcome {
    let reverted = context.open(Need::AsItIs)?.migrate_revert()?;
    let result = serde_json::json!({ "reverted": reverted });
    context.output.result(&result, |_| match &reverted {
        Some(name) => format!("reverted {name}"),
        None => "there is nothing to revert".to_owned(),
    })
}

fn status(context: &Context) -> Outcome {
    let all = context.open(Need::AsItIs)?.migration_status()?;
    let lines: Vec<Line> = all
        .into_iter()
        .map(|migration| Line {
            version: migration.version,
            name: migration.name,
            applied_at: migration.applied_at.map(|at| at.to_string()),
        })
        .collect();
    context.output.result(&lines, |lines| {
        let row = |line: &Line| {
            let applied = line
                .applied_at
                .clone()
                .unwrap_or_else(|| "pending".to_owned());
            vec![format!("{} {}", line.version, line.name), applied]
        };
        table(&lines.iter().map(row).collect::<Vec<_>>())
    })
}
