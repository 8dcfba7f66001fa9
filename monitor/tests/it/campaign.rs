//! The fault campaign: a log lies in every way that we know of, and each lie is found under its code.
//!
//! A case is a line of a table, and goes through three looks of the real `acta-monitor check`:
//!
//! 1. the log is honest, and nothing is found: so what is found next is the lie, and not the log;
//! 2. it lies. The lie is found under its code, and where the log has convicted itself, the real `acta verify --evidence` says so with
//!    nothing but the file and the log's key, and not with another key;
//! 3. it is honest again and has grown. It is followed to its end. What was wrong for a while has ended; what was signed stays signed.
//!
//! What takes time or several requests is told to the real `acta-monitor serve`.

mod bombs;
mod bytes;
mod entries;
mod heads;
mod honest;
mod hostile;
mod receivers;
mod service;
mod two_views;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use monitor::logs;
use monitor::state_dir::StateDir;
use monitor::store::StoreOptions;
use serde_json::Value;

use crate::process::{Checked, Scene, beside};
use crate::world::{ORIGIN, World, log_vkey};

/// How many entries the log has before it lies, while it does, and when it is honest again.
const BEFORE: u64 = 700;
const DURING: u64 = 900;
const AFTER: u64 = 1100;

/// A way to lie.
#[derive(Clone, Copy)]
struct Lie {
    /// In a few words.
    name: &'static str,
    /// What the configuration says of the log.
    of_log: &'static str,
    /// Whether the policy asks for the witness.
    with_quorum: bool,
    expect: Expect,
    /// Has the log lie, which is honest with [`BEFORE`] entries.
    tell: fn(&Scene, &World),
}

/// What comes of a lie.
#[derive(Clone, Copy, Debug)]
enum Expect {
    /// It is found as long as it lasts.
    Found(&'static str),
    /// It is found for ever, with evidence.
    Convicted(&'static str),
    /// It is found for ever. Nothing proves it.
    Kept(&'static str),
    /// Nobody can say what the log shows: the look failed.
    Unseen,
}

impl Lie {
    const fn new(name: &'static str, expect: Expect, tell: fn(&Scene, &World)) -> Self {
        Lie { name, of_log: "", with_quorum: true, expect, tell }
    }

    fn run(&self) {
        let (scene, world) = (Scene::new(true), World::empty().noise(usize::try_from(AFTER).unwrap()));
        if !self.with_quorum {
            let policy = scene.dir.path().join("policy");
            let text = fs::read_to_string(&policy).unwrap().replace("quorum w", "quorum none");
            fs::write(&policy, text).unwrap();
        }
        scene.serve(&world, BEFORE);
        let config = scene.config(self.of_log, "");
        let honest = scene.check_with(&config);
        assert_eq!((honest.code, wrong(&honest)), (Some(0), vec![]), "before the lie: {honest:?}");
        (self.tell)(&scene, &world);
        let lied = scene.check_with(&config);
        match self.expect {
            Expect::Found("log.unreachable") => assert_eq!((lied.code, wrong(&lied)), (Some(3), vec!["log.unreachable"]), "{lied:?}"),
            Expect::Found(code) | Expect::Kept(code) | Expect::Convicted(code) => {
                assert_eq!(lied.code, Some(1), "{lied:?}");
                lied.the(code);
            }
            Expect::Unseen => assert_eq!((lied.code, wrong(&lied)), (Some(3), vec![]), "{lied:?}"),
        }
        if let Expect::Convicted(code) = self.expect {
            convicts(&scene, lied.the(code));
        }
        scene.server.be_gone(false);
        scene.serve(&world, AFTER);
        let mended = scene.check_with(&config);
        match self.expect {
            Expect::Kept(code) | Expect::Convicted(code) => {
                assert!(wrong(&mended).contains(&code), "what was signed stays signed: {mended:?}");
            }
            _ => assert_eq!((mended.code, wrong(&mended)), (Some(0), vec![]), "after the lie: {mended:?}"),
        }
        assert_eq!(cursor(&scene), AFTER, "following goes on: {mended:?}");
    }
}

/// Runs all cases, and says which of them went wrong.
fn run(lies: &[Lie]) {
    let mut wrong = Vec::new();
    for lie in lies {
        if catch_unwind(AssertUnwindSafe(|| lie.run())).is_err() {
            wrong.push(lie.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?} of {} lies; see above", lies.len());
}

/// The codes of what was found that matters.
fn wrong(checked: &Checked) -> Vec<&str> {
    let findings = checked.findings.iter().filter(|finding| finding["severity"] != "info");
    findings.map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// How many entries the monitor has taken in.
fn cursor(scene: &Scene) -> u64 {
    let state = StateDir::new(scene.state()).open(StoreOptions::default()).unwrap();
    logs::by_origin(&state.store, ORIGIN).unwrap().unwrap().size.as_u64()
}

/// A separate process, which has nothing but the file and the log's key, convicts the log by a finding's evidence.
fn convicts(scene: &Scene, finding: &Value) {
    let name = finding["evidence"].as_str().unwrap_or_else(|| panic!("no evidence: {finding}")).trim_start_matches("/evidence/");
    let logs = fs::read_dir(scene.state().join("evidence")).unwrap();
    let file = logs.map(|log| log.unwrap().path().join(name)).find(|path| path.is_file()).unwrap();
    let key = scene.dir.path().join("log.vkey");
    let args = ["verify", "--evidence", file.to_str().unwrap(), "--log-key", key.to_str().unwrap()];
    fs::write(&key, format!("{}\n", log_vkey(ORIGIN))).unwrap();
    let told = beside("acta").good(&args);
    assert!(told.contains("PROVEN"), "{told}");
    fs::write(&key, format!("{}\n", log_vkey("other.example"))).unwrap();
    beside("acta").refused(&args);
}

/// A log that has the first `at` entries of `world`, and others from there on up to `size`.
fn fork(world: &World, at: usize, size: u64) -> World {
    let mut fork = World::empty();
    world.entries[..at].iter().for_each(|entry| fork.append(entry.clone()));
    (at..usize::try_from(size).unwrap()).for_each(|index| fork.append(format!("another entry {index}").into_bytes()));
    fork
}
