//! Opening an existing log's directory, for each command that works on one.

use std::io;
use std::path::PathBuf;

use tlog::key::SigningKey;

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
}

/// Locks the directory, and opens key and store. Nothing is checked of the store yet.
pub fn open(dir: &DataDir, options: RocksOptions) -> Result<OpenLog, OpenError> {
    // Looked at before the lock, which would make a file in a directory that is not ours.
    if !RocksStore::is_present(&dir.db()) {
        return Err(OpenError::NoLog(dir.root().into()));
    }
    let lock = dir.lock()?;
    let key = keyfile::load_at(&dir.key(), &dir.verifier_key())?;
    let store = RocksStore::open(&dir.db(), options)?;
    Ok(OpenLog { lock, key, store })
}

/// Makes a new anchor for a log that has none any more. Refused when an anchor is there that the store contradicts.
pub fn adopt(dir: &DataDir, options: RocksOptions) -> Result<Head, OpenError> {
    let OpenLog { lock: _lock, key, store } = open(dir, options)?;
    let head = startup::check_identity(&store, key.verifier_key())?;
    startup::rebuild_edge(&store, &head)?;
    match Anchor::open(&dir.anchor()) {
        Ok((_, anchored)) => startup::check_anchor(&store, &head, anchored).map_err(OpenError::CannotAdopt)?,
        Err(OpenAnchorError::Missing | OpenAnchorError::Damaged) => {}
        Err(error) => return Err(error.into()),
    }
    let anchored = Anchored { size: head.size(), root: head.root() };
    Anchor::create(&dir.anchor(), anchored).map_err(OpenError::WriteAnchor)?;
    Ok(head)
}

/// The size of the log in `store`, for messages.
pub fn stored_size<S: Store>(store: &S) -> Result<u64, StoreError> {
    Ok(store.tree()?.size.as_u64())
}
