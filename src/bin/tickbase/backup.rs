//! `backup` and `restore`. On PostgreSQL both say which of its own programs do it.

use std::path::PathBuf;

use clap::Args;

use crate::{CommandFailure, CommandResult, Context};
use tickbase::config::DatabaseUrl;

#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// The file to write; an older backup of the same database there is replaced
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArguments {
    /// The backup; it stays as it is
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Also when the database there is another one, or has what the backup lacks; it is kept
    #[arg(long)]
    replace: bool,
}

pub(super) fn run(context: &Context, arguments: &BackupArguments) -> CommandResult {
    let url = &context.settings.database.url;
    if matches!(url, DatabaseUrl::Postgres(_)) {
        let file = quoted(&arguments.file.display().to_string());
        return Err(CommandFailure::Usage(format!(
            "PostgreSQL is backed up by its own programs, of this version of the server:\n  \
             pg_dump --format=custom --file={file} {url}\n\
             writes the database of one moment ({PASSWORD}); for every moment use pg_basebackup \
             with WAL archiving.\n\
             Bring it back with `tickbase restore {file} --database-url {url}`, which says how",
        )));
    }
    #[cfg(feature = "sqlite")]
    return sqlite::back_up(context, arguments);
    #[cfg(not(feature = "sqlite"))]
    Ok(())
}

pub(super) fn restore(context: &Context, arguments: &RestoreArguments) -> CommandResult {
    let url = &context.settings.database.url;
    if matches!(url, DatabaseUrl::Postgres(_)) {
        let file = quoted(&arguments.file.display().to_string());
        return Err(CommandFailure::Usage(format!(
            "PostgreSQL is restored by its own programs, into a database that is empty:\n  \
             createdb --maintenance-db={url} NEW\n  \
             pg_restore --exit-on-error --single-transaction --dbname={new} {file}\n  \
             tickbase check --deep --database-url {new}\n\
             ({PASSWORD}); then serve that one, or rename both by ALTER DATABASE",
            new = beside(&url.to_string()),
        )));
    }
    #[cfg(feature = "sqlite")]
    return sqlite::restore(context, arguments);
    #[cfg(not(feature = "sqlite"))]
    Ok(())
}

const PASSWORD: &str = "a password comes from PGPASSWORD or ~/.pgpass";

/// The URL of the database NEW on the same server.
fn beside(url: &str) -> String {
    let server = url.rsplit_once('/').map_or(url, |(server, _)| server);
    format!("{server}/NEW")
}

/// A name as a shell takes it for one word.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    match name.chars().all(is_plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use serde::Serialize;

    use super::{BackupArguments, RestoreArguments};
    use crate::database::refuse_missing;
    use crate::output::{bytes, grouped, to_stderr};
    use crate::{CommandResult, Context};
    use tickbase::clock::Clock;
    use tickbase::repository::storage::TableCount;
    use tickbase::services::backup::{self, WhatIsThere};

    #[derive(Serialize)]
    struct MadeBackup {
        backup: String,
        bytes: u64,
        backed_up_at: String,
        database_id: Option<String>,
        tables: Vec<CopiedTable>,
        warnings: Vec<String>,
        took_seconds: f64,
    }

    #[derive(Serialize)]
    struct RestoredBackup {
        database: String,
        bytes: u64,
        backed_up_at: Option<String>,
        database_id: Option<String>,
        kept: Option<String>,
        tables: Vec<CopiedTable>,
        pending_migrations: usize,
        warnings: Vec<String>,
    }

    #[derive(Serialize)]
    struct CopiedTable {
        table: &'static str,
        active: i64,
        deleted: i64,
    }

    pub(super) fn back_up(context: &Context, arguments: &BackupArguments) -> CommandResult {
        let config = &context.settings.database;
        refuse_missing(&config.url)?;
        let made = backup::make(config, &arguments.file, &Clock::system())?;
        warn(&made.warnings);
        let report = MadeBackup {
            backup: made.path.display().to_string(),
            bytes: made.bytes,
            backed_up_at: made.backed_up_at.to_string(),
            database_id: made.database_id,
            tables: tables(&made.tables),
            warnings: made.warnings,
            took_seconds: made.took.as_secs_f64(),
        };
        context.output.result(&report, |report| {
            format!(
                "{}: {}{}, checked",
                report.backup,
                size(report.bytes),
                rows(&report.tables),
            )
        })
    }

    pub(super) fn restore(context: &Context, arguments: &RestoreArguments) -> CommandResult {
        let config = &context.settings.database;
        let there = match arguments.replace {
            true => WhatIsThere::Replaced,
            false => WhatIsThere::Protected,
        };
        let done = backup::restore(&arguments.file, config, there, &Clock::system())?;
        warn(&done.warnings);
        let report = RestoredBackup {
            database: done.database.display().to_string(),
            bytes: done.bytes,
            backed_up_at: done.backed_up_at.map(|at| at.to_string()),
            database_id: done.database_id,
            kept: done.kept.map(|path| path.display().to_string()),
            tables: tables(&done.tables),
            pending_migrations: done.pending_migrations,
            warnings: done.warnings,
        };
        context.output.result(&report, restored)
    }

    fn restored(report: &RestoredBackup) -> String {
        let of = match &report.backed_up_at {
            Some(at) => format!("the backup of {at}"),
            None => "a database, which was no backup".to_owned(),
        };
        let mut text = format!(
            "{}: {}{}, from {of}\n",
            report.database,
            size(report.bytes),
            rows(&report.tables),
        );
        if let Some(kept) = &report.kept {
            text.push_str(&format!("what was there is kept as {kept}\n"));
        }
        if report.pending_migrations > 0 {
            let pending = report.pending_migrations;
            text.push_str(&format!(
                "it lacks {pending} migration(s); run `tickbase migrate run`\n"
            ));
        }
        text
    }

    fn tables(counts: &[TableCount]) -> Vec<CopiedTable> {
        let copied = counts.iter().map(|count| CopiedTable {
            table: count.table,
            active: count.active,
            deleted: count.deleted,
        });
        copied.collect()
    }

    fn size(count: u64) -> String {
        bytes(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// `, 20,009 ticks, 3 bars`: what people look for first.
    fn rows(tables: &[CopiedTable]) -> String {
        let words = [
            ("instruments", "instrument"),
            ("market_data", "tick"),
            ("archive_segments", "archived period"),
            ("market_data_bars", "bar"),
            ("alert_rules", "rule"),
            ("alert_logs", "alert"),
        ];
        let of = |table: &str| tables.iter().find(|of| of.table == table);
        let counted = words.iter().filter_map(|(table, word)| {
            let rows = of(table)?.active;
            let plural = if rows == 1 { "" } else { "s" };
            (rows > 0).then(|| format!(", {} {word}{plural}", grouped(rows)))
        });
        counted.collect()
    }

    fn warn(warnings: &[String]) {
        for warning in warnings {
            to_stderr(&format!("tickbase: warning: {warning}"));
        }
    }
}
