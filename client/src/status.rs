//! What stands: what a log's operator says of an entry, and what follows from the log's entries.
//!
//! The operator's word is one request, and no signature covers it. It names the number of entries after which it is so; with that many
//! entries the same must follow here, to the last member. So two answers that differ are no matter of timing: one of them is false, and
//! the one from the entries is not.

use std::time::{Duration, Instant};

use decision::ledger::Status;
use serde::Deserialize;
use tlog::policy::Policy;
use tlog::{LeafIndex, TreeSize};

use crate::fold::{FoldCache, FoldError, LogFold, Misfit};
use crate::source::{FetchError, Source};
use crate::verified::{ReadError, VerifiedLog};

/// Names, a key and some numbers, of which names take the most: as much as a registration can hold, and its escapes.
const MAX_ANSWER: usize = 256 << 10;

/// The operator's word about an entry.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Told {
    /// After how many entries it is so.
    pub size: u64,
    /// What it is.
    #[serde(flatten)]
    pub status: Status,
}

/// The operator's word beside what follows from the entries.
#[derive(Clone, Debug)]
pub struct Compared {
    /// What the operator says.
    pub told: Option<Told>,
    /// What followed after as many entries as the operator speaks of; `None` if there is no such statement, or none that the log should
    /// have taken in.
    pub then: Option<Status>,
    /// What follows after all entries of the log's head.
    pub now: Option<Status>,
    /// How many these are.
    pub size: TreeSize,
    /// Why the log should have refused this entry.
    pub finding: Option<Misfit>,
    /// How many entries of the log it should have refused.
    pub findings: u64,
}

/// Why the status of an entry is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatusError {
    /// No answer, or a refusal.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A directory answers nothing.
    #[error("an exported log has no operator to ask: use --verify, which computes it from the entries")]
    NotAServer,
    /// The answer is not a status.
    #[error("the log's answer is not the status of an entry; is this the address of a log?")]
    NotAStatus,
    /// The answer is about another entry.
    #[error("the log was asked about entry {asked} and answers about entry {answered}, which must never be")]
    OtherEntry {
        /// The entry that was asked about.
        asked: LeafIndex,
        /// The entry of the answer.
        answered: LeafIndex,
    },
    /// There is no such entry yet.
    #[error("no head of the log covers entry {0} yet; if it was just published, try again later")]
    NotYetPublished(LeafIndex),
    /// The operator speaks of more than is published.
    #[error(
        "the log says what is so after {told} entries, but its published head has {published}; try again later, and tell others if it stays so"
    )]
    AheadOfHead {
        /// Of how many it speaks.
        told: u64,
        /// How many are published.
        published: TreeSize,
    },
    /// The log could not be read.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

impl From<ReadError> for StatusError {
    fn from(error: ReadError) -> Self {
        StatusError::Fold(error.into())
    }
}

/// Asks the operator. `None` if the log keeps no ledger, or knows nothing of the entry.
pub async fn told(source: &Source, index: LeafIndex) -> Result<Option<Told>, StatusError> {
    let server = source.server().ok_or(StatusError::NotAServer)?;
    let answer = match server.get(&format!("status/{index}"), MAX_ANSWER).await {
        Ok(answer) => answer,
        Err(FetchError::NotFound { kind: Some(kind), .. }) if kind.as_str() == "no-ledger" => return Ok(None),
        Err(FetchError::NotFound { kind: Some(kind), .. }) if kind.as_str() == "not-yet-published" => {
            return Err(StatusError::NotYetPublished(index));
        }
        Err(error) => return Err(error.into()),
    };
    let told: Told = serde_json::from_slice(&answer).map_err(|_| StatusError::NotAStatus)?;
    match LeafIndex::new(told.status.index) {
        answered if answered != index => Err(StatusError::OtherEntry { asked: index, answered }),
        _ => Ok(Some(told)),
    }
}

impl Compared {
    /// Asks the operator of the log that `open` reads, computes the same from its entries, and looks for how it stands at the log's head.
    /// A directory has no operator, and is only computed. `kept` has what was computed before, `wait` is for a head that covers what the
    /// operator speaks of, `progress` as for [`LogFold::advance`].
    pub async fn at(
        log: VerifiedLog,
        policy: &Policy,
        index: LeafIndex,
        kept: Option<&FoldCache>,
        wait: Duration,
        progress: impl Fn(u64),
    ) -> Result<Self, StatusError> {
        let told = match log.source().server() {
            Some(_) => told(log.source(), index).await?,
            None => None,
        };
        let log = covering(log, policy, told.as_ref().map_or(0, |told| told.size), wait).await?;
        if !log.size().contains(index) {
            return Err(StatusError::NotYetPublished(index));
        }
        let new = || LogFold::new(policy, log.checkpoint().origin().as_str());
        let mut fold = kept.map_or_else(new, |kept| kept.resume(policy, &log));
        if let Some(told) = &told {
            // What is kept says nothing of the time before it.
            if fold.size().as_u64() > told.size {
                fold = new();
            }
            fold = fold.advance_to(&log, TreeSize::new(told.size), |_| (), &progress).await?;
        }
        let then = fold.status(index)?;
        fold = fold.advance(&log, |_| (), &progress).await?;
        if let Some(kept) = kept {
            kept.keep(&fold, policy);
        }
        let (now, finding) = (fold.status(index)?, fold.misfit(index).cloned());
        Ok(Compared { told, then, now, size: fold.size(), finding, findings: fold.misfits() })
    }

    /// Whether the operator says what follows from the entries; `None` if the operator says nothing.
    pub fn agrees(&self) -> Option<bool> {
        self.told.as_ref().map(|told| self.then.as_ref() == Some(&told.status))
    }
}

/// The log under a head of at least `size` entries, of which the operator has spoken: such a head is published, or will be soon.
async fn covering(mut log: VerifiedLog, policy: &Policy, size: u64, wait: Duration) -> Result<VerifiedLog, StatusError> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(100);
    while log.size().as_u64() < size {
        if started.elapsed() + pause > wait {
            return Err(StatusError::AheadOfHead { told: size, published: log.size() });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
        let newer = log.newer(policy).await?;
        newer.extends(log.checkpoint()).await?;
        log = newer;
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn an_answer_is_read_with_members_that_are_not_known() {
        let answer = r#"{"says":"operator","note":"…","log":"a.example","size":7,"index":3,"leaf":
            "6e1209f822dbaa270b37c0bc107b378f5d2c8833113f6bee8b05e3bc30361128","type":"decision","series":"2026","seq":1,"kind":"planning.permit",
            "standing":"revoked","by":5,"new":{"a":[]}}"#;
        let told: Told = serde_json::from_str(answer).unwrap();
        assert_eq!((told.size, told.status.by), (7, Some(5)));
        assert_eq!(told.status.numbered.unwrap().seq, 1);
        assert!(serde_json::from_str::<Told>(&answer.replace("\"size\":7,", "")).is_err());
    }
}
