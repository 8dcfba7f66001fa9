#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::atomic::{AtomicI64, Ordering};

use acta_client::location::Location;
use prometheus::Registry;
use tlog::key::{Algorithm, SigningKey};
use tlog::tiles::BundleId;

use super::*;
use crate::findings;
use crate::heads::fixture::{ORIGIN, Tree, keys};
use crate::metrics::Metrics;
use crate::store::StoreOptions;

/// A log in a directory, and who follows it, by a clock that goes on by so many seconds each time it is asked.
struct Scene {
    store: Arc<Store>,
    follower: Follower,
    pace: Arc<AtomicI64>,
    /// The log, its policy, and the store.
    dirs: [tempfile::TempDir; 3],
}

/// When its clock begins.
const BEGIN: i64 = 1_772_000_000;

fn follow(tree: &Tree, size: u64, pace: i64) -> Scene {
    follow_by(&format!("log {}\nquorum none\n", keys()[0]), tree, size, pace)
}

fn follow_by(policy_text: &str, tree: &Tree, size: u64, pace: i64) -> Scene {
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    tree.serve(dirs[0].path(), size, &tree.head(size));
    let policy = dirs[1].path().join("policy");
    std::fs::write(&policy, policy_text).unwrap();
    let section = crate::config::LogSection { policy, url: dirs[0].path().to_str().unwrap().to_owned(), ..Default::default() };
    let settings = section.validate().unwrap().remove(0);
    assert!(matches!(settings.location, Location::Directory(_)));
    let store = Arc::new(Store::create(dirs[2].path(), StoreOptions::default()).unwrap());
    let (now, pace) = (AtomicI64::new(BEGIN), Arc::new(AtomicI64::new(pace)));
    let step = Arc::clone(&pace);
    let clock = Clock::new(move || Timestamp::from_second(now.fetch_add(step.load(Ordering::SeqCst), Ordering::SeqCst)).unwrap());
    let (checks, evidence) = (Vec::new().into(), dirs[1].path().join("e"));
    let parts = Parts { store: Arc::clone(&store), checks, evidence, authorities: vec![], keys: Arc::default(), clock };
    let metrics = Metrics::new(&Registry::new()).unwrap().of(ORIGIN);
    let follower = Follower::new(parts, settings, Arc::default(), metrics).unwrap();
    Scene { store, follower, pace, dirs }
}

impl Scene {
    fn wait(&self, seconds: i64) {
        self.pace.store(seconds, Ordering::SeqCst);
        self.follower.clock.now();
        self.pace.store(0, Ordering::SeqCst);
    }
}

fn open(scene: &Scene) -> Vec<String> {
    findings::open(&scene.store, ORIGIN).unwrap().into_iter().map(|one| one.code.to_string()).collect()
}

/// A log that had served its entries slowly enough was one look for hours, in which nobody asked for its head again.
#[tokio::test]
async fn a_look_that_takes_long_comes_back_and_the_next_one_goes_on() {
    let tree = Tree::new("long", 0, 19_968);
    let mut scene = follow(&tree, 19_968, 8);
    let (mut looks, mut before) = (1, 0);
    while scene.follower.look(Patience::Waits).await.unwrap() == Look::Unfinished {
        let size = scene.follower.log().size.as_u64();
        assert!(size > before, "no look is for nothing");
        (looks, before) = (looks + 1, size);
    }
    assert_eq!(scene.follower.log().size.as_u64(), 19_968);
    assert!((3..10).contains(&looks), "{looks}");
    assert_eq!(open(&scene), ["monitor.not-understood"]);
}

#[tokio::test]
async fn a_look_that_is_to_take_all_takes_its_time() {
    let tree = Tree::new("long", 0, 3000);
    let mut scene = follow(&tree, 3000, 400);
    assert_eq!(scene.follower.look(Patience::TakesAll).await.unwrap(), Look::Done);
    assert_eq!(scene.follower.log().size.as_u64(), 3000);
}

/// Entries that come one by one are as good as withheld, and that they come at all must not hide it.
#[tokio::test]
async fn a_log_that_serves_its_entries_for_a_long_time_too_slowly_is_found() {
    let tree = Tree::new("long", 0, 3000);
    let mut scene = follow(&tree, 3000, 400);
    for _ in 0..4 {
        let look = scene.follower.look(Patience::Waits).await.unwrap();
        assert!(matches!(&look, Look::Unavailable(why) if why.contains("served 256 of them in 300 seconds")), "{look:?}");
    }
    assert!(open(&scene).contains(&"log.unreachable".to_owned()), "{:?}", open(&scene));
    scene.pace.store(0, Ordering::SeqCst);
    let look = scene.follower.look(Patience::TakesAll).await.unwrap();
    assert_eq!((look, open(&scene)), (Look::Done, vec!["monitor.not-understood".to_owned()]));
}

/// One failure in each of many looks that all go on is none that lasts.
#[tokio::test]
async fn a_log_of_which_much_is_read_each_time_is_not_called_away_for_what_fails_in_between() {
    let tree = Tree::new("long", 0, 19_968);
    let mut scene = follow(&tree, 19_968, 0);
    let bundle = |number: u64| scene.dirs[0].path().join(BundleId::new(number, 256).unwrap().path());
    let (bundles, aside) = ([20, 40, 60].map(bundle), scene.dirs[1].path().join("aside"));
    for bundle in &bundles {
        std::fs::rename(bundle, &aside).unwrap();
        let look = scene.follower.look(Patience::Waits).await.unwrap();
        assert!(matches!(look, Look::Unavailable(_)), "{look:?}");
        assert_eq!(open(&scene), ["monitor.not-understood"]);
        std::fs::rename(&aside, bundle).unwrap();
        scene.wait(601);
    }
    // And nothing is read any more.
    std::fs::rename(&bundles[2], &aside).unwrap();
    scene.follower.look(Patience::Waits).await.unwrap();
    assert_eq!(open(&scene), ["monitor.not-understood", "log.unreachable"]);
}

/// A server that is behind answers once, and the head that is shown before and after it is the same.
#[tokio::test]
async fn a_head_that_is_shown_again_after_a_smaller_one_is_what_the_log_shows() {
    let tree = Tree::new("long", 0, 700);
    let mut scene = follow(&tree, 700, 0);
    for (size, codes) in [(700, vec![]), (690, vec!["log.rollback"]), (700, vec![])] {
        tree.serve(scene.dirs[0].path(), size, &tree.head(size));
        scene.wait(1);
        scene.follower.look(Patience::TakesAll).await.unwrap();
        let found: Vec<String> = open(&scene).into_iter().filter(|code| code != "monitor.not-understood").collect();
        assert_eq!(found, codes, "{size}");
        assert_eq!(heads::shown_by_log(&scene.store, 0).unwrap().unwrap().size, size);
    }
}

#[tokio::test]
async fn a_head_that_was_long_on_its_way_is_not_dated_ahead() {
    let witness = KeyName::new("w.example").unwrap();
    let witness = SigningKey::from_seed(witness, Algorithm::CosignatureEd25519, &[9; 32]).unwrap();
    let policy = format!("log {}\nwitness w {}\nquorum none\n", keys()[0], witness.verifier_key());
    let tree = Tree::new("long", 0, 300);
    // The clock goes on by 400 seconds while the head is fetched: one step before, one when it is there.
    for (ahead, is_found) in [(400, false), (800, false), (1101, true)] {
        let mut scene = follow_by(&policy, &tree, 300, 400);
        let mut head = tree.head(300);
        let time = u64::try_from(BEGIN + ahead).unwrap();
        let cosigned = witness.cosign(head.checkpoint(), time).unwrap();
        head.add_signature(cosigned).unwrap();
        tree.serve(scene.dirs[0].path(), 300, &head);
        scene.follower.look(Patience::TakesAll).await.unwrap();
        assert_eq!(open(&scene).contains(&"log.future-head".to_owned()), is_found, "{ahead}");
    }
}
