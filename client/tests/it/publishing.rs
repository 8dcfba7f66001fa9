//! Publishing many entries: one receipt each, whatever happens in between.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use acta_client::publish::{Input, PublishError, Publisher, StateError, Summary, receipt_name};
use acta_client::source::Options;
use acta_client::submit::{Added, SubmitError, Writer};
use tlog::policy::Policy;
use tlog::proof::Proof;
use tlog::{Hash, LeafIndex};

use crate::cli::{witness_policy, witnessed_at};
use crate::server::{Answer, ORIGIN, Server, Tree, entry, impatient, key, ok, policy};

struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new(lines: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("in.jsonl"), lines.iter().fold(String::new(), |text, line| text + line + "\n")).unwrap();
        Desk { dir }
    }

    fn inputs(&self) -> Vec<Input> {
        vec![Input::at(&self.dir.path().join("in.jsonl")).unwrap()]
    }

    fn receipts(&self) -> PathBuf {
        self.dir.path().join("receipts")
    }

    async fn publish(&self, server: &Server, options: &Options) -> Result<Summary, PublishError> {
        let writer = Writer::new(server.source_with(options), policy(), options.wait).unwrap();
        let publisher = Publisher::new(writer, &policy(), ORIGIN, &self.receipts(), 8)?;
        publisher.run(&self.inputs(), |_| ()).await
    }

    fn proof_files(&self) -> BTreeSet<String> {
        let names = fs::read_dir(self.receipts()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "publish-state.jsonl").collect()
    }

    fn assert_receipts(&self, entries: &[&str]) {
        let expected: BTreeSet<_> = entries.iter().map(|entry| receipt_name(&Hash::leaf(entry.as_bytes()))).collect();
        assert_eq!(self.proof_files(), expected);
        for entry in entries {
            let bytes = fs::read(self.receipts().join(receipt_name(&Hash::leaf(entry.as_bytes())))).unwrap();
            let receipt = Proof::parse(&bytes).unwrap().verify_receipt(&policy(), None).unwrap();
            assert_eq!(receipt.entry(), entry.as_bytes());
        }
    }
}

fn state_line(receipts: &Path, line: u64) -> String {
    let state = fs::read_to_string(receipts.join("publish-state.jsonl")).unwrap();
    let wanted = format!("\"line\":{line},");
    state.lines().rfind(|text| text.contains(&wanted)).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_has_a_receipt_and_equal_lines_share_one() {
    let server = Server::start(Tree::new(0)).await;
    let desk = Desk::new(&["a", "b", "a", "", "c", "b"]);
    let summary = desk.publish(&server, &impatient()).await.unwrap();
    assert_eq!(summary, Summary { published: 3, repeated: 2, empty: 1, ..Summary::default() });
    desk.assert_receipts(&["a", "b", "c"]);
    assert_eq!(server.tree().entries.len(), 3);
    for (line, entry) in [(1, "a"), (2, "b"), (3, "a"), (5, "c"), (6, "b")] {
        assert!(state_line(&desk.receipts(), line).contains(&receipt_name(&Hash::leaf(entry.as_bytes()))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_publishes_only_what_is_missing() {
    let server = Server::start(Tree::new(0)).await;
    let desk = Desk::new(&["a", "b", "c"]);
    desk.publish(&server, &impatient()).await.unwrap();
    fs::remove_file(desk.receipts().join(receipt_name(&Hash::leaf(b"b")))).unwrap();
    fs::write(desk.receipts().join(receipt_name(&Hash::leaf(b"c"))), "damaged").unwrap();
    server.requests();
    let summary = desk.publish(&server, &impatient()).await.unwrap();
    assert_eq!(summary, Summary { published: 2, already_published: 1, replaced: 1, ..Summary::default() });
    assert_eq!(server.requests(), ["add", "add"]);
    desk.assert_receipts(&["a", "b", "c"]);
    let state = fs::read_to_string(desk.receipts().join("publish-state.jsonl")).unwrap();
    assert_eq!(state.lines().count(), 4, "a rerun notes nothing twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_log_can_hold_is_told_and_the_rest_is_published() {
    let server = Server::start(Tree::new(0)).await;
    let (fits, large) = ("x".repeat(65_535), "y".repeat(65_536));
    let desk = Desk::new(&["a", &large, &fits, "b"]);
    let summary = desk.publish(&server, &impatient()).await.unwrap();
    assert_eq!(summary, Summary { published: 3, too_large: 1, ..Summary::default() });
    desk.assert_receipts(&["a", &fits, "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_restarts_in_the_middle_is_waited_for() {
    let server = Server::start(Tree::new(0)).await;
    let lines: Vec<String> = (0..200).map(|n| format!("decision {n}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let desk = Desk::new(&lines);
    let asked = AtomicU64::new(0);
    // Answers lost after the entry was taken, connections refused, and a server that says it is not ready.
    server.fault(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        50..70 => Some(Answer::Close),
        70..80 => Some(Answer::Status(503, Vec::new(), "".into())),
        _ => None,
    });
    let patient = Options { wait: Duration::from_secs(30), ..impatient() };
    let summary = desk.publish(&server, &patient).await.unwrap();
    assert_eq!(summary.published, 200);
    assert_eq!(server.tree().entries.len(), 200);
    desk.assert_receipts(&lines);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_failed_is_completed_by_the_next() {
    let server = Server::start(Tree::new(0)).await;
    let lines: Vec<String> = (0..100).map(|n| format!("decision {n}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let desk = Desk::new(&lines);
    let down = Arc::new(AtomicBool::new(false));
    let (asked, is_down) = (AtomicU64::new(0), Arc::clone(&down));
    server.fault(move |_| {
        if asked.fetch_add(1, Ordering::SeqCst) == 40 {
            is_down.store(true, Ordering::SeqCst);
        }
        is_down.load(Ordering::SeqCst).then_some(Answer::Close)
    });
    let hasty = Options { wait: Duration::ZERO, ..impatient() };
    let error = desk.publish(&server, &hasty).await.unwrap_err();
    assert!(matches!(&error, PublishError::Submit { source, .. } if !source.is_false_claim()), "{error}");
    assert!((32..=40).contains(&desk.proof_files().len()), "{}", desk.proof_files().len());
    down.store(false, Ordering::SeqCst);
    let summary = desk.publish(&server, &hasty).await.unwrap();
    assert_eq!(summary.published + summary.already_published, 100);
    desk.assert_receipts(&lines);
}

/// A receipt that does not hold is never written, not even for a moment under its own name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_false_receipt_is_not_kept() {
    let server = Server::start(Tree::new(5)).await;
    let genuine = server.tree().receipt(2).to_bytes();
    let kind = vec![("content-type", "application/vnd.c2sp.tlog-proof".to_owned())];
    server.fault(move |path| (path == "add").then(|| Answer::Status(200, kind.clone(), genuine.clone().into())));
    let desk = Desk::new(&["mine"]);
    let error = desk.publish(&server, &impatient()).await.unwrap_err();
    assert!(matches!(&error, PublishError::Submit { source, .. } if source.is_false_claim()), "{error}");
    assert_eq!(desk.proof_files(), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_without_receipts_is_read_to_make_them() {
    let server = Server::start(Tree::new(300)).await;
    for index in 300..310 {
        server.tree().append(entry(index));
    }
    server.fault(|path| (path == "add").then(|| ok("307\n")));
    let desk = Desk::new(&[str::from_utf8(&entry(307)).unwrap()]);
    desk.publish(&server, &impatient()).await.unwrap();
    desk.assert_receipts(&[str::from_utf8(&entry(307)).unwrap()]);
    // Under way (202) is the same, once a head covers it.
    fs::remove_dir_all(desk.receipts()).unwrap();
    server.fault(|path| (path == "add").then(|| Answer::Status(202, vec![("location", "/proof/307".into())], "307\n".into())));
    desk.publish(&server, &impatient()).await.unwrap();
    desk.assert_receipts(&[str::from_utf8(&entry(307)).unwrap()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_of_another_log_stop_the_run_before_anything_is_sent() {
    let server = Server::start(Tree::new(0)).await;
    let desk = Desk::new(&["a"]);
    let writer = Writer::new(server.source(), policy(), Duration::ZERO).unwrap();
    let two = Policy::without_witnesses(key("log.test/two").verifier_key().clone(), None).unwrap();
    drop(Publisher::new(writer, &two, "log.test/two", &desk.receipts(), 1).unwrap());
    let error = desk.publish(&server, &impatient()).await.unwrap_err();
    assert!(matches!(error, PublishError::State(StateError::OtherLog { .. })), "{error}");
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_tells_what_became_of_each_entry() {
    let server = Server::start(Tree::new(0)).await;
    let writer = Writer::new(server.source(), policy(), Duration::ZERO).unwrap();
    server.fault(|path| (path == "add-batch").then(|| ok("7\noverloaded\n8\n")));
    let entries = ["a".into(), "b".into(), "c".into()];
    let added = writer.add_batch(&entries).await.unwrap();
    assert_eq!(added[0], Added::At(LeafIndex::new(7)));
    assert!(matches!(&added[1], Added::Refused(reason) if reason.as_str() == "overloaded"));
    assert_eq!(added[2], Added::At(LeafIndex::new(8)));
    assert!(matches!(writer.add_batch(&entries[..2]).await, Err(SubmitError::NotAnIndex)), "three answers to two entries");
    assert!(matches!(writer.add_batch(&["".into()]).await, Err(SubmitError::Empty)));
    let large = vec![bytes::Bytes::from(vec![0; 65_535]); 200];
    assert!(matches!(writer.add_batch(&large).await, Err(SubmitError::BatchTooLarge)));
}

/// The log hands out receipts as its own policy wants them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_is_stricter_than_the_logs_waits_for_its_witnesses() {
    let strict = Policy::parse(&witness_policy()).unwrap();
    let server = Server::start(Tree::new(5)).await;
    let mut grown = Tree::new(5);
    grown.append("mine".into());
    let (plain, cosigned) = (grown.checkpoint(), witnessed_at(&grown, 1_767_225_600));
    let asked = AtomicU64::new(0);
    server.fault(move |path| {
        let head = |asked| if asked < 2 { &plain } else { &cosigned };
        (path == "checkpoint").then(|| ok(head(asked.fetch_add(1, Ordering::Relaxed)).to_bytes()))
    });
    let writer = Writer::new(server.source(), strict.clone(), Duration::from_secs(20)).unwrap();
    let receipt = writer.add_with_receipt("mine".into()).await.unwrap();
    assert_eq!(receipt.verified.checkpoint().cosignatures().len(), 1);
    assert!(Proof::parse(&receipt.bytes).unwrap().verify_receipt(&strict, Some(b"mine")).is_ok());

    // Where they do not sign the entry is in the log all the same, and the receipt can be had later.
    server.fault(|_| None);
    let writer = Writer::new(server.source(), strict, Duration::ZERO).unwrap();
    let error = writer.add_with_receipt("mine too".into()).await.unwrap_err();
    assert!(matches!(error, SubmitError::NotYetPublished { index, .. } if index == LeafIndex::new(6)), "{error}");
}
