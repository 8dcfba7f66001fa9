//! Why a policy does not accept a checkpoint, in words for whoever holds a receipt.

use std::fmt;

use super::PolicyName;
use crate::checkpoint::Origin;
use crate::key::{KeyId, KeyName};
use crate::note::MAX_LINES_PER_KEY;
use crate::printable::Printable;

/// Why a checkpoint did not meet a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyPolicyError {
    /// The policy does not list the log.
    #[error(
        "this is from the log {}, which the policy does not list: do not rely on it. Check the address; add a log to the policy only \
         with a key from a source that you trust",
        Printable(origin)
    )]
    UnknownLog {
        /// The log that it says it is of.
        origin: Origin,
    },
    /// The log's key did not make its signature.
    #[error(
        "the signature of the log {} ({id}) does not fit: what it signed, or the signature, was altered; do not rely on it",
        Printable(name)
    )]
    BadLogSignature {
        /// The log's key.
        name: KeyName,
        /// Its id.
        id: KeyId,
    },
    /// The log has not signed.
    #[error(
        "it says it is from the log {}, but the key that the policy has for that log has not signed it; do not rely on it",
        Printable(origin)
    )]
    NotSignedByLog {
        /// The log that it says it is of.
        origin: Origin,
    },
    /// There are extension lines that no signature covers.
    #[error("the checkpoint of {} has extra lines that its log's signature does not cover; fetch it again without them", Printable(origin))]
    UnsignedExtensions {
        /// The log that it says it is of.
        origin: Origin,
    },
    /// A witness's key did not make its signature.
    #[error(
        "the signature of the witness {} does not fit: what it signed, or the signature, was altered; do not rely on it",
        Printable(witness)
    )]
    BadCosignature {
        /// The witness.
        witness: PolicyName,
    },
    /// More than [`MAX_LINES_PER_KEY`] signatures of one key.
    #[error(
        "there are more than {MAX_LINES_PER_KEY} signatures of {} ({id}); fetch the checkpoint again from the log itself",
        Printable(name)
    )]
    TooManySignatures {
        /// The key's name.
        name: KeyName,
        /// Its id.
        id: KeyId,
    },
    /// Not enough witnesses.
    #[error(
        "the log has signed, but not enough witnesses have for this policy, which may ask for more than the log's own: {}. Wait until more \
         have, or ask the log's operator",
        Needs { unmet, missing }
    )]
    QuorumNotMet {
        /// The witnesses of the quorum that have cosigned.
        have: Vec<PolicyName>,
        /// The witnesses of the quorum that have not.
        missing: Vec<PolicyName>,
        /// The groups that the quorum counts and that are not met, outermost first. None if the quorum is a single witness.
        unmet: Vec<UnmetGroup>,
    },
}

/// What a group of a quorum needs and has not got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmetGroup {
    /// The group.
    pub name: PolicyName,
    /// How many of its members are needed.
    pub threshold: usize,
    /// Those of its members, witnesses and other groups, that have signed.
    pub signed: Vec<PolicyName>,
    /// Those that have not.
    pub unsigned: Vec<PolicyName>,
}

/// Prints what each group is short of. A group of which nobody has signed explains nothing if it is a member of another one that is named.
struct Needs<'a> {
    unmet: &'a [UnmetGroup],
    missing: &'a [PolicyName],
}

impl fmt::Display for Needs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.unmet.is_empty() {
            write!(f, "it needs {}, who has not signed", Names(self.missing))?;
        }
        for (i, UnmetGroup { name, threshold, signed, unsigned }) in self.unmet.iter().enumerate() {
            if i > 0 && signed.is_empty() {
                continue;
            }
            let (separator, have) = (if i == 0 { "" } else { "; " }, signed.len());
            write!(f, "{separator}`{}` has {have} of the {threshold} that it needs (", Printable(name))?;
            if !signed.is_empty() {
                write!(f, "{} signed, ", Names(signed))?;
            }
            write!(f, "{} did not)", Names(unsigned))?;
        }
        Ok(())
    }
}

/// Prints names with commas between.
struct Names<'a>(&'a [PolicyName]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, Printable(name))?;
        }
        Ok(())
    }
}
