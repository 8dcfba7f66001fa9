//! A log that is a little behind what others saw of it, and one that is too far behind.

use tlog::checkpoint::SignedCheckpoint;

use super::super::*;
use super::desk::{Desk, http, server};
use crate::finding::Code;
use crate::heads::fixture::{Tree, sign};

/// From one look to the next.
const STEP: i64 = 60;

/// A witness, or another monitor, that shows whichever head it is given.
struct Shows(Arc<Mutex<SignedCheckpoint>>);

impl Shows {
    async fn at(address: &mut Vec<String>, first: SignedCheckpoint) -> Shows {
        let shown = Arc::new(Mutex::new(first));
        let showing = Arc::clone(&shown);
        address.push(server(move |_| http("200 OK", "", &showing.lock().unwrap().to_bytes()), false).await);
        Shows(shown)
    }

    fn show(&self, head: SignedCheckpoint) {
        *self.0.lock().unwrap() = head;
    }
}

/// A log that grows with each look, and shows each head so many looks after others have seen it. The findings about it after each look.
async fn grows(late: u64, as_witness: bool) -> Vec<Vec<Code>> {
    let tree = Tree::new("own", 0, 100);
    let mut desk = Desk::new();
    let place = if as_witness { &mut desk.witnesses } else { &mut desk.section.monitors };
    let ahead = Shows::at(place, tree.head(20)).await;
    let views = desk.views();
    let mut codes = Vec::new();
    for size in 20..80 {
        desk.follow(&tree, size, size);
        // The one who is ahead is asked after the log, so it never is as far as others.
        ahead.show(tree.head(size + late));
        views.round().await.unwrap();
        views.settle().await.unwrap();
        codes.push(desk.codes());
        desk.wait(STEP);
    }
    codes
}

#[tokio::test]
async fn a_log_that_shows_every_head_a_little_later_than_others_is_never_accused_however_long_it_grows() {
    for as_witness in [true, false] {
        for late in [1, 9] {
            let codes = grows(late, as_witness).await;
            assert!(codes.iter().all(Vec::is_empty), "{late} {as_witness}: {codes:?}");
        }
    }
}

#[tokio::test]
async fn a_log_that_shows_every_head_too_late_is_accused_though_it_grows() {
    for as_witness in [true, false] {
        let codes = grows(11, as_witness).await;
        assert!(codes[..10].iter().all(Vec::is_empty), "{codes:?}");
        assert!(codes[10..].iter().all(|codes| *codes == [Code::LOG_ROLLBACK]), "{codes:?}");
    }
}

#[tokio::test]
async fn a_head_that_the_log_leaves_out_is_found_among_those_that_it_soon_shows() {
    let (own, fork) = (Tree::new("own", 0, 400), Tree::new("fork", 0, 400));
    let mut desk = Desk::new();
    let honest = Shows::at(&mut desk.witnesses, own.head(21)).await;
    Shows::at(&mut desk.witnesses, fork.head(300)).await;
    let views = desk.views();
    for size in 20..=30 {
        assert_eq!(desk.codes(), [], "{size}");
        desk.follow(&own, size, size);
        honest.show(own.head(size + 1));
        views.round().await.unwrap();
        desk.wait(STEP);
    }
    let found = desk.findings().remove(0);
    assert_eq!(found.code, Code::LOG_ROLLBACK);
    assert!(found.text.contains("1970-01-12T13:46:40Z than it signed: 30 now, but a head of 300 entries"), "{}", found.text);
}

#[tokio::test]
async fn a_log_that_could_not_be_reached_gets_its_time_once_it_can_be() {
    let own = Tree::new("own", 0, 100);
    let mut desk = Desk::new();
    desk.follow(&own, 50, 50);
    desk.wait(STEP);
    Shows::at(&mut desk.witnesses, own.head(60)).await;
    let views = desk.views();
    views.round().await.unwrap();
    // It went away after its witness had signed, and shows what it showed before when it is back.
    desk.wait(10_000);
    desk.follow(&own, 50, 50);
    views.round().await.unwrap();
    assert_eq!(desk.codes(), []);
    desk.wait(601);
    desk.follow(&own, 50, 50);
    views.round().await.unwrap();
    assert_eq!(desk.codes(), [Code::LOG_ROLLBACK]);
}

#[tokio::test]
async fn how_long_a_head_was_larger_than_the_log_showed_does_not_count_against_it_as_withheld() {
    let own = Tree::new("own", 0, 700);
    let mut desk = Desk::new();
    Shows::at(&mut desk.witnesses, own.head(650)).await;
    desk.follow(&own, 600, 350);
    let views = desk.views();
    views.round().await.unwrap();
    desk.wait(STEP);
    desk.follow(&own, 600, 350);
    desk.wait(599);
    // The log comes as far, and the one request that shows how the head stands fails.
    desk.follow(&own, 660, 350);
    let without_tiles = || std::fs::remove_dir_all(desk.path("log").join("tile")).unwrap();
    without_tiles();
    views.round().await.unwrap();
    assert_eq!(desk.codes(), []);
    desk.wait(601);
    views.round().await.unwrap();
    assert_eq!(desk.codes(), [Code::LOG_UNPROVEN]);
}

#[tokio::test]
async fn a_head_that_turns_out_to_be_a_lie_is_not_waited_for() {
    let (own, fork) = (Tree::new("own", 3, 700), Tree::new("fork", 3, 700));
    let mut desk = Desk::new();
    Shows::at(&mut desk.witnesses, sign(650, fork.root(650))).await;
    desk.follow(&own, 600, 600);
    let views = desk.views();
    views.round().await.unwrap();
    desk.wait(601);
    desk.follow(&own, 600, 600);
    views.round().await.unwrap();
    assert_eq!(desk.codes(), [Code::LOG_ROLLBACK]);
    // A mirror has the whole of the other history.
    std::fs::create_dir(desk.path("mirror")).unwrap();
    fork.serve(&desk.path("mirror"), 650, &fork.head(650));
    desk.section.mirrors.push(desk.path("mirror").to_str().unwrap().to_owned());
    desk.views().round().await.unwrap();
    assert_eq!(desk.codes(), [Code::LOG_FORK]);
}
