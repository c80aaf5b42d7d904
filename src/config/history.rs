//! Settings of history: how often the series of built bars are extended and repaired.
//!
//! Owns the values, their defaults with reasons, and their limits. Where they come from is in
//! `settings`.

use std::time::Duration;

use serde::Deserialize;

use super::limits::within;
use super::read::seconds;
use crate::error::Result;

/// All settings of history.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryConfig {
    /// Time between two looks for bars to build and to repair, 1 s to 1 h. Default 60 s, the
    /// shortest period: what is not built yet is made of the ticks when it is asked for.
    #[serde(rename = "refresh_interval_seconds", deserialize_with = "seconds")]
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
    /// [`Error::Config`](crate::Error::Config) names the first setting that cannot work, why, and what would.
    pub fn validate(&self) -> Result<()> {
        let seconds = self.refresh_interval.as_secs();
        within("history.refresh_interval_seconds", seconds, 1..=3_600)
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
