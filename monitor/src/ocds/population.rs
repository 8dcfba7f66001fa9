//! The flags for which a release is compared with all others: R024 and R038.
//!
//! Both say that something is far outside of what is usual for its issuer: counts of all issuers together would be an issuer's to spoil, who
//! need only publish enough of what is unusual elsewhere. What is usual is kept as counts of how often each value was seen, in steps of a
//! thousandth, so that neither memory nor work grows with the log. Limits are those of Tukey: a quartile, and one and a half times the
//! distance between the quartiles beyond it.
//!
//! | row | key | value |
//! |---|---|---|
//! | `p` | issuer, NUL, ocid | what the newest release of the process counts for |
//! | `o` | role, issuer, space, id | how many bids an organization had, and how many of them were disqualified |
//! | `h` | which values, issuer, NUL, value u16 | how often it was seen |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::flags::has_fixed_prices;
use super::release::Release;
use super::settings::Settings;
use super::{Verdict, shown};
use crate::check::Rows;
use crate::findings::{decode, encode};
use crate::store::{Damage, StoreError};

/// What was judged.
pub(super) struct Judgement {
    pub(super) close: Verdict,
    /// Of whom, and what.
    pub(super) disqualified: Vec<(String, Verdict)>,
}

/// Values in thousandths; larger ones count as this.
const MAX_VALUE: u16 = 2000;

const CLOSENESS: u8 = b'c';

/// As whom an organization had to do with bids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Role {
    Buyer,
    ProcuringEntity,
    Bidder,
}

/// What the newest release of a process counts for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Counted {
    close: Option<u16>,
    organizations: Vec<(Role, String, u32, u32)>,
}

/// The bids of an organization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Standing {
    submitted: u64,
    disqualified: u64,
    processes: u64,
}

/// Counts a release in place of the earlier one of the same process, and judges it.
pub(super) fn judge(rows: &mut Rows<'_, '_>, settings: &Settings, issuer: &str, release: &Release<'_>) -> Result<Judgement, StoreError> {
    let key = [b"p", issuer.as_bytes(), b"\0", release.ocid.as_bytes()].concat();
    let earlier = rows.get(&key)?.map(|row| decode::<Counted>(&row)).transpose()?.unwrap_or_default();
    let close = closeness(release, settings);
    let counted = Counted { close: close.map(thousandths), organizations: organizations(release, issuer) };

    count(rows, (CLOSENESS, issuer), earlier.close, counted.close)?;
    for (role, id, submitted, disqualified) in &earlier.organizations {
        change(rows, settings, issuer, (*role, id), |standing| standing.less(*submitted, *disqualified))?;
    }
    for (role, id, submitted, disqualified) in &counted.organizations {
        change(rows, settings, issuer, (*role, id), |standing| standing.more(*submitted, *disqualified))?;
    }
    let close = judge_closeness(rows, settings, issuer, release, close)?;
    let mut touched: Vec<_> =
        earlier.organizations.iter().chain(&counted.organizations).map(|(role, id, ..)| (*role, id.as_str())).collect();
    touched.sort_unstable();
    touched.dedup();
    let disqualified = judge_standings(rows, settings, issuer, &touched)?;

    if counted == Counted::default() {
        rows.delete(&key);
    } else {
        rows.put(&key, encode(&counted));
    }
    Ok(Judgement { close, disqualified })
}

/// By how much the lowest price that did not win is above the winning one, as a share of that; if there is one award to one bidder, and it
/// went to the lowest price.
fn closeness(release: &Release<'_>, settings: &Settings) -> Option<f64> {
    let awards = release.awards();
    if awards.iter().any(|award| !matches!(award.status, "active" | "cancelled" | "unsuccessful")) || has_fixed_prices(release, settings) {
        return None;
    }
    let mut active = awards.iter().filter(|award| award.status == "active");
    let (Some(award), None) = (active.next(), active.next()) else { return None };
    let [winner] = award.suppliers[..] else { return None };
    let (mut won, mut next) = (f64::INFINITY, f64::INFINITY);
    let mut currency = None;
    for bid in release.submitted().iter().filter(|bid| bid.status == "valid") {
        let ([tenderer], Some(price)) = (&bid.tenderers[..], bid.price) else { return None };
        if *currency.get_or_insert(price.currency) != price.currency {
            return None;
        }
        let lowest = if *tenderer == winner { &mut won } else { &mut next };
        *lowest = lowest.min(price.amount);
    }
    (won > 0.0 && won.is_finite() && next.is_finite() && next >= won).then(|| (next - won) / won)
}

/// For how many bids each organization counts in a release. Each is the issuer's own: nobody else may change what is known of it.
fn organizations(release: &Release<'_>, issuer: &str) -> Vec<(Role, String, u32, u32)> {
    let mut all: BTreeMap<(Role, String), (u32, u32)> = BTreeMap::new();
    let buyer = release.buyer().map(|id| (Role::Buyer, format!("{issuer} {id}")));
    let entity = release.procuring_entity().map(|id| (Role::ProcuringEntity, format!("{issuer} {id}")));
    for bid in release.submitted() {
        let bidders = bid.tenderers.iter().map(|id| (Role::Bidder, format!("{issuer} {id}")));
        for whose in buyer.iter().chain(&entity).cloned().chain(bidders) {
            let (submitted, disqualified) = all.entry(whose).or_default();
            *submitted += 1;
            *disqualified += u32::from(bid.status == "disqualified");
        }
    }
    all.into_iter().map(|((role, id), (submitted, disqualified))| (role, id, submitted, disqualified)).collect()
}

fn judge_closeness(
    rows: &Rows<'_, '_>,
    settings: &Settings,
    issuer: &str,
    release: &Release<'_>,
    close: Option<f64>,
) -> Result<Verdict, StoreError> {
    let Some(close) = close else { return Ok(Verdict::Unknown) };
    let (limit, whence) = match settings.close_price {
        Some(limit) => (limit, "too close by this monitor's configuration"),
        None => {
            let seen = Seen::read(rows, (CLOSENESS, issuer))?;
            let (q1, q3) = seen.quartiles();
            // If a quarter of all have no difference at all, it says nothing that this one has none.
            if seen.total < settings.min_population || q1 == 0.0 {
                return Ok(Verdict::Fine);
            }
            (q1 - 1.5 * (q3 - q1), "unusually close among the processes of this issuer")
        }
    };
    let flagged = if settings.close_price.is_some() { close <= limit } else { limit > 0.0 && close <= limit };
    if !flagged {
        return Ok(Verdict::Fine);
    }
    let (ocid, percent, limit) = (shown(release.ocid), close * 100.0, limit * 100.0);
    Ok(Verdict::Flagged(format!("In {ocid} the second price is {percent:.2} % above the winning one; up to {limit:.2} % is {whence}.")))
}

fn judge_standings(
    rows: &Rows<'_, '_>,
    settings: &Settings,
    issuer: &str,
    whose: &[(Role, &str)],
) -> Result<Vec<(String, Verdict)>, StoreError> {
    let mut limits: BTreeMap<Role, Option<f64>> = BTreeMap::new();
    let mut judged = Vec::new();
    for (role, id) in whose {
        let subject = format!("{} {id}", role.name());
        let standing = Standing::read(rows, *role, id)?;
        let Some(share) = standing.share(*role, settings) else {
            judged.push((subject, Verdict::Fine));
            continue;
        };
        let limit = match limits.get(role) {
            Some(limit) => *limit,
            None => *limits.entry(*role).or_insert(limit(rows, settings, issuer, *role)?),
        };
        let verdict = match limit {
            Some(limit) if limit > 0.0 && share >= limit => {
                let Standing { submitted, disqualified, .. } = standing;
                let (percent, name, id) = (limit * 100.0, role.name(), shown(id));
                Verdict::Flagged(format!(
                    "Of {submitted} bids, {disqualified} were disqualified: {name} {id}. From {percent:.0} % on that is unusual here."
                ))
            }
            _ => Verdict::Fine,
        };
        judged.push((subject, verdict));
    }
    Ok(judged)
}

/// From which share on it is unusual; `None` while too little is known.
fn limit(rows: &Rows<'_, '_>, settings: &Settings, issuer: &str, role: Role) -> Result<Option<f64>, StoreError> {
    if settings.disqualified_share.is_some() {
        return Ok(settings.disqualified_share);
    }
    let seen = Seen::read(rows, (role.byte(), issuer))?;
    let (q1, q3) = seen.quartiles();
    Ok((seen.total >= settings.min_population).then_some(q3 + 1.5 * (q3 - q1)))
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Buyer => "buyer",
            Role::ProcuringEntity => "procuring entity",
            Role::Bidder => "bidder",
        }
    }

    fn byte(self) -> u8 {
        match self {
            Role::Buyer => b'b',
            Role::ProcuringEntity => b'e',
            Role::Bidder => b't',
        }
    }
}

impl Standing {
    fn key(role: Role, id: &str) -> Vec<u8> {
        [&[b'o', role.byte()], id.as_bytes()].concat()
    }

    fn read(rows: &Rows<'_, '_>, role: Role, id: &str) -> Result<Self, StoreError> {
        Ok(rows.get(&Standing::key(role, id))?.map(|row| decode(&row)).transpose()?.unwrap_or_default())
    }

    fn more(self, submitted: u32, disqualified: u32) -> Self {
        Standing {
            submitted: self.submitted + u64::from(submitted),
            disqualified: self.disqualified + u64::from(disqualified),
            processes: self.processes + 1,
        }
    }

    fn less(self, submitted: u32, disqualified: u32) -> Self {
        Standing {
            submitted: self.submitted.saturating_sub(submitted.into()),
            disqualified: self.disqualified.saturating_sub(disqualified.into()),
            processes: self.processes.saturating_sub(1),
        }
    }

    /// The share of disqualified bids, if there are enough to speak of one.
    fn share(self, role: Role, settings: &Settings) -> Option<f64> {
        let enough = match role {
            Role::Bidder => self.submitted >= settings.min_bids,
            Role::Buyer | Role::ProcuringEntity => self.processes >= settings.min_processes,
        };
        (enough && self.submitted > 0).then(|| ratio(self.disqualified, self.submitted))
    }
}

/// Changes what is known of an organization, and counts its share anew.
fn change(
    rows: &mut Rows<'_, '_>,
    settings: &Settings,
    issuer: &str,
    (role, id): (Role, &str),
    with: impl FnOnce(Standing) -> Standing,
) -> Result<(), StoreError> {
    let before = Standing::read(rows, role, id)?;
    let after = with(before);
    let value = |standing: Standing| standing.share(role, settings).map(thousandths);
    count(rows, (role.byte(), issuer), value(before), value(after))?;
    let key = Standing::key(role, id);
    if after == Standing::default() {
        rows.delete(&key);
    } else {
        rows.put(&key, encode(&after));
    }
    Ok(())
}

/// How often each value was seen.
struct Seen {
    values: Vec<(u16, u64)>,
    total: u64,
}

impl Seen {
    fn read(rows: &Rows<'_, '_>, which: (u8, &str)) -> Result<Self, StoreError> {
        let prefix = seen_prefix(which);
        let found = rows.scan(&prefix, usize::from(MAX_VALUE) + 1)?;
        let value = |(key, row): (Vec<u8>, Vec<u8>)| {
            let value = key.get(prefix.len()..).and_then(|value| value.try_into().ok()).map(u16::from_be_bytes);
            Some((value?, row.try_into().ok().map(u64::from_be_bytes)?))
        };
        let values = found.into_iter().map(value).collect::<Option<Vec<_>>>().ok_or(Damage::MalformedRow)?;
        Ok(Seen { total: values.iter().map(|(_, count)| count).sum(), values })
    }

    /// The first and the third quartile, as shares.
    fn quartiles(&self) -> (f64, f64) {
        (self.at(self.total / 4), self.at(self.total * 3 / 4))
    }

    /// The value of which `rank` are before it.
    fn at(&self, rank: u64) -> f64 {
        let mut before = 0;
        for (value, count) in &self.values {
            before += count;
            if before > rank {
                return f64::from(*value) / 1000.0;
            }
        }
        0.0
    }
}

/// Values of which kind and of whom.
fn seen_prefix((which, issuer): (u8, &str)) -> Vec<u8> {
    [&[b'h', which], issuer.as_bytes(), b"\0"].concat()
}

/// Counts a value in place of another.
fn count(rows: &mut Rows<'_, '_>, which: (u8, &str), before: Option<u16>, after: Option<u16>) -> Result<(), StoreError> {
    if before == after {
        return Ok(());
    }
    for (value, more) in [(before, false), (after, true)] {
        let Some(value) = value else { continue };
        let key = [seen_prefix(which).as_slice(), &value.to_be_bytes()].concat();
        let row = rows.get(&key)?.map(|row| row.try_into().map(u64::from_be_bytes)).transpose();
        let count = row.map_err(|_: Vec<u8>| Damage::MalformedRow)?.unwrap_or(0);
        match if more { count + 1 } else { count.saturating_sub(1) } {
            0 => rows.delete(&key),
            count => rows.put(&key, count.to_be_bytes().to_vec()),
        }
    }
    Ok(())
}

/// Rounded down.
fn thousandths(share: f64) -> u16 {
    #[allow(clippy::as_conversions, reason = "from a float it is exact up to where it saturates")]
    let value = (share * 1000.0) as u16;
    value.min(MAX_VALUE)
}

fn ratio(part: u64, whole: u64) -> f64 {
    let float = |number: u64| u32::try_from(number).map_or(f64::from(u32::MAX), f64::from);
    float(part) / float(whole)
}
