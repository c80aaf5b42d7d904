//! The cases, checked by one cargo for all of them, and what the compiler says of each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Errors of a case that was written wrongly: something it names is not there.
const TYPING_ERRORS: [&str; 5] = ["E0405", "E0412", "E0425", "E0432", "E0433"];

/// One error of the compiler, as it prints it.
#[derive(Debug)]
struct Refusal {
    code: String,
    text: String,
}

/// What the first lines of a case expect of the errors.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    /// `//~ error:` one of them says it.
    OfOne(String),
    /// `//~ every error:` each of them says it.
    OfEach(String),
}

impl Expected {
    fn of(line: &str) -> Option<Self> {
        let words = line.strip_prefix("//~ ")?;
        let one = words
            .strip_prefix("error: ")
            .map(|text| Self::OfOne(text.to_owned()));
        one.or_else(|| {
            Some(Self::OfEach(
                words.strip_prefix("every error: ")?.to_owned(),
            ))
        })
    }

    fn is_met(&self, refusals: &[Refusal]) -> bool {
        match self {
            Self::OfOne(text) => refusals.iter().any(|refusal| refusal.text.contains(text)),
            Self::OfEach(text) => refusals.iter().all(|refusal| refusal.text.contains(text)),
        }
    }
}

fn downstream() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail/downstream")
}

/// Every case with what its file expects.
fn cases() -> BTreeMap<String, Vec<Expected>> {
    std::fs::read_dir(downstream().join("cases"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let expected: Vec<Expected> = text.lines().filter_map(Expected::of).collect();
            assert!(!expected.is_empty(), "{path:?} expects no error");
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, expected)
        })
        .collect()
}

/// The messages of a table of docs/compiler-messages.md: the first cells of its rows.
pub fn messages_of_the_page(heading: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compiler-messages.md");
    let page = std::fs::read_to_string(path).unwrap();
    let section = page
        .split("\n## ")
        .find(|section| section.starts_with(heading));
    let rows = section.unwrap().lines();
    rows.filter_map(|row| row.strip_prefix("| `` ")?.split_once(" `` |"))
        .map(|(message, _)| message.to_owned())
        .collect()
}

/// Checks all cases and returns the errors of each. It needs no network: the downstream crate gets
/// tickbase's own lock file, and what that names has been fetched for tickbase. It builds into the
/// directory of the tests, where the lints have left the same dependencies.
fn check(features: &[&str]) -> BTreeMap<String, Vec<Refusal>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(root.join("Cargo.lock"), downstream().join("Cargo.lock")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args([
            "check",
            "--examples",
            "--keep-going",
            "--offline",
            "--message-format=json",
        ])
        .args(features)
        .arg("--target-dir")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap())
        .current_dir(downstream())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let messages = said
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut refusals = BTreeMap::new();
    let mut finished = false;
    for message in messages {
        finished |= message["reason"] == "build-finished";
        let (case, error) = (&message["target"], &message["message"]);
        if message["reason"] != "compiler-message" || error["level"] != "error" {
            continue;
        }
        let name = case["name"].as_str().unwrap().to_owned();
        assert_eq!(case["kind"][0], "example", "{name} is no case: {error}");
        refusals.entry(name).or_insert_with(Vec::new).push(Refusal {
            code: error["code"]["code"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            text: error["rendered"].as_str().unwrap().to_owned(),
        });
    }
    assert!(
        finished,
        "cargo did not finish: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.success(), refusals.is_empty(), "{refusals:?}");
    refusals
}

#[test]
fn every_case_is_an_example_of_the_downstream_crate() {
    let manifest = std::fs::read_to_string(downstream().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let listed: BTreeSet<(String, String)> = manifest["example"]
        .as_array()
        .unwrap()
        .iter()
        .map(|example| {
            ["name", "path"]
                .map(|key| example[key].as_str().unwrap().to_owned())
                .into()
        })
        .collect();
    let files = cases()
        .into_keys()
        .map(|name| (name.clone(), format!("cases/{name}.rs")));
    assert_eq!(listed, files.collect());
}

#[test]
fn the_page_of_own_tables_shows_what_the_downstream_crate_has() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/own-tables.md");
    let page = std::fs::read_to_string(page).unwrap();
    let sources = ["models.rs", "queries.rs", "tables.rs"];
    let sources =
        sources.map(|name| std::fs::read_to_string(downstream().join("src").join(name)).unwrap());
    let blocks = page.split("\n```rust\n").skip(1);
    let blocks: Vec<&str> = blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        assert!(
            sources.iter().any(|source| source.contains(block)),
            "{block}"
        );
    }
}

/// One test, for two cargos would wait for each other.
#[test]
fn forgetting_the_scope_does_not_compile_and_choosing_it_does() {
    let chosen = check(&["--features", "scoped"]);
    assert!(
        chosen.is_empty(),
        "with a scope these do not compile: {chosen:#?}"
    );

    let mut forgotten = check(&[]);
    every_message_of_the_page_is_printed(&forgotten);
    for (name, expected) in cases() {
        let refusals = forgotten.remove(&name);
        let refusals = refusals.unwrap_or_else(|| panic!("cases/{name}.rs compiles"));
        for words in expected {
            assert!(
                words.is_met(&refusals),
                "cases/{name}.rs fails, but not with {words:?}: {refusals:#?}"
            );
        }
        let slip = refusals
            .iter()
            .find(|r| TYPING_ERRORS.contains(&r.code.as_str()));
        assert!(
            slip.is_none(),
            "cases/{name}.rs names what is not there: {slip:?}"
        );
    }
    assert!(forgotten.is_empty(), "{forgotten:#?}");
}

fn every_message_of_the_page_is_printed(refusals: &BTreeMap<String, Vec<Refusal>>) {
    let messages = messages_of_the_page("What the compiler says");
    assert!(!messages.is_empty());
    for message in messages {
        let mut printed = refusals.values().flatten();
        assert!(
            printed.any(|refusal| refusal.text.contains(&message)),
            "no case prints {message:?}"
        );
    }
}
