//! A server under test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use log_server::anchor::{Anchor, Anchored};
use log_server::config::{Config, Http};
use log_server::data_dir::DataDir;
use log_server::http;
use log_server::log::{Log, Options, WriteSide};
use log_server::metrics::Metrics;
use log_server::store::{Admits, Identity, LogId, MemoryStore, TreeState};
use log_server::tree_head::TreeHeads;
use prometheus::{Registry, TextEncoder};
use tempfile::TempDir;
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::policy::Policy;
use tlog::{Hash, TreeSize};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::wire::{Client, soon};

pub(super) const ORIGIN: &str = "log.test/2026";

/// A log in memory with a public listener. Everything ends when it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) log: Log<MemoryStore>,
    pub(super) registry: Registry,
    pub(super) metrics: Arc<Metrics>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    pub(super) write_side: WriteSide,
    /// Holds the anchor.
    _dir: TempDir,
}

fn key() -> SigningKey {
    SigningKey::from_seed(KeyName::new(ORIGIN).unwrap(), Algorithm::Ed25519, &[7; 32]).unwrap()
}

/// Who must have signed, for those who check this log's receipts.
pub(super) fn policy() -> Policy {
    Policy::without_witnesses(key().verifier_key().clone(), None).unwrap()
}

/// A new log.
pub(super) fn log(dir: &TempDir, options: Options, metrics: &Arc<Metrics>) -> (Log<MemoryStore>, WriteSide) {
    let key = key();
    let checkpoint = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::ZERO, Hash::EMPTY_TREE);
    let checkpoint = Bytes::from(SignedCheckpoint::sign(&checkpoint, &[&key]).unwrap().to_bytes());
    let tree = TreeState { size: TreeSize::ZERO, root: Hash::EMPTY_TREE, checkpoint };
    let identity =
        Identity { origin: ORIGIN.into(), verifier_key: key.verifier_key().to_string(), log_id: LogId([1; 16]), admits: Admits::Open };
    let path = dir.path().join("anchor");
    Anchor::create(&path, Anchored { log_id: identity.log_id, size: TreeSize::ZERO, root: Hash::EMPTY_TREE }).unwrap();
    let anchor = Anchor::open(&path).unwrap();
    Log::start(MemoryStore::create(identity, tree), key, anchor, options, Arc::clone(metrics)).unwrap()
}

impl Server {
    /// With the default configuration.
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With a changed configuration of the listener.
    pub(super) async fn with(change: impl FnOnce(&mut Http)) -> Self {
        Self::with_options(change, Options::default()).await
    }

    /// With a changed configuration of listener and log.
    pub(super) async fn with_options(change: impl FnOnce(&mut Http), options: Options) -> Self {
        Self::in_directory(tempfile::tempdir().unwrap(), change, options).await
    }

    /// With the default configuration, and a key for heads as RFC 6962 has them. Gives the public key too.
    pub(super) async fn with_tree_heads() -> (Self, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let public = TreeHeads::create_key(&DataDir::new(dir.path())).unwrap();
        (Self::in_directory(dir, |_| {}, Options::default()).await, public)
    }

    async fn in_directory(dir: TempDir, change: impl FnOnce(&mut Http), options: Options) -> Self {
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::new(&registry).unwrap());
        let (log, write_side) = log(&dir, options, &metrics);
        let mut config = Config::default().http;
        change(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let http_metrics = http::metrics(&registry).unwrap();
        let tls = config.tls.as_ref().map(|files| serving::tls::load(files).unwrap());
        let tree_heads = TreeHeads::load(&DataDir::new(dir.path())).unwrap();
        let task = tokio::spawn(http::serve(log.clone(), listener, tls, config, http_metrics, tree_heads, async {
            let _ = stopped.await;
        }));
        Server { address, log, registry, metrics, stop: Some(stop), task, write_side, _dir: dir }
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Adds `decision 0`, `decision 1` and so on, by way of the log itself.
    pub(super) async fn fill(&self, count: u64) {
        for outcome in soon(self.log.add_batch((0..count).map(entry))).await {
            outcome.unwrap();
        }
    }

    /// Orders the server to stop.
    pub(super) fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits until it has.
    pub(super) async fn stopped(&mut self) {
        soon(&mut self.task).await.unwrap();
    }

    /// The value of one line of the metrics.
    pub(super) fn metric(&self, name: &str) -> f64 {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Waits until a metric has a value.
    pub(super) async fn until_metric(&self, name: &str, value: f64) {
        let reached = async {
            while self.metric(name) != value {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        soon(reached).await;
    }
}

/// The entry that [`Server::fill`] adds at this index.
pub(super) fn entry(number: u64) -> Bytes {
    Bytes::from(format!("decision {number}"))
}
