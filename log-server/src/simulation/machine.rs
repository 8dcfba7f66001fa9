//! A machine that runs the log: what is on its disk, and the process while it runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use prometheus::Registry;
use tempfile::TempDir;
use tlog::policy::Policy;
use tlog::{Hash, LeafIndex, TreeSize};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::network::Network;
use super::random::Random;
use super::record::Record;
use super::time;
use crate::anchor::Anchor;
use crate::fixture;
use crate::gather::{Clock, GatherMetrics, GatherOptions, Gathering};
use crate::head::Head;
use crate::log::{Log, Options};
use crate::metrics::Metrics;
use crate::sequencer::{Sequencer, SequencerError};
use crate::store::{MemoryStore, Store};

/// A machine.
#[derive(Debug)]
pub(super) struct Machine {
    /// Where the anchor is.
    dir: TempDir,
    /// What the disk holds while no process runs.
    disk: Option<MemoryStore>,
    process: Option<Process>,
}

/// A log that runs.
#[derive(Debug)]
struct Process {
    log: Log<MemoryStore>,
    sequencer: AbortHandle,
    /// Those who wait for an answer on a connection to it.
    clients: JoinSet<()>,
    /// Why its write side ended, once it has.
    ended: Arc<Mutex<Option<String>>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.sequencer.abort();
    }
}

impl Machine {
    /// A machine with this on its disk. As with a restored backup there is no anchor, so the operator vouches for the state with a new one.
    pub(super) fn new(disk: MemoryStore) -> Self {
        let memory = std::path::Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let (tree, log_id) = (disk.tree().unwrap(), disk.identity().unwrap().log_id);
        let head = Head::new(tlog::checkpoint::SignedCheckpoint::parse(&tree.checkpoint).unwrap());
        Anchor::create(&dir.path().join("anchor"), head.anchored(log_id)).unwrap();
        Machine { dir, disk: Some(disk), process: None }
    }

    /// What is on the disk of a new log.
    pub(super) fn empty_store() -> MemoryStore {
        MemoryStore::create(fixture::identity(), fixture::empty_tree())
    }

    pub(super) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Starts the log. It must start: that it may be behind its witnesses, it only learns from them.
    pub(super) fn start(&mut self, network: &Network, policy: &Policy, record: &Arc<Mutex<Record>>, random: &mut Random) {
        let store = self.disk.take().unwrap();
        let registry = Registry::new();
        let options = GatherOptions {
            min_interval: random.millis(50),
            deadline: Duration::from_secs(1) + random.millis(4000),
            max_backlog: 5 + random.below(200),
        };
        let gathering = Gathering {
            policy: policy.clone(),
            options,
            transport: network.clone(),
            clock: Clock::new(time::now),
            metrics: GatherMetrics::new(&registry).unwrap(),
            evidence: None,
        };
        let mut sequencer = None;
        let size = store.tree().unwrap().size;
        let witnessed = record.lock().unwrap_or_else(PoisonError::into_inner).largest_witnessed(policy);
        // A quorum has cosigned more than there is, so it must not go on.
        let behind = (witnessed > size).then_some(size);
        let (pace, record) = (Duration::from_millis(1) + random.millis(20), Arc::clone(record));
        let write = |work: Sequencer<MemoryStore>| {
            let (done, ended) = oneshot::channel();
            let task = tokio::spawn(async move { drop(done.send(work_in_steps(work, pace, behind, &record).await)) });
            sequencer = Some(task.abort_handle());
            ended
        };
        let anchor = Anchor::open(&self.dir.path().join("anchor")).unwrap();
        let metrics = Arc::new(Metrics::new(&registry).unwrap());
        let started = Log::start_written_by(write, store, fixture::key(), anchor, Options::default(), metrics, gathering);
        let (log, mut write_side) = started.unwrap();
        let ended = Arc::new(Mutex::new(None));
        let mut clients = JoinSet::new();
        let end = Arc::clone(&ended);
        clients.spawn(async move {
            let reason = write_side.ended().await.err().map_or("ended well".to_owned(), |error| error.to_string());
            *end.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        });
        self.process = Some(Process { log, sequencer: sequencer.unwrap(), clients, ended });
    }

    /// Ends the process as a power cut does.
    pub(super) fn crash(&mut self) {
        let process = self.process.take().unwrap();
        self.disk = Some(process.log.store().reopen());
    }

    /// A copy of the disk.
    pub(super) fn copy(&self) -> MemoryStore {
        match &self.process {
            Some(process) => process.log.store().reopen(),
            None => self.disk.as_ref().unwrap().reopen(),
        }
    }

    /// A client sends an entry and asks for a receipt.
    pub(super) fn add(&mut self, entry: Bytes, record: &Arc<Mutex<Record>>) {
        let Some(process) = &mut self.process else { return };
        let (log, record) = (process.log.clone(), Arc::clone(record));
        process.clients.spawn(async move {
            let Ok(ticket) = log.add(entry.clone()) else { return };
            let Ok(index) = ticket.await else { return };
            record.lock().unwrap_or_else(PoisonError::into_inner).acknowledge(index, entry.clone());
            if log.published_covering(index, Duration::from_secs(20)).await.is_some() {
                let receipt = log.receipt(index).unwrap().unwrap();
                record.lock().unwrap_or_else(PoisonError::into_inner).receipt(entry, receipt.to_bytes().into());
            }
        });
    }

    /// Whether the write side has ended over an error.
    pub(super) fn has_stopped(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.ended.lock().unwrap_or_else(PoisonError::into_inner).is_some())
    }

    /// Whether all that is committed is published, or nothing more will be.
    pub(super) fn is_settled(&self) -> bool {
        self.has_stopped() || self.process.as_ref().is_some_and(|process| process.log.backlog() == 0 && process.log.queue_depth().0 == 0)
    }

    /// Whether it still has what was acknowledged.
    pub(super) fn has_all(&self, acknowledged: &[(LeafIndex, Bytes)]) -> Result<(), String> {
        let store = self.process.as_ref().unwrap().log.store();
        for (index, entry) in acknowledged {
            let there = store.entries(*index, 1).ok().and_then(|mut entries| entries.pop());
            if there.as_ref() != Some(entry) {
                return Err(format!("the acknowledged entry {index} is not there any more"));
            }
        }
        Ok(())
    }
}

/// The sequencer's work, a step now and then, without a thread. `behind` is its size if it must not commit anything.
async fn work_in_steps(
    mut sequencer: Sequencer<MemoryStore>,
    pace: Duration,
    behind: Option<TreeSize>,
    record: &Mutex<Record>,
) -> Result<(), SequencerError> {
    let mut before = None;
    while sequencer.step()? {
        let tree = sequencer.store.tree()?;
        if before != Some(tree.size) {
            before = Some(tree.size);
            let count = u16::try_from(tree.size.as_u64()).unwrap();
            let leaves = sequencer.store.entries(LeafIndex::new(0), count)?.iter().map(|entry| Hash::leaf(entry)).collect();
            let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
            record.committed(tree.root, leaves);
            if behind.is_some_and(|size| tree.size > size) {
                record.outrage(format!("a log that was behind its witnesses when it started went on to size {}", tree.size));
            }
        }
        sleep(pace).await;
    }
    Ok(())
}
