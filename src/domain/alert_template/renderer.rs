//! What a template makes of an alert. A template is tried with samples when it is made, so that
//! one that cannot work is found at the start and not with the first alert.

use std::fmt;

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde::de::IgnoredAny;

use super::facts::{TemplateContext, samples};
use super::{AlertTemplate, TemplateAlert, TemplateFacts, TemplateVariables};
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

const NAME: &str = "template";
/// What a template may name beside the alert and the variables, the functions included.
const OTHER_NAMES: [&str; 6] = [
    "channel",
    "idempotency_key",
    "sent_at",
    "range",
    "dict",
    "namespace",
];

/// A template that works, with the variables of its channel.
pub(crate) struct TemplateRenderer {
    environment: Environment<'static>,
    variables: TemplateVariables,
}

impl fmt::Debug for TemplateRenderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TemplateRenderer(..)") // Variables may be secret.
    }
}

impl TemplateRenderer {
    /// Reads a template, and tries it.
    ///
    /// # Errors
    /// [`Error::Invalid`] names `template` or `variables`, says what cannot work, and what would.
    pub(crate) fn new(template: &AlertTemplate, given: &TemplateVariables) -> Result<Self> {
        let variables = template.variables(given)?;
        let mut environment = Environment::new();
        // Each value is written as JSON, whatever is in it.
        environment.set_auto_escape_callback(|_| AutoEscape::Json);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_filter("cut", cut);
        environment.add_filter("add_seconds", add_seconds);
        let text = template.text().to_owned();
        let added = environment.add_template_owned(NAME, text);
        added.map_err(|error| refused(&error))?;
        let renderer = Self {
            environment,
            variables,
        };
        renderer.check_names()?;
        for sample in &samples() {
            renderer.render(sample)?;
        }
        Ok(renderer)
    }

    /// The body of an alert.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the template cannot make one of this alert, or makes no JSON of it.
    pub(crate) fn render(&self, facts: &TemplateFacts<'_>) -> Result<Vec<u8>> {
        let context = TemplateContext {
            facts,
            variables: &self.variables,
        };
        let context = Value::from(Serde(&context));
        let template = self.environment.get_template(NAME);
        let body = template.and_then(|template| template.render(context));
        let body = body.map_err(|error| refused(&error))?;
        if let Err(error) = serde_json::from_str::<IgnoredAny>(&body) {
            return Err(Error::invalid(
                NAME,
                format!("it makes no JSON of an alert: {error}"),
                "write each value without quotes around it, {{ alert.alert_message }}: it gets them",
            ));
        }
        Ok(body.into_bytes())
    }

    /// Finds what the template names and nobody knows, in branches that no sample takes, too.
    fn check_names(&self) -> Result<()> {
        let Ok(template) = self.environment.get_template(NAME) else {
            return Ok(()); // It was added.
        };
        let mut names: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        names.sort_unstable();
        for name in names {
            let (first, rest) = name.split_once('.').unwrap_or((&name, ""));
            let field = rest.split('.').next().unwrap_or_default();
            let remedy = match first {
                "alert" if field.is_empty() || TemplateAlert::FIELDS.contains(&field) => continue,
                "alert" => format!("an alert has {}", TemplateAlert::FIELDS.join(", ")),
                "variables" if field.is_empty() || self.variables.contains_key(field) => continue,
                "variables" => format!("add variables = {{ {field} = \"..\" }} to the channel"),
                other if OTHER_NAMES.contains(&other) => continue,
                _ => "use alert, variables, channel, idempotency_key or sent_at".to_owned(),
            };
            return Err(Error::invalid(
                NAME,
                format!("nobody knows its {name}"),
                remedy,
            ));
        }
        Ok(())
    }
}

/// The template's language has its own words for what is wrong; where is a line of the template.
fn refused(error: &minijinja::Error) -> Error {
    let remedy = "docs/alerts.md says how templates are written";
    let said = error.detail().unwrap_or_default();
    let colon = if said.is_empty() { "" } else { ": " };
    let line = error.line().map(|line| format!(" (its line {line})"));
    let line = line.unwrap_or_default();
    Error::invalid(NAME, format!("{}{colon}{said}{line}", error.kind()), remedy)
}

/// `text|cut(2000)`: at most so many characters, as UTF-16 counts them, which is how receivers do;
/// what is cut off shows as `..`.
fn cut(text: &str, most: usize) -> String {
    if text.encode_utf16().count() <= most {
        return text.to_owned();
    }
    let mut left = most.saturating_sub(2);
    let fits = |letter: &char| {
        let rest = left.checked_sub(letter.len_utf16());
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.extend("..".chars().take(most));
    cut
}

/// `alert.timestamp|add_seconds(300)`.
fn add_seconds(moment: &str, seconds: i64) -> std::result::Result<String, minijinja::Error> {
    let parsed = moment.parse::<Timestamp>();
    let parsed = parsed
        .map_err(|error| minijinja::Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    let later = parsed.saturating_add_micros(seconds.saturating_mul(1_000_000));
    Ok(later.to_string())
}
