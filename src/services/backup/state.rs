//! How far a database file was written, by which it is compared with another one.

use std::path::Path;

use super::identity;
use crate::database::{BackendConnection, open_foreign_file, pending_count};
use crate::error::Result;
use crate::models::DatabaseIdentity;
use crate::repository::write_marks::WriteMarks;

/// What a file holds, as far as two are compared.
pub(super) struct DatabaseState {
    identity: Option<DatabaseIdentity>,
    /// `None` with another schema than that of this build.
    marks: Option<WriteMarks>,
}

impl DatabaseState {
    pub(super) fn of(file: &Path) -> Result<Self> {
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

    /// Whether it is a backup, and of this database.
    pub(super) fn is_backup_of(&self, database: &Self) -> bool {
        let both = self.identity.as_ref().zip(database.identity.as_ref());
        both.is_some_and(|(ours, theirs)| ours.id == theirs.id && ours.backed_up_at.is_some())
    }

    /// What would be lost if this one made room for `other`, which is named so; `None` when it is an
    /// older state of the same database, or the same.
    pub(super) fn lost_if_replaced_by(&self, other: &Self, name: &str) -> Option<String> {
        let (Some(ours), Some(theirs)) = (&self.identity, &other.identity) else {
            return Some("nothing tells whether it is the same database".to_owned());
        };
        if ours.id != theirs.id {
            let (id, other) = (&ours.id, &theirs.id);
            return Some(format!("it is another database ({id}, {name} is {other})"));
        }
        if ours.history != theirs.history {
            let reason = format!(
                "one of the two goes on from a restoration, so nothing tells what it has that {name} lacks"
            );
            return Some(reason);
        }
        let (Some(ours), Some(theirs)) = (&self.marks, &other.marks) else {
            return Some(format!("it has another schema than {name}"));
        };
        let beyond = ours.beyond(theirs);
        (!beyond.is_empty()).then(|| format!("it has what {name} lacks: {}", beyond.join(", ")))
    }
}
