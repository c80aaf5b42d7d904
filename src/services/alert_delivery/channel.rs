//! A channel at work: how an alert is handed over on it, and what it has counted. When to try
//! again is not its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::broadcast;

#[cfg(feature = "server")]
use super::http::Endpoint;
use super::pacing::Pacing;
use super::send_outcome::SendOutcome;
use crate::config::{AlertsConfig, ChannelConfig, ChannelTarget};
use crate::database::Histogram;
#[cfg(not(feature = "server"))]
use crate::error::Error;
use crate::error::Result;
use crate::repository::alert_delivery::{AlertNotice, ChannelKey, Claim, DeliveryOutcome};
use crate::timestamp::Timestamp;

/// Alerts that a thread of a channel within the process takes at once: they share a commit.
const BATCH_ALERTS_MAX: usize = 64;

/// Subscribers to alerts in this process.
pub(super) type Subscribers = broadcast::Sender<Arc<AlertNotice>>;

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) key: ChannelKey,
    /// Threads that deliver on it.
    pub(super) threads: usize,
    /// Alerts that each of them takes at once.
    pub(super) batch_max: usize,
    pub(super) counts: ChannelCounts,
    pub(super) pacing: Pacing,
    target: DeliveryTarget,
}

#[derive(Debug)]
enum DeliveryTarget {
    Log,
    InApp(Subscribers),
    #[cfg(feature = "server")]
    Http(Box<Endpoint>),
}

/// The counts of a channel since the service was made.
#[derive(Debug, Default)]
pub(super) struct ChannelCounts {
    delivered: AtomicU64,
    failed: AtomicU64,
    deferred: AtomicU64,
    dead: AtomicU64,
    /// Durations of attempts.
    pub(super) attempts: Histogram,
}

impl ChannelCounts {
    pub(super) fn count(&self, outcome: &DeliveryOutcome) {
        let count = match outcome {
            DeliveryOutcome::Delivered => &self.delivered,
            DeliveryOutcome::Failed { .. } => &self.failed,
            DeliveryOutcome::Deferred { .. } => &self.deferred,
            DeliveryOutcome::Dead { .. } => &self.dead,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Attempts that delivered, that failed, that the receiver put off, and that were the last one.
    pub(super) fn totals(&self) -> [u64; 4] {
        let all = [&self.delivered, &self.failed, &self.deferred, &self.dead];
        all.map(|count| count.load(Ordering::Relaxed))
    }
}

impl Channel {
    pub(super) fn new(
        channel: &ChannelConfig,
        config: &AlertsConfig,
        subscribers: &Subscribers,
    ) -> Result<Self> {
        let kind = channel.target.kind();
        let (threads, batch_max) = if kind.is_http() {
            (config.concurrency_max, 1)
        } else {
            (1, BATCH_ALERTS_MAX)
        };
        Ok(Self {
            key: ChannelKey {
                name: channel.name.clone(),
                kind,
            },
            threads,
            batch_max,
            counts: ChannelCounts::default(),
            pacing: Pacing::new(config.backoff_base, config.backoff_cap),
            target: target(channel, config, subscribers)?,
        })
    }

    /// Hands an alert over and waits for the answer.
    pub(super) fn send(&self, claim: &Claim, now: Timestamp) -> SendOutcome {
        match &self.target {
            DeliveryTarget::Log => log(claim),
            // Nobody who listens is nobody who misses it.
            DeliveryTarget::InApp(subscribers) => drop(subscribers.send(Arc::clone(&claim.notice))),
            #[cfg(feature = "server")]
            DeliveryTarget::Http(endpoint) => return endpoint.post(claim, now),
        }
        let _ = now;
        SendOutcome::Accepted { status: None }
    }
}

#[cfg(feature = "server")]
fn target(
    channel: &ChannelConfig,
    config: &AlertsConfig,
    subscribers: &Subscribers,
) -> Result<DeliveryTarget> {
    Ok(match &channel.target {
        ChannelTarget::Log => DeliveryTarget::Log,
        ChannelTarget::InApp => DeliveryTarget::InApp(subscribers.clone()),
        ChannelTarget::Webhook(webhook) => {
            DeliveryTarget::Http(Box::new(Endpoint::new(&channel.name, webhook, config)?))
        }
    })
}

#[cfg(not(feature = "server"))]
fn target(
    channel: &ChannelConfig,
    _config: &AlertsConfig,
    subscribers: &Subscribers,
) -> Result<DeliveryTarget> {
    match &channel.target {
        ChannelTarget::Log => Ok(DeliveryTarget::Log),
        ChannelTarget::InApp => Ok(DeliveryTarget::InApp(subscribers.clone())),
        _ => Err(Error::config(
            format!("alerts.channels.{}.kind", channel.name),
            "this build sends no HTTP requests",
            "build with `--features server`",
        )),
    }
}

/// One line for people and for what reads logs.
fn log(claim: &Claim) {
    let notice = &claim.notice;
    let alert = &notice.alert;
    tracing::warn!(
        target: "tickbase::alerts",
        alert_id = alert.id,
        rule_id = alert.rule_id,
        rule_name = notice.rule_name.as_deref(),
        symbol = notice.symbol.as_str(),
        timestamp = %alert.timestamp,
        trigger_value = alert.trigger_value,
        threshold_value = alert.threshold_value,
        condition = alert.rule_condition,
        trace_id = alert.trace_id.as_deref(),
        idempotency_key = claim.idempotency_key(),
        "{}",
        alert.alert_message
    );
}
