//! A database of a contender, and the check of what is stored in it at the end.
#![allow(clippy::unwrap_used)] // A failure ends the bench.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tickbase::domain::tick::Tick;
use tickbase::domain::{InstrumentType, Symbol};
use tickbase::models::NewInstrument;
use tickbase::repository::instrument;
use tickbase::testing::TemporaryDatabase;

use super::ticks::{INSTRUMENTS, START_MICROS, VALUES, sequence, values};

/// A migrated database with 100 instruments.
pub(crate) struct Place(pub(crate) TemporaryDatabase);

impl Place {
    pub(crate) fn new(admin: &str) -> Self {
        let place = Self(TemporaryDatabase::postgres(admin).unwrap());
        let now = place.0.clock().now();
        for id in 13..=INSTRUMENTS {
            let symbol = Symbol::new(&format!("BENCH{id}")).unwrap();
            let new = NewInstrument::new(symbol, "bench", InstrumentType::Equity);
            let added = place.0.write("instrument.insert", move |conn| {
                instrument::insert(conn, &new, now)
            });
            assert_eq!(added.unwrap().id, id as i64);
        }
        place.execute("ALTER TABLE market_data SET (autovacuum_enabled = off)");
        place.execute("CHECKPOINT");
        place
    }

    pub(crate) fn connect(&self) -> PgConnection {
        PgConnection::establish(self.0.url()).unwrap()
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.connect().batch_execute(sql).unwrap();
    }

    pub(crate) fn verify(&self, ticks: &[Tick], numbered: bool) {
        let given = Sums::of(ticks, numbered);
        let columns: Vec<String> = VALUES.iter().map(|name| format!("sum({name})")).collect();
        let sql = format!(
            "SELECT count(*) AS rows, sum(instrument_id)::bigint AS instruments, \
             sum(extract(epoch FROM \"timestamp\") * 1000000 - {START_MICROS})::bigint AS micros, \
             sum(source_id)::bigint AS sources, sum(sequence)::bigint AS sequences, \
             ARRAY[{}] AS sums FROM market_data",
            columns.join(", ")
        );
        let stored: Sums = diesel::sql_query(sql)
            .get_result(&mut self.connect())
            .unwrap();
        assert_eq!(stored, given);
    }
}

#[derive(Debug, PartialEq, QueryableByName)]
struct Sums {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    rows: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    instruments: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    micros: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    sources: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    sequences: i64,
    #[diesel(sql_type = diesel::sql_types::Array<diesel::sql_types::Double>)]
    sums: Vec<f64>,
}

impl Sums {
    fn of(ticks: &[Tick], numbered: bool) -> Self {
        let whole = |number: fn(&Tick) -> i64| ticks.iter().map(number).sum::<i64>();
        let sum = |column: usize| ticks.iter().filter_map(|tick| values(tick)[column]).sum();
        Self {
            rows: ticks.len() as i64,
            instruments: whole(Tick::instrument_id),
            micros: whole(|tick| tick.timestamp().micros() - START_MICROS),
            sources: whole(Tick::source_id),
            // No two ticks share a stamp: the writer gives each the number 0.
            sequences: if numbered { whole(sequence) } else { 0 },
            sums: (0..VALUES.len()).map(sum).collect(),
        }
    }
}

pub(crate) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Debian keeps the programs of the server out of PATH, but not psql.
pub(crate) fn psql() -> String {
    std::env::var("PSQL").unwrap_or_else(|_| "psql".to_owned())
}
