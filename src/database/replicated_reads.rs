//! The reads that replicas may answer: who opts in, what they must see, and what is known of them.
//! Without replicas all of it is the database itself.

use super::Database;
use super::connection::BackendConnection;
use super::instrumentation::Call;
use super::log_position::LogPosition;
use super::replica_snapshot::ReplicasSnapshot;
#[cfg(feature = "postgres")]
use super::replicas;
#[cfg(feature = "postgres")]
use super::replicas::Replicas;
use crate::error::{Error, Result};
#[cfg(feature = "postgres")]
use std::sync::Arc;

/// Who answers the reads of a handle.
#[cfg(feature = "postgres")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadsOn {
    /// The primary.
    Primary,
    /// A replica that is far enough, if there is one.
    Replicas,
}

impl Database {
    /// The same database by a handle whose reads may be answered by a replica of PostgreSQL, as
    /// `postgres.replica_urls` names them; the primary answers when none is far enough. Without replicas,
    /// and on SQLite, it is the same handle.
    ///
    /// Such a read sees all that this process has committed before, and of what others commit it lacks no
    /// more than `postgres.replica_lag_max_ms`; see [`Database::read_after`] for what another process has
    /// committed. Use it for reads that are shown. What decides about a write belongs on the primary.
    #[must_use]
    pub fn on_replicas(&self) -> Self {
        Self {
            #[cfg(feature = "postgres")]
            reads_on: ReadsOn::Replicas,
            ..self.clone()
        }
    }

    /// Whether the settings name replicas.
    #[must_use]
    pub fn has_replicas(&self) -> bool {
        #[cfg(feature = "postgres")]
        return self.inner.replicas.is_some();
        #[cfg(not(feature = "postgres"))]
        false
    }

    /// The replicas, as they are now; none on SQLite.
    #[must_use]
    pub fn replicas(&self) -> ReplicasSnapshot {
        #[cfg(feature = "postgres")]
        if let Some(replicas) = self.replicas_of() {
            return replicas.snapshot();
        }
        ReplicasSnapshot::default()
    }

    /// A position behind all that this process has committed, for another process to read after; `None`
    /// without replicas, and while it is not known.
    #[must_use]
    pub fn log_position(&self) -> Option<LogPosition> {
        #[cfg(feature = "postgres")]
        return self.replicas_of()?.position().get();
        #[cfg(not(feature = "postgres"))]
        None
    }

    /// From now on, reads on replicas see what another process had committed at this position, and so do
    /// those of caches. It asks the primary whether it has come so far, when that is not known; without
    /// replicas it does nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a position that the primary has not reached: it is of another database, or
    /// made up. Those of [`Database::read_async`].
    pub async fn read_after(&self, position: LogPosition) -> Result<()> {
        if !self.has_replicas() || self.log_position().is_some_and(|known| known >= position) {
            return Ok(());
        }
        let reached = self.position_of_primary().await?;
        if reached.is_some_and(|reached| reached < position) {
            return Err(Error::invalid(
                "log position",
                format!("{position} lies behind all that the database has committed"),
                "send the last one that its server has answered with",
            ));
        }
        self.raise_position(position);
        Ok(())
    }

    /// From now on, reads on replicas see all that anyone has committed up to now, as do those of caches.
    ///
    /// # Errors
    /// Those of [`Database::read_async`].
    #[cfg(feature = "server")]
    pub(crate) async fn read_after_all(&self) -> Result<()> {
        if self.has_replicas()
            && let Some(reached) = self.position_of_primary().await?
        {
            self.raise_position(reached);
        }
        Ok(())
    }

    fn raise_position(&self, position: LogPosition) {
        #[cfg(feature = "postgres")]
        if let Some(replicas) = self.replicas_of() {
            replicas.position().raise(position);
            // What a cache holds may be older.
            self.inner.attachments.versions().raise_everything();
        }
        let _ = position;
    }

    async fn position_of_primary(&self) -> Result<Option<LogPosition>> {
        let primary = Self {
            #[cfg(feature = "postgres")]
            reads_on: ReadsOn::Primary,
            ..self.clone()
        };
        let ask = |conn: &mut BackendConnection<'_>| match conn {
            #[cfg(feature = "sqlite")]
            BackendConnection::Sqlite(_) => Ok(None),
            #[cfg(feature = "postgres")]
            BackendConnection::Postgres(conn) => Ok(Some(replicas::position_of_primary(conn)?)),
        };
        Box::pin(primary.read_async("replicas.position", ask)).await
    }

    #[cfg(feature = "postgres")]
    fn replicas_of(&self) -> Option<&Arc<Replicas>> {
        self.inner.replicas.as_ref()
    }

    #[cfg(feature = "postgres")]
    fn replicas_to_read(&self) -> Option<&Arc<Replicas>> {
        self.replicas_of()
            .filter(|_| self.reads_on == ReadsOn::Replicas)
    }

    /// Runs a read on a replica; `None` when the primary has to answer.
    pub(super) fn read_on_replica<T>(
        &self,
        call: &Call,
        work: &mut impl FnMut(&mut BackendConnection<'_>) -> Result<T>,
    ) -> Option<Result<T>> {
        #[cfg(feature = "postgres")]
        return self.replicas_to_read()?.read(call.account(), work);
        #[cfg(not(feature = "postgres"))]
        {
            let _ = (call, work);
            None
        }
    }

    /// [`Database::read_on_replica`] without blocking the thread; gives the work back.
    pub(super) async fn read_on_replica_async<T, F>(
        &self,
        call: &Call,
        work: F,
    ) -> Result<(Option<Result<T>>, F)>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        #[cfg(feature = "postgres")]
        if let Some(replicas) = self.replicas_to_read() {
            return replicas.read_async(call.account(), work).await;
        }
        let _ = call;
        Ok((None, work))
    }
}
