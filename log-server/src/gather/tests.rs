#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod in_time;
mod over_http;
mod witness;

use std::collections::BTreeMap;

use prometheus::Registry;
use tlog::LeafIndex;
use tlog::evidence::Evidence;
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::proof::Proof;

use self::witness::{Manner, Net, Witness};
use super::*;
use crate::anchor::Anchor;
use crate::export;
use crate::fixture::{Fixture, ORIGIN, add as add_entry, entry, key};
use crate::log::{Log, Options, WriteSide};
use crate::metrics::Metrics;
use crate::queue::AddError;
use crate::sequencer::SequencerError;
use crate::startup::{self, StartupError};
use crate::store::MemoryStore;

/// A log with three witnesses, two of which have to agree.
struct World {
    fixture: Fixture,
    net: Net,
    witnesses: Vec<Witness>,
    policy: Policy,
    options: GatherOptions,
    /// How far the log's clock is ahead of its witnesses'.
    ahead: Duration,
}

impl World {
    fn new() -> (Self, MemoryStore) {
        World::with_log_keys(&[])
    }

    /// As [`World::new`], with further keys of the log in the policy.
    fn with_log_keys(more: &[VerifierKey]) -> (Self, MemoryStore) {
        let (fixture, store) = Fixture::new();
        let net = Net::default();
        let log_keys: Vec<VerifierKey> = more.iter().cloned().chain([key().verifier_key().clone()]).collect();
        let mut text: String = log_keys.iter().map(|key| format!("log {key}\n")).collect();
        let mut groups = String::new();
        let mut witnesses = Vec::new();
        for number in 1..=3 {
            let witness = Witness::new(number, log_keys.clone());
            let prefix = format!("http://w{number}.test/prefix");
            net.add(&prefix, witness.clone());
            let (lines, group) = witness.policy(number, &format!("{prefix}/"));
            text.push_str(&lines);
            groups.push_str(&format!(" {group}"));
            witnesses.push(witness);
        }
        text.push_str(&format!("group quorum 2{groups}\nquorum quorum\n"));
        let policy = Policy::parse(text.as_bytes()).unwrap();
        let options = GatherOptions { min_interval: Duration::ZERO, ..GatherOptions::default() };
        (World { fixture, net, witnesses, policy, options, ahead: Duration::ZERO }, store)
    }

    fn start<S: Store>(&self, store: S) -> Result<(Log<S>, WriteSide), StartupError> {
        let anchor = Anchor::open(&self.fixture.dir.path().join("anchor")).unwrap();
        let metrics = Arc::new(Metrics::new(&Registry::new()).unwrap());
        Log::start_with_witnesses(store, key(), anchor, Options::default(), metrics, self.gathering())
    }

    fn gathering(&self) -> Gathering<Net> {
        let ahead = self.ahead;
        Gathering {
            policy: self.policy.clone(),
            options: self.options,
            transport: self.net.clone(),
            clock: Clock::new(move || SystemTime::now() + ahead),
            metrics: GatherMetrics::new(&Registry::new()).unwrap(),
            evidence: Some(self.fixture.dir.path().to_owned()),
        }
    }

    /// Starts the log and waits until it takes entries in.
    async fn started<S: Store>(&self, store: S) -> (Log<S>, WriteSide) {
        let (log, write_side) = self.start(store).unwrap();
        until(|| log.accepting().is_ok()).await;
        (log, write_side)
    }

    fn behave(&self, manners: [Manner; 3]) {
        self.witnesses.iter().zip(manners).for_each(|(witness, manner)| witness.behave(manner));
    }

    /// Which witnesses have lines in a head, by the policy's names.
    fn signers(&self, head: &Head) -> Vec<String> {
        let verified = self.policy.verify(head.checkpoint()).unwrap();
        verified.cosignatures().iter().map(|cosigned| cosigned.witness().to_string()).collect()
    }
}

async fn until(mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it does not come to pass");
}

async fn published<S: Store>(log: &Log<S>, size: u64) -> Arc<Head> {
    log.published_covering(LeafIndex::new(size - 1), Duration::from_secs(20)).await.expect("it is not published")
}

/// How the write side ends, by itself and soon.
async fn ended(write_side: &mut WriteSide) -> Result<(), SequencerError> {
    tokio::time::timeout(Duration::from_secs(20), write_side.ended()).await.expect("it does not end")
}

async fn stop<S: Store>(log: &Log<S>, mut write_side: WriteSide) {
    log.close();
    ended(&mut write_side).await.unwrap();
}

const HONEST: [Manner; 3] = [Manner::Honest; 3];

#[tokio::test]
async fn a_head_is_served_once_the_quorum_has_cosigned_it_and_its_receipts_meet_the_policy() {
    let (world, store) = World::new();
    let (log, write_side) = world.started(store).await;
    for number in 0..5 {
        let index = add_entry(&log, number).await.unwrap();
        let head = published(&log, index.as_u64() + 1).await;
        world.policy.verify(head.checkpoint()).unwrap();
        let receipt = Proof::parse(&log.receipt(index).unwrap().unwrap().to_bytes()).unwrap();
        receipt.verify_receipt(&world.policy, Some(&entry(number))).unwrap();
    }
    let covering = log.head_covering(LeafIndex::new(1)).unwrap().unwrap();
    world.policy.verify(&SignedCheckpoint::parse(&covering).unwrap()).unwrap();
    stop(&log, write_side).await;
}

#[tokio::test]
async fn what_was_published_survives_a_restart_with_its_cosignatures() {
    let (world, store) = World::new();
    let (log, write_side) = world.started(store).await;
    add_entry(&log, 0).await.unwrap();
    until(|| log.published().size().as_u64() == 1 && world.signers(&log.published()).len() == 6).await;
    let before = log.published();
    stop(&log, write_side).await;

    world.behave([Manner::Dead; 3]);
    let (log, _write_side) = world.start(log.store().reopen()).unwrap();
    assert_eq!(log.published().bytes(), before.bytes());
    assert!(log.receipt(LeafIndex::new(0)).unwrap().is_some());
}

#[tokio::test]
async fn late_cosignatures_are_added_to_the_served_head_and_kept() {
    let (world, store) = World::new();
    world.behave([Manner::Honest, Manner::Honest, Manner::Dead]);
    let (log, write_side) = world.started(store).await;
    add_entry(&log, 0).await.unwrap();
    let head = published(&log, 1).await;
    until(|| world.signers(&log.published()) == ["w1-ed", "w1-pq", "w2-ed", "w2-pq"]).await;
    let first_at = head.at();
    world.behave(HONEST);
    until(|| world.signers(&log.published()).len() == 6).await;
    assert_eq!(log.published().at(), first_at, "it is the same head");
    let stored = log.store().head_from(TreeSize::new(1)).unwrap().unwrap().1;
    assert_eq!(stored, log.published().bytes());
    stop(&log, write_side).await;
}

#[tokio::test]
async fn without_a_quorum_the_log_can_be_read_and_takes_nothing_in_until_it_is_there() {
    let (world, store) = World::new();
    let (log, write_side) = world.started(store).await;
    add_entry(&log, 0).await.unwrap();
    published(&log, 1).await;
    stop(&log, write_side).await;

    world.behave([Manner::Honest, Manner::Dead, Manner::Dead]);
    let (log, write_side) = world.start(log.store().reopen()).unwrap();
    let failing = |log: &Log<MemoryStore>| log.witnesses().iter().filter(|standing| standing.failing.is_some()).count();
    until(|| failing(&log) == 2 && log.witnesses()[0].cosigned.is_some()).await;
    assert_eq!(log.accepting(), Err(AddError::AskingWitnesses));
    assert_eq!(add_entry(&log, 1).await, Err(AddError::AskingWitnesses));
    assert_eq!(log.published().size().as_u64(), 1);

    world.behave([Manner::Honest, Manner::Dead, Manner::Honest]);
    until(|| log.accepting().is_ok()).await;
    add_entry(&log, 1).await.unwrap();
    published(&log, 2).await;
    stop(&log, write_side).await;
}

#[tokio::test]
async fn while_running_without_a_quorum_entries_are_taken_in_up_to_the_backlog() {
    let (mut world, store) = World::new();
    world.options.max_backlog = 3;
    let (log, write_side) = world.started(store).await;
    add_entry(&log, 0).await.unwrap();
    published(&log, 1).await;
    world.behave([Manner::Honest, Manner::Dead, Manner::Dead]);
    for number in 1..4 {
        add_entry(&log, number).await.unwrap();
    }
    assert_eq!((log.backlog(), log.published().size().as_u64()), (3, 1));
    assert_eq!(add_entry(&log, 4).await, Err(AddError::Unwitnessed));
    assert_eq!(log.accepting(), Err(AddError::Unwitnessed));

    world.behave(HONEST);
    published(&log, 4).await;
    add_entry(&log, 4).await.unwrap();
    published(&log, 5).await;
    stop(&log, write_side).await;
}

#[tokio::test]
async fn where_any_witness_is_enough_all_have_to_say_what_they_have_seen() {
    let (mut world, store) = World::new();
    let text = String::from_utf8(world.policy.to_bytes()).unwrap();
    world.policy = Policy::parse(text.replace("group quorum 2", "group quorum any").as_bytes()).unwrap();
    world.behave([Manner::Honest, Manner::Honest, Manner::Dead]);
    let (log, write_side) = world.start(store).unwrap();
    until(|| log.witnesses()[2].failing.is_some() && world.witnesses.iter().filter(|witness| witness.asked() == [0]).count() == 2).await;
    until(|| world.policy.verify(log.published().checkpoint()).is_ok()).await;
    assert_eq!(log.accepting(), Err(AddError::AskingWitnesses), "the third alone could have cosigned another history");
    world.behave(HONEST);
    until(|| log.accepting().is_ok()).await;
    stop(&log, write_side).await;
}

#[tokio::test]
async fn a_bad_witness_is_no_worse_than_a_dead_one() {
    let reasons = BTreeMap::from([
        ("dead", (Manner::Dead, Reason::Unreachable)),
        ("garbage", (Manner::Garbage, Reason::Garbled)),
        ("endless", (Manner::Endless, Reason::TooLarge)),
        ("redirects", (Manner::Redirects, Reason::Redirected)),
        ("bad lines", (Manner::BadLines, Reason::NotCosigned)),
        ("another's line", (Manner::AnothersLine, Reason::NotCosigned)),
        ("far future", (Manner::Ahead(3600), Reason::NotCosigned)),
        ("a lying number", (Manner::SaysSize(1 << 40), Reason::Ahead)),
        ("a number below", (Manner::SaysSize(0), Reason::Garbled)),
        ("a forged head", (Manner::Forges, Reason::Ahead)),
        ("refuses good proofs", (Manner::RefusesProofs, Reason::ProofRefused)),
    ]);
    for (what, (manner, reason)) in reasons {
        let (world, store) = World::new();
        world.behave([Manner::Honest, manner, Manner::Honest]);
        let (log, write_side) = world.started(store).await;
        add_entry(&log, 0).await.unwrap();
        let head = published(&log, 1).await;
        assert!(world.signers(&head).iter().all(|signer| !signer.starts_with("w2")), "{what}");
        until(|| log.witnesses()[1].failing == Some(reason)).await;
        stop(&log, write_side).await;

        // With two of them there is no quorum, and that is all.
        world.behave([Manner::Honest, manner, manner]);
        let (log, write_side) = world.start(log.store().reopen()).unwrap();
        until(|| log.witnesses().iter().filter(|standing| standing.failing == Some(reason)).count() == 2).await;
        assert_eq!(log.accepting(), Err(AddError::AskingWitnesses), "{what}");
        stop(&log, write_side).await;
    }
}

#[tokio::test]
async fn a_bad_line_beside_a_good_one_and_a_clock_that_is_a_little_ahead_do_no_harm() {
    let (world, store) = World::new();
    world.behave([Manner::BadLineFirst, Manner::Ahead(60), Manner::Dead]);
    let (log, write_side) = world.started(store).await;
    add_entry(&log, 0).await.unwrap();
    let head = published(&log, 1).await;
    assert_eq!(world.signers(&head), ["w1-ed", "w1-pq", "w2-ed", "w2-pq"], "and no bad line is in it");
    stop(&log, write_side).await;
}

#[tokio::test]
async fn a_witness_that_went_back_to_an_older_state_goes_on_cosigning() {
    let (world, store) = World::new();
    world.behave([Manner::Honest, Manner::Honest, Manner::Dead]);
    let (log, write_side) = world.started(store).await;
    let mut older = None;
    for number in 0..4 {
        add_entry(&log, number).await.unwrap();
        published(&log, number + 1).await;
        if number == 1 {
            until(|| world.witnesses[0].size() == 2).await;
            older = Some(world.witnesses[0].backup());
        }
    }
    until(|| world.witnesses[0].size() == 4).await;
    world.witnesses[0].restore(older.unwrap());
    add_entry(&log, 4).await.unwrap();
    published(&log, 5).await;
    stop(&log, write_side).await;
}

#[tokio::test]
async fn a_restored_backup_is_refused_because_a_witness_shows_more() {
    let (world, store) = World::new();
    let (log, write_side) = world.started(store).await;
    add_entry(&log, 0).await.unwrap();
    published(&log, 1).await;
    let backup = log.store().reopen();
    add_entry(&log, 1).await.unwrap();
    published(&log, 2).await;
    stop(&log, write_side).await;

    // The anchor is gone, and the operator adopted the backup.
    world.fixture.anchor_at(&backup.tree().unwrap());
    let showing = world.witnesses.iter().position(|witness| witness.size() == 2).unwrap();
    world.behave([Manner::Dead; 3]);
    world.witnesses[showing].behave(Manner::Honest);
    let (log, mut write_side) = world.start(backup).unwrap();
    let refusal = ended(&mut write_side).await.unwrap_err();
    assert!(
        matches!(&refusal, SequencerError::OtherHistory(other) if matches!(**other, OtherHistory::Ahead { seen, stored, .. }
        if (seen.as_u64(), stored.as_u64()) == (2, 1))),
        "{refusal}"
    );
    assert!(refusal.to_string().contains("After a loss"), "{refusal}");
    assert_eq!(add_entry(&log, 2).await, Err(AddError::Failed));
}

#[tokio::test]
async fn witnesses_that_show_nothing_of_what_they_have_seen_keep_a_restored_backup_closed() {
    let (world, store) = World::new();
    let (log, write_side) = world.started(store).await;
    let backup = log.store().reopen();
    add_entry(&log, 0).await.unwrap();
    until(|| world.witnesses.iter().all(|witness| witness.size() == 1)).await;
    stop(&log, write_side).await;
    world.fixture.anchor_at(&backup.tree().unwrap());
    world.behave([Manner::Silent; 3]);
    let (log, write_side) = world.start(backup).unwrap();
    until(|| log.witnesses().iter().all(|standing| standing.failing == Some(Reason::Ahead))).await;
    assert_eq!(add_entry(&log, 1).await, Err(AddError::AskingWitnesses));
    stop(&log, write_side).await;
}

#[tokio::test]
async fn lines_of_another_day_do_not_open_a_restored_backup() {
    let (mut world, store) = World::new();
    let (log, write_side) = world.started(store).await;
    add_entry(&log, 0).await.unwrap();
    published(&log, 1).await;
    until(|| world.witnesses.iter().all(|witness| witness.size() == 1)).await;
    let backup = log.store().reopen();
    add_entry(&log, 1).await.unwrap();
    published(&log, 2).await;
    stop(&log, write_side).await;

    // An hour later. Whoever is between the log and its witnesses has their answers of then, which everybody could read.
    world.fixture.anchor_at(&backup.tree().unwrap());
    world.behave([Manner::Replays; 3]);
    world.ahead = Duration::from_secs(3600);
    let (log, write_side) = world.start(backup).unwrap();
    until(|| log.witnesses().iter().all(|standing| standing.failing == Some(Reason::NotCosigned))).await;
    assert_eq!(log.accepting(), Err(AddError::AskingWitnesses));
    stop(&log, write_side).await;
}

/// A log and a copy of it, both running. All witnesses have cosigned two entries of the one; of the other they have seen the first, which both have.
struct Clones {
    world: World,
    one: (Log<MemoryStore>, WriteSide),
    two: (Log<MemoryStore>, WriteSide),
    /// Has the copy's directory, which vanishes with it.
    other: World,
}

impl Clones {
    async fn new() -> Self {
        let (world, store) = World::new();
        let (log, write_side) = world.started(store).await;
        add_entry(&log, 0).await.unwrap();
        published(&log, 1).await;
        stop(&log, write_side).await;
        let clone = log.store().reopen();
        let (world, other) = cloned(world, &clone);
        let one = world.started(log.store().reopen()).await;
        let two = other.started(clone).await;
        add_entry(&one.0, 1).await.unwrap();
        until(|| world.witnesses.iter().all(|witness| witness.size() == 2)).await;
        Clones { world, one, two, other }
    }
}

/// The same witnesses and policy for two hosts: each has its own store and anchor.
fn cloned(world: World, clone: &MemoryStore) -> (World, World) {
    let (other_fixture, _) = Fixture::new();
    other_fixture.anchor_at(&clone.tree().unwrap());
    let World { fixture, net, witnesses, policy, options, ahead } = world;
    let world = |fixture| World { fixture, net: net.clone(), witnesses: witnesses.clone(), policy: policy.clone(), options, ahead };
    (world(fixture), world(other_fixture))
}

#[tokio::test]
async fn of_two_clones_the_one_whose_heads_the_witnesses_have_not_seen_stops() {
    let Clones { world: _world, one: (one, one_side), two: (two, mut two_side), other: _other } = Clones::new().await;
    add_entry(&two, 2).await.unwrap();
    let refusal = ended(&mut two_side).await.unwrap_err();
    let SequencerError::OtherHistory(other_history) = &refusal else { panic!("{refusal}") };
    assert!(matches!(&**other_history, OtherHistory::Differs { size, .. } if size.as_u64() == 2), "{refusal}");
    assert_eq!(two.published().size().as_u64(), 1, "nothing of it was shown");
    let OtherHistory::Differs { evidence: Some(file), .. } = &**other_history else { panic!("no evidence: {refusal}") };
    assert!(refusal.to_string().contains(file.to_str().unwrap()), "{refusal}");
    let evidence = Evidence::parse(&std::fs::read(file).unwrap()).unwrap();
    evidence.verify(&[key().verifier_key().clone()]).unwrap();
    add_entry(&one, 3).await.unwrap();
    published(&one, 3).await;
    stop(&one, one_side).await;
}

#[tokio::test]
async fn a_clone_that_never_published_a_head_of_that_size_is_convicted_by_its_newest_one() {
    let Clones { world, one: (one, one_side), two: (two, mut two_side), other: _other } = Clones::new().await;
    stop(&one, one_side).await;
    world.behave([Manner::Dead; 3]);
    for number in 2..7 {
        add_entry(&two, number).await.unwrap();
    }
    world.behave(HONEST);
    let refusal = ended(&mut two_side).await.unwrap_err();
    let SequencerError::OtherHistory(other_history) = &refusal else { panic!("{refusal}") };
    let OtherHistory::Differs { evidence: Some(file), size, .. } = &**other_history else { panic!("no evidence: {refusal}") };
    assert_eq!(size.as_u64(), 2);
    let evidence = Evidence::parse(&std::fs::read(file).unwrap()).unwrap();
    let conviction = evidence.verify(&[key().verifier_key().clone()]).unwrap();
    assert_eq!(conviction.histories().each_ref().map(|history| history.checkpoint.size().as_u64()), [2, 6]);
}

#[tokio::test]
async fn with_two_keys_of_the_log_in_the_policy_the_log_runs_and_a_witness_that_lacks_the_new_one_is_passed_over() {
    let old = SigningKey::from_seed(KeyName::new(ORIGIN).unwrap(), Algorithm::Ed25519, &[8; 32]).unwrap().verifier_key().clone();
    let (world, store) = World::with_log_keys(std::slice::from_ref(&old));
    world.witnesses[2].follow(vec![old]);
    let (log, write_side) = world.started(store).await;
    add_entry(&log, 0).await.unwrap();
    let head = published(&log, 1).await;
    assert_eq!(world.policy.verify(head.checkpoint()).unwrap().log_key(), key().verifier_key());
    until(|| log.witnesses()[2].failing == Some(Reason::Forbidden)).await;
    stop(&log, write_side).await;
}

#[tokio::test]
async fn a_head_that_cannot_be_written_is_not_shown_and_stops_the_log() {
    let (world, store) = World::new();
    // The cosigned head of the empty log can be, with what comes late to it.
    world.behave([Manner::Honest, Manner::Honest, Manner::Dead]);
    store.fail_publishing_after(1);
    let (log, mut write_side) = world.started(store).await;
    until(|| log.store().head_from(TreeSize::ZERO).unwrap().is_some()).await;
    add_entry(&log, 0).await.unwrap();
    assert!(matches!(ended(&mut write_side).await, Err(SequencerError::Store(StoreError::Injected))));
    assert_eq!(log.published().size(), TreeSize::ZERO);
    assert_eq!(add_entry(&log, 1).await, Err(AddError::Failed));

    // Nothing was lost: the next start has the head cosigned again.
    let (log, write_side) = world.started(log.store().reopen()).await;
    published(&log, 1).await;
    stop(&log, write_side).await;
}

#[tokio::test]
async fn a_log_may_get_witnesses_and_lose_them_again() {
    let (world, store) = World::new();
    let (log, write_side) = world.fixture.start(store).unwrap();
    add_entry(&log, 0).await.unwrap();
    let uncosigned = log.published();
    stop(&log, write_side).await;

    world.behave([Manner::Dead; 3]);
    let (log, write_side) = world.start(log.store().reopen()).unwrap();
    assert_eq!(log.published().bytes(), uncosigned.bytes(), "it stays until the first that is cosigned");
    world.behave(HONEST);
    until(|| world.policy.verify(log.published().checkpoint()).is_ok()).await;
    until(|| log.accepting().is_ok()).await;
    world.behave([Manner::Dead; 3]);
    add_entry(&log, 1).await.unwrap();
    stop(&log, write_side).await;

    let (log, write_side) = world.fixture.start(log.store().reopen()).unwrap();
    assert_eq!(log.published().size().as_u64(), 2, "nobody has to agree any more");
    assert_eq!(log.store().extent().unwrap().published, Some(2));
    stop(&log, write_side).await;
}

#[tokio::test]
async fn a_log_that_never_published_serves_the_head_of_the_empty_log() {
    let (world, store) = World::new();
    let (log, write_side) = world.started(store).await;
    world.behave([Manner::Dead; 3]);
    add_entry(&log, 0).await.unwrap();
    stop(&log, write_side).await;
    let store = log.store().reopen();
    store.set_head(0, None);
    let (log, write_side) = world.start(store).unwrap();
    assert_eq!(log.published().size(), TreeSize::ZERO);
    log.published().checkpoint().verify_log(std::slice::from_ref(key().verifier_key())).unwrap();
    assert!(log.receipt(LeafIndex::new(0)).unwrap().is_none());
    stop(&log, write_side).await;
}

#[tokio::test]
async fn one_address_is_one_conversation_whatever_number_of_keys_it_has() {
    let (world, store) = World::new();
    let (log, write_side) = world.started(store).await;
    until(|| world.witnesses.iter().all(|witness| witness.asked() == [0])).await;
    assert_eq!(log.witnesses().iter().map(|standing| standing.witness.to_string()).collect::<Vec<_>>(), ["w1-ed", "w2-ed", "w3-ed"]);
    stop(&log, write_side).await;
}

#[test]
fn a_policy_whose_witnesses_cannot_be_asked_is_refused() {
    let (world, _) = World::new();
    let text = String::from_utf8(world.policy.to_bytes()).unwrap();
    let without = |numbers: &[u8], text: &str| {
        let text = numbers.iter().fold(text.to_owned(), |text, number| text.replace(&format!(" http://w{number}.test/prefix/"), ""));
        check_addresses(&Policy::parse(text.as_bytes()).unwrap())
    };
    assert_eq!(without(&[], &text), Ok(()));
    assert_eq!(without(&[3], &text), Ok(()));
    assert_eq!(without(&[2, 3], &text), Err(UnusablePolicy::TooFewAddresses));
    let any = text.replace("group quorum 2", "group quorum any");
    assert_eq!(without(&[], &any), Ok(()));
    assert_eq!(without(&[3], &any), Err(UnusablePolicy::QuorumWithoutAddresses));
    assert_eq!(check_addresses(&Policy::without_witnesses(key().verifier_key().clone(), None).unwrap()), Ok(()));
}

#[tokio::test]
async fn an_export_reaches_as_far_as_was_published() {
    let (world, store) = World::new();
    let (log, write_side) = world.started(store).await;
    let out = world.fixture.dir.path().join("export");
    add_entry(&log, 0).await.unwrap();
    published(&log, 1).await;
    until(|| world.witnesses.iter().all(|witness| witness.size() == 1)).await;
    world.behave([Manner::Dead; 3]);
    add_entry(&log, 1).await.unwrap();
    stop(&log, write_side).await;

    let store = log.store();
    let newest = startup::check_identity(store, key().verifier_key()).unwrap();
    let last = startup::last_published(store, key().verifier_key(), &newest).unwrap();
    assert_eq!((newest.size().as_u64(), last.as_ref().map(|head| head.size().as_u64())), (2, Some(1)));
    export::export(store, &newest, last.as_ref(), &out, &mut |_, _| ()).unwrap();
    let exported = Head::new(SignedCheckpoint::parse(&std::fs::read(out.join("checkpoint")).unwrap()).unwrap());
    assert_eq!(exported.size().as_u64(), 1);
    world.policy.verify(exported.checkpoint()).unwrap();
    assert!(out.join("tile/0/000.p/1").exists() && !out.join("tile/0/000.p/2").exists());
    let nothing = export::export(store, &newest, None, &out, &mut |_, _| ());
    assert!(matches!(nothing, Err(export::ExportError::NothingPublished)));
}
