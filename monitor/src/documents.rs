//! Whether documents are what decisions say: fetched from where the decision says they are, and hashed.
//!
//! Off unless the configuration switches it on. A monitor that fetches whatever address a stranger writes spends its operator's bandwidth on
//! the stranger's word, and can be pointed at third parties, so this is for its operator to decide.

#[allow(dead_code, reason = "its use comes next")]
mod settings;

use std::sync::Arc;

use tokio::sync::watch;

use crate::check::Check;
use crate::clock::Clock;
use crate::store::{Store, StoreError};

pub use settings::{Section, Settings, SettingsError};

/// The check that notes which documents are due.
pub fn all(settings: &Settings) -> Vec<Box<dyn Check>> {
    let _ = settings;
    Vec::new()
}

/// Fetches what is due until `shutdown` says so. Returns early when the store fails.
pub async fn run(store: Arc<Store>, settings: Settings, clock: Clock, mut shutdown: watch::Receiver<()>) -> Result<(), StoreError> {
    let _ = (store, settings, clock);
    let _ = shutdown.changed().await;
    Ok(())
}
