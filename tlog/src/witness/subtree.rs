//! The rule by which a witness cosigns a part of a log (C2SP tlog-witness section sign-subtree).
//!
//! It needs no memory: the witness recognizes its own cosignature on the checkpoint, so it saw that tree and may vouch for any part
//! of it.

use super::SignSubtree;
use crate::checkpoint::Origin;
use crate::hash::Hash;
use crate::key::{SignError, SigningKey, VerifierKey};
use crate::merkle::{self, Subtree, VerifyError};
use crate::note::{Signature, VerifyNoteError};
use crate::printable::Printable;

/// A part of a log that a witness may cosign. Only [`decide_subtree`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedSubtree {
    origin: Origin,
    subtree: Subtree,
    hash: Hash,
}

/// Why a witness does not cosign a part of a log, in the order in which it is decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubtreeRefusal {
    /// 404: the witness does not know the log.
    #[error("this witness does not follow the log {}; ask its operator to add it", Printable(origin))]
    UnknownOrigin {
        /// The log that the checkpoint says it is of.
        origin: Origin,
    },
    /// 403: the witness's own signature is not there, or is bad, or there are too many of them.
    #[error("the checkpoint does not have one good cosignature of this witness; send one that it has cosigned, with that signature")]
    NotCosigned,
    /// 422: the proof is wrong.
    #[error("the proof does not show that the checkpoint contains this part: {0}")]
    Inconsistent(VerifyError),
}

/// Decides whether a witness may cosign a part of a log: `own_keys` are its own, `follows` says whether it follows a log.
pub fn decide_subtree(
    request: &SignSubtree,
    own_keys: &[VerifierKey],
    follows: impl FnOnce(&Origin) -> bool,
) -> Result<AcceptedSubtree, SubtreeRefusal> {
    let checkpoint = request.checkpoint().checkpoint();
    let origin = checkpoint.origin();
    // SPEC: tlog-witness §sign-subtree: unknown origin.
    if !follows(origin) {
        return Err(SubtreeRefusal::UnknownOrigin { origin: origin.clone() });
    }
    // SPEC: tlog-witness §sign-subtree: a valid cosignature from one of its own keys. A note key of the same operator is none.
    let own_keys: Vec<&VerifierKey> = own_keys.iter().filter(|key| key.algorithm().is_cosignature()).collect();
    request.checkpoint().note().verify_as(Some(checkpoint), &own_keys).map_err(|error| match error {
        VerifyNoteError::BadSignature { .. } | VerifyNoteError::TooManySignatures { .. } | VerifyNoteError::NotSigned => {
            SubtreeRefusal::NotCosigned
        }
    })?;
    // SPEC: tlog-witness §sign-subtree: the subtree consistency proof.
    merkle::verify_subtree(request.subtree(), request.hash(), checkpoint.size(), checkpoint.root(), request.proof())
        .map_err(SubtreeRefusal::Inconsistent)?;
    Ok(AcceptedSubtree { origin: origin.clone(), subtree: request.subtree(), hash: *request.hash() })
}

impl AcceptedSubtree {
    /// Cosigns with each key, which must be ML-DSA-44 ones, without a time.
    pub fn cosign(&self, keys: &[&SigningKey]) -> Result<Vec<Signature>, SignError> {
        keys.iter().map(|key| key.cosign_subtree(&self.origin, self.subtree, &self.hash)).collect()
    }
}
