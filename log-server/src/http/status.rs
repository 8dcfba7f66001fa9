//! `GET /status/{index}`: what the ledger says of an entry.
//!
//! It is the operator's word and says so: no signature covers it. Whoever needs more draws the ledger from the entries, which are signed.

use bytes::Bytes;
use decision::ledger::Status;
use hyper::header::HeaderValue;
use serde::Serialize;
use tlog::{LeafIndex, TreeSize};

use super::Site;
use super::problem::Problem;
use crate::store::{Admits, Store};
use serving::response::Answer;

const NOTE: &str = "The log's operator says this, and nothing proves it. `acta status --verify` computes it from the signed entries.";

/// As it is sent.
#[derive(Serialize)]
struct Told<'a> {
    says: &'static str,
    note: &'static str,
    /// The log's name.
    log: &'a str,
    /// After how many entries this is so.
    size: u64,
    #[serde(flatten)]
    status: Status,
}

impl<S: Store> Site<S> {
    pub(super) async fn status(&self, index: LeafIndex) -> Result<Answer, Problem> {
        if self.log.admits() == Admits::Open {
            return Err(Problem::NoLedger);
        }
        if !self.log.published().size().contains(index) {
            return Err(Problem::NotYetPublished);
        }
        let (size, status) = self.read_disk(move |log| log.status(index)).await?.ok_or(Problem::NoLedger)?;
        self.wait_for(size).await?;
        let log = self.log.origin().to_string();
        let told = Told { says: "operator", note: NOTE, log: &log, size: size.as_u64(), status };
        let mut body = serde_json::to_vec(&told).map_err(|_| Problem::Internal)?;
        body.push(b'\n');
        self.public("application/json", HeaderValue::from_static("public, max-age=1"), Bytes::from(body))
    }

    /// The ledger is a commit ahead of the published head now and then, and nothing is told that is not published.
    async fn wait_for(&self, size: TreeSize) -> Result<(), Problem> {
        let last = size.as_u64().checked_sub(1).map(LeafIndex::new).ok_or(Problem::NotYetPublished)?;
        let published = self.log.published_covering(last, self.config.receipt_timeout).await;
        published.map(drop).ok_or(Problem::NotYetPublished)
    }
}
