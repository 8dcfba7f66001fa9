//! Judging anew what was read.

use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{Scene, acta_monitor};
use crate::world::World;

const WATCH: &str = "[[watch]]\nname = \"roofs\"\nwords = [\"roof\"]\n";

fn replay(scene: &Scene, rest: &str) -> String {
    let config = scene.config("", rest);
    acta_monitor().good(&["replay", "--config", config.to_str().unwrap()])
}

/// A log of 600 entries with one that should not be there, read without a watch list.
fn scene() -> (Scene, Vec<Value>) {
    let (scene, mut world) = (Scene::new(false), World::new("statements"));
    world.decide(400);
    let used = world.decision(&json!({"seq": 1, "subject": "A fence"}));
    world.append(used);
    for _ in 0..197 {
        let fence = world.decision(&json!({"subject": "A fence"}));
        world.append(fence);
    }
    scene.serve(&world, world.size());
    let checked = scene.check();
    assert_eq!(checked.codes(), ["ledger.number-used"], "{checked:?}");
    scene.server.requests();
    (scene, checked.findings)
}

#[test]
fn a_new_rule_is_applied_to_what_was_read_and_what_was_found_stays_as_it_was() {
    let (scene, before) = scene();
    assert_eq!(replay(&scene, ""), "log.example: 600 entries judged anew, 0 new findings, 0 resolved\n");
    assert_eq!(scene.check().findings, before);
    let said = replay(&scene, WATCH);
    assert!(
        said.starts_with("log.example: 600 entries judged anew, ") && !said.contains(" 0 new") && said.ends_with(", 0 resolved\n"),
        "{said}"
    );
    let requests = scene.server.requests();
    assert_eq!(requests, ["checkpoint"], "only the look in between asked the log");
    let after = scene.check().findings;
    assert!(after.len() > 1 && after.contains(&before[0]), "{after:?}");
    let said = replay(&scene, "");
    assert!(said.contains(" 0 new findings, ") && !said.ends_with(" 0 resolved\n"), "{said}");
    assert_eq!(scene.check().findings, before);
}

#[test]
fn a_replay_that_was_cut_short_is_noticed_and_done_again() {
    let (scene, before) = scene();
    let config = scene.config("", "");
    let mut unfinished = 0;
    for life in 0..40 {
        let mut child = acta_monitor()
            .command()
            .args(["replay", "--config", config.to_str().unwrap()])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(life * 10)); // what is waited for is nothing but a moment
        child.kill().unwrap();
        child.wait().unwrap();
        let checked = scene.check();
        match checked.code {
            Some(3) => {
                unfinished += 1;
                assert!(checked.messages.contains("acta-monitor replay"), "{checked:?}");
            }
            _ => assert_eq!(checked.findings, before),
        }
    }
    println!("{unfinished} of 40 were cut short in their middle");
    assert_eq!(replay(&scene, ""), "log.example: 600 entries judged anew, 0 new findings, 0 resolved\n");
    assert_eq!(scene.check().findings, before);
}
