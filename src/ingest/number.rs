//! Numbers of a feed: exactly rounded doubles, and the ways of writing them that a user names.
//!
//! Nothing is guessed: `1,5` and `1,500` are no numbers until the user says what the comma is.

use crate::error::{Error, Result};

/// The form of a feed's numbers, beside the plain one `-1234.5` or `1e3`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NumberFormat {
    /// The decimal point is a comma, and a point is none.
    pub decimal_comma: bool,
    /// Between groups of three digits stands this byte: a comma, a point, an apostrophe, a space
    /// (also a no-break space) or an underscore. A number may leave all of them out, not some.
    pub thousands: Option<u8>,
    /// A last letter K, M or B, in either case, means thousands, millions or billions (10^9).
    pub suffixes: bool,
}

/// Characters that may stand between groups of three digits.
const SEPARATORS: &[u8; 5] = b",.' _";
/// Spaces that do not break a line, which are spaces here, too: U+00A0, U+202F, U+2009.
const WIDE_SPACES: [&[u8]; 3] = [b"\xc2\xa0", b"\xe2\x80\xaf", b"\xe2\x80\x89"];

impl NumberFormat {
    /// Reads a number without blanks around it, rounded correctly.
    #[inline]
    #[must_use]
    pub fn read(&self, text: &[u8]) -> Option<f64> {
        if *self == Self::default() {
            float(text)
        } else {
            float(&self.plain(text)?)
        }
    }

    /// The separator of thousands that an option names.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is none.
    pub fn thousands_of(text: &str) -> Result<u8> {
        match text.as_bytes() {
            [byte] if SEPARATORS.contains(byte) => Ok(*byte),
            _ => Err(Error::invalid(
                "thousands",
                format!("{text:?} does not separate groups of three digits"),
                "name a comma, a point, an apostrophe, a space or an underscore",
            )),
        }
    }

    /// Refuses a format in which one character means two things.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the character.
    pub fn check(&self) -> Result<()> {
        let (point, name) = self.decimal_point();
        if self.thousands != Some(point) {
            return Ok(());
        }
        Err(Error::invalid(
            "thousands",
            format!("the {name} is the decimal point already"),
            "name another separator, or --decimal-comma for numbers like 1.234,5",
        ))
    }

    /// The options under which this text would be a number; `None` when there are none.
    #[must_use]
    pub fn option_for(&self, text: &[u8]) -> Option<&'static str> {
        // Only for a message: reading never guesses an option.
        let mut reading = OPTIONS
            .iter()
            .filter(|(format, _)| format.read(text).is_some());
        let (_, first) = reading.next()?;
        // `1,234`: the first two of the table.
        let either = *first == OPTIONS[0].1 && reading.any(|(_, name)| *name == OPTIONS[1].1);
        Some(if either { EITHER } else { first })
    }

    const fn decimal_point(&self) -> (u8, &'static str) {
        if self.decimal_comma {
            (b',', "comma")
        } else {
            (b'.', "point")
        }
    }

    /// Rewrites a number in the plain form.
    fn plain(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut plain = Vec::with_capacity(text.len() + 3);
        let mut rest = text;
        if let [sign @ (b'-' | b'+'), unsigned @ ..] = rest {
            plain.push(*sign);
            rest = unsigned;
        }
        let (rest, exponent) = self.exponent(rest);
        let (point, _) = self.decimal_point();
        let (whole, fraction) = match rest.iter().position(|byte| *byte == point) {
            Some(at) => (rest.get(..at)?, rest.get(at + 1..)?),
            None => (rest, &[][..]),
        };
        self.push_whole(whole, &mut plain)?;
        plain.push(b'.');
        if !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        plain.extend_from_slice(fraction);
        plain.extend_from_slice(exponent);
        Some(plain)
    }

    /// Splits off a suffix or an exponent, as it is written in the plain form.
    fn exponent<'a>(&self, text: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        if self.suffixes
            && let [number @ .., letter] = text
        {
            match letter {
                b'K' | b'k' => return (number, b"e3"),
                b'M' | b'm' => return (number, b"e6"),
                b'B' | b'b' => return (number, b"e9"),
                _ => {}
            }
        }
        let at = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
        text.split_at(at.unwrap_or(text.len()))
    }

    /// Appends the digits before the decimal point.
    fn push_whole(&self, text: &[u8], plain: &mut Vec<u8>) -> Option<()> {
        let mut groups = 0;
        let mut group_digits = 0;
        let mut rest = text;
        while let Some((byte, after)) = rest.split_first() {
            if byte.is_ascii_digit() {
                plain.push(*byte);
                group_digits += 1;
                rest = after;
                continue;
            }
            let separator = self.separator_bytes(rest)?;
            let complete = if groups == 0 {
                // `0,123` is no group of thousands: its comma is a decimal point.
                (1..=3).contains(&group_digits) && text.first() != Some(&b'0')
            } else {
                group_digits == 3
            };
            if !complete {
                return None;
            }
            groups += 1;
            group_digits = 0;
            rest = rest.get(separator..)?;
        }
        // The last group must be whole, too: `1,23` is no group of thousands.
        (groups == 0 || group_digits == 3).then_some(())
    }

    /// Counts the bytes of a separator of thousands at the front.
    fn separator_bytes(&self, text: &[u8]) -> Option<usize> {
        let separator = self.thousands?;
        if text.first() == Some(&separator) {
            return Some(1);
        }
        let wide = WIDE_SPACES
            .into_iter()
            .find(|space| text.starts_with(space));
        wide.filter(|_| separator == b' ').map(<[u8]>::len)
    }
}

const fn format(decimal_comma: bool, thousands: u8, suffixes: bool) -> NumberFormat {
    NumberFormat {
        decimal_comma,
        thousands: if thousands == 0 {
            None
        } else {
            Some(thousands)
        },
        suffixes,
    }
}

/// The options that may read a text, the likelier first.
const OPTIONS: [(NumberFormat, &str); 17] = [
    (format(false, b',', false), "--thousands ,"),
    (format(true, 0, false), "--decimal-comma"),
    (format(false, 0, true), "--suffixes"),
    (format(false, b',', true), "--thousands , --suffixes"),
    (format(true, 0, true), "--decimal-comma --suffixes"),
    (format(true, b'.', false), "--decimal-comma --thousands ."),
    (
        format(true, b'.', true),
        "--decimal-comma --thousands . --suffixes",
    ),
    (format(false, b'\'', false), "--thousands \"'\""),
    (format(false, b' ', false), "--thousands ' '"),
    (format(false, b'_', false), "--thousands _"),
    (
        format(true, b'\'', false),
        "--decimal-comma --thousands \"'\"",
    ),
    (format(true, b' ', false), "--decimal-comma --thousands ' '"),
    (format(true, b'_', false), "--decimal-comma --thousands _"),
    (format(false, b'\'', true), "--thousands \"'\" --suffixes"),
    (format(false, b' ', true), "--thousands ' ' --suffixes"),
    (
        format(true, b'\'', true),
        "--decimal-comma --thousands \"'\" --suffixes",
    ),
    (
        format(true, b' ', true),
        "--decimal-comma --thousands ' ' --suffixes",
    ),
];

const EITHER: &str =
    "--thousands , where the comma separates groups, --decimal-comma where it is the decimal point";

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// A number, rounded correctly. Up to 15 digits without an exponent are read here: mantissa and
/// power of ten are exact, so one division rounds once. The rest is std's work.
fn float(text: &[u8]) -> Option<f64> {
    const EXACT_DIGITS_MAX: usize = 15;
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    // One more than digits, for the point.
    if digits.len() > EXACT_DIGITS_MAX + 1 {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let mut mantissa: u64 = 0;
    let mut places = None;
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + u64::from(byte - b'0'),
            b'.' if places.is_none() => places = Some(digits.len() - index - 1),
            _ => return std::str::from_utf8(text).ok()?.parse().ok(),
        }
    }
    let count = digits.len() - usize::from(places.is_some());
    if count == 0 || count > EXACT_DIGITS_MAX {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let value = mantissa as f64 / EXACT_POWERS[places.unwrap_or(0)];
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn std_float(text: &[u8]) -> Option<f64> {
        std::str::from_utf8(text).ok()?.parse().ok()
    }

    #[test]
    fn numbers_of_feeds_are_read() {
        assert_eq!(float(b"1640.25"), Some(1640.25));
        assert_eq!(float(b"-37.63"), Some(-37.63));
        assert_eq!(float(b"1e3"), Some(1000.0));
        assert_eq!(float(b"256.8800048828125"), Some(256.8800048828125));
        for text in [
            "", "-", ".", "1,5", "1 5", "0x10", "1.2.3", "--1", "1_000", "5%",
        ] {
            assert_eq!(float(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_read_as_the_user_says_they_are_written() {
        let comma = format(false, b',', false);
        let german = format(true, b'.', false);
        for (format, text, expected) in [
            (comma, "21,940.5", Some(21_940.5)),
            (comma, "-1,234,567", Some(-1_234_567.0)),
            (comma, "1234567.25", Some(1_234_567.25)),
            (comma, "1e3", Some(1_000.0)),
            (comma, "1,5", None),
            (comma, "1,2345", None),
            (comma, "12,34,567", None),
            (comma, "1234,567", None),
            (comma, "0,123", None),
            (comma, ",123", None),
            (comma, "1,234,", None),
            (comma, "1.234,567", None),
            (comma, "1,234K", None),
            (german, "1.234,5", Some(1_234.5)),
            (german, "1,5", Some(1.5)),
            (german, "1.5", None),
            (german, "1,5e3", Some(1_500.0)),
            (format(true, 0, false), "0,0000042", Some(0.000_004_2)),
            (format(true, 0, false), "1.5", None),
            (format(false, b'\'', false), "1'234.5", Some(1_234.5)),
            (format(false, b'_', false), "1_234", Some(1_234.0)),
            (format(true, b' ', false), "1 234,5", Some(1_234.5)),
            (
                format(true, b' ', false),
                "1\u{a0}234\u{202f}567,5",
                Some(1_234_567.5),
            ),
            (format(false, b',', true), "1,151.20K", Some(1_151_200.0)),
        ] {
            assert_eq!(format.read(text.as_bytes()), expected, "{text} {format:?}");
        }
    }

    #[test]
    fn suffixes_are_exact() {
        let suffixes = format(false, 0, true);
        for (text, expected) in [
            ("151.20K", Some(151_200.0)),
            ("0.07k", Some(70.0)),
            ("1.005M", Some(1_005_000.0)),
            ("2.3b", Some(2_300_000_000.0)),
            ("-4.1B", Some(-4_100_000_000.0)),
            ("12", Some(12.0)),
            ("K", None),
            ("1KK", None),
            ("1e3K", None),
            ("5%", None),
        ] {
            assert_eq!(suffixes.read(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_number_names_the_options_under_which_it_is_one() {
        for (text, options) in [
            ("21,940.5", Some("--thousands ,")),
            ("1,5", Some("--decimal-comma")),
            ("1,234", Some(EITHER)),
            ("151.20K", Some("--suffixes")),
            ("1,151.20K", Some("--thousands , --suffixes")),
            ("1.234,5", Some("--decimal-comma --thousands .")),
            ("1'234.5", Some("--thousands \"'\"")),
            ("1 234,5", Some("--decimal-comma --thousands ' '")),
            ("5%", None),
            ("null", None),
            ("", None),
        ] {
            assert_eq!(
                NumberFormat::default().option_for(text.as_bytes()),
                options,
                "{text}"
            );
        }
    }

    #[test]
    fn a_separator_is_one_character_with_one_meaning() {
        assert_eq!(NumberFormat::thousands_of("'").unwrap(), b'\'');
        for text in ["", "x", "5", ",,"] {
            let error = NumberFormat::thousands_of(text).unwrap_err().to_string();
            assert!(error.contains("apostrophe"), "{text}: {error}");
        }
        assert!(format(true, b'.', true).check().is_ok());
        for format in [format(true, b',', false), format(false, b'.', false)] {
            assert!(format.check().unwrap_err().to_string().contains("already"));
        }
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_std(text in "[-+]?[0-9]{0,18}[.]?[0-9]{0,18}(e-?[0-9]{1,3})?") {
            let (ours, theirs) = (float(text.as_bytes()), std_float(text.as_bytes()));
            prop_assert_eq!(ours.map(f64::to_bits), theirs.map(f64::to_bits), "{}", text);
            // Other ways of writing leave the plain form as it is.
            for format in [format(false, b',', true), format(false, b'_', false)] {
                let ours = format.read(text.as_bytes());
                prop_assert_eq!(ours.map(f64::to_bits), theirs.map(f64::to_bits), "{}", text);
            }
        }

        #[test]
        fn every_double_reads_back(number in proptest::num::f64::NORMAL) {
            prop_assert_eq!(float(number.to_string().as_bytes()), Some(number));
        }

        #[test]
        fn grouped_digits_are_the_number(
            number in -10_000_000_000_i64..10_000_000_000, cents in 0..100, german: bool,
        ) {
            let plain = format!("{number}.{cents:02}");
            let digits = number.unsigned_abs().to_string();
            let (separator, point) = if german { ('.', ',') } else { (',', '.') };
            let mut grouped = String::from(if number < 0 { "-" } else { "" });
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index).is_multiple_of(3) {
                    grouped.push(separator);
                }
                grouped.push(digit);
            }
            grouped.push(point);
            grouped.push_str(&format!("{cents:02}"));
            let format = format(german, separator as u8, false);
            prop_assert_eq!(format.read(grouped.as_bytes()), std_float(plain.as_bytes()));
        }

        #[test]
        fn suffixes_are_those_of_exact_decimals(whole in 0..1_000_000, places in 0..1_000) {
            let number = format!("{whole}.{places:03}");
            let exact = format!("{number}e6");
            let read = format(false, 0, true).read(format!("{number}M").as_bytes());
            prop_assert_eq!(read, std_float(exact.as_bytes()));
        }

        #[test]
        fn arbitrary_bytes_never_panic(text: Vec<u8>, numeric in "[0-9,.' KMe+-]{0,12}") {
            let (ours, theirs) = (float(&text), std_float(&text));
            prop_assert_eq!(ours.is_some(), theirs.is_some());
            for text in [text.as_slice(), numeric.as_bytes()] {
                let _ = NumberFormat::default().option_for(text);
            }
        }
    }
}
