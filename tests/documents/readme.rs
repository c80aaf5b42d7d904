//! README.md and docs/ are true: every shell command of the tour is run, in order and in an empty
//! directory, or is listed here with the reason why not; tables name every command, setting and
//! path; links lead somewhere.
//!
//! A command that neither list knows fails the test.
#![cfg(all(feature = "cli", feature = "sqlite"))]

mod log;
mod tables;
pub(crate) mod text;
mod tour;

use text::{local_links, project, read, target};

#[test]
fn links_of_the_documents_lead_to_files() {
    // The package of a registry has not all that the repository has; its links lead there.
    if project().join("Cargo.toml.orig").exists() {
        return;
    }
    let mut documents: Vec<String> = [
        "",
        "benches",
        "docs",
        "docs/decisions",
        "examples/order-desk",
    ]
    .iter()
    .flat_map(|folder| pages(folder))
    .collect();
    documents.sort();
    assert!(documents.len() > 40, "{documents:?}");
    for document in &documents {
        for link in local_links(&read(document)) {
            let path = target(document, link);
            assert!(
                path.exists(),
                "{document} links to {link}, which is not there"
            );
        }
    }
}

/// The pages of a folder, by their paths in the project.
fn pages(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(project().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.ends_with(".md"))
        .map(|name| match folder {
            "" => name,
            _ => format!("{folder}/{name}"),
        })
        .collect()
}
