//! Evidence that a log signed two histories, in one file that convicts by itself.
//!
//! A log that shows one history to some and another to others has to sign both. Two of its signed checkpoints that contradict each other
//! prove that to everybody who has the log's public key, whoever collected them, and whatever the log says later. Only two things are
//! such a contradiction:
//!
//! - **same size**: two checkpoints of equal size with different root hashes;
//! - **divergent**: two checkpoints of different sizes, and for both a proof ([`merkle::verify_subtree`]) of the hash of one and the same
//!   range of entries, which both trees have completely, and the hashes differ.
//!
//! A proof that merely fails convicts nobody: anyone can send a genuine checkpoint with a wrong proof. Nor do two checkpoints of
//! different sizes alone. What looks wrong and is neither of the two is a finding without conviction, and no [`Evidence`] can be made of it.
//!
//! Invariant: the two checkpoints of an [`Evidence`] contradict each other under the rules above, whether it was put together or parsed.
//! Who signed them is all that is left to [`Evidence::verify`], and takes nothing but keys.
//!
//! The file is text, called `*.acta-evidence`, of at most [`MAX_EVIDENCE`] bytes: `docs/formats.md` says how it is written. There is one way to
//! write what it says, and what is parsed prints as the same bytes.
//!
//! A file is named after what it convicts of ([`Evidence::file_name`]), not after its bytes: whoever finds the same pair again writes the same
//! file, however the log signed it the second time.

mod file;

use std::cmp::Ordering;

use crate::checkpoint::{Checkpoint, Origin, SignedCheckpoint, VerifyCheckpointError};
use crate::hash::Hash;
use crate::key::VerifierKey;
use crate::merkle::{self, MAX_PROOF, Subtree, VerifyError};
use crate::note::MAX_NOTE;
use crate::printable::Printable;

pub use file::ParseEvidenceError;

/// The first line of every file of evidence.
pub const HEADER: &str = "acta-evidence@v1: one log signed two histories";

/// What a file's name ends in, behind a dot.
pub const EXTENSION: &str = "acta-evidence";

/// The most bytes of a file of evidence.
pub const MAX_EVIDENCE: usize = 2 * MAX_NOTE + 16 * 1024;

/// Two checkpoints that contradict each other. That they are the log's is only known after [`Evidence::verify`].
///
/// ```
/// use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
/// use tlog::evidence::Evidence;
/// use tlog::key::{Algorithm, KeyName, SigningKey};
/// use tlog::{Hash, TreeSize};
///
/// let key = SigningKey::from_seed(KeyName::new("example.com/log")?, Algorithm::Ed25519, &[7; 32])?;
/// let head = |entry: &[u8]| {
///     let checkpoint = Checkpoint::new(Origin::for_new_log("example.com/log").unwrap(), TreeSize::new(1), Hash::leaf(entry));
///     SignedCheckpoint::sign(&checkpoint, &[&key]).unwrap()
/// };
/// let keys = [key.verifier_key().clone()];
///
/// let evidence = Evidence::same_size(&head(b"Granted."), &head(b"Refused."), &keys)?;
/// let file = evidence.to_bytes();
///
/// // Anybody, later, with the log's key alone:
/// let conviction = Evidence::parse(&file)?.verify(&keys)?;
/// assert_eq!(conviction.origin().as_str(), "example.com/log");
///
/// // A log that says the same twice is not convicted.
/// assert!(Evidence::same_size(&head(b"Granted."), &head(b"Granted."), &keys).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// In the order of the file.
    heads: [SignedCheckpoint; 2],
    contradiction: Contradiction,
}

/// In what the two checkpoints contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contradiction {
    /// They have one size and two root hashes.
    SameSize,
    /// Their trees differ in a part that both have.
    Divergent {
        /// The entries of the part.
        subtree: Subtree,
        /// What each of the trees has there, in the order of the checkpoints.
        proven: [ProvenHash; 2],
    },
}

/// The hash of a range of entries, and the proof that a tree has it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenHash {
    /// The hash of the range.
    pub hash: Hash,
    /// The proof, from the subtree up.
    pub proof: Vec<Hash>,
}

/// One of two histories, to put evidence together from: a checkpoint, and what its tree has for a range of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The checkpoint, with whatever signature lines it came with.
    pub head: SignedCheckpoint,
    /// What its tree has.
    pub proven: ProvenHash,
}

/// Why two checkpoints do not contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoContradiction {
    /// They are of two logs.
    #[error(
        "one checkpoint is of the log {}, the other of the log {}: two logs have two histories; nobody is convicted by that",
        Printable(one),
        Printable(other)
    )]
    OtherLog {
        /// The one log.
        one: Origin,
        /// The other.
        other: Origin,
    },
    /// They have one size and one root hash.
    #[error("both checkpoints have the same size and the same root hash: the log said one thing twice, and nobody is convicted by that")]
    SameRoot,
    /// Different sizes where the kind needs equal ones.
    #[error("the two checkpoints have different sizes, so different root hashes are no contradiction; a part that differs must be proved")]
    DifferentSizes,
    /// Equal sizes where the kind needs different ones.
    #[error("the two checkpoints have the same size: their root hashes alone convict, or nothing does; use the kind same-size")]
    EqualSizes,
    /// The trees have the same hash there.
    #[error("both trees have the same hash for that part: no difference is proved, and nobody is convicted")]
    SameHash,
    /// One of the hashes is not proved.
    #[error("that the trees differ is not proved, and a proof that fails convicts nobody: {0}")]
    NotProved(VerifyError),
    /// A proof of consistency failed, and does not lead to the new checkpoint either.
    #[error(
        "the proof between the two checkpoints fails, which convicts nobody, since anyone can send a wrong proof; ask the log for the \
         right one, and keep both checkpoints"
    )]
    Unproven,
}

/// Why no evidence can be made of two checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotEvidence {
    /// The log did not sign one of them, as far as the keys tell.
    #[error(transparent)]
    Unsigned(#[from] VerifyCheckpointError),
    /// It signed both, and they do not contradict each other.
    #[error(transparent)]
    NoContradiction(#[from] NoContradiction),
}

/// Why evidence does not convict the log whose keys are given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyEvidenceError {
    /// The log did not sign one of the checkpoints.
    #[error("this convicts nobody, since the {} of its two checkpoints is not shown to be the log's: {error}", ["first", "second"][usize::from(*second)])]
    Unsigned {
        /// Whether it is the second in the file.
        second: bool,
        /// Why not.
        error: VerifyCheckpointError,
    },
}

/// What is certain once evidence was verified: the owner of the log's key signed two histories. Only [`Evidence::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conviction {
    histories: [SignedHistory; 2],
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHistory {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// With which key of the log.
    pub key: VerifierKey,
}

impl Evidence {
    /// Evidence of two checkpoints of one size with different root hashes, both signed by a key of `log_keys` of that log. Signature
    /// lines that are not the log's are left out.
    pub fn same_size(one: &SignedCheckpoint, other: &SignedCheckpoint, log_keys: &[VerifierKey]) -> Result<Self, NotEvidence> {
        let mut heads = [log_lines_only(one, log_keys)?, log_lines_only(other, log_keys)?];
        if order(&heads).is_gt() {
            heads.reverse();
        }
        Ok(Evidence::new(heads, Contradiction::SameSize)?)
    }

    /// Evidence of two checkpoints of different sizes whose trees differ in a range of entries that both have. Both must be signed by a
    /// key of `log_keys` of that log, and both hashes proved.
    pub fn divergent(subtree: Subtree, one: Branch, other: Branch, log_keys: &[VerifierKey]) -> Result<Self, NotEvidence> {
        let mut heads = [log_lines_only(&one.head, log_keys)?, log_lines_only(&other.head, log_keys)?];
        let mut proven = [one.proven, other.proven];
        if order(&heads).is_gt() {
            heads.reverse();
            proven.reverse();
        }
        Ok(Evidence::new(heads, Contradiction::Divergent { subtree, proven })?)
    }

    /// Evidence from a checkpoint that was known, another one, and a proof of consistency between them that was refused: what a witness has
    /// in hand. Equal sizes convict by their roots, whatever the proof.
    ///
    /// A proof that fails may still convict: if it leads to the root of the larger checkpoint, then it proves which tree that one begins with,
    /// and it was the wrong one. A proof from a size that is a power of two never tells, since such a proof does not contain that hash.
    pub fn from_failed_proof(
        known: &SignedCheckpoint,
        new: &SignedCheckpoint,
        proof: &[Hash],
        log_keys: &[VerifierKey],
    ) -> Result<Self, NotEvidence> {
        let (old, larger) = (known.checkpoint(), new.checkpoint());
        if old.size() == larger.size() {
            return Evidence::same_size(known, new, log_keys);
        }
        let unproven = NotEvidence::NoContradiction(NoContradiction::Unproven);
        let Ok(beginning) = Subtree::new(0, old.size().as_u64()) else { return Err(unproven) };
        let Some(hash) = merkle::proven_hash(beginning, larger.size(), larger.root(), proof) else { return Err(unproven) };
        let whole = ProvenHash { hash: *old.root(), proof: Vec::new() };
        let one = Branch { head: known.clone(), proven: whole };
        let other = Branch { head: new.clone(), proven: ProvenHash { hash, proof: proof.to_vec() } };
        Evidence::divergent(beginning, one, other, log_keys)
    }

    /// Verifies that the log signed both checkpoints, with any of `log_keys` that bear its name: its public key is all that it takes.
    pub fn verify(&self, log_keys: &[VerifierKey]) -> Result<Conviction, VerifyEvidenceError> {
        let history = |second: bool| {
            let head = &self.heads[usize::from(second)];
            let key = head.verify_log(log_keys).map_err(|error| VerifyEvidenceError::Unsigned { second, error })?;
            Ok(SignedHistory { checkpoint: head.checkpoint().clone(), key: key.clone() })
        };
        Ok(Conviction { histories: [history(false)?, history(true)?] })
    }

    /// The two checkpoints, the smaller one first.
    pub fn heads(&self) -> &[SignedCheckpoint; 2] {
        &self.heads
    }

    /// In what they contradict each other.
    pub fn contradiction(&self) -> &Contradiction {
        &self.contradiction
    }

    /// The log that both checkpoints say they are of.
    pub fn origin(&self) -> &Origin {
        self.heads[0].checkpoint().origin()
    }

    /// What names this finding: SHA-256 of the header and of log, sizes and root hashes. Neither signatures nor proofs play a part, so that the
    /// same two histories are one finding however often the log signs them.
    pub fn id(&self) -> Hash {
        let head = |signed: &SignedCheckpoint| format!("{} {}\n", signed.checkpoint().size(), signed.checkpoint().root().to_base64());
        let [one, other] = &self.heads;
        Hash::sha256(format!("{HEADER}\n{}\n{}{}", self.origin(), head(one), head(other)).as_bytes())
    }

    /// What the file is called: half of [`Evidence::id`] and [`EXTENSION`].
    pub fn file_name(&self) -> String {
        format!("{}.{EXTENSION}", &self.id().to_hex()[..32])
    }

    /// The one way in: checks all that does not need a key.
    fn new(heads: [SignedCheckpoint; 2], contradiction: Contradiction) -> Result<Self, NoContradiction> {
        let [one, other] = heads.each_ref().map(SignedCheckpoint::checkpoint);
        if one.origin() != other.origin() {
            return Err(NoContradiction::OtherLog { one: one.origin().clone(), other: other.origin().clone() });
        }
        let equal = one.size() == other.size();
        match &contradiction {
            Contradiction::SameSize if !equal => return Err(NoContradiction::DifferentSizes),
            Contradiction::SameSize if one.root() == other.root() => return Err(NoContradiction::SameRoot),
            Contradiction::SameSize => {}
            Contradiction::Divergent { .. } if equal => return Err(NoContradiction::EqualSizes),
            Contradiction::Divergent { subtree, proven } => {
                for (head, ProvenHash { hash, proof }) in [one, other].into_iter().zip(proven) {
                    merkle::verify_subtree(*subtree, hash, head.size(), head.root(), proof).map_err(NoContradiction::NotProved)?;
                }
                if proven[0].hash == proven[1].hash {
                    return Err(NoContradiction::SameHash);
                }
            }
        }
        Ok(Evidence { heads, contradiction })
    }
}

impl Conviction {
    /// The log.
    pub fn origin(&self) -> &Origin {
        self.histories[0].checkpoint.origin()
    }

    /// What it signed, in the order of the file.
    pub fn histories(&self) -> &[SignedHistory; 2] {
        &self.histories
    }
}

/// How two checkpoints stand in the file: by size, then by root hash.
fn order(heads: &[SignedCheckpoint; 2]) -> Ordering {
    let [one, other] = heads.each_ref().map(|head| (head.checkpoint().size(), head.checkpoint().root()));
    one.cmp(&other)
}

/// The checkpoint with the verified lines of its log only. A witness's cosignature is no part of the log's guilt, and a stranger's line
/// would make two files of one finding.
fn log_lines_only(signed: &SignedCheckpoint, log_keys: &[VerifierKey]) -> Result<SignedCheckpoint, VerifyCheckpointError> {
    signed.verify_log(log_keys)?;
    let origin = signed.checkpoint().origin().as_str();
    let keys: Vec<VerifierKey> = log_keys.iter().filter(|key| key.name().as_str() == origin).cloned().collect();
    let mut kept = signed.clone();
    // The log's signature was verified just now, so a line is left.
    kept.retain_verified(&keys);
    Ok(kept)
}

// Whatever is put together fits into a file that is parsed: two notes, and for each a hash and a proof of 45 bytes a line.
const _: () = assert!(2 * (MAX_NOTE + (MAX_PROOF + 1) * 45) + 1024 <= MAX_EVIDENCE);

#[cfg(test)]
mod tests;
