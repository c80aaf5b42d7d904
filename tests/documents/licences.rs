//! THIRD-PARTY.md names the licence of every file that is embedded, and nothing that is not.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

/// The folder of the project.
fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(project().join(path)).unwrap()
}

/// The Rust files in a folder and below it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let below = paths.flat_map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    });
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "rs");
    below.filter(is_rust).collect()
}

/// The files that a source embeds, as it writes them.
fn embedded<'t>(text: &'t str) -> Vec<&'t str> {
    let calls = ["include_bytes!", "include_str!"].map(|call| (call, text.match_indices(call)));
    let rests = calls.into_iter().flat_map(|(call, found)| {
        found.filter_map(move |(at, _)| text[at + call.len()..].strip_prefix('('))
    });
    let path = |rest: &'t str| {
        let quoted = rest.trim_start();
        assert!(
            quoted.starts_with('"'),
            "the path is no text: {:?}",
            rest.lines().next()
        );
        quoted.split('"').nth(1).unwrap()
    };
    rests.map(path).collect()
}

/// A path without its steps upwards.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut all, one| {
        match one {
            Component::ParentDir => drop(all.pop()),
            one => all.push(one),
        }
        all
    })
}

/// The first cells of a section's rows, and the last ones.
fn rows<'p>(page: &'p str, heading: &str) -> Vec<(&'p str, &'p str)> {
    let (_, section) = page.split_once(heading).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = |row: &'p str| {
        let row = row.trim_matches([' ', '|']);
        (
            row.split_once(" | ").unwrap().0,
            row.rsplit_once(" | ").unwrap().1,
        )
    };
    rows.map(cells).collect()
}

/// The first text in backticks of a cell.
fn name(cell: &str) -> String {
    cell.split('`').nth(1).unwrap().to_owned()
}

#[test]
fn every_embedded_file_is_listed_with_its_licence() {
    let mut found = BTreeSet::new();
    for folder in ["src", "tests", "benches", "examples"] {
        for source in sources(&project().join(folder)) {
            // The words that this test looks for.
            if source.ends_with("documents/licences.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&source).unwrap();
            for file in embedded(&text) {
                let path = plain(&source.parent().unwrap().join(file));
                let path = path.strip_prefix(project()).unwrap();
                found.insert(path.to_str().unwrap().to_owned());
            }
        }
    }
    let is_text = |path: &String| path.ends_with("/LICENSE");
    found.extend(vendored().into_iter().filter(|path| !is_text(path)));
    assert!(found.contains("data/font/Roboto-subset.ttf"), "{found:?}");
    let page = read("THIRD-PARTY.md");
    let rows = rows(&page, "\n## Files of this project\n");
    let listed: BTreeSet<String> = rows.iter().map(|(file, _)| name(file)).collect();
    assert_eq!(found, listed, "embedded (left), listed (right)");
    for (file, licence) in rows {
        let own = licence == "tickbase's own";
        let text = licence
            .split_once("[its text](")
            .map(|(_, rest)| rest.trim_end_matches(')'));
        let text = text.map(read);
        let named = text.is_some_and(|text| {
            text.contains(licence.split(',').next().unwrap()) || text.contains("Apache License")
        });
        assert!(own || named, "{file}: {licence}");
    }
}

/// The files of the libraries that the page draws with, each in a folder with its version.
fn vendored() -> Vec<String> {
    let entries = |path: PathBuf| {
        let entries = std::fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().path())
    };
    let folders = entries(project().join("assets/vendor")).filter(|path| path.is_dir());
    let files = folders.flat_map(entries);
    let name = |path: PathBuf| {
        path.strip_prefix(project())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    files.map(name).collect()
}

#[test]
fn the_libraries_of_the_page_are_as_they_were_published() {
    let mut sums = Vec::new();
    for path in vendored() {
        let bytes = std::fs::read(project().join(&path)).unwrap();
        let hash = Sha256::digest(&bytes);
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = path.strip_prefix("assets/vendor/").unwrap();
        sums.push(format!("{hex}  {name}"));
    }
    let mut known: Vec<String> = read("assets/vendor/SHA256SUMS")
        .lines()
        .map(str::to_owned)
        .collect();
    sums.sort();
    known.sort();
    assert!(known.len() > 3, "{known:?}");
    assert_eq!(sums, known, "found (left), published (right)");
}

#[test]
fn the_crates_that_bring_works_along_are_those_of_the_lock_file() {
    let page = read("THIRD-PARTY.md");
    let lock = read("Cargo.lock");
    let rows = rows(&page, "\n## What crates bring along\n");
    assert!(rows.len() > 4, "{rows:?}");
    for (crate_, _) in rows {
        let package = format!("\nname = \"{}\"\n", name(crate_));
        assert!(lock.contains(&package), "{crate_} is in no build");
    }
}
