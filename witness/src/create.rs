//! Creating a witness: keys, store, and the files that are given to others.
//!
//! Store and anchor are made last. So a directory in which making was cut short is not a witness, and is not taken for one; and a key never
//! gets a second store.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use serving::directory::sync_parent;
use tlog::key::{Algorithm, KeyName, SigningKey};

use crate::anchor::Anchor;
use crate::data_dir::{DataDir, LockError, write_new};
use crate::keys::{ALGORITHMS, InvalidKeys, Keys};
use crate::store::{RocksOptions, RocksStore, StoreError};

/// The witness was not created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is something already.
    #[error(
        "{0} exists already: choose another directory. If an `acta-witness init` was cut short here and nothing was ever served, remove the \
         directory and try again"
    )]
    Exists(PathBuf),
    /// The directory is in use.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file or directory cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No key could be made.
    #[error(transparent)]
    Generate(#[from] keyfile::GenerateError),
    /// A key cannot be written.
    #[error(transparent)]
    Key(#[from] keyfile::CreateError),
    /// The keys are no witness's.
    #[error(transparent)]
    Keys(#[from] InvalidKeys),
    /// The store cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which keys a new witness gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Ed25519 and ML-DSA-44.
    Both,
    /// Ed25519 alone: a fortieth of the work and a tenth of the disk, and a quantum computer could forge it.
    Ed25519Only,
}

/// Creates a witness with this name in `dir`, with new keys. Gives the keys.
pub fn create(dir: &DataDir, name: &KeyName, kinds: Kinds, options: RocksOptions) -> Result<Keys, CreateError> {
    // Looked at before the lock, which would make a file in a directory that is not ours.
    let files = ALGORITHMS.iter().flat_map(|&algorithm| [dir.key(algorithm), dir.verifier_key(algorithm)]);
    for path in files.chain([dir.db(), dir.anchor(), dir.verifier_keys(), dir.bastion_key()]) {
        if path.symlink_metadata().is_ok() {
            return Err(CreateError::Exists(path));
        }
    }
    let write_error = |path: PathBuf| move |error| CreateError::Write { path, error };
    for path in [dir.root().to_owned(), dir.logs(), dir.evidence()] {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(write_error(path))?;
    }
    let _lock = dir.lock()?;
    let mut signing: Vec<SigningKey> = Vec::new();
    for &algorithm in &ALGORITHMS {
        if algorithm == Algorithm::CosignatureMlDsa44 && kinds == Kinds::Ed25519Only {
            continue;
        }
        let key = keyfile::generate(name.clone(), algorithm)?;
        keyfile::create_at(&dir.key(algorithm), &dir.verifier_key(algorithm), &key)?;
        signing.push(key);
    }
    keyfile::create(&dir.bastion_key(), &keyfile::generate(name.clone(), Algorithm::Ed25519)?)?;
    let keys = Keys::new(signing)?;
    write_new(&dir.verifier_keys(), keys.lines().as_bytes()).map_err(write_error(dir.verifier_keys()))?;
    RocksStore::create(&dir.db(), options, &keys.lines())?.settle()?;
    Anchor::create(&dir.anchor(), &keys.lines()).map_err(write_error(dir.anchor()))?;
    sync_parent(&dir.db()).and_then(|()| sync_parent(dir.root())).map_err(write_error(dir.root().to_owned()))?;
    Ok(keys)
}
