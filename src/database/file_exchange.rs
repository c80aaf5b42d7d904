//! One database file in the place of another, which stays beside it under another name.
//!
//! The write-ahead log belongs to the file that it lies beside: left behind it would be replayed
//! onto the new one. So it goes along, and no step of the way loses it.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::file_copy::{NewFile, sync_directory};
use super::sqlite::{file_beside, with_suffix};
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

/// The files beside a database that belong to it.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// A database file that no other process has open, for as long as this is kept.
#[derive(Debug)]
pub(crate) struct UnusedFile {
    path: PathBuf,
    _lock: File,
}

impl UnusedFile {
    /// The file at this path; `None` when there is none. Refused when a process has it open: each
    /// connection to SQLite keeps a lock on the file. Not to be called by a process that has
    /// connections to it itself, which would lose theirs.
    pub(crate) fn new(path: &Path) -> Result<Option<Self>> {
        // That a link names is the database; the files beside it lie beside that.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, &error)),
        };
        if let Some(holder) = holder(&file) {
            return Err(Error::Invalid {
                name: path.display().to_string(),
                reason: format!("{holder} has this database open"),
                remedy: "stop it first".to_owned(),
            });
        }
        Ok(Some(Self { path, _lock: file }))
    }

    /// Puts the new file in its place, and returns where it is kept itself, with its log. What a crash
    /// on the way leaves is complete under one of both names.
    pub(crate) fn replace_by(self, new: NewFile, now: Timestamp) -> Result<PathBuf> {
        let kept = keep_name(&self.path, now);
        let moved = |error: std::io::Error| failed(&self.path, &error);
        // A second name for the log first: there is no moment at which the file has none.
        for suffix in BESIDE {
            link(
                &with_suffix(&self.path, suffix),
                &with_suffix(&kept, suffix),
            )
            .map_err(moved)?;
        }
        std::fs::rename(&self.path, &kept).map_err(moved)?;
        sync_directory(&self.path).map_err(moved)?;
        for suffix in BESIDE {
            remove(&with_suffix(&self.path, suffix)).map_err(moved)?;
        }
        new.put_in_place()?;
        Ok(kept)
    }
}

/// Puts the new file where no database is. A log without a database, which would be replayed onto
/// it, is kept; returns where.
pub(crate) fn put_where_none_is(
    new: NewFile,
    place: &Path,
    now: Timestamp,
) -> Result<Option<PathBuf>> {
    let kept = keep_name(place, now);
    let mut found = None;
    for suffix in BESIDE {
        let from = file_beside(place, suffix);
        let to = with_suffix(&kept, suffix);
        match std::fs::rename(&from, &to) {
            Ok(()) => found = found.or(Some(to)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&from, &error)),
        }
    }
    new.put_in_place()?;
    Ok(found)
}

/// `ticks.db.replaced-20261130T083700.123456Z`.
fn keep_name(path: &Path, now: Timestamp) -> PathBuf {
    let stamp = now.to_string().replace(['-', ':'], "");
    with_suffix(path, &format!(".replaced-{stamp}"))
}

/// A second name for a file, if there is one. Where the file system has none, a copy.
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    match std::fs::hard_link(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(_) => {
            std::fs::copy(from, to)?;
            File::open(to)?.sync_all()
        }
        Ok(()) => Ok(()),
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::File {
        path: path.display().to_string(),
        reason: error.to_string(),
        remedy: "check its directory and permissions".to_owned(),
    }
}

/// Who has a lock on any byte of the file; takes all of them when nobody has.
#[cfg(unix)]
fn holder(file: &File) -> Option<String> {
    use rustix::fs::{FlockOperation, fcntl_lock};
    fcntl_lock(file, FlockOperation::NonBlockingLockExclusive)
        .is_err()
        .then(|| "another process".to_owned())
}

/// There the system lets nobody rename an open file.
#[cfg(not(unix))]
fn holder(_file: &File) -> Option<String> {
    None
}
