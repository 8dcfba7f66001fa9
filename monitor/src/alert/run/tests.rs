#![allow(clippy::unwrap_used, reason = "a test may fail")]

use tokio::time::timeout;

use super::*;
use crate::alert::fixture::{Receiver, World, webhook};
use crate::alert::settings::{MailSection, Section, WebhookSection};
use crate::alert::{DeliveryId, NewMute, dead};
use crate::finding::Code;
use crate::fixture::ok;

/// Longer than any machine takes, for what is to happen.
const LONG: Duration = Duration::from_secs(60);

/// An alerter that runs with these webhooks in the state directory `dir`.
fn start(world: &World, dir: &std::path::Path, webhooks: Vec<WebhookSection>) -> Running {
    let settings = Settings::new(&Section::default(), webhooks, MailSection::default(), Vec::new()).unwrap();
    let (stop, stopping) = watch::channel(());
    let parts = Parts {
        store: Arc::clone(&world.store),
        settings,
        state: dir.to_owned(),
        mutes: world.mutes.clone(),
        metrics: world.metrics.clone(),
        clock: Clock::system(),
    };
    Running { stop, alerter: tokio::spawn(run(parts, stopping)) }
}

struct Running {
    stop: watch::Sender<()>,
    alerter: tokio::task::JoinHandle<Result<(), AlertError>>,
}

impl Running {
    async fn stop(self) {
        drop(self.stop);
        timeout(LONG, self.alerter).await.unwrap().unwrap().unwrap();
    }
}

/// Raises a finding at the time that it is now.
fn raise(world: &World, code: &Code, group: &str, subject: &str) {
    world.raise(Timestamp::now().as_second(), code, group, [subject]);
}

#[tokio::test]
async fn an_alert_leaves_within_seconds_and_a_receiver_that_hangs_keeps_no_other_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(&[], 20);
    let hanging = Receiver::start(|_| Vec::new()).await;
    let mut good = Receiver::start(|_| ok("")).await;
    let hooks = vec![webhook(dir.path(), "hanging", &hanging.url), webhook(dir.path(), "good", &good.url)];
    let running = start(&world, dir.path(), hooks);
    for number in 0..5 {
        let raised = std::time::Instant::now();
        raise(&world, &Code::GAP, &format!("{number}.example"), &format!("2026/{number}"));
        let got = timeout(LONG, good.got.recv()).await.unwrap().unwrap();
        assert_eq!(got.json()["alert"]["group"], format!("{number}.example"));
        assert!(raised.elapsed() < Duration::from_secs(5), "{:?}", raised.elapsed());
    }
    running.stop().await;
    // What was not delivered waits for the next start.
    assert_eq!(crate::alert::waiting(&world.store, "hanging", 10).unwrap().len(), 5);
    assert_eq!(crate::alert::waiting(&world.store, "good", 10).unwrap().len(), 0);
}

#[tokio::test]
async fn a_delivery_that_failed_is_tried_again_with_the_same_id_and_leaves_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(&[], 20);
    let mut receiver = Receiver::start(|count| if count == 0 { b"HTTP/1.1 503 Busy\r\n\r\n".to_vec() } else { ok("") }).await;
    let running = start(&world, dir.path(), vec![webhook(dir.path(), "a", &receiver.url)]);
    raise(&world, &Code::LOG_FORK, "", "1/2");
    let first = timeout(LONG, receiver.got.recv()).await.unwrap().unwrap();
    running.stop().await;
    let running = start(&world, dir.path(), vec![webhook(dir.path(), "a", &receiver.url)]);
    let second = timeout(LONG, receiver.got.recv()).await.unwrap().unwrap();
    assert_eq!(first.header("acta-delivery"), second.header("acta-delivery"));
    assert_eq!(first.body, second.body);
    running.stop().await;
    assert_eq!(world.metrics.waiting.with_label_values(&["a"]).get(), 0);
}

#[tokio::test]
async fn mutes_and_requests_are_seen_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(&[], 20);
    let mut receiver = Receiver::start(|count| if count == 0 { b"HTTP/1.1 400 Bad\r\n\r\n".to_vec() } else { ok("") }).await;
    let mutes = MuteDir::of(dir.path());
    let now = Timestamp::now();
    let (codes, until) = ("process.*".parse().unwrap(), super::super::budget::later(now, LONG * 60));
    let new = NewMute { codes, log: None, group: None, up_to: None, reason: "known".to_owned(), until };
    let mute = mutes.add(&new, now).unwrap();
    let section = WebhookSection { max_attempts: 1, ..webhook(dir.path(), "a", &receiver.url) };
    let running = start(&world, dir.path(), vec![section]);
    let mut seen = world.store.watch();
    while world.mutes.all().is_empty() {
        tokio::task::yield_now().await;
    }
    raise(&world, &Code::GAP, "x.example", "2026/1");
    raise(&world, &Code::LOG_STALE, "", "log");
    let got = timeout(LONG, receiver.got.recv()).await.unwrap().unwrap();
    assert_eq!(got.json()["alert"]["code"], "log.stale-head", "the other is muted");
    while dead(&world.store, 10).unwrap().is_empty() {
        timeout(LONG, seen.changed()).await.unwrap().unwrap();
    }
    let id: DeliveryId = got.header("acta-delivery").parse().unwrap();
    Requests::of(dir.path()).ask(id).unwrap();
    let again = timeout(LONG, receiver.got.recv()).await.unwrap().unwrap();
    assert_eq!(again.header("acta-delivery"), got.header("acta-delivery"));
    mutes.remove(&mute.id).unwrap();
    let got = timeout(LONG, receiver.got.recv()).await.unwrap().unwrap();
    assert_eq!(got.json()["alert"]["code"], "process.gap", "the mute was taken back");
    running.stop().await;
    assert!(Requests::of(dir.path()).read().unwrap().is_empty());
}

#[tokio::test]
async fn each_state_directory_has_a_name_of_its_own() {
    let world = World::new(&[], 20);
    let dir = tempfile::tempdir().unwrap();
    start(&world, dir.path(), Vec::new()).stop().await;
    let name = crate::alert::feed_id(&world.store).unwrap();
    start(&world, dir.path(), Vec::new()).stop().await;
    assert_eq!(crate::alert::feed_id(&world.store).unwrap(), name);
    let other = World::new(&[], 20);
    start(&other, dir.path(), Vec::new()).stop().await;
    assert_ne!(crate::alert::feed_id(&other.store).unwrap(), name);
}
