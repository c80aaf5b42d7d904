//! Settings of the cache of what is read often: how much it holds, and for how long.
//!
//! Owns the values, their defaults with reasons, and their limits. What is cached is in
//! `services::cache`.

use std::time::Duration;

use serde::Deserialize;

use super::limits::within;
use super::read::millis;
use crate::error::Result;

/// The longest time, in milliseconds: an hour.
const TTL_MS_MAX: u64 = 3_600_000;

/// All settings of the cache: `[cache]`.
///
/// Writes through the same [`Database`](crate::database::Database) are seen at once, whatever
/// the times here. They are how old an answer may be that another process has made stale.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// Bytes of all answers together, 64 KiB to 64 GiB; the least recently used go first. Default
    /// 64 MiB.
    pub bytes_max: u64,
    /// How long the newest tick of an instrument is kept, up to 1 h; 0 switches the kind off.
    /// Default 1 s.
    #[serde(rename = "latest_ttl_ms", deserialize_with = "millis")]
    pub latest_ttl: Duration,
    /// How long instruments and their lists are kept, likewise.
    #[serde(rename = "instruments_ttl_ms", deserialize_with = "millis")]
    pub instruments_ttl: Duration,
    /// How long answers with bars are kept, likewise.
    #[serde(rename = "bars_ttl_ms", deserialize_with = "millis")]
    pub bars_ttl: Duration,
    /// How long figures of analytics are kept, likewise.
    #[serde(rename = "analytics_ttl_ms", deserialize_with = "millis")]
    pub analytics_ttl: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        // Long enough for thousands of readers to share an answer, too short to mislead a person.
        let ttl = Duration::from_secs(1);
        Self {
            bytes_max: 64 << 20,
            latest_ttl: ttl,
            instruments_ttl: ttl,
            bars_ttl: ttl,
            analytics_ttl: ttl,
        }
    }
}

impl CacheConfig {
    /// Changes settings in a chain: `CacheConfig::default().with(|c| c.bytes_max = 1 << 30)`.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Checks every setting against its limits.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) names the first setting that cannot work, why, and
    /// what would.
    pub fn validate(&self) -> Result<()> {
        within("cache.bytes_max", self.bytes_max, 64 << 10..=64 << 30)?;
        for (name, ttl) in [
            ("cache.latest_ttl_ms", self.latest_ttl),
            ("cache.instruments_ttl_ms", self.instruments_ttl),
            ("cache.bars_ttl_ms", self.bars_ttl),
            ("cache.analytics_ttl_ms", self.analytics_ttl),
        ] {
            within(name, ttl.as_millis(), 0..=TTL_MS_MAX)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_a_kind_may_be_switched_off() {
        CacheConfig::default().validate().unwrap();
        let off = CacheConfig::default().with(|config| config.latest_ttl = Duration::ZERO);
        off.validate().unwrap();
    }

    #[test]
    fn each_setting_that_cannot_work_is_named() {
        type Change = fn(&mut CacheConfig);
        let long = Duration::from_secs(3_601);
        assert!(long.as_millis() > u128::from(TTL_MS_MAX));
        let cases: [(&str, Change); 6] = [
            ("bytes_max", |c| c.bytes_max = 0),
            ("bytes_max", |c| c.bytes_max = u64::MAX),
            ("latest_ttl_ms", |c| c.latest_ttl = Duration::MAX),
            ("instruments_ttl_ms", |c| c.instruments_ttl = Duration::MAX),
            ("bars_ttl_ms", |c| c.bars_ttl = Duration::from_secs(3_601)),
            ("analytics_ttl_ms", |c| c.analytics_ttl = Duration::MAX),
        ];
        for (name, change) in cases {
            let error = CacheConfig::default().with(change).validate();
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with(&format!("cache.{name}: ")), "{error}");
        }
    }
}
