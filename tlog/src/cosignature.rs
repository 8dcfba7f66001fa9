//! Cosignatures (C2SP tlog-cosignature): a witness's timestamped signature over a checkpoint or subtree.
//!
//! The bytes of a cosignature are the time, big-endian, and the signature proper. What is signed differs: with Ed25519 it is two
//! lines of text and the checkpoint's text, with ML-DSA-44 a binary structure that also names the cosigner but leaves out extension
//! lines.
//!
//! Invariant: the message is always made again from what was parsed, never taken from whoever sent the signature.

use std::num::NonZeroU64;

use crate::checkpoint::{Checkpoint, Origin};
use crate::hash::Hash;
use crate::key::{Algorithm, BadSignature, KeyName, VerifierKey};
use crate::merkle::Subtree;
use crate::note::{Signature, VerifyNoteError, verify_lines};

/// The latest time that a cosignature can state, in seconds since 1970.
pub const MAX_TIMESTAMP: u64 = (1 << 63) - 1;

/// The most bytes of the cosigner's and of the log's name in an ML-DSA-44 cosignature.
pub(crate) const MAX_NAME: usize = 255;

/// The bytes of a signature, without the time before it.
const ED25519_SIGNATURE: usize = 64;
const ML_DSA_44_SIGNATURE: usize = 2420;

/// A cosignature that was verified.
///
/// ```
/// use tlog::checkpoint::{Checkpoint, Origin};
/// use tlog::cosignature::Cosignature;
/// use tlog::key::{Algorithm, KeyName, SigningKey};
/// use tlog::{Hash, TreeSize};
///
/// let witness = SigningKey::from_seed(KeyName::new("witness.example/w1")?, Algorithm::CosignatureMlDsa44, &[1; 32])?;
/// let checkpoint = Checkpoint::new(Origin::for_new_log("example.com/log")?, TreeSize::ZERO, Hash::EMPTY_TREE);
/// let line = witness.cosign(&checkpoint, 1_700_000_000)?;
/// let cosignature = Cosignature::verify(&line, &checkpoint, witness.verifier_key())?;
/// assert_eq!(cosignature.timestamp().map(u64::from), Some(1_700_000_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    key: VerifierKey,
    timestamp: Option<NonZeroU64>,
}

impl Cosignature {
    /// Verifies one signature line over a checkpoint with the key that it must be of.
    pub fn verify(line: &Signature, checkpoint: &Checkpoint, key: &VerifierKey) -> Result<Cosignature, BadSignature> {
        if !line.is_of(key) {
            return Err(BadSignature);
        }
        let timestamp = key.verify_cosignature(checkpoint, &line.bytes)?;
        Ok(Cosignature { key: key.clone(), timestamp })
    }

    /// The newest of all lines that are of `key`; `Ok(None)` if none is. One bad line of that key refuses them all, and so do more
    /// than [`MAX_LINES_PER_KEY`](crate::note::MAX_LINES_PER_KEY).
    ///
    /// A witness that signed the same checkpoint twice has two lines with the same name and id; both are true.
    pub fn newest(lines: &[Signature], checkpoint: &Checkpoint, key: &VerifierKey) -> Result<Option<Cosignature>, VerifyNoteError> {
        if !key.algorithm().is_cosignature() {
            return Ok(None);
        }
        let newest = verify_lines(lines, &checkpoint.to_string(), Some(checkpoint), &[key])?;
        Ok(newest.first().copied().flatten().map(|timestamp| Cosignature { key: key.clone(), timestamp }))
    }

    /// Who cosigned.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// When, in seconds since 1970; `None` if the cosigner stated no time.
    pub fn timestamp(&self) -> Option<NonZeroU64> {
        self.timestamp
    }
}

/// Verifies a cosignature over a part of a log, as `sign-subtree` of a witness answers it.
pub fn verify_subtree(line: &Signature, origin: &Origin, subtree: Subtree, hash: &Hash, key: &VerifierKey) -> Result<(), BadSignature> {
    if key.algorithm() != Algorithm::CosignatureMlDsa44 || !line.is_of(key) {
        return Err(BadSignature);
    }
    let (timestamp, signature) = split_timestamp(key.algorithm(), &line.bytes).ok_or(BadSignature)?;
    // SPEC: tlog-cosignature §ML-DSA-44 signed message: if start is not zero, the timestamp MUST be zero.
    if subtree.start() != 0 && timestamp != 0 {
        return Err(BadSignature);
    }
    let message = ml_dsa_message(key.name(), timestamp, origin, subtree.start(), subtree.end(), hash).ok_or(BadSignature)?;
    key.verify_message(&message, signature)
}

/// Takes the bytes of a cosignature over a whole checkpoint apart: its time, the message that was signed, and the signature proper.
/// `None` if the key makes no cosignatures or the bytes have the wrong form.
pub(crate) fn signed_message<'s>(key: &VerifierKey, checkpoint: &Checkpoint, bytes: &'s [u8]) -> Option<(u64, Vec<u8>, &'s [u8])> {
    // First, so that for a line of the wrong length nothing is printed and hashed.
    let (timestamp, signature) = split_timestamp(key.algorithm(), bytes)?;
    let message = match key.algorithm() {
        Algorithm::CosignatureEd25519 => ed25519_message(timestamp, &checkpoint.to_string()),
        Algorithm::CosignatureMlDsa44 => {
            let (origin, size) = (checkpoint.origin(), checkpoint.size().as_u64());
            ml_dsa_message(key.name(), timestamp, origin, 0, size, checkpoint.root())?
        }
        Algorithm::Ed25519 | Algorithm::EcdsaP256 => return None,
    };
    Some((timestamp, message, signature))
}

/// SPEC: tlog-cosignature §Format: a big-endian timestamp, which MUST NOT exceed 2^63 - 1, and the signature.
fn split_timestamp(algorithm: Algorithm, bytes: &[u8]) -> Option<(u64, &[u8])> {
    let expected = match algorithm {
        Algorithm::CosignatureEd25519 => ED25519_SIGNATURE,
        Algorithm::CosignatureMlDsa44 => ML_DSA_44_SIGNATURE,
        Algorithm::Ed25519 | Algorithm::EcdsaP256 => return None,
    };
    let (timestamp, signature) = bytes.split_first_chunk::<8>()?;
    let timestamp = u64::from_be_bytes(*timestamp);
    (timestamp <= MAX_TIMESTAMP && signature.len() == expected).then_some((timestamp, signature))
}

/// SPEC: tlog-cosignature §Ed25519 signed message.
pub(crate) fn ed25519_message(timestamp: u64, checkpoint: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {timestamp}\n{checkpoint}").into_bytes()
}

/// SPEC: tlog-cosignature §ML-DSA-44 signed message. `None` if a name is empty or does not fit into the structure.
pub(crate) fn ml_dsa_message(name: &KeyName, timestamp: u64, origin: &Origin, start: u64, end: u64, hash: &Hash) -> Option<Vec<u8>> {
    let length = |text: &str| u8::try_from(text.len()).ok().filter(|&length| length > 0);
    let (name, origin) = (name.as_str(), origin.as_str());
    let mut message = Vec::with_capacity(12 + 1 + name.len() + 8 + 1 + origin.len() + 8 + 8 + Hash::LEN);
    message.extend(b"subtree/v1\n\0");
    message.push(length(name)?);
    message.extend(name.as_bytes());
    message.extend(timestamp.to_be_bytes());
    message.push(length(origin)?);
    message.extend(origin.as_bytes());
    message.extend(start.to_be_bytes());
    message.extend(end.to_be_bytes());
    message.extend(hash.as_bytes());
    Some(message)
}

#[cfg(test)]
mod tests;
