//! What a statement costs beside what cannot be saved, the verification of its signature: `cargo bench -p decision --bench limits`.
//!
//! `ring` stands for what a processor can verify. Parts that verify nothing have that one verification as their measure too: how small they are
//! beside it is what matters of them.

#![allow(clippy::unwrap_used, reason = "benchmarks")]

#[path = "../../tlog/benches/shared/beside.rs"]
mod beside;

use std::hint::black_box;

use beside::Limit;
use decision::canonical;
use decision::ledger::{Fold, Rules};
use decision::statement::{Draft, Statement};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::{Hash, LeafIndex};

const LOG: &str = "ledger.example/bench";
const ISSUED: &str = "2026-03-01T09:30:00Z";

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), Algorithm::Ed25519, &[seed; 32]).unwrap()
}

fn signed(statement: &Value, keys: &[&SigningKey]) -> Vec<u8> {
    Draft::from_json(statement).unwrap().sign(keys).unwrap().to_bytes()
}

/// A ledger with one issuer.
fn fold(planning: &SigningKey) -> Fold {
    let (log, registrar) = (key(LOG, 1), key("registrar.example", 2));
    let charter = json!({"type": "charter", "log": LOG, "issued": ISSUED, "version": 1, "admission": "statements",
        "registrars": [registrar.verifier_key().to_string()], "threshold": 1});
    let registration = json!({"type": "issuer", "log": LOG, "issuer": "planning.example", "issued": ISSUED,
        "names": {"en": "Planning"}, "keys": [planning.verifier_key().to_string()], "kinds": ["planning.*"]});
    let mut fold = Fold::new(Rules::new(LOG, vec![log.verifier_key().clone()]));
    for entry in [signed(&charter, &[&log]), signed(&registration, &[&registrar, planning])] {
        assert_eq!(fold.push(&entry).unwrap(), None);
    }
    fold
}

fn main() {
    let planning = key("planning.example", 3);
    let entry = signed(
        &json!({
            "type": "decision", "log": LOG, "issuer": "planning.example", "issued": ISSUED, "lang": "en", "series": "2026", "seq": 1,
            "kind": "planning.permit", "subject": "Extension to the rear of the dwelling, application 1", "outcome": "granted",
            "decided": "2026-02-27", "unit": "Planning Committee", "legal_basis": ["Town and Country Planning Act, section 10"],
            "documents": [{"name": "decision-notice.pdf", "media_type": "application/pdf", "size": 184_320,
                "sha256": Hash::sha256(b"notice").to_hex()}],
        }),
        &[&planning],
    );
    let (statement, keys, fold) = (Statement::parse(&entry).unwrap(), [planning.verifier_key().clone()], fold(&planning));
    let verified = Statement::parse(&entry).unwrap().verify(&keys).unwrap();
    let (leaf, index) = (Hash::leaf(&entry), LeafIndex::new(2));

    let public = UnparsedPublicKey::new(&ED25519, keys[0].public_key());
    let work = || public.verify(black_box(statement.text().as_bytes()), &statement.signatures()[0].bytes).unwrap();
    let mut limit = Limit { one: "verification", many: "verifications", work: Box::new(work), units: 1 };
    println!("A decision of {} bytes; one verification by ring is the limit of those that verify, and the measure of all", entry.len());
    limit.beside("verifying alone, strictly", 1, || {
        keys[0].verify_note(black_box(statement.text()), &statement.signatures()[0].bytes).unwrap();
    });
    limit.beside("parsing and verifying", 1, || _ = black_box(Statement::parse(black_box(&entry)).unwrap().verify(&keys).unwrap()));
    limit.beside("parsing, verifying and deciding by a ledger in memory", 1, || {
        let verified = Statement::parse(black_box(&entry)).unwrap().verify(&keys).unwrap();
        black_box(fold.rules().apply(fold.ledger(), index, Hash::leaf(&entry), &verified).unwrap());
    });
    limit.share("checking of the canonical form", || canonical::check(black_box(statement.line())).unwrap());
    limit.share("parsing", || _ = black_box(Statement::parse(black_box(&entry)).unwrap()));
    limit.share("deciding by a ledger in memory", || {
        black_box(fold.rules().apply(fold.ledger(), index, leaf, black_box(&verified)).unwrap());
    });
}
