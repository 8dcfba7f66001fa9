//! `acta search` with monitors that tell the truth, and with monitors that do not.

use std::fs;
use std::process::{Command, Stdio};

use bytes::Bytes;
use serde_json::{Value, json};
use tlog::Hash;

use crate::server::{Answer, ORIGIN, Server, Tree, key, ok, policy};
use crate::world::World;

/// A log with statements, and beside it what plays the monitor.
struct Scene {
    log: Server,
    monitor: Server,
    world: World,
    dir: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let mut world = World::new(ORIGIN, World::charter(ORIGIN, &key(ORIGIN)));
        world.decide(1);
        world.decide(2);
        let mut tree = Tree::new(0);
        for entry in &world.entries {
            tree.append(entry.clone());
        }
        let (log, monitor) = (Server::start(tree).await, Server::start(Tree::new(0)).await);
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("policy"), policy().to_bytes()).unwrap();
        Scene { log, monitor, world, dir }
    }

    /// What an honest monitor says of the decision at `index`, which is the one with the number `seq`.
    fn hit(&self, index: u64, seq: u64) -> Value {
        let leaf = Hash::leaf(&self.world.entries[usize::try_from(index).unwrap()]).to_hex();
        json!({"log": ORIGIN, "log_hash": "", "index": index, "leaf": leaf, "type": "decision", "issuer": "planning.example",
            "kind": "planning.permit", "series": "2026", "seq": seq, "subject": "A roof", "outcome": "granted", "decided": "2026-03-01",
            "amount": null, "issued": "2026-03-01T09:30:00Z", "published": null, "standing": "in-force", "by": null, "refused": false})
    }

    fn says(&self, hits: &[Value]) {
        let answer = json!({"count": {"number": hits.len(), "exact": true}, "hits": hits, "next": null});
        let answer = Bytes::from(answer.to_string());
        self.monitor.fault(move |path| (path == "api/v1/search").then(|| ok(answer.clone())));
    }

    fn search(&self, status: i32, args: &[&str]) -> String {
        let (log, monitor) = (self.log.url(), self.monitor.url());
        let places = ["search", "--log", &log, "--monitor", &monitor, "--policy", "policy", "--wait", "0"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_acta"));
        command.args(places).args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("HOME", self.dir.path()).env_remove("XDG_CACHE_HOME").env_remove("ACTA_LOG").env_remove("ACTA_POLICY");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(status), "acta search {args:?}: {output:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }
}

/// The hit with one member changed.
fn with(mut hit: Value, member: &str, value: Value) -> Value {
    hit[member] = value;
    hit
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hits_are_read_from_the_log_and_shown_in_its_words() {
    let scene = Scene::new().await;
    scene.says(&[scene.hit(4, 1), scene.hit(5, 2)]);
    let shown = scene.search(0, &["roof"]);
    assert_eq!(shown.matches("  verified\n").count(), 2, "{shown}");
    assert!(shown.contains("A roof") && shown.contains("standing:") && shown.contains("in force, says the monitor"), "{shown}");
    assert!(scene.log.requests().iter().any(|path| path.starts_with("tile/entries/")), "the log was asked");
    let json: Value = serde_json::from_str(&scene.search(0, &["roof", "--json", "--no-cache"])).unwrap();
    assert_eq!((&json["good"], &json["hits"][1]["verified"]), (&json!(true), &json!(true)));
    assert_eq!(json["hits"][1]["statement"]["seq"], 2);
    scene.says(&[]);
    assert!(scene.search(0, &["roof"]).contains("found nothing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_monitor_that_lies_is_found_out() {
    let scene = Scene::new().await;
    let honest = scene.hit(4, 1);
    let options = ["--kind", "planning.*", "--issuer", "planning.example", "--from", "2026", "--to", "2026-03", "roof"];
    scene.says(std::slice::from_ref(&honest));
    scene.search(0, &options);
    for (lie, says) in [
        (with(honest.clone(), "leaf", json!("00".repeat(32))), "NOT IN THE LOG"),
        (with(honest.clone(), "leaf", json!("\u{1b}[2J")), "NOT IN THE LOG"),
        (with(honest.clone(), "index", json!(5)), "NOT IN THE LOG"),
        (with(honest.clone(), "index", json!(99)), "NOT IN THE LOG"),
        (with(honest.clone(), "index", json!(u64::MAX)), "NOT IN THE LOG"),
        (with(honest.clone(), "subject", json!("A palace")), "something else about its subject"),
        (with(honest.clone(), "outcome", json!("refused")), "something else about its outcome"),
        (with(honest.clone(), "issuer", json!("court.example")), "something else about its issuer"),
        (with(honest.clone(), "decided", json!("2020-01-01")), "something else about its day"),
        (with(honest.clone(), "seq", json!(7)), "something else about its number"),
    ] {
        scene.says(&[honest.clone(), lie]);
        let shown = scene.search(1, &options);
        assert!(shown.contains(says) && shown.contains("do not rely on this monitor"), "{says}: {shown}");
        assert!(shown.contains("  verified\n") && !shown.contains("palace") && !shown.contains('\u{1b}'), "{shown}");
        let json: Value = serde_json::from_str(&scene.search(1, &[&options[..], &["--json"]].concat())).unwrap();
        assert_eq!(
            (&json["good"], &json["hits"][0]["verified"], &json["hits"][1]["verified"]),
            (&json!(false), &json!(true), &json!(false))
        );
    }
    scene.says(std::slice::from_ref(&honest));
    for (option, value, what) in
        [("--issuer", "court.example", "issuer"), ("--kind", "judgment", "kind"), ("--from", "2026-04", "day"), ("--to", "2025", "day")]
    {
        let shown = scene.search(1, &[option, value]);
        assert!(shown.contains(&format!("not asked for: it has another {what}")), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_monitor_sends_is_bounded_and_does_nothing() {
    let scene = Scene::new().await;
    let honest = scene.hit(4, 1);
    scene.says(&vec![honest.clone(); 3]);
    assert!(scene.search(1, &["--limit", "2"]).contains("more than it was asked for"));
    // Hits in logs that the policy does not list prove nothing and are not shown.
    scene.says(&[with(honest.clone(), "log", json!("other.example\u{1b}[2J")), honest.clone()]);
    let shown = scene.search(0, &[]);
    assert!(shown.contains("1 in logs that were not asked for") && !shown.contains("other.example"), "{shown}");
    let hostile = with(with(honest, "subject", json!("\u{1b}[2J\u{202e}fine")), "standing", json!("\u{9b}2J"));
    scene.says(&[hostile]);
    let shown = scene.search(0, &["--no-verify"]);
    assert!(shown.contains("NOT VERIFIED") && shown.contains("fine"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{shown:?}");
    scene.monitor.fault(|_| Some(ok("<html>")));
    assert!(scene.search(3, &[]).contains("no answer to a search"));
    scene.monitor.fault(|_| Some(Answer::Endless));
    scene.search(1, &[]);
    scene.monitor.fault(|_| Some(Answer::Close));
    scene.search(3, &[]);
    let problem = json!({"type": "urn:acta:problem:bad-parameter", "detail": "`q`: at character 1: the quotation mark is not closed"});
    let kind = vec![("content-type", "application/problem+json".to_owned())];
    let problem = Bytes::from(problem.to_string());
    scene.monitor.fault(move |_| Some(Answer::Status(400, kind.clone(), problem.clone())));
    assert!(scene.search(2, &["\"roof"]).contains("the quotation mark is not closed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_away_proves_nothing_either_way() {
    let scene = Scene::new().await;
    scene.says(&[scene.hit(4, 1)]);
    scene.log.fault(|path| path.starts_with("tile/").then_some(Answer::Close));
    let shown = scene.search(3, &["--no-cache"]);
    assert!(shown.contains("not checked"), "{shown}");
    scene.log.fault(|path| path.starts_with("tile/entries/").then(|| ok(vec![0, 1, b'x'])));
    scene.search(1, &["--no-cache"]);
}
