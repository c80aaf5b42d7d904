//! What a round of monitoring says to every client, written once for all of them.
//!
//! A task of its own writes it: it asks the database, and a client must get its ticks for as long as
//! that takes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::extract::ws::Utf8Bytes;

use super::messages::{DatabasePerformance, message};
use crate::api::ApiState;
use crate::api::tradeassist::health::overall;
use crate::api::tradeassist::moments::NaiveMoment;
use crate::monitoring::MonitoringSnapshot;
use crate::timestamp::Timestamp;

/// The messages of the last round that was written. Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct RoundTexts(Arc<Mutex<RoundState>>);

#[derive(Default)]
struct RoundState {
    /// The round that is written, or was written last.
    begun: Option<Timestamp>,
    written: Option<(Timestamp, Vec<Utf8Bytes>)>,
}

impl RoundTexts {
    fn state(&self) -> MutexGuard<'_, RoundState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to write what the last round of monitoring says, unless somebody has.
    pub(super) fn write(&self, state: &ApiState) {
        let Some(latest) = state.monitoring().latest() else {
            return;
        };
        let round = latest.taken_at;
        if self.state().begun.replace(round) == Some(round) {
            return;
        }
        let (texts, state) = (self.clone(), state.clone());
        tokio::spawn(async move {
            let said = said(&state, &latest).await;
            let mut written = texts.state();
            // Another round may have been faster.
            if written.begun == Some(round) {
                written.written = Some((round, said));
            }
        });
    }

    /// The messages of a round that was not sent yet.
    pub(super) fn newer_than(&self, sent: &mut Option<Timestamp>) -> Vec<Utf8Bytes> {
        match &self.state().written {
            Some((round, texts)) if sent.replace(*round) != Some(*round) => texts.clone(),
            _ => Vec::new(),
        }
    }
}

async fn said(state: &ApiState, latest: &MonitoringSnapshot) -> Vec<Utf8Bytes> {
    let now = || NaiveMoment(state.db().clock().now());
    let performance = DatabasePerformance::from(latest);
    let performance = message("database_performance", now(), &performance);
    match overall(State(state.clone())).await {
        Ok(health) => vec![message("health_status", now(), &health.0), performance],
        Err(refusal) => {
            tracing::debug!(?refusal, "a round of monitoring has no health");
            vec![performance]
        }
    }
}
