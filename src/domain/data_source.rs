//! Words of data sources: where ticks and bars come from.

use crate::domain::text_enum;

text_enum! {
    /// The way in which a data source delivers.
    pub enum ProviderType = "provider_type" {
        /// tickbase itself.
        Internal = "internal",
        /// Files that are imported.
        File = "file",
        /// A live feed.
        Feed = "feed",
        /// A vendor that is asked over HTTP.
        Api = "api",
    }
}
