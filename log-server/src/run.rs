//! A whole server, from opening the log to closing it: what `acta-log serve` does.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use serving::files;
use serving::ops::{self, OpsMetrics};
use serving::program::{Addresses, ListenError, Listeners, until_closed};
use serving::tls::TlsError;
use tlog::key::VerifierKey;
use tlog::policy::Policy;
use tokio::sync::watch;

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::gather::{self, Clock, GatherMetrics, Gathering, HttpError, UnusablePolicy};
use crate::log::{Log, WriteSide};
use crate::metrics::Metrics;
use crate::open::{Claim, OpenError, claim};
use crate::ops::LogOperations;
use crate::sequencer::SequencerError;
use crate::startup::StartupError;
use crate::store::{Admits, MAX_OPEN_FILES, RocksStore, Store};
use crate::tree_head::{TreeHeadKeyError, TreeHeads};
use crate::{disk, http};

/// The server did not start, or stopped over an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The log cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The policy file cannot be read.
    #[error("cannot read the policy file {0}: {1}")]
    ReadPolicy(PathBuf, io::Error),
    /// The policy file is malformed.
    #[error("{0}: {1}")]
    Policy(PathBuf, tlog::policy::PolicyError),
    /// The policy does not accept this log.
    #[error("the policy {path} does not accept this log: add the line `log {key}` to it")]
    PolicyWithoutLog {
        /// The policy file.
        path: PathBuf,
        /// The log's key.
        key: Box<VerifierKey>,
    },
    /// No log could be run under the policy.
    #[error("the policy {0} cannot be used: {1}")]
    Addresses(PathBuf, UnusablePolicy),
    /// The witnesses cannot be asked.
    #[error(transparent)]
    Witnesses(#[from] HttpError),
    /// A listener cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The key for heads as RFC 6962 has them cannot be used.
    #[error(transparent)]
    TreeHeads(#[from] TreeHeadKeyError),
    /// A metric is registered twice.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The write side stopped over an error.
    #[error("the log stopped: {0}")]
    Sequencer(#[from] SequencerError),
    /// The write side stopped because something could not be read.
    #[error("the log stopped: its store could not be read, as the message before this one says. `acta-log fsck --dir DIR` tells more")]
    Unreadable,
    /// The last commit does not come to its end.
    #[error(
        "the log was told to stop, but its disk does not answer. What was acknowledged is safe; what was not may have to be sent again"
    )]
    Stuck,
}

impl From<StartupError> for RunError {
    fn from(error: StartupError) -> Self {
        RunError::Open(error.into())
    }
}

/// How long the last commit may take after the last request was answered or cut off.
const LAST_COMMIT: Duration = Duration::from_secs(30);

/// Opens the log in `dir`, serves it until `shutdown` resolves, then drains: requests that have begun are answered, what waits is
/// committed. `ready` is told the addresses once the listeners are open. Returns early, with the error, when the write side fails.
pub async fn run(
    dir: &DataDir,
    mut config: Config,
    ready: impl FnOnce(Addresses),
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    // Before anything else: a listener that says it listens shall be able to.
    let tls = config.http.tls.as_ref().map(serving::tls::load).transpose()?;
    config.http.bounds.connections = files::room_for_connections(config.http.bounds.connections, MAX_OPEN_FILES.into());
    let registry = Registry::new();
    let metrics = Arc::new(Metrics::new(&registry)?);
    let tree_heads = TreeHeads::load(dir)?;
    let (log, mut write_side) = start(dir, &config, &registry, &metrics)?;
    let listeners = Listeners::open(config.http.listen, config.ops.listen, tls.is_some()).await?;
    ready(listeners.addresses);

    let (stop, stopping) = watch::channel(());
    // Whoever watches the operations listener is answered to the end: that it drains is what they want to know.
    let (_stop_operations, operations_stopping) = watch::channel(());
    let watcher = tokio::spawn(disk::watch(log.clone(), dir.root().to_owned(), config.min_free_disk));
    if let Some(listener) = listeners.operations {
        let committed = metrics.tree_size.clone();
        let operations = LogOperations::new(log.clone(), config.ops, &registry, committed)?;
        let served = ops::serve(listener, operations, OpsMetrics::new("acta_log", registry.clone())?, until_closed(operations_stopping));
        tokio::spawn(served);
    }
    let http_metrics = http::metrics(&registry)?;
    let served = http::serve(log.clone(), listeners.public, tls, config.http, http_metrics, tree_heads, until_closed(stopping));
    let served = tokio::spawn(served);
    let failed = tokio::select! {
        ended = write_side.ended() => Some(ended),
        () = shutdown => None,
    };
    log.drain();
    drop(stop);
    // It ends by its own deadline; a defect in it must not keep what waits from being committed.
    if let Err(error) = served.await {
        tracing::error!("the public listener ended over a defect of acta-log, please report it: {error}");
    }
    log.close();
    watcher.abort();
    match failed {
        Some(ended) => ended.map_err(RunError::from).and(Err(RunError::Unreadable)),
        None => tokio::time::timeout(LAST_COMMIT, write_side.ended()).await.map_err(|_| RunError::Stuck)?.map_err(RunError::from),
    }
}

/// Steps 1 to 5 of [`crate::startup`], and the policy. The sixth goes on while the log is read.
fn start(dir: &DataDir, config: &Config, registry: &Registry, metrics: &Arc<Metrics>) -> Result<(Log<RocksStore>, WriteSide), RunError> {
    let Claim { lock, store, head, anchor, anchored, .. } = claim(dir, config.store)?;
    let key = keyfile::load_at(&dir.key(), &dir.verifier_key()).map_err(OpenError::from)?;
    let path = config.policy.clone().unwrap_or_else(|| dir.policy());
    let text = std::fs::read(&path).map_err(|error| RunError::ReadPolicy(path.clone(), error))?;
    let policy = check_policy(path, &text, key.verifier_key())?;
    tracing::info!(origin = %head.checkpoint().checkpoint().origin(), entries = %head.size(), root = %head.root(), "the log is in order");
    match store.identity().map_err(OpenError::from)?.admits {
        Admits::Statements => tracing::info!("it takes in statements of the issuers that its registrars register"),
        Admits::Open => tracing::info!("it takes in any bytes that it is sent"),
    }
    let (anchor, metrics) = ((anchor, anchored), Arc::clone(metrics));
    let started = if policy.has_witness_quorum() {
        tracing::info!("entries are taken in once the witnesses have said that they have seen nothing else");
        let gathering = Gathering {
            transport: gather::Http::new(&policy, config.witnesses.authorities.as_deref())?,
            policy,
            options: config.witnesses.options,
            clock: Clock::system(),
            metrics: GatherMetrics::new(registry)?,
            evidence: Some(dir.root().to_owned()),
        };
        Log::start_with_witnesses(store, key, anchor, config.log, metrics, gathering)?
    } else {
        tracing::info!("no witnesses: if this disk's state is ever replaced by an older copy of all of it, only readers can notice");
        Log::start(store, key, anchor, config.log, metrics)?
    };
    // The lock lives as long as the process: a server that could give it up could be followed by a second one too early.
    std::mem::forget(lock);
    Ok(started)
}

/// The policy that the log is served under must accept its own heads, and its witnesses must be such that the log can ask them.
pub fn check_policy(path: PathBuf, text: &[u8], key: &VerifierKey) -> Result<Policy, RunError> {
    let policy = match Policy::parse(text) {
        Ok(policy) => policy,
        Err(error) => return Err(RunError::Policy(path, error)),
    };
    if let Err(error) = gather::check_addresses(&policy) {
        return Err(RunError::Addresses(path, error));
    }
    if !policy.logs().iter().any(|log| log.key() == key) {
        return Err(RunError::PolicyWithoutLog { path, key: Box::new(key.clone()) });
    }
    Ok(policy)
}
