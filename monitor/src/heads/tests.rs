#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::path::Path;

use acta_client::location::Location;
use acta_client::source::{Options, Source as Place};
use acta_client::verified::VerifiedLog;
use tlog::evidence::{Contradiction, Evidence};

use super::fixture::{Tree, keys, policy, sign};
use super::*;
use crate::check::Outcome;
use crate::finding::Code;
use crate::history::History;
use crate::store::StoreOptions;

const LOG: u32 = 1;

/// A store in which `size` entries of `tree` were followed, with the heads of these sizes.
fn followed(tree: &Tree, size: u64, heads: &[u64]) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(&dir.path().join("db"), StoreOptions::default()).unwrap();
    tree.follow(&store, LOG, size);
    for size in heads {
        let head = tree.log_head(*size);
        write(&store, |txn| {
            note(txn, LOG, &head, Timestamp::UNIX_EPOCH, &Source::Log)?;
            settle(txn, LOG, head.checkpoint(), Standing::Followed)
        });
    }
    (dir, store)
}

fn write<T>(store: &Store, fill: impl FnOnce(&mut Txn<'_>) -> Result<T, StoreError>) -> T {
    store.write(fill).unwrap()
}

fn judged(store: &Store, size: u64, head: &LogHead) -> Comparison {
    judge(&History::new(store, LOG, TreeSize::new(size)), &all(store, LOG).unwrap(), head, &keys()).unwrap()
}

fn verified(comparison: &Comparison) -> &Evidence {
    let Comparison::Convicts(evidence) = comparison else { panic!("{comparison:?}") };
    // As anybody would: from the bytes, with the key alone.
    let parsed = Evidence::parse(&evidence.to_bytes()).unwrap();
    parsed.verify(&keys()).unwrap();
    evidence
}

async fn served(dir: &Path, tree: &Tree, size: u64) -> VerifiedLog {
    tree.serve(dir, size, &tree.head(size));
    VerifiedLog::open(Place::new(&Location::directory(dir), &Options::default()).unwrap(), &policy()).await.unwrap()
}

#[test]
fn what_was_read_convicts_a_fork_at_every_place_without_asking_anybody() {
    let own = Tree::new("own", 600, 600);
    let (_dir, store) = followed(&own, 600, &[3, 300, 600]);
    // Forks before, at and after powers of two and bundles, and heads of all relations to the followed ones.
    for shared in [0, 1, 2, 7, 8, 255, 256, 257, 298, 511, 512, 598] {
        let fork = Tree::new("fork", shared, 600);
        for size in [shared + 1, shared + 2, 256, 300, 512, 599, 600] {
            if size <= shared || size > 600 {
                continue;
            }
            let comparison = judged(&store, 600, &fork.log_head(size));
            let evidence = verified(&comparison);
            let same_size = matches!(evidence.contradiction(), Contradiction::SameSize);
            assert_eq!(same_size, [3, 300, 600].contains(&size), "{shared} {size}");
        }
        for size in [1, 2, 256, 300].into_iter().filter(|size| *size <= shared) {
            let comparison = judged(&store, 600, &fork.log_head(size));
            assert!(matches!(comparison, Comparison::Same | Comparison::Consistent), "{shared} {size}: {comparison:?}");
        }
    }
}

#[test]
fn a_head_beyond_what_was_read_waits_and_so_does_what_no_head_covers_yet() {
    let (own, fork) = (Tree::new("own", 3, 40), Tree::new("fork", 3, 40));
    let (_dir, store) = followed(&own, 30, &[10]);
    for head in [own.log_head(31), fork.log_head(31), fork.log_head(20)] {
        assert!(matches!(judged(&store, 30, &head), Comparison::Behind { .. }));
    }
    verified(&judged(&store, 30, &fork.log_head(9)));
    // Two heads of one size convict, wherever they are.
    write(&store, |txn| note(txn, LOG, &own.log_head(35), Timestamp::UNIX_EPOCH, &Source::Witness("w".into())));
    verified(&judged(&store, 30, &fork.log_head(35)));
}

#[test]
fn an_honest_log_is_never_convicted() {
    let own = Tree::new("own", 0, 300);
    let (_dir, store) = followed(&own, 280, &[1, 256, 280]);
    for size in 0..=300 {
        let comparison = judged(&store, 280, &own.log_head(size));
        let fine = match comparison {
            Comparison::Same => [1, 256, 280].contains(&size),
            Comparison::Consistent => size <= 280,
            Comparison::Behind { .. } => size > 280,
            _ => false,
        };
        assert!(fine, "{size}");
    }
    // Nothing convicts of a wrong root of nothing: no part of the tree differs.
    let odd = LogHead::verify(&sign(0, tlog::Hash::leaf(b"x")), &policy()).unwrap();
    assert!(matches!(judged(&store, 280, &odd), Comparison::Unproven(_)));
}

#[tokio::test]
async fn what_the_log_serves_convicts_it_or_shows_that_it_continues() {
    let (own, fork) = (Tree::new("own", 300, 700), Tree::new("fork", 300, 700));
    let dir = tempfile::tempdir().unwrap();
    let log = served(dir.path(), &own, 600).await;
    assert!(matches!(compare(&log, &own.head(600), &keys()).await, Comparison::Same));
    assert!(matches!(compare(&log, &own.head(299), &keys()).await, Comparison::Consistent));
    assert!(matches!(compare(&log, &own.head(601), &keys()).await, Comparison::Behind { .. }));
    for size in [301, 512, 599, 600] {
        verified(&compare(&log, &fork.head(size), &keys()).await);
    }
}

#[tokio::test]
async fn what_is_withheld_or_does_not_fit_proves_nothing() {
    let (own, fork) = (Tree::new("own", 300, 700), Tree::new("fork", 300, 700));
    let dir = tempfile::tempdir().unwrap();
    // A head of the other history over the tiles of this one.
    own.serve(dir.path(), 600, &fork.head(600));
    let place = Place::new(&Location::directory(dir.path()), &Options::default()).unwrap();
    let log = VerifiedLog::open(place.clone(), &policy()).await.unwrap();
    assert!(matches!(compare(&log, &own.head(400), &keys()).await, Comparison::Unproven(_)));
    // Equal sizes need no tiles.
    verified(&compare(&log, &own.head(600), &keys()).await);
    // Nothing there for a head that is larger than what is served.
    let log = VerifiedLog::at(place, policy().verify(&fork.head(601)).unwrap());
    assert!(matches!(compare(&log, &own.head(600), &keys()).await, Comparison::Unavailable(_)));
}

#[test]
fn a_receipt_of_another_entry_convicts_by_that_entry() {
    let (own, fork) = (Tree::new("own", 3, 600), Tree::new("fork", 3, 600));
    let (_dir, store) = followed(&own, 500, &[300, 500]);
    let known = all(&store, LOG).unwrap();
    let history = History::new(&store, LOG, TreeSize::new(500));
    let judge = |tree: &Tree, index, size| judge_receipt(&history, &known, &tree.receipt(index, size), tree.leaf(index), &keys()).unwrap();
    // Also under a head that is larger than what was read.
    for (index, size) in [(3, 4), (7, 8), (299, 400), (299, 300), (310, 600), (499, 600)] {
        let evidence = judge(&fork, index, size).unwrap();
        assert!(Evidence::parse(&evidence.to_bytes()).unwrap().verify(&keys()).is_ok());
        match evidence.contradiction() {
            Contradiction::Divergent { subtree, .. } => assert_eq!((subtree.start(), subtree.end()), (index, index + 1)),
            _ => assert_eq!(size, 300),
        }
    }
    for (tree, index, size) in [(&own, 3, 400), (&own, 599, 600), (&fork, 2, 600), (&fork, 550, 600)] {
        assert!(judge(tree, index, size).is_none());
    }
}

#[test]
fn a_head_that_the_log_did_not_sign_is_none_and_foreign_lines_are_dropped() {
    let other =
        tlog::key::SigningKey::from_seed(tlog::key::KeyName::new(fixture::ORIGIN).unwrap(), tlog::key::Algorithm::Ed25519, &[2; 32])
            .unwrap();
    let genuine = Tree::new("own", 0, 5).head(5);
    let forged = SignedCheckpoint::sign(genuine.checkpoint(), &[&other]).unwrap();
    assert!(LogHead::verify(&forged, &policy()).is_err());
    let mut with_foreign = genuine.clone();
    with_foreign.add_signature(forged.note().signatures()[0].clone()).unwrap();
    assert_eq!(LogHead::verify(&with_foreign, &policy()).unwrap().signed(), &genuine);
}

#[test]
fn the_rows_of_a_log_are_bounded_and_the_oldest_unsettled_heads_stay() {
    let own = Tree::new("own", 0, 1300);
    let (_dir, store) = followed(&own, 1, &[]);
    let at = |second: u64| Timestamp::from_second(i64::try_from(second).unwrap()).unwrap();
    let source = Source::Witness("w".into());
    for size in 1..=400 {
        write(&store, |txn| note(txn, LOG, &own.log_head(size), at(size), &source));
    }
    let sizes = |standing| -> Vec<u64> {
        let seen = all(&store, LOG).unwrap().into_iter().filter(|seen| seen.standing == standing);
        seen.map(|seen| seen.head.checkpoint().size().as_u64()).collect()
    };
    let pending = sizes(Standing::Pending);
    assert_eq!(pending.len(), MAX_UNSETTLED);
    assert_eq!((pending[0], pending[126], pending[127]), (1, 127, 400));
    // What continues the log gives way first, but not a head for which it is to be seen whether the log's own address comes to show it.
    for size in [40, 50] {
        write(&store, |txn| settle(txn, LOG, own.log_head(size).checkpoint(), Standing::Continues));
    }
    write(&store, |txn| set_behind(txn, LOG, own.log_head(40).checkpoint(), Some(at(40))));
    write(&store, |txn| note(txn, LOG, &own.log_head(401), at(401), &source));
    assert_eq!((sizes(Standing::Continues), sizes(Standing::Pending).len()), (vec![40], 127));

    for size in 500..1300 {
        let head = own.log_head(size);
        write(&store, |txn| {
            note(txn, LOG, &head, at(size), &Source::Log)?;
            if matches!(size, 701 | 702) {
                note(txn, LOG, &head, at(size), &Source::Witness(format!("slow {size}")))?;
            }
            settle(txn, LOG, head.checkpoint(), Standing::Followed)
        });
    }
    let kept = sizes(Standing::Followed);
    assert!(kept.len() <= MAX_FOLLOWED && kept.len() > MAX_FOLLOWED / 2, "{}", kept.len());
    assert!([500, 701, 702].iter().all(|size| kept.contains(size)), "the first, and what somebody still shows");
    assert!((1236..1300).all(|size| kept.contains(&size)));
    assert_eq!(newest(&all(&store, LOG).unwrap()).unwrap().head.checkpoint().size().as_u64(), 1299);
    let shown = shown(&store, LOG).unwrap();
    assert_eq!(
        shown.iter().map(|(source, shown)| (source.to_string(), shown.size)).collect::<Vec<_>>(),
        [("log", 1299), ("witness slow 701", 701), ("witness slow 702", 702), ("witness w", 401)]
            .map(|(source, size)| (source.to_owned(), size))
    );
}

#[test]
fn a_head_that_convicted_its_log_stays_so_and_the_first_of_them_stay() {
    let own = Tree::new("own", 0, 100);
    let (_dir, store) = followed(&own, 1, &[]);
    for size in 1..=100 {
        let head = own.log_head(size);
        write(&store, |txn| {
            note(txn, LOG, &head, Timestamp::UNIX_EPOCH, &Source::Log)?;
            settle(txn, LOG, head.checkpoint(), Standing::Contradicts)?;
            settle(txn, LOG, head.checkpoint(), Standing::Continues)
        });
    }
    let seen = all(&store, LOG).unwrap();
    assert_eq!(seen.len(), MAX_CONTRADICTING);
    assert!(seen.iter().all(|seen| seen.standing == Standing::Contradicts));
}

#[test]
fn one_head_at_two_places_is_one_row_with_both() {
    let own = Tree::new("own", 0, 9);
    let (_dir, store) = followed(&own, 1, &[]);
    let see = |second, source| {
        let at = Timestamp::from_second(second).unwrap();
        write(&store, |txn| note(txn, LOG, &own.log_head(9), at, &source))
    };
    assert_eq!(see(5, Source::Log), Noted::New);
    assert_eq!(see(6, Source::Monitor("https://m".into())), Noted::Known(Standing::Pending));
    assert_eq!(see(7, Source::Log), Noted::Known(Standing::Pending));
    let seen = all(&store, LOG).unwrap();
    assert_eq!((seen.len(), seen[0].sightings.len(), seen[0].first_seen().as_second()), (1, 2, 5));
}

#[test]
fn evidence_is_on_the_disk_before_the_finding_and_a_doubt_goes_when_it_is_decided() {
    let (own, fork) = (Tree::new("own", 3, 40), Tree::new("fork", 3, 40));
    let (dir, store) = followed(&own, 30, &[30]);
    let files = dir.path().join("evidence");
    let unproven = Comparison::Unproven("it did not fit".to_owned());
    let tell = |comparison: &Comparison, head: &LogHead, source: &Source| {
        let mut out = Outcome::default();
        let standing = report(&files, comparison, &own.head(30), head.signed(), source, Timestamp::UNIX_EPOCH, &mut out).unwrap();
        (standing, out)
    };
    let fork_head = fork.log_head(20);
    let (standing, doubt) = tell(&unproven, &fork_head, &Source::Log);
    assert_eq!((standing, &doubt.raised()[0].code, &doubt.raised()[0].evidence), (Standing::Unproven, &Code::LOG_UNPROVEN, &None));
    let receipt = Source::Receipt { index: tlog::LeafIndex::new(7), leaf: fork.leaf(7) };
    let (standing, out) = tell(&judged(&store, 30, &fork_head), &fork_head, &receipt);
    assert_eq!(standing, Standing::Contradicts);
    let codes: Vec<_> = out.raised().iter().map(|raised| raised.code.clone()).collect();
    assert_eq!(codes, [Code::LOG_FORK, Code::LOG_RECEIPT]);
    for raised in out.raised() {
        let bytes = crate::evidence::read(&files, raised.evidence.as_ref().unwrap()).unwrap().unwrap();
        assert!(Evidence::parse(&bytes).unwrap().verify(&keys()).is_ok());
    }
    assert_eq!(out.cleared(), [(Code::LOG_UNPROVEN, doubt.raised()[0].subject.clone())]);
}
