//! What the template of a webhook is told of an alert, and the signature of its body. It sends
//! nothing.

use std::fmt::Write;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::config::Secret;
use crate::domain::{TemplateAlert, TemplateFacts, TraceId};
use crate::error::{Error, Result};
use crate::repository::alert_delivery::Claim;
use crate::timestamp::Timestamp;

/// What templates are told of an attempt to deliver an alert.
pub(super) fn facts<'a>(claim: &'a Claim, key: &'a str, now: Timestamp) -> TemplateFacts<'a> {
    let (notice, alert) = (&claim.notice, &claim.notice.alert);
    TemplateFacts {
        alert: TemplateAlert {
            id: alert.id,
            timestamp: alert.timestamp.to_string(),
            source_id: alert.source_id,
            sequence: alert.sequence,
            rule_id: alert.rule_id,
            rule_name: notice.rule_name.as_deref(),
            instrument_id: alert.instrument_id,
            instrument_symbol: notice.symbol.as_str(),
            trigger_value: alert.trigger_value,
            threshold_value: alert.threshold_value,
            fired_status: alert.fired_status.as_str(),
            rule_condition: &alert.rule_condition,
            evaluation_time_ms: alert.evaluation_time_us as f64 / 1e3,
            alert_message: &alert.alert_message,
        },
        channel: &claim.delivery.channel,
        idempotency_key: key,
        sent_at: now.to_string(),
    }
}

/// The header that takes the trace of the request on whose tick fired the alert; each attempt is a span
/// of its own.
pub(super) fn traceparent(claim: &Claim) -> Option<String> {
    let trace: TraceId = claim.notice.alert.trace_id.as_deref()?.parse().ok()?;
    Some(trace.traceparent(fastrand::u64(1..)))
}

/// Signs bodies with a secret.
#[derive(Clone)]
pub(super) struct Signer(Hmac<Sha256>);

impl Signer {
    pub(super) fn new(setting: &str, secret: &Secret) -> Result<Self> {
        let keyed = Hmac::new_from_slice(secret.as_bytes());
        keyed
            .map(Self)
            .map_err(|error| Error::config(setting, error.to_string(), "use another secret"))
    }

    /// The value of `X-Tickbase-Signature`: `sha256=` and HMAC-SHA256 of `timestamp.body`.
    pub(super) fn sign(&self, timestamp: &str, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        let mut text = String::from("sha256=");
        for byte in mac.finalize().into_bytes() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `printf '%s' 1700000000.{} | openssl dgst -sha256 -hmac s3cret`.
    #[test]
    fn the_signature_is_what_openssl_computes() {
        let signer = Signer::new("x", &Secret::new("x", "s3cret").unwrap()).unwrap();
        assert_eq!(
            signer.sign("1700000000", b"{}"),
            "sha256=97926816e98fbb41ccb1673225ff29a2f35369099990e1b1561651e7bd097ebf"
        );
        assert_eq!(format!("{signer:?}"), "Signer(..)");
    }
}
