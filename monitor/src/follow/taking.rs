//! Taking in the entries up to a head, chunk by chunk: the next one is fetched, and its signatures are verified, while this one is judged.
//!
//! Invariant: whatever a log serves, and however slowly, a look that may wait comes back soon after its time. Each bundle that came is taken in
//! first, so no look is for nothing, and how long one request may take is bounded by its source.

use std::ops::Range;
use std::pin::pin;

use acta_client::verified::{ReadError, VerifiedBundle, VerifiedLog};
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use tlog::policy::VerifiedCheckpoint;

use super::head::is_longer;
use super::intake::{Chunk, entries_from};
use super::{FollowError, Follower, LOOK_FOR, Look, Patience};
use crate::clock::Clock;
use crate::finding::Code;
use crate::judge::{Ahead, Ready};

/// How many bundles are taken in at a time, at most: 4,096 entries.
const BUNDLES_AT_ONCE: u64 = 16;

/// No more bundles are taken together once they have this many bytes.
const BYTES_AT_ONCE: usize = 8 << 20;

/// A look that took in fewer entries than this before its time was up, and fewer bytes than [`BYTES_AT_ONCE`], was kept waiting by the log.
const SLOW: u64 = 256 * BUNDLES_AT_ONCE;

/// When a look is to come back, done or not; `None`: when it is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound(Option<Timestamp>);

/// Why there are no more bundles for now.
enum Stop {
    /// They could not be read.
    Failed(ReadError),
    /// The look's time is up.
    TimeUp,
}

impl Bound {
    /// That of a look which began at this time.
    pub(super) fn of(patience: Patience, begun: Timestamp) -> Self {
        Bound((patience == Patience::Waits).then_some(begun))
    }

    fn is_reached(self, clock: &Clock) -> bool {
        self.0.is_some_and(|begun| is_longer(begun, clock.now(), LOOK_FOR))
    }
}

impl Follower {
    /// Takes in these entries. `Err` inside: not all of them, and how the look ends by that.
    pub(super) async fn take(
        &mut self,
        head: &VerifiedCheckpoint,
        range: Range<u64>,
        bound: Bound,
    ) -> Result<Result<(), Look>, FollowError> {
        self.timeline.listen();
        let (log, clock) = (VerifiedLog::at(self.source.clone(), head.clone()), self.clock.clone());
        let mut bundles = pin!(log.entries(range.clone()));
        let (mut next, mut stop) = chunk(&mut bundles, range.start, bound, &clock).await;
        let (mut bytes, mut ready) = (0, None);
        while !next.is_empty() {
            let cursor = self.log().size.as_u64();
            let end = next.last().map_or(cursor, |bundle| bundle.first_index().as_u64() + u64::from(bundle.len()));
            bytes += next.iter().map(VerifiedBundle::byte_len).sum::<usize>();
            let published = self.published(cursor..end).await;
            let ahead = self.intake().ahead();
            let this = Chunk { bundles: std::mem::take(&mut next), head: head.signed().clone(), published };
            let taking = self.take_chunk(this, ready.take());
            if stop.is_none() {
                let following = async {
                    let (bundles, stop) = chunk(&mut bundles, end, bound, &clock).await;
                    (prepare(ahead, bundles, end).await, stop)
                };
                let (taken, following) = tokio::join!(taking, following);
                if let Err(error) = taken? {
                    return Ok(Err(self.not_taken(&error)));
                }
                ((next, ready), stop) = following;
            } else if let Err(error) = taking.await? {
                return Ok(Err(self.not_taken(&error)));
            }
        }
        let cursor = self.log().size.as_u64();
        let entries = cursor - range.start;
        let went_on = entries >= SLOW || bytes >= BYTES_AT_ONCE;
        if went_on {
            // Whatever was not to be had before, it was not these; one failure in each of many looks is not one that lasts.
            self.withheld = None;
            self.conditions.is_not(Code::LOG_UNREACHABLE, "entries");
        }
        match stop {
            None => Ok(Ok(())),
            Some(Stop::TimeUp) if cursor >= range.end => Ok(Ok(())),
            Some(Stop::TimeUp) if went_on => Ok(Err(Look::Unfinished)),
            Some(Stop::TimeUp) => Ok(Err(self.withheld(&format!("it served {entries} of them in {} seconds", LOOK_FOR.as_secs())))),
            Some(Stop::Failed(error)) => Ok(Err(self.not_read(&log, &error).await?)),
        }
    }
}

/// Verifies the signatures of the entries from `first` on, if it may, before it is their turn.
async fn prepare(ahead: Option<Ahead>, bundles: Vec<VerifiedBundle>, first: u64) -> (Vec<VerifiedBundle>, Option<Ready>) {
    let Some(ahead) = ahead.filter(|_| !bundles.is_empty()) else { return (bundles, None) };
    let prepared = tokio::task::spawn_blocking(move || {
        let ready = ahead.prepare(&entries_from(&bundles, first));
        (bundles, Some(ready))
    });
    prepared.await.expect("preparing entries does not panic and is not cancelled")
}

/// The next bundles, and why there are no more of them, unless it is the end: few at the start, where a log's issuers tend to be registered,
/// because signatures can only be verified ahead by keys that are known.
async fn chunk(
    bundles: &mut (impl Stream<Item = Result<VerifiedBundle, ReadError>> + Unpin),
    cursor: u64,
    bound: Bound,
    clock: &Clock,
) -> (Vec<VerifiedBundle>, Option<Stop>) {
    let most = (cursor / 256).clamp(1, BUNDLES_AT_ONCE);
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    for _ in 0..most {
        match bundles.next().await {
            None => break,
            Some(Err(error)) => return (chunk, Some(Stop::Failed(error))),
            Some(Ok(bundle)) => {
                bytes += bundle.byte_len();
                chunk.push(bundle);
            }
        }
        if bound.is_reached(clock) {
            return (chunk, Some(Stop::TimeUp));
        }
        if bytes >= BYTES_AT_ONCE {
            break;
        }
    }
    (chunk, None)
}
