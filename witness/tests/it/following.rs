//! Logs that do not ask to be cosigned: their heads are fetched from plain files, and from servers that mean no good.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use tlog::merkle::Node;
use tlog::tiles::{Resource, TILE_HEIGHT, Tile, TileId};

use crate::fixture::TestLog;
use crate::process::{Server, follow, good, init, refused};

const ORIGIN: &str = "log.test/2026";

/// Writes a log of so many entries as the files that tlog-tiles says it is.
fn export(log: &TestLog, size: u64, dir: &Path) {
    for level in 0..=1 {
        let count = size >> (TILE_HEIGHT * level);
        for number in 0..count.div_ceil(256) {
            let width = (count - number * 256).min(256);
            let id = TileId::new(level, number, u16::try_from(width).unwrap()).unwrap();
            let node = |offset| Node { height: TILE_HEIGHT * level, index: number * 256 + offset };
            let hashes: Vec<u8> = (0..width).flat_map(|offset| *log.node(node(offset)).unwrap().as_bytes()).collect();
            let path = dir.join(Resource::Tile(id).path());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, Tile::parse(id, &hashes).unwrap().to_bytes()).unwrap();
        }
    }
    fs::write(dir.join("checkpoint"), log.signed(size).to_bytes()).unwrap();
}

/// A witness that follows a log, and a policy with the log's address in it.
fn world(dir: &Path, log: &TestLog, url: &str) -> (Server, PathBuf) {
    let (witness, policy) = (dir.join("w"), dir.join("policy"));
    init(&witness);
    follow(&witness, log);
    fs::write(&policy, format!("log {} {url}\nquorum none\n", log.keys()[0])).unwrap();
    (Server::start(&witness, &[]), policy)
}

fn once<'a>(witness: &'a str, policy: &'a Path) -> [&'a str; 6] {
    ["follow", "--once", "--witness", witness, "--policy", policy.to_str().unwrap()]
}

#[test]
fn a_log_of_plain_files_is_cosigned_as_it_grows_and_convicted_when_it_forks() {
    let (dir, log) = (tempfile::tempdir().unwrap(), TestLog::new(ORIGIN, 700));
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let (server, policy) = world(dir.path(), &log, tree.to_str().unwrap());
    let witness = format!("http://{}", server.address);
    let latest = || server.add(&log.request(699, 699)).body;
    for size in [3, 256, 300, 300, 700] {
        export(&log, size, &tree);
        good(&once(&witness, &policy));
        assert_eq!(latest(), format!("{size}\n"));
    }
    // A copy that is behind.
    fs::write(tree.join("checkpoint"), log.signed(300).to_bytes()).unwrap();
    assert!(refused(&once(&witness, &policy)).contains("rolled back"));
    // Tiles that are not what was signed.
    export(&log, 700, &tree);
    let mut tile = fs::read(tree.join("tile/0/000")).unwrap();
    tile[5] ^= 1;
    fs::write(tree.join("tile/0/000"), tile).unwrap();
    let longer = TestLog::new(ORIGIN, 800);
    fs::write(tree.join("checkpoint"), longer.signed(800).to_bytes()).unwrap();
    refused(&once(&witness, &policy));
    assert_eq!(latest(), "700\n");
    // Another history: the witness keeps the evidence.
    export(&TestLog::forked(ORIGIN, 800, 5), 800, &tree);
    assert!(refused(&once(&witness, &policy)).contains("status 422"));
    assert_eq!((latest().as_str(), server.metric("acta_witness_evidence_total")), ("700\n", 1));
}

/// A server that answers each connection with these bytes, and then nothing.
fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(bytes);
        }
    });
    format!("http://{address}")
}

#[test]
fn a_log_that_answers_nonsense_or_points_elsewhere_is_not_cosigned_and_the_others_are() {
    let (dir, log) = (tempfile::tempdir().unwrap(), TestLog::new(ORIGIN, 9));
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    export(&log, 9, &tree);
    for (answer, says) in [
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".as_slice(), "redirects"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nnonsense", "checkpoint is malformed"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "no checkpoint"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "not cosigned"),
    ] {
        let home = dir.path().join(says.replace(' ', "-"));
        fs::create_dir(&home).unwrap();
        let (server, policy) = world(&home, &log, tree.to_str().unwrap());
        let bad_key = crate::fixture::key("log.test/bad", tlog::key::Algorithm::Ed25519, 7);
        let both = format!("log {} {}\nlog {} {}\nquorum none\n", bad_key.verifier_key(), answering(answer), log.keys()[0], tree.display());
        fs::write(&policy, both).unwrap();
        let told = refused(&once(&format!("http://{}", server.address), &policy));
        assert!(told.contains(says) && told.contains("log.test/bad is not cosigned"), "{says}: {told}");
        assert_eq!(server.add(&log.request(1, 3)).body, "9\n", "the honest log is cosigned");
    }
}

#[test]
fn without_a_log_to_follow_or_a_witness_it_says_so() {
    let (dir, log) = (tempfile::tempdir().unwrap(), TestLog::new(ORIGIN, 9));
    let policy = dir.path().join("policy");
    fs::write(&policy, format!("log {}\nquorum none\n", log.keys()[0])).unwrap();
    assert!(refused(&once("http://127.0.0.1:1", &policy)).contains("no log with an address"));
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    export(&log, 9, &tree);
    fs::write(&policy, format!("log {} {}\nquorum none\n", log.keys()[0], tree.display())).unwrap();
    assert!(refused(&once("http://127.0.0.1:1", &policy)).contains("the witness did not answer"));
    assert!(refused(&once("tree", &policy)).contains("no web address"));
}
