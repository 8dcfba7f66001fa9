//! Adding entries: one, or a batch.
//!
//! An answer with an index means that the entry is durable, in the tree, and under a signed head: the log never gives an index before.
//! When there is no such answer in time the client is told so, and that the same entry can be sent again: it never gets a second index.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use serving::body::{self, Bounds};
use serving::response::{self, Answer};
use serving::{limits, proxy};
use tlog::LeafIndex;
use tlog::tiles::{Entries, MAX_ENTRY};
use tokio::time::{Instant as Deadline, timeout_at};

use super::problem::{Problem, Wait};
use super::{Site, memory, negotiation, read};
use crate::log::Candidate;
use crate::queue::{AddError, Batch};
use crate::store::{Admits, Store};

/// The most entries of a batch.
const MAX_BATCH: usize = 4096;

/// The most bytes of a batch, lengths included.
pub(crate) const MAX_BATCH_BYTES: usize = 8 << 20;

/// An index of 20 digits, or the name of a problem, and a newline.
const LONGEST_LINE: usize = 32;

/// Entries of a batch that are verified in one go: some milliseconds, so that batches take turns.
const CHUNK: usize = 64;

impl<S: Store> Site<S> {
    pub(super) async fn add(&self, peer: IpAddr, parts: &Parts, body: &mut Incoming) -> Result<Answer, Problem> {
        // Before the body is read: a client over its limit shall not cost memory.
        self.admit(peer, &parts.headers, 1)?;
        let entry = body::read(&parts.headers, body, self.bounds(MAX_ENTRY)).await;
        let entry = entry.map_err(|error| Problem::of_body(error, Problem::EntryTooLarge))?;
        let deadline = Deadline::now() + self.config.add_timeout;
        let ticket = self.log.add(entry);
        self.give_back(peer, &parts.headers, not_added(ticket.as_ref().err()));
        let ticket = ticket?;
        let index = timeout_at(deadline, ticket).await.map_err(|_| Problem::SlowStore)??;
        if !negotiation::wants_receipt(&parts.headers, parts.uri.query()) {
            return Ok(read::added(index));
        }
        if self.log.published_covering(index, self.config.receipt_timeout).await.is_none() {
            return Ok(read::index_for_now(index));
        }
        match self.proof(index).await {
            // It has been added, and the receipt can be fetched when there is memory for it.
            Err(Problem::Overloaded) => Ok(read::index_for_now(index)),
            answer => answer,
        }
    }

    pub(super) async fn add_batch(&self, peer: IpAddr, parts: &Parts, body: &mut Incoming) -> Result<Answer, Problem> {
        self.admit(peer, &parts.headers, 0)?;
        let body = body::read(&parts.headers, body, self.bounds(MAX_BATCH_BYTES)).await;
        let body = body.map_err(|error| Problem::of_body(error, Problem::BatchTooLarge))?;
        let entries = parse_batch(&body)?;
        // Before anything is added: afterwards it would be too late to refuse.
        let count = entries.len();
        let memory = self.answers.reserve(count * LONGEST_LINE)?;
        self.admit(peer, &parts.headers, count)?;
        drop(body);
        let deadline = Deadline::now() + self.config.add_timeout;
        let batch = match self.log.admits() {
            Admits::Open => self.log.add_batch(entries),
            Admits::Statements => self.log.submit(self.check(entries, deadline).await?),
        };
        self.give_back(peer, &parts.headers, not_added(batch.refusals()));
        let mut lines = String::with_capacity(count * 12);
        for outcome in outcomes(batch, deadline).await {
            match outcome {
                Ok(index) => lines.push_str(&index.to_string()),
                Err(problem) => lines.push_str(problem.name()),
            }
            lines.push('\n');
        }
        let mut answer = response::plain(StatusCode::OK, "text/plain; charset=utf-8", memory::held(Bytes::from(lines), memory));
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(answer)
    }

    /// Checks statements in parallel, and keeps their order.
    async fn check(&self, entries: Vec<Bytes>, deadline: Deadline) -> Result<Vec<Candidate>, Problem> {
        // Until they are in the queue, which counts them again, they take memory as a body does.
        let bytes = entries.iter().map(Bytes::len).sum();
        let _memory = self.body_memory.try_acquire_many(body::units(bytes)).map_err(|_| Problem::Overloaded)?;
        let mut entries = entries.into_iter();
        let mut chunks = Vec::new();
        while entries.len() > 0 {
            let chunk: Vec<Bytes> = entries.by_ref().take(CHUNK).collect();
            let permit = timeout_at(deadline, Arc::clone(&self.verifying).acquire_owned()).await.map_err(|_| Problem::Overloaded)?;
            let permit = permit.expect("the semaphore is never closed");
            let log = self.log.clone();
            chunks.push(tokio::task::spawn_blocking(move || {
                // Held by the thread: a client that leaves does not make it any faster.
                let _permit = permit;
                // Copies, since most of a batch may be refused: the rest would keep all of it while it waits.
                chunk.into_iter().map(|entry| log.check(Bytes::copy_from_slice(&entry))).collect::<Vec<_>>()
            }));
        }
        let mut candidates = Vec::new();
        for chunk in chunks {
            candidates.extend(chunk.await.map_err(|error| {
                tracing::error!(%error, "a check of statements ended without a result");
                Problem::Internal
            })?);
        }
        Ok(candidates)
    }

    fn bounds(&self, most: usize) -> Bounds<'_> {
        Bounds { most, deadline: self.config.body_timeout, memory: &self.body_memory }
    }

    /// Takes what the client wants to add out of its bucket. Even for nothing, there has to be something in it.
    fn admit(&self, peer: IpAddr, headers: &HeaderMap, entries: usize) -> Result<(), Problem> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        let client = proxy::address(peer, headers, &self.config.proxies);
        limiter.take(client, entries, Instant::now()).map_err(|limits::Wait(wait)| Problem::TooManyAdds(Wait::after(wait)))
    }

    /// Puts back what [`Site::admit`] took for entries that were not added through no fault of the client.
    fn give_back(&self, peer: IpAddr, headers: &HeaderMap, entries: usize) {
        if let Some(limiter) = self.limiter.as_ref().filter(|_| entries > 0) {
            limiter.give_back(proxy::address(peer, headers, &self.config.proxies), entries);
        }
    }
}

/// How many were not taken in although nothing is wrong with them. Statements that are refused have cost as much work as others.
fn not_added<'a>(refusals: impl IntoIterator<Item = &'a AddError>) -> usize {
    refusals.into_iter().filter(|error| !matches!(error, AddError::Refused(_))).count()
}

/// What is to be said of each entry of a batch by then.
async fn outcomes(mut batch: Batch, deadline: Deadline) -> Vec<Result<LeafIndex, Problem>> {
    match timeout_at(deadline, &mut batch).await {
        Ok(outcomes) => outcomes.into_iter().map(|outcome| outcome.map_err(Problem::from)).collect(),
        Err(_) => batch.into_refusals().into_iter().map(|refusal| Err(refusal.map_or(Problem::SlowStore, Problem::from))).collect(),
    }
}

/// The entries of a batch. All or nothing: a batch that cannot be read to its end may be misread from its start.
///
/// They are slices of one copy that has just the batch's bytes, whatever memory the body took. So the queue, which counts the bytes of
/// entries, is bounded: all of a batch waits and leaves together.
fn parse_batch(body: &[u8]) -> Result<Vec<Bytes>, Problem> {
    let body = Bytes::copy_from_slice(body);
    let mut entries = Vec::new();
    for entry in Entries::new(&body) {
        if entries.len() == MAX_BATCH {
            return Err(Problem::BatchTooLarge);
        }
        entries.push(body.slice_ref(entry.map_err(|_| Problem::MalformedBatch)?));
    }
    if entries.is_empty() { Err(Problem::EmptyBatch) } else { Ok(entries) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(entries: usize) -> Bytes {
        Bytes::from([0, 1, b'x'].repeat(entries))
    }

    #[test]
    fn a_batch_is_read_to_its_end_or_not_at_all() {
        assert_eq!(parse_batch(b"\0\x02ab\0\0\0\x01c"), Ok(vec!["ab".into(), "".into(), "c".into()]));
        assert_eq!(parse_batch(b""), Err(Problem::EmptyBatch));
        for bad in [&b"\0"[..], b"\0\x02a", b"\0\x01a\0"] {
            assert_eq!(parse_batch(bad), Err(Problem::MalformedBatch));
        }
        assert_eq!(parse_batch(&batch(MAX_BATCH)).map(|entries| entries.len()), Ok(MAX_BATCH));
        assert_eq!(parse_batch(&batch(MAX_BATCH + 1)), Err(Problem::BatchTooLarge));
    }

    #[test]
    fn every_line_of_an_answer_fits_into_the_memory_for_it() {
        let longest = Problem::names().map(str::len).max();
        assert!(longest.is_some_and(|longest| longest < LONGEST_LINE), "{longest:?}");
        assert!(u64::MAX.to_string().len() < LONGEST_LINE);
    }

    #[test]
    fn a_batch_that_waits_does_not_keep_the_buffer_it_came_in() {
        let body = batch(3);
        let memory = body.as_ptr_range();
        for entry in parse_batch(&body).into_iter().flatten() {
            assert!(!memory.contains(&entry.as_ptr()));
        }
    }
}
