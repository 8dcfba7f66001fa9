//! `[checks]` of the configuration: from what on something is worth a finding.

use std::time::Duration;

use decision::types::{Currency, Decimal, KindPattern};
use serde::{Deserialize, Serialize};
use serving::units::Span;

use crate::finding::Code;

/// `[checks]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// Codes of findings that are not wanted.
    pub off: Vec<Code>,
    /// How long a number may be missing below one that was published.
    pub gap_after: Span,
    /// On how many days an issuer must have published before its silence means something.
    pub silence_history: u32,
    /// How many times its usual pause an issuer may be silent.
    pub silence_factor: u32,
    /// How long any issuer may be silent.
    pub silence_least: Span,
    /// How long after its day a decision may be published.
    pub late_after: Span,
    /// How long before its publication a statement may have been issued.
    pub backdated_after: Span,
    /// How far ahead of its publication a statement may be dated.
    pub ahead_after: Span,
    /// How long an appeal may wait for an answer.
    pub overdue_after: Span,
    /// Kinds of annotations that call for an answer as an appeal does.
    pub overdue_kinds: Vec<KindPattern>,
    /// On how many days an issuer must have published before its bursts mean something.
    pub burst_history: u32,
    /// How many times its busy days an issuer may publish on one day.
    pub burst_factor: u32,
    /// How much any issuer may publish on one day.
    pub burst_least: u32,
    /// How well the time of publication must be known to judge by it rather than by what the issuer says.
    pub precise: Span,
    /// In how many decisions a document stands for it to be a form rather than a coincidence.
    pub shared_document_common: u32,
    /// And in decisions of how many issuers.
    pub shared_document_issuers: u32,
    /// How many of their words two texts share to be nearly the same, in hundredths.
    pub near_duplicate_percent: u32,
    /// How many different words a text must have to be compared.
    pub near_duplicate_words: u32,
    /// How far apart the days of two decisions may be for them to be about one matter.
    pub near_duplicate_within: Span,
    /// Amounts at which stricter rules begin.
    pub threshold: Vec<ThresholdSection>,
    /// Kinds of decisions that award something.
    pub award_kinds: Vec<KindPattern>,
    /// Kinds of decisions that award without a competition.
    pub direct_award_kinds: Vec<KindPattern>,
    /// Outcomes of awards without a competition.
    pub direct_award_outcomes: Vec<String>,
    /// Roles of the parties to whom something is awarded.
    pub award_roles: Vec<String>,
    /// How many direct awards to one party are too many.
    pub award_count: u32,
    /// In what time.
    pub award_within: Span,
}

/// `[[checks.threshold]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdSection {
    /// Of which currency.
    pub currency: Currency,
    /// From which amount on stricter rules hold.
    pub amount: Decimal,
    /// How far below it an amount is suspicious, in hundredths of it.
    #[serde(default = "five")]
    pub percent: u32,
    /// Of which kinds of decisions; none: of all.
    #[serde(default)]
    pub kinds: Vec<KindPattern>,
}

/// Settings that make sense.
#[derive(Clone, Debug, Default)]
pub struct Settings(pub(super) Section);

/// Why the section cannot be used. Each text names the key and says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A number out of its range.
    #[error("`checks.{key}` has to be from {least} to {most}")]
    Range {
        /// Which key.
        key: &'static str,
        /// The smallest value.
        least: u32,
        /// The largest value.
        most: u32,
    },
    /// A time in which nothing can happen, or centuries of it.
    #[error("`checks.{key}` has to be from one second to a hundred years")]
    Span {
        /// Which key.
        key: &'static str,
    },
    /// A threshold that is none.
    #[error("`checks.threshold` has an amount that is not above 0; write the amount at which the stricter rules begin")]
    Threshold,
}

impl Default for Section {
    fn default() -> Self {
        let days = |days: u64| Span::seconds(days * 86_400);
        let patterns = |patterns: &[&str]| patterns.iter().map(|pattern| pattern.parse().expect("it is a pattern")).collect();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Section {
            off: Vec::new(),
            gap_after: days(7),
            silence_history: 10,
            silence_factor: 3,
            silence_least: days(3),
            late_after: days(30),
            backdated_after: days(1),
            ahead_after: Span::seconds(600),
            overdue_after: days(180),
            overdue_kinds: patterns(&["objection", "complaint"]),
            burst_history: 10,
            burst_factor: 5,
            burst_least: 50,
            precise: Span::seconds(3600),
            shared_document_common: 8,
            shared_document_issuers: 3,
            near_duplicate_percent: 85,
            near_duplicate_words: 6,
            near_duplicate_within: days(365),
            threshold: Vec::new(),
            award_kinds: patterns(&["procurement.award", "procurement.award.*", "procurement.contract"]),
            direct_award_kinds: patterns(&["procurement.direct-award", "procurement.award.direct"]),
            direct_award_outcomes: words(&["direct", "direct-award", "awarded-directly", "awarded-without-competition"]),
            award_roles: words(&["supplier", "contractor", "awardee", "winner"]),
            award_count: 3,
            award_within: days(365),
        }
    }
}

impl Section {
    /// Checks every value.
    pub fn validate(self) -> Result<Settings, SettingsError> {
        let century = Duration::from_secs(100 * 366 * 86_400);
        let spans = [
            ("silence_least", self.silence_least),
            ("near_duplicate_within", self.near_duplicate_within),
            ("award_within", self.award_within),
        ];
        // Zero is an answer to how long something may last, and none to how long something is looked at.
        if let Some((key, _)) = spans.iter().find(|(_, span)| span.0 < Duration::from_secs(1)) {
            return Err(SettingsError::Span { key });
        }
        let all = [
            ("gap_after", self.gap_after),
            ("late_after", self.late_after),
            ("backdated_after", self.backdated_after),
            ("ahead_after", self.ahead_after),
            ("overdue_after", self.overdue_after),
            ("precise", self.precise),
        ];
        if let Some((key, _)) = spans.iter().chain(&all).find(|(_, span)| span.0 > century) {
            return Err(SettingsError::Span { key });
        }
        range("silence_history", self.silence_history, 3, 30)?;
        range("silence_factor", self.silence_factor, 2, 1000)?;
        range("burst_history", self.burst_history, 3, 30)?;
        range("burst_factor", self.burst_factor, 2, 1_000_000)?;
        range("burst_least", self.burst_least, 1, u32::MAX)?;
        range("shared_document_common", self.shared_document_common, 3, 100)?;
        range("shared_document_issuers", self.shared_document_issuers, 2, 100)?;
        range("near_duplicate_percent", self.near_duplicate_percent, 70, 100)?;
        range("near_duplicate_words", self.near_duplicate_words, 3, 100)?;
        range("award_count", self.award_count, 2, 50)?;
        self.threshold.iter().try_for_each(|threshold| {
            range("threshold.percent", threshold.percent, 1, 99)?;
            let positive =
                !threshold.amount.as_str().starts_with('-') && threshold.amount.as_str().bytes().any(|c| matches!(c, b'1'..=b'9'));
            if positive { Ok(()) } else { Err(SettingsError::Threshold) }
        })?;
        Ok(Settings(self))
    }
}

fn range(key: &'static str, value: u32, least: u32, most: u32) -> Result<(), SettingsError> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(SettingsError::Range { key, least, most }) }
}

fn five() -> u32 {
    5
}

/// A length of time in whole seconds, as times are counted in rows.
pub(super) fn seconds(span: Span) -> i64 {
    i64::try_from(span.0.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    #[test]
    fn the_defaults_make_sense_and_what_does_not_is_named() {
        let example: crate::config::File = toml::from_str(include_str!("../../acta-monitor.example.toml")).unwrap();
        assert_eq!(example.checks, Section::default());
        example.checks.validate().unwrap();
        for (bad, key) in [
            ("silence_history = 2", "silence_history"),
            ("silence_factor = 1", "silence_factor"),
            ("burst_least = 0", "burst_least"),
            ("near_duplicate_percent = 101", "near_duplicate_percent"),
            ("award_count = 1", "award_count"),
            ("award_within = \"0s\"", "award_within"),
            ("gap_after = \"40000d\"", "gap_after"),
            ("[[threshold]]\ncurrency = \"EUR\"\namount = \"0.00\"", "threshold"),
            ("[[threshold]]\ncurrency = \"EUR\"\namount = \"10\"\npercent = 100", "threshold.percent"),
        ] {
            let error = toml::from_str::<Section>(bad).unwrap().validate().unwrap_err();
            assert!(error.to_string().contains(&format!("`checks.{key}`")), "{bad}: {error}");
        }
        for bad in ["gaps_after = \"1d\"", "off = [\"process.none\"]", "gap_after = 7", "[[threshold]]\ncurrency = \"eur\"\namount = \"1\""]
        {
            toml::from_str::<Section>(bad).unwrap_err();
        }
    }
}
