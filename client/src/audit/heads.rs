//! The heads of earlier audits: what a log must not contradict.
//!
//! Invariant: a head is replaced only by one that was proven to continue it, after a whole audit. Whoever can change these files can
//! make an audit forget what it saw, so they belong to the auditor alone.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use tlog::Hash;
use tlog::checkpoint::{SignedCheckpoint, SignedCheckpointError, VerifyCheckpointError};
use tlog::note::MAX_NOTE;
use tlog::policy::Policy;

use super::Evidence;
use crate::verified::VerifiedLog;
use crate::{durable, terminal};

/// A directory with the last verified head of each log.
#[derive(Clone, Debug)]
pub struct HeadStore {
    directory: PathBuf,
}

/// Two heads of one log that cannot both be true, or of which the log did not show that they can, kept as a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConflictingHeads {
    /// [`ConflictingHeads::FORMAT`] or [`ConflictingHeads::FORMAT_UNPROVEN`].
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
    #[error("{}: {source}", terminal::path(.path))]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kept head cannot be parsed.
    #[error("the head of the last audit in {} is damaged ({reason}); restore it, or remove it to start afresh", terminal::path(.path))]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: SignedCheckpointError,
    },
    /// It is larger than any checkpoint.
    #[error("{} is larger than any checkpoint; restore it, or remove it to start afresh", terminal::path(.path))]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// Another audit kept a head in the meantime.
    #[error("the log is good, but its head was not kept: another audit has written {} in the meantime; run this audit again", terminal::path(.path))]
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// The kept head is not signed with a key of the policy.
    #[error("the head of the last audit in {} was not signed with a key that the policy has for this log ({reason}); audit with the policy of then, or, if the log has a new key, move this file away to start afresh", terminal::path(.path))]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: VerifyCheckpointError,
    },
}

impl ConflictingHeads {
    /// What a file with two heads that contradict each other says it is.
    pub const FORMAT: &'static str = "acta conflicting heads v1";
    /// What a file says it is if the log only failed to show that the second head continues the first.
    pub const FORMAT_UNPROVEN: &'static str = "acta unproven heads v1";

    /// Two heads, of which the first was seen earlier, for a file of this `format`.
    pub fn new(format: &str, seen_at: Timestamp, earlier: &SignedCheckpoint, served: &SignedCheckpoint) -> Self {
        ConflictingHeads { format: format.to_owned(), seen_at, earlier: earlier.to_string(), served: served.to_string() }
    }

    /// The bytes of the file.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings and a time are valid JSON");
        text.push('\n');
        text
    }

    /// The same, fit for a terminal.
    pub(super) fn to_printable(&self) -> String {
        terminal::json(&self.to_json())
    }
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
        match head.verify_log(&policy.log_keys()) {
            Ok(_) => Ok(Some(head)),
            Err(reason) => Err(HeadStoreError::Foreign { path, reason }),
        }
    }

    /// Replaces the last head, if it still is the one that the new one was compared with: otherwise another audit at the same time could
    /// be undone by this one.
    pub(super) fn keep(&self, log: &VerifiedLog, previous: Option<&SignedCheckpoint>) -> Result<(), HeadStoreError> {
        let path = self.path(log);
        let failed = |source| HeadStoreError::File { path: self.directory.clone(), source };
        durable::create_directory(&self.directory).map_err(failed)?;
        let directory = File::open(&self.directory).map_err(failed)?;
        // Until it is closed; held for no longer than it takes to write a small file.
        flock(&directory, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        let now = match durable::read_bounded(&path, u64::try_from(MAX_NOTE).expect("small")) {
            Ok(Some(bytes)) => Some(bytes),
            Ok(None) => return Err(HeadStoreError::TooLarge { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(HeadStoreError::File { path, source }),
        };
        if now != previous.map(SignedCheckpoint::to_bytes) {
            return Err(HeadStoreError::Changed { path });
        }
        self.write(path, &log.head().signed().to_bytes())
    }

    /// Writes both heads into a file of their own, and what convicts the log, if there is something, into another. The heads are given back
    /// too, for when that fails.
    pub(super) fn keep_pair(
        &self,
        format: &str,
        earlier: &SignedCheckpoint,
        log: &VerifiedLog,
        convicts: Option<tlog::evidence::Evidence>,
    ) -> Evidence {
        let heads = ConflictingHeads::new(format, Timestamp::now(), earlier, log.head().signed());
        // The same pair gives the same name, so that repeated audits do not fill the disk.
        let pair = Hash::sha256([heads.earlier.as_str(), &heads.served].concat().as_bytes()).to_hex();
        let kind = if format == ConflictingHeads::FORMAT { "conflict" } else { "unproven" };
        let path = self.directory.join(format!("{}.{kind}-{}.json", name(log), &pair[..16]));
        let kept = self.write(path.clone(), heads.to_json().as_bytes()).map(|()| path);
        let convicts = convicts.and_then(|evidence| {
            let path = self.directory.join(evidence.file_name());
            // Without it there are still both heads, of which the message tells.
            self.write(path.clone(), &evidence.to_bytes()).is_ok().then_some(path)
        });
        Evidence { heads, kept, convicts }
    }

    fn write(&self, path: PathBuf, bytes: &[u8]) -> Result<(), HeadStoreError> {
        let written = durable::create_directory(&self.directory).and_then(|()| durable::write(&path, bytes));
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
