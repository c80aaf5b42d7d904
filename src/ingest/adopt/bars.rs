//! Bars: a period of a source that has a bar here keeps it, also one in the trash. A bar of the file
//! with other values is rejected, so that nobody takes it for the one that is here.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::convert::old;
use super::reject_file::Rejection;
use super::report::{RowTotals, TableReport};
use super::run::AdoptionRun;
use super::steps::AdoptionSteps;
use crate::database::BackendConnection;
use crate::domain::Frequency;
use crate::error::Result;
use crate::models::NewMarketDataBar;
use crate::repository::adoption::{self, BarValues};
use crate::repository::bar;
use crate::repository::tradeassist::OldBar;
use crate::timestamp::Timestamp;

/// What became of a bar.
#[derive(Debug, Clone, PartialEq, Eq)]
enum BarOutcome {
    Brought,
    Present,
    Rejected(String),
}

impl<S: AdoptionSteps> AdoptionRun<'_, S> {
    pub(super) fn bars(&mut self) -> Result<()> {
        if self.has_bars() {
            let all = |_: &Self, frequency: Option<&str>| frequency.unwrap_or("NULL").to_owned();
            self.old_totals::<OldBar>("market_data_bar", "bars", all)?;
        }
        self.each_page(Self::bar_page)
    }

    fn bar_page(&mut self, table: &mut TableReport, page: Vec<OldBar>) -> Result<()> {
        let (mut rows, mut bars) = (Vec::new(), Vec::new());
        for row in page {
            match self.bar(&row) {
                Ok(bar) => {
                    rows.push(row);
                    bars.push(bar);
                }
                Err(rejection) => self.reject_bar(table, &row, &rejection)?,
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let (bars, now) = (Arc::new(bars), self.now);
        let outcomes = self.steps.write("adopt.bars", rows.len(), move |conn| {
            store(conn, &bars, now)
        })?;
        for (row, outcome) in rows.iter().zip(outcomes) {
            let one = RowTotals::one(
                old!(row, close_price).counted(),
                old!(row, volume).counted(),
            );
            let group = bar_group(row);
            match outcome {
                BarOutcome::Brought => {
                    table.brought += 1;
                    self.groups.of("bars", &group).brought.add(one);
                }
                BarOutcome::Present => {
                    table.present += 1;
                    self.groups.of("bars", &group).present.add(one);
                }
                BarOutcome::Rejected(reason) => {
                    self.reject_bar(table, row, &Rejection::stored(&reason))?;
                }
            }
        }
        Ok(())
    }

    fn reject_bar(
        &mut self,
        table: &mut TableReport,
        row: &OldBar,
        rejection: &Rejection,
    ) -> Result<()> {
        let one = RowTotals::one(
            old!(row, close_price).counted(),
            old!(row, volume).counted(),
        );
        self.groups.of("bars", &bar_group(row)).rejected.add(one);
        self.reject(table, row, rejection)
    }

    fn bar(&self, row: &OldBar) -> std::result::Result<NewMarketDataBar, Rejection> {
        let symbol = old!(row, symbol).text().unwrap_or_default();
        let instrument = self.bar_instruments.get(&symbol);
        let instrument_id = *instrument.ok_or_else(|| {
            Rejection::new(
                "symbol",
                format!("{symbol:?} is no symbol here: 1 to 32 characters, no spaces"),
            )
        })?;
        let source: Option<i64> = old!(row, data_source_id).whole()?;
        let here = source.and_then(|old| self.bar_sources.get(&old));
        let data_source_id = *here.ok_or_else(|| Rejection::orphan("data source", source))?;
        let frequency: Frequency = old!(row, frequency).text().unwrap_or_default().parse()?;
        macro_rules! number {
            ($column:ident) => {
                old!(row, $column).required(old!(row, $column).number()?)?
            };
        }
        let bar = NewMarketDataBar {
            instrument_id,
            timestamp: old!(row, timestamp).required(old!(row, timestamp).stamp()?)?,
            frequency,
            open_price: number!(open_price),
            high_price: number!(high_price),
            low_price: number!(low_price),
            close_price: number!(close_price),
            volume: old!(row, volume).number()?.unwrap_or(0.0),
            open_interest: old!(row, open_interest).number()?,
            contract_month: old!(row, contract_month).text(),
            data_source_id,
            is_adjusted: old!(row, is_adjusted).flag()?,
            quality_score: old!(row, quality_score).whole()?,
            turnover: None,
            tick_count: None,
        };
        bar.check()?;
        Ok(bar)
    }
}

fn bar_group(row: &OldBar) -> String {
    let frequency = old!(row, frequency).text();
    frequency.unwrap_or_else(|| "NULL".to_owned())
}

fn values(bar: &NewMarketDataBar) -> BarValues {
    [
        bar.open_price,
        bar.high_price,
        bar.low_price,
        bar.close_price,
        bar.volume,
    ]
}

/// Stores the bars of periods that have none here, and had none.
fn store(
    conn: &mut BackendConnection<'_>,
    bars: &[NewMarketDataBar],
    now: Timestamp,
) -> Result<Vec<BarOutcome>> {
    let instruments: BTreeSet<i64> = bars.iter().map(|bar| bar.instrument_id).collect();
    let instruments: Vec<i64> = instruments.into_iter().collect();
    let sources: BTreeSet<i64> = bars.iter().map(|bar| bar.data_source_id).collect();
    let sources: Vec<i64> = sources.into_iter().collect();
    let stamps = bars.iter().map(|bar| bar.timestamp);
    let first = stamps.clone().min().unwrap_or(Timestamp::MIN);
    let last = stamps.max().unwrap_or(Timestamp::MAX);
    let mut here = adoption::bar_values(conn, &instruments, &sources, (first, last))?;
    let mut outcomes = vec![BarOutcome::Present; bars.len()];
    let mut new: Vec<usize> = Vec::new();
    for (index, bar) in bars.iter().enumerate() {
        match here.entry(bar.key()) {
            Entry::Vacant(period) => {
                period.insert(values(bar));
                new.push(index);
            }
            Entry::Occupied(stored) if *stored.get() == values(bar) => {}
            Entry::Occupied(_) => {
                let reason = "period: another bar of the source is here for it, which stays";
                outcomes[index] = BarOutcome::Rejected(reason.to_owned());
            }
        }
    }
    let rows: Vec<NewMarketDataBar> = new.iter().map(|index| bars[*index].clone()).collect();
    let report = bar::insert_batch(conn, &rows, now)?;
    let rejected = report.rejected.into_iter();
    let reasons: BTreeMap<usize, String> = rejected.map(|row| (row.index, row.reason)).collect();
    for (at, index) in new.iter().enumerate() {
        outcomes[*index] = match reasons.get(&at) {
            Some(reason) => BarOutcome::Rejected(reason.clone()),
            None => BarOutcome::Brought,
        };
    }
    Ok(outcomes)
}
