//! What is in the trash, by batch: rows that have a name one by one, bars and ticks by instrument.

use std::collections::{BTreeMap, HashMap};

use diesel::dsl;
use diesel::prelude::*;

use super::read::list;
use crate::database::BackendConnection;
use crate::domain::{DeletedKind, Frequency, Symbol};
use crate::error::Result;
use crate::models::Deletion;
#[cfg(feature = "archive")]
use crate::repository::archive;
use crate::repository::instrument;
use crate::soft_delete::SoftDeletable;
use crate::tables::{
    alert_logs, alert_rules, instruments, market_data, market_data_bars, saved_queries,
};
use crate::timestamp::Timestamp;

/// Rows in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrashEntry {
    /// What they are.
    pub kind: DeletedKind,
    /// Its number, if it is one row.
    pub id: Option<i64>,
    /// What it is called: a symbol, a name, and of bars the frequency.
    pub name: String,
    /// The instrument, of all but saved queries.
    pub instrument_id: Option<i64>,
    /// How many they are.
    pub rows: usize,
    /// The moment of the first and of the last, of alerts, bars and ticks.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// Some batches that have rows in the trash, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrashPage {
    /// Each batch with what the trash has of it.
    pub batches: Vec<(Deletion, Vec<TrashEntry>)>,
    /// Further ones are from before this moment; `None` when there are none.
    pub next: Option<Timestamp>,
}

/// What is in the trash of the `limit` newest batches, of those from before a moment if one is given.
/// Of a batch that was undone, or whose rows came back one by one, nothing is.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a limit of 0 or above [`LIMIT_MAX`](super::LIMIT_MAX);
/// [`Error::Query`](crate::Error::Query).
pub fn trash(
    conn: &mut BackendConnection<'_>,
    before: Option<Timestamp>,
    limit: usize,
) -> Result<TrashPage> {
    let page = conn.snapshot(|conn| {
        let batches = list(conn, before, limit)?;
        let next = batches.last().filter(|_| batches.len() >= limit);
        let next = next.map(|deletion| deletion.deleted_at);
        let stamps: Vec<Timestamp> = batches.iter().map(|of| of.deleted_at).collect();
        let mut entries = entries(conn, &stamps)?;
        let with_rows = batches.into_iter().filter_map(|deletion| {
            let rows = entries.remove(&deletion.deleted_at)?;
            Some((deletion, rows))
        });
        Ok(TrashPage {
            batches: with_rows.collect(),
            next,
        })
    })?;
    conn.record_rows(page.batches.len());
    Ok(page)
}

type EntriesByStamp = BTreeMap<Timestamp, Vec<TrashEntry>>;

fn entries(conn: &mut BackendConnection<'_>, stamps: &[Timestamp]) -> Result<EntriesByStamp> {
    let mut all = named(conn, stamps)?;
    all.extend(counted(conn, stamps)?);
    let mut entries = EntriesByStamp::new();
    for (deleted_at, entry) in all {
        entries.entry(deleted_at).or_default().push(entry);
    }
    Ok(entries)
}

/// Instruments, rules and saved queries.
fn named(
    conn: &mut BackendConnection<'_>,
    stamps: &[Timestamp],
) -> Result<Vec<(Timestamp, TrashEntry)>> {
    type NamedRow = (Option<Timestamp>, i64, String);
    type RuleRow = (Option<Timestamp>, i64, Option<String>, i64, Symbol);
    let one = |kind, id, name, instrument_id| TrashEntry {
        kind,
        id: Some(id),
        name,
        instrument_id,
        rows: 1,
        span: None,
    };
    let query = instruments::table
        .deleted()
        .filter(instruments::deleted_at.eq_any(stamps))
        .select((
            instruments::deleted_at,
            instruments::id,
            instruments::symbol,
        ))
        .order(instruments::id);
    let rows: Vec<(Option<Timestamp>, i64, Symbol)> =
        crate::on_backend!(&mut *conn, |c| query.load(c))?;
    let mut all = Vec::new();
    all.extend(rows.into_iter().filter_map(|(at, id, symbol)| {
        let entry = one(DeletedKind::Instrument, id, symbol.to_string(), Some(id));
        Some((at?, entry))
    }));
    let query = alert_rules::table
        .deleted()
        .inner_join(instruments::table.with_deleted("a rule outlives its instrument"))
        .filter(alert_rules::deleted_at.eq_any(stamps))
        .select((
            alert_rules::deleted_at,
            alert_rules::id,
            alert_rules::name,
            instruments::id,
            instruments::symbol,
        ))
        .order(alert_rules::id);
    let rows: Vec<RuleRow> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
    all.extend(rows.into_iter().filter_map(|(at, id, name, of, symbol)| {
        let name = name.map_or_else(|| symbol.to_string(), |name| format!("{symbol} {name}"));
        Some((at?, one(DeletedKind::Rule, id, name, Some(of))))
    }));
    let query = saved_queries::table
        .deleted()
        .filter(saved_queries::deleted_at.eq_any(stamps))
        .select((
            saved_queries::deleted_at,
            saved_queries::id,
            saved_queries::name,
        ))
        .order(saved_queries::id);
    let rows: Vec<NamedRow> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
    all.extend(
        rows.into_iter()
            .filter_map(|(at, id, name)| Some((at?, one(DeletedKind::SavedQuery, id, name, None)))),
    );
    Ok(all)
}

/// Alerts and ticks by instrument, bars by instrument and frequency.
fn counted(
    conn: &mut BackendConnection<'_>,
    stamps: &[Timestamp],
) -> Result<Vec<(Timestamp, TrashEntry)>> {
    macro_rules! groups {
        ($table:ident) => {{
            let query = $table::table
                .deleted()
                .filter($table::deleted_at.eq_any(stamps))
                .group_by(($table::deleted_at, $table::instrument_id))
                .select((
                    $table::deleted_at,
                    $table::instrument_id,
                    dsl::count_star(),
                    dsl::min($table::timestamp),
                    dsl::max($table::timestamp),
                ));
            let rows: Vec<GroupRow> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
            rows
        }};
    }
    let (alerts, ticks) = (groups!(alert_logs), groups!(market_data));
    let query = market_data_bars::table
        .deleted()
        .filter(market_data_bars::deleted_at.eq_any(stamps))
        .group_by((
            market_data_bars::deleted_at,
            market_data_bars::instrument_id,
            market_data_bars::frequency,
        ))
        .select((
            (
                market_data_bars::deleted_at,
                market_data_bars::instrument_id,
                dsl::count_star(),
                dsl::min(market_data_bars::timestamp),
                dsl::max(market_data_bars::timestamp),
            ),
            market_data_bars::frequency,
        ));
    let bars: Vec<(GroupRow, Frequency)> = crate::on_backend!(&mut *conn, |c| query.load(c))?;
    #[cfg(feature = "archive")]
    let ticks = with_files(ticks, archive::segments_in_trash(conn, stamps)?);
    let of_kind = |kind| move |row: GroupRow| (kind, row, None);
    let alerts = alerts.into_iter().map(of_kind(DeletedKind::Alert));
    let ticks = ticks.into_iter().map(of_kind(DeletedKind::Tick));
    let bars = bars
        .into_iter()
        .map(|(row, frequency)| (DeletedKind::Bar, row, Some(frequency)));
    with_symbols(conn, alerts.chain(bars).chain(ticks).collect())
}

/// Adds the ticks of files to the groups of ticks.
#[cfg(feature = "archive")]
fn with_files(mut groups: Vec<GroupRow>, files: Vec<archive::TrashedFile>) -> Vec<GroupRow> {
    for file in files.into_iter().filter(|file| file.ticks > 0) {
        let segment = file.segment;
        let (first, last) = (segment.starts_at, segment.ends_at.saturating_add_micros(-1));
        let is_same =
            |of: &&mut GroupRow| (of.0, of.1) == (segment.deleted_at, segment.instrument_id);
        match groups.iter_mut().find(is_same) {
            Some(of) => {
                of.2 += file.ticks;
                of.3 = Some(of.3.map_or(first, |at| at.min(first)));
                of.4 = Some(of.4.map_or(last, |at| at.max(last)));
            }
            None => groups.push((
                segment.deleted_at,
                segment.instrument_id,
                file.ticks,
                Some(first),
                Some(last),
            )),
        }
    }
    groups
}

/// When rows were deleted, their instrument, how many they are, the first and the last moment.
type GroupRow = (
    Option<Timestamp>,
    i64,
    i64,
    Option<Timestamp>,
    Option<Timestamp>,
);

fn with_symbols(
    conn: &mut BackendConnection<'_>,
    groups: Vec<(DeletedKind, GroupRow, Option<Frequency>)>,
) -> Result<Vec<(Timestamp, TrashEntry)>> {
    let ids: Vec<i64> = groups.iter().map(|(_, row, _)| row.1).collect();
    let labels = instrument::labels_of_all(conn, &ids)?;
    let symbols: HashMap<i64, Symbol> = labels
        .into_iter()
        .map(|label| (label.id, label.symbol))
        .collect();
    let entry = |(kind, row, frequency): (_, GroupRow, Option<Frequency>)| {
        let (at, id, rows, first, last) = row;
        let symbol = symbols.get(&id);
        let symbol = symbol.map_or_else(|| id.to_string(), Symbol::to_string);
        let entry = TrashEntry {
            kind,
            id: None,
            name: frequency.map_or_else(|| symbol.clone(), |of| format!("{symbol} {of}")),
            instrument_id: Some(id),
            rows: usize::try_from(rows).unwrap_or(0),
            span: first.zip(last),
        };
        Some((at?, entry))
    };
    Ok(groups.into_iter().filter_map(entry).collect())
}
