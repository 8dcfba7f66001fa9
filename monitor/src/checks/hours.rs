//! Statements that were published outside of the hours that their issuer declares.
//!
//! **Finds** decisions and annotations that were published at a time at which, by the issuer's registration, it does not publish. One finding
//! for each issuer and day, about the first of them.
//!
//! **Why somebody does that**: late on a Friday nobody looks. At three in the morning it may be somebody else who holds the key.
//!
//! **False alarms**: overtime; machines that publish at night what was decided by day; hours that are out of date in the register.
//!
//! Judged by the time of publication, if that is known to within `precise`, else by the time at which the issuer says that it issued the
//! statement; the finding says which. Hours that cannot be read are said once, and nothing is judged by them.

use decision::types::{Body, Hours, Registration};
use jiff::Zoned;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tlog::printable::Printable;

use super::rhythm::{Basis, when};
use super::settings::{Settings, seconds};
use super::{admitted, encode, key, moment, numbered, read};
use crate::check::{Check, Judged, Outcome, Rows};
use crate::finding::{Code, Raised};
use crate::store::StoreError;

pub(super) struct OutsideHours {
    precise: i64,
}

/// The hours of an issuer: key `h`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Declared {
    /// On which days: bit 0 is Monday.
    days: u8,
    /// From which minute of the day, up to and with which.
    from: u16,
    until: u16,
    zone: Box<str>,
    /// The last day of which something was said.
    said: Option<Box<str>>,
}

impl OutsideHours {
    pub(super) fn new(settings: &Settings) -> Self {
        OutsideHours { precise: seconds(settings.0.precise) }
    }
}

impl Check for OutsideHours {
    fn name(&self) -> &'static str {
        "hours"
    }

    fn entry(&self, rows: &mut Rows<'_, '_>, entry: &Judged<'_>, out: &mut Outcome) -> Result<(), StoreError> {
        let Some(statement) = admitted(entry) else { return Ok(()) };
        if let Body::Registration(registration) = statement.body() {
            return registered(rows, entry, registration, out);
        }
        let Some(number) = numbered(entry) else { return Ok(()) };
        let issuer = number.issuer.as_str();
        let declared_key = key(b"h", &[issuer]);
        let Some(declared) = read::<Declared>(rows, &declared_key)? else { return Ok(()) };
        // It was there when the hours were read; a system may have lost it since.
        let Ok(zone) = TimeZone::get(&declared.zone) else { return Ok(()) };
        let (at, basis) = when(entry.published, statement.issued().as_unix(), self.precise);
        let at = moment(at).to_zoned(zone.clone());
        let certain = match (basis, entry.published.earliest) {
            (Basis::Heads, Some(earliest)) => !declared.allow(&earliest.to_zoned(zone)),
            _ => true,
        };
        let day: Box<str> = at.date().to_string().into();
        if !certain || declared.allow(&at) || declared.said.as_ref() == Some(&day) {
            return Ok(());
        }
        let (index, subject) = (entry.index.as_u64(), format!("{issuer} {day}"));
        let said = format!("Number {} of series {} of {issuer} (entry {index})", number.seq, number.series);
        let how = match basis {
            Basis::Heads => "was published",
            Basis::Issuer => "was issued, as its issuer says,",
        };
        let text = format!(
            "{said} {how} on {}, outside of the hours that the issuer declares: {}.",
            at.strftime("%A %F at %H:%M %Z"),
            declared.text()
        );
        out.raise(Raised::new(Code::OUTSIDE_HOURS, issuer, subject, text).at([index]));
        rows.put(&declared_key, encode(&Declared { said: Some(day), ..declared }));
        Ok(())
    }
}

fn registered(rows: &mut Rows<'_, '_>, entry: &Judged<'_>, registration: &Registration, out: &mut Outcome) -> Result<(), StoreError> {
    let issuer = registration.issuer.as_str();
    let (key, subject) = (key(b"h", &[issuer]), format!("hours of {issuer}"));
    let declared = registration.hours.as_ref().map(|hours| Declared::parse(hours).ok_or(hours));
    let known = declared.as_ref().and_then(|declared| declared.as_ref().ok());
    match known {
        Some(declared) => rows.put(&key, encode(declared)),
        None if rows.get(&key)?.is_some() => rows.delete(&key),
        None => {}
    }
    let Some(Err(hours)) = declared else {
        out.clear(Code::NOT_UNDERSTOOD, subject);
        return Ok(());
    };
    let days = hours.days.iter().map(|day| day.as_str()).collect::<Vec<_>>().join(", ");
    let written = format!("{days} from {} until {} in {}", hours.from, hours.until, hours.zone);
    let text = format!(
        "The hours that {issuer} declares cannot be read, so whether it publishes outside of them is not looked at: {}.",
        Printable(written)
    );
    out.raise(Raised::new(Code::NOT_UNDERSTOOD, issuer, subject, text).at([entry.index.as_u64()]));
    Ok(())
}

impl Declared {
    fn parse(hours: &Hours) -> Option<Self> {
        let days = hours.days.iter().map(|days| parse_days(days.as_str())).try_fold(0, |all, days| Some(all | days?))?;
        let (from, until) = (minute(hours.from.as_str())?, minute(hours.until.as_str())?);
        TimeZone::get(hours.zone.as_str()).ok()?;
        let makes_sense = days != 0 && from != until && from < 24 * 60;
        makes_sense.then(|| Declared { days, from, until, zone: hours.zone.as_str().into(), said: None })
    }

    /// The minute `until` is the last one of the hours. Those of a night belong to the day on which it begins.
    fn allow(&self, at: &Zoned) -> bool {
        let minute = u16::from(at.hour().unsigned_abs()) * 60 + u16::from(at.minute().unsigned_abs());
        let (today, yesterday) = (self.has(at.weekday()), self.has(at.weekday().previous()));
        if self.from < self.until {
            return today && (self.from..=self.until).contains(&minute);
        }
        (today && minute >= self.from) || (yesterday && minute <= self.until)
    }

    fn has(&self, day: Weekday) -> bool {
        self.days & (1 << day.to_monday_zero_offset()) != 0
    }

    fn text(&self) -> String {
        let days = (0..7).filter(|day| self.days & (1 << day) != 0).map(|day| DAYS[day]).collect::<Vec<_>>().join(", ");
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        format!("{days} from {} until {} in {}", time(self.from), time(self.until), Printable(&self.zone))
    }
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Bits of days such as `mon`, or `mon-fri`, or `sat-mon`.
fn parse_days(text: &str) -> Option<u8> {
    let day = |text: &str| DAYS.iter().position(|day| text.eq_ignore_ascii_case(day));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    let len = (last + 7 - first) % 7;
    Some((0..=len).fold(0, |days, offset| days | 1 << ((first + offset) % 7)))
}

/// The minute of the day that is written as 09:00; 24:00 is the end of it.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':').filter(|_| text.len() == 5 && text.bytes().all(|c| c.is_ascii_digit() || c == b':'))?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= 24 * 60).then_some(minute)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{World, with};
    use super::*;

    const ISSUER: &str = "planning.example";

    fn world(hours: &Value) -> World {
        let mut world = World::new("");
        let registration = with(world.registration(ISSUER), "hours", hours.clone());
        world.publish(registration);
        world
    }

    fn hours(days: &[&str], from: &str, until: &str, zone: &str) -> Value {
        json!({"days": days, "from": from, "until": until, "zone": zone})
    }

    #[test]
    fn what_is_published_outside_of_the_hours_is_found() {
        let office = hours(&["mon-fri"], "09:00", "17:30", "Europe/London");
        let night = hours(&["Fri", "sat"], "22:00", "04:00", "UTC");
        for (hours, at, outside) in [
            // Summer time began on the 29th of March, 2026.
            (&office, "2026-03-27T09:00:30Z", false),
            (&office, "2026-03-27T08:59:59Z", true),
            (&office, "2026-03-30T08:00:30Z", false),
            (&office, "2026-03-30T07:59:59Z", true),
            (&office, "2026-03-27T17:30:59Z", false),
            (&office, "2026-03-27T17:31:01Z", true),
            (&office, "2026-03-28T12:00:00Z", true),
            // Both ends of the time in which it was published have to be outside.
            (&office, "2026-03-27T09:00:00Z", false),
            (&office, "2026-03-27T17:31:00Z", false),
            (&night, "2026-03-27T23:00:00Z", false),
            (&night, "2026-03-28T03:00:00Z", false),
            (&night, "2026-03-27T03:00:00Z", true),
            (&night, "2026-03-29T03:00:00Z", false),
            (&night, "2026-03-29T22:30:00Z", true),
        ] {
            let mut world = world(hours);
            world.at(at).decide(ISSUER, 1);
            assert_eq!(!world.found(&Code::OUTSIDE_HOURS).is_empty(), outside, "{at} {hours}");
        }
    }

    #[test]
    fn a_day_is_one_finding_and_says_by_which_time_it_judges() {
        let mut world = world(&hours(&["mon-fri"], "09:00", "17:30", "Europe/London"));
        world.at("2026-03-03T22:00:00Z").decide(ISSUER, 1);
        world.later(60).decide(ISSUER, 2);
        let raised = world.one(&Code::OUTSIDE_HOURS);
        assert_eq!((raised.subject.as_str(), raised.indexes.as_slice()), ("planning.example 2026-03-03", &[1][..]));
        assert!(raised.text.contains("was published on Tuesday 2026-03-03 at 22:00 GMT"), "{}", raised.text);
        assert!(raised.text.ends_with("mon, tue, wed, thu, fri from 09:00 until 17:30 in Europe/London."), "{}", raised.text);
        world.precision = None;
        world.later(86_400).decide(ISSUER, 3);
        assert_eq!(world.found(&Code::OUTSIDE_HOURS).len(), 2);
        let text = &world.open.values().last().map(|raised| raised.text.clone());
        assert!(text.as_ref().is_some_and(|text| text.contains("was issued, as its issuer says, on Wednesday")), "{text:?}");
    }

    #[test]
    fn hours_that_cannot_be_read_are_said_and_judge_nothing() {
        for (days, from, until, zone) in [
            ("monday", "09:00", "17:30", "UTC"),
            ("mon", "9:00", "17:30", "UTC"),
            ("mon", "09:00", "25:00", "UTC"),
            ("mon", "09:60", "17:30", "UTC"),
            ("mon", "09:00", "09:00", "UTC"),
            ("mon", "09:00", "17:30", "Europe/Nowhere"),
            ("mon", "09:00", "17:30", "../../etc/passwd"),
            ("mon\u{202e}<b>", "09:00", "17:30", "UTC"),
        ] {
            let mut world = world(&hours(&[days], from, until, zone));
            world.at("2026-03-01T03:00:00Z").decide(ISSUER, 1);
            assert_eq!(world.found(&Code::OUTSIDE_HOURS), [""; 0], "{days} {from} {until} {zone}");
            assert!(!world.one(&Code::NOT_UNDERSTOOD).text.contains('\u{202e}'));
            let better = with(world.registration(ISSUER), "hours", hours(&["mon"], "09:00", "17:30", "UTC"));
            world.publish(better);
            world.decide(ISSUER, 2);
            assert_eq!((world.found(&Code::NOT_UNDERSTOOD).len(), world.found(&Code::OUTSIDE_HOURS).len()), (0, 1));
            let none = world.registration(ISSUER);
            world.publish(none);
            world.later(86_400).decide(ISSUER, 3);
            assert_eq!(world.found(&Code::OUTSIDE_HOURS).len(), 1, "none declared any more");
        }
    }
}
