//! Statements: what agencies publish, who may publish it, and what it does to earlier decisions.
//!
//! A log proves that bytes were published. This crate says what the bytes mean: a [`statement`] is one line of JSON in its one
//! [`canonical`] form, signed by those whom it concerns. The [`ledger`] is what follows from all statements of a log in their order:
//! who may sign for whom, which numbers are taken, which decision took the place of which. It is a fold over the entries, so whoever
//! has the entries computes the same, and needs to believe nobody. Natural persons appear in statements only as digests of
//! [`disclosure`]s, which are kept elsewhere and can be deleted.
//!
//! From an agency's fields to an entry, and from a log's entries to what stands:
//!
//! ```
//! use decision::ledger::{Fold, Rules, Standing};
//! use decision::statement::Draft;
//! use serde_json::json;
//! use tlog::key::{Algorithm, KeyName, SigningKey};
//! use tlog::{Hash, LeafIndex};
//!
//! let key = |name, seed| SigningKey::from_seed(KeyName::new(name).unwrap(), Algorithm::Ed25519, &[seed; 32]).unwrap();
//! let (log, registrar, planning) = (key("log.example", 1), key("registrar.example", 2), key("planning.example", 3));
//! let issued = "2026-03-01T09:30:00Z";
//! let charter = json!({"type": "charter", "log": "log.example", "issued": issued, "version": 1, "admission": "statements",
//!     "registrars": [registrar.verifier_key().to_string()], "threshold": 1});
//! let registration = json!({"type": "issuer", "log": "log.example", "issuer": "planning.example", "issued": issued,
//!     "names": {"en": "Planning Authority"}, "keys": [planning.verifier_key().to_string()], "kinds": ["planning.*"]});
//! let permit = json!({"type": "decision", "log": "log.example", "issuer": "planning.example", "issued": issued, "series": "2026",
//!     "seq": 1, "kind": "planning.permit", "subject": "A roof", "outcome": "granted", "decided": "2026-02-27"});
//!
//! let sign = |statement, keys: &[&SigningKey]| Draft::from_json(statement).unwrap().sign(keys).unwrap().to_bytes();
//! let mut entries = vec![sign(&charter, &[&log]), sign(&registration, &[&registrar, &planning]), sign(&permit, &[&planning])];
//! let mut revocation = permit.clone();
//! revocation["seq"] = 2.into();
//! revocation["outcome"] = "revoked".into();
//! revocation["relates"] = json!([{"rel": "revokes", "index": 2, "leaf": Hash::leaf(&entries[2]).to_hex()}]);
//! entries.push(sign(&revocation, &[&planning]));
//! // What the registrars have not allowed is found, whoever let it in, and changes nothing.
//! entries.push(sign(&json!({"kind": "benefit.grant", "seq": 3, "type": "decision", "log": "log.example", "issuer": "planning.example",
//!     "issued": issued, "series": "2026", "subject": "A grant", "outcome": "granted", "decided": "2026-02-27"}), &[&planning]));
//!
//! let mut fold = Fold::new(Rules::new("log.example", vec![log.verifier_key().clone()]));
//! let findings: Vec<_> = entries.iter().filter_map(|entry| fold.push(entry).unwrap()).collect();
//! assert_eq!((findings.len(), findings[0].index, findings[0].reason.name()), (1, LeafIndex::new(4), "kind-not-allowed"));
//! let status = fold.rules().status(fold.ledger(), LeafIndex::new(2)).unwrap().unwrap();
//! assert_eq!((status.standing, status.by), (Some(Standing::Revoked), Some(3)));
//! ```
//!
//! Nothing here reads a file, a clock or a source of randomness: time and salt are arguments.

pub mod canonical;
pub mod disclosure;
pub mod keys;
pub mod ledger;
pub mod statement;
pub mod text;
pub mod types;
