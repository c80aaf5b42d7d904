//! A trial of one channel: an alert that nobody fired, sent as delivery would, and stored nowhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use super::channel::Channel;
use super::send_outcome::SendOutcome;
use crate::clock::Clock;
use crate::config::AlertsConfig;
use crate::domain::{ChannelKind, DeliveryState, DeliveryStatus, FiredStatus, Symbol};
use crate::error::{Error, Result};
use crate::models::{AlertDelivery, AlertLog};
use crate::repository::alert_delivery::{AlertNotice, Claim};
use crate::timestamp::Timestamp;

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelTest {
    /// The channel's name.
    pub channel: String,
    /// Its kind.
    pub kind: ChannelKind,
    /// The status that the receiver answered with when it took the alert, if it was reached over
    /// HTTP.
    pub status: Option<u16>,
    /// Why it did not take it; none when it did.
    pub failure: Option<String>,
    /// The time that it took, the answer included.
    pub took: Duration,
}

/// Sends one sample alert on a channel of the settings, by the code that delivers. Each trial has
/// an idempotency key of its own.
///
/// # Errors
/// [`Error::Config`] for settings that cannot work; [`Error::NotFound`] when they have no such
/// channel; [`Error::Invalid`] for a channel of the kind `in_app`, whose receivers are in the process
/// that serves.
pub fn test_channel(config: &AlertsConfig, name: &str, clock: &Clock) -> Result<ChannelTest> {
    config.validate()?;
    let channels = config.all_channels()?;
    let Some(wanted) = channels.iter().find(|channel| channel.name == name) else {
        let names: Vec<&str> = channels.iter().map(|it| it.name.as_str()).collect();
        let remedy = format!("the settings have {}", names.join(", "));
        return Err(Error::not_found(format!("channel {name:?}"), remedy));
    };
    let kind = wanted.target.kind();
    if kind == ChannelKind::InApp {
        return Err(Error::invalid(
            "channel",
            format!("{name} has no receiver outside of the process that serves"),
            "subscribe to alerts at /ws/realtime, or call AlertDeliveryService::subscribe",
        ));
    }
    let channel = Channel::new(wanted, config, &broadcast::Sender::new(1))?;
    let now = clock.now();
    let sample = sample(name, kind, now)?;
    let began = Instant::now();
    let outcome = channel.send(&sample, now);
    let took = began.elapsed();
    let (status, failure) = match outcome {
        SendOutcome::Accepted { status } => (status, None),
        SendOutcome::TryAgain { reason } => (None, Some(reason)),
        #[cfg(feature = "server")]
        SendOutcome::Paused { reason, .. } | SendOutcome::Refused { reason } => {
            (None, Some(reason))
        }
    };
    Ok(ChannelTest {
        channel: name.to_owned(),
        kind,
        status,
        failure,
        took,
    })
}

/// An alert that nobody fired. Rules, instruments and alerts are counted from 1, so its numbers are
/// those of none.
fn sample(channel: &str, kind: ChannelKind, now: Timestamp) -> Result<Claim> {
    let alert = AlertLog {
        id: 0,
        timestamp: now,
        source_id: 0,
        sequence: 0,
        rule_id: 0,
        instrument_id: 0,
        trigger_value: 101.5,
        threshold_value: Some(100.0),
        fired_status: FiredStatus::Fired,
        delivery_status: DeliveryStatus::Pending,
        evaluation_time_us: 0,
        rule_condition: "above".to_owned(),
        alert_message: "Test of tickbase: alerts arrive here".to_owned(),
        error_message: None,
        delivery_attempted_at: None,
        delivery_completed_at: None,
        deleted_at: None,
        silence_id: None,
        acknowledged_at: None,
        acknowledged_by: None,
        acknowledgement_note: None,
        trace_id: None,
    };
    let delivery = AlertDelivery {
        id: 0,
        alert_id: 0,
        channel: channel.to_owned(),
        kind,
        status: DeliveryState::Pending,
        attempts: 1,
        next_attempt_at: None,
        last_error: None,
        first_attempted_at: None,
        completed_at: None,
        created_at: now,
    };
    let notice = AlertNotice {
        alert,
        symbol: Symbol::new("TEST")?,
        price_decimals: None,
        rule_name: Some("test".to_owned()),
    };
    Ok(Claim {
        delivery,
        notice: Arc::new(notice),
        age: Duration::ZERO,
    })
}
