//! Templates of the bodies that receivers of alerts get: ours by name, and the user's own.
//!
//! Owns their names, and what a channel must tell for each of ours. What a template makes of an
//! alert is in `renderer`.

mod built_in;
#[cfg(feature = "server")]
mod facts;
#[cfg(feature = "server")]
mod renderer;
#[cfg(all(test, feature = "server"))]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

pub use built_in::BuiltInTemplate;
#[cfg(feature = "server")]
pub(crate) use facts::{TemplateAlert, TemplateFacts};
#[cfg(feature = "server")]
pub(crate) use renderer::TemplateRenderer;

use crate::error::{Error, Result};

/// What a channel tells its template, by name: texts, numbers, true or false. They may be secret.
pub type TemplateVariables = BTreeMap<String, serde_json::Value>;

/// What makes the body of an alert for a receiver.
#[derive(Clone, PartialEq, Eq)]
pub enum AlertTemplate {
    /// One of ours.
    BuiltIn(BuiltInTemplate),
    /// The user's own, in the language of Jinja.
    Own(String),
}

impl AlertTemplate {
    /// The text, in the language of Jinja.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::BuiltIn(known) => known.text(),
            Self::Own(text) => text,
        }
    }

    /// The variables that it works with: those of a channel and, of ours, those with a default that
    /// the channel leaves out.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that ours does not know, that it needs and lacks, or that cannot
    /// be right.
    pub fn variables(&self, given: &TemplateVariables) -> Result<TemplateVariables> {
        for (name, value) in given {
            if !value.is_string() && !value.is_number() && !value.is_boolean() {
                let reason = format!("{name} is neither a text nor a number, true or false");
                let remedy = "give each variable one value";
                return Err(Error::invalid("variables", reason, remedy));
            }
        }
        match self {
            Self::BuiltIn(known) => known.variables(given),
            Self::Own(_) => Ok(given.clone()),
        }
    }

    /// True when a variable of it must not be shown: of one's own template any may be a secret.
    #[must_use]
    pub fn is_secret(&self, variable: &str) -> bool {
        match self {
            Self::BuiltIn(known) => known.is_secret(variable),
            Self::Own(_) => true,
        }
    }
}

impl Default for AlertTemplate {
    fn default() -> Self {
        Self::BuiltIn(BuiltInTemplate::Generic)
    }
}

impl fmt::Debug for AlertTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(known) => f.write_str(known.as_str()),
            // Somebody may have written a secret into it.
            Self::Own(_) => f.write_str("Own(..)"),
        }
    }
}
