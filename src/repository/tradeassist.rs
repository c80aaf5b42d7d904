//! The SQLite file of TradeAssist, the service that tickbase replaces: which of its schemas it has,
//! its rows page by page, and its counts and sums.
//!
//! These statements are for tables that are not tickbase's, and whose columns differ from file to
//! file: they are text, made of names that the file itself gave. Nothing here writes.

mod rows;
mod stored_value;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Nullable, Text};

pub(crate) use rows::{
    OldAlert, OldBar, OldInstrument, OldQuery, OldRow, OldRule, OldSource, OldTick,
};
pub(crate) use stored_value::StoredValue;

use crate::database::open_foreign_file;
use crate::error::{Error, Result};

/// A file of TradeAssist, open for reading.
pub(crate) struct OldDatabase {
    conn: SqliteConnection,
    /// The columns of each table.
    tables: BTreeMap<String, Vec<String>>,
}

/// What a file has beside instruments, ticks, rules and alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldSchema {
    /// Nothing.
    First,
    /// Bars, sources and saved queries.
    Bars,
    /// Those, and soft delete.
    SoftDelete,
    /// Soft delete alone: bars were never made.
    SoftDeleteWithoutBars,
}

impl OldSchema {
    /// How a report names it.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::First => "first schema: no bars, no soft delete",
            Self::Bars => "bars and saved queries, no soft delete",
            Self::SoftDelete => "bars, saved queries and soft delete",
            Self::SoftDeleteWithoutBars => "soft delete, no bars",
        }
    }
}

#[derive(QueryableByName)]
struct ColumnName {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
}

/// Count and sums of some rows.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub(crate) struct OldTotals {
    /// What the rows have in common: an instrument's number or a frequency.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) owner: Option<String>,
    /// How many there are.
    #[diesel(sql_type = BigInt)]
    pub(crate) row_count: i64,
    /// The sum of their first number: a price, or a value.
    #[diesel(sql_type = Double)]
    pub(crate) first_sum: f64,
    /// The sum of their second number: a volume, or a threshold.
    #[diesel(sql_type = Double)]
    pub(crate) second_sum: f64,
}

impl OldDatabase {
    /// Opens the file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut conn = open_foreign_file(path)?;
        let columns: Vec<ColumnName> = diesel::sql_query(
            "SELECT m.name AS table_name, c.name AS column_name \
             FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'",
        )
        .load(&mut conn)?;
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for column in columns {
            let of = tables.entry(column.table_name).or_default();
            of.push(column.column_name);
        }
        let old = Self { conn, tables };
        old.refuse_others(path)?;
        Ok(old)
    }

    fn refuse_others(&self, path: &Path) -> Result<()> {
        let refused = |reason: &str, remedy: &str| {
            Err(Error::Connect {
                target: path.display().to_string(),
                reason: reason.to_owned(),
                remedy: remedy.to_owned(),
            })
        };
        if self.tables.contains_key("tickbase_schema_migrations") {
            return refused(
                "it is a database of tickbase already",
                "give the file of TradeAssist",
            );
        }
        for (table, columns) in [
            ("instruments", ["id", "symbol", "type"]),
            ("market_data", ["id", "timestamp", "instrument_id"]),
        ] {
            if !columns.iter().all(|column| self.has(table, column)) {
                return refused(
                    &format!("it has no table {table} as TradeAssist makes it"),
                    "give the file of TradeAssist, data/trade_assist.db unless its DATABASE_URL says \
                     another",
                );
            }
        }
        let lacking = self
            .lacking::<OldTick>()
            .or_else(|| self.lacking::<OldAlert>());
        if let Some((table, column)) = lacking.or_else(|| self.lacking::<OldBar>()) {
            return refused(
                &format!("its table {table} has no column {column}, as TradeAssist makes it"),
                "rename the table in a copy of the file if it is none of TradeAssist's, else add \
                 the column there, and adopt the copy",
            );
        }
        Ok(())
    }

    /// A table of this kind that lacks a column by which rows are counted and added up, and the
    /// column.
    fn lacking<R: OldRow>(&self) -> Option<(String, &'static str)> {
        let needed = ["id", R::OWNER, R::SUMMED[0], R::SUMMED[1]];
        let needed = needed
            .into_iter()
            .filter(|name| !["NULL", "0"].contains(name));
        let needed: Vec<&'static str> = needed.collect();
        self.tables_of::<R>().into_iter().find_map(|table| {
            let column = needed.iter().find(|column| !self.has(&table, column))?;
            Some((table, *column))
        })
    }

    /// The tables of the file that no kind of row is read from: those of SQLite itself and of the
    /// tool that migrates the file left out.
    pub(crate) fn other_tables(&self) -> Vec<String> {
        let known: BTreeSet<String> = [
            self.tables_of::<OldInstrument>(),
            self.tables_of::<OldTick>(),
            self.tables_of::<OldRule>(),
            self.tables_of::<OldAlert>(),
            self.tables_of::<OldSource>(),
            self.tables_of::<OldBar>(),
            self.tables_of::<OldQuery>(),
        ]
        .into_iter()
        .flatten()
        .collect();
        let is_other = |name: &&String| {
            !known.contains(*name) && !name.starts_with("sqlite_") && *name != "alembic_version"
        };
        self.tables.keys().filter(is_other).cloned().collect()
    }

    fn has(&self, table: &str, column: &str) -> bool {
        let columns = self.tables.get(table);
        columns.is_some_and(|columns| columns.iter().any(|name| name == column))
    }

    /// True when the file has the table.
    pub(crate) fn has_table(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// Which schema the file has.
    pub(crate) fn schema(&self) -> OldSchema {
        let bars = self.has_table(OldBar::TABLE);
        match (bars, self.has(OldTick::TABLE, "deleted_at")) {
            (false, false) => OldSchema::First,
            (true, false) => OldSchema::Bars,
            (true, true) => OldSchema::SoftDelete,
            (false, true) => OldSchema::SoftDeleteWithoutBars,
        }
    }

    /// The tables that hold rows of this kind: the one of its name, where there is one, and those of
    /// its months or quarters.
    pub(crate) fn tables_of<R: OldRow>(&self) -> Vec<String> {
        let names = self.tables.keys();
        let of = names.filter(|name| {
            *name == R::TABLE || {
                let suffix = name.strip_prefix(R::TABLE);
                suffix.is_some_and(|suffix| (R::IS_PARTITION)(suffix))
            }
        });
        of.cloned().collect()
    }

    /// The rows of a table whose number is greater, by number, `limit` at most. A column that the
    /// file lacks is NULL.
    pub(crate) fn page<R: OldRow>(
        &mut self,
        table: &str,
        after: i64,
        limit: i64,
    ) -> Result<Vec<R>> {
        let columns = R::COLUMNS.iter().map(|(stored, name)| {
            if self.has(table, stored) {
                format!("\"{stored}\" AS \"{name}\"")
            } else {
                format!("NULL AS \"{name}\"")
            }
        });
        let columns: Vec<String> = columns.collect();
        let sql = format!(
            "SELECT {} FROM \"{table}\" WHERE id > ? ORDER BY id LIMIT ?",
            columns.join(", ")
        );
        let query = diesel::sql_query(sql)
            .bind::<BigInt, _>(after)
            .bind::<BigInt, _>(limit);
        Ok(query.load(&mut self.conn)?)
    }

    /// Counts and sums of the rows of a table by their owner, as the file itself adds them up.
    pub(crate) fn totals<R: OldRow>(&mut self, table: &str) -> Result<Vec<OldTotals>> {
        let (owner, first, second) = (R::OWNER, sum(R::SUMMED[0]), sum(R::SUMMED[1]));
        let sql = format!(
            "SELECT CAST({owner} AS TEXT) AS owner, count(*) AS row_count, {first} AS first_sum, \
             {second} AS second_sum FROM \"{table}\" GROUP BY 1 ORDER BY 1"
        );
        Ok(diesel::sql_query(sql).load(&mut self.conn)?)
    }

    /// The greatest number of a row of this kind, 0 when there is none.
    pub(crate) fn highest_number<R: OldRow>(&mut self) -> Result<i64> {
        #[derive(QueryableByName)]
        struct HighestNumber {
            #[diesel(sql_type = BigInt)]
            highest: i64,
        }
        let mut highest = 0;
        for table in self.tables_of::<R>() {
            let sql = format!("SELECT coalesce(max(id), 0) AS highest FROM \"{table}\"");
            let row: HighestNumber = diesel::sql_query(sql).get_result(&mut self.conn)?;
            highest = highest.max(row.highest);
        }
        Ok(highest)
    }

    /// The symbols of the bars, each once.
    pub(crate) fn bar_symbols(&mut self) -> Result<Vec<String>> {
        #[derive(QueryableByName)]
        struct BarSymbol {
            #[diesel(sql_type = Text)]
            symbol: String,
        }
        if !self.has_table(OldBar::TABLE) {
            return Ok(Vec::new());
        }
        let sql = "SELECT DISTINCT CAST(symbol AS TEXT) AS symbol FROM market_data_bar \
                   WHERE symbol IS NOT NULL ORDER BY 1";
        let rows: Vec<BarSymbol> = diesel::sql_query(sql).load(&mut self.conn)?;
        Ok(rows.into_iter().map(|row| row.symbol).collect())
    }
}

/// The sum of a column; what is no number counts nothing, as SQLite would take the digits that a
/// text begins with.
fn sum(column: &str) -> String {
    format!(
        "total(CASE WHEN typeof({column}) = 'blob' \
         OR typeof({column}) = 'text' AND {column} GLOB '*[^0-9.eE+ -]*' THEN 0 ELSE {column} END)"
    )
}
