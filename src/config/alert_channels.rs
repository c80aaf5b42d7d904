//! Channels of alerts as a file or the environment gives them: `[[alerts.channels]]`, and the short
//! form of one webhook and one Slack, which variables can hold.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::alerts::{AlertsConfig, ChannelConfig, ChannelTarget};
use super::read::{refused, table, text};
use super::webhooks::{HttpUrl, Secret, WebhookConfig};
use crate::domain::{AlertTemplate, BuiltInTemplate, ChannelKind, TemplateVariables};
use crate::error::{Error, Result};

/// An entry of `[[alerts.channels]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelEntry {
    name: Option<String>,
    kind: String,
    url: Option<HttpUrl>,
    secret: Option<Secret>,
    template: Option<TemplateSetting>,
    variables: Option<VariableTable>,
    headers: Option<HeaderTable>,
}

impl<'de> Deserialize<'de> for ChannelConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let entry: ChannelEntry = table(from)?;
        let kind: ChannelKind = entry.kind.parse().map_err(D::Error::custom)?;
        let refuse = |reason| Err(D::Error::custom(format_args!("a channel {kind} {reason}")));
        if entry.secret.is_some() && kind != ChannelKind::Webhook {
            return refuse("signs nothing; leave its secret out");
        }
        let makes_bodies = entry.template.is_some() || entry.variables.is_some();
        if makes_bodies && kind != ChannelKind::Webhook {
            return refuse(
                "has a body of its own; use the kind webhook, or leave template and variables out",
            );
        }
        if entry.headers.is_some() && !kind.is_http() {
            return refuse("sends no requests; leave its headers out");
        }
        let target = match (kind, entry.url) {
            (ChannelKind::Log, None) => ChannelTarget::Log,
            (ChannelKind::InApp, None) => ChannelTarget::InApp,
            (ChannelKind::Webhook | ChannelKind::Slack, Some(url)) => {
                let mut webhook = match kind {
                    ChannelKind::Slack => WebhookConfig::slack(url),
                    _ => WebhookConfig::new(url),
                };
                webhook.secret = entry.secret;
                if let Some(TemplateSetting(template)) = entry.template {
                    webhook.template = template;
                }
                webhook.variables = entry.variables.unwrap_or_default().0;
                webhook.headers = entry.headers.unwrap_or_default().0;
                ChannelTarget::Webhook(webhook)
            }
            (_, Some(_)) => return refuse("sends nothing; leave its url out"),
            (_, None) => return refuse("has no url; give that of the receiver"),
        };
        let name = entry.name.unwrap_or_else(|| name_of(&target).to_owned());
        Ok(Self { name, target })
    }
}

/// The name of a channel that was given none: its kind, or the template that is known by name.
fn name_of(target: &ChannelTarget) -> &'static str {
    match target {
        ChannelTarget::Webhook(webhook) => match webhook.template {
            AlertTemplate::BuiltIn(known) if known != BuiltInTemplate::Generic => known.as_str(),
            _ => ChannelKind::Webhook.as_str(),
        },
        other => other.kind().as_str(),
    }
}

/// The name of a template of ours, the path of a file, or the text itself.
struct TemplateSetting(AlertTemplate);

impl<'de> Deserialize<'de> for TemplateSetting {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = text(from)?;
        // What is JSON with values in it has a brace; a path or a name has none.
        if text.contains('{') {
            return Ok(Self(AlertTemplate::Own(text)));
        }
        if let Some(known) = BuiltInTemplate::named(&text) {
            return Ok(Self(AlertTemplate::BuiltIn(known)));
        }
        if text.contains(['/', '\\', '.']) {
            let read = std::fs::read_to_string(&text);
            return read
                .map(|own| Self(AlertTemplate::Own(own)))
                .map_err(|error| {
                    D::Error::custom(format_args!(
                        "{text}: {error}; give the path of a readable file"
                    ))
                });
        }
        let names = BuiltInTemplate::ALL.map(BuiltInTemplate::as_str).join(", ");
        Err(D::Error::custom(format_args!(
            "there is no template {text:?}; use {names}, a path with a slash, or the text itself"
        )))
    }
}

/// What a template is told; a text in its place might be a secret.
#[derive(Default)]
struct VariableTable(TemplateVariables);

impl<'de> Deserialize<'de> for VariableTable {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let given: BTreeMap<String, toml::Value> = table(from)?;
        let json = |value: toml::Value| match value {
            toml::Value::String(text) => Some(text.into()),
            toml::Value::Integer(number) => Some(number.into()),
            toml::Value::Float(number) => Some(number.into()),
            toml::Value::Boolean(is) => Some(is.into()),
            _ => None,
        };
        let mut variables = TemplateVariables::new();
        for (name, value) in given {
            let value = json(value).ok_or_else(|| {
                let wrong = "is neither a text nor a number, true or false; give it one value";
                D::Error::custom(format_args!("{name} {wrong}"))
            })?;
            variables.insert(name, value);
        }
        Ok(Self(variables))
    }
}

#[derive(Default)]
struct HeaderTable(BTreeMap<String, Secret>);

impl<'de> Deserialize<'de> for HeaderTable {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let given: BTreeMap<String, HeaderValue> = table(from)?;
        let headers = given.into_iter().map(|(name, value)| (name, value.0));
        Ok(Self(headers.collect()))
    }
}

struct HeaderValue(Secret);

impl<'de> Deserialize<'de> for HeaderValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text(from).map(|text| Self(Secret::of_header(text)))
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
        let listed = webhook_named(&mut channels, "webhook");
        match (listed, &self.webhook_url) {
            (Some(webhook), url) => {
                // What the list says of it stays, but for where it leads and who signs.
                webhook.url = url.clone().unwrap_or_else(|| webhook.url.clone());
                let secret = self.webhook_secret.clone();
                webhook.secret = secret.or_else(|| webhook.secret.take());
            }
            (None, Some(url)) => {
                let secret = self.webhook_secret.clone();
                let webhook = WebhookConfig::new(url.clone()).with(|it| it.secret = secret);
                lead(&mut channels, "webhook", webhook);
            }
            (None, None) if self.webhook_secret.is_some() => {
                return Err(Error::config(
                    "alerts.webhook_secret",
                    "there is no webhook to sign for",
                    "set alerts.webhook_url, too",
                ));
            }
            (None, None) => {}
        }
        if let Some(url) = self.slack_url.clone() {
            match webhook_named(&mut channels, "slack") {
                Some(webhook) if webhook.kind() == ChannelKind::Slack => webhook.url = url,
                _ => lead(&mut channels, "slack", WebhookConfig::slack(url)),
            }
        }
        Ok(channels)
    }
}

fn webhook_named<'a>(
    channels: &'a mut [ChannelConfig],
    name: &str,
) -> Option<&'a mut WebhookConfig> {
    channels
        .iter_mut()
        .find_map(|channel| match &mut channel.target {
            ChannelTarget::Webhook(webhook) if channel.name == name => Some(webhook),
            _ => None,
        })
}

/// Leads the channel of this name to a receiver, or adds one.
fn lead(channels: &mut Vec<ChannelConfig>, name: &str, webhook: WebhookConfig) {
    let target = ChannelTarget::Webhook(webhook);
    match channels.iter_mut().find(|channel| channel.name == name) {
        Some(channel) => channel.target = target,
        None => channels.push(ChannelConfig {
            name: name.to_owned(),
            target,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn load(channel: &str) -> Result<Vec<ChannelConfig>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let toml = format!("[[alerts.channels]]\n{channel}");
        std::fs::write(file.path(), toml).unwrap();
        Settings::load(Some(file.path()), [])?.alerts.all_channels()
    }

    fn webhook(channel: &str) -> WebhookConfig {
        match load(channel).unwrap().remove(0).target {
            ChannelTarget::Webhook(webhook) => webhook,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_template_is_a_name_a_file_or_the_text_itself() {
        let of = |template: &str| {
            webhook(&format!("kind = 'webhook'\nurl = 'https://a'\n{template}")).template
        };
        let generic = AlertTemplate::BuiltIn(BuiltInTemplate::Generic);
        assert_eq!(of(""), generic);
        assert_eq!(of("template = 'generic'"), generic);
        let discord = AlertTemplate::BuiltIn(BuiltInTemplate::Discord);
        assert_eq!(of("template = 'discord'"), discord);
        let own = AlertTemplate::Own("{\"a\": {{ alert.id }}}".to_owned());
        assert_eq!(of("template = '{\"a\": {{ alert.id }}}'"), own);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), own.text()).unwrap();
        assert_eq!(of(&format!("template = '{}'", file.path().display())), own);
    }

    #[test]
    fn a_channel_without_a_name_has_that_of_its_template() {
        for (rest, name) in [
            ("template = 'discord'", "discord"),
            ("template = 'generic'", "webhook"),
            ("template = '{}'", "webhook"),
        ] {
            let channel = format!("kind = 'webhook'\nurl = 'https://a'\n{rest}");
            assert_eq!(load(&channel).unwrap()[0].name, name);
        }
        let slack = load("kind = 'slack'\nurl = 'https://a'\nheaders = { x-a = 'b' }").unwrap();
        assert_eq!(slack[0].name, "slack");
    }

    #[test]
    fn an_entry_that_cannot_work_is_refused_and_repeats_no_secret() {
        let webhook = |rest: &str| format!("kind = 'webhook'\nurl = 'https://a'\n{rest}");
        for (channel, starts, has) in [
            (
                webhook("template = 'pigeon'"),
                "alerts.channels[0].template: there is no template \"pigeon\"",
                "pagerduty",
            ),
            (
                webhook("template = '/no/such.json'"),
                "alerts.channels[0].template: /no/such.json: ",
                "readable file",
            ),
            (
                webhook("variables = 't0ken'"),
                "alerts.channels[0].variables: it is not a table",
                "",
            ),
            (
                webhook("variables = { x = ['t0ken'] }"),
                "alerts.channels[0].variables: x is neither",
                "one value",
            ),
            (
                webhook("headers = 't0ken'"),
                "alerts.channels[0].headers: it is not a table",
                "",
            ),
            (
                webhook("headers = { x = ['t0ken'] }"),
                "alerts.channels[0].headers.x: it is not a text",
                "",
            ),
            (
                "kind = 'log'\ntemplate = 'slack'".to_owned(),
                "alerts.channels[0]: a channel log has a body of its own",
                "",
            ),
            (
                "kind = 'log'\nheaders = {}".to_owned(),
                "alerts.channels[0]: a channel log sends no requests",
                "",
            ),
        ] {
            let error = load(&channel).unwrap_err().to_string();
            assert!(error.starts_with(starts) && error.contains(has), "{error}");
            assert!(!error.contains("t0ken"), "{error}");
        }
    }

    #[cfg(feature = "server")]
    #[test]
    fn a_template_is_tried_when_settings_are_read() {
        let webhook =
            |rest: &str| format!("name = 'desk'\nkind = 'webhook'\nurl = 'https://a'\n{rest}");
        for (rest, says) in [
            (
                "template = 'telegram'",
                "alerts.channels.desk.variables: the template telegram needs chat_id",
            ),
            (
                "template = '{\"a\": {{ oops }}}'",
                "alerts.channels.desk.template: nobody knows its oops",
            ),
            (
                "template = '{\"a\": \"{{ alert.rule_name }}\"}'",
                "alerts.channels.desk.template: it makes no JSON",
            ),
            (
                "headers = { Host = 'x' }",
                "alerts.channels.desk.headers: \"Host\" is set by tickbase",
            ),
        ] {
            let error = load(&webhook(rest)).unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
            assert!(error.contains("; ") && error.contains("line 1"), "{error}");
        }
    }

    #[test]
    fn a_short_form_leads_a_channel_elsewhere_and_leaves_the_rest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let toml = "[[alerts.channels]]\nkind = 'webhook'\nname = 'webhook'\nurl = 'https://a'\n\
                    template = 'discord'\nheaders = { x-a = 'b' }";
        std::fs::write(file.path(), toml).unwrap();
        let pair = |name: &str, value: &str| (format!("TICKBASE_ALERTS_{name}"), value.to_owned());
        let pairs = [
            pair("WEBHOOK_URL", "https://b"),
            pair("SLACK_URL", "https://c"),
        ];
        let settings = Settings::load(Some(file.path()), pairs).unwrap();
        let channels = settings.alerts.all_channels().unwrap();
        let ChannelTarget::Webhook(led) = &channels[0].target else {
            panic!("{channels:?}");
        };
        assert_eq!(led.url, HttpUrl::new("url", "https://b").unwrap());
        assert_eq!(
            (led.headers.len(), led.template.text()),
            (1, AlertTemplate::BuiltIn(BuiltInTemplate::Discord).text())
        );
        assert_eq!(channels[1].target.kind(), ChannelKind::Slack);
    }
}
