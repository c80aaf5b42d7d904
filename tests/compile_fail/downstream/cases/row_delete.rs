//! A delete by a row, which knows its key and no scope.
//~ error: choose .active(), .deleted() or .with_deleted(reason), and then .find(key)

use diesel::prelude::*;
use downstream::models::Note;
use downstream::tables::notes;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::{Result, on_backend};

pub fn purge(conn: &mut BackendConnection<'_>, note: &Note) -> Result<usize> {
    #[cfg(feature = "scoped")]
    let row = notes::table.deleted().find(note.id);
    #[cfg(not(feature = "scoped"))]
    let row = note;
    let delete = diesel::delete(row);
    Ok(on_backend!(conn, |c| delete.execute(c))?)
}

fn main() {}
