//! How fast a monitor reads a log, and how much memory it takes: `cargo bench -p monitor -- [--statements] [--entries N] [--directory]`.
//!
//! The log is made of entries of 256 bytes, or of signed decisions, and served by another process on this machine as static files; with
//! `--directory` it is read from the disk. Search is not part of it.

#![allow(clippy::unwrap_used, reason = "a measurement may fail")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use decision::statement::Draft;
use monitor::config::{File, LogSection};
use monitor::once::Once;
use monitor::progress::Progress;
use serde_json::{Value, json};
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::merkle::Appender;
use tlog::tiles::{BundleId, TileId, encode_entry};
use tlog::{Hash, TreeSize};

const ORIGIN: &str = "bench.example";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(place) = args.iter().position(|arg| arg == "--serve") {
        serve(Path::new(&args[place + 1]));
    }
    let has = |name: &str| args.iter().any(|arg| arg == name);
    let number = args.iter().position(|arg| arg == "--entries").and_then(|place| args.get(place + 1)?.parse().ok());
    let statements = has("--statements");
    let entries: u64 = number.unwrap_or(if statements { 100_000 } else { 1_000_000 });
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("log");
    let (bytes, policy) = make(&log, entries, statements);
    let mut server = None;
    let url = if has("--directory") {
        log.to_str().unwrap().to_owned()
    } else {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg("--serve").arg(&log).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        server = Some(child);
        line.trim().to_owned()
    };
    let took = read(home.path(), &policy, &url);
    if let Some(mut child) = server {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    #[allow(clippy::as_conversions, clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = entries as f64 / took.as_secs_f64();
    let kind = if statements { "signed decisions" } else { "entries of 256 bytes" };
    println!(
        "{entries} {kind} ({} MiB) in {:.2} s: {rate:.0} in a second, {} MiB of memory at most",
        bytes >> 20,
        took.as_secs_f64(),
        peak() >> 10
    );
}

/// Reads all of the log with a new state directory.
fn read(home: &Path, policy: &Path, url: &str) -> std::time::Duration {
    let log = LogSection { policy: policy.to_owned(), url: url.to_owned(), ..LogSection::default() };
    let mut file = File { log: vec![log], ..File::default() };
    file.monitor.state = home.join("state");
    let once = Once::open(file.validate().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    let looked = runtime.block_on(once.look(ORIGIN, Arc::new(Progress::default()))).unwrap();
    let took = begun.elapsed();
    assert_eq!(looked.unavailable, None);
    let wrong: Vec<_> = looked.findings.iter().filter(|finding| finding.code.to_string().starts_with("log.")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    took
}

/// Kilobytes of memory that this process had at most.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), Algorithm::Ed25519, &[seed; 32]).unwrap()
}

/// Writes the log below `dir`. Gives the bytes of its bundles, and a policy file.
fn make(dir: &Path, entries: u64, statements: bool) -> (u64, PathBuf) {
    let write = |path: String, bytes: &[u8]| {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let (mut tree, mut bytes) = (Appender::new(), 0);
    let mut levels: Vec<Vec<Hash>> = vec![Vec::new(); 8];
    for first in (0..entries).step_by(256) {
        let mut bundle = Vec::new();
        let end = entries.min(first + 256);
        for index in first..end {
            let entry = if statements { statement(index) } else { noise(index) };
            encode_entry(&entry, &mut bundle).unwrap();
            tree.append(Hash::leaf(&entry), |node, hash| {
                if node.height % 8 == 0 {
                    levels[usize::from(node.height / 8)].push(hash);
                }
            })
            .unwrap();
        }
        write(BundleId::for_size(first / 256, TreeSize::new(end)).unwrap().path(), &bundle);
        bytes += u64::try_from(bundle.len()).unwrap();
    }
    for (level, hashes) in (0..).zip(&levels) {
        for (number, hashes) in (0..).zip(hashes.chunks(256)) {
            let id = TileId::new(level, number, u16::try_from(hashes.len()).unwrap()).unwrap();
            write(id.path(), &hashes.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<u8>>());
        }
    }
    let head = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), tree.size(), tree.root());
    write("checkpoint".to_owned(), &SignedCheckpoint::sign(&head, &[&key(ORIGIN, 1)]).unwrap().to_bytes());
    let policy = dir.join("policy");
    fs::write(&policy, format!("log {}\nquorum none\n", key(ORIGIN, 1).verifier_key())).unwrap();
    (bytes, policy)
}

fn noise(index: u64) -> Vec<u8> {
    let seed = Hash::sha256(&index.to_be_bytes());
    seed.as_bytes().iter().copied().cycle().zip(0_u8..=255).map(|(byte, place)| byte ^ place).collect()
}

fn statement(index: u64) -> Vec<u8> {
    let (registrar, issuer) = (key("registrar.example", 2), key("planning.example", 3));
    let sign = |statement: &Value, keys: &[&SigningKey]| Draft::from_json(statement).unwrap().sign(keys).unwrap().to_bytes();
    let issued = "2026-03-01T09:30:00Z";
    match index {
        0 => {
            let charter = json!({"type": "charter", "log": ORIGIN, "issued": issued, "version": 1, "admission": "statements",
                "registrars": [registrar.verifier_key().to_string()], "threshold": 1});
            sign(&charter, &[&key(ORIGIN, 1)])
        }
        1 => {
            let registration = json!({"type": "issuer", "log": ORIGIN, "issuer": "planning.example", "issued": issued,
                "names": {"en": "Planning Authority"}, "keys": [issuer.verifier_key().to_string()], "kinds": ["planning.*"]});
            sign(&registration, &[&registrar, &issuer])
        }
        _ => {
            let decision = json!({"type": "decision", "log": ORIGIN, "issuer": "planning.example", "issued": issued, "series": "2026",
                "seq": index - 1, "kind": "planning.permit", "subject": format!("Roof {index}"), "outcome": "granted", "decided": "2026-02-27"});
            sign(&decision, &[&issuer])
        }
    }
}

/// Serves static files until the process is killed.
fn serve(dir: &Path) -> ! {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().unwrap();
        let dir = dir.to_owned();
        std::thread::spawn(move || answer(stream, &dir));
    }
}

fn answer(mut stream: TcpStream, dir: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    stream.set_nodelay(true)?;
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
        loop {
            line.clear();
            if lines.read_line(&mut line)? <= 2 {
                break;
            }
        }
        line.clear();
        let answer = match fs::read(dir.join(path)) {
            Ok(bytes) => [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len()).into_bytes(), bytes].concat(),
            Err(_) => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        };
        stream.write_all(&answer)?;
    }
    Ok(())
}
