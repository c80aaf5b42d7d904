//! The body of an alert for webhooks, which is the same for each attempt, and its signature. It
//! sends nothing.

use std::fmt::Write;

use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::config::Secret;
use crate::error::{Error, Result};
use crate::repository::alert_delivery::AlertNotice;

/// The body for a webhook. Values are not rounded: they are for programs.
pub(super) fn webhook(notice: &AlertNotice) -> Vec<u8> {
    let alert = &notice.alert;
    let body = json!({
        "event": "alert_fired",
        "version": "1.0",
        "alert": {
            "id": alert.id,
            "timestamp": alert.timestamp.to_string(),
            "source_id": alert.source_id,
            "sequence": alert.sequence,
            "rule_id": alert.rule_id,
            "rule_name": notice.rule_name,
            "instrument_id": alert.instrument_id,
            "instrument_symbol": notice.symbol.as_str(),
            "trigger_value": alert.trigger_value,
            "threshold_value": alert.threshold_value,
            "fired_status": alert.fired_status.as_str(),
            "rule_condition": alert.rule_condition,
            "evaluation_time_ms": alert.evaluation_time_us as f64 / 1e3,
            "alert_message": alert.alert_message,
        },
    });
    body.to_string().into_bytes()
}

/// The body for Slack: the message, with the three characters that are its markup's escaped
/// (<https://api.slack.com/reference/surfaces/formatting#escaping>).
pub(super) fn slack(notice: &AlertNotice) -> Vec<u8> {
    let message = &notice.alert.alert_message;
    let text = message
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    json!({ "text": text }).to_string().into_bytes()
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
