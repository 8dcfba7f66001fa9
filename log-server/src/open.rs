//! Opening an existing log's directory, for each command that works on one.
//!
//! There are two ways. [`look`] changes nothing: the store is opened for reading, and a store that is not in order stays as it was found.
//! [`claim`] first looks, makes all checks, the anchor's too, and only then opens the store for writing: opening for writing throws away
//! what recovery could not read.

use std::path::PathBuf;

use tlog::TreeSize;
use tlog::key::VerifierKey;

use crate::anchor::{Anchor, Anchored, OpenAnchorError};
use crate::data_dir::{DataDir, Lock, LockError};
use crate::head::Head;
use crate::startup::{self, StartupError};
use crate::store::{RocksOptions, RocksStore, Store, StoreError};

/// A log's directory cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory does not hold a log.
    #[error("{0} does not hold a log: create one with `acta-log init`, or name the right directory")]
    NoLog(PathBuf),
    /// The directory has a log's anchor but no store.
    #[error(
        "{0} held a log, but its store (the directory db) is gone or empty: bring back the newest copy of it. If an `acta-log init` was \
         cut short here and nothing was ever served, remove the directory and create the log again"
    )]
    NoStore(PathBuf),
    /// The directory is in use.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A key cannot be read.
    #[error(transparent)]
    Key(#[from] keyfile::LoadError),
    /// The verifier key is missing.
    #[error("{0} is missing: bring back the log's verifier key, which everybody has who reads the log")]
    NoVerifierKey(PathBuf),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log must not be started as it is.
    #[error(transparent)]
    Startup(#[from] StartupError),
    /// The anchor is missing or damaged.
    #[error(
        "{0}. Without it an older copy cannot be told from the newest state. If you are sure that DIR/db is the newest copy that ever \
         ran, `acta-log adopt --dir DIR` makes a new anchor"
    )]
    Anchor(OpenAnchorError),
    /// The log does not have the size that the operator expects.
    #[error("the log has {stored} entries, not {asked}: this is not the copy you think it is")]
    OtherSize {
        /// The size that was asked for.
        asked: TreeSize,
        /// The size in the store.
        stored: TreeSize,
    },
    /// The anchor shows that the store lost entries, so it cannot be adopted.
    #[error("this log cannot be adopted: {0}")]
    CannotAdopt(StartupError),
}

/// A log's directory, locked, with its store open for reading. Key, origin and head belong together.
#[derive(Debug)]
pub struct Look {
    /// Held as long as the store is open.
    pub lock: Lock,
    /// The log's verifier key.
    pub key: VerifierKey,
    /// The log's store, for reading.
    pub store: RocksStore,
    /// The newest committed head.
    pub head: Head,
    /// What the anchor says.
    pub anchored: Result<Anchored, OpenAnchorError>,
}

/// A log's directory, locked, checked, with its store open for writing and its anchor at its head.
#[derive(Debug)]
pub struct Claim {
    /// Held as long as the store is open.
    pub lock: Lock,
    /// The log's store.
    pub store: RocksStore,
    /// The newest committed head.
    pub head: Head,
    /// The head that the world was shown last, if any was.
    pub published: Option<Head>,
    /// The anchor.
    pub anchor: Anchor,
    /// What it says: the head's size and root.
    pub anchored: Anchored,
}

/// Locks the directory and opens the store for reading; changes nothing. The anchor is read but not compared.
pub fn look(dir: &DataDir, options: RocksOptions) -> Result<Look, OpenError> {
    // Looked at before the lock, which would make a file in a directory that is not ours.
    if !RocksStore::is_present(&dir.db()) {
        let ours = dir.anchor().exists() || dir.key().exists();
        return Err(if ours { OpenError::NoStore(dir.root().into()) } else { OpenError::NoLog(dir.root().into()) });
    }
    let lock = dir.lock()?;
    let key = keyfile::load_verifier_key_at(&dir.verifier_key())?.ok_or(OpenError::NoVerifierKey(dir.verifier_key()))?;
    let store = RocksStore::open_read_only(&dir.db(), options)?;
    let head = startup::check_identity(&store, &key)?;
    let anchored = Anchor::open(&dir.anchor()).map(|(_, anchored)| anchored);
    Ok(Look { lock, key, store, head, anchored })
}

/// Makes all the checks of a start, then opens the store for writing and brings the anchor up to its head.
pub fn claim(dir: &DataDir, options: RocksOptions) -> Result<Claim, OpenError> {
    let Look { lock, key, store, head, anchored } = look(dir, options)?;
    startup::rebuild_edge(&store, &head)?;
    let published = startup::last_published(&store, &key, &head)?;
    startup::check_anchor(&store, &head, anchored.map_err(OpenError::Anchor)?)?;
    drop(store);
    let store = RocksStore::open(&dir.db(), options)?;
    let head = startup::check_identity(&store, &key)?;
    let (mut anchor, anchored) = Anchor::open(&dir.anchor()).map_err(OpenError::Anchor)?;
    startup::check_anchor(&store, &head, anchored)?;
    // The store may be one commit ahead. Nothing of that commit leaves before the anchor has it.
    let anchored = head.anchored(anchored.log_id);
    anchor.record(anchored).map_err(StartupError::Anchor)?;
    Ok(Claim { lock, store, head, published, anchor, anchored })
}

/// How many entries the log in `dir` has, once all but the anchor has been checked.
pub fn size(dir: &DataDir, options: RocksOptions) -> Result<TreeSize, OpenError> {
    let log = look(dir, options)?;
    startup::rebuild_edge(&log.store, &log.head)?;
    Ok(log.head.size())
}

/// Makes a new anchor for a log that has none any more. Refused when the log does not have `size` entries, and when an anchor of this
/// log is there that the store contradicts.
pub fn adopt(dir: &DataDir, size: TreeSize, options: RocksOptions) -> Result<Head, OpenError> {
    let Look { lock: _lock, store, head, anchored, .. } = look(dir, options)?;
    startup::rebuild_edge(&store, &head)?;
    if head.size() != size {
        return Err(OpenError::OtherSize { asked: size, stored: head.size() });
    }
    match anchored.map(|anchored| startup::check_anchor(&store, &head, anchored)) {
        Ok(Ok(()) | Err(StartupError::OtherAnchor)) | Err(OpenAnchorError::Missing | OpenAnchorError::Damaged) => {}
        Ok(Err(refusal)) => return Err(OpenError::CannotAdopt(refusal)),
        Err(error) => return Err(OpenError::Anchor(error)),
    }
    let log_id = store.identity()?.log_id;
    drop(store);
    // What recovery reads has to be on the disk before the anchor vouches for it.
    drop(RocksStore::open(&dir.db(), options)?);
    Anchor::create(&dir.anchor(), head.anchored(log_id)).map_err(StartupError::Anchor)?;
    Ok(head)
}
