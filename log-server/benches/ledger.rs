//! The ledger of a large log: `cargo bench -p log-server --bench ledger`.
//!
//! A real `acta-log` is given 1,000,000 decisions of 5,000 issuers by `POST /add-batch`, then stopped; its ledger is drawn anew from the
//! entries. Printed are how long that takes, and the most memory that the server and the rebuilding have had at any time.
//! `ACTA_DECISIONS` and `ACTA_ISSUERS` change the numbers, `ACTA_DIR` keeps the log.

#![allow(clippy::unwrap_used, reason = "benchmarks")]

#[path = "shared/statements.rs"]
mod statements;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use statements::{Issuer, ORIGIN, registrar};

const PROGRAM: &str = env!("CARGO_BIN_EXE_acta-log");

/// Entries of a batch.
const BATCH: usize = 2048;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

fn main() {
    let (decisions, issuers) = (number("ACTA_DECISIONS", 1_000_000), number("ACTA_ISSUERS", 5_000));
    let home = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("ACTA_DIR").map(std::path::PathBuf::from);
    let dir = kept.unwrap_or_else(|| home.path().join("log"));
    let vkey = home.path().join("registrar.vkey");
    std::fs::write(&vkey, registrar().verifier_key().to_string()).unwrap();
    let init = Command::new(PROGRAM).args(["init", "--origin", ORIGIN, "--registrar"]).arg(vkey).arg("--dir").arg(&dir).output().unwrap();
    assert!(init.status.success(), "{init:?}");

    let start = Instant::now();
    let serving = serve_and_fill(&dir, decisions, issuers);
    println!("{decisions} decisions of {issuers} issuers published in {:.0} s", start.elapsed().as_secs_f64());
    println!("most memory while serving: {} MB", serving / 1_000_000);

    let start = Instant::now();
    let mut rebuild = Command::new(PROGRAM).args(["rebuild-ledger", "--dir"]).arg(&dir).spawn().unwrap();
    let memory = until_it_ends(&mut rebuild);
    println!("ledger drawn anew in {:.1} s, {:.0} entries/s", start.elapsed().as_secs_f64(), rate(decisions, start.elapsed()));
    println!("most memory while rebuilding: {} MB", memory / 1_000_000);
}

#[allow(clippy::as_conversions, clippy::cast_precision_loss, reason = "a rate to print")]
fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Gives the most memory that the server had, in bytes.
fn serve_and_fill(dir: &Path, decisions: u64, issuers: u64) -> u64 {
    let mut server = Command::new(PROGRAM);
    server.args(["serve", "--listen", "127.0.0.1:0", "--dir"]).arg(dir).stdout(Stdio::piped());
    let mut server = server.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address: SocketAddr = line.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();

    let issuers: Vec<Issuer> = (0..issuers).map(Issuer::new).collect();
    let registrar = registrar();
    let mut connection = Connection::to(address);
    connection.publish(issuers.iter().map(|issuer| issuer.registration(&registrar)));
    let threads = u64::try_from(std::thread::available_parallelism().unwrap().get()).unwrap().max(2);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let issuers = &issuers;
            scope.spawn(move || {
                let mine = |number: &u64| number % u64::try_from(issuers.len()).unwrap() % threads == thread;
                let one = |number: u64| {
                    let count = u64::try_from(issuers.len()).unwrap();
                    issuers[usize::try_from(number % count).unwrap()].decision(number / count + 1)
                };
                Connection::to(address).publish((0..decisions).filter(mine).map(one));
            });
        }
    });
    let memory = most_memory(server.id()).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&server), rustix::process::Signal::TERM).unwrap();
    assert!(server.wait().unwrap().success());
    memory
}

/// Waits for a process; gives the most memory that it had.
fn until_it_ends(child: &mut Child) -> u64 {
    let mut most = 0;
    loop {
        most = most_memory(child.id()).unwrap_or(most);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return most;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The peak of a process's resident memory in bytes.
fn most_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection(BufReader::new(stream))
    }

    /// Publishes entries, each of which must be admitted, batch by batch.
    fn publish(&mut self, entries: impl Iterator<Item = Vec<u8>>) {
        let mut entries = entries.peekable();
        while entries.peek().is_some() {
            let batch: Vec<u8> = entries.by_ref().take(BATCH).flat_map(|entry| with_length(&entry)).collect();
            let answer = self.request(&batch);
            assert!(answer.lines().all(|line| line.parse::<u64>().is_ok()), "{answer}");
        }
    }

    fn request(&mut self, body: &[u8]) -> String {
        let head = format!("POST /add-batch HTTP/1.1\r\nhost: log\r\ncontent-length: {}\r\n\r\n", body.len());
        self.0.get_mut().write_all(&[head.as_bytes(), body].concat()).unwrap();
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }
}

fn with_length(entry: &[u8]) -> Vec<u8> {
    [&u16::try_from(entry.len()).unwrap().to_be_bytes(), entry].concat()
}
