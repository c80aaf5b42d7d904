//! Delimited text: fields of a line, the delimiter, whether the first line is a header.
//!
//! A record is one line: market data has no line breaks inside fields, and a stray quote must
//! cost one row, not the rest of the file.

use crate::timestamp::{DateOrderSurvey, StampReader, TimestampFormat};

/// Delimiters that are recognised, the likelier first.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// Calls `each` with every field's index and text (without quotes); returns how many there are.
pub(super) fn split<'a>(
    line: &'a [u8],
    delimiter: u8,
    mut each: impl FnMut(usize, &'a [u8]),
) -> Result<usize, &'static str> {
    if line.contains(&b'"') {
        return split_quoted(line, delimiter, each);
    }
    let mut count = 0;
    for field in line.split(|byte| *byte == delimiter) {
        each(count, field);
        count += 1;
    }
    Ok(count)
}

#[cold]
fn split_quoted<'a>(
    line: &'a [u8],
    delimiter: u8,
    mut each: impl FnMut(usize, &'a [u8]),
) -> Result<usize, &'static str> {
    let mut rest = line;
    let mut count = 0;
    loop {
        let (field, after) = match rest.strip_prefix(b"\"") {
            Some(quoted) => {
                let end = closing_quote(quoted).ok_or("has a quote that is not closed")?;
                let (field, after) = quoted.split_at(end);
                (field, after.get(1..).unwrap_or_default())
            }
            None => {
                let end = rest
                    .iter()
                    .position(|byte| *byte == delimiter)
                    .unwrap_or(rest.len());
                rest.split_at(end)
            }
        };
        each(count, field);
        count += 1;
        match after.split_first() {
            None => return Ok(count),
            Some((byte, after)) if *byte == delimiter => rest = after,
            Some(_) => return Err("has text after a closing quote"),
        }
    }
}

/// Finds the end of a quoted field; a doubled quote inside does not end it.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text.get(at..)?.iter().position(|byte| *byte == b'"')?;
        if text.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// The delimiter that splits the line into the most fields; `None` when none occurs.
pub(super) fn delimiter_of(line: &[u8]) -> Option<u8> {
    let fields = |delimiter: u8| split(line, delimiter, |_, _| {}).unwrap_or(1);
    let best = DELIMITERS
        .into_iter()
        .rev()
        .max_by_key(|delimiter| fields(*delimiter))?;
    (fields(best) > 1).then_some(best)
}

/// The fields of a header.
pub(super) fn names(line: &[u8], delimiter: u8) -> Result<Vec<String>, &'static str> {
    let mut names = Vec::new();
    split(line, delimiter, |_, field| {
        let name = String::from_utf8_lossy(field.trim_ascii());
        names.push(name.replace("\"\"", "\""));
    })?;
    Ok(names)
}

/// A line is a header when none of its fields is a number or a stamp: every row of data has one.
pub(super) fn is_header(line: &[u8], delimiter: u8, stamps: &TimestampFormat) -> bool {
    let mut header = true;
    let split = split(line, delimiter, |_, field| {
        header &= !is_datum(field, stamps)
    });
    split.is_err() || header
}

fn is_datum(field: &[u8], stamps: &TimestampFormat) -> bool {
    let field = field.trim_ascii();
    if !field.iter().any(u8::is_ascii_digit) {
        return false;
    }
    let number = std::str::from_utf8(field).is_ok_and(|text| text.parse::<f64>().is_ok());
    let stamp = |format: TimestampFormat| StampReader::new(format, None).read(field).is_ok();
    // A date is a datum even where its order is not known.
    number
        || DateOrderSurvey::is_needed_for(field)
        || stamp(TimestampFormat::default())
        || stamp(stamps.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(line: &str) -> Result<Vec<String>, &'static str> {
        let mut fields = Vec::new();
        split(line.as_bytes(), b',', |index, field| {
            assert_eq!(index, fields.len());
            fields.push(String::from_utf8_lossy(field).into_owned());
        })?;
        Ok(fields)
    }

    #[test]
    fn quotes_hold_delimiters_together() {
        assert_eq!(fields("a,,b").unwrap(), ["a", "", "b"]);
        assert_eq!(
            fields(r#""2013-09-01, 17:00",1,"x ""y""""#).unwrap().len(),
            3
        );
        assert_eq!(fields(r#"a,"b""#).unwrap(), ["a", "b"]);
        assert!(fields(r#"a,"b"#).unwrap_err().contains("not closed"));
        assert!(
            fields(r#"a,"b"c,d"#)
                .unwrap_err()
                .contains("after a closing quote")
        );
    }

    #[test]
    fn the_delimiter_is_the_one_that_splits_most() {
        for (line, expected) in [
            ("a,b,c", Some(b',')),
            ("a\tb", Some(b'\t')),
            ("a;b,5;c", Some(b';')),
            ("20200101 170000065|1,1|2", Some(b'|')),
            (r#""a;b;c",d"#, Some(b',')),
            ("no delimiter here", None),
            ("", None),
        ] {
            assert_eq!(delimiter_of(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn a_line_with_a_number_or_a_stamp_is_no_header() {
        let header = |line: &str| is_header(line.as_bytes(), b',', &TimestampFormat::default());
        assert!(header("DateTime,Price,Volume"));
        assert!(header("1min_close,a1"), "digits alone do not make a number");
        assert!(!header("2013-09-01 17:00:00.083,1640.25,8"));
        assert!(!header("20200101 170000065,,,"));
        assert!(!header("Jan 1 2020,5"));
    }

    proptest! {
        #[test]
        fn arbitrary_lines_never_panic(line: Vec<u8>, text in "[\",;a1 ]{0,30}") {
            for line in [line.as_slice(), text.as_bytes()] {
                let delimiter = delimiter_of(line).unwrap_or(b',');
                let count = split(line, delimiter, |_, _| {});
                if let Ok(names) = names(line, delimiter) {
                    prop_assert_eq!(Ok(names.len()), count);
                }
                is_header(line, delimiter, &TimestampFormat::default());
            }
        }
    }
}
