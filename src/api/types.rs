//! The only place that serialises: bodies of requests and responses, and how numbers and times
//! are written.
//!
//! Prices are rounded here, half to even; sizes lose their point when they are whole. Field names
//! are those of the contract with the clients.

/// The words of the API and those of the field, one to one.
macro_rules! words {
    ($word:ident <=> $domain:ident: $($name:ident),+) => {
        impl From<$word> for $domain {
            fn from(word: $word) -> Self {
                match word { $($word::$name => Self::$name,)+ }
            }
        }

        impl From<$domain> for $word {
            fn from(word: $domain) -> Self {
                match word { $($domain::$name => Self::$name,)+ }
            }
        }
    };
}

mod alerts;
mod analytics;
mod bars;
mod coverage;
mod frequency;
mod health;
mod history;
mod import;
mod instruments;
mod market_data;
mod numbers;
mod object;
mod realtime;
mod rules;
mod slow_queries;

pub(super) use alerts::*;
pub(super) use analytics::*;
pub(super) use bars::*;
pub(super) use coverage::*;
pub(super) use frequency::FrequencyWord;
pub(super) use health::*;
pub(super) use history::*;
pub(super) use import::*;
pub(super) use instruments::*;
pub(super) use market_data::*;
pub(super) use numbers::{Rounding, quantity, rounded};
pub(super) use object::JsonObject;
pub(super) use realtime::*;
pub(super) use rules::*;
pub(super) use slow_queries::*;
