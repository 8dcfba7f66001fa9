//! What a ledger says of an entry.

use serde::{Deserialize, Serialize};
use tlog::{Hash, LeafIndex};

use super::rows::{self, Entry, Issuer, NumberedEntry, Successor, What};
use super::{LedgerError, LedgerRead, Rules, read};
use crate::types::{IssuerId, Kind, LeafHash, Relation, SeriesName};

/// What a ledger says of an entry now. As JSON it is what a log answers for `GET /status/{index}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Which entry.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: LeafHash,
    /// What type of statement it is.
    #[serde(rename = "type")]
    pub entry_type: EntryType,
    /// Whom it is of, or about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerStatus>,
    /// Its number and kind, of a decision or annotation.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub numbered: Option<Numbered>,
    /// The key that signed it, of a decision or annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyStatus>,
    /// Whether it stands, of a decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// The decision that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<u64>,
}

/// The type of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryType {
    /// The log's first entry.
    Charter,
    /// Other registrars.
    Registrar,
    /// A registration.
    Issuer,
    /// A key.
    Key,
    /// A decision.
    Decision,
    /// An annotation.
    Annotation,
}

/// A number and a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbered {
    /// The series.
    pub series: SeriesName,
    /// The number in it.
    pub seq: u64,
    /// The kind.
    pub kind: Kind,
}

/// An issuer as it is registered now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerStatus {
    /// Its identifier.
    pub id: IssuerId,
    /// What people call it, by language.
    pub names: std::collections::BTreeMap<Box<str>, Box<str>>,
    /// The entry that registered it first.
    pub registered: u64,
    /// The entry that retired it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<u64>,
}

/// The key that signed an entry. It was in force at that entry's index, or the entry would not have been admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStatus {
    /// The verifier key.
    pub vkey: Box<str>,
    /// The entry that added it.
    pub added: u64,
    /// The entry that retired it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<u64>,
    /// The index from which on the registrars doubt what it signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt_from: Option<u64>,
    /// Whether this entry is one of those.
    pub in_doubt: bool,
}

/// Whether a decision stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Nothing took its place.
    InForce,
    /// A later one puts an error in it right.
    Corrected,
    /// A later one decides anew.
    Superseded,
    /// A later one ends it.
    Revoked,
}

impl Rules {
    /// What `ledger` says of the entry at `index`; `None` if there is no such entry, or it should not have been admitted.
    pub fn status<L: LedgerRead>(&self, ledger: &L, index: LeafIndex) -> Result<Option<Status>, LedgerError<L::Error>> {
        let Some(entry) = read::<Entry, _>(ledger, &rows::entry_key(index.as_u64()))? else { return Ok(None) };
        let mut status = Status {
            index: index.as_u64(),
            leaf: LeafHash(Hash::new(entry.leaf)),
            entry_type: EntryType::Charter,
            issuer: None,
            numbered: None,
            key: None,
            standing: None,
            by: None,
        };
        match entry.what {
            What::Charter => {}
            What::RegistrarChange => status.entry_type = EntryType::Registrar,
            What::Registration(id) => {
                status.entry_type = EntryType::Issuer;
                status.issuer = Some(issuer(ledger, id)?.0);
            }
            What::KeyChange(id) => {
                status.entry_type = EntryType::Key;
                status.issuer = Some(issuer(ledger, id)?.0);
            }
            What::Annotation(numbered) => {
                status.entry_type = EntryType::Annotation;
                status.fill(ledger, numbered)?;
            }
            What::Decision { numbered, successor } => {
                status.entry_type = EntryType::Decision;
                status.fill(ledger, numbered)?;
                status.standing = Some(Standing::after(successor));
                status.by = successor.map(|successor| successor.index);
            }
        }
        Ok(Some(status))
    }

    /// An issuer as `ledger` has it; `None` if none of that name is or was registered.
    pub fn issuer<L: LedgerRead>(&self, ledger: &L, id: &IssuerId) -> Result<Option<IssuerStatus>, LedgerError<L::Error>> {
        match read::<Issuer, _>(ledger, &rows::issuer_key(id))? {
            None => Ok(None),
            Some(row) => Ok(Some(IssuerStatus::of(id.clone(), &row))),
        }
    }
}

impl IssuerStatus {
    fn of(id: IssuerId, row: &Issuer) -> Self {
        IssuerStatus { id, names: row.names.iter().cloned().collect(), registered: row.registered, retired: row.retired }
    }
}

impl Status {
    fn fill<L: LedgerRead>(&mut self, ledger: &L, numbered: NumberedEntry) -> Result<(), LedgerError<L::Error>> {
        let (status, issuer) = issuer(ledger, numbered.issuer)?;
        let key = issuer.keys.get(usize::from(numbered.key)).ok_or(LedgerError::Damaged)?;
        self.key = Some(KeyStatus {
            vkey: key.vkey.clone(),
            added: key.added,
            retired: key.retired,
            doubt_from: key.doubt_from,
            in_doubt: key.doubt_from.is_some_and(|from| self.index >= from),
        });
        self.issuer = Some(status);
        self.numbered = Some(Numbered { series: numbered.number.series, seq: numbered.number.seq, kind: numbered.kind });
        Ok(())
    }
}

impl Standing {
    fn after(successor: Option<Successor>) -> Self {
        match successor.map(|successor| successor.rel) {
            Some(Relation::Corrects) => Standing::Corrected,
            Some(Relation::Supersedes) => Standing::Superseded,
            Some(Relation::Revokes) => Standing::Revoked,
            // Only those three are successions.
            Some(Relation::Appeals | Relation::Refers) | None => Standing::InForce,
        }
    }
}

fn issuer<L: LedgerRead>(ledger: &L, id: IssuerId) -> Result<(IssuerStatus, Issuer), LedgerError<L::Error>> {
    let issuer: Issuer = read(ledger, &rows::issuer_key(&id))?.ok_or(LedgerError::Damaged)?;
    Ok((IssuerStatus::of(id, &issuer), issuer))
}
