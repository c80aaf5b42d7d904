//! The API's OpenAPI document as a test reads it: operations, schemas, and whether a value is what
//! a schema says. A keyword that it does not know fails the test, so that none is passed over.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::client::Api;

/// What the router says of itself.
pub(crate) struct Document(Value);

/// A path with a method.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) parameters: Vec<Parameter>,
    /// By content type.
    pub(crate) bodies: BTreeMap<String, Value>,
    /// By status, then by content type.
    responses: BTreeMap<String, Value>,
}

/// A value beside the body.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// `path`, `query` or `header`.
    pub(crate) place: String,
    pub(crate) required: bool,
    pub(crate) schema: Value,
}

const ANNOTATIONS: [&str; 5] = ["description", "default", "example", "pattern", "maxLength"];

impl Document {
    pub(crate) fn of(api: &Api) -> Self {
        Self(api.get("/api/openapi.json").json(200))
    }

    pub(crate) fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, methods) in self.0["paths"].as_object().unwrap() {
            for (method, described) in methods.as_object().unwrap() {
                operations.push(Operation::new(path, method, described));
            }
        }
        operations
    }

    /// The example of each body: method, path, content type, and the example, if there is one.
    pub(crate) fn body_examples(&self) -> Vec<(String, String, String, Option<Value>)> {
        let mut examples = Vec::new();
        for (path, methods) in self.0["paths"].as_object().unwrap() {
            for (method, described) in methods.as_object().unwrap() {
                let contents = described["requestBody"]["content"].as_object();
                for (kind, content) in contents.into_iter().flatten() {
                    let (method, example) = (method.to_uppercase(), content.get("example"));
                    examples.push((method, path.clone(), kind.clone(), example.cloned()));
                }
            }
        }
        examples
    }

    /// A schema without references and `allOf` at its top.
    pub(crate) fn resolved(&self, schema: &Value) -> Value {
        if let Some(place) = schema["$ref"].as_str() {
            let pointer = place.trim_start_matches('#');
            let found = self.0.pointer(pointer);
            return self.resolved(found.unwrap_or_else(|| panic!("{place} is nowhere")));
        }
        let Some(parts) = schema["allOf"].as_array() else {
            return schema.clone();
        };
        let mut merged = json!({"type": "object", "properties": {}, "required": []});
        for part in parts {
            let part = self.resolved(part);
            assert_eq!(part["type"], "object", "only objects are merged: {part}");
            let properties = part["properties"].as_object().unwrap().clone();
            merged["properties"]
                .as_object_mut()
                .unwrap()
                .extend(properties);
            let required = part["required"].as_array().cloned().unwrap_or_default();
            merged["required"].as_array_mut().unwrap().extend(required);
        }
        merged
    }

    /// Whether a value is what a schema says, nothing missing and nothing more.
    pub(crate) fn check(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let schema = self.resolved(schema);
        if let Some(choices) = schema["oneOf"].as_array() {
            let fitting = choices
                .iter()
                .filter(|choice| self.check(choice, value).is_ok());
            return match fitting.count() {
                1 => Ok(()),
                count => Err(format!("{value} fits {count} of {choices:?}")),
            };
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let fits = choices
                .iter()
                .any(|choice| self.check(choice, value).is_ok());
            return if fits {
                Ok(())
            } else {
                Err(format!("{value} fits none of {choices:?}"))
            };
        }
        for (keyword, limit) in schema.as_object().unwrap() {
            self.keyword(keyword, limit, &schema, value)?;
        }
        Ok(())
    }

    fn keyword(
        &self,
        keyword: &str,
        limit: &Value,
        schema: &Value,
        value: &Value,
    ) -> Result<(), String> {
        let fits = match keyword {
            "type" => types(limit).iter().any(|name| is_of_type(name, value)),
            "enum" => limit.as_array().unwrap().contains(value),
            "minimum" => value
                .as_f64()
                .is_none_or(|number| number >= limit.as_f64().unwrap()),
            "exclusiveMinimum" => value
                .as_f64()
                .is_none_or(|number| number > limit.as_f64().unwrap()),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| number <= limit.as_f64().unwrap()),
            "minLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 >= limit.as_u64().unwrap()),
            "format" => value.as_str().is_none_or(|text| match limit.as_str() {
                Some("date-time") => is_moment(text),
                Some("date") => is_day(text),
                _ => true,
            }),
            "minItems" => value
                .as_array()
                .is_none_or(|list| list.len() as u64 >= limit.as_u64().unwrap()),
            "maxItems" => value
                .as_array()
                .is_none_or(|list| list.len() as u64 <= limit.as_u64().unwrap()),
            "items" => {
                return value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .try_for_each(|item| self.check(limit, item));
            }
            "properties" => return self.properties(limit.as_object().unwrap(), value),
            "required" => {
                let names = limit.as_array().unwrap();
                value.as_object().is_none_or(|object| {
                    names
                        .iter()
                        .all(|name| object.contains_key(name.as_str().unwrap()))
                })
            }
            // Names in JSON are texts anyway.
            "propertyNames" => *limit == json!({"type": "string"}),
            // A map: each of its values is what the schema says.
            "additionalProperties" if limit.is_object() => {
                let values = value.as_object().into_iter().flat_map(Map::values);
                return values
                    .into_iter()
                    .try_for_each(|inner| self.check(limit, inner));
            }
            // A property that is not described is refused in any case.
            "additionalProperties" => *limit == json!(false),
            known if ANNOTATIONS.contains(&known) => true,
            other => panic!("{other} is no keyword that this test knows: {schema}"),
        };
        if fits {
            Ok(())
        } else {
            Err(format!("{value} breaks {keyword} {limit}"))
        }
    }

    fn properties(&self, described: &Map<String, Value>, value: &Value) -> Result<(), String> {
        for (name, inner) in value.as_object().into_iter().flatten() {
            let schema = described
                .get(name)
                .ok_or_else(|| format!("{name} is not described"))?;
            self.check(schema, inner)
                .map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(())
    }
}

impl Operation {
    fn new(path: &str, method: &str, described: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let parameters = described["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.map(|of| Parameter {
            name: text(&of["name"]),
            place: text(&of["in"]),
            required: of["required"] == true,
            schema: of["schema"].clone(),
        });
        let contents = |of: &Value| {
            let contents = of["content"].as_object().cloned().unwrap_or_default();
            contents
                .into_iter()
                .map(|(kind, of)| (kind, of["schema"].clone()))
        };
        Self {
            method: method.to_uppercase(),
            path: path.to_owned(),
            parameters: parameters.collect(),
            bodies: contents(&described["requestBody"]).collect(),
            responses: described["responses"]
                .as_object()
                .unwrap()
                .clone()
                .into_iter()
                .collect(),
        }
    }

    /// `POST /api/..`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The schema of an answer by content type; nothing for a status that is not described.
    pub(crate) fn response(&self, status: u16) -> Option<BTreeMap<String, Value>> {
        let described = self.responses.get(&status.to_string())?;
        let contents = described["content"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        Some(
            contents
                .into_iter()
                .map(|(kind, of)| (kind, of["schema"].clone()))
                .collect(),
        )
    }
}

/// The names in a `type`, which is one or a list.
pub(crate) fn types(of: &Value) -> Vec<String> {
    match of {
        Value::String(name) => vec![name.clone()],
        Value::Array(names) => names
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect(),
        other => panic!("{other} is no type"),
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type of JSON"),
    }
}

/// Year, month and day.
fn is_day(text: &str) -> bool {
    text.len() == 10 && text.parse::<tickbase::timestamp::Timestamp>().is_ok()
}

/// UTC with `Z`, in years of four digits.
fn is_moment(text: &str) -> bool {
    text.ends_with('Z') && text.parse::<tickbase::timestamp::Timestamp>().is_ok()
}
