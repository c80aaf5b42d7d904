//! StampReading runs of decimal digits out of bytes, without allocation; no meaning of its own.

/// A text that is read from the front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digits<'a> {
    rest: &'a [u8],
}

impl<'a> Digits<'a> {
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    /// The bytes not read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// Reads one of the bytes of `any`.
    pub(super) fn one_of(&mut self, any: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|byte| any.contains(byte))?;
        self.skip(1);
        Some(byte)
    }

    /// Reads exactly `N` digits.
    pub(super) fn fixed<const N: usize>(&mut self) -> Option<i64> {
        let (digits, rest) = self.rest.split_first_chunk::<N>()?;
        let mut value = 0;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        self.rest = rest;
        Some(value)
    }

    /// Reads one or two digits.
    pub(super) fn one_or_two(&mut self) -> Option<i64> {
        self.fixed::<2>().or_else(|| self.fixed::<1>())
    }

    /// Counts the digits at the front.
    pub(super) fn run(&self) -> usize {
        self.rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    }

    /// Reads the digits of a fraction of a second: microseconds, and whether digits other than
    /// zero were cut off. At least one digit must be there.
    pub(super) fn fraction(&mut self) -> Option<(i64, bool)> {
        let run = self.run();
        let (digits, rest) = self.rest.split_at_checked(run)?;
        let mut micros = 0;
        for place in 0..6 {
            let digit = digits.get(place).map_or(0, |byte| i64::from(byte - b'0'));
            micros = micros * 10 + digit;
        }
        let cut = digits.iter().skip(6).any(|digit| *digit != b'0');
        self.rest = rest;
        (run > 0).then_some((micros, cut))
    }
}
