//! The families of the delivery of alerts. Counts are those of the moment of the scrape; how much
//! waits is that of the service's last look.

use super::exposition::{Exposition, MetricKind};
use crate::services::alert_delivery::DeliverySnapshot;

const CHANNEL: &str = "channel";

/// The families of delivery, by channel: attempts and their durations, what waits, what was given
/// up.
pub fn delivery_metrics(text: &mut Exposition, snapshot: &DeliverySnapshot) {
    let configured = || snapshot.channels.iter().filter(|c| c.kind.is_some());
    let mut family = text.family(
        MetricKind::Counter,
        "tickbase_alert_delivery_attempts_total",
        "Attempts to deliver alerts, by channel and outcome: delivered, failed (another one \
         follows), deferred (it does not count, as the receiver takes nothing for now), dead (the \
         last one).",
    );
    for of in configured() {
        let outcomes = [
            ("delivered", of.delivered),
            ("failed", of.failed),
            ("deferred", of.deferred),
            ("dead", of.dead),
        ];
        for (outcome, attempts) in outcomes {
            let labels = [(CHANNEL, of.name.as_str()), ("outcome", outcome)];
            family.sample(&labels, attempts as f64);
        }
    }
    let mut family = text.family(
        MetricKind::Histogram,
        "tickbase_alert_delivery_attempt_duration_seconds",
        "Duration of attempts to deliver alerts, waiting for the answer included.",
    );
    for of in configured() {
        family.durations(&[(CHANNEL, &of.name)], &of.attempts);
    }
    let mut family = text.family(
        MetricKind::Gauge,
        "tickbase_alert_delivery_pause_seconds",
        "Time until this process sends on the channel again, as its receiver asked for; 0 when it \
         does not pause.",
    );
    for of in configured() {
        let pause = of.paused_for.unwrap_or_default();
        family.sample(&[(CHANNEL, of.name.as_str())], pause.as_secs_f64());
    }
    if snapshot.queue_at.is_some() {
        waiting(text, snapshot);
    }
}

/// Writes the families that take a query.
fn waiting(text: &mut Exposition, snapshot: &DeliverySnapshot) {
    let mut family = text.family(
        MetricKind::Gauge,
        "tickbase_alert_delivery_pending",
        "Deliveries of alerts that are neither done nor given up.",
    );
    for of in &snapshot.channels {
        family.sample(&[(CHANNEL, &of.name)], of.pending as f64);
    }
    let mut family = text.family(
        MetricKind::Gauge,
        "tickbase_alert_delivery_oldest_pending_age_seconds",
        "Age of the oldest delivery that is neither done nor given up; 0 when there is none.",
    );
    for of in &snapshot.channels {
        let age = of.oldest_pending_age.unwrap_or_default();
        family.sample(&[(CHANNEL, &of.name)], age.as_secs_f64());
    }
    let mut family = text.family(
        MetricKind::Gauge,
        "tickbase_alert_delivery_dead_letters",
        "Deliveries of alerts that were given up and not tried again.",
    );
    for of in &snapshot.channels {
        family.sample(&[(CHANNEL, &of.name)], of.dead_letters as f64);
    }
}
