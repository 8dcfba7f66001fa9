//! Fuzz targets for everything that parses bytes from outside.
//!
//! A target takes any bytes. It must not panic, and it asserts what has to hold of whatever it accepts: that printing gives the same
//! bytes back, or that nothing untrue was believed. The same functions run under libFuzzer (`fuzz_targets/`, guided by coverage) and
//! under the driver of this crate's binary (mutated seeds, stable Rust, no other tool), so that neither knows of a parser that the
//! other does not.

#![forbid(unsafe_code)]

pub mod driver;
pub mod mutate;
pub mod seeds;
pub mod targets;

mod tree;

/// A function to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called on command lines; the libFuzzer binary is `fuzz_` and this.
    pub name: &'static str,
    /// Takes any input; whether it was accepted.
    pub run: fn(&[u8]) -> bool,
    /// Inputs to start from, the first of which is accepted.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "note", run: targets::note, seeds: seeds::notes },
    Target { name: "signature_line", run: targets::signature_line, seeds: seeds::signature_lines },
    Target { name: "vkey", run: targets::vkey, seeds: seeds::vkeys },
    Target { name: "key_file", run: targets::key_file, seeds: seeds::key_files },
    Target { name: "checkpoint", run: targets::checkpoint, seeds: seeds::checkpoints },
    Target { name: "policy", run: targets::policy, seeds: seeds::policies },
    Target { name: "proof", run: targets::proof, seeds: seeds::proofs },
    Target { name: "evidence", run: targets::evidence, seeds: seeds::evidence },
    Target { name: "add_checkpoint", run: targets::add_checkpoint, seeds: seeds::add_checkpoints },
    Target { name: "sign_subtree", run: targets::sign_subtree, seeds: seeds::sign_subtrees },
    Target { name: "witness_answer", run: targets::witness_answer, seeds: seeds::witness_answers },
    Target { name: "tile_path", run: targets::tile_path, seeds: seeds::tile_paths },
    Target { name: "bundle", run: targets::bundle, seeds: seeds::bundles },
    Target { name: "tiles", run: targets::tiles, seeds: seeds::tiles },
    Target { name: "merkle", run: targets::merkle, seeds: seeds::merkle },
    Target { name: "statement", run: targets::statement, seeds: seeds::statements },
    Target { name: "ledger", run: targets::ledger, seeds: seeds::ledgers },
    Target { name: "disclosures", run: targets::disclosures, seeds: seeds::disclosures },
    #[cfg(feature = "server")]
    Target { name: "config", run: targets::config, seeds: seeds::configs },
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

#[cfg(test)]
mod tests;
