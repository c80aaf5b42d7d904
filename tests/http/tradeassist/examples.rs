//! The examples of docs/migrating.md are what the server answers.

use serde_json::Value;

use super::analytics::{fill, tradeassist};
use crate::api::client::Answer;
use crate::support::on_both;

const DOCUMENT: &str = include_str!("../../../docs/migrating.md");
const BASE: &str = "/api/v1/analytics";

/// The request of a heading ``#### `GET path` `` or ``#### `POST path {body}` ``; none of one with a
/// placeholder, or without a body.
fn request(line: &str) -> Option<(&str, Option<Value>)> {
    let text = line.strip_prefix("#### `")?.strip_suffix('`')?;
    if let Some(path) = text.strip_prefix("GET ") {
        return (!path.contains('{')).then_some((path, None));
    }
    let (path, body) = text.strip_prefix("POST ")?.split_once(' ')?;
    Some((path, Some(serde_json::from_str(body).unwrap())))
}

/// The pointer of a row and what it says is answered now.
fn example(line: &str) -> Option<(&str, &str)> {
    let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
    let pointer = cells
        .first()?
        .trim()
        .strip_prefix("`/")?
        .strip_suffix('`')?;
    Some((pointer, cells.last()?.trim()))
}

/// A value with the places of the example.
fn written(value: &Value, example: &str) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let places = example
                .split_once('.')
                .map_or(4, |(_, places)| places.len());
            format!("{:.places$}", number.as_f64().unwrap())
        }
        other => other.to_string(),
    }
}

on_both! {
    fn the_examples_of_the_document_are_what_is_answered(db: &TestDatabase) {
        let api = tradeassist(db);
        fill(&api);
        let (mut answer, mut wrong, mut compared) = (Value::Null, Vec::new(), 0);
        let figures = DOCUMENT.split_once("\n## Figures").unwrap().1;
        for line in figures.lines() {
            if line.starts_with("#### ") {
                let answered = |it: Answer| it.json(200);
                answer = match request(line) {
                    None => Value::Null,
                    Some((path, None)) => answered(api.get(&format!("{BASE}/{path}"))),
                    Some((path, Some(body))) => answered(api.post(&format!("{BASE}/{path}"), &body)),
                };
            }
            let Some((pointer, example)) = example(line) else {
                continue;
            };
            compared += 1;
            let value = answer.pointer(&format!("/{pointer}")).unwrap_or(&Value::Null);
            let value = written(value, example);
            if value != example {
                wrong.push(format!("/{pointer}: {example}, and it is {value}"));
            }
        }
        assert!(compared > 40, "{compared}");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
