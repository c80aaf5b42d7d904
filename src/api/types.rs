//! Bodies of requests and responses, and how numbers and times are written. The words of the field
//! serialise themselves.
//!
//! Prices are rounded here, half to even; sizes lose their point when they are whole. Field names
//! are those of the contract with the clients.

mod alerts;
mod analytics;
#[cfg(feature = "archive")]
mod archive;
mod bars;
mod coverage;
mod deletions;
mod health;
mod health_history;
mod history;
mod import;
mod instruments;
mod line_protocol;
mod market_data;
mod numbers;
mod object;
mod realtime;
mod replay;
#[cfg(feature = "archive")]
mod retention;
mod rules;
mod service_health;
mod silences;
mod slow_queries;
mod snapshot;
mod table;
mod udf;

pub(super) use alerts::*;
pub(super) use analytics::*;
#[cfg(feature = "archive")]
pub(super) use archive::*;
pub(super) use bars::*;
pub(super) use coverage::*;
pub(super) use deletions::*;
pub(super) use health::*;
pub(super) use health_history::*;
pub(super) use history::*;
pub(super) use import::*;
pub(super) use instruments::*;
pub(super) use line_protocol::*;
pub(super) use market_data::*;
pub(super) use numbers::{Rounding, quantity, rounded};
pub(super) use object::JsonObject;
pub(super) use realtime::*;
pub(super) use replay::*;
#[cfg(feature = "archive")]
pub(super) use retention::*;
pub(super) use rules::*;
pub(super) use service_health::*;
pub(super) use silences::*;
pub(super) use slow_queries::*;
pub(super) use snapshot::*;
pub(super) use table::*;
pub(super) use udf::*;

#[cfg(test)]
mod tests {
    use crate::domain::{
        BarPrice, ChannelKind, Condition, DeletedKind, DeletionState, DeliveryState,
        DeliveryStatus, FiredStatus, Frequency, InstrumentStatus, InstrumentType, ProviderType,
        RuleType, TradingCalendar,
    };

    #[test]
    fn the_words_of_the_api_are_those_of_the_database() {
        macro_rules! same {
            ($($of:ident),+) => {$(
                for word in $of::ALL.iter().copied() {
                    let json = serde_json::Value::from(word.as_str());
                    assert_eq!(serde_json::to_value(word).unwrap(), json);
                    assert_eq!(serde_json::from_value::<$of>(json).unwrap(), word);
                }
            )+};
        }
        same!(
            BarPrice,
            ChannelKind,
            Condition,
            DeletedKind,
            DeletionState,
            DeliveryState,
            DeliveryStatus,
            FiredStatus
        );
        same!(
            Frequency,
            InstrumentStatus,
            InstrumentType,
            ProviderType,
            RuleType,
            TradingCalendar
        );
    }
}
