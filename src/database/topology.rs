//! How the server keeps the ticks. Statements whose best form depends on it ask here, and nothing else does.

use diesel::prelude::*;
use diesel::sql_types::Bool;

/// How the table of ticks is kept. A connection finds out when it opens, so a table that is partitioned
/// while the program runs is known when its connections have been renewed; until then some answers
/// take longer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Topology {
    /// In one table.
    #[default]
    Plain,
    /// In partitions by time, which the users of the database made.
    Partitioned,
}

impl Topology {
    /// That of the database of a connection; one without tables is plain.
    pub(super) fn find(conn: &mut diesel::PgConnection) -> QueryResult<Self> {
        let partitioned = diesel::dsl::sql::<Bool>(
            "SELECT EXISTS (SELECT FROM pg_class \
             WHERE oid = to_regclass('market_data') AND relkind = 'p')",
        );
        Ok(match partitioned.get_result(conn)? {
            true => Self::Partitioned,
            false => Self::Plain,
        })
    }
}
