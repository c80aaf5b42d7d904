//! Reads of one moment, in the order of an index: a transaction around several statements, and
//! what PostgreSQL's planner is told in it. It knows no table.

use diesel::connection::{AnsiTransactionManager, Connection, TransactionManager};

use super::connection::{BackendConnection, HasBackend, transaction_depth};
use super::observer;
use crate::error::Result;

/// What is asked for in the order of an index is read in it, from here to the end of the
/// transaction, and what no index has in order is sorted all the same.
///
/// The planner prefers to collect an instrument's rows and to sort them: it knows how well the
/// instruments together lie in the order of time, not that the rows of each one do. Without
/// statistics, after a bulk load, it also takes the rows for a handful, and so collects and sorts
/// a hundred thousand for the newest one.
#[cfg(feature = "postgres")]
const IN_ORDER: &str = "SET LOCAL enable_sort = off";

/// Each statement of a READ COMMITTED transaction would see another moment.
#[cfg(feature = "postgres")]
const BEGIN_POSTGRES: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL enable_sort = off";

/// The moment is that of the first statement.
#[cfg(feature = "sqlite")]
const BEGIN_SQLITE: &str = "BEGIN";

impl BackendConnection<'_> {
    /// Runs the reads of a call, in a transaction that begins with `begin` if there is one.
    #[cfg_attr(not(feature = "postgres"), allow(unused_variables))]
    pub(super) fn reads<T>(
        &mut self,
        begin: Option<&str>,
        work: impl FnOnce(&mut BackendConnection<'_>) -> Result<T>,
    ) -> Result<T> {
        #[cfg(feature = "postgres")]
        if let (Self::Postgres(conn), Some(begin)) = (&mut *self, begin) {
            return within(&mut **conn, begin, |conn| {
                work(&mut BackendConnection::from(conn))
            });
        }
        work(self)
    }

    /// Runs reads that all see the database at one moment, whatever others commit meanwhile; on
    /// PostgreSQL they cannot write. Within a transaction they are a part of it, as it is.
    ///
    /// # Errors
    /// What `work` returns; [`Error::Query`](crate::Error::Query) when the transaction could not
    /// be begun or ended.
    pub fn snapshot<T>(
        &mut self,
        work: impl FnOnce(&mut BackendConnection<'_>) -> Result<T>,
    ) -> Result<T> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(conn) => within(&mut **conn, BEGIN_SQLITE, |conn| {
                work(&mut BackendConnection::from(conn))
            }),
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => {
                // The transaction of a read, which sees one moment already.
                let is_in_write = observer::context(&mut **conn).is_some_and(|it| it.is_in_write());
                if transaction_depth(&mut **conn)? > 0 && !is_in_write {
                    self.prefer_order()?;
                    return work(self);
                }
                within(&mut **conn, BEGIN_POSTGRES, |conn| {
                    work(&mut BackendConnection::from(conn))
                })
            }
        }
    }

    /// [`BackendConnection::snapshot`] of reads that ask for no order: a transaction that is open is enough,
    /// and is told nothing.
    pub(crate) fn at_one_moment<T>(
        &mut self,
        work: impl FnOnce(&mut BackendConnection<'_>) -> Result<T>,
    ) -> Result<T> {
        #[cfg(feature = "postgres")]
        if let Self::Postgres(conn) = self
            && transaction_depth(&mut **conn)? > 0
        {
            return work(self);
        }
        self.snapshot(work)
    }

    /// In a transaction of PostgreSQL: from here to its end, rows that an index has in the order
    /// that is asked for are read by it. SQLite does so anyway.
    pub(crate) fn prefer_order(&mut self) -> Result<()> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => {
                use diesel::connection::SimpleConnection;
                let _own = observer::cover(&mut **conn);
                Ok(conn.batch_execute(IN_ORDER)?)
            }
        }
    }
}

fn within<C, T>(conn: &mut C, begin: &str, work: impl FnOnce(&mut C) -> Result<T>) -> Result<T>
where
    C: Connection<TransactionManager = AnsiTransactionManager> + HasBackend,
{
    if transaction_depth(conn)? > 0 {
        return work(conn);
    }
    let own = observer::cover(conn);
    AnsiTransactionManager::begin_transaction_sql(conn, begin)?;
    drop(own);
    let outcome = work(conn);
    let _own = observer::cover(conn);
    let ended = match &outcome {
        Ok(_) => AnsiTransactionManager::commit_transaction(conn),
        Err(_) => AnsiTransactionManager::rollback_transaction(conn),
    };
    // The first error is the cause of the other.
    outcome.and_then(|value| Ok(ended.map(|()| value)?))
}
