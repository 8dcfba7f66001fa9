//! A disk without room.

use processes::faults::SmallDisk;

use crate::process::Scene;
use crate::world::World;

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
