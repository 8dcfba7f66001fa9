//! Reading a whole log again: every entry hashed, every tile compared, and the root that comes out compared with the signed one.
//!
//! What it adds to reading with proofs: it shows that *all* of the log is there and fits, and, with the head of the last audit, that
//! nothing of what was seen then is gone or changed.
//!
//! How it is fast: bundles are independent of each other up to their own 256 leaves. Each is fetched, hashed and compared with its
//! level-0 tile on its own, in a task of its own; what remains to be done in order is one node hash for a bundle. That works
//! because the root of a full bundle is a leaf of the tree of bundles: an [`Appender`] that is fed those computes the same nodes, 8
//! heights up. Entries are hashed where they lie in the bundle.

use std::fmt;
use std::path::PathBuf;

use futures_util::{StreamExt, TryStreamExt, stream};
use tlog::merkle::{Appender, AppenderError, Node};
use tlog::policy::Policy;
use tlog::tiles::{BundleId, Entries, TILE_HEIGHT, TILE_WIDTH, Tile, TileId, bundles_of};
use tlog::{Hash, LeafIndex, TreeSize};

use crate::source::{Source, SourceError};
use crate::task::Abort;
use crate::verified::{MUCH, ReadError, VerifiedLog};
use crate::{evidence, terminal};

mod heads;

pub use heads::{ConflictingHeads, HeadStore, HeadStoreError};

/// How an audit ended well.
#[derive(Clone, Debug)]
pub struct Audited {
    /// How many entries were read.
    pub entries: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// The size at the audit before, if there was one.
    pub previous: Option<TreeSize>,
}

/// Why an audit did not pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// Something could not be read, or failed its check.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A tile differs from what the entries hash to.
    #[error("{tile} is not what the log's entries hash to; what the log serves does not fit together, do not rely on it")]
    WrongTile {
        /// Which tile.
        tile: TileId,
    },
    /// The root differs.
    #[error("the log's entries do not hash to the root hash that it signed; what it serves is not what it signed, do not rely on it")]
    WrongRoot,
    /// The size is impossible.
    #[error(transparent)]
    Appender(#[from] AppenderError),
    /// Two heads that cannot both be of one log.
    #[error("{source}. {}", evidence)]
    Conflict {
        /// What is wrong between them.
        source: ReadError,
        /// Both.
        evidence: Box<Evidence>,
    },
    /// The log did not show that its head continues the one of the last audit.
    #[error("the log did not show that it continues what the last audit saw: {source}. {}", evidence)]
    Unproven {
        /// Why it could not be shown.
        source: ReadError,
        /// Both heads.
        evidence: Box<Evidence>,
    },
    /// The last audit's head could not be read or kept.
    #[error(transparent)]
    Heads(#[from] HeadStoreError),
}

impl AuditError {
    /// Whether the log could not be read, rather than being wrong.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, AuditError::Read(error) | AuditError::Unproven { source: error, .. } if error.is_unavailable())
    }
}

/// Two heads of a log that could not be brought together, and where they are.
#[derive(Debug)]
pub struct Evidence {
    /// The heads.
    pub heads: ConflictingHeads,
    /// In which file both are, or why they could not be written.
    pub kept: Result<PathBuf, HeadStoreError>,
    /// The file that convicts the log by itself ([`tlog::evidence`]), if what it served is enough for one.
    pub convicts: Option<PathBuf>,
}

/// What to do with them. What a full disk keeps from a file goes into the message: it may be all the evidence there is.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kept {
            Ok(path) => {
                write!(f, "Both heads are kept in {}: keep that file, and show it to others who use this log", terminal::path(path))?;
                match &self.convicts {
                    Some(path) => write!(
                        f,
                        ". And give them {0}, which convicts the log by itself: acta verify --evidence {0} --policy POLICY",
                        terminal::path(path)
                    ),
                    None => Ok(()),
                }
            }
            Err(error) => write!(
                f,
                "Both heads could not be kept ({error}). Save the lines below as a file, and show it to others who use this log:\n{}",
                self.heads.to_printable()
            ),
        }
    }
}

impl From<SourceError> for AuditError {
    fn from(error: SourceError) -> Self {
        AuditError::Read(error.into())
    }
}

/// Audits the log under its head, and keeps that head in `heads` if all is well. With an older head there, the new one must
/// continue it; if it does not, or the log does not show that it does, both are kept as evidence. `progress` as for [`check_all`].
pub async fn audit(log: &VerifiedLog, policy: &Policy, heads: &HeadStore, progress: impl Fn(u64, u64)) -> Result<Audited, AuditError> {
    let previous = heads.last(log, policy)?;
    if let Some(old) = &previous {
        match log.extends(old.checkpoint()).await {
            Ok(()) => {}
            Err(source @ (ReadError::Inconsistent { .. } | ReadError::Shrunk { .. })) => {
                let convicts = evidence::against(log, old, &policy.log_keys()).await;
                let evidence = Box::new(heads.keep_pair(ConflictingHeads::FORMAT, old, log, convicts));
                return Err(AuditError::Conflict { source, evidence });
            }
            // Whoever hides a fork can withhold the proof of it.
            Err(source) => {
                let evidence = Box::new(heads.keep_pair(ConflictingHeads::FORMAT_UNPROVEN, old, log, None));
                return Err(AuditError::Unproven { source, evidence });
            }
        }
    }
    let (entries, bytes) = check_all(log, progress).await?;
    heads.keep(log, previous.as_ref())?;
    Ok(Audited { entries, bytes, previous: previous.map(|old| old.checkpoint().size()) })
}

/// Reads everything under the log's head; `progress` is told entries and bytes of each bundle that has been checked. Gives the number of entries and their bytes.
pub async fn check_all(log: &VerifiedLog, progress: impl Fn(u64, u64)) -> Result<(u64, u64), AuditError> {
    let size = log.size();
    let source = log.source().clone();
    let checks = bundles_of(size).map(|id| Abort::spawn(check_bundle(source.clone(), id)));
    // Each is a task of its own, so that they go on while this one waits for a tile.
    let mut checked = stream::iter(checks).map(Abort::join).buffered(log.source().concurrency());
    let mut upper = UpperTiles { source: source.clone(), size, open: Vec::new() };
    let mut bundles = Appender::new();
    let mut last = Appender::new();
    let (mut entries, mut bytes) = (0, 0);
    while let Some(bundle) = checked.try_next().await? {
        match bundle.tree {
            BundleTree::Full(root) => {
                let mut completed = Vec::new();
                bundles.append(root, |node, hash| completed.push((node, hash)))?;
                upper.add(&completed).await?;
            }
            BundleTree::Partial(tree) => last = tree,
        }
        entries += u64::from(bundle.id.width());
        bytes += bundle.bytes;
        progress(u64::from(bundle.id.width()), bundle.bytes);
    }
    upper.finish().await?;
    // Largest subtrees first: those of whole bundles, then those of the last one.
    let peaks = [bundles.peaks(), last.peaks()].concat();
    if Appender::from_peaks(size, peaks)?.root() != *log.checkpoint().root() {
        return Err(AuditError::WrongRoot);
    }
    Ok((entries, bytes))
}

/// A bundle that fits its level-0 tile.
struct CheckedBundle {
    id: BundleId,
    tree: BundleTree,
    bytes: u64,
}

enum BundleTree {
    Full(Hash),
    Partial(Appender),
}

async fn check_bundle(source: Source, id: BundleId) -> Result<CheckedBundle, AuditError> {
    let (bundle, tile) = tokio::try_join!(source.bundle(id), source.tile(id.tile()))?;
    if bundle.len() <= MUCH {
        return hash_bundle(id, &bundle, &tile);
    }
    let hashing = tokio::task::spawn_blocking(move || hash_bundle(id, &bundle, &tile));
    hashing.await.expect("hashing does not panic and is not cancelled")
}

fn hash_bundle(id: BundleId, bundle: &[u8], tile: &Tile) -> Result<CheckedBundle, AuditError> {
    let mut tree = Appender::new();
    let (mut indexes, mut bytes) = (id.first_index().as_u64().., 0);
    let mut wanted = tile.hashes().iter();
    for (entry, index) in Entries::new(bundle).zip(&mut indexes) {
        let entry = entry.map_err(|reason| SourceError::Bundle { id, reason })?;
        let leaf = Hash::leaf(entry);
        if wanted.next() != Some(&leaf) {
            return Err(ReadError::ForgedEntry(LeafIndex::new(index)).into());
        }
        bytes += u64::try_from(entry.len()).expect("at most 65,535");
        tree.append(leaf, |_, _| ())?;
    }
    let tree = if id.is_full() { BundleTree::Full(tree.root()) } else { BundleTree::Partial(tree) };
    Ok(CheckedBundle { id, tree, bytes })
}

/// The tiles of levels 1 and up, as they come to be while bundles are appended.
struct UpperTiles {
    source: Source,
    size: TreeSize,
    /// Level 1 first: the number of the tile that is growing, and its hashes so far.
    open: Vec<(u64, Vec<Hash>)>,
}

impl UpperTiles {
    /// Takes the nodes that one bundle completed. Their heights are counted from the bundles.
    async fn add(&mut self, completed: &[(Node, Hash)]) -> Result<(), AuditError> {
        for (node, hash) in completed.iter().filter(|(node, _)| node.height % TILE_HEIGHT == 0) {
            let place = usize::from(node.height / TILE_HEIGHT);
            if place == self.open.len() {
                self.open.push((0, Vec::with_capacity(usize::from(TILE_WIDTH))));
            }
            let (number, hashes) = &mut self.open[place];
            hashes.push(*hash);
            if hashes.len() == usize::from(TILE_WIDTH) {
                let (number, hashes) = (std::mem::replace(number, *number + 1), std::mem::take(hashes));
                self.compare(place, number, hashes).await?;
            }
        }
        Ok(())
    }

    /// Compares the partial tiles that are left.
    async fn finish(mut self) -> Result<(), AuditError> {
        for (place, (number, hashes)) in std::mem::take(&mut self.open).into_iter().enumerate() {
            if !hashes.is_empty() {
                self.compare(place, number, hashes).await?;
            }
        }
        Ok(())
    }

    async fn compare(&self, place: usize, number: u64, hashes: Vec<Hash>) -> Result<(), AuditError> {
        let level = u8::try_from(place + 1).expect("there are at most 8 levels");
        let tile = TileId::for_size(level, number, self.size).expect("its hashes have been computed");
        if self.source.tile(tile).await?.hashes() != hashes { Err(AuditError::WrongTile { tile }) } else { Ok(()) }
    }
}
