//! Rule 4: relations to earlier entries, and the chains that they form.

use tlog::LeafIndex;

use super::Case;
use crate::ledger::rows::{self, Entry, Issuer, NumberedEntry, Successor, What};
use crate::ledger::{ApplyError, Changes, LedgerRead, Refusal, read};
use crate::statement::Numbered;
use crate::types::{Relates, Relation};

impl<L: LedgerRead> Case<'_, L> {
    /// Checks every relation, and notes the succession at the decisions whose place is taken.
    pub(super) fn relations(&self, numbered: &Numbered, issuer: &Issuer, changes: &mut Changes) -> Result<(), ApplyError<L::Error>> {
        for relates in &numbered.relates {
            let entry = self.related(relates)?;
            if !relates.rel.is_succession() {
                continue;
            }
            if !numbered.is_decision {
                return Err(Refusal::AnnotationDecides.into());
            }
            let succeeded = self.succeed(numbered, issuer, relates, entry)?;
            changes.put(rows::entry_key(relates.index), &succeeded);
        }
        Ok(())
    }

    /// The entry that is meant. Every relation must name one, also those without effect: a mention of nothing is a mistake.
    fn related(&self, relates: &Relates) -> Result<Entry, ApplyError<L::Error>> {
        let missing = Refusal::NoSuchEntry { index: relates.index };
        // What is not earlier has no row.
        let entry: Entry = read(self.ledger, &rows::entry_key(relates.index))?.ok_or(missing)?;
        if entry.leaf != *relates.leaf.0.as_bytes() {
            return Err(Refusal::OtherEntry { index: LeafIndex::new(relates.index) }.into());
        }
        Ok(entry)
    }

    /// The earlier decision with its place taken.
    fn succeed(&self, numbered: &Numbered, issuer: &Issuer, relates: &Relates, entry: Entry) -> Result<Entry, Refusal> {
        let index = LeafIndex::new(relates.index);
        let What::Decision { numbered: earlier, successor } = entry.what else { return Err(Refusal::NotADecision { index }) };
        may_change(numbered, issuer, &earlier, index)?;
        match successor {
            Some(Successor { rel: Relation::Revokes, index: by }) => Err(Refusal::Revoked { index, by: LeafIndex::new(by) }),
            Some(Successor { rel, index: by }) => Err(Refusal::HasSuccessor { index, rel, by: LeafIndex::new(by) }),
            None => {
                let successor = Some(Successor { rel: relates.rel, index: self.index });
                Ok(Entry { leaf: entry.leaf, what: What::Decision { numbered: earlier, successor } })
            }
        }
    }
}

/// One's own decisions, and those that one may overrule.
fn may_change(numbered: &Numbered, issuer: &Issuer, earlier: &NumberedEntry, index: LeafIndex) -> Result<(), Refusal> {
    let own = earlier.issuer == numbered.issuer;
    if own || issuer.may_overrule.iter().any(|overrule| overrule.covers(&earlier.issuer, &earlier.kind)) {
        return Ok(());
    }
    Err(Refusal::NotOverruled { index, of: earlier.issuer.clone(), issuer: numbered.issuer.clone() })
}
