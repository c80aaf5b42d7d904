//! Waiting until something has come true: a test looks again each millisecond, and fails when that
//! takes too long. It sleeps in between, for what it waits for needs the processor.

use std::time::{Duration, Instant};

/// How long a test waits for what must come true.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something holds; `what` is for the message when it never does.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Waits until a session of this PostgreSQL database waits for a lock.
#[cfg(feature = "postgres")]
#[track_caller]
pub fn until_somebody_waits(url: &str) {
    use diesel::prelude::*;

    let waiting = "EXISTS (SELECT FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock')";
    let mut conn = PgConnection::establish(url).unwrap();
    eventually("a session waits for a lock", || {
        let waiting = diesel::dsl::sql::<diesel::sql_types::Bool>(waiting);
        diesel::select(waiting).get_result(&mut conn).unwrap()
    });
}
