//! `serve`: the services and the HTTP API, until a signal; then everything ends in order. SIGHUP
//! has the tokens read again, as an operator changes them without a restart.

mod service_manager;

use std::convert::Infallible;
use std::net::SocketAddr;

use clap::Args;

use crate::{CommandResult, Context, SettingsSource};
use tickbase::app::App;
use tickbase::config::{ApiContract, Settings};
use tickbase::database::Database;
use tickbase::error::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// Address to listen to, like 127.0.0.1:8000; other machines reach 0.0.0.0:8000
    #[arg(long, value_name = "ADDR")]
    bind: Option<SocketAddr>,

    /// What that address speaks: tickbase's own API, or that of a service that it replaces
    #[arg(long, value_name = "NAME", value_parser = [NATIVE, TRADE_ASSIST])]
    contract: Option<String>,
}

const NATIVE: &str = "native";
const TRADE_ASSIST: &str = "tradeassist";

pub(super) fn run(context: &Context, arguments: &ServeArguments) -> CommandResult {
    let mut settings = context.settings.clone();
    if let Some(bind) = arguments.bind {
        settings.server.bind = bind;
    }
    match arguments.contract.as_deref() {
        Some(TRADE_ASSIST) => settings.server.contract = ApiContract::TradeAssist,
        Some(_) => settings.server.contract = ApiContract::Native,
        None => {}
    }
    settings.validate()?;
    let database = Database::open(settings.database.clone())?;
    until_signal(database, &settings, &context.source, |_| ())?;
    Ok(())
}

/// Serves a database until a signal; `ready` is told the address. The database is closed then. At a
/// SIGHUP the tokens are read from where the settings came from.
pub(super) fn until_signal(
    database: Database,
    settings: &Settings,
    source: &SettingsSource,
    ready: impl FnOnce(SocketAddr),
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("tickbase-http")
        .build()
        .map_err(|error| {
            Error::config("server", error.to_string(), "raise the limit of threads")
        })?;
    // Before the services start: until it is listened for, the signal ends the process at once.
    let hangups = {
        let _entered = runtime.enter();
        Hangups::listen()?
    };
    let app = App::start_on(database, settings)?;
    let served = runtime.block_on(async {
        // Before the address is open: a signal that comes early is not lost.
        let mut signals = Signals::listen()?;
        let listener = app.listen()?;
        let address = listener.local_addr().unwrap_or(settings.server.bind);
        announce(&app, settings, address);
        ready(address);
        service_manager::ready(address);
        let shutdown = async move {
            let name = signals.next().await;
            service_manager::stopping();
            tracing::info!(signal = name, "ending; once more to end at once");
            tokio::spawn(async move {
                let name = signals.next().await;
                tracing::error!(signal = name, "ended at once");
                std::process::exit(1);
            });
        };
        tokio::select! {
            served = app.serve(listener, shutdown) => served,
            never = reload(hangups, &app, source) => match never {},
            never = service_manager::live() => match never {},
        }
    });
    app.stop();
    tracing::info!("ended");
    // A handler that hangs must not keep the process.
    runtime.shutdown_background();
    served
}

/// Reads the tokens again at each SIGHUP; those of before stay if they cannot be read.
async fn reload(mut hangups: Hangups, app: &App, source: &SettingsSource) -> Infallible {
    loop {
        hangups.next().await;
        let settings = source.read();
        if let Err(error) = settings.and_then(|read| app.reload_tokens(&read.server)) {
            let error = error.chain();
            tracing::error!(
                error,
                "SIGHUP: the tokens of before stay, as there are no new ones"
            );
        }
    }
}

fn announce(app: &App, settings: &Settings, address: SocketAddr) {
    let database = app.database().config().url.to_string();
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, database, "listening on http://{address}");
    if !settings.server.has_tokens() && !address.ip().is_loopback() {
        tracing::warn!("writes are closed: set server.token (TICKBASE_SERVER_TOKEN) to open them");
    }
}

/// The signal by which operators ask a server to read its settings again.
struct Hangups {
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

impl Hangups {
    #[cfg(unix)]
    fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = signal(SignalKind::hangup()).map_err(no_signals)?;
        Ok(Self { hangup })
    }

    #[cfg(not(unix))]
    fn listen() -> Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if self.hangup.recv().await.is_some() {
            return;
        }
        // There is no such signal, or none any more.
        std::future::pending().await
    }
}

#[cfg(unix)]
fn no_signals(error: std::io::Error) -> Error {
    Error::config(
        "signals",
        error.to_string(),
        "raise the limit of open files",
    )
}

/// The signals that ask the process to end.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(no_signals)?,
            terminate: signal(SignalKind::terminate()).map_err(no_signals)?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            // Without signals the process ends when it is ended.
            Err(_) => std::future::pending().await,
        }
    }
}
