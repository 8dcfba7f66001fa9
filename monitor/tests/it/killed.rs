//! A monitor that is killed at any moment skips nothing and finds nothing twice.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use monitor::findings::{self, Change};
use monitor::logs;
use monitor::state_dir::StateDir;
use monitor::store::StoreOptions;
use serde_json::json;

use crate::process::{Scene, acta_monitor};
use crate::world::World;

/// What was found about which entries, and in which order, whenever it was.
#[derive(Debug, PartialEq)]
struct Known {
    cursor: u64,
    events: Vec<(u64, Change, String, String)>,
    open: Vec<(String, String)>,
}

fn known(state: &Path) -> Known {
    let state = StateDir::new(state).open(StoreOptions::default()).unwrap();
    let log = logs::by_origin(&state.store, "log.example").unwrap().unwrap();
    let event = |event: findings::Event| {
        let finding = findings::finding(&state.store, event.finding).unwrap().unwrap();
        (event.number, event.change, finding.code.to_string(), finding.subject)
    };
    let events = findings::events_after(&state.store, 0, usize::MAX).unwrap().into_iter().map(event).collect();
    let open = findings::open(&state.store, "log.example").unwrap().into_iter().map(|one| (one.code.to_string(), one.subject)).collect();
    Known { cursor: log.size.as_u64(), events, open }
}

/// A small generator, so that a run can be repeated.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// The seed of this run, which it prints.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("ACTA_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed_0005);
    println!("ACTA_SEED={seed}");
    seed
}

#[test]
fn a_monitor_that_is_killed_again_and_again_knows_the_same_as_one_that_was_not() {
    let mut random = Random::new(seed());
    let (scene, mut world) = (Scene::new(false), World::new("statements"));
    for number in 0..2400 {
        match number % 80 {
            17 => world.append(format!("noise {number}").into_bytes()),
            41 => {
                let used = world.decision(&json!({"seq": 1, "subject": "Another roof"}));
                world.append(used);
            }
            _ => world.decide(1),
        }
    }
    let state = scene.state();
    let mut kills = 0;
    // While all of it is read for the first time, and then as it grows.
    for size in [1500, 1501, 1800, 2048, world.size()] {
        scene.serve(&world, size);
        for _ in 0..6 {
            let (url, policy) = (scene.server.url(), scene.dir.path().join("policy"));
            let mut command = acta_monitor().command();
            command.args(["check", "--policy", policy.to_str().unwrap(), "--log", &url, "--state", state.to_str().unwrap()]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(random.below(400))); // what is waited for is nothing but a moment
            child.kill().unwrap();
            kills += u32::from(child.wait().unwrap().code().is_none());
        }
        let checked = scene.check();
        assert_eq!(checked.code, Some(1), "{}", checked.messages);
    }
    println!("killed {kills} times before its end");
    assert!(kills > 5);
    let undisturbed = scene.dir.path().join("undisturbed");
    assert_eq!(scene.check_at(&undisturbed).code, Some(1));
    let (killed, undisturbed) = (known(&state), known(&undisturbed));
    let said =
        |known: &Known| known.events.iter().map(|(_, change, code, subject)| (*change, code.clone(), subject.clone())).collect::<Vec<_>>();
    assert_eq!(said(&killed), said(&undisturbed));
    let numbers: Vec<u64> = killed.events.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..).take(numbers.len()).collect::<Vec<u64>>(), "none is missing, none is there twice");
    assert_eq!(killed.cursor, world.size());
    assert_eq!(killed.open.len(), undisturbed.open.len());
    assert_eq!(killed.open.len(), 60, "30 of each kind");
}
