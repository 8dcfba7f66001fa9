//! The configuration file as it is written: sections, keys, and their defaults.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serving::messages::MessagesSection;
use serving::tls::TlsSection;
use serving::units::ByteSize;

use super::LogSection;
use crate::{alert, checks, documents, http, ocds, rules, search, views};

/// The configuration file as it is written. Each key has a default, so the empty file is a configuration: of a monitor that follows nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// The monitor itself.
    pub monitor: MonitorSection,
    /// The logs to follow.
    pub log: Vec<LogSection>,
    /// Who else is asked what a log shows.
    pub gossip: views::Section,
    /// The listener for everybody.
    pub http: http::Section,
    /// Its certificate, for a monitor without a proxy before it.
    pub tls: TlsSection,
    /// Full-text search.
    pub search: search::Section,
    /// What looks wrong or is missing.
    pub checks: checks::Section,
    /// Rules in CEL.
    pub rule: Vec<rules::RuleSection>,
    /// Watch lists.
    pub watch: Vec<rules::WatchSection>,
    /// Red flags of procurement.
    pub ocds: ocds::Section,
    /// Documents.
    pub documents: documents::Section,
    /// How alerts are sent.
    pub alerts: alert::Section,
    /// Where they are sent by HTTP.
    pub webhook: Vec<alert::WebhookSection>,
    /// To whom they are sent by mail.
    pub mail: alert::MailSection,
    /// The listener for whoever runs the monitor.
    pub ops: OpsSection,
    /// The store's memory.
    pub store: StoreSection,
    /// The monitor's own messages.
    pub messages: MessagesSection,
}

/// `[monitor]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitorSection {
    /// Where it keeps what it knows.
    pub state: PathBuf,
    /// PEM file with certificate authorities to believe besides the web's; empty: none.
    pub ca_file: PathBuf,
}

/// `[ops]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpsSection {
    /// Address and port; empty: no such listener.
    pub listen: String,
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSection {
    /// What is read often.
    pub cache: ByteSize,
    /// What was written lately.
    pub write_buffer: ByteSize,
}

impl Default for MonitorSection {
    fn default() -> Self {
        MonitorSection { state: "/var/lib/acta-monitor".into(), ca_file: PathBuf::new() }
    }
}

impl Default for StoreSection {
    fn default() -> Self {
        StoreSection { cache: ByteSize::mebibytes(64), write_buffer: ByteSize::mebibytes(64) }
    }
}
