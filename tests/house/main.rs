//! The rules of the house, held over its own sources: imports go down only, SQL and the time of
//! day have their rooms, every file says what it is and stays short.
//!
//! Each rule is a function of one source text; its own tests feed it texts that break it. A
//! failure names the file, the line, the rule and the remedy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // It is all test code.

mod circles;
mod counts;
mod documents;
mod layers;
mod manners;
mod names;
mod seams;
mod source;

use std::path::{Path, PathBuf};

use source::{Source, Violation, sources};

/// Folders whose Rust files are held to the manners of the house.
const RUST_FOLDERS: [&str; 4] = ["src/", "tests/", "benches/", "examples/"];

/// What texts end with that a reader of the project may open, besides those without an ending.
const READABLE: [&str; 12] = [
    ".rs", ".md", ".sql", ".toml", ".sh", ".patch", ".yml", ".yaml", ".html", ".css", ".js", ".csv",
];

/// Fails with every place of the project where a rule is broken.
fn hold(rule: impl Fn(&Source) -> Vec<Violation>, sources: &[Source]) {
    assert!(
        sources.len() > 10,
        "the rule looked at {} files: it missed the project",
        sources.len()
    );
    let broken: Vec<String> = sources
        .iter()
        .flat_map(&rule)
        .map(|violation| violation.to_string())
        .collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

fn rust(folders: &[&str]) -> Vec<Source> {
    sources(|path| path.ends_with(".rs") && folders.iter().any(|folder| path.starts_with(folder)))
}

fn readable(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    !name.contains('.') || READABLE.iter().any(|ending| name.ends_with(ending))
}

#[test]
fn imports_go_down_only() {
    hold(layers::violations, &rust(&["src/"]));
}

#[test]
fn no_files_import_each_other_in_a_loop() {
    let circles = circles::circles(&rust(&["src/"]));
    assert!(circles.is_empty(), "\n{}\n", circles.join("\n"));
}

#[test]
fn types_are_named_in_words_of_the_field() {
    hold(names::banned, &rust(&["src/"]));
}

#[test]
fn no_two_types_have_one_name() {
    let doubles: Vec<String> = names::doubles(&rust(&["src/"]))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(doubles.is_empty(), "\n{}\n", doubles.join("\n"));
}

/// Not a rule: what `scripts/test house` prints.
#[test]
fn the_house_in_figures() {
    let counts = counts::counts(&rust(&["src/"]), test_binaries());
    println!("{}", counts.join("\n"));
    assert!(test_binaries() > 1, "it missed the tests");
}

/// Each file of `tests` is a program, and each folder with a `main.rs`.
fn test_binaries() -> usize {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let entries = std::fs::read_dir(tests)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_program = |path: &PathBuf| {
        path.extension().is_some_and(|ending| ending == "rs") || path.join("main.rs").exists()
    };
    entries.filter(is_program).count()
}

#[test]
fn every_file_opens_with_what_it_is() {
    hold(manners::opening, &rust(&RUST_FOLDERS));
}

#[test]
fn every_file_is_under_500_lines() {
    hold(manners::length, &rust(&RUST_FOLDERS));
}

#[test]
fn only_the_rooms_of_sql_write_sql_and_name_diesel() {
    hold(seams::sql, &rust(&["src/"]));
}

#[test]
fn only_the_clock_reads_the_time_of_day() {
    hold(seams::time_of_day, &rust(&RUST_FOLDERS));
}

#[test]
fn sources_and_documents_speak_of_the_project_alone() {
    hold(manners::words, &sources(readable));
}

#[test]
fn documents_name_files_that_exist_and_keep_their_form() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = sources(|path| path.ends_with(".md"));
    hold(
        |document| documents::paths(document, |path| root.join(path).is_file()),
        &documents,
    );
    hold(documents::map, &documents);
    let index = std::fs::read_to_string(root.join("docs/decisions/README.md")).unwrap();
    hold(|document| documents::decision(document, &index), &documents);
    let naming = sources(|path| path.ends_with(".md") || path.starts_with("src/"));
    hold(|text| documents::references(text, &index), &naming);
}
