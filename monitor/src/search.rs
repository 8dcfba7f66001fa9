//! Full-text search over everything that is followed.
//!
//! Invariant: the index says nothing that the store does not: it is drawn from stored entries, has its own place in each log, and can be
//! removed at any time. A hit is a place in a log and a leaf hash, so that whoever searches can ask the log itself.
//!
//! How a decision stands changes with later entries. A document holds how it stood when the index was last brought up to date, for
//! selecting; what is shown of a hit is read from the ledger.

#[cfg(feature = "search")]
mod follow;
#[cfg(feature = "search")]
mod index;
#[cfg_attr(not(feature = "search"), allow(dead_code, reason = "nothing puts queries to an index"))]
mod query;
mod section;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
#[cfg(feature = "search")]
use std::sync::RwLock;

use tlog::LeafIndex;
use tokio::sync::{Semaphore, watch};

use crate::store::{Store, StoreError};

#[cfg(feature = "search")]
pub use index::SearchError;
pub use query::{Expected, MAX_CLAUSES, MAX_QUERY, Query, QueryError, QueryErrorReason};
pub use section::{Section, Settings, SettingsError};

/// The search of a monitor: one for the process. Nothing happens before [`run`].
pub struct Search {
    #[cfg_attr(not(feature = "search"), expect(dead_code, reason = "there is no index without the feature"))]
    dir: PathBuf,
    settings: Settings,
    /// Searches at once.
    permits: Arc<Semaphore>,
    /// What is searched, once the index is open.
    #[cfg(feature = "search")]
    open: RwLock<Option<follow::Open>>,
}

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// What has the words most.
    Relevance,
    /// What was signed last.
    Newest,
    /// What was signed first.
    Oldest,
}

/// Which of the hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Hits to skip.
    pub offset: usize,
    /// Hits to give at most.
    pub limit: usize,
}

/// How many hits there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// So many, or at least so many.
    pub number: u32,
    /// Whether there are not more.
    pub is_exact: bool,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hits {
    /// The numbers of logs and the indexes of entries, in the order that was asked for.
    pub places: Vec<(u32, LeafIndex)>,
    /// How many there are in all.
    pub count: Count,
}

/// Why there was no search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// There is none in this monitor.
    #[error("this monitor has no search")]
    Disabled,
    /// The index is being opened, or made anew.
    #[error("the index is not open yet")]
    NotYet,
    /// Too many searches at once.
    #[error("too many searches at once")]
    Busy,
    /// The index failed; the monitor's messages say how.
    #[error("the index failed")]
    Failed,
}

impl Search {
    /// With the index in `dir`, which is made if it is not there.
    pub fn new(dir: PathBuf, settings: Settings) -> Self {
        Search {
            dir,
            permits: Arc::new(Semaphore::new(settings.max_searches.min(Semaphore::MAX_PERMITS))),
            settings,
            #[cfg(feature = "search")]
            open: RwLock::default(),
        }
    }

    /// Whether there is anything to search in.
    pub fn is_enabled(&self) -> bool {
        cfg!(feature = "search") && self.settings.enabled
    }

    /// Searches, on a thread that may wait for the disk.
    pub async fn find(&self, query: Query, order: Order, page: Page) -> Result<Hits, FindError> {
        if !self.is_enabled() {
            return Err(FindError::Disabled);
        }
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| FindError::Busy)?;
        self.put(query, order, page, permit).await
    }
}

/// A monitor that was built without search has nothing to put a query to.
#[cfg(not(feature = "search"))]
impl Search {
    /// Nothing.
    pub fn indexed(&self, _log: u32) -> Option<u64> {
        None
    }

    async fn put(&self, _: Query, _: Order, _: Page, _: tokio::sync::OwnedSemaphorePermit) -> Result<Hits, FindError> {
        Err(FindError::Disabled)
    }
}

/// Keeps the index up with the store until `shutdown` closes.
pub async fn run(store: Arc<Store>, search: Arc<Search>, mut shutdown: watch::Receiver<()>) -> Result<(), StoreError> {
    if !search.is_enabled() {
        while shutdown.changed().await.is_ok() {}
        return Ok(());
    }
    #[cfg(feature = "search")]
    follow::run(store, search, shutdown).await?;
    #[cfg(not(feature = "search"))]
    drop(store);
    Ok(())
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search").field("settings", &self.settings).finish_non_exhaustive()
    }
}
