//! Instruments: the row, a new one, and a change.

use diesel::dsl::InnerJoin;
use diesel::prelude::*;

use crate::domain::{InstrumentStatus, InstrumentType, PriceDecimals, Symbol, TradingCalendar};
use crate::models::soft_deletable_row;
use crate::soft_delete::{Active, SoftDeletable};
use crate::tables::{instrument_state, instruments};
use crate::timestamp::Timestamp;

/// An instrument that is traded or watched, with its newest tick: a query of your own that selects it
/// joins [`instrument_state`].
#[derive(Debug, Clone, PartialEq, HasQuery)]
#[diesel(table_name = instruments)]
#[diesel(
    base_query = instruments::table.active().inner_join(instrument_state::table),
    base_query_type = InnerJoin<Active<instruments::table>, instrument_state::table>
)]
#[non_exhaustive]
pub struct Instrument {
    /// Its number.
    pub id: i64,
    /// The name under which it trades; unique among active instruments.
    pub symbol: Symbol,
    /// Its full name.
    pub name: String,
    /// The type of the instrument; `type` in JSON.
    pub instrument_type: InstrumentType,
    /// The state of the instrument: fed or not.
    pub status: InstrumentStatus,
    /// Places to which responses round its prices; none where they show what is stored.
    pub price_decimals: Option<PriceDecimals>,
    /// When it is traded; `None` by its type, see [`Instrument::trading_calendar`].
    pub calendar: Option<TradingCalendar>,
    /// The newest tick's time.
    #[diesel(select_expression = instrument_state::last_tick)]
    pub last_tick: Option<Timestamp>,
    /// The newest price.
    #[diesel(select_expression = instrument_state::last_price)]
    pub last_price: Option<f64>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was deleted, if it was.
    pub deleted_at: Option<Timestamp>,
}
soft_deletable_row!(Instrument);
crate::identifiable!(Instrument of instruments by id: i64);

impl Instrument {
    /// Its calendar, or the usual one of its type.
    #[must_use]
    pub fn trading_calendar(&self) -> TradingCalendar {
        let usual = TradingCalendar::of(self.instrument_type);
        self.calendar.unwrap_or(usual)
    }
}

/// An instrument to add.
#[derive(Debug, Clone, PartialEq, Eq, Insertable)]
#[diesel(table_name = instruments, treat_none_as_default_value = false)]
pub struct NewInstrument {
    /// The name under which it trades.
    pub symbol: Symbol,
    /// Its full name.
    pub name: String,
    /// Its type.
    pub instrument_type: InstrumentType,
    /// The state of the instrument: fed or not.
    pub status: InstrumentStatus,
    /// Places to which responses round its prices; none where they show what is stored.
    pub price_decimals: Option<PriceDecimals>,
    /// When it is traded; `None` by its type.
    pub calendar: Option<TradingCalendar>,
}

impl NewInstrument {
    /// An active instrument whose prices are shown as they are stored.
    #[must_use]
    pub fn new(symbol: Symbol, name: impl Into<String>, instrument_type: InstrumentType) -> Self {
        Self {
            symbol,
            name: name.into(),
            instrument_type,
            status: InstrumentStatus::Active,
            price_decimals: None,
            calendar: None,
        }
    }
}

/// A change of an instrument; `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = instruments)]
pub struct InstrumentChange {
    /// Its full name.
    pub name: Option<String>,
    /// The state of the instrument: fed or not.
    pub status: Option<InstrumentStatus>,
    /// Places to which responses round its prices; `Some(None)` has them show what is stored.
    pub price_decimals: Option<Option<PriceDecimals>>,
    /// When it is traded; `Some(None)` goes back to that of its type.
    pub calendar: Option<Option<TradingCalendar>>,
}
