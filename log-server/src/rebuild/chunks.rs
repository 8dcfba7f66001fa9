//! Rows on their way from the deciding thread into the store.
//!
//! Invariant: whoever decides reads through [`Chunks::over`], and finds every row that was decided: what is being written is read from memory
//! until it is known to be in the store. One chunk is on its way at most, and the next one waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use decision::ledger::{LedgerRead, Overlay};

use super::RebuildError;
use crate::admission::{Ledger, RowCache};
use crate::store::{RocksStore, StoreError};

type Rows = HashMap<Vec<u8>, Vec<u8>>;

/// The deciding thread's end.
pub(super) struct Chunks {
    sender: SyncSender<Arc<Rows>>,
    done: Receiver<Result<(), StoreError>>,
    /// What is being written.
    on_the_way: Option<Arc<Rows>>,
}

/// The writing thread's end.
pub(super) struct Writer {
    receiver: Receiver<Arc<Rows>>,
    done: SyncSender<Result<(), StoreError>>,
}

/// The store, and over it what is on its way there.
pub(super) struct OnTheWay<'a> {
    rows: Option<Arc<Rows>>,
    store: Ledger<'a, RocksStore>,
}

pub(super) fn channels() -> (Chunks, Writer) {
    let ((sender, receiver), (done, told)) = (sync_channel(1), sync_channel(1));
    (Chunks { sender, done: told, on_the_way: None }, Writer { receiver, done })
}

impl Chunks {
    /// What the deciding thread reads and writes.
    pub(super) fn over<'a>(&self, store: Ledger<'a, RocksStore>) -> Overlay<OnTheWay<'a>> {
        Overlay::new(OnTheWay { rows: self.on_the_way.clone(), store })
    }

    /// Has rows written once those before them are. From here on they are read through a new [`Chunks::over`].
    pub(super) fn write(&mut self, rows: Rows, cache: &RowCache) -> Result<(), RebuildError> {
        if let Some(before) = self.wait()? {
            // They are read from the store now, or from the cache, where older ones may be.
            cache.committed(before.iter());
        }
        let rows = Arc::new(rows);
        self.on_the_way = Some(Arc::clone(&rows));
        self.sender.send(rows).map_err(|_| RebuildError::Changed)
    }

    /// Waits until all is written.
    pub(super) fn finish(mut self) -> Result<(), RebuildError> {
        self.wait().map(drop)
    }

    /// Waits for what is on its way, and gives it.
    fn wait(&mut self) -> Result<Option<Arc<Rows>>, RebuildError> {
        let Some(rows) = self.on_the_way.take() else { return Ok(None) };
        // A thread that is gone without an answer has panicked, and the scope passes that on.
        self.done.recv().map_err(|_| RebuildError::Changed)??;
        Ok(Some(rows))
    }
}

impl Writer {
    /// Writes what it is sent until nobody sends any more, or it cannot.
    pub(super) fn write_all(self, store: &RocksStore) {
        for rows in &self.receiver {
            let mut rows: Vec<(&[u8], &[u8])> = rows.iter().map(|(key, row)| (key.as_slice(), row.as_slice())).collect();
            rows.sort_unstable();
            let written = store.write_ledger(&rows);
            let failed = written.is_err();
            if self.done.send(written).is_err() || failed {
                return;
            }
        }
    }
}

impl LedgerRead for OnTheWay<'_> {
    type Error = StoreError;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.rows.as_ref().and_then(|rows| rows.get(key)) {
            Some(row) => Ok(Some(row.clone())),
            None => self.store.get(key),
        }
    }
}
