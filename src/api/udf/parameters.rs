//! The parameters of a question, read leniently: unknown and empty ones count as absent.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::api::types::UdfProblem;
use crate::timestamp::Timestamp;

/// Names and values of a query.
pub(super) struct UdfParameters(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for UdfParameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let text = parts.uri.query().unwrap_or_default();
        Ok(Self(serde_html_form::from_str(text).unwrap_or_default()))
    }
}

impl UdfParameters {
    /// The text of a parameter, if it has one.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let mut given = self.0.iter();
        let (_, value) = given.find(|(given, value)| given == name && !value.is_empty())?;
        Some(value)
    }

    /// A whole number; a fraction is cut, as charts may compute one.
    pub(super) fn whole(&self, name: &str) -> Result<Option<i64>, UdfProblem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let whole = text.parse::<i64>().ok();
        let cut = || text.parse::<f64>().ok().filter(|number| number.is_finite());
        let number = whole.or_else(|| cut().map(|number| number.floor() as i64));
        let problem = || UdfProblem::new(format!("{name} is not a number; write it in digits"));
        number.map(Some).ok_or_else(problem)
    }

    /// A moment in seconds since 1970, held in range: charts ask for what was before all time.
    pub(super) fn moment(&self, name: &str) -> Result<Option<Timestamp>, UdfProblem> {
        let seconds = self.whole(name)?;
        let micros = seconds.map(|seconds| seconds.saturating_mul(1_000_000));
        Ok(micros.map(Timestamp::from_micros_clamped))
    }
}
