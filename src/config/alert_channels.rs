//! Channels of alerts as a file or the environment gives them: `[[alerts.channels]]`, and the short
//! form of one webhook and one Slack, which variables can hold.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::alerts::{AlertsConfig, ChannelConfig, ChannelTarget, HttpUrl, Secret};
use super::read::{refused, table, text};
use crate::domain::ChannelKind;
use crate::error::{Error, Result};

/// An entry of `[[alerts.channels]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelEntry {
    name: Option<String>,
    kind: String,
    url: Option<HttpUrl>,
    secret: Option<Secret>,
}

impl<'de> Deserialize<'de> for ChannelConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let entry: ChannelEntry = table(from)?;
        let kind: ChannelKind = entry.kind.parse().map_err(D::Error::custom)?;
        let refuse = |reason| Err(D::Error::custom(format_args!("a channel {kind} {reason}")));
        if entry.secret.is_some() && kind != ChannelKind::Webhook {
            return refuse("signs nothing; leave its secret out");
        }
        let target = match (kind, entry.url) {
            (ChannelKind::Log, None) => ChannelTarget::Log,
            (ChannelKind::InApp, None) => ChannelTarget::InApp,
            (ChannelKind::Webhook, Some(url)) => {
                let secret = entry.secret;
                ChannelTarget::Webhook { url, secret }
            }
            (ChannelKind::Slack, Some(url)) => ChannelTarget::Slack { url },
            (_, Some(_)) => return refuse("sends nothing; leave its url out"),
            (_, None) => return refuse("has no url; give that of the receiver"),
        };
        let name = entry.name.unwrap_or_else(|| kind.as_str().to_owned());
        Ok(Self { name, target })
    }
}

impl<'de> Deserialize<'de> for HttpUrl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new("url", String::deserialize(from)?).map_err(refused)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new("secret", text(from)?).map_err(refused)
    }
}

impl AlertsConfig {
    /// `channels`, and those that the short forms add or lead elsewhere.
    ///
    /// # Errors
    /// [`Error::Config`] when there is a secret, but no channel `webhook`.
    pub fn all_channels(&self) -> Result<Vec<ChannelConfig>> {
        let mut channels = self.channels.clone();
        let mut lead = |name: &str, target| match channels.iter_mut().find(|it| it.name == name) {
            Some(channel) => channel.target = target,
            None => channels.push(ChannelConfig {
                name: name.to_owned(),
                target,
            }),
        };
        let listed = self
            .channels
            .iter()
            .find_map(|channel| match &channel.target {
                ChannelTarget::Webhook { url, secret } if channel.name == "webhook" => {
                    Some((url, secret.as_ref()))
                }
                _ => None,
            });
        let url = self.webhook_url.as_ref().or(listed.map(|(url, _)| url));
        let listed_secret = listed.and_then(|(_, secret)| secret);
        let secret = self.webhook_secret.as_ref().or(listed_secret).cloned();
        if let Some(url) = url.cloned() {
            lead("webhook", ChannelTarget::Webhook { url, secret });
        } else if secret.is_some() {
            return Err(Error::config(
                "alerts.webhook_secret",
                "there is no webhook to sign for",
                "set alerts.webhook_url, too",
            ));
        }
        if let Some(url) = self.slack_url.clone() {
            lead("slack", ChannelTarget::Slack { url });
        }
        Ok(channels)
    }
}
