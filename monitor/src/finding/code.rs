//! The kinds of findings: stable names, how much each matters, and what it means.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Severity;

/// A kind of finding. Its name, such as `log.fork`, is stable: people mute by it and programs match on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(Name);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Name {
    /// Its place in [`KINDS`].
    Kind(u8),
    /// `ledger.NAME`: an entry that the log should have refused, by the name of the refusal.
    Ledger(Box<str>),
    /// `rule.NAME`: a rule that the monitor's user wrote.
    Rule(Box<str>),
    /// `watch.NAME`: a list of words or names that the monitor's user watches.
    Watch(Box<str>),
}

/// What was written is not a kind of finding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no kind of finding of that name; `acta-monitor codes` lists all of them")]
pub struct UnknownCode;

struct Kind {
    name: &'static str,
    severity: Severity,
    title: &'static str,
    explanation: &'static str,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $severity:ident, $title:literal, $explanation:literal;)*) => {
        const KINDS: &[Kind] = &[$(Kind { name: $name, severity: Severity::$severity, title: $title, explanation: $explanation }),*];
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "places in the table, named as the constants are")]
        #[repr(u8)]
        enum Place { $($constant),* }
        #[allow(clippy::as_conversions, reason = "the table is shorter than 256")]
        impl Code {
            $(#[doc = concat!("`", $name, "`: ", $title, ".")] pub const $constant: Code = Code(Name::Kind(Place::$constant as u8));)*
        }
    };
}

kinds! {
    LOG_FORK = "log.fork", Critical, "The log signed two histories",
        "Two heads that the log itself signed cannot both be true: it shows one history to some and another to others. The evidence file proves this to everybody who has the log's public key.";
    LOG_SAME_SIZE = "log.same-size-other-root", Critical, "The log signed two heads of one size",
        "Two heads that the log signed have the same number of entries and different root hashes: entries were changed or exchanged. The evidence file proves this to everybody who has the log's public key.";
    LOG_UNPROVEN = "log.unproven-inconsistency", Error, "The log does not show that its heads belong together",
        "Two heads that the log signed could not be brought together, because what the log serves does not prove it either way. That convicts nobody, but a log that hides a fork looks like this.";
    LOG_ROLLBACK = "log.rollback", Error, "The log shows fewer entries than before",
        "The log serves a head with fewer entries than it served before; or, for longer than the monitor was told to accept, with fewer than a head that it signed and that was seen elsewhere. A server that is behind looks like this, and so does a log that was put back to an older copy.";
    LOG_WRONG_BYTES = "log.wrong-bytes", Critical, "The log serves something else than what it signed",
        "Entries or tiles that the log serves do not hash up to the root that it signed.";
    LOG_MALFORMED_BUNDLE = "log.malformed-bundle", Error, "The log serves entries that cannot be read",
        "A bundle of entries is cut short, too long, or cannot be split into entries.";
    LOG_MALFORMED_HEAD = "log.malformed-head", Error, "The log serves something that is no head",
        "What the log serves as its newest head is not a signed checkpoint, or is not signed with the log's key.";
    LOG_OTHER_ORIGIN = "log.other-origin", Error, "The log serves the head of another log",
        "The head names another log than the one that is followed.";
    LOG_FUTURE_HEAD = "log.future-head", Warning, "A head is dated in the future",
        "A cosignature of the head states a time ahead of this monitor's clock by more than clocks differ. One of the two clocks is wrong, or somebody dates ahead.";
    LOG_STALE = "log.stale-head", Warning, "The log's head is old",
        "The newest cosignature, or the newest head, is older than the monitor was told to accept.";
    LOG_QUORUM = "log.quorum-lost", Error, "The log's head has too few witnesses",
        "The head is signed by the log, but not by as many witnesses as the policy asks for. Readers with that policy do not accept it.";
    LOG_WITNESS_MISSING = "log.witness-missing", Notice, "A witness's signature is missing",
        "The log's heads have the witnesses that the policy asks for, but not this one's signature any more.";
    LOG_UNREACHABLE = "log.unreachable", Warning, "The log cannot be reached",
        "The log did not answer for longer than the monitor was told to accept.";
    LOG_GROWTH_AFTER_END = "log.growth-after-end", Error, "The log grew after its end",
        "The log took in entries after the end that was declared for it.";
    LOG_RECEIPT = "log.receipt-not-included", Critical, "A receipt is not part of the log",
        "The log signed a receipt for an entry that is not at that place in the log.";
    GAP = "process.gap", Warning, "A number in a series is missing",
        "An issuer numbers its decisions, and one number has been missing for longer than the monitor was told to wait: a decision that was not published, or a number that should be declared void.";
    SILENCE = "process.silence", Warning, "An issuer has gone silent",
        "The issuer has published regularly and has not for much longer than is usual for it.";
    LATE = "process.late-publication", Notice, "A decision was published late",
        "Between the day of the decision and the first published head that covers it there is more time than the monitor was told to accept.";
    BACKDATED = "process.backdated", Warning, "A decision says that it was issued long before it was published",
        "The time at which the issuer says that it signed lies well before the log's head that first covered it, or before decisions with lower numbers.";
    DATED_AHEAD = "process.dated-ahead", Notice, "A decision is dated ahead",
        "The issuer says that it signed later than the log published, or that it decided on a day that had not begun when it signed. A clock is wrong, or somebody dates ahead.";
    OVERDUE_CORRECTION = "process.overdue-correction", Warning, "A correction is overdue",
        "Something that calls for an answer, such as an appeal, has had none for longer than the monitor was told to wait.";
    BURST = "process.burst", Notice, "An issuer publishes far more than usual",
        "In a short time the issuer published many times as much as is usual for it.";
    OUTSIDE_HOURS = "process.outside-hours", Notice, "Published outside of the issuer's hours",
        "The issuer has declared when it publishes, and this was at another time.";
    WRONG_DOCUMENT = "content.wrong-document", Error, "A document is not the one that was published",
        "The document at the address that the decision gives has other bytes than the decision says.";
    DOCUMENT_UNAVAILABLE = "content.document-unavailable", Notice, "A document cannot be had",
        "The document at the address that the decision gives could not be fetched.";
    DOCUMENT_TOO_LARGE = "content.document-too-large", Info, "Documents are too large to be checked",
        "By the size that the decision states, a document is larger than this monitor fetches, so nobody here compared it. Further ones of the same issuer are not told of one by one.";
    SHARED_DOCUMENT = "content.shared-document", Notice, "One document in unrelated decisions",
        "Decisions that do not refer to each other name the very same document.";
    NEAR_DUPLICATE = "content.near-duplicate", Notice, "Two issuers decided nearly the same",
        "Decisions of different issuers are nearly the same in their words: perhaps work that was done twice, or one matter that was decided twice.";
    UNDER_THRESHOLD = "content.under-threshold", Notice, "An amount just under a threshold",
        "The amount is a little below one at which stricter rules begin.";
    REPEATED_AWARD = "content.repeated-award", Warning, "Repeated direct awards to one party",
        "One issuer has awarded to the same party without a competition again and again.";
    OCDS_R003 = "ocds.R003", Notice, "A short time to bid",
        "Between the opening of a tender and its deadline there were fewer whole days than the monitor was told there should be. Who knew beforehand had an advantage (Cardinal red flag R003, short submission period).";
    OCDS_R018 = "ocds.R018", Notice, "A single bidder",
        "There was one bidder, although the procurement method is one in which several should compete (Cardinal red flag R018, single bid received).";
    OCDS_R024 = "ocds.R024", Notice, "The second price is close to the winning one",
        "The lowest valid bid that did not win is above the winning one by much less than is usual for its issuer, as between bidders who agreed beforehand (Cardinal red flag R024, price close to winning bid). Judged against what was read before it.";
    OCDS_R028 = "ocds.R028", Notice, "Different bidders asked for the same price",
        "Bids of different bidders in one process have the same price: it may be given by the buyer, or somebody knew it (Cardinal red flag R028, identical bid prices).";
    OCDS_R030 = "ocds.R030", Warning, "The winning bid came after the deadline",
        "A valid bid of one to whom the contract was awarded was received after the deadline for bids (Cardinal red flag R030, late bid won).";
    OCDS_R038 = "ocds.R038", Notice, "Unusually many bids are disqualified",
        "Of all bids to a buyer or procuring entity, or of a bidder, a far larger share was disqualified than is usual for the issuer who tells of it (Cardinal red flag R038, excessive disqualified bids). Judged anew with each of its processes.";
    RULE_FAILED = "monitor.rule-failed", Notice, "A rule could not be applied",
        "A rule that the monitor's user wrote ran into an error or its bounds, so nothing is known of the entry under this rule.";
    TOO_MANY = "monitor.too-many-findings", Notice, "One entry gives rise to very many findings",
        "More of one kind was found of one entry than is kept: the first findings are there, and the others are not.";
    NOT_UNDERSTOOD = "monitor.not-understood", Info, "The log has entries that this monitor does not understand",
        "Entries that are no statements are counted and kept; nothing else is known of them.";
}

impl Code {
    /// The code of an entry that the log should have refused.
    pub fn ledger(refusal: &str) -> Code {
        Code(Name::Ledger(refusal.into()))
    }

    /// The code of a user's rule.
    pub fn rule(name: &str) -> Code {
        Code(Name::Rule(name.into()))
    }

    /// The code of a user's watch list.
    pub fn watch(name: &str) -> Code {
        Code(Name::Watch(name.into()))
    }

    /// All kinds but the ledger's, rules and watch lists, in the order in which they are documented.
    pub fn all() -> impl Iterator<Item = Code> {
        (0..KINDS.len()).filter_map(|place| u8::try_from(place).ok()).map(|place| Code(Name::Kind(place)))
    }

    /// How much it matters where a finding says nothing else.
    pub fn severity(&self) -> Severity {
        match &self.0 {
            Name::Kind(place) => KINDS[usize::from(*place)].severity,
            Name::Ledger(_) => Severity::Error,
            Name::Rule(_) | Name::Watch(_) => Severity::Notice,
        }
    }

    /// What it is, in a few words.
    pub fn title(&self) -> &'static str {
        match &self.0 {
            Name::Kind(place) => KINDS[usize::from(*place)].title,
            Name::Ledger(_) => "The log took in an entry that it should have refused",
            Name::Rule(_) => "A rule of this monitor applies",
            Name::Watch(_) => "Something that this monitor watches for",
        }
    }

    /// What it means, for people who see it for the first time.
    pub fn explanation(&self) -> &'static str {
        match &self.0 {
            Name::Kind(place) => KINDS[usize::from(*place)].explanation,
            Name::Ledger(_) => {
                "By the rules of the log, which anybody can compute from its entries, this entry should not be there. It changes nothing, but the log did not do its duty."
            }
            Name::Rule(_) => "Whoever runs this monitor wrote a rule that is true of this entry.",
            Name::Watch(_) => "Whoever runs this monitor wants to know of entries such as this one.",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Kind(place) => f.write_str(KINDS[usize::from(*place)].name),
            Name::Ledger(name) => write!(f, "ledger.{name}"),
            Name::Rule(name) => write!(f, "rule.{name}"),
            Name::Watch(name) => write!(f, "watch.{name}"),
        }
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let named = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        match text.split_once('.') {
            Some(("ledger", name)) if named(name) => Ok(Code::ledger(name)),
            Some(("rule", name)) if named(name) => Ok(Code::rule(name)),
            Some(("watch", name)) if named(name) => Ok(Code::watch(name)),
            _ => Code::all().find(|code| code.to_string() == text).ok_or(UnknownCode),
        }
    }
}

impl TryFrom<String> for Code {
    type Error = UnknownCode;

    fn try_from(text: String) -> Result<Self, UnknownCode> {
        text.parse()
    }
}

impl From<Code> for String {
    fn from(code: Code) -> String {
        code.to_string()
    }
}

#[cfg(test)]
mod tests {
    use decision::canonical::NotCanonical;
    use decision::ledger::Refusal;
    use decision::statement::Malformed;

    use super::*;

    #[test]
    fn every_code_is_read_back_by_its_name() {
        let own = [Code::ledger("number-used"), Code::rule("no-roofs"), Code::watch("mayor")];
        for code in Code::all().chain(own) {
            assert_eq!(code.to_string().parse(), Ok(code.clone()));
            assert!(!code.title().is_empty() && code.explanation().ends_with('.') || code.explanation().ends_with(')'), "{code}");
        }
        for bad in ["", "log", "log.", "log.nothing", "rule.", "rule.a b", "ledger.\n", "LOG.fork"] {
            assert_eq!(bad.parse::<Code>(), Err(UnknownCode), "{bad:?}");
        }
    }

    #[test]
    fn every_code_is_documented_as_it_is() {
        const DOCUMENTATION: &str = include_str!("../../../docs/findings.md");
        let is_code =
            |line: &&str| line.strip_prefix("| `").and_then(|rest| rest.split_once('`')).is_some_and(|(name, _)| name.contains('.'));
        let mut rows: Vec<&str> = DOCUMENTATION.lines().filter(is_code).collect();
        for code in Code::all() {
            let row = format!("| `{code}` | {} | {} | {} |", code.severity(), code.title(), code.explanation());
            let place = rows.iter().position(|line| *line == row);
            rows.remove(place.unwrap_or_else(|| panic!("docs/findings.md lacks: {row}")));
        }
        for name in Refusal::NAMES.iter().chain(Malformed::NAMES).chain(NotCanonical::NAMES) {
            let code = format!("`{}`", Code::ledger(name));
            assert!(DOCUMENTATION.contains(&code), "docs/findings.md lacks: {code}");
        }
        rows.retain(|row| !row.starts_with("| `rule.NAME`") && !row.starts_with("| `watch.NAME`"));
        assert!(rows.is_empty(), "docs/findings.md has what is no code: {rows:?}");
    }
}
