//! README.md as a test reads it: sections, shell commands, rows of tables, links. It runs nothing.

use std::path::{Path, PathBuf};

/// The folder of the project.
pub(crate) fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &str) -> String {
    let file = project().join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What stands under a heading of the second level.
pub(crate) fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let opening = format!("\n## {heading}\n");
    let (_, rest) = text
        .split_once(&opening)
        .unwrap_or_else(|| panic!("README.md has no section {heading}"));
    rest.split("\n## ").next().unwrap()
}

/// The commands of all fenced blocks of shell, in order.
pub(crate) fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```sh") || line.starts_with("```bash") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.extend(split(&block));
        }
    }
    found
}

/// Lines that belong together are one command: those in quotes, and after a backslash.
fn split(lines: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut command = String::new();
    for line in lines {
        if !command.is_empty() {
            command.push('\n');
        }
        command.push_str(line);
        let (said, quoted) = without_comments(&command);
        if quoted || said.ends_with('\\') {
            continue;
        }
        if !said.trim().is_empty() {
            found.push(said.trim().to_owned());
        }
        command.clear();
    }
    assert!(command.is_empty(), "a command without an end: {command}");
    found
}

/// A command without its comments, and whether a quote is still open.
fn without_comments(command: &str) -> (String, bool) {
    let mut said = String::new();
    let mut quote = None;
    let mut comment = false;
    for c in command.chars() {
        if comment && c != '\n' {
            continue;
        }
        comment =
            quote.is_none() && c == '#' && said.chars().last().is_none_or(char::is_whitespace);
        if comment {
            continue;
        }
        said.push(c);
        quote = match quote {
            None if matches!(c, '\'' | '"') => Some(c),
            Some(open) if open == c => None,
            open => open,
        };
    }
    (said, quote.is_some())
}

/// The first cells of the rows of a section's tables.
pub(crate) fn first_cells(section: &str) -> Vec<&str> {
    let rows = section.lines().filter(|line| line.starts_with("| "));
    // A bar within a cell is written with a backslash.
    rows.map(|row| row.trim_start_matches("| ").split(" | ").next().unwrap())
        .collect()
}

/// Links to files of the project, as they are written.
pub(crate) fn local_links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split([')', '#']).next());
    targets
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

/// Where a link of a file leads.
pub(crate) fn target(of: &str, link: &str) -> PathBuf {
    let folder = Path::new(of).parent().unwrap();
    project().join(folder).join(link)
}

#[test]
fn a_block_is_split_into_its_commands() {
    let text = "```sh\na --b 'c # d'   # it's a comment\n\n# alone\ncurl x \\\n  -d '[1,\n  2]'\n\
        e && f#g\n```\nbetween\n```rust\nnot()\n```\n```bash\nlast\n```\n";
    let expected = [
        "a --b 'c # d'",
        "curl x \\\n  -d '[1,\n  2]'",
        "e && f#g",
        "last",
    ];
    assert_eq!(commands(text), expected);
}

#[test]
fn links_and_cells_are_found() {
    let text = "[a](b.md) ![c](d/e.png) [f](https://g) [h](i.md#j)\n| `x\\|y` | z |\n|---|---|\n";
    assert_eq!(local_links(text), ["b.md", "d/e.png", "i.md"]);
    assert_eq!(first_cells(text), ["`x\\|y`"]);
}
