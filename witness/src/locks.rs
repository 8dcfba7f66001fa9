//! One lock for each log, in a fixed amount of memory.
//!
//! To read what was cosigned last, to decide, and to store what comes of it has to be one step for each log. Whoever takes that step holds the
//! log's lock from before the reading until after the sync; the guard travels with what is to be written, so that neither a client that
//! leaves nor a task that ends can let go of it too early.
//!
//! There are fewer locks than logs: a log has the lock that its hash gives it, and may share it with others. Those wait for each other now
//! and then, which costs them a commit, and is never wrong.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::store::OriginHash;

/// A power of two.
const LOCKS: u16 = 4096;

/// The locks of all logs.
#[derive(Debug)]
pub(crate) struct Locks(Box<[Arc<Mutex<()>>]>);

/// A log's lock, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    _held: OwnedMutexGuard<()>,
}

impl Locks {
    pub(crate) fn new() -> Self {
        Locks((0..LOCKS).map(|_| Arc::default()).collect())
    }

    /// Waits for the log's lock. Those who wait get it in their order.
    pub(crate) async fn lock(&self, log: &OriginHash) -> Guard {
        let [high, low, ..] = *log.as_bytes();
        let lock = &self.0[usize::from(u16::from_be_bytes([high, low]) % LOCKS)];
        Guard { _held: Arc::clone(lock).lock_owned().await }
    }
}
