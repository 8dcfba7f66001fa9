//! A monitor's view of a log of statements: what it should have refused is found, whoever has let it in.

use std::collections::BTreeSet;

use acta_client::fold::LogFold;
use acta_client::verified::{ReadError, VerifiedLog};
use bytes::Bytes;
use decision::ledger::{Finding, Fold, Rules};
use serde_json::json;
use tlog::LeafIndex;

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
    assert_eq!(full.iter().map(|path| path.as_str()).collect::<BTreeSet<_>>(), BTreeSet::from(["tile/0/002", "tile/entries/002"]));
    assert_eq!(full.len(), 2, "{full:?}");
}
