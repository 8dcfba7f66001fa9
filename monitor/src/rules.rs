//! Rules and watch lists that the monitor's user wrote.
//!
//! A **rule** is an expression of CEL, the Common Expression Language, over a statement, such as `statement.kind == "procurement.award" &&
//! !has(statement.amount)`. A **watch list** is for those who do not want to write expressions: names, kinds, words and places. Both look
//! at every well-formed statement, also at one that the log should have refused: that it was published is what matters here.
//!
//! Invariant: what an entry costs is bounded, whatever the rule and whatever the entry. A rule that cannot be applied to an entry says so
//! as a finding, and is applied to the next one as if nothing was: no issuer can switch a rule off.
//!
//! Rules look at what is read after they were written; a [replay](crate::replay) has them look at what was read before.

#[cfg(feature = "rules")]
mod expression;
#[cfg(feature = "rules")]
mod rule;
mod settings;
mod template;
mod watch;
mod words;
#[cfg(feature = "rules")]
mod worker;

#[cfg(feature = "rules")]
pub use expression::{ExpressionError, NameError};
pub use settings::{NearSection, RuleSection, Section, Settings, SettingsError, WatchSection};
pub use template::TemplateError;
pub(crate) use words::plain;

use crate::check::{Check, Judged};

/// The checks for all rules and watch lists.
pub fn all(settings: &Settings) -> Vec<Box<dyn Check>> {
    let mut all: Vec<Box<dyn Check>> = Vec::new();
    #[cfg(feature = "rules")]
    if !settings.rules.is_empty() {
        all.push(Box::new(rule::Rules::new(settings.rules.clone())));
    }
    if !settings.watches.is_empty() {
        all.push(Box::new(watch::Watches::new(settings.watches.clone())));
    }
    all
}

/// What a finding says besides of an entry that should not be there.
fn remark(entry: &Judged<'_>) -> &'static str {
    if entry.refusal.is_some() { " The log should have refused this entry, so it has no effect." } else { "" }
}

#[cfg(test)]
mod tests;
