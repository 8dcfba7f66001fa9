//! What the log answers over HTTP: the read side of C2SP tlog-tiles, adding entries, receipts, and a page for people.
//!
//! A `Site` holds what all requests share. A request is routed by the parsed path (a path has one spelling or is not found) and by the
//! method. What is in memory is answered at once; what may touch the disk goes to the blocking threads, a bounded number at a time, so
//! that reading from a slow disk never holds up adding.
//!
//! Invariant: nothing here changes what a path with a number means. Cached answers are keyed by path alone, so a query never matters to
//! a resource that may be cached; what `rfc6962.rs` answers may not be.

mod add;
mod memory;
mod metrics;
mod negotiation;
mod openapi;
mod page;
mod problem;
mod read;
mod readers;
mod rfc6962;
mod status;

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;
use hyper::{Method, Request};
use quick_cache::sync::Cache;
use serving::http_metrics::{HttpMetrics, Route};
use serving::limits::Limiter;
use serving::listener::{self, Clients};
use serving::response::Answer;
use serving::{body, response};
use tlog::tiles::Resource;
use tlog::{Hash, LeafIndex};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use self::problem::Problem;
use crate::config::Http;
use crate::log::Log;
use crate::store::Store;
use crate::tree_head::TreeHeads;

pub use self::metrics::metrics;

/// Reads from the disk at a time. More wait as futures, which are smaller than threads.
const DISK_READS: usize = 64;

/// Bundles read from the store at a time. More wait.
const ASSEMBLED: usize = 4;

/// The `Allow` of what adds.
const POST: &str = "POST";

/// Serves a log to the public until `shutdown` resolves, then drains. `tls` is what [`serving::tls::load`] made of the configured files,
/// `tree_heads` signs heads for `/ct/v1/get-sth`.
pub async fn serve<S: Store>(
    log: Log<S>,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    config: Http,
    metrics: HttpMetrics,
    tree_heads: Option<TreeHeads>,
    shutdown: impl Future<Output = ()>,
) {
    let bounds = config.bounds;
    let counters = metrics.connections.clone();
    let clients = Clients::new(config.max_connections_per_client, config.many_connections.clone());
    let site = Arc::new(Site::new(log, config, metrics, tree_heads));
    let handler = move |peer: IpAddr, request: Request<Incoming>| {
        let site = Arc::clone(&site);
        async move { site.answer(peer, request).await }
    };
    listener::run(listener, tls.map(TlsAcceptor::from), bounds, clients, counters, handler, shutdown).await;
}

/// What all requests to one log share.
#[derive(Debug)]
pub(crate) struct Site<S> {
    log: Log<S>,
    config: Http,
    metrics: HttpMetrics,
    tree_heads: Option<Arc<TreeHeads>>,
    limiter: Option<Limiter>,
    /// Permits for [`body::UNIT`] bytes each of bodies that are still arriving.
    body_memory: Semaphore,
    /// For answers that clients have not taken yet.
    answers: memory::AnswerMemory,
    /// Requests in progress.
    requests: Semaphore,
    disk_reads: Arc<Semaphore>,
    readers: Arc<readers::Readers<S>>,
    /// Bundles on their way from the store, each with up to 33 MiB: its entries, and the bundle made of them.
    assembling: Arc<Semaphore>,
    /// Chunks of batches whose signatures are being verified: as many as there are processors.
    verifying: Arc<Semaphore>,
    /// Bundles being compressed: as many as there are processors, for nothing is gained by more.
    compressing: Arc<Semaphore>,
    compressed: Cache<read::CompressedKey, bytes::Bytes, read::ByBytes>,
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Page,
    Robots,
    OpenApi,
    Checkpoint,
    Resource(Resource),
    Add,
    AddBatch,
    Proof(LeafIndex),
    ProofOfLeaf(Hash),
    HeadCovering(LeafIndex),
    Status(LeafIndex),
    Rfc6962(rfc6962::Call),
}

impl Target {
    fn parse(path: &str) -> Option<Self> {
        match path.strip_prefix('/')? {
            "add" => Some(Target::Add),
            "checkpoint" => Some(Target::Checkpoint),
            "add-batch" => Some(Target::AddBatch),
            "" => Some(Target::Page),
            "robots.txt" => Some(Target::Robots),
            "openapi.json" => Some(Target::OpenApi),
            path if path.starts_with("tile/") => Resource::parse(path).map(Target::Resource),
            path => {
                if let Some(leaf) = path.strip_prefix("proof/leaf/") {
                    Hash::from_hex(leaf).ok().map(Target::ProofOfLeaf)
                } else if let Some(number) = path.strip_prefix("proof/") {
                    index(number).map(Target::Proof)
                } else if let Some(number) = path.strip_prefix("status/") {
                    index(number).map(Target::Status)
                } else if let Some(call) = path.strip_prefix("ct/v1/") {
                    rfc6962::Call::parse(call).map(Target::Rfc6962)
                } else {
                    path.strip_prefix("head/covering/").and_then(index).map(Target::HeadCovering)
                }
            }
        }
    }

    fn route(self) -> Route {
        match self {
            Target::Page | Target::Robots | Target::OpenApi => metrics::PAGE,
            Target::Checkpoint => metrics::CHECKPOINT,
            Target::Resource(Resource::Tile(_)) => metrics::TILE,
            Target::Resource(Resource::Bundle(_)) => metrics::BUNDLE,
            Target::Add => metrics::ADD,
            Target::AddBatch => metrics::ADD_BATCH,
            Target::Proof(_) | Target::ProofOfLeaf(_) => metrics::PROOF,
            Target::HeadCovering(_) => metrics::HEAD,
            Target::Status(_) => metrics::STATUS,
            Target::Rfc6962(_) => metrics::RFC6962,
        }
    }

    /// The methods that it answers, as `Allow` lists them.
    fn methods(self) -> &'static str {
        match self {
            Target::Add | Target::AddBatch => POST,
            _ => "GET, HEAD",
        }
    }

    fn allows(self, method: &Method) -> bool {
        match self {
            Target::Add | Target::AddBatch => method == Method::POST,
            _ => method == Method::GET || method == Method::HEAD,
        }
    }
}

/// A number in its one spelling: digits without a leading zero.
fn index(text: &str) -> Option<LeafIndex> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|c| c.is_ascii_digit());
    (canonical && digits).then(|| text.parse().ok()).flatten().map(LeafIndex::new)
}

impl<S: Store> Site<S> {
    pub(crate) fn new(log: Log<S>, config: Http, metrics: HttpMetrics, tree_heads: Option<TreeHeads>) -> Self {
        let disk_reads = Arc::new(Semaphore::new(DISK_READS));
        Site {
            readers: Arc::new(readers::Readers::new(log.clone(), Arc::clone(&disk_reads), config.max_requests)),
            limiter: config.limit.map(Limiter::new),
            body_memory: Semaphore::new((config.body_memory / body::UNIT).clamp(1, Semaphore::MAX_PERMITS)),
            answers: memory::AnswerMemory::new(config.answer_memory),
            requests: Semaphore::new(config.max_requests.min(Semaphore::MAX_PERMITS)),
            disk_reads,
            assembling: Arc::new(Semaphore::new(ASSEMBLED)),
            verifying: Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from))),
            compressing: Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from))),
            compressed: read::compressed_cache(config.compressed_cache),
            tree_heads: tree_heads.map(Arc::new),
            log,
            config,
            metrics,
        }
    }

    /// Answers one request from `peer`, and counts it.
    pub(crate) async fn answer(&self, peer: IpAddr, request: Request<Incoming>) -> Answer {
        let target = Target::parse(request.uri().path());
        let watch = self.metrics.begin(target.map_or(Route::OTHER, Target::route));
        // Also for the body, which is in memory no longer than its request.
        let Ok(_permit) = self.requests.try_acquire() else {
            let answer = Problem::Overloaded.answer(request.version());
            watch.answered(answer.status());
            return answer;
        };
        let (parts, mut body) = request.into_parts();
        let answer = match self.route(target, peer, &parts, &mut body).await {
            Ok(answer) => answer,
            Err(problem) => {
                if !body.is_end_stream() && !problem.ends_connection() {
                    body::discard(&parts.headers, &mut body).await;
                }
                let mut answer = problem.answer(parts.version);
                if target.is_none_or(|target| target.methods() != POST) {
                    response::shared(&mut answer);
                }
                answer
            }
        };
        watch.answered(answer.status());
        if parts.method == Method::HEAD { response::without_body(answer) } else { answer }
    }

    async fn route(&self, target: Option<Target>, peer: IpAddr, parts: &Parts, body: &mut Incoming) -> Result<Answer, Problem> {
        let target = target.ok_or(Problem::NotFound)?;
        if !target.allows(&parts.method) {
            return Err(Problem::MethodNotAllowed(target.methods()));
        }
        match target {
            Target::Add => self.add(peer, parts, body).await,
            Target::AddBatch => self.add_batch(peer, parts, body).await,
            Target::Checkpoint => Ok(self.checkpoint(&parts.headers)),
            Target::Resource(Resource::Tile(tile)) => self.tile(tile).await,
            Target::Resource(Resource::Bundle(bundle)) => self.bundle(bundle, &parts.headers).await,
            Target::Proof(index) => self.proof(index).await,
            Target::ProofOfLeaf(leaf) => self.proof_of_leaf(leaf).await,
            Target::HeadCovering(index) => self.head_covering(index).await,
            Target::Status(index) => self.status(index).await,
            Target::Rfc6962(call) => self.rfc6962(call, parts.uri.query()).await,
            Target::Page => self.page(&parts.uri, &parts.headers),
            Target::Robots => Ok(page::robots()),
            Target::OpenApi => Ok(openapi::document()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tlog::tiles::{BundleId, TileId};

    use super::*;

    #[test]
    fn each_path_has_one_meaning() {
        let leaf = Hash::leaf(b"x");
        for (path, target) in [
            ("/", Some(Target::Page)),
            ("/openapi.json", Some(Target::OpenApi)),
            ("/checkpoint", Some(Target::Checkpoint)),
            ("/add", Some(Target::Add)),
            ("/add-batch", Some(Target::AddBatch)),
            ("/tile/0/000", TileId::new(0, 0, 256).map(|tile| Target::Resource(Resource::Tile(tile)))),
            ("/tile/entries/x001/234.p/5", BundleId::new(1234, 5).map(|bundle| Target::Resource(Resource::Bundle(bundle)))),
            ("/proof/0", Some(Target::Proof(LeafIndex::new(0)))),
            ("/proof/18446744073709551615", Some(Target::Proof(LeafIndex::new(u64::MAX)))),
            (&format!("/proof/leaf/{leaf}"), Some(Target::ProofOfLeaf(leaf))),
            ("/head/covering/10", Some(Target::HeadCovering(LeafIndex::new(10)))),
            ("/status/10", Some(Target::Status(LeafIndex::new(10)))),
            ("/ct/v1/get-sth", Some(Target::Rfc6962(rfc6962::Call::TreeHead))),
        ] {
            assert_eq!(Target::parse(path), target, "{path}");
        }
    }

    #[test]
    fn every_call_is_documented_and_every_documented_call_is_there() {
        const DOCUMENTATION: &str = include_str!("../../docs/formats.md");
        let section = DOCUMENTATION.split("## A log over HTTP").nth(1).and_then(|rest| rest.split("\n## ").next());
        let rows = section.into_iter().flat_map(str::lines).filter(|line| line.starts_with("| `"));
        let calls = rows.flat_map(|row| row.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2));
        let leaf = Hash::leaf(b"x").to_hex();
        let mut documented = [false; 12];
        for call in calls.filter(|call| !call.starts_with("Accept")) {
            let (method, path) = call.split_once(' ').unwrap_or(("GET", call));
            let path = path.split('?').next().unwrap_or(path).replace("/L/", "/0/").replace("N.p/W", "000.p/5").replace("/N", "/000");
            let path = path.replace("INDEX", "7").replace("HASH", &leaf).replace('…', "get-sth");
            let target = Target::parse(&path).unwrap_or_else(|| panic!("there is no {path}, which is documented"));
            assert!(target.allows(&method.parse().unwrap_or_default()), "{call}");
            // A new target wants a row, and a place here.
            let place = match target {
                Target::Page => 0,
                Target::Checkpoint => 1,
                Target::Resource(Resource::Tile(_)) => 2,
                Target::Resource(Resource::Bundle(_)) => 3,
                Target::Add => 4,
                Target::AddBatch => 5,
                Target::Proof(_) => 6,
                Target::ProofOfLeaf(_) => 7,
                Target::HeadCovering(_) => 8,
                Target::Status(_) => 9,
                Target::Rfc6962(_) => 10,
                Target::OpenApi => 11,
                Target::Robots => continue,
            };
            documented[place] = true;
        }
        assert_eq!(documented, [true; 12], "a call is missing in docs/formats.md");
    }

    #[test]
    fn odd_paths_mean_nothing() {
        let upper = format!("/proof/leaf/{}", Hash::leaf(b"x").to_hex().to_uppercase());
        for path in [
            "",
            "checkpoint",
            "//",
            "//checkpoint",
            "/checkpoint/",
            "/Checkpoint",
            "/check%70oint",
            "/add/",
            "/adds",
            "/add-batch/",
            "/proof",
            "/proof/",
            "/proof/00",
            "/proof/01",
            "/proof/+1",
            "/proof/-1",
            "/proof/1/",
            "/proof/0x1",
            "/proof/18446744073709551616",
            "/proof/١",
            "/proof/leaf/",
            "/proof/leaf/00",
            "/head",
            "/head/covering",
            "/head/covering/",
            "/head/covering/01",
            "/status",
            "/status/",
            "/status/01",
            "/status/1/",
            "/tile",
            "/tile/",
            "/tile/0",
            "/tile/0/0",
            "/tile/0/00",
            "/tile/0/0000",
            "/tile/00/000",
            "/tile/64/000",
            "/tile/+0/000",
            "/tile/0/x000/000",
            "/tile/0/000/",
            "/tile/0/000.p/0",
            "/tile/0/000.p/256",
            "/tile/0/000.p/05",
            "/tile/0/000.p/",
            "/tile/0/000.p",
            "/tile/0/000.P/1",
            "/tile/0/X001/000",
            "/tile/0/001/000",
            "/tile/0/x1/000",
            "/tile/-1/000",
            "/tile/entries",
            "/tile/entries/",
            "/tile/entries/0",
            "/tile/Entries/000",
            "/tile/0/../checkpoint",
            "/tile/0/%2e%2e/000",
            "/../checkpoint",
            "/tile/0/000%00",
            "/tile/data/000",
            "/ct/v1/",
            "/ct/v1/get-sth/",
            "/ct/v1/add-chain",
            "/ct/v2/get-sth",
            "/metrics",
            "/healthz",
            &upper,
        ] {
            assert_eq!(Target::parse(path), None, "{path}");
        }
    }
}
