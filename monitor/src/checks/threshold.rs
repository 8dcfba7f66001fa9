//! Amounts just under a threshold.
//!
//! **Finds** decisions whose amount lies below a configured threshold by at most its `percent`. Gone when something takes their place.
//!
//! **Why somebody does that**: above the threshold there would have been a tender, an audit, or a second signature.
//!
//! **False alarms**: prices are often just below round numbers, and so are thresholds; a grant that is capped at the threshold.
//!
//! Amounts are compared as the decimal numbers that they are, of up to 30 digits; nothing is rounded.

use std::cmp::Ordering;

use decision::types::{Currency, Decimal, KindPattern};

use super::settings::{Settings, ThresholdSection};
use super::{decision, encode, read};
use crate::check::{Check, Judged, Outcome, Rows};
use crate::finding::{Code, Raised};
use crate::store::StoreError;

pub(super) struct UnderThreshold {
    thresholds: Vec<Threshold>,
}

struct Threshold {
    currency: Currency,
    amount: Decimal,
    /// The least amount that is just under it.
    least: String,
    kinds: Vec<KindPattern>,
}

impl UnderThreshold {
    pub(super) fn new(settings: &Settings) -> Self {
        UnderThreshold { thresholds: settings.0.threshold.iter().map(Threshold::new).collect() }
    }
}

impl Check for UnderThreshold {
    fn name(&self) -> &'static str {
        "threshold"
    }

    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        for related in entry.related.iter().filter(|related| related.rel.is_succession()) {
            let key = key(related.index.as_u64());
            if let Some(subject) = read::<String>(rows, &key)? {
                out.clear(Code::UNDER_THRESHOLD, subject);
                rows.delete(&key);
            }
        }
        let Some(decision) = decision(entry) else { return Ok(()) };
        let Some(amount) = &decision.amount else { return Ok(()) };
        let concerns = |threshold: &&Threshold| {
            threshold.currency == amount.currency
                && (threshold.kinds.is_empty() || threshold.kinds.iter().any(|kind| kind.matches(&decision.kind)))
        };
        let value = amount.value.as_str();
        let just_under = |threshold: &&Threshold| {
            compare(value, threshold.amount.as_str()) == Ordering::Less && compare(value, &threshold.least) != Ordering::Less
        };
        let Some(threshold) = self.thresholds.iter().filter(concerns).find(just_under) else { return Ok(()) };
        let (issuer, index) = (decision.issuer.as_str(), entry.index.as_u64());
        let subject = format!("{issuer} {}/{}", decision.series, decision.seq);
        let text = format!(
            "Number {} of series {} of {issuer} (entry {index}, {}) is about {value} {}, just under the threshold of {}.",
            decision.seq, decision.series, decision.kind, amount.currency, threshold.amount
        );
        rows.put(&key(index), encode(&subject));
        out.raise(Raised::new(Code::UNDER_THRESHOLD, issuer, subject, text).at([index]));
        Ok(())
    }
}

impl Threshold {
    fn new(section: &ThresholdSection) -> Self {
        let least = share(section.amount.as_str(), 100 - section.percent.min(100));
        Threshold { currency: section.currency.clone(), amount: section.amount.clone(), least, kinds: section.kinds.clone() }
    }
}

/// This many hundredths of a positive decimal number.
fn share(amount: &str, percent: u32) -> String {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let mut digits = Vec::new();
    let mut carry = 0;
    for digit in whole.bytes().chain(fraction.bytes()).rev() {
        let product = u32::from(digit - b'0') * percent + carry;
        digits.push(product % 10);
        carry = product / 10;
    }
    // At most 99 is carried; and there are two more places behind the point.
    digits.extend([carry % 10, carry / 10]);
    let text: String = digits.iter().rev().filter_map(|digit| char::from_digit(*digit, 10)).collect();
    let (whole, fraction) = text.split_at(text.len() - fraction.len() - 2);
    format!("{}.{fraction}", if whole.is_empty() { "0" } else { whole })
}

/// Compares decimal numbers. A negative one is less than the thresholds, which are above 0, and not just under them.
fn compare(one: &str, other: &str) -> Ordering {
    if one.starts_with('-') {
        return Ordering::Less;
    }
    let parts = |number: &str| {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        (whole.trim_start_matches('0').to_owned(), fraction.trim_end_matches('0').to_owned())
    };
    let ((one, one_fraction), (other, other_fraction)) = (parts(one), parts(other));
    one.len().cmp(&other.len()).then_with(|| one.cmp(&other)).then_with(|| one_fraction.cmp(&other_fraction))
}

fn key(index: u64) -> Vec<u8> {
    [b"o".as_slice(), &index.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{World, with};
    use super::*;

    const THRESHOLDS: &str = r#"threshold = [{ currency = "EUR", amount = "25000.00", percent = 5, kinds = ["procurement.*"] },
        { currency = "GBP", amount = "99999999999999999999999999999" }]"#;

    #[test]
    fn an_amount_is_just_under_the_threshold_or_not() {
        for (value, currency, kind, found) in [
            ("25000.00", "EUR", "procurement.award", false),
            ("25000", "EUR", "procurement.award", false),
            ("24999.99", "EUR", "procurement.award", true),
            ("24999.999999999999999999999", "EUR", "procurement.award", true),
            ("23750", "EUR", "procurement.award", true),
            ("23749.99", "EUR", "procurement.award", false),
            ("2375", "EUR", "procurement.award", false),
            ("237500", "EUR", "procurement.award", false),
            ("-24999.99", "EUR", "procurement.award", false),
            ("0", "EUR", "procurement.award", false),
            ("24999.99", "USD", "procurement.award", false),
            ("24999.99", "EUR", "benefit.grant", false),
            ("99999999999999999999999999998", "GBP", "benefit.grant", true),
            ("94999999999999999999999999999.04", "GBP", "benefit.grant", false),
            ("94999999999999999999999999999.05", "GBP", "benefit.grant", true),
        ] {
            let mut world = World::new(THRESHOLDS);
            let decision = with(world.decision("works.example", "2026", 1), "amount", json!({"value": value, "currency": currency}));
            world.publish(with(decision, "kind", kind.into()));
            assert_eq!(!world.found(&Code::UNDER_THRESHOLD).is_empty(), found, "{value} {currency} {kind}");
        }
    }

    #[test]
    fn a_correction_of_the_amount_resolves_it() {
        let mut world = World::new(THRESHOLDS);
        let decision = with(world.decision("works.example", "2026", 1), "kind", "procurement.award".into());
        world.publish(with(decision.clone(), "amount", json!({"value": "24999.99", "currency": "EUR"})));
        assert_eq!(world.found(&Code::UNDER_THRESHOLD), ["works.example 2026/1"]);
        for (seq, rel, found) in [(2, "refers", 1), (3, "corrects", 0)] {
            let next = with(world.relating(decision.clone(), &[(rel, 0)]), "seq", seq.into());
            world.publish(with(next, "amount", json!({"value": "26000", "currency": "EUR"})));
            assert_eq!(world.found(&Code::UNDER_THRESHOLD).len(), found, "{rel}");
        }
    }

    #[test]
    fn shares_are_exact() {
        for (amount, percent, share_of) in [("25000.00", 95, "0023750.0000"), ("1", 1, "0.01"), ("0.5", 99, "0.495"), ("10", 50, "05.00")] {
            assert_eq!(compare(&share(amount, percent), share_of), Ordering::Equal, "{amount} {percent}: {}", share(amount, percent));
        }
    }
}
