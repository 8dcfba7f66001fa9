//! Statements that are not admitted: a stable type for each reason.
//!
//! The reasons themselves, their short names and their texts are those of the crate `decision`. Here is which status each has, and a
//! title that is the same for all of its occurrences. 400 is said of what is no statement, 403 of who may not, 409 of a place that is
//! taken, and 422 of what cannot be as it is said.

use std::borrow::Cow;

use hyper::StatusCode;

use super::{Description, Problem, Wait};
use crate::admission::Refused;

/// What is the same for all occurrences of a reason.
pub(super) struct Reason {
    pub(super) name: &'static str,
    pub(super) status: StatusCode,
    pub(super) title: &'static str,
}

/// The longest detail: texts quote what was sent.
const MAX_DETAIL: usize = 1000;

const NO_STATEMENT: StatusCode = StatusCode::BAD_REQUEST;
const MAY_NOT: StatusCode = StatusCode::FORBIDDEN;
const TAKEN: StatusCode = StatusCode::CONFLICT;
const CANNOT_BE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

const fn reason(status: StatusCode, name: &'static str, title: &'static str) -> Reason {
    Reason { name, status, title }
}

/// Every reason that there is.
pub(super) const REASONS: &[Reason] = &[
    reason(NO_STATEMENT, "not-a-statement", "The entry is not a signed statement"),
    reason(NO_STATEMENT, "not-one-line", "A statement is one line"),
    reason(NO_STATEMENT, "malformed-json", "The statement is not JSON"),
    reason(NO_STATEMENT, "not-canonical", "The statement is not canonical JSON"),
    reason(NO_STATEMENT, "duplicate-member", "A member occurs twice"),
    reason(NO_STATEMENT, "inexact-number", "A number is beyond what every reader represents"),
    reason(NO_STATEMENT, "too-deep", "The statement is nested too deep"),
    reason(NO_STATEMENT, "not-an-object", "A statement is a JSON object"),
    reason(NO_STATEMENT, "unknown-type", "The type of the statement is not known"),
    reason(NO_STATEMENT, "bad-field", "A field is missing or holds what it cannot hold"),
    reason(NO_STATEMENT, "bad-threshold", "The threshold does not fit the registrars"),
    reason(NO_STATEMENT, "repeated-key", "A key is listed twice"),
    reason(NO_STATEMENT, "related-twice", "The statement takes one decision's place twice"),
    reason(NO_STATEMENT, "doubt-without-retirement", "Only a key that is retired can be in doubt"),
    reason(NO_STATEMENT, "unsorted-signatures", "The signature lines are not in their order"),
    reason(NO_STATEMENT, "signed-twice", "One key has signed twice"),
    reason(NO_STATEMENT, "too-many-signatures", "There are more signatures than any statement needs"),
    reason(CANNOT_BE, "not-nfc", "The text is not in its normal form"),
    reason(CANNOT_BE, "control-character", "The text has a control character"),
    reason(CANNOT_BE, "bidirectional-override", "The text reads in another order than it is written"),
    reason(CANNOT_BE, "invisible-character", "The text has an invisible character"),
    reason(CANNOT_BE, "mixed-scripts", "A word of the text is not what it looks like"),
    reason(CANNOT_BE, "other-log", "The statement is for another log"),
    reason(CANNOT_BE, "issued-ahead", "The statement says that it was issued in the future"),
    reason(CANNOT_BE, "already-published", "The statement is in the log already"),
    reason(CANNOT_BE, "charter-not-first", "A log has one charter, its first entry"),
    reason(CANNOT_BE, "no-charter", "The log has no charter"),
    reason(CANNOT_BE, "charter-version", "The charter is of rules that are not known"),
    reason(MAY_NOT, "unknown-signer", "A key has signed that the log does not have for this issuer"),
    reason(MAY_NOT, "bad-signature", "A signature does not fit the statement"),
    reason(MAY_NOT, "superfluous-signature", "Somebody has signed whose signature is not needed"),
    reason(MAY_NOT, "not-signed-by-issuer", "The issuer has not signed"),
    reason(MAY_NOT, "too-few-registrars", "Too few registrars have signed"),
    reason(MAY_NOT, "no-proof-of-possession", "A key that is added has not signed"),
    reason(MAY_NOT, "unregistered-issuer", "The issuer is not registered"),
    reason(MAY_NOT, "retired-issuer", "The issuer was retired"),
    reason(MAY_NOT, "retired-key", "The key was retired"),
    reason(MAY_NOT, "kind-not-allowed", "The issuer may not issue this kind of decision"),
    reason(MAY_NOT, "retires-another-key", "A key can retire only itself"),
    reason(MAY_NOT, "doubt-by-issuer", "Only registrars put a key in doubt"),
    reason(MAY_NOT, "not-overruled", "The issuer may not change another's decision"),
    reason(TAKEN, "number-used", "The number is used already"),
    reason(TAKEN, "has-successor", "Another decision has taken that one's place already"),
    reason(TAKEN, "revoked", "Nothing can follow a revoked decision"),
    reason(CANNOT_BE, "number-too-high", "The number is too far ahead of the series"),
    reason(CANNOT_BE, "series-closed", "The series was closed before this number"),
    reason(CANNOT_BE, "closed-too-low", "The series has come further than this"),
    reason(CANNOT_BE, "key-of-another-name", "The key is not named for the issuer"),
    reason(CANNOT_BE, "known-key", "The issuer has or had this key already"),
    reason(CANNOT_BE, "no-such-key", "The issuer never had this key"),
    reason(CANNOT_BE, "too-many-keys", "An issuer cannot have more keys"),
    reason(CANNOT_BE, "doubt-not-earlier", "Doubt can only be about earlier entries"),
    reason(CANNOT_BE, "no-such-entry", "The statement relates to an entry that is not there"),
    reason(CANNOT_BE, "other-entry", "The statement relates to another entry than is there"),
    reason(CANNOT_BE, "not-a-decision", "Only a decision has a place to take"),
    reason(CANNOT_BE, "annotation-decides", "An annotation changes no decision"),
    reason(StatusCode::TOO_MANY_REQUESTS, "over-quota", "The issuer has published enough for today"),
];

/// The problem that a refusal is. What is too long for an entry is so for every log.
pub(super) fn problem(refused: Box<Refused>) -> Problem {
    if refused.name() == "entry-too-large" { Problem::EntryTooLarge } else { Problem::Refused(refused) }
}

pub(super) fn description(refused: &Refused) -> Description {
    let name = refused.name();
    let known = REASONS.iter().find(|reason| reason.name == name);
    let (status, title) = known.map_or((CANNOT_BE, "The statement is not admitted"), |reason| (reason.status, reason.title));
    Description { status, name, title, detail: Cow::Owned(shortened(refused.to_string())) }
}

pub(super) fn retry_after(refused: &Refused) -> Option<Wait> {
    match refused {
        Refused::OverQuota(over) => Some(Wait::after(over.wait)),
        _ => None,
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > MAX_DETAIL {
        text.truncate(text.floor_char_boundary(MAX_DETAIL));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use decision::canonical::NotCanonical;
    use decision::text::BadText;

    use super::*;

    /// Where the crate `decision` gives reasons their names.
    const SOURCES: [&str; 2] =
        [include_str!("../../../../decision/src/ledger/refusal.rs"), include_str!("../../../../decision/src/statement/malformed.rs")];

    #[test]
    fn every_reason_has_its_status_and_title() {
        let names = SOURCES.iter().flat_map(|source| source.lines()).filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\","));
        let names: Vec<&str> = names.filter(|name| name.contains('-')).collect();
        assert!(names.len() > 40, "{names:?}");
        let listed = [NotCanonical::NAMES, BadText::NAMES, &["issued-ahead", "over-quota"]].concat();
        for name in names.into_iter().chain(listed) {
            let listed = REASONS.iter().filter(|reason| reason.name == name).count();
            assert_eq!(listed, usize::from(name != "entry-too-large"), "{name}");
        }
    }

    #[test]
    fn what_was_sent_is_quoted_up_to_a_length() {
        let short = shortened("ü".repeat(100_000));
        assert!(short.len() <= MAX_DETAIL + '…'.len_utf8() && short.ends_with('…'));
        assert_eq!(shortened("as it is".into()), "as it is");
    }
}
