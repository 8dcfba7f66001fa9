//! Alerts: findings of one kind about one issuer, as they are told.

use jiff::Timestamp;
use serde::Serialize;

use super::{Api, BadParameter, Parameters, json, origin_hash};
use crate::alert::{self, AlertId};
use crate::finding::{Code, Severity};
use crate::http::Problem;

/// Alerts in one answer, if nobody says otherwise.
const ALERTS: usize = 100;

/// Alerts in one answer, and alerts that are looked at.
const MOST: usize = 1000;

#[derive(Serialize)]
struct Alerts {
    alerts: Vec<Alert>,
}

/// An alert, as JSON.
#[derive(Serialize)]
struct Alert {
    id: AlertId,
    log: String,
    log_hash: String,
    code: Code,
    title: String,
    /// That of the worst of its findings.
    severity: Severity,
    /// Whom it is about; empty for the log itself.
    group: String,
    opened: Timestamp,
    resolved: Option<Timestamp>,
    /// How many of its findings are open.
    open: u64,
    /// How many findings it has had since it came.
    found: u64,
    muted: Option<Muted>,
}

/// Why an alert is not told.
#[derive(Serialize)]
struct Muted {
    reason: String,
    until: Timestamp,
}

impl Api {
    /// Those first of which something was, or would have been, said last.
    pub(super) fn alerts(&self, mut parameters: Parameters) -> Result<Vec<u8>, Problem> {
        let open = parameters.take("state").map(|state| match state.as_str() {
            "open" => Ok(true),
            "resolved" => Ok(false),
            _ => Err(BadParameter::new("state", "write one of open, resolved")),
        });
        let (open, log) = (open.transpose()?, parameters.take("log"));
        let limit = parameters.limit(ALERTS, MOST)?;
        parameters.finish(&["state", "log", "limit"])?;
        let mut alerts = alert::newest(&self.store, MOST)?;
        alerts.retain(|alert| open.is_none_or(|open| alert.resolved.is_none() == open) && log.as_ref().is_none_or(|log| *log == alert.log));
        alerts.truncate(limit);
        Ok(json(&Alerts { alerts: alerts.into_iter().map(|alert| self.alert(alert)).collect() }))
    }

    fn alert(&self, alert: alert::Alert) -> Alert {
        let muted = self.mutes.applying(alert.about(), self.clock.now());
        Alert {
            id: alert.id,
            log_hash: origin_hash(&alert.log).to_hex(),
            log: alert.log,
            title: alert.code.title().to_owned(),
            code: alert.code,
            severity: alert.severity,
            group: alert.group,
            opened: alert.opened,
            resolved: alert.resolved,
            open: alert.open,
            found: alert.found,
            muted: muted.map(|mute| Muted { reason: mute.reason, until: mute.until }),
        }
    }
}
