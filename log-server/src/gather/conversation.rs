//! One conversation with a witness about one head (C2SP tlog-witness): from its old size to its cosignatures, or to the reason why not.
//!
//! Nothing that a witness says is believed. Signature lines are verified with the policy's keys; a number that it tells only decides where
//! the next proof begins. Only a signature of the log's own key can say that the store is not all there is.

use std::time::Duration;

use bytes::Bytes;
use tlog::TreeSize;
use tlog::checkpoint::SignedCheckpoint;
use tlog::cosignature::Cosignature;
use tlog::evidence::Branch;
use tlog::note::{MAX_LINES_PER_KEY, Signature};
use tlog::witness::{AddCheckpoint, SIZE_MEDIA_TYPE, monitoring_path, parse_conflict, parse_cosignatures};

use super::metrics::{Ignored, Reason};
use super::other_history::{OtherHistory, Seen};
use super::partner::Partner;
use super::transport::{Request, Response, Transport, TransportError};
use super::{Shared, on_disk, proof};
use crate::head::Head;
use crate::store::{Store, StoreError};

/// How often a head is submitted in one conversation: with the size remembered, with the size told, and twice more should that move.
const MAX_SUBMISSIONS: usize = 4;

/// How many seconds a witness's clock may be away from this machine's.
///
/// A time further ahead would make the head look fresh long after it is not. And a line that is older was not made for this request:
/// cosignatures are public, so whoever sits between an old copy of a log and its witnesses could answer with those that the copy's head
/// got in its day, and the copy would take itself for the newest.
const MAX_OFF: u64 = 300;

/// Why a witness has not cosigned a head.
#[derive(Debug)]
pub(super) enum NotCosigned {
    /// It may have seen anything.
    Inconclusive(Reason),
    /// It has seen, and shows, another history.
    OtherHistory(Box<OtherHistory>),
    /// The store failed.
    Store(StoreError),
}

impl From<Reason> for NotCosigned {
    fn from(reason: Reason) -> Self {
        NotCosigned::Inconclusive(reason)
    }
}

impl From<StoreError> for NotCosigned {
    fn from(error: StoreError) -> Self {
        NotCosigned::Store(error)
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Conversation<'a, S, T> {
    pub(super) shared: &'a Shared<S, T>,
    pub(super) partner: &'a Partner,
    /// The size that it cosigned last, as far as is known.
    pub(super) old: &'a mut TreeSize,
    /// How long it wants to be left alone, if it says so.
    pub(super) retry_after: Option<Duration>,
}

impl<S: Store, T: Transport> Conversation<'_, S, T> {
    /// Has a head cosigned. The lines were verified, and there is at least one.
    pub(super) async fn cosign(&mut self, head: &Head) -> Result<Vec<Signature>, NotCosigned> {
        for _ in 0..MAX_SUBMISSIONS {
            let old = (*self.old).min(head.size());
            let answer = self.submit(old, head).await?;
            match answer.status {
                200 => {
                    let lines = self.good_lines(&answer.body, head)?;
                    *self.old = head.size();
                    return Ok(lines);
                }
                409 => match told_size(&answer) {
                    // SPEC: tlog-witness §add-checkpoint: the latest size, for the client to send a proof from.
                    Some(told) if told <= head.size() && told != old => {
                        if told < old {
                            tracing::warn!(witness = %self.partner.name, %told, %old, "the witness went back to an older state");
                        }
                        *self.old = told;
                    }
                    Some(told) if told > head.size() => return Err(self.look(Reason::Ahead).await),
                    // It tells the very size that the proof began with: something else must be wrong.
                    Some(_) => return Err(self.look(Reason::Garbled).await),
                    // Some answer so, and the specification at times has, where 422 is meant.
                    None => return Err(self.look(Reason::ProofRefused).await),
                },
                422 => return Err(self.look(Reason::ProofRefused).await),
                status => {
                    self.retry_after = answer.retry_after;
                    return Err(Reason::of_status(status).into());
                }
            }
        }
        Err(Reason::Unsettled.into())
    }

    async fn submit(&self, old: TreeSize, head: &Head) -> Result<Response, NotCosigned> {
        let proof = on_disk(|| proof::prove(&*self.shared.store, old, head))?;
        let request = AddCheckpoint::new(old, proof, head.checkpoint().clone()).map_err(|_| Reason::Garbled)?;
        let url = format!("{}/add-checkpoint", self.partner.prefix);
        self.send(Request { url, body: Some(Bytes::from(request.to_bytes())) }).await.map_err(NotCosigned::from)
    }

    async fn send(&self, request: Request) -> Result<Response, Reason> {
        let sent = self.shared.gathering.transport.send(request).await;
        sent.map_err(|error| {
            tracing::debug!(witness = %self.partner.name, %error, "a request to a witness failed");
            match error {
                TransportError::TooLarge => Reason::TooLarge,
                TransportError::Unreachable(_) => Reason::Unreachable,
            }
        })
    }

    /// Those lines that a key of this witness made over the head, now or nearly so.
    fn good_lines(&self, body: &[u8], head: &Head) -> Result<Vec<Signature>, Reason> {
        let lines = parse_cosignatures(body).map_err(|_| Reason::Garbled)?;
        let now = self.shared.gathering.clock.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut looked_at = vec![0; self.partner.keys.len()];
        let mut good = Vec::new();
        for line in lines {
            // SPEC: tlog-witness §add-checkpoint: the client MUST ignore any cosignatures from unknown keys.
            let Some(number) = self.partner.keys.iter().position(|key| line.is_of(key)) else {
                self.ignored(Ignored::Foreign);
                continue;
            };
            looked_at[number] += 1;
            if looked_at[number] > MAX_LINES_PER_KEY {
                continue; // verifying costs time
            }
            let verified = Cosignature::verify(&line, head.checkpoint().checkpoint(), &self.partner.keys[number]);
            match verified.ok().and_then(|cosignature| cosignature.timestamp()) {
                // SPEC: tlog-witness §add-checkpoint: the timestamp MUST NOT be zero.
                None => self.ignored(Ignored::Bad),
                Some(time) if time.get() > now.saturating_add(MAX_OFF) => self.ignored(Ignored::Future),
                Some(time) if time.get().saturating_add(MAX_OFF) < now => self.ignored(Ignored::Past),
                Some(_) => good.push(line),
            }
        }
        if good.is_empty() { Err(Reason::NotCosigned) } else { Ok(good) }
    }

    fn ignored(&self, why: Ignored) {
        self.shared.gathering.metrics.ignored(&self.partner.name, why);
    }

    /// What the witness has to show for not cosigning. Without anything to show it was `reason`, which says nothing about the log.
    async fn look(&self, reason: Reason) -> NotCosigned {
        let origin = self.shared.committed.borrow().checkpoint().checkpoint().origin().clone();
        let url = format!("{}/{}", self.partner.prefix, monitoring_path(&origin));
        let shown = match self.send(Request { url, body: None }).await {
            Ok(answer) if answer.status == 200 => SignedCheckpoint::parse(&answer.body).ok(),
            _ => None,
        };
        let own = std::slice::from_ref(&self.shared.log_key);
        let Some(mut shown) = shown.filter(|shown| shown.verify_log(own).is_ok()) else { return reason.into() };
        shown.retain_verified(own);
        match on_disk(|| self.compare(shown)) {
            Ok(None) => reason.into(),
            Ok(Some(other)) => NotCosigned::OtherHistory(Box::new(other)),
            Err(error) => error.into(),
        }
    }

    /// Whether a head under the log's own signature is of another history than the store's.
    fn compare(&self, shown: SignedCheckpoint) -> Result<Option<OtherHistory>, StoreError> {
        // Read after the witness has answered: it can have seen nothing that was not committed before.
        let newest = std::sync::Arc::clone(&self.shared.committed.borrow());
        let size = shown.checkpoint().size();
        let witness = self.partner.name.clone();
        if size > newest.size() {
            return Ok(Some(OtherHistory::ahead(witness, &shown, newest.size())));
        }
        if proof::root_at(&*self.shared.store, size, newest.size())? == *shown.checkpoint().root() {
            return Ok(None);
        }
        let kept = if size == newest.size() { None } else { self.signed_at(size)? };
        // Whatever it signed at that size, its newest head says what it has there.
        let within = if kept.is_some() { size } else { newest.size() };
        let proven = proof::beginning(&*self.shared.store, size, within)?;
        let head = kept.unwrap_or_else(|| newest.checkpoint().clone());
        Ok(Some(OtherHistory::differs(witness, Seen { shown, own: proven.map(|proven| Branch { head, proven }) })))
    }

    /// The head that this log published at a size, if it did.
    fn signed_at(&self, size: TreeSize) -> Result<Option<SignedCheckpoint>, StoreError> {
        let kept = self.shared.store.head_from(size)?.filter(|(kept_under, _)| *kept_under == size);
        let own = kept.and_then(|(_, bytes)| SignedCheckpoint::parse(&bytes).ok());
        Ok(own.filter(|own| own.verify_log(std::slice::from_ref(&self.shared.log_key)).is_ok()))
    }
}

/// The size in a 409 of the right type.
fn told_size(answer: &Response) -> Option<TreeSize> {
    // SPEC: tlog-witness §add-checkpoint: the response MUST have a Content-Type of text/x.tlog.size.
    let media_type = answer.content_type.as_deref()?.split(';').next()?.trim();
    if media_type.eq_ignore_ascii_case(SIZE_MEDIA_TYPE) { parse_conflict(&answer.body).ok() } else { None }
}
