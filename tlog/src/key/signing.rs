//! Signing keys.
//!
//! Whoever holds the seed can sign as the log or witness, in any number of contradicting ways. It is printed by nothing but
//! [`encode_pem`](super::encode_pem).
//!
//! What is wiped from memory when a key is dropped: the seed, and of ML-DSA-44 also the key expanded from it. What is not: the expanded
//! Ed25519 key inside `ring`, which has no means for it, and copies that the compiler makes on the stack while a key is moved or derived.
//! So wiping makes the secret rarer in a memory dump or in swap, no more; who can read the process's memory has the key.

use std::fmt;

use ml_dsa::MlDsa44;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

use super::{Algorithm, InvalidPublicKey, KeyName, VerifierKey};
use crate::checkpoint::{Checkpoint, CheckpointError, Origin};
use crate::cosignature;
use crate::hash::Hash;
use crate::merkle::Subtree;
use crate::note::{self, Signature};

/// A secret key with its name and algorithm.
///
/// ```
/// use tlog::key::{Algorithm, KeyName, SigningKey};
/// use tlog::note::Note;
///
/// let seed = [7; 32]; // from a secure random number generator, see the crate `keyfile`
/// let key = SigningKey::from_seed(KeyName::new("example.com/log")?, Algorithm::Ed25519, &seed)?;
/// let text = "A decision.\n";
/// let note = Note::new(text, vec![key.sign_note(text)?])?;
/// assert!(note.verify(&[key.verifier_key().clone()]).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    secret: Secret,
    verifier: VerifierKey,
}

enum Secret {
    Ed25519(Ed25519KeyPair),
    MlDsa44(Box<ml_dsa::SigningKey<MlDsa44>>),
}

/// Why a signing key cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSigningKey {
    /// Such signatures are only verified here.
    #[error("ECDSA signatures are only verified, never made; choose an Ed25519 or ML-DSA-44 key")]
    VerifyOnly,
    /// The name does not fit the algorithm.
    #[error("no key can be made with this name: {0}")]
    PublicKey(InvalidPublicKey),
}

// By hand: `#[from]` would make what the text says already a source as well, and it would be printed twice.
impl From<InvalidPublicKey> for InvalidSigningKey {
    fn from(error: InvalidPublicKey) -> Self {
        InvalidSigningKey::PublicKey(error)
    }
}

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The text cannot be that of a note.
    #[error("this text cannot be signed: it must end in a newline and have no control characters but newlines")]
    Text,
    /// The key is for cosignatures.
    #[error("a cosignature key signs checkpoints with a time, not plain notes; use an Ed25519 note key")]
    NotANoteKey,
    /// The key is for notes.
    #[error("this key signs plain notes and makes no cosignatures; make a cosignature key")]
    NotACosignatureKey,
    /// Only ML-DSA-44 cosignatures can be about parts of a tree.
    #[error("only ML-DSA-44 keys can cosign a part of a log; use one of those")]
    NotASubtreeKey,
    /// A time that the format has no room for.
    #[error("the time to sign is not between 0 and 2^63-1 seconds after 1970; check the clock")]
    Timestamp,
    /// The name of the log is too long for an ML-DSA-44 cosignature.
    #[error("an ML-DSA-44 cosignature has room for 255 bytes of the log's origin; use an Ed25519 key for this log")]
    OriginTooLong,
    /// A checkpoint that nobody could read.
    #[error("this checkpoint cannot be signed, since it could not be read again: {0}")]
    Checkpoint(CheckpointError),
}

impl SigningKey {
    /// The key that belongs to 32 secret bytes: the private key of Ed25519 (RFC 8032), or the seed of ML-DSA-44 (FIPS 204). The bytes
    /// are copied; wiping those given is for the caller, for example with `Zeroizing`.
    pub fn from_seed(name: KeyName, algorithm: Algorithm, seed: &[u8; 32]) -> Result<Self, InvalidSigningKey> {
        let seed = Zeroizing::new(*seed);
        let (secret, public_key) = match algorithm {
            Algorithm::Ed25519 | Algorithm::CosignatureEd25519 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).expect("32 bytes are an Ed25519 seed");
                let public_key = pair.public_key().as_ref().to_vec();
                (Secret::Ed25519(pair), public_key)
            }
            Algorithm::CosignatureMlDsa44 => {
                let key = ml_dsa::SigningKey::<MlDsa44>::from_seed(&(*seed).into());
                let public_key = key.expanded_key().verifying_key().encode().to_vec();
                (Secret::MlDsa44(Box::new(key)), public_key)
            }
            Algorithm::EcdsaP256 => return Err(InvalidSigningKey::VerifyOnly),
        };
        let verifier = VerifierKey::new(name, algorithm, &public_key)?;
        Ok(SigningKey { seed, secret, verifier })
    }

    /// The public half.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs the text of a note.
    pub fn sign_note(&self, text: &str) -> Result<Signature, SignError> {
        if self.verifier.algorithm != Algorithm::Ed25519 {
            return Err(SignError::NotANoteKey);
        }
        note::check_text(text).map_err(|_| SignError::Text)?;
        Ok(self.line(self.sign(text.as_bytes())))
    }

    /// Cosigns a checkpoint: states that at `timestamp` (seconds since 1970) it was the newest one seen of its log, and consistent
    /// with all before. Whether that is so is for the caller to know, see [`witness`](crate::witness).
    pub fn cosign(&self, checkpoint: &Checkpoint, timestamp: u64) -> Result<Signature, SignError> {
        Ok(self.line(self.timestamped(timestamp, &self.message(checkpoint, timestamp)?)))
    }

    /// Whether [`SigningKey::cosign`] would succeed.
    pub(crate) fn can_cosign(&self, checkpoint: &Checkpoint, timestamp: u64) -> Result<(), SignError> {
        self.message(checkpoint, timestamp).map(drop)
    }

    fn message(&self, checkpoint: &Checkpoint, timestamp: u64) -> Result<Vec<u8>, SignError> {
        if timestamp > cosignature::MAX_TIMESTAMP {
            return Err(SignError::Timestamp);
        }
        checkpoint.check().map_err(SignError::Checkpoint)?;
        match self.verifier.algorithm {
            Algorithm::CosignatureEd25519 => Ok(cosignature::ed25519_message(timestamp, &checkpoint.to_string())),
            Algorithm::CosignatureMlDsa44 => {
                let name = &self.verifier.name;
                let (start, end) = (0, checkpoint.size().as_u64());
                cosignature::ml_dsa_message(name, timestamp, checkpoint.origin(), start, end, checkpoint.root())
                    .ok_or(SignError::OriginTooLong)
            }
            Algorithm::Ed25519 | Algorithm::EcdsaP256 => Err(SignError::NotACosignatureKey),
        }
    }

    /// Cosigns a subtree of the log `origin`, without a time: states that it is consistent with all that was seen of the log.
    pub fn cosign_subtree(&self, origin: &Origin, subtree: Subtree, hash: &Hash) -> Result<Signature, SignError> {
        if self.verifier.algorithm != Algorithm::CosignatureMlDsa44 {
            return Err(SignError::NotASubtreeKey);
        }
        // SPEC: tlog-witness §sign-subtree: the timestamp MUST be zero.
        let message = cosignature::ml_dsa_message(&self.verifier.name, 0, origin, subtree.start(), subtree.end(), hash)
            .ok_or(SignError::OriginTooLong)?;
        Ok(self.line(self.timestamped(0, &message)))
    }

    /// Whether this is the expanded form of the key. Only ML-DSA-44 keys have one.
    pub(super) fn expands_to(&self, expanded: &[u8]) -> bool {
        match &self.secret {
            Secret::Ed25519(_) => false,
            Secret::MlDsa44(key) => {
                #[expect(deprecated, reason = "as a form to store keys in; here it is only compared")]
                let ours = Zeroizing::new(key.expanded_key().to_expanded().to_vec());
                ours.as_slice() == expanded
            }
        }
    }

    /// The secret, for [`encode_pem`](super::encode_pem).
    pub(super) fn seed(&self) -> &Zeroizing<[u8; 32]> {
        &self.seed
    }

    fn timestamped(&self, timestamp: u64, message: &[u8]) -> Vec<u8> {
        [timestamp.to_be_bytes().as_slice(), &self.sign(message)].concat()
    }

    fn line(&self, bytes: Vec<u8>) -> Signature {
        Signature { name: self.verifier.name.clone(), key_id: self.verifier.id, bytes }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.secret {
            Secret::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Secret::MlDsa44(key) => {
                let signed = key.expanded_key().sign_deterministic(message, &[]);
                signed.expect("the empty context is never too long").encode().to_vec()
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}
