//! The section `[alerts]` as a file or the environment gives it: `[[alerts.channels]]`, and the
//! short form of one webhook and one Slack, which variables can hold.

use std::time::Duration;

use serde::Deserialize;

use super::alerts::{AlertsConfig, ChannelConfig, ChannelTarget, HttpUrl, Secret};
use super::limits::set;
use crate::domain::ChannelKind;
use crate::error::{Error, Result};

/// The section `[alerts]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AlertsLayer {
    channels: Option<Vec<ChannelLayer>>,
    webhook_url: Option<String>,
    webhook_secret: Option<SecretText>,
    slack_url: Option<String>,
    poll_interval_ms: Option<u64>,
    age_max_seconds: Option<u64>,
    attempts_max: Option<u32>,
    backoff_base_ms: Option<u64>,
    backoff_cap_ms: Option<u64>,
    connect_timeout_ms: Option<u64>,
    total_timeout_ms: Option<u64>,
    concurrency_max: Option<usize>,
    subscriber_buffer: Option<usize>,
}

/// An entry of `[[alerts.channels]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelLayer {
    name: Option<String>,
    kind: String,
    url: Option<String>,
    secret: Option<SecretText>,
}

/// A text; a variable that reads as a number arrives as one.
#[derive(Deserialize)]
#[serde(untagged)]
enum SecretText {
    Written(String),
    Integer(i64),
    Other(serde::de::IgnoredAny),
}

impl SecretText {
    /// A number may have been written in a form that its value does not keep: it is refused
    /// rather than changed.
    fn into_secret(self, setting: &str) -> Result<Secret> {
        match self {
            Self::Written(text) => Secret::new(setting, text),
            Self::Integer(number) => Secret::new(setting, number.to_string()),
            Self::Other(_) => Err(Error::config(
                setting,
                "it is no text",
                "write it in quotes, or with letters",
            )),
        }
    }
}

impl AlertsLayer {
    pub(super) fn apply(self, config: &mut AlertsConfig) -> Result<()> {
        let millis = |count: Option<u64>| count.map(Duration::from_millis);
        set(&mut config.poll_interval, millis(self.poll_interval_ms));
        let age_max = self.age_max_seconds.map(Duration::from_secs);
        set(&mut config.age_max, age_max);
        set(&mut config.attempts_max, self.attempts_max.map(Some));
        set(&mut config.backoff_base, millis(self.backoff_base_ms));
        set(&mut config.backoff_cap, millis(self.backoff_cap_ms));
        set(&mut config.connect_timeout, millis(self.connect_timeout_ms));
        set(&mut config.total_timeout, millis(self.total_timeout_ms));
        set(&mut config.concurrency_max, self.concurrency_max);
        set(&mut config.subscriber_buffer, self.subscriber_buffer);
        if let Some(channels) = self.channels {
            let channels = channels.into_iter().map(ChannelLayer::into_config);
            config.channels = channels.collect::<Result<_>>()?;
        }
        if let Some(url) = self.webhook_url {
            let url = HttpUrl::new("alerts.webhook_url", url)?;
            put(
                config,
                "webhook",
                ChannelTarget::Webhook { url, secret: None },
            );
        }
        if let Some(secret) = self.webhook_secret {
            sign(config, secret.into_secret("alerts.webhook_secret")?)?;
        }
        if let Some(url) = self.slack_url {
            let url = HttpUrl::new("alerts.slack_url", url)?;
            put(config, "slack", ChannelTarget::Slack { url });
        }
        Ok(())
    }
}

/// Adds a channel, or lets it lead elsewhere; a webhook keeps its secret.
fn put(config: &mut AlertsConfig, name: &str, mut target: ChannelTarget) {
    let Some(known) = config.channels.iter_mut().find(|c| c.name == name) else {
        let name = name.to_owned();
        config.channels.push(ChannelConfig { name, target });
        return;
    };
    if let (ChannelTarget::Webhook { secret: kept, .. }, ChannelTarget::Webhook { secret, .. }) =
        (&known.target, &mut target)
    {
        secret.clone_from(kept);
    }
    known.target = target;
}

/// Gives the channel `webhook` its secret.
fn sign(config: &mut AlertsConfig, with: Secret) -> Result<()> {
    let channel = config.channels.iter_mut().find(|c| c.name == "webhook");
    let Some(ChannelTarget::Webhook { secret, .. }) = channel.map(|c| &mut c.target) else {
        return Err(Error::config(
            "alerts.webhook_secret",
            "there is no webhook to sign for",
            "set alerts.webhook_url, too",
        ));
    };
    *secret = Some(with);
    Ok(())
}

impl ChannelLayer {
    fn into_config(self) -> Result<ChannelConfig> {
        let kind: ChannelKind = self.kind.parse().map_err(|error: Error| {
            Error::config(
                "alerts.channels.kind",
                error.to_string(),
                "name the kind of the channel",
            )
        })?;
        let name = self.name.unwrap_or_else(|| kind.as_str().to_owned());
        let setting = |field: &str| format!("alerts.channels.{name}.{field}");
        let refuse = |field: &str, reason: &str, remedy: &str| {
            Err(Error::config(setting(field), reason, remedy))
        };
        if self.secret.is_some() && kind != ChannelKind::Webhook {
            return refuse("secret", "nothing is signed there", "leave it out");
        }
        let secret = self.secret.map(|text| text.into_secret(&setting("secret")));
        let secret = secret.transpose()?;
        let target = match (kind, self.url) {
            (ChannelKind::Log, None) => ChannelTarget::Log,
            (ChannelKind::InApp, None) => ChannelTarget::InApp,
            (ChannelKind::Webhook, Some(url)) => ChannelTarget::Webhook {
                url: HttpUrl::new(&setting("url"), url)?,
                secret,
            },
            (ChannelKind::Slack, Some(url)) => ChannelTarget::Slack {
                url: HttpUrl::new(&setting("url"), url)?,
            },
            (_, Some(_)) => return refuse("url", "nothing is sent there", "leave it out"),
            (_, None) => return refuse("url", "it is missing", "give the URL of the receiver"),
        };
        Ok(ChannelConfig { name, target })
    }
}
