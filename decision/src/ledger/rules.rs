//! The rules themselves.
//!
//! | rule | where |
//! |---|---|
//! | 1 signed by keys that the registry holds for the issuer at that index, as many and such as the type needs | [`signed`] |
//! | 2 the issuer may issue this kind | [`acts`] |
//! | 3 numbers: unique, within the window, nothing beyond a close | [`acts`] |
//! | 4 relations: by index and leaf hash, linear chains, own decisions or such as may be overruled | [`relations`] |
//! | 5 this log, bounded, canonical, strict signatures | [`crate::statement`], and [`Rules::apply`] for the log |

mod acts;
mod registry;
mod relations;
mod signed;

use std::sync::Arc;

use tlog::key::VerifierKey;
use tlog::{Hash, LeafIndex};

use super::rows::{self, Issuer, Registry};
use super::{ApplyError, Changes, LedgerError, LedgerRead, Refusal, read};
use crate::keys::Keys;
use crate::statement::{Act, Statement, StatementId, VerifiedStatement};
use crate::types::{Body, IssuerId, Vkey};

/// The rules of one log.
#[derive(Clone, Debug)]
pub struct Rules {
    log: Box<str>,
    log_keys: Vec<VerifierKey>,
    keys: Arc<Keys>,
}

/// What is being decided about, and from what.
struct Case<'a, L> {
    ledger: &'a L,
    index: u64,
    leaf: Hash,
    statement: &'a VerifiedStatement,
}

impl Rules {
    /// The rules of the log with this name, whose charter is signed by one of `log_keys`.
    pub fn new(log: &str, log_keys: Vec<VerifierKey>) -> Self {
        Rules { log: log.into(), log_keys, keys: Arc::default() }
    }

    /// The same with these remembered keys, for those who have the rules of several logs and memory for one of them.
    #[must_use]
    pub fn sharing(self, keys: Arc<Keys>) -> Self {
        Rules { keys, ..self }
    }

    /// The log's name.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// Where the statement with this text is, if it is in the log.
    pub fn find<L: LedgerRead>(&self, ledger: &L, id: &StatementId) -> Result<Option<LeafIndex>, LedgerError<L::Error>> {
        Ok(read::<u64, _>(ledger, &rows::statement_key(id))?.map(LeafIndex::new))
    }

    /// Every key that may have signed this statement, in force or not: what [`Statement::verify`] needs.
    pub fn candidates<L: LedgerRead>(&self, ledger: &L, statement: &Statement) -> Result<Vec<VerifierKey>, ApplyError<L::Error>> {
        let mut texts: Vec<Box<str>> = Vec::new();
        match statement.body() {
            Body::Charter(_) => return Ok(self.log_keys.clone()),
            Body::RegistrarChange(_) => texts.extend(registry(ledger)?.keys),
            Body::Registration(registration) => {
                texts.extend(registry(ledger)?.keys);
                texts.extend(registration.keys.iter().map(|key| key.as_str().into()));
            }
            Body::KeyChange(change) => {
                texts.extend(registry(ledger)?.keys);
                texts.extend(issuer(ledger, &change.issuer)?.keys.into_iter().map(|key| key.vkey));
                texts.push(change.key.as_str().into());
            }
            Body::Decision(_) | Body::Annotation(_) => {
                let id = statement.issuer().expect("decisions and annotations have an issuer");
                // Where there is no charter nobody is registered, and that is what has to be said. Looked at only then: this is done for
                // each decision.
                let issuer = issuer(ledger, id).or_else(|unregistered| registry(ledger).and(Err(unregistered)))?;
                texts.extend(issuer.keys.into_iter().map(|key| key.vkey));
            }
        }
        // A line names its key by name and id, so only such keys are worth parsing.
        let named = |text: &str| statement.signatures().iter().any(|line| is_of(line, text));
        let keys = texts.iter().filter(|text| named(text)).map(|text| self.keys.parse(text).map_err(|_| LedgerError::Damaged));
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// Decides about the statement with this index and leaf hash: what it changes, or which rule is against it.
    pub fn apply<L: LedgerRead>(
        &self,
        ledger: &L,
        index: LeafIndex,
        leaf: Hash,
        statement: &VerifiedStatement,
    ) -> Result<Changes, ApplyError<L::Error>> {
        if *statement.log != *self.log {
            return Err(Refusal::OtherLog(statement.log.clone()).into());
        }
        if let Some(index) = self.find(ledger, &statement.id)? {
            return Err(Refusal::AlreadyPublished(index).into());
        }
        let case = Case { ledger, index: index.as_u64(), leaf, statement };
        let mut changes = match &statement.act {
            Act::Charter(charter) => case.charter(charter, &self.log_keys)?,
            Act::RegistrarChange(change) => case.registrar_change(change)?,
            Act::Registration(registration) => case.registration(registration)?,
            Act::KeyChange(change) => case.key_change(change)?,
            Act::Numbered(numbered) => case.numbered(numbered)?,
        };
        changes.put(rows::statement_key(&statement.id), &index.as_u64());
        Ok(changes)
    }
}

/// Whether a signature line names the key of this text.
fn is_of(line: &tlog::note::Signature, vkey: &str) -> bool {
    let rest = vkey.strip_prefix(line.name.as_str()).and_then(|rest| rest.strip_prefix('+'));
    rest.and_then(|rest| rest.get(..8)).is_some_and(|id| u32::from_str_radix(id, 16) == Ok(line.key_id.as_u32()))
}

/// The registrars in force.
fn registry<L: LedgerRead>(ledger: &L) -> Result<Registry, ApplyError<L::Error>> {
    Ok(read(ledger, &rows::registry_key())?.ok_or(Refusal::NoCharter)?)
}

/// A registered issuer, retired or not.
fn issuer<L: LedgerRead>(ledger: &L, id: &IssuerId) -> Result<Issuer, ApplyError<L::Error>> {
    Ok(read(ledger, &rows::issuer_key(id))?.ok_or_else(|| Refusal::UnregisteredIssuer(id.clone()))?)
}

/// The first of `signers` that is none of those needed.
fn superfluous(signers: &[Vkey], needed: impl Fn(&Vkey) -> bool) -> Result<(), Refusal> {
    match signers.iter().find(|signer| !needed(signer)) {
        Some(signer) => Err(Refusal::SuperfluousSignature(signer.clone())),
        None => Ok(()),
    }
}
