//! How many heads a second the real `acta-witness` cosigns durably, over real HTTP on loopback, with the generator on the same processors.
//!
//! ```text
//! cargo bench -p witness --bench cosign -- [--logs N] [--both-keys] [--connections N] [--dir DIR]
//! ```
//!
//! N logs (100,000) are each cosigned twice: for the first time, and then at a larger size with a consistency proof. Each request is of
//! another log than the one before, in an order in which their rows lie far apart. Heads are signed ahead of time, since that is the logs' work. What
//! is reported: requests a second, latencies, the processor time of both sides, the server's memory, and its store's size on disk.

#![allow(clippy::unwrap_used, reason = "a benchmark may fail")]

#[path = "../src/fixture.rs"]
mod fixture;

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tlog::TreeSize;
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::policy::MAX_DEFINITIONS;
use tlog::witness::AddCheckpoint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::fixture::TestLog;

/// The sizes at which each log is cosigned.
const SIZES: [u64; 3] = [0, 300, 450];

struct Settings {
    logs: usize,
    connections: usize,
    both_keys: bool,
    dir: PathBuf,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    // `cargo test --benches` runs this without the flag that `cargo bench` gives: then it only shows that it works.
    let measuring = std::env::args().any(|arg| arg == "--bench");
    let value = |name: &str| args.iter().position(|arg| arg == name).map(|place| args[place + 1].clone());
    let number = |name: &str, default| value(name).map_or(default, |number| number.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let settings = Settings {
        logs: number("--logs", if measuring { 100_000 } else { 50 }),
        connections: number("--connections", if measuring { 128 } else { 4 }),
        both_keys: args.iter().any(|arg| arg == "--both-keys"),
        dir: value("--dir").map_or(temporary.path().to_owned(), PathBuf::from).join("witness"),
    };
    measure(&settings);
}

fn measure(settings: &Settings) {
    let Settings { logs, connections, both_keys, dir } = settings;
    println!("{logs} logs, {connections} connections, {}", if *both_keys { "Ed25519 and ML-DSA-44" } else { "Ed25519 only" });
    let (policies, rounds) = prepare(*logs, dir);
    let server = Server::start(dir, &policies, *both_keys);
    println!("started: {} MB resident", server.memory("VmRSS"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (round, bodies) in rounds.into_iter().enumerate() {
        let (server_before, own_before) = (server.processor_time(), own_processor_time());
        let (took, mut latencies) = runtime.block_on(send(server.address, bodies, *connections));
        latencies.sort_unstable();
        let share = |p: usize| latencies[(latencies.len() - 1) * p / 1000].as_secs_f64() * 1e3;
        let count = f64::from(u32::try_from(latencies.len()).unwrap());
        println!(
            "size {} to {}: {:.0} add-checkpoint/s; latency ms: median {:.1}, p99 {:.1}, p99.9 {:.1}; CPU us each: server {:.0}, generator {:.0}",
            SIZES[round],
            SIZES[round + 1],
            count / took.as_secs_f64(),
            share(500),
            share(990),
            share(999),
            (server.processor_time() - server_before).as_secs_f64() * 1e6 / count,
            (own_processor_time() - own_before).as_secs_f64() * 1e6 / count,
        );
        println!(
            "  resident {} MB (most {} MB), store {:.0} MB on disk, {:.0} bytes a log",
            server.memory("VmRSS"),
            server.memory("VmHWM"),
            size_of(&dir.join("db")) / 1e6,
            size_of(&dir.join("db")) / f64::from(u32::try_from(*logs).unwrap()),
        );
    }
}

/// Makes all logs; gives the directory of their policies and the requests of each round.
fn prepare(logs: usize, dir: &Path) -> (PathBuf, [Vec<Vec<u8>>; 2]) {
    let policies = dir.with_extension("policies");
    fs::create_dir_all(&policies).unwrap();
    // All logs have the same entries: what a witness does depends on their number, not on what they are.
    let tree = TestLog::new("log.test", *SIZES.last().unwrap());
    let (mut rounds, mut policy) = ([Vec::new(), Vec::new()], String::new());
    for number in 0..logs {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
        let origin = format!("log{number}.test/2026");
        let key = SigningKey::from_seed(KeyName::new(&origin).unwrap(), Algorithm::Ed25519, &seed).unwrap();
        writeln!(policy, "log {}", key.verifier_key()).unwrap();
        for (round, bodies) in rounds.iter_mut().enumerate() {
            let (old, new) = (SIZES[round], SIZES[round + 1]);
            let checkpoint = Checkpoint::new(Origin::parse(&origin).unwrap(), TreeSize::new(new), tree.root(new));
            let signed = SignedCheckpoint::sign(&checkpoint, &[&key]).unwrap();
            let body = AddCheckpoint::new(TreeSize::new(old), tree.proof(old, new), signed).unwrap().to_bytes();
            let head = format!("POST /add-checkpoint HTTP/1.1\r\nHost: witness.test\r\nContent-Length: {}\r\n\r\n", body.len());
            bodies.push([head.into_bytes(), body].concat());
        }
        if number % MAX_DEFINITIONS == MAX_DEFINITIONS - 1 || number + 1 == logs {
            fs::write(policies.join(format!("{number}.policy")), format!("{policy}quorum none\n")).unwrap();
            policy.clear();
        }
    }
    (policies, rounds)
}

/// Sends all requests over so many connections; gives how long it took, and how long each.
async fn send(address: SocketAddr, requests: Vec<Vec<u8>>, connections: usize) -> (Duration, Vec<Duration>) {
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let mut streams = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        streams.push(stream);
    }
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for mut stream in streams {
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        tasks.spawn(async move {
            let (mut latencies, mut buffer) = (Vec::new(), Vec::with_capacity(8192));
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let sent = Instant::now();
                stream.write_all(request).await.unwrap();
                read_good_answer(&mut stream, &mut buffer).await;
                latencies.push(sent.elapsed());
            }
            latencies
        });
    }
    let latencies = tasks.join_all().await.concat();
    (start.elapsed(), latencies)
}

async fn read_good_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    loop {
        assert_ne!(stream.read_buf(buffer).await.unwrap(), 0, "the server closed the connection");
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = str::from_utf8(&buffer[..end]).unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(buffer));
        let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        if buffer.len() >= end + 4 + length {
            return;
        }
    }
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(dir: &Path, policies: &Path, both_keys: bool) -> Self {
        let program = || Command::new(env!("CARGO_BIN_EXE_acta-witness"));
        let mut init = program();
        init.args(["init", "--name", "witness.test/w", "--dir"]).arg(dir).stdout(Stdio::null());
        if !both_keys {
            init.arg("--ed25519-only");
        }
        assert!(init.status().unwrap().success());
        let mut serve = program();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--dir"]).arg(dir).arg("--policy").arg(policies);
        let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let address = line.strip_prefix("listening on http://").unwrap().parse().unwrap();
        Server { child, address }
    }

    /// Megabytes, by their name in the system's account of the process.
    fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap() * 1024 / 1_000_000
    }

    fn processor_time(&self) -> Duration {
        processor_time(&self.child.id().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn own_processor_time() -> Duration {
    processor_time("self")
}

/// User and system time of a process.
fn processor_time(process: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // Behind the name, which is in brackets: the 12th and 13th fields, in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    Duration::from_millis((fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10)
}

/// Bytes of the files in a directory.
fn size_of(dir: &Path) -> f64 {
    let files = fs::read_dir(dir).unwrap().filter_map(|entry| entry.unwrap().metadata().ok());
    files.map(|file| f64::from(u32::try_from(file.len()).unwrap())).sum()
}
