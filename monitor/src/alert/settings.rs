//! `[alerts]`, `[[webhook]]` and `[mail]`: as they are written, and as the alerter runs with them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acta_client::source::Authority;
use lettre::message::Mailbox;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serving::config::{self, ConfigError};
use serving::units::Span;

use super::inert;
use super::secret::{Secret, SecretError};
use crate::finding::Severity;
use crate::outside::{self, MalformedAllowed, SetupError};

/// `[alerts]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// How long further findings of an alert are gathered before they are said together.
    pub gather: Span,
    /// How many messages of each severity may leave in that time one by one; further ones are said together at its end.
    pub burst: u32,
    /// Where others reach this monitor, for links; empty for no links.
    pub url: String,
}

/// `[[webhook]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSection {
    /// What it is called in metrics and commands.
    pub name: String,
    /// Where alerts are sent.
    pub url: String,
    /// The file with the secret that both ends share.
    pub secret: PathBuf,
    /// What matters less is not sent.
    pub min_severity: Severity,
    /// Networks and hosts that are not on the public internet and may be reached all the same.
    pub allow: Vec<String>,
    /// Whether its address may be http, without TLS.
    pub allow_unencrypted: bool,
    /// How long one try may take.
    pub timeout: Span,
    /// How often a delivery is tried.
    pub max_attempts: u32,
    /// How long a delivery is tried.
    pub max_age: Span,
}

/// `[mail]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailSection {
    /// The SMTP server's name or address; empty for no mail.
    pub server: String,
    /// Its port; 0 for the usual one.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// The user's name there; empty for none.
    pub user: String,
    /// The file with the user's password.
    pub password: PathBuf,
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// What matters less is not sent.
    pub min_severity: Severity,
    /// From one message to the next, at least; what comes in between is sent in one.
    pub pause: Span,
    /// How long one try may take.
    pub timeout: Span,
    /// How often a message is tried.
    pub max_attempts: u32,
    /// How long a message is tried.
    pub max_age: Span,
}

/// How a connection to the SMTP server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// From the first byte on.
    Implicit,
    /// Begun in the open and encrypted before anything is said; never left out.
    Starttls,
    /// Not at all: for a server on this machine.
    None,
}

/// How alerts are sent.
#[derive(Clone, Debug)]
pub struct Settings {
    /// See [`Section::gather`].
    pub gather: Duration,
    /// See [`Section::burst`].
    pub burst: u32,
    /// See [`Section::url`].
    pub url: Option<Url>,
    /// Where alerts are sent by HTTP.
    pub webhooks: Vec<Webhook>,
    /// How alerts are sent by mail, if they are.
    pub mail: Option<Mail>,
    /// Certificate authorities to believe besides the web's.
    pub authorities: Vec<Authority>,
}

/// When a delivery is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// After so many tries.
    pub attempts: u32,
    /// After so long.
    pub age: Duration,
    /// How long one try may take.
    pub timeout: Duration,
}

/// A webhook.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub url: Url,
    /// What it shares with the monitor.
    pub secret: Secret,
    /// What matters less is not sent.
    pub min_severity: Severity,
    /// What it is reached with: at public addresses and those that it was allowed.
    pub client: outside::Client,
    /// When a delivery is given up.
    pub patience: Patience,
}

/// A way to send mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The SMTP server.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// User and password.
    pub login: Option<(String, Secret)>,
    /// The sender.
    pub from: Mailbox,
    /// The recipients.
    pub to: Vec<Mailbox>,
    /// What matters less is not sent.
    pub min_severity: Severity,
    /// From one message to the next, at least.
    pub pause: Duration,
    /// When a delivery is given up.
    pub patience: Patience,
}

/// Sections that make no sense. Each text names the key and says what to write.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A number.
    #[error(transparent)]
    Value(#[from] ConfigError),
    /// A file with a secret.
    #[error("{of}: {error}")]
    Secret {
        /// Whose.
        of: SecretOf,
        /// What is wrong.
        error: SecretError,
    },
    /// A name of a webhook.
    #[error(
        "the webhook name \"{0}\" cannot be used: give each [[webhook]] another `name` of at most 40 of the characters a-z, 0-9, - and _; \"mail\" is taken"
    )]
    Name(Written),
    /// Not the address of a webhook.
    #[error("`webhook.url` of {0}: this is not the address of a webhook; write one such as \"https://alerts.example/acta\"")]
    Url(Written),
    /// `webhook.allow`
    #[error("`webhook.allow`: {0}")]
    Allow(#[from] MalformedAllowed),
    /// The client for it.
    #[error(transparent)]
    Client(#[from] SetupError),
    /// No TLS.
    #[error(
        "`webhook.url` of {0} is not encrypted: write an https address, or `allow_unencrypted = true` if it is on a network that only you can read"
    )]
    Unencrypted(Written),
    /// Not an address to link to.
    #[error("`alerts.url` is not a web address; write one such as \"https://monitor.example\", or \"\" for no links")]
    OwnUrl,
    /// Not a mail address.
    #[error(
        "`mail.{key}` has \"{written}\", which is no mail address; write one such as \"acta@monitor.example\" or \"Acta <acta@monitor.example>\""
    )]
    Mailbox {
        /// The key.
        key: &'static str,
        /// What is there.
        written: Written,
    },
    /// Nobody to write to.
    #[error("`mail.server` is given but `mail.to` names nobody; write who gets the mail, or \"\" as the server for no mail")]
    NoRecipient,
    /// Only one of two.
    #[error("`mail.user` and `mail.password` go together: write both, or neither")]
    HalfLogin,
    /// A password that anybody on the way could read.
    #[error("`mail.tls` is \"none\", and `mail.password` would be sent in the open: write \"implicit\" or \"starttls\", or no user")]
    OpenPassword,
}

/// What somebody wrote in a configuration: shown in one line, in which it does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written(Box<str>);

/// Whose secret it is, by the key that names its file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretOf {
    /// The webhook of this name.
    #[error("`webhook.secret` of {0}")]
    Webhook(Written),
    /// The server for mail.
    #[error("`mail.password`")]
    Mail,
}

/// The channel of mail; webhooks are called by their own names.
pub(crate) const MAIL: &str = "mail";

/// Fewer bytes of a webhook's secret could be guessed from a signature.
const LEAST_SECRET: usize = 16;

impl Settings {
    /// Checks the sections, and reads the secrets.
    pub fn new(
        alerts: &Section,
        webhooks: Vec<WebhookSection>,
        mail: MailSection,
        authorities: Vec<Authority>,
    ) -> Result<Self, SettingsError> {
        let mut made: Vec<Webhook> = Vec::with_capacity(webhooks.len());
        for section in webhooks {
            let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
            let well_named = (1..=40).contains(&section.name.len()) && section.name.chars().all(named) && section.name != MAIL;
            if !well_named || made.iter().any(|webhook| webhook.name == section.name) {
                return Err(SettingsError::Name(Written::new(&section.name)));
            }
            made.push(section.validate(&authorities)?);
        }
        Ok(Settings {
            gather: config::span("alerts.gather", alerts.gather)?,
            burst: config::nonzero("alerts.burst", alerts.burst)?.get(),
            url: if alerts.url.is_empty() { None } else { Some(web_address(&alerts.url).ok_or(SettingsError::OwnUrl)?) },
            webhooks: made,
            authorities,
            mail: if mail.server.is_empty() { None } else { Some(mail.validate()?) },
        })
    }
}

impl Written {
    fn new(text: &str) -> Self {
        Written(text.into())
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&inert(&self.0, 200))
    }
}

impl WebhookSection {
    fn validate(self, authorities: &[Authority]) -> Result<Webhook, SettingsError> {
        let url = web_address(&self.url).ok_or_else(|| SettingsError::Url(Written::new(&self.name)))?;
        if url.scheme() != "https" && !self.allow_unencrypted {
            return Err(SettingsError::Unencrypted(Written::new(&self.name)));
        }
        Ok(Webhook {
            url,
            secret: secret(SecretOf::Webhook(Written::new(&self.name)), &self.secret, LEAST_SECRET)?,
            min_severity: self.min_severity,
            client: outside::Client::new(&outside::Settings::allowing(&self.allow)?.trusting(authorities))?,
            patience: Patience {
                attempts: config::nonzero("webhook.max_attempts", self.max_attempts)?.get(),
                age: config::span("webhook.max_age", self.max_age)?,
                timeout: config::span("webhook.timeout", self.timeout)?,
            },
            name: self.name,
        })
    }
}

impl MailSection {
    fn validate(self) -> Result<Mail, SettingsError> {
        let from = mailbox("from", &self.from)?;
        let to = self.to.iter().map(|address| mailbox("to", address)).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(SettingsError::NoRecipient);
        }
        if self.user.is_empty() != self.password.as_os_str().is_empty() {
            return Err(SettingsError::HalfLogin);
        }
        if !self.user.is_empty() && self.tls == MailTls::None {
            return Err(SettingsError::OpenPassword);
        }
        let login = if self.user.is_empty() { None } else { Some((self.user, secret(SecretOf::Mail, &self.password, 1)?)) };
        Ok(Mail {
            port: if self.port == 0 { self.tls.port() } else { self.port },
            server: self.server,
            tls: self.tls,
            login,
            from,
            to,
            min_severity: self.min_severity,
            pause: self.pause.0,
            patience: Patience {
                attempts: config::nonzero("mail.max_attempts", self.max_attempts)?.get(),
                age: config::span("mail.max_age", self.max_age)?,
                timeout: config::span("mail.timeout", self.timeout)?,
            },
        })
    }
}

impl MailTls {
    fn port(self) -> u16 {
        match self {
            MailTls::Implicit => 465,
            MailTls::Starttls => 587,
            MailTls::None => 25,
        }
    }
}

impl Default for Section {
    fn default() -> Self {
        Section { gather: Span::seconds(300), burst: 20, url: String::new() }
    }
}

impl Default for WebhookSection {
    fn default() -> Self {
        WebhookSection {
            name: String::new(),
            url: String::new(),
            secret: PathBuf::new(),
            min_severity: Severity::Info,
            allow: Vec::new(),
            allow_unencrypted: false,
            timeout: Span::seconds(10),
            max_attempts: 20,
            max_age: Span::seconds(36 * 3600),
        }
    }
}

impl Default for MailSection {
    fn default() -> Self {
        MailSection {
            server: String::new(),
            port: 0,
            tls: MailTls::Starttls,
            user: String::new(),
            password: PathBuf::new(),
            from: String::new(),
            to: Vec::new(),
            min_severity: Severity::Notice,
            pause: Span::seconds(0),
            timeout: Span::seconds(30),
            max_attempts: 20,
            max_age: Span::seconds(36 * 3600),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings::new(&Section::default(), Vec::new(), MailSection::default(), Vec::new()).expect("a test makes them")
    }
}

fn web_address(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty())
}

fn secret(of: SecretOf, path: &Path, least: usize) -> Result<Secret, SettingsError> {
    Secret::load(path, least).map_err(|error| SettingsError::Secret { of, error })
}

fn mailbox(key: &'static str, written: &str) -> Result<Mailbox, SettingsError> {
    let plain = !written.chars().any(char::is_control);
    plain.then(|| written.parse().ok()).flatten().ok_or_else(|| SettingsError::Mailbox { key, written: Written::new(written) })
}

#[cfg(test)]
mod tests;
