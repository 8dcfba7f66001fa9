//! Entries that a log should have refused, and what looks wrong with those that it had to take in.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tlog::tiles::Entries;

use crate::process::Scene;
use crate::world::World;

/// The log of the vectors. It has the key that this name has in all tests.
const LOG: &str = "gazette.example/2026";

/// By the name of the reason: entries of which the last one should have been refused for it.
fn refusals() -> BTreeMap<String, Vec<Vec<u8>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/statements");
    let vector = |path: &Path| {
        let file = fs::read(path).unwrap();
        let end = file.windows(5).position(|window| window == b"\n---\n")?;
        let head = str::from_utf8(&file[..end]).unwrap();
        let reason = head.lines().find_map(|line| line.strip_prefix("expect: refused "))?.to_owned();
        Some((reason, Entries::new(&file[end + 5..]).map(|entry| entry.unwrap().to_vec()).collect()))
    };
    fs::read_dir(root).unwrap().filter_map(|file| vector(&file.unwrap().path())).collect()
}

#[test]
fn every_reason_to_refuse_an_entry_is_a_finding_of_its_own() {
    let refusals = refusals();
    // All but those of which the vectors have no example, and besides them all that a statement can be malformed by.
    let without = ["charter-version", "no-charter", "too-many-keys"];
    for name in decision::ledger::Refusal::NAMES {
        assert!(refusals.contains_key(*name) != without.contains(name), "{name}");
    }
    assert!(refusals.len() > 45, "{:?}", refusals.keys());
    let mut wrong = Vec::new();
    for (reason, entries) in refusals {
        let (scene, mut world) = (Scene::of(LOG, false), World::of(LOG));
        let last = u64::try_from(entries.len()).unwrap() - 1;
        entries.into_iter().for_each(|entry| world.append(entry));
        // Without the last entry nothing is wrong with what the ledger has to say.
        let ledger = |size: u64| -> Vec<(String, Value)> {
            scene.serve(&world, size);
            let checked = scene.check();
            let of_ledger = checked.findings.iter().filter(|one| one["code"].as_str().unwrap().starts_with("ledger."));
            of_ledger.map(|one| (one["code"].as_str().unwrap().to_owned(), one["indexes"][0].clone())).collect()
        };
        assert_eq!(ledger(last), vec![], "{reason}");
        let found = ledger(last + 1);
        if found != [(format!("ledger.{reason}"), json!(last))] {
            wrong.push((reason, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn good_entries_between_bad_ones_are_judged_all_the_same() {
    let (scene, mut world) = (Scene::new(false), World::new("statements"));
    let mut bad = Vec::new();
    for number in 0..300_u32 {
        world.decide(1);
        let junk = match number % 6 {
            0 => Vec::new(),
            1 => vec![0; 65_535],
            2 => b"\x1b]0;owned\x07".to_vec(),
            3 => "\u{202e}{\"type\":\"decision\"}".as_bytes().to_vec(),
            4 => world.entries.last().unwrap()[..40].to_vec(),
            _ => format!("<script>{number}</script>").into_bytes(),
        };
        bad.push(world.size());
        world.append(junk);
    }
    scene.serve(&world, world.size());
    let checked = scene.check();
    let mut found: Vec<u64> = checked.findings.iter().map(|one| one["indexes"][0].as_u64().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, bad, "each bad one, and no good one: {:?}", checked.codes());
    assert!(checked.codes().iter().all(|code| code.starts_with("ledger.")), "{:?}", checked.codes());
}

/// A code, the checks' settings for it, and the members of a decision to which it applies.
type Odd = (&'static str, &'static str, fn() -> Value);

/// What may be wrong with a decision that the log has to take in.
const PROCESS: &[Odd] = &[
    ("process.gap", "gap_after = \"0s\"", || json!({"seq": 9})),
    ("process.late-publication", "", || json!({"decided": "2026-01-02"})),
    ("process.backdated", "", || json!({"issued": "2026-03-02T09:30:00Z", "decided": "2026-03-02"})),
    ("process.dated-ahead", "", || json!({"issued": "2222-03-02T09:30:00Z", "decided": "2222-03-02"})),
    (
        "content.under-threshold",
        "threshold = [{ currency = \"EUR\", amount = \"25000\" }]",
        || json!({"amount": {"value": "24999.00", "currency": "EUR"}}),
    ),
];

#[test]
fn what_looks_wrong_with_a_decision_is_found_and_with_others_it_is_not() {
    for (code, settings, members) in PROCESS {
        let (scene, mut world) = (Scene::new(false), World::new("statements"));
        world.decide(5);
        let config = scene.config("", &format!("[checks]\n{settings}"));
        scene.serve(&world, world.size());
        assert_eq!(scene.check_with(&config).codes(), Vec::<&str>::new(), "{code}");
        let entry = world.decision(&members());
        world.append(entry);
        scene.serve(&world, world.size());
        scene.check_with(&config);
        // What is given time is found once that has passed.
        let checked = scene.check_with(&config);
        assert_eq!(checked.code, Some(1), "{code}: {checked:?}");
        assert_eq!(checked.the(code)["group"], "planning.example", "{checked:?}");
        // And it is followed on.
        let rest = world.decision(&json!({"seq": 10}));
        world.append(rest);
        scene.serve(&world, world.size());
        scene.check_with(&config);
        assert_eq!(super::cursor(&scene), world.size());
    }
}
