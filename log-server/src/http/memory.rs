//! The memory of answers: what is on its way to clients, bounded for all of them together.
//!
//! A client that does not take its answer keeps it in memory until the watch over its connection ends that, and connections have many
//! streams. So each answer has permits for its bytes. They belong to the bytes and not to the body, since hyper is done with a body
//! when it has queued its bytes, long before the client has them.
//!
//! Invariant: answers that wait for clients never take more than `answer_memory`, and bundles on their way from the store are as many
//! as there are permits to assemble them. Bytes that are also in a cache count as well, since the cache may drop them at any time.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// Bytes for one permit.
const UNIT: usize = 1024;

/// Permits for the bytes of answers.
#[derive(Clone, Debug)]
pub(super) struct AnswerMemory(Arc<Semaphore>);

/// Bytes, and the permits for them.
struct Held {
    bytes: Bytes,
    _permits: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AnswerMemory {
    pub(super) fn new(bytes: usize) -> Self {
        AnswerMemory(Arc::new(Semaphore::new((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// The same bytes, which count until the last reference to them is dropped.
    pub(super) fn hold(&self, bytes: Bytes) -> Result<Bytes, Problem> {
        let permits = self.reserve(bytes.len())?;
        Ok(held(bytes, permits))
    }

    /// Permits for an answer that is not there yet.
    pub(super) fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        Arc::clone(&self.0).try_acquire_many_owned(units).map_err(|_| Problem::Overloaded)
    }
}

/// Bytes with permits that were reserved for them.
pub(super) fn held(bytes: Bytes, permits: OwnedSemaphorePermit) -> Bytes {
    Bytes::from_owner(Held { bytes, _permits: permits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_until_the_last_of_its_bytes_is_gone() {
        let memory = AnswerMemory::new(10 * UNIT);
        let Ok(mut answer) = memory.hold(Bytes::from(vec![1; 8 * UNIT])) else { panic!("there is room") };
        let taken = answer.split_to(UNIT);
        drop(answer);
        assert_eq!(memory.hold(Bytes::from(vec![1; 3 * UNIT])), Err(Problem::Overloaded));
        drop(taken);
        assert!(memory.hold(Bytes::from(vec![1; 10 * UNIT])).is_ok());
        assert_eq!(memory.hold(Bytes::from(vec![1; 10 * UNIT + 1])), Err(Problem::Overloaded));
    }
}
