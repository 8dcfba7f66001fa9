//! What happens in the demo, step by step.

use tlog::proof::Proof;

use super::THREE;
use super::cast::{AGENCIES, COURT, Issuer, LANDS, LICENSING, PLANNING, PLANNING_MAPPING, REGISTRARS, WATER};
use super::desk::{Desk, Ends};
use super::town::Witnesses;
use crate::commands::{Exit, Failure, say};

const POLICY: &str = "log/policy";
const SERIES: &str = "2026";

/// The permission that the court quashes.
const PONTOON: u64 = 37;

/// A decision with a sealed applicant.
const GARDEN_ROOM: u64 = 43;

/// The last decision of the land register.
const LAST_OF_LANDS: u64 = 35;

/// What the water authority's stolen key is in doubt from.
const STOLEN_FROM: u64 = 34;

/// Makes a key for each registrar and issuer that has none.
pub(super) async fn make_keys(desk: &Desk) -> Result<(), Failure> {
    let issuers = AGENCIES.iter().chain([&COURT]).map(|issuer| issuer.id);
    let missing: Vec<&str> = REGISTRARS.into_iter().chain(issuers).filter(|name| !desk.has(&format!("keys/{name}.key"))).collect();
    let Some((first, others)) = missing.split_first() else { return Ok(()) };
    desk.make_directory("keys")?;
    say(
        "1. Three registrars, five agencies and a court make their keys; the log is created with the registrars' public ones, two of whom",
    )?;
    say("   must sign together:")?;
    desk.show(&["keygen", "--name", first, "--out", &format!("keys/{first}.key")], Ends::Well, 0).await?;
    for name in others {
        desk.run(&["keygen", "--name", name, "--out", &format!("keys/{name}.key")], Ends::Well).await?;
    }
    Ok(())
}

/// All after the log has started.
pub(super) async fn tell(desk: &Desk, witnesses: &mut Witnesses, url: &str) -> Result<(), Failure> {
    let story = Story { desk, url };
    story.register().await?;
    story.publish().await?;
    story.overrule().await?;
    story.seal().await?;
    story.rotate().await?;
    story.steal().await?;
    story.fail(witnesses).await?;
    story.check().await
}

struct Story<'a> {
    desk: &'a Desk,
    url: &'a str,
}

impl Story<'_> {
    /// The command, with the log and its policy.
    fn with_log<'c>(&'c self, mut arguments: Vec<&'c str>) -> Vec<&'c str> {
        arguments.extend(["--log", self.url, "--policy", POLICY]);
        arguments
    }

    async fn register(&self) -> Result<(), Failure> {
        say("2. Two registrars register who may issue what. Each new key signs too, which shows that somebody has it:")?;
        let mut registered = Vec::new();
        for issuer in AGENCIES.iter().chain([&COURT]) {
            let receipt = format!("registrations/{}.tlog-proof", issuer.id);
            if self.desk.has(&receipt) {
                continue;
            }
            self.desk.make_directory("registrations")?;
            let keys = [0, 1].map(|at: usize| format!("keys/{}.key", REGISTRARS[at]));
            let (vkey, overruled) = (issuer.vkey(), format!("{}:planning.*", PLANNING.id));
            let mut arguments = vec!["issuer", "register", "--registrar-key", &keys[0], &keys[1], "--issuer", issuer.id, "--key", &vkey];
            arguments.push("--kinds");
            arguments.extend(issuer.kinds);
            arguments.extend(["--name", issuer.name]);
            if issuer.id == COURT.id {
                arguments.extend(["--may-overrule", &overruled]);
            }
            let arguments = [self.with_log(arguments), vec!["--receipt", &receipt]].concat();
            if registered.is_empty() || issuer.id == COURT.id {
                self.desk.show(&arguments, Ends::Well, 3).await?;
            } else {
                self.desk.run(&arguments, Ends::Well).await?;
            }
            registered.push(issuer.id);
        }
        say(format_args!("   {} issuers are registered.\n", AGENCIES.len() + 1))
    }

    async fn publish(&self) -> Result<(), Failure> {
        say("3. The agencies publish their decisions. Each is signed with the agency's key and gets its number and a receipt:")?;
        self.desk.write("decisions/planning.toml", PLANNING_MAPPING.as_bytes())?;
        for issuer in AGENCIES {
            // Licensing has one more decision, which comes when its key has changed; the land register two, for when witnesses fail.
            let decisions = match issuer.id {
                id if id == LICENSING.id => without_last(issuer.decisions),
                id if id == LANDS.id => without_last(without_last(issuer.decisions)),
                _ => issuer.decisions,
            };
            if !self.desk.has(&issuer.input()) {
                self.desk.write(&issuer.input(), decisions.as_bytes())?;
            }
            if !(issuer.id == LICENSING.id && self.desk.has(&receipt_of_change("add"))) {
                self.publish_as(issuer, &issuer.key(), Ends::Well).await?;
            }
        }
        say("   Among them are corrections, decisions anew, and revocations of earlier ones.\n")
    }

    async fn publish_as(&self, issuer: &Issuer, key: &str, ends: Ends) -> Result<(), Failure> {
        let arguments = vec!["publish", "--issuer", issuer.id, "--key", key, "--series", SERIES, "--receipts", "receipts"];
        let input = issuer.input();
        let mut arguments = self.with_log(arguments);
        if issuer.id == PLANNING.id {
            arguments.extend(["--mapping", "decisions/planning.toml"]);
        }
        arguments.push(&input);
        self.desk.show(&arguments, ends, 3).await
    }

    /// A permission, and the judgment that quashes it.
    async fn overrule(&self) -> Result<(), Failure> {
        let receipt = PLANNING.receipt(PONTOON);
        let index = self.index(&receipt)?.to_string();
        say("4. The life of one decision. Its receipt needs no server:")?;
        self.desk.show(&["verify", "--policy", POLICY, &receipt], Ends::Well, 18).await?;
        say(
            "\n   Court judgments go into the log as well, and the court may overrule the planning authority. One of them quashes this permission:",
        )?;
        self.desk.write(&COURT.input(), COURT.decisions.as_bytes())?;
        self.publish_as(COURT, &COURT.key(), Ends::Well).await?;
        say("\n   What became of the permission, by the log's word, and computed again from all entries:")?;
        self.desk.show(&self.with_log(vec!["status", &index, "--verify"]), Ends::Well, 14).await?;
        say("\n   The authority cannot follow up on a decision that is no more:")?;
        let key = PLANNING.key();
        let arguments = vec!["revoke", &receipt, "--reason", "Given back", "--issuer", PLANNING.id, "--key", &key, "--series", SERIES];
        let arguments = [self.with_log(arguments), vec!["--receipts", "receipts"]].concat();
        self.desk.show(&arguments, Ends::Refusing, 4).await?;
        say("")
    }

    async fn seal(&self) -> Result<(), Failure> {
        let receipt = PLANNING.receipt(GARDEN_ROOM);
        let disclosures = receipt.replace(".tlog-proof", ".disclosures");
        say("5. An applicant is a private person, so the log has only a seal. Whoever was given the disclosure can open it:")?;
        self.desk.show(&["verify", "--policy", POLICY, &receipt, "--disclosure", &disclosures], Ends::Well, 20).await?;
        say("")
    }

    /// An agency changes its key.
    async fn rotate(&self) -> Result<(), Failure> {
        let (id, old, new) = (LICENSING.id, LICENSING.key(), format!("keys/{}-2.key", LICENSING.id));
        let name = format!("{id}/2");
        say(format_args!("6. {id} takes a new key into use and retires the old one, which then signs nothing any more:"))?;
        if !self.desk.has(&new) {
            self.desk.run(&["keygen", "--name", &name, "--out", &new], Ends::Well).await?;
        }
        let (vkey, added, retired) = (format!("{new}.vkey"), receipt_of_change("add"), receipt_of_change("retire"));
        if !self.desk.has(&added) {
            let add = self.with_log(vec!["key", "add", "--issuer", id, "--issuer-key", &old, "--key", &vkey, "--receipt", &added]);
            self.desk.show(&add, Ends::Well, 2).await?;
        }
        if !self.desk.has(&retired) {
            let retire = self.with_log(vec!["key", "retire", "--issuer", id, "--issuer-key", &old, "--receipt", &retired]);
            self.desk.show(&retire, Ends::Well, 2).await?;
        }
        if !self.desk.has(&LICENSING.receipt(40)) {
            self.desk.write(&LICENSING.input(), LICENSING.decisions.as_bytes())?;
            self.publish_as(LICENSING, &old, Ends::Refusing).await?;
        }
        self.publish_as(LICENSING, &new, Ends::Well).await?;
        say("")
    }

    /// A key is stolen.
    async fn steal(&self) -> Result<(), Failure> {
        let (id, vkey) = (WATER.id, WATER.vkey());
        let receipt = format!("registrations/{id}-stolen.tlog-proof");
        let from = self.index(&WATER.receipt(STOLEN_FROM))?.to_string();
        say(format_args!("7. The key of {id} was stolen. The registrars retire it, and say since when what it signed is in doubt:"))?;
        if !self.desk.has(&receipt) {
            let keys = [1, 2].map(|at: usize| format!("keys/{}.key", REGISTRARS[at]));
            let retire = ["key", "retire", "--issuer", id, "--key", &vkey, "--registrar-key", &keys[0], &keys[1], "--doubt-from", &from];
            self.desk.show(&[self.with_log(retire.to_vec()), vec!["--receipt", &receipt]].concat(), Ends::Well, 2).await?;
        }
        self.desk.show(&self.with_log(vec!["status", &from]), Ends::Well, 12).await?;
        say("")
    }

    /// Witnesses fail, and come back.
    async fn fail(&self, witnesses: &mut Witnesses) -> Result<(), Failure> {
        say("8. Every head that anybody saw so far was signed by at least two of the three witnesses:")?;
        self.desk.show(&self.with_log(vec!["checkpoint"]), Ends::Well, 4).await?;
        if self.desk.has(&LANDS.receipt(LAST_OF_LANDS)) {
            return say("   (When this was told here for the first time two of them failed and came back.)\n");
        }
        say(format_args!("\n   {} stops. Two are enough:", THREE[2]))?;
        witnesses.stop(2).await;
        self.desk.write(&LANDS.input(), without_last(LANDS.decisions).as_bytes())?;
        self.publish_as(LANDS, &LANDS.key(), Ends::Well).await?;
        say(format_args!("\n   {} stops as well:", THREE[1]))?;
        witnesses.stop(1).await;
        self.desk.write(&LANDS.input(), LANDS.decisions.as_bytes())?;
        let (key, input) = (LANDS.key(), LANDS.input());
        let publish = vec!["publish", "--issuer", LANDS.id, "--key", &key, "--series", SERIES, "--receipts", "receipts", "--wait", "3"];
        self.desk.show(&[self.with_log(publish), vec![&input]].concat(), Ends::Refusing, 3).await?;
        say("\n   The log has the decision, and shows nobody a state that too few have seen: the last one stays. Both come back:")?;
        witnesses.restart(1).await?;
        witnesses.restart(2).await?;
        self.publish_as(LANDS, &LANDS.key(), Ends::Well).await?;
        say("")
    }

    async fn check(&self) -> Result<(), Failure> {
        say("9. Everybody checks, without asking any server:")?;
        self.desk.show(&["verify", "--policy", POLICY, "--quiet", "receipts"], Ends::Well, 3).await?;
        say("\n   Somebody changes one decision in a copy of its receipt:")?;
        self.tamper(&PLANNING.receipt(PONTOON))?;
        self.desk.show(&["verify", "--policy", POLICY, "tampered.tlog-proof"], Ends::Refusing, 3).await
    }

    /// Changes a decision in a copy of its receipt.
    fn tamper(&self, receipt: &str) -> Result<(), Failure> {
        let proof = self.proof(receipt)?;
        let statement = String::from_utf8_lossy(proof.extra().unwrap_or_default()).into_owned();
        let changed = statement.replace("granted-with-conditions", "granted");
        let forged = Proof::new(Some(changed.into_bytes()), proof.index(), proof.hashes().to_vec(), proof.checkpoint().clone());
        let forged = forged.map_err(|error| Exit::Usage.because(format!("{receipt}: {error}")))?;
        self.desk.write("tampered.tlog-proof", &forged.to_bytes())
    }

    fn proof(&self, receipt: &str) -> Result<Proof, Failure> {
        Proof::parse(&self.desk.read(receipt)?).map_err(|error| Exit::Refused.because(format!("{receipt}: {error}")))
    }

    /// Where the entry of a receipt is.
    fn index(&self, receipt: &str) -> Result<u64, Failure> {
        Ok(self.proof(receipt)?.index().as_u64())
    }
}

/// The receipt of a change of the licensing board's key.
fn receipt_of_change(action: &str) -> String {
    format!("registrations/{}-{action}.tlog-proof", LICENSING.id)
}

/// All lines but the last.
fn without_last(lines: &str) -> &str {
    let end = lines.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
    &lines[..end]
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_decisions_that_the_story_is_about_are_what_it_says() {
        let decision = |issuer: &Issuer, seq: u64| {
            let all = issuer.decisions.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            all.into_iter().find(|decision| decision["seq"] == seq).unwrap_or_default()
        };
        assert_eq!(decision(PLANNING, PONTOON)["outcome"], "granted-with-conditions");
        assert_eq!(decision(COURT, 2)["relates"][0]["seq"], PONTOON);
        assert_eq!(decision(PLANNING, GARDEN_ROOM)["parties"][0]["role"], "applicant");
        assert!(decision(WATER, STOLEN_FROM)["subject"].is_string());
        assert_eq!(LICENSING.decisions.lines().count(), 40);
        let lands = LANDS.decisions.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok()).unwrap_or_default();
        assert_eq!((lands["seq"].as_u64(), lands["relates"].is_null()), (Some(LAST_OF_LANDS), true));
        assert_eq!(without_last("a\nb\nc\n"), "a\nb\n");
    }
}
