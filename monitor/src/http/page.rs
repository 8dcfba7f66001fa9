//! The page at `/`, for people who come by with a browser.
//!
//! It is complete in itself: no script, nothing from elsewhere, and a content security policy that would stop either. Whatever is not ours
//! on it (origins, findings, what issuers wrote) is escaped.

use std::fmt::Write;
use std::sync::LazyLock;

use bytes::Bytes;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, REFERRER_POLICY};
use serving::html;
use serving::response::{self, Answer};
use tlog::Hash;

use super::Problem;
use super::answer::tagged;
use crate::api::{Api, newest, origin_hash};
use crate::finding::{Finding, Severity};
use crate::logs::{self, LogState};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");

/// How many of the newest open findings are on the page.
const FINDINGS: usize = 20;

/// The most characters of a text on the page. The whole of it is in the JSON.
const LONGEST: usize = 400;

/// Nothing but our own style sheet, by its hash, and the form for searching.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = Hash::sha256(STYLE.as_bytes()).to_base64();
    let policy = format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
    HeaderValue::try_from(policy).expect("ASCII")
});

/// The page.
pub(super) fn page(api: &Api) -> Result<String, Problem> {
    let logs = logs::all(&api.store)?;
    let (findings, _) = newest(&api.store, None, FINDINGS, |finding| finding.resolved.is_none(), None)?;
    let mut rows = String::new();
    for log in &logs {
        row(api, log, &mut rows)?;
    }
    let mut list = String::new();
    findings.iter().for_each(|finding| item(finding, &mut list));
    if logs.is_empty() {
        rows.push_str("<tr><td colspan=\"5\">No log is followed.</td></tr>");
    }
    if findings.is_empty() {
        list.push_str("<li>Nothing is wrong, as far as this monitor sees.</li>");
    }
    let page = TEMPLATE.replacen("{style}", STYLE, 1);
    // What strangers wrote goes in last, so that nothing in it is taken for a place of the template.
    let (before, after) = page.split_once("{logs}").expect("a test sees the place");
    let (between, after) = after.split_once("{findings}").expect("a test sees the place");
    Ok([before, &rows, between, &list, after].concat())
}

/// The page as an answer.
pub(super) fn answer(headers: &HeaderMap, page: String) -> Answer {
    let mut answer = tagged(headers, "text/html; charset=utf-8", page.into_bytes());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}

/// What crawlers may do: the page is for everybody, the rest would be a waste of a crawler's time.
pub(super) fn robots() -> Answer {
    let text = "User-agent: *\nAllow: /$\nDisallow: /\n";
    response::public("text/plain; charset=utf-8", HeaderValue::from_static("public, max-age=86400"), Bytes::from_static(text.as_bytes()))
}

fn row(api: &Api, log: &LogState, out: &mut String) -> Result<(), Problem> {
    let open = api.board.of(&api.store, &log.origin)?;
    let head = log.head.as_ref().map(|head| head.checkpoint().size().as_u64());
    let behind = head.map_or("no head yet".to_owned(), |head| head.saturating_sub(log.size.as_u64()).to_string());
    let seen = log.head_seen.map_or_else(String::new, |seen| format!("{seen:.0}"));
    let written = writeln!(
        out,
        "<tr><td><a href=\"/api/v1/logs/{hash}\">{origin}</a></td><td>{size}</td><td>{behind}</td><td>{seen}</td><td>{open}</td></tr>",
        hash = origin_hash(&log.origin),
        origin = escaped(&log.origin),
        size = log.size,
        open = open.total(),
    );
    written.expect("writing to a string does not fail");
    Ok(())
}

fn item(finding: &Finding, out: &mut String) {
    let class = if finding.severity >= Severity::Error { " class=\"bad\"" } else { "" };
    let evidence =
        finding.evidence.as_ref().map_or_else(String::new, |file| format!(" <a href=\"/evidence/{}\">Evidence</a>", escaped(file)));
    let written = writeln!(
        out,
        "<li{class}><a href=\"/api/v1/findings/{id}\">{title}</a> ({severity}, <code>{code}</code>, {found:.0})<br>{log}: {text}{evidence}</li>",
        id = finding.id,
        title = escaped(finding.code.title()),
        severity = finding.severity,
        code = escaped(&finding.code.to_string()),
        found = finding.found,
        log = escaped(&finding.log),
        text = escaped(&finding.text),
    );
    written.expect("writing to a string does not fail");
}

/// Text for between tags and in attributes. Controls and marks that turn the reading direction are shown as what they are not.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().take(LONGEST) {
        html::escape_char(if tlog::printable::is_printable(c) { c } else { '\u{fffd}' }, &mut out);
    }
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}
