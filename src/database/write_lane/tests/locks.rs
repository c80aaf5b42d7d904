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

/// Not one after the other, each for as long.
#[test]
fn a_group_waits_for_the_lock_of_another_process_together() {
    let lane = lane_with(Duration::from_millis(300), "");
    let mut other = lane.reader();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    let answers = lane.as_one_group((0..20).map(inserts).collect());
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(3), "{waited:?}");
    for answer in answers {
        let error = answer.unwrap().unwrap_err();
        assert!(matches!(error, Error::WriteLockHeld { .. }), "{error}");
    }
    assert_eq!(lane.lane.snapshot().failed_jobs, 20);
    other.batch_execute("ROLLBACK").unwrap();
    lane.lane
        .write("test", BatchSize::ONE, |conn| insert(conn, 1))
        .unwrap();
    assert_eq!(lane.stored(), (1, 1));
}
