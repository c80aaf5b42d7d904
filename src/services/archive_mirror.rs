//! A mirror of the archive in a directory: the files of archived ticks, for DuckDB, pandas, polars and
//! Spark. It is a copy, never the truth: what is missing is written again, and nothing is read from it.
//!
//! A file is `ticks/instrument=ES/year=2013/month=09/12-v1-0a1b2c3d.parquet`: number and version of its
//! period, and the begin of its hash. What lies under a name never changes, so that any tool may copy the
//! directory on. Files come in whole, under a name of their own until then.

mod service;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::database::{Database, sync_directory};
use crate::error::{Error, Result};
use crate::models::ArchiveSegment;
use crate::repository::archive::{self, Archiver, PeriodOutcome};
use crate::repository::{database_identity, instrument};
use crate::timestamp::Timestamp;

pub use service::ArchiveMirrorService;

/// What a symbol may have in the name of a directory, on every system and in every URL.
const IN_A_NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
const TICKS: &str = "ticks";
const PARQUET: &str = ".parquet";
/// Digits of a hash in a name.
const HASH_DIGITS: usize = 8;
/// The file in which the number of the database stands whose mirror a directory is.
const OWNER: &str = ".tickbase-database";
/// How a file is called that is being written.
const UNFINISHED: &str = ".tickbase-unfinished-";
/// How long writing one takes at most.
const UNFINISHED_MAX: Duration = Duration::from_secs(3_600);

/// What became of a mirror.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MirrorReport {
    /// Periods that were made anew first, as ticks of them came, went or came back.
    pub made_anew: usize,
    /// Files that were written.
    pub written: usize,
    /// Files that were there.
    pub unchanged: usize,
    /// Files that were removed: of older versions, or of periods that are no longer archived.
    pub removed: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// Periods that another process works at: their files are as they were.
    pub busy: usize,
}

/// Brings a directory up to date with the archive: each archived period is one file in it, without deleted
/// ticks and with those that came late. The directory is made if it is not there; other files in it are let
/// alone.
///
/// # Errors
/// [`Error::File`] naming what cannot be written; those of
/// [`Archiver::archive_period`](crate::repository::archive::Archiver::archive_period).
pub fn sync(db: &Database, archiver: &Archiver, directory: &Path) -> Result<MirrorReport> {
    sync_while(db, archiver, directory, &|| true)
}

/// [`sync`] that ends early, between two files, when `goes_on` says so.
fn sync_while(
    db: &Database,
    archiver: &Archiver,
    directory: &Path,
    goes_on: &dyn Fn() -> bool,
) -> Result<MirrorReport> {
    let mut report = MirrorReport::default();
    make_anew(db, archiver, goes_on, &mut report)?;
    let root = directory.join(TICKS);
    create_directory(&root)?;
    take(db, &root)?;
    remove_unfinished(&root, db.clock().now())?;
    let periods = db.read("archive.list", |conn| archive::list(conn, None))?;
    let mut kept = BTreeSet::new();
    for period in periods {
        if !goes_on() {
            // Which files are of no period any more is not known.
            return Ok(report);
        }
        let path = root.join(name_of(db, &period)?);
        report.bytes += u64::try_from(period.bytes).unwrap_or(0);
        let has = std::fs::metadata(&path).map(|about| about.len()).ok();
        match has == u64::try_from(period.bytes).ok() {
            true => report.unchanged += 1,
            false => match write(db, &period, &path)? {
                true => report.written += 1,
                false => continue, // It was made anew meanwhile: the next run has it.
            },
        }
        kept.insert(path);
    }
    report.removed = remove_others(&root, &kept)?;
    Ok(report)
}

/// Refuses a directory that is the mirror of another database, whose files would be removed.
fn take(db: &Database, root: &Path) -> Result<()> {
    let identity = db.read("database_identity.get", database_identity::get)?;
    let Some(own) = identity.map(|of| of.id) else {
        return Ok(());
    };
    let place = root.join(OWNER);
    match std::fs::read_to_string(&place) {
        Ok(id) if id.trim() == own => Ok(()),
        Ok(id) => Err(Error::File {
            path: root.display().to_string(),
            reason: format!("it is the mirror of another database ({})", id.trim()),
            remedy: "give another directory, or remove this one".to_owned(),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::write(&place, format!("{own}\n")).map_err(|error| unusable(&place, &error))
        }
        Err(error) => Err(unusable(&place, &error)),
    }
}

/// Makes the files anew that hot rows lie over.
fn make_anew(
    db: &Database,
    archiver: &Archiver,
    goes_on: &dyn Fn() -> bool,
    report: &mut MirrorReport,
) -> Result<()> {
    for period in db.read("archive.overlaid", archive::overlaid)? {
        if !goes_on() {
            break;
        }
        let span = (period.starts_at, period.ends_at);
        match archiver.archive_period_while(db, period.instrument_id, span, goes_on)? {
            PeriodOutcome::Archived { .. } | PeriodOutcome::Empty => report.made_anew += 1,
            PeriodOutcome::Busy(_) => report.busy += 1,
            PeriodOutcome::InTrash(_) | PeriodOutcome::Previewed { .. } => {}
        }
    }
    Ok(())
}

/// The place of a period's file below the directory of ticks.
fn name_of(db: &Database, period: &ArchiveSegment) -> Result<PathBuf> {
    let id = period.instrument_id;
    let symbol = db.read("instrument.label", move |conn| {
        Ok(instrument::labels_of_all(conn, &[id])?.pop())
    })?;
    let symbol = symbol.map_or_else(|| id.to_string(), |label| label.symbol.to_string());
    Ok(name(&symbol, period))
}

fn name(symbol: &str, period: &ArchiveSegment) -> PathBuf {
    let hash = period.sha256.as_deref().unwrap_or_default();
    let hash = hash.get(..HASH_DIGITS).unwrap_or(hash);
    // 2013-09-01T00:00:00Z
    let start = period.starts_at.to_string();
    let mut parts = start.split('-');
    let (year, month) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    PathBuf::from(format!(
        "instrument={}/year={year}/month={month}/{}-v{}-{hash}{PARQUET}",
        utf8_percent_encode(symbol, IN_A_NAME),
        period.id,
        period.version
    ))
}

/// Writes a file whole; false when the period has another one by now.
fn write(db: &Database, period: &ArchiveSegment, path: &Path) -> Result<bool> {
    let of = period.clone();
    let bytes = db.read("archive.file", move |conn| {
        conn.snapshot(|conn| match archive::get(conn, of.id) {
            Ok(now) if now.version == of.version => archive::bytes(conn, &of).map(Some),
            Ok(_) | Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        })
    })?;
    let Some(bytes) = bytes else {
        return Ok(false);
    };
    let directory = path.parent().unwrap_or(path);
    create_directory(directory)?;
    let name = format!("{UNFINISHED}{:016x}", fastrand::u64(..));
    let unfinished = directory.join(name);
    let written = File::create_new(&unfinished).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        sync_directory(path)
    });
    if let Err(error) = written {
        let _ = std::fs::remove_file(&unfinished);
        return Err(unusable(path, &error));
    }
    Ok(true)
}

fn create_directory(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| unusable(path, &error))
}

/// Removes what a crash left; a file that was begun just now may be that of another run.
fn remove_unfinished(root: &Path, now: Timestamp) -> Result<()> {
    for path in files(root)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let changed = std::fs::metadata(&path).and_then(|about| about.modified());
        let changed = changed
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let end = changed.and_then(|at| i64::try_from((at + UNFINISHED_MAX).as_micros()).ok());
        if name.starts_with(UNFINISHED) && end.is_some_and(|end| end < now.micros()) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Removes files of the mirror that are not among these, and the directories that are empty then; returns
/// how many files.
fn remove_others(root: &Path, kept: &BTreeSet<PathBuf>) -> Result<usize> {
    let mut removed = 0;
    for path in files(root)? {
        if is_of_mirror(root, &path) && !kept.contains(&path) {
            remove(&path)?;
            removed += 1;
            let within = |of: &&Path| *of != root && of.starts_with(root);
            for directory in path.ancestors().skip(1).take_while(within) {
                // One that is not empty stays.
                if std::fs::remove_dir(directory).is_err() {
                    break;
                }
            }
        }
    }
    Ok(removed)
}

/// Whether a file has a name of the mirror's: whatever else lies there is let alone.
fn is_of_mirror(root: &Path, path: &Path) -> bool {
    let Some(parts) = path.strip_prefix(root).ok().and_then(Path::to_str) else {
        return false;
    };
    let parts: Vec<&str> = parts.split(std::path::MAIN_SEPARATOR).collect();
    let [instrument, year, month, file] = parts[..] else {
        return false;
    };
    let Some((id, version)) = file
        .strip_suffix(PARQUET)
        .and_then(|name| name.split_once("-v"))
    else {
        return false;
    };
    let (version, hash) = version.split_once('-').unwrap_or((version, ""));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    instrument.starts_with("instrument=")
        && year.starts_with("year=")
        && month.starts_with("month=")
        && is_number(id)
        && is_number(version)
        && hash.bytes().all(|b| b.is_ascii_hexdigit())
}

/// All files below a directory.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = open.pop() {
        let entries =
            std::fs::read_dir(&directory).map_err(|error| unusable(&directory, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unusable(&directory, &error))?;
            let kind = entry
                .file_type()
                .map_err(|error| unusable(&directory, &error))?;
            match kind.is_dir() {
                true => open.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    Ok(found)
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unusable(path, &error)),
        _ => Ok(()),
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    Error::File {
        path: path.display().to_string(),
        reason: error.to_string(),
        remedy: "check the directory, its permissions and free space".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_mirror_is_known_from_others() {
        let root = Path::new("m/ticks");
        let is_ours = |name: &str| is_of_mirror(root, &root.join(name));
        assert!(is_ours(
            "instrument=EUR%2FUSD/year=2013/month=09/12-v1.parquet"
        ));
        assert!(is_ours(
            "instrument=ES/year=2013/month=09/12-v1-0a1b2c3d.parquet"
        ));
        for other in [
            "instrument=ES/year=2013/month=09/notes.parquet",
            "instrument=ES/year=2013/month=09/12-v1.csv",
            "instrument=ES/year=2013/month=09/12-v1-notes.parquet",
            "instrument=ES/year=2013/12-v1.parquet",
            "12-v1.parquet",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
