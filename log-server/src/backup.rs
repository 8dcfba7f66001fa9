//! Copying a log for safe keeping: `acta-log backup`.
//!
//! A backup has the store, the verifier key and the policy. It never has the anchor: an anchor that came back with an old store would
//! vouch for it, and the log would go on from there and sign a second history. It does not have the signing key either; that is kept
//! apart, by the operator.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serving::directory::sync_parent;

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
    Write(PathBuf, io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies the log in `dir`, whose open store is `store`, into the new directory `out`. What has that name is a whole copy: it is made
/// under another one.
pub fn backup(dir: &DataDir, store: &RocksStore, out: &Path) -> Result<(), BackupError> {
    let mut partial = out.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    for path in [out, &partial] {
        if path.exists() {
            return Err(BackupError::Exists(path.into()));
        }
    }
    let failed = |error| BackupError::Write(out.into(), error);
    let copy = DataDir::new(&partial);
    fs::create_dir_all(&partial).map_err(failed)?;
    store.copy_to(&copy.db())?;
    fs::copy(dir.verifier_key(), copy.verifier_key()).map_err(failed)?;
    fs::copy(dir.policy(), copy.policy()).map_err(failed)?;
    let settle = || -> io::Result<()> {
        rustix::fs::syncfs(fs::File::open(&partial)?)?;
        fs::rename(&partial, out)?;
        sync_parent(out)
    };
    settle().map_err(failed)
}
