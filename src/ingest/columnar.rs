//! Parquet and Arrow files as text: their rows as lines of CSV, so that columns, stamps and numbers
//! are read by the rules of every other feed.
//!
//! A moment is written to its last digit, with a `Z` if it is of UTC, a number as its shortest text,
//! `null` as nothing; columns of lists, structures and bytes are left out. The line of a row is its
//! number plus one, as the names of the columns come first.

#[cfg(feature = "arrow")]
mod arrow;
#[cfg(feature = "arrow")]
mod arrow_sizes;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(any(feature = "arrow", feature = "parquet"))]
mod values;

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::panic_message;

/// The form of a file that has columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnarForm {
    Parquet,
    /// A file of Arrow's IPC format, as feather is.
    ArrowFile,
    ArrowStream,
}

/// First bytes enough to tell each form.
pub(super) const MAGIC_BYTES: usize = 6;

impl ColumnarForm {
    /// The form of a file that begins with these bytes; none for a text.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        const PARQUET: &[u8] = b"PAR1";
        const ARROW_FILE: &[u8] = b"ARROW1";
        /// No text begins with it in any encoding.
        const ARROW_STREAM: &[u8] = &[0xff; 4];
        if start.starts_with(PARQUET) {
            Some(Self::Parquet)
        } else if start.starts_with(ARROW_FILE) {
            Some(Self::ArrowFile)
        } else if start.starts_with(ARROW_STREAM) {
            Some(Self::ArrowStream)
        } else {
            None
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Parquet => "a Parquet file",
            Self::ArrowFile => "an Arrow file",
            Self::ArrowStream => "an Arrow stream",
        }
    }
}

/// Why a file cannot be read, and what to do.
pub(super) struct UnreadableFile {
    pub(super) reason: String,
    pub(super) remedy: &'static str,
}

/// The rows of a file as CSV. Its end is looked at first, so that all of it must be there.
pub(super) fn as_csv(
    form: ColumnarForm,
    mut bytes: impl Read,
) -> Result<Box<dyn Read + Send>, UnreadableFile> {
    let mut spooled = || -> io::Result<File> {
        let mut file = tempfile::tempfile()?;
        io::copy(&mut bytes, &mut file)?;
        io::Seek::rewind(&mut file)?;
        Ok(file)
    };
    let file = spooled().map_err(|error| UnreadableFile {
        reason: format!("cannot be copied: {error}"),
        remedy: "free space in the directory of temporary files",
    })?;
    guarded(|| rows_of(form, file)).map_err(|reason| UnreadableFile {
        reason: format!("begins as {}, and cannot be read: {reason}", form.name()),
        remedy: "write it again, or as CSV",
    })
}

/// What a reader of the format says. Some readers stop with a panic at bytes that make no sense, which
/// must cost the file alone.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|payload| {
        let said = panic_message(payload.as_ref());
        Err(format!("its bytes make no sense: {said}"))
    })
}

fn rows_of(form: ColumnarForm, file: File) -> Result<Box<dyn Read + Send>, String> {
    match form {
        #[cfg(feature = "parquet")]
        ColumnarForm::Parquet => {
            let rows = parquet::ParquetRows::open(file)?;
            Ok(Box::new(values::CsvText::of(rows)))
        }
        #[cfg(feature = "arrow")]
        ColumnarForm::ArrowFile => {
            let rows = arrow::ArrowRows::of_file(file)?;
            Ok(Box::new(values::CsvText::of(rows)))
        }
        #[cfg(feature = "arrow")]
        ColumnarForm::ArrowStream => {
            let rows = arrow::ArrowRows::of_stream(file)?;
            Ok(Box::new(values::CsvText::of(rows)))
        }
        #[cfg(not(all(feature = "arrow", feature = "parquet")))]
        _ => {
            drop(file);
            Err("this build has not the feature that reads it".to_owned())
        }
    }
}

#[cfg(all(test, feature = "arrow", feature = "parquet"))]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    const FILES: [&[u8]; 4] = [
        include_bytes!("../../tests/fixtures/columnar/pandas.parquet"),
        include_bytes!("../../tests/fixtures/columnar/polars.parquet"),
        include_bytes!("../../tests/fixtures/columnar/pandas.feather"),
        include_bytes!("../../tests/fixtures/columnar/polars.arrows"),
    ];

    /// Reads all of a file as text; false when it cannot be read.
    fn is_read(bytes: &[u8]) -> bool {
        let Some(form) = ColumnarForm::of(bytes) else {
            return false;
        };
        let text = as_csv(form, bytes);
        text.is_ok_and(|mut text| text.read_to_string(&mut String::new()).is_ok())
    }

    #[test]
    fn whole_files_are_read() {
        for file in FILES {
            assert!(is_read(file));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn a_spoiled_file_is_read_or_refused(
            file in 0..FILES.len(),
            spoiled in prop::collection::vec((0..4_000_usize, any::<u8>()), 1..4),
            cut in prop::option::of(0..4_000_usize),
        ) {
            let mut bytes = FILES[file].to_vec();
            for (at, byte) in spoiled {
                let length = bytes.len();
                bytes[at % length] = byte;
            }
            bytes.truncate(cut.unwrap_or(usize::MAX));
            is_read(&bytes);
        }
    }
}
