//! From a statement to what the index holds of it.

use decision::ledger::Standing;
use decision::statement::Statement;
use decision::types::{Annotation, Body, Decision, Kind, Registration};
use tantivy::TantivyDocument;
use tlog::LeafIndex;

use super::{Fields, Place};
use crate::ledger::StoredLedger;
use crate::logs::LogState;
use crate::published::Lookup;
use crate::search::query::{indexed_amount, indexed_day};
use crate::store::{Store, StoreError};

/// What a document is made of besides the entry.
pub(super) struct Maker<'a> {
    pub(super) fields: &'a Fields,
    pub(super) store: &'a Store,
    pub(super) log: &'a LogState,
    pub(super) published: Lookup<'a>,
}

impl Maker<'_> {
    /// The document of an entry; `None` of one that has no place in an index.
    pub(super) fn document(&mut self, index: LeafIndex, statement: &Statement) -> Result<Option<TantivyDocument>, StoreError> {
        let Some(place) = (Place { log: self.log.number, index }).pack() else { return Ok(None) };
        let fields = self.fields;
        let mut document = TantivyDocument::new();
        document.add_u64(fields.place, place);
        document.add_text(fields.log, &self.log.origin);
        document.add_text(fields.r#type, statement.body().type_name());
        document.add_i64(fields.issued, statement.issued().as_unix());
        if let Some(issuer) = statement.issuer() {
            document.add_text(fields.issuer, issuer.as_str());
            document.add_text(fields.text, issuer.as_str());
        }
        if let Some(number) = statement.number() {
            document.add_text(fields.series, number.series.as_str());
            document.add_i64(fields.number, i64::try_from(number.seq).unwrap_or(i64::MAX));
        }
        if let Some(published) = self.published.at(index)? {
            document.add_i64(fields.published, published.latest.as_second());
        }
        if let Some(status) = self.status(index)? {
            document.add_text(fields.status, status);
        }
        match statement.body() {
            Body::Decision(decision) => self.decision(&mut document, decision),
            Body::Annotation(annotation) => self.annotation(&mut document, annotation),
            Body::Registration(registration) => self.registration(&mut document, registration),
            _ => {}
        }
        Ok(Some(document))
    }

    /// How a decision stands at the moment; an entry that the log should have refused is refused. Other statements have no status.
    fn status(&self, index: LeafIndex) -> Result<Option<&'static str>, StoreError> {
        let Some(status) = StoredLedger::new(self.store, self.log.number).status(index)? else { return Ok(Some("refused")) };
        Ok(status.standing.map(standing))
    }

    fn decision(&self, document: &mut TantivyDocument, decision: &Decision) {
        let fields = self.fields;
        let mut words = |field, text: &str| {
            document.add_text(field, text);
            document.add_text(fields.text, text);
        };
        words(fields.subject, decision.subject.as_str());
        words(fields.outcome, decision.outcome.as_str());
        decision.unit.iter().for_each(|unit| words(fields.unit, unit.as_str()));
        decision.legal_basis.iter().for_each(|law| words(fields.basis, law.as_str()));
        decision.place.iter().filter_map(|place| place.address.as_ref()).for_each(|address| words(fields.location, address.as_str()));
        for party in &decision.parties {
            party.name.iter().for_each(|name| words(fields.party, name.as_str()));
            party.id.iter().for_each(|id| words(fields.party, id.as_str()));
        }
        decision.signatories.iter().for_each(|who| document.add_text(fields.text, who.as_str()));
        decision.documents.iter().for_each(|file| document.add_text(fields.text, file.name.as_str()));
        self.kind(document, &decision.kind);
        self.lang(document, decision.lang.as_ref().map(|lang| lang.as_str()));
        if let Some(day) = indexed_day(decision.decided.as_str()) {
            document.add_i64(fields.decided, day);
        }
        if let Some(amount) = &decision.amount {
            document.add_text(fields.currency, amount.currency.as_str());
            if let Some(value) = indexed_amount(amount.value.as_str()) {
                document.add_i64(fields.amount, value);
            }
        }
    }

    fn annotation(&self, document: &mut TantivyDocument, annotation: &Annotation) {
        annotation.text.iter().for_each(|text| document.add_text(self.fields.text, text.as_str()));
        self.kind(document, &annotation.kind);
        self.lang(document, annotation.lang.as_ref().map(|lang| lang.as_str()));
    }

    fn registration(&self, document: &mut TantivyDocument, registration: &Registration) {
        registration.names.values().for_each(|name| document.add_text(self.fields.text, name.as_str()));
    }

    /// A kind by itself and by each pattern that it matches, so that a pattern is a term like any other.
    fn kind(&self, document: &mut TantivyDocument, kind: &Kind) {
        let kind = kind.as_str();
        document.add_text(self.fields.kind, kind);
        document.add_text(self.fields.kind, "*");
        for (at, _) in kind.match_indices('.') {
            document.add_text(self.fields.kind, format!("{}.*", &kind[..at]));
        }
    }

    /// A language, and the one without its region.
    fn lang(&self, document: &mut TantivyDocument, lang: Option<&str>) {
        let Some(lang) = lang.map(str::to_ascii_lowercase) else { return };
        if let Some((primary, _)) = lang.split_once('-') {
            document.add_text(self.fields.lang, primary);
        }
        document.add_text(self.fields.lang, &lang);
    }
}

/// As it is written in a query.
fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::InForce => "in-force",
        Standing::Corrected => "corrected",
        Standing::Superseded => "superseded",
        Standing::Revoked => "revoked",
    }
}
