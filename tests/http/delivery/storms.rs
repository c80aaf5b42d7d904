//! Receivers that take only so much: their channel waits, and everything arrives, once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tickbase::domain::DeliveryStatus;
use tickbase::services::Service;

use crate::delivery::receiver::{Receiver, Reply, Request};
use crate::delivery::world::{World, until, webhook};
use crate::support::chaos::{report, scaled};
use crate::support::on_both;

/// Alerts of a storm, and how many of them the receiver takes in a second: in the suite, and under
/// `scripts/chaos`.
const STORM: ((usize, usize), (usize, usize)) = ((20, 10), (400, 1));

/// A receiver that takes so many requests in a second, and answers 429 to all others.
#[derive(Default)]
struct Limit {
    began: Option<Instant>,
    taken: usize,
    refused: usize,
}

impl Limit {
    fn takes(&mut self, per_second: usize) -> bool {
        let fresh = |began: Instant| began.elapsed() < Duration::from_secs(1);
        if !self.began.is_some_and(fresh) {
            (self.began, self.taken) = (Some(Instant::now()), 0);
        }
        let takes = self.taken < per_second;
        *(if takes {
            &mut self.taken
        } else {
            &mut self.refused
        }) += 1;
        takes
    }
}

fn busy(retry_after: &str) -> Reply {
    Reply::Full(429, format!("Retry-After: {retry_after}\r\n"), Vec::new())
}

on_both! {
    fn a_receiver_that_asks_for_time_pauses_its_channel_and_no_other(place: &TestDatabase) {
        let world = World::new(place);
        let slow = Receiver::new(|n| if n == 0 { busy("1") } else { Reply::Status(200) });
        let quick = Receiver::accepting();
        let channels = vec![webhook("slow", &slow), webhook("quick", &quick)];
        let service = world.service_with(channels, |config| {
            config.concurrency_max = 1;
            // The one that was put off has had none.
            config.attempts_max = Some(1);
        });
        let ids: Vec<i64> = (1..=3).map(|n| world.fire(n)).collect();
        service.start().unwrap();
        quick.wait_for(3);
        let first = slow.wait_for(1).remove(0);
        let paused = || service.snapshot().channels[0].paused_for;
        assert!(until(paused) <= Duration::from_millis(1_100));
        for id in &ids {
            world.until_status(*id, DeliveryStatus::AllDelivered);
        }
        let requests = slow.requests();
        assert_eq!(requests.len(), 4);
        let waited = requests[1].at - first.at;
        assert!(waited >= Duration::from_secs(1), "{waited:?}");
        let again = requests[1..].iter().filter(|r| r.key() == first.key());
        assert_eq!(again.count(), 1);
        assert_eq!(world.delivery(ids[0], "slow").unwrap().attempts, 1);
        let snapshot = service.snapshot();
        let of = &snapshot.channels[0];
        assert_eq!((of.delivered, of.deferred, of.failed, of.dead), (3, 1, 0, 0));
    }

    fn a_storm_arrives_at_the_pace_of_its_receiver(place: &TestDatabase) {
        let (alerts, per_second) = scaled(STORM.0, STORM.1);
        let world = World::new(place);
        let limit = Arc::new(Mutex::new(Limit::default()));
        let shared = Arc::clone(&limit);
        let receiver = Receiver::new(move |_| {
            let takes = shared.lock().unwrap().takes(per_second);
            if takes { Reply::Status(200) } else { busy("1") }
        });
        // One attempt is all that each has.
        let service = world.service_with(vec![webhook("hook", &receiver)], |config| {
            config.attempts_max = Some(1);
        });
        let ids: Vec<i64> = (1..=alerts).map(|n| world.fire(n as i64)).collect();
        let began = Instant::now();
        service.start().unwrap();
        let ideal = Duration::from_secs((alerts / per_second) as u64);
        while service.snapshot().channels[0].delivered < alerts as u64 {
            assert!(began.elapsed() < ideal * 2 + Duration::from_secs(20), "{:?}", service.snapshot());
            std::thread::sleep(Duration::from_millis(10));
        }
        let took = began.elapsed();
        for id in &ids {
            world.until_status(*id, DeliveryStatus::AllDelivered);
        }
        let refused = limit.lock().unwrap().refused;
        let mut requests: BTreeMap<String, usize> = BTreeMap::new();
        for key in receiver.requests().iter().map(Request::key) {
            *requests.entry(key).or_default() += 1;
        }
        assert_eq!(requests.len(), alerts);
        assert_eq!(requests.values().sum::<usize>(), alerts + refused, "none is sent twice");
        // The first pause is that of all requests under way, each further one that of a single one.
        let seconds = alerts / per_second;
        assert!((1..=4 + seconds * 5 / 4).contains(&refused), "{refused}");
        report(
            format!("a storm of alerts, {}", world.backend()),
            format!("{alerts} alerts at once, a receiver of {per_second} a second"),
            format!("{refused} answers of 429"),
            format!("0 lost, 0 doubled; {:.0} s", took.as_secs_f64()),
        );
        // Each pause is up to a tenth longer than asked for, and costs a request, which takes its time
        // on a busy machine.
        assert!(took < ideal.mul_f64(1.5) + Duration::from_secs(4), "{took:?}");
    }
}
