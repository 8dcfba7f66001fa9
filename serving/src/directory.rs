//! The directory that a server's data lies in: the lock that keeps a second process out, and names that survive a power cut.
//!
//! Two processes on one directory would sign two histories, so the lock comes before everything. It ends with the process, however that
//! ends. It cannot see a copy of the directory on another machine.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::Pid;

/// Longer than [`holder`] needs to look at the lock.
const LOOK: Duration = Duration::from_millis(200);

/// The right to work on a directory.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// A directory cannot be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process holds the lock.
    #[error("another process is working on {}: only one may. If it is an {program} that you want to replace, stop it first (SIGTERM)", root.display())]
    Held {
        /// The directory.
        root: PathBuf,
        /// What is to work on it.
        program: &'static str,
    },
    /// The lock file cannot be opened or written.
    #[error("cannot lock {}: {error}", root.display())]
    Io {
        /// The directory.
        root: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Lock {
    /// Takes the lock of the directory `root`, waiting no longer than a look at it may take. `program` is who wants it, for the message that
    /// it is taken.
    pub fn take(root: &Path, program: &'static str) -> Result<Self, LockError> {
        let failed = |error| LockError::Io { root: root.to_owned(), error };
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(lock_file(root)).map_err(failed)?;
        let begun = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock { file }),
                // A command that looks whether a server is running has it for a moment.
                Err(rustix::io::Errno::WOULDBLOCK) if begun.elapsed() < LOOK => std::thread::sleep(LOOK / 20),
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(LockError::Held { root: root.to_owned(), program }),
                Err(error) => return Err(failed(error.into())),
            }
        }
    }

    /// Writes this process's number into the lock file, for [`holder`].
    pub fn write_process(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        writeln!(self.file, "{}", std::process::id())
    }
}

/// The process that holds the lock of the directory `root`, if one does that has written its number.
pub fn holder(root: &Path) -> io::Result<Option<Pid>> {
    let mut file = match File::open(lock_file(root)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => return Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => {}
        Err(error) => return Err(error.into()),
    }
    let mut text = String::new();
    (&mut file).take(32).read_to_string(&mut text)?;
    Ok(text.trim().parse().ok().and_then(Pid::from_raw))
}

fn lock_file(root: &Path) -> PathBuf {
    root.join("lock")
}

/// Makes the name of a new file or directory durable: it survives a power cut only once its parent is on the disk as well.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_lock_is_held_by_one_and_tells_by_whom() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(holder(dir.path()).unwrap(), None, "no lock file");
        let mut lock = Lock::take(dir.path(), "acta-test").unwrap();
        lock.write_process().unwrap();
        assert_eq!(holder(dir.path()).unwrap(), Some(rustix::process::getpid()));
        let refusal = Lock::take(dir.path(), "acta-test").unwrap_err();
        assert!(matches!(refusal, LockError::Held { .. }), "{refusal}");
        drop(lock);
        assert_eq!(holder(dir.path()).unwrap(), None, "the number of who has gone is not believed");
        Lock::take(dir.path(), "acta-test").unwrap();
    }

    #[test]
    fn looking_at_the_lock_does_not_keep_a_server_from_starting() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        drop(Lock::take(&root, "acta-test").unwrap());
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let looks = std::thread::spawn(move || {
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                holder(&root).unwrap();
            }
        });
        for _ in 0..50 {
            drop(Lock::take(dir.path(), "acta-test").unwrap());
        }
        drop(stop);
        looks.join().unwrap();
    }
}
