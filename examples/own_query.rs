//! A typed query of your own on tickbase's tables, on SQLite and PostgreSQL: the trading of each
//! instrument, and its busiest minutes.
//!
//! `cargo run --example own_query -- [URL]`; without a URL it takes `DATABASE_URL`, and without
//! that a temporary SQLite file. It stores the trades of the sample that tickbase ships under ES;
//! a second run on the same database finds them there.

use std::error::Error;
use std::io::Write;

use diesel::dsl::{count_star, max, min, sql, sum};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tickbase::config::DatabaseConfig;
use tickbase::database::{Backend, BackendConnection, Database};
use tickbase::domain::tick::{DEFAULT_SOURCE_ID, Tick};
use tickbase::ingest::{Feed, FeedOptions, FeedTarget, Input, pump};
use tickbase::repository::market_data::{InsertOptions, MarketDataRepository};
use tickbase::soft_delete::SoftDeletable;
use tickbase::tables::{instruments, market_data};
use tickbase::{Timestamp, on_backend};

/// The trading of one instrument; the fields are the columns of the query, in order.
#[derive(Debug, PartialEq, Queryable)]
pub struct Trading {
    /// The instrument.
    pub symbol: String,
    /// How many trades there were.
    pub trades: i64,
    /// The sum of their sizes.
    pub volume: Option<f64>,
    /// The lowest price.
    pub low: Option<f64>,
    /// The highest price.
    pub high: Option<f64>,
}

/// Written once, compiled once for each backend of the build: a column that is not there, a scope
/// that was forgotten or a type that does not fit is an error of the compiler on both.
pub fn trading(
    conn: &mut BackendConnection<'_>,
    from: Timestamp,
) -> tickbase::Result<Vec<Trading>> {
    let ticks = market_data::table.active_on(market_data::instrument_id.eq(instruments::id));
    let query = instruments::table
        .active()
        .inner_join(ticks)
        .filter(market_data::timestamp.ge(from))
        .filter(market_data::price.is_not_null())
        .group_by(instruments::symbol)
        .order(instruments::symbol)
        .select((
            instruments::symbol,
            count_star(),
            sum(market_data::volume),
            min(market_data::price),
            max(market_data::price),
        ));
    Ok(on_backend!(conn, |c| query.load(c))?)
}

/// Whole minutes since 1970: where the backends differ, each gets its own words.
fn minute(backend: Backend) -> SqlLiteral<BigInt> {
    sql(match backend {
        Backend::Postgres => {
            "CAST(floor(extract(epoch FROM market_data.timestamp) / 60) AS BIGINT)"
        }
        _ => "market_data.timestamp / 60000000",
    })
}

/// The minutes with the greatest volume of one instrument.
pub fn busiest_minutes(
    conn: &mut BackendConnection<'_>,
    symbol: &str,
    limit: i64,
) -> tickbase::Result<Vec<(i64, i64, Option<f64>)>> {
    Ok(on_backend!(conn, |c| {
        let minute = minute(Backend::of(c));
        market_data::table
            .active()
            .inner_join(
                instruments::table.active_on(market_data::instrument_id.eq(instruments::id)),
            )
            .filter(instruments::symbol.eq(symbol))
            .group_by(minute.clone())
            .order((sum(market_data::volume).desc(), minute.clone()))
            .limit(limit)
            .select((minute, count_star(), sum(market_data::volume)))
            .load(c)
    })?)
}

/// Stores the sample; what is stored already counts as a duplicate.
fn store_sample(db: &Database) -> tickbase::Result<usize> {
    let es = db.read("example.es", |conn| {
        let es = instruments::table
            .active()
            .filter(instruments::symbol.eq("ES"));
        Ok(on_backend!(conn, |c| es
            .select(instruments::id)
            .first::<i64>(c))?)
    })?;
    let target = FeedTarget {
        instrument_id: es,
        source_id: DEFAULT_SOURCE_ID,
        frequency: None,
    };
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/data/es-trades-sample.csv.gz");
    let mut feed = Feed::open::<Tick>(Input::open(sample)?, &FeedOptions::default())?;
    let ticks = MarketDataRepository::new(db);
    let mut inserted = 0;
    pump::<Tick>(&mut feed, &target, |batch| {
        inserted += ticks
            .insert_batch(batch.rows, InsertOptions::default())?
            .inserted;
        Ok(())
    })?;
    Ok(inserted)
}

/// Stores the sample, asks both queries, and tells what they find.
pub fn run(url: &str, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let db = Database::open(DatabaseConfig::new(url)?)?;
    writeln!(
        out,
        "{:?}, ticks stored: {}",
        db.backend(),
        store_sample(&db)?
    )?;
    for row in db.read("example.trading", |conn| trading(conn, Timestamp::MIN))? {
        let [volume, low, high] = [row.volume, row.low, row.high].map(Option::unwrap_or_default);
        let Trading { symbol, trades, .. } = row;
        writeln!(
            out,
            "{symbol}: {trades} trades, volume {volume}, from {low} to {high}"
        )?;
    }
    for (minute, trades, volume) in db.read("example.busiest", |c| busiest_minutes(c, "ES", 3))? {
        let start = Timestamp::from_micros(minute * 60_000_000)?;
        writeln!(
            out,
            "  {start} {trades:5} trades, volume {}",
            volume.unwrap_or_default()
        )?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let given = std::env::args()
        .nth(1)
        .or_else(|| std::env::var("DATABASE_URL").ok());
    let mut out = std::io::stdout();
    match given {
        Some(url) => run(&url, &mut out),
        None => run(
            tickbase::testing::TemporaryDatabase::sqlite()?.url(),
            &mut out,
        ),
    }
}
