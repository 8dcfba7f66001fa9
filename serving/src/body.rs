//! Reading the body of a request: bounded in bytes, in time, and in the memory that all bodies take together.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, EXPECT};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Why a body was not read to its end. A server maps each to a status, so a new one shall break its match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More bytes than there may be.
    #[error("the body is too large")]
    TooLarge,
    /// A body with a `Content-Encoding`.
    #[error("the body is encoded")]
    Encoded,
    /// It took longer than it may. The connection is of no use any more.
    #[error("the body did not come in time")]
    Slow,
    /// It ended early: the client is gone. The connection is of no use any more.
    #[error("the body ended early")]
    Broken,
    /// There is no memory for it at the moment.
    #[error("there is no memory for the body")]
    NoMemory,
}

/// Bounds of a body.
#[derive(Clone, Debug)]
pub struct Bounds<'a> {
    /// The most bytes.
    pub most: usize,
    /// From now to the last byte.
    pub deadline: Duration,
    /// The memory of all bodies together: one permit for each [`UNIT`].
    pub memory: &'a Semaphore,
}

/// Bytes for one permit of the memory of bodies.
pub const UNIT: usize = 1024;

/// How much of a body that is not wanted is read away, see [`discard`]: more than anybody sends by mistake. It takes time of the client, not memory.
const READ_AWAY: usize = 16 << 20;

/// How long reading it away may take. Whoever sends an honest body is done by then.
const READ_AWAY_TIME: Duration = Duration::from_secs(2);

/// A body that came in one piece up to this length is copied. The piece is a slice of the connection's read buffer, which is several
/// times larger and would stay in memory for as long as the body is kept.
const COPY: usize = 4096;

/// Reads a body to its end.
pub async fn read(headers: &HeaderMap, body: &mut Incoming, bounds: Bounds<'_>) -> Result<Bytes, BodyError> {
    // What is hashed is what was sent, and decoding could make gigabytes of a few bytes.
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(BodyError::Encoded);
    }
    timeout(bounds.deadline, collect(body, bounds)).await.unwrap_or(Err(BodyError::Slow))
}

/// Reads away what is left of a body that is not wanted. If the connection was closed while the client still sends, the client would
/// see that, and not the answer that says why.
pub async fn discard(headers: &HeaderMap, body: &mut Incoming) {
    // A client that asks first need not send it, and one that announces more than that is not humoured.
    if headers.contains_key(EXPECT) || body.size_hint().lower() > u64::try_from(READ_AWAY).unwrap_or(u64::MAX) {
        return;
    }
    let read_away = async {
        let mut left = READ_AWAY;
        while let Ok(Some(piece)) = data(body).await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                break;
            }
        }
    };
    // Whether it was all of it or not, there is no more to be done for this client.
    let _ = timeout(READ_AWAY_TIME, read_away).await;
}

async fn collect(body: &mut Incoming, bounds: Bounds<'_>) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > u64::try_from(bounds.most).unwrap_or(u64::MAX) {
        return Err(BodyError::TooLarge);
    }
    let Some(first) = data(body).await? else { return Ok(Bytes::new()) };
    if first.len() > bounds.most {
        return Err(BodyError::TooLarge);
    }
    if body.is_end_stream() {
        return Ok(if first.len() <= COPY { Bytes::copy_from_slice(&first) } else { first });
    }
    // By what has come, never by what is announced: announcing costs a client nothing.
    let mut buffer = Buffer::new(bounds, first.len())?;
    buffer.push(&first)?;
    drop(first);
    while let Some(piece) = data(body).await? {
        buffer.push(&piece)?;
    }
    Ok(Bytes::from(buffer.bytes))
}

/// The next piece of data; trailers are skipped.
async fn data(body: &mut Incoming) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// A body as far as it has come, and the permits for its memory.
struct Buffer<'a> {
    bounds: Bounds<'a>,
    bytes: Vec<u8>,
    permits: SemaphorePermit<'a>,
}

impl<'a> Buffer<'a> {
    fn new(bounds: Bounds<'a>, capacity: usize) -> Result<Self, BodyError> {
        let capacity = capacity.clamp(UNIT.min(bounds.most), bounds.most);
        let permits = bounds.memory.try_acquire_many(units(capacity)).map_err(|_| BodyError::NoMemory)?;
        Ok(Buffer { bounds, bytes: Vec::with_capacity(capacity), permits })
    }

    /// Appends a piece. The memory for it is doubled when it is full, if there is as much, and there are permits for all of it before it
    /// is allocated.
    fn push(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        let length = self.bytes.len() + piece.len();
        if length > self.bounds.most {
            return Err(BodyError::TooLarge);
        }
        if length > self.bytes.capacity() {
            let doubled = length.max(self.bytes.capacity().saturating_mul(2)).min(self.bounds.most);
            let capacity = [doubled, length].into_iter().find(|capacity| self.reserve(*capacity)).ok_or(BodyError::NoMemory)?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Gets the permits for so many bytes in all, if they are there.
    fn reserve(&mut self, capacity: usize) -> bool {
        let have = u32::try_from(self.permits.num_permits()).unwrap_or(u32::MAX);
        let more = self.bounds.memory.try_acquire_many(units(capacity).saturating_sub(have));
        more.map(|more| self.permits.merge(more)).is_ok()
    }
}

/// Permits for so many bytes.
pub fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_reserved_for_what_has_come_and_never_less_than_is_allocated() {
        let memory = Semaphore::new(100);
        let bounds = Bounds { most: 64 * UNIT, deadline: Duration::ZERO, memory: &memory };
        let Ok(mut buffer) = Buffer::new(bounds, 2) else { panic!("there is memory") };
        assert_eq!(memory.available_permits(), 99);
        for sent in 1..=64 {
            assert_eq!(buffer.push(&[0; UNIT]), Ok(()));
            let reserved = 100 - memory.available_permits();
            assert!(reserved * UNIT >= buffer.bytes.capacity() && reserved <= 2 * sent, "{reserved} for {sent}");
        }
        assert_eq!(buffer.push(b"x"), Err(BodyError::TooLarge));
        drop(buffer);
        assert_eq!(memory.available_permits(), 100);
    }
}
