//! Keeps the write-ahead log of SQLite short while an archiver writes, so that no commit has to move much of
//! it at once: the writer is held for as long.

use crate::database::Database;
use crate::error::Result;

/// Transactions between two checkpoints: some megabytes.
const TRANSACTIONS: usize = 8;

/// The transactions of a piece of work.
#[derive(Debug, Default)]
pub(super) struct Checkpoints(usize);

impl Checkpoints {
    /// Counts a transaction, and moves what the log holds into the file now and then, on a connection of the
    /// readers: it waits for nobody, and nobody waits for it.
    pub(super) fn committed(&mut self, db: &Database) -> Result<()> {
        self.0 += 1;
        match self.0 % TRANSACTIONS {
            0 => checkpoint(db),
            _ => Ok(()),
        }
    }
}

#[cfg(feature = "sqlite")]
fn checkpoint(db: &Database) -> Result<()> {
    use crate::database::{Backend, BackendConnection};
    use diesel::connection::SimpleConnection;

    if db.backend() == Backend::Postgres {
        return Ok(());
    }
    db.read("archive.checkpoint", |conn| match conn {
        BackendConnection::Sqlite(conn) => {
            Ok(conn.batch_execute("PRAGMA wal_checkpoint(PASSIVE)")?)
        }
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(_) => Ok(()),
    })
}

#[cfg(not(feature = "sqlite"))]
#[allow(clippy::unnecessary_wraps)] // As the other one.
fn checkpoint(_db: &Database) -> Result<()> {
    Ok(())
}
