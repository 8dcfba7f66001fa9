//! `acta inspect`: what a file is, in plain words.
//!
//! Invariant: no secret is printed. Of a private key, only what its public key says.

use std::path::{Path, PathBuf};

use acta_client::audit::ConflictingHeads;
use acta_client::registrar::Collected;
use acta_client::terminal;
use clap::Args;
use tlog::checkpoint::SignedCheckpoint;
use tlog::evidence::Evidence;
use tlog::key::VerifierKey;
use tlog::note::Note;
use tlog::policy::Policy;
use tlog::proof::{HEADER, Proof};
use tlog::tiles::Resource;

use super::{Exit, Failure, read_file, stdout};

mod evidence;
mod explain;

pub(super) use evidence::contradiction;

/// The largest bundle there can be; every other file is smaller.
const MAX_FILE: usize = 256 * (2 + 65_535);

/// Say in plain words what a file is
#[derive(Debug, Args)]
#[command(
    after_help = "Understands receipts, evidence against a log, statements, checkpoints and other signed notes, policies, keys, tiles, entry bundles, and what acta itself \
keeps. Nothing is verified: see `acta verify` for that. Secrets are not printed.\n\nExample:\n  acta inspect permit.tlog-proof"
)]
pub(crate) struct Inspect {
    /// The file
    file: PathBuf,
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let bytes = read_file(&self.file, MAX_FILE)?;
        match explain(&self.file, &bytes) {
            Some(text) => stdout(text.as_bytes()),
            None => Err(Exit::Usage.because(format!(
                "{}: this is none of the files that acta knows; a tile or bundle is recognized by its path (…/tile/0/000)",
                terminal::path(&self.file)
            ))),
        }
    }
}

/// Tries the kinds one after the other: by the path for what has no marks of its own, then by how the text starts, then by parsing.
fn explain(path: &Path, bytes: &[u8]) -> Option<String> {
    if let Some(resource) = resource(path) {
        return Some(match resource {
            Resource::Tile(id) => explain::tile(id, bytes),
            Resource::Bundle(id) => explain::bundle(id, bytes),
        });
    }
    let text = str::from_utf8(bytes).ok()?;
    if text.starts_with(HEADER) {
        return Some(match Proof::parse(bytes) {
            Ok(proof) => explain::receipt(&proof),
            Err(error) => format!("This wants to be a receipt (C2SP tlog-proof), but cannot be read: {error}.\n"),
        });
    }
    if text.starts_with("acta-evidence") {
        return Some(match Evidence::parse(bytes) {
            Ok(evidence) => evidence::explain(&evidence),
            Err(error) => format!("This wants to be evidence against a log, and proves nothing: {error}.\n"),
        });
    }
    if text.contains("PRIVATE KEY-----") || text.starts_with("PRIVATE+KEY+") {
        return Some(explain::private_key(path, text));
    }
    // A witness with keys of two kinds gives both away in one file.
    let keys: Result<Vec<VerifierKey>, _> = text.lines().map(str::parse).collect();
    if let Ok(keys) = keys
        && !keys.is_empty()
    {
        return Some(keys.iter().map(explain::verifier_key).collect::<Vec<_>>().join("\n"));
    }
    if let Ok(signed) = SignedCheckpoint::parse(bytes) {
        return Some(explain::checkpoint(&signed));
    }
    if let Ok(statement) = Collected::parse(bytes) {
        return Some(explain::statement(&statement));
    }
    if let Ok(note) = Note::parse(bytes) {
        return Some(explain::note(&note));
    }
    if let Ok(heads) = serde_json::from_str::<ConflictingHeads>(text) {
        return Some(explain::conflict(&heads));
    }
    if text.starts_with(r#"{"format":"acta publish state v1""#) {
        return Some(explain::publish_state(text));
    }
    let policy_like = |line: &str| ["log ", "witness ", "group ", "quorum "].iter().any(|word| line.trim_start().starts_with(word));
    text.lines().any(policy_like).then(|| match Policy::parse(bytes) {
        Ok(policy) => explain::policy(&policy),
        Err(error) => format!("This wants to be a policy (C2SP tlog-policy), but cannot be used: {error}.\n"),
    })
}

/// The tile or bundle that the end of a path names: `…/tile/entries/x001/234.p/5`.
fn resource(path: &Path) -> Option<Resource> {
    let path = std::path::absolute(path).ok()?;
    let text = path.to_str()?;
    let starts = text.match_indices("tile/").map(|(at, _)| at).filter(|at| text[..*at].ends_with('/'));
    starts.filter_map(|at| Resource::parse(&text[at..])).last()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How files of ours begin, so that arbitrary bytes get past the first look.
    const BEGINNINGS: [&str; 10] = [
        "",
        "acta-evidence@v1: one log signed two histories\nkind divergent\nsubtree 0 5\ncheckpoint 5\n",
        "c2sp.org/tlog-proof@v1\nindex 1\n",
        "PRIVATE+KEY+",
        "-----BEGIN PRIVATE KEY-----\n",
        "log ",
        "{\"format\":\"acta publish state v1\"",
        "{\"format\":\"acta conflicting heads v1\",",
        "log.test/one\n18446744073709551615\n",
        "{\"type\":\"annotation\",\"log\":\"a\"}\n",
    ];

    proptest! {
        #[test]
        fn no_file_makes_it_panic(
            path in "(tile/(entries|[0-9]{1,2})/)?(x[0-9]{3}/){0,6}[0-9]{3}(\\.p/[0-9]{1,3})?",
            beginning in proptest::sample::select(BEGINNINGS.to_vec()),
            bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 0..600), "\\PC{0,200}\n\n\u{2014} \\PC{0,50}\n".prop_map(String::into_bytes)],
        ) {
            explain(Path::new(&path), &[beginning.as_bytes(), &bytes].concat());
        }
    }

    #[test]
    fn a_bundle_with_an_impossible_number_is_explained() {
        let path = "tile/entries/x072/x057/x594/x037/x927/935";
        let text = explain(Path::new(path), &[0; 6]).unwrap_or_default();
        assert!(text.contains("Its name says 256 entries, and there are 3."), "{text}");
    }
}
