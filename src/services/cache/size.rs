//! Counts the bytes of answers in memory. It decides nothing.

use std::sync::Arc;

use super::LatestTick;
use crate::database::Page;
use crate::domain::Symbol;
use crate::domain::instrument::SYMBOL_LENGTH_MAX;
use crate::models::{Instrument, MarketDataBar};
use crate::repository::instrument::InstrumentLabel;

/// The bytes of a value on the heap, beside its own size.
pub trait CacheSize {
    /// Bytes of all that it owns, as they were allocated.
    fn heap_bytes(&self) -> usize;

    /// True when it is worth its place; by default it is.
    fn is_worth_keeping(&self) -> bool {
        true
    }
}

impl CacheSize for i64 {
    fn heap_bytes(&self) -> usize {
        0
    }
}

impl CacheSize for String {
    fn heap_bytes(&self) -> usize {
        self.capacity()
    }
}

impl<T: CacheSize> CacheSize for Option<T> {
    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, T::heap_bytes)
    }
}

impl<T: CacheSize> CacheSize for Vec<T> {
    fn heap_bytes(&self) -> usize {
        let owned: usize = self.iter().map(T::heap_bytes).sum();
        self.capacity() * size_of::<T>() + owned
    }
}

/// The value, its two counts and what it owns.
impl<T: CacheSize> CacheSize for Arc<T> {
    fn heap_bytes(&self) -> usize {
        2 * size_of::<usize>() + size_of::<T>() + T::heap_bytes(self)
    }
}

impl CacheSize for Symbol {
    fn heap_bytes(&self) -> usize {
        self.as_str().len()
    }
}

impl CacheSize for InstrumentLabel {
    fn heap_bytes(&self) -> usize {
        self.symbol.heap_bytes()
    }
}

impl CacheSize for LatestTick {
    fn heap_bytes(&self) -> usize {
        self.label.heap_bytes()
    }
}

impl CacheSize for Instrument {
    fn heap_bytes(&self) -> usize {
        self.symbol.heap_bytes() + self.name.heap_bytes()
    }
}

impl CacheSize for Page<Instrument, Symbol> {
    fn heap_bytes(&self) -> usize {
        // Of each of the two cursors, if it is there.
        let cursors = 2 * SYMBOL_LENGTH_MAX;
        self.rows.heap_bytes() + cursors
    }
}

impl CacheSize for MarketDataBar {
    fn heap_bytes(&self) -> usize {
        self.contract_month.heap_bytes()
    }
}

/// The id of the instrument that has a symbol.
pub(super) struct CachedId(pub(super) Option<i64>);

impl CacheSize for CachedId {
    fn heap_bytes(&self) -> usize {
        0
    }

    /// There is no end to the names that nobody has.
    fn is_worth_keeping(&self) -> bool {
        self.0.is_some()
    }
}
