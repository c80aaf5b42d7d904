//! What the tests of several repositories share: moments, rows, and a look at statements.

use diesel::query_builder::QueryFragment;

use crate::database::BackendConnection;
use crate::domain::{Condition, DeliveryStatus, FiredStatus, InstrumentType, RuleType, Symbol};
use crate::error::{Error, Result};
use crate::models::{NewAlertLog, NewAlertRule, NewInstrument};
use crate::repository::deletion_batch::DeletionBatch;
use crate::test_support::sql_of;
use crate::timestamp::Timestamp;

/// A moment, in microseconds since the epoch.
pub(super) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

/// A batch of soft deletes at a moment.
pub(super) fn gone_at(deleted_at: Timestamp) -> DeletionBatch {
    DeletionBatch::of_elsewhere(deleted_at)
}

/// A rule that fires above 100.
pub(super) fn above_100(instrument_id: i64) -> NewAlertRule {
    NewAlertRule {
        condition: Some(Condition::Above),
        threshold: Some("100".parse().unwrap()),
        ..NewAlertRule::new(instrument_id, RuleType::Threshold)
    }
}

/// An instrument that is not there from the start.
pub(super) fn bitcoin() -> NewInstrument {
    let symbol = Symbol::new("BTCUSD").unwrap();
    NewInstrument::new(symbol, "Bitcoin", InstrumentType::Crypto)
}

/// An alert of a rule, at 101.
pub(super) fn alert(rule_id: i64, instrument_id: i64, micros: i64) -> NewAlertLog {
    NewAlertLog {
        timestamp: at(micros),
        source_id: 1,
        sequence: 0,
        rule_id,
        instrument_id,
        trigger_value: 101.0,
        threshold_value: Some(100.0),
        fired_status: FiredStatus::Fired,
        delivery_status: DeliveryStatus::Pending,
        evaluation_time_us: 3,
        rule_condition: "above".to_owned(),
        alert_message: "Alert: ES threshold - Price 101 above threshold 100.0000".to_owned(),
        error_message: None,
    }
}

/// The text of the error, which must be a conflict.
pub(super) fn conflict<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    match outcome.unwrap_err() {
        error @ Error::Conflict { .. } => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// PostgreSQL's statement from its FROM on: the columns are those of the model.
pub(super) fn tail(query: &impl QueryFragment<diesel::pg::Pg>) -> String {
    let sql = sql_of::<diesel::pg::Pg, _>(query).replace('"', "");
    sql[sql.find(" FROM ").unwrap() + 1..].to_owned()
}

/// SQLite must plan the query with this step, and sort nothing.
#[cfg(feature = "sqlite")]
pub(super) fn assert_sqlite_plan(
    conn: &mut BackendConnection<'_>,
    query: &impl QueryFragment<diesel::sqlite::Sqlite>,
    step: &str,
) {
    let plan = sqlite_plan_with(conn, query, step);
    assert!(!plan.contains("TEMP B-TREE FOR ORDER BY"), "{plan}");
}

/// SQLite must plan the query with this step; returns the plan.
#[cfg(feature = "sqlite")]
pub(super) fn sqlite_plan_with(
    conn: &mut BackendConnection<'_>,
    query: &impl QueryFragment<diesel::sqlite::Sqlite>,
    step: &str,
) -> String {
    let sql = sql_of::<diesel::sqlite::Sqlite, _>(query);
    #[allow(irrefutable_let_patterns)]
    let BackendConnection::Sqlite(conn) = conn else {
        panic!("not SQLite");
    };
    let plan = crate::test_support::sqlite_plan(conn, &sql);
    assert!(plan.contains(step), "{sql}\n{plan}");
    plan
}

/// PostgreSQL must plan the query with this index and read no table as a whole.
#[cfg(feature = "postgres")]
pub(super) fn assert_postgres_plan(
    conn: &mut BackendConnection<'_>,
    query: &impl QueryFragment<diesel::pg::Pg>,
    index: &str,
) {
    let sql = sql_of::<diesel::pg::Pg, _>(query);
    let parameters = (1..).take_while(|n| sql.contains(&format!("${n}"))).count();
    #[allow(irrefutable_let_patterns)]
    let BackendConnection::Postgres(conn) = conn else {
        panic!("not PostgreSQL");
    };
    let plan = crate::test_support::postgres_plan(conn, &sql, parameters);
    assert!(plan.contains(index), "{sql}\n{plan}");
    assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
}
