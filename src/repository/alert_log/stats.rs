//! Alerts in figures: how many each rule raised, and how long that took.

use diesel::dsl;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Nullable};

use crate::database::BackendConnection;
use crate::error::Result;
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::alert_logs;
use crate::timestamp::Timestamp;

/// The alerts of a rule for an instrument, in figures.
#[derive(Debug, Clone, Copy, PartialEq, Queryable)]
#[non_exhaustive]
pub struct AlertGroup {
    /// The instrument.
    pub instrument_id: i64,
    /// The rule.
    pub rule_id: i64,
    /// Alerts, at least 1.
    pub count: i64,
    /// Time that evaluating took in all, in microseconds.
    pub evaluation_us_sum: Option<f64>,
    /// The fastest, in microseconds.
    pub evaluation_us_min: Option<i64>,
    /// The slowest, in microseconds.
    pub evaluation_us_max: Option<i64>,
    /// The same in all, each alert rounded to whole milliseconds.
    pub evaluation_ms_sum: Option<f64>,
}

/// The sum of the times that alerts took, each rounded to whole milliseconds, half up.
pub(super) fn sum_of_ms() -> SqlLiteral<Nullable<Double>> {
    dsl::sql("CAST(sum((evaluation_time_us + 500) / 1000) AS DOUBLE PRECISION)")
}

/// The groups are sums of a column and nothing: SQLite would else take the index that has them
/// in order, and read every alert there ever was.
#[dsl::auto_type(no_type_alias)]
pub(super) fn since_query(start: Timestamp) -> _ {
    let active: Active<alert_logs::table> = alert_logs::table.active();
    let instrument: SqlLiteral<BigInt> = dsl::sql("+instrument_id");
    let rule: SqlLiteral<BigInt> = dsl::sql("+rule_id");
    active
        .filter(alert_logs::timestamp.ge(start))
        .group_by((instrument, rule))
}

/// The active alerts from `start` on, summed up by instrument and rule: one pass over them.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query).
pub fn groups_since(conn: &mut BackendConnection<'_>, start: Timestamp) -> Result<Vec<AlertGroup>> {
    // Diesel's sum of 64-bit numbers is a NUMERIC, which SQLite does not have.
    let sum = dsl::sql::<Nullable<Double>>("CAST(sum(evaluation_time_us) AS DOUBLE PRECISION)");
    let query = since_query(start).select((
        dsl::sql::<BigInt>("+instrument_id"),
        dsl::sql::<BigInt>("+rule_id"),
        dsl::count_star(),
        sum,
        dsl::min(alert_logs::evaluation_time_us),
        dsl::max(alert_logs::evaluation_time_us),
        sum_of_ms(),
    ));
    Ok(crate::on_backend!(conn, |c| query.load(c))?)
}

/// Groups of alerts, summed up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct AlertFigures {
    /// Alerts.
    pub count: i64,
    /// Mean time that evaluating took, in microseconds; `None` without alerts, as the next two.
    pub evaluation_us_mean: Option<f64>,
    /// The fastest, in microseconds.
    pub evaluation_us_min: Option<i64>,
    /// The slowest, in microseconds.
    pub evaluation_us_max: Option<i64>,
    /// Mean of the times, each rounded to whole milliseconds.
    pub evaluation_ms_mean: Option<f64>,
}

impl AlertFigures {
    /// Sums up groups.
    #[must_use]
    pub fn of(groups: &[AlertGroup]) -> Self {
        let count: i64 = groups.iter().map(|group| group.count).sum();
        let sum: f64 = groups.iter().filter_map(|it| it.evaluation_us_sum).sum();
        let whole: f64 = groups.iter().filter_map(|it| it.evaluation_ms_sum).sum();
        Self {
            count,
            evaluation_us_mean: (count > 0).then(|| sum / count as f64),
            evaluation_us_min: groups.iter().filter_map(|it| it.evaluation_us_min).min(),
            evaluation_us_max: groups.iter().filter_map(|it| it.evaluation_us_max).max(),
            evaluation_ms_mean: (count > 0).then(|| whole / count as f64),
        }
    }
}
