//! What became of retention policies, as the API writes it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::RetentionPolicyText;
use crate::repository::retention_policy::PolicyChanges;

/// What became of the policies, and those that there are now.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct RetentionChanges {
    added: usize,
    changed: usize,
    unchanged: usize,
    removed: usize,
    policies: Vec<RetentionPolicyText>,
}

impl RetentionChanges {
    pub(in crate::api) fn new(of: PolicyChanges, policies: Vec<RetentionPolicyText>) -> Self {
        Self {
            added: of.added,
            changed: of.changed,
            unchanged: of.unchanged,
            removed: of.removed,
            policies,
        }
    }
}
