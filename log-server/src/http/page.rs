//! The page at `/`, for people who come by with a browser.
//!
//! It is complete in itself: no script, nothing from elsewhere, and a content security policy that would stop either. Whatever is not ours
//! on it (origin, key, the address in the request) is escaped, and the address is only taken if it looks like one.

use std::fmt::Write;
use std::sync::LazyLock;
use std::time::SystemTime;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderValue, REFERRER_POLICY};
use hyper::{StatusCode, Uri};
use tlog::Hash;

use super::Site;
use super::problem::Problem;
use crate::store::{Admits, Store};
use serving::html::escape;
use serving::response::{self, Answer};

const TEMPLATE: &str = include_str!("page.html");
/// What to say to those who would add to it.
const ADDING_BYTES: &str = include_str!("page-open.html");
const ADDING_STATEMENTS: &str = include_str!("page-statements.html");
const STYLE: &str = include_str!("page.css");

/// Nothing but our own style sheet, by its hash.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = Hash::sha256(STYLE.as_bytes()).to_base64();
    let policy = format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    HeaderValue::try_from(policy).expect("ASCII")
});

impl<S: Store> Site<S> {
    pub(super) fn page(&self, uri: &Uri, headers: &HeaderMap) -> Result<Answer, Problem> {
        let head = self.log.published();
        let size = head.size().as_u64();
        let url = self.url(uri, headers);
        let adding = match self.log.admits() {
            Admits::Open => ADDING_BYTES,
            Admits::Statements => ADDING_STATEMENTS,
        };
        let body = fill(TEMPLATE, |name, out| match name {
            "style" => out.push_str(STYLE),
            "samples" => samples(size, out),
            "origin" => escape(&self.log.origin().to_string(), out),
            "key" => escape(&self.log.verifier_key().to_string(), out),
            "size" => out.push_str(&grouped(size)),
            "age" => out.push_str(&age(head.at())),
            "time" => out.push_str(&time(head.at())),
            "accepting" => out.push_str(if self.log.accepting().is_ok() { "Welcome" } else { "Not now; reading goes on" }),
            "url" => escape(&url, out),
            "adding" => out.push_str(&fill(adding, |_, out| escape(&url, out))),
            _ => {}
        });
        let mut answer = response::plain(StatusCode::OK, "text/html; charset=utf-8", self.answers.hold(Bytes::from(body))?);
        let headers = answer.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        // It repeats what the request says, so nobody else shall get it.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        Ok(answer)
    }

    /// Where this log is, as far as we know.
    fn url(&self, uri: &Uri, headers: &HeaderMap) -> String {
        if let Some(url) = &self.config.public_url {
            return url.clone();
        }
        let named = uri.authority().map(|authority| authority.as_str()).or_else(|| headers.get(HOST)?.to_str().ok());
        let plain = |host: &&str| !host.is_empty() && host.bytes().all(|c| c.is_ascii_alphanumeric() || b"-.:[]".contains(&c));
        let scheme = if self.config.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", named.filter(plain).unwrap_or("ADDRESS"))
    }
}

/// What crawlers may do: the page is for everybody, the tree is for programs that check it and would be a waste of a crawler's time.
pub(super) fn robots() -> Answer {
    let text = "User-agent: *\nAllow: /$\nDisallow: /\n";
    response::public("text/plain; charset=utf-8", HeaderValue::from_static("public, max-age=86400"), Bytes::from_static(text.as_bytes()))
}

/// Puts values where the template has `{name}`. Braces that are not around a name stay.
fn fill(template: &str, mut value: impl FnMut(&str, &mut String)) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            break;
        };
        value(name, &mut out);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Links to things that are there.
fn samples(size: u64, out: &mut String) {
    let Some(last) = size.checked_sub(1) else {
        out.push_str("<li>There are no entries yet.</li>\n");
        return;
    };
    let line = writeln!(
        out,
        "<li>Receipts of <a href=\"/proof/0\">the first entry</a> and of <a href=\"/proof/{last}\">the newest one</a>, \
         which contain the entry itself; for others, the entry's number instead</li>"
    );
    line.expect("writing to a string does not fail");
}

/// `1,234,567`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn age(at: SystemTime) -> String {
    let seconds = at.elapsed().unwrap_or_default().as_secs();
    let (number, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{} ago", if number == 1 { "" } else { "s" })
}

/// `2026-11-22T21:45:00Z`
fn time(at: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(at).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_place_of_the_template_has_a_value() {
        let mut names = Vec::new();
        fill(TEMPLATE, |name, _| names.push(name.to_owned()));
        names.sort();
        names.dedup();
        assert_eq!(names, ["accepting", "adding", "age", "key", "origin", "samples", "size", "style", "time", "url"]);
        for adding in [ADDING_BYTES, ADDING_STATEMENTS] {
            fill(adding, |name, _| assert_eq!(name, "url"));
        }
        assert_eq!(fill("a{x}b{y", |name, out| out.push_str(&name.to_uppercase())), "aXb{y");
    }

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!([grouped(0), grouped(999), grouped(1000), grouped(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        let ago = |seconds| age(SystemTime::now() - Duration::from_secs(seconds));
        assert_eq!([ago(61), ago(7300), ago(90_000), ago(200_000)], ["1 minute ago", "2 hours ago", "25 hours ago", "2 days ago"]);
        assert_eq!(time(SystemTime::UNIX_EPOCH + Duration::from_secs(1)), "1970-01-01T00:00:01Z");
    }
}
