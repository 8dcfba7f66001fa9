//! What strangers wrote, made fit to print; numbers and times for people.

use jiff::Timestamp;
use tlog::Hash;
use tlog::policy::{Since, Tally, Vote};
use tlog::printable::{Printable, is_printable};

/// Text of an entry, or of anything else that a stranger wrote: what a terminal would act on is replaced.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    let text = str::from_utf8(bytes).ok()?;
    let harmless = |c: char| if is_printable(c) || c == '\n' || c == '\t' { c } else { '\u{fffd}' };
    Some(text.chars().map(harmless).collect())
}

/// An entry in one line: its beginning if it is text, its size and digest if it is not.
pub(crate) fn entry(bytes: &[u8]) -> String {
    const ENOUGH: usize = 160;
    match text(bytes) {
        Some(text) if text.chars().count() <= ENOUGH => text.replace('\n', " "),
        Some(text) => text.chars().take(ENOUGH).collect::<String>().replace('\n', " ") + "…",
        None => format!("{} bytes that are not text, SHA-256 {}", bytes.len(), Hash::sha256(bytes)),
    }
}

/// `1 entry`, `2 entries`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}

/// A time in seconds since 1970.
pub(crate) fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("second {seconds}"), |time| time.to_string())
}

/// Who cosigned, and when, and who of those whom the policy counts did not; `None` if it counts none and none cosigned.
pub(crate) fn witnesses(tally: &Tally) -> Option<String> {
    let name = |vote: &Vote| Printable(&vote.name).to_string();
    let signed = |vote: &Vote| match vote.cosigned? {
        Since::Unknown => Some(name(vote)),
        Since::Time(seconds) => Some(format!("{} ({})", name(vote), time(seconds.get()))),
    };
    let list = |votes: &[Vote]| votes.iter().filter_map(signed).collect::<Vec<_>>();
    let (counted, uncounted) = (list(&tally.votes), list(&tally.uncounted));
    let missing: Vec<_> = tally.votes.iter().filter(|vote| vote.cosigned.is_none()).map(name).collect();
    let mut parts = Vec::new();
    match tally.votes.len() {
        0 => {}
        1 => parts.push(counted.join(", ")),
        all => parts.push(format!("{} of {all} ({} needed): {}", counted.len(), tally.threshold, counted.join(", "))),
    }
    if !missing.is_empty() {
        parts.push(format!("not by {}", missing.join(", ")));
    }
    if !uncounted.is_empty() {
        parts.push(format!("uncounted: {}", uncounted.join(", ")));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use tlog::key::{Algorithm, KeyName, SigningKey};
    use tlog::policy::Policy;

    use super::*;

    #[test]
    fn what_is_shown_cannot_command_the_terminal() {
        assert_eq!(text(b"\x1b]0;owned\x07\r\n"), Some("\u{fffd}]0;owned\u{fffd}\u{fffd}\n".into()));
        assert_eq!(text("\u{9b}2J\u{202e}é".as_bytes()), Some("\u{fffd}2J\u{fffd}é".into()));
        assert_eq!(text(b"\xff"), None);
        assert!(entry(&[0xff; 3]).starts_with("3 bytes that are not text"));
        assert_eq!(entry("é".repeat(1000).as_bytes()).chars().count(), 161);
    }

    #[test]
    fn votes_are_shown_with_who_is_missing() {
        let policy = |quorum: &str| {
            let key = |name: &str, seed| {
                let name = KeyName::new(name).unwrap();
                SigningKey::from_seed(name, Algorithm::CosignatureEd25519, &[seed; 32]).unwrap().verifier_key().to_string()
            };
            let names = ["north", "south", "east"];
            let witnesses: String = names.iter().zip(1..).map(|(name, seed)| format!("witness {name} {}\n", key(name, seed))).collect();
            Policy::parse(format!("{witnesses}{quorum}\n").as_bytes()).unwrap()
        };
        let shown = |quorum: &str, signed: &[&str]| {
            let mut tally = policy(quorum).tally(&[]);
            for vote in tally.votes.iter_mut().chain(&mut tally.uncounted).filter(|vote| signed.contains(&vote.name.to_string().as_str())) {
                vote.cosigned = Some(Since::Time(1.try_into().unwrap()));
            }
            witnesses(&tally)
        };
        let second = "(1970-01-01T00:00:01Z)";
        assert_eq!(shown("quorum none", &[]), None);
        assert_eq!(shown("quorum none", &["east"]), Some(format!("uncounted: east {second}")));
        assert_eq!(shown("quorum east", &["east"]), Some(format!("east {second}")));
        let two_of_two = "group both all north south\nquorum both";
        let all = format!("2 of 2 (2 needed): north {second}, south {second}");
        assert_eq!(shown(two_of_two, &["north", "south"]), Some(all.clone()));
        assert_eq!(shown(two_of_two, &["north", "south", "east"]), Some(format!("{all}; uncounted: east {second}")));
        let one = "group some any north south east\nquorum some";
        assert_eq!(shown(one, &["south"]), Some(format!("1 of 3 (1 needed): south {second}; not by north, east")));
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (17862, "17,862"), (1234567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(count(1, "entry", "entries"), "1 entry");
    }
}
