//! The SQL types of tickbase: one name in `schema.rs`, one meaning on both backends.
//!
//! Only the types stand here; the Rust values that they carry are in `timestamp` and `decimal`.

use diesel::sql_types::{SqlOrd, SqlType};

/// Microseconds since 1970-01-01T00:00:00Z: INTEGER on SQLite, TIMESTAMPTZ on PostgreSQL.
///
/// The Rust value is [`crate::Timestamp`].
#[derive(Debug, Clone, Copy, Default, diesel::query_builder::QueryId, SqlType)]
#[cfg_attr(feature = "sqlite", diesel(sqlite_type(name = "Long")))]
#[diesel(postgres_type(oid = 1184, array_oid = 1185))]
pub struct Timestamp;

impl SqlOrd for Timestamp {}

// `table!` writes these for every column of a type named `Timestamp`; times are not added in SQL.
impl diesel::sql_types::ops::Add for Timestamp {
    type Rhs = NotComputed;
    type Output = NotComputed;
}
impl diesel::sql_types::ops::Sub for Timestamp {
    type Rhs = NotComputed;
    type Output = NotComputed;
}

/// An exact decimal of any magnitude: its digits as TEXT on SQLite, NUMERIC on PostgreSQL. Only
/// equality in SQL is right on both: SQLite orders and compares texts, so `min`, `max`, `sum`, `avg`
/// and arithmetic have no value that can be loaded; order such columns in Rust.
///
/// The Rust value is [`crate::Decimal`].
#[derive(Debug, Clone, Copy, Default, diesel::query_builder::QueryId, SqlType)]
#[cfg_attr(feature = "sqlite", diesel(sqlite_type(name = "Text")))]
#[diesel(postgres_type(oid = 1700, array_oid = 1231))]
pub struct Decimal;

/// `table!` wants these for a type of this name.
mod arithmetic {
    use super::{Decimal, NotComputed};
    use diesel::sql_types::ops::{Add, Div, Mul, Sub};

    impl Add for Decimal {
        type Rhs = NotComputed;
        type Output = NotComputed;
    }
    impl Sub for Decimal {
        type Rhs = NotComputed;
        type Output = NotComputed;
    }
    impl Mul for Decimal {
        type Rhs = NotComputed;
        type Output = NotComputed;
    }
    impl Div for Decimal {
        type Rhs = NotComputed;
        type Output = NotComputed;
    }
}

/// The type of expressions that SQL cannot compute rightly on both backends: no Rust value loads
/// it, so such an expression does not compile.
#[derive(Debug, Clone, Copy, Default, diesel::query_builder::QueryId, SqlType)]
#[cfg_attr(feature = "sqlite", diesel(sqlite_type(name = "Long")))]
#[diesel(postgres_type(oid = 1700, array_oid = 1231))]
pub struct NotComputed;
