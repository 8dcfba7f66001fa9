//! Adding entries to a log, and getting receipts.
//!
//! Adding the same entry again gives the same index, so every request here may be repeated until it is answered: after a broken
//! connection, or a restart of the log in the middle.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tlog::policy::{Policy, VerifyPolicyError};
use tlog::proof::{MAX_PROOF_FILE, Proof, ProofError, VerifiedReceipt, VerifyReceiptError};
use tlog::tiles::{EntryTooLarge, MAX_ENTRY, encode_entry};
use tlog::{LeafIndex, TreeSize};
use tokio::sync::Mutex;

use crate::source::http::Text;
use crate::source::{FetchError, Http, Source};
use crate::verified::{ReadError, VerifiedLog};

const PROOF_TYPE: &str = "application/vnd.c2sp.tlog-proof";

/// The most entries, and the most bytes, of one [`Writer::add_batch`].
pub const MAX_BATCH: usize = 4096;
/// See [`MAX_BATCH`].
pub const MAX_BATCH_BYTES: usize = 8 << 20;

/// Adds entries to one log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    http: Arc<Http>,
    source: Source,
    policy: Arc<Policy>,
    wait: Duration,
    /// The newest head seen; whoever needs a newer one fetches it, and all others wait for that.
    head: Arc<Mutex<Option<VerifiedLog>>>,
}

/// A receipt that has been verified, and its bytes.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The file as it is to be kept.
    pub bytes: Vec<u8>,
    /// What it says.
    pub verified: VerifiedReceipt,
}

/// Why an entry was not added, or no receipt could be had for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// A directory.
    #[error("entries are published to a log's server: give its address (http://… or https://…), not a directory")]
    NotAServer,
    /// An entry without bytes.
    #[error("an empty entry says nothing and is not accepted by logs; leave it out")]
    Empty,
    /// An entry that no log can hold.
    #[error(transparent)]
    TooLarge(#[from] EntryTooLarge),
    /// More than a batch can hold.
    #[error("a batch holds at most {MAX_BATCH} entries and {MAX_BATCH_BYTES} bytes; send it in parts")]
    BatchTooLarge,
    /// No answer, or a refusal.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An answer that is neither an index nor a receipt.
    #[error("the log answered neither with an index nor with a receipt; is this the address of a log?")]
    NotAnIndex,
    /// A receipt that cannot be parsed.
    #[error("the log sent a receipt that cannot be read: {0}")]
    MalformedReceipt(#[from] ProofError),
    /// A receipt that does not hold.
    #[error("the log sent a receipt that does not hold, which it must never do: {0}")]
    BadReceipt(#[from] VerifyReceiptError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log said that the entry is at this place, and something else is.
    #[error("the log says that it put the entry at index {0}, but another one is there, which must never be")]
    OtherEntry(LeafIndex),
    /// The time was up before a head covered the entry.
    #[error(
        "the entry has index {index} and is safe with the log, but after {} s it still has no head over it that meets the policy: witnesses have yet to sign it; run this again later",
        waited.as_secs()
    )]
    NotYetPublished {
        /// Where the entry is.
        index: LeafIndex,
        /// For how long.
        waited: Duration,
    },
}

/// What became of one entry of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is in the log, there.
    At(LeafIndex),
    /// It was not taken; the problem's short name, such as `overloaded`.
    Refused(Text),
}

impl SubmitError {
    /// Whether the log showed something false, rather than being away.
    pub fn is_false_claim(&self) -> bool {
        match self {
            SubmitError::BadReceipt(_) | SubmitError::MalformedReceipt(_) | SubmitError::OtherEntry(_) => true,
            SubmitError::Read(error) => !error.is_unavailable(),
            _ => false,
        }
    }
}

impl Writer {
    /// Adds to the log that `source` reads from. Receipts are to meet `policy`, which lists this log alone (see [`Policy::only`]); for one,
    /// `wait` is how long.
    pub fn new(source: Source, policy: Policy, wait: Duration) -> Result<Self, SubmitError> {
        let http = Arc::clone(source.server().ok_or(SubmitError::NotAServer)?);
        Ok(Writer { http, source, policy: Arc::new(policy), wait, head: Arc::default() })
    }

    /// The same, with receipts that meet another policy.
    pub(crate) fn under(self, policy: Arc<Policy>) -> Self {
        Writer { policy, head: Arc::default(), ..self }
    }

    /// Adds an entry. Once the index is there, the entry is on the log's disk and in its signed tree, the log says.
    pub async fn add(&self, entry: Bytes) -> Result<LeafIndex, SubmitError> {
        refuse_impossible(&entry)?;
        let answer = self.http.post("add", None, entry, 64).await?;
        parse_index(&answer.body).ok_or(SubmitError::NotAnIndex)
    }

    /// Adds entries that keep their order, and tells what became of each.
    pub async fn add_batch(&self, entries: &[Bytes]) -> Result<Vec<Added>, SubmitError> {
        let mut body = Vec::new();
        for entry in entries {
            refuse_impossible(entry)?;
            encode_entry(entry, &mut body)?;
        }
        if entries.len() > MAX_BATCH || body.len() > MAX_BATCH_BYTES {
            return Err(SubmitError::BatchTooLarge);
        }
        let answer = self.http.post("add-batch", None, body.into(), 128 * entries.len()).await?;
        let text = str::from_utf8(&answer.body).map_err(|_| SubmitError::NotAnIndex)?;
        let added = |line: &str| parse_index(line.as_bytes()).map_or_else(|| Added::Refused(Text::new(line)), Added::At);
        let added: Vec<_> = text.lines().map(added).collect();
        if added.len() == entries.len() { Ok(added) } else { Err(SubmitError::NotAnIndex) }
    }

    /// Adds an entry and gets its receipt, verified. A log that cannot send receipts is read instead, and the receipt made here.
    pub async fn add_with_receipt(&self, entry: Bytes) -> Result<Receipt, SubmitError> {
        refuse_impossible(&entry)?;
        let answer = self.http.post("add", Some(PROOF_TYPE), entry.clone(), MAX_PROOF_FILE).await?;
        let is_receipt = answer.content_type.as_ref().is_some_and(|kind| kind.as_str().starts_with(PROOF_TYPE));
        let index = if answer.status == 200 && is_receipt {
            match self.check(answer.body.to_vec(), &entry) {
                // The log's policy asks for fewer witnesses than ours does. More of them may still sign.
                Err(SubmitError::BadReceipt(error)) if error.is_short_of_witnesses() => Proof::parse(&answer.body)?.index(),
                checked => return checked,
            }
        } else {
            parse_index(&answer.body).ok_or(SubmitError::NotAnIndex)?
        };
        let log = self.head_covering(index).await?;
        let proof = log.prove(index, Some(&entry)).await.map_err(|error| match error {
            ReadError::ForgedEntry(index) => SubmitError::OtherEntry(index),
            error => error.into(),
        })?;
        self.check(proof.to_bytes(), &entry)
    }

    fn check(&self, bytes: Vec<u8>, entry: &[u8]) -> Result<Receipt, SubmitError> {
        let verified = Proof::parse(&bytes)?.verify_receipt(&self.policy, Some(entry))?;
        Ok(Receipt { bytes, verified })
    }

    /// Waits for a head under the policy that covers `index`.
    async fn head_covering(&self, index: LeafIndex) -> Result<VerifiedLog, SubmitError> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            let mut head = self.head.lock().await;
            if let Some(log) = head.as_ref().filter(|log| log.size().contains(index)) {
                return Ok(log.clone());
            }
            let size = match VerifiedLog::open(self.source.clone(), &self.policy).await {
                Ok(log) => head.insert(log).size(),
                // Its witnesses are still being asked.
                Err(ReadError::Policy(VerifyPolicyError::QuorumNotMet { .. })) => TreeSize::ZERO,
                Err(error) => return Err(error.into()),
            };
            drop(head);
            if !size.contains(index) {
                if started.elapsed() + pause > self.wait {
                    return Err(SubmitError::NotYetPublished { index, waited: started.elapsed() });
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }
}

fn refuse_impossible(entry: &[u8]) -> Result<(), SubmitError> {
    match entry.len() {
        0 => Err(SubmitError::Empty),
        len if len > MAX_ENTRY => Err(EntryTooLarge { len }.into()),
        _ => Ok(()),
    }
}

/// A decimal number in its one spelling, with or without a newline.
fn parse_index(body: &[u8]) -> Option<LeafIndex> {
    let text = str::from_utf8(body).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let index: u64 = text.parse().ok()?;
    (index.to_string() == text).then_some(LeafIndex::new(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_has_one_spelling() {
        assert_eq!(parse_index(b"12\n"), Some(LeafIndex::new(12)));
        assert_eq!(parse_index(b"0"), Some(LeafIndex::new(0)));
        for bad in [b"".as_slice(), b"+1\n", b"01\n", b"1\n\n", b"-1", b"18446744073709551616", b"overloaded", b"\xff"] {
            assert_eq!(parse_index(bad), None);
        }
    }
}
