//! What rows are: ticks or bars.

use serde::Serialize;

/// What the rows of a feed are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "server", derive(serde::Deserialize, utoipa::ToSchema))]
pub enum ImportKind {
    /// Ticks.
    Ticks,
    /// Bars.
    Bars,
}
