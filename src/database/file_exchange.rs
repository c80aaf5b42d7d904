//! One database file in the place of another, which stays beside it under another name.
//!
//! The log belongs to the file that it lies beside: left behind it would be replayed onto the new one.
//! So it goes along, and no step of the way loses it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::directory::sync_directory;
use super::file_copy::{NewFile, rename_where_none_is};
use super::paths::{BESIDE, file_beside, keep_name, with_suffix};
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

/// A database file that no other process has open, for as long as this is kept.
#[derive(Debug)]
pub(crate) struct UnusedFile {
    path: PathBuf,
    file: File,
}

/// When a file and its logs were last written, as far as the system tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileTimes(Vec<Option<(u64, std::time::SystemTime)>>);

impl FileTimes {
    /// Of the file at this path.
    pub(crate) fn of(path: &Path) -> Self {
        let files = ["", "-wal", "-journal"].map(|suffix| with_suffix(path, suffix));
        let state = |path: &PathBuf| {
            let about = std::fs::metadata(path).ok()?;
            // SQLite makes an empty log when it looks at a file.
            let is_empty = about.len() == 0;
            Some((about.len(), about.modified().ok()?)).filter(|_| !is_empty)
        };
        Self(files.iter().map(state).collect())
    }
}

impl UnusedFile {
    /// The file at this path; `None` when there is none. Refused when a process has it open: each
    /// connection with a write-ahead log keeps a lock on the file. (One without a log has none while it
    /// is idle, and is not seen.) Not to be called by a process that has connections to it itself,
    /// which would lose theirs.
    pub(crate) fn new(path: &Path) -> Result<Option<Self>> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(path, &error)),
        };
        if is_held(&file) {
            return Err(Error::Invalid {
                name: path.display().to_string(),
                reason: "another process has this database open".to_owned(),
                remedy: "stop it first".to_owned(),
            });
        }
        let path = path.to_owned();
        Ok(Some(Self { path, file }))
    }

    /// What the system says of it.
    pub(crate) fn about(&self) -> Result<Metadata> {
        self.file
            .metadata()
            .map_err(|error| failed(&self.path, &error))
    }

    /// Puts the new file in its place, and returns where it is kept itself, with its logs. What a crash
    /// on the way leaves is complete under one of both names; after an error it is back.
    pub(crate) fn replace_by(self, mut new: NewFile, now: Timestamp) -> Result<PathBuf> {
        // What takes time comes first: the place is empty for some calls of the system.
        new.sync()?;
        let kept = keep_name(&self.path, now);
        let moved = |error: std::io::Error| failed(&self.path, &error);
        // A second name for each log first: there is no moment at which the file has none.
        for suffix in BESIDE {
            let (log, other) = (with_suffix(&self.path, suffix), with_suffix(&kept, suffix));
            link(&log, &other).map_err(moved)?;
        }
        std::fs::rename(&self.path, &kept).map_err(moved)?;
        let placed = BESIDE
            .iter()
            .try_for_each(|suffix| remove(&with_suffix(&self.path, suffix)))
            .and_then(|()| new.put_where_none_is());
        if let Err(error) = placed {
            return Err(self.back_from(&kept, &error));
        }
        sync_directory(&self.path).map_err(|error| Error::File {
            path: self.path.display().to_string(),
            reason: format!("it is restored, but its directory cannot be synced: {error}"),
            remedy: format!("check the storage; the old database is {}", kept.display()),
        })?;
        Ok(kept)
    }

    /// Gives the file its name back, after an error.
    fn back_from(&self, kept: &Path, error: &std::io::Error) -> Error {
        match self.give_name_back(kept) {
            Ok(()) => failed(&self.path, error),
            Err(_) => Error::File {
                path: self.path.display().to_string(),
                reason: error.to_string(),
                remedy: format!(
                    "see what lies there; the old database is kept as {}",
                    kept.display()
                ),
            },
        }
    }

    fn give_name_back(&self, kept: &Path) -> std::io::Result<()> {
        // A database that has come meanwhile must not get the logs of this one.
        if self.path.exists() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        // Logs first, as the file without them may not be whole.
        for suffix in BESIDE {
            let (log, other) = (with_suffix(kept, suffix), with_suffix(&self.path, suffix));
            remove(&other)?;
            link(&log, &other)?;
        }
        if let Err(error) = rename_where_none_is(kept, &self.path) {
            for suffix in BESIDE {
                remove(&with_suffix(&self.path, suffix))?;
            }
            return Err(error);
        }
        for suffix in BESIDE {
            remove(&with_suffix(kept, suffix))?;
        }
        Ok(())
    }
}

/// Puts the new file where no database is. A log without a database, which would be replayed onto
/// it, is kept; returns where.
pub(crate) fn put_where_none_is(
    mut new: NewFile,
    place: &Path,
    now: Timestamp,
) -> Result<Option<PathBuf>> {
    new.sync()?;
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
    let placed = new.put_where_none_is().and_then(|()| sync_directory(place));
    placed.map_err(|error| failed(place, &error))?;
    Ok(found)
}

/// A second name for a file, if there is one. Where the file system has none, a copy.
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    match std::fs::hard_link(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
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

/// Whether somebody has a lock on any byte of the file; takes all of them when nobody has.
#[cfg(unix)]
fn is_held(file: &File) -> bool {
    use rustix::fs::{FlockOperation, fcntl_lock};
    fcntl_lock(file, FlockOperation::NonBlockingLockExclusive).is_err()
}

/// There the system lets nobody rename an open file.
#[cfg(not(unix))]
fn is_held(_file: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_makes_room_with_all_its_logs() {
        let files = tempfile::tempdir().unwrap();
        let place = files.path().join("ticks.db");
        for suffix in ["", "-wal", "-shm", "-journal"] {
            std::fs::write(with_suffix(&place, suffix), format!("old{suffix}")).unwrap();
        }
        let now = Timestamp::from_micros(1_796_028_000_000_000).unwrap();
        let new = || NewFile::create(&place, 0o600).unwrap();
        let file = UnusedFile::new(&place).unwrap().unwrap();
        let kept = file.replace_by(new(), now).unwrap();
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let text = std::fs::read_to_string(with_suffix(&kept, suffix)).unwrap();
            assert_eq!(text, format!("old{suffix}"));
        }
        assert_eq!(std::fs::read(&place).unwrap(), b"");
        assert_eq!(std::fs::read_dir(files.path()).unwrap().count(), 5);
        // Where no database is, its logs are put aside; where one has come meanwhile, it stays.
        std::fs::remove_file(&place).unwrap();
        std::fs::write(with_suffix(&place, "-wal"), "a log").unwrap();
        let later = Timestamp::from_micros(1_796_028_000_000_001).unwrap();
        let log = put_where_none_is(new(), &place, later).unwrap().unwrap();
        assert_eq!(std::fs::read(log).unwrap(), b"a log");
        std::fs::write(&place, "theirs").unwrap();
        let refused = put_where_none_is(new(), &place, later).unwrap_err();
        assert!(refused.to_string().contains("exists"), "{refused}");
        assert_eq!(std::fs::read(&place).unwrap(), b"theirs");
    }

    #[test]
    fn after_an_error_a_file_and_its_logs_are_back_unless_another_one_has_come() {
        let error = || std::io::Error::from(ErrorKind::StorageFull);
        for has_come in [false, true] {
            let files = tempfile::tempdir().unwrap();
            let place = files.path().join("ticks.db");
            std::fs::write(&place, "old").unwrap();
            let file = UnusedFile::new(&place).unwrap().unwrap();
            // As far as it had come: moved, one of its logs not yet removed.
            let kept = files.path().join("kept.db");
            std::fs::rename(&place, &kept).unwrap();
            for suffix in ["-wal", "-journal"] {
                std::fs::write(with_suffix(&kept, suffix), format!("old{suffix}")).unwrap();
            }
            link(&with_suffix(&kept, "-wal"), &with_suffix(&place, "-wal")).unwrap();
            if has_come {
                std::fs::remove_file(with_suffix(&place, "-wal")).unwrap();
                std::fs::write(&place, "theirs").unwrap();
            }
            let told = file.back_from(&kept, &error()).to_string();
            let (whole, none) = match has_come {
                true => (&kept, &place),
                false => (&place, &kept),
            };
            assert_eq!(told.contains("kept.db"), has_come, "{told}");
            let text = |path: PathBuf| std::fs::read_to_string(path).unwrap();
            assert_eq!(text(whole.clone()), "old");
            for suffix in ["-wal", "-journal"] {
                assert_eq!(text(with_suffix(whole, suffix)), format!("old{suffix}"));
                assert!(!with_suffix(none, suffix).exists());
            }
            assert_eq!(none.exists(), has_come);
        }
    }

    #[test]
    fn a_write_to_a_file_or_its_log_is_seen_and_an_empty_log_is_none() {
        let files = tempfile::tempdir().unwrap();
        let place = files.path().join("ticks.db");
        std::fs::write(&place, "old").unwrap();
        let before = FileTimes::of(&place);
        std::fs::write(with_suffix(&place, "-wal"), "").unwrap();
        assert_eq!(FileTimes::of(&place), before);
        std::fs::write(with_suffix(&place, "-wal"), "a commit").unwrap();
        assert_ne!(FileTimes::of(&place), before);
    }

    #[test]
    fn a_restoration_that_was_cut_off_is_seen() {
        let files = tempfile::tempdir().unwrap();
        let place = files.path().join("ticks.db");
        assert_eq!(super::super::paths::cut_off(&place), None);
        let kept = files
            .path()
            .join("ticks.db.replaced-20261130T080000.000000Z");
        for suffix in ["", "-wal"] {
            std::fs::write(with_suffix(&kept, suffix), "x").unwrap();
        }
        assert_eq!(super::super::paths::cut_off(&place), Some(kept));
    }
}
