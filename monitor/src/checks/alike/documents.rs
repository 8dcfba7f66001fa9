//! One document in unrelated decisions.
//!
//! **Finds** decisions that name a document, by its SHA-256, which an earlier decision of another issuer, another series or on another subject
//! names, and to which no chain of relations leads.
//!
//! **Why somebody does that**: an expert's report, a tender or a certificate is used again for what it was not made for.
//!
//! **False alarms**: forms, maps and general conditions. A document that stands in `shared_document_common` decisions is taken for one of
//! these if they are of `shared_document_issuers` issuers: what was found of it before is resolved, and no more is said. Of so many decisions
//! of one issuer, one finding takes the place of those about its own decisions, and stays; what is shared with other issuers stays as it is.
//! So an issuer has few findings of its own form, and nobody has one go away by using the document more often. Documents of no
//! bytes are placeholders, and are passed over.

use decision::types::{Decision, Document};
use serde::{Deserialize, Serialize};
use tlog::printable::Printable;

use super::{Chain, hash, remember};
use crate::check::{Outcome, Rows};
use crate::checks::settings::Settings;
use crate::checks::{encode, read};
use crate::finding::{Code, Raised};
use crate::store::StoreError;

pub(super) struct Documents {
    common: u32,
    issuers: usize,
}

/// In which decisions a document is: key `D`, its SHA-256.
#[derive(Default, Serialize, Deserialize)]
struct Holders {
    count: u32,
    /// Whose they are, and how many each has: as many issuers as make it a form.
    issuers: Vec<(Box<str>, u32)>,
    /// The first ones.
    first: Vec<Holder>,
    /// What was found: the subject of each finding.
    found: Vec<Found>,
}

#[derive(Serialize, Deserialize)]
struct Found {
    subject: Box<str>,
    issuer: Box<str>,
    /// Whether the other decision is of the same issuer.
    is_own: bool,
}

#[derive(Serialize, Deserialize)]
struct Holder {
    index: u64,
    issuer: Box<str>,
    series: Box<str>,
    seq: u64,
    /// A hash of what it is about.
    subject: u64,
}

/// How many decisions are remembered for each document.
const MAX_HOLDERS: usize = 4;

impl Documents {
    pub(super) fn new(settings: &Settings) -> Self {
        let issuers = usize::try_from(settings.0.shared_document_issuers).unwrap_or(usize::MAX);
        Documents { common: settings.0.shared_document_common, issuers }
    }

    pub(super) fn entry(
        &self,
        rows: &mut Rows<'_, '_>,
        decision: &Decision,
        chain: &mut Chain<'_>,
        out: &mut Outcome,
    ) -> Result<(), StoreError> {
        for (place, document) in decision.documents.iter().enumerate() {
            let repeated = decision.documents[..place].iter().any(|before| before.sha256 == document.sha256);
            if document.size > 0 && !repeated {
                self.document(rows, decision, document, chain, out)?;
            }
        }
        Ok(())
    }

    fn document(
        &self,
        rows: &mut Rows<'_, '_>,
        decision: &Decision,
        document: &Document,
        chain: &mut Chain<'_>,
        out: &mut Outcome,
    ) -> Result<(), StoreError> {
        let key = key(document);
        let mut holders: Holders = read(rows, &key)?.unwrap_or_default();
        if self.is_form(&holders) {
            return Ok(());
        }
        let this = Holder::new(chain.index, decision);
        let own = holders.add(&this.issuer);
        if self.is_form(&holders) {
            holders.first.clear();
            holders.found.drain(..).for_each(|found| out.clear(Code::SHARED_DOCUMENT, found.subject));
        } else if own <= self.common
            && let Some(other) = this.unrelated(rows, &holders, chain)?
        {
            let is_own = other.issuer == this.issuer;
            let found = if own == self.common && is_own {
                let (raised, subject) = its_form(document, &this, other, own);
                out.raise(raised);
                subject
            } else {
                let subject = subject(document, this.index);
                remember(rows, 0, &subject, this.index, other.index)?;
                out.raise(raised(document, &this, other, &subject));
                subject
            };
            if own == self.common && is_own {
                let is_its_own = |found: &Found| found.is_own && found.issuer == this.issuer;
                let (gone, left): (Vec<_>, Vec<_>) = holders.found.drain(..).partition(is_its_own);
                gone.into_iter().for_each(|found| out.clear(Code::SHARED_DOCUMENT, found.subject));
                holders.found = left;
            }
            holders.found.push(Found { subject: found.into(), issuer: this.issuer.clone(), is_own });
        }
        if holders.first.len() < MAX_HOLDERS && !self.is_form(&holders) {
            holders.first.push(this);
        }
        rows.put(&key, encode(&holders));
        Ok(())
    }

    fn is_form(&self, holders: &Holders) -> bool {
        holders.count >= self.common && holders.issuers.len() >= self.issuers
    }
}

impl Holders {
    /// Counts one more decision of an issuer, and gives how many it has.
    fn add(&mut self, issuer: &str) -> u32 {
        self.count = self.count.saturating_add(1);
        if let Some((_, count)) = self.issuers.iter_mut().find(|(of, _)| **of == *issuer) {
            *count = count.saturating_add(1);
            return *count;
        }
        self.issuers.push((issuer.into(), 1));
        1
    }
}

impl Holder {
    fn new(index: u64, decision: &Decision) -> Self {
        Holder {
            index,
            issuer: decision.issuer.as_str().into(),
            series: decision.series.as_str().into(),
            seq: decision.seq,
            subject: hash(decision.subject.as_str().as_bytes()),
        }
    }

    /// The first of those that have the document and nothing to do with this one.
    fn unrelated<'h>(&self, rows: &Rows<'_, '_>, holders: &'h Holders, chain: &mut Chain<'_>) -> Result<Option<&'h Holder>, StoreError> {
        for other in &holders.first {
            let differs = other.issuer != self.issuer || other.series != self.series || other.subject != self.subject;
            if differs && chain.is_unrelated(rows, other.index)? {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }
}

fn raised(document: &Document, this: &Holder, other: &Holder, subject: &str) -> Raised {
    let which =
        |holder: &Holder| format!("number {} of series {} of {} (entry {})", holder.seq, holder.series, holder.issuer, holder.index);
    let text = format!(
        "The document {:?} (SHA-256 {}) of {} is also that of {}, and neither refers to the other.",
        Printable(&document.name).to_string(),
        document.sha256,
        which(this),
        which(other)
    );
    Raised::new(Code::SHARED_DOCUMENT, &*this.issuer, subject, text).at([other.index, this.index])
}

/// An issuer has the document in so many decisions that it is its form, or a paper that serves for everything.
fn its_form(document: &Document, this: &Holder, other: &Holder, count: u32) -> (Raised, String) {
    let subject = format!("{} of {}", document.sha256, this.issuer);
    let text = format!(
        "The document {:?} (SHA-256 {}) is that of {count} decisions of {}, of which not all refer to each other: it is a form, or used for what \
         it was not made for. Further ones are not found.",
        Printable(&document.name).to_string(),
        document.sha256,
        this.issuer
    );
    (Raised::new(Code::SHARED_DOCUMENT, &*this.issuer, &*subject, text).at([other.index, this.index]), subject)
}

fn subject(document: &Document, index: u64) -> String {
    format!("{} in entry {index}", document.sha256)
}

fn key(document: &Document) -> Vec<u8> {
    let hash = tlog::Hash::from_hex(document.sha256.as_str()).expect("it was checked when it was parsed");
    [b"D".as_slice(), hash.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::checks::testing::{World, with};

    const ONE: &str = "planning.example";
    const OTHER: &str = "court.example";

    fn naming(decision: Value, subject: &str, byte: u8) -> Value {
        let sha256 = tlog::Hash::sha256(&[byte]).to_hex();
        let document = json!({"name": "Survey \u{202e}.pdf", "media_type": "application/pdf", "size": 1, "sha256": sha256});
        with(with(decision, "documents", json!([document, document])), "subject", subject.into())
    }

    fn publish(world: &mut World, issuer: &str, seq: u64, subject: &str, byte: u8) -> u64 {
        let decision = naming(world.decision(issuer, "2026", seq), subject, byte);
        world.publish(decision)
    }

    #[test]
    fn a_document_in_unrelated_decisions_is_found() {
        for (issuer, subject, byte, found) in [
            (OTHER, "A roof", 1, 1),
            (ONE, "A wall", 1, 1),
            (ONE, "A roof", 1, 0), // the same again
            (OTHER, "A roof", 2, 0),
        ] {
            let mut world = World::new("");
            publish(&mut world, ONE, 1, "A roof", 1);
            publish(&mut world, issuer, 2, subject, byte);
            assert_eq!(world.found(&Code::SHARED_DOCUMENT).len(), found, "{issuer} {subject} {byte}");
        }
        let mut world = World::new("");
        publish(&mut world, ONE, 1, "A roof", 1);
        publish(&mut world, OTHER, 1, "A wall", 1);
        let raised = world.one(&Code::SHARED_DOCUMENT);
        assert_eq!((raised.group.as_str(), raised.indexes.as_slice()), (OTHER, &[0, 1][..]));
        assert!(!raised.text.contains('\u{202e}'), "{}", raised.text);
    }

    #[test]
    fn a_document_of_decisions_that_a_chain_of_relations_joins_is_no_finding() {
        for relations in [&[("corrects", 0)][..], &[("appeals", 0)], &[("refers", 1)], &[("refers", 2)]] {
            let mut world = World::new("");
            publish(&mut world, ONE, 1, "A roof", 1);
            let chain = world.relating(world.decision(ONE, "2026", 2), &[("refers", 0)]);
            world.publish(chain);
            let chain = world.relating(world.decision(ONE, "2026", 3), &[("refers", 1)]);
            world.publish(chain);
            let decision = naming(world.relating(world.decision(OTHER, "2026", 1), relations), "A wall", 1);
            world.publish(decision);
            assert_eq!(world.found(&Code::SHARED_DOCUMENT), [""; 0], "{relations:?}");
        }
        // Two decisions about a third.
        let mut world = World::new("");
        world.decide(ONE, 1);
        for seq in [2, 3] {
            let decision = world.relating(world.decision(ONE, "2026", seq), &[("refers", 0)]);
            world.publish(naming(decision, &format!("Part {seq}"), 1));
        }
        assert_eq!(world.found(&Code::SHARED_DOCUMENT), [""; 0]);
    }

    #[test]
    fn it_is_resolved_when_something_takes_the_place_of_either_or_joins_both() {
        for (relations, resolved) in [
            (&[("corrects", 0)][..], true),
            (&[("revokes", 1)], true),
            (&[("refers", 0), ("refers", 1)], true),
            (&[("refers", 0)], false),
            (&[("appeals", 1)], false),
        ] {
            let mut world = World::new("");
            publish(&mut world, ONE, 1, "A roof", 1);
            publish(&mut world, OTHER, 1, "A wall", 1);
            let third = world.relating(world.decision(OTHER, "2026", 2), relations);
            world.publish(third);
            assert_eq!(world.found(&Code::SHARED_DOCUMENT).is_empty(), resolved, "{relations:?}");
        }
    }

    #[test]
    fn a_document_that_stands_everywhere_is_a_form() {
        let mut world = World::new("");
        for seq in 1..=12 {
            publish(&mut world, [ONE, OTHER, "third.example"][usize::try_from(seq % 3).unwrap_or(0)], seq, &format!("House {seq}"), 1);
            let found = if seq < 8 { usize::try_from(seq - 1).unwrap_or(0) } else { 0 };
            assert_eq!(world.found(&Code::SHARED_DOCUMENT).len(), found, "{seq}");
        }
    }

    #[test]
    fn an_issuer_has_one_finding_of_its_own_form_and_cannot_have_it_go_away() {
        let mut world = World::new("");
        for seq in 1..=20 {
            publish(&mut world, ONE, seq, &format!("House {seq}"), 1);
            let found = if seq < 8 { usize::try_from(seq - 1).unwrap_or(0) } else { 1 };
            assert_eq!(world.found(&Code::SHARED_DOCUMENT).len(), found, "{seq}");
        }
        assert!(world.one(&Code::SHARED_DOCUMENT).text.contains("8 decisions of planning.example"));
        publish(&mut world, OTHER, 1, "A wall", 1);
        assert_eq!(world.found(&Code::SHARED_DOCUMENT).len(), 2, "of an issuer that has it once, it is found");
    }

    #[test]
    fn nobody_has_what_is_shared_with_others_go_away_by_using_it_more_often() {
        let mut world = World::new("");
        publish(&mut world, ONE, 1, "A roof", 1);
        for seq in 1..=20 {
            publish(&mut world, OTHER, seq, &format!("House {seq}"), 1);
        }
        let shared = world.found(&Code::SHARED_DOCUMENT).iter().filter(|subject| subject.ends_with("in entry 1")).count();
        assert_eq!(shared, 1, "{:?}", world.found(&Code::SHARED_DOCUMENT));
        assert!(world.found(&Code::SHARED_DOCUMENT).len() <= 8, "and it is not one for each");
    }
}
