//! Whole logs read again.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use acta_client::audit::{AuditError, Audited, ConflictingHeads, HeadStore, audit, check_all};
use tlog::checkpoint::SignedCheckpoint;
use tlog::evidence::Evidence;
use tlog::tiles::{Resource, bundles_of, tiles_of};

use crate::server::{Answer, Server, Tree, entry, ok, policy};

async fn run(server: &Server, state: &Path) -> Result<Audited, AuditError> {
    let log = server.open().await?;
    audit(&log, &policy(), &HeadStore::new(state), |_, _| ()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_honest_log_of_any_size_passes() {
    for size in [0, 1, 255, 256, 257, 511, 512, 5000, 65_535, 65_536, 66_000] {
        let server = Server::start(Tree::new(size)).await;
        let log = server.open().await.unwrap();
        let told = AtomicU64::new(0);
        let (entries, bytes) = check_all(&log, |entries, _| {
            told.fetch_add(entries, Ordering::Relaxed);
        })
        .await
        .unwrap();
        assert_eq!((entries, told.into_inner()), (size, size));
        assert_eq!(bytes, (0..size).map(|index| entry(index).len() as u64).sum::<u64>());
    }
}

/// The guard itself: whichever resource is wrong, the audit says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_altered_is_found() {
    let server = Server::start(Tree::new(66_000)).await;
    let size = server.tree().size();
    let tiles = tiles_of(size).filter(|id| id.level() > 0 || [0, 100, 256, 257].contains(&id.number())).map(Resource::Tile);
    let bundles = bundles_of(size).filter(|id| [0, 100, 256, 257].contains(&id.number())).map(Resource::Bundle);
    for resource in tiles.chain(bundles) {
        let good = server.tree().resource(resource).unwrap();
        for at in [5, good.len() - 1] {
            let mut bad = good.to_vec();
            bad[at] ^= 1;
            server.fault(move |path| (path == resource.path()).then(|| ok(bad.clone())));
            let state = tempfile::tempdir().unwrap();
            let error = run(&server, state.path()).await.unwrap_err();
            assert!(!error.is_unavailable(), "{resource}: {error}");
            assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0, "a head that failed is not kept");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_fit_each_other_but_not_the_head_are_found() {
    let server = Server::start(Tree::new(600)).await;
    let mut other = Tree::new(599);
    other.append("something else".into());
    server.fault(move |path| other.resource(Resource::parse(path)?).map(ok));
    let log = server.open().await.unwrap();
    assert!(matches!(check_all(&log, |_, _| ()).await, Err(AuditError::WrongRoot)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_growing_log_continues_what_was_seen() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(Tree::new(100)).await;
    let mut before = None;
    for index in [100, 100, 300, 1000] {
        for index in 100..index {
            server.tree().append(entry(index));
        }
        let audited = run(&server, state.path()).await.unwrap();
        assert_eq!(audited.previous, before);
        before = Some(server.tree().size());
    }
}

fn conflict(state: &Path, error: &AuditError) -> ConflictingHeads {
    let AuditError::Conflict { evidence, .. } = error else { panic!("no conflict: {error}") };
    let kept = evidence.kept.as_ref().unwrap();
    assert!(kept.starts_with(state));
    serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap()
}

/// The file that convicts the log, if there is one: it does so with the log's key alone.
fn convicting_file(error: &AuditError) -> Option<String> {
    let AuditError::Conflict { evidence, .. } = error else { panic!("no conflict: {error}") };
    let file = std::fs::read_to_string(evidence.convicts.as_ref()?).unwrap();
    Evidence::parse(file.as_bytes()).unwrap().verify(&policy().log_keys()).unwrap();
    Some(file)
}

/// Also where a proof of consistency would not tell: from sizes that are powers of two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_changed_an_entry_is_convicted_whatever_its_size_was() {
    for size in [8, 255, 256, 257, 511, 512] {
        let state = tempfile::tempdir().unwrap();
        let server = Server::start(Tree::new(size)).await;
        run(&server, state.path()).await.unwrap();
        let mut changed = Tree::new(7);
        changed.append("instead".into());
        for index in 8..700 {
            changed.append(entry(index));
        }
        *server.tree() = changed;
        let error = run(&server, state.path()).await.unwrap_err();
        assert!(convicting_file(&error).is_some(), "{size}");
    }
}

/// Case 50.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_shrinks_or_forks_fails_and_both_heads_are_kept() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(Tree::new(1000)).await;
    run(&server, state.path()).await.unwrap();
    let seen = server.tree().checkpoint().to_bytes();
    let fork = |size: u64| {
        let mut tree = Tree::new(499);
        tree.append("instead".into());
        for index in 500..size {
            tree.append(entry(index));
        }
        tree
    };
    for (tree, kind) in [(Tree::new(999), None), (fork(1000), Some("same-size")), (fork(1500), Some("divergent")), (Tree::new(0), None)] {
        let served = tree.checkpoint().to_bytes();
        *server.tree() = tree;
        let error = run(&server, state.path()).await.unwrap_err();
        let heads = conflict(state.path(), &error);
        assert_eq!(heads.earlier.as_bytes(), seen);
        assert_eq!(heads.served.as_bytes(), served);
        SignedCheckpoint::parse(heads.served.as_bytes()).unwrap();
        // A log that is shorter than it was may have gone back; one that has something else is convicted.
        let file = convicting_file(&error);
        assert_eq!(file.as_ref().map(|file| file.lines().nth(1).unwrap().trim_start_matches("kind ")), kind);
        assert_eq!(error.to_string().contains("convicts the log by itself"), kind.is_some());
        let files = std::fs::read_dir(state.path()).unwrap().count();
        run(&server, state.path()).await.unwrap_err();
        assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), files, "the same conflict is kept once");
    }
    // What was seen stays what counts.
    *server.tree() = Tree::new(1001);
    run(&server, state.path()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_that_cannot_be_written_is_still_told_with_both_heads() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(Tree::new(1000)).await;
    run(&server, state.path()).await.unwrap();
    *server.tree() = Tree::new(999);
    let error = run(&server, state.path()).await.unwrap_err();
    let written = conflict(state.path(), &error);
    let AuditError::Conflict { evidence, .. } = &error else { panic!("{error}") };
    let path = evidence.kept.as_ref().unwrap();
    // A directory in the file's place.
    std::fs::remove_file(path).unwrap();
    std::fs::create_dir(path).unwrap();
    let error = run(&server, state.path()).await.unwrap_err();
    let AuditError::Conflict { evidence, .. } = &error else { panic!("{error}") };
    assert!(evidence.kept.is_err());
    let heads = &evidence.heads;
    assert_eq!((&heads.earlier, &heads.served), (&written.earlier, &written.served));
    let told = error.to_string();
    let printed: ConflictingHeads = serde_json::from_str(&told[told.find('{').unwrap()..]).unwrap();
    assert_eq!((printed.earlier, printed.served), (written.earlier, written.served));
}

/// A log that forked can simply not serve the tiles that would show it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_heads_are_kept_when_the_log_withholds_or_garbles_the_proof() {
    for answer in [|| Answer::Status(404, Vec::new(), "".into()), || ok("garbage"), || ok(vec![0; 8192])] {
        let state = tempfile::tempdir().unwrap();
        let server = Server::start(Tree::new(1000)).await;
        run(&server, state.path()).await.unwrap();
        let seen = server.tree().checkpoint().to_bytes();
        *server.tree() = Tree::new(1100);
        server.fault(move |path| path.starts_with("tile/0").then(answer));
        let error = run(&server, state.path()).await.unwrap_err();
        let AuditError::Unproven { evidence, .. } = &error else { panic!("{error}") };
        let kept = evidence.kept.as_ref().unwrap();
        let heads: ConflictingHeads = serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
        assert_eq!((heads.earlier.as_bytes(), heads.format.as_str()), (seen.as_slice(), ConflictingHeads::FORMAT_UNPROVEN));
        assert_eq!(heads.served, server.tree().checkpoint().to_string());
        // It may have been an accident: a log that then shows it passes.
        server.fault(|_| None);
        run(&server, state.path()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_does_not_undo_another_that_ended_meanwhile() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(Tree::new(100)).await;
    run(&server, state.path()).await.unwrap();
    let path = std::fs::read_dir(state.path()).unwrap().next().unwrap().unwrap().path();
    server.tree().append(entry(100));
    let log = server.open().await.unwrap();
    let newer = Tree::new(200).checkpoint().to_bytes();
    // The other audit ends while this one reads.
    let other = |_, _| std::fs::write(&path, &newer).unwrap();
    let error = audit(&log, &policy(), &HeadStore::new(state.path()), other).await.unwrap_err();
    assert!(matches!(&error, AuditError::Heads(error) if error.to_string().contains("run this audit again")), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), newer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_head_of_the_last_audit_is_not_ignored() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(Tree::new(10)).await;
    run(&server, state.path()).await.unwrap();
    let path = std::fs::read_dir(state.path()).unwrap().next().unwrap().unwrap().path();
    let good = std::fs::read_to_string(&path).unwrap();
    for bad in [String::new(), good[..good.len() - 1].to_owned(), good.replace("\n10\n", "\n9\n"), "x".repeat(1 << 18)] {
        std::fs::write(&path, bad).unwrap();
        assert!(matches!(run(&server, state.path()).await, Err(AuditError::Heads(_))));
    }
}
