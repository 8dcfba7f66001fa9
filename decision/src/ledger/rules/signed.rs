//! Rule 1: who must have signed.

use tlog::LeafIndex;

use super::{Case, Refusal, superfluous};
use crate::ledger::rows::{Issuer, Registry};
use crate::types::{IssuerId, Vkey};

impl<L> Case<'_, L> {
    /// The registrars have, as many as must, and beside them only `others`.
    pub(super) fn signed_by_registrars(&self, registry: &Registry, others: &[Vkey]) -> Result<(), Refusal> {
        let signers = &self.statement.signers;
        superfluous(signers, |signer| registry.holds(signer) || others.contains(signer))?;
        let have = signers.iter().filter(|signer| registry.holds(signer)).count();
        if have >= usize::from(registry.threshold) {
            return Ok(());
        }
        Err(Refusal::TooFewRegistrars { have: u16::try_from(have).unwrap_or(u16::MAX), need: registry.threshold })
    }

    /// Every key that is added has.
    pub(super) fn signed_by_added(&self, added: &[Vkey]) -> Result<(), Refusal> {
        match added.iter().find(|key| !self.statement.signers.contains(key)) {
            Some(key) => Err(Refusal::NoProofOfPossession(key.clone())),
            None => Ok(()),
        }
    }

    /// The place of the one key of the issuer that has, which must be in force; beside it only `others` have.
    pub(super) fn signed_by_issuer(&self, id: &IssuerId, issuer: &Issuer, others: &[Vkey]) -> Result<usize, Refusal> {
        if let Some(by) = issuer.retired {
            return Err(Refusal::RetiredIssuer { issuer: id.clone(), by: LeafIndex::new(by) });
        }
        let mut signer = None;
        for key in &self.statement.signers {
            match issuer.place_of(key.as_str()) {
                Some(place) if signer.is_none() => signer = Some((place, key)),
                _ if others.contains(key) => {}
                _ => return Err(Refusal::SuperfluousSignature(key.clone())),
            }
        }
        let (place, key) = signer.ok_or(Refusal::NotSignedByIssuer)?;
        match issuer.keys[place].retired {
            Some(by) => Err(Refusal::RetiredKey { key: key.clone(), by: LeafIndex::new(by) }),
            None => Ok(place),
        }
    }
}
