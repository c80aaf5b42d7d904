//! Trace context as the W3C writes it (<https://www.w3.org/TR/trace-context/>): the header
//! `traceparent` of a request, and the id of its trace. It sends nothing.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The id of a trace: what belongs to one request, over all programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(u128);

impl TraceId {
    /// The trace of a header `traceparent` of version 00; `None` for one that is malformed, which
    /// is to be ignored.
    #[must_use]
    pub fn of_traceparent(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut hex = |length: usize| {
            let part = parts.next()?;
            let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            (part.len() == length && part.bytes().all(lower)).then_some(part)
        };
        let (version, trace, parent) = (hex(2)?, hex(32)?, hex(16)?);
        hex(2)?; // Flags.
        let is_whole = parts.next().is_none() && version == "00";
        // All zeros are no id.
        let parent = u64::from_str_radix(parent, 16).ok()?;
        let trace = u128::from_str_radix(trace, 16).ok()?;
        (is_whole && parent != 0 && trace != 0).then_some(Self(trace))
    }

    /// The header that takes the trace on, from a span with this id.
    #[must_use]
    pub fn traceparent(self, span: u64) -> String {
        format!("00-{self}-{:016x}-01", span.max(1))
    }
}

impl FromStr for TraceId {
    type Err = Error;

    /// Reads 32 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self> {
        let id = u128::from_str_radix(text, 16).ok().filter(|id| *id != 0);
        let id = id.filter(|_| text.len() == 32 && !text.starts_with('+'));
        id.map(Self).ok_or_else(|| {
            let reason = "it is not the id of a trace";
            Error::invalid("trace_id", reason, "write 32 hexadecimal digits, not all 0")
        })
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn a_header_of_version_00_names_its_trace_and_any_other_is_ignored() {
        let header = format!("00-{TRACE}-b7ad6b7169203331-01");
        let trace = TraceId::of_traceparent(&header).unwrap();
        assert_eq!(trace.to_string(), TRACE);
        assert_eq!(TRACE.parse::<TraceId>().unwrap(), trace);
        for odd in ["", "7", &format!("+{}", &TRACE[1..]), &"0".repeat(32)] {
            odd.parse::<TraceId>().unwrap_err();
        }
        let on = trace.traceparent(0xb7ad_6b71_6920_3331);
        assert_eq!(on, header);
        assert_eq!(TraceId::of_traceparent(&trace.traceparent(0)), Some(trace));
        for odd in [
            "",
            "00",
            TRACE,
            &header[..54],
            &format!("{header}-00"),
            &format!("01{}", &header[2..]),
            &format!("ff{}", &header[2..]),
            &header.to_uppercase(),
            &header.replace(TRACE, &"0".repeat(32)),
            &header.replace("b7ad6b7169203331", &"0".repeat(16)),
            &header.replace('-', " "),
            &header.replace("b7ad", "é7a"),
            &format!(" {header}"),
        ] {
            assert_eq!(TraceId::of_traceparent(odd), None, "{odd}");
        }
    }
}
