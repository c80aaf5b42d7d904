//! Joins ticks with their instrument.

use diesel::dsl;

use crate::tables::{instruments, market_data};

pub(super) type OfInstruments = dsl::Eq<market_data::instrument_id, instruments::id>;
