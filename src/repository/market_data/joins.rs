//! Joins ticks with the state of their instrument.

use diesel::dsl;

use crate::tables::{instrument_state, market_data};

pub(super) type OfInstruments =
    dsl::Eq<market_data::instrument_id, instrument_state::instrument_id>;
