//! Settings of backups: where they are put, how often, and how many stay.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::limits::{within, within_span};
use super::read::span;
use crate::error::{Error, Result};

/// All settings of backups.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackupConfig {
    /// The directory of the backups, which is made if it is not there. Default none: no backups are
    /// made by themselves.
    pub directory: Option<PathBuf>,
    /// The time between two backups, 1 minute to 366 days; in the file as `"24h"` or `"90m"`.
    /// Default 24 h.
    #[serde(deserialize_with = "span")]
    pub every: Duration,
    /// How many stay, 1 to 10,000; older ones are deleted. Default 7: a week of days.
    pub keep: u32,
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self {
            directory: None,
            every: Duration::from_secs(86_400),
            keep: 7,
        }
    }
}

impl BackupConfig {
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
        if self
            .directory
            .as_ref()
            .is_some_and(|path| path.as_os_str().is_empty())
        {
            let (reason, remedy) = ("it is empty", "give a directory, or leave it out");
            return Err(Error::config("backup.directory", reason, remedy));
        }
        within_span("backup.every", self.every)?;
        within("backup.keep", self.keep, 1..=10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn load(pairs: &[(&str, &str)]) -> Result<BackupConfig> {
        let name = |name: &str| format!("TICKBASE_BACKUP_{name}");
        let pairs = pairs
            .iter()
            .map(|(key, value)| (name(key), (*value).to_owned()));
        Ok(Settings::load(None, pairs)?.backup)
    }

    #[test]
    fn an_interval_is_written_with_its_unit() {
        let said = load(&[("DIRECTORY", "/b"), ("EVERY", "90m"), ("KEEP", "3")]).unwrap();
        assert_eq!(said.every, Duration::from_secs(5_400));
        assert_eq!((said.keep, said.directory), (3, Some("/b".into())));
        let default = load(&[]).unwrap();
        assert_eq!(
            (default.every, default.keep),
            (Duration::from_secs(86_400), 7)
        );
        for (name, value, word) in [
            ("EVERY", "59s", "backup.every"),
            ("EVERY", "1mo", "differ in length"),
            ("EVERY", "5", "write it like"),
            ("KEEP", "0", "backup.keep"),
            ("DIRECTORY", "", "backup.directory"),
        ] {
            let text = load(&[(name, value)]).unwrap_err().to_string();
            assert!(text.contains(word), "{text}");
        }
    }
}
