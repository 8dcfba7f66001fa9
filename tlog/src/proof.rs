//! Proof files (C2SP tlog-proof): an entry's index, inclusion proof and checkpoint in one file.
//!
//! A *receipt* is a proof whose extra data is exactly the entry, so that the one file says what was published and proves it.
//!
//! Invariant: log key and origin come from the policy only, never from the file; the extra data counts as the entry only once the
//! inclusion proof says so.

mod receipt;

use std::fmt;

use crate::base64;
use crate::checkpoint::{SignedCheckpoint, SignedCheckpointError};
use crate::hash::{Hash, LeafIndex, TreeSize, parse_decimal};
use crate::merkle::{self, MAX_PROOF, VerifyError};
use crate::note::MAX_NOTE;
use crate::policy::{Policy, VerifiedCheckpoint, VerifyPolicyError};

pub use receipt::{VerifiedReceipt, VerifyReceiptError};

/// The first line of every proof file.
pub const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The most bytes of a proof file.
pub const MAX_PROOF_FILE: usize = 1024 * 1024;

/// The most bytes of extra data. The largest entry of a log has 65,535.
pub const MAX_EXTRA: usize = 512 * 1024;

/// A proof that an entry is in a log, to be checked offline. The file extension is `.tlog-proof`.
///
/// ```
/// use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
/// use tlog::key::{Algorithm, KeyName, SigningKey};
/// use tlog::policy::Policy;
/// use tlog::proof::Proof;
/// use tlog::{Hash, LeafIndex, TreeSize};
///
/// // The log: its tree has one entry, whose hash is the root.
/// let key = SigningKey::from_seed(KeyName::new("example.com/log")?, Algorithm::Ed25519, &[7; 32])?;
/// let checkpoint = Checkpoint::new(Origin::for_new_log("example.com/log")?, TreeSize::new(1), Hash::leaf(b"A decision."));
/// let signed = SignedCheckpoint::sign(&checkpoint, &[&key])?;
/// let receipt = Proof::new(Some(b"A decision.".to_vec()), LeafIndex::new(0), vec![], signed)?.to_bytes();
///
/// // The verifier: trusts the log's key.
/// let policy = Policy::without_witnesses(key.verifier_key().clone(), None)?;
/// let receipt = Proof::parse(&receipt)?;
/// assert!(receipt.verify(&policy, b"A decision.").is_ok());
/// assert!(receipt.verify(&policy, b"Another decision.").is_err());
/// assert_eq!(receipt.verify_receipt(&policy, None)?.entry(), b"A decision.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    extra: Option<Vec<u8>>,
    index: LeafIndex,
    hashes: Vec<Hash>,
    checkpoint: SignedCheckpoint,
}

/// Why some bytes are not a proof file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// More than [`MAX_PROOF_FILE`] bytes, or more extra data than [`MAX_EXTRA`].
    #[error("the file is larger than any receipt; check that this is the right file")]
    TooLarge,
    /// Not UTF-8.
    #[error("this is not a receipt: it is not text; check that this is the right file")]
    NotUtf8,
    /// Another first line.
    #[error("this is not a receipt: it does not start with {HEADER}; check that this is the right file")]
    Header,
    /// The extra line.
    #[error("the line `extra` of the receipt is damaged: its base64 cannot be read; fetch the receipt again")]
    Extra,
    /// The index line.
    #[error("the line `index` of the receipt is missing or damaged; fetch the receipt again")]
    Index,
    /// A proof line.
    #[error("line {line} of the receipt should be a hash (base64 of 32 bytes) and is not; fetch the receipt again")]
    Hash {
        /// The line, from 1.
        line: usize,
    },
    /// More than 63 hashes.
    #[error("the receipt has more than {MAX_PROOF} proof lines, more than any proof needs; do not rely on it")]
    TooManyHashes,
    /// The checkpoint does not follow.
    #[error("the receipt has no empty line followed by a checkpoint: it was cut short; fetch it again")]
    NoCheckpoint,
    /// The checkpoint cannot be read.
    #[error("the checkpoint in the receipt cannot be read: {0}")]
    Checkpoint(SignedCheckpointError),
}

// By hand: `#[from]` would make what the text says already a source as well, and it would be printed twice.
impl From<SignedCheckpointError> for ProofError {
    fn from(error: SignedCheckpointError) -> Self {
        ProofError::Checkpoint(error)
    }
}

/// Why a proof was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyProofError {
    /// Its checkpoint does not meet the policy.
    #[error(transparent)]
    Policy(#[from] VerifyPolicyError),
    /// The entry would come after the end of the log that the checkpoint describes.
    #[error(
        "the receipt is for entry number {index}, but its checkpoint covers only {size} entries: they do not belong together; fetch the \
         receipt again"
    )]
    BeyondCheckpoint {
        /// The entry.
        index: LeafIndex,
        /// The entries that the checkpoint covers.
        size: TreeSize,
    },
    /// The number of hashes is wrong for this index and size.
    #[error(
        "the receipt has {given} proof lines where {expected} are needed: it was cut short, or index and checkpoint do not belong \
         together; fetch it again"
    )]
    WrongLength {
        /// How many are needed.
        expected: usize,
        /// How many there are.
        given: usize,
    },
    /// The proof is right, but for the entry that the receipt itself carries.
    #[error("the receipt is genuine, but it is for another entry than the one given: compare the two files")]
    OtherEntry,
    /// The proof does not lead from the entry to the checkpoint.
    #[error(
        "the log has signed, but not for this: the entry was changed, or the receipt's proof or checkpoint was replaced by another one; \
         do not rely on it"
    )]
    NotIncluded,
}

impl Proof {
    /// Puts a proof together. `extra` is opaque data that is not authenticated by itself; for a receipt it is the entry.
    pub fn new(extra: Option<Vec<u8>>, index: LeafIndex, hashes: Vec<Hash>, checkpoint: SignedCheckpoint) -> Result<Self, ProofError> {
        if hashes.len() > MAX_PROOF {
            return Err(ProofError::TooManyHashes);
        }
        if extra.as_ref().is_some_and(|extra| extra.len() > MAX_EXTRA) {
            return Err(ProofError::TooLarge);
        }
        Ok(Proof { extra, index, hashes, checkpoint })
    }

    /// Parses a proof file of at most [`MAX_PROOF_FILE`] bytes; printing it gives the same bytes again.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > MAX_PROOF_FILE {
            return Err(ProofError::TooLarge);
        }
        let all = str::from_utf8(bytes).map_err(|_| ProofError::NotUtf8)?;
        // SPEC: tlog-proof §Format.
        let rest = all.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n')).ok_or(ProofError::Header)?;
        // The lines before the checkpoint are not empty, so the first blank line ends them.
        let (head, checkpoint) = rest.split_once("\n\n").ok_or(ProofError::NoCheckpoint)?;
        let mut lines = head.split('\n').enumerate().map(|(i, line)| (i + 2, line)).peekable();
        let extra = match lines.next_if(|(_, line)| line.starts_with("extra ")) {
            Some((_, line)) => Some(line.strip_prefix("extra ").and_then(base64::decode).ok_or(ProofError::Extra)?),
            None => None,
        };
        let index = lines.next().and_then(|(_, line)| line.strip_prefix("index ")).and_then(parse_decimal).ok_or(ProofError::Index)?;
        let mut hashes = Vec::new();
        for (line, text) in lines {
            if hashes.len() == MAX_PROOF {
                return Err(ProofError::TooManyHashes);
            }
            hashes.push(Hash::from_base64(text).map_err(|_| ProofError::Hash { line })?);
        }
        Proof::new(extra, LeafIndex::new(index), hashes, SignedCheckpoint::parse(checkpoint.as_bytes())?)
    }

    /// The proof as bytes: what [`Proof::parse`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// Data that came with the proof. Not authenticated: see [`Proof::verify_receipt`].
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// Which entry of the log, from 0.
    pub fn index(&self) -> LeafIndex {
        self.index
    }

    /// The inclusion proof, from the leaf's sibling up.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The checkpoint that the proof leads to, unverified.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Verifies that `entry` is in a log of the policy, at the proof's index, under a checkpoint that meets the policy. The extra
    /// data plays no part but in the explanation of a failure.
    pub fn verify(&self, policy: &Policy, entry: &[u8]) -> Result<VerifiedCheckpoint, VerifyProofError> {
        // SPEC: tlog-proof §Verifying a tlog proof: steps 2 and 3, then 1 and 4.
        let verified = policy.verify(&self.checkpoint)?;
        match self.verify_inclusion(&Hash::leaf(entry)) {
            Err(VerifyProofError::NotIncluded) if self.extra().is_some_and(|extra| self.verify_inclusion(&Hash::leaf(extra)).is_ok()) => {
                Err(VerifyProofError::OtherEntry)
            }
            result => result.map(|()| verified),
        }
    }

    fn verify_inclusion(&self, leaf: &Hash) -> Result<(), VerifyProofError> {
        let (size, root) = (self.checkpoint.checkpoint().size(), self.checkpoint.checkpoint().root());
        merkle::verify_inclusion(leaf, self.index, size, &self.hashes, root).map_err(|error| match error {
            VerifyError::BeyondTree { .. } => VerifyProofError::BeyondCheckpoint { index: self.index, size },
            VerifyError::WrongLength { expected, given } => VerifyProofError::WrongLength { expected, given },
            _ => VerifyProofError::NotIncluded,
        })
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", base64::encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

// Whatever `new` accepts fits into a file that `parse` accepts.
const _: () = assert!(MAX_EXTRA.div_ceil(3) * 4 + MAX_NOTE + MAX_PROOF * 45 + 1024 <= MAX_PROOF_FILE);

#[cfg(test)]
mod tests;
