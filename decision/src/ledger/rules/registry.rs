//! Charter, registrars, issuers and their keys.

use tlog::LeafIndex;
use tlog::key::VerifierKey;

use super::{Case, issuer, registry, superfluous};
use crate::ledger::rows::{self, Entry, Issuer, IssuerKey, Registry, What};
use crate::ledger::{ApplyError, Changes, LedgerRead, Refusal, read};
use crate::types::{Charter, IssuerId, KeyAction, KeyChange, RegistrarChange, Registration, Vkey};

/// The rules that this program knows.
const VERSION: u64 = 1;

/// The most keys that an issuer can have over all its time.
const MAX_KEYS: usize = 256;

impl<L: LedgerRead> Case<'_, L> {
    pub(super) fn charter(&self, charter: &Charter, log_keys: &[VerifierKey]) -> Result<Changes, ApplyError<L::Error>> {
        if self.index != 0 {
            return Err(Refusal::CharterNotFirst.into());
        }
        if charter.version != VERSION {
            return Err(Refusal::CharterVersion(charter.version).into());
        }
        superfluous(&self.statement.signers, |signer| log_keys.iter().any(|key| key.to_string() == signer.as_str()))?;
        Ok(self.registry_row(&Registry::new(&charter.by, 0), What::Charter))
    }

    pub(super) fn registrar_change(&self, change: &RegistrarChange) -> Result<Changes, ApplyError<L::Error>> {
        let registry = registry(self.ledger)?;
        self.signed_by_registrars(&registry, &[])?;
        Ok(self.registry_row(&Registry::new(&change.by, self.index), What::RegistrarChange))
    }

    fn registry_row(&self, registry: &Registry, what: What) -> Changes {
        let mut changes = Changes::default();
        changes.put(rows::registry_key(), registry);
        changes.put(rows::entry_key(self.index), &Entry::new(self.leaf, what));
        changes
    }

    pub(super) fn registration(&self, registration: &Registration) -> Result<Changes, ApplyError<L::Error>> {
        let id = &registration.issuer;
        let registry = registry(self.ledger)?;
        self.signed_by_registrars(&registry, &registration.keys)?;
        self.signed_by_added(&registration.keys)?;
        let before: Option<Issuer> = read(self.ledger, &rows::issuer_key(id))?;
        let (keys, registered, retired) = match before {
            Some(before) => (before.keys, before.registered, before.retired),
            None => (Vec::new(), self.index, None),
        };
        let names = registration.names.iter().map(|(lang, name)| (lang.as_str().into(), name.as_str().into()));
        let mut issuer = Issuer {
            names: names.collect(),
            kinds: registration.kinds.clone(),
            may_overrule: registration.may_overrule.clone(),
            keys,
            registered,
            retired: registration.retired.then_some(retired.unwrap_or(self.index)),
        };
        for key in &registration.keys {
            self.add_key(id, &mut issuer, key)?;
        }
        Ok(self.issuer_row(id, &issuer, What::Registration(id.clone())))
    }

    pub(super) fn key_change(&self, change: &KeyChange) -> Result<Changes, ApplyError<L::Error>> {
        let registry = registry(self.ledger)?;
        let mut issuer = issuer(self.ledger, &change.issuer)?;
        let by_registrars = self.statement.signers.iter().any(|signer| registry.holds(signer));
        match change.action {
            KeyAction::Add => {
                let added = std::slice::from_ref(&change.key);
                if by_registrars {
                    self.signed_by_registrars(&registry, added)?;
                } else {
                    self.signed_by_issuer(&change.issuer, &issuer, added)?;
                }
                self.signed_by_added(added)?;
                self.add_key(&change.issuer, &mut issuer, &change.key)?;
            }
            KeyAction::Retire => {
                let place = issuer.place_of(change.key.as_str()).ok_or_else(|| Refusal::NoSuchKey(change.key.clone()))?;
                if by_registrars {
                    self.signed_by_registrars(&registry, &[])?;
                } else {
                    self.retires_itself(change, &issuer)?;
                }
                self.retire_key(&mut issuer.keys[place], change)?;
            }
        }
        Ok(self.issuer_row(&change.issuer, &issuer, What::KeyChange(change.issuer.clone())))
    }

    fn retires_itself(&self, change: &KeyChange, issuer: &Issuer) -> Result<(), Refusal> {
        if self.statement.signers.iter().any(|signer| *signer != change.key) {
            return Err(Refusal::RetiresAnotherKey(change.key.clone()));
        }
        self.signed_by_issuer(&change.issuer, issuer, &[])?;
        if change.doubt_from.is_some() { Err(Refusal::DoubtByIssuer) } else { Ok(()) }
    }

    /// A key that retired itself can still be put in doubt: that it was stolen may come out later.
    fn retire_key(&self, key: &mut IssuerKey, change: &KeyChange) -> Result<(), Refusal> {
        match (key.retired, change.doubt_from) {
            (Some(by), None) => return Err(Refusal::RetiredKey { key: change.key.clone(), by: LeafIndex::new(by) }),
            (_, Some(from)) if from >= self.index => return Err(Refusal::DoubtNotEarlier(LeafIndex::new(self.index))),
            (_, Some(from)) => key.doubt_from = Some(key.doubt_from.map_or(from, |before| before.min(from))),
            (None, None) => {}
        }
        key.retired = key.retired.or(Some(self.index));
        Ok(())
    }

    fn add_key(&self, id: &IssuerId, issuer: &mut Issuer, key: &Vkey) -> Result<(), Refusal> {
        if !key.is_named_for(id) {
            return Err(Refusal::KeyOfAnotherName { key: key.clone(), issuer: id.clone() });
        }
        // By name and id, which is how signature lines tell keys apart.
        if issuer.keys.iter().any(|known| known.vkey.starts_with(key.name_and_id())) {
            return Err(Refusal::KnownKey(key.clone()));
        }
        if issuer.keys.len() >= MAX_KEYS {
            return Err(Refusal::TooManyKeys);
        }
        issuer.keys.push(IssuerKey { vkey: key.as_str().into(), added: self.index, retired: None, doubt_from: None });
        Ok(())
    }

    fn issuer_row(&self, id: &IssuerId, issuer: &Issuer, what: What) -> Changes {
        let mut changes = Changes::default();
        changes.put(rows::issuer_key(id), issuer);
        changes.put(rows::entry_key(self.index), &Entry::new(self.leaf, what));
        changes
    }
}
