//! The heads of earlier audits: what a log must not contradict.
//!
//! Invariant: a head is replaced only by one that was proven to continue it, after a whole audit. Whoever can change these files can
//! make an audit forget what it saw, so they belong to the auditor alone.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tlog::Hash;
use tlog::checkpoint::{SignedCheckpoint, SignedCheckpointError, VerifyCheckpointError};
use tlog::key::VerifierKey;
use tlog::note::MAX_NOTE;
use tlog::policy::Policy;

use crate::durable;
use crate::verified::VerifiedLog;

/// A directory with the last verified head of each log.
#[derive(Clone, Debug)]
pub struct HeadStore {
    directory: PathBuf,
}

/// Two heads of one log that cannot both be true, kept as a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConflictingHeads {
    /// [`ConflictingHeads::FORMAT`].
    pub format: String,
    /// When the conflict was seen, by this machine's clock.
    pub seen_at: Timestamp,
    /// The signed head that was verified earlier.
    pub earlier: String,
    /// The signed head that was served now.
    pub served: String,
}

/// Why the last head could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadStoreError {
    /// A file operation failed.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kept head cannot be parsed.
    #[error("the head of the last audit in {} is damaged ({reason}); restore it, or remove it to start afresh", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: SignedCheckpointError,
    },
    /// It is larger than any checkpoint.
    #[error("{} is larger than any checkpoint; restore it, or remove it to start afresh", .path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// The kept head is not signed with a key of the policy.
    #[error("the head of the last audit in {} is not one of this log's: {reason}", .path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: VerifyCheckpointError,
    },
}

impl ConflictingHeads {
    /// What the file says it is.
    pub const FORMAT: &'static str = "acta conflicting heads v1";
}

impl HeadStore {
    /// Keeps heads in `directory`, which is made when there is something to keep.
    pub fn new(directory: &Path) -> Self {
        HeadStore { directory: directory.to_owned() }
    }

    /// The head of the last audit of this log. Its witnesses need not be those of today's policy; the log's key must be.
    pub(super) fn last(&self, log: &VerifiedLog, policy: &Policy) -> Result<Option<SignedCheckpoint>, HeadStoreError> {
        let path = self.path(log);
        let bytes = match durable::read_bounded(&path, u64::try_from(MAX_NOTE).expect("small")) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(HeadStoreError::TooLarge { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(HeadStoreError::File { path, source }),
        };
        let head = match SignedCheckpoint::parse(&bytes) {
            Ok(head) => head,
            Err(reason) => return Err(HeadStoreError::Damaged { path, reason }),
        };
        let keys: Vec<VerifierKey> = policy.logs().iter().map(|log| log.key().clone()).collect();
        match head.verify_log(&keys) {
            Ok(_) => Ok(Some(head)),
            Err(reason) => Err(HeadStoreError::Foreign { path, reason }),
        }
    }

    /// Replaces the last head.
    pub(super) fn keep(&self, log: &VerifiedLog) -> Result<(), HeadStoreError> {
        self.write(self.path(log), &log.head().signed().to_bytes())
    }

    /// Writes both heads into a file of their own.
    pub(super) fn keep_conflict(&self, earlier: &SignedCheckpoint, log: &VerifiedLog) -> Result<PathBuf, HeadStoreError> {
        let served = log.head().signed().to_string();
        let heads = ConflictingHeads {
            format: ConflictingHeads::FORMAT.to_owned(),
            seen_at: Timestamp::now(),
            earlier: earlier.to_string(),
            served,
        };
        let mut text = serde_json::to_string_pretty(&heads).expect("strings and a time are valid JSON");
        text.push('\n');
        // The same pair gives the same name, so that repeated audits do not fill the disk.
        let pair = Hash::sha256([heads.earlier.as_str(), &heads.served].concat().as_bytes()).to_hex();
        let path = self.directory.join(format!("{}.conflict-{}.json", name(log), &pair[..16]));
        self.write(path.clone(), text.as_bytes())?;
        Ok(path)
    }

    fn write(&self, path: PathBuf, bytes: &[u8]) -> Result<(), HeadStoreError> {
        let written = std::fs::create_dir_all(&self.directory).and_then(|()| durable::write(&path, bytes));
        written.map_err(|source| HeadStoreError::File { path, source })
    }

    fn path(&self, log: &VerifiedLog) -> PathBuf {
        self.directory.join(format!("{}.head", name(log)))
    }
}

/// Origins may contain anything, so the name is part of their hash, after as much of them as is harmless in a file name.
fn name(log: &VerifiedLog) -> String {
    let origin = log.checkpoint().origin().as_str();
    let readable: String =
        origin.chars().take(60).map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' }).collect();
    format!("{}-{}", readable.trim_start_matches('.'), &Hash::sha256(origin.as_bytes()).to_hex()[..16])
}
