//! The command line: arguments in, one file per command, texts and exit codes out.
//!
//! Exit codes: 0 done, 1 failed (one line on standard error says what, why, and what to do),
//! 2 usage. Results go to standard output, everything else to standard error. It uses the library
//! as anyone would: by its public interface alone.

// The build without tests holds the code to these; tests may stop on what they find.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(feature = "sqlite")]
mod adopt;
mod alerts;
mod archive;
mod backup;
mod bars;
mod chart;
mod check;
mod coverage;
mod database;
mod deletions;
mod demo;
mod export;
mod import;
mod instruments;
mod manual;
mod migrate;
mod named;
mod output;
mod purge;
mod replay;
mod retention;
mod rules;
mod secrets;
mod serve;
mod stats;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use database::{DatabaseNeed, SettingsSource};
use output::Output;
use tickbase::config::Settings;
use tickbase::database::Database;
use tickbase::error::{Error, Result};

/// Market data in SQLite or PostgreSQL: import, export, migrate, check.
#[derive(Debug, Parser)]
#[command(name = "tickbase", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// A path, sqlite://path or postgres://user:password@host/name
    /// [default: DATABASE_URL, else sqlite://data/tickbase.db]
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// A TOML file with settings; TICKBASE_* variables and options win over it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How log lines are written
    #[arg(long, global = true, value_enum, default_value_t)]
    log_format: LogFormat,
    /// Which log lines are written: off, error, warn, info, debug, trace, or a filter like
    /// tickbase=debug [default: RUST_LOG, else info for `serve` and warn for the others]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Write the result as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    OnDatabase(DatabaseCommand),
    /// Print what a shell needs to complete commands and options
    #[command(
        after_help = "Example:\n  tickbase completions bash > /etc/bash_completion.d/tickbase"
    )]
    Completions(manual::CompletionsArguments),
    /// Print the manual page, or write the pages of all commands
    #[command(after_help = "Example:\n  tickbase man --out /usr/local/share/man/man1")]
    Man(manual::ManArguments),
}

/// The commands that have settings, and a database.
#[derive(Debug, Subcommand)]
enum DatabaseCommand {
    /// Replay the sample of real trades that comes with tickbase, and show what happened
    #[command(after_help = "Example:\n  tickbase demo --no-serve --chart demo.png")]
    Demo(demo::DemoArguments),
    /// Store the ticks or bars of CSV, NDJSON, Parquet or Arrow files
    #[command(
        after_help = "Examples:\n  tickbase import trades.csv.gz --symbol ES --create future\n  tickbase import daily.csv --symbol SPX --kind bars --frequency 1d --dry-run"
    )]
    Import(import::ImportArguments),
    /// Take over the database of TradeAssist, the service that tickbase replaces
    #[cfg(feature = "sqlite")]
    #[command(
        after_help = "Examples:\n  tickbase adopt trade_assist.db --into data/tickbase.db --dry-run\n  tickbase adopt trade_assist.db --into postgres://tickbase@localhost/tickbase"
    )]
    Adopt(adopt::AdoptArguments),
    /// Run the services and the HTTP API until Ctrl-C or SIGTERM; SIGHUP reads the tokens again
    #[command(after_help = "Example:\n  tickbase serve --bind 127.0.0.1:8000")]
    Serve(serve::ServeArguments),
    /// Write the ticks of an instrument as CSV, NDJSON, Arrow or Parquet
    #[command(
        after_help = "Example:\n  tickbase export --symbol ES --start 2013-09-03 --format ndjson --out es.ndjson"
    )]
    Export(export::ExportArguments),
    /// List, add, remove, import or export alert rules
    #[command(
        after_help = "Example:\n  tickbase rules add --symbol ES --name high --condition above --threshold 1641.75"
    )]
    #[command(subcommand)]
    Rules(rules::RulesAction),
    /// Show alerts
    #[command(after_help = "Example:\n  tickbase alerts list --symbol ES")]
    #[command(subcommand)]
    Alerts(alerts::AlertsAction),
    /// Draw candles, volume and alerts: in the terminal, or as a picture
    #[command(
        after_help = "Example:\n  tickbase chart --symbol ES --frequency 5min --ma 20,50 --out es.png"
    )]
    Chart(chart::ChartArguments),
    /// Build bars from ticks, list bars, or show what is built
    #[command(
        after_help = "Examples:\n  tickbase bars build --symbol ES --frequency 1min\n  tickbase bars list --symbol ES --frequency 1h"
    )]
    #[command(subcommand)]
    Bars(bars::BarsAction),
    /// Show which rules would have fired on the stored ticks; writes nothing
    #[command(after_help = "Example:\n  tickbase replay --symbol ES --rules rules.toml")]
    Replay(replay::ReplayArguments),
    /// Bring the schema up to date, take the newest migration back, or list them
    #[command(after_help = "Example:\n  tickbase migrate status")]
    #[command(subcommand)]
    Migrate(migrate::MigrateAction),
    /// Check that schema, pragmas, indexes and foreign keys are what they should be
    #[command(after_help = "Examples:\n  tickbase check --json\n  tickbase check --deep")]
    Check(check::CheckArguments),
    /// Back up a SQLite database that may be in use: the file of one moment, checked
    #[command(after_help = "Example:\n  tickbase backup /var/backups/ticks.db")]
    Backup(backup::BackupArguments),
    /// Bring a backup back; the database that lies there is kept beside it
    #[command(
        after_help = "Example:\n  tickbase restore /var/backups/ticks.db --database-url ticks.db"
    )]
    Restore(backup::RestoreArguments),
    /// Put old ticks into small files within the database, list, verify and restore them, or mirror them
    #[command(
        after_help = "Examples:\n  tickbase archive run --before 90d\n  tickbase archive sync /srv/ticks"
    )]
    #[command(subcommand)]
    Archive(archive::ArchiveAction),
    /// Say how long ticks and bars stay, and do what these policies ask for
    #[command(
        after_help = "Examples:\n  tickbase retention set ticks --archive-after 90d\n  tickbase retention run --dry-run"
    )]
    #[command(subcommand)]
    Retention(retention::RetentionAction),
    /// Show how complete the bars of instruments are: gaps, duplicates, outliers
    #[command(
        after_help = "Example:\n  tickbase coverage --symbol SPX --frequency 1d --calendar XNYS"
    )]
    Coverage(coverage::CoverageArguments),
    /// List the instruments: type, ticks, bars by frequency, from when to when; or delete some
    #[command(
        after_help = "Examples:\n  tickbase instruments --with-data\n  tickbase instruments delete ES --cascade --reason expired"
    )]
    Instruments(instruments::InstrumentsArguments),
    /// List batches of soft deletes, show one, or go on with one
    #[command(
        after_help = "Examples:\n  tickbase deletions list\n  tickbase deletions show 1793332968123456"
    )]
    #[command(subcommand)]
    Deletions(deletions::DeletionsAction),
    /// List what is in the trash
    #[command(after_help = "Example:\n  tickbase trash list")]
    #[command(subcommand)]
    Trash(deletions::TrashAction),
    /// Take a batch of soft deletes back: exactly its rows return from the trash
    #[command(after_help = "Example:\n  tickbase undo 1793332968123456 --dry-run")]
    Undo(deletions::UndoArguments),
    /// Show sizes and counts
    #[command(after_help = "Example:\n  tickbase stats --json")]
    Stats,
    /// Remove for good what was deleted long ago; the only command that does
    #[command(after_help = "Example:\n  tickbase purge --older-than 30d --dry-run")]
    Purge(purge::PurgeArguments),
}

/// What every command is given.
struct Context {
    settings: Settings,
    source: SettingsSource,
    /// Whether the database was named, by option or environment.
    named: bool,
    output: Output,
}

impl Context {
    fn open(&self, need: DatabaseNeed) -> Result<Database> {
        database::open(self.settings.database.clone(), need)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(refusal) => {
            // Help and version are no errors; clap knows the stream and the code.
            let code = ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(2));
            match secrets::without_secrets(&refusal.to_string(), &arguments) {
                Some(text) => output::to_stderr(text.trim_end()),
                None => {
                    let _ = refusal.print();
                }
            }
            return code;
        }
    };
    match start_log(&cli).and_then(|()| run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(CommandFailure::ReaderGone) => ExitCode::SUCCESS,
        Err(CommandFailure::Usage(text)) => {
            output::to_stderr(&format!("tickbase: {text}"));
            ExitCode::from(2)
        }
        Err(CommandFailure::Error(error)) => {
            output::to_stderr(&format!("tickbase: {}", error.chain()));
            ExitCode::FAILURE
        }
        Err(CommandFailure::Told(text)) => {
            output::to_stderr(&format!("tickbase: {text}"));
            ExitCode::FAILURE
        }
    }
}

/// Why a command did not end well.
enum CommandFailure {
    /// It failed.
    Error(Error),
    /// The arguments do not fit together.
    Usage(String),
    /// It did its work, and what it found is a failure; its output has the details.
    Told(String),
    /// Who read the output went away (`| head`): there is nothing left to do.
    ReaderGone,
}

impl From<Error> for CommandFailure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

type CommandResult = std::result::Result<(), CommandFailure>;

fn run(cli: Cli) -> CommandResult {
    let command = match cli.command {
        Command::OnDatabase(command) => command,
        Command::Completions(arguments) => return manual::completions(&arguments),
        Command::Man(arguments) => return manual::man(&arguments),
    };
    let Global {
        database_url,
        config,
        json,
        ..
    } = cli.global;
    let source = SettingsSource {
        file: config,
        url: database_url,
    };
    let context = Context {
        settings: source.read()?,
        named: source.names_database(),
        source,
        output: Output::new(json),
    };
    match command {
        DatabaseCommand::Demo(arguments) => demo::run(&context, &arguments),
        DatabaseCommand::Import(arguments) => import::run(&context, arguments),
        #[cfg(feature = "sqlite")]
        DatabaseCommand::Adopt(arguments) => adopt::run(&context, arguments),
        DatabaseCommand::Serve(arguments) => serve::run(&context, &arguments),
        DatabaseCommand::Export(arguments) => export::run(&context, &arguments),
        DatabaseCommand::Rules(action) => rules::run(&context, action),
        DatabaseCommand::Alerts(action) => alerts::run(&context, &action),
        DatabaseCommand::Chart(arguments) => chart::run(&context, &arguments),
        DatabaseCommand::Bars(action) => bars::run(&context, &action),
        DatabaseCommand::Replay(arguments) => replay::run(&context, &arguments),
        DatabaseCommand::Migrate(action) => migrate::run(&context, action),
        DatabaseCommand::Check(arguments) => check::run(&context, &arguments),
        DatabaseCommand::Backup(arguments) => backup::run(&context, &arguments),
        DatabaseCommand::Restore(arguments) => backup::restore(&context, &arguments),
        DatabaseCommand::Archive(action) => archive::run(&context, &action),
        DatabaseCommand::Retention(action) => retention::run(&context, &action),
        DatabaseCommand::Coverage(arguments) => coverage::run(&context, &arguments),
        DatabaseCommand::Instruments(arguments) => instruments::run(&context, &arguments),
        DatabaseCommand::Deletions(action) => deletions::run(&context, &action),
        DatabaseCommand::Trash(action) => deletions::trash(&context, &action),
        DatabaseCommand::Undo(arguments) => deletions::undo(&context, &arguments),
        DatabaseCommand::Stats => stats::run(&context),
        DatabaseCommand::Purge(arguments) => purge::run(&context, &arguments),
    }
}

/// The log goes to standard error, one line an event: results alone are standard output's.
fn start_log(cli: &Cli) -> CommandResult {
    use tracing_subscriber::EnvFilter;
    let level = match &cli.command {
        Command::OnDatabase(DatabaseCommand::Serve(_)) => "info",
        // Its report has the alerts; a line for each would push the address off the screen.
        Command::OnDatabase(DatabaseCommand::Demo(_)) => "warn,tickbase::alerts=off",
        _ => "warn",
    };
    let filter = match &cli.global.log_level {
        Some(level) => EnvFilter::try_new(level).map_err(|error| {
            let text = format!("--log-level: {level:?} is not a level ({error}); use info, say");
            CommandFailure::Usage(text)
        })?,
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level)),
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would say on standard error that standard error takes no more, and panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start in one process keeps the first: only tests could do that.
    let _ = match cli.global.log_format {
        LogFormat::Text => log.try_init(),
        // The list of spans has the one that is entered last, too.
        LogFormat::Json => log.json().with_current_span(false).try_init(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    /// The commands of a command, and theirs, without the one that clap adds.
    fn all(of: &clap::Command) -> Vec<&clap::Command> {
        let below = of.get_subcommands().filter(|one| one.get_name() != "help");
        let below = below.flat_map(all);
        std::iter::once(of).chain(below).collect()
    }

    #[test]
    fn each_command_has_an_example_that_it_takes() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        for command in cli.get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let examples = help.lines().filter_map(|line| line.strip_prefix("  "));
            let examples: Vec<&str> = examples.collect();
            assert!(
                !examples.is_empty(),
                "{} has no example",
                command.get_name()
            );
            for example in examples {
                let words = example.split_whitespace().take_while(|word| *word != ">");
                let words: Vec<&str> = words.collect();
                assert_eq!(words[1], command.get_name(), "{example}");
                let parsed = <Cli as clap::Parser>::try_parse_from(&words);
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn options_of_all_commands_stand_under_a_heading_of_their_own() {
        let mut cli = Cli::command();
        cli.build();
        for command in all(&cli) {
            let help = command.clone().render_help().to_string();
            let (own, _) = help.split_once("\nGlobal options:\n").unwrap();
            assert!(!own.contains("--database-url"), "{help}");
        }
    }
}
