//! A database of one test, on either backend, gone at its end, and the real data that it is filled
//! with.

use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::postgres;
use crate::program::{project, run};

/// The sample of trades, by the rules of `tickbase demo`: 20,009 ticks of ES and 13 alerts.
pub(crate) const TICKS_OF_ES: u64 = 20_009;
/// Bars of MSFT, one for each minute.
const MSFT: &str = "tests/fixtures/analytics/msft-1min.csv";
/// Bars of SPX, one for each day.
const SPX: &str = "tests/fixtures/analytics/sp500-daily.csv";

/// A place for a database, and for files beside it.
pub(crate) struct Database {
    url: String,
    place: TempDir,
    /// Its name on the server of PostgreSQL.
    name: Option<String>,
}

impl Database {
    /// A SQLite file that is not there yet.
    pub(crate) fn sqlite() -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let url = place.path().join("test.db").display().to_string();
        Self {
            url,
            place,
            name: None,
        }
    }

    /// An empty database on the server of the tests.
    pub(crate) fn postgres() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("page_{}_{number}", std::process::id());
        postgres::run(&format!("CREATE DATABASE {name} TEMPLATE template0"));
        Self {
            url: format!("{}/{name}", postgres::server()),
            place: tempfile::tempdir().expect("a directory"),
            name: Some(name),
        }
    }

    /// Its URL as users write it: a path, or `postgres://..`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The name of its backend, as reports write it.
    pub(crate) fn backend(&self) -> &'static str {
        if self.name.is_some() {
            "PostgreSQL"
        } else {
            "SQLite"
        }
    }

    /// Where files of the test may lie.
    pub(crate) fn place(&self) -> &std::path::Path {
        self.place.path()
    }

    /// Applies the migrations.
    pub(crate) fn migrate(&self) {
        run(&self.url, &["migrate", "run"]);
    }

    /// Stores ticks, rules and alerts of ES, bars of MSFT and of SPX.
    pub(crate) fn fill(&self) {
        run(&self.url, &["demo", "--no-serve"]);
        let msft = [
            "--symbol",
            "MSFT",
            "--create",
            "equity",
            "--frequency",
            "1min",
        ];
        self.import(MSFT, &msft);
        self.import(SPX, &["--symbol", "SPX", "--frequency", "1d"]);
    }

    fn import(&self, file: &str, options: &[&str]) {
        let file = project().join(file).display().to_string();
        let arguments: Vec<&str> = ["import", &file].iter().chain(options).copied().collect();
        run(&self.url, &arguments);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            postgres::run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}
