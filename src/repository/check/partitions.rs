//! Partitions that somebody has made of the ticks: each must have guards of its own, for statement
//! triggers of the table do not count for it.

#[cfg(feature = "postgres")]
use diesel::prelude::*;
#[cfg(feature = "postgres")]
use diesel::sql_types::{Bool, Text};

use super::Finding;
use crate::database::BackendConnection;
use crate::error::Result;

#[cfg_attr(feature = "postgres", derive(QueryableByName))]
struct Partition {
    #[cfg_attr(feature = "postgres", diesel(sql_type = Text))]
    name: String,
    #[cfg_attr(feature = "postgres", diesel(sql_type = Bool))]
    is_guarded: bool,
}

#[cfg(feature = "postgres")]
const PARTITIONS: &str = "SELECT part.relid::regclass::text AS name, \
     (SELECT count(*) = 3 FROM pg_trigger WHERE tgrelid = part.relid \
      AND tgenabled IN ('O', 'A') AND tgname IN ('market_data_refuse_truncate', \
      'market_data_refuse_active_delete', 'market_data_refers_insert')) AS is_guarded \
     FROM pg_partition_tree(to_regclass('market_data')) AS part \
     WHERE part.level > 0 ORDER BY 1";

/// Whether each partition is guarded; nothing on a table without partitions.
pub(super) fn guarded(conn: &mut BackendConnection<'_>) -> Result<Option<Finding>> {
    let all: Vec<Partition> = match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => Vec::new(),
        #[cfg(feature = "postgres")]
        BackendConnection::Postgres(conn) => diesel::sql_query(PARTITIONS).load(*conn)?,
    };
    let unguarded = all.iter().filter(|partition| !partition.is_guarded);
    let unguarded: Vec<&str> = unguarded.map(|partition| &*partition.name).collect();
    let problem = unguarded.first().map(|first| {
        format!(
            "without guards: {}; run SELECT tickbase_guard_partition('{first}'), and so on: a \
             TRUNCATE or a DELETE of such a one loses active ticks",
            unguarded.join(", ")
        )
    });
    Ok((!all.is_empty()).then(|| Finding::new("partitions of market_data", problem)))
}
