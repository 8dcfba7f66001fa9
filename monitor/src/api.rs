//! `/api/v1/…`: what the monitor knows, as JSON. `openapi.json` describes it.
//!
//! Invariant: a parameter that means nothing is an error and not ignored, so that nobody takes all findings for those that they asked for.
//! Each request reads a bounded number of rows; longer lists come in pages, each with the `cursor` of the next.

mod alerts;
mod board;
mod decisions;
mod findings;
mod issuers;
mod logs;
mod parameters;
mod search;

use std::sync::Arc;

use serde::Serialize;
use tlog::{Hash, LeafIndex};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::alert::Mutes;
use crate::clock::Clock;
use crate::finding::FindingId;
use crate::http::Problem;
use crate::logs::LogState;
use crate::search::Search;
use crate::store::{Store, StoreError};

pub(crate) use board::{Board, Open};
pub(crate) use findings::newest;
pub(crate) use parameters::{BadParameter, Parameters};

/// Requests that read the store at once. More wait.
const READS: usize = 16;

/// What all requests for JSON share. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) store: Arc<Store>,
    search: Arc<Search>,
    pub(crate) board: Arc<Board>,
    mutes: Mutes,
    clock: Clock,
    reads: Arc<Semaphore>,
}

/// What a path below `/api/v1/` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Logs,
    Log(Hash),
    Findings,
    Finding(FindingId),
    Alerts,
    Search,
    Decision(Hash, LeafIndex),
    Issuers,
}

impl Resource {
    pub(crate) fn parse(path: &str) -> Option<Self> {
        match path {
            "logs" => Some(Resource::Logs),
            "findings" => Some(Resource::Findings),
            "alerts" => Some(Resource::Alerts),
            "search" => Some(Resource::Search),
            "issuers" => Some(Resource::Issuers),
            path => {
                if let Some(hash) = path.strip_prefix("logs/") {
                    hash_of(hash).map(Resource::Log)
                } else if let Some(id) = path.strip_prefix("findings/") {
                    id.parse().ok().map(Resource::Finding)
                } else {
                    let (hash, index) = path.strip_prefix("decisions/")?.split_once('/')?;
                    Some(Resource::Decision(hash_of(hash)?, index_of(index)?))
                }
            }
        }
    }
}

impl Api {
    pub(crate) fn new(store: Arc<Store>, search: Arc<Search>, mutes: Mutes, clock: Clock) -> Self {
        Api { store, search, board: Arc::default(), mutes, clock, reads: Arc::new(Semaphore::new(READS)) }
    }

    /// The JSON of a resource.
    pub(crate) async fn answer(&self, resource: Resource, query: Option<&str>) -> Result<Vec<u8>, Problem> {
        let parameters = Parameters::parse(query)?;
        if resource == Resource::Search {
            return self.search(parameters).await;
        }
        self.read(move |api| match resource {
            Resource::Logs => api.logs(parameters),
            Resource::Log(hash) => api.log(&hash, parameters),
            Resource::Findings => api.findings(parameters),
            Resource::Finding(id) => api.finding(id, parameters),
            Resource::Alerts => api.alerts(parameters),
            Resource::Decision(hash, index) => api.decision(&hash, index, parameters),
            Resource::Issuers => api.issuers(parameters),
            Resource::Search => Err(Problem::NotFound),
        })
        .await
    }

    /// Reads the store on a thread that may wait for the disk.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Api) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let permit = Arc::clone(&self.reads).acquire_owned().await.map_err(|_| Problem::Busy)?;
        let api = self.clone();
        let read = spawn_blocking(move || {
            let read = read(&api);
            drop(permit);
            read
        });
        read.await.unwrap_or_else(|error| {
            tracing::error!("a request ended over a defect of acta-monitor, please report it: {error}");
            Err(Problem::Internal)
        })
    }

    /// The log whose origin has this hash.
    pub(crate) fn log_of(&self, hash: &Hash) -> Result<LogState, Problem> {
        let log = crate::logs::all(&self.store)?.into_iter().find(|log| origin_hash(&log.origin) == *hash);
        log.ok_or(Problem::UnknownLog)
    }

    /// All logs by number, for those who show entries of several.
    fn origins(&self) -> Result<Vec<(u32, String)>, StoreError> {
        Ok(crate::logs::all(&self.store)?.into_iter().map(|log| (log.number, log.origin)).collect())
    }
}

/// What names a log in paths: an origin may have slashes.
pub(crate) fn origin_hash(origin: &str) -> Hash {
    Hash::sha256(origin.as_bytes())
}

/// A hash in its one spelling.
pub(crate) fn hash_of(text: &str) -> Option<Hash> {
    Hash::from_hex(text).ok()
}

/// A number in its one spelling: digits without a leading zero.
fn index_of(text: &str) -> Option<LeafIndex> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|c| c.is_ascii_digit());
    (canonical && digits).then(|| text.parse().ok()).flatten().map(LeafIndex::new)
}

/// A body, with a newline for those who read it in a terminal.
fn json(value: &impl Serialize) -> Vec<u8> {
    let mut body = serde_json::to_vec(value).expect("texts and numbers are JSON");
    body.push(b'\n');
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_one_meaning() {
        let hash = origin_hash("log.example");
        let id = FindingId::new("log.example", &crate::finding::Code::LOG_FORK, "x");
        for (path, resource) in [
            ("logs".to_owned(), Resource::Logs),
            (format!("logs/{hash}"), Resource::Log(hash)),
            ("findings".to_owned(), Resource::Findings),
            (format!("findings/{id}"), Resource::Finding(id)),
            ("alerts".to_owned(), Resource::Alerts),
            ("search".to_owned(), Resource::Search),
            (format!("decisions/{hash}/0"), Resource::Decision(hash, LeafIndex::new(0))),
            ("issuers".to_owned(), Resource::Issuers),
        ] {
            assert_eq!(Resource::parse(&path), Some(resource), "{path}");
        }
        let upper = hash.to_hex().to_uppercase();
        for path in [
            "",
            "logs/",
            "logs/x",
            "Logs",
            "search/",
            &format!("logs/{hash}/"),
            &format!("logs/{upper}"),
            &format!("decisions/{hash}"),
            &format!("decisions/{hash}/"),
            &format!("decisions/{hash}/01"),
            &format!("decisions/{hash}/+1"),
            &format!("decisions/{hash}/1/"),
            &format!("decisions/{hash}/18446744073709551616"),
            "findings/0",
            "../etc/passwd",
        ] {
            assert_eq!(Resource::parse(path), None, "{path}");
        }
    }
}
