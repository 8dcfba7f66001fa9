//! How often decisions were changed afterwards, and by whom.
//!
//! Raises nothing: that a court puts aside what an authority decided is what courts are for. But how often it happens to one authority and
//! not to another is worth knowing, so it is counted for reports.

use serde::{Deserialize, Serialize};

use super::{decode, encode, key, numbered, read};
use crate::check::{Check, Judged, Outcome, Rows};
use crate::store::{Family, Store, StoreError};
use decision::types::Relation;

const NAME: &str = "overturned";

/// What became of an issuer's decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Contested, each time counted.
    pub appealed: u64,
    /// Corrected, decided anew, or ended by the issuer itself.
    pub by_itself: u64,
    /// Corrected by somebody else.
    pub corrected: u64,
    /// Decided anew by somebody else.
    pub superseded: u64,
    /// Ended by somebody else.
    pub revoked: u64,
}

pub(super) struct Overturned;

impl Check for Overturned {
    fn name(&self) -> &'static str {
        NAME
    }

    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, _: &mut Outcome) -> Result<(), StoreError> {
        let Some(number) = numbered(entry) else { return Ok(()) };
        for related in entry.related {
            let key = key(b"i", &[related.issuer.as_str()]);
            let mut changed: Changed = read(rows, &key)?.unwrap_or_default();
            let count = match related.rel {
                Relation::Refers => continue,
                Relation::Appeals => &mut changed.appealed,
                _ if related.issuer == *number.issuer => &mut changed.by_itself,
                Relation::Corrects => &mut changed.corrected,
                Relation::Supersedes => &mut changed.superseded,
                Relation::Revokes => &mut changed.revoked,
            };
            *count += 1;
            rows.put(&key, encode(&changed));
        }
        Ok(())
    }
}

/// What became of the decisions of each issuer of a log of which anything is known: at most `limit` issuers, by their names.
pub fn overturned(store: &Store, log: u32, limit: usize) -> Result<Vec<(String, Changed)>, StoreError> {
    let prefix = [&log.to_be_bytes(), NAME.as_bytes(), b"\0i"].concat();
    let rows = store.scan(Family::Checks, &prefix, limit)?;
    let one = |(key, row): (Vec<u8>, Vec<u8>)| {
        let issuer = key.get(prefix.len()..key.len().saturating_sub(1)).unwrap_or_default();
        Ok((String::from_utf8_lossy(issuer).into_owned(), decode(&row)?))
    };
    rows.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;

    #[test]
    fn what_became_of_decisions_is_counted_for_their_issuer() {
        let mut world = World::new("");
        (1..=4).for_each(|seq| _ = world.decide("planning.example", seq));
        for (seq, issuer, rel, index) in [
            (1, "court.example", "appeals", 0),
            (2, "court.example", "revokes", 0),
            (3, "court.example", "supersedes", 1),
            (4, "court.example", "refers", 2),
            (5, "planning.example", "corrects", 2),
            (6, "planning.example", "supersedes", 5),
        ] {
            let decision = world.relating(world.decision(issuer, "2026", seq), &[(rel, index)]);
            world.publish(decision);
        }
        let planning = Changed { appealed: 1, by_itself: 1, superseded: 1, revoked: 1, ..Changed::default() };
        let court = Changed { superseded: 1, ..Changed::default() };
        let expected = [("court.example".to_owned(), court), ("planning.example".to_owned(), planning)];
        assert_eq!(overturned(world.store(), world.log, 10).ok(), Some(expected.to_vec()));
    }
}
