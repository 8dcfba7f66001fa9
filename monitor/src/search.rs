//! Full-text search over everything that is followed.
//!
//! Invariant: the index says nothing that the store does not: it is drawn from stored entries, has its own place in each log, and can be
//! removed at any time. A hit is a place in a log and a leaf hash, so that whoever searches can ask the log itself.

mod section;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use crate::store::{Store, StoreError};

pub use section::{Section, Settings, SettingsError};

/// The search of a monitor: one for the process. Nothing happens before [`run`].
#[derive(Debug)]
pub struct Search {
    #[expect(dead_code, reason = "the index comes next")]
    dir: PathBuf,
    settings: Settings,
}

impl Search {
    /// With the index in `dir`, which is made if it is not there.
    pub fn new(dir: PathBuf, settings: Settings) -> Self {
        Search { dir, settings }
    }

    /// Whether there is anything to search in.
    pub fn is_enabled(&self) -> bool {
        cfg!(feature = "search") && self.settings.enabled
    }
}

/// Keeps the index up with the store until `shutdown` closes.
pub async fn run(store: Arc<Store>, search: Arc<Search>, mut shutdown: watch::Receiver<()>) -> Result<(), StoreError> {
    let _ = (store, search);
    while shutdown.changed().await.is_ok() {}
    Ok(())
}
