//! Lies about the log's newest head.

use tlog::Hash;

use super::Expect::{Convicted, Found, Kept, Unseen};
use super::{BEFORE, DURING, Lie, fork, run};
use crate::process::Scene;
use crate::server::Served;
use crate::world::{ORIGIN, World, now, signed_head};

/// Serves this as the head.
fn head(scene: &Scene, bytes: impl Into<Vec<u8>>) {
    scene.server.put("checkpoint", Served::Bytes(bytes.into()));
}

/// Serves the head of `size` entries as text, with something in it replaced.
fn edited(scene: &Scene, world: &World, from: &str, to: &str) {
    let text = String::from_utf8(world.head(BEFORE, Some(now())).to_bytes()).unwrap();
    assert!(text.contains(from), "{text}");
    head(scene, text.replacen(from, to, 1));
}

const TWO_HISTORIES: &[Lie] = &[
    Lie::new("a fork at a larger size", Convicted("log.fork"), |scene, world| scene.serve(&fork(world, 400, DURING), DURING)),
    Lie::new("a fork that exchanges the newest entry", Convicted("log.fork"), |scene, world| {
        scene.serve(&fork(world, 699, DURING), DURING);
    }),
    Lie::new("a fork from the first entry on", Convicted("log.fork"), |scene, world| scene.serve(&fork(world, 0, DURING), DURING)),
    Lie::new("one size, another root", Convicted("log.same-size-other-root"), |scene, world| {
        scene.serve(&fork(world, 400, BEFORE), BEFORE);
    }),
    Lie::new("a smaller size, another root", Convicted("log.fork"), |scene, world| scene.serve(&fork(world, 400, 500), 500)),
    Lie::new("one size, and another root at each look", Convicted("log.same-size-other-root"), |scene, world| {
        scene.serve(world, DURING);
        let one_of = |world: &World| Served::Bytes(world.head(DURING, Some(now())).to_bytes());
        scene.server.put("checkpoint", Served::Turns(vec![one_of(world), one_of(&fork(world, 800, DURING))]));
        // One look sees the one, the next one the other.
        scene.check();
    }),
];

const WRONG_HEADS: &[Lie] = &[
    Lie::new("fewer entries than before", Found("log.rollback"), |scene, world| scene.serve(world, 300)),
    Lie::new("no entries any more", Found("log.rollback"), |scene, world| scene.serve(world, 0)),
    Lie::new("no entries, and a root of something", Kept("log.unproven-inconsistency"), |scene, _| {
        head(scene, signed_head(ORIGIN, 0, Hash::leaf(b"something"), Some(now())).to_bytes());
    }),
    Lie::new("no quorum", Found("log.quorum-lost"), |scene, world| scene.show(world, BEFORE, None)),
    Lie::new("a stale head", Found("log.stale-head"), |scene, world| scene.show(world, BEFORE, Some(now() - 90_000))),
    Lie::new("a head from the future", Found("log.future-head"), |scene, world| scene.show(world, BEFORE, Some(now() + 7200))),
    Lie::new("a head from the end of time", Found("log.future-head"), |scene, world| scene.show(world, BEFORE, Some(u64::MAX >> 1))),
    Lie {
        of_log: "witness_after = \"0s\"",
        with_quorum: false,
        ..Lie::new("a witness is missing", Found("log.witness-missing"), |scene, world| scene.show(world, BEFORE, None))
    },
    Lie::new("another origin", Found("log.other-origin"), |scene, world| edited(scene, world, "log.example", "other.example")),
    Lie::new("signed by another key", Found("log.malformed-head"), |scene, world| {
        let other = World::of("other.example").noise(700).head(700, None).to_bytes();
        let signature = String::from_utf8(other).unwrap().split_once("\n\n").unwrap().1.to_owned();
        let text = String::from_utf8(world.head(BEFORE, None).to_bytes()).unwrap();
        head(scene, format!("{}\n\n{signature}", text.split_once("\n\n").unwrap().0));
    }),
    Lie::new("signed for another size", Found("log.malformed-head"), |scene, world| edited(scene, world, "\n700\n", "\n701\n")),
    Lie::new("a page in place of a head", Found("log.malformed-head"), |scene, _| head(scene, "<html><script>alert(1)</script>")),
    Lie::new("nothing in place of a head", Found("log.malformed-head"), |scene, _| head(scene, "")),
    Lie::new("an endless head", Found("log.malformed-head"), |scene, _| scene.server.put("checkpoint", Served::Endless)),
    Lie {
        of_log: "final_size = 700",
        ..Lie::new("growth after the declared end", Kept("log.growth-after-end"), |scene, world| scene.serve(world, DURING))
    },
    Lie { of_log: "unreachable_after = \"0s\"", ..Lie::new("gone", Found("log.unreachable"), |scene, _| scene.server.be_gone(true)) },
    Lie::new("gone for a moment", Unseen, |scene, _| scene.server.be_gone(true)),
    Lie::new("a redirect to a private address", Unseen, |scene, _| {
        scene.server.put("checkpoint", Served::Redirect("http://10.0.0.1/checkpoint".to_owned()));
    }),
    Lie::new("a redirect to an honest copy", Unseen, |scene, _| {
        scene.server.put("checkpoint", Served::Redirect(format!("{}/copy", scene.server.url())));
    }),
];

#[test]
fn a_log_that_signs_two_histories_convicts_itself() {
    run(TWO_HISTORIES);
}

#[test]
fn what_is_wrong_with_a_head_is_found_and_ends_with_its_cause() {
    run(WRONG_HEADS);
}

#[test]
fn a_size_beyond_all_reason_is_not_believed_and_costs_nothing() {
    for size in [1 << 40, 1 << 62] {
        let (scene, world) = (Scene::new(true), World::empty().noise(700));
        scene.serve(&world, BEFORE);
        assert_eq!(scene.check().code, Some(0));
        head(&scene, signed_head(ORIGIN, size, Hash::leaf(b"something"), Some(now())).to_bytes());
        let lied = scene.check();
        assert_ne!(lied.code, Some(0), "{lied:?}");
        assert!(!lied.messages.contains("panicked"), "{lied:?}");
        println!("a head of {size} entries: {:?} {}", super::wrong(&lied), lied.messages);
        scene.serve(&world, BEFORE);
        let mended = scene.check();
        println!("then: {:?} {:?}", mended.code, super::wrong(&mended));
    }
}

#[test]
fn a_case_fails_if_the_log_does_not_lie() {
    let first = [TWO_HISTORIES[0], TWO_HISTORIES[3], WRONG_HEADS[0], WRONG_HEADS[3]];
    for lie in first {
        let honest = Lie { tell: |scene, world| scene.serve(world, DURING), ..lie };
        assert!(std::panic::catch_unwind(|| honest.run()).is_err(), "{} is found where there is none", lie.name);
    }
}
