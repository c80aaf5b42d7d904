//! Words of retention: what a policy is of, and a policy as files and requests write it.

use serde::{Deserialize, Serialize};

use crate::domain::text_enum;

text_enum! {
    /// What a retention policy is of.
    pub enum RetentionKind = "kind" {
        /// Ticks.
        Ticks = "ticks",
        /// Bars.
        Bars = "bars",
    }
}

/// A retention policy as files and requests write it: names in place of numbers, ages as `30d`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema), schema(as = RetentionPolicy))]
#[serde(deny_unknown_fields)]
pub struct RetentionPolicyText {
    /// `ticks` or `bars`.
    #[cfg_attr(feature = "server", schema(value_type = RetentionKind))]
    pub kind: String,
    /// The instrument, by its symbol; all without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub symbol: Option<String>,
    /// Of bars, the data source by its name; all without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
    /// Of bars, the length of their periods: `1min` to `1M`; all without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub frequency: Option<String>,
    /// The age at which ticks are archived, in weeks, days, hours, minutes or seconds: `90d`. Without one
    /// they are archived when they are deleted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub archive_after: Option<String>,
    /// The age at which they are moved to the trash. Without one, never.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delete_after: Option<String>,
}

/// All retention policies, as files (`[[policies]]`) and requests write them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RetentionPolicies {
    /// Each of them.
    pub policies: Vec<RetentionPolicyText>,
}
