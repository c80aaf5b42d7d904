//! The names of the files of a SQLite database: those beside it, and that of one that made room.

use std::path::{Path, PathBuf};

use crate::timestamp::Timestamp;

/// The files beside a database that belong to it.
pub(super) const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];
/// What stands behind the name of a file that made room.
const REPLACED: &str = ".replaced-";

/// A file that SQLite keeps beside the database, `-wal` or `-shm`: its name prolongs that of the
/// file, of the one that a link names.
pub(super) fn file_beside(database: &Path, suffix: &str) -> PathBuf {
    let file = std::fs::canonicalize(database);
    with_suffix(&file.unwrap_or_else(|_| database.to_owned()), suffix)
}

/// A path with more behind its name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// What a restoration that was cut off has left of a database that is not there: its newest file under
/// another name.
pub(super) fn cut_off(place: &Path) -> Option<PathBuf> {
    let (directory, name) = (place.parent()?, place.file_name()?.to_str()?);
    let begins = format!("{name}{REPLACED}");
    let directory = match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    };
    let is_kept = |path: &PathBuf| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.starts_with(&begins) && !BESIDE.iter().any(|suffix| name.ends_with(suffix))
    };
    let entries = std::fs::read_dir(directory).ok()?.flatten();
    entries.map(|entry| entry.path()).filter(is_kept).max()
}

/// `ticks.db.replaced-20261130T083700.123456Z`.
pub(super) fn keep_name(path: &Path, now: Timestamp) -> PathBuf {
    let stamp = now.to_string().replace(['-', ':'], "");
    with_suffix(path, &format!("{REPLACED}{stamp}"))
}
