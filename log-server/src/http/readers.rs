//! Tiles and bundles that are not in the log's memory.
//!
//! Most of them are in the operating system's: to read one takes some microseconds, and to hand it to a thread that may wait for a disk, and
//! back, many more, since each waking interrupts whoever wakes. So what waits is read together by one thread, and answered together. Whether
//! the disk is quick is not known before. Where it is slow, that is found out:
//!
//! - a reader whose read took long has another one come to help, and that one again, if more waits;
//! - what has waited for [`PATIENCE`] calls another reader, and has what was read meanwhile answered. So one read that never ends holds up
//!   nothing but itself.
//!
//! Invariant: a reader holds a permit of all reads from the disk, so there are never more threads than those. What waits is a number and
//! belongs to a request in progress; of requests that are gone no more is kept than of the others. What is read and not answered yet are
//! some tiles, and bundles that have their permits with them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tlog::tiles::Resource;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::timeout;

use super::problem::Problem;
use super::read;
use crate::log::{Log, ReadError};
use crate::store::Store;

/// A read that takes longer came from a disk.
const SLOW: Duration = Duration::from_millis(1);

/// How long a read waits before more is done for it.
const PATIENCE: Duration = Duration::from_millis(20);

/// How many reads are answered together at most, ...
const TOGETHER: usize = 32;

/// ... and how long the first of them waits for the others.
const GATHERED: Duration = Duration::from_micros(250);

/// What was read, with the permit for its memory.
type Read = (Result<Option<Bytes>, ReadError>, Permit);
type Permit = Option<OwnedSemaphorePermit>;
type Answered = (oneshot::Sender<Read>, Read);

/// What waits to be read, and whoever reads it.
#[derive(Debug)]
pub(super) struct Readers<S> {
    log: Log<S>,
    /// Permits of the disk, one for each reader.
    permits: Arc<Semaphore>,
    /// How many wait before it is looked for those that nobody waits for any more.
    many: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// What was read and not answered yet.
    read: Vec<Answered>,
    /// Readers, also those that wait for their permit.
    readers: usize,
}

/// A request that waits.
#[derive(Debug)]
struct Waiting {
    resource: Resource,
    permit: Permit,
    answer: oneshot::Sender<Read>,
}

/// One reader, as long as it reads.
struct Reader<S: Store> {
    reads: Arc<Readers<S>>,
    /// Whether it is in the number of readers. It leaves it while nothing can begin to wait, so that whatever comes then finds none.
    counted: bool,
}

impl<S: Store> Readers<S> {
    /// Reads from `log` with `permits`, for at most so many requests at a time.
    pub(super) fn new(log: Log<S>, permits: Arc<Semaphore>, requests: usize) -> Self {
        Readers { log, permits, many: requests.saturating_mul(2), queue: Mutex::default() }
    }

    /// The bytes of a tile or bundle; `None` if the published tree does not have it. `permit` is for the memory that they take and goes with
    /// them, also where the client leaves meanwhile.
    pub(super) async fn read(self: &Arc<Self>, resource: Resource, permit: Permit) -> Result<(Option<Bytes>, Permit), Problem> {
        let (answer, mut read) = oneshot::channel();
        if self.push(Waiting { resource, permit, answer }) {
            self.start_reader();
        }
        loop {
            match timeout(PATIENCE, &mut read).await {
                Ok(Ok((read, permit))) => return Ok((read?, permit)),
                Ok(Err(_)) => {
                    tracing::error!("a read from the store ended without a result");
                    return Err(Problem::Internal);
                }
                Err(_) => self.hurry(),
            }
        }
    }

    /// Lets a request wait; says whether nobody reads.
    fn push(&self, waiting: Waiting) -> bool {
        let mut queue = self.queue();
        if queue.waiting.len() >= self.many {
            queue.waiting.retain(|waiting| !waiting.answer.is_closed());
        }
        queue.waiting.push_back(waiting);
        let first = queue.readers == 0;
        queue.readers += usize::from(first);
        first
    }

    /// Does more for what has waited for long.
    fn hurry(self: &Arc<Self>) {
        let mut queue = self.queue();
        let read = std::mem::take(&mut queue.read);
        let helps = !queue.waiting.is_empty() && queue.readers < super::DISK_READS;
        queue.readers += usize::from(helps);
        drop(queue);
        answer(read);
        if helps {
            self.start_reader();
        }
    }

    /// Has a reader begin that is in the number of them already.
    fn start_reader(self: &Arc<Self>) {
        let reader = Reader { reads: Arc::clone(self), counted: true };
        let permits = Arc::clone(&self.permits);
        tokio::spawn(async move {
            // Whoever is about to ask as well shall have asked.
            yield_now().await;
            let permit = permits.acquire_owned().await.expect("the semaphore is never closed");
            spawn_blocking(move || {
                let _permit = permit;
                reader.run();
            });
        });
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store> Reader<S> {
    /// Reads until nothing waits.
    fn run(mut self) {
        let (mut since, mut read) = (Instant::now(), None);
        while let Some(Waiting { resource, permit, answer }) = self.next(read.take(), &mut since) {
            if answer.is_closed() {
                continue;
            }
            let began = Instant::now();
            read = Some((answer, (read::resource(&self.reads.log, resource), permit)));
            if began.elapsed() > SLOW {
                self.reads.hurry();
            }
        }
    }

    /// What to read next, after what was read last. Has what was read since `since` answered if that is enough, or all.
    fn next(&mut self, read: Option<Answered>, since: &mut Instant) -> Option<Waiting> {
        let mut queue = self.reads.queue();
        queue.read.extend(read);
        let next = queue.waiting.pop_front();
        if next.is_none() {
            queue.readers -= 1;
            self.counted = false;
        }
        if next.is_none() || queue.read.len() >= TOGETHER || since.elapsed() > GATHERED {
            let read = std::mem::take(&mut queue.read);
            drop(queue);
            // On a thread that runs their requests: there nothing has to be woken for it.
            if !read.is_empty() {
                tokio::spawn(async move { answer(read) });
            }
            *since = Instant::now();
        }
        next
    }
}

impl<S: Store> Drop for Reader<S> {
    fn drop(&mut self) {
        self.reads.queue().readers -= usize::from(self.counted);
    }
}

/// Gives what was read to those who wait for it. Whoever is gone misses nothing.
fn answer(read: Vec<Answered>) {
    read.into_iter().for_each(|(answer, read)| drop(answer.send(read)));
}

#[cfg(test)]
mod tests;
