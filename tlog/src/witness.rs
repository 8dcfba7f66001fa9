//! The witness protocol (C2SP tlog-witness): request and response bodies, and the rule by which a witness decides.
//!
//! A witness cosigns a checkpoint only if the log never contradicted itself in front of it: each new checkpoint must extend the last
//! one that it cosigned. The rule is a pure function, [`decide`], of the request, of that last checkpoint, and of the log's keys.
//! Deciding and making the new checkpoint durable must be one atomic step for each log, before any signature leaves: of two requests
//! that are decided upon the same state, the second to be stored would take the first one back.
//!
//! Invariant: what is stored and cosigned is what was parsed and printed again, with verified signature lines only, never the
//! bytes of the request.

mod body;
mod subtree;

use std::num::NonZeroU64;

use crate::checkpoint::{Checkpoint, Origin, SignedCheckpoint, VerifyCheckpointError};
use crate::hash::{Hash, TreeSize};
use crate::key::{KeyId, KeyName, SignError, SigningKey, VerifierKey};
use crate::merkle::{self, VerifyError};
use crate::note::{MAX_LINES_PER_KEY, Signature};
use crate::printable::Printable;

pub use body::{
    AddCheckpoint, MAX_REQUEST, RequestError, ResponseError, SignSubtree, parse_conflict, parse_cosignatures, print_conflict,
    print_cosignatures,
};
pub use subtree::{AcceptedSubtree, SubtreeRefusal, decide_subtree};

/// The media type of the body that tells a client the latest size (tlog-witness section add-checkpoint).
pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

/// Where below its monitoring prefix a witness serves the newest checkpoint that it has of a log.
///
/// ```
/// use tlog::checkpoint::Origin;
/// use tlog::witness::monitoring_path;
///
/// let path = monitoring_path(&Origin::for_new_log("example.com/log")?);
/// assert!(path.ends_with("/checkpoint") && path.len() == 64 + 11);
/// # Ok::<(), tlog::checkpoint::InvalidOrigin>(())
/// ```
pub fn monitoring_path(origin: &Origin) -> String {
    // SPEC: tlog-witness §Monitor Retrieval Mechanism.
    format!("{}/checkpoint", Hash::sha256(origin.as_str().as_bytes()).to_hex())
}

/// What a witness remembers of a log (one of these for each origin): the size and root hash of the newest checkpoint that it cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latest {
    /// How many entries.
    pub size: TreeSize,
    /// The hash of the tree of that size.
    pub root: Hash,
}

impl Latest {
    /// What is known of a log that was never cosigned: every log begins empty.
    pub const NEVER: Latest = Latest { size: TreeSize::ZERO, root: Hash::EMPTY_TREE };
}

/// A checkpoint that a witness may cosign once it is durable. Only [`decide`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    signed: SignedCheckpoint,
    at: NonZeroU64,
}

/// Why a witness does not cosign, in the order in which it is decided. How each is answered over HTTP is named for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// 404: the witness does not know the log.
    #[error("this witness does not follow the log {}; ask its operator to add it", Printable(origin))]
    UnknownOrigin {
        /// The log that the checkpoint says it is of.
        origin: Origin,
    },
    /// 403: a signature of a known key is bad.
    #[error(
        "the signature of {} ({id}) does not fit the checkpoint: one of them was altered; send the log's checkpoint unchanged",
        Printable(name)
    )]
    BadSignature {
        /// The log's key.
        name: KeyName,
        /// Its id.
        id: KeyId,
    },
    /// 403: more than [`MAX_LINES_PER_KEY`] signatures of a known key.
    #[error("there are more than {MAX_LINES_PER_KEY} signatures of {} ({id}); send the newest only", Printable(name))]
    TooManySignatures {
        /// The log's key.
        name: KeyName,
        /// Its id.
        id: KeyId,
    },
    /// 403: no signature of a known key.
    #[error(
        "no key that this witness has for the log {} has signed the checkpoint; ask its operator to update the log's key",
        Printable(origin)
    )]
    NotSigned {
        /// The log that the checkpoint says it is of.
        origin: Origin,
    },
    /// 403: there are extension lines that no signature covers.
    #[error("the checkpoint of {} has extra lines that its log's signature does not cover; send it without them", Printable(origin))]
    UnsignedExtensions {
        /// The log that the checkpoint says it is of.
        origin: Origin,
    },
    /// 400: the old size is above the new one.
    #[error("the old size {old} is larger than the checkpoint's size {new}; give the size that this witness cosigned last")]
    OldBeyondCheckpoint {
        /// The old size of the request.
        old: TreeSize,
        /// The size of its checkpoint.
        new: TreeSize,
    },
    /// 409, with the latest size as body: the old size is not the one that the witness cosigned last.
    ///
    /// The log's signature is good by then, so where the checkpoint has the size that was cosigned last and another root hash, this
    /// convicts the log as [`Refusal::OtherRoot`] does: that must not get lost because the request named a wrong size.
    #[error("this witness cosigned size {latest} last; send a proof from that size")]
    Conflict {
        /// The size that it cosigned last.
        latest: TreeSize,
        /// The checkpoint, to be kept as evidence, if it contradicts the one that was cosigned last.
        evidence: Option<Box<SignedCheckpoint>>,
    },
    /// 422: the log signed a root hash for the empty tree that is not its hash.
    #[error("the checkpoint is of an empty log, but its root hash is not that of an empty log; the log's operator must look into this")]
    EmptyTreeRoot,
    /// 422: the log signed two root hashes for one size. This convicts it: `signed` and the checkpoint stored for this size
    /// contradict each other under the log's own signature, so both are to be kept.
    #[error("the log signed another root hash for size {size} before: it has shown two histories; keep both checkpoints as evidence")]
    OtherRoot {
        /// The size.
        size: TreeSize,
        /// The new checkpoint with the log's verified signature lines only.
        signed: Box<SignedCheckpoint>,
    },
    /// 422: there is a proof where none is needed.
    #[error("a proof was sent from size 0, where there is nothing to prove; send none")]
    ProofFromEmpty,
    /// 422: the proof is wrong. This convicts nobody: anyone can send a wrong proof with a genuine checkpoint.
    #[error("the proof does not show that the checkpoint continues the one that this witness cosigned last: {0}")]
    Inconsistent(VerifyError),
    /// 500: there is nothing wrong with the request, but one of the witness's own keys could not sign the answer. Nothing may be
    /// stored then: what was stored and not cosigned would be in the way of all that comes after it.
    #[error("this witness cannot sign: {0}; its operator must look into this")]
    CannotSign(SignError),
}

/// A request whose log's signature was verified. What is left to decide needs the witness's memory, and no more signatures are verified
/// for it: a witness does this much before it takes the log's lock. Only [`verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    old: TreeSize,
    proof: Vec<Hash>,
    signed: SignedCheckpoint,
}

/// Verifies that the log itself signed the checkpoint of a request. `log_keys` are keys of logs that the witness follows: all of them, or
/// those of the one log. Only a key whose name is the checkpoint's origin counts for it: a log whose keys have another name, which the
/// specifications allow, cannot be followed.
pub fn verify(request: &AddCheckpoint, log_keys: &[VerifierKey]) -> Result<Verified, Refusal> {
    // SPEC: tlog-witness §add-checkpoint: unknown origin, then no or a bad signature of a trusted key.
    let signed = request.checkpoint().verified_by_log(log_keys).map_err(|error| match error {
        VerifyCheckpointError::UnknownOrigin { origin } => Refusal::UnknownOrigin { origin },
        VerifyCheckpointError::BadSignature { name, id } => Refusal::BadSignature { name, id },
        VerifyCheckpointError::TooManySignatures { name, id } => Refusal::TooManySignatures { name, id },
        VerifyCheckpointError::NotSigned { origin } => Refusal::NotSigned { origin },
        VerifyCheckpointError::UnsignedExtensions { origin } => Refusal::UnsignedExtensions { origin },
    })?;
    Ok(Verified { old: request.old(), proof: request.proof().to_vec(), signed })
}

impl Verified {
    /// The checkpoint with the log's verified signature lines and no others: a forged line that came along is not kept.
    pub fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// The consistency proof of the request, from what the witness is said to have cosigned last.
    pub fn proof(&self) -> &[Hash] {
        &self.proof
    }

    /// Decides whether a witness may cosign: `latest` is what it cosigned last of this log ([`Latest::NEVER`] if nothing), `own` are the
    /// keys that are to cosign, and `now` is the time, in seconds since 1970, that they are to state.
    pub fn decide(&self, latest: &Latest, own: &[&SigningKey], now: u64) -> Result<Accepted, Refusal> {
        let checkpoint = self.signed.checkpoint();
        let (old, new) = (self.old, checkpoint.size());
        // SPEC: tlog-witness §add-checkpoint: the old size MUST be equal to or lower than the checkpoint size.
        if old > new {
            return Err(Refusal::OldBeyondCheckpoint { old, new });
        }
        // SPEC: tlog-witness §add-checkpoint: the old size MUST match the latest cosigned one.
        if old != latest.size {
            let contradicts = new == latest.size && *checkpoint.root() != latest.root;
            let evidence = contradicts.then(|| Box::new(self.signed.clone()));
            return Err(Refusal::Conflict { latest: latest.size, evidence });
        }
        // SPEC: tlog-witness §add-checkpoint: size zero MUST have the root hash of the empty tree.
        if new == TreeSize::ZERO && *checkpoint.root() != Hash::EMPTY_TREE {
            return Err(Refusal::EmptyTreeRoot);
        }
        if old == TreeSize::ZERO {
            // SPEC: tlog-witness §add-checkpoint: from size zero the proof MUST be empty.
            if !self.proof.is_empty() {
                return Err(Refusal::ProofFromEmpty);
            }
        } else {
            // SPEC: tlog-witness §add-checkpoint: a Merkle consistency proof from the old size to the new.
            // With equal sizes the root hashes must be identical.
            match merkle::verify_consistency(old, &latest.root, new, checkpoint.root(), &self.proof) {
                Ok(()) => {}
                Err(VerifyError::OtherRoot { size }) => return Err(Refusal::OtherRoot { size, signed: Box::new(self.signed.clone()) }),
                Err(error) => return Err(Refusal::Inconsistent(error)),
            }
        }
        let at = can_sign(checkpoint, own, now).map_err(Refusal::CannotSign)?;
        Ok(Accepted { signed: self.signed.clone(), at })
    }
}

/// Decides whether a witness may cosign: [`verify`] and [`Verified::decide`] in one step.
///
/// ```
/// use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
/// use tlog::key::{Algorithm, KeyName, SigningKey};
/// use tlog::witness::{AddCheckpoint, Latest, Refusal, decide};
/// use tlog::{Hash, TreeSize};
///
/// let log = SigningKey::from_seed(KeyName::new("example.com/log")?, Algorithm::Ed25519, &[1; 32])?;
/// let checkpoint = Checkpoint::new(Origin::for_new_log("example.com/log")?, TreeSize::new(1), Hash::leaf(b"A decision."));
/// let request = AddCheckpoint::new(TreeSize::ZERO, vec![], SignedCheckpoint::sign(&checkpoint, &[&log])?)?;
/// let keys = [log.verifier_key().clone()];
///
/// let witness = SigningKey::from_seed(KeyName::new("witness.example/w")?, Algorithm::CosignatureEd25519, &[2; 32])?;
/// let accepted = decide(&request, &Latest::NEVER, &keys, &[&witness], 1_700_000_000)?;
/// let lines = accepted.cosign(&[&witness])?;
/// // Here the witness makes `accepted.latest()`, `accepted.signed()` and the lines durable. Only then may the lines leave.
/// assert_eq!(lines.len(), 1);
///
/// let again = decide(&request, &accepted.latest(), &keys, &[&witness], 1_700_000_001);
/// assert_eq!(again, Err(Refusal::Conflict { latest: TreeSize::new(1), evidence: None }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn decide(
    request: &AddCheckpoint,
    latest: &Latest,
    log_keys: &[VerifierKey],
    own: &[&SigningKey],
    now: u64,
) -> Result<Accepted, Refusal> {
    verify(request, log_keys)?.decide(latest, own, now)
}

/// Whether all of the keys will be able to cosign, decided before anything is stored.
fn can_sign(checkpoint: &Checkpoint, own: &[&SigningKey], now: u64) -> Result<NonZeroU64, SignError> {
    // SPEC: tlog-witness §add-checkpoint: the timestamp MUST NOT be zero. A clock that was never set says 1970.
    let at = NonZeroU64::new(now).ok_or(SignError::Timestamp)?;
    own.iter().try_for_each(|key| key.can_cosign(checkpoint, at.get()))?;
    Ok(at)
}

impl Accepted {
    /// The checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.signed.checkpoint()
    }

    /// The checkpoint with the log's verified signature lines: what to store, and, with the cosignatures added, to serve to monitors.
    pub fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// What to remember, durably, before any cosignature leaves. [`Accepted::signed`] is to be stored in the same step: if the log
    /// later contradicts itself, that is the one half of the evidence.
    pub fn latest(&self) -> Latest {
        Latest { size: self.checkpoint().size(), root: *self.checkpoint().root() }
    }

    /// The time that the cosignatures will state, in seconds since 1970.
    pub fn at(&self) -> NonZeroU64 {
        self.at
    }

    /// Cosigns with each key, at the time that was decided upon. With the keys that [`decide`] was given it does not fail.
    ///
    /// The lines may be made before [`Accepted::latest`] is durable, so that they can be stored with it and served to monitors as they
    /// are. They must not leave the process before: a signature that nobody has seen binds nobody, one that somebody has does.
    pub fn cosign(&self, keys: &[&SigningKey]) -> Result<Vec<Signature>, SignError> {
        keys.iter().map(|key| key.cosign(self.checkpoint(), self.at.get())).collect()
    }
}

#[cfg(test)]
mod tests;
