//! Heads: the newest committed one, and the one that the world is shown.
//!
//! A head is *committed* when it is durable in the store, and *published* when the log's policy allows it to be shown. Without
//! witnesses the two are the same; the head is then published by the commit that makes it. With witnesses, [`crate::gather`] publishes
//! it once enough of them have cosigned.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use tlog::checkpoint::{Checkpoint, Origin, SignCheckpointError, SignedCheckpoint};
use tlog::key::SigningKey;
use tlog::{Hash, TreeSize};
use tokio::sync::watch;

use crate::anchor::Anchored;
use crate::store::{LogId, TreeState};

/// A signed head of the log.
#[derive(Clone, Debug)]
pub struct Head {
    checkpoint: SignedCheckpoint,
    bytes: Bytes,
    at: SystemTime,
}

impl Head {
    /// The head with this signed checkpoint, made now.
    pub fn new(checkpoint: SignedCheckpoint) -> Self {
        Head::made_at(checkpoint, SystemTime::now())
    }

    /// The head with this signed checkpoint, made or published at this time.
    pub(crate) fn made_at(checkpoint: SignedCheckpoint, at: SystemTime) -> Self {
        let bytes = Bytes::from(checkpoint.to_bytes());
        Head { checkpoint, bytes, at }
    }

    /// The head of the log before its first entry. Every log begins with it, so signing it again says nothing new.
    pub(crate) fn of_empty_log(origin: &Origin, key: &SigningKey) -> Result<Self, SignCheckpointError> {
        let checkpoint = Checkpoint::new(origin.clone(), TreeSize::ZERO, Hash::EMPTY_TREE);
        Ok(Head::new(SignedCheckpoint::sign(&checkpoint, &[key])?))
    }

    /// The checkpoint with its signatures.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// The checkpoint as it is served: a signed note.
    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// How many entries the head covers.
    pub fn size(&self) -> TreeSize {
        self.checkpoint.checkpoint().size()
    }

    /// The root hash.
    pub fn root(&self) -> Hash {
        *self.checkpoint.checkpoint().root()
    }

    /// When this process made or loaded the head; of one that witnesses had to cosign, when it was published.
    pub fn at(&self) -> SystemTime {
        self.at
    }

    pub(crate) fn anchored(&self, log_id: LogId) -> Anchored {
        Anchored { log_id, size: self.size(), root: self.root() }
    }

    pub(crate) fn tree_state(&self) -> TreeState {
        TreeState { size: self.size(), root: self.root(), checkpoint: self.bytes() }
    }
}

/// Takes each committed head and passes it on: to the world where no witnesses have to agree, else to those who ask them.
#[derive(Debug)]
pub(crate) struct Publisher {
    committed: watch::Sender<Arc<Head>>,
    at_once: bool,
}

impl Publisher {
    /// Shows every committed head at once, beginning with `head`.
    pub(crate) fn at_once(head: Head) -> (Self, watch::Receiver<Arc<Head>>) {
        Publisher::new(head, true)
    }

    /// Hands every committed head over to be cosigned first, beginning with `head`.
    pub(crate) fn after_witnesses(head: Head) -> (Self, watch::Receiver<Arc<Head>>) {
        Publisher::new(head, false)
    }

    fn new(head: Head, at_once: bool) -> (Self, watch::Receiver<Arc<Head>>) {
        let (committed, receiver) = watch::channel(Arc::new(head));
        (Publisher { committed, at_once }, receiver)
    }

    /// Whether a commit publishes its own head.
    pub(crate) fn publishes_at_once(&self) -> bool {
        self.at_once
    }

    /// Takes a head that is durable in the store and in the anchor.
    pub(crate) fn committed(&self, head: Head) {
        self.committed.send_replace(Arc::new(head));
    }
}
