//! One stored value of a file whose columns do not hold what they are declared as: SQLite keeps
//! decimals as numbers or texts, and stamps as texts.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::sql_types::SqlType;
use diesel::sqlite::{Sqlite, SqliteType, SqliteValue};

/// Whatever a column holds.
#[derive(Debug, Clone, Copy, SqlType)]
#[diesel(sqlite_type(name = "Binary"))]
pub(crate) struct Untyped;

/// A value that is not NULL.
#[derive(Debug, Clone, PartialEq, FromSqlRow)]
#[diesel(sql_type = Untyped)]
pub(crate) enum StoredValue {
    /// A whole number.
    Integer(i64),
    /// A number.
    Double(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob,
}

impl FromSql<Untyped, Sqlite> for StoredValue {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(match value.value_type() {
            Some(SqliteType::Long | SqliteType::Integer | SqliteType::SmallInt) => {
                Self::Integer(value.read_long())
            }
            Some(SqliteType::Double | SqliteType::Float) => Self::Double(value.read_double()),
            Some(SqliteType::Text) => Self::Text(value.read_text().to_owned()),
            Some(SqliteType::Binary) => Self::Blob,
            None => return Err("a value is NULL where none was expected".into()),
        })
    }
}
