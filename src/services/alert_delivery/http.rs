//! HTTP requests to webhooks: sending one, and what its answer means. It keeps no count of
//! attempts.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode};

use super::backoff;
use super::payload::{self, Signer};
use super::send_outcome::SendOutcome;
use crate::config::{AlertsConfig, WebhookConfig};
use crate::domain::TemplateRenderer;
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
    webhook: WebhookConfig,
    signer: Option<Signer>,
    renderer: TemplateRenderer,
    agent: Agent,
}

impl Endpoint {
    pub(super) fn new(
        channel: &str,
        webhook: &WebhookConfig,
        config: &AlertsConfig,
    ) -> Result<Self> {
        let setting = |field: &str| format!("alerts.channels.{channel}.{field}");
        // Found out at the start, not at the first alert.
        if let Err(error) = webhook.url.as_str().parse::<ureq::http::Uri>() {
            let remedy = "write it like https://example.com/path";
            return Err(Error::config(setting("url"), error.to_string(), remedy));
        }
        let secret = webhook.secret.as_ref();
        let signer = secret.map(|secret| Signer::new(&setting("secret"), secret));
        Ok(Self {
            signer: signer.transpose()?,
            renderer: webhook.renderer()?,
            webhook: webhook.clone(),
            agent: agent(config),
        })
    }

    /// Sends an alert and waits for the answer.
    pub(super) fn post(&self, claim: &Claim, now: Timestamp) -> SendOutcome {
        let key = claim.idempotency_key();
        let body = match self.renderer.render(&payload::facts(claim, &key, now)) {
            Ok(body) => body,
            // It makes no other one of this alert the next time.
            Err(error) => {
                let reason = self.shown(&error.to_string());
                return SendOutcome::Refused { reason };
            }
        };
        let timestamp = now.micros().div_euclid(1_000_000).to_string();
        let mut request = self
            .agent
            .post(self.webhook.url.as_str())
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", key)
            .header("X-Tickbase-Timestamp", &timestamp);
        if let Some(traceparent) = payload::traceparent(claim) {
            request = request.header("traceparent", traceparent);
        }
        for (name, value) in &self.webhook.headers {
            request = request.header(name, value.as_str());
        }
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
            Err(error) => SendOutcome::TryAgain {
                reason: self.shown(&failure(&error)),
            },
        }
    }

    /// Makes a text from outside fit for the log and the database: short, one line, without
    /// URL and secrets.
    fn shown(&self, text: &str) -> String {
        let text = self.webhook.redact(text);
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

/// Judges an answer. A refusal with a time concerns the channel and not this alert, whatever its
/// status: some answer 403 to those who come too often.
fn judge(status: StatusCode, headers: &HeaderMap, said: &str, now: Timestamp) -> SendOutcome {
    if status.is_success() {
        let status = Some(status.as_u16());
        return SendOutcome::Accepted { status };
    }
    let colon = if said.is_empty() { "" } else { ": " };
    let reason = format!("answered {}{colon}{said}", status.as_u16());
    let after = retry_after(headers, now);
    match status.as_u16() {
        // The final answer about this URL, whenever it is asked.
        300..=399 => SendOutcome::Refused {
            reason: format!("{reason}; redirects are not followed, give the final URL"),
        },
        429 => SendOutcome::Paused { reason, after },
        _ if after.is_some() => SendOutcome::Paused { reason, after },
        408 | 425 | 500..=599 => SendOutcome::TryAgain { reason },
        _ => SendOutcome::Refused { reason },
    }
}

/// The time that the receiver asks for. A date is compared with the receiver's own clock, if its
/// answer tells it: ours may be minutes away.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let now = text("date").and_then(backoff::http_date).unwrap_or(now);
    backoff::retry_after(text("retry-after")?, now)
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

    fn of(code: u16, headers: &[(&'static str, &str)]) -> SendOutcome {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.insert(*name, value.parse().unwrap());
        }
        // 2023-11-14 22:13:20.
        let now = Timestamp::from_micros(1_700_000_000_000_000).unwrap();
        judge(StatusCode::from_u16(code).unwrap(), &all, "", now)
    }

    #[test]
    fn each_status_means_one_thing() {
        for code in [200, 201, 204, 299] {
            let status = Some(code);
            assert_eq!(
                of(code, &[("retry-after", "7")]),
                SendOutcome::Accepted { status },
                "{code}"
            );
        }
        for code in [408, 425, 500, 502, 503, 599] {
            let reason = format!("answered {code}");
            assert_eq!(of(code, &[]), SendOutcome::TryAgain { reason }, "{code}");
        }
        for code in [301, 302, 307, 308, 400, 401, 403, 404, 410, 422] {
            assert!(
                matches!(of(code, &[]), SendOutcome::Refused { .. }),
                "{code}"
            );
        }
        assert!(matches!(
            of(302, &[("retry-after", "7")]),
            SendOutcome::Refused { .. }
        ));
    }

    #[test]
    fn who_asks_for_time_pauses_the_channel_by_the_receivers_clock() {
        for code in [403, 408, 429, 500, 503] {
            let reason = format!("answered {code}");
            let after = Some(Duration::from_secs(7));
            let answer = of(code, &[("retry-after", "7")]);
            assert_eq!(answer, SendOutcome::Paused { reason, after }, "{code}");
        }
        let wait = |headers: &[(&'static str, &str)]| match of(429, headers) {
            SendOutcome::Paused { after, .. } => after.map(|wait| wait.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        let until = ("retry-after", "Tue, 14 Nov 2023 22:14:20 GMT");
        assert_eq!(wait(&[until]), Some(60));
        // The receiver's clock is five minutes behind ours.
        assert_eq!(
            wait(&[until, ("date", "Tue, 14 Nov 2023 22:08:20 GMT")]),
            Some(360)
        );
    }
}
