//! An entry with all that the monitor knows of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use decision::ledger::Status;
use decision::statement::Statement;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tlog::{Hash, LeafIndex};

use super::{Api, Parameters, json, origin_hash};
use crate::check::Published;
use crate::http::Problem;
use crate::ledger::StoredLedger;
use crate::{logs, published};

/// An entry, as JSON.
#[derive(Serialize)]
struct Entry {
    log: String,
    log_hash: String,
    index: u64,
    /// Its leaf hash in hexadecimal.
    leaf: String,
    /// Its bytes in base64.
    entry: String,
    /// What it says; `null` if it is no statement.
    statement: Option<Value>,
    /// The names and ids of the keys that signed it. The log's ledger has looked at their signatures.
    signatures: Vec<String>,
    /// What the ledger says of it; `null` if the log should have refused it, or if it is no statement.
    status: Option<Status>,
    published: Option<Times>,
}

/// When an entry was published.
#[derive(Serialize)]
pub(super) struct Times {
    earliest: Option<Timestamp>,
    latest: Timestamp,
}

impl From<Published> for Times {
    fn from(published: Published) -> Self {
        Times { earliest: published.earliest, latest: published.latest }
    }
}

impl Api {
    pub(super) fn decision(&self, hash: &Hash, index: LeafIndex, parameters: Parameters) -> Result<Vec<u8>, Problem> {
        parameters.finish(&[])?;
        let log = self.log_of(hash)?;
        let entry = logs::entry(&self.store, log.number, index)?.ok_or(Problem::UnknownEntry)?;
        let statement = Statement::parse(&entry).ok();
        let signatures = statement.as_ref().map_or(&[][..], Statement::signatures);
        Ok(json(&Entry {
            log_hash: origin_hash(&log.origin).to_hex(),
            log: log.origin,
            index: index.as_u64(),
            leaf: Hash::leaf(&entry).to_hex(),
            entry: STANDARD.encode(&entry),
            signatures: signatures.iter().map(|signature| format!("{}+{}", signature.name, signature.key_id)).collect(),
            statement: statement.as_ref().map(Statement::json),
            status: StoredLedger::new(&self.store, log.number).status(index)?,
            published: published::at(&self.store, log.number, index)?.map(Times::from),
        }))
    }
}
