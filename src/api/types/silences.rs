//! Silences and acknowledgements as the API writes and reads them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::{Error, Result};
use crate::models::{AlertSilence, NewAlertSilence, SilenceEnd, SilenceSubject};
use crate::timestamp::Timestamp;

/// A silence.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Silence)]
pub(in crate::api) struct SilenceItem {
    id: i64,
    /// The rule, if it is of one.
    rule_id: Option<i64>,
    /// The instrument, if it is of one.
    instrument_id: Option<i64>,
    /// When it ends, unless somebody lifts it before.
    #[schema(format = DateTime)]
    until: String,
    reason: Option<String>,
    created_by: String,
    #[schema(format = DateTime)]
    created_at: String,
    lifted_by: Option<String>,
    #[schema(format = DateTime)]
    lifted_at: Option<String>,
}

impl From<AlertSilence> for SilenceItem {
    fn from(row: AlertSilence) -> Self {
        Self {
            id: row.id,
            rule_id: row.rule_id,
            instrument_id: row.instrument_id,
            until: row.until.to_string(),
            reason: row.reason,
            created_by: row.created_by,
            created_at: row.created_at.to_string(),
            lifted_by: row.lifted_by,
            lifted_at: row.lifted_at.map(|at| at.to_string()),
        }
    }
}

/// A silence to add: of a rule or of an instrument, until a moment or for some seconds.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSilence)]
pub(in crate::api) struct SilenceBody {
    /// The rule; in place of `instrument_id`.
    rule_id: Option<i64>,
    /// The instrument, all rules of which are silenced.
    instrument_id: Option<i64>,
    /// When it ends, a year from now at most; in place of `for_seconds`.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// How long it lasts.
    #[schema(minimum = 1, maximum = 31_622_400)]
    for_seconds: Option<u64>,
    #[schema(max_length = 500)]
    reason: Option<String>,
    /// Who does it; with a token its name is taken, and this is not.
    #[schema(min_length = 1, max_length = 100)]
    pub(in crate::api) by: Option<String>,
}

impl SilenceBody {
    /// The silence, by somebody.
    pub(in crate::api) fn by(self, created_by: String) -> Result<NewAlertSilence> {
        let subject = match (self.rule_id, self.instrument_id) {
            (Some(id), None) => SilenceSubject::Rule(id),
            (None, Some(id)) => SilenceSubject::Instrument(id),
            (rule, _) => {
                let name = if rule.is_some() {
                    "instrument_id"
                } else {
                    "rule_id"
                };
                let reason = "a silence is of one rule or of one instrument";
                return Err(Error::invalid(name, reason, "give one of the two"));
            }
        };
        let end = match (self.until, self.for_seconds) {
            (Some(until), None) => SilenceEnd::At(moment(&until)?),
            (None, Some(seconds)) => SilenceEnd::After(Duration::from_secs(seconds)),
            (until, _) => {
                let name = if until.is_some() {
                    "for_seconds"
                } else {
                    "until"
                };
                let reason = "a silence has one end";
                return Err(Error::invalid(
                    name,
                    reason,
                    "give one of until and for_seconds",
                ));
            }
        };
        Ok(NewAlertSilence {
            subject,
            end,
            reason: self.reason,
            created_by,
        })
    }
}

fn moment(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|error: Error| match error {
        Error::Invalid { reason, remedy, .. } => Error::invalid("until", reason, remedy),
        other => other,
    })
}

/// Which silences are asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct SilenceQuery {
    /// Those that ended, too
    #[serde(default)]
    pub(in crate::api) with_ended: bool,
    /// Only those of this rule
    pub(in crate::api) rule_id: Option<i64>,
    /// Only those of this instrument
    pub(in crate::api) instrument_id: Option<i64>,
    /// Only those with a number below this one: that of the last one of the page before
    pub(in crate::api) before: Option<i64>,
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub(in crate::api) limit: Option<usize>,
}

/// Who lifts a silence.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct LiftQuery {
    /// Who does it; with a token its name is taken, and this is not
    #[param(min_length = 1, max_length = 100)]
    pub(in crate::api) by: Option<String>,
}

/// What is said of an alert that somebody has seen.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Acknowledgement)]
pub(in crate::api) struct AcknowledgementBody {
    #[schema(max_length = 1000)]
    pub(in crate::api) note: Option<String>,
    /// Who does it; with a token its name is taken, and this is not.
    #[schema(min_length = 1, max_length = 100)]
    pub(in crate::api) by: Option<String>,
}
