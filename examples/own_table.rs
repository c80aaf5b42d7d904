//! A table of your own beside those of tickbase: your schema, your migrations, one line that makes
//! it soft-deletable, on SQLite and PostgreSQL.
//!
//! `cargo run --example own_table -- [URL]`; without a URL it takes `DATABASE_URL`, and without
//! that a temporary SQLite file. A crate of yours needs, beside tickbase, `diesel` (its macros ask
//! for it by name) and `diesel_migrations`, both without default features.

use std::error::Error;
use std::io::Write;

use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tickbase::config::DatabaseConfig;
use tickbase::database::{Backend, BackendConnection, Database};
use tickbase::soft_delete::{Active, SoftDeletable};
use tickbase::tables::instruments;
use tickbase::{Decimal, Timestamp, on_backend};

/// What `diesel print-schema` writes; private, so that the raw table stays behind the gate.
#[allow(missing_docs)]
mod schema {
    diesel::table! {
        use diesel::sql_types::*;
        use tickbase::sql_types::{Decimal, Timestamp};

        watchlist (id) {
            id -> BigInt,
            instrument_id -> BigInt,
            target -> Decimal,
            comment -> Text,
            deleted_at -> Nullable<Timestamp>,
        }
    }
}

// The line: columns and a `table` that nothing can be read from until a scope is chosen. The path
// is read inside the new module: `crate::schema::watchlist` where `schema` is at the root.
tickbase::soft_deletable!(
    /// The table, gated.
    pub mod watchlist = super::schema::watchlist,
    row = Watch
);
// And one for joins with tickbase's tables.
tickbase::allow_in_same_query!(schema::watchlist: instruments);

/// A price that somebody waits for. `Watch::query()` starts from the active ones.
#[derive(Debug, HasQuery)]
#[diesel(table_name = watchlist)]
#[diesel(base_query = watchlist::table.active(), base_query_type = Active<watchlist::table>)]
pub struct Watch {
    target: Decimal,
    comment: String,
    deleted_at: Option<Timestamp>,
}

const SQLITE: EmbeddedMigrations = embed_migrations!("examples/own_table/migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("examples/own_table/migrations/postgres");

/// Your migrations are listed in Diesel's own table; tickbase keeps its list elsewhere.
fn migrate(conn: &mut BackendConnection<'_>) -> tickbase::Result<Vec<String>> {
    let applied = on_backend!(conn, |c| {
        let migrations = match Backend::of(c) {
            Backend::Postgres => POSTGRES,
            _ => SQLITE,
        };
        let applied = c.run_pending_migrations(migrations);
        applied.map(|all| all.iter().map(ToString::to_string).collect())
    });
    applied.map_err(|error| tickbase::Error::Migration {
        name: "watchlist".to_owned(),
        reason: error.to_string(),
    })
}

fn watch(
    conn: &mut BackendConnection<'_>,
    symbol: &str,
    target: &str,
    comment: &str,
) -> tickbase::Result<i64> {
    let of = instruments::table
        .active()
        .filter(instruments::symbol.eq(symbol));
    let instrument: i64 = on_backend!(conn, |c| of.select(instruments::id).first(c))?;
    let insert = watchlist::table.insert().values((
        watchlist::instrument_id.eq(instrument),
        watchlist::target.eq(target.parse::<Decimal>()?),
        watchlist::comment.eq(comment),
    ));
    Ok(on_backend!(conn, |c| insert
        .returning(watchlist::id)
        .get_result(c))?)
}

fn soft_delete_all(conn: &mut BackendConnection<'_>, now: Timestamp) -> tickbase::Result<usize> {
    let delete = diesel::update(watchlist::table.active()).set(watchlist::deleted_at.eq(now));
    Ok(on_backend!(conn, |c| delete.execute(c))?)
}

fn soft_delete(
    conn: &mut BackendConnection<'_>,
    id: i64,
    now: Timestamp,
) -> tickbase::Result<usize> {
    let active = watchlist::table.active().filter(watchlist::id.eq(id));
    let delete = diesel::update(active).set(watchlist::deleted_at.eq(now));
    Ok(on_backend!(conn, |c| delete.execute(c))?)
}

/// Active rows of both tables; the scope of the right side stands in ON.
fn watched(conn: &mut BackendConnection<'_>) -> tickbase::Result<Vec<(String, Watch)>> {
    Ok(on_backend!(conn, |c| {
        watchlist::table
            .active()
            .inner_join(instruments::table.active_on(watchlist::instrument_id.eq(instruments::id)))
            .order(instruments::symbol)
            .select((instruments::symbol, Watch::as_select()))
            .load(c)
    })?)
}

/// The first instruments, watched or not: a left join keeps them all.
fn overview(conn: &mut BackendConnection<'_>) -> tickbase::Result<Vec<(String, Option<Decimal>)>> {
    let query = instruments::table
        .active()
        .left_join(watchlist::table.active_on(watchlist::instrument_id.eq(instruments::id)))
        .order(instruments::id)
        .limit(4)
        .select((instruments::symbol, watchlist::target.nullable()));
    Ok(on_backend!(conn, |c| query.load(c))?)
}

/// Compiles, for a scope is a target; the trigger of the migration refuses it.
fn delete_for_good(conn: &mut BackendConnection<'_>, id: i64) -> tickbase::Result<usize> {
    let active = watchlist::table.active().filter(watchlist::id.eq(id));
    Ok(on_backend!(conn, |c| diesel::delete(active).execute(c))?)
}

/// Walks through the life of a row, and tells it.
pub fn run(url: &str, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let db = Database::open(DatabaseConfig::new(url)?)?;
    let now = db.clock().now();
    let applied = db.write("watchlist.migrate", migrate)?;
    writeln!(
        out,
        "{:?}, own migrations applied: {}",
        db.backend(),
        applied.len()
    )?;
    db.write("watchlist.clear", move |conn| soft_delete_all(conn, now))?;

    let (es, cl) = db.write("watchlist.add", |conn| {
        let es = watch(conn, "ES", "5000.25", "the old high")?;
        Ok((es, watch(conn, "CL", "-37.63", "it has been there")?))
    })?;
    for (symbol, watch) in db.read("watchlist.list", watched)? {
        writeln!(
            out,
            "watching {symbol} at {}: {}",
            watch.target, watch.comment
        )?;
    }

    let deleted = db.write("watchlist.delete", move |conn| soft_delete(conn, cl, now))?;
    let again = db.write("watchlist.delete", move |conn| soft_delete(conn, cl, now))?;
    writeln!(
        out,
        "soft-deleted CL: {deleted} row, a second time: {again}"
    )?;
    for (symbol, target) in db.read("watchlist.overview", overview)? {
        let target = target.map_or("-".to_owned(), |target| target.to_string());
        writeln!(out, "  {symbol:3} {target}")?;
    }

    match db.write("watchlist.delete_for_good", move |conn| {
        delete_for_good(conn, es)
    }) {
        Ok(_) => Err("the database let go of an active row".into()),
        Err(refused) => Ok(writeln!(out, "DELETE of ES: {}", refused.chain())?),
    }
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
