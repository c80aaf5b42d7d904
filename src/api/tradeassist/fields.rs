//! The parameters and the body of a request, field by field: what cannot be read becomes a problem,
//! and the reading goes on, so that a form learns of all its fields at once.

use axum::extract::FromRequestParts;
use axum::extract::{FromRequest, RawPathParams, Request};
use axum::http::request::Parts;
use serde_json::{Map, Value, json};

use super::problem::{Fault, Problem};
use super::refusal::Refusal;
use super::values;
use crate::api::ApiState;
use crate::api::extract::body;

/// What a request carries, unread. Unknown names are ignored.
pub(super) struct RequestFields {
    path: Map<String, Value>,
    query: Map<String, Value>,
    body: Value,
    problems: Vec<Problem>,
}

/// A part of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum FieldLocation {
    Path,
    Query,
    Body,
}

impl FieldLocation {
    fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Body => "body",
        }
    }
}

impl RequestFields {
    /// The value of a field that must be there; none when it is a problem.
    pub(super) fn required<T>(
        &mut self,
        place: FieldLocation,
        name: &str,
        read: impl Fn(&Value) -> Result<T, Fault>,
    ) -> Option<T> {
        let Some(value) = self.find(place, name) else {
            self.miss(place, name);
            return None;
        };
        self.read(place, name, &value, read)
    }

    fn miss(&mut self, place: FieldLocation, name: &str) {
        let whole = match place {
            // Its own problem says that there is none.
            FieldLocation::Body if !self.body.is_object() => return,
            FieldLocation::Body => self.body.clone(),
            FieldLocation::Path | FieldLocation::Query => Value::Null,
        };
        let problem = Fault::missing().of(&[place.name(), name], &whole);
        self.problems.push(problem);
    }

    /// The value of a field that may be absent, but not null.
    pub(super) fn or<T>(
        &mut self,
        place: FieldLocation,
        name: &str,
        default: T,
        read: impl Fn(&Value) -> Result<T, Fault>,
    ) -> T {
        match self.find(place, name) {
            None => default,
            Some(value) => self.read(place, name, &value, read).unwrap_or(default),
        }
    }

    /// The value of a field that may be absent or null.
    pub(super) fn optional<T>(
        &mut self,
        place: FieldLocation,
        name: &str,
        read: impl Fn(&Value) -> Result<T, Fault>,
    ) -> Option<T> {
        self.given(place, name, read).flatten()
    }

    /// The same, with null told from what is absent.
    pub(super) fn given<T>(
        &mut self,
        place: FieldLocation,
        name: &str,
        read: impl Fn(&Value) -> Result<T, Fault>,
    ) -> Option<Option<T>> {
        match self.find(place, name)? {
            Value::Null => Some(None),
            value => self.read(place, name, &value, read).map(Some),
        }
    }

    /// The number in the path.
    pub(super) fn id(&mut self, name: &str) -> Option<i64> {
        self.required(FieldLocation::Path, name, values::integer)
    }

    /// All values of a parameter that may be there more than once.
    pub(super) fn all_of<T>(
        &mut self,
        name: &str,
        item: impl Fn(&Value) -> Result<T, Fault>,
    ) -> Option<Vec<T>> {
        let given = match self.whole(FieldLocation::Query, name)? {
            all @ Value::Array(_) => all,
            one => json!([one]),
        };
        self.read(FieldLocation::Query, name, &given, values::list(item))
    }

    /// Adds a problem that several fields have together.
    pub(super) fn refuse(&mut self, place: FieldLocation, name: &str, fault: Fault) {
        let value = self.whole(place, name).unwrap_or_default();
        let problems = fault.all_of(&[place.name(), name], &value);
        self.problems.extend(problems);
    }

    /// What was made of the fields; none of it when one of them is a problem.
    ///
    /// # Errors
    /// All problems, if there are any.
    pub(super) fn complete<T>(self, made: Option<T>) -> Result<T, Refusal> {
        match made {
            Some(made) if self.problems.is_empty() => Ok(made),
            _ => Err(Refusal::Problems(self.problems)),
        }
    }

    /// Of a parameter that is there more than once FastAPI takes the last value.
    fn find(&self, place: FieldLocation, name: &str) -> Option<Value> {
        match (place, self.whole(place, name)?) {
            (FieldLocation::Query, Value::Array(mut all)) => all.pop(),
            (_, one) => Some(one),
        }
    }

    /// All values of a parameter that is there more than once.
    fn whole(&self, place: FieldLocation, name: &str) -> Option<Value> {
        let values = match place {
            FieldLocation::Path => &self.path,
            FieldLocation::Query => &self.query,
            FieldLocation::Body => self.body.as_object()?,
        };
        values.get(name).cloned()
    }

    fn read<T>(
        &mut self,
        place: FieldLocation,
        name: &str,
        value: &Value,
        read: impl Fn(&Value) -> Result<T, Fault>,
    ) -> Option<T> {
        match read(value) {
            Ok(value) => Some(value),
            Err(fault) => {
                let problems = fault.all_of(&[place.name(), name], value);
                self.problems.extend(problems);
                None
            }
        }
    }
}

impl FromRequest<ApiState> for RequestFields {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Refusal> {
        let (mut parts, rest) = request.into_parts();
        let path = path_of(&mut parts, state).await;
        let query = query_of(parts.uri.query().unwrap_or_default());
        let takes_a_body = !parts.method.is_safe() && parts.method != axum::http::Method::DELETE;
        let mut fields = Self {
            path,
            query,
            body: Value::Null,
            problems: Vec::new(),
        };
        if takes_a_body {
            let bytes = body(Request::from_parts(parts, rest)).await?;
            fields.read_body(&bytes);
        }
        Ok(fields)
    }
}

impl RequestFields {
    /// JSON, whatever the content-type says.
    fn read_body(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            let problem = Fault::missing().of(&["body"], &Value::Null);
            self.problems.push(problem);
            return;
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(object)) => self.body = Value::Object(object),
            Ok(other) => {
                let msg = "Input should be a valid dictionary or object to extract fields from";
                let problem = Fault::new("model_attributes_type", msg).of(&["body"], &other);
                self.problems.push(problem);
            }
            Err(error) => self.problems.push(no_json(bytes, &error)),
        }
    }
}

/// Where JSON ends to be JSON, in characters as Python counts them.
fn no_json(bytes: &[u8], error: &serde_json::Error) -> Problem {
    let text = String::from_utf8_lossy(bytes);
    let before = text.lines().take(error.line().saturating_sub(1));
    let before: usize = before.map(|line| line.chars().count() + 1).sum();
    let line = text.lines().nth(error.line().saturating_sub(1));
    let seen: Vec<char> = line.unwrap_or_default().chars().collect();
    let column = error.column().saturating_sub(1).min(seen.len());
    if error.to_string().starts_with("trailing characters") {
        return Problem::no_json(before + column, "Extra data");
    }
    // Python names the place where a value would begin, not where it turns out to be none.
    let word = seen[..column].iter().rev();
    let inside = word.take_while(|c| c.is_alphanumeric()).count();
    Problem::no_json(before + column - inside, "Expecting value")
}

async fn path_of(parts: &mut Parts, state: &ApiState) -> Map<String, Value> {
    let params = RawPathParams::from_request_parts(parts, state).await;
    let pairs = params.iter().flat_map(|params| params.iter());
    pairs
        .map(|(name, text)| (name.to_owned(), json!(text)))
        .collect()
}

/// A name that is there more than once has a list of values.
fn query_of(text: &str) -> Map<String, Value> {
    let pairs: Vec<(String, String)> = serde_html_form::from_str(text).unwrap_or_default();
    let mut query = Map::new();
    for (name, value) in pairs {
        match query.get_mut(&name) {
            None => {
                query.insert(name, json!(value));
            }
            Some(Value::Array(all)) => all.push(json!(value)),
            Some(one) => *one = json!([one.take(), value]),
        }
    }
    query
}
