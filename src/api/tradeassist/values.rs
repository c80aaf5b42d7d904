//! Single values, read as leniently as pydantic reads them: numbers and truth values as text, too.
//!
//! The conversions are those of <https://docs.pydantic.dev/2.5/concepts/conversion_table/>.

use std::borrow::Cow;
use std::str::FromStr;

use serde_json::{Value, json};

use super::problem::Fault;

type ReadValue<T> = Result<T, Fault>;

/// A whole number: `60`, `60.0` and `"60"` alike.
pub(super) fn integer(value: &Value) -> ReadValue<i64> {
    let fraction = || {
        let msg = "Input should be a valid integer, got a number with a fractional part";
        Fault::new("int_from_float", msg)
    };
    let too_large = || {
        let msg = "Unable to parse input string as an integer, exceeded maximum size";
        Fault::new("int_parsing_size", msg)
    };
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(whole),
            (None, Some(double)) if double.fract() != 0.0 => Err(fraction()),
            (None, Some(double)) if double.abs() < 9e18 => Ok(double as i64),
            _ => Err(too_large()),
        },
        Value::String(text) => {
            let plain = whole_digits(text);
            let digits = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                let msg = "Input should be a valid integer, unable to parse string as an integer";
                return Err(Fault::new("int_parsing", msg));
            }
            plain.parse().map_err(|_| too_large())
        }
        Value::Bool(truth) => Ok(i64::from(*truth)),
        _ => Err(Fault::new("int_type", "Input should be a valid integer")),
    }
}

/// The digits of a whole number: without a point that only zeros follow, or the underscores of
/// groups.
fn whole_digits(text: &str) -> Cow<'_, str> {
    match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|b| b == b'0') => whole.into(),
        _ => without_groups(text),
    }
}

/// The text without single underscores between its digits, as Python writes long numbers.
pub(super) fn without_groups(text: &str) -> Cow<'_, str> {
    let is_grouped = text.contains('_')
        && !text.starts_with('_')
        && !text.ends_with('_')
        && !text.contains("__");
    match is_grouped {
        true => text.replace('_', "").into(),
        false => text.into(),
    }
}

/// A number.
pub(super) fn number(value: &Value) -> ReadValue<f64> {
    match value {
        Value::Number(number) => Ok(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => without_groups(text).parse().map_err(|_| {
            let msg = "Input should be a valid number, unable to parse string as a number";
            Fault::new("float_parsing", msg)
        }),
        Value::Bool(truth) => Ok(f64::from(u8::from(*truth))),
        _ => Err(Fault::new("float_type", "Input should be a valid number")),
    }
}

/// A truth value: `true`, `1`, `"yes"`, `"on"`, .. and their opposites, in any case.
pub(super) fn truth(value: &Value) -> ReadValue<bool> {
    let of_word = |text: &str| match text.to_lowercase().as_str() {
        "1" | "on" | "t" | "true" | "y" | "yes" => Some(true),
        "0" | "off" | "f" | "false" | "n" | "no" => Some(false),
        _ => None,
    };
    let found = match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => of_word(text),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            Some(double) if double.fract() == 0.0 => None,
            _ => return Err(Fault::new("bool_type", "Input should be a valid boolean")),
        },
        _ => {
            let msg = "Input should be a valid boolean";
            return Err(Fault::new("bool_type", msg));
        }
    };
    found.ok_or_else(|| {
        let msg = "Input should be a valid boolean, unable to interpret input";
        Fault::new("bool_parsing", msg)
    })
}

/// A text.
pub(super) fn text(value: &Value) -> ReadValue<String> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| Fault::new("string_type", "Input should be a valid string"))
}

/// A text of so many characters.
pub(super) fn text_of(
    length: std::ops::RangeInclusive<usize>,
) -> impl Fn(&Value) -> ReadValue<String> {
    move |value| {
        let text = text(value)?;
        let (min, max) = (*length.start(), *length.end());
        let characters = |count: usize| match count {
            1 => "1 character".to_owned(),
            more => format!("{more} characters"),
        };
        match text.chars().count() {
            few if few < min => {
                let msg = format!("String should have at least {}", characters(min));
                Err(Fault::new("string_too_short", msg).with("min_length", json!(min)))
            }
            many if many > max => {
                let msg = format!("String should have at most {}", characters(max));
                Err(Fault::new("string_too_long", msg).with("max_length", json!(max)))
            }
            _ => Ok(text),
        }
    }
}

/// A word of a closed list. The refusal names those of the original; what tickbase has beside them is
/// taken, too.
pub(super) fn word<T: FromStr>(words: &[&str]) -> impl Fn(&Value) -> ReadValue<T> {
    move |value| {
        let text = text(value)?;
        text.parse().map_err(|_| Fault::word(words))
    }
}

/// A whole number of this range.
pub(super) fn within(range: std::ops::RangeInclusive<i64>) -> impl Fn(&Value) -> ReadValue<i64> {
    move |value| {
        let number = integer(value)?;
        if number < *range.start() {
            return Err(too_small(&json!(range.start())));
        }
        if number > *range.end() {
            return Err(too_large(&json!(range.end())));
        }
        Ok(number)
    }
}

/// A whole number that is no smaller.
pub(super) fn at_least(min: i64) -> impl Fn(&Value) -> ReadValue<i64> {
    within(min..=i64::MAX)
}

/// A number of this range.
pub(super) fn number_within(
    range: std::ops::RangeInclusive<f64>,
) -> impl Fn(&Value) -> ReadValue<f64> {
    move |value| {
        let number = number(value)?;
        // What is no number is not at least anything.
        if number.is_nan() || number < *range.start() {
            return Err(too_small(&json!(range.start())));
        }
        if number.is_infinite() && *range.end() == f64::MAX {
            let msg = "Input should be a finite number";
            return Err(Fault::new("finite_number", msg));
        }
        if number > *range.end() {
            return Err(too_large(&json!(range.end())));
        }
        Ok(number)
    }
}

/// Bounds are shown without a point where they are whole, in the text alone.
fn too_small(min: &Value) -> Fault {
    let msg = format!("Input should be greater than or equal to {}", plain(min));
    Fault::new("greater_than_equal", msg).with("ge", json!(min))
}

fn too_large(max: &Value) -> Fault {
    let msg = format!("Input should be less than or equal to {}", plain(max));
    Fault::new("less_than_equal", msg).with("le", json!(max))
}

fn plain(bound: &Value) -> String {
    let text = bound.to_string();
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// A list, each item read by `item`.
pub(super) fn list<T>(
    item: impl Fn(&Value) -> ReadValue<T>,
) -> impl Fn(&Value) -> ReadValue<Vec<T>> {
    move |value| {
        let Some(items) = value.as_array() else {
            return Err(Fault::new("list_type", "Input should be a valid list"));
        };
        let (mut read, mut faults) = (Vec::with_capacity(items.len()), Vec::new());
        for (index, value) in items.iter().enumerate() {
            match item(value) {
                Ok(value) => read.push(value),
                Err(fault) => faults.push(fault.at(index, value)),
            }
        }
        Fault::of_items(faults).map_or(Ok(read), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_is_told_in_many_words() {
        for (given, expected) in [
            (json!(true), true),
            (json!("True"), true),
            (json!("yes"), true),
            (json!(1), true),
            (json!("off"), false),
            (json!(0.0), false),
        ] {
            assert_eq!(truth(&given), Ok(expected), "{given}");
        }
        for odd in [json!("maybe"), json!(2), json!("")] {
            assert!(truth(&odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_whole_number_is_taken_in_any_form_and_a_fraction_in_none() {
        for text in ["60", "+60", "60.0", "60.00", "60.", "6_0", "0060"] {
            assert_eq!(integer(&json!(text)), Ok(60), "{text}");
        }
        for given in [json!(60), json!(60.0)] {
            assert_eq!(integer(&given), Ok(60), "{given}");
        }
        for text in [
            " 60 ", "__60", "6__0", "60_", "6_0.0", "60.50", "1e3", "", "+",
        ] {
            assert!(integer(&json!(text)).is_err(), "{text}");
        }
        for large in [json!(1e20), json!("100000000000000000000")] {
            let fault = integer(&large).unwrap_err();
            assert!(
                format!("{fault:?}").contains("int_parsing_size"),
                "{fault:?}"
            );
        }
        for odd in [
            json!(60.5),
            json!("60.5"),
            json!("x"),
            json!(null),
            json!([]),
        ] {
            assert!(integer(&odd).is_err(), "{odd}");
        }
    }
}
