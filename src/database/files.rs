//! The files of a SQLite database, and whether they are still those that were opened.
//!
//! A file that was deleted or replaced goes on taking what is written for as long as it is open,
//! and the next start finds nothing of that. The same holds for the write-ahead log beside it. So
//! the write lane asks after each commit, and the probe in each round. The system is asked by path,
//! which takes a microsecond or two for each file; no file is opened, for a process that opens and
//! closes a database by other means than SQLite gives up all its locks on it.
//!
//! Where files have no inodes (Windows) only their absence is seen; there the system lets nobody
//! delete or replace an open database.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::paths::file_beside;
use crate::error::{Error, Result};

/// A commit goes ahead without a look when the last one is not older.
const LOOK_AGE_MAX: Duration = Duration::from_millis(10);

/// What to do about a database file that is not the one that was opened.
pub(super) const BRING_BACK: &str =
    "bring the file back, or restart tickbase with the path where it is now";
/// A process that ends writes what it still holds of the log into the database file.
const RESTART: &str = "stop tickbase, which saves what it holds of the log, and start it again";

/// Which file lies at a path: its device and inode, where the system has such. The system uses the
/// inode of an open file for no other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    #[cfg(unix)]
    fn new(file: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            device: file.dev(),
            inode: file.ino(),
        }
    }

    /// Without inodes every file is taken for the one that was opened.
    #[cfg(not(unix))]
    fn new(_file: &Metadata) -> Self {
        Self {
            device: 0,
            inode: 0,
        }
    }
}

/// A file as it was when SQLite had opened it.
#[derive(Debug, Clone)]
struct OpenedFile {
    path: PathBuf,
    identity: FileIdentity,
    /// Whether it holds what was committed.
    holds_rows: bool,
    /// What is said when it is gone, when another lies there, and what to do about either.
    missing: &'static str,
    replaced: &'static str,
    remedy: &'static str,
}

/// A file that is not the one that was opened any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileChange {
    /// Whether no file lies there; else it is another one.
    pub(super) missing: bool,
    pub(super) reason: &'static str,
    pub(super) remedy: &'static str,
}

impl From<FileChange> for Error {
    fn from(change: FileChange) -> Self {
        Self::FileChanged {
            reason: change.reason,
            remedy: change.remedy,
        }
    }
}

/// The files of one database; empty until [`DatabaseFiles::open_by`].
#[derive(Debug)]
pub(super) struct DatabaseFiles {
    path: PathBuf,
    opened: Mutex<OpenedFiles>,
    /// Whether the last answer was that a file has changed: each change is logged once.
    refusing: AtomicBool,
}

#[derive(Debug, Default)]
struct OpenedFiles {
    database: Option<OpenedFile>,
    /// Those that SQLite keeps beside it while it is open.
    beside: Vec<OpenedFile>,
    /// When all of them were last found to be what they were.
    looked: Option<Instant>,
}

impl DatabaseFiles {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            opened: Mutex::default(),
            refusing: AtomicBool::new(false),
        }
    }

    /// The path of the database.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A file that SQLite keeps beside the database: `-wal` or `-shm`.
    pub(super) fn path_beside(&self, suffix: &str) -> PathBuf {
        file_beside(&self.path, suffix)
    }

    /// Opens the write connection, and remembers which files it has. The first may create the
    /// database; a later one must find the same file.
    pub(super) fn open_by<T>(&self, open: impl FnOnce() -> Result<T>) -> Result<T> {
        self.check()?;
        let before = identity(&self.path);
        let connection = open()?;
        let mut opened = self.lock();
        if opened.database.is_none() {
            opened.database = self.database();
            let after = opened.database.as_ref().map(|file| file.identity);
            if before.is_some() && before != after {
                return Err(self.replaced_while_opening());
            }
        }
        if opened.beside.is_empty() {
            opened.beside = self.beside();
        }
        Ok(connection)
    }

    /// To be called before a connection is closed, which may be the last one: then SQLite deletes
    /// the files beside the database, and the next connection has others. Files that have changed
    /// before that stay what they were, for readers may still have them.
    pub(super) fn closing(&self) {
        if self.check().is_ok() {
            self.lock().beside.clear();
        }
    }

    /// Whether each path still names the file that was opened.
    pub(super) fn check(&self) -> Result<(), FileChange> {
        self.look(|_| true)
    }

    /// The same before a commit, which then does not begin: what is refused is not in a file that
    /// comes back. Under load the last look is young enough.
    pub(super) fn check_before_commit(&self) -> Result<(), FileChange> {
        let looked = self.lock().looked;
        if looked.is_some_and(|at| at.elapsed() < LOOK_AGE_MAX) {
            return Ok(());
        }
        self.check()
    }

    /// The same after a commit, of the files that hold it.
    pub(super) fn check_after_commit(&self) -> Result<(), FileChange> {
        self.look(|file| file.holds_rows)
    }

    fn look(&self, at: fn(&OpenedFile) -> bool) -> Result<(), FileChange> {
        let outcome = {
            let mut opened = self.lock();
            let all = || opened.database.iter().chain(&opened.beside);
            let changed = all()
                .filter(|file| at(file))
                .map(OpenedFile::check)
                .find(Result::is_err);
            let outcome = changed.unwrap_or(Ok(()));
            let saw_all = all().all(at);
            if outcome.is_err() {
                opened.looked = None;
            } else if saw_all {
                opened.looked = Some(Instant::now());
            }
            outcome
        };
        if self.refusing.swap(outcome.is_err(), Ordering::Relaxed) != outcome.is_err() {
            self.log(outcome);
        }
        outcome
    }

    fn log(&self, outcome: Result<(), FileChange>) {
        let path = self.path.display();
        match outcome {
            Err(FileChange { reason, remedy, .. }) => {
                tracing::error!(%path, "{reason}, so writes are refused; {remedy}");
            }
            Ok(()) => tracing::info!(%path, "the files are back, so writes are taken again"),
        }
    }

    fn database(&self) -> Option<OpenedFile> {
        Some(OpenedFile {
            path: self.path.clone(),
            identity: identity(&self.path)?,
            holds_rows: true,
            missing: "the database file was deleted or moved away",
            replaced: "another file lies there than the database file that was opened",
            remedy: BRING_BACK,
        })
    }

    /// SQLite puts them beside the file that a link names.
    fn beside(&self) -> Vec<OpenedFile> {
        let opened = |suffix, missing, replaced| {
            let path = self.path_beside(suffix);
            Some(OpenedFile {
                identity: identity(&path)?,
                path,
                holds_rows: suffix == "-wal",
                missing,
                replaced,
                remedy: RESTART,
            })
        };
        let log = opened(
            "-wal",
            "the write-ahead log of the database file was deleted or moved away",
            "another write-ahead log lies beside the database file than the one that was opened",
        );
        // By it processes agree on who may write: one that starts now would not see our locks.
        let index = opened(
            "-shm",
            "the index of the write-ahead log (-shm) was deleted or moved away",
            "another index of the write-ahead log (-shm) lies there than the one that was opened",
        );
        log.into_iter().chain(index).collect()
    }

    fn replaced_while_opening(&self) -> Error {
        Error::Connect {
            target: format!("sqlite://{}", self.path.display()),
            reason: "the file was replaced while it was opened".to_owned(),
            remedy: "start again when nobody replaces it".to_owned(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, OpenedFiles> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenedFile {
    fn check(&self) -> Result<(), FileChange> {
        let (missing, reason) = match std::fs::metadata(&self.path) {
            Ok(file) if FileIdentity::new(&file) == self.identity => return Ok(()),
            Ok(_) => (false, self.replaced),
            // It may be there all the same: the probe says that it cannot be looked at.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
            Err(_) => (true, self.missing),
        };
        Err(FileChange {
            missing,
            reason,
            remedy: self.remedy,
        })
    }
}

fn identity(path: &Path) -> Option<FileIdentity> {
    let file = std::fs::metadata(path).ok()?;
    Some(FileIdentity::new(&file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path) {
        std::fs::write(path, "x").unwrap();
    }

    fn opened(directory: &Path) -> (DatabaseFiles, PathBuf) {
        let path = directory.join("ticks.db");
        let files = DatabaseFiles::new(&path);
        files
            .open_by(|| {
                for file in ["ticks.db", "ticks.db-wal", "ticks.db-shm"] {
                    write(&directory.join(file));
                }
                Ok(())
            })
            .unwrap();
        (files, path)
    }

    #[test]
    fn each_file_that_goes_or_is_another_one_is_named_until_it_is_back() {
        let directory = tempfile::tempdir().unwrap();
        let (files, path) = opened(directory.path());
        for (suffix, word) in [
            ("", "database file"),
            ("-wal", "write-ahead log"),
            ("-shm", "-shm"),
        ] {
            files.check().unwrap();
            let path = file_beside(&path, suffix);
            let away = directory.path().join("away");
            std::fs::rename(&path, &away).unwrap();
            let gone = files.check().unwrap_err();
            assert!(gone.missing && gone.reason.contains(word), "{gone:?}");
            if cfg!(unix) {
                write(&path);
                let other = files.check().unwrap_err();
                assert!(!other.missing && other.reason.contains(word), "{other:?}");
            }
            std::fs::rename(&away, &path).unwrap();
        }
        files.check().unwrap();
    }

    #[test]
    fn a_later_connection_finds_the_same_database_or_none() {
        let directory = tempfile::tempdir().unwrap();
        let (files, path) = opened(directory.path());
        // The last connection has deleted its log.
        files.closing();
        std::fs::remove_file(file_beside(&path, "-wal")).unwrap();
        files.check().unwrap();
        files
            .open_by(|| {
                write(&file_beside(&path, "-wal"));
                Ok(())
            })
            .unwrap();
        files.check().unwrap();
        // Somebody else has.
        std::fs::remove_file(file_beside(&path, "-wal")).unwrap();
        files.closing();
        let refused = files.open_by(|| -> Result<()> { unreachable!("it would make another log") });
        assert!(refused.unwrap_err().to_string().contains("write-ahead log"));
        std::fs::remove_file(&path).unwrap();
        let refused =
            files.open_by(|| -> Result<()> { unreachable!("it would make another file") });
        assert!(refused.unwrap_err().to_string().contains("database file"));
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_replaced_while_it_is_opened_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ticks.db");
        write(&path);
        let files = DatabaseFiles::new(&path);
        let replace = || {
            let other = directory.path().join("other");
            write(&other);
            std::fs::rename(other, &path).unwrap();
            Ok(())
        };
        let error = files.open_by(replace).unwrap_err().to_string();
        assert!(error.contains("replaced while it was opened"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn the_log_lies_beside_the_file_that_a_link_names() {
        let directory = tempfile::tempdir().unwrap();
        let (_, path) = opened(directory.path());
        let link = directory.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let files = DatabaseFiles::new(&link);
        files.open_by(|| Ok(())).unwrap();
        std::fs::remove_file(file_beside(&path, "-wal")).unwrap();
        files.check().unwrap_err();
    }
}
