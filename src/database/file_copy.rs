//! A SQLite file made anew from another one as of one moment, while others write to that: by VACUUM
//! INTO, beside its place, which it takes when it is whole.
//!
//! VACUUM INTO is one long read. SQLite's backup API in steps begins again at each commit of
//! another connection, and does not end beside a feed; in one step it copies free pages, too.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::BackendConnection;
use super::interruption::{self, GoesOn};
use super::opening::{self, ConnectionRole};
use super::sqlite::{existing, with_suffix};
use crate::error::{BackendCondition, Error, Result};

/// A file that is being made, under the name of its place and `.tmp`. It is removed unless it takes
/// its place; one that a killed process has left is taken over.
#[derive(Debug)]
pub(crate) struct NewFile {
    place: PathBuf,
    path: PathBuf,
    /// Locked, so that no two processes make the same file; it also keeps the file open, for SQLite
    /// loses its locks on a file when the process closes another descriptor of it.
    file: File,
    placed: bool,
}

impl NewFile {
    /// Makes the file, empty, with this mode as far as the umask allows.
    pub(crate) fn create(place: &Path, mode: u32) -> Result<Self> {
        let path = with_suffix(place, ".tmp");
        let failed = |error: std::io::Error| cannot_write(&path, &error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        #[cfg(not(unix))]
        let _ = mode;
        let file = options.open(&path).map_err(failed)?;
        // Elsewhere locks keep others from reading and writing, SQLite too.
        #[cfg(unix)]
        if file.try_lock().is_err() {
            return Err(Error::File {
                path: path.display().to_string(),
                reason: "another process is writing it".to_owned(),
                remedy: "wait until it has ended".to_owned(),
            });
        }
        file.set_len(0).map_err(failed)?;
        let _ = std::fs::remove_file(with_suffix(&path, "-journal"));
        Ok(Self {
            place: place.to_owned(),
            path,
            file,
            placed: false,
        })
    }

    /// Copies a database into it, as of the moment at which this begins.
    pub(crate) fn copy_from(&self, from: &Path, goes_on: GoesOn) -> Result<()> {
        let mut conn = opening::open(&existing(from), ConnectionRole::Copier).map_err(|error| {
            Error::Connect {
                target: from.display().to_string(),
                reason: error.to_string(),
                remedy: "check that the file and its directory may be read and written".to_owned(),
            }
        })?;
        // For a lock that another program holds while it commits without a write-ahead log.
        conn.batch_execute("PRAGMA busy_timeout = 10000")?;
        let copied = interruption::unless(goes_on, || {
            diesel::sql_query("VACUUM INTO ?")
                .bind::<Text, _>(self.path.to_string_lossy())
                .execute(&mut conn)
        });
        copied.map_err(|error| Error::File {
            path: self.path.display().to_string(),
            reason: format!("copying {}: {error}", from.display()),
            remedy: "check the free space, and the database with `tickbase check`".to_owned(),
        })?;
        Ok(())
    }

    /// Runs `work` on a connection to it.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&mut BackendConnection<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut conn =
            SqliteConnection::establish(&existing(&self.path)).map_err(|error| Error::Connect {
                target: self.path.display().to_string(),
                reason: error.to_string(),
                remedy: "check that the directory may be written".to_owned(),
            })?;
        // It is synced as a whole before it takes its place.
        conn.batch_execute("PRAGMA synchronous = OFF")?;
        work(&mut BackendConnection::from(&mut conn))
    }

    /// Its bytes now.
    pub(crate) fn bytes(&self) -> Result<u64> {
        let about = self.file.metadata();
        Ok(about
            .map_err(|error| cannot_write(&self.path, &error))?
            .len())
    }

    /// Has the storage keep it, and gives it its name: a crash leaves either what stood there before,
    /// or the whole file.
    pub(crate) fn put_in_place(mut self) -> Result<()> {
        let failed = |error: std::io::Error| cannot_write(&self.place, &error);
        self.file.sync_all().map_err(failed)?;
        std::fs::rename(&self.path, &self.place).map_err(failed)?;
        let synced = sync_directory(&self.place).map_err(failed);
        self.placed = true;
        synced
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.placed {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// What SQLite finds wrong in the structure of a file, in its words; `None` when that is sound.
pub(crate) fn unsound_pages(conn: &mut BackendConnection<'_>) -> Result<Option<String>> {
    let found: QueryResult<Vec<String>> = match conn {
        BackendConnection::Sqlite(conn) => sql::<Text>("PRAGMA quick_check(5)").load(*conn),
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(_) => return Ok(None),
    };
    match found {
        Ok(found) => Ok((found != ["ok"]).then(|| found.join("; "))),
        // So damaged that the check itself cannot go on.
        Err(error) if BackendCondition::of(&error) == Some(BackendCondition::Damaged) => {
            Ok(Some(error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Has the storage keep the name of a file.
pub(super) fn sync_directory(file: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let parent = file
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = file; // There a directory cannot be opened.
    Ok(())
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    Error::File {
        path: path.display().to_string(),
        reason: error.to_string(),
        remedy: "check its directory, permissions and free space".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_is_not_to_go_on_ends_and_leaves_nothing() {
        let files = tempfile::tempdir().unwrap();
        let [from, to] = ["from.db", "to.db"].map(|name| files.path().join(name));
        let mut conn = SqliteConnection::establish(from.to_str().unwrap()).unwrap();
        let rows = "CREATE TABLE t (i INTEGER PRIMARY KEY); \
                    INSERT INTO t WITH RECURSIVE n (i) AS \
                    (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT i FROM n";
        conn.batch_execute(rows).unwrap();
        let ended = NewFile::create(&to, 0o600)
            .unwrap()
            .copy_from(&from, Box::new(|| false));
        assert!(ended.unwrap_err().to_string().contains("interrupted"));
        assert_eq!(std::fs::read_dir(files.path()).unwrap().count(), 1);
        // The next one on this thread is asked anew.
        let new = NewFile::create(&to, 0o600).unwrap();
        new.copy_from(&from, Box::new(|| true)).unwrap();
        let busy = NewFile::create(&to, 0o600).unwrap_err().to_string();
        assert!(busy.contains("another process is writing it"), "{busy}");
        new.put_in_place().unwrap();
        let mut copy = SqliteConnection::establish(to.to_str().unwrap()).unwrap();
        let count = sql::<diesel::sql_types::BigInt>("SELECT count(*) FROM t");
        assert_eq!(count.get_result::<i64>(&mut copy).unwrap(), 100_000);
    }
}
