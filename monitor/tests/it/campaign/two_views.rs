//! A log that shows one history at its own address and another to somebody else: to its witness, to another monitor, at a mirror, or in a
//! receipt. It is found wherever the two meet.

use std::fs;
use std::path::PathBuf;

use tlog::Hash;

use super::{BEFORE, convicts, fork, wrong};
use crate::process::{Checked, Scene, acta_monitor};
use crate::server::{Served, Server};
use crate::world::{ORIGIN, World, now, signed_head};

/// Where the other history is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Where {
    Witness,
    Monitor,
    Mirror,
}

const EVERYWHERE: [Where; 3] = [Where::Witness, Where::Monitor, Where::Mirror];

/// A log at two addresses.
struct Two {
    scene: Scene,
    other: Server,
    world: World,
    place: Where,
    config: PathBuf,
}

impl Two {
    fn new(place: Where) -> Self {
        let (scene, other, world) = (Scene::new(true), Server::start(), World::empty().noise(1100));
        scene.serve(&world, BEFORE);
        let mut gossip = "[gossip]\nunproven_after = \"0s\"\nrollback_after = \"0s\"\n".to_owned();
        match place {
            Where::Witness => {
                let policy = scene.dir.path().join("policy");
                let text = fs::read_to_string(&policy).unwrap().replace("\nquorum", &format!(" {}\nquorum", other.url()));
                fs::write(policy, text).unwrap();
            }
            Where::Monitor => gossip += &format!("monitors = [\"{}\"]", other.url()),
            Where::Mirror => gossip += &format!("mirrors = [\"{}\"]", other.url()),
        }
        let config = scene.config("", &gossip);
        let two = Two { scene, other, world, place, config };
        two.show(&two.world, 600);
        let honest = two.check();
        assert_eq!((honest.code, wrong(&honest)), (Some(0), vec![]), "{place:?} is honest: {honest:?}");
        two
    }

    fn check(&self) -> Checked {
        self.scene.check_with(&self.config)
    }

    /// Shows the head of this size of a log at the other place, where a mirror has all of the log besides.
    fn show(&self, world: &World, size: u64) {
        self.show_bytes(world.head(size, Some(now())).to_bytes());
        if self.place == Where::Mirror {
            self.other.put_all(world.files(size));
        }
    }

    fn show_bytes(&self, head: Vec<u8>) {
        let hash = Hash::sha256(ORIGIN.as_bytes()).to_hex();
        let path = match self.place {
            Where::Witness => format!("{hash}/checkpoint"),
            Where::Monitor => format!("gossip/{hash}/checkpoint"),
            Where::Mirror => "checkpoint".to_owned(),
        };
        self.other.put(&path, Served::Bytes(head));
    }
}

#[test]
fn a_head_of_another_history_convicts_the_log_wherever_it_was_seen() {
    for place in EVERYWHERE {
        for (size, code) in [(BEFORE, "log.same-size-other-root"), (500, "log.fork")] {
            let two = Two::new(place);
            two.show(&fork(&two.world, 400, size), size);
            let found = two.check();
            assert_eq!((found.code, wrong(&found)), (Some(1), vec![code]), "{place:?}: {found:?}");
            convicts(&two.scene, found.the(code));
            two.scene.serve(&two.world, 1100);
            let again = two.check();
            assert_eq!(again.findings.iter().find(|one| one["code"] == code), Some(found.the(code)), "found once: {again:?}");
        }
    }
}

#[test]
fn a_larger_head_of_another_history_convicts_the_log_once_it_has_grown_so_far() {
    for place in EVERYWHERE {
        let two = Two::new(place);
        two.show(&fork(&two.world, 400, 900), 900);
        let found = two.check();
        // A mirror shows at once how its head came to be.
        if place == Where::Mirror {
            convicts(&two.scene, found.the("log.fork"));
        }
        two.scene.serve(&two.world, 1100);
        let found = two.check();
        assert_eq!((found.code, wrong(&found)), (Some(1), vec!["log.fork"]), "{place:?}: {found:?}");
        convicts(&two.scene, found.the("log.fork"));
    }
}

#[test]
fn a_log_that_shows_less_to_one_than_to_others_is_found() {
    for place in EVERYWHERE {
        let two = Two::new(place);
        two.show(&two.world, 900);
        // It takes a second look that shows as little.
        two.check();
        let found = two.check();
        assert_eq!((found.code, wrong(&found)), (Some(1), vec!["log.rollback"]), "{place:?}: {found:?}");
        two.scene.serve(&two.world, 1100);
        let mended = two.check();
        assert_eq!((mended.code, wrong(&mended)), (Some(0), vec![]), "{place:?}: {mended:?}");
    }
}

#[test]
fn what_others_make_up_says_nothing_against_the_log() {
    for place in EVERYWHERE {
        let two = Two::new(place);
        let other = World::of("other.example").noise(700).head(700, None).to_bytes();
        let forged = String::from_utf8(other.clone()).unwrap().replacen("other.example\n", "log.example\n", 1).into_bytes();
        for bytes in [other, forged, b"<html>".to_vec(), Vec::new(), vec![0xff; 1 << 20]] {
            two.show_bytes(bytes);
            let checked = two.check();
            assert_eq!((checked.code, wrong(&checked)), (Some(0), vec![]), "{place:?}: {checked:?}");
        }
    }
}

#[test]
fn a_fork_whose_proof_is_withheld_is_found_and_said_to_be_unproven() {
    let (scene, world) = (Scene::new(true), World::empty().noise(1100));
    scene.serve(&world, BEFORE);
    assert_eq!(scene.check().code, Some(0));
    // The tiles are those of the history that was read, so nothing shows that the new head belongs to them, nor that it does not.
    scene.serve(&world, 900);
    let head = signed_head(ORIGIN, 900, Hash::leaf(b"something"), Some(now()));
    scene.server.put("checkpoint", Served::Bytes(head.to_bytes()));
    let found = scene.check();
    assert_eq!((found.code, wrong(&found)), (Some(1), vec!["log.unproven-inconsistency"]), "{found:?}");
    assert!(found.the("log.unproven-inconsistency")["evidence"].is_null(), "{found:?}");
    let text = found.the("log.unproven-inconsistency")["text"].as_str().unwrap();
    assert!(text.contains("This proves nothing yet"), "{text}");
    // As soon as the log shows a head of that size that belongs to what was read, both convict it.
    scene.serve(&world, 1100);
    let found = scene.check();
    convicts(&scene, found.findings.iter().find(|one| one["evidence"].is_string()).unwrap_or_else(|| panic!("{found:?}")));
}

#[test]
fn a_receipt_of_another_history_convicts_the_log_and_one_of_this_history_does_not() {
    for size in [BEFORE, 500] {
        let (scene, world) = (Scene::new(true), World::empty().noise(1100));
        scene.serve(&world, BEFORE);
        assert_eq!(scene.check().code, Some(0));
        let audit = |receipt: Vec<u8>| {
            let (file, policy, state) = (scene.dir.path().join("receipt"), scene.dir.path().join("policy"), scene.state());
            fs::write(&file, receipt).unwrap();
            let (file, policy, state) = (file.to_str().unwrap(), policy.to_str().unwrap(), state.to_str().unwrap());
            acta_monitor().run(&["audit-receipt", "--policy", policy, "--state", state, file]).status.code()
        };
        assert_eq!(audit(world.receipt(450, size)), Some(0), "{size}");
        assert_eq!(scene.check().code, Some(0));
        assert_eq!(audit(fork(&world, 400, size).receipt(450, size)), Some(1));
        let found = scene.check();
        assert_eq!(found.the("log.receipt-not-included")["indexes"], serde_json::json!([450]));
        let codes = wrong(&found);
        assert!(codes.contains(&"log.fork") || codes.contains(&"log.same-size-other-root"), "{found:?}");
        found.findings.iter().filter(|one| one["severity"] == "critical").for_each(|one| convicts(&scene, one));
    }
}
