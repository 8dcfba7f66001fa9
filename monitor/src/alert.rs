//! Alerts: what leaves the monitor by itself.
//!
//! Findings of one kind, in one log, about one issuer or witness are one [`Alert`]. The first is said at once; what follows is gathered and
//! said together, and so is that all of it is gone. What is said is a [`Notice`]; each channel (a webhook, mail) has its own queue of them.
//!
//! ```text
//! events ──► grouping ──► notices ──► queue of each channel ──► tries ──► delivered, or given up and kept
//!              │  ▲
//!              ▼  └─ mutes, time
//!            alerts ──► feed, API, metrics
//! ```
//!
//! Invariant: the place in the events moves in the batch that changes the alerts and queues the notices, so a kill at any moment leaves no
//! finding unsaid and says none twice. A delivery is removed from its queue after it was answered; who is told twice because the monitor
//! was killed in between sees the same id of the delivery.
//!
//! Invariant: however many findings there are, what is said is bounded: an alert says at most one thing in [`Settings::gather`], and all
//! alerts of one severity at most [`Settings::burst`] in that time; what goes beyond is said together in one more message.

mod budget;
mod delivery;
mod grouping;
mod mail;
mod metrics;
mod mutes;
mod notice;
mod rows;
mod run;
mod secret;
mod settings;
mod text;
mod webhook;

use jiff::Timestamp;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tlog::Hash;

use crate::finding::{Code, Finding, Severity};
use crate::id::{self, id};
use crate::store::{Family, Store, StoreError};

pub use delivery::{Delivery, DeliveryId, MalformedDeliveryId, Requests, all_waiting, dead, waiting};
pub use mail::MailError;
pub use metrics::Metrics;
pub use mutes::{About, Codes, MalformedMuteId, Mute, MuteDir, MuteError, MuteId, Mutes, NewMute, UnknownCodes};
pub use notice::{Flood, Notice, Said, Sample, Subject, What};
pub use run::{AlertError, Parts, run};
pub use secret::{Secret, SecretError};
pub use settings::{MailSection, MailTls, SecretOf, Section, Settings, SettingsError, WebhookSection, Written};
pub(crate) use text::{found, inert};

id! {
    /// What names an alert: the first half of the SHA-256 of log, code and group.
    AlertId,
    /// What was written is not the id of an alert.
    #[error("this is not the id of an alert: write its 32 hexadecimal digits, in lower case")]
    MalformedAlertId
}

/// Findings of one kind, in one log, about one issuer or witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What names it.
    pub id: AlertId,
    /// How often it has come, from 1: it may go and come again.
    pub episode: u64,
    /// The origin of the log.
    pub log: String,
    /// What kind of findings.
    pub code: Code,
    /// Whom it is about.
    pub group: String,
    /// That of the worst of its findings since it came.
    pub severity: Severity,
    /// When it came.
    pub opened: Timestamp,
    /// When the last of its findings was gone.
    pub resolved: Option<Timestamp>,
    /// How many of its findings are open.
    pub open: u64,
    /// How many findings it has had since it came.
    pub found: u64,
    /// What was said last, if anything was.
    pub last: Option<Notice>,
    /// Whether those who were told know it as open.
    pub(crate) known_open: bool,
    /// What was not said yet.
    pub(crate) unsaid: Unsaid,
    /// Until when nothing more is said.
    pub(crate) quiet_until: Option<Timestamp>,
    /// The notice by which it stands among the newest; 0 if it does not.
    pub(crate) place: u64,
}

/// What happened to an alert and was not said yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unsaid {
    /// Findings that came.
    pub(crate) came: u64,
    /// Findings that went.
    pub(crate) went: u64,
    /// The first of those that came.
    pub(crate) first: Vec<Sample>,
}

/// The alert with this id.
pub fn alert(store: &Store, id: AlertId) -> Result<Option<Alert>, StoreError> {
    rows::get(store, &rows::alert(id))
}

/// At most `limit` alerts, those first of which something was, or would have been, said last. Those that are muted are among them.
pub fn newest(store: &Store, limit: usize) -> Result<Vec<Alert>, StoreError> {
    let ids = store.scan(Family::Alerts, rows::RECENT, limit)?;
    let alerts = ids.iter().map(|(_, id)| alert(store, crate::findings::decode(id)?));
    alerts.filter_map(Result::transpose).collect()
}

/// Where the findings of an alert are, for a monitor that others reach at `url`.
pub(crate) fn link(url: &Url, alert: &Subject) -> String {
    let mut link = Url::parse(&format!("{}/api/v1/findings", url.as_str().trim_end_matches('/'))).unwrap_or_else(|_| url.clone());
    link.set_fragment(None);
    let mut query = link.query_pairs_mut();
    query.clear().append_pair("log", &alert.log).append_pair("code", &alert.code.to_string());
    // A longer name is nobody's, and what a notice has of it may be cut.
    if !alert.group.is_empty() && alert.group.len() <= 200 {
        query.append_pair("issuer", &alert.group);
    }
    drop(query);
    link.into()
}

/// A name for the feed of the monitor with this store, as a URN.
pub(crate) fn feed_id(store: &Store) -> Result<String, StoreError> {
    let identity: String = rows::get(store, rows::IDENTITY)?.unwrap_or_default();
    Ok(urn(&format!("acta feed\n{identity}")))
}

/// A UUID of a text.
fn urn(of: &str) -> String {
    // SPEC: RFC 9562 §5.8: version 8 leaves all bits but those of version and variant to us.
    let hash = Hash::sha256(of.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

impl AlertId {
    /// The alert about a log, a kind of findings, and a group.
    pub fn new(log: &str, code: &Code, group: &str) -> Self {
        // Origins have no line breaks and codes neither, so no two alerts have one text.
        AlertId(id::of(&format!("acta alert\n{log}\n{code}\n{group}")))
    }

    /// The alert that a finding belongs to.
    pub fn of(finding: &Finding) -> Self {
        AlertId::new(&finding.log, &finding.code, &finding.group)
    }

    pub(crate) fn from_bytes(id: [u8; 16]) -> Self {
        AlertId(id)
    }
}

impl Alert {
    /// What mutes look at.
    pub fn about(&self) -> About<'_> {
        About { log: &self.log, code: &self.code, group: &self.group, severity: self.severity }
    }

    /// A name for this episode that no other has, as a URN. It is the same for every monitor that sees the same.
    pub fn urn(&self) -> String {
        urn(&format!("acta episode\n{}\n{}", self.id, self.episode))
    }

    /// An alert that has just come. Its findings are still to be counted.
    pub(crate) fn new(finding: &Finding, at: Timestamp) -> Self {
        Alert {
            id: AlertId::of(finding),
            episode: 1,
            log: finding.log.clone(),
            code: finding.code.clone(),
            group: finding.group.clone(),
            severity: finding.severity,
            opened: at,
            resolved: None,
            open: 0,
            found: 0,
            last: None,
            known_open: false,
            unsaid: Unsaid::default(),
            quiet_until: None,
            place: 0,
        }
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
