//! By which a database that was written to is told from an older copy of it, without reading its
//! ticks: versions that each write raises, and the newest moments of small tables.

use std::collections::BTreeMap;

use diesel::dsl::max;
use diesel::prelude::*;

use crate::database::BackendConnection;
use crate::error::Result;
use crate::soft_delete::SoftDeletable;
use crate::tables::{
    alert_deliveries, alert_logs, alert_rules, alert_silences, bar_series, data_sources, deletions,
    instrument_state, instruments, saved_queries,
};
use crate::timestamp::Timestamp;

/// How far a database was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WriteMarks {
    /// The symbol of each instrument, and the versions of its ticks with its bars, and of its rules.
    instruments: BTreeMap<i64, (String, i64, i64)>,
    /// The newest change of the rows of a kind.
    newest: Vec<(&'static str, Option<i64>)>,
}

impl WriteMarks {
    /// Those of a database that is read in a snapshot of the caller's.
    pub(crate) fn of(conn: &mut BackendConnection<'_>) -> Result<Self> {
        Ok(Self {
            instruments: versions(conn)?,
            newest: newest(conn)?,
        })
    }

    /// What this database was written that the other one was not, in a few words each.
    pub(crate) fn beyond(&self, other: &Self) -> Vec<String> {
        let written = self.instruments.iter().filter(|(id, (_, ticks, rules))| {
            other
                .instruments
                .get(id)
                .is_none_or(|known| *ticks > known.1 || *rules > known.2)
        });
        let symbols: Vec<&str> = written.map(|(_, (symbol, ..))| symbol.as_str()).collect();
        let mut all = Vec::new();
        match symbols[..] {
            [] => {}
            [.., _] if symbols.len() > SYMBOLS_NAMED_MAX => {
                let (named, more) = symbols.split_at(SYMBOLS_NAMED_MAX);
                let more = more.len();
                all.push(format!(
                    "what was written of {} and {more} more",
                    named.join(", ")
                ));
            }
            _ => all.push(format!("what was written of {}", symbols.join(", "))),
        }
        let pairs = self.newest.iter().zip(&other.newest);
        let newer = pairs.filter(|((_, ours), (_, theirs))| ours > theirs);
        all.extend(newer.map(|((kind, _), _)| format!("newer {kind}")));
        all
    }
}

/// Symbols that a refusal names.
const SYMBOLS_NAMED_MAX: usize = 5;

fn versions(conn: &mut BackendConnection<'_>) -> Result<BTreeMap<i64, (String, i64, i64)>> {
    let query = instruments::table
        .with_deleted("what was written of any of them")
        .inner_join(instrument_state::table)
        .select((
            instruments::id,
            instruments::symbol,
            instrument_state::ticks_version,
            instrument_state::rules_version,
        ));
    let rows: Vec<(i64, String, i64, i64)> = crate::on_backend!(conn, |c| query.load(c))?;
    let rows = rows
        .into_iter()
        .map(|(id, symbol, ticks, rules)| (id, (symbol, ticks, rules)));
    Ok(rows.collect())
}

fn newest(conn: &mut BackendConnection<'_>) -> Result<Vec<(&'static str, Option<i64>)>> {
    const ALL: &str = "the newest change of any of them";
    let mut all = Vec::new();
    macro_rules! newest {
        ($kind:literal, $rows:expr, $($column:expr),+) => {{
            let mut latest: Option<i64> = None;
            $(
                let query = $rows.select(max($column));
                let found: Option<Timestamp> =
                    crate::on_backend!(&mut *conn, |c| query.get_result(c))?;
                latest = latest.max(found.map(Timestamp::micros));
            )+
            all.push(($kind, latest));
        }};
    }
    newest!(
        "instruments",
        instruments::table.with_deleted(ALL),
        instruments::updated_at
    );
    newest!(
        "rules",
        alert_rules::table.with_deleted(ALL),
        alert_rules::updated_at
    );
    newest!(
        "saved queries",
        saved_queries::table.with_deleted(ALL),
        saved_queries::updated_at
    );
    newest!(
        "data sources",
        data_sources::table,
        data_sources::updated_at
    );
    newest!(
        "silences",
        alert_silences::table,
        alert_silences::created_at,
        alert_silences::lifted_at
    );
    newest!(
        "deletions",
        deletions::table,
        deletions::deleted_at,
        deletions::undone_at,
        deletions::purged_at
    );
    newest!(
        "acknowledgements of alerts",
        alert_logs::table.with_deleted(ALL),
        alert_logs::acknowledged_at
    );
    newest!(
        "deliveries of alerts",
        alert_deliveries::table,
        alert_deliveries::created_at,
        alert_deliveries::first_attempted_at,
        alert_deliveries::completed_at
    );
    newest!("built bars", bar_series::table, bar_series::updated_at);
    let alerts = alert_logs::table
        .with_deleted(ALL)
        .select(max(alert_logs::id));
    all.push((
        "alerts",
        crate::on_backend!(conn, |c| alerts.get_result(c))?,
    ));
    Ok(all)
}
