//! Decisions that were published long after their day.
//!
//! **Finds** decisions of which the first published head that covers them is more than `late_after` younger than the end (in UTC) of the day
//! on which they say they were decided.
//!
//! **Why somebody does that**: what nobody knows of cannot be contested, and time limits for contesting run out.
//!
//! **False alarms**: a backlog that is published at once, or decisions that take effect by being served on somebody first.
//!
//! If the time of publication is not known well enough to be sure, as in a log that does not say which head covered an entry first, one
//! finding for each issuer and day says so of the first such decision: it was published at the latest then.

use super::settings::{Settings, seconds};
use super::{DAY, day, decision, encode, key, moment, read};
use crate::check::{Check, Judged, Outcome, Rows};
use crate::finding::{Code, Raised, Severity};
use crate::store::StoreError;

pub(super) struct Late {
    after: i64,
}

impl Late {
    pub(super) fn new(settings: &Settings) -> Self {
        Late { after: seconds(settings.0.late_after) }
    }
}

impl Check for Late {
    fn name(&self) -> &'static str {
        "late"
    }

    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        let Some(decision) = decision(entry) else { return Ok(()) };
        let end = (day(&decision.decided) + 1) * DAY;
        let limit = end.saturating_add(self.after);
        let latest = entry.published.latest.as_second();
        if latest <= limit {
            return Ok(());
        }
        let (issuer, index) = (decision.issuer.as_str(), entry.index.as_u64());
        let number = format!("{issuer} {}/{}", decision.series, decision.seq);
        let said =
            format!("Number {} of series {} of {issuer} (entry {index}), decided on {}", decision.seq, decision.series, decision.decided);
        let passed = |from: i64| (from - end) / DAY;
        match entry.published.earliest.map(|earliest| earliest.as_second()).filter(|earliest| *earliest > limit) {
            Some(earliest) => {
                let when = if earliest == latest { String::new() } else { format!("between {} and ", moment(earliest)) };
                let text = format!("{said}, was published {when}{}, {} days after that day had ended.", moment(latest), passed(earliest));
                out.raise(Raised::new(Code::LATE, issuer, number, text).at([index]));
            }
            None => {
                let (key, today) = (key(b"u", &[issuer]), latest.div_euclid(DAY));
                if read::<i64>(rows, &key)?.is_some_and(|said| said >= today) {
                    return Ok(());
                }
                rows.put(&key, encode(&today));
                let text = format!(
                    "{said}, was published by {} at the latest, {} days after that day had ended; when exactly is not known, so it may have \
                     been in time. There may be others of that day.",
                    moment(latest),
                    passed(latest)
                );
                let raised = Raised::new(Code::LATE, issuer, format!("{issuer} by {}", &moment(latest).to_string()[..10]), text);
                out.raise(Raised { severity: Some(Severity::Info), ..raised }.at([index]));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{World, with};
    use super::*;

    #[test]
    fn a_decision_is_late_when_more_than_the_allowed_time_has_passed_since_the_end_of_its_day() {
        let mut world = World::new("late_after = \"2d\"");
        world.precision = Some(0);
        // Decided on the first, so its day ends on the second at midnight.
        for (seq, published, late) in [(1, "2026-03-01T09:00:00Z", 0), (2, "2026-03-04T00:00:00Z", 0), (3, "2026-03-04T00:00:01Z", 1)] {
            let decision = with(world.at(published).decision("planning.example", "2026", seq), "decided", "2026-03-01".into());
            world.publish(decision);
            assert_eq!(world.found(&Code::LATE).len(), late, "{published}");
        }
        let raised = world.one(&Code::LATE);
        assert_eq!((raised.subject.as_str(), raised.severity, raised.indexes.as_slice()), ("planning.example 2026/3", None, &[2][..]));
    }

    #[test]
    fn what_may_have_been_in_time_is_said_once_a_day_and_said_to_be_uncertain() {
        let mut world = World::new("late_after = \"2d\"");
        world.at("2026-03-20T12:00:00Z");
        for (seq, precision) in [(1, None), (2, None), (3, Some(18 * DAY))] {
            world.precision = precision;
            let decision = with(world.decision("planning.example", "2026", seq), "decided", "2026-03-01".into());
            world.publish(decision);
        }
        let raised = world.one(&Code::LATE);
        assert_eq!((raised.subject.as_str(), raised.severity), ("planning.example by 2026-03-20", Some(Severity::Info)));
        assert!(raised.text.contains("at the latest"), "{}", raised.text);
        let decision = with(world.later(DAY).decision("planning.example", "2026", 4), "decided", json!("2026-03-01"));
        world.publish(decision);
        assert_eq!(world.found(&Code::LATE).len(), 2);
    }
}
