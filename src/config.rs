//! Settings: one struct per concern, from defaults, a TOML file, the environment and the caller.

mod alert_channels;
pub mod alerts;
pub mod archive;
pub mod backup;
pub mod cache;
pub mod database;
pub mod history;
mod hosts;
mod layers;
mod limits;
pub mod monitoring;
mod read;
pub mod retention;
pub mod server;
mod settings;
pub mod tokens;
mod url;
pub mod webhooks;

pub use alerts::{AlertsConfig, ChannelConfig, ChannelTarget};
pub use archive::ArchiveConfig;
pub use backup::BackupConfig;
pub use cache::CacheConfig;
pub use database::{
    DatabaseConfig, ObserveConfig, PoolConfig, Pooler, PostgresConfig, SqliteConfig, Synchronous,
    WriteConfig,
};
pub use history::HistoryConfig;
#[cfg(feature = "server")]
pub(crate) use hosts::{Authority, Host};
pub use monitoring::MonitoringConfig;
pub(crate) use monitoring::Threshold;
pub use retention::RetentionConfig;
pub use server::{ApiContract, ServerConfig};
pub use settings::Settings;
pub use tokens::{NamedToken, Token, TokenRights};
pub use url::DatabaseUrl;
#[cfg(feature = "postgres")]
pub(crate) use url::with_database;
pub use webhooks::{HttpUrl, Secret, WebhookConfig};
