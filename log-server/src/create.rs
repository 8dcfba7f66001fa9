//! Creating a log: `acta-log init`.
//!
//! The anchor is written last. A directory where creation was cut short therefore has none, and is refused by everything else.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{SigningKey, VerifierKey};
use tlog::policy::Policy;
use tlog::{Hash, TreeSize};

use crate::anchor::Anchor;
use crate::data_dir::{DataDir, LockError, sync_parent};
use crate::head::Head;
use crate::store::{Admits, Identity, LogId, RocksOptions, RocksStore, StoreError};

/// A log could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is something already.
    #[error(
        "{0} exists already: choose an empty directory. A log is created once and never over another. If an earlier `acta-log init` was cut \
         short and nothing was ever served, remove the directory and try again"
    )]
    Exists(PathBuf),
    /// The directory is in use.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file or directory cannot be written.
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, io::Error),
    /// The key cannot be written.
    #[error(transparent)]
    Key(#[from] keyfile::CreateError),
    /// The first head cannot be signed.
    #[error("the key cannot sign checkpoints: an Ed25519 key is needed")]
    Sign,
    /// The store cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates an empty log in `dir` with `key`, whose name is the log's origin, and `log_id` drawn at random. Gives its verifier key.
pub fn create(dir: &DataDir, origin: &Origin, key: &SigningKey, log_id: LogId, options: RocksOptions) -> Result<VerifierKey, CreateError> {
    // Looked at before the lock, which would make a file in a directory that is not ours.
    for path in [dir.db(), dir.anchor(), dir.key(), dir.verifier_key(), dir.policy()] {
        if path.exists() {
            return Err(CreateError::Exists(path));
        }
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir.root()).map_err(|error| CreateError::Write(dir.root().into(), error))?;
    let _lock = dir.lock()?;
    let checkpoint = Checkpoint::new(origin.clone(), TreeSize::ZERO, Hash::EMPTY_TREE);
    let head = Head::new(SignedCheckpoint::sign(&checkpoint, &[key]).map_err(|_| CreateError::Sign)?);
    keyfile::create_at(&dir.key(), &dir.verifier_key(), key)?;

    let verifier_key = key.verifier_key().clone();
    let policy = Policy::without_witnesses(verifier_key.clone(), None).map_err(|_| CreateError::Sign)?;
    write_synced(&dir.policy(), &policy.to_string()).map_err(|error| CreateError::Write(dir.policy(), error))?;

    let identity = Identity { origin: origin.to_string(), verifier_key: verifier_key.to_string(), log_id, admits: Admits::Open };
    RocksStore::create(&dir.db(), options, &identity, &head.tree_state())?;
    Anchor::create(&dir.anchor(), head.anchored(log_id))
        .and_then(|_| sync_parent(dir.root()))
        .map_err(|error| CreateError::Write(dir.anchor(), error))?;
    Ok(verifier_key)
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
