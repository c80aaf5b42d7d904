//! A SQLite file made anew from another one as of one moment, while others write to that: by VACUUM
//! INTO, beside its place, which it takes when it is whole.
//!
//! VACUUM INTO is one long read. SQLite's backup API in steps begins again at each commit of
//! another connection, and does not end beside a feed; in one step it copies free pages, too.

use std::fs::{File, Metadata, OpenOptions};
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::BackendConnection;
use super::directory::sync_directory;
use super::interruption::{self, GoesOn};
use super::opening;
use super::paths::with_suffix;
use super::sqlite::{existing, uri};
use crate::error::{BackendCondition, Error, Result};

/// What stands behind the name of a file that is being made, before random digits.
const UNFINISHED: &str = ".tmp-";
const DIGITS: usize = 16;
/// Files that SQLite keeps beside a database, and replays onto whatever lies there.
const REPLAYED: [&str; 2] = ["-wal", "-journal"];

/// A file that is being made, beside its place under a name of its own. It is removed unless it takes
/// its place; one that a killed process has left is removed by the next one.
#[derive(Debug)]
pub(crate) struct NewFile {
    place: PathBuf,
    path: PathBuf,
    /// Locked for as long as it is being made, by which others know it from one that is left; it also
    /// keeps the file open, for SQLite loses its locks on a file when the process closes another
    /// descriptor of it.
    file: File,
    placed: bool,
}

/// Where the copied database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CopySource {
    /// It is in use, perhaps.
    Database,
    /// It is a backup, which stays as it is.
    Backup,
}

impl NewFile {
    /// Makes the file, empty, with this mode as far as the umask allows.
    pub(crate) fn create(place: &Path, mode: u32) -> Result<Self> {
        // SQLite takes names as text, and a relative one that begins with `file:` as a URI.
        let place = std::path::absolute(place).map_err(|error| cannot_write(place, &error))?;
        if place.to_str().is_none() {
            let name = place.display().to_string();
            let reason = "its name is not UTF-8, as which SQLite takes it";
            return Err(Error::invalid(name, reason, "give another name"));
        }
        if let Some(directory) = place.parent()
            && !directory.is_dir()
        {
            return Err(Error::File {
                path: directory.display().to_string(),
                reason: "there is no such directory".to_owned(),
                remedy: "create it first".to_owned(),
            });
        }
        remove_leftovers(&place);
        loop {
            let digits = fastrand::u64(..);
            let path = with_suffix(&place, &format!("{UNFINISHED}{digits:016x}"));
            let mut options = OpenOptions::new();
            // It follows no link, and takes nothing over.
            options.read(true).write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
            #[cfg(not(unix))]
            let _ = mode;
            let file = options
                .open(&path)
                .map_err(|error| cannot_write(&path, &error))?;
            // Between the two somebody may have taken it for one that is left.
            if lock(&file) && is_at(&file, &path) {
                return Ok(Self {
                    place,
                    path,
                    file,
                    placed: false,
                });
            }
        }
    }

    /// Gives it the mode and the owner of another file, as far as this user may; returns what it could
    /// not give.
    pub(crate) fn copy_owner_and_mode(&self, other: &Metadata) -> Option<String> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, fchown};
            let owner = (Some(other.uid()), Some(other.gid()));
            let done = fchown(&self.file, owner.0, owner.1)
                .and_then(|()| self.file.set_permissions(other.permissions()));
            done.err()
                .map(|error| format!("its owner and mode: {error}"))
        }
        #[cfg(not(unix))]
        {
            let _ = other;
            None
        }
    }

    /// Copies a database into it, as of the moment at which this begins.
    pub(crate) fn copy_from(&self, from: &Path, source: CopySource, goes_on: GoesOn) -> Result<()> {
        let uri = match source {
            // A connection that may write finds what a commit changes without a lock of its own.
            CopySource::Database => existing(from),
            // One that may not leaves the log of a backup as it is.
            CopySource::Backup => uri(from, "ro"),
        };
        let mut conn = opening::open_copier(&uri).map_err(|error| Error::Connect {
            target: from.display().to_string(),
            reason: error.to_string(),
            remedy: "check that the file and its directory may be read and written".to_owned(),
        })?;
        // For a lock that another program holds while it commits without a write-ahead log.
        conn.batch_execute("PRAGMA busy_timeout = 10000")?;
        let copied = interruption::unless(goes_on, || {
            diesel::sql_query("VACUUM INTO ?")
                .bind::<Text, _>(self.path.to_string_lossy())
                .execute(&mut conn)
        });
        copied.map_err(|error| cannot_copy(from, &self.path, source, &error))?;
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

    /// Has the storage keep it.
    pub(super) fn sync(&self) -> Result<()> {
        let synced = self.file.sync_all();
        synced.map_err(|error| cannot_write(&self.path, &error))
    }

    /// Has the storage keep it, and gives it its name: a crash leaves either what stood there before,
    /// or the whole file. Refused when a log lies beside the place that would be replayed onto it.
    pub(crate) fn put_in_place(mut self) -> Result<()> {
        self.sync()?;
        refuse_log_beside(&self.place)?;
        let failed = |error: std::io::Error| cannot_write(&self.place, &error);
        std::fs::rename(&self.path, &self.place).map_err(failed)?;
        self.placed = true;
        sync_directory(&self.place).map_err(failed)
    }

    /// Gives it, which is synced, its name, unless there is a file by now.
    pub(super) fn put_where_none_is(&mut self) -> std::io::Result<()> {
        rename_where_none_is(&self.path, &self.place)?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.placed {
            // It is ours for as long as it is locked.
            remove_unfinished(&self.path);
        }
    }
}

/// Renames a file, unless another one has the name by now.
pub(super) fn rename_where_none_is(from: &Path, to: &Path) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system that does not know it.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {}
            done => return Ok(done?),
        }
    }
    match std::fs::symlink_metadata(to) {
        Ok(_) => Err(std::io::ErrorKind::AlreadyExists.into()),
        Err(_) => std::fs::rename(from, to),
    }
}

/// Refuses a place beside which a log lies that would be replayed onto a new file. One without a byte
/// is none.
pub(crate) fn refuse_log_beside(place: &Path) -> Result<()> {
    for suffix in REPLAYED {
        let log = with_suffix(place, suffix);
        if std::fs::symlink_metadata(&log).is_ok_and(|about| about.len() > 0) {
            let reason = "it belongs to a file that was there before, and would be replayed onto the new one";
            let remedy = "remove it, or give another name";
            return Err(Error::invalid(log.display().to_string(), reason, remedy));
        }
    }
    Ok(())
}

/// Removes what killed processes have left of files for this place: those that nobody has locked.
pub(crate) fn remove_leftovers(place: &Path) {
    let (Some(directory), Some(name)) = (place.parent(), place.file_name()) else {
        return;
    };
    let begins = format!("{}{UNFINISHED}", name.to_string_lossy());
    let is_left = |name: &str| {
        let digits = name.strip_prefix(&begins);
        digits.is_some_and(|digits| {
            digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if !entry.file_name().to_str().is_some_and(is_left) {
            continue;
        }
        let path = entry.path();
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        if opened.is_ok_and(|file| lock(&file) && is_at(&file, &path)) {
            remove_unfinished(&path);
        }
    }
}

/// Removes a file that is not whole, after the journal that SQLite has kept beside it.
fn remove_unfinished(path: &Path) {
    let _ = std::fs::remove_file(with_suffix(path, "-journal"));
    let _ = std::fs::remove_file(path);
}

/// Whether nobody else has it locked. Elsewhere locks keep others from reading and writing, SQLite too.
fn lock(file: &File) -> bool {
    !cfg!(unix) || file.try_lock().is_ok()
}

/// Whether an open file is the one that lies there.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let of = |about: Metadata| (about.dev(), about.ino());
        let there = std::fs::symlink_metadata(path).ok().map(of);
        there.is_some() && there == file.metadata().ok().map(of)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

fn cannot_copy(from: &Path, to: &Path, source: CopySource, error: &diesel::result::Error) -> Error {
    let damaged = match source {
        CopySource::Database => "see what is wrong with it by `tickbase check`",
        CopySource::Backup => "it is damaged; use another backup",
    };
    let (path, remedy) = match BackendCondition::of(error) {
        Some(BackendCondition::Damaged | BackendCondition::NotADatabase) => (from, damaged),
        Some(BackendCondition::Full) => (to, "free disk space"),
        _ => (
            from,
            "check both files, their directories and the free space",
        ),
    };
    Error::File {
        path: path.display().to_string(),
        reason: error.to_string(),
        remedy: remedy.to_owned(),
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
        let copy = |new: &NewFile, goes_on: bool| {
            new.copy_from(&from, CopySource::Database, Box::new(move || goes_on))
        };
        let ended = copy(&NewFile::create(&to, 0o600).unwrap(), false);
        assert!(ended.unwrap_err().to_string().contains("interrupted"));
        assert_eq!(std::fs::read_dir(files.path()).unwrap().count(), 1);
        // The next one on this thread is asked anew; a second file for the place is another one.
        let new = NewFile::create(&to, 0o600).unwrap();
        copy(&new, true).unwrap();
        let second = NewFile::create(&to, 0o600).unwrap();
        assert_ne!(new.path, second.path);
        drop(second);
        new.put_in_place().unwrap();
        let mut copy = SqliteConnection::establish(to.to_str().unwrap()).unwrap();
        let count = sql::<diesel::sql_types::BigInt>("SELECT count(*) FROM t");
        assert_eq!(count.get_result::<i64>(&mut copy).unwrap(), 100_000);
    }

    #[test]
    fn what_a_killed_process_has_left_goes_and_nothing_else() {
        let files = tempfile::tempdir().unwrap();
        let place = files.path().join("to.db");
        let kept = [
            "to.db.tmp",
            "to.db.tmp-mine",
            "other.db.tmp-0123456789abcdef",
        ];
        for name in kept.iter().chain(&["to.db.tmp-0123456789abcdef"]) {
            std::fs::write(files.path().join(name), "x").unwrap();
        }
        let under_way = NewFile::create(&place, 0o600).unwrap();
        drop(NewFile::create(&place, 0o600).unwrap());
        assert!(under_way.path.exists());
        drop(under_way);
        let entries = std::fs::read_dir(files.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        let mut kept = kept;
        kept.sort_unstable();
        assert_eq!(names, kept);
    }

    #[test]
    fn a_log_beside_the_place_is_not_replayed_onto_a_new_file() {
        let files = tempfile::tempdir().unwrap();
        let place = files.path().join("to.db");
        for log in ["to.db-wal", "to.db-journal"] {
            let log = files.path().join(log);
            std::fs::write(&log, "x").unwrap();
            let refused = NewFile::create(&place, 0o600).unwrap().put_in_place();
            assert!(
                refused
                    .unwrap_err()
                    .to_string()
                    .contains("would be replayed")
            );
            std::fs::remove_file(&log).unwrap();
        }
        NewFile::create(&place, 0o600)
            .unwrap()
            .put_in_place()
            .unwrap();
        assert!(place.exists());
    }
}
