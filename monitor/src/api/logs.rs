//! The logs that are followed.

use jiff::Timestamp;
use serde::Serialize;
use tlog::Hash;

use super::{Api, Open, Parameters, json, origin_hash};
use crate::http::Problem;
use crate::logs::{self, LogState};

#[derive(Serialize)]
struct Logs {
    logs: Vec<Log>,
}

/// A log, as JSON.
#[derive(Serialize)]
struct Log {
    origin: String,
    /// The SHA-256 of the origin, which names the log in paths.
    hash: String,
    /// Entries that were read, verified and judged.
    size: u64,
    head: Option<Head>,
    /// Entries under the newest head that are still to be read.
    behind: u64,
    /// Entries that are no statements.
    not_understood: u64,
    /// Entries that can be searched.
    searchable: u64,
    open_findings: Open,
    /// The newest head as the log signed it; only of a single log.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
}

/// The newest head.
#[derive(Serialize)]
struct Head {
    size: u64,
    root: String,
    /// When it was first seen.
    seen: Option<Timestamp>,
}

impl Api {
    pub(super) fn logs(&self, parameters: Parameters) -> Result<Vec<u8>, Problem> {
        parameters.finish(&[])?;
        let logs = logs::all(&self.store)?.into_iter().map(|log| self.described(log)).collect::<Result<_, _>>()?;
        Ok(json(&Logs { logs }))
    }

    pub(super) fn log(&self, hash: &Hash, parameters: Parameters) -> Result<Vec<u8>, Problem> {
        parameters.finish(&[])?;
        let state = self.log_of(hash)?;
        let checkpoint = state.head.as_ref().map(ToString::to_string);
        Ok(json(&Log { checkpoint, ..self.described(state)? }))
    }

    fn described(&self, log: LogState) -> Result<Log, Problem> {
        let size = log.size.as_u64();
        let head = log.head.map(|head| {
            let checkpoint = head.checkpoint();
            Head { size: checkpoint.size().as_u64(), root: checkpoint.root().to_base64(), seen: log.head_seen }
        });
        Ok(Log {
            hash: origin_hash(&log.origin).to_hex(),
            size,
            behind: head.as_ref().map_or(0, |head| head.size.saturating_sub(size)),
            head,
            not_understood: log.not_understood,
            searchable: self.search.indexed(log.number).unwrap_or(0),
            open_findings: self.board.of(&self.store, &log.origin)?,
            origin: log.origin,
            checkpoint: None,
        })
    }
}
