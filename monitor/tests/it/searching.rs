//! Searching and exporting with a real monitor beside a real log: whatever is found can be read from the log, also after a kill.

use std::time::{Duration, Instant};

use acta_client::location::Location;
use acta_client::search::{Monitor, Question, Verdict};
use acta_client::source::{Options, Source};
use acta_client::verified::VerifiedLog;
use serde_json::{Value, json};
use tlog::policy::Policy;

use crate::process::{Scene, acta_monitor, get};
use crate::world::World;

/// Asks until the index has so many entries.
fn until_searchable(server: &processes::Server, size: u64) {
    let start = Instant::now();
    loop {
        let answer = get(server.address, "/api/v1/logs");
        let logs: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        if logs["logs"][0]["searchable"] == size {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{logs}; {}", server.messages());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How many hits there are, each of which was read from the log.
fn found(scene: &Scene, server: &processes::Server, question: &Question) -> u64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let options = Options::default();
        let Location::Remote(url) = server.url.parse().unwrap() else { panic!("a URL") };
        let results = Monitor::new(url, &options).unwrap().search(question).await.unwrap();
        let policy = Policy::parse(&std::fs::read(scene.dir.path().join("policy")).unwrap()).unwrap();
        let source = Source::new(&scene.server.url().parse().unwrap(), &options).unwrap();
        let log = VerifiedLog::open(source, &policy).await.unwrap();
        for hit in &results.hits {
            let verdict = hit.verify(question, &log).await;
            assert!(matches!(verdict, Verdict::Verified(_)), "{hit}: {verdict:?}");
        }
        assert_eq!(results.hits.len(), usize::try_from(results.count.number.min(question.limit.into())).unwrap());
        results.count.number
    })
}

#[test]
fn every_hit_is_in_the_log_and_a_kill_loses_and_doubles_none() {
    let (scene, mut world) = (Scene::new(false), World::new("statements"));
    let first = world.decision(&json!({"subject": "Ein Dach für das Haus Döhle", "amount": {"value": "10000.50", "currency": "EUR"}}));
    world.append(first);
    world.decide(400);
    world.append(b"no statement".to_vec());
    scene.serve(&world, world.size());
    let config = scene.config("interval = \"100ms\"\npartial_delay = \"50ms\"", "");
    scene.check();
    let mut server = acta_monitor().serve_config(&config, &[]);
    until_searchable(&server, world.size());
    let roofs = Question { query: "roof".into(), kind: Some("planning.*".parse().unwrap()), limit: 100, ..Question::default() };
    let one = Question { query: "döhle amount:>=10000 status:in-force".into(), limit: 100, ..Question::default() };
    assert_eq!((found(&scene, &server, &roofs), found(&scene, &server, &one)), (400, 1));
    // An export reads the store beside the monitor that writes to it.
    let state = scene.state();
    let exported = acta_monitor().good(&["export", "decisions", "--state", state.to_str().unwrap(), "--format", "csv"]);
    assert_eq!(exported.lines().count(), 1 + 401, "{exported}");
    let exported = acta_monitor().good(&["export", "findings", "--state", state.to_str().unwrap()]);
    assert!(exported.lines().any(|line| line.contains("ledger.not-a-statement")), "{exported}");
    for _ in 0..3 {
        world.decide(300);
        scene.serve(&world, world.size());
        // Somewhere between the first entry and the last commit.
        server.kill();
        server = acta_monitor().serve_config(&config, &[]);
    }
    until_searchable(&server, world.size());
    assert_eq!((found(&scene, &server, &roofs), found(&scene, &server, &one)), (1300, 1));
    assert_eq!(server.stop(), Some(0));
}
