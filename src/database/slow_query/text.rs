//! The text of a statement: without its bind values, normalised, and cut into words.
//!
//! It knows how SQLite and PostgreSQL write texts, names and comments, and nothing of grammar.

use std::fmt::{self, Display, Write};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What Diesel writes between a statement and its bind values.
const BINDS: &str = " -- binds: ";

/// A word of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// White space or a comment.
    Blank,
    /// A text in quotes.
    Text,
    /// A number.
    Number,
    /// A parameter: `?`, `$1`.
    Parameter,
    /// A name, a keyword, a quoted name or a sign.
    Other,
}

/// The statement of a query as Diesel shows it. The bind values, which come last, are not even
/// formatted: writing ends where they begin.
pub(super) fn without_binds(query: &(impl Display + ?Sized)) -> String {
    let mut cut = BeforeBinds(String::new());
    // An error is the cut, or a query that cannot be shown, of which nothing was written.
    let _ = write!(cut, "{query}");
    cut.0
}

struct BeforeBinds(String);

impl Write for BeforeBinds {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let mut from = self.0.len().saturating_sub(BINDS.len());
        while !self.0.is_char_boundary(from) {
            from -= 1;
        }
        self.0.push_str(piece);
        match self.0[from..].find(BINDS) {
            Some(at) => {
                self.0.truncate(from + at);
                Err(fmt::Error)
            }
            None => Ok(()),
        }
    }
}

/// A number for a normalised statement, the same in every process of this build.
pub(super) fn fingerprint(normalized: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    normalized.hash(&mut hasher);
    hasher.finish().max(1)
}

/// One space for all that is blank, `?` for each value, and for each list of values or of rows of
/// values one of them.
pub(super) fn normalized(sql: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for (kind, word) in Words(sql) {
        match kind {
            TokenKind::Blank => {
                if words.last().is_some_and(|last| *last != " ") {
                    words.push(" ");
                }
            }
            TokenKind::Text | TokenKind::Number | TokenKind::Parameter => push_value(&mut words),
            TokenKind::Other if word == ")" => push_end_of_row(&mut words),
            TokenKind::Other => words.push(word),
        }
    }
    while matches!(words.last(), Some(&(" " | ";"))) {
        words.pop();
    }
    words.concat()
}

/// A value after `?,` is another one of the same list.
fn push_value(words: &mut Vec<&str>) {
    match words.as_slice() {
        [.., "?", ",", " "] => words.truncate(words.len() - 2),
        [.., "?", ","] => words.truncate(words.len() - 1),
        _ => words.push("?"),
    }
}

/// `(?)` after `(?),` is another row of the same list.
fn push_end_of_row(words: &mut Vec<&str>) {
    match words.as_slice() {
        [.., "(", "?", ")", ",", " ", "(", "?"] => words.truncate(words.len() - 4),
        [.., "(", "?", ")", ",", "(", "?"] => words.truncate(words.len() - 3),
        _ => words.push(")"),
    }
}

/// The statement with `'?'` for each text in it, and without comments.
pub(super) fn masked(sql: &str) -> String {
    let shown = Words(sql).map(|(kind, word)| match kind {
        TokenKind::Text => "'?'",
        TokenKind::Blank if !word.trim().is_empty() => " ",
        _ => word,
    });
    shown.collect::<String>().trim().to_owned()
}

/// At most so many bytes of a text, whole characters.
pub(super) fn shortened(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The words of a statement, one after the other, nothing left out.
pub(super) struct Words<'a>(pub(super) &'a str);

impl<'a> Iterator for Words<'a> {
    type Item = (TokenKind, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, length) = first_word(self.0)?;
        let (word, rest) = self.0.split_at(length);
        self.0 = rest;
        Some((kind, word))
    }
}

fn first_word(sql: &str) -> Option<(TokenKind, usize)> {
    let bytes = sql.as_bytes();
    let second = bytes.get(1).copied().unwrap_or(0);
    let name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let run = |from: usize, of: &dyn Fn(char) -> bool| {
        from + sql[from..].find(|c| !of(c)).unwrap_or(sql.len() - from)
    };
    Some(match sql.chars().next()? {
        c if c.is_whitespace() => (TokenKind::Blank, run(0, &char::is_whitespace)),
        '-' if second == b'-' => (TokenKind::Blank, sql.find('\n').unwrap_or(sql.len())),
        '/' if second == b'*' => (TokenKind::Blank, end_of_comment(bytes)),
        '\'' => (TokenKind::Text, end_of_quoted(bytes, 0, false)),
        // A text with backslashes, as bits, or as bytes.
        'e' | 'E' if second == b'\'' => (TokenKind::Text, end_of_quoted(bytes, 1, true)),
        'b' | 'B' | 'x' | 'X' if second == b'\'' => {
            (TokenKind::Text, end_of_quoted(bytes, 1, false))
        }
        '"' | '`' => (TokenKind::Other, end_of_quoted(bytes, 0, false)),
        '$' if second.is_ascii_digit() => (TokenKind::Parameter, run(1, &|c| c.is_ascii_digit())),
        '$' => dollar_quoted(sql).map_or((TokenKind::Other, 1), |end| (TokenKind::Text, end)),
        '?' => (TokenKind::Parameter, run(1, &|c| c.is_ascii_digit())),
        c if c.is_ascii_digit() => (TokenKind::Number, run(0, &|c| name(c) || c == '.')),
        c if name(c) => (TokenKind::Other, run(0, &name)),
        c => (TokenKind::Other, c.len_utf8()),
    })
}

/// The end of what begins with the quote at `start`. A doubled quote is one inside it.
fn end_of_quoted(bytes: &[u8], start: usize, backslashes: bool) -> usize {
    let quote = bytes[start];
    let mut at = start + 1;
    while at < bytes.len() {
        if backslashes && bytes[at] == b'\\' {
            at += 2;
        } else if bytes[at] != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return at + 1;
        }
    }
    bytes.len()
}

/// Comments of PostgreSQL hold others; those of SQLite do not, and end no later.
fn end_of_comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of `$tag$ .. $tag$`, if it begins so.
fn dollar_quoted(sql: &str) -> Option<usize> {
    let close = sql[1..].find('$')? + 2;
    let tag = &sql[..close];
    let inner = &tag[1..tag.len() - 1];
    if !inner.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let end = sql[close..].find(tag);
    Some(end.map_or(sql.len(), |end| close + end + tag.len()))
}
