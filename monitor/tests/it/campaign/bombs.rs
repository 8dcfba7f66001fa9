//! Answers that are meant to fill the memory of whoever reads them.

use std::io::Write;
use std::sync::{Arc, LazyLock};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::BEFORE;
use crate::process::{Scene, acta_monitor, finding, until_metric};
use crate::server::Served;
use crate::world::World;

/// 64 MB of zeros, compressed a thousandfold.
static GZIP: LazyLock<Arc<[u8]>> = LazyLock::new(|| {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    (0..64).for_each(|_| gzip.write_all(&[0; 1 << 20]).unwrap());
    gzip.finish().unwrap().into()
});

/// 2 GB of it, in as many gzip members as it takes.
fn gzip() -> Served {
    Served::Answer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip".into(), Arc::clone(&GZIP), 32)
}

/// 2 GB, said so or not.
fn two_gigabytes(is_announced: bool) -> Served {
    let length = if is_announced { "\r\nContent-Length: 2147483648" } else { "" };
    Served::Answer(format!("HTTP/1.1 200 OK{length}"), Arc::from(vec![0; 1 << 20]), 2048)
}

/// More than all that the monitor needs, in a build without optimisation, and less than any one bomb.
const MOST: u64 = 500 << 20;

#[test]
fn no_answer_fills_the_memory_and_what_is_honest_is_read_afterwards() {
    let (scene, mut world) = (Scene::new(true), World::empty().noise(700));
    scene.serve(&world, BEFORE);
    let config = scene.config("interval = \"50ms\"\npartial_delay = \"50ms\"", "");
    assert_eq!(scene.check_with(&config).code, Some(0));
    let server = acta_monitor().serve_config(&config, &[]);
    println!("{} MB at rest", server.peak_memory() >> 20);
    let bombs = [
        ("checkpoint", "log.malformed-head", gzip()),
        ("checkpoint", "log.malformed-head", two_gigabytes(true)),
        ("checkpoint", "log.malformed-head", two_gigabytes(false)),
        ("tile/entries/002", "log.malformed-bundle", gzip()),
        ("tile/entries/002", "log.malformed-bundle", two_gigabytes(true)),
        ("tile/entries/002", "log.malformed-bundle", two_gigabytes(false)),
        ("tile/0/002", "log.wrong-bytes", gzip()),
        ("tile/0/002", "log.wrong-bytes", two_gigabytes(true)),
        ("tile/0/002", "log.wrong-bytes", two_gigabytes(false)),
    ];
    for (number, (path, code, bomb)) in bombs.into_iter().enumerate() {
        let size = world.size();
        world = world.noise(256);
        let path = match path {
            "checkpoint" => path.to_owned(),
            path => path.replace("002", &format!("{:03}", size / 256)),
        };
        scene.serve(&world, world.size());
        scene.server.put(&path, bomb);
        finding(&server, |one| one["code"] == code && one["resolved"].is_null());
        println!("{number}: {path}, {} MB at most", server.peak_memory() >> 20);
        scene.serve(&world, world.size());
        until_metric(&server, "acta_monitor_cursor{log=\"log.example\"}", world.size());
        finding(&server, |one| one["code"] == code && one["resolved"].is_string());
    }
    assert!(server.peak_memory() < MOST, "{} MB", server.peak_memory() >> 20);
}
