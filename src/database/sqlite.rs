//! Opening SQLite connections: the pragmas, in order, each verified.
//!
//! The writer creates the file and switches it to WAL, once; readers cannot write.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::opening::{self, ConnectionRole};
use super::paths::cut_off;
use crate::config::{DatabaseConfig, DatabaseUrl, SqliteConfig, Synchronous};
use crate::error::{BackendCondition, Error, Result};

/// A pragma with the value that it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PragmaState {
    /// `writer` or `reader`.
    pub role: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What the configuration asks for.
    pub wanted: String,
    /// What the connection has.
    pub actual: String,
}

/// Opens the connection that writes, and sets it up.
pub(crate) fn open_writer(config: &DatabaseConfig) -> Result<SqliteConnection> {
    let mut conn = create(path_of(config)?, config.sqlite.file_mode)?;
    prepare(&mut conn, config, ConnectionRole::Writer)?;
    // The first look into a new file makes its log: from here on it can be told from another.
    read(&mut conn, "schema_version")?;
    Ok(conn)
}

/// Opens a connection of the pool, which sets it up.
pub(crate) fn open_reader(config: &DatabaseConfig) -> Result<SqliteConnection> {
    let opened = opening::open(&existing(path_of(config)?), ConnectionRole::Reader);
    opened.map_err(|error| Error::Connect {
        target: format!("{:?}", config.url),
        reason: error.to_string(),
        remedy: "check that the file is there and may be read".to_owned(),
    })
}

fn path_of(config: &DatabaseConfig) -> Result<&Path> {
    let (reason, remedy) = ("it is not a SQLite file", "give a path");
    match &config.url {
        DatabaseUrl::Sqlite(path) => Ok(path),
        DatabaseUrl::Postgres(_) => Err(Error::config("database.url", reason, remedy)),
    }
}

/// The URI by which SQLite opens a file that exists, for reading and writing, and creates none: a
/// reader that finds the file moved away must not leave an empty one in its place.
pub(crate) fn existing(path: &Path) -> String {
    uri(path, "rw")
}

/// The URI by which SQLite opens a file; `mode` is `rw`, or `rwc`, which creates it.
pub(crate) fn uri(path: &Path, mode: &str) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri + "?mode=" + mode
}

/// Opens the file, and creates it and its directory where they are missing.
fn create(path: &Path, mode: u32) -> Result<SqliteConnection> {
    if path.is_dir() {
        return Err(unusable(
            path,
            "it is a directory",
            "give the path of a file in it",
        ));
    }
    if let Some(parent) = path.parent()
        && !parent.as_os_str().is_empty()
        && !parent.exists()
    {
        std::fs::create_dir(parent).map_err(|error| {
            unusable(
                path,
                &format!("its directory: {error}"),
                "create the directory first",
            )
        })?;
    }
    if !path.exists()
        && let Some(kept) = cut_off(path)
    {
        let reason = format!("it is not there, and {} lies beside it", kept.display());
        let remedy = "a restoration was cut off: run it again, or rename that file back, with its \
                      -wal; to begin with an empty database, move it away";
        return Err(unusable(path, &reason, remedy));
    }
    create_file(path, mode);
    opening::open(&uri(path, "rwc"), ConnectionRole::Writer).map_err(|error| {
        let remedy = "check that the file and its directory may be read and written";
        unusable(path, &error.to_string(), remedy)
    })
}

/// Creates the file, empty, with the mode that SQLite then gives the files beside it, too: SQLite
/// itself would let everybody read it. What hinders it hinders SQLite, who says it better.
fn create_file(path: &Path, mode: u32) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let _ = options.open(path);
}

/// Applies and verifies the pragmas of a role.
pub(crate) fn prepare(
    conn: &mut SqliteConnection,
    config: &DatabaseConfig,
    role: ConnectionRole,
) -> Result<()> {
    let DatabaseUrl::Sqlite(path) = &config.url else {
        return Ok(());
    };
    for (name, wanted) in pragmas(&config.sqlite, role) {
        conn.batch_execute(&format!("PRAGMA {name} = {wanted}"))
            .map_err(|error| explain(path, &error))?;
        let actual = read(conn, name)?;
        if !took(&wanted, &actual) {
            return Err(Error::config(
                format!("sqlite.{name}"),
                format!("asked for {wanted}, SQLite has {actual}"),
                "give a value that SQLite can take",
            ));
        }
    }
    Ok(())
}

/// The state of every pragma of the configuration on a connection of a role.
pub(crate) fn pragma_states(
    conn: &mut SqliteConnection,
    config: &SqliteConfig,
    role: ConnectionRole,
) -> Result<Vec<PragmaState>> {
    let role_name = match role {
        ConnectionRole::Writer => "writer",
        ConnectionRole::Reader => "reader",
    };
    let mut states = Vec::new();
    for (name, wanted) in pragmas(config, role) {
        states.push(PragmaState {
            role: role_name,
            name,
            wanted,
            actual: read(conn, name)?,
        });
    }
    Ok(states)
}

impl PragmaState {
    /// Whether the connection has what the configuration asks for.
    #[must_use]
    pub fn took(&self) -> bool {
        took(&self.wanted, &self.actual)
    }
}

/// What SQLite was compiled with.
pub(crate) fn compile_options(conn: &mut SqliteConnection) -> Result<Vec<String>> {
    Ok(sql::<Text>("PRAGMA compile_options").load(conn)?)
}

fn read(conn: &mut SqliteConnection, name: &str) -> Result<String> {
    Ok(sql::<Text>(&format!("PRAGMA {name}")).get_result(conn)?)
}

fn took(wanted: &str, actual: &str) -> bool {
    actual.eq_ignore_ascii_case(wanted)
}

/// The pragmas in the order in which they are applied. `busy_timeout` comes first: each of the
/// others may meet a lock.
fn pragmas(config: &SqliteConfig, role: ConnectionRole) -> Vec<(&'static str, String)> {
    let synchronous = match config.synchronous {
        Synchronous::Normal => 1,
        Synchronous::Full => 2,
    };
    let (cache_kib, mmap_bytes, query_only) = match role {
        // Mapped pages cost the writer a look into the WAL's index at each visit (every foreign key
        // of every row is one), which its own cache does not: 5 to 8 % of a bulk insertion.
        ConnectionRole::Writer => (config.writer_cache_kib, 0, 0),
        ConnectionRole::Reader => (config.reader_cache_kib, config.mmap_bytes, 1),
    };
    let mut all = vec![("busy_timeout", config.busy_timeout.as_millis().to_string())];
    if role == ConnectionRole::Writer {
        // Stored in the file: readers go on while the writer writes.
        all.push(("journal_mode", "wal".to_owned()));
    }
    all.extend([
        ("synchronous", synchronous.to_string()),
        ("foreign_keys", "1".to_owned()),
        // Else INSERT OR REPLACE deletes rows without asking the delete triggers.
        ("recursive_triggers", "1".to_owned()),
        ("cache_size", format!("-{cache_kib}")),
        ("mmap_size", mmap_bytes.to_string()),
        // 2 is MEMORY: sorts and temporary indexes stay off the disk.
        ("temp_store", "2".to_owned()),
        (
            "journal_size_limit",
            config.journal_size_limit_bytes.to_string(),
        ),
        (
            "wal_autocheckpoint",
            config.wal_autocheckpoint_pages.to_string(),
        ),
    ]);
    if let Some(pages) = config.max_page_count {
        all.push(("max_page_count", pages.to_string()));
    }
    // Last, so that the others could still be set.
    all.push(("query_only", query_only.to_string()));
    all
}

fn explain(path: &Path, error: &diesel::result::Error) -> Error {
    let remedy = match BackendCondition::of(error) {
        Some(BackendCondition::NotADatabase) => {
            "give the path of a SQLite database, or of a file that does not exist yet"
        }
        Some(BackendCondition::Damaged) => {
            "the file is damaged: restore it from a backup, or recover it with \
             `sqlite3 FILE .recover`"
        }
        Some(BackendCondition::ReadOnlyFile) => {
            "make the file and its directory writable for this user"
        }
        Some(BackendCondition::Locked) => {
            "stop the process that holds the lock, or raise sqlite.busy_timeout"
        }
        _ => "check the file, its directory and the free space",
    };
    unusable(path, &error.to_string(), remedy)
}

fn unusable(path: &Path, reason: &str, remedy: &str) -> Error {
    Error::Connect {
        target: format!("sqlite://{}", path.display()),
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn new_files_are_the_owners_alone_unless_asked_otherwise() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let mode = |name: &str| {
            let about = std::fs::metadata(dir.path().join(name)).unwrap();
            about.permissions().mode() & 0o777
        };
        let open = |name: &str, mode: u32| {
            let path = dir.path().join(name);
            let mut config = DatabaseConfig::new(path.to_str().unwrap()).unwrap();
            config.sqlite.file_mode = mode;
            let mut conn = open_writer(&config).unwrap();
            conn.batch_execute("CREATE TABLE IF NOT EXISTS t (x)")
                .unwrap();
            conn
        };
        let _kept = [open("own.db", 0o600), open("readable.db", 0o640)];
        for name in ["own.db", "own.db-wal", "own.db-shm"] {
            assert_eq!(mode(name), 0o600, "{name}");
        }
        // The umask of whoever runs the tests may be stricter than 0o640.
        std::fs::write(dir.path().join("probe"), "").unwrap();
        let allowed = mode("probe");
        for name in ["readable.db", "readable.db-wal", "readable.db-shm"] {
            assert_eq!(mode(name), 0o640 & allowed, "{name}");
        }
        let path = dir.path().join("own.db");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
        let _again = open("own.db", 0o600);
        assert_eq!(mode("own.db"), 0o604, "what is there keeps its mode");
    }

    #[test]
    fn a_path_of_any_name_is_opened_and_none_is_created() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ticks 100%?mode=memory#é.db");
        assert!(SqliteConnection::establish(&existing(&path)).is_err());
        assert!(!path.exists());
        let mut created = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        created.batch_execute("CREATE TABLE t (x)").unwrap();
        let mut conn = SqliteConnection::establish(&existing(&path)).unwrap();
        conn.batch_execute("INSERT INTO t VALUES (1)").unwrap();
    }
}
