#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod behind;
mod desk;

use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::{Hash, TreeSize};
use tokio::net::TcpListener;

use super::*;
use crate::finding::Code;
use crate::findings::events_after;
use crate::heads::Standing;
use crate::heads::fixture::{ORIGIN, Tree};
use desk::{Desk, http, server, showing, witness_key};

#[tokio::test]
async fn what_a_witness_or_a_monitor_was_shown_convicts_a_log_that_forked_before() {
    // Before, at and after powers of two and the ends of bundles; shown heads of fewer, equally many and other numbers of entries.
    for (shared, size, code) in [
        (3, 7, Code::LOG_FORK),
        (255, 256, Code::LOG_FORK),
        (256, 257, Code::LOG_FORK),
        (256, 512, Code::LOG_FORK),
        (300, 599, Code::LOG_FORK),
        (300, 600, Code::LOG_SAME_SIZE),
    ] {
        let (own, fork) = (Tree::new("own", 0, 600), Tree::new("fork", shared, 600));
        let own = if shared > 0 { Tree::new("own", shared, 600) } else { own };
        for as_witness in [true, false] {
            let mut desk = Desk::new();
            let url = showing(&fork.head(size)).await;
            if as_witness {
                desk.witnesses.push(url);
            } else {
                desk.section.monitors.push(url);
            }
            desk.follow(&own, 600, 600);
            desk.views().round().await.unwrap();
            desk.views().round().await.unwrap();
            assert_eq!(desk.codes(), std::slice::from_ref(&code), "{shared} {size}");
            assert_eq!(desk.standing(&fork.head(size)), Some(Standing::Contradicts));
            assert_eq!(desk.standing(&own.head(600)), Some(Standing::Followed));
            assert_eq!(events_after(&desk.store, 0, 100).unwrap().len(), 1, "what is seen twice is found once");
        }
    }
}

#[tokio::test]
async fn an_honest_log_raises_nothing_whether_a_witness_is_behind_or_ahead() {
    let own = Tree::new("own", 0, 700);
    let mut desk = Desk::new();
    for size in [0, 1, 256, 599, 600, 601, 650] {
        desk.witnesses.push(showing(&own.head(size)).await);
    }
    desk.follow(&own, 600, 600);
    // A mirror is ahead, and can show that it continues what was read.
    std::fs::create_dir(desk.path("mirror")).unwrap();
    own.serve(&desk.path("mirror"), 640, &own.head(640));
    desk.section.mirrors.push(desk.path("mirror").to_str().unwrap().to_owned());
    desk.views().round().await.unwrap();
    assert_eq!(desk.codes(), []);
    assert_eq!(desk.standing(&own.head(599)), Some(Standing::Followed));
    assert_eq!(desk.standing(&own.head(640)), Some(Standing::Continues));
    assert_eq!(desk.standing(&own.head(650)), Some(Standing::Pending));
    // The log comes as far, and all of them are part of it.
    desk.wait(100);
    desk.follow(&own, 660, 660);
    desk.views().settle().await.unwrap();
    for size in [1, 256, 600, 601, 640, 650, 660] {
        assert_eq!(desk.standing(&own.head(size)), Some(Standing::Followed), "{size}");
    }
    assert_eq!(desk.codes(), []);
}

#[tokio::test]
async fn a_larger_fork_is_a_rollback_for_as_long_as_the_log_hides_it_and_a_fork_once_it_has_grown() {
    let (own, fork) = (Tree::new("own", 300, 700), Tree::new("fork", 300, 700));
    let mut desk = Desk::new();
    desk.witnesses.push(showing(&fork.head(650)).await);
    desk.follow(&own, 600, 600);
    let views = desk.views();
    views.round().await.unwrap();
    assert_eq!((desk.codes(), desk.standing(&fork.head(650))), (vec![], Some(Standing::Pending)));
    // Not reached, it shows nothing, and nothing is said.
    desk.wait(3600);
    views.round().await.unwrap();
    assert_eq!(desk.codes(), []);
    // It is, and still shows fewer.
    desk.follow(&own, 600, 600);
    views.round().await.unwrap();
    assert_eq!(desk.codes(), [Code::LOG_ROLLBACK]);
    desk.follow(&own, 660, 660);
    views.settle().await.unwrap();
    assert_eq!(desk.codes(), [Code::LOG_FORK]);
}

#[tokio::test]
async fn a_log_that_shows_less_and_then_as_much_again_is_only_slow() {
    let own = Tree::new("own", 0, 700);
    let desk = Desk::new();
    let views = desk.views();
    for (served, codes) in [(600, vec![]), (590, vec![]), (600, vec![]), (590, vec![]), (591, vec![Code::LOG_ROLLBACK]), (601, vec![])] {
        desk.follow(&own, served, served.min(600));
        views.settle().await.unwrap();
        assert_eq!(desk.codes(), codes, "{served}");
        desk.wait(700);
    }
}

#[tokio::test]
async fn tiles_that_do_not_fit_a_head_are_a_doubt_and_become_a_fork_when_it_is_decided() {
    let (own, fork) = (Tree::new("own", 300, 700), Tree::new("fork", 300, 700));
    let mut desk = Desk::new();
    desk.witnesses.push(showing(&fork.head(650)).await);
    // The log's address serves tiles up to 650 of the one history, and the monitor has read 600.
    own.serve(&desk.path("log"), 650, &own.head(650));
    desk.follow(&own, 600, 600);
    let views = desk.views();
    views.round().await.unwrap();
    views.round().await.unwrap();
    let found = desk.findings();
    assert_eq!(found.iter().map(|finding| finding.code.clone()).collect::<Vec<_>>(), [Code::LOG_UNPROVEN]);
    assert_eq!(found[0].evidence, None, "what proves nothing is not called evidence");
    let pairs: Vec<_> =
        std::fs::read_dir(desk.path("evidence")).unwrap().flat_map(|log| std::fs::read_dir(log.unwrap().path()).unwrap()).collect();
    assert_eq!(pairs.len(), 1);
    desk.follow(&own, 660, 660);
    views.settle().await.unwrap();
    assert_eq!(desk.codes(), [Code::LOG_FORK]);
}

#[tokio::test]
async fn a_mirror_that_serves_the_other_history_convicts_the_log_before_it_has_grown() {
    let (own, fork) = (Tree::new("own", 256, 700), Tree::new("fork", 256, 700));
    let mut desk = Desk::new();
    std::fs::create_dir(desk.path("mirror")).unwrap();
    fork.serve(&desk.path("mirror"), 650, &fork.head(650));
    desk.section.mirrors.push(desk.path("mirror").to_str().unwrap().to_owned());
    desk.follow(&own, 600, 600);
    desk.views().round().await.unwrap();
    assert_eq!(desk.codes(), [Code::LOG_FORK]);
    // That the log does not grow into the lie is no rollback.
    desk.wait(10_000);
    desk.follow(&own, 601, 601);
    desk.views().round().await.unwrap();
    assert_eq!(desk.codes(), [Code::LOG_FORK]);
}

#[tokio::test]
async fn histories_that_differ_only_after_the_newest_head_are_found_at_the_addresses_that_serve_them() {
    let (one, other) = (Tree::new("one", 620, 700), Tree::new("other", 620, 700));
    let mut desk = Desk::new();
    for (name, tree, size) in [("mirror", &one, 640), ("other-mirror", &other, 650)] {
        std::fs::create_dir(desk.path(name)).unwrap();
        tree.serve(&desk.path(name), size, &tree.head(size));
        desk.section.mirrors.push(desk.path(name).to_str().unwrap().to_owned());
        desk.follow(&one, 600, 600);
        desk.views().round().await.unwrap();
    }
    assert_eq!(desk.codes(), [Code::LOG_FORK]);
}

#[tokio::test]
async fn a_head_of_more_entries_than_any_log_has_is_asked_about_and_no_more() {
    let own = Tree::new("own", 0, 600);
    let mut desk = Desk::new();
    desk.witnesses.push(showing(&crate::heads::fixture::sign(TreeSize::MAX.as_u64(), Hash::leaf(b"x"))).await);
    desk.follow(&own, 600, 600);
    let views = desk.views();
    views.round().await.unwrap();
    assert_eq!(desk.codes(), []);
    desk.wait(601);
    desk.follow(&own, 600, 600);
    views.round().await.unwrap();
    assert_eq!(desk.codes(), [Code::LOG_ROLLBACK]);
}

#[tokio::test]
async fn a_witness_that_dates_ahead_is_named_until_it_does_not() {
    let own = Tree::new("own", 0, 600);
    let mut desk = Desk::new();
    let (soon, far) = (1_000_200, 1_000_400);
    let dated = |time: u64| {
        let mut head = own.head(600);
        let cosigned = witness_key(0).cosign(head.checkpoint(), time).unwrap();
        head.add_signature(cosigned).unwrap();
        head
    };
    let shown = Arc::new(Mutex::new(dated(soon)));
    let showing = Arc::clone(&shown);
    desk.witnesses.push(server(move |_| http("200 OK", "", &showing.lock().unwrap().to_bytes()), false).await);
    desk.follow(&own, 600, 600);
    let views = desk.views();
    for (time, codes) in [(soon, vec![]), (far, vec![Code::LOG_FUTURE_HEAD]), (u64::MAX / 2, vec![Code::LOG_FUTURE_HEAD]), (soon, vec![])] {
        *shown.lock().unwrap() = dated(time);
        views.round().await.unwrap();
        assert_eq!(desk.codes(), codes, "{time}");
    }
}

#[tokio::test]
async fn what_the_log_withholds_is_a_doubt_after_a_while() {
    let (own, fork) = (Tree::new("own", 300, 700), Tree::new("fork", 300, 700));
    let mut desk = Desk::new();
    desk.witnesses.push(showing(&fork.head(400)).await);
    // Only 350 entries were read, and of the tiles nothing is there.
    desk.follow(&own, 600, 350);
    std::fs::remove_dir_all(desk.path("log").join("tile")).unwrap();
    let views = desk.views();
    views.round().await.unwrap();
    assert_eq!(desk.codes(), []);
    desk.wait(601);
    views.round().await.unwrap();
    assert_eq!(desk.codes(), [Code::LOG_UNPROVEN]);
    // With the tiles it is decided at once, and the doubt goes.
    own.serve(&desk.path("log"), 600, &own.head(600));
    views.round().await.unwrap();
    assert_eq!(desk.codes(), [Code::LOG_FORK]);
}

#[tokio::test]
async fn two_witnesses_that_saw_different_heads_of_one_size_convict_wherever_the_log_is() {
    let (one, other) = (Tree::new("one", 3, 900), Tree::new("other", 3, 900));
    let mut desk = Desk::new();
    desk.witnesses.push(showing(&one.head(800)).await);
    desk.witnesses.push(showing(&other.head(800)).await);
    desk.follow(&one, 5, 5);
    let views = desk.views();
    views.round().await.unwrap();
    assert_eq!(desk.codes(), [Code::LOG_SAME_SIZE]);
    desk.follow(&one, 900, 900);
    views.settle().await.unwrap();
    // Whichever came first: the one that is followed is no lie.
    assert_eq!(desk.standing(&one.head(800)), Some(Standing::Followed));
    assert_eq!(desk.standing(&other.head(800)), Some(Standing::Contradicts));
    assert!(desk.codes().contains(&Code::LOG_SAME_SIZE));
}

#[tokio::test]
async fn whoever_lies_about_a_log_has_it_suspected_of_nothing() {
    let own = Tree::new("own", 0, 700);
    let forger = SigningKey::from_seed(KeyName::new(ORIGIN).unwrap(), Algorithm::Ed25519, &[7; 32]).unwrap();
    let checkpoint = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::new(600), Hash::leaf(b"a lie"));
    let forged = SignedCheckpoint::sign(&checkpoint, &[&forger]).unwrap();
    // The true signature under another text.
    let altered = own.head(600).to_string().replace("600\n", "500\n").into_bytes();
    let other = SigningKey::from_seed(KeyName::new("example.org/other").unwrap(), Algorithm::Ed25519, &[8; 32]).unwrap();
    let elsewhere = Checkpoint::new(Origin::for_new_log("example.org/other").unwrap(), TreeSize::new(600), Hash::leaf(b"x"));
    let elsewhere = SignedCheckpoint::sign(&elsewhere, &[&other]).unwrap();
    let mut desk = Desk::new();
    let bodies: Vec<Vec<u8>> = vec![forged.to_bytes(), altered, elsewhere.to_bytes(), b"hello".to_vec(), Vec::new(), vec![b'x'; 1 << 20]];
    let lies = bodies.len() + 2;
    for body in bodies {
        desk.section.monitors.push(server(move |_| http("200 OK", "", &body), false).await);
    }
    let genuine = Tree::new("fork", 3, 700).head(600).to_bytes();
    let there = server(move |_| http("200 OK", "", &genuine), false).await;
    desk.section.monitors.push(server(move |_| http("302 Found", &format!("Location: {there}/\r\n"), b""), false).await);
    desk.section.monitors.push(server(|_| b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), true).await);
    desk.section.monitors.push(server(|_| http("404 Not Found", "", b""), false).await);
    desk.section.monitors.push(server(|_| http("500 Internal Server Error", "", b""), false).await);
    desk.section.monitors.push("http://127.0.0.1:1".to_owned());
    desk.follow(&own, 600, 600);
    let views = desk.views();
    views.round().await.unwrap();
    desk.wait(10_000);
    views.round().await.unwrap();
    assert_eq!(desk.codes(), []);
    assert_eq!(heads::all(&desk.store, 0).unwrap().len(), 1, "no head of theirs is kept");
    let counted = |answer| {
        let families = desk.registry.gather();
        let family = families.iter().find(|family| family.name() == "acta_monitor_views_asked_total").unwrap();
        let labels = |metric: &&prometheus::proto::Metric| metric.get_label().iter().any(|label| label.value() == answer);
        family.get_metric().iter().filter(labels).map(|metric| metric.get_counter().get_value().round().to_string()).collect::<String>()
    };
    assert_eq!((counted("refused"), counted("nothing"), counted("unavailable")), ((2 * lies).to_string(), "2".to_owned(), "4".to_owned()));
}

#[tokio::test]
async fn a_view_that_hangs_neither_stops_the_others_nor_the_end() {
    let (own, fork) = (Tree::new("own", 3, 100), Tree::new("fork", 3, 100));
    let mut desk = Desk::new();
    // A server that takes the connection and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    desk.witnesses.push(format!("http://{}", silent.local_addr().unwrap()));
    desk.witnesses.push(showing(&fork.head(50)).await);
    desk.follow(&own, 100, 100);
    let mut found = desk.store.watch();
    let (stop, stopping) = watch::channel(());
    let running = tokio::spawn(run(desk.views().parts, stopping));
    while desk.codes() != [Code::LOG_FORK] {
        found.changed().await.unwrap();
    }
    drop(stop);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_log_that_stalls_does_not_put_off_what_is_stored_of_it() {
    let (own, fork) = (Tree::new("own", 3, 100), Tree::new("fork", 3, 100));
    let mut desk = Desk::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    desk.own = Some(format!("http://{}", silent.local_addr().unwrap()));
    // Longer than this test is allowed to take.
    desk.section.timeout = serving::units::Span::seconds(3600);
    desk.witnesses.push(showing(&fork.head(80)).await);
    desk.follow(&own, 60, 60);
    let (stop, stopping) = watch::channel(());
    let running = tokio::spawn(run(desk.views().parts, stopping));
    // It is asked about the head that was seen, and says nothing.
    let _asked = silent.accept().await.unwrap();
    let mut found = desk.store.watch();
    desk.follow(&own, 100, 100);
    while desk.codes() != [Code::LOG_FORK] {
        found.changed().await.unwrap();
    }
    drop(stop);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_receipt_is_there_or_convicts_or_waits() {
    let (own, fork) = (Tree::new("own", 300, 700), Tree::new("fork", 300, 700));
    let desk = Desk::new();
    desk.follow(&own, 600, 600);
    let views = desk.views();
    views.settle().await.unwrap();
    let audit = async |tree: &Tree, index, size| audit_receipt(&views, &tree.receipt(index, size).to_bytes()).await.unwrap();
    assert!(matches!(audit(&own, 7, 600).await, Audited::Included { .. }));
    assert!(matches!(audit(&own, 599, 600).await, Audited::Included { .. }));
    assert!(matches!(audit(&own, 7, 650).await, Audited::Waits { .. }));
    assert!(matches!(audit(&fork, 620, 655).await, Audited::Waits { .. }));
    assert_eq!(desk.codes(), []);
    // Of an entry that both have, under a head that only one has.
    assert!(matches!(audit(&fork, 7, 500).await, Audited::NotIncluded { .. }));
    // Of an entry that differs, under a head larger than what was read.
    assert!(matches!(audit(&fork, 310, 690).await, Audited::NotIncluded { .. }));
    let found = desk.findings();
    let receipts: Vec<_> = found.iter().filter(|finding| finding.code == Code::LOG_RECEIPT).collect();
    assert_eq!((receipts.len(), found.len()), (2, 4));
    assert!(receipts.iter().all(|finding| finding.evidence.is_some()) && receipts[1].indexes == [310]);
    // Those that wait are decided when the log has come so far.
    desk.follow(&own, 700, 700);
    views.settle().await.unwrap();
    assert!(desk.findings().iter().any(|finding| finding.code == Code::LOG_RECEIPT && finding.indexes == [620]));
    assert!(matches!(audit(&own, 7, 650).await, Audited::Included { .. }));
}

#[tokio::test]
async fn what_is_no_receipt_of_a_followed_log_says_nothing_about_it() {
    let (own, fork) = (Tree::new("own", 300, 700), Tree::new("fork", 300, 700));
    let desk = Desk::new();
    desk.follow(&own, 600, 600);
    let views = desk.views();
    let receipt = fork.receipt(400, 500);
    // A proof of another place, another entry, or another head.
    let moved = tlog::proof::Proof::new(Some(b"fork 401".to_vec()), receipt.index(), receipt.hashes().to_vec(), fork.head(500)).unwrap();
    let bare = tlog::proof::Proof::new(None, receipt.index(), receipt.hashes().to_vec(), fork.head(500)).unwrap();
    let forged = receipt.to_string().replace("500\n", "501\n");
    for bytes in [moved.to_bytes(), bare.to_bytes(), forged.into_bytes(), b"c2sp.org/tlog-proof@v1\n".to_vec(), vec![0; 1 << 20]] {
        assert!(audit_receipt(&views, &bytes).await.is_err());
    }
    assert_eq!(desk.codes(), []);
    assert_eq!(heads::all(&desk.store, 0).unwrap().len(), 1);
}

#[tokio::test]
async fn receipts_that_were_handed_over_are_looked_at_once() {
    let (own, fork) = (Tree::new("own", 300, 700), Tree::new("fork", 300, 700));
    let desk = Desk::new();
    desk.follow(&own, 600, 600);
    assert!(hand_over(&desk.path("receipts"), &fork.receipt(400, 500).to_bytes()).unwrap());
    assert!(hand_over(&desk.path("receipts"), b"junk").unwrap());
    std::fs::write(desk.path("receipts").join("notes.txt"), b"mine").unwrap();
    desk.views().round().await.unwrap();
    assert!(desk.codes().contains(&Code::LOG_RECEIPT));
    let left: Vec<_> = std::fs::read_dir(desk.path("receipts")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
}

#[tokio::test]
async fn other_monitors_are_shown_the_newest_head_that_was_followed() {
    let (own, fork) = (Tree::new("own", 300, 700), Tree::new("fork", 300, 700));
    let mut desk = Desk::new();
    assert_eq!(gossip(&desk.store, 0).unwrap(), None);
    desk.follow(&own, 600, 500);
    assert_eq!(gossip(&desk.store, 0).unwrap(), Some(own.head(600).to_bytes()));
    desk.section.monitors.push(showing(&fork.head(690)).await);
    desk.follow(&own, 600, 600);
    desk.views().round().await.unwrap();
    assert_eq!(gossip(&desk.store, 0).unwrap(), Some(own.head(600).to_bytes()));
}

#[tokio::test]
async fn evidence_that_cannot_be_kept_is_an_error_and_is_found_again() {
    let (own, fork) = (Tree::new("own", 3, 100), Tree::new("fork", 3, 100));
    let mut desk = Desk::new();
    desk.witnesses.push(showing(&fork.head(50)).await);
    desk.follow(&own, 100, 100);
    std::fs::write(desk.path("evidence"), b"in the way").unwrap();
    // A head that needs no evidence is settled all the same.
    desk.witnesses.push(showing(&own.head(70)).await);
    let views = desk.views();
    assert!(matches!(views.round().await, Err(ViewsError::Evidence(_))));
    assert_eq!((desk.standing(&own.head(70)), desk.standing(&fork.head(50))), (Some(Standing::Followed), Some(Standing::Pending)));
    assert_eq!(desk.codes(), [], "no finding without its evidence");
    std::fs::remove_file(desk.path("evidence")).unwrap();
    views.round().await.unwrap();
    assert_eq!(desk.codes(), [Code::LOG_FORK]);
}
