//! Settings of the archive: how long its periods are, and where a server mirrors its files.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::limits::within_span;
use super::read::{span, word};
use crate::domain::ArchivePeriod;
use crate::error::{Error, Result};

/// All settings of the archive.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArchiveConfig {
    /// How long the periods are of which a file each has the ticks of an instrument, where no file is yet:
    /// `"month"`, or `"day"` for more than some 20 million ticks a month. Default month.
    #[serde(deserialize_with = "word")]
    pub period: ArchivePeriod,
    /// The directory in which a server keeps the files up to date for DuckDB, pandas, polars and Spark; it
    /// is made if it is not there. Default none.
    pub directory: Option<PathBuf>,
    /// The time between two looks of that server, 1 minute to 366 days; in the file as `"1h"`. Default 1 h.
    #[serde(deserialize_with = "span")]
    pub every: Duration,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self {
            period: ArchivePeriod::Month,
            directory: None,
            every: Duration::from_secs(3_600),
        }
    }
}

impl ArchiveConfig {
    /// Changes settings in a chain.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Checks every setting against its limits.
    ///
    /// # Errors
    /// [`Error::Config`] names the first setting that cannot work, why, and what would.
    pub fn validate(&self) -> Result<()> {
        let directory = self.directory.as_ref();
        if directory.is_some_and(|path| path.as_os_str().is_empty()) {
            let (reason, remedy) = ("it is empty", "give a directory, or leave it out");
            return Err(Error::config("archive.directory", reason, remedy));
        }
        within_span("archive.every", self.every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn a_period_is_a_word_and_a_directory_a_path() {
        let load = |pairs: &[(&str, &str)]| {
            let name = |name: &str| format!("TICKBASE_ARCHIVE_{name}");
            let pairs = pairs
                .iter()
                .map(|(key, value)| (name(key), (*value).to_owned()));
            Settings::load(None, pairs).map(|settings| settings.archive)
        };
        let said = load(&[("PERIOD", "day"), ("DIRECTORY", "/m"), ("EVERY", "5m")]).unwrap();
        assert_eq!(
            (said.period, said.directory),
            (ArchivePeriod::Day, Some("/m".into()))
        );
        assert_eq!(said.every, Duration::from_secs(300));
        for (name, value, word) in [
            ("PERIOD", "week", "month"),
            ("EVERY", "1s", "archive.every"),
            ("DIRECTORY", "", "archive.directory"),
        ] {
            let text = load(&[(name, value)]).unwrap_err().to_string();
            assert!(text.contains(word), "{text}");
        }
    }
}
