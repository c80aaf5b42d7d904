//! Settings of retention: how often a server does what the policies ask for, and how long the trash is
//! kept. The policies themselves lie in the database.

use std::time::Duration;

use serde::Deserialize;

use super::limits::within_span;
use super::read::{optional_span, span};
use crate::error::{Error, Result};

/// The least age: what is meant as months is not read as minutes.
const PURGE_AFTER_MIN: Duration = Duration::from_secs(86_400);

/// All settings of retention.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// The time between two runs of a server, 1 minute to 366 days; in the file as `"1h"`. Default 1 h.
    #[serde(deserialize_with = "span")]
    pub every: Duration,
    /// The age at which what is in the trash is removed for good, whoever deleted it, a day at least; in
    /// the file as `"30d"`. Default none: nothing is removed by itself.
    #[serde(deserialize_with = "optional_span")]
    pub purge_after: Option<Duration>,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(3_600),
            purge_after: None,
        }
    }
}

impl RetentionConfig {
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
        within_span("retention.every", self.every)?;
        match self.purge_after {
            Some(age) if age < PURGE_AFTER_MIN => Err(Error::config(
                "retention.purge_after",
                format!("{age:?} cannot work"),
                "give 1d at least, or leave it out",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn the_trash_is_kept_for_a_day_at_least_and_for_ever_without_an_age() {
        let load = |pairs: &[(&str, &str)]| {
            let name = |name: &str| format!("TICKBASE_RETENTION_{name}");
            let pairs = pairs
                .iter()
                .map(|(key, value)| (name(key), (*value).to_owned()));
            Settings::load(None, pairs).map(|settings| settings.retention)
        };
        assert_eq!(load(&[]).unwrap().purge_after, None);
        let said = load(&[("PURGE_AFTER", "30d"), ("EVERY", "90m")]).unwrap();
        assert_eq!(said.purge_after, Some(Duration::from_secs(30 * 86_400)));
        assert_eq!(said.every, Duration::from_secs(5_400));
        for (name, value, word) in [
            ("PURGE_AFTER", "23h", "retention.purge_after"),
            ("PURGE_AFTER", "1mo", "differ in length"),
            ("EVERY", "59s", "retention.every"),
        ] {
            let text = load(&[(name, value)]).unwrap_err().to_string();
            assert!(text.contains(word), "{text}");
        }
    }
}
