//! The flags that one release is enough for.

use std::collections::{BTreeMap, BTreeSet};

use super::release::{Bid, Release};
use super::settings::Settings;
use super::{Verdict, shown};
use crate::finding::Code;

const SECONDS_OF_A_DAY: i64 = 86_400;

/// What a release says of each of them.
pub(super) fn judge(release: &Release<'_>, settings: &Settings) -> [(Code, Verdict); 4] {
    [
        (Code::OCDS_R003, short_period(release, settings)),
        (Code::OCDS_R018, single_bidder(release, settings)),
        (Code::OCDS_R028, same_price(release, settings)),
        (Code::OCDS_R030, late_winner(release)),
    ]
}

/// R003: there were fewer whole days to bid than there should be.
fn short_period(release: &Release<'_>, settings: &Settings) -> Verdict {
    let (Some(opened), Some(deadline)) = (release.opened(), release.deadline()) else { return Verdict::Unknown };
    let own = release.procedure().and_then(|procedure| settings.submission_days_of.get(procedure));
    let wanted = own.map_or(settings.submission_days, |days| i64::from(*days));
    let days = (deadline.as_second() - opened.as_second()).div_euclid(SECONDS_OF_A_DAY);
    if days >= wanted {
        return Verdict::Fine;
    }
    let ocid = shown(release.ocid);
    Verdict::Flagged(format!("In {ocid} there were {days} whole days to bid, from {opened} to {deadline}; there should be {wanted}."))
}

/// R018: only one bidder, where there should be competition.
fn single_bidder(release: &Release<'_>, settings: &Settings) -> Verdict {
    let (Some(method), Some(count)) = (release.method(), release.number_of_tenderers()) else { return Verdict::Unknown };
    if count != 1 || !settings.competitive_methods.iter().any(|competitive| competitive == method) {
        return Verdict::Fine;
    }
    Verdict::Flagged(format!(
        "In {} there was a single bidder although its method, {}, is a competitive one.",
        shown(release.ocid),
        shown(method)
    ))
}

/// R028: bidders who are not the same asked for the same price.
fn same_price(release: &Release<'_>, settings: &Settings) -> Verdict {
    let bids = release.submitted();
    let priced: Vec<_> = bids.iter().filter(|bid| bid.price.is_some() && !bid.tenderers.is_empty()).collect();
    if priced.len() < 2 || has_fixed_prices(release, settings) {
        return Verdict::Unknown;
    }
    // Prices in their order: what is equal lies side by side.
    let mut bidders: BTreeMap<(u64, &str), &Bid<'_>> = BTreeMap::new();
    for bid in priced {
        let Some(price) = bid.price else { continue };
        // Zero has two signs, and is one price.
        let earlier = bidders.entry(((price.amount + 0.0).to_bits(), price.currency)).or_insert(bid);
        // One bidder may offer the same thing twice.
        if earlier.tenderers != bid.tenderers {
            let (ocid, one, other) = (shown(release.ocid), shown(earlier.tenderers[0]), shown(bid.tenderers[0]));
            let (amount, currency) = (price.amount, shown(price.currency));
            return Verdict::Flagged(format!("In {ocid}, {one} and {other} asked for the same price, {amount} {currency}."));
        }
    }
    Verdict::Fine
}

/// R030: the bid that won came after the deadline.
fn late_winner(release: &Release<'_>) -> Verdict {
    let Some(deadline) = release.deadline() else { return Verdict::Unknown };
    let awards = release.awards();
    let suppliers: BTreeSet<_> = awards.iter().filter(|award| award.status == "active").flat_map(|award| &award.suppliers).collect();
    let bids = release.submitted();
    let mut known = false;
    for bid in bids.iter().filter(|bid| bid.status == "valid") {
        let (Some(received), Some(winner)) = (bid.received, bid.tenderers.iter().find(|tenderer| suppliers.contains(tenderer))) else {
            continue;
        };
        known = true;
        if received > deadline {
            let (ocid, winner) = (shown(release.ocid), shown(winner));
            return Verdict::Flagged(format!(
                "In {ocid} the bid of {winner}, who won, came in at {received}, after the deadline of {deadline}."
            ));
        }
    }
    if known { Verdict::Fine } else { Verdict::Unknown }
}

/// Whether the procedure is one whose prices the buyer gives, so that they say nothing.
pub(super) fn has_fixed_prices(release: &Release<'_>, settings: &Settings) -> bool {
    release.procedure().is_some_and(|procedure| settings.fixed_prices.iter().any(|fixed| fixed == procedure))
}
