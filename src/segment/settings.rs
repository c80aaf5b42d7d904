//! How tickbase writes Parquet: zstd of level 3, moments and sequences as differences, everything
//! else by a dictionary where it is small enough; statistics by page, so that readers skip what they
//! do not need.

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result as ParquetResult;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

/// Rows of a group: some ten megabytes of memory while it is collected.
pub(crate) const GROUP_ROWS: usize = 131_072;
/// Rows of a page: what is unpacked to look for one key.
pub(crate) const PAGE_ROWS: usize = 20_000;
const DICTIONARY_BYTES: usize = 1 << 20;

/// The settings of a file; of the named columns the values ascend.
pub(crate) fn settings<'c>(
    ascending: impl Iterator<Item = &'c str>,
) -> ParquetResult<WriterPropertiesBuilder> {
    let mut settings = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_dictionary_enabled(true)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_created_by(format!("tickbase version {}", env!("CARGO_PKG_VERSION")));
    // Their differences are small, and hardly one of them comes twice.
    for name in ascending {
        let path = ColumnPath::from(name);
        settings = settings
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    Ok(settings)
}
