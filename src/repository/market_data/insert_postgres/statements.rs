//! The statements of bulk insertion on PostgreSQL. Each takes any number of rows as one array per
//! column, and has a static id, so that it is prepared once per connection.
//!
//! Those that look for ticks say between which moments all of them are, although the arrays say it of
//! each: of a partitioned table the planner leaves the other partitions out, for which arrays tell it nothing.

use diesel::PgConnection;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Bool, Double, Nullable};

use super::super::keys::TickKey;
use super::super::tick_store::KeyedTick;
use super::super::tick_store::{KnownInstrument, Stamp};
use crate::sql_types::Timestamp as TimestampSql;
use crate::timestamp::Timestamp;

/// A key as the database returns it.
pub(super) type StoredKey = (i64, Timestamp, i64, i64);
type KeySql = (BigInt, TimestampSql, BigInt, BigInt);

impl From<TickKey> for StoredKey {
    fn from(key: TickKey) -> Self {
        let stamp = (key.instrument_id, key.timestamp, key.source_id);
        (stamp.0, stamp.1, stamp.2, key.sequence)
    }
}

/// An instrument with a first and a last stamp.
pub(super) type TickSpan = (i64, Timestamp, Timestamp);
type SpanSql = (BigInt, TimestampSql, TimestampSql);

/// The moments between which all ticks of a statement are, both included.
struct Bounds {
    first: Timestamp,
    last: Timestamp,
}

impl Default for Bounds {
    /// Those of no ticks.
    fn default() -> Self {
        Self {
            first: Timestamp::MAX,
            last: Timestamp::MIN,
        }
    }
}

impl Bounds {
    fn add(&mut self, moment: Timestamp) {
        self.first = self.first.min(moment);
        self.last = self.last.max(moment);
    }

    /// ` AND m."timestamp" BETWEEN $1 AND $2`.
    fn walk<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(" AND m.\"timestamp\" BETWEEN ");
        out.push_bind_param::<TimestampSql, _>(&self.first)?;
        out.push_sql(" AND ");
        out.push_bind_param::<TimestampSql, _>(&self.last)
    }
}

/// Keys, column by column.
#[derive(Default)]
pub(super) struct KeyColumns {
    bounds: Bounds,
    instrument_ids: Vec<i64>,
    timestamps: Vec<Timestamp>,
    source_ids: Vec<i64>,
    sequences: Vec<i64>,
}

impl KeyColumns {
    fn of(keys: impl Iterator<Item = TickKey>) -> Self {
        let mut columns = Self::default();
        for key in keys {
            columns.push((key.instrument_id, key.timestamp, key.source_id));
            columns.sequences.push(key.sequence);
        }
        columns
    }

    /// Without the sequences.
    pub(super) fn of_stamps(stamps: impl Iterator<Item = Stamp>) -> Self {
        let mut columns = Self::default();
        stamps.for_each(|stamp| columns.push(stamp));
        columns
    }

    fn push(&mut self, (instrument_id, timestamp, source_id): Stamp) {
        self.instrument_ids.push(instrument_id);
        self.timestamps.push(timestamp);
        self.bounds.add(timestamp);
        self.source_ids.push(source_id);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.instrument_ids.is_empty()
    }

    /// `UNNEST($1, $2, $3`, open for further columns.
    fn walk_stamps<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UNNEST(");
        out.push_bind_param::<Array<BigInt>, _>(&self.instrument_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<TimestampSql>, _>(&self.timestamps)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.source_ids)
    }
}

/// Rows, column by column.
pub(super) struct TickArrays {
    keys: KeyColumns,
    values: [Vec<Option<f64>>; 9],
}

impl TickArrays {
    pub(super) fn of(rows: &[KeyedTick<'_>]) -> Self {
        let keys = KeyColumns::of(rows.iter().map(|row| row.key));
        let mut values: [Vec<Option<f64>>; 9] = Default::default();
        values
            .iter_mut()
            .for_each(|column| column.reserve_exact(rows.len()));
        for row in rows {
            for (column, value) in values.iter_mut().zip(row.tick.values()) {
                column.push(value);
            }
        }
        Self { keys, values }
    }

    /// `UNNEST($1, .., $13)`.
    fn walk<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.keys.walk_stamps(out)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.keys.sequences)?;
        for column in &self.values {
            out.push_sql(", ");
            out.push_bind_param::<Array<Nullable<Double>>, _>(column)?;
        }
        out.push_sql(")");
        Ok(())
    }
}

/// Spans, column by column.
pub(super) struct TickSpanArrays {
    bounds: Bounds,
    instrument_ids: Vec<i64>,
    firsts: Vec<Timestamp>,
    lasts: Vec<Timestamp>,
}

impl TickSpanArrays {
    pub(super) fn of(spans: &[TickSpan]) -> Self {
        let mut bounds = Bounds::default();
        for (_, first, last) in spans {
            bounds.add(*first);
            bounds.add(*last);
        }
        Self {
            bounds,
            instrument_ids: spans.iter().map(|span| span.0).collect(),
            firsts: spans.iter().map(|span| span.1).collect(),
            lasts: spans.iter().map(|span| span.2).collect(),
        }
    }
}

/// Names the statement in the cache, and what it returns.
macro_rules! statement {
    ($(#[$about:meta])* $name:ident<$rows:ty> -> $sql_type:ty, |$self:ident, $out:ident| $walk:block) => {
        $(#[$about])*
        pub(super) struct $name<'a>(pub(super) &'a $rows);

        impl QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl Query for $name<'_> {
            type SqlType = $sql_type;
        }

        impl RunQueryDsl<PgConnection> for $name<'_> {}

        impl QueryFragment<Pg> for $name<'_> {
            fn walk_ast<'b>(&'b $self, mut $out: AstPass<'_, 'b, Pg>) -> QueryResult<()> $walk
        }
    };
}

statement!(
    /// Stores the rows whose keys are free, and returns their keys.
    InsertTicks<TickArrays> -> KeySql,
    |self, out| {
        out.push_sql(
            "INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence, price, \
             volume, bid, ask, bid_size, ask_size, open_price, high_price, low_price) \
             SELECT * FROM ",
        );
        self.0.walk(&mut out)?;
        out.push_sql(
            " ON CONFLICT DO NOTHING RETURNING instrument_id, \"timestamp\", source_id, sequence",
        );
        Ok(())
    }
);

statement!(
    /// Of each row whose key is taken: its number from 1, whether the same values are stored, and
    /// whether that tick is deleted. The LIMIT makes it one descent of the key per row, however many
    /// rows the planner expects.
    FindTicks<TickArrays> -> (BigInt, Bool, Bool),
    |self, out| {
        out.push_sql("SELECT k.number, m.same, m.deleted FROM ");
        self.0.walk(&mut out)?;
        out.push_sql(
            " WITH ORDINALITY AS k (instrument_id, \"timestamp\", source_id, sequence, price, \
             volume, bid, ask, bid_size, ask_size, open_price, high_price, low_price, number) \
             CROSS JOIN LATERAL (SELECT (m.price, m.volume, m.bid, m.ask, m.bid_size, m.ask_size, \
             m.open_price, m.high_price, m.low_price) IS NOT DISTINCT FROM (k.price, k.volume, \
             k.bid, k.ask, k.bid_size, k.ask_size, k.open_price, k.high_price, k.low_price) \
             AS same, m.deleted_at IS NOT NULL AS deleted FROM market_data m WHERE m.instrument_id = k.instrument_id \
             AND m.\"timestamp\" = k.\"timestamp\" AND m.source_id = k.source_id \
             AND m.sequence = k.sequence",
        );
        self.0.keys.bounds.walk(&mut out)?;
        out.push_sql(" LIMIT 1) AS m");
        Ok(())
    }
);

statement!(
    /// The first and the last stored stamp within each span in which something is stored, deleted
    /// ticks included.
    StoredSpans<TickSpanArrays> -> SpanSql,
    |self, out| {
        out.push_sql("SELECT k.id, s.first, s.last FROM UNNEST(");
        out.push_bind_param::<Array<BigInt>, _>(&self.0.instrument_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<TimestampSql>, _>(&self.0.firsts)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<TimestampSql>, _>(&self.0.lasts)?;
        out.push_sql(
            ") AS k (id, first, last) CROSS JOIN LATERAL (SELECT min(m.\"timestamp\") AS first, \
             max(m.\"timestamp\") AS last FROM market_data m WHERE m.instrument_id = k.id \
             AND m.\"timestamp\" BETWEEN k.first AND k.last",
        );
        self.0.bounds.walk(&mut out)?;
        out.push_sql(") AS s WHERE s.first IS NOT NULL");
        Ok(())
    }
);

statement!(
    /// The last sequence of each stamp that has ticks, deleted ones included.
    LastSequences<KeyColumns> -> KeySql,
    |self, out| {
        out.push_sql("SELECT k.instrument_id, k.\"timestamp\", k.source_id, m.sequence FROM ");
        self.0.walk_stamps(&mut out)?;
        out.push_sql(
            ") AS k (instrument_id, \"timestamp\", source_id) CROSS JOIN LATERAL (SELECT m.sequence \
             FROM market_data m WHERE m.instrument_id = k.instrument_id \
             AND m.\"timestamp\" = k.\"timestamp\" AND m.source_id = k.source_id",
        );
        self.0.bounds.walk(&mut out)?;
        out.push_sql(" ORDER BY m.sequence DESC LIMIT 1) AS m");
        Ok(())
    }
);

/// Writes what the instruments show as their last tick.
pub(super) struct LastTicks {
    ids: Vec<i64>,
    last_ticks: Vec<Option<Timestamp>>,
    last_prices: Vec<Option<f64>>,
}

impl LastTicks {
    pub(super) fn of(instruments: &[KnownInstrument]) -> Self {
        Self {
            ids: instruments.iter().map(|known| known.id).collect(),
            last_ticks: instruments.iter().map(|known| known.last_tick).collect(),
            last_prices: instruments.iter().map(|known| known.last_price).collect(),
        }
    }
}

impl QueryId for LastTicks {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for LastTicks {}

impl QueryFragment<Pg> for LastTicks {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "UPDATE instrument_state AS s SET last_tick = k.last_tick, last_price = k.last_price, \
             ticks_version = s.ticks_version + 1 FROM UNNEST(",
        );
        out.push_bind_param::<Array<BigInt>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<TimestampSql>>, _>(&self.last_ticks)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Double>>, _>(&self.last_prices)?;
        out.push_sql(") AS k (id, last_tick, last_price) WHERE s.instrument_id = k.id");
        Ok(())
    }
}
