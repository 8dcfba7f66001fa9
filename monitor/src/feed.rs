//! The newest alerts for feed readers: Atom, RFC 4287.
//!
//! One entry for each alert, as it was when something was last said of it; an alert that comes again is a new entry. What is muted is not
//! in it, as it is in nothing else that people are sent.
//!
//! Invariant: names and texts of strangers are text in it and nothing else: what XML cannot hold and what reorders or hides text is
//! replaced, the rest is escaped, and no content is HTML.

use std::fmt::Write as _;
use std::io;

use jiff::Timestamp;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use reqwest::Url;

use crate::alert::{self, Alert, Mutes, Notice, Said, What, inert};
use crate::store::{Store, StoreError};

/// How many alerts the feed has.
const ENTRIES: usize = 100;

/// The most characters of a name.
const NAME: usize = 200;

/// The most characters of what is said of a finding.
const TEXT: usize = 600;

/// The media type.
pub const ATOM: &str = "application/atom+xml; charset=utf-8";

/// The feed at a time. `url` is where others reach this monitor.
pub fn atom(store: &Store, mutes: &Mutes, url: Option<&Url>, now: Timestamp) -> Result<Vec<u8>, StoreError> {
    let mut alerts = alert::newest(store, ENTRIES)?;
    alerts.retain(|alert| alert.last.is_some() && mutes.applying(alert.about(), now).is_none());
    let id = alert::feed_id(store)?;
    Ok(render(&id, url, &alerts).expect("writing to memory does not fail"))
}

fn render(id: &str, url: Option<&Url>, alerts: &[Alert]) -> io::Result<Vec<u8>> {
    let base = url.map(|url| url.as_str().trim_end_matches('/').to_owned());
    let updated = alerts.iter().filter_map(|alert| alert.last.as_ref()).map(|notice| notice.at).max();
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 1);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    xml.create_element("feed").with_attribute(("xmlns", "http://www.w3.org/2005/Atom")).write_inner_content(|xml| {
        // SPEC: RFC 4287 §4.1.1: id, title and updated; an author, or one in each entry.
        element(xml, "id", id)?;
        element(xml, "title", "Alerts of a monitor of transparency logs")?;
        element(xml, "updated", &updated.unwrap_or(Timestamp::UNIX_EPOCH).to_string())?;
        author(xml)?;
        if let Some(base) = &base {
            link(xml, "self", &format!("{base}/feed.atom"))?;
            link(xml, "alternate", &format!("{base}/"))?;
        }
        for alert in alerts {
            if let Some(notice) = &alert.last {
                entry(xml, url, alert, notice)?;
            }
        }
        Ok(())
    })?;
    Ok(xml.into_inner())
}

fn entry(xml: &mut Writer<Vec<u8>>, url: Option<&Url>, alert: &Alert, notice: &Notice) -> io::Result<()> {
    let Some(said) = notice.said() else { return Ok(()) };
    xml.create_element("entry").write_inner_content(|xml| {
        // SPEC: RFC 4287 §4.1.2: id, title and updated; and a link, or content.
        element(xml, "id", &alert.urn())?;
        element(xml, "title", &title(notice, said))?;
        element(xml, "updated", &notice.at.to_string())?;
        element(xml, "published", &said.alert.opened.to_string())?;
        xml.create_element("category").with_attribute(("term", said.alert.code.to_string().as_str())).write_empty()?;
        xml.create_element("category").with_attribute(("term", said.alert.severity.name())).write_empty()?;
        if let Some(url) = url {
            link(xml, "alternate", &alert::link(url, &said.alert))?;
        }
        xml.create_element("content").with_attribute(("type", "text")).write_text_content(BytesText::new(&content(said)))?;
        Ok(())
    })?;
    Ok(())
}

fn title(notice: &Notice, said: &Said) -> String {
    let word = if matches!(notice.what, What::Resolved(_)) { "resolved: " } else { "" };
    let alert = &said.alert;
    let about = if alert.group.is_empty() { String::new() } else { format!(", {}", inert(&alert.group, NAME)) };
    format!("{word}{}: {} ({}{about})", alert.severity, alert.title, inert(&alert.log, NAME))
}

fn content(said: &Said) -> String {
    let alert = &said.alert;
    let mut text = format!("{}\n{}\n", alert::found(alert.opened, alert.found, alert.open), alert.code.explanation());
    for finding in &said.findings {
        // Writing to a string does not fail.
        let _ = writeln!(text, "- {}", inert(&finding.text, TEXT));
    }
    if said.omitted > 0 {
        let _ = writeln!(text, "- and {} more", said.omitted);
    }
    text
}

fn author(xml: &mut Writer<Vec<u8>>) -> io::Result<()> {
    xml.create_element("author").write_inner_content(|xml| element(xml, "name", "acta-monitor"))?;
    Ok(())
}

fn element(xml: &mut Writer<Vec<u8>>, name: &'static str, text: &str) -> io::Result<()> {
    xml.create_element(name).write_text_content(BytesText::new(text))?;
    Ok(())
}

fn link(xml: &mut Writer<Vec<u8>>, rel: &str, href: &str) -> io::Result<()> {
    xml.create_element("link").with_attribute(("rel", rel)).with_attribute(("href", href)).write_empty()?;
    Ok(())
}

#[cfg(test)]
mod tests;
