//! The command line: arguments in, one file per command, texts and exit codes out.
//!
//! Exit codes: 0 done, 1 failed (one line on standard error says what, why, and what to do),
//! 2 usage. Results go to standard output, everything else to standard error. It uses the library
//! as anyone would: by its public interface alone.

// The build without tests holds the code to these; tests may stop on what they find.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod alerts;
mod bars;
mod chart;
mod check;
mod coverage;
mod database;
mod demo;
mod export;
mod import;
mod migrate;
mod named;
mod output;
mod purge;
mod replay;
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
    /// Replay the sample of real trades that comes with tickbase, and show what happened
    Demo(demo::DemoArguments),
    /// Store the ticks or bars of CSV or NDJSON files, plain or gzip
    Import(import::ImportArguments),
    /// Run the services and the HTTP API until Ctrl-C or SIGTERM; SIGHUP reads the tokens again
    Serve(serve::ServeArguments),
    /// Write the ticks of an instrument as CSV or NDJSON
    Export(export::ExportArguments),
    /// List, add, remove, import or export alert rules
    #[command(subcommand)]
    Rules(rules::RulesAction),
    /// Show alerts
    #[command(subcommand)]
    Alerts(alerts::AlertsAction),
    /// Draw candles, volume and alerts: in the terminal, or as a picture
    Chart(chart::ChartArguments),
    /// Build bars from ticks, list bars, or show what is built
    #[command(subcommand)]
    Bars(bars::BarsAction),
    /// Show which rules would have fired on the stored ticks; writes nothing
    Replay(replay::ReplayArguments),
    /// Bring the schema up to date, take the newest migration back, or list them
    #[command(subcommand)]
    Migrate(migrate::MigrateAction),
    /// Check that schema, pragmas, indexes and foreign keys are what they should be
    Check,
    /// Show how complete the bars of instruments are: gaps, duplicates, outliers
    Coverage(coverage::CoverageArguments),
    /// Show sizes and counts
    Stats,
    /// Remove for good what was deleted long ago; the only command that does
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
    match cli.command {
        Command::Demo(arguments) => demo::run(&context, &arguments),
        Command::Import(arguments) => import::run(&context, arguments),
        Command::Serve(arguments) => serve::run(&context, &arguments),
        Command::Export(arguments) => export::run(&context, &arguments),
        Command::Rules(action) => rules::run(&context, action),
        Command::Alerts(action) => alerts::run(&context, &action),
        Command::Chart(arguments) => chart::run(&context, &arguments),
        Command::Bars(action) => bars::run(&context, &action),
        Command::Replay(arguments) => replay::run(&context, &arguments),
        Command::Migrate(action) => migrate::run(&context, action),
        Command::Check => check::run(&context),
        Command::Coverage(arguments) => coverage::run(&context, &arguments),
        Command::Stats => stats::run(&context),
        Command::Purge(arguments) => purge::run(&context, &arguments),
    }
}

/// The log goes to standard error, one line an event: results alone are standard output's.
fn start_log(cli: &Cli) -> CommandResult {
    use tracing_subscriber::EnvFilter;
    let serves = matches!(&cli.command, Command::Serve(_));
    let filter = match &cli.global.log_level {
        Some(level) => EnvFilter::try_new(level).map_err(|error| {
            let text = format!("--log-level: {level:?} is not a level ({error}); use info, say");
            CommandFailure::Usage(text)
        })?,
        None => EnvFilter::try_from_default_env()
            .unwrap_or_else(|_| EnvFilter::new(if serves { "info" } else { "warn" })),
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start in one process keeps the first: only tests could do that.
    let _ = match cli.global.log_format {
        LogFormat::Text => log.try_init(),
        // The list of spans has the one that is entered last, too.
        LogFormat::Json => log.json().with_current_span(false).try_init(),
    };
    Ok(())
}
