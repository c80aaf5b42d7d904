//! `migrate run|revert|status|record-for-diesel`.

use clap::Subcommand;
use serde::Serialize;

use crate::database::DatabaseNeed;
use crate::output::table;
use crate::{CommandResult, Context};

#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum MigrateAction {
    /// Apply the missing migrations, all or none
    Run,
    /// Take the newest migration back; with rows in what it made only by --yes
    Revert {
        /// Delete the rows and values that go with it
        #[arg(long)]
        yes: bool,
    },
    /// List the migrations and when they were applied
    Status,
    /// Let the diesel CLI take the applied migrations for applied, too
    RecordForDiesel,
}

#[derive(Serialize)]
struct MigrationLine {
    version: String,
    name: String,
    applied_at: Option<String>,
}

pub(super) fn run(context: &Context, action: MigrateAction) -> CommandResult {
    match action {
        MigrateAction::Run => up(context),
        MigrateAction::Revert { yes } => down(context, yes),
        MigrateAction::Status => status(context),
        MigrateAction::RecordForDiesel => record_for_diesel(context),
    }
}

fn up(context: &Context) -> CommandResult {
    let applied = context.open(DatabaseNeed::Bare)?.migrate()?;
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

fn down(context: &Context, yes: bool) -> CommandResult {
    let database = context.open(DatabaseNeed::AsItIs)?;
    let reverted = match yes {
        true => database.migrate_revert()?,
        false => database.migrate_revert_keeping_rows()?,
    };
    let result = serde_json::json!({ "reverted": reverted });
    context.output.result(&result, |_| match &reverted {
        Some(name) => format!("reverted {name}"),
        None => "there is nothing to revert".to_owned(),
    })
}

fn record_for_diesel(context: &Context) -> CommandResult {
    let recorded = context
        .open(DatabaseNeed::AsItIs)?
        .record_migrations_for_diesel()?;
    let result = serde_json::json!({ "recorded": recorded });
    context.output.result(&result, |_| {
        format!("{recorded} migrations recorded in __diesel_schema_migrations")
    })
}

fn status(context: &Context) -> CommandResult {
    let all = context.open(DatabaseNeed::AsItIs)?.migration_status()?;
    let lines: Vec<MigrationLine> = all
        .into_iter()
        .map(|migration| MigrationLine {
            version: migration.version,
            name: migration.name,
            applied_at: migration.applied_at.map(|at| at.to_string()),
        })
        .collect();
    context.output.result(&lines, |lines| {
        let row = |line: &MigrationLine| {
            let applied = line
                .applied_at
                .clone()
                .unwrap_or_else(|| "pending".to_owned());
            vec![format!("{} {}", line.version, line.name), applied]
        };
        table(&lines.iter().map(row).collect::<Vec<_>>())
    })
}
