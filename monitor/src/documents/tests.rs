#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::finding::FindingId;
use crate::fixture::{Bench, Server, decision, ok, statement};

const BODY: &str = "the document";

fn section() -> Section {
    let pause = "0s".parse().unwrap();
    Section { fetch: true, allow: vec!["127.0.0.1".into()], pause, attempts: 2, ..Section::default() }
}

fn document(url: &str) -> Value {
    let sha256: String = digest::digest(&digest::SHA256, BODY.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"name": "Plan", "media_type": "text/plain", "size": BODY.len(), "sha256": sha256, "url": url})
}

/// A monitor that looks at documents by a clock that the test turns.
struct Looking {
    bench: Bench,
    settings: Settings,
    seconds: Arc<AtomicI64>,
}

impl Looking {
    fn new(section: Section) -> Self {
        let now: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        let seconds = Arc::new(AtomicI64::new(now.as_second()));
        Looking { bench: Bench::new(), settings: section.validate(&[]).unwrap(), seconds }
    }

    fn publish(&mut self, documents: &[Value]) {
        let check = all(&self.settings).remove(0);
        let said = self.bench.entry(&*check, &decision(json!({"documents": documents})));
        assert!(said.raised().iter().all(|raised| raised.code == Code::DOCUMENT_TOO_LARGE) && said.cleared().is_empty());
    }

    fn wait(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    fn start(&self) -> JoinHandle<Result<(), StoreError>> {
        let seconds = Arc::clone(&self.seconds);
        let clock = Clock::new(move || Timestamp::from_second(seconds.load(Ordering::SeqCst)).unwrap());
        let (stop, stopping) = watch::channel(());
        let looking = run(Arc::clone(&self.bench.store), self.settings.clone(), clock, stopping);
        tokio::spawn(async move {
            let _stop = stop;
            looking.await
        })
    }

    fn open(&self) -> Vec<String> {
        let events = findings::events_after(&self.bench.store, 0, 1000).unwrap();
        let mut ids: Vec<FindingId> = events.iter().map(|event| event.finding).collect();
        ids.sort_unstable();
        ids.dedup();
        let all = ids.into_iter().map(|id| findings::finding(&self.bench.store, id).unwrap().unwrap());
        let mut open: Vec<_> =
            all.filter(|finding| finding.resolved.is_none()).map(|finding| format!("{} {}", finding.code, finding.subject)).collect();
        open.sort_unstable();
        open
    }

    /// Waits until something is so in the store.
    async fn until(&self, what: &str, is_so: impl Fn(&Looking) -> bool) {
        let mut written = self.bench.store.watch();
        while !is_so(self) {
            let waited = tokio::time::timeout(Duration::from_secs(20), written.changed()).await;
            assert!(waited.is_ok(), "{what}: {:?}", self.open());
        }
    }
}

#[tokio::test]
async fn documents_are_compared_and_looked_at_again_until_they_are_right() {
    let repaired = Arc::new(AtomicBool::new(false));
    let is_repaired = Arc::clone(&repaired);
    let server = Server::start(move |line| match line.split(' ').nth(1).unwrap_or_default() {
        "/good" => ok(BODY),
        _ if is_repaired.load(Ordering::SeqCst) => ok(BODY),
        "/wrong" => ok("the dokument"),
        "/longer" => ok("the document and more"),
        "/shorter" => ok("the"),
        _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 30\r\nConnection: close\r\n\r\nnothing of that name is in here".to_vec(),
    })
    .await;
    let mut looking = Looking::new(section());
    let paths = ["/good", "/wrong", "/longer", "/shorter", "/missing"];
    looking.publish(&paths.map(|path| document(&server.url(path))));
    let running = looking.start();
    let wrong: Vec<_> = (2..5).map(|number| format!("content.wrong-document entry 0, document {number}")).collect();
    looking.until("three are wrong", |looking| looking.open() == wrong).await;
    let texts = findings::finding(&looking.bench.store, FindingId::new("log.example", &Code::WRONG_DOCUMENT, "entry 0, document 2"));
    let text = texts.unwrap().unwrap().text;
    assert!(text.contains("/wrong: what is there has 12 bytes and the SHA-256") && text.contains("the decision says 12 bytes"), "{text}");

    // What was missing at first may have been late.
    let first = |looking: &Looking| Queue::default().due(&looking.bench.store, Timestamp::MAX, 1, |_| true).unwrap().pop();
    looking.until("it is waited for", |looking| first(looking).is_some_and(|due| due.place.number == 4 && due.job.tries == 1)).await;
    looking.wait(61);
    let with_missing: Vec<_> = ["content.document-unavailable entry 0, document 5".to_owned()].into_iter().chain(wrong).collect();
    looking.until("one is missing", |looking| looking.open() == with_missing).await;
    assert_eq!(server.asked(), paths.len() + 1, "each once, and the missing one twice");

    repaired.store(true, Ordering::SeqCst);
    looking.wait(25 * 60 * 60);
    looking.until("all is well", |looking| looking.open().is_empty()).await;
    running.abort();
}

#[tokio::test]
async fn what_strangers_name_within_our_own_network_is_not_asked() {
    let server = Server::start(|_| ok(BODY)).await;
    let mut looking = Looking::new(Section { allow: Vec::new(), ..section() });
    looking.publish(&[document(&server.url("/secret")), document("ftp://a.example/plan"), document("no address")]);
    let running = looking.start();
    let wanted: Vec<_> = (1..4).map(|number| format!("content.document-unavailable entry 0, document {number}")).collect();
    looking.until("none can be had", |looking| looking.open() == wanted).await;
    assert_eq!(server.asked(), 0);
    running.abort();
}

#[tokio::test]
async fn a_host_that_asks_to_be_left_alone_is_left_alone() {
    let server =
        Server::start(|_| b"HTTP/1.1 503 Busy\r\nRetry-After: 3600\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()).await;
    let mut looking = Looking::new(section());
    looking.publish(&[document(&server.url("/plan"))]);
    let asked_at = looking.seconds.load(Ordering::SeqCst);
    let running = looking.start();
    let first = |looking: &Looking| Queue::default().due(&looking.bench.store, Timestamp::MAX, 1, |_| true).unwrap().pop();
    looking.until("it waits", |looking| first(looking).is_some_and(|due| due.job.tries == 1 && due.place.due == asked_at + 3600)).await;
    running.abort();
}

#[tokio::test]
async fn a_monitor_that_is_killed_while_it_looks_looks_again() {
    // Takes the connection, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut looking = Looking::new(section());
    looking.publish(&[document(&format!("http://{}/plan", silent.local_addr().unwrap()))]);
    let running = looking.start();
    let taken = silent.accept().await.unwrap();
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    drop(taken);
    let running = looking.start();
    tokio::time::timeout(Duration::from_secs(20), silent.accept()).await.expect("it is asked again").unwrap();
    assert!(looking.open().is_empty());
    running.abort();
}

#[test]
fn a_host_has_its_turn_however_many_documents_name_another() {
    let mut looking = Looking::new(section());
    let many: Vec<_> = (0..200).map(|number| document(&format!("http://a.example/{number}"))).collect();
    for _ in 0..3 {
        looking.publish(&many);
    }
    looking.publish(&[document("http://b.example/x"), document("http://c.example/y"), document("http://d.example/z")]);
    let now = Timestamp::from_second(looking.seconds.load(Ordering::SeqCst)).unwrap();
    let store = &looking.bench.store;
    let hosts = |due: Vec<Due>| due.into_iter().map(|due| due.place.host).collect::<Vec<_>>();
    let mut queue = Queue::default();
    assert_eq!(hosts(queue.due(store, now, 10, |_| true).unwrap()), ["a.example", "b.example", "c.example", "d.example"]);
    assert_eq!(hosts(queue.due(store, now, 10, |host| host != "b.example").unwrap()), ["a.example", "c.example", "d.example"]);
    // With room for one at a time it goes round.
    let round: Vec<_> = (0..5).flat_map(|_| hosts(queue.due(store, now, 1, |_| true).unwrap())).collect();
    assert_eq!(round, ["a.example", "b.example", "c.example", "d.example", "a.example"]);
    assert!(queue.due(store, now, 0, |_| true).unwrap().is_empty());
    let before = Timestamp::from_second(now.as_second() - 1).unwrap();
    assert!(queue.due(store, before, 10, |_| true).unwrap().is_empty(), "not before it is published");
}

#[test]
fn only_what_is_wanted_is_noted() {
    let noted = |section: Section, documents: &[Value]| {
        let mut looking = Looking::new(section);
        looking.publish(documents);
        let now = Timestamp::from_second(looking.seconds.load(Ordering::SeqCst)).unwrap();
        let due = Queue::default().due(&looking.bench.store, now, 10, |_| true).unwrap();
        due.into_iter().map(|due| due.place.host).collect::<Vec<_>>()
    };
    let all_of_them = [document("http://www.a.example/1"), document("https://B.example/2"), document("https://notb.example/3")];
    let hosts = |hosts: &[&str]| Section { hosts: hosts.iter().map(ToString::to_string).collect(), ..section() };
    assert_eq!(noted(section(), &all_of_them), ["b.example", "notb.example", "www.a.example"]);
    assert_eq!(noted(hosts(&[".a.example", "b.example"]), &all_of_them), ["b.example", "www.a.example"]);
    let mut large = document("http://a.example/");
    large["size"] = json!(65 << 20);
    let mut nowhere = document("");
    nowhere.as_object_mut().unwrap().remove("url");
    assert_eq!(noted(section(), &[large.clone(), nowhere]), [""; 0]);
    // Whoever states a size can keep a document from being looked at, and not in silence.
    let check = all(&section().validate(&[]).unwrap()).remove(0);
    let mut bench = Bench::new();
    for _ in 0..2 {
        let said = bench.entry(&*check, &decision(json!({"documents": [large, large]})));
        let [said, again] = said.raised() else { panic!("{said:?}") };
        assert_eq!((said.code.to_string().as_str(), said.subject.as_str()), ("content.document-too-large", "planning.example"));
        assert_eq!(said.subject, again.subject, "one for an issuer");
    }
    assert!(all(&Section::default().validate(&[]).unwrap()).is_empty(), "off unless it is switched on");
    let check = all(&section().validate(&[]).unwrap()).remove(0);
    let mut bench = Bench::new();
    bench.judged(&*check, None, None);
    let wrong = statement(&decision(json!({"documents": all_of_them})));
    let refusal = decision::ledger::Finding {
        index: tlog::LeafIndex::new(0),
        reason: decision::ledger::Refusal::OtherLog("other.example".into()).into(),
    };
    bench.judged(&*check, Some(&wrong), Some(&refusal));
    assert!(Queue::default().due(&bench.store, Timestamp::MAX, 10, |_| true).unwrap().is_empty());
}

#[test]
fn the_example_has_the_defaults() {
    let file: toml::Table = toml::from_str(include_str!("../../acta-monitor.example.toml")).unwrap();
    assert_eq!(file["documents"].clone().try_into::<Section>().unwrap(), Section::default());
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (section, says) in [
        (Section { parallel: 0, ..section() }, "`documents.parallel` is 0"),
        (Section { attempts: 0, ..section() }, "`documents.attempts` is 0"),
        (Section { allow: vec!["http://a".into()], ..section() }, "`documents.allow`: \"http://a\" is neither a network"),
    ] {
        let error = section.validate(&[]).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
