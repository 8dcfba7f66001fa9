//! A log exported to a directory.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;

use super::FetchError;
use crate::durable;

/// A static tree of files with the paths of tlog-tiles.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
}

impl Directory {
    pub(super) fn new(root: PathBuf) -> Self {
        Directory { root }
    }

    /// The file at `path`, which is one that we printed and not one that was given to us.
    pub(super) async fn get(&self, path: &str, limit: usize) -> Result<Bytes, FetchError> {
        let file = self.root.join(path);
        let bound = u64::try_from(limit).unwrap_or(u64::MAX);
        let read = tokio::task::spawn_blocking(move || durable::read_bounded(&file, bound));
        match read.await.expect("reading a file does not panic and is not cancelled") {
            Ok(Some(bytes)) => Ok(bytes.into()),
            Ok(None) => Err(FetchError::TooLarge { path: path.into(), limit }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FetchError::NotFound { path: path.into(), kind: None }),
            Err(source) => Err(FetchError::File { path: self.root.join(path), source }),
        }
    }
}
