//! A log, or what is between, that lies, trickles, floods or points elsewhere: each is refused, with a reason, and nothing is used.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use acta_client::source::{FetchError, Options, Source, SourceError};
use acta_client::submit::{SubmitError, Writer};
use acta_client::verified::{ReadError, VerifiedLog};
use futures_util::TryStreamExt;
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::policy::VerifyPolicyError;
use tlog::tiles::{Resource, encode_entry};
use tlog::{Hash, LeafIndex, TreeSize};

use crate::server::{Answer, ORIGIN, Server, Tree, entry, impatient, key, ok, policy};

async fn read_all(log: &VerifiedLog) -> Result<usize, ReadError> {
    let bundles: Vec<_> = log.entries(0..log.size().as_u64()).try_collect().await?;
    Ok(bundles.iter().map(|bundle| bundle.iter().count()).sum())
}

fn signed(key: &SigningKey, origin: &str, tree: &Tree) -> Vec<u8> {
    let root = *tree.checkpoint().checkpoint().root();
    SignedCheckpoint::sign(&Checkpoint::new(Origin::for_new_log(origin).unwrap(), tree.size(), root), &[key]).unwrap().to_bytes()
}

/// Case 23, over HTTP: whichever tile is forged, whatever is read from it is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_tile_is_refused_wherever_it_is() {
    let server = Server::start(Tree::new(66_000)).await;
    let log = server.open().await.unwrap();
    server.requests();
    let index = LeafIndex::new(300);
    log.prove(index, None).await.unwrap();
    let tiles: Vec<_> = server.requests();
    assert!(tiles.len() >= 5, "{tiles:?}");
    for forged in tiles {
        let good = server.tree().resource(Resource::parse(&forged).unwrap()).unwrap();
        for at in [0, good.len() / 2, good.len() - 1] {
            let (path, mut bad) = (forged.clone(), good.to_vec());
            bad[at] ^= 1;
            server.fault(move |asked| (asked == path).then(|| ok(bad.clone())));
            let error = log.prove(index, None).await.unwrap_err();
            assert!(matches!(error, ReadError::Tiles(_)), "{forged}: {error}");
            assert!(!error.is_unavailable());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tile_of_another_length_is_refused() {
    let server = Server::start(Tree::new(300)).await;
    let log = server.open().await.unwrap();
    for len in [0, 31, 8191, 8193] {
        server.fault(move |path| (path == "tile/0/000").then(|| ok(vec![0; len])));
        let error = log.entry(LeafIndex::new(1)).await.unwrap_err();
        match len {
            8193 => assert!(matches!(error, ReadError::Source(SourceError::Fetch(FetchError::TooLarge { .. }))), "{error}"),
            _ => assert!(matches!(error, ReadError::Source(SourceError::Tile(_))), "{error}"),
        }
    }
}

/// Cases 28 to 30: another entry, a node in its place, fewer, more, none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_that_is_not_what_was_signed_is_refused() {
    let server = Server::start(Tree::new(300)).await;
    let log = server.open().await.unwrap();
    let good: Vec<_> = (0..256).map(entry).collect();
    let encode = |entries: &[bytes::Bytes]| {
        let mut out = Vec::new();
        entries.iter().for_each(|entry| encode_entry(entry, &mut out).unwrap());
        out
    };
    let mut swapped = good.clone();
    swapped.swap(3, 4);
    let mut node = good.clone();
    node[9] = [Hash::leaf(&good[8]).as_bytes().as_slice(), Hash::leaf(&good[9]).as_bytes()].concat().into();
    let mut cut = encode(&good);
    cut.truncate(cut.len() - 1);
    let longer = [encode(&good), encode(&good[..1])].concat();
    for (what, bad) in [("swapped", encode(&swapped)), ("node", encode(&node)), ("cut", cut), ("longer", longer), ("empty", Vec::new())] {
        server.fault(move |path| (path == "tile/entries/000").then(|| ok(bad.clone())));
        let error = read_all(&log).await.unwrap_err();
        assert!(matches!(error, ReadError::ForgedEntry(_) | ReadError::Source(SourceError::Bundle { .. })), "{what}: {error}");
    }
    server.fault(|_| None);
    assert_eq!(read_all(&log).await.unwrap(), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_of_others_and_broken_ones_are_refused() {
    let server = Server::start(Tree::new(5)).await;
    let stranger = SigningKey::from_seed(KeyName::new(ORIGIN).unwrap(), Algorithm::Ed25519, &[8; 32]).unwrap();
    let tree = Tree::new(5);
    let (other, good) = (signed(&key("log.test/two"), "log.test/two", &tree), tree.checkpoint().to_string());
    let under_another_key = signed(&stranger, ORIGIN, &tree);
    let altered = good.replace("\n5\n", "\n6\n");
    let policy_error = |bytes: Vec<u8>| {
        server.fault(move |_| Some(ok(bytes.clone())));
        server.open()
    };
    let error = policy_error(other).await.unwrap_err();
    assert!(matches!(error, ReadError::Policy(VerifyPolicyError::UnknownLog { .. })), "{error}");
    let error = policy_error(under_another_key).await.unwrap_err();
    assert!(matches!(error, ReadError::Policy(VerifyPolicyError::NotSignedByLog { .. })), "{error}");
    let error = policy_error(altered.into()).await.unwrap_err();
    assert!(matches!(error, ReadError::Policy(VerifyPolicyError::BadLogSignature { .. })), "{error}");
    for broken in ["", "<html>not found</html>", good.trim_end(), &good.replace('\n', "\r\n"), &good.replace("\n5\n", "\n05\n")] {
        let error = policy_error(broken.as_bytes().to_vec()).await.unwrap_err();
        assert!(matches!(error, ReadError::Source(SourceError::Checkpoint(_))), "{broken:?}: {error}");
    }
}

/// Case 27: a signed size near the end of the numbers asks for no memory and no endless loop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn impossible_sizes_end_in_an_error() {
    let server = Server::start(Tree::new(5)).await;
    for size in [1 << 62, (1 << 63) - 1, 1 << 63] {
        let checkpoint = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::new(size), Hash::leaf(b"x"));
        let note = SignedCheckpoint::sign(&checkpoint, &[&key(ORIGIN)]).unwrap().to_bytes();
        server.fault(move |path| (path == "checkpoint").then(|| ok(note.clone())));
        let log = server.open().await.unwrap();
        assert!(log.entry(LeafIndex::new(size - 1)).await.is_err());
        assert!(read_all(&log).await.is_err());
        assert!(log.entry(LeafIndex::new(u64::MAX)).await.is_err());
    }
}

/// Case 49.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_answer_is_cut_off() {
    let server = Server::start(Tree::new(300)).await;
    let log = server.open().await.unwrap();
    server.fault(|_| Some(Answer::Endless));
    let error = server.open().await.unwrap_err();
    assert!(matches!(error, ReadError::Source(SourceError::Fetch(FetchError::TooLarge { limit: 131_072, .. }))), "{error}");
    server.fault(|path| path.starts_with("tile/0").then_some(Answer::Endless));
    assert!(matches!(log.entry(LeafIndex::new(1)).await, Err(ReadError::Source(SourceError::Fetch(FetchError::TooLarge { .. })))));
    server.fault(|path| path.starts_with("tile/entries").then_some(Answer::Endless));
    assert!(matches!(log.entry(LeafIndex::new(1)).await, Err(ReadError::Source(SourceError::Fetch(FetchError::TooLarge { .. })))));
}

/// Case 32.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compression_bomb_is_not_blown_up() {
    let server = Server::start(Tree::new(300)).await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![0; 64 << 20]).unwrap();
    let bomb = gzip.finish().unwrap();
    assert!(bomb.len() < 128 << 10);
    server.fault(move |_| Some(Answer::Status(200, vec![("content-encoding", "gzip".into())], bomb.clone().into())));
    let error = server.open().await.unwrap_err();
    assert!(matches!(error, ReadError::Source(SourceError::Fetch(FetchError::TooLarge { .. }))), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_goes_on_is_given_up() {
    let server = Server::start(Tree::new(5)).await;
    server.fault(|_| Some(Answer::Silent));
    let options = Options { timeout: Duration::from_millis(200), wait: Duration::ZERO, ..impatient() };
    let started = Instant::now();
    let error = VerifiedLog::open(server.source_with(&options), &policy()).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_is_asked_again() {
    let server = Server::start(Tree::new(5)).await;
    let asked = AtomicU64::new(0);
    server.fault(move |_| (asked.fetch_add(1, Ordering::SeqCst) == 0).then_some(Answer::Silent));
    let options =
        Options { idle: Duration::from_millis(300), wait: Duration::from_secs(30), timeout: Duration::from_secs(60), ..impatient() };
    VerifiedLog::open(server.source_with(&options), &policy()).await.unwrap();
    let Options { idle, wait, .. } = Options::default();
    assert!(idle + Duration::from_secs(5) < wait, "the default leaves time to begin a second attempt");
    assert!(idle > Duration::from_secs(10), "a log that waits for its witnesses answers after ten seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let server = Server::start(Tree::new(5)).await;
    let asked = Arc::new(AtomicU64::new(0));
    let (good, count) = (server.tree().checkpoint().to_bytes(), Arc::clone(&asked));
    server.fault(move |_| (count.fetch_add(1, Ordering::SeqCst) == 0).then(|| Answer::Broken(good.clone().into())));
    let options = Options { wait: Duration::from_secs(30), ..impatient() };
    VerifiedLog::open(server.source_with(&options), &policy()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let good = server.tree().checkpoint().to_bytes();
    server.fault(move |_| Some(Answer::Broken(good.clone().into())));
    let error = server.open().await.unwrap_err();
    assert!(error.is_unavailable() && error.to_string().contains("broke off"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_longer_than_any_clock_is_not_waited_for() {
    let server = Server::start(Tree::new(5)).await;
    for asked in [u64::MAX, u64::MAX - 1, i64::MAX as u64] {
        server.fault(move |_| Some(Answer::Status(503, vec![("retry-after", asked.to_string())], "".into())));
        let error = server.open().await.unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains(&asked.to_string()), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_told_and_not_followed() {
    let (server, elsewhere) = (Server::start(Tree::new(5)).await, Server::start(Tree::new(5)).await);
    let to = format!("{}/checkpoint", elsewhere.url());
    server.fault(move |_| Some(Answer::Status(302, vec![("location", to.clone())], "".into())));
    let error = server.open().await.unwrap_err();
    assert!(error.to_string().contains(&elsewhere.url()), "{error}");
    assert_eq!(elsewhere.requests(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_stays_busy_is_reported_with_when_it_wants_to_be_asked() {
    let server = Server::start(Tree::new(5)).await;
    let problem = r#"{"type":"about:blank","title":"the queue is full"}"#;
    server.fault(move |_| Some(Answer::Status(503, vec![("retry-after", "3600".into())], problem.into())));
    let started = Instant::now();
    let error = server.open().await.unwrap_err().to_string();
    assert!(error.contains("the queue is full") && error.contains("3600 s"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3), "it does not wait for longer than it was told to");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_reported() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let source = Source::new(&format!("http://{free}").parse().unwrap(), &impatient()).unwrap();
    let error = VerifiedLog::open(source, &policy()).await.unwrap_err();
    assert!(error.is_unavailable() && error.to_string().contains("refused"), "{error}");
}

/// Case 29, when publishing: the log answers with another entry's genuine receipt, another log's, a cut one, or none at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_that_do_not_hold_are_never_taken() {
    let server = Server::start(Tree::new(5)).await;
    let writer = Writer::new(server.source(), policy(), Duration::ZERO).unwrap();
    let proof_type = ("content-type", "application/vnd.c2sp.tlog-proof".to_owned());
    let genuine = server.tree().receipt(2).to_bytes();
    let without_entry = String::from_utf8(genuine.clone())
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("extra "))
        .fold(String::new(), |text, line| text + line + "\n");
    let cut = genuine[..genuine.len() - 10].to_vec();
    let mut bad_root = String::from_utf8(genuine.clone()).unwrap();
    bad_root = bad_root.replace("\n5\n", "\n4\n");
    for bad in [genuine, without_entry.into_bytes(), cut, bad_root.into_bytes(), Vec::new()] {
        let kind = proof_type.clone();
        server.fault(move |path| (path == "add").then(|| Answer::Status(200, vec![kind.clone()], bad.clone().into())));
        let error = writer.add_with_receipt("mine".into()).await.unwrap_err();
        assert!(error.is_false_claim(), "{error}");
    }
    for nonsense in ["", "-1", "07\n", "<html>", "1\n2\n"] {
        server.fault(move |path| (path == "add").then(|| ok(nonsense)));
        assert!(matches!(writer.add_with_receipt("mine".into()).await, Err(SubmitError::NotAnIndex)));
        assert!(matches!(writer.add("mine".into()).await, Err(SubmitError::NotAnIndex)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_of_another_entry_is_noticed() {
    let server = Server::start(Tree::new(5)).await;
    let writer = Writer::new(server.source(), policy(), Duration::ZERO).unwrap();
    server.fault(|path| (path == "add").then(|| ok("3\n")));
    let error = writer.add_with_receipt("mine".into()).await.unwrap_err();
    assert!(matches!(error, SubmitError::OtherEntry(index) if index == LeafIndex::new(3)), "{error}");
    assert!(error.is_false_claim());
    server.fault(|path| (path == "add").then(|| ok("5\n")));
    assert!(matches!(writer.add_with_receipt("mine".into()).await, Err(SubmitError::NotYetPublished { .. })));
}
