//! The data directory of a log: what lies where, and the lock that keeps a second process out.
//!
//! ```text
//! DIR/db/        the store (RocksDB)
//! DIR/anchor     how far the log has come; never part of a backup
//! DIR/log.key    the log's signing key, readable by its owner only: whoever has it can sign as the log
//! DIR/log.vkey   the verifier key, to be given to everybody
//! DIR/policy     a policy file that accepts this log's heads
//! DIR/lock       held while a process works on the directory
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// A data directory, not yet locked.
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
}

/// The right to work on a data directory. It ends with the process, however that ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The data directory cannot be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process holds the lock.
    #[error("another process is working on {0}: only one may. If it is an acta-log that you want to replace, stop it first (SIGTERM)")]
    Held(PathBuf),
    /// The lock file cannot be opened.
    #[error("cannot lock {0}: {1}")]
    Io(PathBuf, io::Error),
}

impl DataDir {
    /// The data directory at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        DataDir { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the store is.
    pub fn db(&self) -> PathBuf {
        self.root.join("db")
    }

    /// Where the anchor is.
    pub fn anchor(&self) -> PathBuf {
        self.root.join("anchor")
    }

    /// Where the signing key is.
    pub fn key(&self) -> PathBuf {
        self.root.join("log.key")
    }

    /// Where the verifier key is.
    pub fn verifier_key(&self) -> PathBuf {
        self.root.join("log.vkey")
    }

    /// Where the policy is.
    pub fn policy(&self) -> PathBuf {
        self.root.join("policy")
    }

    /// Takes the lock, without waiting.
    pub fn lock(&self) -> Result<Lock, LockError> {
        let path = self.root.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| LockError::Io(self.root.clone(), error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(LockError::Held(self.root.clone())),
            Err(error) => Err(LockError::Io(self.root.clone(), error.into())),
        }
    }
}

/// Makes the name of a new file or directory durable: it survives a power cut only once its parent is on the disk as well.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
