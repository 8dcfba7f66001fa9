//! Statements in words, for whoever is about to sign one or wants to know what a receipt is for.
//!
//! Invariant: every word of a statement that is shown has gone through [`terminal::line`], so that what a stranger signed neither moves
//! the cursor nor reverses the reading direction nor starts a line of its own. All that a statement says is shown or counted: nothing
//! is signed unseen.

use std::fmt::{Display, Write};

use decision::ledger::{EntryType, IssuerStatus, KeyStatus, Standing, Status};
use decision::statement::Draft;
use decision::types::{
    Annotation, Body, Charter, Decision, Document, Hours, KeyAction, KeyChange, Party, Place, Point, Registrars, Registration, Relates,
    Relation, Vkey,
};
use serde_json::Value;
use tlog::note::Signature;

use crate::terminal;

/// A text that strangers chose, in one harmless line.
fn safe(text: impl Display) -> String {
    terminal::line(&text.to_string())
}

/// Lines of a label and what it labels.
#[derive(Clone, Debug, Default)]
pub struct Words(Vec<(&'static str, String)>);

impl Words {
    /// What a statement says.
    pub fn of(draft: &Draft) -> Words {
        let mut words = Words::default();
        let json = draft.json();
        match draft.body() {
            Body::Charter(charter) => words.charter(charter),
            Body::RegistrarChange(change) => {
                words.add("says", "from the next entry on, the log has these registrars");
                words.registrars(&change.by);
            }
            Body::Registration(registration) => words.registration(registration),
            Body::KeyChange(change) => words.key_change(change),
            Body::Decision(decision) => words.decision(decision, &json),
            Body::Annotation(annotation) => words.annotation(annotation),
            _ => words.add("says", "something that this version of acta has no words for"),
        }
        words.unknown(draft.body(), &json);
        words.add("log", safe(draft.body().log()));
        words.add("issued", format!("{}, as its signers say", draft.body().issued()));
        words
    }

    /// What a ledger says of an entry.
    pub fn of_status(status: &Status) -> Words {
        let mut words = Words::default();
        words.add("entry", format!("{}, {}", status.index, type_in_words(status.entry_type)));
        if let Some(issuer) = &status.issuer {
            words.add("issuer", issuer_in_words(issuer));
        }
        if let Some(numbered) = &status.numbered {
            let (series, kind) = (safe(&numbered.series), safe(&numbered.kind));
            words.add("number", format!("{} in the series {series}, of the kind {kind}", numbered.seq));
        }
        if let Some(key) = &status.key {
            words.key_status(key);
        }
        if let Some(standing) = status.standing {
            words.add("standing", standing_in_words(standing, status.by));
        }
        words
    }

    /// The key that signed an entry which the ledger holds: it was in force there.
    pub fn key_status(&mut self, key: &KeyStatus) {
        let (name, added) = (safe(&key.vkey), key.added);
        self.add("key", format!("{name}, in force at this entry: added by entry {added}"));
        if let Some(retired) = key.retired {
            self.add("key", format!("retired later, by entry {retired}"));
        }
        if let Some(from) = key.doubt_from {
            self.add(
                "key",
                match key.in_doubt {
                    true => format!("IN DOUBT: the registrars doubt whatever it signed from entry {from} on, so also this"),
                    false => format!("the registrars doubt what it signed from entry {from} on; this is earlier"),
                },
            );
        }
    }

    /// One more line. `text` is harmless already.
    pub fn add(&mut self, label: &'static str, text: impl Into<String>) {
        self.0.push((label, text.into()));
    }

    /// All of it, each line after `indent`.
    pub fn lines(&self, indent: &str) -> String {
        let width = self.0.iter().map(|(label, _)| label.len()).max().unwrap_or(0) + 1;
        let mut out = String::new();
        let mut last = "";
        for (label, text) in &self.0 {
            let shown = if *label == last { String::new() } else { format!("{label}:") };
            let _ = writeln!(out, "{indent}{shown:width$} {text}");
            last = label;
        }
        out
    }

    fn charter(&mut self, charter: &Charter) {
        self.add("says", format!("this log begins, with rules of version {}, and has these registrars", charter.version));
        self.registrars(&charter.by);
        self.add(
            "takes in",
            match charter.admission {
                decision::types::AdmissionMode::Statements => "statements that the rules admit",
                decision::types::AdmissionMode::Open => "any bytes",
            },
        );
    }

    fn registrars(&mut self, by: &Registrars) {
        by.registrars.iter().for_each(|key| self.add("registrar", safe(key)));
        self.add("threshold", format!("{} of these {} must sign together", by.threshold, by.registrars.len()));
    }

    fn registration(&mut self, registration: &Registration) {
        let issuer = safe(&registration.issuer);
        if registration.retired {
            self.add("says", format!("the issuer {issuer} has ended: it issues nothing any more, and what it issued stands"));
        } else {
            self.add("says", format!("the issuer {issuer} is registered, or its registration changed, as follows"));
        }
        for (lang, name) in &registration.names {
            self.add("name", format!("{} ({})", safe(name), safe(lang)));
        }
        registration.keys.iter().for_each(|key| self.add("adds key", safe(key)));
        self.add("may issue", listed(&registration.kinds).unwrap_or_else(|| "nothing".into()));
        for overrule in &registration.may_overrule {
            let whose = match String::from(overrule.issuer.clone()) {
                any if any == "*" => "every issuer".to_owned(),
                one => safe(one),
            };
            self.add("may overrule", format!("{} of {whose}", listed(&overrule.kinds).unwrap_or_else(|| "nothing".into())));
        }
        if let Some(Hours { days, from, until, zone }) = &registration.hours {
            let days = listed(days).unwrap_or_else(|| "no day".into());
            self.add("publishes", format!("{days} from {} until {} ({})", safe(from), safe(until), safe(zone)));
        }
        for series in &registration.series {
            let title = series.title.as_ref().map(|title| format!(", {}", safe(title)));
            self.add("series", safe(&series.name) + &title.unwrap_or_default());
        }
        if let Some(contact) = &registration.contact {
            self.add("contact", safe(contact));
        }
    }

    fn key_change(&mut self, change: &KeyChange) {
        let issuer = safe(&change.issuer);
        self.add(
            "says",
            match change.action {
                KeyAction::Add => format!("from the next entry on, this key may sign for the issuer {issuer}"),
                KeyAction::Retire => format!("from the next entry on, this key signs nothing any more for the issuer {issuer}"),
            },
        );
        self.add("key", safe(&change.key));
        if let Some(from) = change.doubt_from {
            self.add("doubt", format!("the registrars doubt whatever it signed from entry {from} on"));
        }
    }

    fn decision(&mut self, decision: &Decision, json: &Value) {
        self.add("decision", safe(&decision.subject));
        self.add("outcome", format!("{} ({})", safe(&decision.outcome), safe(&decision.kind)));
        let holds = match (&decision.effective, &decision.until) {
            (Some(from), Some(until)) => format!(", holds from {} until {}", safe(from), safe(until)),
            (Some(from), None) => format!(", holds from {}", safe(from)),
            (None, Some(until)) => format!(", holds until {}", safe(until)),
            (None, None) => String::new(),
        };
        self.add("decided", safe(&decision.decided) + &holds);
        let unit = decision.unit.as_ref().map(|unit| format!(", {}", safe(unit)));
        self.add("issuer", safe(&decision.issuer) + &unit.unwrap_or_default());
        self.add("number", format!("{} in the series {}", decision.seq, safe(&decision.series)));
        decision.signatories.iter().for_each(|who| self.add("signatory", safe(who)));
        decision.legal_basis.iter().for_each(|law| self.add("legal basis", safe(law)));
        if let Some(place) = &decision.place {
            self.add("place", place_in_words(place));
        }
        decision.parties.iter().for_each(|party| self.add("party", party_in_words(party)));
        if let Some(amount) = &decision.amount {
            self.add("amount", format!("{} {}", safe(&amount.value), safe(&amount.currency)));
        }
        decision.documents.iter().for_each(|document| self.add("document", document_in_words(document)));
        self.relates(&decision.relates);
        if let Some(data) = &decision.data {
            let sealed = sealed_in(json.get("data"));
            let sealed = if sealed > 0 { format!(", with {}", fields(sealed)) } else { String::new() };
            self.add("data", format!("for machines, of the schema {}{sealed}", safe(&data.schema)));
        }
        if !decision.sealed.is_empty() {
            self.add("sealed", fields(decision.sealed.len()));
        }
    }

    fn annotation(&mut self, annotation: &Annotation) {
        let issuer = safe(&annotation.issuer);
        let (seq, series) = (annotation.seq, safe(&annotation.series));
        self.add(
            "annotation",
            match annotation.kind.as_str() {
                Annotation::VOID => format!("the number {seq} was never used for a decision (void)"),
                Annotation::CLOSE => format!("the series {series} is closed, and {seq} is its last number (close)"),
                kind => safe(kind),
            },
        );
        self.add("issuer", issuer);
        self.add("number", format!("{seq} in the series {series}"));
        if let Some(text) = &annotation.text {
            self.add("text", safe(text));
        }
        self.relates(&annotation.relates);
    }

    fn relates(&mut self, relates: &[Relates]) {
        for relates in relates {
            let rel = match relates.rel {
                Relation::Appeals => "appeals against",
                Relation::Refers => "refers to",
                rel => rel.as_str(),
            };
            self.add("relates", format!("{rel} entry {} (leaf hash {})", relates.index, relates.leaf.0.to_hex()));
        }
    }

    /// Members that this version does not know are signed all the same, so their names are told.
    fn unknown(&mut self, body: &Body, json: &Value) {
        let mut unknown = Vec::new();
        unknown_members(&serde_json::to_value(body).unwrap_or_default(), json, "", &mut unknown);
        if !unknown.is_empty() {
            self.add("also", format!("fields that this version of acta does not know: {}", unknown.join(", ")));
        }
    }
}

/// The paths of members of `all` that are not in `known`. What is below `data` is for others to know.
fn unknown_members(known: &Value, all: &Value, path: &str, unknown: &mut Vec<String>) {
    match (known, all) {
        (Value::Object(known), Value::Object(all)) => {
            for (name, value) in all.iter().filter(|(name, _)| !(path.is_empty() && *name == "data")) {
                let path = if path.is_empty() { safe(name) } else { format!("{path}.{}", safe(name)) };
                match known.get(name) {
                    Some(known) => unknown_members(known, value, &path, unknown),
                    None if is_left_out(name, value) => {}
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(known), Value::Array(all)) => {
            for (at, (known, value)) in known.iter().zip(all).enumerate() {
                unknown_members(known, value, &format!("{path}[{at}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Whether a member is known and yet left out when a body is printed, because it is empty. Of members that are not known, `false` and nothing
/// say something too.
fn is_left_out(name: &str, value: &Value) -> bool {
    const LISTS: [&str; 10] =
        ["_sd", "documents", "keys", "kinds", "legal_basis", "may_overrule", "parties", "relates", "series", "signatories"];
    match value {
        Value::Bool(false) => name == "retired",
        Value::Array(values) => values.is_empty() && LISTS.contains(&name),
        _ => false,
    }
}

/// Who has signed, by the names and ids of keys. Whether the signatures are good is not looked at.
pub fn signer(signature: &Signature) -> String {
    format!("{} (key {})", safe(signature.name.as_str()), signature.key_id)
}

/// A key by its name and id, as in signature lines.
pub fn key(vkey: &Vkey) -> String {
    let key = vkey.verifier_key();
    format!("{} (key {})", safe(key.name().as_str()), key.id())
}

/// Whether a decision stands, and by which entry it does not.
pub fn standing_in_words(standing: Standing, by: Option<u64>) -> String {
    let by = by.map_or_else(String::new, |by| format!(" by entry {by}"));
    match standing {
        Standing::InForce => "in force, within the dates that it sets itself: no later entry took its place".into(),
        Standing::Corrected => format!("corrected{by}: read that one instead"),
        Standing::Superseded => format!("superseded{by}, which decides anew"),
        Standing::Revoked => format!("REVOKED{by}"),
    }
}

fn issuer_in_words(issuer: &IssuerStatus) -> String {
    let names: Vec<_> = issuer.names.iter().filter(|(lang, _)| &***lang != "und").map(|(_, name)| safe(name)).collect();
    let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(" / ")) };
    let retired = issuer.retired.map_or_else(String::new, |by| format!(", retired by entry {by}"));
    format!("{}{names}, registered by entry {}{retired}", safe(&issuer.id), issuer.registered)
}

fn type_in_words(entry_type: EntryType) -> &'static str {
    match entry_type {
        EntryType::Charter => "the log's charter",
        EntryType::Registrar => "a change of registrars",
        EntryType::Issuer => "the registration of an issuer",
        EntryType::Key => "a change of an issuer's keys",
        EntryType::Decision => "a decision",
        EntryType::Annotation => "an annotation",
    }
}

fn listed<T: Display>(values: &[T]) -> Option<String> {
    let all: Vec<_> = values.iter().map(safe).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// `1 sealed field`.
fn fields(count: usize) -> String {
    format!("{count} sealed {}", if count == 1 { "field" } else { "fields" })
}

fn sealed_in(value: Option<&Value>) -> usize {
    match value {
        Some(Value::Object(members)) => {
            let own = members.get("_sd").and_then(Value::as_array).map_or(0, Vec::len);
            own + members.values().map(|value| sealed_in(Some(value))).sum::<usize>()
        }
        Some(Value::Array(values)) => values.iter().map(|value| sealed_in(Some(value))).sum(),
        _ => 0,
    }
}

fn place_in_words(place: &Place) -> String {
    let mut parts = Vec::new();
    parts.extend(place.address.as_ref().map(safe));
    if let Some(Point::Point { coordinates: [longitude, latitude] }) = place.point {
        parts.push(format!("longitude {longitude}, latitude {latitude}"));
    }
    if !place.sealed.is_empty() {
        parts.push(fields(place.sealed.len()));
    }
    if parts.is_empty() { "not said".into() } else { parts.join("; ") }
}

fn party_in_words(party: &Party) -> String {
    let mut parts = Vec::new();
    parts.extend(party.name.as_ref().map(safe));
    parts.extend(party.id.as_ref().map(|id| format!("number {}", safe(id))));
    if !party.sealed.is_empty() {
        parts.push(fields(party.sealed.len()));
    }
    let who = if parts.is_empty() { "not named".into() } else { parts.join(", ") };
    format!("{}: {who}", safe(&party.role))
}

fn document_in_words(document: &Document) -> String {
    let url = document.url.as_ref().map(|url| format!(", at {}", safe(url)));
    let (name, media_type) = (safe(&document.name), safe(&document.media_type));
    format!("{name} ({media_type}, {} bytes), SHA-256 {}{}", document.size, safe(&document.sha256), url.unwrap_or_default())
}

#[cfg(test)]
mod tests;
