//! A log as one checkpoint describes it, read and checked.
//!
//! Invariant: whatever comes out of a [`VerifiedLog`] was hashed up to the root of a checkpoint that met a policy. The server's own
//! proofs are not used: they are built here, from tiles.

use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use tlog::checkpoint::Checkpoint;
use tlog::policy::{Policy, VerifiedCheckpoint, VerifyPolicyError};
use tlog::proof::{Proof, ProofError};
use tlog::tiles::{AuthenticatedTiles, BundleError, BundleId, Entries, Plan, PlanError, Resource, Tile, TileError, TileId};
use tlog::{Hash, LeafIndex, TreeSize};

use crate::cache::Cache;
use crate::source::{FetchError, Source, SourceError};

/// How many bundles [`VerifiedLog::entries`] authenticates at a time: 16,384 entries, and a few hundred kilobytes of hashes.
const BUNDLES_AT_ONCE: u64 = 64;

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

    /// All entries of bundles that have entries of `range`, in order, fetched in parallel.
    pub fn entries(&self, range: Range<u64>) -> impl Stream<Item = Result<VerifiedBundle, ReadError>> + Send + '_ {
        let read = move |(range, tiles): (Range<u64>, AuthenticatedTiles)| {
            let tiles = std::sync::Arc::new(tiles);
            let numbers = range.start / 256..range.end.div_ceil(256);
            let bundles = stream::iter(numbers.filter_map(|number| BundleId::for_size(number, self.size())));
            let bundles = bundles.map(move |id| {
                let tiles = std::sync::Arc::clone(&tiles);
                async move { self.bundle(id, &tiles).await }
            });
            bundles.buffered(self.source.concurrency())
        };
        self.leaf_chunks(range).map_ok(read).try_flatten()
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

    /// A bundle whose entries have the leaf hashes that `tiles` say.
    async fn bundle(&self, id: BundleId, tiles: &AuthenticatedTiles) -> Result<VerifiedBundle, ReadError> {
        let resource = Resource::Bundle(id);
        if let Some(cache) = self.cache.clone() {
            let read = tokio::task::spawn_blocking(move || (cache.get(resource), cache));
            if let (Some(bytes), cache) = read.await.expect("reading a file does not panic and is not cancelled") {
                let bundle = VerifiedBundle { id, bytes: bytes.into() };
                if bundle.check(tiles).is_ok() {
                    return Ok(bundle);
                }
                cache.remove(resource);
            }
        }
        let bundle = VerifiedBundle { id, bytes: self.source.bundle(id).await? };
        bundle.check(tiles)?;
        if let Some(cache) = self.cache.clone() {
            let bytes = bundle.bytes.clone();
            let written = tokio::task::spawn_blocking(move || cache.put(resource, &bytes));
            written.await.expect("writing a file does not panic and is not cancelled");
        }
        Ok(bundle)
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

    /// Refuses unless it has exactly its entries, each with the right hash.
    fn check(&self, tiles: &AuthenticatedTiles) -> Result<(), ReadError> {
        tiles.entries(self.id, &self.bytes).map(drop).map_err(|error| match error {
            BundleError::Forged(index) => ReadError::ForgedEntry(index),
            // What cannot be split into entries is no more the log's than what can.
            _ => ReadError::ForgedEntry(self.first_index()),
        })
    }
}
