//! A whole monitor, from opening its state directory to closing it: what `acta-monitor serve` does.

use std::future::Future;
use std::sync::Arc;

use serving::program::Addresses;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Config;
use crate::state_dir::{StateDir, StateError};
use crate::store::{Store, StoreError};

/// The monitor did not start, or stopped over an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store failed.
    #[error("the monitor stopped: {0}")]
    Store(#[from] StoreError),
}

/// Opens the monitor's state, follows its logs and serves what it finds until `shutdown` resolves. `ready` is told the addresses once the
/// listeners are open. Returns early, with the error, when the store fails.
pub async fn run(config: Config, ready: impl FnOnce(Addresses), shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let dir = StateDir::new(&config.state);
    let state = dir.open(config.store)?;
    let _store: Arc<Store> = Arc::new(state.store);
    let _clock = Clock::system();
    let (stop, _stopping) = watch::channel(());
    // Here go the parts: each is spawned with the store, its settings, and `stopping`.
    let _ = ready;
    shutdown.await;
    drop(stop);
    Ok(())
}
