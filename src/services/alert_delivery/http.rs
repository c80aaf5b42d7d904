//! HTTP requests to webhooks: sending one, and what its answer means. It keeps no count of
//! attempts.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode};

use super::backoff;
use super::channel::Answer;
use super::payload::{self, Signer};
use crate::config::{AlertsConfig, ChannelConfig, ChannelTarget, HttpUrl};
use crate::error::{Error, Result};
use crate::repository::alert_delivery::Claim;
use crate::timestamp::Timestamp;

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 * 1_024;
/// Characters of an answer that an error repeats.
const ECHO_CHARS_MAX: usize = 120;

/// The receiver of a channel.
#[derive(Debug)]
pub(super) struct Endpoint {
    url: HttpUrl,
    signer: Option<Signer>,
    slack: bool,
    agent: Agent,
}

impl Endpoint {
    pub(super) fn new(channel: &ChannelConfig, config: &AlertsConfig) -> Result<Self> {
        let (url, secret) = match &channel.target {
            ChannelTarget::Webhook { url, secret } => (url, secret.as_ref()),
            ChannelTarget::Slack { url } => (url, None),
            _ => return Err(no_url(channel)),
        };
        let setting = |field: &str| format!("alerts.channels.{}.{field}", channel.name);
        // Found out at the start, not at the first alert.
        if let Err(error) = url.as_str().parse::<ureq::http::Uri>() {
            let remedy = "write it like https://example.com/path";
            return Err(Error::config(setting("url"), error.to_string(), remedy));
        }
        let signer = secret.map(|secret| Signer::new(&setting("secret"), secret));
        Ok(Self {
            url: url.clone(),
            signer: signer.transpose()?,
            slack: matches!(channel.target, ChannelTarget::Slack { .. }),
            agent: agent(config),
        })
    }

    /// Sends an alert and waits for the answer.
    pub(super) fn post(&self, claim: &Claim, now: Timestamp) -> Answer {
        let body = if self.slack {
            payload::slack(&claim.notice)
        } else {
            payload::webhook(&claim.notice)
        };
        let timestamp = now.micros().div_euclid(1_000_000).to_string();
        let mut request = self
            .agent
            .post(self.url.as_str())
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", claim.idempotency_key())
            .header("X-Tickbase-Timestamp", &timestamp);
        if let Some(signer) = &self.signer {
            request = request.header("X-Tickbase-Signature", signer.sign(&timestamp, &body));
        }
        match request.send(&body[..]) {
            Ok(response) => {
                let (head, mut body) = response.into_parts();
                let mut text = Vec::new();
                // The status has come: a body that breaks off changes nothing about it.
                let read = body
                    .as_reader()
                    .take(ANSWER_BYTES_MAX)
                    .read_to_end(&mut text);
                drop(read);
                let said = self.shown(&String::from_utf8_lossy(&text));
                judge(head.status, &head.headers, &said, now)
            }
            Err(error) => Answer::TryAgain {
                reason: self.shown(&failure(&error)),
                after: None,
            },
        }
    }

    /// What may be logged and stored of a text from outside: short, one line, without the URL.
    fn shown(&self, text: &str) -> String {
        let text = self.url.redact(text);
        let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        let line: String = line.take(ECHO_CHARS_MAX).collect();
        line.trim().to_owned()
    }
}

fn agent(config: &AlertsConfig) -> Agent {
    Agent::config_builder()
        .timeout_connect(Some(config.connect_timeout))
        .timeout_global(Some(config.total_timeout))
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent(concat!("tickbase/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

fn no_url(channel: &ChannelConfig) -> Error {
    Error::config(
        format!("alerts.channels.{}.kind", channel.name),
        "it has no URL",
        "use webhook or slack",
    )
}

/// What an answer means.
fn judge(status: StatusCode, headers: &HeaderMap, said: &str, now: Timestamp) -> Answer {
    if status.is_success() {
        return Answer::Accepted;
    }
    let colon = if said.is_empty() { "" } else { ": " };
    let reason = format!("answered {}{colon}{said}", status.as_u16());
    let asks = matches!(status.as_u16(), 429 | 503);
    match status.as_u16() {
        408 | 425 | 429 | 500..=599 => Answer::TryAgain {
            reason,
            after: retry_after(headers, now).filter(|_| asks),
        },
        300..=399 => Answer::Refused {
            reason: format!("{reason}; redirects are not followed, give the final URL"),
        },
        _ => Answer::Refused { reason },
    }
}

fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    backoff::retry_after(headers.get("retry-after")?.to_str().ok()?, now)
}

/// Why no answer came.
fn failure(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(what) => format!("no answer in time ({what})"),
        ureq::Error::HostNotFound => "the host is unknown".to_owned(),
        other => format!("no answer: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_means_one_thing() {
        let now = Timestamp::from_micros(0).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "7".parse().unwrap());
        let of = |code: u16| judge(StatusCode::from_u16(code).unwrap(), &headers, "", now);
        for code in [200, 201, 204, 299] {
            assert_eq!(of(code), Answer::Accepted, "{code}");
        }
        for code in [408, 425, 429, 500, 502, 503, 599] {
            let Answer::TryAgain { after, reason } = of(code) else {
                panic!("{code} is not tried again");
            };
            let asked = matches!(code, 429 | 503).then_some(Duration::from_secs(7));
            assert_eq!((after, reason), (asked, format!("answered {code}")));
        }
        for code in [301, 302, 307, 308, 400, 401, 403, 404, 410, 422] {
            assert!(matches!(of(code), Answer::Refused { .. }), "{code}");
        }
    }
}
