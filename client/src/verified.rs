//! A log as one checkpoint describes it, read and checked.
//!
//! Invariant: whatever comes out of a [`VerifiedLog`] was hashed up to the root of a checkpoint that met a policy. The server's own
//! proofs are not used: they are built here, from tiles.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use tlog::checkpoint::Checkpoint;
use tlog::merkle::Appender;
use tlog::policy::{Policy, VerifiedCheckpoint, VerifyPolicyError};
use tlog::proof::{Proof, ProofError};
use tlog::tiles::{AuthenticatedTiles, BundleId, Entries, Plan, PlanError, Resource, Tile, TileError, TileId};
use tlog::{Hash, LeafIndex, TreeSize};

use crate::cache::Cache;
use crate::source::{FetchError, Source, SourceError};
use crate::task::Abort;

/// How many bundles' leaf hashes [`VerifiedLog::find`] authenticates at a time: a few hundred kilobytes.
const BUNDLES_AT_ONCE: u64 = 64;

/// How many bundles [`VerifiedLog::entries`] authenticates by one tile.
const BUNDLES_OF_TILE: u64 = 256;

/// A bundle with more bytes than this is hashed where it keeps nobody waiting.
pub(crate) const MUCH: usize = 1 << 20;

/// A log under one verified checkpoint. Cheap to clone but for the checkpoint.
#[derive(Clone, Debug)]
pub struct VerifiedLog {
    source: Source,
    cache: Option<Cache>,
    head: VerifiedCheckpoint,
}

/// Why something could not be read from a log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It could not be had, or has the wrong shape.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The checkpoint does not meet the policy.
    #[error(transparent)]
    Policy(#[from] VerifyPolicyError),
    /// There is no such entry under this checkpoint.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Tiles that are not the log's.
    #[error(transparent)]
    Tiles(#[from] TileError),
    /// An entry that is not the log's.
    #[error("entry {0} is not what the log signed; the log or what is between serves wrong data, do not rely on it")]
    ForgedEntry(LeafIndex),
    /// The log does not have what was looked for.
    #[error("the log, as of its {0} entries, does not hold this")]
    NotInLog(TreeSize),
    /// The old checkpoint is of another tree.
    #[error("the log's history was changed: its first {old} entries are not what they were under the older checkpoint")]
    Inconsistent {
        /// The older size.
        old: TreeSize,
    },
    /// The old checkpoint has more entries.
    #[error("the log has {new} entries now and had {old} before: it was rolled back, or this server is behind")]
    Shrunk {
        /// The size before.
        old: TreeSize,
        /// The size now.
        new: TreeSize,
    },
    /// An entry too large for a receipt.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// Entries that have been checked, up to 256 of them.
#[derive(Clone, Debug)]
pub struct VerifiedBundle {
    id: BundleId,
    bytes: Bytes,
    leaves: Vec<Hash>,
    tree: Appender,
}

impl ReadError {
    /// Whether it was not to be had, rather than wrong. What is wrong stays wrong on a second attempt.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, ReadError::Source(SourceError::Fetch(_)))
    }
}

impl From<FetchError> for ReadError {
    fn from(error: FetchError) -> Self {
        ReadError::Source(error.into())
    }
}

impl VerifiedLog {
    /// Fetches the log's checkpoint and verifies it under `policy`. Any log of it is believed: see [`Policy::only`].
    pub async fn open(source: Source, policy: &Policy) -> Result<Self, ReadError> {
        let signed = source.checkpoint().await?;
        Ok(VerifiedLog { source, cache: None, head: policy.verify(&signed)? })
    }

    /// The log as an older or newer checkpoint describes it.
    pub fn at(source: Source, head: VerifiedCheckpoint) -> Self {
        VerifiedLog { source, cache: None, head }
    }

    /// The same log under its latest head. Whether that continues this one is for [`VerifiedLog::extends`] to say.
    pub async fn newer(&self, policy: &Policy) -> Result<Self, ReadError> {
        let head = policy.verify(&self.source.checkpoint().await?)?;
        Ok(VerifiedLog { source: self.source.clone(), cache: self.cache.clone(), head })
    }

    /// Keeps full tiles and bundles below `directory` and looks there first. A local log has no need of it and ignores it.
    #[must_use]
    pub fn with_cache(mut self, directory: &std::path::Path) -> Self {
        self.cache = (!self.source.is_local()).then(|| Cache::new(directory, self.checkpoint().origin().as_str()));
        self
    }

    /// The checkpoint that everything is checked against.
    pub fn head(&self) -> &VerifiedCheckpoint {
        &self.head
    }

    /// Origin, size and root.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.head.checkpoint()
    }

    /// How many entries there are under this checkpoint.
    pub fn size(&self) -> TreeSize {
        self.checkpoint().size()
    }

    /// Where it is read from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Fetches what `plan` needs, from the cache first, and authenticates it.
    pub async fn tiles(&self, plan: Plan) -> Result<AuthenticatedTiles, ReadError> {
        let root = *self.checkpoint().root();
        let (cached, missing) = self.cached_tiles(plan.tiles()).await;
        let fetched = self.fetch_tiles(missing).await?;
        let hits: Vec<_> = cached.iter().map(Tile::id).collect();
        match plan.clone().authenticate(root, cached.into_iter().chain(fetched.iter().cloned())) {
            Ok(tiles) => {
                self.cache_tiles(fetched).await;
                Ok(tiles)
            }
            Err(error) if hits.is_empty() => Err(error.into()),
            Err(_) => {
                // Perhaps it is only the cache that is damaged: forget what was taken from it and ask the log itself.
                if let Some(cache) = &self.cache {
                    hits.iter().for_each(|id| cache.remove(Resource::Tile(*id)));
                }
                let again = self.fetch_tiles(hits).await?;
                let tiles = plan.authenticate(root, again.iter().cloned().chain(fetched.iter().cloned()))?;
                self.cache_tiles(again.into_iter().chain(fetched).collect()).await;
                Ok(tiles)
            }
        }
    }

    /// The entry at `index`.
    pub async fn entry(&self, index: LeafIndex) -> Result<Bytes, ReadError> {
        let mut plan = Plan::new(self.size());
        plan.inclusion(index)?;
        let tiles = self.tiles(plan).await?;
        let id = BundleId::containing(index, self.size()).expect("the plan refuses indexes beyond the tree");
        let bundle = self.bundle(id, &tiles).await?;
        let entry = bundle.iter().find(|(at, _)| *at == index).map(|(_, entry)| bundle.bytes.slice_ref(entry));
        Ok(entry.expect("a checked bundle has all of its entries"))
    }

    /// A proof that the entry at `index` is in the log; with `entry`, a receipt that carries it.
    pub async fn prove(&self, index: LeafIndex, entry: Option<&[u8]>) -> Result<Proof, ReadError> {
        let mut plan = Plan::new(self.size());
        plan.inclusion(index)?;
        let tiles = self.tiles(plan).await?;
        if entry.is_some_and(|entry| tiles.leaf(index) != Some(Hash::leaf(entry))) {
            return Err(ReadError::ForgedEntry(index));
        }
        let hashes = tiles.prove_inclusion(index).expect("the plan has what this proof needs");
        Ok(Proof::new(entry.map(<[u8]>::to_vec), index, hashes, self.head.signed().clone())?)
    }

    /// Where the entry with this leaf hash is. `hint` is a place to look first; otherwise every leaf hash of the log is read, so that
    /// [`ReadError::NotInLog`] is a statement that was checked and not a server's word.
    pub async fn find(&self, leaf: &Hash, hint: Option<LeafIndex>) -> Result<LeafIndex, ReadError> {
        if let Some(index) = hint.filter(|index| self.size().contains(*index)) {
            let mut plan = Plan::new(self.size());
            plan.inclusion(index)?;
            if self.tiles(plan).await?.leaf(index) == Some(*leaf) {
                return Ok(index);
            }
        }
        let mut chunks = std::pin::pin!(self.leaf_chunks(0..self.size().as_u64()));
        while let Some((range, tiles)) = chunks.try_next().await? {
            if let Some(index) = range.map(LeafIndex::new).find(|index| tiles.leaf(*index) == Some(*leaf)) {
                return Ok(index);
            }
        }
        Err(ReadError::NotInLog(self.size()))
    }

    /// All entries of bundles that have entries of `range`, in order, fetched and hashed in parallel. After an error there are no more.
    ///
    /// A full bundle is compared as a whole, by the root of its entries: so one tile is fetched for 256 of them, and the tile with the hashes
    /// of its entries only where something is wrong, to say what.
    pub fn entries(&self, range: Range<u64>) -> impl Stream<Item = Result<VerifiedBundle, ReadError>> + Send + '_ {
        let log = Arc::new(self.clone());
        let numbers = range.start / 256..range.end.min(self.size().as_u64()).div_ceil(256);
        let starts =
            (numbers.start / BUNDLES_OF_TILE * BUNDLES_OF_TILE..numbers.end).step_by(usize::try_from(BUNDLES_OF_TILE).expect("small"));
        let roots = stream::iter(starts).map(move |start| {
            let numbers = start.max(numbers.start)..numbers.end.min(start + BUNDLES_OF_TILE);
            async move {
                let mut plan = Plan::new(self.size());
                plan.bundle_roots(numbers.start..numbers.end.min(self.size().as_u64() / 256))?;
                let tiles = Arc::new(self.tiles(plan).await?);
                Ok::<_, ReadError>(stream::iter(numbers.map(move |number| Ok((number, Arc::clone(&tiles))))))
            }
        });
        let bundles = roots.buffered(2).try_flatten().map_ok(move |(number, tiles)| {
            let id = BundleId::for_size(number, log.size()).expect("within the tree");
            let log = Arc::clone(&log);
            // Tasks of their own, so that several processors hash.
            async move { Abort::spawn(async move { log.bundle(id, &tiles).await }).join().await }
        });
        bundles.try_buffered(self.source.concurrency())
    }

    /// Proves that this log continues the one of an `old` checkpoint: same entries, then more.
    pub async fn extends(&self, old: &Checkpoint) -> Result<(), ReadError> {
        if old.size() > self.size() {
            return Err(ReadError::Shrunk { old: old.size(), new: self.size() });
        }
        let same = if old.size() == TreeSize::ZERO {
            *old.root() == Hash::EMPTY_TREE
        } else if old.size() == self.size() {
            old.root() == self.checkpoint().root()
        } else {
            let mut plan = Plan::new(self.size());
            plan.consistency(old.size())?;
            self.tiles(plan).await?.root_at(old.size()) == Some(*old.root())
        };
        if same { Ok(()) } else { Err(ReadError::Inconsistent { old: old.size() }) }
    }

    /// Authenticated leaf hashes, some bundles at a time.
    fn leaf_chunks(&self, range: Range<u64>) -> impl Stream<Item = Result<(Range<u64>, AuthenticatedTiles), ReadError>> + Send + '_ {
        let step = BUNDLES_AT_ONCE * 256;
        let end = range.end.min(self.size().as_u64());
        let starts = (range.start / 256 * 256..end).step_by(usize::try_from(step).expect("small"));
        stream::iter(starts).then(move |start| async move {
            let range = start..end.min(start + step);
            let mut plan = Plan::new(self.size());
            plan.leaves(range.clone())?;
            Ok((range, self.tiles(plan).await?))
        })
    }

    /// A bundle with the root, or leaf hashes, that `tiles` have.
    async fn bundle(&self, id: BundleId, tiles: &AuthenticatedTiles) -> Result<VerifiedBundle, ReadError> {
        let resource = Resource::Bundle(id);
        if let Some(cache) = self.cache.clone() {
            let read = tokio::task::spawn_blocking(move || (cache.get(resource), cache));
            if let (Some(bytes), cache) = read.await.expect("reading a file does not panic and is not cancelled") {
                if let Ok(bundle) = VerifiedBundle::check(id, bytes.into(), tiles).await {
                    return Ok(bundle);
                }
                cache.remove(resource);
            }
        }
        let bundle = match VerifiedBundle::check(id, self.source.bundle(id).await?, tiles).await {
            Ok(bundle) => bundle,
            Err(Forged { at: Some(index), .. }) => return Err(ReadError::ForgedEntry(index)),
            Err(Forged { leaves, at: None }) => return Err(self.forged(id, &leaves).await?),
        };
        if let Some(cache) = self.cache.clone() {
            let bytes = bundle.bytes.clone();
            let written = tokio::task::spawn_blocking(move || cache.put(resource, &bytes));
            written.await.expect("writing a file does not panic and is not cancelled");
        }
        Ok(bundle)
    }

    /// Which entry of a bundle is not the log's, if its leaf hashes are `leaves`.
    async fn forged(&self, id: BundleId, leaves: &[Hash]) -> Result<ReadError, ReadError> {
        let first = id.first_index().as_u64();
        let mut plan = Plan::new(self.size());
        plan.leaves(first..first + u64::from(id.width()))?;
        let tiles = self.tiles(plan).await?;
        let mut indexes = (first..).map(LeafIndex::new).zip(leaves);
        let wrong = indexes.find(|(index, leaf)| tiles.leaf(*index).as_ref() != Some(*leaf));
        Ok(ReadError::ForgedEntry(wrong.map_or(id.first_index(), |(index, _)| index)))
    }

    async fn fetch_tiles(&self, ids: Vec<TileId>) -> Result<Vec<Tile>, SourceError> {
        stream::iter(ids).map(|id| self.source.tile(id)).buffer_unordered(self.source.concurrency()).try_collect().await
    }

    /// The tiles that are in the cache, and the ids of those that are not.
    async fn cached_tiles(&self, ids: Vec<TileId>) -> (Vec<Tile>, Vec<TileId>) {
        let Some(cache) = self.cache.clone() else { return (Vec::new(), ids) };
        let read = move || {
            let get = |id: &TileId| cache.get(Resource::Tile(*id)).and_then(|bytes| Tile::parse(*id, &bytes).ok());
            let cached: Vec<_> = ids.iter().filter_map(get).collect();
            let missing = ids.into_iter().filter(|id| !cached.iter().any(|tile: &Tile| tile.id() == *id)).collect();
            (cached, missing)
        };
        tokio::task::spawn_blocking(read).await.expect("reading files does not panic and is not cancelled")
    }

    async fn cache_tiles(&self, tiles: Vec<Tile>) {
        let Some(cache) = self.cache.clone() else { return };
        let write = move || tiles.iter().for_each(|tile| cache.put(Resource::Tile(tile.id()), &tile.to_bytes()));
        tokio::task::spawn_blocking(write).await.expect("writing files does not panic and is not cancelled");
    }
}

impl VerifiedBundle {
    /// The index of the first entry.
    pub fn first_index(&self) -> LeafIndex {
        self.id.first_index()
    }

    /// How many entries.
    pub fn len(&self) -> u16 {
        self.id.width()
    }

    /// Never: a bundle has at least one entry.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// How many bytes it takes.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// The entries with their indexes.
    pub fn iter(&self) -> impl Iterator<Item = (LeafIndex, &[u8])> {
        (self.first_index().as_u64()..).map(LeafIndex::new).zip(Entries::new(&self.bytes).flatten())
    }

    /// The leaf hashes of the entries.
    pub fn leaves(&self) -> &[Hash] {
        &self.leaves
    }

    /// The tree of these entries alone, as it was computed from them.
    pub fn tree(&self) -> &Appender {
        &self.tree
    }

    /// The bytes as tlog-tiles serves them.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Which bundle it is, and how many entries it has.
    pub fn id(&self) -> BundleId {
        self.id
    }

    async fn check(id: BundleId, bytes: Bytes, tiles: &AuthenticatedTiles) -> Result<Self, Forged> {
        let leaves = if bytes.len() > MUCH {
            let hashing = {
                let bytes = bytes.clone();
                tokio::task::spawn_blocking(move || leaves_of(id, &bytes))
            };
            hashing.await.expect("hashing does not panic and is not cancelled")
        } else {
            leaves_of(id, &bytes)
        };
        // What cannot be split into entries is no more the log's than what can.
        let leaves = leaves.map_err(|at| Forged { leaves: Vec::new(), at: Some(at) })?;
        let tree = tree_of(&leaves);
        let mut indexes = (id.first_index().as_u64()..).map(LeafIndex::new).zip(&leaves);
        if id.is_full() {
            if tiles.bundle_root(id.number()) == Some(tree.root()) {
                return Ok(VerifiedBundle { id, bytes, leaves, tree });
            }
            let known = |index: &LeafIndex| tiles.leaf(*index).is_some();
            let at = indexes.find(|(index, leaf)| known(index) && tiles.leaf(*index).as_ref() != Some(*leaf)).map(|(index, _)| index);
            return Err(Forged { at, leaves });
        }
        match indexes.find(|(index, leaf)| tiles.leaf(*index).as_ref() != Some(*leaf)) {
            Some((index, _)) => Err(Forged { at: Some(index), leaves }),
            None => Ok(VerifiedBundle { id, bytes, leaves, tree }),
        }
    }
}

fn tree_of(leaves: &[Hash]) -> Appender {
    let mut tree = Appender::new();
    for leaf in leaves {
        tree.append(*leaf, |_, _| ()).expect("a bundle is smaller than the largest tree");
    }
    tree
}

/// A bundle that is not the log's.
struct Forged {
    leaves: Vec<Hash>,
    /// The first entry that is wrong, if the tiles say which.
    at: Option<LeafIndex>,
}

/// The leaf hashes of exactly as many entries as the bundle has, or where it ends too early or too late.
fn leaves_of(id: BundleId, bytes: &[u8]) -> Result<Vec<Hash>, LeafIndex> {
    let mut leaves = Vec::with_capacity(usize::from(id.width()));
    let mut entries = Entries::new(bytes);
    for index in (id.first_index().as_u64()..).take(usize::from(id.width())) {
        match entries.next() {
            Some(Ok(entry)) => leaves.push(Hash::leaf(entry)),
            None | Some(Err(_)) => return Err(LeafIndex::new(index)),
        }
    }
    if entries.rest().is_empty() { Ok(leaves) } else { Err(id.first_index()) }
}
