//! The syntax of one line: its parts between unescaped commas, equals signs and spaces, as they
//! stand in the text. It knows no names and reads no numbers.

use std::borrow::Cow;

use memchr::memchr;

use crate::error::Error;

/// Why a line, or a part of it, cannot be read: the rule, and what would be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineFault {
    pub(super) reason: String,
    pub(super) remedy: Cow<'static, str>,
}

impl LineFault {
    pub(super) fn new(reason: impl Into<String>, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }

    /// The error of the line with this number.
    pub(super) fn at(self, line: u64) -> Error {
        Error::Line {
            line,
            reason: self.reason,
            remedy: self.remedy.into_owned(),
        }
    }
}

/// A tag or a field, as it is written.
type NameAndValue<'a> = (&'a [u8], &'a [u8]);

/// What a whole line looks like.
const FORM: &str = "write a line like ticks,symbol=ES price=1641.5,volume=8i 1378203780074000000";
/// Bytes of a part that a message repeats.
const SHOWN_BYTES_MAX: usize = 40;

/// A part of a line, as a message repeats it.
pub(super) fn shown(part: &[u8]) -> String {
    let text = String::from_utf8_lossy(part.get(..SHOWN_BYTES_MAX).unwrap_or(part));
    format!("{text:?}")
}

/// The part without the backslashes that escape something.
pub(super) fn unescaped(part: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', part).is_none() {
        return Cow::Borrowed(part);
    }
    let mut plain = Vec::with_capacity(part.len());
    let mut rest = part;
    while let Some((byte, after)) = rest.split_first() {
        let escaped = match (byte, after.first()) {
            (b'\\', Some(next)) if is_escapable(*next) => Some(*next),
            _ => None,
        };
        plain.push(escaped.unwrap_or(*byte));
        rest = after.get(usize::from(escaped.is_some())..).unwrap_or(&[]);
    }
    Cow::Owned(plain)
}

/// What a backslash takes its meaning from; before another byte it is a backslash.
const fn is_escapable(byte: u8) -> bool {
    matches!(byte, b',' | b'=' | b' ' | b'\\')
}

/// The length of the text before the first byte that ends a part, and that byte; a byte behind a
/// backslash ends nothing.
fn length_of_part(text: &[u8], ends: impl Fn(u8) -> bool) -> (usize, Option<u8>) {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if *byte == b'\\' && text.get(at + 1).is_some_and(|next| is_escapable(*next)) {
            at += 2;
        } else if ends(*byte) {
            return (at, Some(*byte));
        } else {
            at += 1;
        }
    }
    (text.len(), None)
}

/// The head of a line, measurement and tags, and what follows: fields and stamp.
pub(super) fn head_and_rest(line: &[u8]) -> Result<(&[u8], &[u8]), LineFault> {
    let (length, end) = length_of_part(line, |byte| byte == b' ');
    let rest = line.get(length..).unwrap_or(&[]).trim_ascii_start();
    if end.is_none() || rest.is_empty() {
        return Err(LineFault::new("it has no fields", FORM));
    }
    Ok((&line[..length], rest))
}

/// The measurement of a head, and its tags.
pub(super) fn measurement_and_tags(head: &[u8]) -> (&[u8], LineTags<'_>) {
    let (length, end) = length_of_part(head, |byte| byte == b',');
    let rest = end.map(|_| &head[length + 1..]);
    (&head[..length], LineTags { rest })
}

/// The tags of a head, each a name and a value.
pub(super) struct LineTags<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for LineTags<'a> {
    type Item = Result<NameAndValue<'a>, LineFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.take()?;
        let (name, rest) = match name_and_rest(text, "tag") {
            Ok(found) => found,
            Err(fault) => return Some(Err(fault)),
        };
        let (length, end) = length_of_part(rest, |byte| matches!(byte, b',' | b'='));
        if end == Some(b'=') {
            let reason = format!("the tag {} has a second = in its value", shown(name));
            return Some(Err(LineFault::new(reason, "write \\= for an = in a value")));
        }
        if length == 0 {
            let reason = format!("the tag {} has no value", shown(name));
            return Some(Err(LineFault::new(reason, "give it one, or leave it out")));
        }
        self.rest = end.map(|_| &rest[length + 1..]);
        Some(Ok((name, &rest[..length])))
    }
}

/// The fields of a line, each a name and a value, and the stamp behind them.
pub(super) struct LineFields<'a> {
    text: &'a [u8],
    ended: bool,
}

impl<'a> LineFields<'a> {
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self { text, ended: false }
    }

    /// The next field, whose value is not read yet.
    pub(super) fn next(&mut self) -> Result<Option<NameAndValue<'a>>, LineFault> {
        if self.ended {
            return Ok(None);
        }
        let (name, rest) = name_and_rest(self.text, "field")?;
        refuse_other_types(name, rest)?;
        // In a number nothing is escaped.
        let length = rest.iter().position(|byte| matches!(byte, b',' | b' '));
        let (value, rest) = rest.split_at(length.unwrap_or(rest.len()));
        if value.is_empty() {
            let reason = format!("the field {} has no value", shown(name));
            return Err(LineFault::new(reason, "give it one, or leave it out"));
        }
        match rest.strip_prefix(b",") {
            Some(after) => self.text = after,
            None => {
                self.ended = true;
                self.text = rest.trim_ascii();
            }
        }
        Ok(Some((name, value)))
    }

    /// The text of the stamp, once there are no fields any more; `None` when there is none.
    pub(super) fn stamp(&self) -> Option<&'a [u8]> {
        (self.ended && !self.text.is_empty()).then_some(self.text)
    }
}

/// The name before an equals sign, and what stands behind it.
fn name_and_rest<'a>(text: &'a [u8], kind: &str) -> Result<NameAndValue<'a>, LineFault> {
    let (length, end) = length_of_part(text, |byte| matches!(byte, b'=' | b',' | b' '));
    let name = &text[..length];
    if end != Some(b'=') {
        let reason = format!("the {kind} {} has no = and no value", shown(name));
        return Err(LineFault::new(reason, FORM));
    }
    if name.is_empty() {
        return Err(LineFault::new(format!("a {kind} has no name"), FORM));
    }
    Ok((name, &text[length + 1..]))
}

/// Refuses values that are no numbers by their first byte: what follows may hold any other.
fn refuse_other_types(name: &[u8], value: &[u8]) -> Result<(), LineFault> {
    let (what, remedy) = match value.first() {
        Some(b'"') => (
            "a string",
            "ticks have numbers alone; symbol and source are tags, before the first space",
        ),
        Some(b'=') => (
            "a binary value of QuestDB's protocol 2",
            "send text: set protocol_version=1, which the client does by itself when \
             GET /settings answers 404",
        ),
        _ => return Ok(()),
    };
    let reason = format!("the field {} is {what}", shown(name));
    Err(LineFault::new(reason, remedy))
}
