//! A disk without room, and what is on the disk first.

use processes::faults::{Calls, SmallDisk, syncs_can_fail};

use crate::process::{Scene, acta_monitor};
use crate::world::World;

/// A finding that names evidence which a power cut took would be a rumour.
#[test]
fn evidence_and_its_name_are_synced_before_anything_is_written_that_names_it() {
    if !syncs_can_fail() {
        return;
    }
    let (scene, world) = (Scene::new(false), World::empty().noise(700));
    scene.serve(&world, 500);
    assert_eq!(scene.check().code, Some(0));
    let mut other = World::empty().noise(300);
    (300..700).for_each(|index| other.append(format!("another entry {index}").into_bytes()));
    scene.serve(&other, 700);
    let (url, noted) = (scene.server.url(), scene.dir.path().join("calls"));
    let (policy, state) = (scene.dir.path().join("policy"), scene.state());
    let args = ["check", "--policy", policy.to_str().unwrap(), "--log", &url, "--state", state.to_str().unwrap()];
    let output = acta_monitor().with_calls_noted(&noted).run(&args);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let log = std::fs::read_dir(state.join("evidence")).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::read_dir(&log).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    assert!(file.ends_with(".acta-evidence"), "{file}");

    let calls = Calls::read(&noted);
    let the = |name: &str, has: &[&str], after: usize| {
        calls.first(name, has, after).unwrap_or_else(|| panic!("no {name} of {has:?} after {after}: {calls:?}")).clone()
    };
    let (directory, above) = (format!("{}>)", log.display()), format!("{}>)", state.join("evidence").display()));
    let made = the("mkdir", &[log.to_str().unwrap()], 0);
    let made = the("fsync", &[&above], made.ended);
    let synced = the("fsync", &[&file, ".tmp>"], made.ended);
    let named = the("rename", &[&file], 0);
    assert!(named.begun > synced.ended, "it had its name before its bytes: {synced:?} {named:?}");
    let synced = the("fsync", &[&directory], named.ended);
    let told = the("write", &[".log>", &file], 0);
    assert!(told.begun > synced.ended, "it was named before its name was safe: {synced:?} {told:?}");
    the("fdatasync", &[".log>"], told.ended);
}

#[test]
fn on_a_full_disk_a_look_fails_loudly_and_the_next_one_goes_on_once_there_is_room() {
    let scene = Scene::new(false);
    let Some(disk) = SmallDisk::mount(scene.dir.path().join("disk"), 12) else { return };
    let mut world = World::new("statements");
    world.decide(500);
    let bad = world.decision(&serde_json::json!({"seq": 1, "subject": "Another roof"}));
    world.append(bad);
    let long = serde_json::json!({"subject": "A roof ".repeat(120)});
    for _ in 0..6000 {
        let entry = world.decision(&long);
        world.append(entry);
    }
    scene.serve(&world, 400);
    let state = disk.path().join("state");
    assert_eq!(scene.check_at(&state).code, Some(0));
    let ballast = disk.path().join("ballast");
    let free = rustix_free(disk.path());
    std::fs::write(&ballast, vec![1; usize::try_from(free.saturating_sub(1 << 20)).unwrap()]).unwrap();
    scene.serve(&world, world.size());
    let full = scene.check_at(&state);
    assert_eq!(full.code, Some(3), "{full:?}");
    assert!(full.messages.contains("free space") && !full.messages.contains("panicked"), "{full:?}");
    std::fs::remove_file(ballast).unwrap();
    let checked = scene.check_at(&state);
    assert_eq!((checked.code, checked.codes()), (Some(1), vec!["ledger.number-used"]), "{checked:?}");
}

fn rustix_free(path: &std::path::Path) -> u64 {
    let free = rustix::fs::statvfs(path).unwrap();
    free.f_bavail * free.f_frsize
}
