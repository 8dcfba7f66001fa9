//! The watchdog of the demo: a monitor follows the demo's log, in which there is nothing wrong, and one of a careless operator, which takes in
//! whatever it is sent and shows two histories.
//!
//! Nothing is simulated here either: the careless log runs the same program, with `--admission open`, and what the monitor says comes from
//! what it reads over HTTP.

use std::time::Duration;

use acta_client::terminal;
use decision::statement::Draft;
use serde_json::{Value, json};
use tlog::Hash;
use tlog::key::SigningKey;
use tokio::time::{Instant, sleep};

use super::cast::{PLANNING, REGISTRARS};
use super::desk::{Desk, Ends};
use super::server::{Addresses, Program, Server};
use super::town::{Town, stop};
use crate::commands::{Exit, Failure, say};

const ORIGIN: &str = "careless.acta.example/log";
const POLICY: &str = "careless/policy";

/// Long before the demo.
const LONG_AGO: &str = "2024-02-29T10:00:00Z";

/// How long the monitor may take. It says most of it at once; a machine that is busy takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// What has to come to light, and what it is called.
const EXPECTED: [(&str, &str); 4] = [
    ("log.same-size-other-root", "the log shows two histories"),
    ("ledger.has-successor", "a decision has two successors"),
    ("process.gap", "a number is missing"),
    ("process.backdated", "a decision is dated back"),
];

/// The careless log, the other history of it, and the monitor.
#[derive(Default)]
pub(super) struct Watch {
    log: Option<Server>,
    copy: Option<Server>,
    monitor: Option<Server>,
}

impl Watch {
    pub(super) async fn stop(&mut self) {
        for server in [&mut self.monitor, &mut self.copy, &mut self.log] {
            stop(server).await;
        }
    }

    /// Where the monitor listens, while it does.
    pub(super) fn monitor(&self) -> Option<&Addresses> {
        self.monitor.as_ref().map(Server::addresses)
    }
}

/// The whole story. The monitor and what it watches run on at its end.
pub(super) async fn tell(desk: &Desk, town: &mut Town, log: &str) -> Result<(), Failure> {
    say(
        "\n10. Somebody has to look, or transparency is worth little. A monitor follows any number of logs, verifies all of them, and says what",
    )?;
    say("   is wrong. It will follow this log, and one of a careless operator, who takes in whatever is sent:")?;
    let arguments = ["init", "--dir", "careless", "--origin", ORIGIN, "--admission", "open", "--registrar", &vkey(REGISTRARS[0])];
    if desk.has("careless") {
        return say("   (That was shown in this directory before; a log forks once.)");
    }
    say(format_args!("   $ acta-log {}", arguments.join(" ")))?;
    Program::Log.run(desk.directory(), &arguments).await?;
    town.watch.log = Some(serve(desk, "careless").await?);
    misbehave(desk, town).await?;
    fork(desk, town).await?;
    follow(desk, town, log).await?;
    convict(desk).await
}

fn vkey(registrar: &str) -> String {
    format!("keys/{registrar}.key.vkey")
}

fn url(server: &Option<Server>) -> String {
    server.as_ref().map_or_else(String::new, |server| server.addresses().url.clone())
}

async fn serve(desk: &Desk, name: &str) -> Result<Server, Failure> {
    Server::start(Program::Log, desk.directory(), name, &["--listen", "127.0.0.1:0"]).await
}

/// An agency whose papers are in disorder, and a log that does not mind.
async fn misbehave(desk: &Desk, town: &Town) -> Result<(), Failure> {
    let log = &url(&town.watch.log);
    let (registrar, key) = (format!("keys/{}.key", REGISTRARS[0]), PLANNING.vkey());
    let register = ["issuer", "register", "--registrar-key", &registrar, "--issuer", PLANNING.id, "--key", &key, "--kinds", "planning.*"];
    desk.run(&[&register[..], &["--log", log, "--policy", POLICY, "--name", PLANNING.name]].concat(), Ends::Well).await?;
    say(
        "\n   An agency publishes there: two decisions, of which the second says that it was signed long ago; then number 4 without a number 3;",
    )?;
    say("   and then two decisions, each of which takes the place of the first one. A log that takes in any entry takes in all of these:")?;
    let signer = desk.key(&PLANNING.key())?;
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let first = sign(&signer, &decision(1, &now, "granted", None))?;
    // The charter and the registration are entries 0 and 1.
    let instead = Some(json!([{"rel": "supersedes", "index": 2, "leaf": Hash::leaf(&first).to_hex()}]));
    let others = [
        decision(2, LONG_AGO, "granted", None),
        decision(4, &now, "refused", None),
        decision(5, &now, "refused", instead.clone()),
        decision(6, &now, "granted", instead),
    ];
    submit(desk, log, 1, &first).await?;
    for (number, statement) in [2, 4, 5, 6].into_iter().zip(&others) {
        submit(desk, log, number, &sign(&signer, statement)?).await?;
    }
    Ok(())
}

fn decision(seq: u64, issued: &str, outcome: &str, relates: Option<Value>) -> Value {
    let mut statement = json!({
        "type": "decision", "log": ORIGIN, "issuer": PLANNING.id, "issued": issued, "series": "2026", "seq": seq,
        "kind": "planning.permit", "subject": format!("Boat shed number {seq} on the north quay"), "outcome": outcome,
        "decided": issued.get(..10).unwrap_or(issued),
    });
    if let Some(relates) = relates {
        statement["relates"] = relates;
    }
    statement
}

fn sign(key: &SigningKey, statement: &Value) -> Result<Vec<u8>, Failure> {
    let draft = Draft::from_json(statement).map_err(|error| Exit::Usage.because(error))?;
    Ok(draft.sign(&[key]).map_err(|error| Exit::Usage.because(error))?.to_bytes())
}

async fn submit(desk: &Desk, log: &str, number: u64, statement: &[u8]) -> Result<(), Failure> {
    let file = format!("boat-shed-{number}.statement");
    desk.write(&file, statement)?;
    desk.show(&["statement", "submit", "--log", log, "--policy", POLICY, &file], Ends::Well, 1).await
}

/// The operator copies the log with its key, and shows some people something else.
async fn fork(desk: &Desk, town: &mut Town) -> Result<(), Failure> {
    say(
        "\n   Its operator also runs a copy of the log, key and all, and shows it to some people instead. What the two publish from here on differs:",
    )?;
    say("   $ cp -a careless copied")?;
    stop(&mut town.watch.log).await;
    desk.copy("careless", "copied")?;
    town.watch.log = Some(serve(desk, "careless").await?);
    town.watch.copy = Some(serve(desk, "copied").await?);
    for (server, words) in [(&town.watch.log, "the quay is closed"), (&town.watch.copy, "the quay is open")] {
        let file = format!("{}.jsonl", words.replace(' ', "-"));
        desk.write(&file, format!("{}\n", json!({"notice": words})).as_bytes())?;
        desk.run(&["publish", "--receipts", "notices", &file, "--log", &url(server), "--policy", POLICY], Ends::Well).await?;
    }
    Ok(())
}

/// The monitor runs until it has said what it has to.
async fn follow(desk: &Desk, town: &mut Town, log: &str) -> Result<(), Failure> {
    let settings = settings(log, &url(&town.watch.log), &url(&town.watch.copy));
    say("\n   The watchdogs know nothing of all that. They make a monitor for the first log:")?;
    let init = ["init", "--state", "monitor", "--policy", "log/policy", "--log", log, "--config", "monitor.toml"];
    say(format_args!("   $ acta-monitor {}", init.join(" ")))?;
    Program::Monitor.run(desk.directory(), &init).await?;
    say("   and write the other one into its configuration, with another address at which somebody reads it:")?;
    desk.write("monitor.toml", settings.as_bytes())?;
    for line in settings.lines().filter(|line| !line.is_empty()) {
        say(format_args!("     {line}"))?;
    }
    say("   $ acta-monitor serve --config monitor.toml")?;
    let monitor = Server::start(Program::Monitor, desk.directory(), "monitor", &["--listen", "127.0.0.1:0"]).await?;
    let address = monitor.addresses().url.clone();
    town.watch.monitor = Some(monitor);
    say(format_args!("   What it finds is at {address}/feed.atom for feed readers, and for programs:"))?;
    say(format_args!("   $ curl -s '{address}/api/v1/findings?severity=notice&log={ORIGIN}'"))?;
    for finding in careless(&address).await? {
        let text = |name: &str| terminal::line(finding[name].as_str().unwrap_or_default()).to_string();
        say(format_args!("     {} ({})", text("code"), text("severity")))?;
        say(format_args!("       {}", text("text")))?;
    }
    // The agencies are invented, and so are their days.
    let found = findings(&address, super::ORIGIN).await?;
    match found.iter().find(|finding| !finding["code"].as_str().is_some_and(|code| code.starts_with("process."))) {
        None => say(format_args!(
            "   Of the first log it only says ({} times) that decisions were published long after their day: the agencies and days of this demo are\n   \
             invented. Nothing is wrong with the log itself.",
            found.len()
        )),
        Some(finding) => Err(Exit::Refused.because(format!("the monitor says of the demo's own log, which must never be: {finding}"))),
    }
}

fn settings(log: &str, careless: &str, copy: &str) -> String {
    format!(
        "[monitor]\nstate = \"monitor\"\n\n[[log]]\npolicy = \"log/policy\"\nurl = \"{log}\"\n\n[[log]]\npolicy = \"{POLICY}\"\nurl = \
         \"{careless}\"\ninterval = \"500ms\"\n\n[gossip]\nmirrors = [\"{copy}\"]\ninterval = \"1s\"\n\n[checks]\ngap_after = \"1s\"\n"
    )
}

/// What is found of the careless log, once all is there that has to be.
async fn careless(monitor: &str) -> Result<Vec<Value>, Failure> {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = findings(monitor, ORIGIN).await?;
        let missing = EXPECTED.iter().find(|(code, _)| !found.iter().any(|finding| finding["code"] == *code));
        // The first log is read at the same time, and its agencies' days are long past.
        let has_read = !findings(monitor, super::ORIGIN).await?.is_empty();
        match missing {
            None if has_read => return Ok(found),
            None if Instant::now() > until => return Err(Exit::Refused.because("the monitor did not read the first log")),
            Some((code, what)) if Instant::now() > until => {
                return Err(Exit::Refused.because(format!("the monitor did not notice that {what} ({code}): {found:?}")));
            }
            _ => sleep(Duration::from_millis(200)).await,
        }
    }
}

/// What is found of a log, but for what is only worth knowing.
async fn findings(monitor: &str, log: &str) -> Result<Vec<Value>, Failure> {
    let failed = |error: reqwest::Error| Exit::Unavailable.because(format!("the monitor does not answer: {error}"));
    let url = format!("{monitor}/api/v1/findings?severity=notice&limit=500&log={log}");
    let answer = reqwest::get(url).await.map_err(failed)?.bytes().await.map_err(failed)?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|error| Exit::Unavailable.because(format!("the monitor: {error}")))?;
    Ok(answer["findings"].as_array().cloned().unwrap_or_default())
}

/// The file that the monitor wrote.
async fn convict(desk: &Desk) -> Result<(), Failure> {
    const EVIDENCE: &str = "careless.acta-evidence";
    let evidence = desk.find("monitor/evidence", "acta-evidence")?;
    let evidence = evidence.ok_or_else(|| Exit::Refused.because("the monitor has no file of evidence, which must never be"))?;
    say(
        "\n   Of the two histories there is proof in one file. Anybody can check it with the careless log's public key, and nothing else:",
    )?;
    say(format_args!("   $ cp {evidence} {EVIDENCE}"))?;
    desk.write(EVIDENCE, &desk.read(&evidence)?)?;
    desk.show(&["verify", "--evidence", EVIDENCE, "--log-key", "careless/log.vkey"], Ends::Well, 8).await
}
