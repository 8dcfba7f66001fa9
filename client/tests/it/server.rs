//! A log's server for tests: an honest log in memory, and a fault to put over it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::merkle::{self, Appender, Node};
use tlog::policy::Policy;
use tlog::proof::Proof;
use tlog::tiles::{Resource, encode_entry};
use tlog::{Hash, LeafIndex, TreeSize};
use tokio::net::TcpListener;

use acta_client::location::Location;
use acta_client::source::{Options, Source};
use acta_client::verified::{ReadError, VerifiedLog};

pub(crate) const ORIGIN: &str = "log.test/one";

/// A tree in memory with everything that a log serves.
#[derive(Clone)]
pub(crate) struct Tree {
    pub(crate) key: Arc<SigningKey>,
    pub(crate) entries: Vec<Bytes>,
    leaves: HashMap<Hash, u64>,
    nodes: HashMap<Node, Hash>,
    appender: Appender,
}

/// What a fault makes of a request.
pub(crate) enum Answer {
    Status(u16, Vec<(&'static str, String)>, Bytes),
    /// A body without end.
    Endless,
    /// The headers, and then nothing.
    Silent,
    /// The connection is closed without an answer.
    Close,
    /// Half of the body that was announced, then the end of the connection.
    Broken(Bytes),
}

type Fault = Box<dyn Fn(&str) -> Option<Answer> + Send + Sync>;

/// The server. Stops when dropped.
pub(crate) struct Server {
    shared: Arc<Shared>,
    address: std::net::SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    tree: Mutex<Tree>,
    fault: Mutex<Fault>,
    requests: Mutex<Vec<String>>,
}

pub(crate) fn key(origin: &str) -> SigningKey {
    SigningKey::from_seed(KeyName::new(origin).unwrap(), Algorithm::Ed25519, &[7; 32]).unwrap()
}

/// Entries of different lengths, some empty.
pub(crate) fn entry(index: u64) -> Bytes {
    format!("decision {index} {}", "x".repeat(usize::try_from(index % 40).unwrap())).into()
}

pub(crate) fn policy() -> Policy {
    Policy::without_witnesses(key(ORIGIN).verifier_key().clone(), None).unwrap()
}

/// Gives up soon, because the tests wait for it.
pub(crate) fn impatient() -> Options {
    Options { wait: Duration::from_millis(300), timeout: Duration::from_secs(5), ..Options::default() }
}

pub(crate) fn ok(body: impl Into<Bytes>) -> Answer {
    Answer::Status(200, Vec::new(), body.into())
}

impl Tree {
    pub(crate) fn new(size: u64) -> Self {
        let mut tree = Tree {
            key: Arc::new(key(ORIGIN)),
            entries: Vec::new(),
            leaves: HashMap::new(),
            nodes: HashMap::new(),
            appender: Appender::new(),
        };
        (0..size).for_each(|index| {
            tree.append(entry(index));
        });
        tree
    }

    pub(crate) fn append(&mut self, entry: Bytes) -> u64 {
        let leaf = Hash::leaf(&entry);
        if let Some(index) = self.leaves.get(&leaf) {
            return *index;
        }
        let index = self.entries.len() as u64;
        self.leaves.insert(leaf, index);
        self.appender.append(leaf, |node, hash| assert!(self.nodes.insert(node, hash).is_none())).unwrap();
        self.entries.push(entry);
        index
    }

    pub(crate) fn size(&self) -> TreeSize {
        self.appender.size()
    }

    pub(crate) fn checkpoint(&self) -> SignedCheckpoint {
        let checkpoint = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), self.size(), self.appender.root());
        SignedCheckpoint::sign(&checkpoint, &[&self.key]).unwrap()
    }

    pub(crate) fn receipt(&self, index: u64) -> Proof {
        let node = |node| Ok::<_, Infallible>(self.nodes[&node]);
        let hashes = merkle::prove_inclusion(LeafIndex::new(index), self.size(), node).unwrap();
        let entry = self.entries[usize::try_from(index).unwrap()].to_vec();
        Proof::new(Some(entry), LeafIndex::new(index), hashes, self.checkpoint()).unwrap()
    }

    pub(crate) fn consistency(&self, old: TreeSize) -> Vec<Hash> {
        merkle::prove_consistency(old, self.size(), |node| Ok::<_, Infallible>(self.nodes[&node])).unwrap()
    }

    pub(crate) fn resource(&self, resource: Resource) -> Option<Bytes> {
        match resource {
            Resource::Tile(id) if id.is_within(self.size()) => {
                let first = id.number() * 256;
                let hash = |index| self.nodes[&Node { height: 8 * id.level(), index }];
                Some((first..first + u64::from(id.width())).flat_map(|index| *hash(index).as_bytes()).collect())
            }
            Resource::Bundle(id) if id.is_within(self.size()) => {
                let mut out = Vec::new();
                let first = usize::try_from(id.first_index().as_u64()).unwrap();
                for entry in &self.entries[first..first + usize::from(id.width())] {
                    encode_entry(entry, &mut out).unwrap();
                }
                Some(out.into())
            }
            _ => None,
        }
    }

    fn get(&self, path: &str) -> Answer {
        let found = match path {
            "checkpoint" => Some(self.checkpoint().to_bytes().into()),
            _ => match path.strip_prefix("proof/leaf/") {
                Some(leaf) => {
                    Hash::from_hex(leaf).ok().and_then(|leaf| self.leaves.get(&leaf)).map(|at| self.receipt(*at).to_bytes().into())
                }
                None => Resource::parse(path).and_then(|resource| self.resource(resource)),
            },
        };
        found.map_or(Answer::Status(404, Vec::new(), Bytes::new()), ok)
    }

    fn add(&mut self, entry: Bytes, receipt: bool) -> Answer {
        let index = self.append(entry);
        if receipt {
            let kind = vec![("content-type", "application/vnd.c2sp.tlog-proof".to_owned())];
            Answer::Status(200, kind, self.receipt(index).to_bytes().into())
        } else {
            ok(format!("{index}\n"))
        }
    }
}

impl Server {
    pub(crate) async fn start(tree: Tree) -> Self {
        let shared = Arc::new(Shared { tree: Mutex::new(tree), fault: Mutex::new(Box::new(|_| None)), requests: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Server { shared, address, task }
    }

    /// Puts `fault` over the log: it is asked first, with the path without a leading slash.
    pub(crate) fn fault(&self, fault: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) {
        *self.shared.fault.lock().unwrap() = Box::new(fault);
    }

    pub(crate) fn tree(&self) -> std::sync::MutexGuard<'_, Tree> {
        self.shared.tree.lock().unwrap()
    }

    /// The paths that were asked for since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.requests.lock().unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn source(&self) -> Source {
        self.source_with(&impatient())
    }

    pub(crate) fn source_with(&self, options: &Options) -> Source {
        let location: Location = self.url().parse().unwrap();
        Source::new(&location, options).unwrap()
    }

    pub(crate) async fn open(&self) -> Result<VerifiedLog, ReadError> {
        VerifiedLog::open(self.source(), &policy()).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&shared), request));
            // A connection that a fault closes is an error here.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    shared.requests.lock().unwrap().push(path.clone());
    let post = request.method() == Method::POST;
    let receipt = request.headers().get("accept").is_some_and(|accept| accept == "application/vnd.c2sp.tlog-proof");
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    let fault = (shared.fault.lock().unwrap())(&path);
    let answer = match fault {
        Some(answer) => answer,
        None if post && path == "add" => shared.tree.lock().unwrap().add(body, receipt),
        None => shared.tree.lock().unwrap().get(&path),
    };
    let full = |body: Bytes| Full::new(body).map_err(|never| match never {}).boxed();
    Ok(match answer {
        Answer::Status(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(full(body)).unwrap()
        }
        Answer::Endless => {
            let chunk = Bytes::from(vec![0; 1 << 14]);
            Response::new(StreamBody::new(stream::repeat_with(move || Ok(Frame::data(chunk.clone())))).boxed())
        }
        Answer::Silent => Response::new(StreamBody::new(stream::pending::<Result<Frame<Bytes>, std::io::Error>>()).boxed()),
        Answer::Close => return Err(std::io::ErrorKind::ConnectionReset.into()),
        Answer::Broken(body) => {
            let half = body.slice(..body.len() / 2);
            // What there is goes out while the body has to be waited for.
            let frames = stream::unfold(Some(half), |half| async move {
                match half {
                    Some(half) if !half.is_empty() => Some((Ok(Frame::data(half)), Some(Bytes::new()))),
                    Some(_) => {
                        tokio::task::yield_now().await;
                        Some((Err(std::io::ErrorKind::ConnectionReset.into()), None))
                    }
                    None => None,
                }
            });
            Response::builder().header("content-length", body.len()).body(StreamBody::new(frames).boxed()).unwrap()
        }
    })
}
