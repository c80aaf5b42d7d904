//! A result in a file that the user names. What stood there stays until all is written, and its
//! links, mode and owner stay for good; devices and pipes are written to as they are.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::cannot_write;
use crate::CommandFailure;

/// Links that are followed; more are a circle.
const LINKS_MAX: usize = 40;
/// Names of the standard output. The file behind it is the shell's: it is neither replaced nor
/// written from its start.
const STANDARD_OUTPUT: [&str; 3] = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Writes what `write` makes into the file of a path.
///
/// # Errors
/// What `write` says, or that the file cannot be written; it is then as it was.
pub(crate) fn to_file<T>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<T, CommandFailure>,
) -> Result<T, CommandFailure> {
    let failed = |error: io::Error| cannot_write(&path.display().to_string(), &error);
    let target = followed(path).map_err(failed)?;
    if STANDARD_OUTPUT.iter().any(|name| target == Path::new(name)) {
        let mut out = BufWriter::new(io::stdout().lock());
        return finish(write(&mut out)?, out).map_err(failed);
    }
    let old = match std::fs::metadata(&target) {
        Ok(about) => Some(about),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let Some(about) = old else {
        return replace(&target, None, write, failed);
    };
    // Neither a directory nor what may not be written is replaced.
    let file = OpenOptions::new()
        .write(true)
        .open(&target)
        .map_err(failed)?;
    if about.is_file() {
        return replace(&target, Some((&about, file)), write, failed);
    }
    let mut out = BufWriter::new(file);
    finish(write(&mut out)?, out).map_err(failed)
}

fn finish<T, W: Write>(value: T, mut out: BufWriter<W>) -> io::Result<T> {
    out.flush().map(|()| value)
}

/// The path behind links; the last one may lead to a file that is not there yet.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let is_standard_output = STANDARD_OUTPUT.iter().any(|name| path == Path::new(name));
        let is_link = std::fs::symlink_metadata(&path).is_ok_and(|about| about.is_symlink());
        // Links of open files lead to what has no path, like `pipe:[42]`.
        if is_standard_output || !is_link || path.starts_with("/proc") || path.starts_with("/dev") {
            return Ok(path);
        }
        let link = std::fs::read_link(&path)?;
        path = path.parent().unwrap_or(Path::new("")).join(link);
    }
    Err(io::Error::other("its links lead in a circle"))
}

/// Writes beside the file under a name of its own, and renames at the end.
fn replace<T>(
    target: &Path,
    old: Option<(&Metadata, File)>,
    write: impl FnOnce(&mut dyn Write) -> Result<T, CommandFailure>,
    failed: impl Fn(io::Error) -> CommandFailure,
) -> Result<T, CommandFailure> {
    let beside = match beside(target) {
        Ok(beside) => beside,
        // Whoever may write the file and not its directory writes into the file itself.
        Err(error) if old.is_some() && error.kind() == io::ErrorKind::PermissionDenied => {
            NamedTempFile::new().map_err(&failed)?
        }
        Err(error) => return Err(failed(error)),
    };
    let mut out = BufWriter::new(beside);
    let value = write(&mut out)?;
    let written = out
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    let kept = match old {
        None => written
            .persist(target)
            .map(drop)
            .map_err(|error| error.error),
        Some((about, file)) => keep(written, about, file, target),
    };
    kept.map_err(failed)?;
    Ok(value)
}

fn beside(target: &Path) -> io::Result<NamedTempFile> {
    let directory = target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tickbase-").suffix(".part");
    // As any new file: the umask takes away what its user wants taken away.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(directory.unwrap_or(Path::new(".")))
}

/// Puts a written file in the place of an old one, with the mode and owner of the old. Where that
/// cannot be, its bytes go into the old file.
fn keep(
    mut written: NamedTempFile,
    about: &Metadata,
    mut old: File,
    target: &Path,
) -> io::Result<()> {
    let written = match adopt(written.as_file(), about) {
        Ok(()) => match written.persist(target) {
            Ok(_) => return Ok(()),
            Err(refused) => {
                written = refused.file;
                written
            }
        },
        Err(_) => written,
    };
    let mut from = written.reopen()?;
    from.rewind()?;
    old.set_len(0)?;
    io::copy(&mut from, &mut old)?;
    old.flush()
}

/// Gives a new file the owner and mode of an old one.
#[cfg(unix)]
fn adopt(new: &File, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let about = new.metadata()?;
    if (about.uid(), about.gid()) != (old.uid(), old.gid()) {
        fchown(new, Some(old.uid()), Some(old.gid()))?;
    }
    // Behind the change of the owner, which takes away some bits.
    new.set_permissions(old.permissions())
}

#[cfg(not(unix))]
fn adopt(new: &File, old: &Metadata) -> io::Result<()> {
    new.set_permissions(old.permissions())
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use tickbase::error::Error;

    fn write(path: &Path, text: &str) -> Result<(), CommandFailure> {
        to_file(path, |out| {
            out.write_all(text.as_bytes()).unwrap();
            Ok(())
        })
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn links_modes_and_owners_stay() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("sub/target.csv"), "old").unwrap();
        fs::set_permissions(at("sub/target.csv"), fs::Permissions::from_mode(0o604)).unwrap();
        symlink("sub/target.csv", at("link.csv")).unwrap();
        symlink("link.csv", at("second.csv")).unwrap();
        write(&at("second.csv"), "new").ok().unwrap();
        assert_eq!(
            fs::read_link(at("second.csv")).unwrap(),
            Path::new("link.csv")
        );
        assert_eq!(
            fs::read_link(at("link.csv")).unwrap(),
            Path::new("sub/target.csv")
        );
        assert_eq!(fs::read_to_string(at("sub/target.csv")).unwrap(), "new");
        assert_eq!(
            fs::metadata(at("sub/target.csv")).unwrap().mode() & 0o777,
            0o604
        );
        // A link to a file that is not there yet makes it.
        symlink("sub/later.csv", at("dangling.csv")).unwrap();
        write(&at("dangling.csv"), "first").ok().unwrap();
        assert!(
            fs::symlink_metadata(at("dangling.csv"))
                .unwrap()
                .is_symlink()
        );
        assert_eq!(fs::read_to_string(at("sub/later.csv")).unwrap(), "first");
        symlink("circle", at("circle")).unwrap();
        assert!(write(&at("circle"), "x").is_err());
        assert_eq!(names(&at("sub")), ["later.csv", "target.csv"]);
    }

    #[test]
    fn a_failure_leaves_what_stood_there_and_no_other_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.csv");
        // What other programs may have left, or made on purpose, is not written to.
        fs::write(dir.path().join("rows.csv.part"), "of somebody").unwrap();
        for old in [None, Some("old")] {
            if let Some(old) = old {
                fs::write(&path, old).unwrap();
            }
            let failed = to_file::<()>(&path, |out| {
                out.write_all(b"half").unwrap();
                Err(CommandFailure::Error(Error::Closed))
            });
            assert!(failed.is_err());
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), old);
        }
        assert_eq!(names(dir.path()), ["rows.csv", "rows.csv.part"]);
        write(&path, "new").ok().unwrap();
        assert_eq!(names(dir.path()), ["rows.csv", "rows.csv.part"]);
        let part = fs::read_to_string(dir.path().join("rows.csv.part")).unwrap();
        assert_eq!(part, "of somebody");
        assert!(write(dir.path(), "x").is_err(), "a directory is no file");
    }

    #[test]
    fn a_new_file_is_as_any_other_of_its_user() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, other) = (dir.path().join("ours"), dir.path().join("other"));
        write(&ours, "").ok().unwrap();
        fs::write(&other, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode();
        assert_eq!(mode(&ours), mode(&other));
    }

    #[test]
    fn who_may_write_the_file_and_not_its_directory_writes_into_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.csv");
        fs::write(&path, "something longer that was there").unwrap();
        let about = fs::metadata(&path).unwrap();
        let old = OpenOptions::new().write(true).open(&path).unwrap();
        let mut written = NamedTempFile::new().unwrap();
        written.write_all(b"new").unwrap();
        // A place where no file can be put stands for a directory that may not be written.
        keep(written, &about, old, Path::new("/proc/nothing")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().ino(), about.ino());
    }
}
