//! What keeps a monitor that serves from its work: receivers that hang, rules that cost too much, a store of another version, a log that goes
//! away.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use rocksdb::{DB, Options};
use serde_json::json;

use super::receivers::Inbox;
use super::{fork, wrong};
use crate::process::{Scene, acta_monitor, finding, until_metric};
use crate::server::Served;
use crate::world::{World, now};

const FAST: &str = "interval = \"50ms\"\npartial_delay = \"50ms\"\nunreachable_after = \"300ms\"";

/// A webhook's section.
fn webhook(scene: &Scene, name: &str, inbox: &Inbox) -> String {
    let secret = scene.dir.path().join("secret");
    fs::write(&secret, "a secret of more than sixteen characters\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    format!(
        "[[webhook]]\nname = \"{name}\"\nurl = \"http://{}/\"\nsecret = {secret:?}\nallow = [\"127.0.0.0/8\"]\nallow_unencrypted = true\n",
        inbox.address
    )
}

#[test]
fn an_alert_leaves_while_another_receiver_hangs() {
    let (scene, world) = (Scene::new(true), World::empty().noise(1100));
    let (hanging, good) = (Inbox::hanging(), Inbox::webhook());
    scene.serve(&world, 700);
    let config = scene.config(FAST, &(webhook(&scene, "hanging", &hanging) + &webhook(&scene, "good", &good)));
    assert_eq!(scene.check_with(&config).code, Some(0));
    let server = acta_monitor().serve_config(&config, &[]);
    until_metric(&server, "acta_monitor_cursor{log=\"log.example\"}", 700);
    // One that is bad, one that is worse, while the first still hangs.
    let begun = Instant::now();
    scene.show(&world, 700, None);
    let (received, _) = good.next_with("log.quorum-lost");
    println!("the first alert left {:?} after the head", received.duration_since(begun));
    hanging.next();
    let begun = Instant::now();
    scene.serve(&fork(&world, 400, 900), 900);
    let (received, request) = good.next_with("log.fork");
    println!("the second alert left {:?} after the head, while another receiver hung", received.duration_since(begun));
    assert!(request.contains(".acta-evidence"), "{request}");
}

#[test]
fn a_log_that_goes_away_and_comes_back_is_found_and_resolved() {
    let (scene, world) = (Scene::new(true), World::empty().noise(1100));
    scene.serve(&world, 700);
    let config = scene.config(FAST, "");
    assert_eq!(scene.check_with(&config).code, Some(0));
    let server = acta_monitor().serve_config(&config, &[]);
    until_metric(&server, "acta_monitor_cursor{log=\"log.example\"}", 700);
    scene.server.be_gone(true);
    finding(&server, |one| one["code"] == "log.unreachable" && one["resolved"].is_null());
    scene.serve(&world, 1100);
    scene.server.be_gone(false);
    finding(&server, |one| one["code"] == "log.unreachable" && one["resolved"].is_string());
    until_metric(&server, "acta_monitor_cursor{log=\"log.example\"}", 1100);
    // What is withheld is found as well, though the head is there: entries, or what shows that the head continues the one before.
    let withheld = |is_over: bool| {
        finding(&server, |one| one["code"] == "log.unreachable" && one["subject"] == "entries" && one["resolved"].is_string() == is_over)
    };
    let mut world = world;
    for path in ["tile/entries/004", "tile/0/005"] {
        world = world.noise(256);
        scene.server.put_all(world.files(world.size()));
        scene.server.remove(path);
        scene.show(&world, world.size(), Some(now()));
        withheld(false);
        scene.serve(&world, world.size());
        withheld(true);
        until_metric(&server, "acta_monitor_cursor{log=\"log.example\"}", world.size());
    }
}

/// Whoever forges an entry each time that it is asked for first, and mends it when it is asked again, would otherwise hold a monitor up for ever
/// without a word.
#[test]
fn a_log_whose_forged_entry_is_good_when_it_is_asked_again_is_found() {
    let (scene, world) = (Scene::new(true), World::empty().noise(1100));
    scene.serve(&world, 700);
    let config = scene.config(FAST, "");
    assert_eq!(scene.check_with(&config).code, Some(0));
    scene.serve(&world, 1100);
    let good = world.files(1100)["tile/entries/003"].clone();
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    scene.server.put("tile/entries/003", Served::Turns(vec![Served::Bytes(forged), Served::Bytes(good)]));
    let server = acta_monitor().serve_config(&config, &[]);
    let withheld = |is_over: bool| {
        finding(&server, |one| one["code"] == "log.unreachable" && one["subject"] == "entries" && one["resolved"].is_string() == is_over)
    };
    withheld(false);
    scene.serve(&world, 1100);
    withheld(true);
    until_metric(&server, "acta_monitor_cursor{log=\"log.example\"}", 1100);
}

#[test]
fn rules_that_cost_too_much_are_given_up_on_and_hold_up_nothing() {
    let nested = "statement.parties.all(a, statement.parties.all(b, statement.parties.all(c, statement.parties.all(d, a.role == b.role || c.role == d.role))))";
    let doubled = format!("size({}) > 0", "statement.subject + ".repeat(60) + "statement.subject");
    let rules = format!(
        "[[rule]]\nname = \"nested\"\nwhen = '''{nested}'''\n[[rule]]\nname = \"doubled\"\nwhen = '''{doubled}'''\n[[rule]]\nname = \
         \"good\"\nwhen = '''statement.outcome == \"refused\"'''\n"
    );
    let (scene, mut world) = (Scene::new(false), World::new("statements"));
    let config = scene.config("", &rules);
    let parties: Vec<_> = (0..200).map(|number| json!({"role": format!("applicant {number}")})).collect();
    for outcome in ["granted", "refused"] {
        let entry = world.decision(&json!({"parties": parties, "outcome": outcome}));
        world.append(entry);
    }
    scene.serve(&world, world.size());
    let begun = Instant::now();
    let checked = scene.check_with(&config);
    println!("two entries under a rule of 200⁴ steps: {:?}", begun.elapsed());
    assert_eq!(checked.the("rule.good")["indexes"], json!([3]), "{checked:?}");
    assert!(wrong(&checked).contains(&"monitor.rule-failed"), "{checked:?}");
    assert_eq!(super::cursor(&scene), world.size());
    // Nor does a rule start that nobody can read, or that would never end.
    for bad in ["(".repeat(2000), "statement.subject +".to_owned(), "nothing.such".to_owned()] {
        let config = scene.config("", &format!("[[rule]]\nname = \"bad\"\nwhen = '''{bad}'''"));
        let output = acta_monitor().run(&["check-config", "--config", config.to_str().unwrap()]);
        assert_ne!(output.status.code(), Some(0), "{output:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
    }
}

#[test]
fn a_state_directory_of_another_version_is_refused_and_left_as_it_is() {
    let (scene, world) = (Scene::new(false), World::empty().noise(700));
    scene.serve(&world, 700);
    assert_eq!(scene.check().code, Some(0));
    let db = scene.state().join("db");
    let set_format = |format: u32| -> u32 {
        let options = Options::default();
        let families = DB::list_cf(&options, &db).unwrap();
        let open = DB::open_cf(&options, &db, &families).unwrap();
        let meta = open.cf_handle("meta").unwrap();
        let before = open.get_cf(meta, b"format").unwrap().unwrap();
        open.put_cf(meta, b"format", format.to_be_bytes()).unwrap();
        u32::from_be_bytes(before.try_into().unwrap())
    };
    let current = set_format(0);
    for format in [0, current + 1] {
        set_format(format);
        let checked = scene.check();
        assert_eq!(checked.code, Some(3), "{checked:?}");
        assert!(checked.messages.contains(&format!("has format {format}")) && checked.messages.contains("use the version"), "{checked:?}");
        let config = scene.config("", "");
        let said = acta_monitor().refused(&["serve", "--config", config.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
        assert!(said.contains(&format!("has format {format}")), "{said}");
    }
    set_format(current);
    assert_eq!(scene.check().codes(), ["monitor.not-understood"]);
    assert_eq!(super::cursor(&scene), 700);
}
