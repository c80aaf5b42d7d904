//! The figures of delivery at one moment. It asks nobody.

use std::time::{Duration, Instant};

use super::channel::Channel;
use crate::database::HistogramCounts;
use crate::domain::ChannelKind;
use crate::repository::alert_delivery::ChannelDepth;
use crate::timestamp::Timestamp;

/// The state of delivery.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DeliverySnapshot {
    /// When the database was asked how much waits; `None` before that.
    pub queue_at: Option<Timestamp>,
    /// Each channel: those of the settings in their order, then others of which something is in
    /// the database.
    pub channels: Vec<ChannelSnapshot>,
}

/// The state of a channel. Counts are those of this process since the service was made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ChannelSnapshot {
    /// Its name.
    pub name: String,
    /// The kind; `None` for a channel that is not in the settings, on which nothing is sent from
    /// here.
    pub kind: Option<ChannelKind>,
    /// Attempts that delivered.
    pub delivered: u64,
    /// Attempts that failed and are followed by another one.
    pub failed: u64,
    /// Attempts that do not count, as the receiver takes nothing for now.
    pub deferred: u64,
    /// Attempts that failed and were the last.
    pub dead: u64,
    /// The rest of a pause that the receiver asked for.
    pub paused_for: Option<Duration>,
    /// Durations of attempts, waiting for the answer included.
    pub attempts: HistogramCounts,
    /// Deliveries that are neither done nor given up, in the database.
    pub pending: i64,
    /// The time since the oldest of them was queued.
    pub oldest_pending_age: Option<Duration>,
    /// Deliveries that were given up, in the database.
    pub dead_letters: i64,
}

/// The deliveries that waited when the database was last asked.
#[derive(Debug, Clone)]
pub(super) struct QueueDepth {
    pub(super) taken_at: Timestamp,
    pub(super) taken: Instant,
    pub(super) channels: Vec<ChannelDepth>,
}

pub(super) fn of(channels: &[Channel], depth: Option<&QueueDepth>) -> DeliverySnapshot {
    let waiting: &[ChannelDepth] = depth.map_or(&[], |depth| &depth.channels);
    let since = depth.map_or(Duration::ZERO, |depth| depth.taken.elapsed());
    let known = |name: &str| channels.iter().any(|channel| channel.key.name == name);
    let ours = channels.iter().map(|channel| {
        let waits = waiting.iter().find(|w| w.channel == channel.key.name);
        let [delivered, failed, deferred, dead] = channel.counts.totals();
        ChannelSnapshot {
            kind: Some(channel.key.kind),
            delivered,
            failed,
            deferred,
            dead,
            paused_for: channel.pacing.pause(),
            attempts: channel.counts.attempts.counts(),
            ..of_depth(&channel.key.name, waits, since)
        }
    });
    let strangers = waiting.iter().filter(|waits| !known(&waits.channel));
    let strangers = strangers.map(|waits| of_depth(&waits.channel, Some(waits), since));
    DeliverySnapshot {
        queue_at: depth.map(|depth| depth.taken_at),
        channels: ours.chain(strangers).collect(),
    }
}

fn of_depth(name: &str, waits: Option<&ChannelDepth>, since: Duration) -> ChannelSnapshot {
    let oldest = waits.and_then(|waits| waits.oldest_age);
    ChannelSnapshot {
        name: name.to_owned(),
        kind: None,
        delivered: 0,
        failed: 0,
        deferred: 0,
        dead: 0,
        paused_for: None,
        attempts: HistogramCounts::default(),
        pending: waits.map_or(0, |waits| waits.open),
        oldest_pending_age: oldest.map(|age| age + since),
        dead_letters: waits.map_or(0, |waits| waits.dead),
    }
}
