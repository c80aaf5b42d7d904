//! The state of every handler: the database, its monitoring, the settings. Cloning shares it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;

use super::body::BodyMemory;
use super::http_metrics::HttpMetrics;
use super::own_hosts::OwnHosts;
use super::readiness::Readiness;
use super::realtime_hub::RealtimeHub;
use super::snapshot_cache::SnapshotCache;
use super::spooled_files::SpooledFiles;
use super::tokens::AcceptedTokens;
use crate::config::{CacheConfig, ServerConfig};
use crate::database::{BackendConnection, Database};
use crate::error::{Error, Result};
use crate::models::AlertLog;
use crate::monitoring::{DatabaseMonitoringService, MonitoringSnapshot};
#[cfg(feature = "sqlite")]
use crate::services::BackupService;
use crate::services::alert_delivery::AlertDeliveryService;
use crate::services::cache::Cache;
use crate::services::{AlertEngine, AnalyticsEngine, HistoricalDataService, Service, ServiceState};

/// The state of the API; not that of an application that mounts it.
#[derive(Clone)]
pub struct ApiState {
    inner: Arc<ApiStateInner>,
    listener: Arc<ListenerState>,
}

/// What depends on the address that a router is served at: who may call it, and from where.
struct ListenerState {
    hosts: OwnHosts,
    /// The address of the settings.
    bind: SocketAddr,
    /// The address it listens on, once it does.
    address: OnceLock<SocketAddr>,
}

impl ListenerState {
    fn new(bind: SocketAddr, hosts: OwnHosts) -> Arc<Self> {
        Arc::new(Self {
            hosts,
            bind,
            address: OnceLock::new(),
        })
    }
}

struct ApiStateInner {
    db: Database,
    reads: Database,
    cache: Cache,
    monitoring: Arc<DatabaseMonitoringService>,
    config: ServerConfig,
    tokens: AcceptedTokens,
    readiness: Readiness,
    places: Semaphore,
    body_memory: BodyMemory,
    streams: Arc<Semaphore>,
    spooled_files: SpooledFiles,
    metrics: HttpMetrics,
    snapshots: SnapshotCache,
    realtime: RealtimeHub,
    alerts: OnceLock<AlertServices>,
    history: HistoryFigures,
    analytics: OnceLock<Arc<AnalyticsEngine>>,
    #[cfg(feature = "sqlite")]
    backup: OnceLock<Arc<BackupService>>,
    maintenance: OnceLock<Vec<Arc<dyn Service>>>,
}

/// The service of historical data and what was asked of it, for their figures.
#[derive(Default)]
pub(super) struct HistoryFigures {
    requests: AtomicU64,
    service: OnceLock<Arc<HistoricalDataService>>,
}

impl HistoryFigures {
    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn service(&self) -> Option<&Arc<HistoricalDataService>> {
        self.service.get()
    }

    /// True when the service was given to the API, and works.
    pub(super) fn is_running(&self) -> bool {
        let service = self.service.get();
        service.is_some_and(|service| service.status().state == ServiceState::Running)
    }
}

/// The services that make and deliver alerts, for their figures.
pub(super) struct AlertServices {
    pub(super) engine: Arc<AlertEngine>,
    pub(super) delivery: Arc<AlertDeliveryService>,
}

impl ApiState {
    /// Makes the state for a database and its monitoring, with a cache of default settings.
    /// Requests are answered with 503 until [`Readiness::ready`] is called.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for settings that cannot work.
    pub fn new(
        db: Database,
        monitoring: Arc<DatabaseMonitoringService>,
        config: ServerConfig,
    ) -> Result<Self> {
        let cache = Cache::new(db.on_replicas(), CacheConfig::default())?;
        Self::with_cache(db, cache, monitoring, config)
    }

    /// [`ApiState::new`] with a cache of the caller's, which is that of the database.
    ///
    /// # Errors
    /// As [`ApiState::new`].
    pub fn with_cache(
        db: Database,
        cache: Cache,
        monitoring: Arc<DatabaseMonitoringService>,
        config: ServerConfig,
    ) -> Result<Self> {
        config.validate()?;
        let tokens = AcceptedTokens::new(&config.read_tokens()?);
        let realtime = RealtimeHub::new(&db);
        let listener = ListenerState::new(config.bind, OwnHosts::new(&config));
        let places = Semaphore::new(config.concurrency_max);
        let body_memory = BodyMemory::new(&config);
        let streams = Arc::new(Semaphore::new(config.streams_max));
        Ok(Self {
            listener,
            inner: Arc::new(ApiStateInner {
                reads: db.on_replicas(),
                db,
                cache,
                monitoring,
                config,
                tokens,
                readiness: Readiness::default(),
                places,
                body_memory,
                streams,
                spooled_files: SpooledFiles::default(),
                metrics: HttpMetrics::default(),
                snapshots: SnapshotCache::default(),
                realtime,
                alerts: OnceLock::new(),
                history: HistoryFigures::default(),
                analytics: OnceLock::new(),
                #[cfg(feature = "sqlite")]
                backup: OnceLock::new(),
                maintenance: OnceLock::new(),
            }),
        })
    }

    /// Shows the figures of these services in `/metrics`, and sends what the engine fires to the
    /// clients of `/ws/realtime`, after its commit. A second call does nothing.
    pub fn show_alerts(&self, engine: &Arc<AlertEngine>, delivery: &Arc<AlertDeliveryService>) {
        let services = AlertServices {
            engine: Arc::clone(engine),
            delivery: Arc::clone(delivery),
        };
        if self.inner.alerts.set(services).is_ok() {
            let hub = self.inner.realtime.clone();
            let publish = move |alerts: &[AlertLog]| hub.publish_alerts(alerts.iter().cloned());
            engine.on_fired(publish).detach();
        }
    }

    /// Shows the state of the service that keeps stored bars fresh, in the answers about health. A
    /// second call does nothing.
    pub fn show_history(&self, service: &Arc<HistoricalDataService>) {
        // A second one is not shown.
        let _ = self.inner.history.service.set(Arc::clone(service));
    }

    pub(super) fn history(&self) -> &HistoryFigures {
        &self.inner.history
    }

    /// Shows the backups of this service in `/api/health` and `/metrics`. A second call does nothing.
    #[cfg(feature = "sqlite")]
    pub fn show_backup(&self, service: &Arc<BackupService>) {
        // A second one is not shown.
        let _ = self.inner.backup.set(Arc::clone(service));
    }

    #[cfg(feature = "sqlite")]
    pub(super) fn backup(&self) -> Option<&Arc<BackupService>> {
        self.inner.backup.get()
    }

    /// Shows these services in `/api/health` and `/metrics`: those that keep the data in order. A second
    /// call does nothing.
    pub fn show_maintenance(&self, services: Vec<Arc<dyn Service>>) {
        // Others are not shown.
        let _ = self.inner.maintenance.set(services);
    }

    pub(super) fn maintenance(&self) -> &[Arc<dyn Service>] {
        self.inner.maintenance.get().map_or(&[], Vec::as_slice)
    }

    /// Has questions under `/api/v1/analytics` answered by this engine; without one they are
    /// answered with 503. A second call does nothing.
    pub fn answer_by(&self, engine: &Arc<AnalyticsEngine>) {
        self.inner.analytics.get_or_init(|| Arc::clone(engine));
    }

    pub(super) fn analytics(&self) -> Option<&Arc<AnalyticsEngine>> {
        self.inner.analytics.get()
    }

    pub(super) fn alerts(&self) -> Option<&AlertServices> {
        self.inner.alerts.get()
    }

    /// Says when requests are welcome.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.inner.readiness
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &ServerConfig {
        &self.inner.config
    }

    /// Accepts the tokens of these settings from now on, and no others: those of before stay if they
    /// cannot be read. The log names what was added, changed and removed. Clients of
    /// `/ws/realtime` whose token is gone are dropped. No other setting is looked at.
    ///
    /// # Errors
    /// Those of [`ServerConfig::read_tokens`]; [`Error::Config`] when there would be no token left:
    /// that would open the server to whoever reaches it.
    pub fn reload_tokens(&self, config: &ServerConfig) -> Result<()> {
        let tokens = config.read_tokens()?;
        if tokens.is_empty() && !self.tokens().is_empty() {
            return Err(Error::config(
                "server.tokens",
                "the last token cannot be taken away while the server runs",
                "put another one in its place, or start the server again",
            ));
        }
        let changes = self.tokens().replace(&tokens);
        tracing::info!(
            added = changes.added.join(" "),
            changed = changes.changed.join(" "),
            removed = changes.removed.join(" "),
            "tokens were read again; other settings count from the next start"
        );
        Ok(())
    }

    pub(super) fn tokens(&self) -> &AcceptedTokens {
        &self.inner.tokens
    }

    /// The same services for a router at another address, which pages of these origins may call, too.
    pub(crate) fn at(&self, bind: SocketAddr, origins: &[&str]) -> Self {
        let mut hosts = OwnHosts::new(self.config());
        let more = origins.iter().map(|&origin| origin.to_owned());
        hosts.origins.extend(more);
        Self {
            inner: Arc::clone(&self.inner),
            listener: ListenerState::new(bind, hosts),
        }
    }

    pub(super) fn hosts(&self) -> &OwnHosts {
        &self.listener.hosts
    }

    /// Says where the server listens.
    pub(super) fn listens_to(&self, address: SocketAddr) {
        // A second listener of the same router is called by the same hosts.
        let _ = self.listener.address.set(address);
    }

    /// The address the server listens on; before it does, that of the settings.
    pub(super) fn address(&self) -> SocketAddr {
        *self.listener.address.get().unwrap_or(&self.listener.bind)
    }

    /// The clients of `/ws/realtime`.
    #[must_use]
    pub fn realtime(&self) -> &RealtimeHub {
        &self.inner.realtime
    }

    /// The cache of what is read often.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.inner.cache
    }

    /// The database, for writes, and for reads that decide about one.
    pub(super) fn db(&self) -> &Database {
        &self.inner.db
    }

    /// The database for reads that are shown: replicas may answer them.
    pub(super) fn reads(&self) -> &Database {
        &self.inner.reads
    }

    pub(super) fn monitoring(&self) -> &Arc<DatabaseMonitoringService> {
        &self.inner.monitoring
    }

    /// Places for requests that are worked on.
    pub(super) fn places(&self) -> &Semaphore {
        &self.inner.places
    }

    /// Places for tables that are sent whole.
    pub(super) fn streams(&self) -> Arc<Semaphore> {
        Arc::clone(&self.inner.streams)
    }

    /// Tables of which parts are asked for.
    pub(super) fn spooled_files(&self) -> &SpooledFiles {
        &self.inner.spooled_files
    }

    /// Memory for bodies and what is read from them.
    pub(super) fn body_memory(&self) -> &BodyMemory {
        &self.inner.body_memory
    }

    pub(super) fn metrics(&self) -> &HttpMetrics {
        &self.inner.metrics
    }

    /// The database's health as of now; requests of the same moment share it.
    pub(super) async fn snapshot(&self) -> Result<Arc<MonitoringSnapshot>> {
        self.inner.snapshots.take(&self.inner.monitoring).await
    }

    /// Reads by the asynchronous door what is shown.
    pub(super) async fn read<T, F>(&self, op: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        self.inner.reads.read_async(op, work).await
    }

    /// Writes by the asynchronous door; answers after the commit.
    pub(super) async fn write<T, F>(&self, op: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut BackendConnection<'_>) -> Result<T> + Send + 'static,
    {
        self.inner.db.write_async(op, work).await
    }
}
