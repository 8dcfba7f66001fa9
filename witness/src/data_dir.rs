//! The data directory of a witness: what lies where, and the lock that keeps a second process out.
//!
//! ```text
//! DIR/db/                     the store (RocksDB); never to be replaced by an older copy
//! DIR/anchor                  how far the witness has come; never part of a backup
//! DIR/witness-ed25519.key     a signing key, readable by its owner only: whoever has it can cosign as this witness
//! DIR/witness-ml-dsa-44.key   the other one, unless the witness was made with --ed25519-only
//! DIR/witness-….vkey          the verifier key of each
//! DIR/witness.vkey            both verifier keys, to be given to everybody
//! DIR/bastion.key             by which an https-bastion knows this witness; cosigns nothing
//! DIR/logs/                   policy files of the logs that it follows
//! DIR/evidence/               what convicts a log, by the hash of its origin
//! DIR/lock                    held while a process works on the directory; its number is in it
//! ```
//!
//! The lock cannot see a copy of the directory on another machine: a witness's directory must not be copied.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::process::Pid;
use serving::directory::{self, sync_parent};
use tlog::key::Algorithm;

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

    /// Where the signing key of this kind is.
    pub fn key(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join(format!("{}.key", stem(algorithm)))
    }

    /// Where the verifier key of this kind is.
    pub fn verifier_key(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join(format!("{}.vkey", stem(algorithm)))
    }

    /// Where all verifier keys are, a line for each.
    pub fn verifier_keys(&self) -> PathBuf {
        self.root.join("witness.vkey")
    }

    /// Where the key for a bastion is.
    pub fn bastion_key(&self) -> PathBuf {
        self.root.join("bastion.key")
    }

    /// Where the policy files of the logs are.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Where evidence goes.
    pub fn evidence(&self) -> PathBuf {
        self.root.join("evidence")
    }

    /// Takes the lock, and writes this process's number into it.
    pub fn lock(&self) -> Result<Lock, LockError> {
        let mut lock = Lock::take(&self.root, "acta-witness")?;
        lock.write_process().map_err(|error| LockError::Io { root: self.root.clone(), error })?;
        Ok(lock)
    }

    /// The process that holds the lock, if one does.
    pub fn holder(&self) -> io::Result<Option<Pid>> {
        directory::holder(&self.root)
    }
}

fn stem(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::CosignatureMlDsa44 => "witness-ml-dsa-44",
        Algorithm::CosignatureEd25519 | Algorithm::Ed25519 | Algorithm::EcdsaP256 => "witness-ed25519",
    }
}

/// Writes a new file that is there whole or not at all, also after a power cut. Fails where there is one already.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let staged = path.with_extension(format!("{}.tmp", std::process::id()));
    let _ = fs::remove_file(&staged); // left behind by a process with the same number
    let written = (|| {
        let mut file = File::create_new(&staged)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // A second name for the file, and not a new name, because that would replace what is there.
        fs::hard_link(&staged, path)
    })();
    let removed = fs::remove_file(&staged);
    written?;
    removed?;
    sync_parent(path)
}
