//! Checks of the archive: that its description fits, that nobody may delete active ticks, and, in a pass,
//! every file.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::Finding;
use crate::database::BackendConnection;
use crate::error::Result;

/// What can be looked at without the files.
pub(super) fn description(conn: &mut BackendConnection<'_>) -> Result<Vec<Finding>> {
    let symbols = sql::<Text>(
        "SELECT i.symbol FROM archive_segments AS s \
         JOIN instruments AS i ON i.id = s.instrument_id \
         JOIN instrument_state AS t ON t.instrument_id = s.instrument_id \
         WHERE s.version > 0 AND (t.archived_to IS NULL OR t.archived_to < s.ends_at) \
         GROUP BY i.symbol ORDER BY i.symbol",
    );
    let symbols: Vec<String> = crate::on_backend!(&mut *conn, |c| symbols.load(c))?;
    let ends = (!symbols.is_empty()).then(|| {
        format!(
            "ticks of {} are archived past the end that instrument_state says, so that late ones are taken \
             for new; set archived_to to the largest ends_at of archive_segments",
            symbols.join(", ")
        )
    });
    let lacking = sql::<BigInt>(
        "SELECT count(*) FROM archive_segments AS s WHERE s.version > 0 AND s.bytes <> \
         (SELECT coalesce(sum(length(p.content)), 0) FROM archive_parts AS p \
          WHERE p.segment_id = s.id AND p.version = s.version)",
    );
    let lacking: i64 = crate::on_backend!(&mut *conn, |c| lacking.get_result(c))?;
    let parts = (lacking > 0).then(|| {
        format!(
            "{lacking} archived periods lack bytes of their files; restore a backup; \
             `tickbase archive verify` names them"
        )
    });
    let shut = sql::<BigInt>("SELECT count(*) FROM archive_permit WHERE NOT permitted");
    let shut: i64 = crate::on_backend!(conn, |c| shut.get_result(c))?;
    let permit = (shut != 1).then(|| {
        "it has to be one row that permits nothing: else active ticks can be deleted, or nothing be \
         archived; DELETE FROM archive_permit, and INSERT INTO archive_permit VALUES (1, FALSE)"
            .to_owned()
    });
    Ok(vec![
        Finding::new("ends of the archive", ends),
        Finding::new("files of the archive", parts),
        Finding::new("permit of the archive", permit),
    ])
}

/// Reads every file, those in the trash included.
#[cfg(feature = "archive")]
pub(super) fn files(conn: &mut BackendConnection<'_>) -> Result<Finding> {
    use crate::repository::archive;
    let mut problem = None;
    for segment in archive::with_trash(conn)? {
        if let Err(error) = archive::verify(conn, &segment) {
            problem = Some(error.to_string());
            break;
        }
    }
    Ok(Finding::new("contents of the archive", problem))
}
