//! The words of frequencies, in questions and answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Frequency;

/// The length of a bar's period; 1M is a month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Frequency)]
pub(in crate::api) enum FrequencyWord {
    #[serde(rename = "1min")]
    OneMinute,
    #[serde(rename = "5min")]
    FiveMinutes,
    #[serde(rename = "15min")]
    FifteenMinutes,
    #[serde(rename = "30min")]
    ThirtyMinutes,
    #[serde(rename = "1h")]
    OneHour,
    #[serde(rename = "4h")]
    FourHours,
    #[default]
    #[serde(rename = "1d")]
    OneDay,
    #[serde(rename = "1w")]
    OneWeek,
    #[serde(rename = "1M")]
    OneMonth,
}
words!(FrequencyWord <=> Frequency: OneMinute, FiveMinutes, FifteenMinutes, ThirtyMinutes,
    OneHour, FourHours, OneDay, OneWeek, OneMonth);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_frequencies_are_those_of_the_database() {
        for frequency in Frequency::ALL {
            let text = serde_json::to_value(FrequencyWord::from(frequency)).unwrap();
            assert_eq!(text, frequency.as_str());
        }
    }
}
