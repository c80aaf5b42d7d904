//! Bulk insertion on SQLite: a one-row INSERT in the statement cache, stepped in a loop.
//!
//! Inside one transaction this beats multi-row VALUES (for which SQLite opens a statement
//! journal); the fragment is our own, so that its id is static and its binds go straight in.

use std::collections::HashMap;

use diesel::SqliteConnection;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Double, Nullable};
use diesel::sqlite::Sqlite;

use super::insert::{Row, Stamp, TickStore};
use super::keys::TickKey;
use crate::error::Result;
use crate::models::MarketData;
use crate::soft_delete::SoftDeletable;
use crate::sql_types::Timestamp;
use crate::tables::market_data;

pub(super) struct SqliteStore<'a>(pub(super) &'a mut SqliteConnection);

impl TickStore for SqliteStore<'_> {
    /// The write lane is the lock.
    fn lock_instruments(&mut self, _ids: &[i64]) -> Result<()> {
        Ok(())
    }

    fn insert(&mut self, rows: &[Row<'_>]) -> Result<Vec<bool>> {
        rows.iter()
            .map(|row| {
                let insert = InsertTick {
                    row,
                    values: row.tick.values(),
                };
                Ok(insert.execute(self.0)? == 1)
            })
            .collect()
    }

    fn stored(&mut self, keys: &[TickKey]) -> Result<HashMap<TickKey, MarketData>> {
        let mut stored = HashMap::with_capacity(keys.len());
        for key in keys {
            let row: Option<MarketData> = market_data::table
                .with_deleted("a deleted tick that is sent again is a duplicate")
                .filter(market_data::instrument_id.eq(key.instrument_id))
                .filter(market_data::timestamp.eq(key.timestamp))
                .filter(market_data::source_id.eq(key.source_id))
                .filter(market_data::sequence.eq(key.sequence))
                .select(MarketData::as_select())
                .first(self.0)
                .optional()?;
            stored.extend(row.map(|row| (*key, row)));
        }
        Ok(stored)
    }

    fn next_sequences(&mut self, stamps: &[Stamp]) -> Result<HashMap<Stamp, i64>> {
        let mut next = HashMap::new();
        for stamp in stamps {
            let last: Option<i64> = market_data::table
                .with_deleted("a deleted tick keeps its sequence")
                .filter(market_data::instrument_id.eq(stamp.0))
                .filter(market_data::timestamp.eq(stamp.1))
                .filter(market_data::source_id.eq(stamp.2))
                .select(market_data::sequence)
                .order(market_data::sequence.desc())
                .first(self.0)
                .optional()?;
            next.extend(last.map(|last| (*stamp, last.saturating_add(1))));
        }
        Ok(next)
    }
}

struct InsertTick<'a> {
    row: &'a Row<'a>,
    values: [Option<f64>; 9],
}

/// The statement's name in the statement cache.
struct InsertTickId;

impl QueryId for InsertTick<'_> {
    type QueryId = InsertTickId;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<SqliteConnection> for InsertTick<'_> {}

impl QueryFragment<Sqlite> for InsertTick<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let key = &self.row.key;
        out.push_sql(
            "INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence, price, \
             volume, bid, ask, bid_size, ask_size, open_price, high_price, low_price) VALUES (",
        );
        out.push_bind_param::<BigInt, _>(&key.instrument_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamp, _>(&key.timestamp)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&key.source_id)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&key.sequence)?;
        for value in &self.values {
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Double>, _>(value)?;
        }
        out.push_sql(") ON CONFLICT DO NOTHING");
        Ok(())
    }
}
