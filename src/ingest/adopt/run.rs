//! One adoption from its first table to its last: the state that the tables share, and the order.

use std::collections::BTreeMap;

use super::Adopt;
use super::adopted_ids::AdoptedIds;
use super::reject_file::{RejectFile, Rejection};
use super::report::{AdoptReport, AdoptedGroup, AdoptedGroups, MovedId, RowTotals, TableReport};
use super::steps::AdoptionSteps;
use crate::database::BackendConnection;
use crate::domain::ProviderType;
use crate::error::Result;
use crate::ingest::BATCH_ROWS_MAX;
use crate::models::NewDataSource;
use crate::repository::adoption::{self, NumberedTable};
use crate::repository::data_source;
use crate::repository::tradeassist::{
    OldAlert, OldBar, OldDatabase, OldInstrument, OldQuery, OldRow, OldRule, OldTotals,
};
use crate::timestamp::Timestamp;

/// An adoption on its way.
pub(super) struct AdoptionRun<'s, S> {
    pub(super) steps: &'s mut S,
    pub(super) old: OldDatabase,
    pub(super) rejects: RejectFile,
    pub(super) now: Timestamp,
    /// The data source of ticks and alerts.
    pub(super) source_id: i64,
    pub(super) ids: AdoptedIds,
    /// The symbols of instruments here.
    pub(super) symbols: BTreeMap<i64, String>,
    /// The instruments of the symbols of bars, as they are written there.
    pub(super) bar_instruments: BTreeMap<String, i64>,
    /// The data sources of bars, by their number there.
    pub(super) bar_sources: BTreeMap<i64, i64>,
    pub(super) groups: AdoptedGroups,
    pub(super) report: AdoptReport,
}

impl<'s, S: AdoptionSteps> AdoptionRun<'s, S> {
    /// Opens the file, and finds or adds the data source.
    pub(super) fn new(steps: &'s mut S, plan: &Adopt, now: Timestamp) -> Result<Self> {
        let old = OldDatabase::open(&plan.file)?;
        let name = plan.source.clone();
        let (source_id, ids) = steps.write("adopt.source", 1, move |conn| {
            if let Some(found) = data_source::by_name(conn, &name)? {
                return Ok((found.id, AdoptedIds::of(&found)?));
            }
            let ids = AdoptedIds::none();
            let new = NewDataSource {
                configuration: Some(ids.text()?),
                ..NewDataSource::new(name.clone(), ProviderType::File)
            };
            Ok((data_source::insert(conn, &new, now)?.id, ids))
        })?;
        Ok(Self {
            report: AdoptReport {
                schema: old.schema().describe().to_owned(),
                source: plan.source.clone(),
                dry_run: plan.dry_run,
                tables_left_out: old.other_tables(),
                ..AdoptReport::default()
            },
            steps,
            old,
            rejects: RejectFile::new(plan.rejects.clone()),
            now,
            source_id,
            ids,
            symbols: BTreeMap::new(),
            bar_instruments: BTreeMap::new(),
            bar_sources: BTreeMap::new(),
            groups: AdoptedGroups::default(),
        })
    }

    /// Brings everything over. What others refer to comes first: sources, instruments, rules.
    pub(super) fn all(mut self) -> Result<AdoptReport> {
        self.reserve::<OldInstrument>(NumberedTable::Instruments)?;
        self.reserve::<OldRule>(NumberedTable::AlertRules)?;
        self.reserve::<OldAlert>(NumberedTable::AlertLogs)?;
        self.reserve::<OldQuery>(NumberedTable::SavedQueries)?;
        self.bar_sources()?;
        self.instruments()?;
        self.totals(|group| &mut group.before)?;
        self.ticks()?;
        self.last_ticks()?;
        self.bars()?;
        self.rules()?;
        self.alerts()?;
        self.queries()?;
        self.totals(|group| &mut group.after)?;
        let mut report = self.report;
        report.groups = self.groups.verified();
        (report.rejected, report.rejects_file) = self.rejects.end()?;
        Ok(report)
    }

    /// Keeps the numbers of a table of the old file free for its rows.
    fn reserve<R: OldRow>(&mut self, table: NumberedTable) -> Result<()> {
        let highest = self.old.highest_number::<R>()?;
        self.steps.write("adopt.numbers", 1, move |conn| {
            adoption::reserve_numbers(conn, table, highest)
        })
    }

    /// What the database here adds up.
    fn totals(&mut self, side: impl Fn(&mut AdoptedGroup) -> &mut RowTotals) -> Result<()> {
        let source_id = self.source_id;
        let of_bars: Vec<i64> = self.bar_sources.values().copied().collect();
        let work = move |conn: &mut BackendConnection<'_>| {
            Ok((
                adoption::tick_totals(conn, source_id)?,
                adoption::bar_totals(conn, &of_bars)?,
                adoption::alert_totals(conn, source_id)?,
            ))
        };
        let (ticks, bars, alerts) = self.steps.write("adopt.totals", 1, work)?;
        let totals = |rows, first: Option<f64>, second: Option<f64>| RowTotals {
            rows,
            first: first.unwrap_or(0.0),
            second: second.unwrap_or(0.0),
        };
        for (id, rows, first, second) in ticks {
            let symbol = self.symbols.get(&id).cloned();
            let group = symbol.unwrap_or_else(|| format!("instrument {id}"));
            *side(self.groups.of("ticks", &group)) = totals(rows, first, second);
        }
        for (frequency, rows, first, second) in bars {
            *side(self.groups.of("bars", &frequency)) = totals(rows, first, second);
        }
        let ((), rows, first, second) = alerts;
        *side(self.groups.of("alerts", "all")) = totals(rows, first, second);
        Ok(())
    }

    /// What the old file adds up, by what names the group of an owner.
    pub(super) fn old_totals<R: OldRow>(
        &mut self,
        table: &str,
        kind: &'static str,
        group: impl Fn(&Self, Option<&str>) -> String,
    ) -> Result<()> {
        let totals: Vec<OldTotals> = self.old.totals::<R>(table)?;
        for of in totals {
            let group = group(self, of.owner.as_deref());
            self.groups.of(kind, &group).old.add(RowTotals {
                rows: of.row_count,
                first: of.first_sum,
                second: of.second_sum,
            });
        }
        Ok(())
    }

    /// Goes through the tables of a kind, page by page.
    pub(super) fn each_page<R: OldRow>(
        &mut self,
        mut work: impl FnMut(&mut Self, &mut TableReport, Vec<R>) -> Result<()>,
    ) -> Result<()> {
        let limit = i64::try_from(BATCH_ROWS_MAX).unwrap_or(i64::MAX);
        for table in self.old.tables_of::<R>() {
            let mut report = TableReport {
                table: table.clone(),
                ..TableReport::default()
            };
            let mut after = i64::MIN;
            loop {
                let page = self.old.page::<R>(&table, after, limit)?;
                let Some(last) = page.last() else { break };
                after = last.id();
                report.read += page.len() as u64;
                work(self, &mut report, page)?;
            }
            self.report.tables.push(report);
        }
        Ok(())
    }

    /// Writes a row down that is not brought over.
    pub(super) fn reject<R: OldRow>(
        &mut self,
        report: &mut TableReport,
        row: &R,
        rejection: &Rejection,
    ) -> Result<()> {
        report.rejected += 1;
        self.rejects.add(&report.table, row, rejection)
    }

    /// Names a row that has another number here.
    pub(super) fn moved(&mut self, table: &str, old: i64, new: i64) {
        if old != new {
            let table = table.to_owned();
            self.report.moved.push(MovedId { table, old, new });
        }
    }

    /// Whether the file has bars.
    pub(super) fn has_bars(&self) -> bool {
        self.old.has_table(OldBar::TABLE)
    }
}
