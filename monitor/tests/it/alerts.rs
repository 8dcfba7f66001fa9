//! Alerts of a monitor that runs: they leave, they are muted from outside, and what was not delivered is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Scene, acta_monitor, get, until_metric};
use crate::world::World;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A receiver of webhooks that answers `status`, and the bodies that it gets.
fn receiver(status: u16) -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (tell, got) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut length, mut line) = (0, String::new());
            while stream.read_line(&mut line).unwrap() > 2 {
                if let Some(bytes) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = bytes.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let _ = tell.send(serde_json::from_slice(&body).unwrap());
            write!(stream.get_mut(), "HTTP/1.1 {status} Well\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        }
    });
    (url, got)
}

/// A monitor's configuration with these webhooks.
fn config(scene: &Scene, webhooks: &[(&str, &str)]) -> std::path::PathBuf {
    let secret = scene.dir.path().join("secret");
    std::fs::write(&secret, "0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let webhook = |(name, url): &(&str, &str)| {
        format!(
            "[[webhook]]\nname = {name:?}\nurl = {url:?}\nsecret = {secret:?}\nallow = [\"127.0.0.0/8\"]\nallow_unencrypted = true\nmax_attempts = 1\n"
        )
    };
    let webhooks: String = webhooks.iter().map(webhook).collect();
    scene.config("interval = \"100ms\"\npartial_delay = \"50ms\"", &webhooks)
}

#[test]
fn an_alert_leaves_within_seconds_of_its_head_and_what_is_not_taken_is_kept_and_can_be_asked_for_again() {
    let (scene, mut world) = (Scene::new(false), World::new("statements"));
    scene.serve(&world, world.size());
    assert_eq!(scene.check().code, Some(0), "makes the state directory");
    let ((good, got), (bad, _)) = (receiver(204), receiver(500));
    let config = config(&scene, &[("good", &good), ("bad", &bad)]);
    let mut server = acta_monitor().serve_config(&config, &[]);
    world.append(b"no statement".to_vec());
    scene.serve(&world, world.size());
    let served = Instant::now();
    let alert = got.recv_timeout(PATIENCE).unwrap();
    assert!(served.elapsed() < Duration::from_secs(5), "{:?}", served.elapsed());
    assert_eq!((&alert["kind"], &alert["alert"]["code"]), (&"opened".into(), &"ledger.not-a-statement".into()));
    until_metric(&server, "acta_monitor_deliveries_dead{channel=\"bad\"}", 1);
    until_metric(&server, "acta_monitor_deliveries_total{channel=\"good\",outcome=\"delivered\"}", 1);
    let state = scene.state();
    let state = state.to_str().unwrap();
    let dead = acta_monitor().good(&["deliveries", "--dead", "--state", state]);
    assert!(dead.contains(" bad ") && dead.contains("answered 500"), "{dead}");
    acta_monitor().good(&["requeue", "--all", "--state", state]);
    until_metric(&server, "acta_monitor_deliveries_total{channel=\"bad\",outcome=\"given-up\"}", 2);
    assert!(get(server.address, "/feed.atom").contains("<category term=\"ledger.not-a-statement\"/>"));
    assert_eq!(server.stop(), Some(0));
    assert!(acta_monitor().good(&["deliveries", "--state", state]).contains("nothing waits"));
}

#[test]
fn what_is_muted_beside_a_running_monitor_is_not_sent_until_that_is_taken_back() {
    let (scene, mut world) = (Scene::new(false), World::new("statements"));
    scene.serve(&world, world.size());
    assert_eq!(scene.check().code, Some(0));
    let (url, got) = receiver(200);
    let state = scene.state();
    let state = state.to_str().unwrap();
    let said = acta_monitor().good(&["mute", "ledger.*", "--reason", "known", "--for", "1h", "--state", state]);
    let id = said.strip_prefix("muted: ").unwrap().split(' ').next().unwrap();
    assert!(acta_monitor().good(&["mutes", "--state", state]).contains("ledger.* until "));
    let mut server = acta_monitor().serve_config(&config(&scene, &[("a", &url)]), &[]);
    world.append(b"no statement".to_vec());
    scene.serve(&world, world.size());
    until_metric(&server, "acta_monitor_alerts_open{code=\"ledger.not-a-statement\",severity=\"error\"}", 1);
    assert!(got.try_recv().is_err());
    acta_monitor().good(&["unmute", id, "--state", state]);
    assert_eq!(got.recv_timeout(PATIENCE).unwrap()["alert"]["code"], "ledger.not-a-statement");
    assert_eq!(server.stop(), Some(0));
    for (args, says) in [
        (vec!["unmute", id, "--state", state], "there is no mute"),
        (vec!["mute", "ledger.*", "--reason", " ", "--for", "1h", "--state", state], "say why"),
        (vec!["mute", "ledger.*", "--reason", "x", "--until", "2020-01-01T00:00:00Z", "--state", state], "mutes nothing"),
        (vec!["mute", "*", "--reason", "x", "--for", "1h", "--state", "/nowhere"], "does not hold the state"),
    ] {
        let refused = acta_monitor().refused(&args);
        assert!(refused.contains(says), "{args:?}: {refused}");
    }
}
