//! What fails is tried again, later and later, until it arrives or is given up.

use std::time::Duration;

use tickbase::domain::{DeliveryState, DeliveryStatus};
use tickbase::repository::alert_delivery::{self, DeadLetterFilter};
use tickbase::services::Service;

use crate::delivery::receiver::{Receiver, Reply};
use crate::delivery::world::{HOUR, World, one_more_look, time_to, until, webhook};
use crate::support::{db_read, on_both};

on_both! {
    fn failures_are_tried_again_later_and_later_with_one_key(place: &TestDatabase) {
        let world = World::new(place);
        let receiver = Receiver::new(|n| match n {
            0..4 => Reply::Full(500, String::new(), n.to_string().into_bytes()),
            _ => Reply::Status(204),
        });
        let service = world.service(vec![webhook("hook", &receiver)]);
        let id = world.fire(1);
        service.start().unwrap();
        for (attempt, ceiling) in [(1, 6), (2, 12), (3, 24), (4, 24)] {
            let error = format!("answered 500: {}", attempt - 1);
            let row = world.until_failed(id, "hook", attempt, &error);
            let wait = time_to(row.next_attempt_at.unwrap());
            assert!(wait <= ceiling * HOUR, "{attempt}: {wait:?}");
            assert_eq!(world.status(id), DeliveryStatus::Pending);
            assert_eq!(world.alert(id).error_message, Some(format!("hook: {error}")));
            // Some seconds too early.
            world.pass(wait.saturating_sub(Duration::from_secs(5)), &service);
            one_more_look(&service);
            assert_eq!(receiver.requests().len(), usize::try_from(attempt).unwrap());
            world.pass(Duration::from_secs(5), &service);
        }
        world.until_status(id, DeliveryStatus::AllDelivered);
        let alert = world.alert(id);
        assert!(alert.delivery_attempted_at < alert.delivery_completed_at);
        assert_eq!(alert.error_message, None);
        let requests = receiver.requests();
        assert_eq!(requests.len(), 5);
        assert!(requests.iter().all(|r| r.key() == requests[0].key()));
        assert!(requests.iter().all(|r| r.body == requests[0].body));
    }

    fn a_receiver_that_hangs_holds_up_nobody_else(place: &TestDatabase) {
        let world = World::new(place);
        let (slow, quick) = (Receiver::new(|_| Reply::Held), Receiver::accepting());
        let service = world.service_with(
            vec![webhook("slow", &slow), webhook("quick", &quick)],
            |config| config.concurrency_max = 2,
        );
        let ids: Vec<i64> = (1..=8).map(|n| world.fire(n)).collect();
        service.start().unwrap();
        quick.wait_for(8);
        for id in &ids {
            world.until_delivery(*id, "quick", |row| row.status == DeliveryState::Delivered);
        }
        slow.wait_for(2);
        one_more_look(&service);
        assert_eq!(slow.requests().len(), 2, "no more at once than the settings say");
        slow.release();
        for id in &ids {
            world.until_status(*id, DeliveryStatus::AllDelivered);
        }
        assert_eq!((slow.requests().len(), quick.requests().len()), (8, 8));
    }

    fn no_answer_in_time_or_none_at_all_is_a_failure(place: &TestDatabase) {
        let world = World::new(place);
        let (hangs, hangs_up) = (Receiver::new(|_| Reply::Held), Receiver::new(|_| Reply::HangUp));
        let service = world.service_with(
            vec![webhook("hangs", &hangs), webhook("hangs_up", &hangs_up)],
            |config| config.total_timeout = Duration::from_millis(300),
        );
        let id = world.fire(1);
        service.start().unwrap();
        for (channel, reason) in [("hangs", "no answer in time"), ("hangs_up", "no answer: ")] {
            let row = world.until_delivery(id, channel, |row| row.status == DeliveryState::Failed);
            let error = row.last_error.unwrap();
            assert!(error.starts_with(reason), "{error}");
            assert!(!error.contains("t0ken"), "{error}");
        }
        assert_eq!(world.status(id), DeliveryStatus::Pending);
    }

    fn what_is_refused_is_a_dead_letter_at_once_and_sent_again_on_request(place: &TestDatabase) {
        let world = World::new(place);
        let receiver = Receiver::new(|n| match n {
            0 => Reply::Full(400, String::new(), b"no such thing:\n/hooks/t0ken".to_vec()),
            1 => Reply::Full(302, "Location: /elsewhere\r\n".to_owned(), Vec::new()),
            _ => Reply::Status(200),
        });
        let service = world.service(vec![webhook("hook", &receiver)]);
        let id = world.fire(1);
        service.start().unwrap();
        let dead = |row: &tickbase::models::AlertDelivery| row.status == DeliveryState::Dead;
        let row = world.until_delivery(id, "hook", dead);
        assert_eq!(row.last_error.as_deref(), Some("answered 400: no such thing: /***"));
        assert_eq!((row.attempts, row.next_attempt_at), (1, None));
        let alert = world.alert(id);
        assert_eq!(alert.delivery_status, DeliveryStatus::Failed);
        assert_eq!(alert.delivery_completed_at, row.completed_at);
        let letters = db_read!(world.db, alert_delivery::dead_letters(&DeadLetterFilter::default(), None, 10)).unwrap();
        assert_eq!(letters, std::slice::from_ref(&row));
        // A redirect is not followed.
        assert_eq!(service.resend(vec![row.id]).unwrap(), 1);
        let row = world.until_delivery(id, "hook", |row| {
            dead(row) && row.last_error.as_deref().is_some_and(|e| e.contains("302"))
        });
        assert_eq!(receiver.requests().len(), 2);
        assert_eq!(service.resend(vec![row.id]).unwrap(), 1);
        world.until_status(id, DeliveryStatus::AllDelivered);
        let requests = receiver.requests();
        assert_eq!(requests.len(), 3);
        assert!(requests.iter().all(|r| r.key() == requests[0].key()));
        assert_eq!(service.resend(vec![row.id]).unwrap(), 0);
    }

    fn after_the_last_attempt_it_is_given_up(place: &TestDatabase) {
        let world = World::new(place);
        let receiver = Receiver::new(|_| Reply::Status(500));
        let service = world.service_with(vec![webhook("hook", &receiver)], |config| {
            config.attempts_max = Some(2);
        });
        let id = world.fire(1);
        service.start().unwrap();
        world.until_failed(id, "hook", 1, "answered 500");
        world.pass(24 * HOUR, &service);
        let row = world.until_delivery(id, "hook", |row| row.status == DeliveryState::Dead);
        assert_eq!(row.last_error.as_deref(), Some("answered 500; that was attempt 2, the last"));
        world.until_status(id, DeliveryStatus::Failed);
        world.pass(1_000 * HOUR, &service);
        one_more_look(&service);
        assert_eq!(receiver.requests().len(), 2);
        until(|| (service.snapshot().channels[0].dead == 1).then_some(()));
    }

    fn what_is_too_old_is_given_up_after_one_more_attempt(place: &TestDatabase) {
        let world = World::new(place);
        let (fails, defers) = (Receiver::new(|_| Reply::Status(500)), Receiver::new(|_| {
            Reply::Full(429, "Retry-After: 1\r\n".to_owned(), Vec::new())
        }));
        let channels = vec![webhook("fails", &fails), webhook("defers", &defers)];
        let service = world.service_with(channels, |config| config.age_max = 24 * HOUR);
        let id = world.fire(1);
        service.start().unwrap();
        world.until_failed(id, "fails", 1, "answered 500");
        world.until_failed(id, "defers", 0, "answered 429");
        world.pass(24 * HOUR, &service);
        for (channel, error) in [("fails", "answered 500"), ("defers", "answered 429")] {
            let row = world.until_delivery(id, channel, |row| row.status == DeliveryState::Dead);
            let error = format!("{error}; it is given up after 86400 s");
            assert_eq!(row.last_error, Some(error));
        }
        assert_eq!(fails.requests().len(), 2);
        world.until_status(id, DeliveryStatus::Failed);
        // Sent again, it is as new, and is tried again.
        let row = world.delivery(id, "fails").unwrap();
        assert_eq!(service.resend(vec![row.id]).unwrap(), 1);
        world.until_failed(id, "fails", 1, "answered 500");
    }

    fn https_speaks_tls_and_a_receiver_that_does_not_is_a_failure(place: &TestDatabase) {
        use std::io::Read;
        use tickbase::config::{ChannelTarget, HttpUrl, WebhookConfig};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/t0ken", listener.local_addr().unwrap());
        let hello = std::thread::spawn(move || {
            let mut begin = [0; 3];
            listener.accept().unwrap().0.read_exact(&mut begin).unwrap();
            begin
        });
        let world = World::new(place);
        let url = HttpUrl::new("url", url).unwrap();
        let target = ChannelTarget::Webhook(WebhookConfig::new(url));
        let service = world.service(vec![crate::delivery::world::channel("tls", target)]);
        let id = world.fire(1);
        service.start().unwrap();
        let row = world.until_delivery(id, "tls", |row| row.status == DeliveryState::Failed);
        assert!(!row.last_error.unwrap().contains("t0ken"));
        // The record of a handshake, of TLS 1.x.
        assert_eq!(hello.join().unwrap()[..2], [0x16, 0x03]);
    }
}
