//! Where real trades are.

use std::path::{Path, PathBuf};

/// The 500,000 trades where they stand (in `TICKBASE_REAL_DATA`, or beside the project), else the
/// 20,009 of them that are shipped.
pub(crate) fn es_trades() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = root.join("../shared/data");
    let folder = std::env::var_os("TICKBASE_REAL_DATA").map_or(beside, Into::into);
    let whole = folder.join("es-trades-2013-09.csv.gz");
    if whole.exists() {
        return whole;
    }
    root.join("data/es-trades-sample.csv.gz")
}
