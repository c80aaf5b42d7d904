//! Why a database does not answer as it should: what a probe says, and what faults show.

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProbeCause {
    /// There is no file at the path, or its write-ahead log is gone, or there is no database of
    /// the name.
    Missing,
    /// Another file lies at the path than the one that was opened, or another write-ahead log.
    Replaced,
    /// It may not be read, or not be written, or the user may not connect.
    PermissionDenied,
    /// The server answers and takes no writes: it is a standby.
    ReadOnly,
    /// What lies there is no database, is damaged, or lacks tickbase's tables.
    NotADatabase,
    /// A statement came upon a damaged page.
    Damaged,
    /// The last write found no room.
    Full,
    /// The storage could not be read or written.
    StorageFails,
    /// The server does not accept connections.
    Unreachable,
    /// No answer came in time.
    TimedOut,
}

impl ProbeCause {
    /// Its name: `missing`, `replaced`, `permission_denied`, `read_only`, `not_a_database`,
    /// `damaged`, `full`, `storage_fails`, `unreachable` or `timed_out`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Replaced => "replaced",
            Self::PermissionDenied => "permission_denied",
            Self::ReadOnly => "read_only",
            Self::NotADatabase => "not_a_database",
            Self::Damaged => "damaged",
            Self::Full => "full",
            Self::StorageFails => "storage_fails",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
        }
    }

    /// What it means and what to do, in words for everybody: they name no file and no server.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Missing => {
                "the database is not there: its file or write-ahead log was deleted or moved away, \
                 or the server has no such database; writes are refused until it is back"
            }
            Self::Replaced => {
                "the database file or its write-ahead log is not the one that was opened; writes \
                 are refused until that one is back, or tickbase is restarted"
            }
            Self::PermissionDenied => {
                "the database may not be read or written; let this user do so"
            }
            Self::ReadOnly => {
                "the server takes no writes: it is a standby; promote it, or let the URL lead to \
                 its primary"
            }
            Self::NotADatabase => {
                "there is no database of tickbase, or it is damaged; restore it from a backup"
            }
            Self::Damaged => {
                "a statement came upon a damaged page; restore the database from a backup, or \
                 repair it, and restart tickbase"
            }
            Self::Full => "the database is full; free disk space, and write again",
            Self::StorageFails => {
                "the storage of the database could not be read or written; check the disk"
            }
            Self::Unreachable => "the database does not accept connections; check that it runs",
            Self::TimedOut => "the database does not answer in time; check the load on it",
        }
    }
}
