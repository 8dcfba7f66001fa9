//! Whether two heads of a log can both be true.
//!
//! Two answers are certain: that one continues the other, which a proof shows, and that they contradict each other, which [`Evidence`] shows.
//! Everything else is neither, and says which of the others it is. A proof that fails is not a fork.

use acta_client::evidence;
use acta_client::verified::{ReadError, VerifiedLog};
use tlog::checkpoint::SignedCheckpoint;
use tlog::evidence::{Branch, Evidence, ProvenHash};
use tlog::key::VerifierKey;
use tlog::merkle::Subtree;
use tlog::proof::Proof;
use tlog::{Hash, TreeSize};

use super::{LogHead, SeenHead, Standing};
use crate::history::History;
use crate::store::StoreError;

/// How a head stands to what was seen before.
#[derive(Debug)]
pub enum Comparison {
    /// The same size and root hash.
    Same,
    /// The smaller tree is the beginning of the larger one.
    Consistent,
    /// What was asked has fewer entries than the head, so it can show nothing about it. A server that is behind says this, and so does a log
    /// that was put back.
    Behind {
        /// How many entries there are where it was asked.
        shown: TreeSize,
        /// How many the head has.
        seen: TreeSize,
    },
    /// The log signed two histories.
    Convicts(Box<Evidence>),
    /// What is served proves neither. The text says why.
    Unproven(String),
    /// It was not to be had. Asking again may help.
    Unavailable(ReadError),
}

/// Compares a log, as the head describes it under which it is read, with a head that was seen: one of at most its size is to be its
/// beginning. `log_keys` are the log's.
pub async fn compare(log: &VerifiedLog, seen: &SignedCheckpoint, log_keys: &[VerifierKey]) -> Comparison {
    let (old, now) = (seen.checkpoint(), log.checkpoint());
    match log.extends(old).await {
        Ok(()) if old.size() == now.size() => Comparison::Same,
        Ok(()) => Comparison::Consistent,
        Err(ReadError::Shrunk { old, new }) => Comparison::Behind { shown: new, seen: old },
        Err(error @ ReadError::Inconsistent { .. }) => match evidence::against(log, seen, log_keys).await {
            Some(evidence) => Comparison::Convicts(Box::new(evidence)),
            None => Comparison::Unproven(error.to_string()),
        },
        Err(error) if error.is_unavailable() => Comparison::Unavailable(error),
        Err(error) => Comparison::Unproven(error.to_string()),
    }
}

/// Compares a head with what is known already: heads of its size, and the entries that the monitor keeps. Nobody is asked.
///
/// [`Comparison::Behind`] if the monitor has not read so far, or has not yet reached a head under which it could prove what it has read.
pub fn judge(history: &History<'_>, known: &[SeenHead], head: &LogHead, log_keys: &[VerifierKey]) -> Result<Comparison, StoreError> {
    let (size, root) = (head.checkpoint().size(), *head.checkpoint().root());
    let of_this_size = known.iter().filter(|seen| seen.head.checkpoint().size() == size);
    let convicted = of_this_size.clone().find_map(|seen| Evidence::same_size(seen.head.signed(), head.signed(), log_keys).ok());
    if let Some(evidence) = convicted {
        return Ok(Comparison::Convicts(Box::new(evidence)));
    }
    let behind = Comparison::Behind { shown: history.size(), seen: size };
    match history.root_at(size)? {
        None => Ok(behind),
        Some(own) if own == root => {
            let followed = of_this_size.clone().any(|seen| seen.standing == Standing::Followed);
            Ok(if followed { Comparison::Same } else { Comparison::Consistent })
        }
        Some(_) => {
            let Ok(beginning) = Subtree::new(0, size.as_u64()) else {
                return Ok(Comparison::Unproven(
                    "the log signed a root hash for no entries, and it is not that of the empty list".to_owned(),
                ));
            };
            let claimed = Branch { head: head.signed().clone(), proven: ProvenHash { hash: root, proof: Vec::new() } };
            Ok(convict(history, known, beginning, &claimed, log_keys)?.map_or(behind, |evidence| Comparison::Convicts(Box::new(evidence))))
        }
    }
}

/// What convicts the log, if a receipt that its head proves has another entry at its place than the monitor read there. `None` if it has
/// the same one, or if the monitor has not read so far. Sharper than what [`judge`] says, since it names the entry.
pub fn judge_receipt(
    history: &History<'_>,
    known: &[SeenHead],
    receipt: &Proof,
    leaf: Hash,
    log_keys: &[VerifierKey],
) -> Result<Option<Evidence>, StoreError> {
    let index = receipt.index();
    if history.leaf(index)?.is_none_or(|own| own == leaf) {
        return Ok(None);
    }
    let entry = Subtree::new(index.as_u64(), index.as_u64() + 1).expect("every leaf is a subtree");
    let claimed = Branch { head: receipt.checkpoint().clone(), proven: ProvenHash { hash: leaf, proof: receipt.hashes().to_vec() } };
    convict(history, known, entry, &claimed, log_keys)
}

/// Sets what a head claims of a part of the tree against what the entries say, under each of the followed heads that have that part, the
/// smallest first.
fn convict(
    history: &History<'_>,
    known: &[SeenHead],
    part: Subtree,
    claimed: &Branch,
    log_keys: &[VerifierKey],
) -> Result<Option<Evidence>, StoreError> {
    let followed = known.iter().filter(|seen| seen.standing == Standing::Followed);
    let has_part = |size: TreeSize| size.as_u64() >= part.end() && size <= history.size();
    for seen in followed.filter(|seen| has_part(seen.head.checkpoint().size())) {
        let size = seen.head.checkpoint().size();
        if size == claimed.head.checkpoint().size() {
            if let Ok(evidence) = Evidence::same_size(seen.head.signed(), &claimed.head, log_keys) {
                return Ok(Some(evidence));
            }
            continue;
        }
        let own = match part.end() - part.start() {
            1 => history.leaf(tlog::LeafIndex::new(part.start()))?,
            _ => history.root_at(TreeSize::new(part.end()))?,
        };
        let (Some(hash), Some(proof)) = (own, history.prove(part, size)?) else { continue };
        let ours = Branch { head: seen.head.signed().clone(), proven: ProvenHash { hash, proof } };
        if let Ok(evidence) = Evidence::divergent(part, ours, claimed.clone(), log_keys) {
            return Ok(Some(evidence));
        }
    }
    Ok(None)
}
