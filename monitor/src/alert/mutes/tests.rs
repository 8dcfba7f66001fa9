#![allow(clippy::unwrap_used, reason = "a test may fail")]

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn new(codes: &str, until: i64) -> NewMute {
    NewMute { codes: codes.parse().unwrap(), log: None, group: None, up_to: None, reason: "moving house".to_owned(), until: at(until) }
}

#[test]
fn a_mute_applies_to_what_it_names_and_until_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mutes = MuteDir::of(dir.path());
    let about = About { log: "log.example", code: &Code::GAP, group: "issuer.example", severity: Severity::Warning };
    let applies = |new: NewMute, now| mutes.add(&new, at(0)).unwrap().applies(about, at(now));
    assert!(applies(new("process.*", 100), 99));
    assert!(!applies(new("process.*", 100), 100), "it has ended");
    assert!(applies(new("*", 100), 1) && applies(new("process.gap", 100), 1));
    assert!(!applies(new("process.burst", 100), 1) && !applies(new("log.*", 100), 1));
    let some = |text: &str| Some(text.to_owned());
    assert!(applies(NewMute { log: some("log.example"), group: some("issuer.example"), ..new("*", 100) }, 1));
    assert!(!applies(NewMute { log: some("other.example"), ..new("*", 100) }, 1));
    assert!(!applies(NewMute { group: some("other.example"), ..new("*", 100) }, 1));
    assert!(applies(NewMute { up_to: Some(Severity::Warning), ..new("*", 100) }, 1));
    assert!(!applies(NewMute { up_to: Some(Severity::Notice), ..new("*", 100) }, 1));
}

#[test]
fn mutes_are_files_that_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let mutes = MuteDir::of(dir.path());
    assert!(mutes.read().unwrap().0.is_empty(), "there need not be a directory");
    let first = mutes.add(&new("process.*", 100), at(0)).unwrap();
    let second = mutes.add(&new("log.stale-head", 200), at(1)).unwrap();
    assert_eq!(mutes.read().unwrap().0, [first.clone(), second.clone()]);
    let third = mutes.add(&new("log.fork", 200), at(100)).unwrap();
    assert_eq!(mutes.read().unwrap().0, [second.clone(), third.clone()], "the first had ended");
    mutes.remove(&second.id).unwrap();
    assert!(matches!(mutes.remove(&second.id), Err(MuteError::None(_))));
    assert_eq!(mutes.read().unwrap().0, [third]);
}

#[test]
fn what_is_no_mute_mutes_nothing_and_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let mutes = MuteDir::of(dir.path());
    let good = mutes.add(&new("*", 100), at(0)).unwrap();
    let file = |name: &str| dir.path().join("mutes").join(name);
    let text = fs::read(file(&format!("{}.json", good.id))).unwrap();
    fs::write(file("00000000.json"), &text).unwrap(); // another name than its own
    fs::write(file("11111111.json"), "{}").unwrap();
    fs::write(file("22222222.json"), vec![b' '; 17 << 10]).unwrap();
    fs::write(file("33333333.json.7-0.tmp"), "{").unwrap(); // being written
    let (read, bad) = mutes.read().unwrap();
    assert_eq!((read, bad.len()), (vec![good], 3));
}

#[test]
fn a_mute_has_a_reason_and_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let mutes = MuteDir::of(dir.path());
    assert!(matches!(mutes.add(&new("*", 5), at(5)), Err(MuteError::Over(_))));
    for reason in ["", " ", "two\nlines", "\u{1b}[2J", &"a".repeat(501)] {
        assert!(matches!(mutes.add(&NewMute { reason: reason.to_owned(), ..new("*", 5) }, at(0)), Err(MuteError::NoReason)), "{reason:?}");
    }
    assert!(!dir.path().join("mutes").exists());
}

#[test]
fn kinds_are_read_back_as_they_were_written() {
    for good in ["*", "log.*", "process.*", "ocds.*", "rule.*", "rule.roofs", "watch.*", "ledger.*", "ledger.number-used", "log.fork"] {
        assert_eq!(good.parse::<Codes>().map(|codes| codes.to_string()), Ok(good.to_owned()));
    }
    for bad in ["", "**", "lo*", "log.f*", "log", "nothing.*", "process.gaps", "rule.a b"] {
        assert_eq!(bad.parse::<Codes>(), Err(UnknownCodes), "{bad:?}");
    }
    assert!("../../../x".parse::<MuteId>().is_err() && "0123abcd".parse::<MuteId>().is_ok());
}
