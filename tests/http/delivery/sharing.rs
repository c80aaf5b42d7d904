//! What happens between the sending and the storing of an outcome, and between two processes.

use std::collections::BTreeSet;
use std::time::Duration;

use tickbase::Timestamp;
use tickbase::app::App;
use tickbase::config::Settings;
use tickbase::domain::{DeliveryState, DeliveryStatus};
use tickbase::repository::alert_delivery;
use tickbase::services::{Service, ServiceState};

use crate::delivery::receiver::{Receiver, Reply, Request};
use crate::delivery::world::{World, one_more_look, time_to, until, webhook};
use crate::support::chaos::{report, scaled};
use crate::support::{db_read, on_both};

/// How far the clocks of two processes are apart: longer than a claim lasts.
const SKEW: Duration = Duration::from_secs(300);
/// Alerts of two processes in the suite, and under `scripts/chaos`.
const ALERTS: (i64, i64) = (40, 4_000);

on_both! {
    fn what_was_sent_and_not_stored_is_sent_again_with_the_same_key(place: &TestDatabase) {
        let world = World::new(place);
        let receiver = Receiver::new(|n| if n == 0 { Reply::Held } else { Reply::Status(200) });
        let service = world.service(vec![webhook("hook", &receiver)]);
        let id = world.fire(1);
        service.start().unwrap();
        receiver.wait_for(1);
        // From here on it can store nothing, as if it had been killed.
        world.db.close();
        receiver.release();
        service.stop();
        assert!(service.status().last_error.unwrap().text.contains("closed"));

        // While the lease of the dead one lasts, nobody else takes it.
        let second = world.of_another_process(Duration::ZERO);
        assert_eq!(second.delivery(id, "hook").unwrap().status, DeliveryState::Pending);
        assert_eq!(second.status(id), DeliveryStatus::Pending);
        let service = second.service(vec![webhook("hook", &receiver)]);
        service.start().unwrap();
        one_more_look(&service);
        assert_eq!(receiver.requests().len(), 1);
        let lease = second.delivery(id, "hook").unwrap().next_attempt_at.unwrap();
        assert!(time_to(lease) <= Duration::from_secs(120), "{lease}");
        second.pass(Duration::from_secs(120), &service);
        second.until_status(id, DeliveryStatus::AllDelivered);
        let requests = receiver.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].key(), requests[1].key());
        assert_eq!(second.delivery(id, "hook").unwrap().attempts, 2);
    }

    fn a_service_that_is_stopped_ends_what_is_under_way(place: &TestDatabase) {
        let world = World::new(place);
        let receiver = Receiver::new(|_| Reply::Held);
        let service = world.service_with(vec![webhook("hook", &receiver)], |config| {
            config.concurrency_max = 1;
        });
        let ids = [world.fire(1), world.fire(2)];
        service.start().unwrap();
        receiver.wait_for(1);
        std::thread::scope(|scope| {
            let stopped = scope.spawn(|| service.stop());
            receiver.release();
            stopped.join().unwrap();
        });
        assert_eq!(world.status(ids[0]), DeliveryStatus::AllDelivered);
        // The second may have been taken before the stop; then it was ended, too.
        let sent = receiver.requests().len();
        let delivered = ids.iter().filter(|id| world.status(**id) == DeliveryStatus::AllDelivered);
        assert_eq!(delivered.count(), sent);
    }

    fn a_clock_that_is_ahead_takes_over_nothing_that_another_process_is_at(place: &TestDatabase) {
        let world = World::new(place);
        let ahead = world.of_another_process(SKEW);
        let receiver = Receiver::new(|_| Reply::Held);
        let channels = || vec![webhook("hook", &receiver)];
        let services = [world.service(channels()), ahead.service(channels())];
        let ids: Vec<i64> = (1..=4).map(|n| world.fire(n)).collect();
        services[0].start().unwrap();
        receiver.wait_for(4);
        services[1].start().unwrap();
        one_more_look(&services[1]);
        assert_eq!(receiver.requests().len(), 4);
        receiver.release();
        for id in &ids {
            world.until_status(*id, DeliveryStatus::AllDelivered);
        }
        let keys: BTreeSet<String> = receiver.requests().iter().map(Request::key).collect();
        assert_eq!((receiver.requests().len(), keys.len()), (4, 4));
    }

    fn two_processes_whose_clocks_differ_deliver_each_alert_once(place: &TestDatabase) {
        let world = World::new(place);
        let other = world.of_another_process(SKEW);
        let alerts = scaled(ALERTS.0, ALERTS.1);
        let (hook, more) = (Receiver::accepting(), Receiver::accepting());
        let channels = || vec![webhook("hook", &hook), webhook("more", &more)];
        let services = [world.service(channels()), other.service(channels())];
        for service in &services {
            service.start().unwrap();
        }
        let ids: Vec<i64> = (1..=alerts)
            .map(|n| {
                let id = if n % 2 == 0 { world.fire(n) } else { other.fire(n) };
                services.iter().for_each(|service| service.wake());
                id
            })
            .collect();
        for id in &ids {
            until(|| {
                // One that a neighbour had locked waits for the next look.
                services.iter().for_each(|service| service.wake());
                (world.status(*id) == DeliveryStatus::AllDelivered).then_some(())
            });
        }
        for receiver in [&hook, &more] {
            let keys: Vec<String> = receiver.requests().iter().map(Request::key).collect();
            let distinct: BTreeSet<&String> = keys.iter().collect();
            let count = usize::try_from(alerts).unwrap();
            assert_eq!((keys.len(), distinct.len()), (count, count));
        }
        let depth = db_read!(world.db, alert_delivery::depth(Timestamp::MAX)).unwrap();
        assert_eq!(depth, []);
        let delivered = |of: usize| {
            let channels = services[of].snapshot().channels;
            channels.iter().map(|channel| channel.delivered).sum::<u64>()
        };
        assert_eq!(delivered(0) + delivered(1), alerts.unsigned_abs() * 2);
        report(
            format!("two processes deliver alerts, {}", world.backend()),
            format!("{alerts} alerts on 2 channels"),
            "clocks 5 minutes apart",
            "0 lost, 0 doubled",
        );
    }

    fn the_application_delivers_until_it_is_stopped(place: &TestDatabase) {
        let world = World::new(place);
        let mut settings = Settings::default();
        settings.alerts.poll_interval = Duration::from_millis(10);
        let app = App::start_on(world.db.clone(), &settings).unwrap();
        let mut subscriber = app.alert_delivery().subscribe();
        // Nobody wakes it.
        let id = world.fire(1);
        world.until_status(id, DeliveryStatus::AllDelivered);
        assert_eq!(subscriber.try_recv().unwrap().alert.id, id);
        let wake = app.alert_delivery().waker();
        app.stop();
        let status = app.alert_delivery().status();
        assert_eq!((status.state, status.errors), (ServiceState::Stopped, 0));
        wake(); // Whoever still has it does no harm.
        drop(app);
        wake();
    }
}
