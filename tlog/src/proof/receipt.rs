//! Receipts: proofs that carry the entry they prove.

use super::{Proof, VerifyProofError};
use crate::hash::LeafIndex;
use crate::policy::{Policy, VerifiedCheckpoint, VerifyPolicyError};

/// An entry that is proved to be in a log: only [`Proof::verify_receipt`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedReceipt {
    entry: Vec<u8>,
    index: LeafIndex,
    checkpoint: VerifiedCheckpoint,
}

/// Why a receipt was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyReceiptError {
    /// The proof.
    #[error(transparent)]
    Proof(#[from] VerifyProofError),
    /// There is no entry to verify.
    #[error("the receipt does not carry the entry that it is for; give the entry's file as well")]
    NoEntry,
    /// The receipt is good, but the file beside it is another entry.
    #[error("the receipt is genuine, but the file beside it is not the entry that it is for: compare the two")]
    OtherFile,
}

impl VerifyReceiptError {
    /// Whether all that is wrong is that too few witnesses have signed. More may do so.
    pub fn is_short_of_witnesses(&self) -> bool {
        matches!(self, VerifyReceiptError::Proof(VerifyProofError::Policy(VerifyPolicyError::QuorumNotMet { .. })))
    }
}

impl VerifiedReceipt {
    /// The bytes of the entry.
    pub fn entry(&self) -> &[u8] {
        &self.entry
    }

    /// Its number in the log, from 0.
    pub fn index(&self) -> LeafIndex {
        self.index
    }

    /// The checkpoint under which it is in the log.
    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }
}

impl Proof {
    /// Verifies a receipt: the entry is the extra data, or, if there is none, the file `beside`. If there are both they must be equal.
    pub fn verify_receipt(&self, policy: &Policy, beside: Option<&[u8]>) -> Result<VerifiedReceipt, VerifyReceiptError> {
        let entry = self.extra().or(beside).ok_or(VerifyReceiptError::NoEntry)?;
        let checkpoint = self.verify(policy, entry)?;
        if beside.is_some_and(|beside| beside != entry) {
            return Err(VerifyReceiptError::OtherFile);
        }
        Ok(VerifiedReceipt { entry: entry.to_vec(), index: self.index(), checkpoint })
    }
}
