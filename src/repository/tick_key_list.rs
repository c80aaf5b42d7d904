//! A list of keys of ticks in a condition: Diesel has no row values, and a thousand `OR`s would be
//! planned one by one.

use diesel::backend::Backend;
use diesel::query_builder::AstPass;
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType};

use crate::repository::market_data::TickKey;
use crate::sql_types;
use crate::timestamp::Timestamp;

/// Keys of one statement: four binds each, within SQLite's 32,766.
pub(crate) const TICK_KEYS_PER_STATEMENT_MAX: usize = 4_096;

/// Writes `(instrument_id, timestamp, source_id, sequence) IN (VALUES ..)`. The text differs with the
/// number of keys: it is not to be prepared for good.
pub(crate) fn push_tick_keys<'b, DB>(
    out: &mut AstPass<'_, 'b, DB>,
    keys: &'b [TickKey],
) -> QueryResult<()>
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<sql_types::Timestamp>,
    i64: ToSql<BigInt, DB>,
    Timestamp: ToSql<sql_types::Timestamp, DB>,
{
    out.unsafe_to_cache_prepared();
    out.push_sql("(instrument_id, \"timestamp\", source_id, sequence) IN (VALUES ");
    for (i, key) in keys.iter().enumerate() {
        out.push_sql(if i == 0 { "(" } else { ", (" });
        out.push_bind_param::<BigInt, _>(&key.instrument_id)?;
        out.push_sql(", ");
        out.push_bind_param::<sql_types::Timestamp, _>(&key.timestamp)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&key.source_id)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&key.sequence)?;
        out.push_sql(")");
    }
    out.push_sql(")");
    Ok(())
}
