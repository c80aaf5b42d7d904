//! The life of a worker: starts, stops from every side, rounds that fail.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::*;
use crate::services::ServiceState;
use crate::timestamp::Timestamp;

const HOUR: Duration = Duration::from_secs(3_600);

fn worker() -> Arc<Worker> {
    let text = WorkerText {
        service: "test",
        thread: "test",
        failing: "rounds fail",
        recovered: "rounds succeed again",
    };
    Arc::new(Worker::new(text, Clock::manual(Timestamp::MIN)))
}

fn sleep_until_stopped(bell: &Wakeup) {
    while !bell.stopped_within(HOUR) {}
}

fn eventually(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "it did not come true");
        std::thread::yield_now();
    }
}

#[test]
fn it_starts_once_and_stops_and_starts_again() {
    let worker = worker();
    worker.stop();
    assert_eq!(worker.status().state, ServiceState::Stopped);
    for _ in 0..2 {
        worker.start(sleep_until_stopped).unwrap();
        let twice = worker.start(|_| panic!("it runs already")).unwrap_err();
        assert!(matches!(twice, Error::Service { .. }), "{twice}");
        assert_eq!(worker.status().state, ServiceState::Running);
        worker.stop();
        worker.stop();
        assert_eq!(worker.status().state, ServiceState::Stopped);
    }
}

#[test]
fn what_cannot_be_prepared_is_not_started() {
    let worker = worker();
    let refused = worker.start_with(|_| -> Result<fn(&Wakeup)> { Err(Error::Closed) });
    assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
    assert_eq!(worker.status().state, ServiceState::Stopped);
    worker.start(sleep_until_stopped).unwrap();
    worker.stop();
}

#[test]
fn a_ring_ends_a_sleep_and_one_that_comes_before_is_not_lost() {
    let (worker, woken) = (worker(), Arc::<AtomicUsize>::default());
    worker.notify();
    let counted = Arc::clone(&woken);
    let work = move |bell: &Wakeup| {
        while !bell.stopped_within(HOUR) {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    };
    worker.start(work).unwrap();
    for count in 1..4 {
        worker.notify();
        eventually(|| woken.load(Ordering::Relaxed) == count);
    }
    worker.stop();
    let bell = Wakeup::default();
    bell.notify();
    assert!(!bell.stopped_within(HOUR));
    bell.stop();
    assert!(bell.stopped_within(HOUR) && bell.is_stopped());
}

/// The thread itself asks for the stop that another thread waits for, or further threads of the
/// service do.
#[test]
fn a_stop_from_within_does_not_wait_while_another_waits_for_the_thread() {
    for beside in [false, true] {
        let worker = worker();
        let of = Arc::clone(&worker);
        let (send, receive) = mpsc::channel();
        let work = move |bell: &Wakeup| {
            sleep_until_stopped(bell);
            let running = lock(&of.0.running).clone().unwrap();
            eventually(|| running.thread.try_lock().is_err()); // Somebody waits for the end.
            let asked = Arc::clone(&of);
            if beside {
                let thread = of.spawn("beside".to_owned(), move || asked.stop());
                thread.unwrap().join().unwrap();
            } else {
                asked.stop();
            }
            send.send(()).unwrap();
        };
        worker.start(work).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| worker.stop());
            worker.stop();
            assert_eq!(receive.try_recv(), Ok(()), "both have waited");
        });
        assert_eq!(worker.status().state, ServiceState::Stopped);
    }
}

#[test]
fn out_of_its_own_thread_it_is_started_again_and_runs() {
    let worker = worker();
    let of = Arc::clone(&worker);
    let (send, receive) = mpsc::channel();
    let work = move |_: &Wakeup| {
        of.stop();
        of.start(sleep_until_stopped).unwrap();
        drop(of);
        send.send(()).unwrap();
    };
    worker.start(work).unwrap();
    receive.recv().unwrap();
    // What the first thread notes down at its end is not about the second.
    eventually(|| Arc::strong_count(&worker.0) == 3);
    assert_eq!(worker.status().state, ServiceState::Running);
    worker.stop();
    assert_eq!(worker.status().state, ServiceState::Stopped);
}

#[test]
fn rounds_that_fail_are_survived_and_noted_down() {
    let worker = worker();
    assert_eq!(worker.survive(|| 7), Some(7));
    assert_eq!(worker.status().runs, 0, "a round says itself how it ended");
    assert_eq!(worker.survive(|| -> i32 { panic!("a bad round") }), None);
    worker.ended(Some("a bad disk".to_owned()));
    let status = worker.status();
    assert_eq!((status.runs, status.failing_runs, status.panics), (2, 2, 1));
    assert_eq!(status.last_error.unwrap().text, "a bad disk");
    worker.ended(None);
    let status = worker.status();
    assert_eq!((status.runs, status.errors, status.failing_runs), (3, 2, 0));
}

#[test]
fn work_that_panics_has_failed_and_can_be_started_again() {
    let worker = worker();
    worker.start(|_| panic!("bad work")).unwrap();
    eventually(|| worker.status().state == ServiceState::Failed);
    let error = worker.status().last_error.unwrap();
    assert_eq!(error.text, "it panicked: bad work");
    worker.stop();
    assert_eq!(worker.status().state, ServiceState::Failed);
    worker.start(sleep_until_stopped).unwrap();
    assert_eq!(worker.status().state, ServiceState::Running);
    worker.stop();
}
