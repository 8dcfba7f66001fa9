//! What a log is asked before it may write again: "Never fork" of ARCHITECTURE.md.
//!
//! A log that signs two histories is finished; a log that does not start has an operator who reads why. So everything here that is not
//! certain is a refusal, and each refusal says what was found and what to do.
//!
//! 1. The data directory is locked ([`crate::data_dir`]).
//! 2. It holds a log, of this origin and key ([`check_identity`]).
//! 3. The right edge, rebuilt from the stored tiles, has the root of the stored head; the entries of the last bundles hash to their
//!    leaf hashes; nothing reaches beyond the head ([`rebuild_edge`]).
//! 4. The anchor is this log's, the store is not behind it, and has its root at its size ([`check_anchor`]); and the ledger, where one is
//!    kept, is drawn from all of the entries ([`check_ledger`]).
//! 5. What recovery read back is durable ([`RocksStore::open`] sees to that before it returns; [`crate::open`] sees to it that nothing is
//!    opened for writing before it has passed 2 to 4).
//! 6. The witnesses, where the policy has any, have seen nothing that the store does not have. [`crate::gather`] asks them; entries are
//!    taken in only then. The steps before it need nothing but this machine, so this one alone may take long, and is the only one during
//!    which the log is read already.

use tlog::checkpoint::SignedCheckpoint;
use tlog::key::VerifierKey;
use tlog::merkle::{self, Appender, Node};
use tlog::tiles::{BundleId, TILE_HEIGHT, Tile, TileId, tile_of};
use tlog::{Hash, LeafIndex, TreeSize};

#[cfg(doc)]
use crate::store::RocksStore;

use crate::anchor::Anchored;
use crate::head::Head;
use crate::store::{Admits, Damage, Extent, Store, StoreError};

/// How many of the last bundles have their entries hashed again at every start. A crash can only have hurt what was written last;
/// the rest is for `fsck`.
const BUNDLES_REHASHED: usize = 2;

/// The log must not be started as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartupError {
    /// The store failed or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory belongs to a log of another name.
    #[error("this directory holds the log \"{stored}\", not \"{configured}\": start it with its own key, or create another directory")]
    OtherOrigin {
        /// The origin in the store.
        stored: String,
        /// The origin of the key that was given.
        configured: String,
    },
    /// The directory's log has another key.
    #[error("the key given is not the key of this log (its verifier key is {stored}): two keys for one log would be two logs")]
    OtherKey {
        /// The verifier key in the store.
        stored: String,
    },
    /// The stored head is not a head that this log signed.
    #[error("the stored head does not carry this log's signature: the store is damaged or was changed. Run `acta-log fsck --dir DIR`")]
    HeadNotSigned,
    /// The stored hashes do not give the stored root.
    #[error(
        "the stored hashes give another root than the stored head has at size {size}: the store is damaged or was changed. \
         Run `acta-log fsck --dir DIR`"
    )]
    RootDiffers {
        /// The stored size.
        size: TreeSize,
    },
    /// A stored entry does not hash to its leaf hash.
    #[error(
        "the entry at index {index} is not the one that was published: the store is damaged or was changed. Run `acta-log fsck --dir DIR`"
    )]
    EntryDiffers {
        /// The entry's index.
        index: LeafIndex,
    },
    /// Rows reach beyond the head, or end before it.
    #[error(
        "the store's rows do not end where its head does (head {size}, entries {entries}, leaf hashes {leaf_hashes}, last published head \
         {}): the store is damaged. Run `acta-log fsck --dir DIR`",
        published.map_or("none".to_owned(), |size| size.to_string())
    )]
    ExtentDiffers {
        /// The stored size.
        size: TreeSize,
        /// One more than the last entry's index.
        entries: u64,
        /// One more than the last leaf hash's index.
        leaf_hashes: u64,
        /// The size of the last published head.
        published: Option<u64>,
    },
    /// The store lost commits that were acknowledged.
    #[error(
        "the store ends at size {stored}, but this log has already come to size {anchored}: {} acknowledged entries are missing. The store \
         was cut short, or an older copy was put in its place. Starting it would publish a second history. Bring back the newest copy of \
         DIR/db; only if none exists, and after telling those who hold receipts, read \"After a loss\" in SECURITY.md",
        anchored.as_u64() - stored.as_u64()
    )]
    BehindAnchor {
        /// The store's size.
        stored: TreeSize,
        /// The anchor's size.
        anchored: TreeSize,
    },
    /// The head that was published last is none of this log's.
    #[error(
        "the last published head, kept for size {size}, cannot be read, does not carry this log's signature, or has another root than the \
         stored hashes give: the store is damaged or was changed. Run `acta-log fsck --dir DIR`"
    )]
    BadPublishedHead {
        /// The size that it is kept under.
        size: TreeSize,
    },
    /// The ledger was not drawn from exactly this tree.
    #[error(
        "the ledger, which says who may issue what, {}, and the log has {size} entries: it was being made anew, or its rows were changed. \
         Run `acta-log rebuild-ledger --dir DIR`, which draws it from the entries again",
        ledger.map_or("is missing".to_owned(), |ledger| format!("was drawn from {ledger} entries"))
    )]
    LedgerDiffers {
        /// The size of the tree that the ledger was drawn from, if there is one.
        ledger: Option<TreeSize>,
        /// The stored size.
        size: TreeSize,
    },
    /// The anchor could not be written.
    #[error("the anchor, the file that says how far this log has come, cannot be written: {0}. See the disk's free space and rights")]
    Anchor(std::io::Error),
    /// The anchor is of another log.
    #[error(
        "the anchor, the file that says how far a log has come, is not of the log in DIR/db: the store was brought here from elsewhere. \
         If you are sure that it is the newest copy that ever ran, `acta-log adopt --dir DIR` makes a new anchor for it"
    )]
    OtherAnchor,
    /// The store has another history than the anchor.
    #[error(
        "at size {size} the store has another root than this log had: it holds another history. Starting it would publish that. \
         Bring back the right copy of DIR/db"
    )]
    AnchorRootDiffers {
        /// The anchor's size.
        size: TreeSize,
    },
}

/// Step 2: the store is the one of this key, and the head in it was signed with it. Gives that head.
pub fn check_identity<S: Store>(store: &S, key: &VerifierKey) -> Result<Head, StartupError> {
    let identity = store.identity()?;
    if identity.origin != key.name().as_str() {
        return Err(StartupError::OtherOrigin { stored: identity.origin, configured: key.name().to_string() });
    }
    if identity.verifier_key != key.to_string() {
        return Err(StartupError::OtherKey { stored: identity.verifier_key });
    }
    let tree = store.tree()?;
    let signed = SignedCheckpoint::parse(&tree.checkpoint).map_err(|_| StartupError::HeadNotSigned)?;
    signed.verify_log(std::slice::from_ref(key)).map_err(|_| StartupError::HeadNotSigned)?;
    let head = Head::new(signed);
    if head.size() != tree.size || head.root() != tree.root {
        return Err(StartupError::HeadNotSigned);
    }
    Ok(head)
}

/// Step 3: the right edge of the tree, from the stored tiles, if all at the end of the log fits together.
pub fn rebuild_edge<S: Store>(store: &S, head: &Head) -> Result<Appender, StartupError> {
    let size = head.size();
    let Extent { entries, leaf_hashes, published } = store.extent()?;
    // Where witnesses have to agree, the published head is behind the newest one, and most of all when none of them answered.
    let heads_fit = published.unwrap_or(0) <= size.as_u64();
    if entries != size.as_u64() || leaf_hashes != size.as_u64() || !heads_fit {
        return Err(StartupError::ExtentDiffers { size, entries, leaf_hashes, published });
    }
    let peaks = Appender::peak_nodes(size).into_iter().map(|node| stored_node(store, node, size)).collect::<Result<Vec<_>, _>>()?;
    let edge = Appender::from_peaks(size, peaks).map_err(|_| StartupError::RootDiffers { size })?;
    if edge.root() != head.root() {
        return Err(StartupError::RootDiffers { size });
    }
    let bundles: Vec<BundleId> = last_bundles(size);
    for bundle in bundles {
        check_bundle(store, bundle)?;
    }
    Ok(edge)
}

/// Step 3, too: the head that the world was shown last, if any was. It is one of this very tree: `head` is the newest one.
pub fn last_published<S: Store>(store: &S, key: &VerifierKey, head: &Head) -> Result<Option<Head>, StartupError> {
    let Some(size) = store.extent()?.published.map(TreeSize::new) else { return Ok(None) };
    let bad = StartupError::BadPublishedHead { size };
    let Some((_, bytes)) = store.head_from(size)? else { return Err(bad) };
    let Ok(signed) = SignedCheckpoint::parse(&bytes) else { return Err(bad) };
    let published = Head::new(signed);
    let signed = published.checkpoint().verify_log(std::slice::from_ref(key)).is_ok();
    if !signed || published.size() != size || size > head.size() || published.root() != stored_root(store, size)? {
        return Err(bad);
    }
    Ok(Some(published))
}

/// Step 4: the store has what the anchor says, and maybe more.
pub fn check_anchor<S: Store>(store: &S, head: &Head, anchored: Anchored) -> Result<(), StartupError> {
    if anchored.log_id != store.identity()?.log_id {
        return Err(StartupError::OtherAnchor);
    }
    if head.size() < anchored.size {
        return Err(StartupError::BehindAnchor { stored: head.size(), anchored: anchored.size });
    }
    if stored_root(store, anchored.size)? != anchored.root {
        return Err(StartupError::AnchorRootDiffers { size: anchored.size });
    }
    Ok(())
}

/// A log that takes statements in has its ledger, drawn from the newest tree: with an older one it would admit what must be refused.
pub fn check_ledger<S: Store>(store: &S, head: &Head) -> Result<(), StartupError> {
    if store.identity()?.admits == Admits::Open {
        return Ok(());
    }
    let (ledger, size) = (store.ledger_size()?, head.size());
    if ledger == Some(size) { Ok(()) } else { Err(StartupError::LedgerDiffers { ledger, size }) }
}

/// The root that the stored hashes give at `size`.
pub fn stored_root<S: Store>(store: &S, size: TreeSize) -> Result<Hash, StoreError> {
    merkle::root(size, |node| stored_node(store, node, size))
}

/// The entries of a bundle hash to the leaf hashes of the tile beside it.
pub fn check_bundle<S: Store>(store: &S, bundle: BundleId) -> Result<(), StartupError> {
    let first = bundle.first_index();
    let tile = TileId::new(0, bundle.number(), bundle.width()).ok_or(StoreError::from(Damage::MissingEntry(first.as_u64())))?;
    let leaves = store.tile(tile)?;
    let entries = store.entries(first, bundle.width())?;
    for ((index, entry), leaf) in (first.as_u64()..).zip(&entries).zip(&leaves) {
        if Hash::leaf(entry) != *leaf {
            return Err(StartupError::EntryDiffers { index: LeafIndex::new(index) });
        }
    }
    Ok(())
}

/// The hash of a complete subtree, from the tile of a tree of `size` that has it.
pub(crate) fn stored_node<S: Store>(store: &S, node: Node, size: TreeSize) -> Result<Hash, StoreError> {
    let part = tile_of(node);
    let broken = Damage::BrokenTile { level: part.level, number: part.number, position: part.first };
    let id = TileId::for_size(part.level, part.number, size).ok_or(broken)?;
    let tile = Tile::new(id, store.tile(id)?).ok_or(broken)?;
    tile.node(node.height % TILE_HEIGHT, part.first >> (node.height % TILE_HEIGHT)).ok_or(broken.into())
}

fn last_bundles(size: TreeSize) -> Vec<BundleId> {
    let numbers = size.as_u64().div_ceil(256);
    let from = numbers.saturating_sub(u64::try_from(BUNDLES_REHASHED).expect("2 fits"));
    (from..numbers).filter_map(|number| BundleId::for_size(number, size)).collect()
}

#[cfg(test)]
mod tests;
