//! One thread of the generator: its connections, the loops that drive them, and what it counts.
//!
//! A request belongs to the measurement if it was due in it: sent, in the closed loop, or scheduled, in the open one. Every such request
//! is waited for beyond the end (up to [`DRAIN`]), so that none is left out for being slow.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

use super::acknowledged::Acknowledged;
use super::connection::Connection;
use super::process;
use super::request::{Outcome, Requests};
use super::schedule::{Alarm, Schedule};

/// How long after the end answers are waited for.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);

/// Sent later than this after it was due, a request counts as late.
pub(crate) const LATE: Duration = Duration::from_millis(1);

/// How long after the end requests that were due before it may still be sent.
const GRACE: Duration = Duration::from_millis(100);

/// Before a connection that failed is opened again: a dead server is not to be hammered.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// The slowest answer that the histogram can hold, in nanoseconds: twenty minutes.
const SLOWEST: u64 = 1_200_000_000_000;

/// When the measurement is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// The first request, before the warm-up.
    pub(crate) start: Instant,
    /// The beginning of the measurement.
    pub(crate) from: Instant,
    pub(crate) end: Instant,
}

/// What one thread has counted.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Requests begun.
    pub(crate) sent: u64,
    /// Answered with what was asked for.
    pub(crate) good: u64,
    /// Entries acknowledged, or things read.
    pub(crate) done: u64,
    /// Entries of batches that were refused for lack of room.
    pub(crate) refused: u64,
    /// Answered 503.
    pub(crate) overloaded: u64,
    /// Answered by another status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Answered by something else than what was asked for.
    pub(crate) nonsense: u64,
    /// The connection failed before there was an answer.
    pub(crate) lost: u64,
    /// Due while there was no connection and none could be opened.
    pub(crate) unreachable: u64,
    /// Connections opened again.
    pub(crate) reconnects: u64,
    /// Open loop: sent more than [`LATE`] after it was due.
    pub(crate) late: u64,
    /// Open loop: never sent, as the end came first.
    pub(crate) unsent: u64,
    /// Nanoseconds from due to answered, of good answers; and of what was unsent, from due to the end.
    pub(crate) latency: Histogram<u64>,
    pub(crate) acknowledged: Acknowledged,
    pub(crate) last_answer: Option<Instant>,
    /// Processor time of this thread during the measurement.
    pub(crate) cpu: Duration,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Tally {
            sent: 0,
            good: 0,
            done: 0,
            refused: 0,
            overloaded: 0,
            statuses: BTreeMap::new(),
            nonsense: 0,
            lost: 0,
            unreachable: 0,
            reconnects: 0,
            late: 0,
            unsent: 0,
            latency: Histogram::new_with_bounds(1, SLOWEST, 3).expect("the bounds are valid"),
            acknowledged: Acknowledged::default(),
            last_answer: None,
            cpu: Duration::ZERO,
        }
    }

    /// Adds what another thread has counted.
    pub(crate) fn merge(&mut self, other: Tally) {
        self.sent += other.sent;
        self.good += other.good;
        self.done += other.done;
        self.refused += other.refused;
        self.overloaded += other.overloaded;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.nonsense += other.nonsense;
        self.lost += other.lost;
        self.unreachable += other.unreachable;
        self.reconnects += other.reconnects;
        self.late += other.late;
        self.unsent += other.unsent;
        self.latency.add(&other.latency).expect("the same bounds");
        self.acknowledged.merge(other.acknowledged);
        self.last_answer = self.last_answer.max(other.last_answer);
        self.cpu += other.cpu;
    }

    fn note_latency(&mut self, latency: Duration) {
        self.latency.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(SLOWEST));
    }

    fn note(&mut self, outcome: Outcome, due: Instant, now: Instant) {
        self.last_answer = self.last_answer.max(Some(now));
        match outcome {
            Outcome::Good { done, refused } => {
                self.good += 1;
                self.done += done;
                self.refused += refused;
                self.note_latency(now.saturating_duration_since(due));
            }
            Outcome::Overloaded => self.overloaded += 1,
            Outcome::Status(status) => *self.statuses.entry(status).or_default() += 1,
            Outcome::Nonsense => self.nonsense += 1,
        }
    }
}

/// What the connections of one thread share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) server: SocketAddr,
    pub(crate) window: Window,
    pub(crate) pace: Pace,
    /// For the progress line: entries acknowledged or things read since the start, by all threads.
    pub(crate) live: Arc<AtomicU64>,
    /// Never contended: all that use it are tasks of one thread.
    pub(crate) tally: Mutex<Tally>,
}

/// When the next request goes out.
#[derive(Debug)]
pub(crate) enum Pace {
    /// As soon as the last one was answered.
    Closed,
    /// When it is due, on any connection that is free.
    Open {
        schedule: Schedule,
        /// One for each request that is due and not yet taken by a connection.
        due: Semaphore,
        taken: AtomicU64,
    },
}

impl Pace {
    pub(crate) fn open(schedule: Schedule) -> Self {
        Pace::Open { schedule, due: Semaphore::new(0), taken: AtomicU64::new(0) }
    }

    /// When the request that is to be sent now was due; nothing when there is none to send any more.
    async fn next(&self, end: Instant) -> Option<Instant> {
        match self {
            Pace::Closed => Some(Instant::now()).filter(|now| *now < end),
            Pace::Open { schedule, due, taken } => {
                due.acquire().await.ok()?.forget();
                if Instant::now() > end + GRACE {
                    return None;
                }
                let number = taken.fetch_add(1, Ordering::Relaxed);
                if number + 1 == schedule.total() {
                    // The others need not wait for more.
                    due.close();
                }
                Some(schedule.due(number))
            }
        }
    }

    /// Lets requests out when they are due.
    async fn keep(&self) -> io::Result<()> {
        let Pace::Open { schedule, due, .. } = self else { return Ok(()) };
        let mut alarm = Alarm::new()?;
        let mut released = 0;
        while released < schedule.total() {
            let now_due = schedule.due_by(Instant::now());
            due.add_permits(usize::try_from(now_due - released).unwrap_or(Semaphore::MAX_PERMITS));
            released = now_due;
            if released < schedule.total() {
                alarm.sleep_until(schedule.due(released)).await?;
            }
        }
        if schedule.total() == 0 {
            due.close();
        }
        Ok(())
    }
}

impl Worker {
    /// Drives these connections until the end of the measurement, and returns what came of it.
    pub(crate) async fn run(self, connections: Vec<(Connection, Requests)>) -> io::Result<Tally> {
        let worker = Arc::new(self);
        let window = worker.window;
        let mut tasks = JoinSet::new();
        sleep(window.start.saturating_duration_since(Instant::now())).await;
        for (connection, requests) in connections {
            tasks.spawn(Arc::clone(&worker).drive(connection, requests));
        }
        let cpu = async {
            sleep(window.from.saturating_duration_since(Instant::now())).await;
            process::thread_cpu()
        };
        let all = async { while tasks.join_next().await.is_some() {} };
        let ((), before, paced) = tokio::join!(
            async {
                // What is unanswered by then is counted as that, and the connections are dropped.
                let _ = timeout_at((window.end + DRAIN).into(), all).await;
            },
            cpu,
            worker.pace.keep(),
        );
        paced?;
        tasks.shutdown().await;
        let mut tally = std::mem::replace(&mut *worker.tally(), Tally::new());
        worker.count_unsent(&mut tally);
        tally.cpu = process::thread_cpu().saturating_sub(before);
        Ok(tally)
    }

    /// One connection: a request, its answer, the next request.
    async fn drive(self: Arc<Self>, connection: Connection, mut requests: Requests) {
        let mut open = Some(connection);
        while let Some(due) = self.pace.next(self.window.end).await {
            let counts = due >= self.window.from;
            let Some(connection) = self.connected(&mut open, counts).await else { continue };
            let request = requests.next();
            if counts {
                let mut tally = self.tally();
                tally.sent += 1;
                if matches!(self.pace, Pace::Open { .. }) && due.elapsed() > LATE {
                    tally.late += 1;
                }
            }
            let answer = connection.exchange(request).await;
            let now = Instant::now();
            let mut tally = self.tally();
            let keeps_open = match answer {
                Ok(answer) => {
                    let mut warming_up = Acknowledged::default();
                    let outcome = requests.judge(&answer, if counts { &mut tally.acknowledged } else { &mut warming_up });
                    if let Outcome::Good { done, .. } = outcome {
                        self.live.fetch_add(done, Ordering::Relaxed);
                    }
                    if counts {
                        tally.note(outcome, due, now);
                    }
                    answer.keeps_open
                }
                Err(error) => {
                    tracing::debug!(%error, "a request got no answer");
                    tally.lost += u64::from(counts);
                    false
                }
            };
            if !keeps_open {
                open = None;
            }
        }
    }

    /// The open connection, opened again if need be.
    async fn connected<'c>(&self, open: &'c mut Option<Connection>, counts: bool) -> Option<&'c mut Connection> {
        if open.is_none() {
            match Connection::open(self.server).await {
                Ok(connection) => {
                    self.tally().reconnects += u64::from(counts);
                    *open = Some(connection);
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be opened again");
                    self.tally().unreachable += u64::from(counts);
                    sleep(RECONNECT_PAUSE).await;
                }
            }
        }
        open.as_mut()
    }

    /// Requests that were due and that no connection was free for: each has waited until the end at least, and is counted with that.
    fn count_unsent(&self, tally: &mut Tally) {
        let Pace::Open { schedule, taken, .. } = &self.pace else { return };
        for number in taken.load(Ordering::Relaxed)..schedule.total() {
            let due = schedule.due(number);
            if due >= self.window.from {
                tally.unsent += 1;
                tally.note_latency(self.window.end.saturating_duration_since(due));
            }
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        // A panic of another task is a bug that is reported as such; the counts are still counts.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
