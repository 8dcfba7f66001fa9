//! The ledger of a large log: `cargo bench -p log-server --bench ledger`.
//!
//! A real `acta-log` is given 1,000,000 decisions of 5,000 issuers by `POST /add-batch`, then stopped; its ledger is drawn anew from the
//! entries. Printed are how long that takes, on how much of the processors, and the most memory that the server and the rebuilding have had
//! at any time. `ACTA_DECISIONS` and `ACTA_ISSUERS` change the numbers. `ACTA_DIR` keeps the log; if one is there, it is only drawn anew.

#![allow(clippy::unwrap_used, reason = "benchmarks")]

#[path = "shared/server.rs"]
mod server;
#[path = "shared/statements.rs"]
mod statements;

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use server::{Connection, PROGRAM, Server, cpu, init, load, most_memory};
use statements::{Issuer, registrar};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

fn main() {
    let (decisions, issuers) = (number("ACTA_DECISIONS", 1_000_000), number("ACTA_ISSUERS", 5_000));
    let home = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("ACTA_DIR").map(std::path::PathBuf::from);
    let dir = kept.unwrap_or_else(|| home.path().join("log"));
    if !dir.exists() {
        init(&dir);
        let start = Instant::now();
        let (serving, cpu) = serve_and_fill(&dir, decisions, issuers);
        println!("{decisions} decisions of {issuers} issuers published in {:.0} s", start.elapsed().as_secs_f64());
        println!("the server's processor time for it: {:.1} µs a decision", 1e6 / rate(decisions, cpu));
        println!("most memory while serving: {} MB", serving / 1_000_000);
    }

    println!("load average before drawing anew: {}", load());
    let start = Instant::now();
    let mut rebuild = Command::new(PROGRAM).args(["rebuild-ledger", "--dir"]).arg(&dir).spawn().unwrap();
    let (memory, cpu) = until_it_ends(&mut rebuild);
    println!("ledger drawn anew in {:.1} s, {:.0} entries/s", start.elapsed().as_secs_f64(), rate(decisions, start.elapsed()));
    println!("processor time for it: {:.1} s, {:.1} µs an entry", cpu.as_secs_f64(), 1e6 / rate(decisions, cpu));
    println!("most memory while rebuilding: {} MB", memory / 1_000_000);

    // What a log of this size needs to be served at all, rather than to be filled.
    let server = Server::start(&dir, None);
    Connection::to(server.address).publish((0..issuers.min(100)).map(|number| Issuer::new(number).decision(decisions / issuers + 1)));
    println!("most memory while serving it again: {} MB", server.most_memory() / 1_000_000);
    server.stop();
}

#[allow(clippy::as_conversions, clippy::cast_precision_loss, reason = "a rate to print")]
fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Gives the most memory that the server had, in bytes, and its processor time.
fn serve_and_fill(dir: &Path, decisions: u64, issuers: u64) -> (u64, Duration) {
    let server = Server::start(dir, None);
    let issuers: Vec<Issuer> = (0..issuers).map(Issuer::new).collect();
    let registrar = registrar();
    Connection::to(server.address).publish(issuers.iter().map(|issuer| issuer.registration(&registrar)));
    let threads = u64::try_from(std::thread::available_parallelism().unwrap().get()).unwrap().max(2);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (issuers, address) = (&issuers, server.address);
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
    let had = (server.most_memory(), server.cpu());
    server.stop();
    had
}

/// Waits for a process; gives the most memory and the processor time that it had.
fn until_it_ends(child: &mut Child) -> (u64, Duration) {
    let mut most = (0, Duration::ZERO);
    loop {
        most = most_memory(child.id()).zip(cpu(child.id())).unwrap_or(most);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return most;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
