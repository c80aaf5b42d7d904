//! The parameters and refusals of writes in the line protocol, as clients of InfluxDB send and read
//! them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::InstrumentType;
use crate::ingest::line_protocol::LinePrecision;

/// A text of lines.
pub(in crate::api) const LINES_EXAMPLE: &str = "\
    ticks,symbol=ES price=1642,volume=8i 1378204260000000000\n\
    ticks,symbol=ES price=1642.25,volume=3i 1378204260000000000\n";

/// The unit of the stamps of a text.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
pub(in crate::api) enum PrecisionParameter {
    /// Nanoseconds; `n`, too.
    #[default]
    #[serde(rename = "ns", alias = "n", alias = "")]
    Nanoseconds,
    /// Microseconds; `u`, too.
    #[serde(rename = "us", alias = "u", alias = "\u{b5}")]
    Microseconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Minutes.
    #[serde(rename = "m")]
    Minutes,
    /// Hours.
    #[serde(rename = "h")]
    Hours,
}

impl From<PrecisionParameter> for LinePrecision {
    fn from(precision: PrecisionParameter) -> Self {
        match precision {
            PrecisionParameter::Nanoseconds => Self::Nanoseconds,
            PrecisionParameter::Microseconds => Self::Microseconds,
            PrecisionParameter::Milliseconds => Self::Milliseconds,
            PrecisionParameter::Seconds => Self::Seconds,
            PrecisionParameter::Minutes => Self::Minutes,
            PrecisionParameter::Hours => Self::Hours,
        }
    }
}

/// The parameters of a write. Those that name a part of InfluxDB are taken, as clients send them, and
/// mean nothing here.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct LineProtocolParameters {
    /// The unit of the timestamps; `n` and `u` are taken, too
    #[param(inline)]
    pub(in crate::api) precision: PrecisionParameter,
    /// Add the instruments, of this type, and the sources, when there is none of a name
    #[param(inline)]
    pub(in crate::api) create: Option<InstrumentType>,
    /// Means nothing here
    #[param(min_length = 1)]
    db: Option<String>,
    /// Means nothing here
    #[param(min_length = 1)]
    org: Option<String>,
    /// Means nothing here
    #[param(min_length = 1)]
    bucket: Option<String>,
    /// Means nothing here
    #[param(min_length = 1)]
    rp: Option<String>,
    /// Means nothing here
    #[param(min_length = 1)]
    consistency: Option<String>,
    /// A user, who means nothing here
    #[param(min_length = 1)]
    u: Option<String>,
    /// A token of the server's; the header `Authorization` is the better place, as proxies log URLs
    #[param(min_length = 1)]
    p: Option<String>,
}

/// A refusal, in the form that clients of InfluxDB and QuestDB show.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct LineProtocolRefusal {
    /// The kind of the refusal: `invalid`, `unauthorized`, `forbidden`, `request too large`,
    /// `unavailable`, `internal error` or another one of InfluxDB's.
    pub(in crate::api) code: &'static str,
    /// What failed, why, and what to do.
    pub(in crate::api) message: String,
    /// The line that breaks a rule, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::api) line: Option<u64>,
    /// The request's id, under which the server's log has more.
    #[serde(rename = "errorId")]
    pub(in crate::api) error_id: String,
}
