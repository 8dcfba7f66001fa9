//! Registrars, issuers and their keys, with the real programs: from the charter to the last revocation.

use std::fs;

use acta_client::fold::LogFold;
use acta_client::location::Location;
use acta_client::source::{Options, Source};
use acta_client::submit::{Added, Writer};
use acta_client::verified::VerifiedLog;
use decision::statement::Draft;
use processes::Server;
use serde_json::{Value, json};
use tlog::LeafIndex;
use tlog::policy::Policy;

use crate::end_to_end::{Desk, ORIGIN};
use crate::world::{World, vkey, with};

/// A log of statements with three registrars, two of whom must sign.
struct Office {
    desk: Desk,
    log: Server,
}

impl Office {
    fn new() -> Self {
        let desk = Desk::empty();
        for number in 1..=3 {
            desk.acta(0, &["keygen", "--name", &format!("registrar.example/{number}"), "--out", &format!("r{number}.key")]);
        }
        desk.init(&["--registrar", "r1.key.vkey", "r2.key.vkey", "r3.key.vkey", "--threshold", "2"]);
        let log = desk.serve();
        Office { desk, log }
    }

    fn keygen(&self, name: &str, file: &str) {
        self.desk.acta(0, &["keygen", "--name", name, "--out", file]);
    }

    fn acta(&self, status: i32, args: &[&str]) -> String {
        self.desk.acta_at(status, &self.log.url, args)
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.acta(0, &[args, &["--json"]].concat())).unwrap()
    }

    fn register(&self, status: i32, registrars: &[&str], issuer: &str, more: &[&str]) -> String {
        let args = [&["issuer", "register", "--issuer", issuer, "--registrar-key"], registrars, more].concat();
        self.acta(status, &args)
    }

    /// Signs a decision and publishes it: what it was told, or its index.
    fn decide(&self, status: i32, key: &str, seq: u64) -> String {
        let decision = json!({"type": "decision", "log": ORIGIN, "issuer": "planning.example", "issued": "2026-03-01T09:30:00Z", "series": "2026",
            "seq": seq, "kind": "planning.permit", "subject": "A roof", "outcome": "granted", "decided": "2026-03-01"});
        fs::write(self.desk.path("decision.statement"), Draft::from_json(&decision).unwrap().text()).unwrap();
        self.desk.acta(0, &["statement", "sign", "--key", key, "decision.statement"]);
        self.acta(status, &["statement", "submit", "--receipt", &format!("{seq}.tlog-proof"), "decision.statement"])
    }

    fn is_there(&self, name: &str) -> bool {
        self.desk.path(name).exists()
    }
}

#[test]
fn an_issuer_is_registered_and_its_decisions_are_followed_to_the_end() {
    let office = Office::new();
    office.keygen("planning.example", "planning.key");
    assert!(office.decide(2, "planning.key", 1).contains("is not registered in this log"));
    let more = ["--key", "planning.key.vkey", "--kinds", "planning.*", "--name", "en=Planning", "--receipt", "planning.tlog-proof"];
    let told = office.register(2, &["r1.key"], "planning.example", &more);
    assert!(told.contains("let more registrars sign it") && !office.is_there("planning.tlog-proof"), "{told}");
    let told = office.register(0, &["r1.key", "r3.key"], "planning.example", &more);
    assert!(told.contains("Published as entry 1") && told.contains("may issue: planning.*"), "{told}");
    // Issued at another time, it is another statement.
    let again = [more.as_slice(), &["--issued", "2026-03-01T09:30:00Z"]].concat();
    assert!(office.register(2, &["r1.key", "r3.key"], "planning.example", &again).contains("is known already"));
    let told = office.acta(0, &["verify", "--online", "planning.tlog-proof"]);
    assert!(told.contains("registrar.example/3") && !told.contains("not checked"), "{told}");

    assert!(office.decide(0, "planning.key", 1).contains("Published as entry 2"));
    assert!(office.decide(0, "planning.key", 1).contains("Published as entry 2"), "the same text again");
    let status = office.json(&["status", "2", "--verify"]);
    assert!(status["agrees"] == true && status["now"]["standing"] == "in-force", "{status}");
    assert_eq!(status["now"]["issuer"]["names"]["en"], "Planning");

    // A second key, added by the first, which then retires itself.
    office.keygen("planning.example/2", "second.key");
    let add = ["key", "add", "--issuer", "planning.example", "--issuer-key", "planning.key", "--key", "second.key.vkey"];
    assert!(office.acta(0, &add).contains("Published as entry 3"));
    let retire = ["key", "retire", "--issuer", "planning.example", "--issuer-key"];
    let other = [retire.as_slice(), &["planning.key", "--key", "second.key.vkey"]].concat();
    assert!(office.acta(2, &other).contains("can retire only itself"));
    assert!(office.acta(0, &[retire.as_slice(), &["planning.key"]].concat()).contains("Published as entry 4"));
    assert!(office.decide(2, "planning.key", 2).contains("was retired by entry 4"));
    assert!(office.decide(0, "second.key", 2).contains("Published as entry 5"));

    // The second one was stolen.
    let doubt = ["key", "retire", "--issuer", "planning.example", "--key", "second.key.vkey", "--doubt-from", "5", "--registrar-key"];
    assert!(office.acta(0, &[doubt.as_slice(), &["r2.key", "r3.key"]].concat()).contains("Published as entry 6"));
    assert!(office.acta(0, &["verify", "--online", "2.tlog-proof"]).contains("IN DOUBT"));
    assert!(office.acta(0, &["verify", "--online", "1.tlog-proof"]).contains("retired later, by entry 4"));
    assert_eq!(office.json(&["status", "5"])["told"]["key"]["in_doubt"], true);

    let end = ["issuer", "retire", "--registration", "planning.tlog-proof", "--registrar-key", "r1.key", "r2.key"];
    assert!(office.acta(0, &end).contains("Published as entry 7"));
    let status = office.json(&["status", "2", "--verify"]);
    assert!(status["agrees"] == true && status["now"]["issuer"]["retired"] == 7 && status["now"]["standing"] == "in-force", "{status}");
    assert!(office.acta(2, &["status", "8"]).contains("no head of the log covers entry 8"));
}

#[test]
fn signatures_are_collected_offline_from_hand_to_hand() {
    let office = Office::new();
    office.keygen("court.example", "court.key");
    fs::create_dir(office.desk.path("agency")).unwrap();
    for name in ["court.key", "court.key.vkey"] {
        fs::copy(office.desk.path(name), office.desk.path(&format!("agency/{name}"))).unwrap();
    }
    // The registrars have the public half alone.
    fs::remove_file(office.desk.path("court.key")).unwrap();
    let more = ["--key", "court.key.vkey", "--kinds", "judgment", "--may-overrule", "planning.example:planning.*", "*:benefit.grant"];
    let told = office.register(2, &["r1.key"], "court.example", &more);
    assert!(told.contains("Still to sign: the holder of the new key court.example"), "{told}");
    assert!(told.contains("nothing was published yet") && office.is_there("court.example.statement"), "{told}");
    let sent = fs::read(office.desk.path("court.example.statement")).unwrap();
    assert!(office.register(2, &["r2.key"], "court.example", &more).contains("is not overwritten"));
    assert_eq!(fs::read(office.desk.path("court.example.statement")).unwrap(), sent);

    let submit = ["statement", "submit", "--receipt", "court.tlog-proof", "court.example.statement"];
    assert!(office.acta(2, &submit).contains("signatures are missing"));
    let told = office.desk.acta(0, &["statement", "sign", "--key", "agency/court.key", "court.example.statement"]);
    assert!(told.contains("may overrule: planning.* of planning.example") && told.contains("Signed by court.example"), "{told}");
    let told = office.acta(2, &submit);
    assert!(told.contains("let more registrars sign it") && told.contains("and 2 must"), "{told}");
    office.desk.acta(0, &["statement", "sign", "--key", "r2.key", "--out", "all.statement", "court.example.statement"]);
    let submit = ["statement", "submit", "--receipt", "court.tlog-proof", "all.statement"];
    assert!(office.acta(0, &submit).contains("Published as entry 1"));
    office.acta(0, &["verify", "--online", "court.tlog-proof"]);
    // Again: the same entry.
    assert!(office.acta(0, &submit).contains("Published as entry 1"));
}

#[test]
fn registrars_replace_themselves() {
    let office = Office::new();
    office.keygen("registrar.example/4", "r4.key");
    let replace = ["registrar", "replace", "--registrar", "r3.key.vkey", "r4.key.vkey", "--threshold", "1", "--registrar-key"];
    assert!(office.acta(2, &[replace.as_slice(), &["r1.key"]].concat()).contains("let more registrars sign it"));
    // Somebody who will be one is none yet.
    office.acta(2, &[replace.as_slice(), &["r1.key", "r4.key"]].concat());
    assert!(office.acta(0, &[replace.as_slice(), &["r1.key", "r2.key"]].concat()).contains("Published as entry 1"));
    office.keygen("lands.example", "lands.key");
    let more = ["--key", "lands.key.vkey", "--kinds", "land.*"];
    office.register(2, &["r1.key", "r2.key"], "lands.example", &more);
    assert!(office.register(0, &["r4.key"], "lands.example", &more).contains("Published as entry 2"));
}

#[test]
fn nothing_is_sent_to_another_log_than_the_statement_names() {
    let office = Office::new();
    office.keygen("planning.example", "planning.key");
    let out = ["--out", "planning.statement", "--key", "planning.key.vkey", "--kinds", "planning.*"];
    office.register(0, &["r1.key", "r2.key"], "planning.example", &out);
    let other = Desk::empty();
    other.init(&["--admission", "open"]);
    let log = other.serve();
    let (statement, policy) = (office.desk.path("planning.statement"), other.path("log/policy"));
    fs::write(&statement, fs::read_to_string(&statement).unwrap().replace(ORIGIN, "elsewhere.test/log")).unwrap();
    let args = ["statement", "submit", "--log", &log.url, "--policy", policy.to_str().unwrap(), statement.to_str().unwrap()];
    // The new key's own line gives it away first; without one it is the name.
    assert!(other.acta(1, &args).contains("does not fit the text"));
    let draft = Draft::from_text(fs::read_to_string(&statement).unwrap().lines().next().unwrap().to_owned() + "\n").unwrap();
    fs::write(&statement, draft.text()).unwrap();
    for key in ["r1.key", "planning.key"] {
        office.desk.acta(0, &["statement", "sign", "--key", key, "planning.statement"]);
    }
    assert!(other.acta(2, &args).contains("the statement is for the log elsewhere.test/log"));
    assert!(other.acta_at(0, &log.url, &["checkpoint"]).contains("0 entries"));
}

/// Writes the verifier keys of the world's registrars, and makes and serves a log with them.
fn serve_world(desk: &Desk, admission: &str) -> Server {
    let files: Vec<_> = World::registrars().iter().enumerate().map(|(at, key)| (format!("r{at}.vkey"), vkey(key))).collect();
    files.iter().for_each(|(name, vkey)| fs::write(desk.path(name), vkey).unwrap());
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    desk.init(&[&["--admission", admission, "--threshold", "2", "--registrar"], names.as_slice()].concat());
    desk.serve()
}

async fn open(log: &Server, policy: &Policy) -> VerifiedLog {
    let location: Location = log.url.parse().unwrap();
    VerifiedLog::open(Source::new(&location, &Options::default()).unwrap(), policy).await.unwrap()
}

/// Publishes a world, and gives what a monitor finds in the log.
async fn published(desk: &Desk, admission: &str, fill: impl FnOnce(&mut World)) -> (World, Vec<(u64, &'static str)>) {
    let log = serve_world(desk, admission);
    let policy = Policy::parse(&fs::read(desk.path("log/policy")).unwrap()).unwrap();
    let before = open(&log, &policy).await;
    let mut world = World::new(ORIGIN, before.entry(LeafIndex::new(0)).await.unwrap());
    fill(&mut world);
    let writer = Writer::new(before.source().clone(), policy.clone(), std::time::Duration::from_secs(20)).unwrap();
    let added = writer.add_batch(&world.entries[1..]).await.unwrap();
    let expected: Vec<_> = (1..world.next()).map(|index| Added::At(LeafIndex::new(index))).collect();
    assert_eq!(added, expected);
    // A commit may be published a moment after it is acknowledged.
    let mut after = before;
    while after.size().as_u64() < world.next() {
        after = after.newer(&policy).await.unwrap();
    }
    let mut found = Vec::new();
    let take = |finding: decision::ledger::Finding| found.push((finding.index.as_u64(), finding.reason.name()));
    let fold = LogFold::new(&policy, ORIGIN).advance(&after, take, |_| ()).await.unwrap();
    assert_eq!(fold.size().as_u64(), world.next());
    (world, found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_monitor_finds_nothing_in_a_log_of_statements() {
    let desk = Desk::empty();
    let (_, found) = published(&desk, "statements", |world| {
        let court = world.court.clone();
        (1..=300).for_each(|seq| {
            let index = world.decide(seq);
            if seq % 10 == 0 {
                world.good(&world.judgment(seq / 10, "revokes", index), &[&court]);
            }
        });
        world.good(&with(world.annotation("close", 301), "text", json!("The year is over.")), &[&world.second.clone()]);
    })
    .await;
    assert_eq!(found, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_monitor_finds_all_that_an_open_log_has_let_in() {
    let desk = Desk::empty();
    let (world, found) = published(&desk, "open", World::plant_all).await;
    assert_eq!(found, world.planted);
    assert!(found.len() >= 20);
}
