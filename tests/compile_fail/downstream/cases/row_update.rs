//! An update by a row, which knows its key and no scope.
//~ error: choose .active(), .deleted() or .with_deleted(reason), and then .find(key)

use diesel::prelude::*;
use downstream::models::Note;
use downstream::tables::notes;
use tickbase::database::BackendConnection;
use tickbase::soft_delete::SoftDeletable;
use tickbase::{Result, on_backend};

pub fn rename(conn: &mut BackendConnection<'_>, note: &Note) -> Result<usize> {
    #[cfg(feature = "scoped")]
    let row = notes::table.active().find(note.id);
    #[cfg(not(feature = "scoped"))]
    let row = note;
    let update = diesel::update(row).set(notes::body.eq("new"));
    Ok(on_backend!(conn, |c| update.execute(c))?)
}

fn main() {}
