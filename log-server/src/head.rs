//! Heads: the newest committed one, and the one that the world is shown.
//!
//! A head is *committed* when it is durable in the store, and *published* when the log's policy allows it to be shown. Without
//! witnesses the two are the same; the head is then published by the commit that makes it.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use tlog::checkpoint::SignedCheckpoint;
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
        let bytes = Bytes::from(checkpoint.to_bytes());
        Head { checkpoint, bytes, at: SystemTime::now() }
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

    /// When this process made or loaded the head.
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

/// Takes each committed head and decides when it is published.
///
/// So far every policy that a log can be served under has no witnesses, so this is at once.
#[derive(Debug)]
pub(crate) struct Publisher {
    published: watch::Sender<Arc<Head>>,
}

impl Publisher {
    /// Starts with the head that was published last.
    pub(crate) fn new(head: Head) -> (Self, watch::Receiver<Arc<Head>>) {
        let (published, receiver) = watch::channel(Arc::new(head));
        (Publisher { published }, receiver)
    }

    /// Whether a commit publishes its own head.
    pub(crate) fn publishes_at_once(&self) -> bool {
        true
    }

    /// Takes a head that is durable in the store.
    pub(crate) fn committed(&self, head: Head) {
        self.published.send_replace(Arc::new(head));
    }
}
