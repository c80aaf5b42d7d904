//! Why a value cannot be read, in the words of pydantic 2.5: clients map `loc` to the fields of
//! their forms and show `msg`.
//!
//! Types, texts and contexts are those of <https://docs.pydantic.dev/2.5/errors/validation_errors/>.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// Where the documentation explains a type of problem.
const EXPLAINED_AT: &str = "https://errors.pydantic.dev/2.5/v/";

/// One value that cannot be read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Problem {
    r#type: &'static str,
    /// `path`, `query` or `body`, then names and indexes.
    loc: Vec<Value>,
    msg: String,
    /// What was given.
    input: Value,
    #[serde(skip_serializing_if = "FaultContext::is_empty")]
    ctx: FaultContext,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// The figures of a rule, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
struct FaultContext(Vec<(&'static str, Value)>);

impl FaultContext {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for FaultContext {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, figure)| (name, figure)))
    }
}

/// The rule that a value breaks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    r#type: &'static str,
    msg: String,
    ctx: FaultContext,
    /// The item of a list that breaks it.
    index: Option<usize>,
    /// That item.
    item: Option<Value>,
    /// The fault of the next item of the list that breaks one.
    next: Option<Box<Self>>,
}

impl Fault {
    pub(super) fn new(r#type: &'static str, msg: impl Into<String>) -> Self {
        Self {
            r#type,
            msg: msg.into(),
            ctx: FaultContext::default(),
            index: None,
            item: None,
            next: None,
        }
    }

    /// The faults of the items of a list, as that of the list; none when there are none.
    pub(super) fn of_items(faults: Vec<Self>) -> Option<Self> {
        let chain = |next: Option<Self>, fault: Self| {
            Some(Self {
                next: next.map(Box::new),
                ..fault
            })
        };
        faults.into_iter().rev().fold(None, chain)
    }

    /// Adds a figure of the rule.
    pub(super) fn with(mut self, name: &'static str, figure: impl Into<Value>) -> Self {
        self.ctx.0.push((name, figure.into()));
        self
    }

    /// The fault of an item of a list.
    pub(super) fn at(self, index: usize, item: &Value) -> Self {
        Self {
            index: Some(index),
            item: Some(item.clone()),
            ..self
        }
    }

    /// A rule that the original's own code checks.
    pub(super) fn value(text: impl std::fmt::Display) -> Self {
        Self::new("value_error", format!("Value error, {text}")).with("error", json!({}))
    }

    pub(super) fn missing() -> Self {
        Self::new("missing", "Field required")
    }

    /// None of these words.
    pub(super) fn word(words: &[&str]) -> Self {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let expected = match quoted.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            [others @ .., last] => format!("{} or {last}", others.join(", ")),
        };
        Self::new("enum", format!("Input should be {expected}")).with("expected", expected)
    }

    /// The problems of a value at `loc`: one, or one for each item of a list.
    pub(super) fn all_of(self, loc: &[&str], input: &Value) -> Vec<Problem> {
        let (mut problems, mut fault) = (Vec::new(), Some(Box::new(self)));
        while let Some(mut one) = fault {
            fault = one.next.take();
            problems.push(one.of(loc, input));
        }
        problems
    }

    /// The problem of a value at `loc`.
    pub(super) fn of(self, loc: &[&str], input: &Value) -> Problem {
        let mut loc: Vec<Value> = loc.iter().map(|&step| json!(step)).collect();
        loc.extend(self.index.map(Value::from));
        // Its errors of words and of JSON have no page.
        let explained = !["enum", "json_invalid"].contains(&self.r#type);
        Problem {
            r#type: self.r#type,
            loc,
            msg: self.msg,
            input: self.item.unwrap_or_else(|| input.clone()),
            ctx: self.ctx,
            url: explained.then(|| format!("{EXPLAINED_AT}{}", self.r#type)),
        }
    }
}

impl Problem {
    /// What a service says of a value that the original does not refuse: what was given is not known
    /// where it is said.
    pub(super) fn told(loc: Vec<Value>, text: &str) -> Self {
        Self {
            loc,
            ..Fault::value(text).of(&[], &Value::Null)
        }
    }

    /// The body is no JSON, from this character on.
    pub(super) fn no_json(at: usize, why: &str) -> Self {
        Self {
            r#type: "json_invalid",
            loc: vec![json!("body"), json!(at)],
            msg: "JSON decode error".to_owned(),
            input: json!({}),
            ctx: FaultContext(vec![("error", json!(why))]),
            url: None,
        }
    }
}
