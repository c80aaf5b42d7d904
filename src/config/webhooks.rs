//! Receivers of alerts over HTTP: URL, signature, template, headers.
//!
//! URLs, secrets, headers and what templates are told are never shown: the URL of a webhook is often
//! the right to use it.

use std::collections::BTreeMap;
use std::fmt;

#[cfg(feature = "server")]
use super::url::percent_decoded;
#[cfg(feature = "server")]
use crate::domain::TemplateRenderer;
use crate::domain::{AlertTemplate, BuiltInTemplate, ChannelKind, TemplateVariables};
use crate::error::{Error, Result};

/// Headers that delivery sets itself, or that tell how the body is sent.
const OWN_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "traceparent",
    "transfer-encoding",
    "x-tickbase-signature",
    "x-tickbase-timestamp",
];
const HEADERS_MAX: usize = 32;
/// Bytes of a header's value.
const HEADER_LENGTH_MAX: usize = 4_096;

/// A receiver of HTTP requests.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// The URL.
    pub url: HttpUrl,
    /// The secret that signs the requests; none for no signature.
    pub secret: Option<Secret>,
    /// What makes the body of an alert.
    pub template: AlertTemplate,
    /// What the template is told beside the alert.
    pub variables: TemplateVariables,
    /// Further headers of each request.
    pub headers: BTreeMap<String, Secret>,
}

impl WebhookConfig {
    /// A receiver of [`BuiltInTemplate::Generic`], without a signature.
    #[must_use]
    pub fn new(url: HttpUrl) -> Self {
        Self {
            url,
            secret: None,
            template: AlertTemplate::default(),
            variables: TemplateVariables::new(),
            headers: BTreeMap::new(),
        }
    }

    /// An incoming webhook of Slack.
    #[must_use]
    pub fn slack(url: HttpUrl) -> Self {
        Self::new(url).with(|it| it.template = AlertTemplate::BuiltIn(BuiltInTemplate::Slack))
    }

    /// The receiver, changed by a closure.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Deliveries to Slack are stored as such, and an alert is `slack_sent` by them.
    pub(super) fn kind(&self) -> ChannelKind {
        match self.template {
            AlertTemplate::BuiltIn(BuiltInTemplate::Slack) => ChannelKind::Slack,
            _ => ChannelKind::Webhook,
        }
    }

    /// Checks what a receiver has, and tries its template; `setting` is the channel's.
    pub(super) fn check(&self, setting: &str) -> Result<()> {
        self.check_headers(setting)?;
        let of_channel = |error| match error {
            Error::Invalid {
                name,
                reason,
                remedy,
            } => Error::config(format!("{setting}.{name}"), reason, remedy),
            other => other,
        };
        #[cfg(feature = "server")]
        let tried = self.renderer().map(drop);
        #[cfg(not(feature = "server"))]
        let tried = self.template.variables(&self.variables).map(drop);
        tried.map_err(of_channel)
    }

    /// The template, ready to make bodies.
    #[cfg(feature = "server")]
    pub(crate) fn renderer(&self) -> Result<TemplateRenderer> {
        TemplateRenderer::new(&self.template, &self.variables)
    }

    fn check_headers(&self, setting: &str) -> Result<()> {
        let refuse = |name: &str, reason: &str, remedy: &str| {
            let setting = format!("{setting}.headers");
            Err(Error::config(setting, format!("{name:?} {reason}"), remedy))
        };
        if self.headers.len() > HEADERS_MAX {
            let setting = format!("{setting}.headers");
            let reason = format!("{} are too many", self.headers.len());
            let remedy = format!("name {HEADERS_MAX} at most");
            return Err(Error::config(setting, reason, remedy));
        }
        for (name, value) in &self.headers {
            let letter =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(letter) {
                return refuse(
                    name,
                    "is not the name of a header",
                    "write it like X-Api-Key",
                );
            }
            if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                return refuse(name, "is set by tickbase itself", "leave it out");
            }
            let graphic = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
            if !value.0.bytes().all(graphic) || value.0.len() > HEADER_LENGTH_MAX {
                let remedy = "use printable ASCII characters, 4,096 at most";
                return refuse(name, "has a value that a header cannot have", remedy);
            }
        }
        Ok(())
    }

    /// A text from outside without what must not be shown.
    #[cfg(feature = "server")]
    pub(crate) fn redact(&self, text: &str) -> String {
        let headers = self.headers.values().map(|value| value.0.as_str());
        let secret = self.secret.iter().map(|secret| secret.0.as_str());
        let is_secret = |name: &str| self.template.is_secret(name);
        let variables = self.variables.iter().filter(|(name, _)| is_secret(name));
        let variables = variables.filter_map(|(_, value)| value.as_str());
        // The token alone, too: `Bearer TOKEN` may come back without its first word.
        let parts = headers.clone().flat_map(|value| value.split(' '));
        let mut hidden: Vec<&str> = headers
            .chain(parts)
            .chain(secret)
            .chain(variables)
            .collect();
        hidden.retain(|one| one.len() >= SECRET_LENGTH_MIN);
        // One may be a part of another.
        hidden.sort_unstable_by_key(|one| std::cmp::Reverse(one.len()));
        let text = self.url.redact(text);
        hidden
            .iter()
            .fold(text, |text, one| text.replace(one, "***"))
    }
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables: Vec<&String> = self.variables.keys().collect();
        let headers: Vec<&String> = self.headers.keys().collect();
        f.debug_struct("WebhookConfig")
            .field("url", &self.url)
            .field("secret", &self.secret)
            .field("template", &self.template)
            .field("variables", &variables)
            .field("headers", &headers)
            .finish()
    }
}

/// What is shorter is no secret, and hiding it would spoil a text.
#[cfg(feature = "server")]
const SECRET_LENGTH_MIN: usize = 4;

/// The URL of a receiver; what follows its host is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// Checks a URL; `setting` is named when it cannot work.
    ///
    /// # Errors
    /// [`Error::Config`] when it does not begin with `http://` or `https://` and a host.
    pub fn new(setting: &str, text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let refuse = |reason: &str| {
            let remedy = "write it like https://example.com/path";
            Err(Error::config(setting, reason, remedy))
        };
        let Some(rest) = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
        else {
            return refuse("it does not begin with http:// or https://");
        };
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse("it has a blank or a character that a URL cannot have");
        }
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.is_empty() || host.starts_with(':') {
            return refuse("it names no host");
        }
        if host.contains('@') {
            return refuse("it has a user or password before its host, which is not sent");
        }
        Ok(Self(text))
    }

    /// Scheme and host.
    fn shown(&self) -> &str {
        let from = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[from..].find(['/', '?', '#']);
        end.map_or(&self.0, |end| &self.0[..from + end])
    }

    /// The text without what follows the host, nor a long part of it: a receiver may repeat the
    /// path without the query, or the token alone, and as it reads when it is decoded.
    #[cfg(feature = "server")]
    pub(crate) fn redact(&self, text: &str) -> String {
        let hidden = &self.0[self.shown().len()..];
        // A lone slash hides nothing.
        if hidden.len() < 2 {
            return text.to_owned();
        }
        let mut text = text.replace(hidden, "/***");
        for part in hidden.split(['/', '?', '&', '=', '#']) {
            // Telegram has the token in one part with a word.
            let token = part.strip_prefix("bot").unwrap_or(part);
            for secret in [part, token] {
                for form in [secret.to_owned(), percent_decoded(secret)] {
                    if may_be_token(&form) {
                        text = text.replace(&form, "***");
                    }
                }
            }
        }
        text
    }

    /// The whole URL, for the request alone.
    #[cfg(feature = "server")]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/***", self.shown())
    }
}

/// Whether a part of a path may be more than a word of it, such as `services`.
#[cfg(feature = "server")]
fn may_be_token(part: &str) -> bool {
    let has_digit = part.bytes().any(|byte| byte.is_ascii_digit());
    part.len() >= if has_digit { 5 } else { 16 }
}

/// A secret that is never written out.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Checks a secret; `setting` is named when it cannot work.
    ///
    /// # Errors
    /// [`Error::Config`] when it is empty.
    pub fn new(setting: &str, text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.trim().is_empty() {
            return Err(Error::config(
                setting,
                "it is empty, so anybody could sign",
                "give one like those of `openssl rand -hex 32`, or none at all",
            ));
        }
        Ok(Self(text))
    }

    /// The value of a header, whatever it is: it is checked with its name.
    pub(super) fn of_header(text: String) -> Self {
        Self(text)
    }

    /// The text, for the request alone.
    #[cfg(feature = "server")]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of the signature.
    #[cfg(feature = "server")]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_one_of_http_and_no_error_repeats_it() {
        for right in [
            "https://a.example",
            "http://127.0.0.1:1/x?y=z",
            "https://[::1]:8/",
        ] {
            HttpUrl::new("x", right).unwrap();
        }
        for wrong in [
            "",
            "t0ken",
            "ftp://t0ken",
            "https://",
            "https:///t0ken",
            "https://a/ t0ken",
            "https://:80/t0ken",
            "https://user:t0ken@a/",
        ] {
            let error = HttpUrl::new("alerts.webhook_url", wrong)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("alerts.webhook_url: "), "{error}");
            assert!(!error.contains("t0ken"), "{error}");
        }
    }

    #[test]
    fn neither_secrets_nor_paths_are_shown() {
        let url = HttpUrl::new("x", "https://hooks.example/services/t0ken").unwrap();
        let webhook = WebhookConfig::new(url).with(|it| {
            it.secret = Some(Secret::new("x", "s3cret").unwrap());
            it.template = AlertTemplate::Own("t0ken".to_owned());
            it.variables.insert("key".to_owned(), "t0ken".into());
            let value = Secret::new("x", "t0ken").unwrap();
            it.headers.insert("x-key".to_owned(), value);
        });
        let shown = format!("{webhook:?}");
        assert!(shown.contains("https://hooks.example/***"), "{shown}");
        assert!(
            !shown.contains("t0ken") && !shown.contains("s3cret"),
            "{shown}"
        );
        Secret::new("x", " ").unwrap_err();
    }

    #[cfg(feature = "server")]
    #[test]
    fn no_form_of_a_secret_is_left_in_what_a_receiver_answers() {
        let telegram = "https://api.telegram.org/bot123456:AAE-x_Y9zz/sendMessage";
        let slack = "https://hooks.slack.com/services/T00000000/B11111111/abcdEFGHijklMNOPqrst";
        for (url, answer, left) in [
            (
                telegram,
                "https://api.telegram.org/bot123456:AAE-x_Y9zz/sendMessage",
                "https://api.telegram.org/***",
            ),
            (
                telegram,
                "no method /bot123456:AAE-x_Y9zz/sendMessag",
                "no method /***/sendMessag",
            ),
            (
                telegram,
                "the token 123456:AAE-x_Y9zz is wrong",
                "the token *** is wrong",
            ),
            (
                "https://a.example/bot1%3Ax9zz",
                "the token 1:x9zz is wrong",
                "the token *** is wrong",
            ),
            (slack, "no team T00000000", "no team ***"),
            (slack, "abcdEFGHijklMNOPqrst: no_service", "***: no_service"),
            (
                "https://a.example/hook?key=k3ykey&x=1",
                "bad key k3ykey",
                "bad key ***",
            ),
            (
                "https://a.example/services/sendMessage",
                "no services",
                "no services",
            ),
            ("https://a.example/", "a / b", "a / b"),
        ] {
            let webhook = WebhookConfig::new(HttpUrl::new("x", url).unwrap());
            assert_eq!(webhook.redact(answer), left, "{url}");
        }
        let url = HttpUrl::new("x", "https://events.pagerduty.com/v2/enqueue").unwrap();
        let mut webhook = WebhookConfig::new(url).with(|it| {
            it.template = AlertTemplate::BuiltIn(BuiltInTemplate::PagerDuty);
            it.variables
                .insert("routing_key".to_owned(), "R0utingkey".into());
            it.variables.insert("severity".to_owned(), "warning".into());
            let value = Secret::of_header("Bearer s3cret".to_owned());
            it.headers.insert("authorization".to_owned(), value);
        });
        let said = webhook.redact("warning: R0utingkey of s3cret, or Bearer s3cret");
        assert_eq!(said, "warning: *** of ***, or ***");
        webhook.template = AlertTemplate::Own("{}".to_owned());
        assert_eq!(webhook.redact("warning: R0utingkey"), "***: ***");
    }

    #[cfg(feature = "server")]
    #[test]
    fn what_cannot_work_names_the_channel_the_reason_and_the_remedy() {
        let base = || WebhookConfig::new(HttpUrl::new("x", "https://a.example").unwrap());
        let header = |name: &str, value: &str| {
            let value = Secret::of_header(value.to_owned());
            base().with(|it| drop(it.headers.insert(name.to_owned(), value)))
        };
        let own = |text: &str| base().with(|it| it.template = AlertTemplate::Own(text.to_owned()));
        for (webhook, starts, has) in [
            (
                header("x key", "1"),
                "c.headers: \"x key\" is not the name",
                "X-Api-Key",
            ),
            (
                header("Content-Type", "1"),
                "c.headers: \"Content-Type\" is set by",
                "leave it out",
            ),
            (
                header("x-key", "t0ken\n"),
                "c.headers: \"x-key\" has a value",
                "printable",
            ),
            (
                own("{{ alert.oops }}"),
                "c.template: nobody knows its alert.oops",
                "alert_message",
            ),
            (
                own("{{ x }}"),
                "c.template: nobody knows its x",
                "variables",
            ),
        ] {
            let error = webhook.check("c").unwrap_err().to_string();
            assert!(error.starts_with(starts) && error.contains(has), "{error}");
            assert!(!error.contains("t0ken"), "{error}");
        }
        header("X-Api-Key", "t0ken of mine").check("c").unwrap();
    }
}
