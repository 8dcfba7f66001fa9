//! The loop that keeps the index up with the store, and what others see of it.
//!
//! The index can always be made anew, so its errors never end the monitor: it is opened again after a while. Errors of the store do.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::index::{Place, Progress, Reader, SearchError, Writer};
use super::{FindError, Hits, Order, Page, Query, Search};
use crate::store::{Store, StoreError};

/// From one commit to the next when little comes in: how late a search may be.
const SHORT_PAUSE: Duration = Duration::from_secs(1);

/// The same when much comes in, so that commits do not take the time for indexing.
const LONG_PAUSE: Duration = Duration::from_secs(3);

/// Entries in one round that are much.
const MUCH: u64 = 2000;

/// Until the index is opened again after an error.
const AFTER_ERROR: Duration = Duration::from_secs(30);

/// An index that can be searched.
#[derive(Clone)]
pub(super) struct Open {
    reader: Reader,
    progress: Arc<Progress>,
}

/// Keeps the index up until `shutdown` closes.
pub(super) async fn run(store: Arc<Store>, search: Arc<Search>, mut shutdown: watch::Receiver<()>) -> Result<(), StoreError> {
    loop {
        match follow(&store, &search, &mut shutdown).await {
            Ok(()) => return Ok(()),
            Err(SearchError::Store(error)) => return Err(error),
            Err(error) => tracing::error!("{error}. The index is opened again in {} s", AFTER_ERROR.as_secs()),
        }
        search.publish(None);
        tokio::select! {
            () = sleep(AFTER_ERROR) => {}
            () = closed(&mut shutdown) => return Ok(()),
        }
    }
}

async fn follow(store: &Arc<Store>, search: &Arc<Search>, shutdown: &mut watch::Receiver<()>) -> Result<(), SearchError> {
    let mut written = store.watch();
    let mut writer = {
        let (store, search) = (Arc::clone(store), Arc::clone(search));
        blocking(move || Writer::open(&search.dir, search.settings, &store)).await?
    };
    search.publish(Some(&writer));
    loop {
        written.borrow_and_update();
        let (store, search, stopping) = (Arc::clone(store), Arc::clone(search), shutdown.clone());
        let (entries, caught_up) = blocking(move || {
            let stop = || stopping.has_changed().is_err();
            let entries = writer.catch_up(&store, stop, |writer| search.publish(Some(writer)))?;
            Ok((entries, writer))
        })
        .await?;
        writer = caught_up;
        let pause = if entries > MUCH { LONG_PAUSE } else { SHORT_PAUSE };
        tokio::select! {
            () = sleep(pause) => {}
            () = closed(shutdown) => return Ok(()),
        }
        tokio::select! {
            // The store outlives this loop.
            _ = written.changed() => {}
            () = closed(shutdown) => return Ok(()),
        }
    }
}

impl Search {
    fn publish(&self, writer: Option<&Writer>) {
        let open = writer.map(|writer| Open { reader: writer.reader().clone(), progress: Arc::new(writer.progress().clone()) });
        *self.open.write().unwrap_or_else(std::sync::PoisonError::into_inner) = open;
    }

    fn open(&self) -> Option<Open> {
        self.open.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// How many entries of the log with this number can be searched; `None` while the index is not open.
    pub fn indexed(&self, log: u32) -> Option<u64> {
        self.open().map(|open| open.progress.of(log))
    }

    /// Puts a query to the index.
    pub(super) async fn put(&self, query: Query, order: Order, page: Page, permit: OwnedSemaphorePermit) -> Result<Hits, FindError> {
        let open = self.open().ok_or(FindError::NotYet)?;
        let found = spawn_blocking(move || {
            let found = open.reader.find(&query, order, page);
            drop(permit);
            found
        });
        match found.await {
            Ok(Ok(found)) => {
                let places = found.places.into_iter().map(|Place { log, index }| (log, index)).collect();
                Ok(Hits { places, count: found.count })
            }
            Ok(Err(error)) => {
                tracing::error!("a search failed: {error}");
                Err(FindError::Failed)
            }
            Err(error) => {
                tracing::error!("a search ended over a defect of acta-monitor, please report it: {error}");
                Err(FindError::Failed)
            }
        }
    }
}

/// Runs what waits for the disk. A panic in it is a defect and goes on here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, SearchError> + Send + 'static) -> Result<T, SearchError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Resolves when the other end is dropped.
async fn closed(shutdown: &mut watch::Receiver<()>) {
    while shutdown.changed().await.is_ok() {}
}
