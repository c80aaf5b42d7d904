//! The SQL types of tickbase: one name in `schema.rs`, one meaning on both backends.
//!
//! Only the types stand here; the Rust values that they carry are in `timestamp` and `decimal`.

use diesel::sql_types::{Foldable, Nullable, SqlOrd, SqlType};

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

/// An exact decimal with 8 places: an integer scaled by 10^8 on SQLite, NUMERIC(20, 8) on
/// PostgreSQL. Comparison, order, `sum`, `min` and `max` in SQL are right on both; products and
/// averages of scaled integers are not, so `avg` has no value that can be loaded.
///
/// The Rust value is [`crate::Decimal`].
#[derive(Debug, Clone, Copy, Default, diesel::query_builder::QueryId, SqlType)]
#[cfg_attr(feature = "sqlite", diesel(sqlite_type(name = "Long")))]
#[diesel(postgres_type(oid = 1700, array_oid = 1231))]
pub struct Decimal;

impl SqlOrd for Decimal {}

/// `table!` wants these for a type of this name. Sums and differences are right on both backends;
/// products and quotients of scaled integers are not, so nothing can load them.
mod arithmetic {
    use super::{Decimal, NotComputed};
    use diesel::sql_types::ops::{Add, Div, Mul, Sub};

    impl Add for Decimal {
        type Rhs = Decimal;
        type Output = Decimal;
    }
    impl Sub for Decimal {
        type Rhs = Decimal;
        type Output = Decimal;
    }
    impl Mul for Decimal {
        type Rhs = Decimal;
        type Output = NotComputed;
    }
    impl Div for Decimal {
        type Rhs = Decimal;
        type Output = NotComputed;
    }
}

impl Foldable for Decimal {
    type Sum = Nullable<Decimal>;
    type Avg = Nullable<NotComputed>;
}

/// The type of expressions that SQL cannot compute rightly on both backends: no Rust value loads
/// it, so such an expression does not compile.
#[derive(Debug, Clone, Copy, Default, diesel::query_builder::QueryId, SqlType)]
#[cfg_attr(feature = "sqlite", diesel(sqlite_type(name = "Long")))]
#[diesel(postgres_type(oid = 1700, array_oid = 1231))]
pub struct NotComputed;
