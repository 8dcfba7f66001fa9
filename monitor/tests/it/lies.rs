//! Logs that lie: each lie is found under its code, and what is true besides it is read all the same.

use serde_json::json;
use tlog::tiles::BundleId;

use crate::process::{Checked, Scene};
use crate::server::Served;
use crate::world::{ORIGIN, World, now};

fn bundle(world: &World, number: u64, width: u16) -> Vec<u8> {
    world.bundle(BundleId::new(number, width).unwrap())
}

/// A log of 700 entries of which all is served.
fn scene() -> (Scene, World) {
    let (scene, world) = (Scene::new(false), World::empty().noise(700));
    scene.serve(&world, 700);
    (scene, world)
}

fn found(checked: &Checked, code: &str) {
    assert_eq!(checked.code, Some(1), "{checked:?}");
    checked.the(code);
}

/// What is left when the log serves what it should.
fn mended(scene: &Scene, world: &World) {
    scene.serve(world, 700);
    let checked = scene.check();
    assert_eq!((checked.code, checked.codes()), (Some(0), vec!["monitor.not-understood"]), "{checked:?}");
    assert!(checked.messages.is_empty(), "{checked:?}");
}

#[test]
fn a_forged_entry_is_found_and_kept_and_all_before_it_is_read() {
    let (scene, world) = scene();
    let mut forged = bundle(&world, 1, 256);
    *forged.last_mut().unwrap() ^= 1;
    scene.server.put("tile/entries/001", Served::Bytes(forged.clone()));
    let checked = scene.check();
    found(&checked, "log.wrong-bytes");
    let finding = checked.the("log.wrong-bytes");
    assert_eq!(finding["indexes"], json!([511]));
    let text = finding["text"].as_str().unwrap();
    let name = text.split(' ').find(|word| word.starts_with("served-")).unwrap().trim_end_matches('.');
    let logs = std::fs::read_dir(scene.state().join("evidence")).unwrap();
    let kept = logs.map(|log| log.unwrap().path().join(name)).find(|path| path.exists()).unwrap();
    assert_eq!(std::fs::read(kept).unwrap(), forged);
    assert!(scene.server.requests().contains(&"tile/entries/000".to_owned()));
    mended(&scene, &world);
    assert!(!scene.server.requests().contains(&"tile/entries/000".to_owned()), "what was read before the lie is not read again");
}

#[test]
fn bundles_that_cannot_be_read_are_found() {
    for (served, code) in [
        (Served::Bytes(bundle(&World::empty().noise(700), 1, 255)), "log.malformed-bundle"),
        (Served::Bytes(vec![255; 100]), "log.malformed-bundle"),
        (Served::Bytes(Vec::new()), "log.malformed-bundle"),
        (Served::Endless, "log.malformed-bundle"),
    ] {
        let (scene, world) = scene();
        scene.server.put("tile/entries/001", served);
        found(&scene.check(), code);
        mended(&scene, &world);
    }
}

#[test]
fn tiles_that_are_cut_or_forged_are_found() {
    for is_cut in [true, false] {
        let (scene, world) = scene();
        let mut tile = world.files(700)["tile/1/000.p/2"].clone();
        tile[0] ^= 1;
        tile.truncate(if is_cut { 63 } else { 64 });
        scene.server.put("tile/1/000.p/2", Served::Bytes(tile));
        found(&scene.check(), "log.wrong-bytes");
        mended(&scene, &world);
    }
}

#[test]
fn what_is_no_head_of_this_log_is_found() {
    let other = String::from_utf8(World::empty().noise(3).head(3, None).to_bytes()).unwrap();
    for (served, code) in [
        (Served::Bytes(b"<html>".to_vec()), "log.malformed-head"),
        (Served::Endless, "log.malformed-head"),
        (Served::Bytes(other.replacen("log.example\n3", "log.example\n4", 1).into_bytes()), "log.malformed-head"),
        (Served::Bytes(other.replacen("log.example", "other.example", 1).into_bytes()), "log.other-origin"),
    ] {
        let (scene, world) = scene();
        scene.server.put("checkpoint", served);
        found(&scene.check(), code);
        mended(&scene, &world);
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let (scene, world) = scene();
    scene.server.put("checkpoint", Served::Redirect("http://127.0.0.1:1/checkpoint".to_owned()));
    let checked = scene.check();
    assert_eq!(checked.code, Some(3), "{checked:?}");
    assert!(checked.messages.contains("redirects"), "{checked:?}");
    mended(&scene, &world);
}

#[test]
fn a_log_that_goes_back_is_found_and_what_was_read_stays() {
    let (scene, world) = scene();
    assert_eq!(scene.check().code, Some(0));
    scene.show(&world, 300, None);
    found(&scene.check(), "log.rollback");
    mended(&scene, &world);
}

#[test]
fn two_histories_are_found_and_the_file_convicts_the_log() {
    let (scene, world) = scene();
    assert_eq!(scene.check().code, Some(0));
    for (size, code) in [(700, "log.same-size-other-root"), (900, "log.fork")] {
        let mut other = World::empty().noise(400);
        (400..size).for_each(|index| other.append(format!("another entry {index}").into_bytes()));
        scene.serve(&other, size);
        let checked = scene.check();
        found(&checked, code);
        let name = checked.the(code)["evidence"].as_str().unwrap().to_owned();
        assert!(name.ends_with(".acta-evidence"), "{name}");
        scene.serve(&world, 700);
        assert_eq!(scene.check().code, Some(1), "what was signed stays signed");
    }
}

#[test]
fn a_lie_that_another_monitor_saw_before_does_not_keep_the_truth_from_being_read() {
    let (scene, world) = scene();
    let mut other = World::empty().noise(690);
    (690..695).for_each(|index| other.append(format!("another entry {index}").into_bytes()));
    scene.serve(&world, 600);
    let gossip = format!("gossip/{}/checkpoint", tlog::Hash::sha256(ORIGIN.as_bytes()).to_hex());
    scene.server.put(&gossip, Served::Bytes(other.head(695, None).to_bytes()));
    let config = scene.config("", &format!("[gossip]\nmonitors = [{:?}]", scene.server.url()));
    let checked = scene.check_with(&config);
    assert_eq!(checked.codes(), ["monitor.not-understood"], "it may be a little ahead: {checked:?}");
    scene.serve(&world, 695);
    found(&scene.check_with(&config), "log.same-size-other-root");
    let asked = scene.server.requests();
    assert!(asked.contains(&"tile/entries/002.p/183".to_owned()), "{asked:?}");
    found(&scene.check_with(&config), "log.same-size-other-root");
    // The next head is read from where that one ended.
    scene.serve(&world, 700);
    assert_eq!(scene.check_with(&config).codes(), ["monitor.not-understood", "log.same-size-other-root"]);
}

#[test]
fn heads_without_their_witness_or_with_wrong_times_are_found() {
    let (scene, mut world) = (Scene::new(true), World::new("statements"));
    world.decide(10);
    let future = now() + 7200;
    for (cosigned, code) in [(None, "log.quorum-lost"), (Some(future), "log.future-head"), (Some(now() - 90_000), "log.stale-head")] {
        scene.serve(&world, 12);
        scene.show(&world, 12, cosigned);
        found(&scene.check(), code);
        // Whoever watches sees what the log does all the same, and it ends when its cause does.
        scene.serve(&world, 12);
        let checked = scene.check();
        assert_eq!((checked.code, checked.codes()), (Some(0), vec![]), "{checked:?}");
    }
}

#[test]
fn a_quorum_can_be_required_before_entries_are_taken_in() {
    let (scene, world) = (Scene::new(true), World::empty().noise(10));
    scene.serve(&world, 10);
    scene.show(&world, 10, None);
    let config = scene.config("require_quorum = true", "");
    let checked = scene.check_with(&config);
    assert_eq!(checked.codes(), ["log.quorum-lost"], "nothing is read: {checked:?}");
    scene.serve(&world, 10);
    assert_eq!(scene.check_with(&config).codes(), ["monitor.not-understood"]);
}

#[test]
fn a_log_that_grows_after_its_end_is_found() {
    let (scene, world) = (Scene::new(true), World::empty().noise(10));
    scene.serve(&world, 10);
    let config = scene.config("final_size = 9", "");
    found(&scene.check_with(&config), "log.growth-after-end");
}

#[test]
fn a_witness_that_does_not_sign_any_more_is_found() {
    let (scene, world) = (Scene::new(true), World::empty().noise(10));
    // The log's heads are enough without it, and it is listed.
    let policy = scene.dir.path().join("policy");
    let text = std::fs::read_to_string(&policy).unwrap().replace("quorum w", "quorum none");
    std::fs::write(&policy, text).unwrap();
    scene.serve(&world, 10);
    let config = scene.config("witness_after = \"0s\"", "");
    assert_eq!(scene.check_with(&config).codes(), ["monitor.not-understood"]);
    scene.show(&world, 10, None);
    let checked = scene.check_with(&config);
    found(&checked, "log.witness-missing");
    assert_eq!(checked.the("log.witness-missing")["group"], "w");
    scene.serve(&world, 10);
    assert_eq!(scene.check_with(&config).codes(), ["monitor.not-understood"]);
}

#[test]
fn a_log_that_withholds_entries_could_not_be_looked_at() {
    let (scene, world) = scene();
    scene.server.remove("tile/entries/001");
    let checked = scene.check();
    assert_eq!(checked.code, Some(3), "{checked:?}");
    mended(&scene, &world);
}
