//! The bookkeeping behind a service's status. It measures nothing and logs nothing.

use std::any::Any;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{ServiceError, ServiceState, ServiceStatus};
use crate::error::panic_message;
use crate::timestamp::Timestamp;

/// The bookkeeping of a service's status; shared with its threads.
#[derive(Debug, Default)]
pub(crate) struct ServiceRecord(Mutex<ServiceStatus>);

impl ServiceRecord {
    /// The service was started.
    pub(crate) fn started(&self, at: Timestamp) {
        let mut status = self.status_mut();
        status.state = ServiceState::Running;
        status.started_at = Some(at);
    }

    /// The service was stopped.
    pub(crate) fn stopped(&self) {
        self.status_mut().state = ServiceState::Stopped;
    }

    /// The service's work ended although nobody stopped it.
    pub(crate) fn failed(&self, at: Timestamp, text: String) {
        let mut status = self.status_mut();
        status.state = ServiceState::Failed;
        status.last_error = Some(ServiceError { text, at });
    }

    /// A run ended, with an error's text or without.
    pub(crate) fn ran(&self, at: Timestamp, error: Option<String>) {
        let mut status = self.status_mut();
        status.runs += 1;
        status.last_run = Some(at);
        let Some(text) = error else {
            status.failing_runs = 0;
            return;
        };
        status.errors += 1;
        status.failing_runs += 1;
        status.last_error = Some(ServiceError { text, at });
    }

    /// A panic was caught.
    pub(crate) fn panicked(&self) {
        self.status_mut().panics += 1;
    }

    pub(crate) fn status(&self) -> ServiceStatus {
        self.status_mut().clone()
    }

    fn status_mut(&self) -> MutexGuard<'_, ServiceStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The message of a panic, in one line.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = panic_message(payload);
    format!("it panicked: {}", text.replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    #[test]
    fn failing_runs_are_those_since_the_last_successful_one() {
        let record = ServiceRecord::default();
        record.started(at(1));
        record.ran(at(2), None);
        record.ran(at(3), Some("a".to_owned()));
        record.ran(at(4), Some("b".to_owned()));
        let status = record.status();
        assert_eq!((status.runs, status.errors, status.failing_runs), (3, 2, 2));
        record.ran(at(5), None);
        let status = record.status();
        assert_eq!((status.runs, status.errors, status.failing_runs), (4, 2, 0));
        let last = status.last_error.unwrap();
        assert_eq!((last.text.as_str(), last.at), ("b", at(4)));
        assert_eq!(status.last_run, Some(at(5)));
    }

    #[test]
    fn counts_go_on_over_restarts() {
        let record = ServiceRecord::default();
        record.started(at(1));
        record.ran(at(2), None);
        record.stopped();
        record.started(at(3));
        record.ran(at(4), None);
        let status = record.status();
        assert_eq!((status.state, status.runs), (ServiceState::Running, 2));
        assert_eq!(status.started_at, Some(at(3)));
    }

    #[test]
    fn the_message_of_a_panic_is_one_line() {
        let payload = std::panic::catch_unwind(|| panic!("a\nb {}", 1)).unwrap_err();
        assert_eq!(panic_text(payload.as_ref()), "it panicked: a b 1");
        let payload = std::panic::catch_unwind(|| panic!("plain")).unwrap_err();
        assert_eq!(panic_text(payload.as_ref()), "it panicked: plain");
    }
}
