#![allow(clippy::unwrap_used, reason = "tests")]

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use tlog::TreeSize;
use tlog::cosignature::Cosignature;
use tlog::evidence::Evidence;
use tlog::key::Algorithm;
use tlog::merkle::{self, Subtree};
use tlog::witness::parse_cosignatures;

use super::*;
use crate::evidence::EvidenceLimits;
use crate::fixture::{TestLog, key};
use crate::keys::ALGORITHMS;
use crate::logs::LogSet;
use crate::store::{Fault, MemoryStore, RocksOptions, RocksStore};

const NAME: &str = "witness.example/w";

/// A witness, and what a test has in its hands of it.
struct World<S> {
    cosigner: Cosigner<S>,
    write_side: WriteSide,
    store: Arc<S>,
    now: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
    dir: tempfile::TempDir,
}

fn options() -> Options {
    Options { pending: 64 << 20, rate: None }
}

fn world_with<S: Store>(store: S, logs: &[&TestLog], algorithms: &[Algorithm], options: Options) -> World<S> {
    let dir = tempfile::tempdir().unwrap();
    let (store, now) = (Arc::new(store), Arc::new(AtomicU64::new(1_700_000_000)));
    let metrics = Arc::new(Metrics::new(&prometheus::Registry::new()).unwrap());
    let clock = Arc::clone(&now);
    let limits = EvidenceLimits { files: NonZeroU32::new(4).unwrap(), bytes: 1 << 20 };
    let (cosigner, write_side) = Cosigner::start(Parts {
        store: Arc::clone(&store),
        keys: Keys::new(algorithms.iter().map(|&algorithm| key(NAME, algorithm, 9)).collect()).unwrap(),
        logs: Arc::new(Logs::fixed(LogSet::new(logs.iter().flat_map(|log| log.keys())))),
        evidence: Evidences::new(dir.path().to_owned(), limits),
        clock: Clock::new(move || clock.load(Ordering::Relaxed)),
        metrics: Arc::clone(&metrics),
        options,
    });
    World { cosigner, write_side, store, now, metrics, dir }
}

/// With one fast key.
fn world(logs: &[&TestLog]) -> World<MemoryStore> {
    world_with(MemoryStore::default(), logs, &[Algorithm::CosignatureEd25519], options())
}

impl<S: Store> World<S> {
    async fn add(&self, body: Vec<u8>) -> Result<String, CosignError> {
        self.cosigner.add_checkpoint(&body).await
    }

    fn stored(&self, log: &TestLog) -> Option<u64> {
        self.store.row(&OriginHash::of_text(log.origin())).unwrap().map(|row| row.latest.size.as_u64())
    }

    fn served(&self, log: &TestLog) -> SignedCheckpoint {
        let note = self.cosigner.checkpoint(&OriginHash::of_text(log.origin())).unwrap().unwrap();
        SignedCheckpoint::parse(&note).unwrap()
    }

    fn evidence(&self, log: &TestLog) -> Vec<std::path::PathBuf> {
        let dir = self.dir.path().join(OriginHash::of_text(log.origin()).to_string());
        files(&dir)
    }
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(dir).map_or(Vec::new(), |entries| entries.map(|entry| entry.unwrap().path()).collect())
}

/// The times that the lines state for this checkpoint, once they verify.
fn times(lines: &str, log: &TestLog, size: u64, keys: &Keys) -> Vec<u64> {
    let lines = parse_cosignatures(lines.as_bytes()).unwrap();
    assert_eq!(lines.len(), keys.verifier().len());
    let pairs = lines.iter().zip(keys.verifier());
    pairs.map(|(line, key)| Cosignature::verify(line, &log.checkpoint(size), key).unwrap().timestamp().unwrap().get()).collect()
}

#[tokio::test]
async fn a_log_that_grows_is_cosigned_with_every_key_and_served_with_its_own_signature() {
    let log = TestLog::new("example.com/log", 9);
    let world = world_with(MemoryStore::default(), &[&log], &ALGORITHMS, options());
    for (old, new) in [(0, 3), (3, 9), (9, 9)] {
        let lines = world.add(log.request(old, new)).await.unwrap();
        assert_eq!(times(&lines, &log, new, world.cosigner.keys()), [1_700_000_000; 2]);
        let served = world.served(&log);
        assert_eq!(served.checkpoint(), &log.checkpoint(new));
        assert!(served.to_string().ends_with(&lines), "the very lines that were given");
        assert!(served.verify_log(&log.keys()).is_ok());
    }
    let unknown = world.cosigner.checkpoint(&OriginHash::of_text("example.com/other")).unwrap();
    assert_eq!(unknown, None);
}

#[tokio::test]
async fn nothing_is_kept_of_a_refused_request() {
    let (log, stranger) = (TestLog::new("example.com/log", 9), TestLog::new("example.com/other", 9));
    let world = world(&[&log]);
    assert!(matches!(world.add(stranger.request(0, 3)).await, Err(CosignError::Refused(Refusal::UnknownOrigin { .. }))));
    assert!(matches!(world.add(b"old 0\n".to_vec()).await, Err(CosignError::Malformed(_))));
    let altered = String::from_utf8(log.request(0, 3)).unwrap().replacen("\n3\n", "\n4\n", 1);
    assert!(matches!(world.add(altered.into_bytes()).await, Err(CosignError::Refused(Refusal::BadSignature { .. }))));
    assert_eq!(world.stored(&log), None);
    world.add(log.request(0, 3)).await.unwrap();
    let conflict = world.add(log.request(0, 9)).await;
    assert!(matches!(conflict, Err(CosignError::Refused(Refusal::Conflict { latest, .. })) if latest == TreeSize::new(3)));
    assert_eq!(world.stored(&log), Some(3));
    assert_eq!(world.metrics.refused_total.with_label_values(&["conflict"]).get(), 1);
}

#[tokio::test]
async fn a_forged_line_of_the_witness_is_not_stored_and_the_next_update_works() {
    let log = TestLog::new("example.com/log", 9);
    let world = world(&[&log]);
    let mut signed = log.signed(3);
    let mut forged = key(NAME, Algorithm::CosignatureEd25519, 9).cosign(signed.checkpoint(), 1 << 40).unwrap();
    forged.bytes[20] ^= 1;
    signed.add_signature(forged).unwrap();
    world.add(log.request_with(0, vec![], &signed)).await.unwrap();
    let served = world.served(&log);
    assert_eq!(served.note().signatures().len(), 2);
    assert!(served.note().verify(world.cosigner.keys().verifier()).is_ok());
    world.add(log.request(3, 9)).await.unwrap();
}

#[tokio::test]
async fn two_histories_are_refused_and_convict_their_log() {
    let log = TestLog::new("example.com/log", 9);
    let world = world(&[&log]);
    world.add(log.request(0, 6)).await.unwrap();

    // Another root for the size that was cosigned, with the right old size and with a wrong one; twice, and once with other entries.
    let fork = TestLog::forked("example.com/log", 9, 2);
    assert!(matches!(world.add(fork.request(6, 6)).await, Err(CosignError::Refused(Refusal::OtherRoot { .. }))));
    assert!(matches!(world.add(fork.request(0, 6)).await, Err(CosignError::Refused(Refusal::Conflict { evidence: Some(_), .. }))));
    assert_eq!(world.evidence(&log).len(), 1, "the same finding is one file");
    let another = TestLog::forked("example.com/log", 9, 3);
    assert!(world.add(another.request(6, 6)).await.is_err());
    // A larger tree, whose proof says which one it continues.
    assert!(matches!(world.add(fork.request(6, 9)).await, Err(CosignError::Refused(Refusal::Inconsistent(_)))));

    let evidence = world.evidence(&log);
    assert_eq!((evidence.len(), world.metrics.evidence_total.get()), (3, 3));
    for path in evidence {
        let evidence = Evidence::parse(&std::fs::read(path).unwrap()).unwrap();
        let conviction = evidence.verify(&log.keys()).unwrap();
        assert_eq!(conviction.origin().as_str(), log.origin());
    }
    assert_eq!(world.stored(&log), Some(6));
    // Its share of the disk is bounded; it goes on being refused.
    for forked in [0, 1, 4] {
        assert!(world.add(TestLog::forked("example.com/log", 9, forked).request(6, 6)).await.is_err());
    }
    assert_eq!((world.evidence(&log).len(), world.metrics.evidence_dropped_total.get()), (4, 2));
    world.add(log.request(6, 9)).await.unwrap();
}

#[tokio::test]
async fn a_log_changes_its_key_and_is_convicted_across_the_change() {
    let old = TestLog::new("example.com/log", 9);
    let new = TestLog { key: key("example.com/log", Algorithm::Ed25519, 2), ..TestLog::new("example.com/log", 9) };
    // While both are in the policy, either or both may sign.
    let world = world(&[&old, &new]);
    world.add(old.request(0, 3)).await.unwrap();
    let mut both = old.signed(6);
    both.add_signature(new.signed(6).note().signatures()[0].clone()).unwrap();
    world.add(old.request_with(3, old.proof(3, 6), &both)).await.unwrap();
    assert_eq!(world.served(&old).note().signatures().len(), 3, "both of the log's lines are kept");
    world.now.fetch_add(1, Ordering::Relaxed);
    world.add(new.request(6, 6)).await.unwrap();
    let fork = TestLog { key: key("example.com/log", Algorithm::Ed25519, 1), ..TestLog::forked("example.com/log", 9, 2) };
    assert!(world.add(fork.request(6, 6)).await.is_err());
    let evidence = Evidence::parse(&std::fs::read(&world.evidence(&old)[0]).unwrap()).unwrap();
    assert!(evidence.verify(&[old.keys(), new.keys()].concat()).is_ok(), "one head under each key");
    // A bad line of the old key beside a good one of the new.
    let mut half = new.signed(9);
    half.add_signature(old.signed(8).note().signatures()[0].clone()).unwrap();
    let refused = world.add(new.request_with(6, new.proof(6, 9), &half)).await;
    assert!(matches!(refused, Err(CosignError::Refused(Refusal::BadSignature { .. }))));

    // Afterwards only the new one counts, and what the old one signed is still known.
    let after = world_with(world.store.reopen(), &[&new], &[Algorithm::CosignatureEd25519], options());
    let refused = after.add(old.request(6, 9)).await;
    assert!(matches!(refused, Err(CosignError::Refused(Refusal::NotSigned { .. }))));
    after.add(new.request(6, 9)).await.unwrap();
}

#[tokio::test]
async fn a_junk_proof_convicts_nobody() {
    let log = TestLog::new("example.com/log", 9);
    let world = world(&[&log]);
    world.add(log.request(0, 6)).await.unwrap();
    for proof in [vec![], vec![log.root(1); 4], log.proof(5, 9)] {
        let refused = world.add(log.request_with(6, proof, &log.signed(9))).await;
        assert!(matches!(refused, Err(CosignError::Refused(Refusal::Inconsistent(_)))));
    }
    assert_eq!((world.evidence(&log).len(), world.metrics.unproven_total.get()), (0, 3));
}

#[tokio::test]
async fn a_failed_commit_lets_no_signature_leave_and_ends_everything() {
    for fault in [Fault::Fail, Fault::FailAfterWriting] {
        let (log, other) = (TestLog::new("example.com/log", 9), TestLog::new("example.com/other", 9));
        let world = world(&[&log, &other]);
        world.add(other.request(0, 3)).await.unwrap();
        world.store.plan(fault);
        assert_eq!(world.add(log.request(0, 3)).await, Err(CosignError::Stopped));
        assert!(matches!(*world.write_side.failed().await, StoreError::Injected));
        // What can be read now may not be there after a restart, so it is not served either; and nothing else goes on.
        assert_eq!(world.cosigner.checkpoint(&OriginHash::of_text(log.origin())), Err(CosignError::Stopped));
        assert_eq!(world.add(other.request(3, 9)).await, Err(CosignError::Stopped));
        assert_eq!(world.add(other.request(3, 3)).await, Err(CosignError::Stopped), "not even what was just signed");
        assert!(is_pending(&mut Box::pin(world.add(log.request(0, 3)))).await, "nobody decides about that log again");

        // The next start goes on from what is there.
        let written = u64::from(fault == Fault::FailAfterWriting) * 3;
        let again = world_with(world.store.reopen(), &[&log, &other], &[Algorithm::CosignatureEd25519], options());
        again.add(log.request(written, 9)).await.unwrap();
        again.add(other.request(3, 9)).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_nothing_and_nobody_decides_meanwhile() {
    let log = TestLog::new("example.com/log", 9);
    let world = world(&[&log]);
    world.store.plan(Fault::Block);
    let mut leaving = Box::pin(world.add(log.request(0, 6)));
    // Polled until its row is in a commit that does not end.
    let begun = async {
        let store = Arc::clone(&world.store);
        tokio::task::spawn_blocking(move || store.wait_for_commits(1)).await.unwrap();
    };
    tokio::select! {
        _ = leaving.as_mut() => panic!("its commit does not end"),
        () = begun => {}
    }
    drop(leaving);

    // One more leaves while it waits for the lock of its log. It comes to its end all the same, before whoever came after it.
    let mut second = Box::pin(world.add(log.request(6, 8)));
    assert!(is_pending(&mut second).await);
    drop(second);
    let mut third = Box::pin(world.add(log.request(0, 9)));
    assert!(is_pending(&mut third).await);
    world.store.release();
    let conflict = third.await;
    assert!(matches!(conflict, Err(CosignError::Refused(Refusal::Conflict { latest, .. })) if latest == TreeSize::new(8)), "{conflict:?}");
    assert_eq!(world.stored(&log), Some(8));
}

/// Whether a future is still pending after everything else had a turn.
async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    for _ in 0..50 {
        let pending = std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await;
        if !pending {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

/// Many clients send the same log's heads at once. Whatever was answered must be one history, and the last of it be stored.
async fn race<S: Store>(store: S, log: TestLog) -> World<S> {
    const CLIENTS: u64 = 16;
    let world = world_with(store, &[&log], &[Algorithm::CosignatureEd25519], options());
    let log = Arc::new(log);
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (cosigner, log) = (world.cosigner.clone(), Arc::clone(&log));
        clients.spawn(async move {
            let (mut known, mut answered) = (0, Vec::new());
            // Each aims at its own sizes, so that from one old size there are always several ways on.
            for step in 1..=24 {
                let new = (known + 1 + (client * 7 + step * 3) % 5).min(600);
                match cosigner.add_checkpoint(&log.request(known, new)).await {
                    Ok(lines) => {
                        times(&lines, &log, new, cosigner.keys());
                        answered.push((known, new));
                        known = new;
                    }
                    Err(CosignError::Refused(Refusal::Conflict { latest, .. })) => {
                        assert!(latest.as_u64() >= known, "the witness went back");
                        known = latest.as_u64();
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            answered
        });
    }
    // Meanwhile a monitor looks again and again.
    let (monitor, hash) = (world.cosigner.clone(), OriginHash::of_text(log.origin()));
    let (done, mut until) = tokio::sync::oneshot::channel::<()>();
    let watching = tokio::spawn(async move {
        let mut seen = 0;
        while until.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            if let Some(note) = monitor.checkpoint(&hash).unwrap() {
                let size = SignedCheckpoint::parse(&note).unwrap().checkpoint().size().as_u64();
                assert!(size >= seen, "a monitor saw {seen} and then {size}");
                seen = size;
            }
            tokio::task::yield_now().await;
        }
        seen
    });
    let mut answered: Vec<(u64, u64)> = clients.join_all().await.concat();
    done.send(()).unwrap();
    assert!(watching.await.unwrap() > 0);
    answered.sort_unstable();
    // Each answer took the log from where the one before had left it: no two started from one size.
    let mut at = 0;
    for (old, new) in &answered {
        assert_eq!(*old, at, "two answers contradict each other");
        at = *new;
    }
    assert_eq!(world.stored(&log), Some(at), "what is stored is the newest that was answered");
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_many_racing_clients_of_one_log_none_takes_another_back() {
    race(MemoryStore::default(), TestLog::new("example.com/log", 600)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn the_same_holds_on_the_real_store_and_after_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let options = RocksOptions { block_cache_bytes: 1 << 20, write_buffer_bytes: 1 << 20 };
    let log = TestLog::new("example.com/log", 600);
    let world = race(RocksStore::create(dir.path(), options, "").unwrap(), TestLog::new("example.com/log", 600)).await;
    let before = world.stored(&log);
    let World { cosigner, write_side, store, .. } = world;
    write_side.close().await.unwrap();
    drop((cosigner, store));
    let store = RocksStore::open(dir.path(), options).unwrap();
    let row = store.row(&OriginHash::of_text(log.origin())).unwrap().unwrap();
    assert_eq!(Some(row.latest.size.as_u64()), before);
    assert!(row.signed().is_ok());
}

#[tokio::test]
async fn a_clock_that_is_set_back_never_makes_a_time_decrease() {
    let log = TestLog::new("example.com/log", 9);
    let world = world(&[&log]);
    let at = async |now: u64, old, new| {
        world.now.store(now, Ordering::Relaxed);
        world.add(log.request(old, new)).await.map(|lines| times(&lines, &log, new, world.cosigner.keys())[0])
    };
    assert_eq!(at(0, 0, 1).await, Err(Refusal::CannotSign(tlog::key::SignError::Timestamp).into()), "a clock that was never set");
    assert_eq!(world.stored(&log), None);
    assert_eq!(at(1000, 0, 1).await, Ok(1000));
    assert_eq!(at(400, 1, 2).await, Ok(1000), "the old time, until the clock has caught up");
    assert_eq!(world.metrics.clock_behind_seconds.get(), 600);
    assert_eq!(at(0, 2, 3).await, Ok(1000));
    assert_eq!(at(1001, 3, 4).await, Ok(1001));
}

#[tokio::test]
async fn what_was_just_signed_is_not_signed_and_written_again() {
    let log = TestLog::new("example.com/log", 9);
    let world = world_with(MemoryStore::default(), &[&log], &ALGORITHMS, options());
    let first = world.add(log.request(0, 3)).await.unwrap();
    assert_eq!(world.add(log.request(3, 3)).await.unwrap(), first);
    assert_eq!((world.metrics.cosigned_total.get(), world.metrics.repeated_total.get()), (1, 1));
    world.now.fetch_add(1, Ordering::Relaxed);
    let second = world.add(log.request(3, 3)).await.unwrap();
    assert_eq!(times(&second, &log, 3, world.cosigner.keys()), [1_700_000_001; 2], "a second later it is news");
    assert_eq!(world.metrics.cosigned_total.get(), 2);
}

#[tokio::test]
async fn each_log_has_its_rate_and_strangers_cannot_use_it_up() {
    let (log, other) = (TestLog::new("example.com/log", 9), TestLog::new("example.com/other", 9));
    let rate = Some(Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(2).unwrap() });
    let world = world_with(MemoryStore::default(), &[&log, &other], &[Algorithm::CosignatureEd25519], Options { rate, ..options() });
    world.add(log.request(0, 1)).await.unwrap();
    for _ in 0..9 {
        // Anybody can send these again.
        world.add(log.request(1, 1)).await.unwrap();
        world.add(log.request(0, 1)).await.unwrap_err();
    }
    world.add(log.request(1, 2)).await.unwrap();
    let refused = world.add(log.request(2, 3)).await;
    assert!(matches!(refused, Err(CosignError::TooOften(wait)) if wait.as_millis() <= 1000), "{refused:?}");
    assert_eq!(world.stored(&log), Some(2));
    world.add(other.request(0, 1)).await.unwrap();
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let log = TestLog::new("example.com/log", 9);
    let world = world_with(MemoryStore::default(), &[&log], &[Algorithm::CosignatureEd25519], Options { pending: 20 << 10, rate: None });
    world.store.plan(Fault::Block);
    let mut first = Box::pin(world.add(log.request(0, 1)));
    assert!(is_pending(&mut first).await);
    assert_eq!(world.add(log.request(0, 2)).await, Err(CosignError::Busy));
    world.store.release();
    first.await.unwrap();
    world.add(log.request(1, 2)).await.unwrap();
}

#[tokio::test]
async fn what_waits_at_the_end_is_stored_and_answered() {
    let log = TestLog::new("example.com/log", 9);
    let World { cosigner, write_side, store, .. } = world(&[&log]);
    store.plan(Fault::Block);
    let body = log.request(0, 3);
    let mut waiting = Box::pin(cosigner.add_checkpoint(&body));
    assert!(is_pending(&mut waiting).await);
    let mut closing = Box::pin(write_side.close());
    assert!(is_pending(&mut closing).await, "it does not leave what waits behind");
    store.release();
    closing.await.unwrap();
    waiting.await.unwrap();
    assert_eq!(cosigner.add_checkpoint(&log.request(3, 9)).await, Err(CosignError::Stopped));
}

#[tokio::test]
async fn damage_in_the_store_ends_everything() {
    let log = TestLog::new("example.com/log", 9);
    let world = world(&[&log]);
    world.add(log.request(0, 6)).await.unwrap();
    let hash = OriginHash::of_text(log.origin());
    let row = world.store.row(&hash).unwrap().unwrap();
    world.store.overwrite(hash, Row { note: "no note".into(), ..row });
    // Evidence would need what is not there any more.
    assert!(world.add(TestLog::forked("example.com/log", 9, 0).request(6, 6)).await.is_err());
    assert!(matches!(*world.write_side.failed().await, StoreError::Damaged(_)));
    assert_eq!(world.add(log.request(6, 9)).await, Err(CosignError::Stopped));
}

#[tokio::test]
async fn parts_of_a_cosigned_tree_are_cosigned_with_the_key_that_can() {
    let log = TestLog::new("example.com/log", 14);
    let world = world_with(MemoryStore::default(), &[&log], &ALGORITHMS, options());
    world.add(log.request(0, 14)).await.unwrap();
    let subtree = Subtree::new(0, 4).unwrap();
    let proof = merkle::prove_subtree(subtree, TreeSize::new(14), |node| log.node(node)).unwrap();
    let request = |signed: &SignedCheckpoint| SignSubtree::new(subtree, log.root(4), proof.clone(), signed.clone()).unwrap().to_bytes();
    let lines = world.cosigner.sign_subtree(&request(&world.served(&log))).await.unwrap();
    let lines = parse_cosignatures(lines.as_bytes()).unwrap();
    let quantum = &world.cosigner.keys().verifier()[1];
    assert!(tlog::cosignature::verify_subtree(&lines[0], log.signed(14).checkpoint().origin(), subtree, &log.root(4), quantum).is_ok());
    assert_eq!(lines.len(), 1);

    let uncosigned = world.cosigner.sign_subtree(&request(&log.signed(14))).await;
    assert_eq!(uncosigned, Err(SubtreeError::Refused(SubtreeRefusal::NotCosigned)));
    let classic = world_with(MemoryStore::default(), &[&log], &[Algorithm::CosignatureEd25519], options());
    assert_eq!(classic.cosigner.sign_subtree(&request(&log.signed(14))).await, Err(SubtreeError::Unsupported));
}
