//! What an honest log gives.

use std::fs;
use std::time::{Duration, Instant};

use acta_client::location::Location;
use acta_client::source::{Options, Source};
use acta_client::verified::{ReadError, VerifiedLog};
use futures_util::TryStreamExt;
use tlog::tiles::{Resource, bundles_of, tiles_of};
use tlog::{Hash, LeafIndex};

use crate::server::{Answer, Server, Tree, entry, impatient, ok, policy};

async fn all_entries(log: &VerifiedLog) -> Vec<Vec<u8>> {
    let bundles: Vec<_> = log.entries(0..log.size().as_u64()).try_collect().await.unwrap();
    bundles.iter().flat_map(|bundle| bundle.iter().map(|(_, entry)| entry.to_vec())).collect()
}

fn export(tree: &Tree, root: &std::path::Path) {
    let write = |path: String, bytes: &[u8]| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let tiles = tiles_of(tree.size()).map(Resource::Tile);
    for resource in tiles.chain(bundles_of(tree.size()).map(Resource::Bundle)) {
        write(resource.path(), &tree.resource(resource).unwrap());
    }
    write("checkpoint".into(), &tree.checkpoint().to_bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_entry_of_a_log_can_be_read_and_proven() {
    for size in [1, 2, 255, 256, 257, 1000] {
        let server = Server::start(Tree::new(size)).await;
        let log = server.open().await.unwrap();
        assert_eq!(all_entries(&log).await, (0..size).map(entry).collect::<Vec<_>>());
        for index in [0, size / 2, size - 1] {
            assert_eq!(log.entry(LeafIndex::new(index)).await.unwrap(), entry(index));
            let receipt = log.prove(LeafIndex::new(index), Some(&entry(index))).await.unwrap();
            assert_eq!(receipt.to_bytes(), server.tree().receipt(index).to_bytes());
            receipt.verify_receipt(&policy(), None).unwrap();
        }
        assert!(matches!(log.entry(LeafIndex::new(size)).await, Err(ReadError::Plan(_))));
        assert!(matches!(log.prove(LeafIndex::new(u64::MAX), None).await, Err(ReadError::Plan(_))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_log_has_no_entries_and_no_tiles() {
    let server = Server::start(Tree::new(0)).await;
    let log = server.open().await.unwrap();
    assert_eq!(all_entries(&log).await, Vec::<Vec<u8>>::new());
    assert!(matches!(log.find(&Hash::leaf(b"x"), None).await, Err(ReadError::NotInLog(_))));
    assert_eq!(server.requests(), ["checkpoint"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_read_like_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree::new(700);
    export(&tree, dir.path());
    let source = Source::new(&Location::directory(dir.path()), &Options::default()).unwrap();
    let log = VerifiedLog::open(source, &policy()).await.unwrap();
    assert_eq!(all_entries(&log).await, tree.entries);
    fs::remove_file(dir.path().join("tile/entries/000")).unwrap();
    assert!(log.entry(LeafIndex::new(3)).await.unwrap_err().is_unavailable());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partial_tile_that_is_gone_is_cut_from_the_full_one() {
    let server = Server::start(Tree::new(300)).await;
    let log = server.open().await.unwrap();
    (300..600).for_each(|index| {
        server.tree().append(entry(index));
    });
    server.fault(|path| path.contains(".p/").then(|| Answer::Status(404, Vec::new(), "".into())));
    server.requests();
    // Level 1 has no full tile, so that one is still asked for as a partial one, and is not there either.
    assert!(log.entry(LeafIndex::new(299)).await.unwrap_err().is_unavailable());
    server.fault(|path| (path.contains(".p/") && !path.starts_with("tile/1")).then(|| Answer::Status(404, Vec::new(), "".into())));
    assert_eq!(log.entry(LeafIndex::new(299)).await.unwrap(), entry(299));
    assert!(server.requests().contains(&"tile/entries/001".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_is_found_by_its_hash_with_and_without_the_servers_help() {
    let server = Server::start(Tree::new(600)).await;
    let log = server.open().await.unwrap();
    let leaf = Hash::leaf(&entry(411));
    assert_eq!(log.source().index_hint(&leaf).await, Some(LeafIndex::new(411)));
    for hint in [None, Some(LeafIndex::new(411)), Some(LeafIndex::new(7)), Some(LeafIndex::new(1 << 60))] {
        assert_eq!(log.find(&leaf, hint).await.unwrap(), LeafIndex::new(411));
    }
    assert!(matches!(log.find(&Hash::leaf(b"never published"), None).await, Err(ReadError::NotInLog(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_tiles_and_bundles_are_fetched_once() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(Tree::new(600)).await;
    let log = server.open().await.unwrap().with_cache(cache.path());
    log.entry(LeafIndex::new(5)).await.unwrap();
    assert!(server.requests().contains(&"tile/entries/000".to_owned()));
    log.entry(LeafIndex::new(6)).await.unwrap();
    let again = server.requests();
    assert!(again.iter().all(|path| path.contains(".p/")), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_files_in_the_cache_are_noticed_and_fetched_again() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(Tree::new(600)).await;
    let log = server.open().await.unwrap().with_cache(cache.path());
    let index = LeafIndex::new(5);
    log.entry(index).await.unwrap();
    let root = fs::read_dir(cache.path()).unwrap().next().unwrap().unwrap().path();
    for name in ["tile/0/000", "tile/entries/000"] {
        let path = root.join(name);
        let good = fs::read(&path).unwrap();
        for damage in 0..3 {
            let mut bad = good.clone();
            match damage {
                0 => bad[40] ^= 1,
                1 => bad.truncate(good.len() - 1),
                _ => bad.clear(),
            }
            fs::write(&path, &bad).unwrap();
            server.requests();
            assert_eq!(log.entry(index).await.unwrap(), entry(5));
            assert!(server.requests().contains(&name.to_owned()), "{name} was not fetched again");
            assert_eq!(fs::read(&path).unwrap(), good);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_log_is_asked_again_and_not_before_it_wants_to_be() {
    let server = Server::start(Tree::new(5)).await;
    let started = Instant::now();
    let refused = std::sync::atomic::AtomicU32::new(2);
    server.fault(move |_| {
        let left = refused.fetch_update(std::sync::atomic::Ordering::SeqCst, std::sync::atomic::Ordering::SeqCst, |n| n.checked_sub(1));
        left.ok().map(|_| Answer::Status(503, vec![("retry-after", "1".into())], "".into()))
    });
    let options = Options { wait: Duration::from_secs(20), ..impatient() };
    VerifiedLog::open(server.source_with(&options), &policy()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_off_are_tried_again() {
    let server = Server::start(Tree::new(5)).await;
    let turn = std::sync::atomic::AtomicU32::new(0);
    let checkpoint = server.tree().checkpoint().to_bytes();
    server.fault(move |_| match turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => Some(Answer::Close),
        1 => Some(Answer::Broken(checkpoint.clone().into())),
        2 => Some(Answer::Status(502, Vec::new(), "".into())),
        _ => None,
    });
    let options = Options { wait: Duration::from_secs(20), ..impatient() };
    VerifiedLog::open(server.source_with(&options), &policy()).await.unwrap();
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_checkpoint_is_shown_to_be_the_beginning() {
    let server = Server::start(Tree::new(1000)).await;
    let log = server.open().await.unwrap();
    for size in [0, 1, 255, 256, 257, 999, 1000] {
        log.extends(Tree::new(size).checkpoint().checkpoint()).await.unwrap();
    }
    let longer = Tree::new(1001);
    assert!(matches!(log.extends(longer.checkpoint().checkpoint()).await, Err(ReadError::Shrunk { .. })));
    for size in [1, 300, 1000] {
        let mut other = Tree::new(size - 1);
        other.append("something else".into());
        assert!(matches!(log.extends(other.checkpoint().checkpoint()).await, Err(ReadError::Inconsistent { .. })));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_may_come_compressed() {
    let server = Server::start(Tree::new(5)).await;
    // gzip of "hello", stored by hand: header, one stored block, checksum, length.
    let gzip =
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1, 5, 0, 0xfa, 0xff, b'h', b'e', b'l', b'l', b'o', 0x86, 0xa6, 0x10, 0x36, 5, 0, 0, 0];
    server.fault(move |_| Some(Answer::Status(200, vec![("content-encoding", "gzip".into())], gzip.to_vec().into())));
    assert_eq!(server.source().server().unwrap().get("checkpoint", 5).await.unwrap(), "hello");
    assert!(server.source().server().unwrap().get("checkpoint", 4).await.is_err());
    server.fault(|_| Some(ok("hello")));
    assert_eq!(server.source().server().unwrap().get("checkpoint", 5).await.unwrap(), "hello");
}
