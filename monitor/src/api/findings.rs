//! What was found, the newest first.

use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;

use super::{Api, BadParameter, Parameters, json, origin_hash};
use crate::finding::{self, Code, FindingId, Severity, UnknownCode};
use crate::findings::{self, Change};
use crate::http::Problem;
use crate::store::{Store, StoreError};

/// Findings in one answer, if nobody says otherwise.
const FINDINGS: usize = 50;

/// Findings in one answer.
const MOST: usize = 500;

/// Events that are looked at for one answer: what is filtered out costs time too.
const EVENTS: u64 = 5000;

/// Events that are read at a time.
const CHUNK: u64 = 250;

const PARAMETERS: [&str; 9] = ["code", "severity", "log", "state", "issuer", "index", "since", "limit", "cursor"];

#[derive(Serialize)]
struct Findings {
    findings: Vec<Finding>,
    /// What to ask for as `cursor` for those that are older.
    next: Option<String>,
}

/// A finding, as JSON.
#[derive(Serialize)]
pub(crate) struct Finding {
    id: FindingId,
    log: String,
    /// The SHA-256 of the log's origin, which names it in paths.
    log_hash: String,
    code: Code,
    title: String,
    explanation: String,
    severity: Severity,
    /// Whom it is about; empty for the log itself.
    group: String,
    subject: String,
    text: String,
    indexes: Vec<u64>,
    /// Where the evidence is, below this monitor.
    evidence: Option<String>,
    found: Timestamp,
    resolved: Option<Timestamp>,
}

/// Which findings are asked for.
struct Filter {
    code: Option<Codes>,
    severity: Option<Severity>,
    log: Option<String>,
    open: Option<bool>,
    issuer: Option<String>,
    index: Option<u64>,
    since: Option<Timestamp>,
}

/// One code, or all of a group: `process.*`.
struct Codes(String);

impl FromStr for Codes {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        match text.strip_suffix('*') {
            Some(group) if group.ends_with('.') => Ok(Codes(group.to_owned())),
            _ => text.parse().map(|code: Code| Codes(code.to_string())),
        }
    }
}

impl Codes {
    fn has(&self, code: &Code) -> bool {
        let code = code.to_string();
        if self.0.ends_with('.') { code.starts_with(&self.0) } else { code == self.0 }
    }
}

impl Filter {
    fn take(parameters: &mut Parameters) -> Result<Self, BadParameter> {
        let one_of = |name, all: &str| BadParameter::new(name, format_args!("write one of {all}"));
        let severity = parameters.take("severity").map(|text| {
            let severity = Severity::ALL.into_iter().find(|severity| severity.name() == text);
            severity.ok_or_else(|| one_of("severity", "info, notice, warning, error, critical"))
        });
        let open = parameters.take("state").map(|text| match text.as_str() {
            "open" => Ok(true),
            "resolved" => Ok(false),
            _ => Err(one_of("state", "open, resolved")),
        });
        Ok(Filter {
            code: parameters.take_as("code")?,
            severity: severity.transpose()?,
            log: parameters.take("log"),
            open: open.transpose()?,
            issuer: parameters.take("issuer"),
            index: parameters.take_as("index")?,
            since: parameters.take("since").map(|text| time("since", &text)).transpose()?,
        })
    }

    fn has(&self, finding: &finding::Finding) -> bool {
        self.code.as_ref().is_none_or(|codes| codes.has(&finding.code))
            && self.severity.is_none_or(|least| finding.severity >= least)
            && self.log.as_ref().is_none_or(|log| finding.log == *log)
            && self.open.is_none_or(|open| finding.resolved.is_none() == open)
            && self.issuer.as_ref().is_none_or(|issuer| finding.group == *issuer)
            && self.index.is_none_or(|index| finding.indexes.contains(&index))
            && self.since.is_none_or(|since| finding.found >= since)
    }
}

impl Api {
    pub(super) fn findings(&self, mut parameters: Parameters) -> Result<Vec<u8>, Problem> {
        let filter = Filter::take(&mut parameters)?;
        let limit = parameters.limit(FINDINGS, MOST)?;
        let before = parameters.take("cursor").map(|text| text.parse().ok().filter(|before| *before > 0));
        let before = before.map(|before| before.ok_or(BadParameter::new("cursor", "write what `next` was in the answer before")));
        let before = before.transpose()?;
        parameters.finish(&PARAMETERS)?;
        let (findings, next) = newest(&self.store, before, limit, |finding| filter.has(finding), filter.since)?;
        let next = next.map(|number| number.to_string());
        Ok(json(&Findings { findings: findings.into_iter().map(Finding::from).collect(), next }))
    }

    pub(super) fn finding(&self, id: FindingId, parameters: Parameters) -> Result<Vec<u8>, Problem> {
        parameters.finish(&[])?;
        let finding = findings::finding(&self.store, id)?.ok_or(Problem::UnknownFinding)?;
        Ok(json(&Finding::from(finding)))
    }
}

impl From<finding::Finding> for Finding {
    fn from(finding: finding::Finding) -> Self {
        Finding {
            id: finding.id,
            log_hash: origin_hash(&finding.log).to_hex(),
            log: finding.log,
            title: finding.code.title().to_owned(),
            explanation: finding.code.explanation().to_owned(),
            code: finding.code,
            severity: finding.severity,
            group: finding.group,
            subject: finding.subject,
            text: finding.text,
            indexes: finding.indexes,
            evidence: finding.evidence.map(|file| format!("/evidence/{file}")),
            found: finding.found,
            resolved: finding.resolved,
        }
    }
}

/// The newest findings for which `wanted` holds, of those that were opened before the event with this number and not before `since`, and the
/// number of the event before which the next ones are.
pub(crate) fn newest(
    store: &Store,
    before: Option<u64>,
    limit: usize,
    wanted: impl Fn(&finding::Finding) -> bool,
    since: Option<Timestamp>,
) -> Result<(Vec<finding::Finding>, Option<u64>), StoreError> {
    let last = findings::last_event(store)?;
    let mut before = before.map_or(last.saturating_add(1), |before| before.min(last.saturating_add(1)));
    let enough = before.saturating_sub(EVENTS);
    let mut found = Vec::new();
    while before > 1 && before > enough {
        let from = before.saturating_sub(CHUNK).max(1);
        let events = findings::events_after(store, from - 1, usize::try_from(before - from).unwrap_or(usize::MAX))?;
        for event in events.iter().rev() {
            before = event.number;
            if since.is_some_and(|since| event.at < since) {
                return Ok((found, None));
            }
            if event.change != Change::Opened {
                continue;
            }
            // One that was opened again is listed where that was.
            let finding = findings::finding(store, event.finding)?.filter(|finding| finding.found == event.at);
            if let Some(finding) = finding.filter(|finding| wanted(finding)) {
                found.push(finding);
                if found.len() == limit {
                    return Ok((found, Some(before).filter(|before| *before > 1)));
                }
            }
        }
        before = before.min(from);
    }
    Ok((found, Some(before).filter(|before| *before > 1)))
}

/// A moment, or the beginning of a day.
pub(super) fn time(name: &str, text: &str) -> Result<Timestamp, BadParameter> {
    let day = || format!("{text}T00:00:00Z").parse();
    text.parse().or_else(|_| day()).map_err(|_| BadParameter::new(name, "a time is written as 2026-03-01T09:30:00Z or 2026-03-01"))
}
