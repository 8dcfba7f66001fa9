//! What is the case with a log itself, from one look to the next: said when it begins and when it ends, and not at each look in between.

use std::collections::HashMap;

use crate::check::Outcome;
use crate::finding::{Code, Raised};

/// What was said, and what is to be said.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    /// By code and subject, whether it was the case last time. What is not here is not known: a monitor that was started again says once more
    /// what is the case, and what is not, which changes nothing where it is known already.
    said: HashMap<(Code, String), bool>,
    out: Outcome,
}

impl Conditions {
    /// This is the case.
    pub(crate) fn is(&mut self, code: Code, subject: &str, text: String) {
        self.raise(Raised::new(code, "", subject, text));
    }

    /// This is the case.
    pub(crate) fn raise(&mut self, raised: Raised) {
        if self.said.insert((raised.code.clone(), raised.subject.clone()), true) != Some(true) {
            tracing::warn!(code = %raised.code, "{}", acta_client::terminal::line(&raised.text));
            self.out.raise(raised);
        }
    }

    /// This is not the case.
    pub(crate) fn is_not(&mut self, code: Code, subject: &str) {
        if self.said.insert((code.clone(), subject.to_owned()), false) != Some(false) {
            self.out.clear(code, subject);
        }
    }

    /// What is new since this was asked last.
    pub(crate) fn take(&mut self) -> Outcome {
        std::mem::take(&mut self.out)
    }

    /// Whether there is anything new.
    pub(crate) fn has_news(&self) -> bool {
        !self.out.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_as_it_is_is_said_once() {
        let mut conditions = Conditions::default();
        conditions.is_not(Code::LOG_STALE, "head");
        conditions.is(Code::LOG_QUORUM, "head", "It is lost.".to_owned());
        let first = conditions.take();
        assert_eq!((first.raised().len(), first.cleared().len()), (1, 1), "after a start all is said");
        conditions.is_not(Code::LOG_STALE, "head");
        conditions.is(Code::LOG_QUORUM, "head", "It is still lost.".to_owned());
        assert!(!conditions.has_news());
        conditions.is_not(Code::LOG_QUORUM, "head");
        assert_eq!(conditions.take().cleared(), [(Code::LOG_QUORUM, "head".to_owned())]);
    }
}
