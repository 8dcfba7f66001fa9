//! Bytes of a log, from a server or a directory. Nothing here is checked beyond its size and shape; see
//! [`verified`](crate::verified) for that.
//!
//! Invariant: whatever is at the other end, memory and time are bounded. Every resource has a known largest size, and no more is read;
//! a server that trickles, redirects, or answers nothing is given up on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tlog::LeafIndex;
use tlog::checkpoint::SignedCheckpoint;
use tlog::note::MAX_NOTE;
use tlog::proof::{MAX_PROOF_FILE, Proof};
use tlog::tiles::{BundleId, Entries, MAX_ENTRY, MalformedBundle, MalformedTile, Resource, Tile, TileId};

use crate::location::Location;

mod directory;
pub(crate) mod http;
mod retry;
mod tls;

pub use http::{FetchError, Http, Problem};
pub use tls::{CaFileError, config as tls_config, read_ca_file};

/// A certificate authority to trust besides the web's; see [`read_ca_file`].
pub type Authority = rustls::pki_types::CertificateDer<'static>;

/// How to talk to a log.
#[derive(Clone, Debug)]
pub struct Options {
    /// For how long to try again when the log is away or busy, in all, for each request.
    pub wait: Duration,
    /// The longest that one request may go without a byte of its answer. Below `wait`, so that there is time to ask again; and above the ten
    /// seconds after which a log that waits for its witnesses answers without a receipt.
    pub idle: Duration,
    /// The longest that one request may take.
    pub timeout: Duration,
    /// How many requests run at the same time.
    pub concurrency: usize,
    /// Certificate authorities to trust besides the web's.
    pub authorities: Vec<Authority>,
}

impl Default for Options {
    fn default() -> Self {
        let (wait, idle, timeout) = (Duration::from_secs(20), Duration::from_secs(12), Duration::from_secs(60));
        Options { wait, idle, timeout, concurrency: 16, authorities: Vec::new() }
    }
}

/// A log as bytes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Source {
    kind: Kind,
    concurrency: usize,
}

#[derive(Clone, Debug)]
enum Kind {
    Http(Arc<Http>),
    Directory(Arc<directory::Directory>),
}

/// Why bytes of the right shape could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// They could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// What came is no checkpoint.
    #[error("the log's checkpoint is malformed: {0}; is this the URL of a log?")]
    Checkpoint(#[from] tlog::checkpoint::SignedCheckpointError),
    /// What came is no tile.
    #[error("the log sent a malformed tile: {0}")]
    Tile(#[from] MalformedTile),
    /// What came is no bundle.
    #[error("the log sent {id} malformed: {reason}")]
    Bundle {
        /// Which bundle.
        id: BundleId,
        /// What is wrong with it.
        reason: MalformedBundle,
    },
}

impl Source {
    /// Prepares to read from `location`. Nothing is fetched yet.
    pub fn new(location: &Location, options: &Options) -> Result<Self, FetchError> {
        let kind = match location {
            Location::Remote(url) => Kind::Http(Arc::new(Http::new(url.clone(), options)?)),
            Location::Directory(path) => Kind::Directory(Arc::new(directory::Directory::new(path.clone()))),
        };
        Ok(Source { kind, concurrency: options.concurrency.max(1) })
    }

    /// How many requests to run at the same time.
    pub fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// Whether it is this machine's own directory, which needs no cache.
    pub fn is_local(&self) -> bool {
        matches!(self.kind, Kind::Directory(_))
    }

    /// The server, if it is one: for what static files cannot answer.
    pub fn server(&self) -> Option<&Arc<Http>> {
        match &self.kind {
            Kind::Http(http) => Some(http),
            Kind::Directory(_) => None,
        }
    }

    /// The latest checkpoint, well formed and not yet verified.
    pub async fn checkpoint(&self) -> Result<SignedCheckpoint, SourceError> {
        let bytes = self.get("checkpoint", MAX_NOTE).await?;
        Ok(SignedCheckpoint::parse(&bytes)?)
    }

    /// A tile of the right length. Where the log has only the full tile left, the partial one is cut from it.
    pub async fn tile(&self, id: TileId) -> Result<Tile, SourceError> {
        // SPEC: tlog-tiles §Partial Tiles: a log may delete a partial tile once the full one exists.
        match self.exact_tile(id).await {
            Err(SourceError::Fetch(FetchError::NotFound { .. })) if !id.is_full() => {
                let full = self.exact_tile(id.full()).await?;
                Ok(full.cut(id.width()).expect("a full tile is wider than any partial one"))
            }
            other => other,
        }
    }

    async fn exact_tile(&self, id: TileId) -> Result<Tile, SourceError> {
        let bytes = self.get(&Resource::Tile(id).path(), usize::from(id.width()) * tlog::Hash::LEN).await?;
        Ok(Tile::parse(id, &bytes)?)
    }

    /// A bundle of exactly as many entries as `id` says.
    pub async fn bundle(&self, id: BundleId) -> Result<Bytes, SourceError> {
        match self.get(&id.path(), largest_bundle(id)).await {
            Err(FetchError::NotFound { .. }) if !id.is_full() => {
                let full = self.get(&id.full().path(), largest_bundle(id.full())).await?;
                cut_bundle(id, &full, true)
            }
            Ok(bytes) => cut_bundle(id, &bytes, false),
            Err(error) => Err(error.into()),
        }
    }

    /// Where the log says that an entry with this leaf hash is; to be checked. `None` if it says nothing of use.
    pub async fn index_hint(&self, leaf: &tlog::Hash) -> Option<LeafIndex> {
        let answer = self.server()?.get(&format!("proof/leaf/{leaf}"), MAX_PROOF_FILE).await.ok()?;
        Some(Proof::parse(&answer).ok()?.index())
    }

    /// The first head that the log published over the entry at `index`, well formed and not yet verified; `None` if it says of none.
    pub async fn head_covering(&self, index: LeafIndex) -> Result<Option<SignedCheckpoint>, SourceError> {
        match self.get(&format!("head/covering/{index}"), MAX_NOTE).await {
            Ok(bytes) => Ok(Some(SignedCheckpoint::parse(&bytes)?)),
            Err(FetchError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn get(&self, path: &str, limit: usize) -> Result<Bytes, FetchError> {
        match &self.kind {
            Kind::Http(http) => http.get(path, limit).await,
            Kind::Directory(directory) => directory.get(path, limit).await,
        }
    }
}

/// The most bytes that a bundle can have.
fn largest_bundle(id: BundleId) -> usize {
    usize::from(id.width()) * (2 + MAX_ENTRY)
}

/// The first entries of a bundle, as many as `id` says; more than these are an error unless `longer`.
fn cut_bundle(id: BundleId, bytes: &Bytes, longer: bool) -> Result<Bytes, SourceError> {
    let malformed = |reason| SourceError::Bundle { id, reason };
    let mut entries = Entries::new(bytes);
    for found in 0..id.width() {
        let missing = MalformedBundle::TooFew { expected: id.width(), found };
        entries.next().ok_or(malformed(missing))?.map_err(malformed)?;
    }
    let rest = entries.rest().len();
    if rest > 0 && !longer {
        return Err(malformed(MalformedBundle::TooMany { expected: id.width() }));
    }
    Ok(bytes.slice(..bytes.len() - rest))
}
