//! A whole witness, from opening its directory to closing it: what `acta-witness serve` does.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::Registry;
use serving::files;
use serving::ops::{self, Operations, OpsMetrics};
use serving::program::{Addresses, ListenError, Listeners, until_closed};
use serving::tls::TlsError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::anchor::{Anchor, AnchorError};
use crate::bastion::{Bastion, BastionError, BastionMetrics};
use crate::config::Config;
use crate::cosigner::{Clock, Cosigner, Parts, WriteSide};
use crate::data_dir::{DataDir, LockError};
use crate::evidence::Evidences;
use crate::http::{self, Site};
use crate::keys::{Keys, LoadKeysError};
use crate::logs::{Logs, LogsError};
use crate::metrics::Metrics;
use crate::store::{MAX_OPEN_FILES, RocksStore, Store, StoreError};

/// The witness did not start, or stopped over an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The directory does not hold a witness.
    #[error("{0} does not hold a witness: create one with `acta-witness init`, or name the right directory")]
    NoWitness(PathBuf),
    /// The directory has a witness's keys but no store.
    #[error(
        "{0} has a witness's keys, but its store (the directory db) is gone or empty. Do not make a new one for these keys, and do not bring \
         back an older copy: the witness could sign what it refused before. Create a new witness in another directory. If an `acta-witness \
         init` was cut short here and nothing was ever served, remove the directory and create the witness again"
    )]
    NoStore(PathBuf),
    /// The directory is in use.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The keys cannot be loaded.
    #[error(transparent)]
    Keys(#[from] LoadKeysError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The anchor does not vouch for the store.
    #[error(
        "{0}. The witness could sign what it refused before, so it does not start. If the newest copy of its whole directory is elsewhere, run \
         that one; if it is lost, create a new witness in another directory, with new keys (\"A witness\" in SECURITY.md)"
    )]
    Anchor(#[from] AnchorError),
    /// The policy files cannot be used.
    #[error(transparent)]
    Logs(#[from] LogsError),
    /// A listener cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The bastion cannot be used.
    #[error(transparent)]
    Bastion(#[from] BastionError),
    /// The bastion key cannot be loaded.
    #[error(transparent)]
    BastionKey(#[from] keyfile::LoadError),
    /// A metric is registered twice.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
    /// Signals cannot be waited for.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// The store failed while the witness was running.
    #[error("the witness stopped: {0}")]
    Failed(Arc<StoreError>),
    /// The last commit does not come to its end.
    #[error("the witness was told to stop, but its disk does not answer. What was answered is safe")]
    Stuck,
}

/// How long the last commit may take after the last request was answered or cut off.
const LAST_COMMIT: Duration = Duration::from_secs(30);

/// What the operations listener says of a witness.
#[derive(Debug)]
struct Witness {
    logs: Arc<Logs>,
    metrics: Arc<Metrics>,
    /// Whether the bastion is connected, if there is one.
    bastion: Option<BastionMetrics>,
    draining: watch::Receiver<()>,
}

impl Operations for Witness {
    fn refresh(&self) {
        self.metrics.logs.set(i64::try_from(self.logs.current().len()).unwrap_or(i64::MAX));
    }

    fn ready(&self) -> Result<(), String> {
        if self.draining.has_changed().is_err() {
            return Err("the witness is shutting down".to_owned());
        }
        if self.logs.current().is_empty() {
            return Err("no log is followed: add one with `acta-witness logs add`, or name policy files with --policy".to_owned());
        }
        if self.bastion.as_ref().is_some_and(|metrics| metrics.connected.get() == 0) {
            return Err("the bastion is not connected: the witness's messages say why".to_owned());
        }
        Ok(())
    }
}

/// Opens the witness in `dir`, serves it until `shutdown` resolves, then drains: requests that have begun are answered, what waits is
/// stored. `ready` is told the addresses once the listeners are open. Returns early, with the error, when the store fails.
pub async fn run(
    dir: &DataDir,
    mut config: Config,
    ready: impl FnOnce(Addresses),
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    // Before anything else: a listener that says it listens shall be able to, and a signal to reload must not kill what starts.
    let hangup = signal(SignalKind::hangup()).map_err(RunError::Signals)?;
    let tls = config.http.tls.as_ref().map(serving::tls::load).transpose()?;
    let bastion = bastion(dir, &config)?;
    config.http.bounds.connections = files::room_for_connections(config.http.bounds.connections, MAX_OPEN_FILES.into());
    let registry = Registry::new();
    let metrics = Arc::new(Metrics::new(&registry)?);
    let http_metrics = http::metrics(&registry)?;
    let bastion_metrics = bastion.is_some().then(|| BastionMetrics::new(&registry)).transpose()?;
    let (cosigner, write_side, logs) = start(dir, &config, &metrics)?;
    let listeners = Listeners::open(config.http.listen, config.ops_listen, tls.is_some()).await?;
    ready(listeners.addresses);

    let (stop, stopping) = watch::channel(());
    // Whoever watches the operations listener is answered to the end: that it drains is what they want to know.
    let (_stop_operations, operations_stopping) = watch::channel(());
    if let Some(listener) = listeners.operations {
        let (logs, metrics) = (Arc::clone(&logs), Arc::clone(&metrics));
        let witness = Witness { logs, metrics, bastion: bastion_metrics.clone(), draining: stopping.clone() };
        let instruments = OpsMetrics::new("acta_witness", registry.clone())?;
        tokio::spawn(ops::serve(listener, witness, instruments, until_closed(operations_stopping)));
    }
    let reloading = tokio::spawn(reload_on(hangup, logs, metrics));
    let (drain_timeout, streams) = (config.http.bounds.drain_timeout, config.http.bounds.streams);
    let site = Arc::new(Site::new(cosigner, config.http, http_metrics));
    let passed_on = bastion.zip(bastion_metrics);
    let passed_on = passed_on.map(|(bastion, metrics)| tokio::spawn(bastion.serve(Arc::clone(&site), metrics, streams, stopping.clone())));
    let served = tokio::spawn(http::serve(site, listeners.public, tls, until_closed(stopping)));
    let failed = tokio::select! {
        error = write_side.failed() => Some(error),
        () = shutdown => None,
    };
    drop(stop);
    if let Some(error) = failed {
        // Nothing goes on over an error of the store; who waits for an answer has none to expect.
        return Err(RunError::Failed(error));
    }
    // It ends by its own deadline; a defect in it must not keep what waits from being stored.
    if let Err(error) = served.await {
        tracing::error!("the public listener ended over a defect of acta-witness, please report it: {error}");
    }
    if let Some(passed_on) = passed_on
        && tokio::time::timeout(drain_timeout, passed_on).await.is_err()
    {
        tracing::warn!("some requests that the bastion passed on were not done in time and are cut off");
    }
    reloading.abort();
    tokio::time::timeout(LAST_COMMIT, write_side.close()).await.map_err(|_| RunError::Stuck)?.map_err(RunError::Failed)
}

fn start(dir: &DataDir, config: &Config, metrics: &Arc<Metrics>) -> Result<(Cosigner<RocksStore>, WriteSide, Arc<Logs>), RunError> {
    // Looked at before the lock, which would make a file in a directory that is not ours.
    if !RocksStore::is_present(&dir.db()) {
        let ours = dir.verifier_keys().exists();
        return Err(if ours { RunError::NoStore(dir.root().into()) } else { RunError::NoWitness(dir.root().into()) });
    }
    let lock = dir.lock()?;
    // There to be read again after `logs add`, also if somebody has removed it.
    std::fs::create_dir_all(dir.logs()).map_err(|error| LogsError::Read { path: dir.logs(), error })?;
    let logs = Arc::new(Logs::load(sources(dir, config))?);
    // Asked of a store that is opened for reading: a start that is refused changes nothing.
    let look = RocksStore::open_read_only(&dir.db(), config.store)?;
    Anchor::open(&dir.anchor(), &look.keys()?, look.commits()?)?;
    drop(look);
    let store = Arc::new(RocksStore::open(&dir.db(), config.store)?);
    let commits = store.commits()?;
    let mut anchor = Anchor::open(&dir.anchor(), &store.keys()?, commits)?;
    anchor.record(commits, Instant::now()).map_err(StoreError::Anchor)?;
    let keys = Keys::load(dir, &store.keys()?)?;
    for key in keys.verifier() {
        tracing::info!(key = %key.id(), algorithm = %key.algorithm(), "this witness signs as {}", key.name());
    }
    match logs.current().len() {
        0 => tracing::warn!("no log is followed: add one with `acta-witness logs add`, or name policy files with --policy"),
        count => tracing::info!(logs = count, "the logs are read"),
    }
    let parts = Parts {
        store,
        keys,
        logs: Arc::clone(&logs),
        evidence: Evidences::new(dir.evidence(), config.evidence),
        clock: Clock::system(),
        metrics: Arc::clone(metrics),
        options: config.cosigner,
    };
    let (cosigner, write_side) = Cosigner::start_anchored(parts, anchor);
    // The lock lives as long as the process: a witness that could give it up could be followed by a second one too early.
    std::mem::forget(lock);
    Ok((cosigner, write_side, logs))
}

fn bastion(dir: &DataDir, config: &Config) -> Result<Option<Bastion>, RunError> {
    let Some(address) = &config.bastion else { return Ok(None) };
    let key = keyfile::load(&dir.bastion_key())?;
    Ok(Some(Bastion::new(address, &key, config.bastion_authority.as_deref())?))
}

/// Where the logs' policies are: what is configured, and what commands wrote.
pub fn sources(dir: &DataDir, config: &Config) -> Vec<PathBuf> {
    let own = dir.logs();
    let mut sources = config.policies.clone();
    if own.is_dir() {
        sources.push(own);
    }
    sources
}

/// Reads the policy files again at each SIGHUP.
async fn reload_on(mut hangup: Signal, logs: Arc<Logs>, metrics: Arc<Metrics>) {
    while hangup.recv().await.is_some() {
        let reloaded = {
            let logs = Arc::clone(&logs);
            tokio::task::spawn_blocking(move || logs.reload()).await
        };
        match reloaded {
            Ok(Ok(count)) => tracing::info!(logs = count, "the logs are read again"),
            Ok(Err(error)) => {
                metrics.reload_failures_total.inc();
                tracing::error!("the logs stay as they were: {error}");
            }
            Err(error) => tracing::error!("the logs stay as they were, over a defect of acta-witness, please report it: {error}"),
        }
    }
}
