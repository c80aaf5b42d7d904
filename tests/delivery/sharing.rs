//! What happens between the sending and the storing of an outcome, and between two processes.

use std::collections::BTreeSet;
use std::time::Duration;

use tickbase::app::App;
use tickbase::config::Settings;
use tickbase::domain::{DeliveryState, DeliveryStatus};
use tickbase::repository::alert_delivery::AlertDeliveryRepository;
use tickbase::services::{Service, ServiceState};

use crate::receiver::{Receiver, Reply, Request};
use crate::support::on_both;
use crate::world::{BEGIN, World, one_more_look, until, webhook};

const MINUTE: i64 = 60_000_000;

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
        let second = world.reopened(place, BEGIN);
        assert_eq!(second.delivery(id, "hook").unwrap().status, DeliveryState::Pending);
        assert_eq!(second.status(id), DeliveryStatus::Pending);
        let service = second.service(vec![webhook("hook", &receiver)]);
        service.start().unwrap();
        one_more_look(&service);
        assert_eq!(receiver.requests().len(), 1);
        let lease = second.delivery(id, "hook").unwrap().next_attempt_at.unwrap();
        assert!(lease.micros() <= BEGIN + 2 * MINUTE);
        second.go_to(lease, &service);
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

    fn two_processes_deliver_each_alert_once(place: &TestDatabase) {
        let world = World::new(place);
        let other = world.reopened(place, BEGIN);
        let (hook, more) = (Receiver::accepting(), Receiver::accepting());
        let channels = || vec![webhook("hook", &hook), webhook("more", &more)];
        let services = [world.service(channels()), other.service(channels())];
        for service in &services {
            service.start().unwrap();
        }
        let ids: Vec<i64> = (1..=40)
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
            assert_eq!((keys.len(), distinct.len()), (40, 40));
        }
        let depth = AlertDeliveryRepository::new(&world.db).depth().unwrap();
        assert_eq!(depth, []);
        let delivered = |of: usize| {
            let channels = services[of].snapshot().channels;
            channels.iter().map(|channel| channel.delivered).sum::<u64>()
        };
        assert_eq!(delivered(0) + delivered(1), 80);
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
