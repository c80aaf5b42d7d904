//! The backups of one database in a directory, by their names: `ticks-20261130T083700Z.db`.

use std::path::{Path, PathBuf};

use super::known_of;
use crate::database::NewFile;
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

const ENDING: &str = ".db";

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
    prefix: String,
}

impl BackupDirectory {
    pub(super) fn new(path: &Path, database: &Path) -> Self {
        let stem = database.file_stem().unwrap_or_default();
        Self {
            path: path.to_owned(),
            prefix: format!("{}-", stem.to_string_lossy()),
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
        Timestamp::parse(stamp.as_bytes()).ok().map(|(at, _)| at)
    }

    /// Its backups, newest first; none when it is not there.
    pub(super) fn list(&self) -> Result<Vec<NamedBackup>> {
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
            all.push(NamedBackup {
                path: entry.path(),
                backed_up_at,
                bytes: about.len(),
            });
        }
        all.sort_by_key(|of| std::cmp::Reverse(of.backed_up_at));
        Ok(all)
    }

    /// Deletes the backups of this database beyond the newest `keep`, and what killed processes have
    /// left half done. Those of another database with such names stay.
    pub(super) fn prune(&self, keep: usize, database_id: Option<&str>) -> Result<()> {
        for old in self.list()?.into_iter().skip(keep) {
            let of = known_of(&old.path)?;
            if of.is_some_and(|of| Some(of.id.as_str()) == database_id) {
                std::fs::remove_file(&old.path).map_err(|error| self.unusable(&error))?;
            }
        }
        for entry in std::fs::read_dir(&self.path)
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let half = name.to_str().and_then(|name| name.strip_suffix(".tmp"));
            if let Some(name) = half.filter(|name| self.moment(name).is_some()) {
                // Taken over and let go, unless somebody is writing it.
                drop(NewFile::create(&self.path.join(name), 0o600));
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
            "ticks-before.db",
            "other-20261130T083700Z.db",
            "ticks.db",
        ] {
            assert_eq!(directory.moment(other), None, "{other}");
        }
    }
}
