//! Bulk insertion on PostgreSQL: one statement per chunk, a row per array element (UNNEST).
//!
//! The arrays make one cached statement of any number of rows, and, unlike COPY, it takes
//! ON CONFLICT. Rows go in key order, so two producers cannot wait for each other in a circle.

use std::collections::{HashMap, HashSet};

use diesel::PgConnection;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Double, Nullable};

use super::insert::{Fate, KnownInstrument, Stamp, TickStore};
use super::insert_order::Row;
use super::keys::TickKey;
use crate::error::Result;
use crate::models::MarketData;
use crate::soft_delete::SoftDeletable;
use crate::sql_types;
use crate::tables::instruments;
use crate::timestamp::Timestamp;

/// Rows of one statement.
const ROWS_PER_STATEMENT_MAX: usize = 10_000;

pub(super) struct PostgresStore<'a>(pub(super) &'a mut PgConnection);

impl TickStore for PostgresStore<'_> {
    /// Writers of one instrument take turns: the next free sequence and the last tick are theirs
    /// alone until the commit. In id order, so that nobody waits in a circle.
    fn known_instruments(&mut self, ids: &[i64]) -> Result<Vec<KnownInstrument>> {
        let locked: Vec<(i64, Option<Timestamp>, Option<f64>)> = instruments::table
            .active()
            .filter(instruments::id.eq_any(ids))
            .select((
                instruments::id,
                instruments::last_tick,
                instruments::last_price,
            ))
            .order(instruments::id)
            .for_no_key_update()
            .load(self.0)?;
        let known = locked
            .into_iter()
            .map(|(id, last_tick, last_price)| KnownInstrument {
                id,
                last_tick,
                last_price,
                // Not looked up: a statement tells which keys were free.
                newest: Some(Timestamp::MAX),
            });
        Ok(known.collect())
    }

    fn store(&mut self, rows: &[Row<'_>]) -> Result<Vec<Fate>> {
        let inserted = self.insert(rows)?;
        let taken = rows.iter().zip(&inserted).filter(|(_, free)| !**free);
        let taken: Vec<TickKey> = taken.map(|(row, _)| row.key).collect();
        let stored = self.stored(&taken)?;
        let fate = |(row, free): (&Row<'_>, bool)| match stored.get(&row.key) {
            _ if free => Fate::Inserted,
            Some(stored) if stored.values() == row.tick.values() => Fate::Same,
            _ => Fate::Other,
        };
        Ok(rows.iter().zip(inserted).map(fate).collect())
    }

    fn next_sequences(&mut self, stamps: &[Stamp]) -> Result<HashMap<Stamp, i64>> {
        let mut next = HashMap::new();
        for stamps in stamps.chunks(ROWS_PER_STATEMENT_MAX) {
            let keys =
                KeyColumns::of(stamps.iter().map(|(instrument_id, timestamp, source_id)| {
                    TickKey {
                        instrument_id: *instrument_id,
                        timestamp: *timestamp,
                        source_id: *source_id,
                        sequence: 0,
                    }
                }));
            let rows: Vec<StoredKey> = LastSequences(&keys).load(self.0)?;
            next.extend(
                rows.into_iter()
                    .map(|(instrument_id, timestamp, source_id, last)| {
                        (
                            (instrument_id, timestamp, source_id),
                            last.saturating_add(1),
                        )
                    }),
            );
        }
        Ok(next)
    }

    fn update_last_ticks(&mut self, changed: &[KnownInstrument]) -> Result<()> {
        for last in changed {
            let row = instruments::table
                .active()
                .filter(instruments::id.eq(last.id));
            diesel::update(row)
                .set((
                    instruments::last_tick.eq(last.last_tick),
                    instruments::last_price.eq(last.last_price),
                ))
                .execute(self.0)?;
        }
        Ok(())
    }
}

impl PostgresStore<'_> {
    /// Stores the rows whose key is free; says of each whether it was.
    fn insert(&mut self, rows: &[Row<'_>]) -> Result<Vec<bool>> {
        // The first of several rows with one key is the one that is stored.
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|index| (rows[*index].key, *index));
        order.dedup_by_key(|index| rows[*index].key);
        let mut inserted = vec![false; rows.len()];
        for chunk in order.chunks(ROWS_PER_STATEMENT_MAX) {
            let columns = Columns::of(chunk.iter().map(|index| &rows[*index]));
            let stored: Vec<StoredKey> = InsertTicks(&columns).load(self.0)?;
            let stored: HashSet<StoredKey> = stored.into_iter().collect();
            for index in chunk {
                inserted[*index] = stored.contains(&rows[*index].key.into());
            }
        }
        Ok(inserted)
    }

    /// What is stored under the keys, deleted rows included.
    fn stored(&mut self, keys: &[TickKey]) -> Result<HashMap<TickKey, MarketData>> {
        let mut stored = HashMap::with_capacity(keys.len());
        for keys in keys.chunks(ROWS_PER_STATEMENT_MAX) {
            let keys = KeyColumns::of(keys.iter().copied());
            let rows: Vec<MarketData> = StoredTicks(&keys).load(self.0)?;
            stored.extend(rows.into_iter().map(|row| (row.key(), row)));
        }
        Ok(stored)
    }
}

/// A key as the database returns it.
type StoredKey = (i64, Timestamp, i64, i64);
/// Its SQL type.
type KeySql = (BigInt, sql_types::Timestamp, BigInt, BigInt);

impl From<TickKey> for StoredKey {
    fn from(key: TickKey) -> Self {
        (
            key.instrument_id,
            key.timestamp,
            key.source_id,
            key.sequence,
        )
    }
}

/// Keys, column by column.
#[derive(Default)]
struct KeyColumns {
    instrument_ids: Vec<i64>,
    timestamps: Vec<Timestamp>,
    source_ids: Vec<i64>,
    sequences: Vec<i64>,
}

impl KeyColumns {
    fn of(keys: impl Iterator<Item = TickKey>) -> Self {
        let mut columns = Self::default();
        for key in keys {
            columns.instrument_ids.push(key.instrument_id);
            columns.timestamps.push(key.timestamp);
            columns.source_ids.push(key.source_id);
            columns.sequences.push(key.sequence);
        }
        columns
    }

    /// `UNNEST($1, $2, $3, $4`, open for further columns.
    fn walk<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UNNEST(");
        out.push_bind_param::<Array<BigInt>, _>(&self.instrument_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<sql_types::Timestamp>, _>(&self.timestamps)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.source_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.sequences)
    }
}

/// Rows, column by column.
struct Columns {
    keys: KeyColumns,
    values: [Vec<Option<f64>>; 9],
}

impl Columns {
    fn of<'a>(rows: impl Iterator<Item = &'a Row<'a>> + Clone) -> Self {
        let keys = KeyColumns::of(rows.clone().map(|row| row.key));
        let mut values: [Vec<Option<f64>>; 9] = Default::default();
        for row in rows {
            for (column, value) in values.iter_mut().zip(row.tick.values()) {
                column.push(value);
            }
        }
        Self { keys, values }
    }
}

struct InsertTicks<'a>(&'a Columns);
/// The statement's name in the statement cache.
struct InsertTicksId;

impl QueryId for InsertTicks<'_> {
    type QueryId = InsertTicksId;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for InsertTicks<'_> {
    type SqlType = KeySql;
}

impl RunQueryDsl<PgConnection> for InsertTicks<'_> {}

impl QueryFragment<Pg> for InsertTicks<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence, price, \
             volume, bid, ask, bid_size, ask_size, open_price, high_price, low_price) \
             SELECT * FROM ",
        );
        self.0.keys.walk(&mut out)?;
        for column in &self.0.values {
            out.push_sql(", ");
            out.push_bind_param::<Array<Nullable<Double>>, _>(column)?;
        }
        out.push_sql(
            ") ON CONFLICT DO NOTHING RETURNING instrument_id, \"timestamp\", source_id, sequence",
        );
        Ok(())
    }
}

struct StoredTicks<'a>(&'a KeyColumns);
/// The statement's name in the statement cache.
struct StoredTicksId;

impl QueryId for StoredTicks<'_> {
    type QueryId = StoredTicksId;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for StoredTicks<'_> {
    type SqlType = diesel::dsl::SqlTypeOf<
        <crate::soft_delete::Raw<crate::tables::market_data::table> as diesel::Table>::AllColumns,
    >;
}

impl RunQueryDsl<PgConnection> for StoredTicks<'_> {}

impl QueryFragment<Pg> for StoredTicks<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT m.* FROM ");
        self.0.walk(&mut out)?;
        out.push_sql(
            ") AS k (instrument_id, \"timestamp\", source_id, sequence) \
             JOIN market_data m USING (instrument_id, \"timestamp\", source_id, sequence)",
        );
        Ok(())
    }
}

struct LastSequences<'a>(&'a KeyColumns);
/// The statement's name in the statement cache.
struct LastSequencesId;

impl QueryId for LastSequences<'_> {
    type QueryId = LastSequencesId;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for LastSequences<'_> {
    type SqlType = KeySql;
}

impl RunQueryDsl<PgConnection> for LastSequences<'_> {}

impl QueryFragment<Pg> for LastSequences<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT k.instrument_id, k.\"timestamp\", k.source_id, max(m.sequence) FROM ");
        self.0.walk(&mut out)?;
        out.push_sql(
            ") AS k (instrument_id, \"timestamp\", source_id, nothing) \
             JOIN market_data m USING (instrument_id, \"timestamp\", source_id) \
             GROUP BY k.instrument_id, k.\"timestamp\", k.source_id",
        );
        Ok(())
    }
}
