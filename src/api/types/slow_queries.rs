//! Slow statements as the API writes them.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::database::{QueryPlan, SlowQuery};

/// The statements that took long.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct SlowQueryList {
    /// From which time on a statement is slow; 0 when none is looked for.
    slow_query_after_ms: f64,
    /// Entries that had to go because the table was full.
    evicted: u64,
    /// The one with the most time in all first.
    queries: Vec<SlowStatement>,
}

/// A statement, whatever its values.
#[derive(Debug, Serialize, ToSchema)]
struct SlowStatement {
    operation: &'static str,
    /// SQL with placeholders for the values.
    statement: String,
    /// How often it was slow.
    count: u64,
    total_ms: f64,
    max_ms: f64,
    /// Rows that the operation read or wrote when it was last slow, if that is known.
    rows: Option<u64>,
    #[schema(format = DateTime)]
    last_seen: String,
    /// The database's plan, line by line; null until it was asked for, and where there is none.
    plan: Option<Vec<String>>,
    /// Why there is no plan.
    plan_unknown: Option<String>,
}

impl SlowQueryList {
    pub(in crate::api) fn new(after: Duration, queries: Vec<SlowQuery>, evicted: u64) -> Self {
        Self {
            slow_query_after_ms: after.as_secs_f64() * 1e3,
            evicted,
            queries: queries.into_iter().map(SlowStatement::from).collect(),
        }
    }
}

impl From<SlowQuery> for SlowStatement {
    fn from(of: SlowQuery) -> Self {
        let (plan, plan_unknown) = match of.plan {
            QueryPlan::Lines(lines) => (Some(lines), None),
            QueryPlan::Unknown(reason) => (None, Some(reason)),
            _ => (None, None),
        };
        Self {
            operation: of.op,
            statement: of.sql,
            count: of.count,
            total_ms: of.total_us as f64 / 1e3,
            max_ms: of.max_us as f64 / 1e3,
            rows: of.rows,
            last_seen: of.last_seen.to_string(),
            plan,
            plan_unknown,
        }
    }
}
