//! Settings of the delivery of alerts: on which channels, how often it looks, how it tries again.
//!
//! Owns the values, their defaults with reasons, and their limits. Where they come from is in
//! `settings`, how they are written in `alert_channels`, what a receiver over HTTP has in `webhooks`.

use std::time::Duration;

use serde::Deserialize;

use super::limits::{positive, within};
use super::read::{millis, seconds};
use super::webhooks::{HttpUrl, Secret, WebhookConfig};
use crate::domain::ChannelKind;
use crate::error::{Error, Result};

/// The delivery of alerts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertsConfig {
    /// The channels that alerts go to. Default `log` and `in_app`.
    pub channels: Vec<ChannelConfig>,
    /// URL of the channel `webhook`, which is added unless `channels` has it. Default none.
    pub webhook_url: Option<HttpUrl>,
    /// Secret with which the channel `webhook` signs. Default none.
    pub webhook_secret: Option<Secret>,
    /// URL of the channel `slack`, which is added unless `channels` has it. Default none.
    pub slack_url: Option<HttpUrl>,
    /// Time between two looks for alerts that another process stored; those of this process are
    /// delivered at once. Default 1 s.
    #[serde(rename = "poll_interval_ms", deserialize_with = "millis")]
    pub poll_interval: Duration,
    /// The age, from when it was queued, at which an alert is given up. Default 24 h:
    /// what a night's outage, or the limit of a receiver, held up arrives; what is older is news to
    /// nobody. It is tried at least once.
    #[serde(rename = "age_max_seconds", deserialize_with = "seconds")]
    pub age_max: Duration,
    /// Attempts after which a delivery is given up before that; none by default. Those that the
    /// receiver put off do not count.
    pub attempts_max: Option<u32>,
    /// The longest time before the second attempt; it doubles with each further one. The time that
    /// is waited is a random part of it. Default 1 s.
    #[serde(rename = "backoff_base_ms", deserialize_with = "millis")]
    pub backoff_base: Duration,
    /// The longest time between two attempts. Default 5 min.
    #[serde(rename = "backoff_cap_ms", deserialize_with = "millis")]
    pub backoff_cap: Duration,
    /// Time in which a receiver must accept a connection. Default 3 s.
    #[serde(rename = "connect_timeout_ms", deserialize_with = "millis")]
    pub connect_timeout: Duration,
    /// Time in which a receiver must have answered, connecting included. Default 10 s.
    #[serde(rename = "total_timeout_ms", deserialize_with = "millis")]
    pub total_timeout: Duration,
    /// Requests under way at once on each channel. Default 4.
    pub concurrency_max: usize,
    /// Alerts that are kept for a subscriber that is slow; it misses the older ones, and is told
    /// how many. Default 256.
    pub subscriber_buffer: usize,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelConfig {
    /// Its name, under which its deliveries are stored: give another one to what is another
    /// receiver.
    pub name: String,
    /// The receiver.
    pub target: ChannelTarget,
}

/// The receiver of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelTarget {
    /// A line in the log.
    Log,
    /// The subscribers of this process.
    InApp,
    /// HTTP requests.
    Webhook(WebhookConfig),
}

impl ChannelTarget {
    /// Returns the kind of the channel.
    #[must_use]
    pub fn kind(&self) -> ChannelKind {
        match self {
            Self::Log => ChannelKind::Log,
            Self::InApp => ChannelKind::InApp,
            Self::Webhook(webhook) => webhook.kind(),
        }
    }
}

impl Default for AlertsConfig {
    fn default() -> Self {
        let channel = |name: &str, target| ChannelConfig {
            name: name.to_owned(),
            target,
        };
        Self {
            channels: vec![
                channel("log", ChannelTarget::Log),
                channel("in_app", ChannelTarget::InApp),
            ],
            webhook_url: None,
            webhook_secret: None,
            slack_url: None,
            poll_interval: Duration::from_secs(1),
            age_max: Duration::from_secs(86_400),
            attempts_max: None,
            backoff_base: Duration::from_secs(1),
            backoff_cap: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(3),
            total_timeout: Duration::from_secs(10),
            concurrency_max: 4,
            subscriber_buffer: 256,
        }
    }
}

impl AlertsConfig {
    /// The most channels: each has threads of its own.
    pub const CHANNELS_MAX: usize = 16;
    /// The longest name of a channel, in characters.
    pub const NAME_LENGTH_MAX: usize = 64;

    /// The settings, changed by a closure.
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
        const DAY_MS: u64 = 86_400_000;
        let poll_ms = self.poll_interval.as_millis();
        within("alerts.poll_interval_ms", poll_ms, 10..=3_600_000)?;
        let age = self.age_max.as_secs();
        within("alerts.age_max_seconds", age, 1..=30 * 86_400)?;
        let attempts = self.attempts_max.unwrap_or(1);
        within("alerts.attempts_max", attempts, 1..=1_000)?;
        let base = u64::try_from(self.backoff_base.as_millis()).unwrap_or(u64::MAX);
        within("alerts.backoff_base_ms", base, 1..=DAY_MS)?;
        let cap = self.backoff_cap.as_millis();
        within("alerts.backoff_cap_ms", cap, base..=DAY_MS)?;
        positive("alerts.connect_timeout_ms", self.connect_timeout)?;
        let total = self.total_timeout.as_millis();
        within("alerts.total_timeout_ms", total, 1..=300_000)?;
        within("alerts.concurrency_max", self.concurrency_max, 1..=64)?;
        let buffer = self.subscriber_buffer;
        within("alerts.subscriber_buffer", buffer, 1..=65_536)?;
        self.check_channels()
    }

    /// True when a channel may have this name: 1 to 64 of a-z, 0-9, _ and -.
    #[must_use]
    pub fn is_channel_name(name: &str) -> bool {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
        (1..=Self::NAME_LENGTH_MAX).contains(&name.len()) && name.bytes().all(letter)
    }

    fn check_channels(&self) -> Result<()> {
        let channels = self.all_channels()?;
        if channels.len() > Self::CHANNELS_MAX {
            return Err(Error::config(
                "alerts.channels",
                format!("{} are too many", channels.len()),
                format!("name {} at most", Self::CHANNELS_MAX),
            ));
        }
        for (place, channel) in channels.iter().enumerate() {
            let name = &channel.name;
            if !Self::is_channel_name(name) {
                return Err(Error::config(
                    "alerts.channels.name",
                    format!("{name:?} is not the name of a channel"),
                    "use 1 to 64 of a-z, 0-9, _ and -",
                ));
            }
            if channels[..place].iter().any(|other| other.name == *name) {
                return Err(Error::config(
                    "alerts.channels.name",
                    format!("{name:?} is the name of two channels"),
                    "give each a name of its own",
                ));
            }
            if let ChannelTarget::Webhook(webhook) = &channel.target {
                webhook.check(&format!("alerts.channels.{name}"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_leave_the_machine_alone() {
        let config = AlertsConfig::default();
        config.validate().unwrap();
        assert!(config.channels.iter().all(|c| !c.target.kind().is_http()));
    }

    #[test]
    fn each_setting_that_cannot_work_is_named() {
        type Change = fn(&mut AlertsConfig);
        let cases: [(&str, Change); 11] = [
            ("alerts.poll_interval_ms", |c| {
                c.poll_interval = Duration::ZERO
            }),
            ("alerts.age_max_seconds", |c| c.age_max = Duration::ZERO),
            ("alerts.attempts_max", |c| c.attempts_max = Some(0)),
            ("alerts.backoff_base_ms", |c| {
                c.backoff_base = Duration::ZERO
            }),
            ("alerts.backoff_cap_ms", |c| {
                c.backoff_cap = Duration::from_millis(1)
            }),
            ("alerts.connect_timeout_ms", |c| {
                c.connect_timeout = Duration::ZERO
            }),
            ("alerts.total_timeout_ms", |c| {
                c.total_timeout = Duration::from_secs(301)
            }),
            ("alerts.concurrency_max", |c| c.concurrency_max = 0),
            ("alerts.subscriber_buffer", |c| c.subscriber_buffer = 0),
            ("alerts.channels.name", |c| {
                c.channels[0].name = "Desk 1".to_owned()
            }),
            ("alerts.channels.name", |c| {
                c.channels[0].name = "in_app".to_owned()
            }),
        ];
        for (name, change) in cases {
            let error = AlertsConfig::default().with(change).validate();
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
            assert!(error.contains("; "), "{error} has no remedy");
        }
    }
}
