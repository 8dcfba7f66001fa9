//! Copying a log for safe keeping: `acta-log backup`.
//!
//! A backup has the store, the verifier key and the policy. It never has the anchor: an anchor that came back with an old store would
//! vouch for it, and the log would go on from there and sign a second history. It does not have the signing key either; that is kept
//! apart, by the operator.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::data_dir::DataDir;
use crate::store::{RocksStore, StoreError};

/// The log could not be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is something already.
    #[error("{0} exists already: name a directory that does not")]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, #[source] io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies the log in `dir`, whose open store is `store`, into the new directory `out`.
pub fn backup(dir: &DataDir, store: &RocksStore, out: &Path) -> Result<(), BackupError> {
    if out.exists() {
        return Err(BackupError::Exists(out.into()));
    }
    let copy = DataDir::new(out);
    fs::create_dir_all(out).map_err(|error| BackupError::Write(out.into(), error))?;
    store.copy_to(&copy.db())?;
    for (from, to) in [(dir.verifier_key(), copy.verifier_key()), (dir.policy(), copy.policy())] {
        fs::copy(from, &to).map_err(|error| BackupError::Write(to, error))?;
    }
    let sync = || -> io::Result<()> { Ok(rustix::fs::syncfs(fs::File::open(out)?)?) };
    sync().map_err(|error| BackupError::Write(out.into(), error))
}
