//! From events to alerts, and from alerts to notices in the queues.
//!
//! Only this writes alerts and the place in the events. So a step reads everything first, without keeping others from writing, and then
//! writes all of it in one batch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::budget::{Budget, later};
use super::delivery::{Channel, Delivery};
use super::notice::{Notice, SAMPLES, Said, Sample, What};
use super::{Alert, AlertId, Metrics, Mute, Mutes, Unsaid, rows};
use crate::findings::{self, Change, Event, decode, encode};
use crate::store::{Damage, Family, Store, StoreError};

/// How many events, and how many alerts that are due, one batch takes account of.
const BATCH: usize = 500;

/// What makes notices of events.
#[derive(Debug)]
pub(super) struct Grouping {
    store: Arc<Store>,
    gather: Duration,
    burst: u32,
    channels: Vec<Arc<Channel>>,
    mutes: Mutes,
    metrics: Metrics,
    /// The mutes that applied at the last step.
    active: Vec<Mute>,
    /// From where on alerts that are held back by mutes are to be looked at again.
    look_again: Option<Vec<u8>>,
}

/// What a step will write.
struct Draft<'a> {
    by: &'a Grouping,
    now: Timestamp,
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Alerts as they were and as they will be.
    alerts: BTreeMap<AlertId, (Option<Alert>, Alert)>,
    budget: Budget,
    last_notice: u64,
    /// For which channels something was queued.
    queued: Vec<(Arc<Channel>, bool)>,
    notices: Vec<&'static str>,
}

impl Grouping {
    pub(super) fn new(
        store: Arc<Store>,
        (gather, burst): (Duration, u32),
        channels: Vec<Arc<Channel>>,
        mutes: Mutes,
        metrics: Metrics,
    ) -> Self {
        let look_again = Some(rows::HELD.to_vec());
        Grouping { store, gather, burst, channels, mutes, metrics, active: Vec::new(), look_again }
    }

    /// Counts the alerts that are open. To be called once, before the first step.
    pub(super) fn count(&self) -> Result<(), StoreError> {
        let mut from = rows::ALERTS.to_vec();
        loop {
            let found = self.store.scan_from(Family::Alerts, &from, BATCH)?;
            let alerts = found.iter().take_while(|(key, _)| key.starts_with(rows::ALERTS));
            let mut last = None;
            for (key, row) in alerts {
                self.metrics.changed(None, &decode(row)?);
                last = Some(key);
            }
            let Some(last) = last else { return Ok(()) };
            from = [last, b"\0".as_slice()].concat();
        }
    }

    /// The last event that was taken account of.
    pub(super) fn done(&self) -> Result<u64, StoreError> {
        let done = rows::number(&self.store, rows::CURSOR)?;
        let behind = findings::last_event(&self.store)?.saturating_sub(done);
        self.metrics.behind.set(i64::try_from(behind).unwrap_or(i64::MAX));
        Ok(done)
    }

    /// Takes account of some of what happened until now. Gives whether there may be more.
    pub(super) fn step(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let active: Vec<Mute> = self.mutes.all().iter().filter(|mute| mute.until > now).cloned().collect();
        if active != self.active {
            (self.active, self.look_again) = (active, Some(rows::HELD.to_vec()));
        }
        let mut draft = Draft::new(self, now)?;
        draft.end_of_flood();
        let more_events = draft.events()?;
        let more_due = draft.due()?;
        let look_again = match &self.look_again {
            Some(from) => draft.held(from)?,
            None => None,
        };
        let more = more_events || more_due || look_again.is_some();
        draft.write()?;
        self.look_again = look_again;
        Ok(more)
    }
}

impl<'a> Draft<'a> {
    fn new(by: &'a Grouping, now: Timestamp) -> Result<Self, StoreError> {
        let budget = rows::get(&by.store, rows::BUDGET)?.unwrap_or_default();
        let last_notice = rows::number(&by.store, rows::NOTICES)?;
        let (rows, alerts, queued, notices) = (BTreeMap::new(), BTreeMap::new(), Vec::new(), Vec::new());
        Ok(Draft { by, now, rows, alerts, budget, last_notice, queued, notices })
    }

    /// Takes account of the next events. Gives whether there may be more.
    fn events(&mut self) -> Result<bool, StoreError> {
        let store = &self.by.store;
        let events = findings::events_after(store, rows::number(store, rows::CURSOR)?, BATCH)?;
        for event in &events {
            self.event(event)?;
        }
        if let Some(last) = events.last() {
            self.put(rows::CURSOR.to_vec(), &last.number);
        }
        Ok(events.len() == BATCH)
    }

    fn event(&mut self, event: &Event) -> Result<(), StoreError> {
        let row = rows::finding(event.finding);
        // An alert is found by what is kept of the finding, since a finding that came again may be about another group than before.
        let known: Option<AlertId> = self.get(&row)?;
        match (event.change, known) {
            (Change::Opened, None) => {
                let finding = findings::finding(&self.by.store, event.finding)?.ok_or(Damage::MalformedRow)?;
                let id = AlertId::of(&finding);
                let alert = self.alert(id, || Alert::new(&finding, event.at))?;
                if alert.open == 0 && alert.resolved.is_some() && !alert.known_open {
                    (alert.episode, alert.opened, alert.found) = (alert.episode + 1, event.at, 0);
                    alert.severity = finding.severity;
                }
                alert.resolved = None;
                alert.open += 1;
                alert.found += 1;
                alert.severity = alert.severity.max(finding.severity);
                alert.unsaid.came += 1;
                if alert.unsaid.first.len() < SAMPLES {
                    alert.unsaid.first.push(Sample::of(&finding));
                }
                self.put(row, &id);
                self.consider(id)
            }
            (Change::Resolved, Some(id)) => {
                let alert = self.known_alert(id)?;
                alert.open = alert.open.saturating_sub(1);
                alert.unsaid.went += 1;
                if alert.open == 0 {
                    alert.resolved = Some(event.at);
                }
                self.rows.insert(row, None);
                self.consider(id)
            }
            // Findings open and go in turn, so these do not happen; if they did, they would change nothing.
            (Change::Opened, Some(_)) | (Change::Resolved, None) => Ok(()),
        }
    }

    /// Looks at the alerts whose quiet time is over. Gives whether there may be more.
    fn due(&mut self) -> Result<bool, StoreError> {
        let due = self.by.store.scan(Family::Alerts, rows::DUE, BATCH)?;
        let mut count = 0;
        for (key, _) in &due {
            if !rows::is_due(key, self.now)? {
                break;
            }
            count += 1;
            self.rows.insert(key.clone(), None);
            self.consider(rows::alert_of(key)?)?;
        }
        Ok(count == BATCH)
    }

    /// Looks at alerts that mutes held back, from the row `from` on. Gives the row to go on from.
    fn held(&mut self, from: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let held = self.by.store.scan_from(Family::Alerts, from, BATCH)?;
        let all = held.len() == BATCH;
        let mut next = None;
        for (key, _) in held.iter().take_while(|(key, _)| key.starts_with(rows::HELD)) {
            next = Some([key, b"\0".as_slice()].concat());
            let id = rows::alert_of(key)?;
            let still_held = self.is_muted(id)? && self.known_alert(id)?.open > 0;
            if !still_held && self.get::<bool>(key)?.is_some() {
                self.rows.insert(key.clone(), None);
                self.consider(id)?;
            }
        }
        Ok(next.filter(|_| all))
    }

    /// Says what there is to say of an alert, now or when its quiet time is over.
    fn consider(&mut self, id: AlertId) -> Result<(), StoreError> {
        let (now, longest) = (self.now, later(self.now, self.by.gather));
        match self.known_alert(id)?.quiet_until {
            // A time so far ahead was written by a clock that went wrong.
            Some(until) if until > now && until <= longest => self.put(rows::due(until, id), &true),
            _ => self.say(id)?,
        }
        Ok(())
    }

    fn say(&mut self, id: AlertId) -> Result<(), StoreError> {
        let (now, gather) = (self.now, self.by.gather);
        let alert = self.known_alert(id)?;
        let what = match (alert.known_open, alert.open > 0, alert.unsaid.came > 0) {
            (false, true, _) => What::Opened,
            (true, true, true) => What::More,
            (true, false, _) | (false, false, true) => What::Resolved,
            (true, true, false) | (false, false, false) => return Ok(()),
        };
        let what = what(Box::new(Said::of(alert)));
        let (severity, known_open, is_open) = (alert.severity, alert.known_open, alert.open > 0);
        // Whoever was told that something is the case is told that it is not any more.
        let says_the_end = known_open && !is_open;
        if !says_the_end && self.is_muted(id)? {
            return self.hold(id, is_open);
        }
        let alert = self.known_alert(id)?;
        alert.unsaid = Unsaid::default();
        alert.known_open = is_open;
        alert.quiet_until = Some(later(now, gather));
        let number = self.place(id)?;
        self.rows.insert(rows::held(id), None);
        let notice = Notice { number, at: now, severity, what };
        self.known_alert(id)?.last = Some(notice.clone());
        self.notices.push(notice.what.name());
        if self.budget.spend(&notice.what, severity, now, self.by.burst) {
            self.queue(&notice);
        }
        Ok(())
    }

    fn is_muted(&mut self, id: AlertId) -> Result<bool, StoreError> {
        let (by, now) = (self.by, self.now);
        let alert = self.known_alert(id)?;
        Ok(by.active.iter().any(|mute| mute.applies(alert.about(), now)))
    }

    /// Keeps an alert for when it is not muted any more.
    fn hold(&mut self, id: AlertId, is_open: bool) -> Result<(), StoreError> {
        let held = rows::held(id);
        if !is_open {
            // It came and went while nobody wanted to know.
            self.known_alert(id)?.unsaid = Unsaid::default();
            self.rows.insert(held, None);
        } else if self.get::<bool>(&held)?.is_none() {
            self.put(held, &true);
            if self.known_alert(id)?.unsaid.came > 0 {
                self.place(id)?;
            }
        }
        Ok(())
    }

    /// Puts an alert before all others. Gives the number for it.
    fn place(&mut self, id: AlertId) -> Result<u64, StoreError> {
        self.last_notice += 1;
        let number = self.last_notice;
        let before = std::mem::replace(&mut self.known_alert(id)?.place, number);
        self.rows.insert(rows::recent(before), None);
        self.put(rows::recent(number), &id);
        Ok(number)
    }

    /// Says together what was too much to be said one by one.
    fn end_of_flood(&mut self) {
        if let Some(flood) = self.budget.close(self.now, self.by.gather) {
            self.last_notice += 1;
            let notice = Notice { number: self.last_notice, at: self.now, severity: flood.severity(), what: What::Flood(flood) };
            self.notices.push(notice.what.name());
            self.queue(&notice);
        }
    }

    fn queue(&mut self, notice: &Notice) {
        for channel in self.by.channels.iter().filter(|channel| notice.severity >= channel.min_severity) {
            let planned = self.queued.iter().filter(|(other, room)| *room && other.name == channel.name).count();
            let room = channel.has_room(planned);
            let delivery = Delivery::new(&channel.name, notice.clone(), self.now, room);
            let kind = if room { rows::QUEUE } else { rows::DEAD };
            self.rows.insert(rows::delivery(kind, &channel.name, notice.number), Some(encode(&delivery)));
            self.queued.push((Arc::clone(channel), room));
        }
    }

    /// Writes everything in one batch.
    fn write(mut self) -> Result<(), StoreError> {
        let alerts = std::mem::take(&mut self.alerts);
        for (id, (_, alert)) in &alerts {
            self.put(rows::alert(*id), alert);
        }
        let nothing = self.rows.is_empty();
        let before: Budget = rows::get(&self.by.store, rows::BUDGET)?.unwrap_or_default();
        if nothing && before == self.budget {
            return Ok(());
        }
        let (last_notice, budget) = (self.last_notice, std::mem::take(&mut self.budget));
        self.put(rows::NOTICES.to_vec(), &last_notice);
        self.put(rows::BUDGET.to_vec(), &budget);
        let (written, said) = (std::mem::take(&mut self.rows), !self.notices.is_empty());
        self.by.store.write(|txn| {
            for (key, row) in written {
                match row {
                    Some(row) => txn.put(Family::Alerts, key, row),
                    None => txn.delete(Family::Alerts, key),
                }
            }
            // What leaves must not be forgotten by a power cut, or it would leave again as something else.
            if said {
                txn.sync();
            }
            Ok::<_, StoreError>(())
        })?;
        for (before, after) in alerts.values() {
            self.by.metrics.changed(before.as_ref(), after);
        }
        self.notices.iter().for_each(|kind| self.by.metrics.notices.with_label_values(&[*kind]).inc());
        self.queued.iter().for_each(|(channel, room)| channel.added(*room));
        Ok(())
    }

    /// An alert, to be changed; if there is none, the one that `new` makes.
    fn alert(&mut self, id: AlertId, new: impl FnOnce() -> Alert) -> Result<&mut Alert, StoreError> {
        if !self.alerts.contains_key(&id) {
            let stored: Option<Alert> = rows::get(&self.by.store, &rows::alert(id))?;
            let alert = stored.clone().unwrap_or_else(new);
            self.alerts.insert(id, (stored, alert));
        }
        Ok(&mut self.alerts.get_mut(&id).expect("it was put there").1)
    }

    fn known_alert(&mut self, id: AlertId) -> Result<&mut Alert, StoreError> {
        if !self.alerts.contains_key(&id) {
            let stored: Alert = rows::get(&self.by.store, &rows::alert(id))?.ok_or(Damage::MalformedRow)?;
            self.alerts.insert(id, (Some(stored.clone()), stored));
        }
        Ok(&mut self.alerts.get_mut(&id).expect("it was put there").1)
    }

    /// A row as this step will leave it.
    fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        match self.rows.get(key) {
            Some(row) => row.as_deref().map(decode).transpose(),
            None => rows::get(&self.by.store, key),
        }
    }

    fn put(&mut self, key: Vec<u8>, row: &impl Serialize) {
        self.rows.insert(key, Some(encode(row)));
    }
}

impl What {
    /// As it is called in metrics and messages.
    pub fn name(&self) -> &'static str {
        match self {
            What::Opened(_) => "opened",
            What::More(_) => "more",
            What::Resolved(_) => "resolved",
            What::Flood(_) => "flood",
        }
    }
}
