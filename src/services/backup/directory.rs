//! The backups of one database in a directory: files of the names `ticks-20261130T083700Z.db` that are
//! backups, and of this database. Whatever else lies there is let alone.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::known_of;
use crate::database::{UnusedFile, remove_leftovers};
use crate::error::{Error, Result};
use crate::services::lock;
use crate::timestamp::Timestamp;

const ENDING: &str = ".db";
/// `20261130T083700Z`.
const STAMP_LENGTH: usize = 16;

/// A backup, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedBackup {
    pub(super) path: PathBuf,
    pub(super) backed_up_at: Timestamp,
    pub(super) bytes: u64,
}

/// A directory, and the name of a database in it.
#[derive(Debug)]
pub(super) struct BackupDirectory {
    path: PathBuf,
    database: PathBuf,
    prefix: String,
    /// Whether a file of so many bytes is a backup of the database: files are opened once.
    known: Mutex<HashMap<PathBuf, (u64, bool)>>,
}

impl BackupDirectory {
    pub(super) fn new(path: &Path, database: &Path) -> Self {
        let stem = database.file_stem().unwrap_or_default();
        Self {
            path: path.to_owned(),
            database: database.to_owned(),
            prefix: format!("{}-", stem.to_string_lossy()),
            known: Mutex::default(),
        }
    }

    /// The name of a backup of this moment; the directory is made if it is not there.
    pub(super) fn name(&self, at: Timestamp) -> Result<PathBuf> {
        std::fs::create_dir_all(&self.path).map_err(|error| self.unusable(&error))?;
        // 2026-11-30T08:37:00.5Z, without separators and parts of a second.
        let text = at.to_string();
        let stamp = text.split('.').next().unwrap_or_default();
        let stamp = stamp.trim_end_matches('Z').replace(['-', ':'], "");
        Ok(self.path.join(format!("{}{stamp}Z{ENDING}", self.prefix)))
    }

    /// The moment that a file's name tells; `None` for other files.
    fn moment(&self, name: &str) -> Option<Timestamp> {
        let stamp = name.strip_prefix(&self.prefix)?.strip_suffix(ENDING)?;
        let is_ours = stamp.len() == STAMP_LENGTH && stamp.ends_with('Z');
        let parsed = Timestamp::parse(stamp.as_bytes()).ok().filter(|_| is_ours);
        parsed.map(|(at, _)| at)
    }

    /// Its backups until now, newest first; none when it is not there. A name that is ahead of the clock
    /// says nothing of when it was made.
    pub(super) fn list(&self, now: Timestamp) -> Result<Vec<NamedBackup>> {
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.unusable(&error)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| self.unusable(&error))?;
            let moment = entry
                .file_name()
                .to_str()
                .and_then(|name| self.moment(name));
            // One that has just been deleted is none.
            let Some((backed_up_at, about)) = moment.zip(entry.metadata().ok()) else {
                continue;
            };
            let (path, bytes) = (entry.path(), about.len());
            if backed_up_at <= now && about.is_file() && self.is_ours(&path, bytes) {
                all.push(NamedBackup {
                    path,
                    backed_up_at,
                    bytes,
                });
            }
        }
        // Of files that are gone nothing is kept.
        lock(&self.known).retain(|path, _| path.exists());
        all.sort_by_key(|of| std::cmp::Reverse(of.backed_up_at));
        Ok(all)
    }

    /// Whether a file is a backup of this database. One that cannot be read is none.
    fn is_ours(&self, path: &Path, bytes: u64) -> bool {
        if let Some((known, is_ours)) = lock(&self.known).get(path)
            && *known == bytes
        {
            return *is_ours;
        }
        let of = known_of(path).ok().flatten();
        let ours = known_of(&self.database).ok().flatten();
        let is_ours = of.zip(ours).is_some_and(|(backup, database)| {
            backup.backed_up_at.is_some() && backup.id == database.id
        });
        if !is_ours {
            let path = path.display();
            tracing::warn!(%path, "not counted: it is named like a backup of this database, and is none");
        }
        lock(&self.known).insert(path.to_owned(), (bytes, is_ours));
        is_ours
    }

    /// Deletes the backups beyond the newest `keep`, unless one is open as a database, and what killed
    /// processes have left half done.
    pub(super) fn prune(&self, keep: usize, now: Timestamp) -> Result<()> {
        for old in self.list(now)?.into_iter().skip(keep) {
            match UnusedFile::new(&old.path) {
                Ok(Some(_)) => {
                    std::fs::remove_file(&old.path).map_err(|error| self.unusable(&error))?;
                }
                Ok(None) => {}
                Err(error) => {
                    let path = old.path.display();
                    tracing::warn!(%path, error = error.chain(), "an old backup stays");
                }
            }
        }
        for entry in std::fs::read_dir(&self.path)
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let of = name.to_str().and_then(|name| name.split_once(".tmp-"));
            if let Some((name, _)) = of.filter(|(name, _)| self.moment(name).is_some()) {
                remove_leftovers(&self.path.join(name));
            }
        }
        Ok(())
    }

    fn unusable(&self, error: &std::io::Error) -> Error {
        Error::File {
            path: self.path.display().to_string(),
            reason: error.to_string(),
            remedy: "check backup.directory, its permissions and free space".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_moment_and_its_database() {
        let place = tempfile::tempdir().unwrap();
        let directory = BackupDirectory::new(place.path(), Path::new("data/ticks.db"));
        let at = Timestamp::parse(b"2026-11-30T08:37:00.5Z").unwrap().0;
        let name = directory.name(at).unwrap();
        let name = name.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, "ticks-20261130T083700Z.db");
        assert_eq!(
            directory.moment(name),
            Some(Timestamp::parse(b"2026-11-30T08:37:00Z").unwrap().0)
        );
        for other in [
            "ticks-20261130T083700Z.db.tmp",
            "ticks-20261130T0837Z.db",
            "ticks-20261130.db",
            "ticks-before.db",
            "other-20261130T083700Z.db",
            "ticks.db",
        ] {
            assert_eq!(directory.moment(other), None, "{other}");
        }
    }
}
