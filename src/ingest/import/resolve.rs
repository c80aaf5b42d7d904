//! The ids of the instruments and sources that the rows of an import name.

use std::collections::{BTreeSet, HashMap};

use super::Import;
use crate::database::{BackendConnection, Invalidation};
use crate::domain::{DEFAULT_SOURCE_ID, ProviderType, Symbol};
use crate::error::{Error, Result};
use crate::ingest::owners::{InstrumentName, RowOwner, SourceName};
use crate::models::{NewDataSource, NewInstrument};
use crate::repository::{data_source, instrument};
use crate::timestamp::Timestamp;

/// Symbols without an instrument that a message names.
const MISSING_SHOWN_MAX: usize = 20;

/// The ids of what was looked up, for one import.
#[derive(Debug, Default)]
pub(in crate::ingest) struct Ids {
    instruments: HashMap<Symbol, i64>,
    sources: HashMap<String, i64>,
    missing: BTreeSet<String>,
}

/// The ids of an owner of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OwnerIds {
    pub(super) instrument: i64,
    pub(super) source: i64,
}

impl Ids {
    /// The instrument and source of rows that name none. Without a symbol there is no such
    /// instrument: every row names its own.
    pub(super) fn target(
        &mut self,
        conn: &mut BackendConnection<'_>,
        plan: &Import,
        now: Timestamp,
    ) -> Result<OwnerIds> {
        let instrument = match &plan.symbol {
            Some(symbol) => {
                self.look_up(conn, std::iter::once(symbol), plan, now)?;
                self.refuse_missing()?;
                self.instruments.get(symbol).copied().unwrap_or(0)
            }
            None => 0,
        };
        let source = match &plan.source {
            Some(name) => self.source(conn, name, plan, now)?,
            None => DEFAULT_SOURCE_ID,
        };
        Ok(OwnerIds { instrument, source })
    }

    /// The ids of owners; `None` for one whose symbol has no instrument, which is remembered.
    pub(super) fn owners(
        &mut self,
        conn: &mut BackendConnection<'_>,
        owners: &[RowOwner],
        target: OwnerIds,
        plan: &Import,
        now: Timestamp,
    ) -> Result<Vec<Option<OwnerIds>>> {
        let symbols = owners.iter().filter_map(|owner| match &owner.instrument {
            Some(InstrumentName::Symbol(symbol)) => Some(symbol),
            _ => None,
        });
        self.look_up(conn, symbols, plan, now)?;
        let mut ids = Vec::with_capacity(owners.len());
        for owner in owners {
            let source = match &owner.source {
                Some(SourceName::Id(id)) => *id,
                Some(SourceName::Name(name)) => self.source(conn, name, plan, now)?,
                None => target.source,
            };
            let instrument = match &owner.instrument {
                Some(InstrumentName::Id(id)) => Some(*id),
                Some(InstrumentName::Symbol(symbol)) => self.instruments.get(symbol).copied(),
                None => Some(target.instrument),
            };
            ids.push(instrument.map(|instrument| OwnerIds { instrument, source }));
        }
        Ok(ids)
    }

    /// The instrument of a symbol that was looked up, if there is one.
    #[cfg(feature = "server")]
    pub(in crate::ingest) fn instrument(&self, symbol: &Symbol) -> Option<i64> {
        self.instruments.get(symbol).copied()
    }

    /// True when a symbol had no instrument.
    pub(super) fn is_incomplete(&self) -> bool {
        !self.missing.is_empty()
    }

    /// The error that names every symbol without an instrument.
    pub(super) fn refuse_missing(&self) -> Result<()> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let shown = self.missing.iter().take(MISSING_SHOWN_MAX);
        let names: Vec<&str> = shown.map(String::as_str).collect();
        let more = match self.missing.len() - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (what, remedy) = if self.missing.len() == 1 {
            (
                "instrument",
                "check the symbol, or add the instrument with --create TYPE",
            )
        } else {
            (
                "instruments",
                "check the symbols, or add the instruments with --create TYPE",
            )
        };
        Err(Error::not_found(
            format!("{what} {}{more}", names.join(", ")),
            remedy,
        ))
    }

    /// Looks up the instruments of symbols that are new, and adds those that lack if the plan
    /// says so.
    pub(in crate::ingest) fn look_up<'s>(
        &mut self,
        conn: &mut BackendConnection<'_>,
        symbols: impl Iterator<Item = &'s Symbol>,
        plan: &Import,
        now: Timestamp,
    ) -> Result<()> {
        let new = symbols.filter(|symbol| !self.instruments.contains_key(*symbol));
        // Sorted: two imports that add the same instruments lock them in the same order.
        let new: BTreeSet<Symbol> = new.cloned().collect();
        let new: Vec<Symbol> = new.into_iter().collect();
        if new.is_empty() {
            return Ok(());
        }
        // A look changes nothing: without a word caches would be read anew after each import.
        let look = conn.invalidates(Invalidation::Nothing);
        let labels = instrument::labels_by_symbol(conn, &new)?;
        drop(look);
        for label in labels {
            self.instruments.insert(label.symbol, label.id);
        }
        for symbol in new {
            if self.instruments.contains_key(&symbol) {
                continue;
            }
            match plan.create {
                Some(kind) => {
                    let new = NewInstrument::new(symbol.clone(), symbol.as_str(), kind);
                    let id = instrument::insert(conn, &new, now)?.id;
                    self.instruments.insert(symbol, id);
                }
                None => {
                    // Not an error yet: all missing symbols are named together.
                    self.missing.insert(symbol.to_string());
                }
            }
        }
        Ok(())
    }

    /// The id of the source with this name, which is added if the plan says so.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none; those of the database.
    pub(in crate::ingest) fn source(
        &mut self,
        conn: &mut BackendConnection<'_>,
        name: &str,
        plan: &Import,
        now: Timestamp,
    ) -> Result<i64> {
        if let Some(id) = self.sources.get(name) {
            return Ok(*id);
        }
        let look = conn.invalidates(Invalidation::Nothing);
        let stored = data_source::by_name(conn, name)?;
        drop(look);
        let id = match stored {
            Some(known) => known.id,
            None if plan.create_source => {
                let new = NewDataSource::new(name, ProviderType::File);
                data_source::insert(conn, &new, now)?.id
            }
            None => {
                return Err(Error::not_found(
                    format!("data source {name:?}"),
                    "check the name, or add the source with --create-source",
                ));
            }
        };
        self.sources.insert(name.to_owned(), id);
        Ok(id)
    }
}
