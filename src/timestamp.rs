//! Event time: whole microseconds since the epoch, UTC.
//!
//! Owns the value, its text forms and its place in both databases. It does not read the clock.

mod calendar;
mod compact;
mod conversions;
mod date_order;
mod date_order_survey;
mod digits;
mod form;
mod parse;
mod pattern;
mod reader;
mod reading;
mod span;
mod time_of_day;
mod unix;
mod zone;

use std::fmt;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::pg::data_types::PgTimestamp;
#[cfg(feature = "sqlite")]
use diesel::serialize::IsNull;
use diesel::serialize::{self, Output, ToSql};
#[cfg(feature = "sqlite")]
use diesel::sqlite::Sqlite;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::sql_types;

pub use date_order::DateOrder;
pub use date_order_survey::DateOrderSurvey;
pub use form::StampForm;
pub use pattern::TimestampFormat;
pub use reader::{StampReader, WrittenStamp};
pub use span::{format_span, parse_span};
pub use zone::FeedZone;

/// Microseconds from 1970-01-01 to 2000-01-01, PostgreSQL's epoch.
const PG_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A moment: microseconds since 1970-01-01T00:00:00Z, from 0001-01-01 to 9999-12-31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Timestamp)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 0001-01-01T00:00:00Z.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// 9999-12-30T22:00:00.999999Z, the last moment that every supported offset can write.
    pub const MAX: Self = Self(253_402_207_200_999_999);

    /// The moment `micros` microseconds after the epoch.
    ///
    /// # Errors
    /// [`Error::Invalid`] outside [`Timestamp::MIN`]..=[`Timestamp::MAX`].
    pub fn from_micros(micros: i64) -> Result<Self> {
        if (Self::MIN.0..=Self::MAX.0).contains(&micros) {
            return Ok(Self(micros));
        }
        Err(Error::invalid(
            "timestamp",
            format!("{micros} microseconds since 1970 is outside the years 1 to 9999"),
            "check the unit (microseconds) of the stamp",
        ))
    }

    /// The nearest moment in range.
    #[must_use]
    pub(crate) fn from_micros_clamped(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Microseconds since PostgreSQL's epoch, as it stores and sends them.
    pub(crate) const fn pg_micros(self) -> i64 {
        self.0 - PG_EPOCH_MICROS
    }

    /// This moment moved by `micros` microseconds, held in range.
    #[must_use]
    pub fn saturating_add_micros(self, micros: i64) -> Self {
        Self::from_micros_clamped(self.0.saturating_add(micros))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with `Z` and six digits of fraction, always: `2013-09-01T17:00:00.083000Z`.
    /// Readers that tell the form of a column from its first row (pandas) read a mixture as text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", jiff::Timestamp::from(*self))
    }
}

impl Serialize for Timestamp {
    /// The text of its display.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    /// A text that [`Timestamp::parse`] reads.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "server")]
impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2013-09-01T17:00:00.083000Z"])
            .into()
    }
}

#[cfg(feature = "server")]
impl utoipa::ToSchema for Timestamp {}

#[cfg(feature = "sqlite")]
impl ToSql<sql_types::Timestamp, Sqlite> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0);
        Ok(IsNull::No)
    }
}

#[cfg(feature = "sqlite")]
impl FromSql<sql_types::Timestamp, Sqlite> for Timestamp {
    fn from_sql(bytes: diesel::sqlite::SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let micros = <i64 as FromSql<diesel::sql_types::BigInt, Sqlite>>::from_sql(bytes)?;
        Ok(Self::from_micros(micros)?)
    }
}

impl ToSql<sql_types::Timestamp, Pg> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let stamp = PgTimestamp(self.pg_micros());
        ToSql::<diesel::sql_types::Timestamptz, Pg>::to_sql(&stamp, &mut out.reborrow())
    }
}

impl FromSql<sql_types::Timestamp, Pg> for Timestamp {
    fn from_sql(bytes: diesel::pg::PgValue<'_>) -> deserialize::Result<Self> {
        let stamp = <PgTimestamp as FromSql<diesel::sql_types::Timestamptz, Pg>>::from_sql(bytes)?;
        Ok(Self::from_micros(stamp.0.saturating_add(PG_EPOCH_MICROS))?)
    }
}
