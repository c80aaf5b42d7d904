//! Children of a gated table through `belonging_to`, which knows no scope.
//~ error: the trait bound `Note: diesel::BelongingToDsl<&[downstream::models::Source]>` is not satisfied

use diesel::prelude::*;
use downstream::models::{Note, Source};
use tickbase::database::BackendConnection;
use tickbase::{Result, on_backend};

pub fn notes_of(conn: &mut BackendConnection<'_>, sources: &[Source]) -> Result<Vec<Vec<Note>>> {
    let notes: Vec<Note> = on_backend!(conn, |c| {
        #[cfg(feature = "scoped")]
        let query = {
            let ids: Vec<i64> = sources.iter().map(|source| source.id).collect();
            Note::query().filter(downstream::tables::notes::source_id.eq_any(ids))
        };
        #[cfg(not(feature = "scoped"))]
        let query = <Note as BelongingToDsl<&[Source]>>::belonging_to(sources);
        query.load(c)
    })?;
    Ok(notes.grouped_by(sources))
}

fn main() {}
