//! The real `acta-log` with the real `acta-witness`, three of them, two of which have to agree.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use processes::Program;
use tempfile::TempDir;
use tlog::evidence::Evidence;
use tlog::key::VerifierKey;
use tlog::policy::Policy;
use tlog::proof::Proof;

use crate::process::{Answer, Connection, ORIGIN, Server, good, init};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The witness's program.
fn acta_witness() -> Program {
    Program::beside(env!("CARGO_BIN_EXE_acta-log"), "acta-witness")
}

/// The witness in `dir`, running.
fn witness(listen: &str, dir: &Path, policy: &Path) -> processes::Server {
    acta_witness().serve_at(listen, dir, &["--policy", policy.to_str().unwrap()])
}

/// A log with its witnesses.
struct World {
    dir: TempDir,
    witnesses: Vec<Option<processes::Server>>,
    addresses: Vec<SocketAddr>,
    policy: Policy,
}

impl World {
    /// A new log, which is not running, and three witnesses, which are.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        init(&dir.path().join("log"));
        let log_key = fs::read_to_string(dir.path().join("log/log.vkey")).unwrap();
        let followed = dir.path().join("followed");
        fs::write(&followed, format!("log {log_key}quorum none\n")).unwrap();
        let (mut text, mut witnesses, mut addresses) = (format!("log {log_key}"), Vec::new(), Vec::new());
        for number in 1..=3 {
            let home = dir.path().join(format!("w{number}"));
            acta_witness().good(&["init", "--name", &format!("w{number}.test"), "--dir", home.to_str().unwrap()]);
            let witness = witness("127.0.0.1:0", &home, &followed);
            let keys = fs::read_to_string(home.join("witness.vkey")).unwrap();
            for (kind, key) in ["ed", "pq"].iter().zip(keys.lines()) {
                text.push_str(&format!("witness w{number}-{kind} {key} {}\n", witness.url));
            }
            text.push_str(&format!("group w{number} any w{number}-ed w{number}-pq\n"));
            addresses.push(witness.address);
            witnesses.push(Some(witness));
        }
        text.push_str("group witnesses 2 w1 w2 w3\nquorum witnesses\n");
        fs::write(dir.path().join("policy"), &text).unwrap();
        // A receipt is not waited for longer than the tests want to.
        fs::write(dir.path().join("config"), "http.receipt_timeout = '500ms'\nops.max_head_age = '200ms'\nwitnesses.deadline = '2s'\n")
            .unwrap();
        World { witnesses, addresses, policy: Policy::parse(text.as_bytes()).unwrap(), dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Serves the log in the directory of this name.
    fn serve(&self, name: &str) -> Server {
        let (policy, config) = (self.path("policy"), self.path("config"));
        Server::start(&self.path(name), &["--policy", policy.to_str().unwrap(), "--config", config.to_str().unwrap()])
    }

    /// As [`World::serve`], and waits until entries are taken in.
    fn serve_open(&self, name: &str) -> Server {
        let server = self.serve(name);
        until(|| ready(&server).status == 200);
        server
    }

    fn kill(&mut self, number: usize) {
        self.witnesses[number - 1] = None;
    }

    fn bring_back(&mut self, number: usize) {
        let listen = self.addresses[number - 1].to_string();
        self.witnesses[number - 1] = Some(witness(&listen, &self.path(&format!("w{number}")), &self.path("followed")));
    }

    fn log_key(&self) -> VerifierKey {
        self.policy.logs()[0].key().clone()
    }
}

fn until(mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "it does not come to pass");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn ready(server: &Server) -> Answer {
    Connection::to(server.operations).unwrap().get("/readyz").unwrap()
}

/// Publishes an entry and verifies its receipt, asking again until there is one.
fn published(world: &World, server: &Server, entry: &str) {
    until(|| {
        let answer = server.connect().request("POST", "/add?receipt", entry.as_bytes()).unwrap();
        assert!([200, 202, 503].contains(&answer.status), "{answer:?}");
        answer.status == 200 && {
            let receipt = Proof::parse(&answer.body).unwrap();
            receipt.verify_receipt(&world.policy, Some(entry.as_bytes())).unwrap();
            true
        }
    });
}

fn size(server: &Server) -> u64 {
    server.connect().get("/checkpoint").unwrap().text().lines().nth(1).unwrap().parse().unwrap()
}

/// As `cp -a`.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

#[test]
fn receipts_come_with_a_quorum_of_witnesses_and_wait_for_one() {
    let mut world = World::new();
    let server = world.serve_open("log");
    published(&world, &server, "with three");
    world.kill(3);
    published(&world, &server, "with two");
    world.kill(2);
    let answer = server.connect().request("POST", "/add?receipt", b"with one").unwrap();
    assert_eq!((answer.status, answer.text()), (202, "2\n"), "stored, and not witnessed yet");
    assert_eq!(size(&server), 2, "what enough have cosigned stays");
    until(|| ready(&server).status == 503);
    let told = ready(&server).text().to_owned();
    assert!(told.contains("witness w2-ed: cosigned size 2 at 2") && told.contains("cannot be reached"), "{told}");
    world.bring_back(3);
    published(&world, &server, "with one");
    assert_eq!(size(&server), 3);
    let metrics = Connection::to(server.operations).unwrap().get("/metrics").unwrap();
    for line in ["acta_log_witness_size{witness=\"w1-ed\"} 3", "acta_log_witness_failures_total{reason=\"unreachable\",witness=\"w2-ed\"}"]
    {
        assert!(metrics.text().contains(line), "no {line} in {}", metrics.text());
    }
}

#[test]
fn a_killed_log_goes_on_with_its_witnesses_and_a_killed_witness_with_the_log() {
    let mut world = World::new();
    for round in 0..4 {
        let mut server = world.serve_open("log");
        published(&world, &server, &format!("first of round {round}"));
        let unwitnessed = server.connect().add(format!("second of round {round}").as_bytes());
        server.kill();
        world.kill(round % 3 + 1);
        let server = world.serve_open("log");
        assert!(unwitnessed.is_some());
        published(&world, &server, &format!("second of round {round}"));
        world.bring_back(round % 3 + 1);
        drop(server);
    }
}

#[test]
fn a_restored_backup_does_not_get_past_the_witnesses() {
    let world = World::new();
    let mut server = world.serve_open("log");
    published(&world, &server, "before the backup");
    server.terminate();
    let (log, backup) = (world.path("log"), world.path("backup"));
    good(&["backup", "--dir", log.to_str().unwrap(), "--out", backup.to_str().unwrap()]);
    let mut server = world.serve_open("log");
    published(&world, &server, "after the backup");
    server.terminate();

    // All of the log is lost but its key, and whoever restores it insists.
    fs::copy(log.join("log.key"), backup.join("log.key")).unwrap();
    good(&["adopt", "--dir", backup.to_str().unwrap(), "--at-size", "1"]);
    let mut server = world.serve("backup");
    let (code, told) = server.wait();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("has cosigned a head of 2 entries") && told.contains("\"After a loss\" in SECURITY.md"), "{told}");

    // The log itself goes on.
    let server = world.serve_open("log");
    published(&world, &server, "and on");
    assert_eq!(size(&server), 3);
}

#[test]
fn of_two_clones_the_second_to_add_is_stopped_with_evidence() {
    let world = World::new();
    let mut server = world.serve_open("log");
    published(&world, &server, "before the clone");
    server.terminate();
    copy(&world.path("log"), &world.path("clone"));
    let (one, mut two) = (world.serve_open("log"), world.serve_open("clone"));
    published(&world, &one, "one history");
    // Each of the witnesses has seen it: the clone gets no quorum for anything else.
    until(|| world.addresses.iter().all(|address| witnessed(*address) == 2));
    let _ = two.connect().request("POST", "/add", b"another history");
    let (code, told) = two.wait();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("two histories were signed with this log's key"), "{told}");
    let files = fs::read_dir(world.path("clone")).unwrap().map(|file| file.unwrap().path());
    let evidence: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ending| ending == "acta-evidence")).collect();
    assert_eq!(evidence.len(), 1, "{told}");
    let evidence = Evidence::parse(&fs::read(&evidence[0]).unwrap()).unwrap();
    evidence.verify(&[world.log_key()]).unwrap();
    published(&world, &one, "one history goes on");
}

/// The size that a witness shows of the log.
fn witnessed(address: SocketAddr) -> u64 {
    let origin = tlog::checkpoint::Origin::for_new_log(ORIGIN).unwrap();
    let answer = Connection::to(address).unwrap().get(&format!("/{}", tlog::witness::monitoring_path(&origin))).unwrap();
    answer.text().lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or(0)
}

/// The status of an answer, its problem, and when to come back.
fn problem(answer: &Answer) -> (u16, String, String) {
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let kind = problem["type"].as_str().unwrap().strip_prefix("urn:acta:problem:").unwrap().to_owned();
    (answer.status, kind, answer.header("retry-after").unwrap().to_owned())
}

#[test]
fn what_cannot_be_witnessed_is_refused_with_a_reason_and_a_time_to_come_back() {
    let mut world = World::new();
    world.kill(1);
    world.kill(2);
    let mut server = world.serve("log");
    let answer = server.connect().request("POST", "/add", b"too early").unwrap();
    assert_eq!(problem(&answer), (503, "asking-witnesses".to_owned(), "5".to_owned()));
    let batch = server.connect().request("POST", "/add-batch", b"\0\x01a\0\x01b").unwrap();
    assert_eq!((batch.status, batch.text()), (200, "asking-witnesses\nasking-witnesses\n"));
    // What an adder shall do is nothing to tell the operator.
    let told = ready(&server).text().to_owned();
    assert!(told.contains("nothing is taken in until enough witnesses") && !told.contains("send the entry again"), "{told}");
    assert_eq!(server.connect().get("/checkpoint").unwrap().status, 200, "reading goes on");
    assert_eq!(server.terminate().0, Some(0));

    world.bring_back(1);
    world.bring_back(2);
    let config = fs::read_to_string(world.path("config")).unwrap();
    fs::write(world.path("config"), format!("{config}witnesses.max_backlog = 2\n")).unwrap();
    let server = world.serve_open("log");
    world.kill(1);
    world.kill(2);
    for entry in [b"one", b"two"] {
        assert_eq!(server.connect().request("POST", "/add", entry).unwrap().status, 200);
    }
    let answer = server.connect().request("POST", "/add", b"three").unwrap();
    assert_eq!(problem(&answer), (503, "unwitnessed".to_owned(), "10".to_owned()));
    world.bring_back(1);
    published(&world, &server, "three");
}
