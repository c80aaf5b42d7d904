//! What a run of the engine does with the ticks of a batch, within their transaction.

use std::sync::Arc;

use super::engine_run::EngineRun;
use super::evaluation::BatchEvaluation;
use crate::database::BackendConnection;
use crate::domain::StoredTick;
use crate::error::Result;
use crate::models::AlertLog;
use crate::repository::market_data::{Demand, InstrumentVersions, TickWatcher};

impl TickWatcher for Arc<EngineRun> {
    fn prepare(
        &self,
        conn: &mut BackendConnection<'_>,
        of: &[InstrumentVersions],
    ) -> Result<Vec<i64>> {
        let of = self.not_idle(of);
        if of.is_empty() {
            return Ok(Vec::new());
        }
        match conn.hook(|| BatchEvaluation::new(Arc::clone(self))) {
            Some(open) => self.failed(open.prepare(conn, &of)),
            None => Ok(Vec::new()),
        }
    }

    fn evaluate(
        &self,
        conn: &mut BackendConnection<'_>,
        stored: &mut dyn Iterator<Item = StoredTick>,
    ) -> Result<Demand> {
        match conn.hook(|| BatchEvaluation::new(Arc::clone(self))) {
            Some(open) => Ok(open.evaluate(stored)),
            None => Ok(Demand::default()),
        }
    }

    fn stored(&self, conn: &mut BackendConnection<'_>, alerts: Vec<AlertLog>) {
        if let Some(open) = conn.hook(|| BatchEvaluation::new(Arc::clone(self))) {
            open.stored(alerts);
        }
    }
}
