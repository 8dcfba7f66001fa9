//! The issuers that are registered in the logs.

use decision::ledger::IssuerStatus;
use serde::Serialize;

use super::{Api, BadParameter, Parameters, json, origin_hash};
use crate::http::Problem;
use crate::ledger::StoredLedger;
use crate::logs;

/// Issuers in one answer, if nobody says otherwise.
const ISSUERS: usize = 100;

/// Issuers in one answer.
const MOST: usize = 500;

#[derive(Serialize)]
struct Issuers {
    issuers: Vec<Issuer>,
    /// What to ask for as `cursor` for those that follow.
    next: Option<String>,
}

/// An issuer, as JSON.
#[derive(Serialize)]
struct Issuer {
    log: String,
    log_hash: String,
    #[serde(flatten)]
    status: IssuerStatus,
}

impl Api {
    /// In the order of logs and names.
    pub(super) fn issuers(&self, mut parameters: Parameters) -> Result<Vec<u8>, Problem> {
        let only = parameters.take("log");
        let limit = parameters.limit(ISSUERS, MOST)?;
        let cursor = parameters.take("cursor").map(|text| {
            let (log, after) = text.split_once(' ')?;
            Some((log.parse::<u32>().ok()?, after.to_owned()))
        });
        let cursor = cursor.map(|cursor| cursor.ok_or(BadParameter::new("cursor", "write what `next` was in the answer before")));
        let (first, mut after) = cursor.transpose()?.unwrap_or_default();
        parameters.finish(&["log", "limit", "cursor"])?;
        let mut issuers = Vec::new();
        for log in logs::all(&self.store)?.into_iter().filter(|log| log.number >= first) {
            let after = if log.number == first { std::mem::take(&mut after) } else { String::new() };
            if only.as_ref().is_some_and(|only| *only != log.origin) {
                continue;
            }
            let room = limit - issuers.len();
            for status in StoredLedger::new(&self.store, log.number).issuers(&after, room)? {
                issuers.push(Issuer { log_hash: origin_hash(&log.origin).to_hex(), log: log.origin.clone(), status });
            }
            if issuers.len() == limit {
                let next = issuers.last().map(|last| format!("{} {}", log.number, last.status.id));
                return Ok(json(&Issuers { issuers, next }));
            }
        }
        Ok(json(&Issuers { issuers, next: None }))
    }
}
