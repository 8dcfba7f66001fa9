//! Adding and removing logs by command: each gets a policy file of its own below the witness's directory.
//!
//! Only files that were made here are changed. What a file of the operator's own lists is for its owner to change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serving::directory::sync_parent;
use tlog::key::VerifierKey;
use tlog::policy::{InvalidPolicy, Policy};

use super::{LogsError, read};
use crate::data_dir::write_new;
use crate::store::OriginHash;

/// The logs could not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The key or address cannot stand in a policy file.
    #[error(transparent)]
    Invalid(#[from] InvalidPolicy),
    /// A file there is broken already.
    #[error(transparent)]
    Logs(#[from] LogsError),
    /// A file cannot be written or removed.
    #[error("cannot change {}: {error}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no such log.
    #[error("no file in {} lists a log with the origin {origin}; `acta-witness logs list` shows what is there", dir.display())]
    Unknown {
        /// Where it was looked for.
        dir: PathBuf,
        /// What was looked for.
        origin: Box<str>,
    },
    /// The log is there, and elsewhere.
    #[error(
        "{} lists this log with {}: change it in that file and run `acta-witness logs reload`, or remove the log and add it again, which \
         forgets nothing that was signed",
        path.display(),
        known.as_ref().map_or("no address".to_owned(), |url| format!("the address {url}"))
    )]
    OtherAddress {
        /// Which file.
        path: PathBuf,
        /// The address in it.
        known: Option<Box<str>>,
    },
    /// A file lists other things too.
    #[error("{} lists more than this log: take the line out of it yourself, then run `acta-witness logs reload`", path.display())]
    Shared {
        /// Which.
        path: PathBuf,
    },
}

/// What became of adding a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is in this new file.
    New(PathBuf),
    /// This file has the same key already.
    Known(PathBuf),
}

/// The files that were removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed(pub Vec<PathBuf>);

/// Adds a log, or another key of one, to those in `dir`.
pub fn add(dir: &Path, key: VerifierKey, url: Option<&str>) -> Result<Added, EditError> {
    let write_error = |path: &Path| {
        let path = path.to_owned();
        move |error| EditError::Write { path, error }
    };
    fs::create_dir_all(dir).and_then(|()| sync_parent(dir)).map_err(write_error(dir))?;
    for file in read(&[dir.to_owned()])? {
        let Some(log) = file.policy.logs().iter().find(|log| *log.key() == key) else { continue };
        // Without an address in the command any is as it should be.
        if url.is_some() && url != log.url() {
            return Err(EditError::OtherAddress { path: file.path.clone(), known: log.url().map(Box::from) });
        }
        return Ok(Added::Known(file.path));
    }
    // Two keys of one log are two files.
    let name = format!("{}-{}.policy", OriginHash::of_text(key.name().as_str()), key.id());
    let path = dir.join(name);
    let policy = Policy::without_witnesses(key, url)?;
    write_new(&path, &policy.to_bytes()).map_err(write_error(&path))?;
    Ok(Added::New(path))
}

/// Removes the log with this origin from those in `dir`, with all of its keys. What was cosigned of it stays known.
pub fn remove(dir: &Path, origin: &str) -> Result<Removed, EditError> {
    let is_it = |file: &super::PolicyFile| file.policy.logs().iter().any(|log| log.key().name().as_str() == origin);
    let files: Vec<_> = read(&[dir.to_owned()])?.into_iter().filter(is_it).collect();
    if files.is_empty() {
        return Err(EditError::Unknown { dir: dir.to_owned(), origin: origin.into() });
    }
    // All or nothing: looked at before the first is removed.
    if let Some(shared) = files.iter().find(|file| file.policy.logs().len() > 1) {
        return Err(EditError::Shared { path: shared.path.clone() });
    }
    let paths: Vec<PathBuf> = files.into_iter().map(|file| file.path).collect();
    for path in &paths {
        fs::remove_file(path).and_then(|()| sync_parent(path)).map_err(|error| EditError::Write { path: path.clone(), error })?;
    }
    Ok(Removed(paths))
}
