//! A log, its witnesses and its clients in one thread, with a network and a fate that a seed decides.
//!
//! Everything is the real thing but what depends on threads, disks and sockets: sequencer, gathering and witnesses run as tasks over stores
//! in memory and over a network that delays, loses, repeats and cuts off; time is tokio's paused clock, which jumps to the next event when
//! nothing can be done any more. So a seed is a whole story, the same each time, and a thousand of them take seconds.
//!
//! Two ways were weighed. A simulated network below HTTP would run the connections too, but the sequencer and the store's reads have threads
//! of their own, whose order no network can decide. One above HTTP, at [`crate::gather::Transport`], decides everything; connections are
//! tested by themselves, with real sockets.
//!
//! What is judged afterwards ([`record`]): no two heads that a quorum cosigned disagree, whether anybody saw them or not; every receipt
//! verifies; and where the log itself was honest, what it acknowledged is there, and all is published once the weather clears.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod machine;
mod network;
mod random;
mod record;
mod time;
mod witness;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tlog::policy::Policy;
use tokio::time::sleep;

use self::machine::Machine;
use self::network::{Network, Weather};
use self::random::Random;
use self::record::Record;
use self::witness::{Host, Manner};
use crate::fixture;

/// What kind of story it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// All are honest, and all may crash.
    Storm,
    /// One witness lies, in every way that might harm a log that believes it.
    Liar,
    /// One witness is put back to an older state. It may then cosign anything; a quorum has two.
    Forgetful,
    /// The log is put back to an older state, without its anchor.
    Restored,
    /// A copy of the log runs beside it, with the same key.
    Cloned,
    /// More is wrong than two of three witnesses can bear: two of them and the log are put back. Here the simulation has to find something.
    Hopeless,
}

/// What came of a story.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Outcome {
    receipts: usize,
    witnessed: usize,
    delivered: u64,
    /// Logs that ended over another history.
    stopped: usize,
}

struct World {
    scenario: Scenario,
    random: Random,
    network: Network,
    hosts: Vec<Host>,
    /// Whether each witness is running.
    up: Vec<bool>,
    policy: Policy,
    record: Arc<Mutex<Record>>,
    logs: Vec<Machine>,
    /// An older copy of the log's store.
    copy: Option<crate::store::MemoryStore>,
    entries: u64,
}

const WITNESSES: usize = 3;

impl World {
    fn new(seed: u64, scenario: Scenario) -> Self {
        time::begin();
        let mut random = Random::new(seed);
        let record = Arc::new(Mutex::new(Record::default()));
        let weather = Weather { lost: random.below(20), repeated: random.below(20), delay: 1 + random.below(100), late: random.below(4) };
        let network = Network::new(weather);
        let log_keys = vec![fixture::key().verifier_key().clone()];
        let manner = |number| if scenario == Scenario::Liar && number == 0 { Manner::Lying } else { Manner::Honest };
        let host = |number| Host::new(number, log_keys.clone(), manner(number), random.fork(), Arc::clone(&record));
        let hosts: Vec<Host> = (0..WITNESSES).map(host).collect();
        let mut text = format!("log {}\n", log_keys[0]);
        for (number, host) in hosts.iter().enumerate() {
            network.connect(&format!("w{number}"), host.clone(), random.fork());
            text.push_str(&format!("witness w{number} {} http://w{number}\n", witness::signing_key(number).verifier_key()));
        }
        text.push_str("group all 2 w0 w1 w2\nquorum all\n");
        let policy = Policy::parse(text.as_bytes()).unwrap();
        let mut log = Machine::new(Machine::empty_store());
        log.start(&network, &policy, &record, &mut random);
        World { scenario, random, network, hosts, up: vec![true; WITNESSES], policy, record, logs: vec![log], copy: None, entries: 0 }
    }

    /// One thing happens.
    fn act(&mut self) {
        match self.random.below(100) {
            0..50 => self.add(),
            50..60 => self.crash_or_start_witness(),
            60..67 => self.crash_or_start_log(),
            67..77 => {
                let during = self.random.millis(8000);
                let host = format!("w{}", self.random.below(3));
                self.network.cut(&host, during);
            }
            77..87 => self.copy(),
            _ => self.misfortune(),
        }
    }

    fn add(&mut self) {
        let count = 1 + self.random.below(6);
        let log = self.random.below(u64::try_from(self.logs.len()).unwrap());
        for _ in 0..count {
            self.entries += 1;
            let entry = Bytes::from(format!("decision {}", self.entries));
            self.logs[usize::try_from(log).unwrap()].add(entry, &self.record);
        }
    }

    fn crash_or_start_witness(&mut self) {
        let number = usize::try_from(self.random.below(3)).unwrap();
        if self.up[number] {
            self.hosts[number].crash();
        } else {
            self.hosts[number].start();
        }
        self.up[number] = !self.up[number];
    }

    fn crash_or_start_log(&mut self) {
        let number = usize::try_from(self.random.below(u64::try_from(self.logs.len()).unwrap())).unwrap();
        if self.logs[number].is_up() {
            self.logs[number].crash();
        } else {
            self.logs[number].start(&self.network, &self.policy, &self.record, &mut self.random);
        }
    }

    /// Somebody makes a copy, of a witness or of the log.
    fn copy(&mut self) {
        match self.scenario {
            Scenario::Forgetful => self.hosts[0].back_up(),
            Scenario::Hopeless => {
                self.hosts[0].back_up();
                self.hosts[1].back_up();
                self.copy = Some(self.logs[0].copy());
            }
            Scenario::Restored | Scenario::Cloned => self.copy = Some(self.logs[0].copy()),
            Scenario::Storm | Scenario::Liar => {}
        }
    }

    /// What the scenario is about happens.
    fn misfortune(&mut self) {
        match self.scenario {
            Scenario::Storm | Scenario::Liar => {}
            Scenario::Forgetful => self.restore_witness(0),
            Scenario::Restored => self.restore_log(),
            Scenario::Hopeless => {
                self.restore_witness(0);
                self.restore_witness(1);
                self.restore_log();
            }
            Scenario::Cloned => {
                if self.logs.len() == 1
                    && let Some(copy) = self.copy.take()
                {
                    let mut clone = Machine::new(copy);
                    clone.start(&self.network, &self.policy, &self.record, &mut self.random);
                    self.logs.push(clone);
                }
            }
        }
    }

    fn restore_witness(&mut self, number: usize) {
        self.hosts[number].restore();
        self.up[number] = true;
    }

    fn restore_log(&mut self) {
        if let Some(copy) = self.copy.take() {
            self.logs[0] = Machine::new(copy);
            self.logs[0].start(&self.network, &self.policy, &self.record, &mut self.random);
        }
    }

    /// The weather clears, and everybody is back.
    fn heal(&mut self) {
        self.network.heal();
        for (host, up) in self.hosts.iter().zip(&mut self.up) {
            if !std::mem::replace(up, true) {
                host.start();
            }
        }
        for log in &mut self.logs {
            if !log.is_up() {
                log.start(&self.network, &self.policy, &self.record, &mut self.random);
            }
        }
    }

    /// Whether nothing that was committed waits any more, on a log that may go on.
    fn is_settled(&self) -> bool {
        self.logs.iter().all(|log| log.is_settled())
    }

    fn judge(&self) -> Result<Outcome, String> {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.judge(&self.policy)?;
        let honest = matches!(self.scenario, Scenario::Storm | Scenario::Liar | Scenario::Forgetful);
        if honest {
            self.logs[0].has_all(record.acknowledged())?;
        }
        let stopped = self.logs.iter().filter(|log| log.has_stopped()).count();
        if honest && stopped > 0 {
            return Err("an honest log was stopped".to_owned());
        }
        let receipts = record.receipts().len();
        Ok(Outcome { receipts, witnessed: record.witnessed(&self.policy), delivered: self.network.delivered(), stopped })
    }
}

/// Lives through the story of a seed.
fn live(seed: u64, scenario: Scenario) -> Result<Outcome, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed, scenario);
        for _ in 0..60 {
            let pause = world.random.millis(500);
            sleep(pause).await;
            world.act();
        }
        world.heal();
        let mut waited = 0;
        while !world.is_settled() {
            sleep(Duration::from_secs(1)).await;
            waited += 1;
            if waited > 300 {
                return Err("five minutes after all was well again, not all is published".to_owned());
            }
        }
        world.judge()
    })
}

/// How many stories of each scenario are lived through.
fn stories() -> u64 {
    std::env::var("ACTA_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(250)
}

/// All stories of a scenario; together they must have been about something.
fn all(scenario: Scenario) -> Outcome {
    let mut together = Outcome::default();
    for seed in 0..stories() {
        let Outcome { receipts, witnessed, delivered, stopped } = match live(seed, scenario) {
            Ok(outcome) => outcome,
            Err(reason) => panic!("{scenario:?}, seed {seed}: {reason}"),
        };
        together.receipts += receipts;
        together.witnessed += witnessed;
        together.delivered += delivered;
        together.stopped += stopped;
    }
    let least = usize::try_from(stories()).unwrap();
    assert!(together.receipts > 5 * least && together.witnessed > 3 * least, "hardly anything happened: {together:?}");
    println!("{scenario:?}: {} seeds, {together:?}", stories());
    together
}

#[test]
fn an_honest_log_gets_through_every_storm() {
    all(Scenario::Storm);
}

#[test]
fn one_lying_witness_neither_stops_the_log_nor_spoils_a_receipt() {
    all(Scenario::Liar);
}

#[test]
fn one_witness_that_forgot_is_not_enough_for_a_second_history() {
    all(Scenario::Forgetful);
}

#[test]
fn a_log_that_was_put_back_gets_no_second_history_cosigned() {
    assert!(all(Scenario::Restored).stopped > 0, "no log was ever told that it was put back");
}

#[test]
fn two_copies_of_a_log_get_one_history_cosigned() {
    assert!(all(Scenario::Cloned).stopped > 0, "no copy was ever stopped");
}

#[test]
fn where_more_is_wrong_than_a_quorum_can_bear_it_is_found_out() {
    let found = (0..stories()).find_map(|seed| live(seed, Scenario::Hopeless).err());
    assert!(found.as_deref().is_some_and(|reason| reason.contains("histories")), "{found:?}");
}

#[test]
fn a_seed_is_the_same_story_each_time() {
    for scenario in [Scenario::Storm, Scenario::Liar, Scenario::Forgetful, Scenario::Restored, Scenario::Cloned] {
        for seed in 0..5 {
            assert_eq!(live(seed, scenario), live(seed, scenario), "{scenario:?}, seed {seed}");
        }
    }
}
