//! sqlx: ticks by its query builder, and a row at a time by a prepared statement. Also the sums
//! that every contender is checked by.

use std::future::Future;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Row, Sqlite};
use tickbase::domain::tick::Tick;

use super::COLUMNS;
use super::common::{Stopwatch, Took, raw};

/// Stamps are summed from here, so that the sum is exact enough.
pub const STAMP_ORIGIN: i64 = 1_700_000_000_000_000;

/// A runtime of this thread alone: nothing else wants to run, and sqlx has a thread for SQLite.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// A connection with the pragmas, and no logging of statements.
pub fn options(file: &str, pragmas: &[(&str, &str)]) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .disable_statement_logging();
    pragmas.iter().fold(options, |options, (name, value)| {
        options.pragma(name.to_string(), value.to_string())
    })
}

/// `INSERT .. VALUES` of many rows.
pub fn values(
    file: &str,
    pragmas: &[(&str, &str)],
    batches: Vec<Vec<Tick>>,
    rows_per_statement: usize,
) -> Took {
    block_on(async {
        let mut conn = options(file, pragmas).connect().await.unwrap();
        let watch = Stopwatch::start();
        for batch in batches {
            let mut transaction = conn.begin_with("BEGIN IMMEDIATE").await.unwrap();
            for rows in batch.chunks(rows_per_statement) {
                let mut insert = insert_of(rows);
                let done = insert.build().execute(&mut *transaction).await.unwrap();
                assert_eq!(done.rows_affected(), rows.len() as u64);
            }
            transaction.commit().await.unwrap();
        }
        let took = watch.stop();
        conn.close().await.unwrap();
        took
    })
}

fn insert_of(rows: &[Tick]) -> QueryBuilder<Sqlite> {
    let columns = COLUMNS.join(", ");
    let mut insert = QueryBuilder::new(format!("INSERT INTO market_data ({columns}) "));
    insert.push_values(rows, |mut row, tick| {
        for key in raw::key(tick) {
            row.push_bind(key);
        }
        for value in raw::values(tick) {
            row.push_bind(value);
        }
    });
    insert.push(" ON CONFLICT DO NOTHING");
    insert
}

/// A prepared `INSERT` of one row, as often as there are rows.
pub fn rows(file: &str, pragmas: &[(&str, &str)], batches: Vec<Vec<Tick>>) -> Took {
    let insert = raw::INSERT.to_str().unwrap();
    block_on(async {
        let mut conn = options(file, pragmas).connect().await.unwrap();
        let watch = Stopwatch::start();
        for batch in batches {
            let mut transaction = conn.begin_with("BEGIN IMMEDIATE").await.unwrap();
            for tick in &batch {
                let query = raw::key(tick)
                    .into_iter()
                    .fold(sqlx::query(insert), |q, k| q.bind(k));
                let query = raw::values(tick).into_iter().fold(query, |q, v| q.bind(v));
                let done = query.execute(&mut *transaction).await.unwrap();
                assert_eq!(done.rows_affected(), 1);
            }
            transaction.commit().await.unwrap();
        }
        let took = watch.stop();
        conn.close().await.unwrap();
        took
    })
}

/// How many rows are stored, and the sum of each column.
pub fn sums(file: &str) -> (i64, Vec<f64>) {
    let totals = COLUMNS.map(|column| match column {
        "timestamp" => format!("total(timestamp - {STAMP_ORIGIN})"),
        _ => format!("total({column})"),
    });
    let sql = format!("SELECT count(*), {} FROM market_data", totals.join(", "));
    block_on(async {
        let mut conn = connect(file).await;
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .fetch_one(&mut conn)
            .await
            .unwrap();
        conn.close().await.unwrap();
        (
            row.get(0),
            (1..=COLUMNS.len()).map(|at| row.get(at)).collect(),
        )
    })
}

async fn connect(file: &str) -> SqliteConnection {
    options(file, &[]).connect().await.unwrap()
}

/// The version of the SQLite that all Rust contenders have.
pub fn sqlite_version() -> String {
    block_on(async {
        let mut conn = connect(":memory:").await;
        let version = sqlx::query_scalar("SELECT sqlite_version()");
        version.fetch_one(&mut conn).await.unwrap()
    })
}
