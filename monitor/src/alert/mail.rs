//! Alerts by mail: plain text, and everything foreign in it inert.
//!
//! What waits at the same time is sent in one message. A message is one that mail programs know again: the same deliveries have the same
//! `Message-ID`, whenever they are tried.

use std::fmt::Write;
use std::time::SystemTime;

use jiff::Timestamp;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use reqwest::Url;
use tlog::Hash;

use super::delivery::{Delivery, Tried};
use super::notice::{Flood, Notice, Said, Subject, What};
use super::settings::{Mail, MailTls};
use super::text::{findings, found, inert};
use crate::finding::Severity;

/// How many deliveries one message has at most.
pub(super) const TOGETHER: usize = 50;

/// The most characters of a subject line.
const SUBJECT: usize = 150;

/// The most characters of a name in a message.
const NAME: usize = 200;

/// The most characters of what is said of a finding.
const TEXT: usize = 600;

/// Sends mail.
#[derive(Debug)]
pub(super) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    /// Where the monitor is, for links.
    url: Option<Url>,
    timeout: std::time::Duration,
}

/// The transport for mail could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("mail cannot be sent to `mail.server`: {0}")]
pub struct MailError(#[from] lettre::transport::smtp::Error);

impl Mailer {
    pub(super) fn new(mail: &Mail, authorities: &[acta_client::source::Authority], url: Option<Url>) -> Result<Self, MailError> {
        let mut tls = TlsParameters::builder(mail.server.clone());
        for authority in authorities {
            tls = tls.add_root_certificate(Certificate::from_der(authority.to_vec())?);
        }
        let tls = match mail.tls {
            MailTls::Implicit => Tls::Wrapper(tls.build_rustls()?),
            MailTls::Starttls => Tls::Required(tls.build_rustls()?),
            MailTls::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.server)
            .port(mail.port)
            .tls(tls)
            .timeout(Some(mail.patience.timeout));
        if let Some((user, password)) = &mail.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
        }
        let (transport, from, to) = (builder.build(), mail.from.clone(), mail.to.clone());
        Ok(Mailer { transport, from, to, url, timeout: mail.patience.timeout })
    }

    /// One try to send these in one message.
    pub(super) async fn send(&self, deliveries: &[Delivery], now: Timestamp) -> Tried {
        let message = self.message(deliveries, now).map_err(|error| format!("the message could not be made: {error}"))?;
        match tokio::time::timeout(self.timeout, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            // The server's own words, which are printed and kept.
            Ok(Err(error)) => Err(format!("the mail server did not take it: {}", inert(&with_cause(&error), TEXT))),
            Err(_) => Err("the mail server did not take it in time".to_owned()),
        }
    }

    fn message(&self, deliveries: &[Delivery], now: Timestamp) -> Result<Message, lettre::error::Error> {
        let named: String = deliveries.iter().map(|delivery| delivery.id.to_string()).collect();
        let id = Hash::sha256(named.as_bytes()).to_string();
        let mut message = MessageBuilder::new()
            .from(self.from.clone())
            .subject(subject(deliveries))
            .message_id(Some(format!("<{}@{}>", &id[..32], self.from.email.domain())))
            .date(SystemTime::from(now));
        for to in &self.to {
            message = message.to(to.clone());
        }
        // SPEC: RFC 3834 §5: so that nobody's absence is answered to a monitor.
        message = message.header(AutoSubmitted);
        message.header(ContentType::TEXT_PLAIN).body(self.text(deliveries))
    }

    fn text(&self, deliveries: &[Delivery]) -> String {
        let mut text = String::new();
        for (place, delivery) in deliveries.iter().enumerate() {
            if place > 0 {
                text.push_str("\n----\n\n");
            }
            self.notice(&mut text, &delivery.notice);
        }
        text
    }

    fn notice(&self, text: &mut String, notice: &Notice) {
        // Writing to a string does not fail.
        let _ = match &notice.what {
            What::Opened(said) => self.said(text, "New", said),
            What::More(said) => self.said(text, "More", said),
            What::Resolved(said) => self.said(text, "Resolved", said),
            What::Flood(flood) => self.flood(text, flood),
        };
    }

    fn said(&self, text: &mut String, word: &str, said: &Said) -> std::fmt::Result {
        let alert = &said.alert;
        writeln!(text, "{word}: {} ({}, {})", alert.title, alert.code, alert.severity)?;
        self.subject(text, alert)?;
        writeln!(text, "{}", found(alert.opened, alert.found, alert.open))?;
        if alert.resolved.is_none() {
            writeln!(text, "\n{}", alert.code.explanation())?;
        }
        for finding in &said.findings {
            writeln!(text, "\n* {}", inert(&finding.text, TEXT))?;
            if !finding.indexes.is_empty() {
                let indexes: Vec<String> = finding.indexes.iter().map(u64::to_string).collect();
                writeln!(text, "  entries {}", indexes.join(", "))?;
            }
            match (&finding.evidence, &self.url) {
                (Some(name), Some(url)) => writeln!(text, "  evidence: {}evidence/{}", base(url), inert(name, NAME))?,
                (Some(name), None) => writeln!(text, "  evidence: {}", inert(name, NAME))?,
                (None, _) => {}
            }
        }
        if said.omitted > 0 {
            writeln!(text, "\nand {} more", said.omitted)?;
        }
        Ok(())
    }

    fn subject(&self, text: &mut String, alert: &Subject) -> std::fmt::Result {
        writeln!(text, "Log: {}", inert(&alert.log, NAME))?;
        if !alert.group.is_empty() {
            writeln!(text, "About: {}", inert(&alert.group, NAME))?;
        }
        match &self.url {
            Some(url) => writeln!(text, "See {}", super::link(url, alert)),
            None => Ok(()),
        }
    }

    fn flood(&self, text: &mut String, flood: &Flood) -> std::fmt::Result {
        writeln!(text, "Too many alerts to be said one by one: {}.", counts(flood))?;
        writeln!(text, "Among them:")?;
        for alert in &flood.worst {
            writeln!(text, "\n* {} ({}, {})", alert.title, alert.code, alert.severity)?;
            self.subject(text, alert)?;
        }
        Ok(())
    }
}

/// SPEC: RFC 3834 §5.2
#[derive(Clone, Debug)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// One line of printable ASCII: all of it is ours but names, and of these what is anything else is replaced.
fn subject(deliveries: &[Delivery]) -> String {
    let line = match deliveries {
        [only] => match &only.notice.what {
            What::Opened(said) => of_alert("", said),
            What::More(said) => of_alert("more: ", said),
            What::Resolved(said) => of_alert("resolved: ", said),
            What::Flood(flood) => format!("{}: {}", only.notice.severity, counts(flood)),
        },
        several => {
            let worst = several.iter().map(|delivery| delivery.notice.severity).max().unwrap_or(Severity::Info);
            format!("{} alerts, the worst: {worst}", several.len())
        }
    };
    let line = format!("[acta] {line}").replace(|c: char| !(' '..='~').contains(&c), "?");
    if line.len() > SUBJECT { format!("{}...", &line[..SUBJECT]) } else { line }
}

fn of_alert(word: &str, said: &Said) -> String {
    let alert = &said.alert;
    let about = if alert.group.is_empty() { String::new() } else { format!(", {}", inert(&alert.group, 60)) };
    format!("{word}{}: {} ({}{about})", alert.severity, alert.title, inert(&alert.log, 60))
}

fn counts(flood: &Flood) -> String {
    let new = if flood.opened == 1 { "1 new alert".to_owned() } else { format!("{} new alerts", flood.opened) };
    format!("{new}, {} with more, {} resolved, {}", flood.more, flood.resolved, findings(flood.findings))
}

/// An address that ends in a slash.
fn base(url: &Url) -> String {
    format!("{}/", url.as_str().trim_end_matches('/'))
}

fn with_cause(error: &lettre::transport::smtp::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error} ({cause})"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
