#![allow(clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::fixture::{World, at};
use super::*;

fn numbered(range: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    range.map(|number| format!("2026/{number}"))
}

fn mute(world: &World, codes: &str, until: i64) {
    let dir = tempfile::tempdir().unwrap();
    let (codes, until) = (codes.parse().unwrap(), at(until));
    let new = NewMute { codes, log: None, group: None, up_to: None, reason: "known".to_owned(), until };
    let mute = MuteDir::of(dir.path()).add(&new, at(0)).unwrap();
    world.mutes.set(vec![mute]);
}

#[test]
fn the_first_finding_is_said_at_once_and_what_follows_is_gathered() {
    let mut world = World::new(&[("a", Severity::Info), ("b", Severity::Error)], 20);
    world.raise(0, &Code::GAP, "x.example", ["2026/1"]);
    world.group(0);
    assert_eq!(world.said(0, 0), ["opened process.gap x.example +1 -0 open 1"]);
    assert!(world.said(1, 0).is_empty(), "the other channel wants errors only");
    world.raise(10, &Code::GAP, "x.example", numbered(2..9));
    world.raise(10, &Code::GAP, "y.example", ["2026/1y"]);
    world.clear(20, &Code::GAP, ["2026/2"]);
    world.group(20);
    assert_eq!(world.said(0, 20), ["opened process.gap y.example +1 -0 open 1"]);
    world.group(99);
    assert!(world.said(0, 99).is_empty());
    world.group(100);
    assert_eq!(world.said(0, 100), ["more process.gap x.example +7 -1 open 7"]);
    let alert = alert(&world.store, AlertId::new(fixture::LOG, &Code::GAP, "x.example")).unwrap().unwrap();
    let said = alert.last.as_ref().unwrap().said().unwrap();
    assert_eq!((said.findings.len(), said.omitted, said.findings[0].subject.as_str()), (5, 2, "2026/2"));
    world.clear(300, &Code::GAP, numbered(1..9));
    world.group(300);
    assert_eq!(world.said(0, 300), ["resolved process.gap x.example +0 -7 open 0"]);
    assert!(world.is_settled());
}

#[test]
fn what_comes_and_goes_and_comes_is_said_at_most_once_in_the_time() {
    let mut world = World::new(&[("a", Severity::Info)], 20);
    let mut said = Vec::new();
    for second in 0..1000 {
        if second % 2 == 0 {
            world.raise(second, &Code::LOG_UNREACHABLE, "", ["log"]);
        } else {
            world.clear(second, &Code::LOG_UNREACHABLE, ["log"]);
        }
        world.group(second);
        said.extend(world.said(0, second));
    }
    assert_eq!(said.len(), 10, "{said:?}");
    assert!(said[1].starts_with("more log.unreachable  +50 -50 open 1"), "{said:?}");
    world.group(2000);
    assert_eq!(world.said(0, 2000), ["resolved log.unreachable  +49 -50 open 0"]);
    world.raise(3000, &Code::LOG_UNREACHABLE, "", ["log"]);
    world.group(3000);
    let alert = newest(&world.store, 10).unwrap().remove(0);
    assert_eq!((alert.episode, alert.found, alert.opened), (2, 1, at(3000)));
}

#[test]
fn a_flood_of_findings_makes_a_bounded_number_of_messages() {
    let mut world = World::new(&[("a", Severity::Info)], 20);
    let mut outcome = crate::check::Outcome::default();
    for number in 0..20_000 {
        let raised = crate::finding::Raised::new(Code::LATE, format!("{}.example", number / 10), format!("2026/{number}"), "Late.");
        outcome.raise(raised);
    }
    outcome.raise(crate::finding::Raised::new(Code::LOG_FORK, "", "1/2", "Two histories."));
    world.record(0, outcome);
    world.group(0);
    let said = world.said(0, 0);
    assert_eq!(said.len(), 21, "20 of 2,000 alerts, and the fork, which has its own share");
    assert!(said.contains(&"opened log.fork  +1 -0 open 1".to_owned()), "{said:?}");
    world.group(100);
    let waiting = world.waiting(0);
    let What::Flood(flood) = &waiting[0].notice.what else { panic!("{waiting:?}") };
    assert_eq!((flood.opened, flood.findings, flood.worst.len()), (1980, 1980, 20));
    assert_eq!(waiting.len(), 21, "of the alerts that have more, 20 are said, the rest in the next time");
    world.said(0, 100);
    world.group(200);
    let What::Flood(flood) = &world.waiting(0)[0].notice.what else { panic!() };
    assert_eq!((flood.more, flood.findings), (1980, 1980 * 9));
    world.said(0, 200);
    world.group(300);
    assert!(world.said(0, 300).is_empty() && world.is_settled());
}

#[test]
fn what_is_muted_is_kept_and_said_when_the_mute_ends() {
    let mut world = World::new(&[("a", Severity::Info)], 20);
    mute(&world, "process.*", 1000);
    world.raise(0, &Code::GAP, "x.example", ["2026/1", "2026/2"]);
    world.raise(0, &Code::BURST, "x.example", ["2026-01-01"]);
    world.raise(0, &Code::LOG_STALE, "", ["log"]);
    world.group(0);
    assert_eq!(world.said(0, 0), ["opened log.stale-head  +1 -0 open 1"]);
    let all = newest(&world.store, 10).unwrap();
    assert_eq!(all.len(), 3, "they are shown");
    let muted = all.iter().filter(|alert| world.mutes.applying(alert.about(), at(0)).is_some());
    assert_eq!(muted.count(), 2, "and marked");
    // One of them is over before anybody wants to know.
    world.clear(500, &Code::BURST, ["2026-01-01"]);
    world.restart();
    world.group(999);
    assert!(world.said(0, 999).is_empty());
    world.group(1000);
    assert_eq!(world.said(0, 1000), ["opened process.gap x.example +2 -0 open 2"]);
    assert!(world.is_settled());
}

#[test]
fn who_was_told_that_something_is_the_case_is_told_that_it_is_over_although_it_was_muted_since() {
    let mut world = World::new(&[("a", Severity::Info)], 20);
    world.raise(0, &Code::GAP, "x.example", ["2026/1"]);
    world.group(0);
    world.said(0, 0);
    mute(&world, "*", 10_000);
    world.raise(200, &Code::GAP, "x.example", ["2026/2"]);
    world.group(200);
    assert!(world.said(0, 200).is_empty());
    world.clear(300, &Code::GAP, ["2026/1", "2026/2"]);
    world.group(300);
    assert_eq!(world.said(0, 300), ["resolved process.gap x.example +1 -2 open 0"]);
    world.mutes.set(Vec::new());
    world.group(400);
    assert!(world.said(0, 400).is_empty() && world.is_settled());
}

#[test]
fn a_mute_that_is_taken_back_lets_out_what_is_still_the_case() {
    let mut world = World::new(&[("a", Severity::Info)], 2000);
    mute(&world, "process.gap", 10_000);
    for number in 0..1200 {
        world.raise(0, &Code::GAP, &format!("{number}.example"), [format!("2026/{number}")]);
    }
    world.group(0);
    assert_eq!((world.waiting(0).len(), world.rows(rows::HELD)), (0, 1200));
    // Another mute that has nothing to do with them changes nothing.
    let places: Vec<u64> = newest(&world.store, 10).unwrap().iter().map(|alert| alert.place).collect();
    mute(&world, "process.*", 10_000);
    world.group(1);
    assert_eq!(newest(&world.store, 10).unwrap().iter().map(|alert| alert.place).collect::<Vec<_>>(), places);
    world.mutes.set(Vec::new());
    world.group(2);
    assert_eq!((world.waiting(0).len(), world.rows(rows::HELD)), (1200, 0));
}

#[test]
fn a_finding_that_comes_again_about_somebody_else_leaves_the_first_alert() {
    let mut world = World::new(&[("a", Severity::Info)], 20);
    world.raise(0, &Code::GAP, "x.example", ["2026/1"]);
    world.group(0);
    world.clear(200, &Code::GAP, ["2026/1"]);
    world.raise(200, &Code::GAP, "y.example", ["2026/1"]);
    world.group(200);
    let mut said = world.said(0, 200);
    said.sort();
    assert_eq!(said[1..], ["opened process.gap y.example +1 -0 open 1", "resolved process.gap x.example +0 -1 open 0"]);
}

#[test]
fn open_alerts_are_counted_by_code_and_severity() {
    let mut world = World::new(&[], 20);
    world.raise(0, &Code::GAP, "x.example", ["2026/1"]);
    world.raise(0, &Code::GAP, "y.example", ["2026/2"]);
    world.group(0);
    let count = |metrics: &Metrics| metrics.open.with_label_values(&["process.gap", "warning"]).get();
    assert_eq!(count(&world.metrics), 2);
    world.clear(1, &Code::GAP, ["2026/1"]);
    world.group(1);
    assert_eq!(count(&world.metrics), 1);
    world.metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    world.restart();
    world.grouping.count().unwrap();
    assert_eq!(count(&world.metrics), 1);
}

/// What a test does to a monitor.
#[derive(Clone, Debug)]
enum Act {
    Raise(u8),
    Clear(u8),
    Later(u16),
    Group,
    /// A try that is answered; then, perhaps, the monitor is killed before that is written down.
    Deliver {
        killed: bool,
    },
    /// A try that fails.
    Fail,
    Kill,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0_u8..12).prop_map(Act::Raise),
        4 => (0_u8..12).prop_map(Act::Clear),
        2 => (1_u16..300).prop_map(Act::Later),
        4 => Just(Act::Group),
        4 => any::<bool>().prop_map(|killed| Act::Deliver { killed }),
        1 => Just(Act::Fail),
        1 => Just(Act::Kill),
    ];
    proptest::collection::vec(act, 1..60)
}

/// A receiver: the ids of what it got, in order.
#[derive(Default)]
struct Received {
    ids: Vec<DeliveryId>,
    /// Those that it may get again, since the monitor was killed between the answer and writing it down.
    again: Vec<DeliveryId>,
}

impl Received {
    fn get(&mut self, id: DeliveryId, killed: bool) {
        if self.ids.contains(&id) {
            assert!(self.again.contains(&id), "{id} came twice although nothing was killed");
            self.again.retain(|other| *other != id);
        } else {
            self.ids.push(id);
        }
        if killed {
            self.again.push(id);
        }
    }
}

/// The module's own kill test: whatever is done and wherever it is killed, each receiver gets each notice, in order, with one id, and twice
/// only if the monitor was killed between the answer and the batch that writes it down.
#[test]
fn every_notice_reaches_every_receiver_once_and_twice_only_if_killed_in_between() {
    let config = Config { cases: 60, rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&acts(), |acts| {
            let mut world = World::new(&[("a", Severity::Info), ("b", Severity::Info)], 3);
            let (mut now, mut received) = (0_i64, [Received::default(), Received::default()]);
            let mut open = [false; 12];
            for act in acts {
                match act {
                    Act::Raise(subject) => {
                        open[usize::from(subject)] = true;
                        world.raise(now, &Code::GAP, &format!("{}.example", subject % 5), [format!("2026/{subject}")]);
                    }
                    Act::Clear(subject) => {
                        open[usize::from(subject)] = false;
                        world.clear(now, &Code::GAP, [format!("2026/{subject}")]);
                    }
                    Act::Later(seconds) => now += i64::from(seconds),
                    Act::Group => {
                        world.grouping.step(at(now)).unwrap();
                    }
                    Act::Deliver { killed } => {
                        for (place, received) in received.iter_mut().enumerate() {
                            let channel = &world.channels[place];
                            if let Ok(next) = channel.next(&world.store, at(now), 1).unwrap() {
                                received.get(next[0].id, killed);
                                if !killed {
                                    channel.record(&world.store, &next, &Ok(()), at(now)).unwrap();
                                }
                            }
                        }
                        if killed {
                            world.restart();
                        }
                    }
                    Act::Fail => {
                        let channel = &world.channels[0];
                        if let Ok(next) = channel.next(&world.store, at(now), 1).unwrap()
                            && next[0].attempts < 3
                        {
                            channel.record(&world.store, &next, &Err("no".to_owned()), at(now)).unwrap();
                        }
                    }
                    Act::Kill => world.restart(),
                }
            }
            // Everything settles.
            for _ in 0..4 {
                now += 4000;
                world.group(now);
                for (place, received) in received.iter_mut().enumerate() {
                    while let Ok(next) = world.channels[place].next(&world.store, at(now), 1).unwrap() {
                        received.get(next[0].id, false);
                        world.channels[place].record(&world.store, &next, &Ok(()), at(now)).unwrap();
                    }
                }
            }
            prop_assert!(world.is_settled());
            prop_assert_eq!(world.rows(rows::QUEUE) + world.rows(rows::DEAD), 0);
            // What people know is what is the case.
            for group in 0..5_u8 {
                let is = (0..12).filter(|subject| subject % 5 == group && open[usize::from(*subject)]).count();
                let alert = alert(&world.store, AlertId::new(fixture::LOG, &Code::GAP, &format!("{group}.example"))).unwrap();
                prop_assert_eq!(alert.as_ref().map_or(0, |alert| alert.open), u64::try_from(is).unwrap());
                prop_assert_eq!(alert.is_some_and(|alert| alert.known_open), is > 0);
            }
            // Both got the same notices, as many as there were.
            prop_assert_eq!(received[0].ids.len(), received[1].ids.len());
            Ok(())
        })
        .unwrap();
}
