//! One row of each table: what is read, and what is inserted or changed.
//!
//! Read models are checked at compile time against both backends. Those of gated tables start from
//! the active rows: `Instrument::query()` cannot read a deleted one, and what an identifiable model
//! hands out as its table has the active rows alone.

mod alert_delivery;
mod alert_log;
mod alert_rule;
mod alert_silence;
mod archive_segment;
mod bar_series;
mod data_source;
mod database_identity;
mod deletion;
mod instrument;
mod market_data;
mod market_data_bar;
mod retention_policy;
mod saved_query;

pub use alert_delivery::AlertDelivery;
pub use alert_log::{AlertLog, NewAlertLog};
pub use alert_rule::{AlertRule, AlertRuleChange, NewAlertRule};
pub use alert_silence::{AlertSilence, NewAlertSilence, SilenceEnd, SilenceSubject};
pub(crate) use alert_silence::{check_length, check_who};
pub use archive_segment::ArchiveSegment;
pub use bar_series::BarSeries;
pub use data_source::{DataSource, DataSourceChange, NewDataSource};
pub use database_identity::DatabaseIdentity;
pub use deletion::{Deletion, NewDeletion};
pub use instrument::{Instrument, InstrumentChange, NewInstrument};
pub use market_data::MarketData;
pub use market_data_bar::{MarketDataBar, NewMarketDataBar};
pub use retention_policy::{NewRetentionPolicy, RetentionPolicy};
pub use saved_query::{NewSavedQuery, SavedQuery};

use diesel::backend::Backend;
use diesel::deserialize::FromSqlRow;
use diesel::dsl::SqlTypeOf;
use diesel::{HasQuery, Selectable};

/// Row methods of a model of a gated table.
macro_rules! soft_deletable_row {
    ($model:ty) => {
        impl $crate::soft_delete::SoftDeletableRow for $model {
            fn is_deleted(&self) -> bool {
                self.deleted_at.is_some()
            }
        }
    };
}
use soft_deletable_row;

/// Compiles when the model's columns can be read into its fields on the backend.
const fn loads_from<DB, M>()
where
    DB: Backend,
    M: HasQuery<DB> + FromSqlRow<SqlTypeOf<<M as Selectable<DB>>::SelectExpression>, DB>,
{
}

/// Every read model, on every backend that the build knows: PostgreSQL's types always.
macro_rules! read_models {
    ($($model:ty),+ $(,)?) => {
        const _: () = {
            $(
                loads_from::<diesel::pg::Pg, $model>();
                #[cfg(feature = "sqlite")]
                loads_from::<diesel::sqlite::Sqlite, $model>();
            )+
        };
    };
}
read_models!(
    AlertDelivery,
    AlertLog,
    AlertRule,
    AlertSilence,
    ArchiveSegment,
    BarSeries,
    DataSource,
    DatabaseIdentity,
    Deletion,
    Instrument,
    MarketData,
    MarketDataBar,
    RetentionPolicy,
    SavedQuery,
);
