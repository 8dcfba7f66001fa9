//! The data directory of a log: what lies where, and the lock that keeps a second process out.
//!
//! ```text
//! DIR/db/        the store (RocksDB)
//! DIR/anchor     how far the log has come; never part of a backup
//! DIR/log.key    the log's signing key, readable by its owner only: whoever has it can sign as the log
//! DIR/log.vkey   the verifier key, to be given to everybody
//! DIR/ct.key     signs heads as RFC 6962 has them, where that was asked for; readable by its owner only
//! DIR/ct.pem     the public half of it
//! DIR/ct.time    no such head was signed for a later time
//! DIR/policy     a policy file that accepts this log's heads
//! DIR/lock       held while a process works on the directory
//! ```

use std::path::{Path, PathBuf};

pub use serving::directory::{Lock, LockError};

/// A data directory, not yet locked.
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
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

    /// Where the key that signs heads as RFC 6962 has them is, if there is one.
    pub fn ct_key(&self) -> PathBuf {
        self.root.join("ct.key")
    }

    /// Where the public half of that key is.
    pub fn ct_public_key(&self) -> PathBuf {
        self.root.join("ct.pem")
    }

    /// Where the time is that no such head was signed after.
    pub fn ct_time(&self) -> PathBuf {
        self.root.join("ct.time")
    }

    /// Takes the lock.
    pub fn lock(&self) -> Result<Lock, LockError> {
        Lock::take(&self.root, "acta-log")
    }
}
