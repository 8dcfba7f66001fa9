//! `acta status` and `acta verify --online`: the operator's word against the entries.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use acta_client::fold::LogFold;
use bytes::Bytes;
use serde_json::{Value, json};
use tlog::LeafIndex;
use tlog::proof::Proof;

use crate::cli::{witness_policy, witnessed_at};
use crate::server::{Answer, ORIGIN, Server, Tree, key, ok, policy};
use crate::world::{World, with};

struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("policy"), policy().to_bytes()).unwrap();
        Desk { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_acta"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null()).env_remove("ACTA_LOG").env_remove("ACTA_POLICY");
        command.env("HOME", self.dir.path()).env_remove("XDG_CACHE_HOME").env_remove("XDG_STATE_HOME");
        command.output().unwrap()
    }

    /// Runs `acta` at the log and gives what it printed, if it ended as expected.
    fn acta(&self, status: i32, server: &Server, args: &[&str]) -> String {
        let output = self.run(&[args, &["--log", &server.url(), "--policy", "policy", "--wait", "0"]].concat());
        assert_eq!(output.status.code(), Some(status), "acta {args:?}: {output:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    fn json(&self, status: i32, server: &Server, args: &[&str]) -> Value {
        serde_json::from_str(&self.acta(status, server, &[args, &["--json"]].concat())).unwrap()
    }

    fn receipt(&self, server: &Server, index: u64) -> String {
        let name = format!("{index}.tlog-proof");
        fs::write(self.path(&name), server.tree().receipt(index).to_bytes()).unwrap();
        name
    }
}

fn world() -> World {
    World::new(ORIGIN, World::charter(ORIGIN, &key(ORIGIN)))
}

async fn serve(world: &World) -> Server {
    let mut tree = Tree::new(0);
    world.entries.iter().for_each(|entry| {
        tree.append(entry.clone());
    });
    Server::start(tree).await
}

/// What an honest operator answers for an entry now.
async fn honest(server: &Server, index: u64) -> Value {
    let log = server.open().await.unwrap();
    let fold = LogFold::new(&policy(), ORIGIN).advance(&log, |_| (), |_| ()).await.unwrap();
    let mut answer = serde_json::to_value(fold.status(LeafIndex::new(index)).unwrap().unwrap()).unwrap();
    answer["size"] = log.size().as_u64().into();
    answer["says"] = "operator".into();
    answer
}

fn answers(server: &Server, index: u64, answer: &Value) {
    let (path, body) = (format!("status/{index}"), Bytes::from(answer.to_string()));
    server.fault(move |asked| (asked == path).then(|| ok(body.clone())));
}

/// A permit, its revocation by a court, a correction of another one, and a key that was stolen.
fn history(world: &mut World) -> [u64; 4] {
    let (planning, second, court) = (world.planning.clone(), world.second.clone(), world.court.clone());
    let revoked = world.decide(1);
    world.good(&world.judgment(1, "revokes", revoked), &[&court]);
    let corrected = world.decide(2);
    let correction = with(world.decision(3), "relates", json!([world.relation("corrects", corrected)]));
    let correction = world.good(&correction, &[&planning]);
    let doubtful = world.good(&world.decision(4), &[&second]);
    world.register(&with(world.key_change("retire", &second), "doubt_from", json!(doubtful)), &[]);
    [revoked, corrected, correction, doubtful]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_word_is_compared_with_the_entries() {
    let mut world = world();
    let [revoked, ..] = history(&mut world);
    let server = serve(&world).await;
    let desk = Desk::new();
    let index = revoked.to_string();
    let truth = honest(&server, revoked).await;
    answers(&server, revoked, &truth);
    let told = desk.acta(0, &server, &["status", &index]);
    assert!(told.contains("REVOKED by entry") && told.contains("So says the operator"), "{told}");
    let told = desk.acta(0, &server, &["status", &index, "--verify"]);
    assert!(told.contains("REVOKED by entry") && told.contains("The operator says the same."), "{told}");

    // Each of these is a lie that the entries give away.
    for (member, value) in [("standing", json!("in-force")), ("by", json!(1)), ("leaf", json!("00".repeat(32))), ("key", Value::Null)] {
        answers(&server, revoked, &with(truth.clone(), member, value));
        let told = desk.acta(1, &server, &["status", &index, "--verify"]);
        assert!(told.contains("THE OPERATOR SAYS SOMETHING ELSE") && told.contains("REVOKED by entry"), "{told}");
        let json = desk.json(1, &server, &["status", &index, "--verify"]);
        assert!(json["agrees"] == false && json["now"]["standing"] == "revoked", "{json}");
    }
    // True of the time before, and not a lie.
    let before = with(with(truth, "standing", json!("in-force")), "by", Value::Null);
    answers(&server, revoked, &with(before, "size", json!(revoked + 1)));
    let json = desk.json(0, &server, &["status", &index, "--verify"]);
    assert!(json["agrees"] == true && json["now"]["standing"] == "revoked" && json["then"]["standing"] == "in-force", "{json}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_none_are_told_apart() {
    let mut world = world();
    let [revoked, ..] = history(&mut world);
    let server = serve(&world).await;
    let desk = Desk::new();
    let index = revoked.to_string();
    let truth = honest(&server, revoked).await;
    answers(&server, revoked, &with(truth.clone(), "index", json!(revoked + 1)));
    assert!(desk.acta(1, &server, &["status", &index]).contains("answers about entry"));
    // What the operator writes does nothing to the terminal.
    let mut hostile = truth.clone();
    hostile["issuer"]["names"] = json!({"en": "\u{1b}[2J\u{202e}\nfine"});
    hostile["key"]["vkey"] = json!("\u{9b}2J");
    answers(&server, revoked, &hostile);
    for args in [["status", &index].as_slice(), &["status", &index, "--json"]] {
        let told = desk.acta(0, &server, args);
        assert!(!told.contains(['\u{1b}', '\u{9b}', '\u{202e}']) && !told.contains("\nfine"), "{told}");
    }
    answers(&server, revoked, &json!({"status": "fine"}));
    assert!(desk.acta(3, &server, &["status", &index]).contains("not the status of an entry"));
    answers(&server, revoked, &with(truth, "size", json!(u64::MAX)));
    assert!(desk.acta(3, &server, &["status", &index, "--verify"]).contains("its published head has"));
    let problem = |name: &str| Bytes::from(json!({"type": format!("urn:acta:problem:{name}"), "title": "x", "status": 404}).to_string());
    for (name, status, verified) in [("no-ledger", 0, 0), ("not-yet-published", 2, 2), ("not-found", 3, 3)] {
        let body = problem(name);
        server.fault(move |path| path.starts_with("status/").then(|| Answer::Status(404, Vec::new(), body.clone())));
        desk.acta(status, &server, &["status", &index]);
        let told = desk.acta(verified, &server, &["status", &index, "--verify"]);
        assert!(name != "no-ledger" || told.contains("REVOKED by entry"), "{told}");
    }
    server.fault(|path| path.starts_with("status/").then_some(Answer::Endless));
    assert!(desk.acta(1, &server, &["status", &index]).contains("larger than"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_a_statement_says_online_what_became_of_it() {
    let mut world = world();
    let [revoked, corrected, correction, doubtful] = history(&mut world);
    let stolen = world.next();
    world.plant("retired-key", &world.decision(5), &[&world.second.clone()]);
    let server = serve(&world).await;
    let desk = Desk::new();
    let verify = |status: i32, index: u64, more: &[&str]| {
        let receipt = desk.receipt(&server, index);
        desk.acta(status, &server, &[["verify", &receipt].as_slice(), more].concat())
    };
    let offline = verify(0, revoked, &[]);
    assert!(offline.contains("not looked up") && offline.contains("not checked here"), "{offline}");
    assert!(offline.contains("A roof") && offline.contains("granted (planning.permit)"), "{offline}");
    for (index, word) in [
        (revoked, "REVOKED by entry"),
        (corrected, "corrected by entry"),
        (correction, "no later entry took its place"),
        (doubtful, "IN DOUBT"),
    ] {
        let told = verify(0, index, &["--online"]);
        assert!(told.contains(word) && told.contains("the signature is good"), "{told}");
    }
    let told = verify(1, stolen, &["--online"]);
    assert!(told.contains("NOT GOOD") && told.contains("does not count: the key planning.example/2"), "{told}");
    verify(0, stolen, &[]);
    // For the registration and the charter there is something to say as well.
    assert!(verify(0, 0, &["--online"]).contains("this log begins"));
    assert!(verify(0, 1, &["--online"]).contains("the issuer planning.example is registered"));

    let receipt = desk.receipt(&server, doubtful);
    let json = desk.json(0, &server, &["verify", "--online", &receipt]);
    assert_eq!(json["online"]["status"]["key"]["in_doubt"], true, "{json}");
    assert_eq!(json["online"]["size"], world.next(), "{json}");
    assert_eq!(json["statement"]["subject"], "A roof", "{json}");
    let json = desk.json(0, &server, &["verify", &receipt]);
    assert!(json["online"] == Value::Null && json["signatures"][0]["checked"] == false, "{json}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_a_history_that_the_log_no_longer_shows_is_not_good() {
    let mut world = world();
    let [revoked, ..] = history(&mut world);
    let server = serve(&world).await;
    let desk = Desk::new();
    let receipt = desk.receipt(&server, revoked);
    // The same log in the eyes of somebody else: one entry is another one.
    let mut other = Tree::new(0);
    for (index, entry) in (0..).zip(&world.entries) {
        other.append(if index == revoked { Bytes::from("something else") } else { entry.clone() });
    }
    *server.tree() = other;
    desk.acta(0, &server, &["verify", &receipt]);
    let told = desk.acta(1, &server, &["verify", "--online", &receipt]);
    assert!(told.contains("does not continue what this receipt shows"), "{told}");
    // One that went back.
    let mut shorter = Tree::new(0);
    world.entries[..4].iter().for_each(|entry| {
        shorter.append(entry.clone());
    });
    *server.tree() = shorter;
    desk.acta(1, &server, &["verify", "--online", &receipt]);
}

/// The receipt may have been made later than the entry was first seen; the log shows the first head that covered it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_an_entry_was_first_seen_is_asked_and_not_believed() {
    let mut world = world();
    let [revoked, ..] = history(&mut world);
    let server = serve(&world).await;
    let desk = Desk::new();
    fs::write(desk.path("policy"), witness_policy()).unwrap();
    let (late, early) = (1_772_400_000, 1_772_357_402);
    let now = witnessed_at(&server.tree(), late);
    let good = server.tree().receipt(revoked);
    let receipt = Proof::new(good.extra().map(<[u8]>::to_vec), good.index(), good.hashes().to_vec(), now.clone()).unwrap();
    fs::write(desk.path("late.tlog-proof"), receipt.to_bytes()).unwrap();
    let beginning = |entries: &[Bytes]| {
        let mut tree = Tree::new(0);
        entries.iter().for_each(|entry| {
            tree.append(entry.clone());
        });
        tree
    };
    let covered = usize::try_from(revoked).unwrap() + 1;
    let other: Vec<_> = (0..covered).map(|n| Bytes::from(format!("another history {n}"))).collect();
    let heads = [
        (witnessed_at(&beginning(&world.entries[..covered]), early), "2026-03-01T09:30:02Z"),
        // Neither one that does not cover it, nor one of another tree, nor one that no witness has seen.
        (witnessed_at(&beginning(&world.entries[..covered - 1]), early), "2026-03-01T21:20:00Z"),
        (witnessed_at(&beginning(&other), early), "2026-03-01T21:20:00Z"),
        (beginning(&world.entries[..covered]).checkpoint(), "2026-03-01T21:20:00Z"),
    ];
    for (head, first) in heads {
        let (now, head) = (now.to_bytes(), head.to_bytes());
        server.fault(move |path| match path {
            "checkpoint" => Some(ok(now.clone())),
            _ => path.starts_with("head/covering/").then(|| ok(head.clone())),
        });
        let json = desk.json(0, &server, &["verify", "--online", "late.tlog-proof"]);
        assert_eq!(json["first_cosigned"], first, "{json}");
    }
    let json = desk.json(0, &server, &["verify", "late.tlog-proof"]);
    assert_eq!(json["first_cosigned"], "2026-03-01T21:20:00Z", "offline it is the receipt's own: {json}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_of_a_log_without_a_charter_cannot_be_judged() {
    let world = World::new(ORIGIN, "no charter at all".into());
    let mut tree = Tree::new(0);
    world.entries.iter().for_each(|entry| {
        tree.append(entry.clone());
    });
    let server = Server::start(tree).await;
    let desk = Desk::new();
    let receipt = desk.receipt(&server, 1);
    let told = desk.acta(0, &server, &["verify", "--online", &receipt]);
    assert!(told.contains("this log has no charter"), "{told}");
    let receipt = desk.receipt(&server, 0);
    assert!(desk.acta(0, &server, &["verify", "--online", &receipt]).contains("no charter at all"));
}
