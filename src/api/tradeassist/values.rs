//! Single values, read as leniently as pydantic reads them: numbers and truth values as text, too.
//!
//! The conversions are those of <https://docs.pydantic.dev/2.5/concepts/conversion_table/>.

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
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(whole),
            (None, Some(double)) if double.fract() == 0.0 && double.abs() < 9e18 => {
                Ok(double as i64)
            }
            _ => Err(fraction()),
        },
        Value::String(text) => {
            let plain = text.trim().replace('_', "");
            let plain = plain.strip_suffix(".0").unwrap_or(&plain);
            plain.parse().map_err(|_| {
                let msg = "Input should be a valid integer, unable to parse string as an integer";
                Fault::new("int_parsing", msg)
            })
        }
        Value::Bool(truth) => Ok(i64::from(*truth)),
        _ => Err(Fault::new("int_type", "Input should be a valid integer")),
    }
}

/// A number.
pub(super) fn number(value: &Value) -> ReadValue<f64> {
    match value {
        Value::Number(number) => Ok(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => text.trim().parse().map_err(|_| {
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
            _ => None,
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
        if number < *range.start() {
            return Err(too_small(&json!(range.start())));
        }
        if number > *range.end() {
            return Err(too_large(&json!(range.end())));
        }
        if number.is_finite() {
            return Ok(number);
        }
        let msg = "Input should be a finite number";
        Err(Fault::new("finite_number", msg))
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
        let read = |(index, value)| item(value).map_err(|fault| fault.at(index, value));
        items.iter().enumerate().map(read).collect()
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
        for given in [json!(60), json!(60.0), json!("60"), json!(" 60 ")] {
            assert_eq!(integer(&given), Ok(60), "{given}");
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
