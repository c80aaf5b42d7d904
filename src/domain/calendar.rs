//! The calendar of an instrument, as a word. The days and hours behind the word are in
//! `services::coverage`.

use crate::domain::{InstrumentType, text_enum};

text_enum! {
    /// The days and hours on which periods should have a bar. An exchange has its market
    /// identifier code (ISO 10383).
    pub enum TradingCalendar = "calendar" {
        /// Every day, as for crypto currencies.
        EveryDay = "24x7",
        /// Monday to Friday in UTC.
        Weekdays = "weekdays",
        /// The New York Stock Exchange.
        NewYork = "XNYS",
        /// The Nasdaq Stock Market, which keeps the days and hours of the New York Stock Exchange.
        Nasdaq = "XNAS",
    }
}

impl TradingCalendar {
    /// The usual one of a type of instrument.
    #[must_use]
    pub fn of(instrument_type: InstrumentType) -> Self {
        match instrument_type {
            InstrumentType::Crypto => Self::EveryDay,
            _ => Self::Weekdays,
        }
    }
}
