//! `acta demo split-view`: a log that shows two histories, and how it comes out.
//!
//! Nothing is simulated. The forger has all that an operator has, the log's own key included, and runs the log's own program on a copy of
//! the log. What stops the forger is what others remember.

use super::THREE;
use super::desk::{Desk, Ends};
use super::server::Server;
use super::town::{Town, stop};
use crate::commands::{Exit, Failure, say};

const POLICY: &str = "log/policy";

/// The forger's: it lists the same log and witnesses, and needs none of these.
const LONELY: &str = "forger-policy";

/// A copy of the file that the witness writes.
const EVIDENCE: &str = "two-histories.acta-evidence";

const FIRST: &[u8] = b"{\"decision\":1,\"subject\":\"Rebuilding the old pier\",\"outcome\":\"application received\"}\n";
const REFUSED: &[u8] = b"{\"decision\":2,\"subject\":\"Rebuilding the old pier\",\"outcome\":\"refused\"}\n";
const GRANTED: &[u8] = b"{\"decision\":2,\"subject\":\"Rebuilding the old pier\",\"outcome\":\"granted\"}\n";

/// The whole story. The true log and the witnesses run on at its end.
pub(super) async fn tell(desk: &Desk, town: &mut Town) -> Result<(), Failure> {
    if desk.has("log") {
        return Err(Exit::Usage.because("a log forks once: this story takes a directory that is empty; give another one with --dir DIR"));
    }
    say("1. A log, which takes in any entry here:")?;
    town.start(&["--admission", "open"]).await?;
    publish_true_history(desk, town).await?;
    say(
        "3. Somebody else comes by the copy: a thief, or the operator at a weak moment. It has the log's real key in it. But acta-log asks the",
    )?;
    say("   witnesses before it takes anything in, and does not go on with a copy that they have seen more of:")?;
    say("   $ acta-log serve --dir copy")?;
    let words = town.serve("copy", &[]).await?.refused().await?;
    say(format_args!("     {words}\n"))?;
    forge(desk, town).await?;
    stop(&mut town.copy).await;
    convict(desk).await?;
    say("\n   The true log is not harmed. Its witnesses go on signing what continues what they saw:")?;
    desk.show(&["checkpoint", "--log", &url(&town.log), "--policy", POLICY], Ends::Well, 4).await
}

/// Where it listens.
fn url(server: &Option<Server>) -> String {
    server.as_ref().map_or_else(String::new, |server| server.addresses().url.clone())
}

async fn publish_true_history(desk: &Desk, town: &mut Town) -> Result<(), Failure> {
    say("\n2. It publishes that an application was received. The receipt says which witnesses saw the log in that state:")?;
    desk.write("first.jsonl", FIRST)?;
    desk.show(&["publish", "--receipts", "receipts", "first.jsonl", "--log", &url(&town.log), "--policy", POLICY], Ends::Well, 2).await?;
    desk.show(&["verify", "--policy", POLICY, "receipts"], Ends::Well, 3).await?;
    say("\n   The operator stops the log, keeps a copy of all of it, key and everything, and goes on. The application is refused:")?;
    stop(&mut town.log).await;
    say("   $ cp -a log copy")?;
    desk.copy("log", "copy")?;
    town.log = Some(town.serve("log", &[]).await?);
    desk.write("refused.jsonl", REFUSED)?;
    desk.show(&["publish", "--receipts", "receipts", "refused.jsonl", "--log", &url(&town.log), "--policy", POLICY], Ends::Well, 2).await?;
    // Two of the three have signed that by now. The forger is to meet one who has.
    let seen = ["cosign", "--log", &url(&town.log), "--policy", POLICY, "--witness", town.witnesses.address(0)];
    desk.run(&seen, Ends::Well).await?;
    say("")
}

/// The copy runs under a policy that needs nobody, and its head is shown to a witness.
async fn forge(desk: &Desk, town: &mut Town) -> Result<(), Failure> {
    say(
        "4. So the forger takes the witnesses out of the policy that the copy runs under. Now it serves, and publishes that the same application",
    )?;
    say("   was granted:")?;
    desk.write(LONELY, town.witnesses.policy(0)?.as_bytes())?;
    say(format_args!("   $ acta-log serve --dir copy --policy {LONELY}"))?;
    town.copy = Some(town.serve("copy", &["--policy", LONELY]).await?);
    let copy = &url(&town.copy);
    desk.write("granted.jsonl", GRANTED)?;
    desk.show(&["publish", "--receipts", "forged", "granted.jsonl", "--log", copy, "--policy", LONELY], Ends::Well, 2).await?;
    say("\n   This receipt bears a good signature of the real key. Whoever believes the log alone is deceived:")?;
    desk.show(&["verify", "--policy", LONELY, "forged"], Ends::Well, 3).await?;
    say("\n   Whoever verifies under the log's policy is not: nobody has seen that state of the log.")?;
    desk.show(&["verify", "--policy", POLICY, "forged"], Ends::Refusing, 3).await?;
    say(format_args!("\n5. So the forger has to have the forged head signed by two witnesses, and asks {}:", THREE[0]))?;
    desk.show(&["cosign", "--log", copy, "--policy", LONELY, "--witness", town.witnesses.address(0)], Ends::Refusing, 3).await?;
    say("")
}

/// What the witness has in hand now.
async fn convict(desk: &Desk) -> Result<(), Failure> {
    say("6. That was a mistake. The witness now holds two heads of one size under the log's own signature, and keeps them:")?;
    let evidence = desk.find(THREE[0], "acta-evidence")?;
    let evidence = evidence.ok_or_else(|| Exit::Refused.because(format!("{} has no file of evidence, which must never be", THREE[0])))?;
    say(format_args!("   $ cp {evidence} {EVIDENCE}"))?;
    desk.write(EVIDENCE, &desk.read(&evidence)?)?;
    desk.show(&["inspect", EVIDENCE], Ends::Well, 40).await?;
    say("\n   Anybody can check it, anywhere and at any time, with the log's public key and nothing else; no server is asked:")?;
    desk.show(&["verify", "--evidence", EVIDENCE, "--log-key", "log/log.vkey"], Ends::Well, 8).await
}
