//! Words of the field, as validated types: what a tick, a bar, an instrument, a rule or an alert
//! is, wherever it came from, and the closed lists of words that the database stores.
//!
//! A check that is made here is made once, at the border; nothing in here knows a database query
//! or a file, only how a word is written in SQL.

pub mod aggregate;
pub mod alert;
pub mod alert_template;
mod archive;
pub mod bar;
pub mod bar_price;
pub mod calendar;
pub mod candle;
pub mod condition;
pub mod data_source;
pub mod deletion;
pub mod expression;
pub mod instrument;
mod period;
pub mod places;
mod retention;
mod rule;
pub mod tick;
pub mod trace;

pub use aggregate::{Aggregator, PeriodBar};
pub use alert::{ChannelKind, DeliveryState, DeliveryStatus, FiredStatus};
pub use alert_template::{AlertTemplate, BuiltInTemplate, TemplateVariables};
#[cfg(feature = "server")]
pub(crate) use alert_template::{TemplateAlert, TemplateFacts, TemplateRenderer};
pub use archive::{ArchivePeriod, SegmentState};
pub use bar::{Bar, Frequency, RawBar};
pub use bar_price::BarPrice;
pub(crate) use bar_price::TickPrices;
pub use calendar::TradingCalendar;
pub use candle::Candle;
pub use condition::{Condition, ConditionParameters, RuleCondition, RuleType, Trigger};
pub use data_source::ProviderType;
pub use deletion::{DeletedKind, DeletionCounts, DeletionState};
pub use expression::Expression;
pub use instrument::{InstrumentStatus, InstrumentType, PriceDecimals, Symbol};
pub(crate) use period::DAY_MICROS;
pub use places::{mean_places, price_places, price_text};
pub use retention::{RetentionKind, RetentionPolicies, RetentionPolicyText};
pub use rule::{RULE_NAME_LENGTH_MAX, RuleKind, RuleShape};
pub use tick::{DEFAULT_SOURCE_ID, StoredTick};
pub use trace::TraceId;

/// A closed list of words, stored as TEXT on both backends: `as_str`, `FromStr`, `Display` and the
/// place in SQL from one table. A word that the list lacks is an error that names the column's
/// type and the word, also when it comes out of the database.
macro_rules! text_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident = $type_name:literal {
            $( $(#[$variant_meta:meta])* $variant:ident = $word:tt ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            diesel::expression::AsExpression, diesel::deserialize::FromSqlRow,
        )]
        #[cfg_attr(
            feature = "server",
            derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)
        )]
        #[diesel(sql_type = diesel::sql_types::Text)]
        pub enum $name {
            $(
                $(#[$variant_meta])*
                #[cfg_attr(feature = "server", serde(rename = $word))]
                $variant,
            )+
        }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that the database and the API use.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::error::Error;

            fn from_str(word: &str) -> $crate::error::Result<Self> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::domain::unknown_word($type_name, word, &[$($word),+])),
                }
            }
        }

        $crate::domain::text_in_sql!($name, $type_name, |value| value.as_str());
    };
}
pub(crate) use text_enum;

/// Stores a validated text as TEXT on both backends. What does not pass `FromStr` when it is read
/// is `Error::Corrupt`, never a panic.
macro_rules! text_in_sql {
    ($name:ident, $type_name:literal, |$value:ident| $text:expr) => {
        impl<DB> diesel::serialize::ToSql<diesel::sql_types::Text, DB> for $name
        where
            DB: diesel::backend::Backend,
            str: diesel::serialize::ToSql<diesel::sql_types::Text, DB>,
        {
            fn to_sql<'b>(
                &'b self,
                out: &mut diesel::serialize::Output<'b, '_, DB>,
            ) -> diesel::serialize::Result {
                let $value = self;
                diesel::serialize::ToSql::<diesel::sql_types::Text, DB>::to_sql($text, out)
            }
        }

        impl<DB> diesel::deserialize::FromSql<diesel::sql_types::Text, DB> for $name
        where
            DB: diesel::backend::Backend,
            String: diesel::deserialize::FromSql<diesel::sql_types::Text, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
                use diesel::sql_types::Text;
                let text = <String as diesel::deserialize::FromSql<Text, DB>>::from_sql(bytes)?;
                text.parse::<Self>()
                    .map_err(|error| $crate::domain::corrupt($type_name, text, &error).into())
            }
        }
    };
}
pub(crate) use text_in_sql;

/// The longest piece of a refused text that an error repeats, in characters.
const ECHO_CHARS_MAX: usize = 64;

fn echo(text: &str) -> String {
    text.chars().take(ECHO_CHARS_MAX).collect()
}

pub(crate) fn unknown_word(name: &str, word: &str, words: &[&str]) -> crate::error::Error {
    let accepted = format!("use one of {}", words.join(", "));
    crate::error::Error::invalid(name, format!("{:?} is unknown", echo(word)), accepted)
}

pub(crate) fn corrupt(
    what: &'static str,
    value: String,
    error: &crate::error::Error,
) -> crate::error::Error {
    let value = format!("{:?}", echo(&value));
    crate::error::Error::Corrupt {
        what,
        value,
        reason: format!("is not accepted ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_every_other_names_the_accepted_ones() {
        for status in InstrumentStatus::ALL {
            assert_eq!(
                status.as_str().parse::<InstrumentStatus>().unwrap(),
                *status
            );
            assert_eq!(status.to_string(), status.as_str());
        }
        let error = "Active"
            .parse::<InstrumentStatus>()
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "status: \"Active\" is unknown; use one of active, inactive, error"
        );
    }

    #[test]
    fn a_refused_text_is_repeated_only_up_to_a_limit() {
        let error = "x"
            .repeat(10_000)
            .parse::<InstrumentType>()
            .unwrap_err()
            .to_string();
        assert!(error.len() < 200, "{}", error.len());
    }
}
