//! PostgreSQL as it is run: standbys and failovers, poolers, few connections, messages in another
//! language than English.
#![cfg(all(feature = "cli", feature = "postgres", unix))]

mod failover;
mod languages;
mod limits;
mod pooler;
mod replicas;
mod standby;

use std::process::Command;

use tickbase::Timestamp;
use tickbase::config::DatabaseConfig;
use tickbase::database::{BackendConnection, Database};
use tickbase::domain::tick::{RawTick, Tick};
use tokio::runtime::Runtime;

/// One of the two ways to a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Door {
    Blocking,
    Asynchronous,
}

const DOORS: [Door; 2] = [Door::Blocking, Door::Asynchronous];

type Work<T> = fn(&mut BackendConnection<'_>) -> tickbase::Result<T>;

impl Door {
    fn read<T: Send + 'static>(
        self,
        runtime: &Runtime,
        database: &Database,
        work: Work<T>,
    ) -> tickbase::Result<T> {
        match self {
            Self::Blocking => database.read("test.read", work),
            Self::Asynchronous => runtime.block_on(database.read_async("test.read", work)),
        }
    }

    fn write<T: Send + 'static>(
        self,
        runtime: &Runtime,
        database: &Database,
        work: impl FnMut(&mut BackendConnection<'_>) -> tickbase::Result<T> + Send + 'static,
    ) -> tickbase::Result<T> {
        match self {
            Self::Blocking => database.write("test.write", work),
            Self::Asynchronous => runtime.block_on(database.write_async("test.write", work)),
        }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn open(url: &str, change: impl FnOnce(&mut DatabaseConfig)) -> tickbase::Result<Database> {
    let config = DatabaseConfig::new(url).unwrap().with(|config| {
        // Many tests connect to one small server at once.
        config.postgres.connect_timeout = std::time::Duration::from_secs(20);
        change(config);
    });
    Database::open(config)
}

fn text_of(conn: &mut BackendConnection<'_>, sql: &str) -> tickbase::Result<String> {
    use diesel::prelude::*;
    let query = diesel::dsl::sql::<diesel::sql_types::Text>(sql);
    Ok(tickbase::on_backend!(conn, |c| query.get_result(c))?)
}

/// The n-th tick of a test, of an instrument.
fn tick(instrument_id: i64, n: i64) -> Tick {
    let raw = RawTick {
        instrument_id: Some(instrument_id),
        timestamp: Timestamp::from_micros(1_700_000_000_000_000 + n).ok(),
        sequence: Some(0),
        price: Some(100.0),
        volume: Some(1.0),
        ..RawTick::default()
    };
    Tick::try_from(raw).unwrap()
}

/// Status, output and error output of a command.
fn tickbase(url: &str, arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickbase"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("TICKBASE_") || text == "DATABASE_URL" || text == "RUST_LOG" {
            command.env_remove(&name);
        }
    }
    command.args(["--database-url", url]).args(arguments);
    command.envs(variables.iter().copied());
    let done = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.success(), text(done.stdout), text(done.stderr))
}
