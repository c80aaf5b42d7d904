//! The composition root: settings become a database that is ready for its work, and the services
//! and the API on top of it.
//!
//! It is the only file that may see every layer. What runs is started here, in this order:
//! database, services, edge; and stopped the other way round.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;

use futures_util::future::try_join;

use crate::api::{self, ApiState, RealtimeHub, tradeassist};
use crate::config::{ApiContract, ServerConfig, Settings};
use crate::database::Database;
#[allow(unused_imports)] // The documentation links to it.
use crate::error::Error;
use crate::error::Result;
use crate::monitoring::DatabaseMonitoringService;
#[cfg(feature = "sqlite")]
use crate::services::BackupService;
use crate::services::alert_delivery::AlertDeliveryService;
use crate::services::cache::Cache;
use crate::services::{AlertEngine, AnalyticsEngine, HistoricalDataService, Service};
#[cfg(feature = "archive")]
use crate::services::{ArchiveMirrorService, RetentionService};

/// Everything that runs: the database, the services, the API.
///
/// ```no_run
/// # async fn run() -> tickbase::Result<()> {
/// use tickbase::app::App;
/// use tickbase::config::Settings;
///
/// let app = App::start(Settings::load(None, std::env::vars())?)?;
/// let listener = app.listen()?;
/// app.serve(listener, async { /* returns when it shall end */ }).await?;
/// app.stop();
/// # Ok(())
/// # }
/// ```
pub struct App {
    database: Database,
    monitoring: Arc<DatabaseMonitoringService>,
    alerts: Arc<AlertEngine>,
    delivery: Arc<AlertDeliveryService>,
    analytics: Arc<AnalyticsEngine>,
    history: Arc<HistoricalDataService>,
    #[cfg(feature = "sqlite")]
    backup: Option<Arc<BackupService>>,
    maintenance: Vec<Arc<dyn Service>>,
    api: ApiState,
    /// The API of tickbase at `server.native_bind`, where `server.bind` speaks another contract.
    native: Option<ApiState>,
}

impl App {
    /// Opens the database, migrates it if the settings allow it, and starts the services.
    ///
    /// # Errors
    /// Those of [`Database::open`]; [`Error::Config`] for settings that
    /// cannot work; [`Error::Service`] when a service cannot be started.
    pub fn start(settings: Settings) -> Result<Self> {
        settings.validate()?;
        let database = Database::open(settings.database.clone())?;
        Self::start_on(database, &settings)
    }

    /// Starts the services on a database that is open and migrated. [`App::stop`] closes it.
    ///
    /// # Errors
    /// As [`App::start`].
    pub fn start_on(database: Database, settings: &Settings) -> Result<Self> {
        let watch = settings.monitoring.clone();
        let monitoring = Arc::new(DatabaseMonitoringService::new(database.clone(), watch)?);
        let server = settings.server.clone();
        let cache = Cache::new(database.on_replicas(), settings.cache.clone())?;
        let (watched, watcher) = (database.clone(), Arc::clone(&monitoring));
        let api = ApiState::with_cache(watched, cache, watcher, server)?;
        let (api, native) = match settings.server.contract {
            ApiContract::Native => (api, None),
            ApiContract::TradeAssist => {
                let native = api.at(settings.server.native_bind, &[]);
                (tradeassist::state(&api), Some(native))
            }
        };
        let alerts = Arc::new(AlertEngine::new(database.clone()));
        let delivery = AlertDeliveryService::new(database.clone(), settings.alerts.clone())?;
        let delivery = Arc::new(delivery);
        let wake = delivery.waker();
        alerts.on_fired(move |_| wake()).detach();
        api.show_alerts(&alerts, &delivery);
        let analytics = Arc::new(AnalyticsEngine::new(database.on_replicas()));
        api.answer_by(&analytics);
        let history = HistoricalDataService::new(database.clone(), settings.history.clone())?;
        let history = Arc::new(history);
        api.show_history(&history);
        #[cfg(feature = "sqlite")]
        let backup = BackupService::new(&database, &settings.backup)?.map(Arc::new);
        #[cfg(feature = "sqlite")]
        backup.iter().for_each(|backup| api.show_backup(backup));
        let maintenance = maintenance(&database, settings)?;
        api.show_maintenance(maintenance.clone());
        // Monitoring first, so that it sees the others start. The alert engine starts after the
        // delivery, whose thread takes what fires.
        monitoring.start()?;
        delivery.start()?;
        alerts.start()?;
        analytics.start()?;
        history.start()?;
        #[cfg(feature = "sqlite")]
        if let Some(backup) = &backup {
            backup.start()?;
        }
        for service in &maintenance {
            service.start()?;
        }
        // Last: a request that comes earlier gets 503, not an answer of half the services.
        api.readiness().ready();
        Ok(Self {
            database,
            monitoring,
            alerts,
            delivery,
            analytics,
            history,
            #[cfg(feature = "sqlite")]
            backup,
            maintenance,
            api,
            native,
        })
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Its watcher.
    #[must_use]
    pub fn monitoring(&self) -> &Arc<DatabaseMonitoringService> {
        &self.monitoring
    }

    /// The engine that makes rules fire.
    #[must_use]
    pub fn alerts(&self) -> &Arc<AlertEngine> {
        &self.alerts
    }

    /// The service that delivers alerts.
    #[must_use]
    pub fn alert_delivery(&self) -> &Arc<AlertDeliveryService> {
        &self.delivery
    }

    /// The engine that answers questions about bars.
    #[must_use]
    pub fn analytics(&self) -> &Arc<AnalyticsEngine> {
        &self.analytics
    }

    /// The cache of answers that the API gives often.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        self.api.cache()
    }

    /// The service that extends and repairs built bars.
    #[must_use]
    pub fn history(&self) -> &Arc<HistoricalDataService> {
        &self.history
    }

    /// The service that makes backups; `None` when the settings name no directory for them.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn backup(&self) -> Option<&Arc<BackupService>> {
        self.backup.as_ref()
    }

    /// The clients of `/ws/realtime`, which get all that is committed.
    #[must_use]
    pub fn realtime(&self) -> &RealtimeHub {
        self.api.realtime()
    }

    /// The API of the contract that the settings choose, for a router with any state: merge it into
    /// another application's.
    pub fn router<S>(&self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        match self.native {
            None => api::app(&self.api),
            Some(_) => tradeassist::app(&self.api),
        }
    }

    /// Opens the address of the settings.
    ///
    /// # Errors
    /// [`Error::Config`] when it is taken, or not this machine's.
    pub fn listen(&self) -> Result<TcpListener> {
        api::listen("server.bind", self.api.config().bind)
    }

    /// Serves the API until `shutdown` comes true and the requests under way are answered; see
    /// [`api::serve`]. Where that is another contract's, tickbase's own is served at
    /// `server.native_bind` for as long.
    ///
    /// # Errors
    /// Those of [`api::serve`]; [`Error::Config`] when `server.native_bind` is taken.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let Some(native) = &self.native else {
            return api::serve(&self.api, self.router(), listener, shutdown).await;
        };
        let beside = api::listen("server.native_bind", native.config().native_bind)?;
        if let Ok(address) = beside.local_addr() {
            tracing::info!("the native API listens on http://{address}");
        }
        let (end, mut ended) = tokio::sync::watch::channel(());
        let first = async move {
            shutdown.await;
            drop(end);
        };
        // Closed: the first server ends.
        let second = async move { while ended.changed().await.is_ok() {} };
        let first = api::serve(&self.api, self.router(), listener, first);
        let second = api::serve(native, api::app(native), beside, second);
        try_join(first, second).await.map(|_| ())
    }

    /// Accepts the tokens of these settings from now on; see [`ApiState::reload_tokens`].
    ///
    /// # Errors
    /// Those of [`ApiState::reload_tokens`].
    pub fn reload_tokens(&self, server: &ServerConfig) -> Result<()> {
        self.api.reload_tokens(server)
    }

    /// Stops the services, commits what waits for the writer, closes the connections. It blocks
    /// until that is done; nothing that was acknowledged is lost.
    pub fn stop(&self) {
        // The other way round: no new requests, then the services that read and send, then the
        // database, which commits what waits.
        self.api.readiness().draining();
        self.api.realtime().close();
        self.analytics.stop();
        #[cfg(feature = "sqlite")]
        self.backup.iter().for_each(|backup| backup.stop());
        self.maintenance.iter().for_each(|service| service.stop());
        self.history.stop();
        self.delivery.stop();
        self.monitoring.stop();
        self.database.close();
        // Only now: writes that waited for the writer have fired what they matched.
        self.alerts.stop();
    }
}

/// The services that keep the data in order.
fn maintenance(database: &Database, settings: &Settings) -> Result<Vec<Arc<dyn Service>>> {
    let mut services: Vec<Arc<dyn Service>> = Vec::new();
    #[cfg(feature = "archive")]
    {
        let (retention, archive) = (&settings.retention, &settings.archive);
        services.push(Arc::new(RetentionService::new(
            database, retention, archive,
        )?));
        let mirror = ArchiveMirrorService::new(database, archive)?;
        services.extend(mirror.map(|mirror| Arc::new(mirror) as Arc<dyn Service>));
    }
    let _ = (database, settings, &mut services);
    Ok(services)
}
