//! Brings a backup back: checked first, put where the database is to be, and what lay there kept.

use std::path::{Path, PathBuf};

use super::{Contents, identity, is_same_file, sqlite_file};
use crate::clock::Clock;
use crate::config::DatabaseConfig;
use crate::database::{
    BackendConnection, NewFile, UnusedFile, open_foreign_file, pending_count, put_where_none_is,
};
use crate::error::{Error, Result};
use crate::models::DatabaseIdentity;
use crate::repository::database_identity;
use crate::repository::storage::TableCount;
use crate::repository::write_marks::WriteMarks;
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
    /// What is wrong with the database itself.
    pub warnings: Vec<String>,
}

/// Puts a backup where the database of the configuration is to be. The backup stays as it is.
///
/// Nothing is deleted: a file that lies there is kept under another name, with its log. It must not be
/// open, in this process or in another one.
///
/// # Errors
/// [`Error::Invalid`] when another process has the database open, and with
/// [`WhatIsThere::Protected`] when it is another database than the backup's or was written to since;
/// [`Error::SchemaNewer`] when a newer tickbase has made the backup; [`Error::File`] and
/// [`Error::Connect`] when a file cannot be read or written, or is damaged; [`Error::Config`] on
/// PostgreSQL. The database is then as it was.
pub fn restore(
    backup: &Path,
    config: &DatabaseConfig,
    there: WhatIsThere,
    clock: &Clock,
) -> Result<RestoredDatabase> {
    let place = sqlite_file(config)?;
    if is_same_file(backup, place) {
        return Err(Error::Invalid {
            name: backup.display().to_string(),
            reason: "it is the database itself".to_owned(),
            remedy: "give a backup, or another database by --database-url".to_owned(),
        });
    }
    // Before anything else is looked at: whoever has it open may write to it.
    let is_there = UnusedFile::new(place)?.is_some();
    let written = Written::of(backup)?;
    if is_there && there == WhatIsThere::Protected {
        refuse_loss(&written, place)?;
    }
    let new = NewFile::create(place, config.sqlite.file_mode)?;
    new.copy_from(backup, Box::new(|| true))?;
    let contents = new.with(|conn| {
        let contents = Contents::verified(conn, backup)?;
        if contents.identity.is_some() {
            database_identity::mark_as_backup(conn, None)?;
        }
        Ok(contents)
    })?;
    let bytes = new.bytes()?;
    let now = clock.now();
    let kept = match UnusedFile::new(place)? {
        Some(file) => Some(file.replace_by(new, now)?),
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
        warnings: contents.warnings,
    })
}

/// What a file holds, as far as two are compared.
struct Written {
    identity: Option<DatabaseIdentity>,
    /// `None` with another schema than that of this build.
    marks: Option<WriteMarks>,
}

impl Written {
    fn of(file: &Path) -> Result<Self> {
        let mut conn = open_foreign_file(file)?;
        let mut conn = BackendConnection::from(&mut conn);
        let is_ours = pending_count(&mut conn)? == Some(0);
        Ok(Self {
            identity: identity(&mut conn)?,
            marks: match is_ours {
                true => Some(WriteMarks::of(&mut conn)?),
                false => None,
            },
        })
    }
}

/// Refuses when the database has what would be gone: it is another one, or was written to since.
fn refuse_loss(backup: &Written, place: &Path) -> Result<()> {
    let losses = match Written::of(place) {
        Err(error) => vec![format!("it cannot be read ({})", error.chain())],
        Ok(there) => losses(backup, &there),
    };
    if losses.is_empty() {
        return Ok(());
    }
    Err(Error::Invalid {
        name: place.display().to_string(),
        reason: losses.join(", "),
        remedy: "restore to another place, or with --replace, which keeps this file beside under \
                 another name"
            .to_owned(),
    })
}

fn losses(backup: &Written, there: &Written) -> Vec<String> {
    let (Some(ours), Some(theirs)) = (&backup.identity, &there.identity) else {
        return vec!["nothing tells whether it is the same database".to_owned()];
    };
    if ours.id != theirs.id {
        let id = &theirs.id;
        return vec![format!(
            "it is another database ({id}, the backup is of {})",
            ours.id
        )];
    }
    let (Some(ours), Some(theirs)) = (&backup.marks, &there.marks) else {
        return vec!["it has another schema than the backup".to_owned()];
    };
    let beyond = theirs.beyond(ours);
    if beyond.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "it has what the backup lacks: {}",
        beyond.join(", ")
    )]
}
