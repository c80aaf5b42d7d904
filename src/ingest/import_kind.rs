//! The kind of rows: ticks or bars.

use serde::Serialize;

/// The kind of a feed's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "server", derive(serde::Deserialize, utoipa::ToSchema))]
pub enum ImportKind {
    /// Ticks.
    Ticks,
    /// Bars.
    Bars,
}
