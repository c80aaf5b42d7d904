//! One connection of either backend, and the macro that runs a body once per backend.
//!
//! A Diesel query has no backend until it is executed: the macro expands the body once for each
//! concrete connection, so both arms are type-checked and nothing is dispatched at run time but
//! one `match`. It opens no connection.

use std::any::Any;
use std::sync::Arc;

#[cfg(feature = "postgres")]
use diesel::PgConnection;
#[cfg(feature = "sqlite")]
use diesel::SqliteConnection;
use diesel::connection::{AnsiTransactionManager, Connection, TransactionManager};
use diesel::result::QueryResult;

use super::insert_counts::InsertCounts;
use super::invalidation::Invalidation;
use super::nested_write::WriteClosure;
use super::observer;
use super::operation_counts::OperationCounts;
#[cfg(feature = "postgres")]
use super::topology::Topology;
use super::transaction::{ConnectionContext, InvalidationGuard, TransactionHook};
use crate::error::{Error, Result};

/// Which database a connection speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// SQLite, embedded.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Backend {
    /// The backend of a concrete connection, inside a body of
    /// [`on_backend!`](crate::on_backend).
    #[must_use]
    pub fn of<C: HasBackend>(_conn: &C) -> Self {
        C::BACKEND
    }
}

/// A connection whose backend is known when it is compiled.
pub trait HasBackend {
    /// The backend.
    const BACKEND: Backend;
}

#[cfg(feature = "sqlite")]
impl HasBackend for SqliteConnection {
    const BACKEND: Backend = Backend::Sqlite;
}

#[cfg(feature = "postgres")]
impl HasBackend for PgConnection {
    const BACKEND: Backend = Backend::Postgres;
}

/// A borrowed connection of either backend; [`on_backend!`](crate::on_backend) gives the
/// concrete one.
pub enum BackendConnection<'a> {
    /// SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(&'a mut SqliteConnection),
    /// PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(&'a mut PgConnection),
}

impl BackendConnection<'_> {
    /// Which backend it is.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Backend::Sqlite,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Backend::Postgres,
        }
    }

    /// Counts rows that the work read (returned) or wrote (stored, changed): they are those of its
    /// operation, once the work has succeeded and, in a write, was committed. What is counted in a
    /// run that is undone or repeated is forgotten.
    pub fn record_rows(&mut self, rows: usize) {
        self.count(|counts| counts.rows += rows as u64);
    }

    /// Counts an insertion of ticks.
    pub(crate) fn record_ticks(&mut self, counts: &InsertCounts) {
        self.count(|of| of.ticks.add(counts));
    }

    /// Counts an insertion of bars.
    pub(crate) fn record_bars(&mut self, counts: &InsertCounts) {
        self.count(|of| of.bars.add(counts));
    }

    fn count(&mut self, add: impl FnOnce(&mut OperationCounts)) {
        if let Some(context) = self.context() {
            add(&mut context.counts);
        }
    }

    /// Says what statements in a write change: those that run until the answer is dropped. What is
    /// said counts when the transaction is committed.
    ///
    /// Without a word everything counts as changed, which is always right, and makes the cache
    /// read again what it holds; so does a statement that nothing said covers. Say it where the
    /// crate's own functions are not used, and writes are frequent. A COPY is not seen: what it
    /// changes must be said.
    ///
    /// ```
    /// # fn main() -> tickbase::Result<()> {
    /// use tickbase::database::Invalidation;
    /// use tickbase::diesel::prelude::*;
    /// # let db = tickbase::testing::TemporaryDatabase::sqlite()?;
    /// db.write("example.own_table", |conn| {
    ///     let _said = conn.invalidates(Invalidation::Nothing);
    ///     let own = tickbase::diesel::sql_query("CREATE TABLE own (id BIGINT)");
    ///     tickbase::on_backend!(conn, |c| own.execute(c))?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn invalidates(&mut self, what: Invalidation<'_>) -> InvalidationGuard {
        let context = self.context();
        context.map_or(InvalidationGuard::NONE, |context| context.invalidate(what))
    }

    /// What is attached to the database that the transaction of a write door runs on.
    pub(crate) fn attached<T: Any + Send + Sync>(&mut self) -> Option<Arc<T>> {
        self.context()?.attached()
    }

    /// What follows the transaction of a write door: one hook of a type, made when it is first
    /// asked for. `None` outside such a transaction.
    pub(crate) fn hook<H: TransactionHook>(&mut self, make: impl FnOnce() -> H) -> Option<Arc<H>> {
        self.context()?.hook(make)
    }

    /// How the table of ticks is kept.
    #[cfg(feature = "postgres")]
    pub(crate) fn topology(&mut self) -> Topology {
        self.context()
            .map_or(Topology::Plain, |context| context.topology)
    }

    pub(super) fn context(&mut self) -> Option<&mut ConnectionContext> {
        crate::on_backend!(self, |conn| observer::context(conn))
    }

    /// Runs `work` as an operation; its answer, and what it has counted.
    pub(super) fn run_as<R>(
        &mut self,
        op: &'static str,
        work: impl FnOnce(&mut BackendConnection<'_>) -> R,
    ) -> (R, OperationCounts) {
        let outer = self.context().map(|context| {
            let counts = std::mem::take(&mut context.counts);
            (std::mem::replace(&mut context.op, op), counts)
        });
        let answer = work(self);
        let mut counts = OperationCounts::default();
        if let (Some(context), Some(outer)) = (self.context(), outer) {
            counts = context.counts;
            (context.op, context.counts) = outer;
        }
        (answer, counts)
    }

    /// Runs the closure of a write door in the transaction that is open.
    pub(super) fn run_write<T>(
        &mut self,
        op: &'static str,
        work: impl FnOnce(&mut BackendConnection<'_>) -> Result<T>,
    ) -> Result<T> {
        let _inside = WriteClosure::enter();
        if let Some(context) = self.context() {
            context.begin_work();
        }
        let outcome = work(self);
        match self.context() {
            Some(context) => {
                context.end_work();
                outcome
            }
            // With the observer the transaction's hooks are gone: alerts may not have fired.
            None => outcome.and(Err(Error::invalid(
                op,
                "it has replaced the instrumentation of its connection",
                "call diesel's set_default_instrumentation before the database is opened",
            ))),
        }
    }
}

/// The connection of PostgreSQL, of whose pools it comes.
#[cfg(feature = "postgres")]
pub(super) fn postgres_of<'c>(conn: &'c mut BackendConnection<'_>) -> Result<&'c mut PgConnection> {
    match conn {
        BackendConnection::Postgres(conn) => Ok(conn),
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => Err(Error::Closed), // The pools of PostgreSQL hold none.
    }
}

/// How many of Diesel's transactions are open, one inside the other.
///
/// # Errors
/// The connection is broken, or a transaction on it could not be ended.
pub(super) fn transaction_depth<C>(conn: &mut C) -> QueryResult<u32>
where
    C: Connection<TransactionManager = AnsiTransactionManager>,
{
    let status = AnsiTransactionManager::transaction_manager_status_mut(conn);
    Ok(status
        .transaction_depth()?
        .map_or(0, std::num::NonZero::get))
}

/// Whether work left the door's transaction as it found it: neither ended, nor with another one
/// open in it.
pub(super) fn at_top_level<C>(conn: &mut C) -> bool
where
    C: Connection<TransactionManager = AnsiTransactionManager>,
{
    matches!(transaction_depth(conn), Ok(1))
}

#[cfg(feature = "sqlite")]
impl<'a> From<&'a mut SqliteConnection> for BackendConnection<'a> {
    fn from(conn: &'a mut SqliteConnection) -> Self {
        Self::Sqlite(conn)
    }
}

#[cfg(feature = "postgres")]
impl<'a> From<&'a mut PgConnection> for BackendConnection<'a> {
    fn from(conn: &'a mut PgConnection) -> Self {
        Self::Postgres(conn)
    }
}

/// Runs a body on the concrete connection: `on_backend!(conn, |c| query.load::<Row>(c))`.
///
/// The body is compiled once for `&mut SqliteConnection` and once for `&mut PgConnection` (those
/// that the build has), so a query that one of them cannot run does not compile. Write your own
/// two-backend queries with it: a closure cannot be generic over the connection, a macro can.
/// What names a backend, as `Row::as_select()` and `Row::query()` do, belongs into the body; a
/// query that names none may be built before it.
///
/// ```
/// use tickbase::database::BackendConnection;
/// use tickbase::diesel::prelude::*;
/// use tickbase::soft_delete::SoftDeletable;
/// use tickbase::tables::instruments;
///
/// fn symbols(conn: &mut BackendConnection<'_>) -> tickbase::Result<Vec<String>> {
///     Ok(tickbase::on_backend!(conn, |c| {
///         instruments::table.active().select(instruments::symbol).load(c)
///     })?)
/// }
/// ```
#[cfg(all(feature = "sqlite", feature = "postgres"))]
#[macro_export]
macro_rules! on_backend {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::database::BackendConnection::Sqlite($c) => {
                let $c: &mut $crate::diesel::SqliteConnection = $c;
                $body
            }
            $crate::database::BackendConnection::Postgres($c) => {
                let $c: &mut $crate::diesel::PgConnection = $c;
                $body
            }
        }
    };
}

/// Runs a body on the concrete connection: `on_backend!(conn, |c| query.load::<Row>(c))`.
#[cfg(all(feature = "sqlite", not(feature = "postgres")))]
#[macro_export]
macro_rules! on_backend {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::database::BackendConnection::Sqlite($c) => {
                let $c: &mut $crate::diesel::SqliteConnection = $c;
                $body
            }
        }
    };
}

/// Runs a body on the concrete connection: `on_backend!(conn, |c| query.load::<Row>(c))`.
#[cfg(all(feature = "postgres", not(feature = "sqlite")))]
#[macro_export]
macro_rules! on_backend {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::database::BackendConnection::Postgres($c) => {
                let $c: &mut $crate::diesel::PgConnection = $c;
                $body
            }
        }
    };
}
