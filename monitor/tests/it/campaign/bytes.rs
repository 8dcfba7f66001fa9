//! Lies in what a log serves below its head.

use tlog::tiles::BundleId;

use super::Expect::{Found, Unseen};
use super::{DURING, Lie, run};
use crate::process::Scene;
use crate::server::Served;
use crate::world::World;

/// A whole bundle that the log has when it lies, and a tile that shows that its head continues the one before.
const BUNDLE: &str = "tile/entries/002";
const TILE: &str = "tile/0/002";

/// Serves what is honest, but for one file.
fn put(scene: &Scene, world: &World, path: &str, served: Served) {
    scene.serve(world, DURING);
    scene.server.put(path, served);
}

/// Serves what is honest, but for one file, which is changed.
fn change(scene: &Scene, world: &World, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = world.files(DURING)[path].clone();
    change(&mut bytes);
    put(scene, world, path, Served::Bytes(bytes));
}

const BUNDLES: &[Lie] = &[
    Lie::new("a flipped bit in the last entry", Found("log.wrong-bytes"), |scene, world| {
        change(scene, world, BUNDLE, |bytes| *bytes.last_mut().unwrap() ^= 1);
    }),
    Lie::new("a flipped bit in the first new entry", Found("log.wrong-bytes"), |scene, world| {
        let first = world.bundle(BundleId::new(2, 188).unwrap()).len() + 3;
        change(scene, world, BUNDLE, |bytes| bytes[first] ^= 1);
    }),
    Lie::new("two entries exchanged", Found("log.wrong-bytes"), |scene, world| {
        let mut other = World::empty();
        world.entries.iter().for_each(|entry| other.append(entry.clone()));
        other.entries.swap(750, 751);
        put(scene, world, BUNDLE, Served::Bytes(other.bundle(BundleId::new(2, 256).unwrap())));
    }),
    Lie::new("cut in the middle of an entry", Found("log.malformed-bundle"), |scene, world| {
        change(scene, world, BUNDLE, |bytes| bytes.truncate(bytes.len() - 3));
    }),
    Lie::new("an entry too few", Found("log.malformed-bundle"), |scene, world| {
        put(scene, world, BUNDLE, Served::Bytes(world.bundle(BundleId::new(2, 255).unwrap())));
    }),
    Lie::new("an entry too many", Found("log.malformed-bundle"), |scene, world| {
        change(scene, world, BUNDLE, |bytes| bytes.extend([0, 1, b'x']));
    }),
    Lie::new("a byte too many", Found("log.malformed-bundle"), |scene, world| change(scene, world, BUNDLE, |bytes| bytes.push(0))),
    Lie::new("a wrong length before an entry", Found("log.malformed-bundle"), |scene, world| {
        change(scene, world, BUNDLE, |bytes| bytes[0] = 0xff);
    }),
    Lie::new("nothing in a bundle", Found("log.malformed-bundle"), |scene, world| put(scene, world, BUNDLE, Served::Bytes(Vec::new()))),
    Lie::new("an endless bundle", Found("log.malformed-bundle"), |scene, world| put(scene, world, BUNDLE, Served::Endless)),
    Lie::new("a bundle that is elsewhere", Unseen, |scene, world| {
        put(scene, world, BUNDLE, Served::Redirect("http://192.168.0.1/tile/entries/002".to_owned()));
    }),
];

/// Tiles are what shows that a head continues the one before. One that is wrong shows nothing.
const TILES: &[Lie] = &[
    Lie::new("a tile of 8,191 bytes", Found("log.unproven-inconsistency"), |scene, world| {
        change(scene, world, TILE, |bytes| bytes.truncate(8191));
    }),
    Lie::new("a tile of 8,193 bytes", Found("log.wrong-bytes"), |scene, world| change(scene, world, TILE, |bytes| bytes.push(0))),
    Lie::new("a tile without a byte", Found("log.unproven-inconsistency"), |scene, world| change(scene, world, TILE, Vec::clear)),
    Lie::new("a flipped bit in a tile", Found("log.unproven-inconsistency"), |scene, world| {
        change(scene, world, TILE, |bytes| bytes[100] ^= 1);
    }),
    Lie::new("a flipped bit in every tile", Found("log.unproven-inconsistency"), |scene, world| {
        scene.serve(world, DURING);
        for (path, mut bytes) in world.files(DURING).into_iter().filter(|(path, _)| !path.starts_with("tile/entries/")) {
            bytes[7] ^= 1;
            scene.server.put(&path, Served::Bytes(bytes));
        }
    }),
    Lie::new("an endless tile", Found("log.wrong-bytes"), |scene, world| put(scene, world, TILE, Served::Endless)),
];

#[test]
fn entries_that_are_forged_cut_or_hidden_are_found_and_read_once_they_are_right() {
    run(BUNDLES);
}

#[test]
fn tiles_that_are_forged_or_cut_are_found_and_read_once_they_are_right() {
    run(TILES);
}
