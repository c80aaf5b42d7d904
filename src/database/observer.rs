//! The observer that every connection of a database carries: it measures statements, and holds the
//! context of what runs on the connection.
//!
//! Diesel keeps an observer inside the connection and lends it. So whoever has the connection has
//! its context, also below Diesel's own transactions and in a closure that wraps the concrete
//! connection once more; no parameter and no thread has to carry it.

use std::sync::Arc;
use std::time::Instant;

use diesel::connection::{
    Connection, Instrumentation, InstrumentationEvent, get_default_instrumentation,
};

use super::attachments::Attachments;
use super::slow_query::SlowQueryTable;
use super::transaction::{ConnectionContext, Ending, InvalidationGuard, Savepoint};

/// What runs on a connection outside every door: the pool's own statements.
const POOL: &str = "pool";

/// Measures the statements of one connection, which runs one at a time.
struct Observer {
    slow: Arc<SlowQueryTable>,
    began: Option<Instant>,
    next: Option<Box<dyn Instrumentation>>,
    context: ConnectionContext,
}

impl SlowQueryTable {
    /// Observes a connection of the pool from now on. What its program had set as Diesel's default
    /// goes on.
    pub(super) fn observe(self: &Arc<Self>, conn: &mut impl Connection) {
        self.observe_as(POOL, conn);
    }

    /// Observes a connection from now on; `op` is the operation of what runs outside every door.
    pub(super) fn observe_as(self: &Arc<Self>, op: &'static str, conn: &mut impl Connection) {
        conn.set_instrumentation(Observer {
            slow: Arc::clone(self),
            began: None,
            next: get_default_instrumentation(),
            context: ConnectionContext::new(op),
        });
    }
}

impl Instrumentation for Observer {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match &event {
            InstrumentationEvent::StartQuery { .. } => {
                self.context.statement();
                self.began = self.slow.is_on().then(Instant::now);
            }
            InstrumentationEvent::FinishQuery { query, .. } => {
                if let Some(began) = self.began.take()
                    && let Some(slow) = self.slow.measured(self.context.op, *query, began.elapsed())
                {
                    self.context.counts.slow = slow;
                }
            }
            _ => {}
        }
        if let Some(next) = &mut self.next {
            next.on_connection_event(event);
        }
    }
}

/// The context of a connection; `None` when it is not of a database, or has another observer.
pub(super) fn context(conn: &mut impl Connection) -> Option<&mut ConnectionContext> {
    let observer = conn.instrumentation().downcast_mut::<Observer>()?;
    Some(&mut observer.context)
}

/// The transaction of a write door begins.
pub(super) fn begin(conn: &mut impl Connection, attachments: &Arc<Attachments>) {
    if let Some(context) = context(conn) {
        context.begin(attachments);
    }
}

/// The transaction of a write door has ended.
pub(super) fn end(conn: &mut impl Connection, ending: Ending) {
    if let Some(context) = context(conn) {
        context.end(ending);
    }
}

/// A savepoint begins.
pub(super) fn savepoint(conn: &mut impl Connection) -> Option<Savepoint> {
    context(conn).map(|context| context.savepoint())
}

/// What came after the savepoint was undone.
pub(super) fn rollback_to(conn: &mut impl Connection, savepoint: Option<Savepoint>) {
    if let (Some(context), Some(savepoint)) = (context(conn), savepoint) {
        context.rollback_to(savepoint);
    }
}

/// Covers statements of the doors' own until the answer is dropped.
pub(super) fn cover(conn: &mut impl Connection) -> InvalidationGuard {
    context(conn).map_or(InvalidationGuard::NONE, |context| context.cover())
}
