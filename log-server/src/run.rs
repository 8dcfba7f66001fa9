//! A whole server, from opening the log to closing it: what `acta-log serve` does.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use prometheus::Registry;
use tlog::key::VerifierKey;
use tlog::policy::Policy;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::anchor::Anchor;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::disk;
use crate::http::HttpMetrics;
use crate::log::{Log, WriteSide};
use crate::metrics::Metrics;
use crate::open::{OpenError, OpenLog, open};
use crate::sequencer::SequencerError;
use crate::startup::StartupError;
use crate::store::{RocksOptions, RocksStore};
use crate::{ops, server};

/// The server did not start, or stopped over an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The log cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The policy file cannot be read.
    #[error("cannot read the policy file {0}: {1}")]
    ReadPolicy(PathBuf, #[source] io::Error),
    /// The policy file is malformed.
    #[error("{0}: {1}")]
    Policy(PathBuf, #[source] tlog::policy::PolicyError),
    /// The policy does not accept this log.
    #[error("the policy {path} does not accept this log: add the line `log {key}` to it")]
    PolicyWithoutLog {
        /// The policy file.
        path: PathBuf,
        /// The log's key.
        key: Box<VerifierKey>,
    },
    /// The policy asks for witnesses.
    #[error("the policy {0} has a quorum of witnesses, and this version cannot ask witnesses yet: use a policy with `quorum none`")]
    Witnesses(PathBuf),
    /// A listener cannot be opened.
    #[error("cannot listen on {0}: {1}. Choose another address with --listen or --ops-listen")]
    Listen(SocketAddr, #[source] io::Error),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] server::TlsError),
    /// A metric is registered twice.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The write side stopped over an error.
    #[error("the log stopped: {0}")]
    Sequencer(#[from] SequencerError),
}

impl From<StartupError> for RunError {
    fn from(error: StartupError) -> Self {
        RunError::Open(error.into())
    }
}

/// Where a server listens, once it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The public listener.
    pub public: SocketAddr,
    /// Whether the public listener speaks TLS.
    pub tls: bool,
    /// The operations listener.
    pub operations: Option<SocketAddr>,
}

/// Opens the log in `dir`, serves it until `shutdown` resolves, then drains: requests that have begun are answered, what waits is
/// committed. `ready` is told the addresses once the listeners are open. Returns early, with the error, when the write side fails.
pub async fn run(dir: &DataDir, config: Config, ready: impl FnOnce(Addresses), shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let registry = Registry::new();
    let metrics = Arc::new(Metrics::new(&registry)?);
    let (log, mut write_side) = start(dir, &config, &metrics)?;
    let public = listen(config.http.listen).await?;
    let operations = match config.ops.listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let address = |listener: &TcpListener, asked| listener.local_addr().map_err(|error| RunError::Listen(asked, error));
    ready(Addresses {
        public: address(&public, config.http.listen)?,
        tls: config.http.tls.is_some(),
        operations: operations.as_ref().map(|listener| address(listener, config.http.listen)).transpose()?,
    });

    let (stop, stopping) = watch::channel(());
    let watcher = tokio::spawn(disk::watch(log.clone(), dir.root().to_owned(), config.min_free_disk));
    if let Some(listener) = operations {
        let committed = metrics.tree_size.clone();
        let served = ops::serve(log.clone(), listener, config.ops, registry.clone(), committed, until_closed(stopping.clone()));
        tokio::spawn(served);
    }
    let http_metrics = HttpMetrics::new(&registry)?;
    let mut served = Box::pin(server::serve(log.clone(), public, config.http, http_metrics, until_closed(stopping)));
    let failed = tokio::select! {
        served = &mut served => return Ok(served?), // TLS is the only thing that ends it before it is told to
        ended = write_side.ended() => Some(ended),
        () = shutdown => None,
    };
    drop(stop);
    served.await?;
    log.close();
    watcher.abort();
    match failed {
        Some(ended) => Ok(ended?),
        None => Ok(write_side.ended().await?),
    }
}

/// Steps 1 to 5 of [`crate::startup`], and the policy.
fn start(dir: &DataDir, config: &Config, metrics: &Arc<Metrics>) -> Result<(Log<RocksStore>, WriteSide), RunError> {
    let OpenLog { lock, key, store, .. } = open(dir, RocksOptions::default())?;
    let path = config.policy.clone().unwrap_or_else(|| dir.policy());
    let text = std::fs::read(&path).map_err(|error| RunError::ReadPolicy(path.clone(), error))?;
    check_policy(path, &text, key.verifier_key())?;
    let anchor = Anchor::open(&dir.anchor()).map_err(OpenError::from)?;
    let started = Log::start(store, key, anchor, config.log, Arc::clone(metrics))?;
    // The lock lives as long as the process: a server that could give it up could be followed by a second one too early.
    std::mem::forget(lock);
    Ok(started)
}

/// The policy that the log is served under must accept its own heads.
pub fn check_policy(path: PathBuf, text: &[u8], key: &VerifierKey) -> Result<Policy, RunError> {
    let policy = match Policy::parse(text) {
        Ok(policy) => policy,
        Err(error) => return Err(RunError::Policy(path, error)),
    };
    if policy.has_witness_quorum() {
        return Err(RunError::Witnesses(path));
    }
    if !policy.logs().iter().any(|log| log.key() == key) {
        return Err(RunError::PolicyWithoutLog { path, key: Box::new(key.clone()) });
    }
    Ok(policy)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|error| RunError::Listen(address, error))
}

/// Resolves when the other end is dropped.
async fn until_closed(mut stopping: watch::Receiver<()>) {
    while stopping.changed().await.is_ok() {}
}
