//! Watch lists: names, kinds, words and places, for those who do not want to write expressions.

use decision::types::{Body, Decision, IssuerId, KindPattern, Point};
use serde_json::Value;
use tlog::printable::Printable;

use super::settings::NearSection;
use super::words::{Phrase, Text, plain};
use super::{remark, template::Template};
use crate::check::{Check, Judged, Outcome, Rows};
use crate::finding::{Code, Raised, Severity};
use crate::store::StoreError;

/// A watch list that makes sense.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) name: Box<str>,
    pub(super) issuers: Vec<IssuerId>,
    pub(super) parties: Vec<Phrase>,
    pub(super) places: Vec<Phrase>,
    pub(super) kinds: Vec<KindPattern>,
    pub(super) words: Vec<Phrase>,
    pub(super) near: Option<NearSection>,
    pub(super) severity: Option<Severity>,
}

/// The check for all watch lists.
pub(super) struct Watches {
    watches: Vec<Watch>,
    text: Template,
}

impl Watches {
    pub(super) fn new(watches: Vec<Watch>) -> Self {
        Watches { watches, text: Template::usual() }
    }
}

impl Check for Watches {
    fn name(&self) -> &'static str {
        "watch"
    }

    fn entry(&self, _rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        let Some(statement) = entry.statement else { return Ok(()) };
        let seen = Seen::new(entry);
        for watch in &self.watches {
            let Some(why) = watch.fits(&seen) else { continue };
            let text = format!("{} – it has {}.{}", self.text.fill(entry), why.join(", "), remark(entry));
            let group = statement.issuer().map(ToString::to_string).unwrap_or_default();
            let mut raised = Raised::new(Code::watch(&watch.name), group, entry.index.to_string(), text).at([entry.index.as_u64()]);
            raised.severity = watch.severity;
            out.raise(raised);
        }
        Ok(())
    }
}

/// What is looked at in an entry, made ready once for all lists.
struct Seen<'a> {
    issuer: Option<&'a IssuerId>,
    kind: Option<&'a decision::types::Kind>,
    decision: Option<&'a Decision>,
    parties: Vec<(Text, String)>,
    address: Option<Text>,
    texts: Vec<Text>,
}

impl<'a> Seen<'a> {
    fn new(entry: &Judged<'a>) -> Self {
        let body = entry.statement.map(|statement| statement.body());
        let decision = body.and_then(|body| match body {
            Body::Decision(decision) => Some(&**decision),
            _ => None,
        });
        let kind = body.and_then(|body| match body {
            Body::Decision(decision) => Some(&decision.kind),
            Body::Annotation(annotation) => Some(&annotation.kind),
            _ => None,
        });
        let parties = decision.into_iter().flat_map(|decision| &decision.parties).map(|party| {
            let name = party.name.as_ref().map_or("", |name| name.as_str());
            (Text::new(name), party.id.as_ref().map(|id| plain(id.as_str())).unwrap_or_default())
        });
        let address = decision.and_then(|decision| decision.place.as_ref()?.address.as_ref());
        let mut texts = Vec::new();
        if let Some(Value::Object(members)) = entry.statement.map(|statement| statement.json()) {
            // What is a code and no text for people.
            let codes = ["type", "log", "issuer", "issued", "series", "kind", "lang", "decided", "effective", "until"];
            members.iter().filter(|(name, _)| !codes.contains(&name.as_str())).for_each(|(_, value)| collect(value, &mut texts));
        }
        Seen {
            issuer: entry.statement.and_then(|statement| statement.issuer()),
            kind,
            decision,
            parties: parties.collect(),
            address: address.map(|address| Text::new(address.as_str())),
            texts,
        }
    }
}

/// All texts in a value; its depth was bounded when it was parsed.
fn collect(value: &Value, texts: &mut Vec<Text>) {
    match value {
        Value::String(text) => texts.push(Text::new(text)),
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Object(members) => {
            members
                .iter()
                .filter(|(name, _)| !matches!(name.as_str(), "_sd" | "leaf" | "sha256"))
                .for_each(|(_, value)| collect(value, texts));
        }
        _ => {}
    }
}

impl Watch {
    /// Why the entry fits, if it does: for each line that is not empty, what of it was found.
    fn fits(&self, seen: &Seen<'_>) -> Option<Vec<String>> {
        let mut why = Vec::new();
        if !self.issuers.is_empty() {
            let issuer = self.issuers.iter().find(|issuer| seen.issuer == Some(issuer))?;
            why.push(format!("the issuer {issuer}"));
        }
        if !self.kinds.is_empty() {
            let kind = seen.kind?;
            self.kinds.iter().find(|pattern| pattern.matches(kind))?;
            why.push(format!("the kind {kind}"));
        }
        if !self.parties.is_empty() {
            let is = |phrase: &Phrase| seen.parties.iter().any(|(name, id)| name.has(phrase) || *id == plain(phrase.written()));
            why.push(format!("the party {}", Printable(self.parties.iter().find(|phrase| is(phrase))?.written())));
        }
        if !self.places.is_empty() {
            let address = seen.address.as_ref()?;
            why.push(format!("the place {}", Printable(self.places.iter().find(|phrase| address.has(phrase))?.written())));
        }
        if !self.words.is_empty() {
            let found = self.words.iter().find(|phrase| seen.texts.iter().any(|text| text.has(phrase)))?;
            why.push(format!("the words “{}”", Printable(found.written())));
        }
        if let Some(near) = self.near {
            let Point::Point { coordinates: [longitude, latitude] } = seen.decision?.place.as_ref()?.point.as_ref()?;
            let km = distance_km((near.latitude, near.longitude), (*latitude, *longitude));
            if km.is_nan() || km > near.km {
                return None;
            }
            why.push(format!("a place {km:.1} km away"));
        }
        Some(why)
    }
}

/// The distance of two points (latitude and longitude in degrees) on a ball of the earth's size: within half a percent.
fn distance_km((lat1, lon1): (f64, f64), (lat2, lon2): (f64, f64)) -> f64 {
    let (lat1, lon1, lat2, lon2) = (lat1.to_radians(), lon1.to_radians(), lat2.to_radians(), lon2.to_radians());
    let half = ((lat2 - lat1) / 2.0).sin().powi(2) + lat1.cos() * lat2.cos() * ((lon2 - lon1) / 2.0).sin().powi(2);
    2.0 * 6371.0 * half.min(1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::distance_km;

    #[test]
    fn distances_are_those_on_earth() {
        let (douglas, liverpool) = ((54.15, -4.48), (53.41, -2.98));
        assert!((distance_km(douglas, liverpool) - 128.0).abs() < 1.5, "{}", distance_km(douglas, liverpool));
        // Across the line where the day changes.
        assert!(distance_km((0.0, 179.95), (0.0, -179.95)) < 12.0);
        assert!((distance_km((90.0, 0.0), (-90.0, 0.0)) - 20_015.0).abs() < 1.0);
    }
}
