//! How a file of the house looks: it says what it is, it is short, and it speaks of the project
//! alone, not of how the project is made.

use crate::source::{Source, Violation};

/// Lines from which a file is too long to be read in one go.
const LINES_MAX: usize = 500;

/// Words of how the work is organised, of tools, of places on one machine, in lower case. They mean
/// nothing to a reader of the project.
const PROCESS_WORDS: &[&str] = &[
    "claude",
    "anthropic",
    "openai",
    "chatgpt",
    "copilot",
    "gpt-",
    "llm",
    "language model",
    "ai-generated",
    "ai agent",
    "subagent",
    "sub-agent",
    "brief.md",
    "the brief",
    "worktree",
    "cherry-pick",
    "this session",
    "previous session",
    "earlier session",
    "as requested",
    "the user asked",
    "issue #",
    "fixes #",
    "closes #",
    "/work/",
    "/root/",
    "/home/",
    "/users/",
];

/// Marks of work that is not done, as they are written.
const MARKS: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

/// The file that must name these words.
const THE_LIST: &str = "tests/house/manners.rs";

/// Every file opens with `//!`; one that is generated says so in the line before.
pub(crate) fn opening(source: &Source) -> Vec<Violation> {
    let mut text = source.text.as_str();
    // A project beside the crate shows the file as the diesel CLI prints it.
    if source.is_generated() && source.path.starts_with("examples/") {
        return Vec::new();
    }
    if source.is_generated() {
        text = text.split_once('\n').map_or("", |(_, rest)| rest);
    }
    if text.starts_with("//! ") {
        return Vec::new();
    }
    let rule = "the file does not open with `//!`";
    let remedy = "say in its first lines what it owns, then what it must not do";
    vec![source.violation(0, rule, remedy)]
}

/// Every file is shorter than [`LINES_MAX`].
pub(crate) fn length(source: &Source) -> Vec<Violation> {
    let lines = source.text.lines().count();
    if source.is_generated() || lines < LINES_MAX {
        return Vec::new();
    }
    let rule = format!("the file has {lines} lines, {} is the most", LINES_MAX - 1);
    let remedy = "split it by what its parts are about";
    vec![source.violation(0, &rule, remedy)]
}

/// No word of internal process, and no mark of work that is not done.
pub(crate) fn words(source: &Source) -> Vec<Violation> {
    if source.path == THE_LIST {
        return Vec::new();
    }
    let lower = source.text.to_ascii_lowercase();
    let mut found = places(&lower, PROCESS_WORDS);
    found.extend(places(&source.text, MARKS));
    found
        .into_iter()
        .map(|(at, word)| {
            let rule = format!("`{word}` speaks of how the project is made");
            let remedy = "say what the reader of the project needs, or nothing";
            source.violation(at, &rule, remedy)
        })
        .collect()
}

fn places(text: &str, words: &[&'static str]) -> Vec<(usize, &'static str)> {
    let all = words
        .iter()
        .flat_map(|word| text.match_indices(word).map(move |(at, _)| (at, *word)));
    all.filter(|(at, word)| stands_alone(text, *at, word))
        .collect()
}

/// Whether the letters at a place are a word and not a piece of another, as in `hackney`.
fn stands_alone(text: &str, at: usize, word: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic();
    let starts = !word.starts_with(letter) || !text[..at].ends_with(letter);
    let ends = !word.ends_with(letter) || !text[at + word.len()..].starts_with(letter);
    starts && ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(rule: fn(&Source) -> Vec<Violation>, path: &str, text: &str) -> Vec<String> {
        let found = rule(&Source::new(path, text));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is_is_found() {
        for text in [
            "",
            "fn main() {}\n",
            "// plain\n//! late\n",
            "//!\n",
            "\n//! late\n",
        ] {
            let found = broken(opening, "src/x.rs", text);
            assert_eq!(found.len(), 1, "{text:?}");
            assert!(found[0].starts_with("src/x.rs:1: "), "{}", found[0]);
        }
        assert_eq!(broken(opening, "src/x.rs", "//! The x.\n").len(), 0);
        let generated = "// @generated automatically by Diesel CLI.\n";
        assert_eq!(broken(opening, "src/schema.rs", generated).len(), 1);
        let opened = format!("{generated}//! The tables.\n");
        assert_eq!(broken(opening, "src/schema.rs", &opened).len(), 0);
        assert_eq!(
            broken(opening, "examples/x/src/schema.rs", generated).len(),
            0
        );
    }

    #[test]
    fn a_file_of_500_lines_is_too_long() {
        assert_eq!(broken(length, "src/x.rs", &"//! x\n".repeat(499)).len(), 0);
        let found = broken(length, "src/x.rs", &"//! x\n".repeat(500));
        assert!(found[0].contains("has 500 lines"), "{found:?}");
    }

    #[test]
    fn a_word_of_process_is_found_in_any_file() {
        for text in [
            "// TODO: later",
            "made by an LLM",
            "see /work/notes",
            "fixes issue #12",
        ] {
            for path in ["src/x.rs", "README.md", "migrations/sqlite/x/up.sql"] {
                let text = format!("first\n{text}\n");
                let found = broken(words, path, &text);
                assert!(!found.is_empty(), "{text}");
                assert!(found[0].starts_with(&format!("{path}:2: ")), "{}", found[0]);
            }
        }
        for text in [
            "method",
            "hackneyed",
            "a trading session",
            "#[test]",
            "#123456",
        ] {
            assert_eq!(broken(words, "README.md", text), Vec::<String>::new());
        }
    }
}
