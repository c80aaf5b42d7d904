//! The commands of docs/life-of-data.md, run one after the other, say what the page shows.

use std::path::Path;
use std::process::Command;

use crate::readme::text::{project, read};

/// Digits as the page has them: moments, numbers of deletions and of processes differ in each run,
/// and have the same width.
fn without_moments(text: &str) -> String {
    let mut masked = String::new();
    for line in text.lines() {
        let mut words: Vec<String> = Vec::new();
        // Blanks are kept: they are the columns of tables.
        for word in line.split(' ') {
            let word = without_hash(word);
            let digits = word.chars().filter(char::is_ascii_digit).count();
            let is_moment = digits >= 16;
            words.push(match (is_moment, word.starts_with("tickbase[")) {
                (_, true) => "tickbase[..]".to_owned(),
                (true, _) => word.replace(|c: char| c.is_ascii_digit(), "0"),
                _ => word,
            });
        }
        masked.push_str(words.join(" ").trim_end());
        masked.push('\n');
    }
    masked
}

/// The name of a file of the mirror without the hash in it, which differs as the database's numbers do.
fn without_hash(word: &str) -> String {
    match word
        .strip_suffix(".parquet")
        .and_then(|name| name.rsplit_once('-'))
    {
        Some((name, _)) => format!("{name}-...parquet"),
        None => word.to_owned(),
    }
}

/// The commands of the page, each with what stands below it.
fn commands() -> Vec<(String, String)> {
    let page = read("docs/life-of-data.md");
    let mut commands: Vec<(String, String)> = Vec::new();
    for block in page.split("```console\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            match line.strip_prefix("$ ") {
                Some(command) => commands.push((command.to_owned(), String::new())),
                None => {
                    let said = &mut commands.last_mut().unwrap().1;
                    said.push_str(line);
                    said.push('\n');
                }
            }
        }
    }
    commands
}

fn run(place: &Path, command: &str) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_tickbase"));
    let path = format!(
        "{}:{}",
        bin.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let done = Command::new("bash")
        .args(["-c", command])
        .current_dir(place)
        .env("PATH", path)
        .env("DATABASE_URL", "life.db")
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    let wrong = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{command}: {said}{wrong}");
    said
}

#[test]
fn each_command_says_what_the_page_shows() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("data")).unwrap();
    let sample = "data/es-trades-sample.csv.gz";
    std::fs::copy(project().join(sample), place.path().join(sample)).unwrap();
    let all = commands();
    assert!(all.len() >= 8, "{all:?}");
    // The numbers of deletions on the page, and those of this run.
    let mut numbers: Vec<(String, String)> = Vec::new();
    for (command, expected) in &all {
        let mut command = command.clone();
        for (shown, now) in &numbers {
            command = command.replace(shown, now);
        }
        let said = run(place.path(), &command);
        if let (Some(shown), Some(now)) = (number_of(expected), number_of(&said)) {
            numbers.push((shown, now));
        }
        // What stands before the first deletion is shown without its output.
        if !expected.is_empty() {
            assert_eq!(
                without_moments(&said),
                without_moments(expected),
                "{command}"
            );
        }
    }
    assert_eq!(numbers.len(), 2);
}

/// The number of the deletion that an answer says how to take back.
fn number_of(said: &str) -> Option<String> {
    let told = said.split("`tickbase undo ").nth(1)?;
    Some(told.chars().take_while(char::is_ascii_digit).collect())
}
