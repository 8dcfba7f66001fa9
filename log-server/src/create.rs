//! Creating a log: `acta-log init`.
//!
//! The anchor is written last. A directory where creation was cut short therefore has none, and is refused by everything else.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{SigningKey, VerifierKey};
use tlog::policy::Policy;
use tlog::{Hash, TreeSize};

use crate::anchor::{Anchor, Anchored};
use crate::data_dir::{DataDir, LockError};
use crate::head::Head;
use crate::store::{Identity, RocksOptions, RocksStore, StoreError};

/// A log could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is something already.
    #[error("{0} exists already: choose an empty directory. A log is created once and never over another")]
    Exists(PathBuf),
    /// The directory is in use.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file or directory cannot be written.
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, #[source] io::Error),
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
pub fn create(
    dir: &DataDir,
    origin: &Origin,
    key: &SigningKey,
    log_id: [u8; 16],
    options: RocksOptions,
) -> Result<VerifierKey, CreateError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir.root()).map_err(|error| CreateError::Write(dir.root().into(), error))?;
    let _lock = dir.lock()?;
    for path in [dir.db(), dir.anchor(), dir.key(), dir.verifier_key(), dir.policy()] {
        if path.exists() {
            return Err(CreateError::Exists(path));
        }
    }
    let checkpoint = Checkpoint::new(origin.clone(), TreeSize::ZERO, Hash::EMPTY_TREE);
    let head = Head::new(SignedCheckpoint::sign(&checkpoint, &[key]).map_err(|_| CreateError::Sign)?);
    keyfile::create_at(&dir.key(), &dir.verifier_key(), key)?;

    let verifier_key = key.verifier_key().clone();
    let policy = Policy::without_witnesses(verifier_key.clone(), None).map_err(|_| CreateError::Sign)?;
    let write = |path: PathBuf, text: String| fs::write(&path, text).map_err(|error| CreateError::Write(path, error));
    write(dir.policy(), policy.to_string())?;

    let identity = Identity { origin: origin.to_string(), verifier_key: verifier_key.to_string(), log_id };
    RocksStore::create(&dir.db(), options, &identity, &head.tree_state())?;
    let anchored = Anchored { size: head.size(), root: head.root() };
    Anchor::create(&dir.anchor(), anchored).map_err(|error| CreateError::Write(dir.anchor(), error))?;
    Ok(verifier_key)
}
