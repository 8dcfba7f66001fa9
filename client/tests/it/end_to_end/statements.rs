//! Signed decisions, from the agency's files to the log.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use processes::Server;
use serde_json::{Value, json};
use tlog::proof::Proof;

use super::{Desk, ORIGIN, acta, acta_log};

const ISSUER: &str = "planning.test";

impl Desk {
    /// A directory with a new log of statements, served, with one registered issuer.
    fn with_issuer() -> (Self, Server) {
        let desk = Desk { dir: tempfile::tempdir().unwrap() };
        for name in ["registrar.test", ISSUER] {
            desk.acta(0, &["keygen", "--name", name, "--out", &format!("{name}.key")]);
        }
        let init = desk.run(&acta_log(), &["init", "--dir", "log", "--origin", ORIGIN, "--registrar", "registrar.test.key.vkey"]);
        assert!(init.status.success(), "{init:?}");
        let log = desk.serve();
        let register =
            ["issuer", "register", "--registrar-key", "registrar.test.key", "--issuer", ISSUER, "--key", "planning.test.key.vkey"];
        desk.acta_at(0, &log.url, &[&register[..], &["--kinds", "planning.*", "--receipt", "registration.tlog-proof"]].concat());
        (desk, log)
    }

    fn publish(&self, status: i32, log: &Server, more: &[&str]) -> String {
        self.acta_at(status, &log.url, &[&PUBLISH[..], more].concat())
    }

    /// The entry of a receipt, and where it is.
    fn published(&self, seq: u64) -> (Value, u64) {
        let proof = Proof::parse(&fs::read(self.path(&receipt(seq))).unwrap()).unwrap();
        let line = String::from_utf8(proof.extra().unwrap().to_vec()).unwrap();
        (serde_json::from_str(line.lines().next().unwrap()).unwrap(), proof.index().as_u64())
    }

    fn size(&self, log: &Server) -> String {
        self.acta_at(0, &log.url, &["checkpoint"])
    }
}

const PUBLISH: [&str; 9] = ["publish", "--issuer", ISSUER, "--key", "planning.test.key", "--series", "2026", "--receipts", "receipts"];

fn receipt(seq: u64) -> String {
    format!("receipts/{ISSUER}-2026-{seq}.tlog-proof")
}

fn decision(number: u64) -> Value {
    json!({"kind": "planning.permit", "subject": format!("Roof {number}"), "outcome": "granted", "decided": "2026-03-01"})
}

#[test]
fn a_run_that_is_killed_at_any_point_is_completed_without_gaps_or_doubles() {
    let (desk, log) = Desk::with_issuer();
    desk.write_lines("in.jsonl", (0..400).map(|number| decision(number).to_string()));
    for lines in [0, 1, 60, 150, 300] {
        let mut publish = desk.command(&acta(), &PUBLISH);
        publish.args(["--log", &log.url, "--policy", "log/policy", "--verbose", "in.jsonl"]);
        let mut child = publish.stdout(Stdio::piped()).spawn().unwrap();
        // Each line is told when its receipt is there; the next one may be anywhere.
        let told = BufReader::new(child.stdout.take().unwrap()).lines().take(lines).count();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(told <= lines);
    }
    desk.publish(0, &log, &["in.jsonl"]);
    let numbers: BTreeSet<u64> = (1..=400).collect();
    assert_eq!(desk.receipts().len(), 400);
    let mut indexes = BTreeSet::new();
    let mut subjects = BTreeSet::new();
    for seq in numbers {
        let (statement, index) = desk.published(seq);
        assert_eq!(statement["seq"], seq);
        assert!(indexes.insert(index) && subjects.insert(statement["subject"].to_string()), "each line once");
    }
    // The charter, the registration, and each line once.
    assert_eq!(indexes, (2..402).collect());
    assert!(desk.size(&log).contains("402"), "{}", desk.size(&log));
    desk.acta(0, &["verify", "--policy", "log/policy", "receipts"]);
    assert!(desk.publish(0, &log, &["in.jsonl"]).contains("400 had been published before"));
    // What has no receipt is sent again, and counted once.
    for seq in [1, 70, 400] {
        fs::remove_file(desk.path(&receipt(seq))).unwrap();
    }
    let told = desk.publish(0, &log, &["in.jsonl"]);
    assert!(told.contains("3 decisions published") && told.contains("397 had been published before"), "{told}");
    assert_eq!(desk.receipts().len(), 400);
    // The same lines under another name are the same decisions.
    fs::copy(desk.path("in.jsonl"), desk.path("copy.jsonl")).unwrap();
    assert!(desk.publish(0, &log, &["./in.jsonl", "copy.jsonl"]).contains("800 lines are the same as others"));
}

#[test]
fn what_is_published_stays_and_a_refused_number_is_used_again() {
    let (desk, log) = Desk::with_issuer();
    let other = |kind: &str| {
        let mut decision = decision(2);
        decision["kind"] = kind.into();
        decision.to_string()
    };
    desk.write_lines("in.jsonl", [decision(1).to_string(), other("benefit.grant"), decision(3).to_string()]);
    let told = desk.publish(1, &log, &["--keep-going", "in.jsonl"]);
    assert!(told.contains("line 2") && told.contains("benefit.grant"), "{told}");
    assert_eq!((desk.published(1).0["subject"].clone(), desk.published(3).0["subject"].clone()), (json!("Roof 1"), json!("Roof 3")));
    assert!(!desk.path(&receipt(2)).exists());
    desk.write_lines("in.jsonl", [decision(1).to_string(), other("planning.notice"), decision(3).to_string()]);
    desk.publish(0, &log, &["in.jsonl"]);
    assert_eq!(desk.published(2).0["kind"], "planning.notice");
    desk.write_lines("in.jsonl", [decision(7).to_string()]);
    let told = desk.publish(2, &log, &["in.jsonl"]);
    assert!(told.contains("has changed since") && told.contains("acta correct"), "{told}");
}

#[test]
fn a_dry_run_names_what_is_wrong_and_sends_nothing() {
    let (desk, log) = Desk::with_issuer();
    let before = desk.size(&log);
    let mut wrong = decision(2);
    wrong["decided"] = "1 March".into();
    let mut large = decision(5);
    large["data"] = json!({"schema": "urn:x", "text": "x".repeat(65_200)});
    let lines = [
        decision(1).to_string(),
        wrong.to_string(),
        "not json".into(),
        json!({"subject": "a\u{202e}b"}).to_string(),
        large.to_string(),
        "x".repeat(70_000),
    ];
    desk.write_lines("in.jsonl", lines);
    let told = desk.publish(2, &log, &["--dry-run", "in.jsonl"]);
    for part in ["line 2", "decided", "line 3", "line 4", "line 5", "line 6: the line has more bytes", "1 line can be published, 5 not"] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    assert_eq!(desk.size(&log), before);
    assert!(desk.receipts().is_empty());
}

#[test]
fn a_table_becomes_decisions_that_relate_to_each_other_with_sealed_names() {
    let (desk, log) = Desk::with_issuer();
    fs::write(
        desk.path("map.toml"),
        "reference = \"Ref\"\nseal = [\"parties[].name\"]\n[constants]\nkind = \"planning.permit\"\noutcome = \"granted\"\nparties = [{ role = \"applicant\", \
         name = \"Ada Example\" }]\n[fields]\nsubject = \"What\"\ndecided = { column = \"Date\", date = \"%d/%m/%Y\" }\n[[relates]]\nrel = \
         \"supersedes\"\nreference = \"Instead of\"\n",
    )
    .unwrap();
    fs::write(desk.path("in.csv"), "Ref,What,Date,Instead of\nA/1,A roof,01/03/2026,\nA/2,\"A roof,\nagain\",02/03/2026,A/1\n").unwrap();
    let told = desk.publish(2, &log, &["--mapping", "map.toml", "in.csv"]);
    assert!(told.contains("subject"), "a line break in a line of text: {told}");
    fs::write(desk.path("in.csv"), "Ref,What,Date,Instead of\nA/1,A roof,01/03/2026,\nA/2,\"A roof, again\",02/03/2026,A/1\n").unwrap();
    desk.publish(0, &log, &["--mapping", "map.toml", "in.csv"]);
    let ((first, index), (second, _)) = (desk.published(1), desk.published(2));
    assert_eq!((&second["relates"][0]["rel"], &second["relates"][0]["index"]), (&json!("supersedes"), &json!(index)));
    assert!(!first.to_string().contains("Ada"), "{first}");
    let disclosures = fs::read_to_string(desk.path(&receipt(1).replace(".tlog-proof", ".disclosures"))).unwrap();
    let opened = decision::disclosure::parse_file(&disclosures).unwrap();
    assert_eq!(decision::disclosure::reveal(&first, &opened).unwrap()["parties"][0]["name"], "Ada Example");
}

#[test]
fn what_looks_like_a_person_is_warned_about_until_it_is_sealed() {
    let (desk, log) = Desk::with_issuer();
    let with = |name: &str, value: Value| {
        let mut decision = decision(1);
        decision[name] = value;
        decision.to_string()
    };
    let party = |name: &str| with("parties", json!([{"role": "applicant", "name": name}]));
    let others = (0..5).map(|n| party(&format!("Person {n}")));
    let lines = [party("Ada Example"), party("Beam & Sons Ltd"), with("text", json!("Questions: ada@mail.example"))];
    desk.write_lines("in.jsonl", lines.into_iter().chain(others));
    let before = desk.size(&log);
    let warned = |told: &str| told.matches("warning: ").count();

    let told = desk.publish(0, &log, &["--dry-run", "in.jsonl"]);
    let expected = [
        "in.jsonl line 1: `parties[0].name`",
        "seal = [\"parties[].name\"]",
        "line 3: `text` has what looks like an e-mail",
        "3 more lines: ",
    ];
    for part in expected {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    assert!(warned(&told) == 5 && told.contains("8 lines can be published, 0 not"), "{told}");
    assert_eq!(desk.size(&log), before);

    fs::write(desk.path("half.toml"), "seal = [\"parties[].name\"]\n").unwrap();
    fs::write(desk.path("map.toml"), "seal = [\"parties[].name\"]\npublic = [\"text\"]\n").unwrap();
    let told = desk.publish(0, &log, &["--dry-run", "--mapping", "half.toml", "in.jsonl"]);
    assert!(warned(&told) == 1 && told.contains("line 3"), "{told}");
    assert_eq!(warned(&desk.publish(0, &log, &["--dry-run", "--mapping", "map.toml", "in.jsonl"])), 0);

    // A path that hides nothing is most likely misspelt.
    fs::write(desk.path("wrong.toml"), "seal = [\"partys[].name\", \"parties[].name\"]\npublic = [\"text\"]\n").unwrap();
    let told = desk.publish(0, &log, &["--dry-run", "--mapping", "wrong.toml", "in.jsonl"]);
    assert!(warned(&told) == 1 && told.contains("seals `partys[].name`, and no new line has such a field"), "{told}");

    // It warns, and the agency decides.
    let told = desk.publish(0, &log, &["in.jsonl"]);
    assert!(warned(&told) == 5 && told.contains("8 decisions published"), "{told}");
    let told = desk.publish(0, &log, &["in.jsonl", "--json"]);
    assert_eq!((warned(&told), serde_json::from_str::<Value>(&told).unwrap()["in_the_clear"].clone()), (0, json!([])), "told once");
    desk.write_lines("more.jsonl", [party("Bo Example")]);
    let told = desk.publish(0, &log, &["more.jsonl", "--json"]);
    let json = told.lines().find_map(|line| serde_json::from_str::<Value>(line).ok()).unwrap();
    assert_eq!(json["in_the_clear"], json!([{"path": "parties[].name", "sign": "name", "lines": 1}]));

    fs::write(desk.path("new.json"), r#"{"parties":[{"role":"applicant","name":"Cy Example"}]}"#).unwrap();
    let correct =
        |seq: u64, more: &[&str]| desk.acta_at(0, &log.url, &[&["correct", &receipt(seq), "new.json"], more, &PUBLISH[1..]].concat());
    assert_eq!(warned(&correct(1, &[])), 1);
    assert_eq!(warned(&correct(2, &["--mapping", "map.toml"])), 0);
    assert!(!desk.published(11).0.to_string().contains("Cy Example"));
    assert!(fs::read_to_string(desk.path(&receipt(11).replace(".tlog-proof", ".disclosures"))).is_ok());
}

#[test]
fn a_follow_up_is_of_the_day_in_utc_or_of_the_one_that_is_given() {
    let (desk, log) = Desk::with_issuer();
    desk.write_lines("in.jsonl", [decision(1).to_string()]);
    desk.publish(0, &log, &["in.jsonl"]);
    fs::write(desk.path("new.json"), "{}").unwrap();
    let today = || jiff::Timestamp::now().to_string()[..10].to_owned();
    let decided = |seq: u64, zone: &str, more: &[&str]| {
        let at = ["--log", &log.url, "--policy", "log/policy"];
        let receipt = receipt(seq);
        let arguments = [&["correct", &receipt, "new.json"], &PUBLISH[1..], &at, more].concat();
        let output = desk.command(&acta(), &arguments).env("TZ", zone).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        desk.published(seq + 1).0["decided"].as_str().unwrap().to_owned()
    };
    // At any moment it is another day in one of these zones.
    for (seq, zone) in [(1, "<+14>-14"), (2, "<-12>12")] {
        let (before, decided, after) = (today(), decided(seq, zone, &[]), today());
        assert!(decided == before || decided == after, "{decided} in {zone}, {after} in UTC");
    }
    assert_eq!(decided(3, "<+14>-14", &["--decided", "2026-02-27"]), "2026-02-27");
    assert!(
        desk.acta_at(2, &log.url, &[&["correct", &receipt(4), "new.json", "--decided", "2026-02-30"], &PUBLISH[1..]].concat())
            .contains("2026-03-01")
    );
}

#[test]
fn a_receipt_that_is_called_like_another_one_overturns_nothing() {
    let (desk, log) = Desk::with_issuer();
    desk.write_lines("in.jsonl", [decision(1).to_string(), decision(2).to_string()]);
    desk.publish(0, &log, &["in.jsonl"]);
    let mut revocation = decision(3);
    revocation["relates"] = json!([{"rel": "revokes", "series": "2026", "seq": 1}]);
    desk.write_lines("revoke.jsonl", [revocation.to_string()]);
    let genuine = fs::read(desk.path(&receipt(1))).unwrap();
    fs::copy(desk.path(&receipt(2)), desk.path(&receipt(1))).unwrap();
    let told = desk.publish(2, &log, &["revoke.jsonl"]);
    assert!(told.contains("is that of another statement"), "{told}");
    fs::write(desk.path(&receipt(1)), genuine).unwrap();
    desk.publish(0, &log, &["revoke.jsonl"]);
    assert_eq!(desk.published(3).0["relates"][0]["index"], desk.published(1).1);
}

#[test]
fn receipts_without_their_journal_are_not_written_over() {
    let (desk, log) = Desk::with_issuer();
    fs::write(desk.path("map.toml"), "seal = [\"parties[].name\"]\n").unwrap();
    let mut private = decision(1);
    private["parties"] = json!([{"role": "applicant", "name": "Ada Example"}]);
    desk.write_lines("in.jsonl", [private.to_string()]);
    desk.publish(0, &log, &["--mapping", "map.toml", "in.jsonl"]);
    let disclosures = || fs::read_to_string(desk.path(&receipt(1).replace(".tlog-proof", ".disclosures"))).unwrap();
    let opens = disclosures();
    fs::remove_file(desk.path(&format!("receipts/{ISSUER}.statements.jsonl"))).unwrap();
    let told = desk.publish(2, &log, &["--mapping", "map.toml", "in.jsonl"]);
    assert!(told.contains("bring back the journal") && told.contains(&receipt(1)), "{told}");
    assert_eq!(disclosures(), opens);
}

#[test]
fn a_refusal_is_told_once() {
    let (desk, log) = Desk::with_issuer();
    let mut wrong = decision(1);
    wrong["kind"] = "benefit.grant".into();
    desk.write_lines("in.jsonl", [wrong.to_string()]);
    for more in [["in.jsonl"].as_slice(), &["--keep-going", "in.jsonl"]] {
        let told = desk.publish(1, &log, more);
        assert_eq!(told.matches("may not issue decisions of").count(), 1, "{told}");
    }
    // Those that were on their way are told as well, each once.
    desk.write_lines(
        "many.jsonl",
        (2..12).map(|number| {
            let mut wrong = decision(number);
            wrong["kind"] = "benefit.grant".into();
            wrong.to_string()
        }),
    );
    let told = desk.publish(1, &log, &["many.jsonl"]);
    let mut refused: Vec<&str> =
        told.lines().filter(|line| line.contains("may not issue decisions of")).filter_map(|line| line.split("line ").nth(1)).collect();
    let all = refused.len();
    refused.sort_unstable();
    refused.dedup_by_key(|line| line.split(':').next());
    assert!(all > 1 && refused.len() == all, "{told}");
}

#[test]
fn a_decision_is_corrected_superseded_and_revoked_from_its_receipt() {
    let (desk, log) = Desk::with_issuer();
    desk.write_lines("in.jsonl", [decision(1).to_string()]);
    desk.publish(0, &log, &["in.jsonl"]);
    fs::write(desk.path("new.json"), r#"{"subject":"Roof, corrected"}"#).unwrap();
    let follow_up = |status: i32, command: &str, seq: u64, more: &[&str]| {
        desk.acta_at(status, &log.url, &[&[command, &receipt(seq)], more, &PUBLISH[1..]].concat())
    };
    follow_up(0, "correct", 1, &["new.json"]);
    let corrected = desk.published(2).0;
    assert_eq!((&corrected["subject"], &corrected["outcome"]), (&json!("Roof, corrected"), &json!("granted")));
    let told = follow_up(1, "supersede", 1, &["new.json"]);
    assert!(told.contains("entry 3"), "{told}");
    follow_up(0, "supersede", 2, &["new.json"]);
    follow_up(0, "revoke", 3, &["--reason", "at the holder's request"]);
    assert_eq!(desk.published(4).0["relates"][0]["rel"], "revokes");
    assert_eq!(desk.published(4).0["reason"], "at the holder's request");
    assert!(follow_up(0, "revoke", 3, &["--reason", "at the holder's request"]).contains("published before"));
    // Another wish is not taken for the one that was fulfilled.
    assert!(follow_up(2, "revoke", 3, &["--reason", "again"]).contains("not what is asked for now"));
    fs::write(desk.path("new.json"), r#"{"subject":"Roof, corrected otherwise"}"#).unwrap();
    assert!(follow_up(2, "correct", 1, &["new.json"]).contains("not what is asked for now"));
    assert_eq!(desk.receipts().len(), 4);
}
