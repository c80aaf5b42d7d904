//! What arrives on each kind of channel.

use tickbase::config::{ChannelTarget, HttpUrl, WebhookConfig};
use tickbase::domain::{DeliveryState, DeliveryStatus};
use tickbase::monitoring::metrics::{self, Exposition};
use tickbase::repository::alert_log;
use tickbase::services::{Service, ServiceState};
use tokio::sync::broadcast::error::TryRecvError;

use crate::delivery::receiver::{PATIENCE, Receiver, Reply, Request};
use crate::delivery::world::{BEGIN, HOUR, SECRET, World, channel, one_more_look, until, webhook};
use crate::support::{db_delete, db_write, exposition, on_both};

/// As a receiver verifies it.
fn signature(request: &Request) -> String {
    use hmac::{Hmac, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let timestamp = request.header("x-tickbase-timestamp").unwrap();
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(&request.body);
    let bytes = mac.finalize().into_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

on_both! {
    fn a_webhook_gets_each_alert_once_signed_and_with_its_key(place: &TestDatabase) {
        let world = World::new(place);
        let receiver = Receiver::accepting();
        // Fired before the service was there, as in a crash or in another process.
        let first = world.fire(1);
        let service = world.service(vec![webhook("hook", &receiver)]);
        service.start().unwrap();
        let request = receiver.wait_for(1).remove(0);
        assert_eq!(request.line(), "POST /hooks/t0ken HTTP/1.1");
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("x-tickbase-timestamp"), Some("1700000000"));
        assert_eq!(request.header("x-tickbase-signature"), Some(&*signature(&request)));
        assert_eq!(request.key(), format!("tickbase-1-1-{}-1-0-hook", BEGIN + 1));
        let json = request.json();
        assert_eq!(json["event"], "alert_fired");
        let alert = &json["alert"];
        assert_eq!(alert["id"], first);
        assert_eq!(alert["timestamp"], "2023-11-14T22:13:20.000001Z");
        assert_eq!((&alert["instrument_symbol"], &alert["rule_name"]), (&"ES".into(), &"breakout".into()));
        assert_eq!(alert["trigger_value"], 101.5);
        world.until_status(first, DeliveryStatus::AllDelivered);
        let stored = world.alert(first);
        assert!(stored.delivery_attempted_at.is_some());
        assert!(stored.delivery_attempted_at <= stored.delivery_completed_at);
        let second = world.fire(2);
        service.wake();
        world.until_status(second, DeliveryStatus::AllDelivered);
        let keys: Vec<_> = receiver.requests().iter().map(Request::key).collect();
        assert_eq!(keys.len(), 2);
        assert_ne!(keys[0], keys[1]);
        service.stop();
        assert_eq!(service.status().state, ServiceState::Stopped);
        // A second run takes up what came meanwhile.
        let third = world.fire(3);
        service.start().unwrap();
        world.until_status(third, DeliveryStatus::AllDelivered);
        assert_eq!(receiver.requests().len(), 3);
    }

    fn slack_gets_the_message_and_its_markup_is_escaped(place: &TestDatabase) {
        let world = World::new(place);
        let receiver = Receiver::new(|_| Reply::Full(200, String::new(), vec![b'x'; 1 << 20]));
        let url = HttpUrl::new("url", receiver.url()).unwrap();
        let service = world.service(vec![channel("slack", ChannelTarget::Webhook(WebhookConfig::slack(url)))]);
        let id = world.fire(1);
        service.start().unwrap();
        let request = receiver.wait_for(1).remove(0);
        let json = request.json();
        assert_eq!(json["text"], "Alert: &lt;b&gt; &amp; co - Price 101.5 above threshold 100.0000");
        let plain = &json["blocks"][0]["text"];
        let message = "Alert: <b> & co - Price 101.5 above threshold 100.0000";
        assert_eq!((&plain["type"], &plain["text"]), (&"plain_text".into(), &message.into()));
        assert_eq!(request.header("x-tickbase-signature"), None);
        world.until_status(id, DeliveryStatus::AllDelivered);
    }

    fn subscribers_get_alerts_in_order_and_a_slow_one_learns_what_it_missed(place: &TestDatabase) {
        let world = World::new(place);
        let service = world.service_with(vec![channel("desk", ChannelTarget::InApp)], |config| {
            config.subscriber_buffer = 4;
        });
        let ids: Vec<i64> = (1..=6).map(|n| world.fire(n)).collect();
        let mut subscriber = service.subscribe();
        service.start().unwrap();
        for id in &ids {
            world.until_status(*id, DeliveryStatus::AllDelivered);
        }
        assert_eq!(subscriber.try_recv().unwrap_err(), TryRecvError::Lagged(2));
        let got = std::iter::from_fn(|| subscriber.try_recv().ok());
        let got: Vec<i64> = got.map(|notice| notice.alert.id).collect();
        assert_eq!(got, ids[2..]);
        // Without a subscriber nobody misses it.
        drop(subscriber);
        let last = world.fire(7);
        service.wake();
        world.until_status(last, DeliveryStatus::AllDelivered);
    }

    fn a_deleted_alert_is_not_delivered_until_it_is_restored(place: &TestDatabase) {
        let world = World::new(place);
        let receiver = Receiver::new(|n| Reply::Status(if n == 0 { 500 } else { 200 }));
        let service = world.service(vec![webhook("hook", &receiver)]);
        let (failing, unsent) = (world.fire(1), world.fire(2));
        db_delete!(world.db, alert_log::soft_delete(&[unsent])).unwrap();
        service.start().unwrap();
        world.until_delivery(failing, "hook", |row| row.status == DeliveryState::Failed);
        db_delete!(world.db, alert_log::soft_delete(&[failing])).unwrap();
        world.pass(24 * HOUR, &service);
        one_more_look(&service);
        assert_eq!(receiver.requests().len(), 1);
        db_write!(world.db, alert_log::restore(&[failing, unsent])).unwrap();
        service.wake();
        world.until_status(failing, DeliveryStatus::AllDelivered);
        world.until_status(unsent, DeliveryStatus::AllDelivered);
        assert_eq!(receiver.requests().len(), 3);
    }

    fn figures_tell_what_was_tried_and_what_waits(place: &TestDatabase) {
        let world = World::new(place);
        let receiver = Receiver::new(|n| match n {
            0 => Reply::Status(200),
            1 => Reply::Status(500),
            2 => Reply::Status(400),
            _ => Reply::Full(429, "Retry-After: 7200\r\n".to_owned(), Vec::new()),
        });
        let service = world.service_with(vec![webhook("hook", &receiver)], |config| {
            config.concurrency_max = 1;
        });
        let ids: Vec<i64> = (1..=4).map(|n| world.fire(n)).collect();
        service.start().unwrap();
        world.until_delivery(ids[3], "hook", |row| row.last_error.is_some());
        service.stop();
        world.pass(HOUR, &service);
        let snapshot = service.snapshot_now().unwrap();
        let of = &snapshot.channels[0];
        let counts = (of.delivered, of.failed, of.deferred, of.dead, of.attempts.count());
        assert_eq!(counts, (1, 1, 1, 1, 4));
        assert_eq!((of.pending, of.dead_letters), (2, 1));
        let age = of.oldest_pending_age.unwrap();
        assert!((HOUR..HOUR + PATIENCE).contains(&age), "{age:?}");
        // An hour is the most that a receiver gets, and a little more so that not all come at once.
        let pause = of.paused_for.unwrap();
        assert!((HOUR - PATIENCE..HOUR.mul_f64(1.1)).contains(&pause), "{pause:?}");
        let mut text = Exposition::default();
        metrics::delivery_metrics(&mut text, &snapshot);
        let text = text.finish();
        exposition::check(&text);
        for line in [
            "tickbase_alert_delivery_attempts_total{channel=\"hook\",outcome=\"failed\"} 1",
            "tickbase_alert_delivery_attempts_total{channel=\"hook\",outcome=\"deferred\"} 1",
            "tickbase_alert_delivery_attempt_duration_seconds_count{channel=\"hook\"} 4",
            "tickbase_alert_delivery_pending{channel=\"hook\"} 2",
            "tickbase_alert_delivery_dead_letters{channel=\"hook\"} 1",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} is not in\n{text}");
        }
        for gauge in ["oldest_pending_age", "pause"] {
            let line = format!("tickbase_alert_delivery_{gauge}_seconds{{channel=\"hook\"}} 3");
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        // What waits for a channel that is no longer in the settings is still seen.
        let other = world.service(vec![]);
        let snapshot = other.snapshot_now().unwrap();
        assert_eq!((snapshot.channels[0].kind, snapshot.channels[0].pending), (None, 2));
    }
}

/// A program's log that panics at some lines.
struct Panicking;

impl tracing::Subscriber for Panicking {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        metadata.target() == "tickbase::alerts" && name == "tickbase-panics"
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        panic!("the log is full");
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}

    fn register_callsite(
        &self,
        _: &'static tracing::Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        tracing::subscriber::Interest::sometimes()
    }
}

on_both! {
    fn a_panic_in_one_channel_harms_no_other(place: &TestDatabase) {
        // The other backend's test may have installed it.
        tracing::subscriber::set_global_default(Panicking).ok();
        let world = World::new(place);
        let receiver = Receiver::accepting();
        let channels = vec![
            channel("panics", ChannelTarget::Log),
            channel("log", ChannelTarget::Log),
            webhook("hook", &receiver),
        ];
        let service = world.service(channels);
        let id = world.fire(1);
        service.start().unwrap();
        let row = world.until_delivery(id, "panics", |row| row.status == DeliveryState::Failed);
        assert_eq!(row.last_error.as_deref(), Some("it panicked: the log is full"));
        receiver.wait_for(1);
        world.until_delivery(id, "log", |row| row.status == DeliveryState::Delivered);
        world.until_delivery(id, "hook", |row| row.status == DeliveryState::Delivered);
        assert_eq!(world.status(id), DeliveryStatus::Pending);
        let status = service.status();
        assert_eq!((status.state, status.panics), (ServiceState::Running, 1));
        // It is tried again, as any failure is.
        world.pass(24 * HOUR, &service);
        until(|| (service.status().panics == 2).then_some(()));
    }
}
