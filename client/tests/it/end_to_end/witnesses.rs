//! Witnesses: asked by hand, and shown two histories.

use std::fs;

use processes::Server;
use serde_json::Value;

use super::{Desk, beside_acta, decision};

const NAME: &str = "witness.test";

impl Desk {
    /// A witness in the directory `witness` that follows the log, and a policy that lists both and needs no witness.
    fn with_witness(&self) -> Server {
        let program = beside_acta("acta-witness");
        for arguments in [&["init", "--dir", "witness", "--name", NAME][..], &["logs", "add", "--dir", "witness", "--vkey", "log/log.vkey"]]
        {
            let made = self.run(&program, arguments);
            assert!(made.status.success(), "{made:?}");
        }
        let witness = program.serve(&self.path("witness"), &[]);
        let keys = fs::read_to_string(self.path("witness/witness.vkey")).unwrap();
        let policy = fs::read_to_string(self.path("log/policy")).unwrap();
        let lines: String = keys.lines().zip(["ed", "pq"]).map(|(key, name)| format!("witness {name} {key} {}\n", witness.url)).collect();
        fs::write(self.path("listed"), policy.replace("quorum none\n", &format!("{lines}quorum none\n"))).unwrap();
        witness
    }

    fn cosign(&self, status: i32, log: &Server, policy: &str, witness: &str, more: &[&str]) -> String {
        self.acta(status, &[&["cosign", "--log", &log.url, "--policy", policy, "--witness", witness][..], more].concat())
    }
}

#[test]
fn a_witness_that_is_asked_by_hand_signs_what_continues_what_it_saw() {
    let desk = Desk::new();
    let log = desk.serve();
    let witness = desk.with_witness();
    for (round, size) in [(0..3, "3 entries"), (3..300, "300 entries"), (0..0, "300 entries")] {
        desk.write_lines("in.jsonl", round.map(decision));
        desk.acta_at(0, &log.url, &["publish", "--receipts", "receipts", "in.jsonl"]);
        let told = desk.cosign(0, &log, "listed", &witness.url, &[]);
        // With both of its keys.
        assert_eq!(told.matches(&format!("cosigned the head of {size} at 20")).count(), 2, "{told}");
    }
    let told: Value = serde_json::from_str(&desk.cosign(0, &log, "listed", &witness.url, &["--json"])).unwrap();
    assert_eq!((told["size"].as_u64(), told["cosignatures"].as_array().map(Vec::len)), (Some(300), Some(2)));
    // Lines of keys that nobody vouches for are not taken for a cosignature.
    let told = desk.cosign(1, &log, "log/policy", &witness.url, &[]);
    assert!(told.contains("2 signature lines came back, of no key that the policy lists"), "{told}");
    // No witness is there, or something that is none.
    desk.cosign(3, &log, "listed", "http://127.0.0.1:1", &["--wait", "0"]);
    assert!(desk.cosign(1, &log, "listed", &log.url, &[]).contains("refused (HTTP status 404)"));
    desk.cosign(2, &log, "listed", "witness", &[]);
}

#[test]
fn a_log_that_its_witness_does_not_follow_is_refused() {
    let desk = Desk::new();
    let witness = desk.with_witness();
    let init = desk.run(&super::acta_log(), &["init", "--dir", "other", "--origin", "other.test/log", "--admission", "open"]);
    assert!(init.status.success(), "{init:?}");
    let other = super::acta_log().serve(&desk.path("other"), &[]);
    let told = desk.cosign(1, &other, "other/policy", &witness.url, &[]);
    assert!(told.contains("HTTP status 404") && told.contains("does not follow the log other.test/log"), "{told}");
}

/// The whole story, with real processes: it ends with a refusal unless the witness refused and its file convicts.
#[test]
fn a_log_that_shows_two_histories_is_convicted_by_one_file_and_its_public_key() {
    let desk = Desk::empty();
    let told = desk.acta(0, &["demo", "split-view", "--dir", "split", "--exit"]);
    for step in ["this store ends at 1", "the witness refused (HTTP status 422)", "PROVEN", "it has shown two histories"] {
        assert!(told.contains(step), "{step}: {told}");
    }
    // From here on nothing runs. Anybody with the file and the key comes to the same result, and nobody with less.
    let evidence = ["verify", "--evidence", "split/two-histories.acta-evidence"];
    for trusted in [["--log-key", "split/log/log.vkey"], ["--policy", "split/log/policy"]] {
        let told: Value = serde_json::from_str(&desk.acta(0, &[&evidence[..], &trusted, &["--json"]].concat())).unwrap();
        assert_eq!((&told["convicts"], &told["kind"]), (&Value::Bool(true), &"same-size".into()));
        let histories = &told["histories"];
        assert_eq!((&histories[0]["size"], &histories[1]["size"]), (&2.into(), &2.into()));
        assert_ne!(histories[0]["root"], histories[1]["root"]);
    }
    assert!(desk.acta(1, &[&evidence[..], &["--log-key", "split/north.example/witness-ed25519.vkey"]].concat()).contains("PROVES NOTHING"));
    let file = fs::read_to_string(desk.path("split/two-histories.acta-evidence")).unwrap();
    for (altered, what) in [(file.replace("\n2\n", "\n3\n"), "size"), (file.replacen("checkpoint 5", "checkpoint 4", 1), "count")] {
        fs::write(desk.path("altered"), altered).unwrap();
        let told = desk.acta(1, &["verify", "--evidence", "altered", "--policy", "split/log/policy"]);
        assert!(told.contains("PROVES NOTHING"), "{what}: {told}");
    }
    // Both receipts are the log's own work, and only one of them has witnesses.
    desk.acta(0, &["verify", "--policy", "split/log/policy", "--quiet", "split/receipts"]);
    desk.acta(0, &["verify", "--policy", "split/forger-policy", "--quiet", "split/forged"]);
    desk.acta(1, &["verify", "--policy", "split/log/policy", "--quiet", "split/forged"]);
}
