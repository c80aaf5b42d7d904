//! The documents that lead through the code: they name files that exist, the map stays a map, and
//! decisions have one form and stand in their index.

use crate::source::{Source, Violation};

/// Bytes from which ARCHITECTURE.md is no longer a map.
const MAP_BYTES: usize = 12_000;

/// The folder of the decisions.
const DECISIONS: &str = "docs/decisions/";

/// The parts of a decision, in their order.
const PARTS: [&str; 3] = ["\n## Context\n", "\n## Decision\n", "\n## Consequence\n"];

/// ARCHITECTURE.md is shorter than [`MAP_BYTES`].
pub(crate) fn map(source: &Source) -> Vec<Violation> {
    if source.path != "ARCHITECTURE.md" || source.text.len() <= MAP_BYTES {
        return Vec::new();
    }
    let rule = format!("the map has {} bytes", source.text.len());
    let remedy = "move reasons to their line, or to docs/decisions";
    vec![source.violation(MAP_BYTES, &rule, remedy)]
}

/// A path of a Rust file in backticks leads to a file of the project.
pub(crate) fn paths(source: &Source, exists: impl Fn(&str) -> bool) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut at = 0;
    for (nth, piece) in source.text.split('`').enumerate() {
        let is_path = ["src/", "tests/", "benches/", "examples/"]
            .iter()
            .any(|folder| piece.starts_with(folder));
        // A path with a placeholder stands for many.
        let is_one = piece.ends_with(".rs") && !piece.contains(['<', '*', '{', ' ']);
        if nth % 2 == 1 && is_path && is_one && !exists(piece) {
            let rule = format!("there is no file {piece}");
            found.push(source.violation(at, &rule, "name the file that has it now"));
        }
        at += piece.len() + 1;
    }
    found
}

/// `docs/decisions/NNNN` in a text leads to a decision of the index.
pub(crate) fn references(source: &Source, index: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (at, _) in source.text.match_indices(DECISIONS) {
        let number = source
            .text
            .get(at + DECISIONS.len()..at + DECISIONS.len() + 4);
        let number = number.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(number) = number
            && !index.contains(&format!("({number}-"))
        {
            let rule = format!("there is no decision {number}");
            found.push(source.violation(at, &rule, "name one of docs/decisions/README.md"));
        }
    }
    found
}

/// A decision has its three parts, and the index links to it.
pub(crate) fn decision(source: &Source, index: &str) -> Vec<Violation> {
    let Some(name) = source.path.strip_prefix(DECISIONS) else {
        return Vec::new();
    };
    if name == "README.md" {
        return Vec::new();
    }
    let mut found = Vec::new();
    let places = PARTS.map(|part| source.text.find(part));
    if places.contains(&None) || !places.is_sorted() {
        let rule = "a decision has the parts Context, Decision, Consequence";
        found.push(source.violation(0, rule, "write them in this order"));
    }
    if !index.contains(&format!("({name})")) {
        let rule = "the index of the decisions does not link to it";
        found.push(source.violation(0, rule, "add a line to docs/decisions/README.md"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_has_become_a_book_is_found() {
        let long = "x".repeat(MAP_BYTES + 1);
        assert_eq!(map(&Source::new("ARCHITECTURE.md", &long)).len(), 1);
        assert_eq!(map(&Source::new("CHANGELOG.md", &long)).len(), 0);
        assert_eq!(map(&Source::new("ARCHITECTURE.md", &long[1..])).len(), 0);
    }

    #[test]
    fn a_file_that_is_not_there_is_found_by_its_path() {
        let text = "src/none.rs `src/a.rs`\n`src/gone.rs` `src/<x>.rs` `a.rs` `src/b`\n";
        let found = paths(&Source::new("A.md", text), |path| path == "src/a.rs");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].to_string().starts_with("A.md:2: "), "{found:?}");
    }

    #[test]
    fn a_decision_that_is_not_there_is_found_wherever_it_is_named() {
        let text = format!("//! See {DECISIONS}0001, {DECISIONS}0099 and {DECISIONS}README.md.\n");
        let found = references(&Source::new("src/a.rs", &text), "- [A](0001-a.md)");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].to_string().contains("0099"), "{found:?}");
    }

    #[test]
    fn a_decision_without_a_part_or_a_link_is_found() {
        let whole = "# 1. A\n\n## Context\na\n\n## Decision\nb\n\n## Consequence\nc\n";
        let source = Source::new("docs/decisions/0001-a.md", whole);
        assert_eq!(decision(&source, "- [A](0001-a.md)").len(), 0);
        assert_eq!(decision(&source, "").len(), 1);
        let without = whole.replace("## Decision", "## Decided");
        let source = Source::new("docs/decisions/0001-a.md", &without);
        assert_eq!(decision(&source, "(0001-a.md)").len(), 1);
    }
}
