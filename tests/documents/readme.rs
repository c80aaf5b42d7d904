//! README.md is true: every shell command in it is run, in order and in an empty directory, or is
//! listed here with the reason why not; its tables name every command, setting and path; its links
//! lead somewhere.
//!
//! A command that neither list knows fails the test.
#![cfg(all(feature = "cli", feature = "sqlite"))]

mod tables;
mod text;
mod tour;

use text::{local_links, project, read, target};

#[test]
fn links_of_the_documents_lead_to_files() {
    // The package of a registry has not all that the repository has; its links lead there.
    if project().join("Cargo.toml.orig").exists() {
        return;
    }
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "benches/README.md",
        "docs/decisions/README.md",
        "docs/performance.md",
        "docs/reliability.md",
    ] {
        for link in local_links(&read(document)) {
            let path = target(document, link);
            assert!(
                path.exists(),
                "{document} links to {link}, which is not there"
            );
        }
    }
}
