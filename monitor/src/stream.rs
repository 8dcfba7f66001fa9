//! Events as they come, for programs: server-sent events, as the HTML standard defines them.
//!
//! ```text
//! id: 17
//! event: alert
//! data: {"number":17,"at":"…","change":"opened","alert":"…","muted":false,"finding":{…}}
//! ```
//!
//! One for each finding that came or went, in order, muted or not. A reader that was cut off says by `Last-Event-ID` what it has had, as
//! browsers do by themselves, and goes on there.
//!
//! Invariant: a stream holds no more than one piece of text that its reader has not taken; what comes next stays in the store until it is
//! wanted. So a slow reader costs no memory, and one that is too slow is cut.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde::Serialize;
use serving::address::AddressRange;
use serving::listener::{Clients, Counted};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep};

use crate::alert::{About, AlertId, Metrics, Mutes};
use crate::clock::Clock;
use crate::finding::Finding;
use crate::findings::{self, Change};
use crate::store::{Damage, Store, StoreError};

/// The media type.
pub const EVENT_STREAM: &str = "text/event-stream";

/// Streams at once.
const STREAMS: usize = 100;

/// Streams at once of one client: a browser with a few pages. One client with as many as there are would be the only reader. As for connections,
/// this machine has no limit of its own.
const STREAMS_OF_ONE: u32 = 8;

/// How often something is said, so that both ends know that the other is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a reader may take for one piece.
const SLOW: Duration = Duration::from_secs(30);

/// A piece is at least one event, and no more are added when it has so many bytes.
const PIECE: usize = 64 << 10;

/// How many events are read at once.
const BATCH: usize = 64;

/// What begins a stream: how long a reader waits before it comes again.
const BEGIN: &str = "retry: 3000\n\n";

/// A comment, which readers leave out.
const STILL_HERE: &str = ":\n\n";

/// All streams of events of a monitor.
#[derive(Debug)]
pub struct Streams {
    store: Arc<Store>,
    mutes: Mutes,
    metrics: Metrics,
    clock: Clock,
    room: Arc<Semaphore>,
    clients: Arc<Clients>,
    shutdown: watch::Receiver<()>,
}

/// The body of an answer that goes on.
pub type EventBody = StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>>;

/// There are as many streams as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are too many readers of events; try again later")]
pub struct TooManyStreams;

/// One stream, between two pieces.
struct Reading {
    store: Arc<Store>,
    mutes: Mutes,
    clock: Clock,
    written: watch::Receiver<u64>,
    shutdown: watch::Receiver<()>,
    /// The number of the last event that was given.
    last: u64,
    /// When the last piece was given; `None` before the first.
    given: Option<Instant>,
    open: Open,
}

/// Counts a stream until it is dropped.
struct Open {
    metrics: Metrics,
    _room: OwnedSemaphorePermit,
    _counted: Counted,
}

#[derive(Serialize)]
struct Data<'a> {
    number: u64,
    at: jiff::Timestamp,
    change: Change,
    alert: AlertId,
    muted: bool,
    finding: &'a Finding,
}

impl Streams {
    /// Those of a monitor; they end when `shutdown` closes.
    pub fn new(store: Arc<Store>, mutes: Mutes, metrics: Metrics, clock: Clock, shutdown: watch::Receiver<()>) -> Self {
        let clients = Clients::new(STREAMS_OF_ONE, AddressRange::LOOPBACK.to_vec());
        Streams { store, mutes, metrics, clock, room: Arc::new(Semaphore::new(STREAMS)), clients, shutdown }
    }

    /// Begins a stream for a client. `last_event_id` is the header of that name: what the reader has had. Without it, it begins with what comes next.
    pub fn open(&self, client: IpAddr, last_event_id: Option<&[u8]>) -> Result<Result<EventBody, StoreError>, TooManyStreams> {
        let room = self.clients.enter(client).and_then(|counted| Some((counted, Arc::clone(&self.room).try_acquire_owned().ok()?)));
        let room = room.ok_or_else(|| {
            self.metrics.streams_cut.inc();
            TooManyStreams
        })?;
        Ok(self.begin(last_event_id, room))
    }

    fn begin(&self, last_event_id: Option<&[u8]>, (counted, room): (Counted, OwnedSemaphorePermit)) -> Result<EventBody, StoreError> {
        let newest = findings::last_event(&self.store)?;
        let had = last_event_id.and_then(|id| std::str::from_utf8(id).ok()?.trim().parse::<u64>().ok());
        let last = match had {
            None => newest,
            Some(had) if had <= newest => had,
            // It read a state that is gone: better all of this one than none.
            Some(_) => 0,
        };
        self.metrics.streams.inc();
        let reading = Reading {
            store: Arc::clone(&self.store),
            mutes: self.mutes.clone(),
            clock: self.clock.clone(),
            written: self.store.watch(),
            shutdown: self.shutdown.clone(),
            last,
            given: None,
            open: Open { metrics: self.metrics.clone(), _room: room, _counted: counted },
        };
        let pieces = unfold(reading, |mut reading| async {
            let piece = reading.next().await?;
            reading.given = Some(Instant::now());
            Some((Ok(Frame::data(piece)), reading))
        });
        Ok(StreamBody::new(Box::pin(pieces)))
    }
}

impl Reading {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let Some(given) = self.given else { return Some(Bytes::from_static(BEGIN.as_bytes())) };
        if given.elapsed() > SLOW {
            self.open.metrics.streams_cut.inc();
            return None;
        }
        let heartbeat = sleep(HEARTBEAT);
        tokio::pin!(heartbeat);
        loop {
            self.written.mark_unchanged();
            match self.piece() {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Some(piece),
                Err(error) => {
                    tracing::error!("a stream of events ends: {error}");
                    return None;
                }
            }
            tokio::select! {
                // The store lives as long as this does, so it tells of each batch.
                _ = self.written.changed() => {}
                () = &mut heartbeat => return Some(Bytes::from_static(STILL_HERE.as_bytes())),
                // The other end is closed, and nothing is ever sent.
                _ = self.shutdown.changed() => return None,
            }
        }
    }

    /// What comes after the last event that was given; empty if there is nothing yet.
    fn piece(&mut self) -> Result<Bytes, StoreError> {
        let (mut piece, now) = (String::new(), self.clock.now());
        if findings::last_event(&self.store)? == self.last {
            return Ok(Bytes::new());
        }
        for event in findings::events_after(&self.store, self.last, BATCH)? {
            let finding = findings::finding(&self.store, event.finding)?.ok_or(Damage::MalformedRow)?;
            let about = About { log: &finding.log, code: &finding.code, group: &finding.group, severity: finding.severity };
            let data = Data {
                number: event.number,
                at: event.at,
                change: event.change,
                alert: AlertId::of(&finding),
                muted: self.mutes.applying(about, now).is_some(),
                finding: &finding,
            };
            // JSON of one line: line breaks in texts are escaped, so nobody's text ends an event or begins a field.
            let data = serde_json::to_string(&data).expect("a finding is plain data");
            piece.push_str(&format!("id: {}\nevent: alert\ndata: {data}\n\n", event.number));
            self.last = event.number;
            if piece.len() >= PIECE {
                break;
            }
        }
        Ok(Bytes::from(piece))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.streams.dec();
    }
}

#[cfg(test)]
mod tests;
