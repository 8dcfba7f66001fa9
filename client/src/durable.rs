//! Files that are there whole or not at all, also after a power cut.
//!
//! Invariant: a name that exists holds everything that was written under it. So the bytes go to a temporary name first, are synced,
//! and only then get their name; the directory is synced last, because a name is the directory's data.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Writes a file that replaces any of the same name, synced to stable storage.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_unsynced_name(path, bytes)?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

/// As [`write()`], but leaves it to the caller to sync the directory, once for many files: [`sync_directory`].
pub fn write_unsynced_name(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, true)
}

/// Writes a file that may be lost in a power cut, and is never seen half written by another process. For caches.
pub fn write_cached(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, false)
}

/// Makes the names in a directory durable.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(directory)?.sync_all()
}

/// Creates a directory and those above it, so that none is lost in a power cut.
pub fn create_directory(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new("."));
    create_directory(parent)?;
    match fs::create_dir(path) {
        // Somebody else was faster.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => return Err(error),
        _ => {}
    }
    sync_directory(parent)
}

/// Whether this is the name of an unfinished file that [`write()`] left when it was interrupted, for a name that ends in `ending`.
pub(crate) fn is_unfinished(name: &str, ending: &str) -> bool {
    let rest = name.strip_suffix(".tmp").and_then(|name| name.rsplit_once('.'));
    rest.is_some_and(|(name, number)| name.ends_with(ending) && number.bytes().all(|c| c.is_ascii_digit() || c == b'-'))
}

/// Reads a file of at most `limit` bytes; `None` if it is larger.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(u64::try_from(bytes.len()).is_ok_and(|len| len <= limit).then_some(bytes))
}

fn replace(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let temporary = temporary_name(path);
    let written = (|| {
        // A process of the same number that died here may have left one, and in a directory that others write to there may be a link
        // of theirs to a file of ours: it is removed and never followed.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.write_all(bytes)?;
        if sync {
            file.sync_all()?;
        }
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // Nothing more can be done about it here, and the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Next to the file, because a rename does not cross file systems; different for each call, because two tasks may write one file.
fn temporary_name(path: &Path) -> PathBuf {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{number}.tmp", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("receipt");
        write(&path, b"old").unwrap();
        fs::create_dir(dir.path().join("taken")).unwrap();
        assert!(write(&dir.path().join("taken"), b"new").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    /// The next temporary names are known to whoever knows this process's number.
    #[test]
    fn a_planted_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, b"precious").unwrap();
        let next = NEXT.load(Ordering::Relaxed);
        for number in next..next + 1000 {
            let link = dir.path().join(format!("file.{}-{number}.tmp", std::process::id()));
            std::os::unix::fs::symlink(&victim, link).unwrap();
        }
        write(&dir.path().join("file"), b"new").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"new");
    }

    #[test]
    fn directories_are_made_with_those_above_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c");
        create_directory(&path).unwrap();
        create_directory(&path).unwrap();
        assert!(path.is_dir());
        write(&dir.path().join("file"), b"").unwrap();
        assert!(create_directory(&dir.path().join("file")).is_err());
    }

    #[test]
    fn a_file_larger_than_the_limit_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, b"12345").unwrap();
        assert_eq!(read_bounded(&path, 4).unwrap(), None);
        assert_eq!(read_bounded(&path, 5).unwrap().unwrap(), b"12345");
    }
}
