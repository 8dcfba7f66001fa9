//! Reading the body of a request: bounded in bytes, in time, and in the memory that all bodies take together.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use hyper::header::CONTENT_ENCODING;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::problem::Problem;

/// Bounds of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'a> {
    /// The most bytes.
    pub(crate) most: usize,
    /// What more bytes than that are.
    pub(crate) too_large: Problem,
    /// From now to the last byte.
    pub(crate) deadline: Duration,
    /// The memory of all bodies together: one permit for each [`UNIT`].
    pub(crate) memory: &'a Semaphore,
}

/// Bytes for one permit of the memory of bodies.
pub(crate) const UNIT: usize = 1024;

/// How much of a body that is too large is read away, so that the client sees the answer instead of a connection that breaks while it
/// still sends.
const READ_AWAY: usize = 1 << 20;

/// A body that came in one piece up to this length is copied. The piece is a slice of the connection's read buffer, which is several
/// times larger and would stay in memory for as long as the entry waits.
const COPY: usize = 4096;

/// Reads a body to its end.
pub(crate) async fn read(headers: &HeaderMap, body: Incoming, bounds: Bounds<'_>) -> Result<Bytes, Problem> {
    // A log publishes the bytes that it is sent, and decoding could make gigabytes of a few of them.
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(Problem::EncodedBody);
    }
    timeout(bounds.deadline, collect(body, bounds)).await.unwrap_or(Err(Problem::SlowBody))
}

async fn collect(mut body: Incoming, bounds: Bounds<'_>) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > u64::try_from(bounds.most).unwrap_or(u64::MAX) {
        return Err(read_away(body, bounds).await);
    }
    let Some(first) = data(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > bounds.most {
        return Err(read_away(body, bounds).await);
    }
    if body.is_end_stream() {
        return Ok(if first.len() <= COPY { Bytes::copy_from_slice(&first) } else { first });
    }
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX).saturating_add(first.len()).min(bounds.most);
    let mut reserved = Reserved::new(bounds.memory, expected)?;
    let mut whole = Vec::with_capacity(expected);
    whole.extend_from_slice(&first);
    drop(first);
    while let Some(piece) = data(&mut body).await? {
        if whole.len() + piece.len() > bounds.most {
            drop(whole);
            return Err(read_away(body, bounds).await);
        }
        reserved.grow(whole.len() + piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok(Bytes::from(whole))
}

/// The next piece of data; trailers are skipped.
async fn data(body: &mut Incoming) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|_| Problem::BrokenBody)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

async fn read_away(mut body: Incoming, bounds: Bounds<'_>) -> Problem {
    let mut left = READ_AWAY;
    // A client that announces more than that is not humoured: it is answered at once and the connection closed.
    if body.size_hint().lower() <= u64::try_from(READ_AWAY).unwrap_or(u64::MAX) {
        while let Ok(Some(piece)) = data(&mut body).await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                break;
            }
        }
    }
    bounds.too_large
}

/// Memory that this body has of what all bodies have together.
struct Reserved<'a> {
    memory: &'a Semaphore,
    permits: SemaphorePermit<'a>,
}

impl<'a> Reserved<'a> {
    fn new(memory: &'a Semaphore, bytes: usize) -> Result<Self, Problem> {
        let permits = memory.try_acquire_many(units(bytes)).map_err(|_| Problem::Overloaded)?;
        Ok(Reserved { memory, permits })
    }

    /// Raises the reservation to `bytes` in all. It grows by a half at least, as the buffer does.
    fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let have = u32::try_from(self.permits.num_permits()).unwrap_or(u32::MAX);
        if units(bytes) > have {
            let more = (units(bytes) - have).max(have / 2);
            self.permits.merge(self.memory.try_acquire_many(more).map_err(|_| Problem::Overloaded)?);
        }
        Ok(())
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}
