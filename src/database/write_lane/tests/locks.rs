//! The lane beside another process that keeps the lock.

use super::*;

#[test]
fn another_process_that_keeps_the_lock_is_named_after_the_limit() {
    let lane = lane_with(Duration::from_millis(120), "");
    let mut other = lane.reader();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let error = lane
        .lane
        .write("test", BatchSize::ONE, |conn| insert(conn, 1))
        .unwrap_err();
    assert!(matches!(error, Error::WriteLockHeld { .. }), "{error}");
    other.batch_execute("ROLLBACK").unwrap();
    lane.lane
        .write("test", BatchSize::ONE, |conn| insert(conn, 1))
        .unwrap();
    assert_eq!(lane.stored(), (1, 1));
}
