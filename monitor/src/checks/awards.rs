//! Direct awards to one party, again and again.
//!
//! **Finds** issuers that have awarded to one party without a competition at least `award_count` times within `award_within`, by the days of
//! the decisions. An award is direct by its kind, by its outcome, or by the procurement method of its OCDS release. Gone when the last of
//! them is as long ago.
//!
//! **Why somebody does that**: a contract is cut into pieces, each of which may be given away without asking anybody else.
//!
//! **False alarms**: the one supplier of a thing there is; framework agreements whose orders are published as awards.
//!
//! A party is known by its number in a register, or by its name without case, punctuation and legal form. What takes the place of an earlier
//! award to the same party is not a further one; what was revoked, or was decided anew for somebody else, is none any more. Parties that are
//! sealed cannot be told from each other, and are not counted.

use decision::types::{Decision, KindPattern, Party};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tlog::printable::Printable;

use super::settings::{Settings, seconds};
use super::{DAY, day, deadlines, decision, encode, read};
use crate::check::{Check, Judged, Outcome, Related, Rows};
use crate::finding::{Code, Raised};
use crate::store::StoreError;

pub(super) struct RepeatedAwards {
    awards: Vec<KindPattern>,
    direct: Vec<KindPattern>,
    outcomes: Vec<String>,
    roles: Vec<String>,
    count: usize,
    within: i64,
}

/// What one issuer has awarded directly to one party: key `p`, the first half of the SHA-256 of both.
#[derive(Default, Serialize, Deserialize)]
struct Awards {
    issuer: Box<str>,
    party: Box<str>,
    /// The last ones, by the day of the decision.
    last: Vec<(i64, u64)>,
    is_open: bool,
}

/// What a decision, or one whose place it took, counts for: of each decision there is a list, key `e`, its index.
#[derive(Serialize, Deserialize)]
struct Counted {
    day: i64,
    /// Where the award is that was counted.
    index: u64,
    /// The keys of what was awarded to whom.
    keys: Vec<Vec<u8>>,
}

/// As many as can be too many.
const MAX_AWARDS: usize = 50;

/// The most parties of one decision that are counted.
const MAX_PARTIES: usize = 16;

impl RepeatedAwards {
    pub(super) fn new(settings: &Settings) -> Self {
        let section = &settings.0;
        let lower = |words: &[String]| words.iter().map(|word| word.to_lowercase()).collect();
        RepeatedAwards {
            awards: section.award_kinds.clone(),
            direct: section.direct_award_kinds.clone(),
            outcomes: lower(&section.direct_award_outcomes),
            roles: lower(&section.award_roles),
            count: usize::try_from(section.award_count).unwrap_or(usize::MAX),
            within: seconds(section.award_within),
        }
    }

    fn is_direct(&self, decision: &Decision, line: &str) -> bool {
        let is_of = |kinds: &[KindPattern]| kinds.iter().any(|pattern| pattern.matches(&decision.kind));
        if is_of(&self.direct) {
            return true;
        }
        // In canonical JSON a member has one spelling, and within a text the quotation marks would be escaped.
        let by_release = || decision.data.is_some() && line.contains(r#""procurementMethod":"direct""#);
        is_of(&self.awards) && (self.outcomes.contains(&decision.outcome.as_str().to_lowercase()) || by_release())
    }

    fn award(
        &self,
        rows: &mut Rows<'_, '_>,
        key: &[u8],
        mut awards: Awards,
        day: i64,
        index: u64,
        out: &mut Outcome,
    ) -> Result<(), StoreError> {
        let place = awards.last.partition_point(|award| *award <= (day, index));
        awards.last.insert(place, (day, index));
        if awards.last.len() > MAX_AWARDS {
            awards.last.remove(0);
        }
        // What was found of awards long ago is not found again: this one has to be among them.
        let close = self.clusters(&awards.last).find(|cluster| cluster.contains(&(day, index)));
        if let Some(cluster) = close.filter(|_| !awards.is_open) {
            out.raise(awards.raised(key, cluster));
            deadlines::set(rows, self.ends(cluster), key)?;
            awards.is_open = true;
        }
        rows.put(key, encode(&awards));
        Ok(())
    }

    /// The parties to whom a decision awards something directly: the keys of their rows, and what they are called.
    fn awarded<'d>(&self, decision: &'d Decision, line: &str) -> Vec<(Vec<u8>, &'d str)> {
        if decision.parties.is_empty() || !self.is_direct(decision, line) {
            return Vec::new();
        }
        let is_awarded = |party: &&Party| self.roles.contains(&party.role.as_str().to_lowercase());
        let mut parties: Vec<(String, &str)> = decision.parties.iter().filter(is_awarded).filter_map(identify).collect();
        parties.sort_unstable();
        parties.dedup_by(|one, other| one.0 == other.0);
        parties.into_iter().take(MAX_PARTIES).map(|(identity, party)| (key(decision.issuer.as_str(), &identity), party)).collect()
    }

    /// Of the awards whose place an entry takes, the ones that it awards again stay; they are given back. The others are none any more.
    fn replace(
        &self,
        rows: &mut Rows<'_, '_>,
        related: &[Related],
        awarded: &[(Vec<u8>, &str)],
        out: &mut Outcome,
    ) -> Result<Vec<Counted>, StoreError> {
        let mut stays: Vec<Counted> = Vec::new();
        for replaced in related.iter().filter(|related| related.rel.is_succession()) {
            let Some(all) = read::<Vec<Counted>>(rows, &counted_key(replaced.index.as_u64()))? else { continue };
            for counted in all {
                // Where one takes the place of two, it is one.
                let is_kept =
                    |key: &Vec<u8>| awarded.iter().any(|(again, _)| again == key) && !stays.iter().any(|stays| stays.keys.contains(key));
                let (kept, gone): (Vec<_>, Vec<_>) = counted.keys.into_iter().partition(is_kept);
                for key in gone {
                    self.withdraw(rows, &key, (counted.day, counted.index), out)?;
                }
                if !kept.is_empty() {
                    stays.push(Counted { keys: kept, ..counted });
                }
            }
        }
        Ok(stays)
    }

    /// An award is none any more.
    fn withdraw(&self, rows: &mut Rows<'_, '_>, key: &[u8], award: (i64, u64), out: &mut Outcome) -> Result<(), StoreError> {
        let Some(mut awards) = read::<Awards>(rows, key)? else { return Ok(()) };
        awards.last.retain(|other| *other != award);
        if awards.is_open && self.clusters(&awards.last).next().is_none() {
            awards.is_open = false;
            out.clear(Code::REPEATED_AWARD, awards.subject(key));
        }
        rows.put(key, encode(&awards));
        Ok(())
    }

    /// As many awards as are too many, in so short a time: the last first.
    fn clusters<'a>(&self, awards: &'a [(i64, u64)]) -> impl Iterator<Item = &'a [(i64, u64)]> {
        let within = self.within;
        awards.windows(self.count).rev().filter(move |window| (window[window.len() - 1].0 - window[0].0).saturating_mul(DAY) <= within)
    }

    /// When the last of these awards is so long ago that they do not count any more.
    fn ends(&self, cluster: &[(i64, u64)]) -> i64 {
        ((cluster[cluster.len() - 1].0 + 1) * DAY).saturating_add(self.within)
    }
}

impl Check for RepeatedAwards {
    fn name(&self) -> &'static str {
        "awards"
    }

    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        let (Some(decision), Some(statement)) = (decision(entry), entry.statement) else { return Ok(()) };
        let awarded = self.awarded(decision, statement.line());
        let (day, index) = (day(&decision.decided), entry.index.as_u64());
        let stays = self.replace(rows, entry.related, &awarded, out)?;
        if awarded.is_empty() {
            return Ok(());
        }
        // What it counts for is what it is asked for when something takes its place: one award, whichever of the two it was counted as.
        let is_further = |(key, _): &(Vec<u8>, &str)| !stays.iter().any(|stays| stays.keys.contains(key));
        let further: Vec<_> = awarded.into_iter().filter(is_further).collect();
        let keys = further.iter().map(|(key, _)| key.clone()).collect();
        let counted: Vec<Counted> = stays.into_iter().chain((!further.is_empty()).then_some(Counted { day, index, keys })).collect();
        rows.put(&counted_key(index), encode(&counted));
        for (key, party) in further {
            let awards = match read::<Awards>(rows, &key)? {
                Some(awards) => awards,
                None => {
                    let party = Printable(party).to_string().into();
                    Awards { issuer: decision.issuer.as_str().into(), party, ..Awards::default() }
                }
            };
            self.award(rows, &key, awards, day, index, out)?;
        }
        Ok(())
    }

    fn tick(&self, rows: &mut Rows<'_, '_>, now: Timestamp, out: &mut Outcome) -> Result<(), StoreError> {
        let now = now.as_second();
        deadlines::due(rows, now, out, |rows, key, out| {
            let Some(mut awards) = read::<Awards>(rows, key)?.filter(|awards| awards.is_open) else { return Ok(()) };
            // Further ones since may keep it open.
            let ends = self.clusters(&awards.last).next().map_or(now, |cluster| self.ends(cluster));
            if ends > now {
                return deadlines::set(rows, ends, key);
            }
            awards.is_open = false;
            out.clear(Code::REPEATED_AWARD, awards.subject(key));
            rows.put(key, encode(&awards));
            Ok(())
        })
    }
}

impl Awards {
    /// With the beginning of the hash in the key: names are what issuers write, and two parties of one name must not be one finding, since
    /// the one would end what was found of the other.
    fn subject(&self, key: &[u8]) -> String {
        let party: String = key.iter().skip(1).take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{} to {} ({party})", self.issuer, self.party)
    }

    fn raised(&self, key: &[u8], cluster: &[(i64, u64)]) -> Raised {
        let date = |award: &(i64, u64)| super::moment(award.0.saturating_mul(DAY)).to_string().chars().take(10).collect::<String>();
        let (first, last) = (&cluster[0], &cluster[cluster.len() - 1]);
        let text = format!(
            "{} has awarded to {:?} without a competition {} times from {} to {}.",
            self.issuer,
            self.party,
            cluster.len(),
            date(first),
            date(last)
        );
        let mut indexes: Vec<u64> = cluster.iter().map(|(_, index)| *index).collect();
        indexes.sort_unstable();
        Raised::new(Code::REPEATED_AWARD, &*self.issuer, self.subject(key), text).at(indexes)
    }
}

/// What a party is known by, and what it is called.
fn identify(party: &Party) -> Option<(String, &str)> {
    let name = party.name.as_ref().map(|name| name.as_str());
    match (&party.id, name) {
        (Some(id), name) => Some((format!("id {}", number(id.as_str())), name.unwrap_or(id.as_str()))),
        (None, Some(name)) => Some((format!("name {}", plain(name)), name)),
        (None, None) => None,
    }
}

/// A number in a register, however its parts are set apart.
fn number(id: &str) -> String {
    let plain = crate::rules::plain(id);
    plain.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// Words that say what a company is by law, and not which one it is.
const LEGAL_FORMS: &[&str] = &[
    "ab",
    "ag",
    "aps",
    "as",
    "bv",
    "co",
    "company",
    "corp",
    "corporation",
    "doo",
    "eood",
    "gmbh",
    "inc",
    "incorporated",
    "kft",
    "kg",
    "lda",
    "limited",
    "llc",
    "llp",
    "ltd",
    "mbh",
    "nv",
    "ood",
    "oy",
    "plc",
    "pty",
    "sa",
    "sarl",
    "sas",
    "se",
    "sia",
    "sl",
    "spa",
    "sro",
    "srl",
    "uab",
];

/// A name without case, accents, punctuation, invisible marks and legal form; all of it if nothing else is in it.
fn plain(name: &str) -> String {
    // "S.A." and "S A" are one word each way only if the points go first.
    let lower: String = crate::rules::plain(name).chars().filter(|c| !matches!(c, '.' | '\'' | '’')).collect();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let own: Vec<&str> = words.iter().copied().filter(|word| !LEGAL_FORMS.contains(word)).collect();
    if own.is_empty() { words.join(" ") } else { own.join(" ") }
}

fn counted_key(index: u64) -> Vec<u8> {
    [b"e".as_slice(), &index.to_be_bytes()].concat()
}

fn key(issuer: &str, identity: &str) -> Vec<u8> {
    let hash = tlog::Hash::sha256(format!("{issuer}\0{identity}").as_bytes());
    [b"p".as_slice(), &hash.as_bytes()[..16]].concat()
}

#[cfg(test)]
mod tests;
