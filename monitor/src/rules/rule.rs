//! Rules in CEL.

use tlog::printable::Printable;

use super::expression::{Expression, Subject, Verdict};
use super::remark;
use super::template::Template;
use super::worker::Worker;
use crate::check::{Check, Judged, Outcome, Rows};
use crate::finding::{Code, Raised, Severity};
use crate::store::StoreError;

/// A rule that makes sense.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) name: Box<str>,
    pub(super) when: Expression,
    pub(super) severity: Option<Severity>,
    pub(super) text: Template,
    /// `None`: the issuer.
    pub(super) group: Option<Template>,
}

/// The check for all rules.
pub(super) struct Rules {
    rules: Vec<Rule>,
    worker: Worker,
}

impl Rules {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        let worker = Worker::new(rules.iter().map(|rule| rule.when.clone()).collect());
        Rules { rules, worker }
    }
}

impl Check for Rules {
    fn name(&self) -> &'static str {
        "rules"
    }

    fn entry(&self, _rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        let Some(statement) = entry.statement else { return Ok(()) };
        let issuer = statement.issuer().map(ToString::to_string).unwrap_or_default();
        let index = entry.index.as_u64();
        let verdicts = self.worker.apply(Subject {
            statement: statement.json(),
            log: entry.log.to_owned(),
            index,
            published: entry.published.latest.to_string(),
            refused: entry.refusal.is_some(),
        });
        for (rule, verdict) in self.rules.iter().zip(verdicts) {
            match verdict {
                Verdict::False => {}
                Verdict::True => {
                    let group = rule.group.as_ref().map_or_else(|| issuer.clone(), |group| group.fill(entry));
                    let text = format!("{}{}", rule.text.fill(entry), remark(entry));
                    let mut raised = Raised::new(Code::rule(&rule.name), group, index.to_string(), text).at([index]);
                    raised.severity = rule.severity;
                    out.raise(raised);
                }
                // Once a day for each issuer: whoever avoids a rule by what it writes is seen to do so, and not only the first time.
                Verdict::Failed(why) => {
                    let day = entry.published.latest.strftime("%Y-%m-%d");
                    let (name, subject) = (&rule.name, format!("{} {issuer} {day}", rule.name));
                    let text = format!("The rule {name} could not be applied to entry {index} of {}: {why}.", Printable(&issuer));
                    out.raise(Raised::new(Code::RULE_FAILED, &**name, subject, text).at([index]));
                }
            }
        }
        Ok(())
    }
}
