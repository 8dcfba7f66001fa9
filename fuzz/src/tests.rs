//! That the targets reach what they are for, and that the driver sees a fault.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use crate::driver::{self, Until};
use crate::{TARGETS, Target};

#[test]
fn every_target_accepts_its_first_seed() {
    for target in TARGETS {
        assert!((target.run)(&(target.seeds)()[0]), "{} refuses its first seed, so it fuzzes nothing but refusals", target.name);
    }
}

#[test]
fn a_short_run_of_every_target_finds_nothing_and_accepts_some_of_what_it_changed() {
    for target in TARGETS {
        let run =
            driver::run(target, 1, Until::Inputs(3000)).unwrap_or_else(|found| panic!("{} panicked on {:?}", target.name, found.input));
        // Many seeds are vectors that have to be refused.
        let good = u64::try_from((target.seeds)().iter().filter(|seed| (target.run)(seed)).count()).unwrap();
        assert!(run.accepted > good, "{}: only the seeds were accepted, {} of them", target.name, run.accepted);
    }
}

#[test]
fn the_driver_finds_a_panic_and_keeps_the_input() {
    fn no_doubled_letter(input: &[u8]) -> bool {
        assert!(!input.windows(2).any(|pair| pair == b"bb"), "found");
        true
    }
    let target = Target { name: "faulty", run: no_doubled_letter, seeds: || vec![b"abc".to_vec()] };
    let found = driver::run(&target, 7, Until::Inputs(1_000_000)).unwrap_err();
    assert!(found.input.windows(2).any(|pair| pair == b"bb"));
}

#[test]
fn the_same_seed_tries_the_same_inputs() {
    let target = crate::target("policy").unwrap();
    let [one, two] = [(); 2].map(|()| driver::run(target, 42, Until::Inputs(500)).unwrap());
    assert_eq!((one.inputs, one.accepted), (two.inputs, two.accepted));
}

#[test]
fn every_target_but_the_servers_has_its_libfuzzer_binary() {
    let listed: BTreeSet<_> = TARGETS.iter().filter(|target| target.name != "config").map(|target| format!("{}.rs", target.name)).collect();
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz_targets");
    let there: BTreeSet<_> = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(listed, there);
}
