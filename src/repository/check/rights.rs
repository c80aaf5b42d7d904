//! Checks the user's rights on tickbase's tables, on PostgreSQL: on SQLite the file says so.

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::{Finding, TABLES};
use crate::database::BackendConnection;
use crate::error::Result;

/// A right that the user lacks.
#[derive(Debug, QueryableByName)]
struct Lacking {
    /// Its name in `GRANT`: `SELECT`, `INSERT`.
    #[diesel(sql_type = Text)]
    privilege: String,
    /// On what: `TABLE market_data`, `SCHEMA feed`.
    #[diesel(sql_type = Text)]
    object: String,
    #[diesel(sql_type = Text)]
    user: String,
}

/// The rights that were found.
pub(super) struct Rights {
    /// `None` on SQLite.
    pub(super) finding: Option<Finding>,
    /// True when the user may read every table.
    pub(super) may_read: bool,
}

/// The rights of the user of a connection.
pub(super) fn of_user(conn: &mut BackendConnection<'_>) -> Result<Rights> {
    let lacking: Vec<Lacking> = match conn {
        #[cfg(feature = "sqlite")]
        BackendConnection::Sqlite(_) => {
            return Ok(Rights {
                finding: None,
                may_read: true,
            });
        }
        BackendConnection::Postgres(c) => diesel::sql_query(query()).load(*c)?,
    };
    let is_for_reading =
        |right: &Lacking| right.privilege.contains("SELECT") || right.privilege.contains("USAGE");
    let grants: Vec<String> = lacking
        .iter()
        .map(|right| {
            format!(
                "GRANT {} ON {} TO {}",
                right.privilege, right.object, right.user
            )
        })
        .collect();
    let problem = lacking.first().map(|right| {
        let grants = grants.join("; ");
        format!("{} lacks some; as the owner: {grants}", right.user)
    });
    Ok(Rights {
        finding: Some(Finding::new("rights", problem)),
        may_read: !lacking.iter().any(is_for_reading),
    })
}

/// The rights on the tables that statements meet; and for a table that they do not meet, the right
/// to use a schema of the search path that has one of the name.
fn query() -> String {
    let tables = TABLES.map(|table| format!("('{table}')")).join(", ");
    format!(
        "WITH ours (name) AS (VALUES {tables}), \
         lacking AS ( \
         SELECT string_agg(privilege, ', ' ORDER BY rank) AS privilege, \
                'TABLE ' || to_regclass(name)::text AS object \
         FROM ours, (VALUES (1, 'SELECT'), (2, 'INSERT'), (3, 'UPDATE'), (4, 'DELETE')) \
              AS wanted (rank, privilege) \
         WHERE NOT has_table_privilege(to_regclass(name), privilege) \
         GROUP BY name \
         UNION ALL \
         SELECT DISTINCT 'USAGE', 'SCHEMA ' || quote_ident(s.nspname) \
         FROM ours JOIN pg_class AS t ON t.relname = ours.name AND t.relkind IN ('r', 'p') \
         JOIN pg_namespace AS s ON s.oid = t.relnamespace \
         WHERE to_regclass(ours.name) IS NULL AND NOT has_schema_privilege(s.oid, 'USAGE') \
         AND s.nspname IN (SELECT replace(trim(path), '$user', current_user) \
                           FROM unnest(string_to_array(replace(current_setting('search_path'), \
                                                              '\"', ''), ',')) AS path)) \
         SELECT privilege, object, quote_ident(current_user) AS \"user\" FROM lacking ORDER BY object"
    )
}
