//! Instruments as the API writes and reads them.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Rounding;
use super::rules::given;
use crate::domain::{InstrumentStatus, InstrumentType, PriceDecimals, Symbol, TradingCalendar};
use crate::error::{Error, Result};
use crate::ingest::whole;
use crate::models::{Deletion, Instrument, InstrumentChange, NewInstrument};

/// An instrument.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Instrument)]
pub(in crate::api) struct InstrumentItem {
    id: i64,
    symbol: String,
    name: String,
    r#type: InstrumentType,
    status: InstrumentStatus,
    /// Places to which its prices are rounded; null where they are shown as they are stored.
    price_decimals: Option<i32>,
    /// When it is traded, which coverage goes by; null for that of its type: 24x7 for crypto, weekdays
    /// for all others.
    calendar: Option<TradingCalendar>,
    /// Event time of the newest tick.
    #[schema(format = DateTime)]
    last_tick: Option<String>,
    last_price: Option<f64>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// An instrument to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewInstrument)]
pub(in crate::api) struct InstrumentBody {
    /// Printable ASCII with single spaces within; kept in upper case. Unique among active instruments.
    #[schema(min_length = 1, max_length = 32, pattern = r"^[!-~]+( [!-~]+)*$")]
    symbol: String,
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    name: String,
    r#type: InstrumentType,
    status: Option<InstrumentStatus>,
    /// Places to which its prices are rounded. Null, the default, shows what is stored, digit by
    /// digit.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schema(minimum = 0, maximum = 15)]
    price_decimals: Option<i32>,
    /// When it is traded; by its type unless set.
    calendar: Option<TradingCalendar>,
}

/// What to change of an instrument; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InstrumentChange)]
pub(in crate::api) struct InstrumentChangeBody {
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    name: Option<String>,
    status: Option<InstrumentStatus>,
    /// Null shows prices as they are stored.
    #[serde(default, deserialize_with = "given_places")]
    #[schema(value_type = Option<i32>, minimum = 0, maximum = 15)]
    price_decimals: Option<Option<i32>>,
    /// When it is traded; null goes back to that of its type.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<TradingCalendar>)]
    calendar: Option<Option<TradingCalendar>>,
}

/// Places that are there, null included; absent ones are the default, `None`.
fn given_places<'de, D>(deserializer: D) -> std::result::Result<Option<Option<i32>>, D::Error>
where
    D: Deserializer<'de>,
{
    whole::optional(deserializer).map(Some)
}

/// Which instruments a list holds.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct InstrumentQuery {
    /// Only those of this type
    #[param(inline)]
    pub(in crate::api) r#type: Option<InstrumentType>,
    /// Only those with this status
    #[param(inline)]
    pub(in crate::api) status: Option<InstrumentStatus>,
    /// Only those with the status `active`
    #[serde(default)]
    #[param(default = false)]
    pub(in crate::api) active_only: bool,
    /// Instruments of one page
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    pub(in crate::api) limit: Option<usize>,
    /// Goes on where the page before ended; from its header `link`
    #[param(max_length = 32, pattern = r"^[!-~]+( [!-~]+)*$")]
    pub(in crate::api) cursor: Option<String>,
}

/// What became of an instrument.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Message {
    /// What was done.
    message: String,
    /// The batch that it is, by which it can be undone; null when there was nothing left to delete.
    deletion_id: Option<i64>,
}

impl Message {
    /// A row of this kind went to the trash.
    pub(in crate::api) fn deleted(kind: &str, id: i64, deletion: Option<&Deletion>) -> Self {
        Self {
            message: format!("{kind} {id} deleted successfully"),
            deletion_id: deletion.map(Deletion::id),
        }
    }
}

impl From<Instrument> for InstrumentItem {
    fn from(row: Instrument) -> Self {
        Self {
            id: row.id,
            symbol: row.symbol.to_string(),
            name: row.name,
            r#type: row.instrument_type,
            status: row.status,
            price_decimals: row.price_decimals.map(PriceDecimals::places),
            calendar: row.calendar,
            last_tick: row.last_tick.map(|at| at.to_string()),
            last_price: Rounding::from(row.price_decimals).price(row.last_price),
            created_at: row.created_at.to_string(),
        }
    }
}

impl TryFrom<InstrumentBody> for NewInstrument {
    type Error = Error;

    fn try_from(body: InstrumentBody) -> Result<Self> {
        let new = Self::new(Symbol::new(&body.symbol)?, name(body.name)?, body.r#type);
        Ok(Self {
            status: body.status.map_or(new.status, Into::into),
            price_decimals: decimals(body.price_decimals)?,
            calendar: body.calendar,
            ..new
        })
    }
}

impl TryFrom<InstrumentChangeBody> for InstrumentChange {
    type Error = Error;

    fn try_from(body: InstrumentChangeBody) -> Result<Self> {
        Ok(Self {
            name: body.name.map(name).transpose()?,
            status: body.status,
            price_decimals: body.price_decimals.map(decimals).transpose()?,
            calendar: body.calendar,
        })
    }
}

fn decimals(places: Option<i32>) -> Result<Option<PriceDecimals>> {
    places.map(PriceDecimals::new).transpose()
}

/// A name that people can read: no blank one, no control characters (PostgreSQL stores no NUL).
fn name(name: String) -> Result<String> {
    const LENGTH_MAX: usize = 200;
    let length = name.chars().count();
    let reason = if name.trim().is_empty() {
        "it is empty".to_owned()
    } else if length > LENGTH_MAX {
        format!("it has {length} characters")
    } else if name.chars().any(char::is_control) {
        "it holds a control character".to_owned()
    } else {
        return Ok(name);
    };
    let remedy = format!("use 1 to {LENGTH_MAX} characters that can be seen");
    Err(Error::invalid("name", reason, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_people_can_read() {
        name("E-mini S&P 500 é".to_owned()).unwrap();
        for (wrong, reason) in [
            ("", "empty"),
            (" \t", "empty"),
            ("a\0b", "control"),
            (&"x".repeat(201), "201"),
        ] {
            let error = name(wrong.to_owned()).unwrap_err().to_string();
            assert!(
                error.starts_with("name: ") && error.contains(reason),
                "{error}"
            );
        }
    }
}
