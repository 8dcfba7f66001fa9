//! The monitor as a server: it follows a log as it grows, answers, and stops when it is told to.

use crate::process::{Scene, acta_monitor, until_metric};
use crate::world::World;

#[test]
fn a_growing_log_is_followed_until_the_monitor_is_told_to_stop() {
    let (scene, mut world) = (Scene::new(false), World::new("statements"));
    scene.serve(&world, world.size());
    let config = scene.config("interval = \"100ms\"\npartial_delay = \"50ms\"", "");
    acta_monitor().good(&["check-config", "--config", config.to_str().unwrap()]);
    assert_eq!(scene.check().code, Some(0), "makes the state directory");
    let mut server = acta_monitor().serve_config(&config, &[]);
    for _ in 0..5 {
        world.decide(120);
        scene.serve(&world, world.size());
        until_metric(&server, "acta_monitor_cursor{log=\"log.example\"}", world.size());
    }
    world.append(b"no statement".to_vec());
    scene.serve(&world, world.size());
    until_metric(&server, "acta_monitor_findings_total{log=\"log.example\"}", 1);
    assert_eq!(server.stop(), Some(0));
    let checked = scene.check();
    assert_eq!(checked.codes(), ["ledger.not-a-statement"], "{checked:?}");
}

#[test]
fn a_monitor_does_not_start_where_there_is_no_state_and_says_what_to_do() {
    let scene = Scene::new(false);
    let config = scene.config("", "");
    let said = acta_monitor().refused(&["serve", "--config", config.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert!(said.contains("acta-monitor init"), "{said}");
}

#[test]
fn init_writes_a_configuration_that_is_in_order() {
    let (scene, world) = (Scene::new(false), World::empty().noise(3));
    scene.serve(&world, 3);
    let (config, policy) = (scene.dir.path().join("new.toml"), scene.dir.path().join("policy"));
    let (config, policy, state) = (config.to_str().unwrap(), policy.to_str().unwrap(), scene.state());
    let said = acta_monitor().good(&["init", "--state", state.to_str().unwrap(), "--policy", policy, "--config", config]);
    assert!(said.contains("follows log.example at http://127.0.0.1"), "{said}");
    acta_monitor().good(&["check-config", "--config", config]);
    assert_eq!(scene.check_with(config.as_ref()).codes(), ["monitor.not-understood"]);
    let again = acta_monitor().refused(&["init", "--state", state.to_str().unwrap(), "--policy", policy, "--config", config]);
    assert!(again.contains("exists already"), "{again}");
}

#[test]
fn every_kind_of_finding_is_listed() {
    let said = acta_monitor().good(&["codes"]);
    for code in ["log.fork (critical)", "process.gap (warning)", "ledger.number-used (error)", "ledger.not-a-statement"] {
        assert!(said.contains(code), "{code}: {said}");
    }
}

#[test]
fn a_reader_who_has_seen_enough_of_a_list_is_no_error() {
    let scene = Scene::new(false);
    scene.serve(&World::empty(), 0);
    assert_eq!(scene.check().code, Some(0), "makes the state directory");
    let state = scene.state();
    let state = state.to_str().unwrap();
    for args in [&["codes"][..], &["mutes", "--state", state], &["deliveries", "--state", state], &["export", "findings", "--state", state]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = acta_monitor().command().args(args).stdout(writer).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{args:?}");
    }
}
