//! One look at a log: what is found, what is not, and where the next look goes on.

use serde_json::json;
use tlog::Hash;

use crate::process::{Scene, acta_monitor};
use crate::world::World;

#[test]
fn an_honest_log_of_statements_has_no_findings_and_is_read_once() {
    let (scene, mut world) = (Scene::new(true), World::new("statements"));
    world.decide(698);
    scene.serve(&world, 300);
    let checked = scene.check();
    assert_eq!((checked.code, checked.codes()), (Some(0), vec![]), "{checked:?}");
    let first = scene.server.requests();
    assert!(first.contains(&"tile/entries/000".to_owned()) && first.contains(&"tile/entries/001.p/44".to_owned()), "{first:?}");
    scene.serve(&world, world.size());
    let checked = scene.check();
    assert_eq!((checked.code, checked.codes()), (Some(0), vec![]), "{checked:?}");
    let mut second: Vec<_> = scene.server.requests().into_iter().filter(|path| path.starts_with("tile/entries/")).collect();
    second.sort();
    assert_eq!(second, ["tile/entries/001", "tile/entries/002.p/188"], "only what is new");
    assert_eq!(scene.check().code, Some(0));
    assert_eq!(scene.server.requests(), ["checkpoint"], "nothing new, nothing fetched");
}

#[test]
fn what_the_log_should_have_refused_is_found_and_the_rest_goes_on() {
    let (scene, mut world) = (Scene::new(false), World::new("statements"));
    world.decide(3);
    let first = json!({"rel": "supersedes", "index": 2, "leaf": Hash::leaf(&world.entries[2]).to_hex()});
    for _ in 0..2 {
        let successor = world.decision(&json!({"relates": [first]}));
        world.append(successor);
    }
    world.append(b"not a statement".to_vec());
    let number_used = world.decision(&json!({"seq": 1, "subject": "Another roof"}));
    world.append(number_used);
    world.decide(300);
    scene.serve(&world, world.size());
    let checked = scene.check();
    assert_eq!(checked.code, Some(1));
    assert_eq!(checked.the("ledger.has-successor")["indexes"], json!([6, 5]));
    assert_eq!(checked.the("ledger.number-used")["indexes"], json!([8, 2]));
    assert_eq!(checked.the("ledger.not-a-statement")["indexes"], json!([7]));
    let again = scene.check();
    assert_eq!((again.code, again.findings), (Some(1), checked.findings), "found once, and still open");
}

#[test]
fn entries_that_are_no_statements_are_counted_and_not_failed_on() {
    for (world, refused) in [(World::empty().noise(600), 0), (World::new("open").noise(600), 0)] {
        let scene = Scene::new(false);
        scene.serve(&world, world.size());
        let checked = scene.check();
        assert_eq!((checked.code, checked.codes()), (Some(0), vec!["monitor.not-understood"]), "{checked:?}");
        assert_eq!(checked.codes().iter().filter(|code| code.starts_with("ledger.")).count(), refused);
    }
}

#[test]
fn an_open_log_has_to_follow_the_rules_where_it_takes_in_statements() {
    let (scene, mut world) = (Scene::new(false), World::new("open").noise(5));
    world.decide(1);
    let first = json!({"rel": "revokes", "index": 7, "leaf": Hash::leaf(&world.entries[7]).to_hex()});
    for _ in 0..2 {
        let successor = world.decision(&json!({"outcome": "revoked", "relates": [first]}));
        world.append(successor);
    }
    scene.serve(&world, world.size());
    let checked = scene.check();
    assert_eq!(checked.code, Some(1));
    assert!(checked.codes().contains(&"ledger.revoked") || checked.codes().contains(&"ledger.has-successor"), "{checked:?}");
}

#[test]
fn what_is_wrong_with_the_call_and_what_cannot_be_seen_have_exit_codes_of_their_own() {
    let scene = Scene::new(false);
    let state = scene.state();
    let state = state.to_str().unwrap();
    assert_eq!(acta_monitor().run(&["check", "--state", state]).status.code(), Some(2));
    assert_eq!(acta_monitor().run(&["check", "--policy", "/nowhere", "--state", state]).status.code(), Some(2));
    let unserved = scene.check();
    assert_eq!(unserved.code, Some(3), "{unserved:?}");
    assert!(unserved.messages.contains("could not be looked at"), "{unserved:?}");
}

#[test]
fn findings_are_printed_for_people_and_do_nothing_to_their_terminal() {
    let (scene, mut world) = (Scene::new(false), World::new("statements"));
    world.decide(1);
    let hostile = world.decision(&json!({"seq": 1, "subject": "\u{202e}]2;x A roof"}));
    world.append(hostile);
    scene.serve(&world, world.size());
    let config = scene.config("", "");
    let output = acta_monitor().run(&["check", "--config", config.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("error ledger.number-used: The log took in entry 3"), "{text}");
    assert!(text.contains("log.example: 4 entries read, 1 finding") && !text.contains('\u{202e}'), "{text}");
}

#[test]
fn of_one_entry_no_more_than_a_few_findings_are_kept() {
    let (scene, mut world) = (Scene::new(false), World::new("statements"));
    for number in 0..2 {
        let bid = |bidder: u32| json!({"status": "disqualified", "tenderers": [{"id": format!("bidder-{bidder}")}]});
        let bids: Vec<_> = (0..300).map(bid).collect();
        let data = json!({"schema": "OCDS-1.1", "ocid": format!("o{number}"), "bids": {"details": bids}});
        let decision = world.decision(&json!({"kind": "planning.award", "data": data}));
        world.append(decision);
    }
    scene.serve(&world, world.size());
    let checked = scene.check_with(&scene.config("", "[ocds]\ndisqualified_share = 0.5\nmin_bids = 1\n"));
    let flags = checked.codes().iter().filter(|code| **code == "ocds.R038").count();
    assert!((64..=128).contains(&flags), "{flags}");
    let left_out: Vec<_> = checked.findings.iter().filter(|finding| finding["code"] == "monitor.too-many-findings").collect();
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    assert!(left_out[0]["text"].as_str().unwrap().contains("236 findings are left out"), "{left_out:?}");
}
