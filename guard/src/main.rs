//! The parts that everything else is made of, each run a known number of times for `scripts/guard.py`, which counts their instructions.
//!
//! Counts, and not seconds: on a machine that others use too, seconds differ by half from run to run, while the number of instructions that
//! a program executes hardly differs at all. So a part that does more than it did is noticed by CI on any machine.
//!
//! Whatever happens between two parts is not counted: only what [`measured`] does, on the thread that calls it. So each part does all its
//! work there. By itself this program prints the names of the parts and how often each runs. `ACTA_GUARD_TWICE` is the name of a part that
//! does its work twice: so the guard can be seen to notice.

#![allow(clippy::unwrap_used, reason = "a benchmark, of which nothing but counts is wanted")]

#[path = "../../log-server/benches/shared/statements.rs"]
mod statements;

use std::convert::Infallible;
use std::hint::black_box;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use log_server::config::Config;
use log_server::create::{self, Founding};
use log_server::data_dir::DataDir;
use log_server::http;
use log_server::log::{Log, Options, WriteSide};
use log_server::metrics::Metrics;
use log_server::open::{Claim, claim};
use log_server::store::{Admits, Commit, LogId, RocksOptions, RocksStore, Store, TileRow, TreeState};
use prometheus::Registry;
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::merkle::{self, Appender, Node};
use tlog::tiles::{Tile, TileId, encode_entry, parse_bundle};
use tlog::{Hash, LeafIndex, TreeSize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use statements::{Issuer, ORIGIN, key, registrar};

/// The size of entries, unless a part says otherwise.
const ENTRY: usize = 256;

/// Entries of a bundle, hashes of a tile, and entries of a commit.
const BUNDLE: u16 = 256;

/// Which parts are asked for, and which of them does its work twice.
struct Parts {
    asked: Vec<String>,
    twice: Option<String>,
}

impl Parts {
    /// Runs `work` `times` times if the part is asked for. Its first run is not counted: it fills caches and tables that are made once.
    fn part(&self, name: &str, times: u32, mut work: impl FnMut()) {
        if !self.asked.is_empty() && !self.asked.iter().any(|asked| asked == name) {
            return;
        }
        let runs = if self.twice.as_deref() == Some(name) { 2 * times } else { times };
        work();
        measured(runs, &mut work);
        println!("{name}\t{times}");
    }
}

/// The one function whose instructions are counted, with all that it calls. The guard knows it by its name.
#[inline(never)]
fn measured(runs: u32, work: &mut dyn FnMut()) {
    for _ in 0..runs {
        work();
    }
}

fn main() {
    let parts = Parts { asked: std::env::args().skip(1).collect(), twice: std::env::var("ACTA_GUARD_TWICE").ok() };
    // One thread, so that what a request takes is done by the thread that is counted.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let home = tempfile::tempdir().unwrap();
    tree(&parts);
    proofs(&parts);
    bytes(&parts);
    notes(&parts);
    admission(&parts, &runtime, &home.path().join("statements"));
    store(&parts, &home.path().join("store"));
    requests(&parts, &runtime, &home.path().join("open"));
}

fn tree(parts: &Parts) {
    let entry = vec![7; ENTRY];
    parts.part("hash a leaf of 256 bytes", 1000, || _ = black_box(Hash::leaf(black_box(&entry))));
    let (left, right) = (Hash::leaf(b"left"), Hash::leaf(b"right"));
    parts.part("hash an interior node", 1000, || _ = black_box(Hash::node(black_box(&left), &right)));
    parts.part("append 10,000 leaves", 1, || {
        let (mut tree, mut completed) = (Appender::new(), 0_u32);
        (0..10_000).for_each(|_| _ = tree.append(left, |_, _| completed += 1).unwrap());
        black_box((tree.root(), completed));
    });
}

/// Proofs in a tree of 2^40 equal leaves, whose hashes are known.
fn proofs(parts: &Parts) {
    let size = TreeSize::new((1 << 40) + 70_000);
    let (index, old) = (LeafIndex::new((1 << 39) + 12_345), TreeSize::new((1 << 39) + 12_345));
    let heights: Vec<Hash> = std::iter::successors(Some(Hash::leaf(b"entry")), |hash| Some(Hash::node(hash, hash))).take(64).collect();
    let node = |node: Node| Ok::<_, Infallible>(heights[usize::from(node.height)]);
    let (root, old_root) = (merkle::root(size, node).unwrap(), merkle::root(old, node).unwrap());
    let inclusion = merkle::prove_inclusion(index, size, node).unwrap();
    let consistency = merkle::prove_consistency(old, size, node).unwrap();
    parts.part("prove an inclusion", 100, || _ = black_box(merkle::prove_inclusion(black_box(index), size, node).unwrap()));
    parts.part("verify an inclusion", 100, || {
        merkle::verify_inclusion(black_box(&heights[0]), index, size, &inclusion, &root).unwrap();
    });
    parts.part("prove a consistency", 100, || _ = black_box(merkle::prove_consistency(black_box(old), size, node).unwrap()));
    parts.part("verify a consistency", 100, || {
        merkle::verify_consistency(black_box(old), &old_root, size, &root, &consistency).unwrap();
    });
}

fn bytes(parts: &Parts) {
    let entry = vec![7; ENTRY];
    let encode = || {
        let mut bundle = Vec::new();
        (0..BUNDLE).for_each(|_| encode_entry(black_box(&entry), &mut bundle).unwrap());
        bundle
    };
    let bundle = encode();
    parts.part("encode a bundle of 256 entries", 20, || _ = black_box(encode()));
    parts.part("decode a bundle of 256 entries", 100, || _ = black_box(parse_bundle(black_box(&bundle), BUNDLE).unwrap()));
    let id = TileId::new(0, 0, BUNDLE).unwrap();
    let tile = Tile::new(id, vec![Hash::leaf(&entry); usize::from(BUNDLE)]).unwrap().to_bytes();
    parts.part("decode a tile of 256 hashes", 100, || _ = black_box(Tile::parse(id, black_box(&tile)).unwrap()));
}

fn notes(parts: &Parts) {
    let key = key(ORIGIN, 0);
    let checkpoint = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::new(1_234_567), Hash::leaf(b"root"));
    let bytes = SignedCheckpoint::sign(&checkpoint, &[&key]).unwrap().to_bytes();
    let signed = SignedCheckpoint::parse(&bytes).unwrap();
    parts.part("parse a checkpoint", 100, || _ = black_box(SignedCheckpoint::parse(black_box(&bytes)).unwrap()));
    parts.part("verify a checkpoint", 5, || {
        black_box(black_box(&signed).verify_log(std::slice::from_ref(key.verifier_key())).unwrap());
    });
    parts.part("sign a checkpoint", 5, || _ = black_box(SignedCheckpoint::sign(black_box(&checkpoint), &[&key]).unwrap()));
}

/// The whole check of a statement ahead of the sequencer: parsing, finding its issuer in the store, looking at its text, its signature.
fn admission(parts: &Parts, runtime: &Runtime, dir: &Path) {
    let _context = runtime.enter();
    let (log, mut write_side) = start(dir, Admits::Statements);
    let (issuer, registrar) = (Issuer::new(0), registrar());
    runtime.block_on(log.add(issuer.registration(&registrar).into()).unwrap()).unwrap();
    let decision = Bytes::from(issuer.decision(1));
    parts.part("check a decision for admission", 5, || assert!(log.check(black_box(&decision).clone()).is_good()));
    log.close();
    runtime.block_on(write_side.ended()).unwrap();
}

/// Staging and committing entries: a batch for RocksDB, its write-ahead log and its tables in memory. Written on the thread that commits.
fn store(parts: &Parts, dir: &Path) {
    let dir = found(dir, Admits::Open);
    let Claim { store, .. } = claim(&dir, RocksOptions::default()).unwrap();
    let mut next = 0_u64;
    parts.part("commit 256 entries to the store", 10, || {
        let numbers = next..next + u64::from(BUNDLE);
        // Numbered, so that each leaf hash is a new one, and the same in each run.
        let entries: Vec<Bytes> = numbers.clone().map(|number| number.to_be_bytes().repeat(ENTRY / 8).into()).collect();
        let leaves: Vec<Hash> = entries.iter().map(|entry| Hash::leaf(entry)).collect();
        let size = TreeSize::new(numbers.end);
        let row = TileRow { level: 0, number: next / u64::from(BUNDLE), offset: 0, hashes: leaves.clone() };
        let tree = TreeState { size, root: leaves[0], checkpoint: Bytes::from_static(&[7; 200]) };
        assert!(store.find_leaves(&leaves).unwrap().iter().all(Option::is_none));
        let staged = store.stage(LeafIndex::new(next), &entries);
        store.commit(staged, &Commit { leaves, tiles: vec![row], tree, publish: true, ledger: None }).unwrap();
        next = numbers.end;
    });
}

/// Requests over loopback; the client is a few lines on the same thread.
fn requests(parts: &Parts, runtime: &Runtime, dir: &Path) {
    let _context = runtime.enter();
    let (log, mut write_side) = start(dir, Admits::Open);
    let tickets: Vec<_> = (0..300_u64).map(|number| log.add(number.to_be_bytes().repeat(ENTRY / 8).into()).unwrap()).collect();
    tickets.into_iter().for_each(|ticket| _ = runtime.block_on(ticket).unwrap());
    let listener = runtime.block_on(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let metrics = http::metrics(&Registry::new()).unwrap();
    let stopping = async move { _ = stopping.await };
    let served = runtime.spawn(http::serve(log.clone(), listener, None, Config::default().http, metrics, None, stopping));
    let mut client = runtime.block_on(TcpStream::connect(address)).unwrap();
    client.set_nodelay(true).unwrap();
    let mut answer = vec![0; 64 << 10];
    for (name, path) in [("answer GET of a full tile", "/tile/0/000"), ("answer GET of the checkpoint", "/checkpoint")] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: log.example\r\naccept: */*\r\n\r\n");
        parts.part(name, 20, || runtime.block_on(exchange(&mut client, request.as_bytes(), &mut answer)));
    }
    let mut number = 1000_u64;
    parts.part("answer POST of an entry", 20, || {
        let head = format!("POST /add HTTP/1.1\r\nhost: log.example\r\ncontent-length: {ENTRY}\r\n\r\n");
        let request = [head.into_bytes(), number.to_be_bytes().repeat(ENTRY / 8)].concat();
        runtime.block_on(exchange(&mut client, &request, &mut answer));
        number += 1;
    });
    drop((client, stop));
    runtime.block_on(served).unwrap();
    log.close();
    runtime.block_on(write_side.ended()).unwrap();
}

/// Sends a request and reads its answer, whose body is as long as it says.
async fn exchange(client: &mut TcpStream, request: &[u8], answer: &mut [u8]) {
    client.write_all(request).await.unwrap();
    let (mut have, mut whole) = (0, usize::MAX);
    while have < whole {
        let read = client.read(&mut answer[have..]).await.unwrap();
        assert_ne!(read, 0, "the server closed the connection");
        have += read;
        if whole == usize::MAX
            && let Some(end) = answer[..have].windows(4).position(|window| window == b"\r\n\r\n")
        {
            let head = std::str::from_utf8(&answer[..end]).unwrap();
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            whole = end + 4 + length.parse::<usize>().unwrap();
        }
    }
}

/// A new log in `dir`, stopped.
fn found(dir: &Path, admits: Admits) -> DataDir {
    let dir = DataDir::new(dir);
    let registrars = match admits {
        Admits::Open => None,
        Admits::Statements => Some(create::registrars(&[registrar().verifier_key().clone()], None).unwrap()),
    };
    let founding = Founding { admits, registrars, issued: "2026-03-01T09:30:00Z".parse().unwrap() };
    let origin = Origin::for_new_log(ORIGIN).unwrap();
    create::create(&dir, &origin, &key(ORIGIN, 0), LogId([1; 16]), &founding, RocksOptions::default()).unwrap();
    dir
}

/// A new log in `dir`, running.
fn start(dir: &Path, admits: Admits) -> (Log<RocksStore>, WriteSide) {
    let dir = found(dir, admits);
    let Claim { store, anchor, anchored, .. } = claim(&dir, RocksOptions::default()).unwrap();
    let metrics = Arc::new(Metrics::new(&Registry::new()).unwrap());
    Log::start(store, key(ORIGIN, 0), (anchor, anchored), Options::default(), metrics).unwrap()
}
