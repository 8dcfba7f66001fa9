//! Statements in quantity.

use decision::statement::Draft;
use serde_json::json;
use tlog::key::{Algorithm, KeyName, SigningKey};

pub(crate) const ORIGIN: &str = "ledger.example/bench";

pub(crate) fn key(name: &str, number: u64) -> SigningKey {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_seed(KeyName::new(name).unwrap(), Algorithm::Ed25519, &seed).unwrap()
}

pub(crate) fn registrar() -> SigningKey {
    key("registrar.example", u64::MAX)
}

/// An issuer that may issue planning decisions.
pub(crate) struct Issuer {
    pub(crate) id: String,
    pub(crate) key: SigningKey,
}

impl Issuer {
    pub(crate) fn new(number: u64) -> Self {
        let id = format!("issuer-{number}.example");
        Issuer { key: key(&id, number), id }
    }

    /// Its registration, signed by the registrar and itself.
    pub(crate) fn registration(&self, registrar: &SigningKey) -> Vec<u8> {
        let statement = json!({"type": "issuer", "log": ORIGIN, "issuer": self.id, "issued": "2026-03-01T09:30:00Z",
            "names": {"en": self.id}, "keys": [self.key.verifier_key().to_string()], "kinds": ["planning.*"]});
        Draft::from_json(&statement).unwrap().sign(&[registrar, &self.key]).unwrap().to_bytes()
    }

    /// A decision of the size that decisions usually have, half a kilobyte.
    pub(crate) fn decision(&self, seq: u64) -> Vec<u8> {
        let statement = json!({
            "type": "decision", "log": ORIGIN, "issuer": self.id, "issued": "2026-03-01T09:30:00Z", "lang": "en", "series": "2026",
            "seq": seq, "kind": "planning.permit", "subject": format!("Extension to the rear of the dwelling, application {seq}"),
            "outcome": "granted", "decided": "2026-02-27", "unit": "Planning Committee",
            "legal_basis": ["Town and Country Planning Act, section 10"],
            "documents": [{"name": "decision-notice.pdf", "media_type": "application/pdf", "size": 184_320,
                "sha256": tlog::Hash::sha256(&seq.to_be_bytes()).to_hex()}],
        });
        Draft::from_json(&statement).unwrap().sign(&[&self.key]).unwrap().to_bytes()
    }
}
