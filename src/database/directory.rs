//! The directory of a file.

use std::path::Path;

/// Has the storage keep the name of a file.
pub(crate) fn sync_directory(file: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let parent = file
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = file; // There a directory cannot be opened.
    Ok(())
}
