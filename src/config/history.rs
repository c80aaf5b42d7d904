//! Settings of history: how often the series of built bars are extended and repaired.
//!
//! Owns the values, their defaults with reasons, and their limits. Where they come from is in
//! `settings`.

use std::time::Duration;

use serde::Deserialize;

use crate::error::{Error, Result};

/// All settings of history.
#[derive(Debug, Clone)]
pub struct HistoryConfig {
    /// Time between two looks for bars to build and to repair, 1 s to 1 h. Default 60 s, the
    /// shortest period: what is not built yet is made of the ticks when it is asked for.
    pub refresh_interval: Duration,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            refresh_interval: Duration::from_secs(60),
        }
    }
}

impl HistoryConfig {
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
        let limits = Duration::from_secs(1)..=Duration::from_secs(3_600);
        if limits.contains(&self.refresh_interval) {
            return Ok(());
        }
        Err(Error::config(
            "history.refresh_interval_seconds",
            format!("{:?} cannot work", self.refresh_interval),
            "give a value from 1 to 3600",
        ))
    }
}

/// The section `[history]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HistoryLayer {
    refresh_interval_seconds: Option<u64>,
}

impl HistoryLayer {
    pub(super) fn apply(self, config: &mut HistoryConfig) {
        if let Some(seconds) = self.refresh_interval_seconds {
            config.refresh_interval = Duration::from_secs(seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn load(seconds: &str) -> Result<Settings> {
        let name = "TICKBASE_HISTORY_REFRESH_INTERVAL_SECONDS".to_owned();
        Settings::load(None, [(name, seconds.to_owned())])
    }

    #[test]
    fn the_interval_is_a_minute_unless_it_is_said_and_has_limits() {
        let default = HistoryConfig::default();
        assert_eq!(default.refresh_interval, Duration::from_secs(60));
        let said = load("5").unwrap().history;
        assert_eq!(said.refresh_interval, Duration::from_secs(5));
        for seconds in ["0", "3601"] {
            let text = load(seconds).unwrap_err().to_string();
            assert!(text.contains("history.refresh_interval_seconds"), "{text}");
        }
    }
}
