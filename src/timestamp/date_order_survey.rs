//! Decides whether the day or the month comes first in dates, over all stamps of a file: one alone
//! may not tell.

use super::date_order::DateOrder;
use super::digits::Digits;
use super::parse::{NumericDate, automatic};
use crate::error::{Error, Result};

/// Looks at all stamps of a file before one is read, and decides what no single stamp can tell:
/// whether `02/01/2024` begins with the day, and whether numbers of eight digits are dates.
///
/// A number above 12 proves the order. The sequence of the rows proves nothing: `01/02/2024`,
/// `01/03/2024` can be two days or two months.
#[derive(Debug, Clone, Default)]
pub struct DateOrderSurvey {
    /// The first stamp of each kind, for messages.
    day_first: Option<String>,
    month_first: Option<String>,
    either: Option<String>,
    compact_date: Option<String>,
    bare_number: Option<String>,
}

impl DateOrderSurvey {
    /// True when a file with a stamp like this must be surveyed before it is read. ISO stamps,
    /// counts since 1970 and named months tell what they are.
    #[must_use]
    pub fn is_needed_for(stamp: &[u8]) -> bool {
        let mut survey = Self::default();
        survey.add(stamp);
        survey.day_first.is_some()
            || survey.month_first.is_some()
            || survey.either.is_some()
            || survey.compact_date.is_some()
    }

    /// Looks at one more stamp; other texts are passed over.
    pub fn add(&mut self, stamp: &[u8]) {
        let stamp = stamp.trim_ascii();
        let example = match stamp {
            // The usual form tells everything.
            [_, b'0'..=b'9', b'0'..=b'9', _, b'-', ..] => return,
            _ => self.example_for(stamp),
        };
        if let Some(example) = example
            && example.is_none()
        {
            *example = Some(String::from_utf8_lossy(stamp).into_owned());
        }
    }

    fn example_for(&mut self, stamp: &[u8]) -> Option<&mut Option<String>> {
        let mut digits = Digits::new(stamp);
        let run = digits.run();
        if run == stamp.len() && run > 0 {
            if automatic(stamp, None).is_err() {
                return Some(&mut self.bare_number);
            }
            // Eight digits may be a date or a count: the other stamps of the column tell.
            return (run == 8).then_some(&mut self.compact_date);
        }
        let date = NumericDate::read(&mut digits).ok()?;
        match date.order() {
            Some(DateOrder::DayFirst) => Some(&mut self.day_first),
            Some(_) => Some(&mut self.month_first),
            // Both numbers are above 12: the row is refused when it is read, and proves nothing.
            None if date.first > 12 => None,
            None => Some(&mut self.either),
        }
    }

    /// The order of the file's dates; `None` when no stamp depends on it.
    ///
    /// # Errors
    /// [`Error::Invalid`] when both orders are proved, when neither is and dates depend on it, or
    /// when only some of the numbers are dates. It names stamps of the file and the options.
    pub fn decide(&self) -> Result<Option<DateOrder>> {
        if let (Some(date), Some(number)) = (&self.compact_date, &self.bare_number) {
            return Err(Error::invalid(
                "timestamp",
                format!("{date:?} could be a date, but {number:?} of the same column is none"),
                "name what the numbers are: --timestamp-format unix_s, unix_ms, unix_us, unix_ns \
                 or a pattern",
            ));
        }
        match (&self.day_first, &self.month_first, &self.either) {
            (Some(day), Some(month), _) => Err(Error::invalid(
                "timestamp",
                format!("{day:?} has the day first, but {month:?} has the month first"),
                "write all dates of the file in one order, or split the file",
            )),
            (Some(_), None, _) => Ok(Some(DateOrder::DayFirst)),
            (None, Some(_), _) => Ok(Some(DateOrder::MonthFirst)),
            (None, None, Some(either)) => Err(ambiguous(either)),
            (None, None, None) => Ok(None),
        }
    }
}

fn ambiguous(stamp: &str) -> Error {
    let (day, month) = (pattern_of(stamp, "%d", "%m"), pattern_of(stamp, "%m", "%d"));
    Error::invalid(
        "timestamp",
        format!(
            "{stamp:?} can have the day first or the month first, and no date of the file has a \
             number above 12 that tells"
        ),
        format!(
            "name the order: --date-order day (--timestamp-format '{day}') or --date-order month \
             (--timestamp-format '{month}')"
        ),
    )
}

/// The pattern that reads a stamp like this one.
fn pattern_of(stamp: &str, first: &str, second: &str) -> String {
    let separator = stamp.chars().find(|c| !c.is_ascii_digit()).unwrap_or('/');
    let time = match stamp.split_once([' ', 'T']) {
        None => "",
        Some((_, time)) if time.contains('.') => " %H:%M:%S%.f",
        Some((_, time)) if time.matches(':').count() > 1 => " %H:%M:%S",
        Some(_) => " %H:%M",
    };
    format!("{first}{separator}{second}{separator}%Y{time}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decide(stamps: &[&str]) -> Result<Option<DateOrder>, String> {
        let mut survey = DateOrderSurvey::default();
        for stamp in stamps {
            survey.add(stamp.as_bytes());
        }
        survey.decide().map_err(|error| error.to_string())
    }

    #[test]
    fn a_number_above_twelve_proves_the_order_of_the_file() {
        for (stamps, order) in [
            (&["01/04/2020", "14/04/2020"][..], DateOrder::DayFirst),
            (&["1/4/1999", "1/14/1999 17:00:00"], DateOrder::MonthFirst),
            (
                &["01.02.2024 00:00:00.000 GMT+0000", "31.01.2024"],
                DateOrder::DayFirst,
            ),
            (&["02-13-2024", "02-12-2024"], DateOrder::MonthFirst),
        ] {
            assert_eq!(decide(stamps), Ok(Some(order)), "{stamps:?}");
            assert!(DateOrderSurvey::is_needed_for(stamps[0].as_bytes()));
        }
    }

    #[test]
    fn what_tells_itself_needs_no_survey() {
        for stamp in [
            "2024-02-01",
            "2024.01.02 00:00:00",
            "1704153600",
            "Nov 5, 2023",
            "nothing",
            "",
        ] {
            assert_eq!(decide(&[stamp]), Ok(None), "{stamp}");
            assert!(!DateOrderSurvey::is_needed_for(stamp.as_bytes()), "{stamp}");
        }
    }

    #[test]
    fn what_cannot_be_decided_is_refused_with_the_options_to_name() {
        let error = decide(&["01/04/2020", "02/04/2020 10:00"]).unwrap_err();
        for part in ["01/04/2020", "--date-order day", "'%d/%m/%Y'", "'%m/%d/%Y'"] {
            assert!(error.contains(part), "{error}");
        }
        let error = decide(&["01.04.2020 10:00:00.5"]).unwrap_err();
        assert!(error.contains("'%d.%m.%Y %H:%M:%S%.f'"), "{error}");
        let error = decide(&["13/04/2020", "04/14/2020"]).unwrap_err();
        assert!(
            error.contains("13/04/2020") && error.contains("04/14/2020"),
            "{error}"
        );
    }

    #[test]
    fn numbers_of_which_only_some_are_dates_are_refused() {
        assert_eq!(decide(&["20240102", "20240103"]), Ok(None));
        let error = decide(&["20010203", "34200123"]).unwrap_err();
        assert!(
            error.contains("34200123") && error.contains("unix_ms"),
            "{error}"
        );
    }

    #[test]
    fn the_order_is_named_by_what_comes_first() {
        assert_eq!("day".parse::<DateOrder>().unwrap(), DateOrder::DayFirst);
        assert!(
            "D/M/Y"
                .parse::<DateOrder>()
                .unwrap_err()
                .to_string()
                .contains("year, month or day")
        );
    }

    proptest! {
        #[test]
        fn arbitrary_stamps_never_panic(stamps: Vec<Vec<u8>>, text in "[0-9/.: -]{0,20}") {
            let mut survey = DateOrderSurvey::default();
            survey.add(text.as_bytes());
            for stamp in &stamps {
                survey.add(stamp);
            }
            let _ = survey.decide();
        }
    }
}
