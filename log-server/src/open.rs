//! Opening an existing log's directory, for each command that works on one.

use std::io;
use std::path::PathBuf;

use tlog::TreeSize;
use tlog::key::SigningKey;

use crate::anchor::{Anchor, Anchored, OpenAnchorError};
use crate::data_dir::{DataDir, Lock, LockError};
use crate::head::Head;
use crate::startup::{self, StartupError};
use crate::store::{RocksOptions, RocksStore, StoreError};

/// A log's directory cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory does not hold a log.
    #[error("{0} does not hold a log: create one with `acta-log init --dir DIR --origin ORIGIN`, or name the right directory")]
    NoLog(PathBuf),
    /// The directory is in use.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The key cannot be read.
    #[error(transparent)]
    Key(#[from] keyfile::LoadError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log must not be started as it is.
    #[error(transparent)]
    Startup(#[from] StartupError),
    /// The anchor is missing or damaged.
    #[error(
        "{0}. Without it a restored backup cannot be told from the newest state. If you are sure that DIR/db is the newest copy that \
         ever ran, `acta-log adopt --dir DIR` makes a new anchor"
    )]
    Anchor(#[from] OpenAnchorError),
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
    CannotAdopt(#[source] StartupError),
    /// A new anchor cannot be written.
    #[error("cannot write the anchor: {0}")]
    WriteAnchor(#[source] io::Error),
}

/// A log's directory, locked, with its store open.
#[derive(Debug)]
pub struct OpenLog {
    /// Held as long as the store is open.
    pub lock: Lock,
    /// The log's key.
    pub key: SigningKey,
    /// The log's store.
    pub store: RocksStore,
    /// The newest committed head.
    pub head: Head,
}

/// Locks the directory, opens key and store, and makes sure that they belong together.
pub fn open(dir: &DataDir, options: RocksOptions) -> Result<OpenLog, OpenError> {
    // Looked at before the lock, which would make a file in a directory that is not ours.
    if !RocksStore::is_present(&dir.db()) {
        return Err(OpenError::NoLog(dir.root().into()));
    }
    let lock = dir.lock()?;
    let key = keyfile::load_at(&dir.key(), &dir.verifier_key())?;
    let store = RocksStore::open(&dir.db(), options)?;
    let head = startup::check_identity(&store, key.verifier_key())?;
    Ok(OpenLog { lock, key, store, head })
}

/// How many entries the log in `dir` has, once all but the anchor has been checked.
pub fn size(dir: &DataDir, options: RocksOptions) -> Result<TreeSize, OpenError> {
    let log = open(dir, options)?;
    startup::rebuild_edge(&log.store, &log.head)?;
    Ok(log.head.size())
}

/// Makes a new anchor for a log that has none any more. Refused when the log does not have `size` entries, and when an anchor is there
/// that the store contradicts.
pub fn adopt(dir: &DataDir, size: TreeSize, options: RocksOptions) -> Result<Head, OpenError> {
    let OpenLog { lock: _lock, store, head, .. } = open(dir, options)?;
    startup::rebuild_edge(&store, &head)?;
    if head.size() != size {
        return Err(OpenError::OtherSize { asked: size, stored: head.size() });
    }
    match Anchor::open(&dir.anchor()) {
        Ok((_, anchored)) => startup::check_anchor(&store, &head, anchored).map_err(OpenError::CannotAdopt)?,
        Err(OpenAnchorError::Missing | OpenAnchorError::Damaged) => {}
        Err(error) => return Err(error.into()),
    }
    let anchored = Anchored { size: head.size(), root: head.root() };
    Anchor::create(&dir.anchor(), anchored).map_err(OpenError::WriteAnchor)?;
    Ok(head)
}
