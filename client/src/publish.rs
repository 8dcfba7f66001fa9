//! Publishing many entries, with a receipt for each, so that a rerun goes on where the last run stopped.
//!
//! Invariant: a receipt file is complete and verified or not there at all, so the files themselves say what has been published. The
//! state file beside them says which line of which input each belongs to, and for which log all of them are. After a crash at any
//! point, of this program, the log or the machine, running the same command again completes the work; what was published twice in the
//! process is one entry, because logs answer the same entry with the same index.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tlog::policy::Policy;
use tlog::printable::Printable;
use tlog::proof::{MAX_PROOF_FILE, Proof};
use tlog::tiles::MAX_ENTRY;
use tlog::{Hash, LeafIndex};
use tokio::task::{JoinError, JoinSet};

use crate::submit::{SubmitError, Writer};
use crate::{durable, terminal};

mod input;
mod state;

pub use input::{Input, InputError, Item};
pub use state::{State, StateError};

/// A run of publishing into one directory of receipts.
#[derive(Debug)]
pub struct Publisher {
    writer: Writer,
    policy: Arc<Policy>,
    receipts: PathBuf,
    concurrency: usize,
    state: State,
    /// What this run has met: so that a line that comes again is not published again.
    seen: HashSet<Hash>,
    summary: Summary,
}

/// What became of all that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Entries that were published now.
    pub published: u64,
    /// Entries whose receipt was there already, and holds.
    pub already_published: u64,
    /// Lines or files with the bytes of an earlier one: the same entry, with the same receipt.
    pub repeated: u64,
    /// Receipts that were there and did not hold; they were fetched anew and replaced.
    pub replaced: u64,
    /// Empty lines and files: there is nothing to publish in them.
    pub empty: u64,
    /// Entries that no log can hold.
    pub too_large: u64,
}

/// What happened to one item, for whoever shows it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A receipt was written.
    Published {
        /// Of which item.
        item: &'a Item,
        /// Where in the log.
        index: LeafIndex,
        /// The file.
        receipt: &'a Path,
        /// Whether there was one that did not hold.
        replaced: bool,
    },
    /// It is published already.
    Known,
    /// It is empty.
    Empty(&'a Item),
    /// It has too many bytes.
    TooLarge(&'a Item),
}

/// Why a run stopped. What was published until then is there, and a rerun goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// An input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The directory of receipts is not usable.
    #[error(transparent)]
    State(#[from] StateError),
    /// The policy does not list the log.
    #[error("the policy does not list the log {}; give its own policy", Printable(origin))]
    UnlistedLog {
        /// The log.
        origin: Box<str>,
    },
    /// An entry could not be published.
    #[error("{item}: {source}")]
    Submit {
        /// Which.
        item: Box<Item>,
        /// Why.
        source: Box<SubmitError>,
    },
    /// A receipt could not be written.
    #[error("the receipt {} cannot be written: {source}", terminal::path(.path))]
    Receipt {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The file name of the receipt of the entry with this leaf hash.
pub fn receipt_name(leaf: &Hash) -> String {
    format!("{leaf}.tlog-proof")
}

impl Publisher {
    /// Prepares to publish to the one log of `policy` that `origin` names, with receipts in `receipts`, which is created.
    pub fn new(writer: Writer, policy: &Policy, origin: &str, receipts: &Path, concurrency: usize) -> Result<Self, PublishError> {
        // Under a policy with several logs, a receipt of any other would pass for one of this.
        let policy = Arc::new(policy.only(origin).ok_or_else(|| PublishError::UnlistedLog { origin: origin.into() })?);
        let writer = writer.under(Arc::clone(&policy));
        let state = State::open(receipts, origin)?;
        let concurrency = concurrency.max(1);
        let (receipts, seen) = (receipts.to_owned(), HashSet::new());
        Ok(Publisher { writer, policy, receipts, concurrency, state, seen, summary: Summary::default() })
    }

    /// Publishes what is missing of `inputs`. `event` is told about each item as soon as its fate is decided.
    pub async fn run(mut self, inputs: &[Input], mut event: impl FnMut(Event<'_>)) -> Result<Summary, PublishError> {
        let mut running = JoinSet::new();
        let mut result = self.read(inputs, &mut running, &mut event).await;
        // What was sent is finished also after a failure: each of these receipts is one less to fetch next time.
        while let Some(done) = running.join_next().await {
            let finished = self.finish(done, &mut event);
            result = result.and(finished);
        }
        durable::sync_directory(&self.receipts).map_err(|source| PublishError::Receipt { path: self.receipts.clone(), source })?;
        self.state.sync()?;
        result.map(|()| self.summary)
    }

    /// Starts a job for each item, no more than `concurrency` at a time. So reading ahead is bounded too.
    async fn read(&mut self, inputs: &[Input], running: &mut Jobs, event: &mut impl FnMut(Event<'_>)) -> Result<(), PublishError> {
        for input in inputs {
            for item in input.items()? {
                let Some(job) = self.take(item?, event)? else { continue };
                while running.len() >= self.concurrency {
                    let done = running.join_next().await.expect("some are running");
                    self.finish(done, event)?;
                }
                running.spawn(job.run());
            }
        }
        Ok(())
    }

    /// Decides whether there is anything to do for an item.
    fn take(&mut self, item: Item, event: &mut impl FnMut(Event<'_>)) -> Result<Option<Job>, PublishError> {
        if item.bytes.is_empty() {
            self.summary.empty += 1;
            event(Event::Empty(&item));
            return Ok(None);
        }
        if item.bytes.len() > MAX_ENTRY {
            self.summary.too_large += 1;
            event(Event::TooLarge(&item));
            return Ok(None);
        }
        let leaf = Hash::leaf(&item.bytes);
        self.state.record(&item, &leaf)?;
        if !self.seen.insert(leaf) {
            self.summary.repeated += 1;
            event(Event::Known);
            return Ok(None);
        }
        let receipt = self.receipts.join(receipt_name(&leaf));
        Ok(Some(Job { writer: self.writer.clone(), policy: Arc::clone(&self.policy), item, receipt }))
    }

    fn finish(&mut self, done: Result<JobResult, JoinError>, event: &mut impl FnMut(Event<'_>)) -> Result<(), PublishError> {
        let done = done.expect("the job does not panic and is not cancelled")?;
        let Some(index) = done.published else {
            self.summary.already_published += 1;
            event(Event::Known);
            return Ok(());
        };
        self.summary.published += 1;
        self.summary.replaced += u64::from(done.replaced);
        event(Event::Published { item: &done.item, index, receipt: &done.receipt, replaced: done.replaced });
        Ok(())
    }
}

/// One entry for which there is to be a receipt.
struct Job {
    writer: Writer,
    policy: Arc<Policy>,
    item: Item,
    receipt: PathBuf,
}

struct Done {
    item: Item,
    receipt: PathBuf,
    /// Where it is in the log, if it was published now.
    published: Option<LeafIndex>,
    /// Whether there was a receipt that did not hold.
    replaced: bool,
}

type JobResult = Result<Done, PublishError>;
type Jobs = JoinSet<JobResult>;

impl Job {
    async fn run(self) -> JobResult {
        let Job { writer, policy, mut item, receipt } = self;
        // From here on only the place of the item is of use.
        let entry: Bytes = std::mem::take(&mut item.bytes);
        let (path, bytes) = (receipt.clone(), entry.clone());
        let held = blocking(move || holds(&path, &policy, &bytes)).await;
        if held == Some(true) {
            return Ok(Done { item, receipt, published: None, replaced: false });
        }
        let fetched = match writer.add_with_receipt(entry).await {
            Ok(fetched) => fetched,
            Err(source) => return Err(PublishError::Submit { item: Box::new(item), source: Box::new(source) }),
        };
        let (path, bytes) = (receipt.clone(), fetched.bytes);
        match blocking(move || durable::write_unsynced_name(&path, &bytes)).await {
            Ok(()) => Ok(Done { item, receipt, published: Some(fetched.verified.index()), replaced: held == Some(false) }),
            Err(source) => Err(PublishError::Receipt { path: receipt, source }),
        }
    }
}

/// Whether there is a receipt, and it verifies.
fn holds(receipt: &Path, policy: &Policy, entry: &[u8]) -> Option<bool> {
    let bytes = match durable::read_bounded(receipt, u64::try_from(MAX_PROOF_FILE).expect("small")) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(_) => return Some(false),
    };
    let holds = |bytes: &[u8]| Proof::parse(bytes).is_ok_and(|proof| proof.verify_receipt(policy, Some(entry)).is_ok());
    Some(bytes.is_some_and(|bytes| holds(&bytes)))
}

/// Runs file operations and signature checks where they hold up nothing else.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("the work does not panic and is not cancelled")
}
