//! Answers of TradingView's UDF protocol: bars and marks are tables, a list for each column.

use serde::Serialize;
use utoipa::ToSchema;

use super::Rounding;
use crate::domain::{InstrumentType, TradingCalendar, price_places};
use crate::models::{AlertLog, Instrument};
use crate::services::historical_data::SymbolHistory;
use crate::timestamp::Timestamp;

/// The periods of charts, in the protocol's words.
pub(in crate::api) const UDF_RESOLUTIONS: [&str; 9] =
    ["1", "5", "15", "30", "60", "240", "1D", "1W", "1M"];
/// Places of prices where nothing tells them.
const PLACES_DEFAULT: usize = 2;
/// Below this a mark would not show its letter.
const MARK_SIZE: u32 = 14;

/// Whole seconds since 1970 of a moment, towards the past.
pub(in crate::api) fn unix_seconds(moment: Timestamp) -> i64 {
    moment.micros().div_euclid(1_000_000)
}

/// What the server can do.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UdfConfig {
    supports_search: bool,
    supports_group_request: bool,
    supports_marks: bool,
    supports_timescale_marks: bool,
    supports_time: bool,
    supported_resolutions: [&'static str; UDF_RESOLUTIONS.len()],
    exchanges: Vec<UdfExchange>,
    symbols_types: Vec<UdfSymbolType>,
}

/// A value of the filter of exchanges; the first one stands for all.
#[derive(Debug, Serialize, ToSchema)]
struct UdfExchange {
    value: &'static str,
    name: &'static str,
    desc: &'static str,
}

/// A value of the filter of types; the first one stands for all.
#[derive(Debug, Serialize, ToSchema)]
struct UdfSymbolType {
    name: &'static str,
    value: &'static str,
}

impl UdfConfig {
    pub(in crate::api) fn new() -> Self {
        let exchange = |value, name| UdfExchange {
            value,
            name,
            desc: name,
        };
        let types = InstrumentType::ALL.iter().map(|of| udf_type(*of));
        // Internals count as indices.
        let mut types: Vec<&str> = types.collect();
        types.dedup();
        let all = UdfSymbolType {
            name: "All types",
            value: "",
        };
        Self {
            supports_search: true,
            supports_group_request: false,
            supports_marks: true,
            supports_timescale_marks: false,
            supports_time: true,
            supported_resolutions: UDF_RESOLUTIONS,
            exchanges: vec![
                exchange("", "All exchanges"),
                exchange(TradingCalendar::NewYork.as_str(), "New York Stock Exchange"),
                exchange(TradingCalendar::Nasdaq.as_str(), "Nasdaq Stock Market"),
                exchange(NO_EXCHANGE, "Others"),
            ],
            symbols_types: std::iter::once(all)
                .chain(
                    types
                        .into_iter()
                        .map(|value| UdfSymbolType { name: value, value }),
                )
                .collect(),
        }
    }
}

/// The exchange of an instrument whose calendar is that of none.
const NO_EXCHANGE: &str = "tickbase";

/// The exchange of an instrument: that of its calendar.
pub(in crate::api) fn udf_exchange(of: &Instrument) -> &'static str {
    match of.trading_calendar() {
        calendar @ (TradingCalendar::NewYork | TradingCalendar::Nasdaq) => calendar.as_str(),
        TradingCalendar::EveryDay | TradingCalendar::Weekdays => NO_EXCHANGE,
    }
}

/// The protocol's word for a type of instrument.
pub(in crate::api) fn udf_type(of: InstrumentType) -> &'static str {
    match of {
        InstrumentType::Future => "futures",
        InstrumentType::Index | InstrumentType::Internal => "index",
        InstrumentType::Equity => "stock",
        InstrumentType::Fx => "forex",
        InstrumentType::Crypto => "crypto",
    }
}

/// An instrument, as a chart shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UdfSymbol {
    name: String,
    full_name: String,
    /// The name by which its bars are asked for.
    ticker: String,
    description: String,
    r#type: &'static str,
    session: &'static str,
    timezone: &'static str,
    exchange: &'static str,
    listed_exchange: &'static str,
    format: &'static str,
    minmov: u32,
    minmov2: u32,
    /// 10 to the power of the places of its prices.
    pricescale: u64,
    has_intraday: bool,
    has_daily: bool,
    has_weekly_and_monthly: bool,
    supported_resolutions: [&'static str; UDF_RESOLUTIONS.len()],
    /// The periods that are asked for, and not made by the client.
    intraday_multipliers: [&'static str; 6],
    volume_precision: u32,
    data_status: &'static str,
}

impl From<&Instrument> for UdfSymbol {
    fn from(of: &Instrument) -> Self {
        let exchange = udf_exchange(of);
        let places = match of.price_decimals {
            Some(decimals) => decimals.places_shown(),
            None => {
                let last: Vec<f64> = of.last_price.into_iter().collect();
                price_places(None, &last).max(PLACES_DEFAULT)
            }
        };
        let places = u32::try_from(places).unwrap_or_default().min(15);
        Self {
            name: of.symbol.to_string(),
            full_name: format!("{exchange}:{}", of.symbol),
            ticker: of.symbol.to_string(),
            description: of.name.clone(),
            r#type: udf_type(of.instrument_type),
            // Periods are those of UTC, and there may be ticks at any hour.
            session: "24x7",
            timezone: "Etc/UTC",
            exchange,
            listed_exchange: exchange,
            format: "price",
            minmov: 1,
            minmov2: 0,
            pricescale: 10_u64.pow(places),
            has_intraday: true,
            has_daily: true,
            has_weekly_and_monthly: true,
            supported_resolutions: UDF_RESOLUTIONS,
            intraday_multipliers: ["1", "5", "15", "30", "60", "240"],
            volume_precision: 0,
            data_status: "streaming",
        }
    }
}

/// What is wrong with a question.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UdfProblem {
    errmsg: String,
}

impl UdfProblem {
    pub(in crate::api) fn new(errmsg: impl Into<String>) -> Self {
        Self {
            errmsg: errmsg.into(),
        }
    }

    pub(in crate::api) fn unknown_symbol() -> Self {
        Self::new("unknown_symbol")
    }
}

/// An instrument, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::api) enum UdfSymbolAnswer {
    Found(Box<UdfSymbol>),
    Refused(UdfRefusal),
}

/// A question that is not answered: clients read the body, whatever the status is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "s", rename_all = "snake_case")]
pub(in crate::api) enum UdfRefusal {
    Error(UdfProblem),
}

/// A find of a search.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UdfFind {
    symbol: String,
    full_name: String,
    ticker: String,
    description: String,
    exchange: &'static str,
    r#type: &'static str,
}

impl From<&Instrument> for UdfFind {
    fn from(of: &Instrument) -> Self {
        let found = UdfSymbol::from(of);
        Self {
            symbol: found.name,
            full_name: found.full_name,
            ticker: found.ticker,
            description: found.description,
            exchange: found.exchange,
            r#type: found.r#type,
        }
    }
}

/// Bars, none, or why there are none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "s", rename_all = "snake_case")]
pub(in crate::api) enum UdfHistoryAnswer {
    Ok(UdfBars),
    NoData(UdfNoData),
    Error(UdfProblem),
}

/// Bars, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UdfBars {
    /// Starts of the periods, in seconds since 1970.
    t: Vec<i64>,
    o: Vec<f64>,
    h: Vec<f64>,
    l: Vec<f64>,
    c: Vec<f64>,
    v: Vec<f64>,
}

impl From<&SymbolHistory> for UdfBars {
    fn from(of: &SymbolHistory) -> Self {
        let rounding = Rounding::from(of.price_decimals);
        let price = |price: f64| rounding.price(Some(price)).unwrap_or(price);
        let bars = of.history.bars.iter().filter_map(|bar| bar.candle());
        let mut table = Self {
            t: Vec::new(),
            o: Vec::new(),
            h: Vec::new(),
            l: Vec::new(),
            c: Vec::new(),
            v: Vec::new(),
        };
        for bar in bars {
            table.t.push(unix_seconds(bar.timestamp));
            table.o.push(price(bar.open));
            table.h.push(price(bar.high));
            table.l.push(price(bar.low));
            table.c.push(price(bar.close));
            table.v.push(bar.volume);
        }
        table
    }
}

/// No bars.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UdfNoData {
    /// The start of the newest bar before the range, where there is one.
    #[serde(rename = "nextTime", skip_serializing_if = "Option::is_none")]
    next_time: Option<i64>,
}

impl UdfNoData {
    pub(in crate::api) fn new(next: Option<Timestamp>) -> Self {
        Self {
            next_time: next.map(unix_seconds),
        }
    }
}

/// Alerts, as marks on bars; oldest first.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::api) struct UdfMarks {
    id: Vec<i64>,
    /// Seconds since 1970.
    time: Vec<i64>,
    color: Vec<&'static str>,
    text: Vec<String>,
    label: Vec<&'static str>,
    #[serde(rename = "labelFontColor")]
    label_font_color: Vec<&'static str>,
    #[serde(rename = "minSize")]
    min_size: Vec<u32>,
}

impl UdfMarks {
    /// The marks of alerts that come newest first.
    pub(in crate::api) fn of(alerts: Vec<AlertLog>) -> Self {
        let mut marks = Self::default();
        for alert in alerts.into_iter().rev() {
            marks.id.push(alert.id);
            marks.time.push(unix_seconds(alert.timestamp));
            marks.color.push("red");
            marks.text.push(alert.alert_message);
            marks.label.push("A");
            marks.label_font_color.push("white");
            marks.min_size.push(MARK_SIZE);
        }
        marks
    }
}
