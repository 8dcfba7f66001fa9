//! Load for a log, and what came of it.
//!
//! The generator is meant to share a machine with the server that it measures, so it is built to use little of it: connections of
//! its own (`connection.rs`), requests changed in place, entries from a counter. What it can do at most is measured against a server that
//! does nothing ([`Plan::log`] left out), and a run that comes near to that says so.
//!
//! Two kinds of load. In the *closed loop* each connection sends its next request when the last one was answered; it finds the most that
//! the server can do, and its latencies are those of that load, not of any other. In the *open loop* requests go out at a rate (`schedule.rs`)
//! and latency counts from when each was due, also for those that had to wait for a connection or never got one.
//!
//! | module | role |
//! |---|---|
//! | `entries` | what is added, and which is a duplicate |
//! | `request` | what each mode asks, and what counts as an answer |
//! | `connection` | one HTTP/1.1 connection |
//! | `schedule` | when requests of the open loop are due |
//! | `worker` | a thread with its connections and counts |
//! | `acknowledged` | whether the acknowledgements can all be true |
//! | `process` | what a process has used |
//! | `report` | the result |
//! | `null_server` | the server that does nothing |

mod acknowledged;
mod connection;
mod entries;
mod null_server;
mod process;
mod report;
mod request;
mod schedule;
#[cfg(test)]
mod tests;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqwest::Url;
use serde::Serialize;
use tlog::TreeSize;
use tlog::checkpoint::SignedCheckpoint;
use tlog::tiles::{MAX_ENTRY, TILE_WIDTH};
use tokio::sync::oneshot;

use self::connection::Connection;
use self::entries::{Chooser, Entries, Random};
use self::null_server::NullServer;
use self::process::Usage;
use self::request::{Common, Requests};
use self::schedule::Schedule;
use self::worker::{Pace, Tally, Window, Worker};

pub use self::acknowledged::Honesty;
pub use self::report::{GeneratorUse, Latency, OpenLoop, Report, ServerUse};

/// The most bytes of a batch's body that a log takes.
const LARGEST_BATCH: usize = 8 << 20;

/// How large a log the null server is taken for.
const PRETENDED_SIZE: u64 = 1 << 24;

/// Between telling all threads to begin and their beginning.
const LEAD: Duration = Duration::from_millis(20);

/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(250);

/// What is asked of the log, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Mode {
    /// Add one entry a request
    Add,
    /// Add one entry a request, and wait for its receipt
    AddReceipt,
    /// Add many entries a request
    AddBatch,
    /// Read full tiles of hashes, any with the same chance
    Tile,
    /// Read full bundles of entries, any with the same chance
    Bundle,
    /// Ask for receipts of entries, any with the same chance
    Proof,
    /// Read the checkpoint
    Checkpoint,
}

impl Mode {
    /// Whether it changes the log.
    pub fn adds(self) -> bool {
        matches!(self, Mode::Add | Mode::AddReceipt | Mode::AddBatch)
    }
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The log's URL, plain http; nothing means a server within this process that does nothing.
    pub log: Option<Url>,
    /// What to ask.
    pub mode: Mode,
    /// Connections at once, divided among the threads.
    pub connections: NonZeroU16,
    /// Threads of the generator.
    pub threads: NonZeroU16,
    /// Load before the measurement.
    pub warm_up: Duration,
    /// The measurement.
    pub duration: Duration,
    /// Bytes of an entry, 8 at least.
    pub entry_bytes: u16,
    /// Entries in a request of [`Mode::AddBatch`].
    pub batch: NonZeroU16,
    /// Share of entries that have been sent before.
    pub duplicates_percent: u8,
    /// Requests a second; nothing means a closed loop.
    pub rate: Option<NonZeroU32>,
    /// The same seed makes the same entries.
    pub seed: u64,
    /// The server's process, if it is to be watched.
    pub server_pid: Option<u32>,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            log: None,
            mode: Mode::Add,
            connections: NonZeroU16::new(64).expect("not zero"),
            threads: NonZeroU16::MIN,
            warm_up: Duration::ZERO,
            duration: Duration::from_secs(10),
            entry_bytes: 256,
            batch: NonZeroU16::new(256).expect("not zero"),
            duplicates_percent: 0,
            rate: None,
            seed: 0,
            server_pid: None,
        }
    }
}

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// https, or another scheme.
    #[error("load is generated over plain http:// only; point --log at an http listener of the log")]
    Scheme,
    /// The host's name has no address.
    #[error("the log's host has no address; check --log")]
    Resolve(#[source] Option<io::Error>),
    /// Fewer than 8 bytes.
    #[error("entries of fewer than {} bytes would not all be different; give a larger --entry-bytes", entries::SHORTEST)]
    EntryTooShort,
    /// More than the log takes in one request.
    #[error("a batch of these entries is larger than the 8 MiB that a log takes in one request; lower --batch or --entry-bytes")]
    BatchTooLarge,
    /// The log did not answer, or not with a checkpoint.
    #[error("the log's checkpoint cannot be read; check that --log is the URL of a running log")]
    Checkpoint,
    /// Fewer than 256 entries, or none.
    #[error("the log has too few entries to read from; add some first, for example with --mode add-batch (tiles need 256)")]
    LogTooSmall,
    /// No such process, or it belongs to somebody else.
    #[error("there is no process {0} to watch; check --server-pid")]
    NoSuchProcess(u32),
    /// The first connections could not be opened.
    #[error("the connections to the log cannot be opened; check that it runs, and that this process may open so many files (ulimit -n)")]
    Connect(#[source] io::Error),
    /// The operating system gives no thread, timer or port.
    #[error("the generator cannot be started")]
    Start(#[source] io::Error),
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// Since the first request.
    pub elapsed: Duration,
    /// The whole run, warm-up included.
    pub whole: Duration,
    /// Entries acknowledged or things read so far.
    pub entries: u64,
}

/// Puts load on a log, and measures. Blocks until the end; `progress` hears of it four times a second.
pub fn run(plan: &Plan, progress: impl FnMut(Progress)) -> Result<Report, BenchError> {
    match &plan.log {
        Some(url) => {
            let (address, host, base) = resolve(url)?;
            run_against(plan, address, host, base, None, progress)
        }
        None => {
            let null = NullServer::start().map_err(BenchError::Start)?;
            let host = null.address().to_string();
            run_against(plan, null.address(), host, String::new(), Some(&null), progress)
        }
    }
}

/// The address, the value of `Host`, and the path before the log's own.
fn resolve(url: &Url) -> Result<(SocketAddr, String, String), BenchError> {
    if url.scheme() != "http" {
        return Err(BenchError::Scheme);
    }
    let name = url.host_str().ok_or(BenchError::Resolve(None))?;
    let addresses = url.socket_addrs(|| None).map_err(|error| BenchError::Resolve(Some(error)))?;
    let address = addresses.into_iter().next().ok_or(BenchError::Resolve(None))?;
    let host = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    Ok((address, host, url.path().trim_end_matches('/').to_owned()))
}

fn run_against(
    plan: &Plan,
    address: SocketAddr,
    host: String,
    base: String,
    null: Option<&NullServer>,
    mut progress: impl FnMut(Progress),
) -> Result<Report, BenchError> {
    check(plan)?;
    allow_many_files();
    let mut common = Common {
        mode: plan.mode,
        host,
        base,
        entry_bytes: plan.entry_bytes.into(),
        batch: plan.batch.get().into(),
        size: TreeSize::new(PRETENDED_SIZE),
        check: null.is_none(),
    };
    if null.is_none() {
        common.size = log_size(address, &common)?;
        let least = if matches!(plan.mode, Mode::Tile | Mode::Bundle) { u64::from(TILE_WIDTH) } else { 1 };
        if !plan.mode.adds() && plan.mode != Mode::Checkpoint && common.size.as_u64() < least {
            return Err(BenchError::LogTooSmall);
        }
    }
    let generator = Generator::start(plan, address, &common)?;
    let start = Instant::now() + LEAD;
    let from = start + plan.warm_up;
    let window = Window { start, from, end: from + plan.duration };
    let live = Arc::clone(&generator.live);
    let running = generator.begin(window);

    let used = || plan.server_pid.map(|pid| Usage::of(pid).ok_or(BenchError::NoSuchProcess(pid))).transpose();
    let mut tell = |now: Instant| {
        let whole = plan.warm_up + plan.duration;
        progress(Progress { elapsed: now.saturating_duration_since(start).min(whole), whole, entries: live.load(Ordering::Relaxed) });
    };
    wait_until(from, &mut tell);
    let (before, null_before) = (used()?, null.map(NullServer::cpu));
    wait_until(window.end, &mut tell);
    let tally = running.finish()?;

    let server = match (null, before, used()?) {
        (Some(null), ..) => Some(ServerUse::of_cpu(null.cpu().saturating_sub(null_before.unwrap_or_default()), &tally)),
        (None, Some(before), Some(after)) => Some(ServerUse::between(&before, &after, &tally)),
        _ => None,
    };
    let elapsed = tally.last_answer.unwrap_or(window.end).max(window.end).saturating_duration_since(from);
    Ok(Report::new(plan, elapsed, tally, server))
}

fn check(plan: &Plan) -> Result<(), BenchError> {
    let entry = usize::from(plan.entry_bytes);
    // The longest length that a u16 has is also the longest entry.
    debug_assert!(entry <= MAX_ENTRY);
    if entry < entries::SHORTEST {
        return Err(BenchError::EntryTooShort);
    }
    if plan.mode == Mode::AddBatch && usize::from(plan.batch.get()) * (entry + 2) > LARGEST_BATCH {
        return Err(BenchError::BatchTooLarge);
    }
    if let Some(pid) = plan.server_pid {
        Usage::of(pid).ok_or(BenchError::NoSuchProcess(pid))?;
    }
    Ok(())
}

/// The usual limit of open files is lower than the connections that may be asked for, and a process may raise it up to another limit.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// What the log says of its own size. It need not be true: reading beyond the end would only be answered with errors.
fn log_size(address: SocketAddr, common: &Common) -> Result<TreeSize, BenchError> {
    let runtime = runtime()?;
    let request = format!("GET {}/checkpoint HTTP/1.1\r\nHost: {}\r\n\r\n", common.base, common.host);
    runtime.block_on(async {
        let mut connection = Connection::open(address).await.map_err(BenchError::Connect)?;
        let answer = connection.exchange(request.as_bytes()).await.map_err(|_| BenchError::Checkpoint)?;
        match SignedCheckpoint::parse(answer.body) {
            Ok(signed) if answer.status == 200 => Ok(signed.checkpoint().size()),
            _ => Err(BenchError::Checkpoint),
        }
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, BenchError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BenchError::Start)
}

fn wait_until(moment: Instant, tell: &mut impl FnMut(Instant)) {
    loop {
        let now = Instant::now();
        tell(now);
        match moment.saturating_duration_since(now) {
            Duration::ZERO => return,
            left => std::thread::sleep(left.min(PROGRESS)),
        }
    }
}

/// The threads, connected and waiting for the beginning.
struct Generator {
    threads: Vec<(oneshot::Sender<Window>, JoinHandle<io::Result<Tally>>)>,
    live: Arc<AtomicU64>,
}

/// The threads, at work.
struct Running(Vec<JoinHandle<io::Result<Tally>>>);

impl Generator {
    /// Starts the threads and waits until each has its connections, so that opening them is no part of what is measured.
    fn start(plan: &Plan, address: SocketAddr, common: &Common) -> Result<Self, BenchError> {
        let (live, begun) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (say_ready, ready) = mpsc::channel();
        let mut generator = Generator { threads: Vec::new(), live };
        for thread in 0..plan.threads.get() {
            let requests: Vec<Requests> = (thread..plan.connections.get())
                .step_by(plan.threads.get().into())
                .map(|connection| {
                    let stream = |n| Random::new(plan.seed, 2 * u64::from(connection) + n);
                    let chooser = Chooser::new(Arc::clone(&begun), plan.duplicates_percent, stream(0));
                    Requests::new(common, Entries::new(plan.seed), chooser, stream(1))
                })
                .collect();
            let share = Share { plan: plan.clone(), thread, address, live: Arc::clone(&generator.live), requests };
            let (begin, window) = oneshot::channel();
            let say_ready = say_ready.clone();
            let runtime = runtime()?;
            let work = move || runtime.block_on(share.work(&say_ready, window));
            let handle = std::thread::Builder::new().name(format!("load-{thread}")).spawn(work).map_err(BenchError::Start)?;
            generator.threads.push((begin, handle));
        }
        for _ in 0..plan.threads.get() {
            // A thread that cannot connect says so; the others end when `generator` and with it their beginning is dropped.
            ready.recv().expect("each thread says something before it ends").map_err(BenchError::Connect)?;
        }
        Ok(generator)
    }

    fn begin(self, window: Window) -> Running {
        let begin = |(begin, handle): (oneshot::Sender<Window>, JoinHandle<_>)| {
            // A thread that has ended is noticed when it is joined.
            let _ = begin.send(window);
            handle
        };
        Running(self.threads.into_iter().map(begin).collect())
    }
}

impl Running {
    fn finish(self) -> Result<Tally, BenchError> {
        let mut whole = Tally::new();
        for thread in self.0 {
            match thread.join() {
                Ok(tally) => whole.merge(tally.map_err(BenchError::Start)?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(whole)
    }
}

/// What one thread has to do.
struct Share {
    plan: Plan,
    thread: u16,
    address: SocketAddr,
    live: Arc<AtomicU64>,
    requests: Vec<Requests>,
}

impl Share {
    async fn work(self, say_ready: &mpsc::Sender<io::Result<()>>, window: oneshot::Receiver<Window>) -> io::Result<Tally> {
        let mut connections = Vec::new();
        for requests in self.requests {
            match Connection::open(self.address).await {
                Ok(connection) => connections.push((connection, requests)),
                Err(error) => {
                    // Told to whoever waits for us; there is nothing to count.
                    let _ = say_ready.send(Err(error));
                    return Ok(Tally::new());
                }
            }
        }
        if say_ready.send(Ok(())).is_err() {
            return Ok(Tally::new());
        }
        let Ok(window) = window.await else { return Ok(Tally::new()) };
        let whole = self.plan.warm_up + self.plan.duration;
        let pace = match self.plan.rate {
            Some(rate) => Pace::open(Schedule::new(window.start, whole, rate, self.thread.into(), self.plan.threads.into())),
            None => Pace::Closed,
        };
        let worker = Worker { server: self.address, window, pace, live: self.live, tally: Mutex::new(Tally::new()) };
        worker.run(connections).await
    }
}
