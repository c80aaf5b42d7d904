//! The statements of bulk insertion on SQLite. Each has a static id, so that it is prepared once
//! per connection. Those over a batch read it from `tickbase_rows` and bind nothing.

use diesel::SqliteConnection;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Bool, Double, Nullable};
use diesel::sqlite::Sqlite;

use super::super::keys::TickKey;
use super::super::tick_store::KeyedTick;
use super::super::tick_store::{KnownInstrument, Stamp};
use crate::database::row_table::RowCells;
use crate::domain::tick::VALUE_NAMES;
use crate::sql_types::Timestamp as TimestampSql;
use crate::timestamp::Timestamp;

/// An instrument: id, last tick, last price, newest stored stamp, versions of rules and ticks, end
/// of built bars.
pub(super) type KnownRow = (
    i64,
    Option<Timestamp>,
    Option<f64>,
    Option<Timestamp>,
    i64,
    i64,
    Option<Timestamp>,
    Option<Timestamp>,
);
type KnownSql = (
    BigInt,
    Nullable<TimestampSql>,
    Nullable<Double>,
    Nullable<TimestampSql>,
    BigInt,
    BigInt,
    Nullable<TimestampSql>,
    Nullable<TimestampSql>,
);

/// A statement of a fixed text.
macro_rules! over_the_batch {
    ($(#[$about:meta])* $name:ident -> $sql_type:ty, $sql:expr) => {
        $(#[$about])*
        #[derive(QueryId)]
        pub(in super::super) struct $name;

        impl Query for $name {
            type SqlType = $sql_type;
        }

        impl RunQueryDsl<SqliteConnection> for $name {}

        impl QueryFragment<Sqlite> for $name {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                out.push_sql($sql);
                Ok(())
            }
        }
    };
}

macro_rules! newest_stamp {
    () => {
        "(SELECT m.\"timestamp\" FROM market_data m WHERE m.instrument_id = s.instrument_id \
         ORDER BY m.\"timestamp\" DESC LIMIT 1)"
    };
}

over_the_batch!(
    /// The active ones among the instruments of the batch.
    KnownInstruments -> KnownSql,
    concat!(
        "SELECT s.instrument_id, s.last_tick, s.last_price, ", newest_stamp!(),
        ", s.rules_version, s.ticks_version, s.bars_to, s.archived_to FROM tickbase_rows r \
         CROSS JOIN instrument_state s ON s.instrument_id = r.c0 WHERE NOT s.is_deleted"
    )
);

/// Stores the batch, whose keys are free. Columns that are NULL in every row are left out: most
/// feeds have two or three of the nine. The statement is known by its text.
pub(super) struct InsertTicks {
    has: [bool; 9],
}

impl InsertTicks {
    pub(super) fn with_values_of(rows: &[RowCells]) -> Self {
        let mut has = [false; 9];
        for row in rows {
            for (has, value) in has.iter_mut().zip(&row.reals) {
                *has |= !value.is_nan();
            }
        }
        Self { has }
    }
}

impl QueryId for InsertTicks {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<SqliteConnection> for InsertTicks {}

impl QueryFragment<Sqlite> for InsertTicks {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let present = || (0..).zip(VALUE_NAMES).filter(|(at, _)| self.has[*at]);
        out.push_sql("INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence");
        for (_, name) in present() {
            out.push_sql(", ");
            out.push_sql(name);
        }
        out.push_sql(") SELECT c0, c1, c2, c3");
        for (at, _) in present() {
            out.push_sql(REALS[at]);
        }
        // Without the WHERE, SQLite takes the ON for a join's.
        out.push_sql(" FROM tickbase_rows WHERE true ON CONFLICT DO NOTHING");
        Ok(())
    }
}

const REALS: [&str; 9] = [
    ", c4", ", c5", ", c6", ", c7", ", c8", ", c9", ", c10", ", c11", ", c12",
];

over_the_batch!(
    /// Which rows of the batch have a key that is stored, whether with the same values, and whether
    /// that tick is deleted.
    FindTicks -> (BigInt, Bool, Bool),
    "SELECT r.rowid, m.price IS r.c4 AND m.volume IS r.c5 AND m.bid IS r.c6 AND m.ask IS r.c7 \
     AND m.bid_size IS r.c8 AND m.ask_size IS r.c9 AND m.open_price IS r.c10 \
     AND m.high_price IS r.c11 AND m.low_price IS r.c12, m.deleted_at IS NOT NULL \
     FROM tickbase_rows r CROSS JOIN market_data m ON m.instrument_id = r.c0 \
     AND m.\"timestamp\" = r.c1 AND m.source_id = r.c2 AND m.sequence = r.c3"
);

over_the_batch!(
    /// Writes what the instruments of the batch show as their last tick.
    UpdateLastTicks -> (),
    "UPDATE instrument_state SET last_tick = r.c1, last_price = r.c2, \
     ticks_version = ticks_version + 1 FROM tickbase_rows r WHERE instrument_id = r.c0"
);

/// [`KnownInstruments`] of one id.
#[derive(QueryId)]
pub(super) struct KnownInstrumentById(pub(super) i64);

impl Query for KnownInstrumentById {
    type SqlType = KnownSql;
}

impl RunQueryDsl<SqliteConnection> for KnownInstrumentById {}

impl QueryFragment<Sqlite> for KnownInstrumentById {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(concat!(
            "SELECT s.instrument_id, s.last_tick, s.last_price, ",
            newest_stamp!(),
            ", s.rules_version, s.ticks_version, s.bars_to, s.archived_to FROM instrument_state s \
             WHERE NOT s.is_deleted AND s.instrument_id = "
        ));
        out.push_bind_param::<BigInt, _>(&self.0)
    }
}

/// [`UpdateLastTicks`] of one instrument.
#[derive(QueryId)]
pub(super) struct UpdateLastTick(pub(super) KnownInstrument);

impl RunQueryDsl<SqliteConnection> for UpdateLastTick {}

impl QueryFragment<Sqlite> for UpdateLastTick {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE instrument_state SET last_tick = ");
        out.push_bind_param::<Nullable<TimestampSql>, _>(&self.0.last_tick)?;
        out.push_sql(", last_price = ");
        out.push_bind_param::<Nullable<Double>, _>(&self.0.last_price)?;
        out.push_sql(", ticks_version = ticks_version + 1 WHERE instrument_id = ");
        out.push_bind_param::<BigInt, _>(&self.0.id)
    }
}

/// Stores one tick, if its key is free.
#[derive(QueryId)]
pub(super) struct InsertTick {
    key: TickKey,
    values: [Option<f64>; 9],
}

impl InsertTick {
    pub(super) fn new(row: &KeyedTick<'_>) -> Self {
        Self {
            key: row.key,
            values: row.tick.values(),
        }
    }
}

impl RunQueryDsl<SqliteConnection> for InsertTick {}

impl QueryFragment<Sqlite> for InsertTick {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence, price, \
             volume, bid, ask, bid_size, ask_size, open_price, high_price, low_price) VALUES (",
        );
        out.push_bind_param::<BigInt, _>(&self.key.instrument_id)?;
        out.push_sql(", ");
        out.push_bind_param::<TimestampSql, _>(&self.key.timestamp)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.key.source_id)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.key.sequence)?;
        for value in &self.values {
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Double>, _>(value)?;
        }
        out.push_sql(") ON CONFLICT DO NOTHING");
        Ok(())
    }
}

/// Whether the same values are stored under a tick's key, and whether that tick is deleted; no row
/// when nothing is stored.
#[derive(QueryId)]
pub(super) struct FindTick(InsertTick);

impl FindTick {
    pub(super) fn new(row: &KeyedTick<'_>) -> Self {
        Self(InsertTick::new(row))
    }
}

impl Query for FindTick {
    type SqlType = (Bool, Bool);
}

impl RunQueryDsl<SqliteConnection> for FindTick {}

impl QueryFragment<Sqlite> for FindTick {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let mut before = "SELECT ";
        for (name, value) in VALUE_NAMES.iter().zip(&self.0.values) {
            out.push_sql(before);
            out.push_sql(name);
            out.push_sql(" IS ");
            out.push_bind_param::<Nullable<Double>, _>(value)?;
            before = " AND ";
        }
        out.push_sql(", deleted_at IS NOT NULL FROM market_data WHERE instrument_id = ");
        out.push_bind_param::<BigInt, _>(&self.0.key.instrument_id)?;
        out.push_sql(" AND \"timestamp\" = ");
        out.push_bind_param::<TimestampSql, _>(&self.0.key.timestamp)?;
        out.push_sql(" AND source_id = ");
        out.push_bind_param::<BigInt, _>(&self.0.key.source_id)?;
        out.push_sql(" AND sequence = ");
        out.push_bind_param::<BigInt, _>(&self.0.key.sequence)
    }
}

/// The greatest sequence of a stamp, deleted ticks included: they keep theirs.
#[derive(QueryId)]
pub(super) struct LastSequence(pub(super) Stamp);

impl Query for LastSequence {
    type SqlType = BigInt;
}

impl RunQueryDsl<SqliteConnection> for LastSequence {}

impl QueryFragment<Sqlite> for LastSequence {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("SELECT sequence FROM market_data WHERE instrument_id = ");
        out.push_bind_param::<BigInt, _>(&self.0.0)?;
        out.push_sql(" AND \"timestamp\" = ");
        out.push_bind_param::<TimestampSql, _>(&self.0.1)?;
        out.push_sql(" AND source_id = ");
        out.push_bind_param::<BigInt, _>(&self.0.2)?;
        out.push_sql(" ORDER BY sequence DESC LIMIT 1");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::BackendConnection;
    use crate::test_support::{on_sqlite, sql_of, sqlite_plan};

    fn plans(expected: &[(String, &[&str])]) {
        on_sqlite(|conn| {
            #[allow(irrefutable_let_patterns)] // Of a build with SQLite alone.
            let BackendConnection::Sqlite(conn) = conn else {
                unreachable!("it is SQLite");
            };
            for (sql, parts) in expected {
                let plan = sqlite_plan(conn, sql);
                for part in *parts {
                    assert!(plan.contains(part), "{sql}\n{plan}");
                }
                assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
            }
        });
    }

    #[test]
    fn a_statement_over_the_batch_seeks_once_per_row() {
        let instrument = "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)";
        let newest = "SEARCH m USING PRIMARY KEY (instrument_id=?)";
        let tick = "SEARCH m USING PRIMARY KEY \
                    (instrument_id=? AND timestamp=? AND source_id=? AND sequence=?)";
        plans(&[
            (
                sql_of::<Sqlite, _>(&KnownInstruments),
                &[instrument, newest],
            ),
            (
                sql_of::<Sqlite, _>(&KnownInstrumentById(1)),
                &[instrument, newest],
            ),
            (
                sql_of::<Sqlite, _>(&FindTicks),
                &["SCAN r VIRTUAL TABLE", tick],
            ),
            (
                sql_of::<Sqlite, _>(&UpdateLastTicks),
                &[
                    "SCAN r VIRTUAL TABLE",
                    "SEARCH instrument_state USING INTEGER PRIMARY KEY (rowid=?)",
                ],
            ),
        ]);
    }

    #[test]
    fn a_statement_of_one_row_seeks_by_its_key() {
        let stamp = (1, Timestamp::MIN, 1);
        let key = TickKey {
            instrument_id: 1,
            timestamp: Timestamp::MIN,
            source_id: 1,
            sequence: 1,
        };
        let values = [None; 9];
        plans(&[
            (
                sql_of::<Sqlite, _>(&FindTick(InsertTick { key, values })),
                &[
                    "USING PRIMARY KEY (instrument_id=? AND timestamp=? AND source_id=? AND sequence=?)",
                ],
            ),
            (
                sql_of::<Sqlite, _>(&LastSequence(stamp)),
                &["USING PRIMARY KEY (instrument_id=? AND timestamp=? AND source_id=?)"],
            ),
        ]);
    }

    #[test]
    fn columns_that_are_null_in_every_row_are_left_out() {
        let mut row = RowCells {
            integers: [0; 4],
            reals: [f64::NAN; 9],
        };
        row.reals[0] = 1.0;
        let mut other = row;
        other.reals[8] = 1.0;
        insta::assert_snapshot!(
            sql_of::<Sqlite, _>(&InsertTicks::with_values_of(&[row, other])),
            @r#"INSERT INTO market_data (instrument_id, "timestamp", source_id, sequence, price, low_price) SELECT c0, c1, c2, c3, c4, c12 FROM tickbase_rows WHERE true ON CONFLICT DO NOTHING"#
        );
    }
}
