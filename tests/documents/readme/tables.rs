//! The tables of README.md and docs/ against the program: its commands, its settings, its paths.

use std::process::Command;

use crate::readme::text::{first_cells, read, section};
use crate::support::TestDatabase;
use crate::support::process::Serving;

/// What the program prints for its arguments, on both streams.
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tickbase"))
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).unwrap()
}

#[test]
fn every_command_is_in_the_table_of_commands() {
    let page = read("docs/cli.md");
    let cells = first_cells(section(&page, "Commands"));
    let help = printed(&["--help"]);
    let (_, listed) = help.split_once("Commands:\n").unwrap();
    let listed = listed.lines().take_while(|line| !line.is_empty());
    // The others go on with the text of the one above.
    let begins = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let names: Vec<&str> = listed
        .filter(begins)
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert!(names.contains(&"import"), "{help}");
    let documented = |cell: &&str| cell.trim_matches('`').split(' ').next().unwrap().to_owned();
    let documented: Vec<String> = cells.iter().map(documented).collect();
    for name in names.iter().filter(|name| **name != "help") {
        assert!(
            documented.iter().any(|d| d == name),
            "the table has no row for `{name}`"
        );
    }
    for cell in documented.iter().filter(|cell| *cell != "command") {
        assert!(names.contains(&cell.as_str()), "there is no command {cell}");
    }
}

#[test]
fn every_option_of_an_import_is_in_the_table_of_its_options() {
    let page = read("docs/cli.md");
    let rows = section(&page, "Importing files");
    let documented = options_in(first_cells(rows).into_iter());
    let help = printed(&["import", "--help"]);
    let (_, listed) = help.split_once("Options:\n").unwrap();
    let lines = listed.lines().map(str::trim_start);
    let global = [
        "--database-url",
        "--config",
        "--log-format",
        "--log-level",
        "--json",
    ];
    let of_import = options_in(lines.filter(|line| line.starts_with("--")).map(first_word));
    for option in of_import
        .iter()
        .filter(|option| !global.contains(&option.as_str()))
    {
        assert!(documented.contains(option), "the table has no {option}");
    }
    for option in &documented {
        assert!(of_import.contains(option), "there is no option {option}");
    }
}

fn first_word(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

/// The names of the options in some texts.
fn options_in<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<String> {
    let words = texts.flat_map(|text| text.split(|c: char| c.is_whitespace() || "`,".contains(c)));
    let options = words.filter(|word| word.starts_with("--"));
    options.map(str::to_owned).collect()
}

/// The names that a section of a settings file may have, as the refusal of a wrong one tells them.
fn names_in(heading: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("settings.toml");
    std::fs::write(&file, format!("{heading}\nno_such_name = 1\n")).unwrap();
    let refusal = printed(&["--config", file.to_str().unwrap(), "stats"]);
    let (_, expected) = refusal
        .split_once("expected ")
        .unwrap_or_else(|| panic!("{heading}: {refusal}"));
    let names = expected.split('`').skip(1).step_by(2);
    names.map(str::to_owned).collect()
}

#[test]
fn every_setting_is_in_the_table_of_settings() {
    let page = read("docs/configuration.md");
    // A row may tell of a second setting beside its own.
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let rows = rows.collect::<Vec<_>>().join("\n");
    let top = names_in("");
    assert!(top.iter().any(|name| name == "pool"), "{top:?}");
    for name in &top {
        if ["url", "migrate"].contains(&name.as_str()) {
            assert!(
                rows.contains(&format!("| `{name}` |")),
                "the table has no row for {name}"
            );
            continue;
        }
        for setting in names_in(&format!("[{name}]")) {
            // A row may name the critical level by its ending, and the channels by their heading.
            let form = match setting.strip_suffix("_critical") {
                Some(base) => format!("`{name}.{base}_warning`, `_critical`"),
                None => format!("`{name}.{setting}`"),
            };
            let known = rows.contains(&form) || rows.contains(&format!("`[[{name}.{setting}]]`"));
            assert!(known, "the table has no row for {name}.{setting}");
        }
    }
}

/// Whether a row of the table names a path: whole, or by the beginning and an ending of its own.
fn names_path(rows: &[&str], path: &str) -> bool {
    rows.iter().any(|row| {
        let words: Vec<&str> = row
            .split(['`', ' ', ','])
            .filter(|w| w.starts_with('/'))
            .collect();
        words.contains(&path)
            || path.match_indices('/').any(|(at, _)| {
                let (beginning, ending) = path.split_at(at);
                let begins = |word: &str| {
                    let parent = word.rsplit_once('/').map(|(parent, _)| parent);
                    word == beginning || parent == Some(beginning)
                };
                words.contains(&ending) && words.iter().any(|word| begins(word))
            })
    })
}

#[test]
fn every_path_is_in_the_table_of_paths() {
    let db = TestDatabase::sqlite();
    let server = Serving::start(&db, &[], &[]);
    let (status, body) = server.get("/api/openapi.json");
    assert_eq!(status, 200, "{body}");
    let document: serde_json::Value = serde_json::from_str(&body).unwrap();
    let page = read("docs/http-api.md");
    let rows = first_cells(&page);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 20, "{body}");
    for path in paths.keys() {
        assert!(names_path(&rows, path), "the table has no row for {path}");
    }
    assert!(!names_path(&rows, "/api/rules/none") && !names_path(&rows, "/api/fetch"));
}
