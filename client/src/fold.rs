//! A log's statements judged here, entry by entry, so that nobody has to be believed: who was entitled to what, and what stands.
//!
//! Invariant: the ledger of a [`LogFold`] follows from entries that were authenticated under a verified head, from the first on and
//! without a gap; each later head was shown to continue the one before. What the log should have refused is a [`Finding`], and changes
//! nothing.
//!
//! How it is fast: nearly all of the work is the verification of signatures, which does not depend on order. Some bundles of entries
//! are prepared on all processors while the next ones are fetched; only the decisions are made one after the other. How it stays
//! small: entries are dropped as soon as they are decided about; what grows with the log is the ledger alone. How it is not done twice: a
//! [`FoldCache`] keeps what was computed here.

mod kept;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use decision::ledger::{Finding, Fold, LedgerError, LedgerRead, MemoryLedger, Prepared, Rules, Status};
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tlog::checkpoint::Checkpoint;
use tlog::policy::Policy;
use tlog::{LeafIndex, TreeSize};

use crate::verified::{ReadError, VerifiedBundle, VerifiedLog};

pub use kept::FoldCache;

/// How many bundles are prepared at a time, at most: 4,096 entries.
const BUNDLES_AT_ONCE: u64 = 16;

/// No more bundles are taken together once they have this many bytes.
const BYTES_AT_ONCE: usize = 8 << 20;

/// How many entries a thread prepares before it looks for more.
const BLOCK: usize = 32;

/// Of how many misfits it is kept why they are. Of further ones it is only known how many they are.
const MAX_MISFITS: usize = 10_000;

/// The ledger of a log as it follows from its entries.
#[derive(Clone, Debug)]
pub struct LogFold {
    fold: Fold,
    /// Under which the entries were read.
    head: Option<Checkpoint>,
    misfits: Misfits,
    /// How many entries were taken in by an earlier run.
    kept: TreeSize,
}

/// The entries that the log should have refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Misfits {
    count: u64,
    first: BTreeMap<u64, Misfit>,
}

/// Why the log should have refused an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misfit {
    /// The stable short name of the reason.
    pub name: String,
    /// The reason in words.
    pub reason: String,
}

/// Why a log could not be folded. What its entries say is never among the reasons.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// It could not be read, or what was read is not the log's.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The ledger does not hold what it was made to hold.
    #[error(transparent)]
    Ledger(#[from] LedgerError<Infallible>),
}

impl LogFold {
    /// Before the first entry of the log with this origin, whose keys are those of `policy`.
    pub fn new(policy: &Policy, origin: &str) -> Self {
        let keys = policy.logs().iter().map(|log| log.key()).filter(|key| key.name().as_str() == origin);
        let fold = Fold::new(Rules::new(origin, keys.cloned().collect()));
        LogFold { fold, head: None, misfits: Misfits::default(), kept: TreeSize::ZERO }
    }

    /// Takes in what `log` has more than was taken in before, once it is shown to continue that. `found` gets what the log should have
    /// refused, `progress` how many entries were judged.
    pub async fn advance(self, log: &VerifiedLog, found: impl FnMut(Finding), progress: impl Fn(u64)) -> Result<Self, FoldError> {
        self.advance_to(log, log.size(), found, progress).await
    }

    /// The same for the first `size` entries of `log`, or all if it has fewer.
    pub async fn advance_to(
        self,
        log: &VerifiedLog,
        size: TreeSize,
        mut found: impl FnMut(Finding),
        progress: impl Fn(u64),
    ) -> Result<Self, FoldError> {
        if let Some(head) = &self.head {
            log.extends(head).await?;
        }
        let (mut fold, mut misfits) = (self.fold, self.misfits);
        let end = size.min(log.size());
        let mut bundles = std::pin::pin!(log.entries(fold.size().as_u64()..end.as_u64().max(fold.size().as_u64())));
        let mut next = chunk(&mut bundles, fold.size()).await?;
        while !next.is_empty() {
            let before = fold.size();
            let judging = tokio::task::spawn_blocking(move || judge(fold, &next, end));
            // Fetched while this machine's processors are busy.
            let following = chunk(&mut bundles, before);
            let (judged, following) = tokio::join!(judging, following);
            let findings;
            (fold, findings) = judged.expect("judging does not panic and is not cancelled")?;
            for finding in findings {
                misfits.note(&finding);
                found(finding);
            }
            progress(fold.size().as_u64() - before.as_u64());
            next = following?;
        }
        Ok(LogFold { fold, head: Some(log.checkpoint().clone()), misfits, kept: self.kept })
    }

    /// How many entries were taken in.
    pub fn size(&self) -> TreeSize {
        self.fold.size()
    }

    /// What follows from the entries for the one at `index`; `None` if it was not taken in, or should not be in the log.
    pub fn status(&self, index: LeafIndex) -> Result<Option<Status>, FoldError> {
        Ok(self.fold.rules().status(self.fold.ledger(), index)?)
    }

    /// How many entries the log should have refused.
    pub fn misfits(&self) -> u64 {
        self.misfits.count
    }

    /// Why the log should have refused the entry at `index`; `None` also if there are more of them than are kept.
    pub fn misfit(&self, index: LeafIndex) -> Option<&Misfit> {
        self.misfits.first.get(&index.as_u64())
    }

    /// The fold itself.
    pub fn fold(&self) -> &Fold {
        &self.fold
    }
}

impl Misfits {
    fn note(&mut self, finding: &Finding) {
        self.count += 1;
        if self.first.len() < MAX_MISFITS {
            let misfit = Misfit { name: finding.reason.name().into(), reason: finding.reason.to_string() };
            self.first.insert(finding.index.as_u64(), misfit);
        }
    }
}

/// The next bundles: few at the start, where a log's issuers tend to be registered, because signatures can only be verified ahead by
/// keys that are known.
async fn chunk(
    bundles: &mut (impl Stream<Item = Result<VerifiedBundle, ReadError>> + Unpin),
    folded: TreeSize,
) -> Result<Vec<VerifiedBundle>, ReadError> {
    let most = (folded.as_u64() / 256).clamp(1, BUNDLES_AT_ONCE);
    let mut chunk = Vec::new();
    let mut bytes = 0;
    for _ in 0..most {
        let Some(bundle) = bundles.next().await.transpose()? else { break };
        bytes += bundle.byte_len();
        chunk.push(bundle);
        if bytes >= BYTES_AT_ONCE {
            break;
        }
    }
    Ok(chunk)
}

/// Takes in the entries of some bundles that are not taken in yet, up to `end`.
fn judge(mut fold: Fold, bundles: &[VerifiedBundle], end: TreeSize) -> Result<(Fold, Vec<Finding>), LedgerError<Infallible>> {
    let first = LeafIndex::new(fold.size().as_u64());
    let wanted = |(at, _): &(LeafIndex, &[u8])| *at >= first && end.contains(*at);
    let entries: Vec<&[u8]> = bundles.iter().flat_map(VerifiedBundle::iter).filter(wanted).map(|(_, entry)| entry).collect();
    let mut findings = Vec::new();
    for prepared in prepare(fold.rules(), fold.ledger(), &entries) {
        findings.extend(fold.push_prepared(&prepared?)?);
    }
    Ok((fold, findings))
}

/// Does the costly part for all `entries`, on all processors, by the keys of a ledger that may be some entries behind.
fn prepare(rules: &Rules, ledger: &MemoryLedger, entries: &[&[u8]]) -> Vec<Result<Prepared, LedgerError<Infallible>>> {
    let mut all = Vec::with_capacity(entries.len());
    let Ok(()) = prepare_in_order(rules, ledger, entries, |prepared| {
        all.push(prepared);
        Ok::<(), Infallible>(())
    });
    all
}

/// The same for whoever can decide about entries while those after them are prepared: `take` gets them in their order, and an error of it ends
/// the work.
pub fn prepare_in_order<L, E>(
    rules: &Rules,
    ledger: &L,
    entries: &[&[u8]],
    mut take: impl FnMut(Result<Prepared, LedgerError<L::Error>>) -> Result<(), E>,
) -> Result<(), E>
where
    L: LedgerRead<Error: Send> + Sync,
{
    let blocks: Vec<&[&[u8]]> = entries.chunks(BLOCK).collect();
    // For a few entries a thread costs more than it saves.
    if blocks.len() < 2 {
        return entries.iter().try_for_each(|entry| take(rules.prepare(ledger, entry)));
    }
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(blocks.len());
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads {
            let (sender, blocks, next) = (sender.clone(), &blocks, &next);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(block) = blocks.get(number) else { return };
                    let prepared: Vec<_> = block.iter().map(|entry| rules.prepare(ledger, entry)).collect();
                    if sender.send((number, prepared)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let (mut early, mut wanted) = (BTreeMap::new(), 0);
        for (number, prepared) in receiver {
            early.insert(number, prepared);
            while let Some(prepared) = early.remove(&wanted) {
                wanted += 1;
                prepared.into_iter().try_for_each(&mut take)?;
            }
        }
        Ok(())
    })
}
