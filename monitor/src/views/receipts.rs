//! Receipts that people were given: whether the log keeps what it promised.
//!
//! A receipt is a head under the log's signature and a proof that an entry is under it. If the entry is not at its place in the log as it was
//! read, the log signed two histories, and the receipt is half of the evidence. If the log has not come so far yet, the head is remembered
//! like any other, with the receipt's entry, until it has.

use std::io;
use std::path::{Path, PathBuf};

use acta_client::durable;
use tlog::checkpoint::VerifyCheckpointError;
use tlog::printable::Printable;
use tlog::proof::{MAX_PROOF_FILE, Proof, ProofError, VerifyReceiptError};
use tlog::{Hash, LeafIndex, TreeSize};

use super::{Views, ViewsError};
use crate::check::Outcome;
use crate::config::LogSettings;
use crate::findings;
use crate::heads::{self, Comparison, LogHead, Source, Standing};
use crate::history::History;
use crate::logs;
use crate::store::StoreError;

/// The most receipts that wait to be looked at.
const MAX_WAITING: usize = 1024;

/// How many are looked at in one round.
const PER_ROUND: usize = 64;

/// What a file is called that waits.
const ENDING: &str = ".tlog-proof";

/// What became of a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audited {
    /// The entry is there: the log was read up to the receipt's head, and that is its root.
    Included {
        /// Where.
        index: LeafIndex,
    },
    /// The log has not been read so far yet. It will be looked at again when it has been.
    Waits {
        /// Where the entry should be.
        index: LeafIndex,
        /// What has to be read.
        size: TreeSize,
        /// What has been read.
        read: TreeSize,
    },
    /// The log signed the receipt, and is another one. The findings say where the evidence is.
    NotIncluded {
        /// Where the entry should be.
        index: LeafIndex,
    },
    /// What the log serves does not show it either way. There is a finding of it.
    Unproven {
        /// Where the entry should be.
        index: LeafIndex,
    },
}

/// A file says nothing about any log that is followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAudited {
    /// It is no receipt.
    #[error("this is no receipt: {0}")]
    Malformed(ProofError),
    /// It is of a log that is not followed, or nobody signed it.
    #[error(transparent)]
    Head(VerifyCheckpointError),
    /// It proves nothing.
    #[error("the receipt proves nothing, so nothing follows from it about the log: {0}")]
    Receipt(VerifyReceiptError),
    /// Looking failed.
    #[error(transparent)]
    Views(#[from] ViewsError),
}

impl From<StoreError> for NotAudited {
    fn from(error: StoreError) -> Self {
        NotAudited::Views(error.into())
    }
}

/// Hands a receipt to the monitor that runs on this state directory. `false` if too many are waiting.
pub fn hand_over(receipts: &Path, bytes: &[u8]) -> io::Result<bool> {
    durable::create_directory(receipts)?;
    if waiting(receipts)?.len() >= MAX_WAITING {
        return Ok(false);
    }
    durable::write(&receipts.join(format!("{}{ENDING}", Hash::sha256(bytes).to_hex())), bytes)?;
    Ok(true)
}

/// Compares a receipt with the log of which it is, as far as that has been read, and raises what is to be raised.
pub async fn audit_receipt(views: &Views, bytes: &[u8]) -> Result<Audited, NotAudited> {
    let proof = Proof::parse(bytes).map_err(NotAudited::Malformed)?;
    let origin = proof.checkpoint().checkpoint().origin().clone();
    let Some((log, _)) = views.logs.iter().find(|(log, _)| log.origin == origin.as_str()) else {
        return Err(NotAudited::Head(VerifyCheckpointError::UnknownOrigin { origin }));
    };
    let head = LogHead::verify(proof.checkpoint(), &log.policy).map_err(NotAudited::Head)?;
    // Signature lines of witnesses play no part: what the log signed binds it, whoever else has seen it.
    let proof = Proof::new(proof.extra().map(<[u8]>::to_vec), proof.index(), proof.hashes().to_vec(), head.signed().clone())
        .map_err(NotAudited::Malformed)?;
    let receipt = proof.verify_receipt(&log.policy.without_quorum(), None).map_err(NotAudited::Receipt)?;
    let (index, leaf) = (receipt.index(), Hash::leaf(receipt.entry()));
    let source = Source::Receipt { index, leaf };
    if !convicted_by_entry(views, log, &proof, leaf, &source)? {
        views.take(log, head.clone(), source, None).await?;
    }
    let number = views.number(log)?;
    let seen = heads::all(&views.parts.store, number)?.into_iter().find(|seen| seen.head.checkpoint() == head.checkpoint());
    Ok(match seen.map(|seen| seen.standing) {
        Some(Standing::Followed) => Audited::Included { index },
        Some(Standing::Unproven) => Audited::Unproven { index },
        // What is not kept any more is one of too many that convict the log.
        Some(Standing::Contradicts) | None => Audited::NotIncluded { index },
        Some(Standing::Pending | Standing::Continues) => {
            let read = logs::by_number(&views.parts.store, number)?.map_or(TreeSize::ZERO, |log| log.size);
            Audited::Waits { index, size: head.checkpoint().size(), read }
        }
    })
}

/// Whether another entry is at the receipt's place: that convicts the log also under a head that it has not reached.
fn convicted_by_entry(views: &Views, log: &LogSettings, proof: &Proof, leaf: Hash, source: &Source) -> Result<bool, NotAudited> {
    let (parts, number, now) = (&views.parts, views.number(log)?, views.parts.clock.now());
    let read = logs::by_number(&parts.store, number)?.map_or(TreeSize::ZERO, |log| log.size);
    let history = History::new(&parts.store, number, read);
    let known = heads::all(&parts.store, number)?;
    let Some(evidence) = heads::judge_receipt(&history, &known, proof, leaf, &log.policy.log_keys())? else { return Ok(false) };
    let (comparison, mut out) = (Comparison::Convicts(Box::new(evidence)), Outcome::default());
    let head = LogHead::verify(proof.checkpoint(), &log.policy).map_err(NotAudited::Head)?;
    heads::report(&parts.evidence, &comparison, head.signed(), head.signed(), source, now, &mut out).map_err(ViewsError::from)?;
    parts.store.write(|txn| {
        heads::note(txn, number, &head, now, source)?;
        heads::settle(txn, number, head.checkpoint(), Standing::Contradicts)?;
        findings::record(txn, &log.origin, now, out)
    })?;
    Ok(true)
}

impl Views {
    /// Looks at receipts that were handed over.
    pub(super) async fn take_receipts(&self) -> Result<(), ViewsError> {
        let waiting = match waiting(&self.parts.receipts) {
            Ok(waiting) => waiting,
            Err(error) => {
                tracing::warn!("receipts that were handed over in {} cannot be read: {error}", self.parts.receipts.display());
                return Ok(());
            }
        };
        for path in waiting.into_iter().take(PER_ROUND) {
            match durable::read_bounded(&path, u64::try_from(MAX_PROOF_FILE).expect("small")) {
                Ok(Some(bytes)) => match audit_receipt(self, &bytes).await {
                    Ok(audited) => tracing::info!("{}: {audited}", path.display()),
                    // It stays, and is looked at again.
                    Err(NotAudited::Views(error)) => return Err(error),
                    Err(error) => tracing::warn!("{}: {}", path.display(), Printable(error)),
                },
                Ok(None) => tracing::warn!("{} is larger than any receipt", path.display()),
                Err(error) => tracing::warn!("{} cannot be read: {error}", path.display()),
            }
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!("{} cannot be removed: {error}", path.display());
            }
        }
        Ok(())
    }
}

fn waiting(receipts: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(receipts) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(ENDING)) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

impl std::fmt::Display for Audited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Audited::Included { index } => write!(f, "the entry is at its place {index} in the log, as the receipt says"),
            Audited::Waits { index, size, read } => write!(
                f,
                "the receipt is for place {index} in the first {size} entries, of which {read} have been read; it is looked at again by then"
            ),
            Audited::NotIncluded { index } => write!(
                f,
                "the log signed this receipt for place {index}, and the log as it was read is not the one that the receipt is of: see the finding \
                 log.receipt-not-included and its evidence"
            ),
            Audited::Unproven { index } => write!(
                f,
                "what the log serves does not show whether the receipt's entry at place {index} is in it: see the finding log.unproven-inconsistency"
            ),
        }
    }
}
