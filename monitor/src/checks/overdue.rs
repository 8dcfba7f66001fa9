//! Answers that are overdue.
//!
//! **Finds** decisions that were contested at least `overdue_after` ago and have had no answer since: decisions that a later statement
//! `appeals`, or to which an annotation of one of `overdue_kinds` relates. An answer is whatever takes the decision's place, and any other
//! statement of its issuer, or of whoever published the appeal, that relates to the decision or to the appeal. Also finds registrars' doubts
//! (a key that was retired with `doubt_from`) of which the issuer has said nothing: it has related to no entry that is in doubt.
//!
//! **Why somebody does that**: a wrong decision stands as long as nobody has to say anything about it.
//!
//! **False alarms**: a court that publishes the judgment itself as `appeals`; courts that take long; a doubt that touches no decision.

use decision::types::{Body, KeyAction, KeyChange, KindPattern, Relation};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::settings::{Settings, seconds};
use super::{Numbered, admitted, deadlines, encode, key, moment, numbered, read};
use crate::check::{Check, Judged, Outcome, Related, Rows};
use crate::finding::{Code, Raised};
use crate::store::StoreError;

pub(super) struct Overdue {
    after: i64,
    kinds: Vec<KindPattern>,
}

/// A decision that is contested: key `a`, its index.
#[derive(Serialize, Deserialize)]
struct Case {
    issuer: Box<str>,
    series: Box<str>,
    seq: u64,
    /// The first appeal without an answer: by whom, where, and when it was published.
    by: Box<str>,
    appeal: u64,
    since: i64,
}

/// A doubt: key `k`, the issuer, and the index of the entry that says so.
#[derive(Serialize, Deserialize)]
struct Doubt {
    from: u64,
    index: u64,
    since: i64,
}

/// The most doubts of one issuer that are looked at when it says something.
const MAX_DOUBTS: usize = 64;

impl Overdue {
    pub(super) fn new(settings: &Settings) -> Self {
        Overdue { after: seconds(settings.0.overdue_after), kinds: settings.0.overdue_kinds.clone() }
    }

    /// Whether the statement calls for an answer by relating so.
    fn calls(&self, number: &Numbered<'_>, is_annotation: bool, related: &Related) -> bool {
        let objects = is_annotation && self.kinds.iter().any(|pattern| pattern.matches(number.kind));
        related.rel == Relation::Appeals || (objects && !related.rel.is_succession())
    }
}

impl Check for Overdue {
    fn name(&self) -> &'static str {
        "overdue"
    }

    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        let Some(statement) = admitted(entry) else { return Ok(()) };
        if let Body::KeyChange(change) = statement.body() {
            return doubt(rows, entry, change);
        }
        let Some(number) = numbered(entry).filter(|_| !entry.related.is_empty()) else { return Ok(()) };
        let is_annotation = matches!(statement.body(), Body::Annotation(_));
        let (calls, others): (Vec<_>, Vec<_>) = entry.related.iter().partition(|related| self.calls(&number, is_annotation, related));
        for related in others {
            answer(rows, &number, related, out)?;
        }
        for related in calls {
            contest(rows, entry, &number, related)?;
        }
        dispel(rows, entry, &number, out)
    }

    fn tick(&self, rows: &mut Rows<'_, '_>, now: Timestamp, out: &mut Outcome) -> Result<(), StoreError> {
        deadlines::due(rows, now.as_second().saturating_sub(self.after), out, |rows, about, out| {
            match about {
                [b'k', issuer @ .., _, _, _, _, _, _, _, _, _] => {
                    let Some(doubt) = read::<Doubt>(rows, about)? else { return Ok(()) };
                    out.raise(doubt.raised(&String::from_utf8_lossy(issuer)));
                }
                _ => {
                    let Some(case) = read::<Case>(rows, about)? else { return Ok(()) };
                    out.raise(case.raised(about));
                }
            }
            Ok(())
        })
    }
}

/// The first appeal counts; others wait with it.
fn contest(rows: &mut Rows<'_, '_>, entry: &Judged<'_>, number: &Numbered<'_>, related: &Related) -> Result<(), StoreError> {
    let (case_key, appeal) = (case_key(related.index.as_u64()), entry.index.as_u64());
    let appeal_key = appeal_key(appeal);
    let mut contested: Vec<u64> = read(rows, &appeal_key)?.unwrap_or_default();
    contested.push(related.index.as_u64());
    rows.put(&appeal_key, encode(&contested));
    if rows.get(&case_key)?.is_some() {
        return Ok(());
    }
    let since = entry.published.latest.as_second();
    let (issuer, by) = (related.issuer.as_str().into(), number.issuer.as_str().into());
    let case = Case { issuer, series: related.number.series.as_str().into(), seq: related.number.seq, by, appeal, since };
    rows.put(&case_key, encode(&case));
    deadlines::set(rows, since, &case_key)
}

/// A statement that relates to a contested decision, or to what contests it.
fn answer(rows: &mut Rows<'_, '_>, number: &Numbered<'_>, related: &Related, out: &mut Outcome) -> Result<(), StoreError> {
    let mut contested: Vec<u64> = read(rows, &appeal_key(related.index.as_u64()))?.unwrap_or_default();
    contested.push(related.index.as_u64());
    for index in contested {
        let key = case_key(index);
        let Some(case) = read::<Case>(rows, &key)? else { continue };
        let by = number.issuer.as_str();
        let replaces = related.rel.is_succession() && index == related.index.as_u64();
        if replaces || *case.issuer == *by || *case.by == *by {
            rows.delete(&key);
            deadlines::unset(rows, case.since, &key);
            out.clear(Code::OVERDUE_CORRECTION, case.subject());
        }
    }
    Ok(())
}

fn doubt(rows: &mut Rows<'_, '_>, entry: &Judged<'_>, change: &KeyChange) -> Result<(), StoreError> {
    let index = entry.index.as_u64();
    let from = change.doubt_from.filter(|from| change.action == KeyAction::Retire && *from < index);
    let Some(from) = from else { return Ok(()) };
    let since = entry.published.latest.as_second();
    let mut key = key(b"k", &[change.issuer.as_str()]);
    key.extend(index.to_be_bytes());
    rows.put(&key, encode(&Doubt { from, index, since }));
    deadlines::set(rows, since, &key)
}

/// The issuer says something about an entry that is in doubt.
fn dispel(rows: &mut Rows<'_, '_>, entry: &Judged<'_>, number: &Numbered<'_>, out: &mut Outcome) -> Result<(), StoreError> {
    let issuer = number.issuer.as_str();
    for (key, row) in rows.scan(&key(b"k", &[issuer]), MAX_DOUBTS)? {
        let doubt: Doubt = super::decode(&row)?;
        if entry.related.iter().any(|related| (doubt.from..doubt.index).contains(&related.index.as_u64())) {
            rows.delete(&key);
            deadlines::unset(rows, doubt.since, &key);
            out.clear(Code::OVERDUE_CORRECTION, doubt.subject(issuer));
        }
    }
    Ok(())
}

impl Case {
    fn subject(&self) -> String {
        format!("{} {}/{}", self.issuer, self.series, self.seq)
    }

    fn raised(&self, key: &[u8]) -> Raised {
        let index = key.last_chunk().map_or(0, |index| u64::from_be_bytes(*index));
        let (issuer, by, appeal) = (&self.issuer, &self.by, self.appeal);
        let since = moment(self.since);
        let decision = format!("Number {} of series {} of {issuer} (entry {index})", self.seq, self.series);
        let text = format!("{decision} was contested by {by} in entry {appeal}, published by {since}, and neither has answered since.");
        Raised::new(Code::OVERDUE_CORRECTION, &**issuer, self.subject(), text).at([index, appeal])
    }
}

impl Doubt {
    fn subject(&self, issuer: &str) -> String {
        format!("{issuer} doubt {}", self.index)
    }

    fn raised(&self, issuer: &str) -> Raised {
        let (from, index, since) = (self.from, self.index, moment(self.since));
        let text = format!(
            "A key of {issuer} was retired in entry {index}, published by {since}, and what it signed from entry {from} on is in doubt; {issuer} \
             has since related to no entry from there to {index}."
        );
        Raised::new(Code::OVERDUE_CORRECTION, issuer, self.subject(issuer), text).at([index])
    }
}

fn case_key(index: u64) -> Vec<u8> {
    [b"a".as_slice(), &index.to_be_bytes()].concat()
}

fn appeal_key(index: u64) -> Vec<u8> {
    [b"b".as_slice(), &index.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::World;
    use super::*;

    const PLANNING: &str = "planning.example";
    const COURT: &str = "court.example";
    const WAIT: i64 = 180 * 86_400;

    /// A decision, and an appeal against it by the court's registry.
    fn contested() -> World {
        let mut world = World::new("");
        world.decide(PLANNING, 1);
        let appeal = world.relating(world.decision(COURT, "2026", 1), &[("appeals", 0)]);
        world.publish(appeal);
        world
    }

    #[test]
    fn an_appeal_without_an_answer_is_overdue_at_its_time() {
        let mut world = contested();
        assert_eq!(world.later(WAIT - 1).tick().found(&Code::OVERDUE_CORRECTION), [""; 0]);
        assert_eq!(world.later(1).tick().found(&Code::OVERDUE_CORRECTION), ["planning.example 2026/1"]);
        let raised = world.one(&Code::OVERDUE_CORRECTION);
        assert_eq!((raised.group.as_str(), raised.indexes.as_slice()), (PLANNING, &[0, 1][..]));
    }

    #[test]
    fn what_answers_is_said_by_who_has_to() {
        for (issuer, rel, index, answers) in [
            (COURT, "refers", 0, true),
            (COURT, "refers", 1, true),
            (COURT, "revokes", 0, true),
            (PLANNING, "corrects", 0, true),
            (PLANNING, "refers", 0, true),
            ("other.example", "refers", 0, false),
            ("other.example", "supersedes", 0, true),
            ("other.example", "appeals", 0, false),
        ] {
            for overdue in [false, true] {
                let mut world = contested();
                if overdue {
                    world.later(WAIT).tick();
                }
                let answer = world.relating(world.decision(issuer, "2026", 2), &[(rel, index)]);
                world.publish(answer);
                let found = world.later(WAIT).tick().found(&Code::OVERDUE_CORRECTION).contains(&"planning.example 2026/1");
                assert_eq!(found, !answers, "{issuer} {rel} {index} {overdue}");
            }
        }
    }

    #[test]
    fn an_objection_calls_for_an_answer_and_another_annotation_does_not() {
        for (kind, found) in [("objection", 1), ("note", 0)] {
            let mut world = World::new("");
            world.decide(PLANNING, 1);
            let objection = world.relating(world.annotation("ombudsman.example", "2026", 1, kind), &[("refers", 0)]);
            world.publish(objection);
            assert_eq!(world.later(WAIT).tick().found(&Code::OVERDUE_CORRECTION).len(), found, "{kind}");
        }
    }

    #[test]
    fn a_doubt_is_dispelled_when_the_issuer_says_something_about_it() {
        let mut world = World::new("");
        world.decide(PLANNING, 1);
        world.decide(PLANNING, 2);
        let key = a_key();
        world.publish(json!({"type": "key", "log": super::super::testing::LOG, "issuer": PLANNING, "issued": "2026-03-02T12:00:00Z",
            "action": "retire", "key": key, "doubt_from": 1}));
        assert_eq!(world.later(WAIT).tick().found(&Code::OVERDUE_CORRECTION), ["planning.example doubt 2"]);
        // About an entry before the doubtful ones, and then about one of them.
        for (index, found) in [(0, 1), (1, 0)] {
            let correction = world.relating(world.decision(PLANNING, "2026", index + 3), &[("corrects", index)]);
            world.publish(correction);
            assert_eq!(world.tick().found(&Code::OVERDUE_CORRECTION).len(), found);
        }
    }

    fn a_key() -> String {
        use tlog::key::{Algorithm, KeyName, SigningKey};
        let key = SigningKey::from_seed(KeyName::new(PLANNING).expect("a name"), Algorithm::Ed25519, &[9; 32]).expect("a key");
        decision::types::Vkey::from(key.verifier_key()).to_string()
    }
}
