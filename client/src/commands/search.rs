//! `acta search`: what a monitor finds, each hit checked against its log.

use std::collections::BTreeMap;

use acta_client::location::Location;
use acta_client::search::{Hit, Lie, MAX_HITS, Monitor, Question, Results, SearchError, Verdict};
use acta_client::source::FetchError;
use acta_client::terminal;
use acta_client::verified::VerifiedLog;
use acta_client::words::Words;
use clap::Args;
use decision::statement::Statement;
use decision::types::{IssuerId, KindPattern};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tlog::policy::{Policy, TrustedLog};

use super::{CacheArgs, Exit, Failure, LogArgs, read_policy, say, say_json, stdout};

/// Hits that are checked at the same time.
const AT_ONCE: usize = 8;

/// Search in the logs that a monitor follows, and check each hit against its log
#[derive(Debug, Args)]
#[command(
    after_help = "What is shown is read from the log under the policy, never from the monitor. How a decision stands is the monitor's word; \
`acta status --verify` computes it. What a monitor leaves out cannot be seen: ask several, or read the log.\n\n\
The query: words, \"phrases\", FIELD:VALUE and ranges, all of which have to hold; - before one says that it must not (write -- before a query \
that begins so). Fields: text, subject, outcome, party, place, unit, basis, type, issuer, kind, series, number, status, amount, currency, \
decided, issued, published, lang.\n\n\
Examples:\n  acta search --monitor https://monitor.example --policy policy roof '\"Ballacraine Farm\"'\n  \
acta search --monitor https://monitor.example --policy policy --kind 'planning.*' --from 2026 'amount:>=10000 currency:GBP'\n\n\
Exit status: 0 every hit is as the log has it; 1 a hit is not; 2 the query or a file is wrong; 3 the monitor or a log cannot be reached."
)]
pub(crate) struct Search {
    /// What to look for; nothing: everything
    query: Vec<String>,
    /// The monitor
    #[arg(long, value_name = "URL", env = "ACTA_MONITOR", hide_env_values = true)]
    monitor: Location,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// Only what is of this issuer
    #[arg(long)]
    issuer: Option<IssuerId>,
    /// Only what is of this kind, or of all that begin so: planning.*
    #[arg(long, value_name = "KIND")]
    kind: Option<KindPattern>,
    /// Only decisions that stand so
    #[arg(long, value_parser = ["in-force", "corrected", "superseded", "revoked", "refused"])]
    status: Option<String>,
    /// Only what was decided on this day or later; also a month or a year
    #[arg(long, value_name = "DATE", value_parser = date)]
    from: Option<String>,
    /// Only what was decided on this day or before; also a month or a year
    #[arg(long, value_name = "DATE", value_parser = date)]
    to: Option<String>,
    /// So many hits at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_HITS)))]
    limit: u8,
    /// Believe the monitor: show its words and ask no log
    #[arg(long)]
    no_verify: bool,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl Search {
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        match self.search().await {
            Err(failure) if self.json => failure.say_json(),
            result => result,
        }
    }

    async fn search(&self) -> Result<(), Failure> {
        let Location::Remote(url) = &self.monitor else {
            return Err(Exit::Usage.because("a monitor is asked over http:// or https://; give its address with --monitor URL"));
        };
        let policy = read_policy(self.log.policy_file()?)?;
        let question = self.question(&policy)?;
        let monitor = Monitor::new(url.clone(), &self.log.options()?).map_err(|error| Exit::Usage.because(error))?;
        let mut results = monitor.search(&question).await?;
        let all = results.hits.len();
        results.hits.retain(|hit| question.log.as_ref().map_or_else(|| lists(&policy, &hit.log), |log| *log == hit.log));
        let left_out = all - results.hits.len();
        if self.no_verify {
            return self.tell_unverified(&results, left_out);
        }
        let verdicts = self.verify(&question, &results).await?;
        if self.json {
            say_json(&as_json(&results, &verdicts, left_out))?;
        } else {
            tell(&results, &verdicts, left_out)?;
        }
        worst(&verdicts)
    }

    fn question(&self, policy: &Policy) -> Result<Question, Failure> {
        let first = policy.logs().first().map(|log| log.key().name());
        let is_only = policy.logs().iter().all(|log| Some(log.key().name()) == first);
        // A place that is given is that of one log, so it is only asked for what is in that one. Of several logs, those that the policy does not
        // list are left out afterwards.
        let is_one = is_only || self.log.origin.is_some() || self.log.log.is_some();
        Ok(Question {
            query: self.query.join(" "),
            log: if is_one { Some(self.log.origin(policy)?) } else { None },
            issuer: self.issuer.clone(),
            kind: self.kind.clone(),
            status: self.status.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            limit: self.limit,
        })
    }

    /// What became of each hit, in their order.
    async fn verify(&self, question: &Question, results: &Results) -> Result<Vec<Verdict>, Failure> {
        let mut logs: BTreeMap<&str, VerifiedLog> = BTreeMap::new();
        for hit in &results.hits {
            if !logs.contains_key(hit.log.as_str()) {
                logs.insert(&hit.log, self.of(&hit.log).open(&self.cache).await?);
            }
        }
        let logs = &logs;
        let verdicts = stream::iter(&results.hits).map(|hit| async move {
            let log = logs.get(hit.log.as_str()).expect("each was opened above");
            hit.verify(question, log).await
        });
        Ok(verdicts.buffered(AT_ONCE).collect().await)
    }

    /// The options for one log of the policy.
    fn of(&self, origin: &str) -> LogArgs {
        let LogArgs { log, policy, ca, wait, .. } = &self.log;
        LogArgs { log: log.clone(), policy: policy.clone(), origin: Some(origin.to_owned()), ca: ca.clone(), wait: *wait }
    }

    fn tell_unverified(&self, results: &Results, left_out: usize) -> Result<(), Failure> {
        if self.json {
            let hit = |hit: &Hit| {
                json!({ "log": hit.log, "index": hit.index, "leaf_hash": hit.leaf, "verified": false, "type": hit.r#type, "issuer": hit.issuer,
                    "kind": hit.kind, "series": hit.series, "seq": hit.seq, "subject": hit.subject, "outcome": hit.outcome,
                    "decided": hit.decided, "standing": hit.standing, "by": hit.by })
            };
            let hits: Vec<Value> = results.hits.iter().map(hit).collect();
            let count = json!({ "number": results.count.number, "exact": results.count.exact });
            return say_json(&json!({ "good": Value::Null, "count": count, "hits": hits, "left_out": left_out }));
        }
        for hit in &results.hits {
            say(format_args!("{hit}  NOT VERIFIED, the monitor's words"))?;
            let mut words = Words::default();
            let texts = [("subject", &hit.subject), ("outcome", &hit.outcome), ("decided", &hit.decided), ("kind", &hit.kind)];
            for (label, text) in texts.into_iter().chain([("issuer", &hit.issuer)]) {
                text.iter().for_each(|text| words.add(label, terminal::line(text)));
            }
            stand(hit, &mut words);
            stdout(words.lines("    ").as_bytes())?;
        }
        summary(results, left_out)
    }
}

/// Reads what may stand for a day in a query.
fn date(text: &str) -> Result<String, String> {
    let digits = |part: &str, len: usize| part.len() == len && part.bytes().all(|c| c.is_ascii_digit());
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let fine =
        digits(year, 4) && month.is_none_or(|month| digits(month, 2)) && day.is_none_or(|day| digits(day, 2)) && parts.next().is_none();
    if fine { Ok(text.to_owned()) } else { Err("write a day as 2026-03-01, a month as 2026-03, a year as 2026".to_owned()) }
}

fn lists(policy: &Policy, origin: &str) -> bool {
    policy.logs().iter().any(|log: &TrustedLog| log.key().name().as_str() == origin)
}

fn tell(results: &Results, verdicts: &[Verdict], left_out: usize) -> Result<(), Failure> {
    for (hit, verdict) in results.hits.iter().zip(verdicts) {
        match verdict {
            Verdict::Verified(statement) => {
                say(format_args!("{hit}  verified"))?;
                let mut words = Words::of(statement.draft());
                stand(hit, &mut words);
                stdout(words.lines("    ").as_bytes())?;
            }
            Verdict::Wrong(lie) => say(format_args!("{hit}  {}: {lie}", headline(lie)))?,
            Verdict::Unchecked(error) => say(format_args!("{hit}  not checked: {error}"))?,
        }
    }
    summary(results, left_out)?;
    if verdicts.iter().any(|verdict| matches!(verdict, Verdict::Wrong(_))) {
        say("A hit is not as the log has it: do not rely on this monitor, and keep its answer (--json).")?;
    }
    Ok(())
}

fn headline(lie: &Lie) -> &'static str {
    match lie {
        Lie::NotInLog | Lie::OtherEntry(_) => "NOT IN THE LOG",
        Lie::Log(_) => "THE LOG LIES",
        _ => "WRONG",
    }
}

/// How the decision stands, as the monitor says. Its words are its own choice, so only those that there are are repeated.
fn stand(hit: &Hit, words: &mut Words) {
    let standing = match hit.standing.as_deref() {
        Some("in-force") => "in force",
        Some("corrected") => "corrected",
        Some("superseded") => "superseded",
        Some("revoked") => "REVOKED",
        _ => return,
    };
    let by = hit.by.map_or_else(String::new, |by| format!(" by entry {by}"));
    words.add("standing", format!("{standing}{by}, says the monitor"));
}

fn summary(results: &Results, left_out: usize) -> Result<(), Failure> {
    if results.hits.is_empty() {
        say("The monitor found nothing.")?;
    } else {
        say(format_args!("{} of {} hits, says the monitor.", results.hits.len(), results.count))?;
    }
    if left_out > 0 {
        say(format_args!("{left_out} in logs that were not asked for, or that the policy does not list, are left out."))?;
    }
    Ok(())
}

fn as_json(results: &Results, verdicts: &[Verdict], left_out: usize) -> Value {
    let hit = |(hit, verdict): (&Hit, &Verdict)| {
        let (verified, reason, statement) = match verdict {
            Verdict::Verified(statement) => (json!(true), None, Some(Statement::json(statement))),
            Verdict::Wrong(lie) => (json!(false), Some(lie.to_string()), None),
            Verdict::Unchecked(error) => (Value::Null, Some(error.to_string()), None),
        };
        json!({ "log": hit.log, "index": hit.index, "leaf_hash": hit.leaf, "verified": verified, "reason": reason, "statement": statement,
            "standing": hit.standing, "by": hit.by })
    };
    let hits: Vec<Value> = results.hits.iter().zip(verdicts).map(hit).collect();
    let good = worst(verdicts).is_ok();
    json!({ "good": good, "count": { "number": results.count.number, "exact": results.count.exact }, "hits": hits, "left_out": left_out })
}

/// How the command ends: a lie is worse than a log that is away.
fn worst(verdicts: &[Verdict]) -> Result<(), Failure> {
    if verdicts.iter().any(|verdict| matches!(verdict, Verdict::Wrong(_))) {
        return Err(Exit::Refused.told());
    }
    if verdicts.iter().any(|verdict| matches!(verdict, Verdict::Unchecked(_))) { Err(Exit::Unavailable.told()) } else { Ok(()) }
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Self {
        let exit = match &error {
            // What is wrong with the query is said by the monitor.
            SearchError::Fetch(FetchError::Refused { problem, .. }) if problem.status == 400 => Exit::Usage,
            SearchError::Fetch(FetchError::TooLarge { .. }) | SearchError::TooMany(_) => Exit::Refused,
            _ => Exit::Unavailable,
        };
        exit.because(error)
    }
}
