//! The layers of the settings, merged: a TOML file and, over it, variables of the environment.
//!
//! Owns their one table, and knows where each value of it is written, for errors.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use crate::error::{Error, Result};

/// The sections that a variable `TICKBASE_<SECTION>_<NAME>` may name; variables of others are of
/// other programs.
const SECTIONS: [&str; 13] = [
    "POOL",
    "SQLITE",
    "POSTGRES",
    "WRITE",
    "OBSERVE",
    "MONITORING",
    "HISTORY",
    "BACKUP",
    "ARCHIVE",
    "RETENTION",
    "ALERTS",
    "CACHE",
    "SERVER",
];
const REMEDY: &str = "see docs/configuration.md";

/// A file and variables, merged into one table.
#[derive(Default)]
pub(super) struct SettingLayers {
    table: Table,
    /// Path and text of the file.
    file: Option<(String, String)>,
    /// The name of the variable that has a setting, by the setting, like `pool.base`.
    variables: BTreeMap<String, String>,
}

impl SettingLayers {
    pub(super) fn read(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let mut layers = Self::default();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|error| Error::File {
                path: path.display().to_string(),
                reason: error.to_string(),
                remedy: "give the path of a readable TOML file".to_owned(),
            })?;
            let path = path.display().to_string();
            layers.table = text.parse().map_err(|error: toml::de::Error| {
                let line = line(&text, error.span().map_or(0, |span| span.start));
                Error::config(format!("{path}, line {line}"), message(&error), REMEDY)
            })?;
            layers.file = Some((path, text));
        }
        for (name, value) in variables {
            layers.put(name, value);
        }
        Ok(layers)
    }

    /// Lays a variable over what is there.
    fn put(&mut self, name: String, value: String) {
        let (section, key, value) = match name.as_str() {
            // The more specific name wins, in whatever order they come.
            "DATABASE_URL" if self.variables.contains_key("url") => return,
            "DATABASE_URL" | "TICKBASE_DATABASE_URL" => (None, "url".into(), Value::String(value)),
            "TICKBASE_MIGRATE" => (None, "migrate".into(), literal(value)),
            _ => match name
                .strip_prefix("TICKBASE_")
                .and_then(|rest| rest.split_once('_'))
            {
                Some((section, key)) if SECTIONS.contains(&section) => (
                    Some(section.to_lowercase()),
                    key.to_lowercase(),
                    literal(value),
                ),
                // Other programs have variables that begin like ours: an unknown section is not an
                // error, an unknown name within a section is one when the table is read.
                _ => return,
            },
        };
        let (table, setting) = match section {
            None => (Some(&mut self.table), key.clone()),
            Some(section) => {
                let setting = format!("{section}.{key}");
                let table = self
                    .table
                    .entry(section)
                    .or_insert_with(|| Table::new().into());
                (table.as_table_mut(), setting)
            }
        };
        // A file that has a value in place of the section is refused when the table is read.
        if let Some(table) = table {
            table.insert(key, value);
            self.variables.insert(setting, name);
        }
    }

    /// Reads the table into a struct; a value that is not in the table keeps its default.
    pub(super) fn settings<T: DeserializeOwned>(&self) -> Result<T> {
        serde_path_to_error::deserialize(self.table.clone()).map_err(|error| {
            let name = error.path().to_string();
            self.located(Error::config(name, message(error.inner()), REMEDY))
        })
    }

    /// The error, with where the setting that it names is written.
    pub(super) fn located(&self, error: Error) -> Error {
        match error {
            Error::Config {
                name,
                reason,
                remedy,
            } => {
                let origin = self.origin(&name);
                let origin = origin.map_or_else(String::new, |origin| format!(" ({origin})"));
                Error::config(name, reason, format!("{remedy}{origin}"))
            }
            other => other,
        }
    }

    /// Finds where a setting is written: the variable, or the line of the file.
    fn origin(&self, setting: &str) -> Option<String> {
        let holds = |known: &str| {
            let rest = setting.strip_prefix(known);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if let Some((_, name)) = self.variables.iter().find(|(known, _)| holds(known)) {
            return Some(format!("set by {name}"));
        }
        let (path, text) = self.file.as_ref()?;
        // Parsed again, with positions, only for the error: the merged table has lost them.
        let root = DeTable::parse(text).ok()?;
        let mut steps = setting
            .split(['.', '[', ']'])
            .filter(|step| !step.is_empty());
        let mut found = root.get_ref().get(steps.next()?)?;
        for step in steps {
            let next = match found.get_ref() {
                DeValue::Table(table) => Some(table.get(step)?),
                DeValue::Array(array) => step.parse().ok().and_then(|at: usize| array.get(at)),
                _ => None,
            };
            // An error may name a part of a value by a word of its own: the value is found.
            let Some(next) = next else { break };
            found = next;
        }
        Some(format!(
            "set in {path}, line {}",
            line(text, found.span().start)
        ))
    }
}

/// The number of the line with a byte.
fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// The message alone: the excerpt that Display adds might hold a URL with its password.
fn message(error: &toml::de::Error) -> String {
    error.message().replace('\n', " ")
}

/// A number or a boolean where it reads as one, else text. Digits that a number would not keep, as
/// a zero before them, are text: they may be a token.
fn literal(text: String) -> Value {
    let integer = text
        .parse()
        .ok()
        .filter(|number: &i64| number.to_string() == text);
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let float = || text.parse().map(Value::Float).ok().filter(|_| !is_digits);
    let boolean = || text.parse().map(Value::Boolean).ok();
    let known = integer.map(Value::Integer).or_else(float).or_else(boolean);
    known.unwrap_or(Value::String(text))
}
