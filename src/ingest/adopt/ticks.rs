//! Ticks: each keeps its old number as its `sequence`, so that two of one moment stay two, and a
//! second run finds the first one's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::convert::old;
use super::reject_file::Rejection;
use super::report::{RowTotals, TableReport};
use super::run::AdoptionRun;
use super::steps::AdoptionSteps;
use crate::database::BackendConnection;
use crate::domain::tick::{RawTick, Tick};
use crate::error::Result;
use crate::repository::deletion_batch::DeletionBatch;
use crate::repository::market_data::{self, InsertOptions, InsertReport, RowOutcome, TickKey};
use crate::repository::tradeassist::OldTick;
use crate::timestamp::Timestamp;

/// A tick that breaks no rule, and when it was deleted.
type CheckedTick = (Tick, Option<Timestamp>);

impl<S: AdoptionSteps> AdoptionRun<'_, S> {
    pub(super) fn ticks(&mut self) -> Result<()> {
        for table in self.old.tables_of::<OldTick>() {
            self.old_totals::<OldTick>(&table, "ticks", |run, owner| {
                run.tick_group(owner.and_then(|owner| owner.parse().ok()))
            })?;
        }
        self.each_page(Self::tick_page)
    }

    /// The group of the ticks of an old instrument.
    fn tick_group(&self, old_instrument: Option<i64>) -> String {
        let here = old_instrument.and_then(|old| self.ids.instruments.get(&old));
        match here.and_then(|id| self.symbols.get(id)) {
            Some(symbol) => symbol.clone(),
            None => match old_instrument {
                Some(old) => format!("of no instrument ({old})"),
                None => "of no instrument (NULL)".to_owned(),
            },
        }
    }

    fn tick_page(&mut self, table: &mut TableReport, page: Vec<OldTick>) -> Result<()> {
        let mut rows = Vec::with_capacity(page.len());
        let mut ticks: Vec<CheckedTick> = Vec::with_capacity(page.len());
        for row in page {
            match self.tick(&row) {
                Ok(tick) => {
                    ticks.push(tick);
                    rows.push(row);
                }
                Err(rejection) => self.reject_tick(table, &row, &rejection)?,
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let ticks = Arc::new(ticks);
        let (stored, now) = (Arc::clone(&ticks), self.now);
        let report = self.steps.write("adopt.ticks", rows.len(), move |conn| {
            store(conn, &stored, now)
        })?;
        let reasons: BTreeMap<usize, String> = report
            .rejected
            .into_iter()
            .map(|row| (row.index, row.reason))
            .collect();
        let outcomes = report.outcomes.unwrap_or_default();
        for (index, (row, outcome)) in rows.iter().zip(outcomes).enumerate() {
            let (price, volume) = (old!(row, price).counted(), old!(row, volume).counted());
            let one = RowTotals::one(price, volume);
            let instrument = old!(row, instrument_id).whole().ok().flatten();
            let group = self.tick_group(instrument);
            match outcome {
                RowOutcome::Inserted { .. } => {
                    table.brought += 1;
                    self.groups.of("ticks", &group).brought.add(one);
                }
                RowOutcome::Duplicate | RowOutcome::Deleted => {
                    table.present += 1;
                    self.groups.of("ticks", &group).present.add(one);
                }
                RowOutcome::Conflict => {
                    let rejection = Rejection::new(
                        "conflict",
                        "other values are stored here under its instrument, moment and number",
                    );
                    self.reject_tick(table, row, &rejection)?;
                }
                RowOutcome::Rejected => {
                    let reason = reasons.get(&index).map_or("", String::as_str);
                    self.reject_tick(table, row, &Rejection::stored(reason))?;
                }
            }
        }
        Ok(())
    }

    fn reject_tick(
        &mut self,
        table: &mut TableReport,
        row: &OldTick,
        rejection: &Rejection,
    ) -> Result<()> {
        let instrument = old!(row, instrument_id).whole().ok().flatten();
        let group = self.tick_group(instrument);
        let one = RowTotals::one(old!(row, price).counted(), old!(row, volume).counted());
        self.groups.of("ticks", &group).rejected.add(one);
        self.reject(table, row, rejection)
    }

    fn tick(&self, row: &OldTick) -> std::result::Result<CheckedTick, Rejection> {
        let old_instrument: Option<i64> = old!(row, instrument_id).whole()?;
        let here = old_instrument.and_then(|old| self.ids.instruments.get(&old));
        let instrument_id = here.ok_or_else(|| Rejection::orphan("instrument", old_instrument))?;
        let tick = Tick::try_from(RawTick {
            instrument_id: Some(*instrument_id),
            timestamp: old!(row, timestamp).stamp()?,
            source_id: Some(self.source_id),
            sequence: Some(row.id),
            price: old!(row, price).number()?,
            volume: old!(row, volume).number()?,
            bid: old!(row, bid).number()?,
            ask: old!(row, ask).number()?,
            bid_size: old!(row, bid_size).number()?,
            ask_size: old!(row, ask_size).number()?,
            open_price: old!(row, open_price).number()?,
            high_price: old!(row, high_price).number()?,
            low_price: old!(row, low_price).number()?,
        })?;
        Ok((tick, old!(row, deleted_at).stamp()?))
    }
}

/// Stores ticks, and moves those to the trash that come from it, at the moment when they went
/// there. What was here before is left alone.
fn store(
    conn: &mut BackendConnection<'_>,
    ticks: &[CheckedTick],
    now: Timestamp,
) -> Result<InsertReport> {
    let options = InsertOptions {
        outcomes: true,
        ..InsertOptions::default()
    };
    let rows: Vec<Tick> = ticks.iter().map(|(tick, _)| *tick).collect();
    let report = market_data::insert_batch(conn, &rows, &options, now)?;
    let mut deleted: BTreeMap<Timestamp, Vec<TickKey>> = BTreeMap::new();
    let outcomes = report.outcomes.iter().flatten();
    for ((tick, deleted_at), outcome) in ticks.iter().zip(outcomes) {
        if let (Some(at), RowOutcome::Inserted { sequence }) = (deleted_at, outcome) {
            deleted.entry(*at).or_default().push(TickKey {
                instrument_id: tick.instrument_id(),
                timestamp: tick.timestamp(),
                source_id: tick.source_id(),
                sequence: *sequence,
            });
        }
    }
    for (at, keys) in deleted {
        market_data::soft_delete_keys(conn, &keys, &mut DeletionBatch::of_elsewhere(at))?;
    }
    Ok(report)
}
