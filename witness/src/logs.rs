//! Which logs the witness follows: what its policy files (C2SP tlog-policy) list.
//!
//! A policy file says more than a witness needs; of it only the `log` lines count here. Files and directories of files are read together: a
//! log in several of them has all the keys that they list for it, which is how a log changes its key.
//!
//! **A reload is whole or nothing.** Where one file is broken, the logs stay as they were, and that is said: half a list would leave logs
//! without their witness. What a witness remembers of a log does not depend on this list; a log that was dropped and comes back goes on from
//! where it was.

mod edit;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tlog::key::VerifierKey;
use tlog::policy::{MAX_POLICY, Policy, PolicyError};

use crate::rate::Bucket;
use crate::store::OriginHash;

pub use edit::{Added, EditError, Removed, add, remove};

/// A log that is followed.
#[derive(Debug)]
pub struct Log {
    keys: Box<[VerifierKey]>,
    /// How often it was cosigned lately. A reload makes it anew, which at most gives a burst more.
    pub(crate) cosigned: Bucket,
    /// The same for parts of it.
    pub(crate) subtrees: Bucket,
}

impl Log {
    /// Its keys, of which there is one at least. Their common name is the log's origin.
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// Its origin.
    pub fn origin(&self) -> &str {
        self.keys.first().map_or("", |key| key.name().as_str())
    }
}

/// All logs that are followed.
#[derive(Debug, Default)]
pub struct LogSet {
    logs: HashMap<OriginHash, Arc<Log>>,
}

impl LogSet {
    /// The logs with these keys.
    pub fn new(keys: impl IntoIterator<Item = VerifierKey>) -> Self {
        let mut logs = LogSet::default();
        keys.into_iter().for_each(|key| logs.add(key));
        logs
    }

    /// Adds a log, or a key of one. There may be very many logs, nearly all with one key, so each gets as much memory as it needs and no
    /// more; a further key is worth putting the log together anew.
    fn add(&mut self, key: VerifierKey) {
        let log = self.logs.entry(OriginHash::of_text(key.name().as_str()));
        let known = match &log {
            Entry::Occupied(log) => log.get().keys(),
            Entry::Vacant(_) => &[],
        };
        if known.contains(&key) {
            return;
        }
        let keys = known.iter().cloned().chain([key]).collect();
        log.insert_entry(Arc::new(Log { keys, cosigned: Bucket::default(), subtrees: Bucket::default() }));
    }

    /// The log with this hash of its origin.
    pub fn get(&self, log: &OriginHash) -> Option<&Arc<Log>> {
        self.logs.get(log)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.logs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }
}

/// The policy files cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogsError {
    /// A file or directory cannot be read.
    #[error("cannot read the policy file or directory {}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is no policy.
    #[error("{}: {error}", path.display())]
    Policy {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        error: PolicyError,
    },
}

/// A policy file that was read.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub policy: Policy,
}

/// Reads policy files, and all those in directories. A directory that is not there has none; a file that is not there is an error. Hidden
/// files and those that end in `~` or `.tmp`, as editors leave them, are not read.
pub fn read(sources: &[PathBuf]) -> Result<Vec<PolicyFile>, LogsError> {
    paths(sources)?.iter().map(|path| read_file(path)).collect()
}

fn paths(sources: &[PathBuf]) -> Result<Vec<PathBuf>, LogsError> {
    let mut paths = Vec::new();
    for source in sources {
        if source.is_dir() {
            paths.extend(list(source)?);
        } else {
            paths.push(source.clone());
        }
    }
    Ok(paths)
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, LogsError> {
    let error = |error| LogsError::Read { path: dir.to_owned(), error };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(error)? {
        let path = entry.map_err(error)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let passing = name.starts_with('.') || name.ends_with('~') || name.ends_with(".tmp");
        if !passing && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path) -> Result<PolicyFile, LogsError> {
    let read = || {
        let mut bytes = Vec::new();
        let most = u64::try_from(MAX_POLICY).unwrap_or(u64::MAX).saturating_add(1);
        fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| LogsError::Read { path: path.to_owned(), error })?;
    let policy = Policy::parse(&bytes).map_err(|error| LogsError::Policy { path: path.to_owned(), error })?;
    Ok(PolicyFile { path: path.to_owned(), policy })
}

/// The logs of the policy files as they were read last.
#[derive(Debug)]
pub struct Logs {
    sources: Vec<PathBuf>,
    current: ArcSwap<LogSet>,
}

impl Logs {
    /// Reads the policy files.
    pub fn load(sources: Vec<PathBuf>) -> Result<Self, LogsError> {
        let logs = Logs::fixed(load(&sources)?);
        Ok(Logs { sources, ..logs })
    }

    /// Logs that come from no file.
    pub fn fixed(logs: LogSet) -> Self {
        Logs { sources: Vec::new(), current: ArcSwap::from_pointee(logs) }
    }

    /// Reads the policy files again. On an error all stays as it was. Gives how many logs there are.
    pub fn reload(&self) -> Result<usize, LogsError> {
        let logs = load(&self.sources)?;
        let count = logs.len();
        self.current.store(Arc::new(logs));
        Ok(count)
    }

    /// The logs now.
    pub fn current(&self) -> Arc<LogSet> {
        self.current.load_full()
    }

    /// The log with this hash of its origin, if it is followed.
    pub fn get(&self, log: &OriginHash) -> Option<Arc<Log>> {
        self.current.load().get(log).cloned()
    }
}

/// One file after the other, so that no more than one is in memory beside what is kept of all.
fn load(sources: &[PathBuf]) -> Result<LogSet, LogsError> {
    let mut logs = LogSet::default();
    for path in paths(sources)? {
        read_file(&path)?.policy.logs().iter().for_each(|log| logs.add(log.key().clone()));
    }
    logs.logs.shrink_to_fit();
    Ok(logs)
}

#[cfg(test)]
mod tests;
