//! One source text as the rules see it: its code without comments and strings, its strings, and
//! which of its lines are test code. It knows no rule.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// The folder of the binary.
const BINARY: &str = "src/bin/tickbase/";

/// A file under the eyes of the rules.
pub(crate) struct Source {
    /// Its path from the project's root, with `/`.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
    /// The text with comments and the content of strings blanked out, byte for byte.
    pub(crate) code: String,
    /// Its string literals: where the content starts, and the content.
    pub(crate) strings: Vec<(usize, String)>,
    test_code: Vec<Range<usize>>,
}

/// A broken rule.
#[derive(Debug)]
pub(crate) struct Violation(String);

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, strings) = if path.ends_with(".rs") {
            without_comments_and_strings(text)
        } else {
            (text.to_owned(), Vec::new())
        };
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            test_code: test_code(path, &code),
            code,
            strings,
        }
    }

    /// The module path in its crate: `src/a/b.rs` is `a`, `b`; that of the root is empty.
    pub(crate) fn module(&self) -> Vec<&str> {
        let path = self.path.strip_prefix(BINARY).unwrap_or(&self.path);
        let path = path.strip_prefix("src/").unwrap_or(path);
        let path = path.strip_suffix(".rs").unwrap_or(path);
        path.split('/')
            .filter(|part| !["lib", "main"].contains(part))
            .collect()
    }

    /// Whether it belongs to the binary, a crate of its own beside the library.
    pub(crate) fn is_of_binary(&self) -> bool {
        self.path.starts_with(BINARY)
    }

    /// The room of `src` that it stands in; the library's root is the map of all rooms.
    pub(crate) fn room(&self) -> Option<&str> {
        if self.is_of_binary() {
            return Some("bin");
        }
        self.module().first().copied()
    }

    /// Whether it was written by the diesel CLI.
    pub(crate) fn is_generated(&self) -> bool {
        self.text
            .starts_with("// @generated automatically by Diesel CLI")
    }

    pub(crate) fn is_test_code(&self, at: usize) -> bool {
        self.test_code.iter().any(|range| range.contains(&at))
    }

    pub(crate) fn line(&self, at: usize) -> usize {
        1 + self.text[..at].matches('\n').count()
    }

    /// The rule broken at a byte, and what to do instead.
    pub(crate) fn violation(&self, at: usize, rule: &str, remedy: &str) -> Violation {
        Violation(format!("{}:{}: {rule}; {remedy}", self.path, self.line(at)))
    }
}

/// Every file of the project whose path is wanted, in the order of their paths.
pub(crate) fn sources(wanted: impl Fn(&str) -> bool) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    walk(root, &mut files);
    files.sort();
    files
        .iter()
        .filter_map(|file| {
            let path = file.strip_prefix(root).unwrap().to_str().unwrap();
            let path = path.replace('\\', "/");
            wanted(&path).then(|| Source::new(&path, &std::fs::read_to_string(file).unwrap()))
        })
        .collect()
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // `target` is cargo's own; `.git` may be a folder or a file.
        if path.is_dir() && name != "target" && name != ".git" {
            walk(&path, files);
        } else if path.is_file() {
            files.push(path);
        }
    }
}

/// Reads Rust just far enough to tell code, comments and strings apart.
fn without_comments_and_strings(text: &str) -> (String, Vec<(usize, String)>) {
    let mut code = text.as_bytes().to_vec();
    let mut strings = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (blank, end) = if rest.starts_with("//") {
            let end = at + rest.find('\n').unwrap_or(rest.len());
            (at..end, end)
        } else if rest.starts_with("/*") {
            let end = at + block_comment(rest);
            (at..end, end)
        } else if let Some((from, to, length)) = string(text, at) {
            strings.push((at + from, rest[from..to].to_owned()));
            (at + from..at + to, at + length)
        } else if let Some(length) = char_literal(rest) {
            (at + 1..at + length - 1, at + length)
        } else {
            let end = at + rest.chars().next().map_or(1, char::len_utf8);
            (at..at, end)
        };
        for byte in &mut code[blank] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    (String::from_utf8(code).unwrap(), strings)
}

/// The length of a block comment, which may hold others.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Where the content of a string literal at `at` starts and ends, and the literal's length.
fn string(text: &str, at: usize) -> Option<(usize, usize, usize)> {
    let rest = &text[at..];
    let in_word = text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let prefix = if in_word {
        ""
    } else {
        ["br", "cr", "b", "c", "r"]
            .into_iter()
            .find(|prefix| rest.starts_with(prefix))
            .unwrap_or_default()
    };
    let body = &rest[prefix.len()..];
    let hashes = body.len() - body.trim_start_matches('#').len();
    let raw = prefix.ends_with('r');
    if !body[hashes..].starts_with('"') || (hashes > 0 && !raw) {
        return None;
    }
    let from = prefix.len() + hashes + 1;
    if raw {
        let end = format!("\"{}", "#".repeat(hashes));
        let to = from + rest[from..].find(&end)?;
        return Some((from, to, to + end.len()));
    }
    let mut escaped = false;
    let to = from
        + rest[from..].find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
    Some((from, to, to + 1))
}

/// The length of a character literal; a lifetime is none.
fn char_literal(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    let first = body.chars().next()?;
    if first == '\\' {
        let end = body[2..].find('\'')?;
        return Some(1 + 2 + end + 1);
    }
    let after = first.len_utf8();
    body[after..].starts_with('\'').then_some(1 + after + 1)
}

/// The pieces of a file that only tests compile.
fn test_code(path: &str, code: &str) -> Vec<Range<usize>> {
    let whole = !path.starts_with("src/")
        || path
            .rsplit('/')
            .next()
            .is_some_and(|file| file.starts_with("test_"))
        || path.ends_with("/tests.rs")
        || path.contains("/tests/");
    if whole {
        return std::iter::once(0..code.len()).collect();
    }
    let mut ranges = Vec::new();
    for attribute in ["#[cfg(test", "#[cfg(all(test"] {
        ranges.extend(
            code.match_indices(attribute)
                .map(|(at, _)| at..item_end(code, at)),
        );
    }
    ranges
}

/// The end of the item whose attribute starts at `from`: its block, or its semicolon.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        let source = Source::new(
            "src/x.rs",
            "a(\"b \\\" c\"); // d\n/* e /* f */ g */ h('\"', 'i', '\\'');\nlet j: &'k str = r#\"l \" m\"#;",
        );
        assert_eq!(
            source.code,
            "a(\"      \"); //".replace("//", "  ").to_owned()
                + "  \n                  h(' ', ' ', '  ');\nlet j: &'k str = r#\"     \"#;"
        );
        let strings: Vec<&str> = source.strings.iter().map(|(_, s)| s.as_str()).collect();
        assert_eq!(strings, ["b \\\" c", "l \" m"]);
    }

    #[test]
    fn test_code_is_the_item_under_its_attribute() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
        let source = Source::new("src/x.rs", text);
        let at = |name: &str| source.is_test_code(text.find(name).unwrap());
        assert_eq!((at("fn a"), at("fn b"), at("fn c")), (false, true, false));
        assert!(Source::new("src/x/tests.rs", "fn a() {}").is_test_code(0));
    }
}
