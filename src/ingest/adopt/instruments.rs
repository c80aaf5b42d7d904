//! Instruments, by their symbol, and the data sources of bars, by their name.

use std::collections::BTreeMap;

use super::adopted_ids::AdoptedIds;
use super::convert::old;
use super::reject_file::Rejection;
use super::report::TableReport;
use super::run::AdoptionRun;
use super::steps::AdoptionSteps;
use crate::database::BackendConnection;
use crate::domain::{InstrumentType, ProviderType, Symbol};
use crate::error::Result;
use crate::models::{Instrument, InstrumentChange, NewDataSource, NewInstrument};
use crate::repository::adoption::{self, RowStamps};
use crate::repository::tradeassist::{OldInstrument, OldSource};
use crate::repository::{data_source, instrument};
use crate::timestamp::Timestamp;

/// An instrument that breaks no rule.
#[derive(Debug, Clone)]
struct InstrumentCandidate {
    /// Its number there; none for the symbol of bars.
    old_id: Option<i64>,
    new: NewInstrument,
    stamps: RowStamps,
}

/// What an instrument of the old file is here.
struct PlacedInstrument {
    id: i64,
    added: bool,
}

impl<S: AdoptionSteps> AdoptionRun<'_, S> {
    pub(super) fn instruments(&mut self) -> Result<()> {
        self.each_page(Self::instrument_page)?;
        self.instruments_of_bars()
    }

    fn instrument_page(&mut self, table: &mut TableReport, page: Vec<OldInstrument>) -> Result<()> {
        let mut candidates = Vec::with_capacity(page.len());
        for row in page {
            match self.instrument(&row) {
                Ok(candidate) => candidates.push(candidate),
                Err(rejection) => self.reject(table, &row, &rejection)?,
            }
        }
        for (candidate, placed) in self.place(candidates)? {
            let old_id = candidate.old_id.unwrap_or(placed.id);
            table.brought += u64::from(placed.added);
            table.present += u64::from(!placed.added);
            self.moved("instruments", old_id, placed.id);
        }
        Ok(())
    }

    fn instrument(
        &self,
        row: &OldInstrument,
    ) -> std::result::Result<InstrumentCandidate, Rejection> {
        let text = old!(row, symbol).text();
        let symbol = Symbol::new(&old!(row, symbol).required(text)?)?;
        let name = old!(row, name).text();
        let name = name.unwrap_or_else(|| symbol.to_string());
        Ok(InstrumentCandidate {
            old_id: Some(row.id),
            new: NewInstrument {
                status: old!(row, status).word()?,
                ..NewInstrument::new(symbol, name, old!(row, instrument_type).word()?)
            },
            stamps: self.stamps(
                old!(row, created_at).stamp()?,
                old!(row, updated_at).stamp()?,
            ),
        })
    }

    /// The stamps of a row, which may lack them.
    pub(super) fn stamps(
        &self,
        created_at: Option<Timestamp>,
        updated_at: Option<Timestamp>,
    ) -> RowStamps {
        let created_at = created_at.unwrap_or(self.now);
        RowStamps {
            created_at,
            updated_at: updated_at.unwrap_or(created_at),
        }
    }

    /// Bars name symbols, which need no instrument there. Their type is not known: the marks of
    /// Schwab's symbols say of some what they are.
    fn instruments_of_bars(&mut self) -> Result<()> {
        let mut raw = BTreeMap::new();
        for text in self.old.bar_symbols()? {
            // One that is no symbol rejects its bars, row by row.
            if let Ok(symbol) = Symbol::new(text.trim()) {
                raw.insert(text, symbol);
            }
        }
        let stamps = self.stamps(None, None);
        let candidates = raw.values().map(|symbol| {
            let of = match symbol.as_str().as_bytes().first() {
                Some(b'/') => InstrumentType::Future,
                Some(b'$') => InstrumentType::Index,
                _ => InstrumentType::Equity,
            };
            InstrumentCandidate {
                old_id: None,
                new: NewInstrument::new(symbol.clone(), symbol.as_str(), of),
                stamps,
            }
        });
        let candidates = candidates.collect();
        let placed = self.place(candidates)?;
        for ((text, _), (candidate, placed)) in raw.into_iter().zip(placed) {
            self.bar_instruments.insert(text, placed.id);
            if placed.added {
                let NewInstrument {
                    symbol,
                    instrument_type,
                    ..
                } = &candidate.new;
                let added = format!("{symbol} ({instrument_type})");
                self.report.added_for_bars.push(added);
            }
        }
        Ok(())
    }

    /// Finds or adds instruments, in their order.
    fn place(
        &mut self,
        candidates: Vec<InstrumentCandidate>,
    ) -> Result<Vec<(InstrumentCandidate, PlacedInstrument)>> {
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let (before, source_id, now) = (self.ids.clone(), self.source_id, self.now);
        let wanted = candidates.clone();
        let (ids, placed) = self.steps.write("adopt.instruments", 1, move |conn| {
            let mut ids = before.clone();
            let mut placed = Vec::with_capacity(wanted.len());
            for candidate in &wanted {
                placed.push(place_one(conn, &mut ids, candidate, now)?);
            }
            ids.save(conn, source_id, &before, now)?;
            Ok((ids, placed))
        })?;
        self.ids = ids;
        for (candidate, placed) in candidates.iter().zip(&placed) {
            let symbol = candidate.new.symbol.to_string();
            self.symbols.entry(placed.id).or_insert(symbol);
        }
        Ok(candidates.into_iter().zip(placed).collect())
    }

    /// What the old file shows as the last tick of an instrument, where none of its ticks is left.
    pub(super) fn last_ticks(&mut self) -> Result<()> {
        let mut last = Vec::new();
        for row in self
            .old
            .page::<OldInstrument>("instruments", i64::MIN, i64::MAX)?
        {
            let at = old!(row, last_tick).stamp().ok().flatten();
            let price = old!(row, last_price).number().ok().flatten();
            let price = price.filter(|price| price.is_finite());
            let Some(id) = self.ids.instruments.get(&row.id) else {
                continue;
            };
            // A moment of the future would make every tick a late one: the price alone is kept.
            let past = at.filter(|at| *at <= self.now);
            if let (Some(at), None) = (at, past) {
                let symbol = old!(row, symbol).text().unwrap_or_default();
                self.report
                    .future_last_ticks
                    .push(format!("{symbol} ({at})"));
            }
            if past.is_some() || price.is_some() {
                last.push((*id, past, price));
            }
        }
        self.steps.write("adopt.last_ticks", 1, move |conn| {
            for (id, at, price) in &last {
                adoption::show_last_tick(conn, *id, *at, *price)?;
            }
            Ok(())
        })
    }

    /// Finds or adds the data sources of bars, by their names.
    pub(super) fn bar_sources(&mut self) -> Result<()> {
        self.each_page(|run, table, page: Vec<OldSource>| {
            for row in page {
                let (new, added_at) = match run.bar_source(&row) {
                    Ok(new) => new,
                    Err(rejection) => {
                        run.reject(table, &row, &rejection)?;
                        continue;
                    }
                };
                let (id, added) = run.steps.write("adopt.data_sources", 1, move |conn| {
                    Ok(match data_source::by_name(conn, &new.name)? {
                        Some(found) => (found.id, false),
                        None => (data_source::insert(conn, &new, added_at)?.id, true),
                    })
                })?;
                table.brought += u64::from(added);
                table.present += u64::from(!added);
                run.bar_sources.insert(row.id, id);
            }
            Ok(())
        })
    }

    fn bar_source(
        &self,
        row: &OldSource,
    ) -> std::result::Result<(NewDataSource, Timestamp), Rejection> {
        let name = old!(row, name).text();
        let name = old!(row, name).required(name)?;
        let kind = old!(row, provider_type).text().unwrap_or_default();
        // TradeAssist writes names of vendors: schwab_api.
        let kind: ProviderType = kind.parse().unwrap_or(ProviderType::Api);
        let new = NewDataSource {
            base_url: old!(row, base_url).text(),
            rate_limit_per_minute: old!(row, rate_limit_per_minute).whole()?.unwrap_or(60),
            is_active: old!(row, is_active).flag()?,
            configuration: old!(row, configuration).text(),
            ..NewDataSource::new(name, kind)
        };
        new.check()?;
        let added_at = old!(row, created_at).stamp()?.unwrap_or(self.now);
        Ok((new, added_at))
    }
}

fn place_one(
    conn: &mut BackendConnection<'_>,
    ids: &mut AdoptedIds,
    candidate: &InstrumentCandidate,
    now: Timestamp,
) -> Result<PlacedInstrument> {
    let new = &candidate.new;
    let known = candidate.old_id.and_then(|old| ids.instruments.get(&old));
    // Also one that was deleted here since: that stays as it is, and its new rows are rejected.
    if let Some(id) = known {
        return Ok(PlacedInstrument {
            id: *id,
            added: false,
        });
    }
    let (id, added) = match instrument::by_symbol(conn, &new.symbol)? {
        Some(found) => {
            if candidate.old_id.is_some() {
                rename_seed(conn, &found, new, now)?;
            }
            (found.id, false)
        }
        None => {
            let id = adoption::insert_instrument(conn, candidate.old_id, new, candidate.stamps)?;
            (id, true)
        }
    };
    if let Some(old) = candidate.old_id {
        ids.instruments.insert(old, id);
    }
    Ok(PlacedInstrument { id, added })
}

/// The numbers of the instruments that every new database has.
const SEEDS: std::ops::RangeInclusive<i64> = 1..=12;

/// An instrument that a new database has, and that nobody has changed here, takes the name and
/// status that it has there.
fn rename_seed(
    conn: &mut BackendConnection<'_>,
    found: &Instrument,
    new: &NewInstrument,
    now: Timestamp,
) -> Result<()> {
    let untouched = SEEDS.contains(&found.id) && found.updated_at == found.created_at;
    let other = found.name != new.name || found.status != new.status;
    if untouched && other {
        let change = InstrumentChange {
            name: Some(new.name.clone()),
            status: Some(new.status),
            ..InstrumentChange::default()
        };
        instrument::update(conn, found.id, &change, now)?;
    }
    Ok(())
}
