//! The statements on bars that Diesel has no words for: a list of keys as row values, and an
//! insertion whose ON CONFLICT names a partial unique index (on SQLite too).

use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, Expression, ValidGrouping, is_aggregate};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Bool, Double, HasSqlType, Integer, Nullable, Text};

use super::keys::BarKey;
use crate::domain::Frequency;
use crate::models::NewMarketDataBar;
use crate::soft_delete::Raw;
use crate::sql_types;
use crate::tables::market_data_bars;
use crate::timestamp::Timestamp;

/// Keys of one statement: four binds each, within SQLite's 32,766.
pub(super) const BAR_KEYS_PER_STATEMENT_MAX: usize = 4_096;
/// Bars of one insertion on PostgreSQL: 17 binds each, within its 65,535.
#[cfg(feature = "postgres")]
pub(super) const BARS_PER_STATEMENT_MAX: usize = 2_000;

/// `(instrument_id, frequency, timestamp, data_source_id) IN (VALUES ..)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyIn<'a>(pub(super) &'a [BarKey]);

impl Expression for KeyIn<'_> {
    type SqlType = Bool;
}

impl AppearsOnTable<Raw<market_data_bars::table>> for KeyIn<'_> {}

impl ValidGrouping<()> for KeyIn<'_> {
    type IsAggregate = is_aggregate::No;
}

impl QueryId for KeyIn<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<DB> QueryFragment<DB> for KeyIn<'_>
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Text> + HasSqlType<sql_types::Timestamp>,
    i64: ToSql<BigInt, DB>,
    Frequency: ToSql<Text, DB>,
    Timestamp: ToSql<sql_types::Timestamp, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        // Not cached: the text differs with the number of rows, and each would stay prepared.
        out.unsafe_to_cache_prepared();
        out.push_sql("(instrument_id, frequency, \"timestamp\", data_source_id) IN (VALUES ");
        for (i, key) in self.0.iter().enumerate() {
            out.push_sql(if i == 0 { "(" } else { ", (" });
            out.push_bind_param::<BigInt, _>(&key.instrument_id)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(&key.frequency)?;
            out.push_sql(", ");
            out.push_bind_param::<sql_types::Timestamp, _>(&key.timestamp)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&key.data_source_id)?;
            out.push_sql(")");
        }
        out.push_sql(")");
        Ok(())
    }
}

/// Inserts bars; with `replace`, an active bar of the same period takes the new values.
pub(super) struct WriteBars<'a> {
    pub(super) bars: &'a [&'a NewMarketDataBar],
    pub(super) replace: bool,
    pub(super) now: Timestamp,
}

// One row has one text, which is the key of the statement cache.
impl QueryId for WriteBars<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: Connection> RunQueryDsl<C> for WriteBars<'_> {}

impl<DB> QueryFragment<DB> for WriteBars<'_>
where
    DB: Backend
        + HasSqlType<BigInt>
        + HasSqlType<Bool>
        + HasSqlType<Double>
        + HasSqlType<Integer>
        + HasSqlType<Text>
        + HasSqlType<sql_types::Timestamp>,
    bool: ToSql<Bool, DB>,
    i64: ToSql<BigInt, DB>,
    f64: ToSql<Double, DB>,
    Option<f64>: ToSql<Nullable<Double>, DB>,
    Option<i32>: ToSql<Nullable<Integer>, DB>,
    Option<i64>: ToSql<Nullable<BigInt>, DB>,
    Option<String>: ToSql<Nullable<Text>, DB>,
    Frequency: ToSql<Text, DB>,
    Timestamp: ToSql<sql_types::Timestamp, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if self.bars.len() > 1 {
            // Not cached: the text differs with the number of rows, and each would stay prepared.
            out.unsafe_to_cache_prepared();
        }
        out.push_sql(
            "INSERT INTO market_data_bars (instrument_id, \"timestamp\", frequency, open_price, \
             high_price, low_price, close_price, volume, open_interest, contract_month, \
             data_source_id, is_adjusted, quality_score, turnover, tick_count, \
             created_at, updated_at) VALUES ",
        );
        for (i, bar) in self.bars.iter().enumerate() {
            out.push_sql(if i == 0 { "(" } else { ", (" });
            out.push_bind_param::<BigInt, _>(&bar.instrument_id)?;
            out.push_sql(", ");
            out.push_bind_param::<sql_types::Timestamp, _>(&bar.timestamp)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(&bar.frequency)?;
            for price in [
                &bar.open_price,
                &bar.high_price,
                &bar.low_price,
                &bar.close_price,
            ] {
                out.push_sql(", ");
                out.push_bind_param::<Double, _>(price)?;
            }
            out.push_sql(", ");
            out.push_bind_param::<Double, _>(&bar.volume)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Double>, _>(&bar.open_interest)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Text>, _>(&bar.contract_month)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&bar.data_source_id)?;
            out.push_sql(", ");
            out.push_bind_param::<Bool, _>(&bar.is_adjusted)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Integer>, _>(&bar.quality_score)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Double>, _>(&bar.turnover)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<BigInt>, _>(&bar.tick_count)?;
            for _ in ["created_at", "updated_at"] {
                out.push_sql(", ");
                out.push_bind_param::<sql_types::Timestamp, _>(&self.now)?;
            }
            out.push_sql(")");
        }
        if self.replace {
            out.push_sql(REPLACE);
        }
        Ok(())
    }
}

/// The target is the index `market_data_bars_period_active`, with its condition.
const REPLACE: &str = " ON CONFLICT (instrument_id, frequency, \"timestamp\", data_source_id) \
     WHERE deleted_at IS NULL DO UPDATE SET open_price = excluded.open_price, \
     high_price = excluded.high_price, low_price = excluded.low_price, \
     close_price = excluded.close_price, volume = excluded.volume, \
     open_interest = excluded.open_interest, contract_month = excluded.contract_month, \
     is_adjusted = excluded.is_adjusted, quality_score = excluded.quality_score, \
     turnover = excluded.turnover, tick_count = excluded.tick_count, \
     updated_at = excluded.updated_at";
