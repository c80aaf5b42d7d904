//! The error of the crate: what failed, why, and what to do about it.
//!
//! Display never repeats the source; the edge prints the chain. Nothing here formats a bind value
//! or a password.

mod condition;

use std::time::Duration;

pub(crate) use condition::BackendCondition;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting has a value that cannot work.
    #[error("{name}: {reason}; {remedy}")]
    Config {
        /// The setting, as it is written in the file.
        name: String,
        /// Why its value cannot work.
        reason: String,
        /// A value that works.
        remedy: String,
    },
    /// A value from outside breaks a rule.
    #[error("{name}: {reason}; {remedy}")]
    Invalid {
        /// The field, argument or column.
        name: String,
        /// The rule that it breaks.
        reason: String,
        /// A value that works.
        remedy: String,
    },
    /// Something that was named is not there.
    #[error("{what} not found; {remedy}")]
    NotFound {
        /// The thing that was looked for, with its key.
        what: String,
        /// The remedy.
        remedy: String,
    },
    /// An active row already has the unique key.
    #[error("{what}: {existing}")]
    Conflict {
        /// The attempted action.
        what: String,
        /// The active row in the way.
        existing: String,
    },
    /// The database cannot be opened or reached.
    #[error("cannot open {target}: {reason}; {remedy}")]
    Connect {
        /// The database, without its password.
        target: String,
        /// The database's reason.
        reason: String,
        /// The remedy.
        remedy: String,
    },
    /// No connection came free in time.
    #[error(
        "no connection came free within {waited:?} ({state}); raise pool.overflow or pool.acquire_timeout, or hold connections for less time"
    )]
    PoolTimeout {
        /// The time that the caller waited.
        waited: Duration,
        /// The state of the pool at that moment.
        state: String,
    },
    /// PostgreSQL, or a pooler before it, accepts no more connections.
    #[error(
        "the server accepts no more connections ({state}); raise its max_connections or the limit of the role, the database or the pooler, or lower pool.base + pool.overflow"
    )]
    TooManyConnections {
        /// The state of the pool at that moment.
        state: String,
    },
    /// The server takes no writes; nothing of the call was stored.
    #[error(
        "{op}: the server is a standby and takes no writes, so nothing of this was stored; write to the primary, or send again when the failover has ended"
    )]
    ReadOnlyServer {
        /// The operation's static name.
        op: &'static str,
        /// Diesel's error.
        source: diesel::result::Error,
    },
    /// A statement failed.
    #[error("{} failed", op.unwrap_or("query"))]
    Query {
        /// The operation's static name, once a door has seen the error.
        op: Option<&'static str>,
        /// Diesel's error.
        source: diesel::result::Error,
    },
    /// There is no room for more; nothing of the call was stored, and what was stays.
    #[error(
        "{op}: the database is full, so nothing of this was stored; free disk space, or raise sqlite.max_page_count"
    )]
    Full {
        /// The operation's static name.
        op: &'static str,
        /// Diesel's error.
        source: diesel::result::Error,
    },
    /// A migration failed; nothing of it was kept.
    #[error("migration {name} failed: {reason}")]
    Migration {
        /// The migration's version and name.
        name: String,
        /// The database's reason.
        reason: String,
    },
    /// Taking a migration back would delete rows, and was not to.
    #[error(
        "taking {migration} back deletes {losses}; save what you need of it, then take it back with --yes"
    )]
    WouldDelete {
        /// The migration's version and name.
        migration: String,
        /// The rows that would be lost, by table and column.
        losses: String,
    },
    /// The database was written by a newer tickbase.
    #[error(
        "the database has schema version {found}, this tickbase knows versions up to {known}; use a newer tickbase"
    )]
    SchemaNewer {
        /// The newest version in the database.
        found: String,
        /// The newest version that this build knows.
        known: String,
    },
    /// The schema is older than the code and migrating was not allowed.
    #[error(
        "the database lacks {pending} migration(s), the first is {first}; run `tickbase migrate run`"
    )]
    SchemaOlder {
        /// The number of missing migrations.
        pending: usize,
        /// The first that is missing.
        first: String,
    },
    /// A packed file becomes larger than the caller takes.
    #[error("{path}: it unpacks to more than {bytes} bytes; import it in parts")]
    FileTooLarge {
        /// The file's name.
        path: String,
        /// The bytes unpacked before the reader gave up.
        bytes: u64,
    },
    /// The write queue is full and the caller chose not to wait.
    #[error(
        "the write queue is full ({queued} of {limit} rows wait); send again later, or let the call wait"
    )]
    QueueFull {
        /// Rows waiting.
        queued: usize,
        /// The limit.
        limit: usize,
    },
    /// Another process kept the write lock.
    #[error(
        "another process has held the write lock of the database for {waited:?}; stop it, or write through one process"
    )]
    WriteLockHeld {
        /// The time that the lane waited.
        waited: Duration,
    },
    /// The database file, or its write-ahead log, is not the one that was opened: a restart would
    /// find nothing of what is written now. When the file comes back, what was under way at that
    /// moment may be in it all the same.
    #[error("{reason}, so the write is not acknowledged; {remedy}")]
    FileChanged {
        /// The file, and whether it is gone or replaced.
        reason: &'static str,
        /// The remedy.
        remedy: &'static str,
    },
    /// The database was closed; nothing of the call was stored.
    #[error("the database is closed")]
    Closed,
    /// The caller's closure panicked; nothing of it was stored.
    #[error("{op} panicked: {message}")]
    Panicked {
        /// The operation's static name.
        op: &'static str,
        /// The panic's message.
        message: String,
    },
    /// The commit may or may not have happened: the connection broke while it was under way.
    #[error(
        "{op}: the connection broke during COMMIT, so it is unknown whether the write was stored; read before writing again"
    )]
    CommitUnknown {
        /// The operation's static name.
        op: &'static str,
        /// Diesel's error.
        source: diesel::result::Error,
    },
    /// Rows of a strict import break a rule; nothing was stored.
    #[error(
        "{rows} of {of} rows were rejected, so nothing was stored; mend them, or import without --strict"
    )]
    Rejected {
        /// The number of rows that break a rule.
        rows: u64,
        /// The number of rows read.
        of: u64,
    },
    /// A line of a text that is stored as a whole breaks a rule; nothing of the text was stored.
    #[error("line {line}: {reason}; {remedy}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// The rule that it breaks.
        reason: String,
        /// The remedy.
        remedy: String,
    },
    /// Reading or writing a file failed.
    #[error("{path}: {reason}; {remedy}")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        reason: String,
        /// The remedy.
        remedy: String,
    },
    /// A service was started that cannot be.
    #[error("cannot start {service}: {reason}; {remedy}")]
    Service {
        /// The service's name.
        service: &'static str,
        /// Why it was not started.
        reason: String,
        /// The remedy.
        remedy: String,
    },
    /// A service was asked that does not run.
    #[error("{service} does not run; start it, or ask again when it has started")]
    NotRunning {
        /// The service's name.
        service: &'static str,
    },
    /// A row of the database does not mean what the code expects.
    #[error("{what}: the database holds {value}, which {reason}")]
    Corrupt {
        /// Table and column.
        what: &'static str,
        /// The value.
        value: String,
        /// Why it has no meaning.
        reason: String,
    },
}

impl Error {
    /// A value from outside that breaks a rule.
    pub fn invalid(
        name: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            name: name.into(),
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }

    /// A setting that cannot work.
    pub fn config(
        name: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Config {
            name: name.into(),
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }

    /// Something that is not there.
    pub fn not_found(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::NotFound {
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// A service that cannot be started.
    pub(crate) fn service(
        service: &'static str,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Service {
            service,
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }

    /// Names the operation in an error that does not name one yet.
    #[must_use]
    pub fn during(self, op: &'static str) -> Self {
        match self {
            Self::Query { op: None, source } => match BackendCondition::of(&source) {
                Some(BackendCondition::Full) => Self::Full { op, source },
                _ => Self::Query {
                    op: Some(op),
                    source,
                },
            },
            other => other,
        }
    }

    /// The error and its causes in one line, `cause: deeper cause`.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text.replace(['\n', '\r'], " ")
    }
}

impl From<diesel::result::Error> for Error {
    fn from(source: diesel::result::Error) -> Self {
        Self::Query { op: None, source }
    }
}

/// The text that code panicked with.
pub(crate) fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
