//! The words for each kind of file.

use std::fmt::Write;
use std::path::Path;

use acta_client::audit::ConflictingHeads;
use acta_client::registrar::Collected;
use acta_client::words::Words;
use decision::statement::Statement;
use tlog::Hash;
use tlog::checkpoint::{Checkpoint, SignedCheckpoint};
use tlog::key::{Algorithm, VerifierKey};
use tlog::note::{Note, Signature};
use tlog::policy::Policy;
use tlog::printable::Printable;
use tlog::proof::Proof;
use tlog::tiles::{BundleId, Entries, Tile, TileId};

use super::super::show;

/// `writeln!` into a string, which cannot fail.
macro_rules! line {
    ($out:expr, $($format:tt)*) => { let _ = writeln!($out, $($format)*); };
}

pub(super) fn receipt(proof: &Proof) -> String {
    let mut out = String::from("A receipt (C2SP tlog-proof): it proves that a log holds an entry.\n");
    line!(out, "  entry number:  {}", proof.index());
    match proof.extra() {
        Some(entry) => {
            match Statement::parse(entry) {
                Ok(statement) => {
                    line!(out, "  entry:         a statement, which says:");
                    out += &Words::of(statement.draft()).lines("    ");
                    statement.signatures().iter().for_each(|line| signature(&mut out, line));
                }
                Err(_) => {
                    line!(out, "  entry:         {}", show::entry(entry));
                }
            }
            line!(out, "  leaf hash:     {}", Hash::leaf(entry));
        }
        None => {
            line!(out, "  entry:         not in the receipt; keep its file beside it");
        }
    }
    line!(out, "  proof:         {} from the entry to the root", show::count(length(proof.hashes().len()), "hash", "hashes"));
    line!(out, "Under this checkpoint:");
    describe(&mut out, proof.checkpoint());
    out + "Not verified yet; to do that:  acta verify --policy POLICY RECEIPT\n"
}

pub(super) fn statement(collected: &Collected) -> String {
    let words = Words::of(collected.draft()).lines("  ");
    if collected.signatures().is_empty() {
        return format!("A statement that nobody has signed yet. It would say:\n{words}");
    }
    let mut out = format!("A statement: one line of JSON, signed by those whom it takes. It says:\n{words}");
    collected.signatures().iter().for_each(|line| signature(&mut out, line));
    out + "Its signatures were not verified.\n"
}

pub(super) fn checkpoint(signed: &SignedCheckpoint) -> String {
    let mut out = String::from("A signed checkpoint (C2SP tlog-checkpoint): a log's size and the hash of all its entries.\n");
    describe(&mut out, signed);
    out + "Its signatures were not verified.\n"
}

pub(super) fn note(note: &Note) -> String {
    let mut out = String::from("A signed note (C2SP signed-note). It says:\n");
    for text in show::text(note.text().as_bytes()).unwrap_or_default().lines() {
        line!(out, "  | {text}");
    }
    note.signatures().iter().for_each(|line| signature(&mut out, line));
    out + "Its signatures were not verified.\n"
}

pub(super) fn verifier_key(key: &VerifierKey) -> String {
    let mut out = String::from("A verifier key (vkey): the public half of a key, for policies. Nothing in it is secret.\n");
    key_facts(&mut out, key);
    out
}

pub(super) fn private_key(path: &Path, text: &str) -> String {
    let mut out = String::from("A private key. Whoever can read this file can sign in its owner's name; it is not printed here.\n");
    // Programs that keep a directory of their own have the verifier key in log.vkey; `acta keygen` writes log.key.vkey.
    match keyfile::load(path).or_else(|error| keyfile::load_at(path, &path.with_extension("vkey")).map_err(|_| error)) {
        Ok(key) => key_facts(&mut out, key.verifier_key()),
        Err(error) => {
            line!(out, "  It cannot be used as it is: {error}.");
        }
    }
    line!(out, "  format:     {}", if text.starts_with("PRIVATE+KEY+") { "Go's note package" } else { "PKCS#8 PEM, as openssl writes it" });
    out
}

pub(super) fn policy(policy: &Policy) -> String {
    let mut out = String::from("A policy (C2SP tlog-policy): which logs to believe, and which witnesses must have signed.\n");
    for log in policy.logs() {
        line!(
            out,
            "  log        {} ({}), key {}",
            Printable(log.key().name()),
            Printable(log.url().unwrap_or("no address")),
            log.key().id()
        );
    }
    for witness in policy.witnesses() {
        let key = witness.key();
        line!(
            out,
            "  witness    {} ({}), key {} of {}",
            Printable(witness.name()),
            algorithm(key.algorithm()),
            key.id(),
            Printable(key.name())
        );
    }
    for group in policy.groups() {
        let members = policy.members(group).map(|name| Printable(name).to_string()).collect::<Vec<_>>().join(", ");
        line!(out, "  group      {}: {} of {members}", Printable(group.name()), group.threshold());
    }
    match policy.quorum() {
        Some(name) => {
            line!(out, "  A checkpoint counts once the log and {} have signed it.", Printable(name));
        }
        None => {
            line!(
                out,
                "  A checkpoint counts once the log has signed it; no witness is needed, so nobody else vouches that all see the same log."
            );
        }
    }
    out
}

pub(super) fn tile(id: TileId, bytes: &[u8]) -> String {
    let mut out = format!("A tile of a log's tree (C2SP tlog-tiles): {} hashes of level {}.\n", id.width(), id.level());
    match Tile::parse(id, bytes) {
        Ok(tile) => {
            let entries = 1_u64.checked_shl(8 * u32::from(id.level())).unwrap_or(0);
            line!(out, "  each hash covers {}", show::count(entries, "entry", "entries"));
            line!(out, "  first index: {}", show::grouped(id.number().saturating_mul(256).saturating_mul(entries)));
            line!(out, "  first hash:  {}", tile.hashes()[0]);
            line!(out, "  last hash:   {}", tile.hashes()[tile.hashes().len() - 1]);
            if let Some(top) = tile.node(8, 0) {
                line!(out, "  all of them: {top} (one hash of level {})", id.level() + 1);
            }
        }
        Err(error) => {
            line!(out, "  It is damaged: {error}.");
        }
    }
    out + "Whether it is the log's own shows only up to a signed root: see `acta audit`.\n"
}

pub(super) fn bundle(id: BundleId, bytes: &[u8]) -> String {
    let mut out = format!("A bundle of a log's entries (C2SP tlog-tiles): {} from index {} on.\n", id.width(), id.first_index());
    let mut found = 0;
    for entry in Entries::new(bytes) {
        match entry {
            Ok(entry) => {
                // The number in a file's name can be anything.
                let index = id.first_index().as_u64().saturating_add(found);
                line!(out, "  {index:>8}  {}", show::entry(entry));
                found += 1;
            }
            Err(error) => {
                line!(out, "  It is damaged: {error}.");
            }
        }
    }
    if found != u64::from(id.width()) {
        line!(out, "  Its name says {} entries, and there are {found}.", id.width());
    }
    out
}

pub(super) fn conflict(heads: &ConflictingHeads) -> String {
    let unproven = heads.format == ConflictingHeads::FORMAT_UNPROVEN;
    let what = if unproven { "of which the log did not show that they agree" } else { "that do not agree" };
    let mut out = format!("Two heads of one log {what}, kept by `acta audit`. Do not lose this file.\n");
    line!(out, "  seen at: {}", heads.seen_at);
    let mut sizes = Vec::new();
    for (what, text) in [("Verified earlier:", &heads.earlier), ("Served later:", &heads.served)] {
        line!(out, "{what}");
        match SignedCheckpoint::parse(text.as_bytes()) {
            Ok(signed) => {
                describe(&mut out, &signed);
                sizes.push(signed.checkpoint().size());
            }
            Err(error) => {
                line!(out, "  It cannot be read: {error}.");
            }
        }
    }
    out + match sizes[..] {
        _ if unproven => "Whether the later one begins with the earlier one is open: the log did not serve what would show it.\n",
        [a, b] if a == b => "Both are of the same size with different hashes. If the log signed both, that alone convicts it.\n",
        [a, b] if a > b => "The log was shorter later than it had been before: it went back, or an outdated copy was served.\n",
        _ => "The later one does not begin with the earlier one. Others who use the log should see this.\n",
    }
}

pub(super) fn publish_state(text: &str) -> String {
    let lines = length(text.lines().count().saturating_sub(1));
    format!("The state of `acta publish`: which line of which input has which receipt. It has {}.\n", show::count(lines, "note", "notes"))
}

pub(super) fn describe(out: &mut String, signed: &SignedCheckpoint) {
    let checkpoint: &Checkpoint = signed.checkpoint();
    line!(out, "  log:           {}", show::text(checkpoint.origin().as_str().as_bytes()).unwrap_or_default());
    line!(out, "  size:          {}", show::count(checkpoint.size().as_u64(), "entry", "entries"));
    line!(out, "  root hash:     {}", checkpoint.root().to_base64());
    for extension in checkpoint.extensions() {
        line!(out, "  extension:     {}", show::entry(extension.as_bytes()));
    }
    signed.note().signatures().iter().for_each(|line| signature(out, line));
}

fn signature(out: &mut String, signature: &Signature) {
    // An unknown key's algorithm is not in the signature; the lengths tell the kinds apart that we know.
    let kind = match signature.bytes.len() {
        64 => ", as Ed25519 makes it".to_owned(),
        72 => cosigned_at("Ed25519", &signature.bytes),
        2428 => cosigned_at("ML-DSA-44", &signature.bytes),
        len => format!(", {len} bytes"),
    };
    line!(out, "  signed by:     {} (key {}){kind}", show::entry(signature.name.as_str().as_bytes()), signature.key_id);
}

fn cosigned_at(algorithm: &str, bytes: &[u8]) -> String {
    let time = bytes.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    format!(", a cosignature ({algorithm}) of {}", show::time(time))
}

fn key_facts(out: &mut String, key: &VerifierKey) {
    line!(out, "  name:       {}", show::entry(key.name().as_str().as_bytes()));
    line!(out, "  id:         {}", key.id());
    line!(out, "  algorithm:  {}", algorithm(key.algorithm()));
    line!(out, "  public key: {}", show::text(key.to_string().as_bytes()).unwrap_or_default());
}

fn algorithm(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Ed25519 => "Ed25519, signs notes and checkpoints",
        Algorithm::EcdsaP256 => "ECDSA P-256, signs notes",
        Algorithm::CosignatureEd25519 => "Ed25519, cosigns checkpoints",
        Algorithm::CosignatureMlDsa44 => "ML-DSA-44, cosigns checkpoints",
    }
}

fn length(len: usize) -> u64 {
    u64::try_from(len).expect("a length in memory fits")
}
