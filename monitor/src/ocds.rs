//! Red flags of public procurement, for decisions whose `data` is a release of the Open Contracting Data Standard (OCDS 1.1).
//!
//! SPEC: the flags R003, R018, R024, R028, R030 and R038 of Cardinal, by their public definitions. Each is a reason to look, and no proof of
//! anything.
//!
//! | flag | about | rests on |
//! |---|---|---|
//! | R003, R018, R028, R030 | a contracting process | its newest release alone |
//! | R024 | a contracting process | its release, and how close prices are in all others of its issuer |
//! | R038 | a buyer, procuring entity or bidder | all of its bids that one issuer tells of, and those of all others |
//!
//! Cardinal looks at a finished collection. A monitor sees one release after the other: R024 is judged when a release is read, against
//! those read before it, and not again; R038 is judged again whenever something of the same organization is read. A later release of the
//! same process by the same issuer takes the place of the earlier one, and clears what is no longer so.
//!
//! Invariant: an issuer can neither raise nor clear a flag of another issuer's process, nor move what counts as usual for it. Releases are strangers' JSON: what is not as the
//! standard says is as if it were not there.

mod flags;
mod population;
mod release;
mod settings;

use decision::types::Body;
use tlog::printable::Printable;

use crate::check::{Check, Judged, Outcome, Rows};
use crate::finding::{Code, Raised};
use crate::store::StoreError;
use release::Release;

pub use settings::{Section, Settings, SettingsError};

/// The checks for all flags.
pub fn all(settings: &Settings) -> Vec<Box<dyn Check>> {
    if settings.enabled { vec![Box::new(Flags { settings: settings.clone() })] } else { Vec::new() }
}

struct Flags {
    settings: Settings,
}

/// What a release says of a flag.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    /// Nothing: it does not have what the flag looks at.
    Unknown,
    /// There is no reason for the flag.
    Fine,
    /// There is, in these words.
    Flagged(String),
}

impl Check for Flags {
    fn name(&self) -> &'static str {
        "ocds"
    }

    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        let Some(Body::Decision(decision)) = entry.statement.filter(|_| entry.refusal.is_none()).map(|statement| statement.body()) else {
            return Ok(());
        };
        if !decision.data.as_ref().is_some_and(|data| names_ocds(data.schema.as_str())) {
            return Ok(());
        }
        let json = entry.statement.map(|statement| statement.json()).unwrap_or_default();
        let Some(release) = Release::of(&json["data"]) else { return Ok(()) };
        let issuer = decision.issuer.as_str();
        let subject = format!("{issuer} {}", release.ocid);
        let mut say = |code: Code, subject: &str, verdict: Verdict| match verdict {
            Verdict::Unknown => {}
            Verdict::Fine => out.clear(code, subject),
            Verdict::Flagged(text) => out.raise(Raised::new(code, issuer, subject, text).at([entry.index.as_u64()])),
        };
        for (code, verdict) in flags::judge(&release, &self.settings) {
            say(code, &subject, verdict);
        }
        let judged = population::judge(rows, &self.settings, issuer, &release)?;
        say(Code::OCDS_R024, &subject, judged.close);
        for (organization, verdict) in judged.disqualified {
            say(Code::OCDS_R038, &organization, verdict);
        }
        Ok(())
    }
}

/// Whether the name of a schema is that of the Open Contracting Data Standard, however it is written: its address, or its short name.
fn names_ocds(schema: &str) -> bool {
    let schema = schema.to_ascii_lowercase();
    schema.contains("open-contracting.org") || schema.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "ocds")
}

/// A name out of a release, for people.
fn shown(name: &str) -> Printable<&str> {
    Printable(name)
}

#[cfg(test)]
mod tests;
