//! Every status of C2SP tlog-witness, and what else the HTTP interface promises.

use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::evidence::Evidence;
use tlog::merkle::{self, Subtree};
use tlog::witness::{MAX_REQUEST, SignSubtree, monitoring_path, parse_cosignatures};
use tlog::{Hash, TreeSize};

use crate::fixture::TestLog;
use crate::process::{Server, follow, init, keys};

const ORIGIN: &str = "log.test/2026";

/// A witness that has cosigned the first five of the log's fourteen entries.
struct World {
    log: TestLog,
    server: Server,
    dir: tempfile::TempDir,
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let (witness, log) = (dir.path().join("w"), TestLog::new(ORIGIN, 14));
    init(&witness);
    follow(&witness, &log);
    let server = Server::start(&witness, &[]);
    server.add(&log.request(0, 5)).assert_cosigned(&log, 5, &keys(&witness));
    World { log, server, dir }
}

fn altered(body: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains(from));
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn every_refusal_of_a_checkpoint_has_the_status_of_the_specification_and_a_line_for_people() {
    let World { log, server, dir: _dir } = world();
    let (stranger, fork) = (TestLog::new("log.test/other", 14), TestLog::forked(ORIGIN, 14, 2));
    let empty = |root| {
        let checkpoint = Checkpoint::new(Origin::parse(ORIGIN).unwrap(), TreeSize::ZERO, root);
        SignedCheckpoint::sign(&checkpoint, &[&log.key]).unwrap()
    };
    let good = log.request(5, 9);
    let junk = || vec![Hash::leaf(b"junk")];
    for (what, body, status, says) in [
        ("nothing", vec![], 400, "empty line"),
        ("not text", vec![0xff], 400, "UTF-8"),
        ("no old line", altered(&good, "old 5\n", ""), 400, "old SIZE"),
        ("an old size with a zero before it", altered(&good, "old 5", "old 05"), 400, "old SIZE"),
        ("an old size with a sign", altered(&good, "old 5", "old +5"), 400, "old SIZE"),
        ("an old size beyond all numbers", altered(&good, "old 5", "old 18446744073709551616"), 400, "old SIZE"),
        ("carriage returns", altered(&good, "old 5\n", "old 5\r\n"), 400, "old SIZE"),
        ("a proof line that is none", altered(&good, "old 5\n", "old 5\nAAAA\n"), 400, "line 2"),
        ("64 proof lines", altered(&good, "old 5\n", &format!("old 5\n{}", (junk()[0].to_base64() + "\n").repeat(64))), 400, "63"),
        ("no checkpoint", b"old 5\n\n".to_vec(), 400, "checkpoint"),
        ("a checkpoint cut short", good[..good.len() - 1].to_vec(), 400, "newline"),
        ("a size with a zero before it", altered(&good, "\n9\n", "\n09\n"), 400, "second line"),
        ("a size beyond 2^63", altered(&good, "\n9\n", "\n9223372036854775809\n"), 400, "2^63"),
        ("no signature line", altered(&good, "\u{2014} ", "- "), 400, "signature line"),
        ("an unknown log", stranger.request(5, 9), 404, "does not follow"),
        ("an unknown log whose name differs by case", altered(&good, ORIGIN, "LOG.test/2026"), 404, "does not follow"),
        ("a bad signature of a known key", altered(&good, "\n9\n", "\n8\n"), 403, "does not fit"),
        ("no signature of a known key", altered(&good, "\u{2014} log.test/2026", "\u{2014} log.test/none"), 403, "no key"),
        ("an old size above the new one", log.request_with(10, junk(), &log.signed(9)), 400, "larger than"),
        ("a stale old size", log.request(3, 9), 409, "5\n"),
        ("an old size ahead of the witness", log.request(6, 9), 409, "5\n"),
        ("old zero, to learn the size", log.request(0, 9), 409, "5\n"),
        ("old zero with a proof, of a log that has a size", log.request_with(0, junk(), &log.signed(9)), 409, "5\n"),
        ("a smaller checkpoint from the right size", log.request_with(5, vec![], &log.signed(4)), 400, "larger than"),
        ("an empty tree, from a size", log.request_with(0, vec![], &empty(Hash::leaf(b""))), 409, "5\n"),
        ("no proof", log.request_with(5, vec![], &log.signed(9)), 422, "does not show"),
        ("a junk proof", log.request_with(5, junk(), &log.signed(9)), 422, "does not show"),
        ("another history", fork.request(5, 9), 422, "does not show"),
        ("the same size and another root", fork.request(5, 5), 422, "two histories"),
        ("a proof where the sizes are equal", log.request_with(5, junk(), &log.signed(5)), 422, "does not show"),
    ] {
        let answer = server.add(&body);
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        assert!(answer.body.contains(says), "{what}: {}", answer.body);
        assert!(answer.body.ends_with('\n') && answer.body.lines().count() == 1, "{what}: {:?}", answer.body);
        let kind = if status == 409 { "text/x.tlog.size" } else { "text/plain; charset=utf-8" };
        assert_eq!(answer.header("content-type"), Some(kind), "{what}");
    }
    let messages = server.messages();
    assert!(messages.lines().filter(|line| line.contains("ERROR")).all(|line| line.contains("two histories")), "{messages}");
    // After all that the honest log goes on.
    assert_eq!(server.add(&good).status, 200);
}

#[test]
fn from_the_empty_tree_there_is_one_root_and_no_proof() {
    let dir = tempfile::tempdir().unwrap();
    let (witness, log) = (dir.path().join("w"), TestLog::new(ORIGIN, 14));
    init(&witness);
    follow(&witness, &log);
    let server = Server::start(&witness, &[]);
    let empty = |root| {
        let checkpoint = Checkpoint::new(Origin::parse(ORIGIN).unwrap(), TreeSize::ZERO, root);
        SignedCheckpoint::sign(&checkpoint, &[&log.key]).unwrap()
    };
    let junk = vec![Hash::leaf(b"junk")];
    assert_eq!(server.get(&format!("/{}", monitoring_path(log.signed(1).checkpoint().origin()))).status, 404, "never cosigned");
    assert_eq!(server.add(&log.request(1, 3)).body, "0\n", "the latest size of a log that was never cosigned");
    for (signed, proof) in [(empty(Hash::leaf(b"")), vec![]), (empty(Hash::EMPTY_TREE), junk.clone()), (log.signed(3), junk)] {
        let answer = server.add(&log.request_with(0, proof, &signed));
        assert_eq!(answer.status, 422, "{}", answer.body);
    }
    server.add(&log.request_with(0, vec![], &empty(Hash::EMPTY_TREE))).assert_cosigned(&TestLog::new(ORIGIN, 0), 0, &keys(&witness));
    server.add(&log.request(0, 3)).assert_cosigned(&log, 3, &keys(&witness));
}

#[test]
fn a_second_history_leaves_a_file_that_convicts_by_the_logs_key_alone() {
    let World { log, server, dir } = world();
    let fork = TestLog::forked(ORIGIN, 14, 2);
    assert_eq!(server.add(&fork.request(5, 5)).status, 422);
    assert_eq!(server.add(&fork.request(5, 5)).status, 422);
    assert_eq!(server.add(&fork.request(0, 5)).body, "5\n", "a wrong old size does not hide it");
    let path = monitoring_path(log.signed(1).checkpoint().origin());
    let place = dir.path().join("w/evidence").join(path.strip_suffix("/checkpoint").unwrap());
    let files: Vec<_> = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    let evidence = Evidence::parse(&std::fs::read(&files[0]).unwrap()).unwrap();
    assert_eq!(evidence.verify(&log.keys()).unwrap().origin().as_str(), ORIGIN);
    assert_eq!(server.metric("acta_witness_evidence_total"), 1);
    assert!(server.messages().contains("has signed two histories"));
    assert_eq!(server.add(&log.request_with(5, vec![], &log.signed(9))).status, 422);
    assert_eq!(server.metric("acta_witness_unproven_total"), 1);
}

#[test]
fn monitors_get_the_newest_checkpoint_with_both_sides_signatures() {
    let World { log, server, dir } = world();
    let path = format!("/{}", monitoring_path(log.signed(1).checkpoint().origin()));
    let given = server.add(&log.request(5, 9));
    let answer = server.get(&path);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    let served = SignedCheckpoint::parse(answer.body.as_bytes()).unwrap();
    assert_eq!(served.checkpoint(), &log.checkpoint(9));
    assert!(served.verify_log(&log.keys()).is_ok());
    assert!(answer.body.ends_with(&given.body), "the signatures that were given for it");
    assert_eq!(served.note().verify(&keys(&dir.path().join("w"))).unwrap().len(), 2);
    let head = server.request("HEAD", &path, "", b"");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), Some(answer.body.len().to_string().as_str()));
    assert_eq!(server.get(&path.to_uppercase()).status, 404);
}

#[test]
fn parts_of_a_cosigned_tree_are_cosigned_and_nothing_else() {
    let World { log, server, dir } = world();
    server.add(&log.request(5, 14)).assert_cosigned(&log, 14, &keys(&dir.path().join("w")));
    let path = format!("/{}", monitoring_path(log.signed(1).checkpoint().origin()));
    let cosigned = SignedCheckpoint::parse(server.get(&path).body.as_bytes()).unwrap();
    let part = Subtree::new(0, 8).unwrap();
    let proof = merkle::prove_subtree(part, TreeSize::new(14), |node| log.node(node)).unwrap();
    let request =
        |hash, proof: &[Hash], signed: &SignedCheckpoint| SignSubtree::new(part, hash, proof.to_vec(), signed.clone()).unwrap().to_bytes();
    let good = request(log.root(8), &proof, &cosigned);
    let answer = server.post("/sign-subtree", &good);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let lines = parse_cosignatures(answer.body.as_bytes()).unwrap();
    let quantum = &keys(&dir.path().join("w"))[1];
    let origin = Origin::parse(ORIGIN).unwrap();
    assert!(tlog::cosignature::verify_subtree(&lines[0], &origin, part, &log.root(8), quantum).is_ok());
    for (what, body, status) in [
        ("no subtree", altered(&good, "subtree 0 8", "subtree 0"), 400),
        ("a subtree that is none", altered(&good, "subtree 0 8", "subtree 1 8"), 400),
        ("beyond the checkpoint", altered(&good, "subtree 0 8", "subtree 0 16"), 400),
        ("not cosigned", request(log.root(8), &proof, &log.signed(14)), 403),
        ("cosigned, then altered", altered(&good, "\n14\n", "\n15\n"), 403),
        ("another log", altered(&good, ORIGIN, "log.test/else"), 404),
        ("another hash", request(log.root(7), &proof, &cosigned), 422),
        ("a junk proof", request(log.root(8), &[log.root(1)], &cosigned), 422),
    ] {
        let answer = server.post("/sign-subtree", &body);
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
    }
}

#[test]
fn what_is_no_request_to_a_witness_is_told_so() {
    let World { log, server, dir: _dir } = world();
    let body = log.request(5, 9);
    for (method, path, status, allow) in [
        ("GET", "/add-checkpoint", 405, Some("POST")),
        ("PUT", "/sign-subtree", 405, Some("POST")),
        ("POST", "/", 405, Some("GET, HEAD")),
        ("POST", "/add-checkpoint/", 404, None),
        ("POST", "//add-checkpoint", 404, None),
        ("GET", "/metrics", 404, None),
        ("GET", "/checkpoint", 404, None),
    ] {
        let answer = server.request(method, path, "", &body);
        assert_eq!((answer.status, answer.header("allow")), (status, allow), "{method} {path}");
    }
    let encoded = server.request("POST", "/add-checkpoint", "Content-Encoding: gzip\r\n", &body);
    assert_eq!(encoded.status, 415);
    let large = server.add(&vec![b'x'; MAX_REQUEST + 1]);
    assert_eq!(large.status, 413);
    let page = server.get("/");
    assert!(page.status == 200 && page.body.contains("witness.test/w+"), "{}", page.body);
}

#[test]
fn a_checkpoint_with_many_signatures_costs_no_more_than_the_logs_own() {
    let World { log, server, dir: _dir } = world();
    let mut signed = log.signed(9);
    // Lines of strangers are ignored, and not kept.
    while {
        let number = signed.note().signatures().len();
        let stranger = crate::fixture::key(&format!("stranger{number}"), tlog::key::Algorithm::CosignatureMlDsa44, 3);
        number < 30 && signed.add_signature(stranger.cosign(signed.checkpoint(), 5).unwrap()).is_ok()
    } {}
    assert!(signed.to_bytes().len() > 90_000);
    assert_eq!(server.add(&log.request_with(5, log.proof(5, 9), &signed)).status, 200);
    let path = format!("/{}", monitoring_path(log.signed(1).checkpoint().origin()));
    let served = SignedCheckpoint::parse(server.get(&path).body.as_bytes()).unwrap();
    assert_eq!(served.note().signatures().len(), 3);

    // Seventeen of the log's own lines are too many, sixteen are not.
    let line = log.signed(12).note().signatures()[0].clone();
    let many = |count| {
        let mut signed = log.signed(12);
        (1..count).for_each(|_| signed.add_signature(line.clone()).unwrap());
        log.request_with(9, log.proof(9, 12), &signed)
    };
    assert_eq!(server.add(&many(17)).status, 403);
    assert_eq!(server.add(&many(16)).status, 200);
}
