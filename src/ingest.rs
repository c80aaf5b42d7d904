//! Feeds: text in (CSV, NDJSON, plain or gzip), validated ticks and bars out, in batches.
//!
//! Everything streams: memory does not grow with the file. A row that breaks a rule is returned
//! with its line and the reason, never skipped in silence; a file that is not what it should be
//! is an error that names the place. Storing is `repository`'s work; [`import()`] brings the two together.
//!
//! The reasons are in docs/decisions/0017.

#[cfg(feature = "sqlite")]
pub mod adopt;
mod cells;
mod columnar;
pub mod columns;
mod csv;
pub mod feed;
mod feed_survey;
pub mod field;
pub(crate) mod gzip;
mod head;
pub mod import;
mod import_kind;
mod input;
mod json;
mod layout;
#[cfg(feature = "server")]
pub(crate) mod line_protocol;
mod lines;
pub mod number;
mod occurrence;
pub mod options;
mod owners;
mod pipeline;
mod posted;
pub mod preset;
mod preset_defaults;
pub mod reading;
mod record;
mod series;
mod shape;
mod spacing;
mod survey;
mod text;
#[cfg(feature = "server")]
pub(crate) mod whole;

#[cfg(feature = "sqlite")]
pub use adopt::{Adopt, AdoptReport, adopt};
pub use columns::{ColumnMap, ColumnSelector};
pub use feed::{BATCH_ROWS_MAX, Feed, FeedBatch, LineRejection};
pub use field::Field;
pub use import::{
    Import, ImportCommit, ImportEvent, ImportListener, ImportReport, ImportSource, OtherSymbols,
    SymbolRows, import,
};
pub use import_kind::ImportKind;
pub use input::Input;
pub use lines::LINE_BYTES_MAX;
pub use number::NumberFormat;
pub use options::{BarStamps, FeedFormat, FeedOptions};
pub use owners::{InstrumentName, RowOwner, SourceName};
pub use pipeline::{BATCHES_IN_FLIGHT_MAX, pump};
pub use posted::{PostedBatch, PostedError, PostedFormat, RejectedRows, ResolvedTicks};
pub use preset::{Preset, presets};
pub use reading::FileReading;
pub use record::{FeedRecord, FeedTarget};
