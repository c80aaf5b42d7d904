//! Brings a backup back: checked first, put where the database is to be, and what lay there kept.

use std::path::{Path, PathBuf};

use super::state::DatabaseState;
use super::{Contents, is_same_file, sqlite_file};
use crate::clock::Clock;
use crate::config::DatabaseConfig;
use crate::database::{CopySource, FileTimes, NewFile, UnusedFile, put_where_none_is};
use crate::error::{Error, Result};
use crate::repository::database_identity;
use crate::repository::storage::TableCount;
use crate::timestamp::Timestamp;

/// What becomes of a database that lies where the backup is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhatIsThere {
    /// It stays, unless it is an older state of the same database.
    Protected,
    /// It makes room, whatever it is.
    Replaced,
}

/// A backup that was brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoredDatabase {
    /// The database.
    pub database: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Which database it is; `None` for a schema from before databases had a number.
    pub database_id: Option<String>,
    /// When the backup was begun; `None` when the file was no backup but a database.
    pub backed_up_at: Option<Timestamp>,
    /// Where the file is kept that was there before, with its `-wal` and `-shm`.
    pub kept: Option<PathBuf>,
    /// The rows in it; none are counted in one of an older schema.
    pub tables: Vec<TableCount>,
    /// Migrations that it lacks; the next start applies them.
    pub pending_migrations: usize,
    /// What is wrong with the database itself, or could not be given to its file.
    pub warnings: Vec<String>,
}

/// Puts a backup where the database of the configuration is to be. The backup stays as it is; what is
/// restored begins a history of its own.
///
/// Nothing is deleted: a file that lies there is kept under another name, with its log, and the new one
/// has its mode and owner. It must not be open, in this process or in another one.
///
/// # Errors
/// [`Error::Invalid`] when another process has the database open, and with
/// [`WhatIsThere::Protected`] when it is another database than the backup's, was written to since, or
/// goes on from a restoration; [`Error::SchemaNewer`] when a newer tickbase has made the backup;
/// [`Error::File`] and [`Error::Connect`] when a file cannot be read or written, or is damaged;
/// [`Error::Config`] on PostgreSQL. The database is then as it was, unless the error says where it is.
pub fn restore(
    backup: &Path,
    config: &DatabaseConfig,
    there: WhatIsThere,
    clock: &Clock,
) -> Result<RestoredDatabase> {
    // What a link names is the database, and what lies beside it is its own.
    let place = sqlite_file(config)?;
    let place = &std::fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
    if is_same_file(backup, place) {
        return Err(Error::Invalid {
            name: backup.display().to_string(),
            reason: "it is the database itself".to_owned(),
            remedy: "give a backup, or another database by --database-url".to_owned(),
        });
    }
    // Before anything else is looked at: whoever has it open may write to it.
    let is_there = UnusedFile::new(place)?.is_some();
    let times = FileTimes::of(place);
    let of_backup = DatabaseState::of(backup)?;
    if is_there && there == WhatIsThere::Protected {
        refuse_loss(&of_backup, place)?;
    }
    let new = NewFile::create(place, config.sqlite.file_mode)?;
    new.copy_from(backup, CopySource::Backup, Box::new(|| true))?;
    let contents = new.with(|conn| {
        let contents = Contents::verified(conn, backup, "use another backup")?;
        if contents.identity.is_some() {
            database_identity::mark_as_restored(conn)?;
        }
        Ok(contents)
    })?;
    let (bytes, now) = (new.bytes()?, clock.now());
    let mut warnings = contents.warnings;
    let kept = match UnusedFile::new(place)? {
        Some(file) => {
            if there == WhatIsThere::Protected && FileTimes::of(place) != times {
                return Err(Error::Invalid {
                    name: place.display().to_string(),
                    reason: "it was written to meanwhile".to_owned(),
                    remedy: "run it again, when nobody writes to it".to_owned(),
                });
            }
            warnings.extend(new.copy_owner_and_mode(&file.about()?));
            Some(file.replace_by(new, now)?)
        }
        None => put_where_none_is(new, place, now)?,
    };
    let identity = contents.identity;
    Ok(RestoredDatabase {
        database: place.to_owned(),
        bytes,
        backed_up_at: identity.as_ref().and_then(|of| of.backed_up_at),
        database_id: identity.map(|of| of.id),
        kept,
        tables: contents.tables,
        pending_migrations: contents.pending_migrations,
        warnings,
    })
}

/// Refuses when the database has what would be gone: it is another one, or was written to since.
fn refuse_loss(backup: &DatabaseState, place: &Path) -> Result<()> {
    let loss = match DatabaseState::of(place) {
        Err(error) => Some(format!("it cannot be read ({})", error.chain())),
        Ok(there) => there.lost_if_replaced_by(backup, "the backup"),
    };
    match loss {
        None => Ok(()),
        Some(reason) => Err(Error::Invalid {
            name: place.display().to_string(),
            reason,
            remedy: "restore to another place, or with --replace, which keeps this file beside \
                     under another name"
                .to_owned(),
        }),
    }
}
