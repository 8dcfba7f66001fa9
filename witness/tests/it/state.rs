//! What a witness remembers over everything that can happen to its process, and what it refuses to start on.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::fixture::TestLog;
use crate::process::{Server, follow, good, head, init, keys, read_answer, refused};

const ORIGIN: &str = "log.test/2026";

#[test]
fn what_was_answered_is_there_after_the_process_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let witness = dir.path().join("w");
    let (log, other) = (TestLog::new(ORIGIN, 60), TestLog::new("log.test/other", 60));
    init(&witness);
    follow(&witness, &log);
    follow(&witness, &other);
    let mut at = 0;
    for round in 1..=6 {
        let mut server = Server::start(&witness, &[]);
        assert_eq!(server.add(&log.request(60, 60)).body, format!("{at}\n"), "stored is what was answered");
        let next = at + round;
        server.add(&log.request(at, next)).assert_cosigned(&log, next, &keys(&witness));
        // One more is on its way when the power goes.
        let body = other.request(0, round);
        let mut stream = server.connect();
        stream.write_all(&[head("POST", "/add-checkpoint", "", body.len()), body].concat()).unwrap();
        server.kill();
        at = next;
    }
}

#[test]
fn a_second_process_on_the_same_directory_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (witness, log) = (dir.path().join("w"), TestLog::new(ORIGIN, 9));
    init(&witness);
    follow(&witness, &log);
    let server = Server::start(&witness, &[]);
    let told = refused(&["serve", "--dir", witness.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert!(told.contains("another process is working on"), "{told}");
    assert_eq!(server.add(&log.request(0, 3)).status, 200, "the first goes on");
}

#[test]
fn it_starts_on_nothing_but_a_whole_witness() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let serve = |name: &str| refused(&["serve", "--dir", &path(name), "--listen", "127.0.0.1:0"]);

    assert!(serve("missing").contains("does not hold a witness"));
    assert!(!dir.path().join("missing").exists(), "serving never creates");

    init(&dir.path().join("other"));
    init(&dir.path().join("w"));
    assert!(refused(&["init", "--dir", &path("w"), "--name", "witness.test/w"]).contains("exists already"));

    // Another witness's key, and one key gone: neither may sign for what this store knows.
    for file in ["witness-ed25519.key", "witness-ed25519.vkey"] {
        fs::copy(dir.path().join("w").join(file), dir.path().join(file)).unwrap();
        fs::copy(dir.path().join("other").join(file), dir.path().join("w").join(file)).unwrap();
    }
    assert!(serve("w").contains("not the ones that its store was made with"));
    for file in ["witness-ed25519.key", "witness-ed25519.vkey"] {
        fs::copy(dir.path().join(file), dir.path().join("w").join(file)).unwrap();
    }
    fs::rename(dir.path().join("w/witness-ml-dsa-44.key"), dir.path().join("pq")).unwrap();
    assert!(serve("w").contains("not the ones that its store was made with"));
    fs::rename(dir.path().join("pq"), dir.path().join("w/witness-ml-dsa-44.key")).unwrap();

    // Its memory gone: it must not begin anew with the same keys.
    fs::rename(dir.path().join("w/db"), dir.path().join("db")).unwrap();
    assert!(serve("w").contains("Do not make a new one for these keys"));
    assert!(refused(&["init", "--dir", &path("w"), "--name", "witness.test/w"]).contains("exists already"));
    fs::rename(dir.path().join("db"), dir.path().join("w/db")).unwrap();
    Server::start(&dir.path().join("w"), &[]);
}

#[test]
fn an_older_copy_of_its_store_is_refused_and_so_is_a_store_without_an_anchor() {
    let dir = tempfile::tempdir().unwrap();
    let (witness, log) = (dir.path().join("w"), TestLog::new(ORIGIN, 9));
    let copy = |from: &Path, to: &Path| {
        let _ = fs::remove_dir_all(to);
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    };
    let serve = || refused(&["serve", "--dir", witness.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    init(&witness);
    follow(&witness, &log);
    let mut server = Server::start(&witness, &[]);
    server.add(&log.request(0, 3)).assert_cosigned(&log, 3, &keys(&witness));
    assert_eq!(server.stop(), Some(0));
    copy(&witness.join("db"), &dir.path().join("backup"));

    let mut server = Server::start(&witness, &[]);
    server.add(&log.request(3, 6)).assert_cosigned(&log, 6, &keys(&witness));
    assert_eq!(server.stop(), Some(0));
    copy(&witness.join("db"), &dir.path().join("newest"));
    copy(&dir.path().join("backup"), &witness.join("db"));
    assert!(serve().contains("an older copy was put in its place"));
    assert!(serve().contains("an older copy was put in its place"), "the refusal has changed nothing");

    copy(&dir.path().join("newest"), &witness.join("db"));
    fs::rename(witness.join("anchor"), dir.path().join("anchor")).unwrap();
    assert!(serve().contains("there is no anchor"));
    fs::rename(dir.path().join("anchor"), witness.join("anchor")).unwrap();
    assert_eq!(Server::start(&witness, &[]).add(&log.request(0, 9)).body, "6\n");
}

#[test]
fn told_to_stop_it_answers_what_has_begun_and_ends_well() {
    let dir = tempfile::tempdir().unwrap();
    let (witness, log) = (dir.path().join("w"), TestLog::new(ORIGIN, 9));
    init(&witness);
    follow(&witness, &log);
    let mut server = Server::start(&witness, &[]);
    let body = log.request(0, 3);
    // The headers and half of the body have come when it is told.
    let mut stream = server.connect();
    let (first, rest) = body.split_at(body.len() / 2);
    stream.write_all(&[&head("POST", "/add-checkpoint", "", body.len()), first].concat()).unwrap();
    server.until("the request has begun", |server| server.metric("acta_witness_http_in_flight_requests") == 1);
    server.signal(rustix::process::Signal::TERM);
    server.until("it drains", |server| server.operations("/readyz").status == 503);
    stream.write_all(rest).unwrap();
    read_answer(&mut stream).assert_cosigned(&log, 3, &keys(&witness));
    assert_eq!(server.wait(), Some(0));
    assert_eq!(Server::start(&witness, &[]).add(&log.request(3, 9)).status, 200);
}

#[test]
fn logs_are_read_again_without_a_restart_and_what_was_known_of_them_stays() {
    let dir = tempfile::tempdir().unwrap();
    let witness = dir.path().join("w");
    let (log, other) = (TestLog::new(ORIGIN, 9), TestLog::new("log.test/other", 9));
    let (path, policies) = (witness.to_str().unwrap().to_owned(), dir.path().join("policies"));
    init(&witness);
    fs::create_dir(&policies).unwrap();
    let mut server = Server::start(&witness, &["--policy", policies.to_str().unwrap()]);
    assert_eq!(server.operations("/readyz").status, 503, "it follows nothing");
    assert_eq!(server.add(&log.request(0, 3)).status, 404);

    assert!(follow(&witness, &log).contains("was told"));
    server.until("the log is followed", |server| server.add(&log.request(0, 3)).status != 404);
    assert_eq!(server.operations("/readyz").status, 200);

    fs::write(policies.join("other"), format!("log {}\nquorum none\n", other.keys()[0])).unwrap();
    server.signal(rustix::process::Signal::HUP);
    server.until("the other is followed too", |server| server.add(&other.request(0, 3)).status == 200);

    // A broken file keeps all as it was, and is named.
    fs::write(policies.join("broken"), "log nonsense\n").unwrap();
    good(&["logs", "remove", "--dir", &path, "--origin", ORIGIN]);
    server.until("the reload has failed", |server| server.metric("acta_witness_reload_failures_total") == 1);
    assert!(server.messages().contains("the logs stay as they were") && server.messages().contains("broken: line 1"));
    assert_eq!(server.add(&log.request(0, 3)).status, 409);

    fs::remove_file(policies.join("broken")).unwrap();
    good(&["logs", "reload", "--dir", &path]);
    server.until("the log is not followed any more", |server| server.add(&log.request(0, 3)).status == 404);
    let list = good(&["logs", "list", "--dir", &path, "--policy", policies.to_str().unwrap()]);
    assert!(list.starts_with("log.test/other+") && list.lines().count() == 1, "{list}");

    follow(&witness, &log);
    server.until("it is followed again, from where it was", |server| server.add(&log.request(0, 9)).body == "3\n");
    assert_eq!(server.stop(), Some(0));
    assert!(follow(&witness, &log).contains("no witness is running"));
}
