//! A monitor that is killed while it finds and sends loses no alert, and what it sends again is the same delivery.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::killed::{Random, seed};
use crate::process::{Scene, acta_monitor, until_metric};
use crate::world::World;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// In how many steps the log grows, and of how many lists of words each has a decision.
const STEPS: usize = 4;
const OF_A_STEP: usize = 12;

/// A receiver of webhooks, which outlives those who send: of each try the header with the delivery's id, and the body. The first two tries of all
/// are not answered, so that at least these are made again; of the first nobody is told, as if the receiver had failed over it.
fn receiver() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (tell, got) = channel();
    std::thread::spawn(move || {
        for (place, stream) in listener.incoming().flatten().enumerate() {
            let tell = tell.clone();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                let (mut length, mut delivery, mut line) = (0, String::new(), String::new());
                loop {
                    // Whoever is killed ends in the middle of it.
                    match stream.read_line(&mut line)? {
                        0 => return Ok(()),
                        1 | 2 => break,
                        _ => {}
                    }
                    match line.trim().split_once(": ") {
                        Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
                        Some((name, value)) if name.eq_ignore_ascii_case("acta-delivery") => value.clone_into(&mut delivery),
                        _ => {}
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body)?;
                // Told before it is answered: so whoever kills the sender on being told does so before it knows that it was received.
                if place > 0 {
                    let _ = tell.send((delivery, body));
                }
                if place < 2 {
                    return Ok(());
                }
                stream.get_mut().write_all(b"HTTP/1.1 204 Well\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            });
        }
    });
    (url, got)
}

/// A configuration with a list of words for each alert.
fn config(scene: &Scene, url: &str) -> PathBuf {
    let secret = scene.dir.path().join("secret");
    std::fs::write(&secret, "0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let watches = (0..STEPS * OF_A_STEP).map(|number| format!("[[watch]]\nname = \"w{number}\"\nwords = [\"word{number}\"]\n"));
    let rest = format!(
        "[alerts]\nburst = 1000\n[[webhook]]\nname = \"hook\"\nurl = {url:?}\nsecret = {secret:?}\nallow = [\"127.0.0.0/8\"]\n\
         allow_unencrypted = true\nmax_attempts = 1000\n{}",
        watches.collect::<String>()
    );
    scene.config("interval = \"20ms\"\npartial_delay = \"0s\"", &rest)
}

#[test]
fn each_alert_of_a_monitor_that_is_killed_again_and_again_arrives_and_always_as_the_same_delivery() {
    let mut random = Random::new(seed());
    let (scene, mut world) = (Scene::new(false), World::new("statements"));
    scene.serve(&world, world.size());
    assert_eq!(scene.check().code, Some(0), "makes the state directory");
    let (url, inbox) = receiver();
    let config = config(&scene, &url);
    let (mut received, mut kills, mut expected) = (Vec::new(), 0, BTreeSet::new());
    for step in 0..STEPS {
        for number in step * OF_A_STEP..(step + 1) * OF_A_STEP {
            let entry = world.decision(&json!({"subject": format!("A roof with word{number}")}));
            world.append(entry);
            expected.insert(format!("watch.w{number}"));
        }
        scene.serve(&world, world.size());
        // While it sends: on being told of so many.
        let mut server = acta_monitor().serve_config(&config, &[]);
        for _ in 0..=random.below(8) {
            received.push(inbox.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nothing came: {}", server.messages())));
        }
        server.kill();
        // And at any moment.
        for _ in 0..2 {
            let mut server = acta_monitor().serve_config(&config, &[]);
            std::thread::sleep(Duration::from_millis(random.below(250))); // what is waited for is nothing but a moment
            server.kill();
        }
        kills += 3;
    }
    let mut server = acta_monitor().serve_config(&config, &[]);
    let code = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["alert"]["code"].as_str().unwrap().to_owned();
    while received.iter().map(|(_, body)| code(body)).collect::<BTreeSet<_>>() != expected {
        received.push(inbox.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nothing comes any more: {}", server.messages())));
    }
    until_metric(&server, "acta_monitor_deliveries_waiting{channel=\"hook\"}", 0);
    assert_eq!(server.stop(), Some(0));
    received.extend(inbox.try_iter());

    let (mut bodies, mut deliveries) = (BTreeMap::new(), BTreeMap::<String, BTreeSet<String>>::new());
    let tries = received.len();
    for (delivery, body) in received {
        let said: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&said["kind"], said["delivery"].as_str()), (&"opened".into(), Some(&*delivery)));
        deliveries.entry(code(&body)).or_default().insert(delivery.clone());
        let first = bodies.entry(delivery).or_insert_with(|| body.clone());
        assert_eq!(*first, body, "what is sent again is what was sent");
    }
    println!("killed {kills} times; {} alerts in {tries} tries", deliveries.len());
    assert_eq!(deliveries.keys().cloned().collect::<BTreeSet<_>>(), expected, "none is lost, none is made up");
    let twice: Vec<_> = deliveries.iter().filter(|(_, ids)| ids.len() > 1).collect();
    assert!(twice.is_empty(), "sent as different deliveries: {twice:?}");
    assert!(tries > expected.len(), "one was not answered");
}
