//! A monitor's view of a log of statements: what it should have refused is found, whoever has let it in.

use std::collections::BTreeSet;

use acta_client::fold::{FoldCache, FoldError, LogFold};
use acta_client::verified::{ReadError, VerifiedLog};
use bytes::Bytes;
use decision::ledger::{Finding, Fold, Rules};
use serde_json::json;
use tlog::LeafIndex;
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::policy::Policy;

use crate::server::{ORIGIN, Server, Tree, key, policy};
use crate::world::{World, with};

fn world() -> World {
    World::new(ORIGIN, World::charter(ORIGIN, &key(ORIGIN)))
}

fn tree(entries: &[Bytes]) -> Tree {
    let mut tree = Tree::new(0);
    for (index, entry) in (0..).zip(entries) {
        assert_eq!(tree.append(entry.clone()), index, "no entry is there twice");
    }
    tree
}

async fn fold(log: &VerifiedLog) -> (LogFold, Vec<Finding>) {
    let mut findings = Vec::new();
    let fold = LogFold::new(&policy(), ORIGIN).advance(log, |finding| findings.push(finding), |_| ()).await.unwrap();
    (fold, findings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_found_in_a_log_that_refuses_what_it_should() {
    let mut world = world();
    (1..=600).for_each(|seq| {
        world.decide(seq);
    });
    let server = Server::start(tree(&world.entries)).await;
    let (fold, findings) = fold(&server.open().await.unwrap()).await;
    assert_eq!(findings, []);
    assert_eq!(fold.size().as_u64(), world.next());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_entry_that_should_have_been_refused_is_found_for_its_own_reason() {
    let mut world = world();
    world.plant_all();
    // Far enough apart that some are prepared with the ledger of others.
    (10..900).for_each(|seq| {
        world.decide(seq);
    });
    let late = with(world.decision(500), "subject", json!("Another roof"));
    world.plant("number-used", &late, &[&world.second.clone()]);
    let server = Server::start(tree(&world.entries)).await;
    let (fold, findings) = fold(&server.open().await.unwrap()).await;
    let found: Vec<_> = findings.iter().map(|finding| (finding.index.as_u64(), finding.reason.name())).collect();
    assert_eq!(found, world.planted);
    let reasons: BTreeSet<_> = found.iter().map(|(_, name)| name).collect();
    assert!(reasons.len() >= 20, "{reasons:?}");
    // What was found changed nothing: the ledger is that of the log without it.
    for (index, _) in &found {
        assert_eq!(fold.status(LeafIndex::new(*index)).unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_is_the_same_however_it_is_computed() {
    let mut world = world();
    world.plant_all();
    (10..600).for_each(|seq| {
        world.decide(seq);
    });
    // One by one, without a network.
    let mut slow = Fold::new(Rules::new(ORIGIN, vec![key(ORIGIN).verifier_key().clone()]));
    for entry in &world.entries {
        slow.push(entry).unwrap();
    }
    let server = Server::start(tree(&world.entries[..300])).await;
    // In parts: to sizes within a bundle, at its end, and under a newer head.
    let old = server.open().await.unwrap();
    let mut fold = LogFold::new(&policy(), ORIGIN);
    for size in [1, 5, 256, 300, 299] {
        fold = fold.advance_to(&old, tlog::TreeSize::new(size), |_| (), |_| ()).await.unwrap();
    }
    assert_eq!(fold.size(), old.size());
    *server.tree() = tree(&world.entries);
    fold = fold.advance(&old.newer(&policy()).await.unwrap(), |_| (), |_| ()).await.unwrap();
    assert!(fold.fold().ledger() == slow.ledger());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_does_not_continue_what_was_folded_is_refused() {
    let world = world();
    let server = Server::start(tree(&world.entries)).await;
    let (fold, _) = fold(&server.open().await.unwrap()).await;
    let mut other = tree(&world.entries[..2]);
    (0..10).for_each(|_| {
        other.append(format!("entry {}", other.entries.len()).into());
    });
    *server.tree() = other;
    let error = fold.advance(&server.open().await.unwrap(), |_| (), |_| ()).await.unwrap_err();
    assert!(matches!(error, acta_client::fold::FoldError::Read(ReadError::Inconsistent { .. })), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_fetches_nothing_again_but_partial_tiles() {
    let mut world = world();
    (1..=700).for_each(|seq| {
        world.decide(seq);
    });
    let server = Server::start(tree(&world.entries)).await;
    let cache = tempfile::tempdir().unwrap();
    let open = async || server.open().await.unwrap().with_cache(cache.path());
    fold(&open().await).await;
    let first = server.requests();
    assert!(first.contains(&"tile/entries/000".to_owned()), "{first:?}");
    fold(&open().await).await;
    let second = server.requests();
    assert!(second.iter().all(|path| path == "checkpoint" || path.contains(".p/")), "{second:?}");
    // What is new is fetched once.
    for _ in 0..300 {
        let seq = world.next();
        world.decide(seq);
        server.tree().append(world.entries.last().unwrap().clone());
    }
    fold(&open().await).await;
    let third = server.requests();
    let full: Vec<_> = third.iter().filter(|path| *path != "checkpoint" && !path.contains(".p/")).collect();
    // That the entries are the log's is shown by the root of all of them, so nobody needs the tile of their hashes.
    assert_eq!(full, ["tile/entries/002"]);
}

/// A directory for what is kept, and one for its digest.
struct Shelf {
    cache: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Shelf {
    fn new() -> Self {
        Shelf { cache: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() }
    }

    fn folds(&self) -> FoldCache {
        FoldCache::new(self.cache.path(), self.state.path(), ORIGIN)
    }

    fn snapshot(&self) -> std::path::PathBuf {
        self.cache.path().join(tlog::Hash::sha256(ORIGIN.as_bytes()).to_hex()).join("fold")
    }

    /// Gives the fold, and how many entries were judged for it.
    async fn run(&self, log: &VerifiedLog) -> Result<(LogFold, u64), FoldError> {
        let judged = std::cell::Cell::new(0);
        let fold = self.folds().resume(&policy(), log);
        let fold = fold.advance(log, |_| (), |entries| judged.set(judged.get() + entries)).await?;
        self.folds().keep(&fold, &policy());
        Ok((fold, judged.get()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_judges_only_what_is_new_and_finds_the_same() {
    let mut world = world();
    world.plant_all();
    (10..600).for_each(|seq| {
        world.decide(seq);
    });
    let server = Server::start(tree(&world.entries)).await;
    let shelf = Shelf::new();
    let all = world.next();
    assert_eq!(shelf.run(&server.open().await.unwrap()).await.unwrap().1, all);
    let (again, judged) = shelf.run(&server.open().await.unwrap()).await.unwrap();
    assert_eq!(judged, 0);
    let late = with(world.decision(500), "subject", json!("Another roof"));
    world.plant("number-used", &late, &[&world.second.clone()]);
    for _ in 0..300 {
        let seq = world.next();
        world.decide(seq);
    }
    *server.tree() = tree(&world.entries);
    let log = server.open().await.unwrap();
    let (second, judged) = shelf.run(&log).await.unwrap();
    assert_eq!(judged, world.next() - all);
    let (whole, findings) = fold(&log).await;
    assert!(second.fold().ledger() == whole.fold().ledger());
    assert_eq!((second.misfits(), whole.misfits()), (world.planted.len() as u64, findings.len() as u64));
    assert_eq!(again.misfits() + 1, second.misfits());
    for (index, reason) in &world.planted {
        assert_eq!(second.misfit(LeafIndex::new(*index)).unwrap().name, *reason);
        assert_eq!(second.misfit(LeafIndex::new(*index)), whole.misfit(LeafIndex::new(*index)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_ledger_that_is_not_the_one_computed_here_is_not_used() {
    let mut world = world();
    (1..=300).for_each(|seq| {
        world.decide(seq);
    });
    let server = Server::start(tree(&world.entries)).await;
    let log = server.open().await.unwrap();
    let shelf = Shelf::new();
    let resumed = |shelf: &Shelf| shelf.folds().resume(&policy(), &log).size().as_u64();
    assert_eq!(resumed(&shelf), 0);
    shelf.run(&log).await.unwrap();
    assert_eq!(resumed(&shelf), world.next());

    // One byte anywhere: in the header, in the ledger, in its own hash.
    let good = std::fs::read(shelf.snapshot()).unwrap();
    for at in (0..good.len()).step_by(good.len() / 50).chain([good.len() - 1]) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(shelf.snapshot(), bad).unwrap();
        assert_eq!(resumed(&shelf), 0, "byte {at}");
    }
    for bad in [&good[..good.len() - 1], &[good.as_slice(), b"x"].concat(), b""] {
        std::fs::write(shelf.snapshot(), bad).unwrap();
        assert_eq!(resumed(&shelf), 0);
    }
    // A whole and well-formed one that another made: a decision is missing in it.
    let mut other = World::new(ORIGIN, World::charter(ORIGIN, &key(ORIGIN)));
    (1..=300).filter(|seq| *seq != 7).chain([301]).for_each(|seq| {
        other.decide(seq);
    });
    let (stranger, elsewhere) = (Shelf::new(), Server::start(tree(&other.entries)).await);
    stranger.run(&elsewhere.open().await.unwrap()).await.unwrap();
    let forged = String::from_utf8_lossy(&std::fs::read(stranger.snapshot()).unwrap()).contains("acta fold v1");
    assert!(forged, "it would do but for its digest");
    std::fs::copy(stranger.snapshot(), shelf.snapshot()).unwrap();
    assert_eq!(resumed(&shelf), 0);

    std::fs::write(shelf.snapshot(), &good).unwrap();
    assert_eq!(resumed(&shelf), world.next());
    // Another key of the log would make another charter of its first entry.
    let stranger = SigningKey::from_seed(KeyName::new(ORIGIN).unwrap(), Algorithm::Ed25519, &[8; 32]).unwrap();
    let other_key = Policy::without_witnesses(stranger.verifier_key().clone(), None).unwrap();
    assert_eq!(shelf.folds().resume(&other_key, &log).size().as_u64(), 0);
    // A copy of the log that is behind.
    *server.tree() = tree(&world.entries[..100]);
    assert_eq!(shelf.folds().resume(&policy(), &server.open().await.unwrap()).size().as_u64(), 0);
    std::fs::remove_dir_all(shelf.state.path()).unwrap();
    assert_eq!(resumed(&shelf), 0, "without its digest it is nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_does_not_continue_what_was_kept_is_refused_and_not_judged_anew() {
    let mut world = world();
    (1..=300).for_each(|seq| {
        world.decide(seq);
    });
    let server = Server::start(tree(&world.entries)).await;
    let shelf = Shelf::new();
    shelf.run(&server.open().await.unwrap()).await.unwrap();
    world.entries[200] = "another history".into();
    world.decide(301);
    *server.tree() = tree(&world.entries);
    let error = shelf.run(&server.open().await.unwrap()).await.unwrap_err();
    assert!(matches!(error, FoldError::Read(ReadError::Inconsistent { .. })), "{error}");
}
