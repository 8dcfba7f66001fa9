//! Adding entries: one, in batches, with a receipt; too many, too large, too often.

use std::num::NonZeroU32;
use std::time::Duration;

use log_server::config::Http;
use log_server::log::Options;
use log_server::queue::QueueLimits;
use log_server::store::Fault;
use serving::limits::Limit;
use tlog::LeafIndex;
use tlog::proof::Proof;

use super::server::{Server, entry, policy};
use super::wire::Answer;

/// A queue of so many entries that are committed one by one.
fn small_queue(entries: usize) -> Options {
    let queue = QueueLimits { entries, commit_entries: 1, ..QueueLimits::default() };
    Options { queue, ..Options::default() }
}

fn batch<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut body = Vec::new();
    for entry in entries {
        tlog::tiles::encode_entry(entry, &mut body).unwrap();
    }
    body
}

fn refused(answer: &Answer, status: u16, name: &str) {
    assert_eq!((answer.status, answer.problem().as_str()), (status, name), "{answer:?}");
}

#[tokio::test]
async fn an_entry_gets_its_index_and_keeps_it() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for (text, index) in [("a", "0\n"), ("b", "1\n"), ("a", "0\n"), ("c", "2\n"), ("b", "1\n")] {
        let answer = client.post("/add", text).await;
        assert_eq!((answer.status, answer.text()), (200, index));
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("access-control-allow-origin"), "", "what others add is not for scripts of any site to read");
    }
}

#[tokio::test]
async fn a_receipt_comes_with_the_answer_when_asked_for() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let accept = "accept: application/vnd.c2sp.tlog-proof\r\n";
    let by_header = client.request("POST", "/add", accept, b"a").await;
    let by_query = client.request("POST", "/add?receipt", "", b"b").await;
    let duplicate = client.request("POST", "/add?receipt=1", "", b"a").await;
    for (answer, entry, index) in [(by_header, b"a", 0), (by_query, b"b", 1), (duplicate, b"a", 0)] {
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/vnd.c2sp.tlog-proof"));
        let receipt = Proof::parse(&answer.body).unwrap().verify_receipt(&policy(), Some(entry)).unwrap();
        assert_eq!(receipt.index(), LeafIndex::new(index));
    }
}

#[tokio::test]
async fn the_size_of_an_entry_is_from_1_to_65535_bytes() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    refused(&client.post("/add", "").await, 400, "empty-entry");
    assert_eq!(client.post("/add", vec![7; 65_535]).await.text(), "0\n");
    refused(&client.post("/add", vec![7; 65_536]).await, 413, "entry-too-large");
    refused(&client.post("/add", vec![7; 500_000]).await, 413, "entry-too-large");
    assert_eq!(client.post("/add", "still here").await.text(), "1\n", "what was too large has been read away");
}

#[tokio::test]
async fn the_same_holds_when_the_length_is_not_announced() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for (length, status) in [(0, 400), (1, 200), (65_535, 200), (65_536, 413), (300_000, 413)] {
        client.send("POST /add HTTP/1.1\r\nhost: log.test\r\ntransfer-encoding: chunked\r\n\r\n").await;
        let body = vec![9_u8; length];
        for chunk in body.chunks(10_000) {
            client.send(format!("{:x}\r\n", chunk.len())).await;
            client.send(chunk).await;
            client.send("\r\n").await;
        }
        client.send("0\r\ntrailer: x\r\n\r\n").await;
        assert_eq!(client.answer(false).await.status, status, "{length}");
    }
    assert_eq!(server.log.published().size().as_u64(), 2);
}

#[tokio::test]
async fn a_body_that_is_announced_as_huge_is_refused_before_it_is_sent() {
    let server = Server::start().await;
    for (path, name) in [("/add", "entry-too-large"), ("/add-batch", "batch-too-large")] {
        let mut client = server.connect().await;
        client.send(format!("POST {path} HTTP/1.1\r\nhost: log.test\r\ncontent-length: 99999999999\r\n\r\n")).await;
        refused(&client.answer(false).await, 413, name);
        client.closed().await;
    }
    let mut client = server.connect().await;
    client.send("POST /add HTTP/1.1\r\nhost: log.test\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n").await;
    refused(&client.answer(false).await, 413, "entry-too-large");
}

#[tokio::test]
async fn an_endless_body_without_a_length_is_cut_off() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send("POST /add HTTP/1.1\r\nhost: log.test\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let chunk = [b"10000\r\n".as_slice(), &[9; 0x10000], b"\r\n"].concat();
    let mut sent = 0;
    while client.try_send(&chunk).await.is_ok() {
        sent += 1;
        assert!(sent < 1024, "the server takes everything");
    }
    assert_eq!(server.log.published().size().as_u64(), 0);
}

#[tokio::test]
async fn a_compressed_body_is_refused_rather_than_published_or_unpacked() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for coding in ["gzip", "zstd", "deflate", "gzip, gzip"] {
        for path in ["/add", "/add-batch"] {
            let answer = client.request("POST", path, &format!("content-encoding: {coding}\r\n"), b"\0\x01a").await;
            refused(&answer, 415, "encoded-body");
        }
    }
    assert_eq!(client.request("POST", "/add", "content-encoding: identity\r\n", b"a").await.text(), "0\n");
}

#[tokio::test]
async fn a_batch_has_a_line_for_each_entry_in_order() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let answer = client.post("/add-batch", batch([&b"a"[..], b"b", b"", b"a", b"c"])).await;
    assert_eq!((answer.status, answer.text()), (200, "0\n1\nempty-entry\n0\n2\n"));
    let largest = vec![1; 65_535];
    assert_eq!(client.post("/add-batch", batch([&b"c"[..], &largest])).await.text(), "2\n3\n");
    let bundle = client.get("/tile/entries/000.p/3").await;
    assert_eq!(bundle.body, batch([&b"a"[..], b"b", b"c"]));
}

#[tokio::test]
async fn a_batch_that_is_no_batch_adds_nothing() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    refused(&client.post("/add-batch", "").await, 400, "empty-batch");
    for cut in [&b"\0"[..], b"\0\x02a", b"\0\x01a\0", b"\0\x01a\xff\xffb", b"{\"not\":\"a batch\"}"] {
        refused(&client.post("/add-batch", cut).await, 400, "malformed-batch");
    }
    let numbers: Vec<[u8; 4]> = (0..4097_u32).map(u32::to_be_bytes).collect();
    refused(&client.post("/add-batch", batch(numbers.iter().map(|n| &n[..]))).await, 413, "batch-too-large");
    let large = vec![0; 65_535];
    let too_many_bytes = batch(std::iter::repeat_n(&large[..], 128));
    assert!(too_many_bytes.len() > 8 << 20);
    refused(&client.post("/add-batch", &too_many_bytes[..(8 << 20) + 1]).await, 413, "batch-too-large");
    assert_eq!(server.log.published().size().as_u64(), 0);
    let most = client.post("/add-batch", batch(numbers[..4096].iter().map(|n| &n[..]))).await;
    assert_eq!((most.status, most.text().lines().count()), (200, 4096));
    assert!(most.text().starts_with("0\n1\n") && most.text().ends_with("\n4095\n"));
}

#[tokio::test]
async fn the_same_entry_from_many_clients_has_one_index() {
    let server = Server::start().await;
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = server.connect().await;
        clients.push(tokio::spawn(async move { client.post("/add", "the same").await.text().to_owned() }));
    }
    for client in clients {
        assert_eq!(client.await.unwrap(), "0\n");
    }
    assert_eq!(server.log.published().size().as_u64(), 1);
}

#[tokio::test]
async fn a_full_queue_refuses_and_stores_nothing_of_it() {
    let server = Server::with_options(|_| {}, small_queue(2)).await;
    server.log.store().plan(Fault::Block);
    // One is being committed and two wait.
    let mut waiting = Vec::new();
    for number in 0..3_usize {
        let mut client = server.connect().await;
        waiting.push(tokio::spawn(async move { client.post("/add", entry(number.try_into().unwrap())).await }));
        let expected = number; // the first one leaves the queue
        super::wire::soon(async {
            while server.log.queue_depth().0 != expected
                || server.metric("acta_log_http_in_flight_requests") < f64::from(u32::try_from(number + 1).unwrap())
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }
    let mut client = server.connect().await;
    let answer = client.post("/add", "too many").await;
    refused(&answer, 503, "overloaded");
    assert_eq!(answer.header("retry-after"), "1");
    let answer = client.post("/add-batch", batch([&b"x"[..], b"", b"y"])).await;
    assert_eq!(answer.text(), "overloaded\nempty-entry\noverloaded\n");
    server.log.store().release();
    for answer in waiting {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(client.post("/add", "afterwards").await.text(), "3\n", "nothing of what was refused has been stored");
}

#[tokio::test]
async fn a_store_that_fails_is_our_fault_and_says_nothing_of_its_insides() {
    let server = Server::start().await;
    server.fill(1).await;
    server.log.store().plan(Fault::Fail);
    let mut client = server.connect().await;
    for _ in 0..2 {
        let answer = client.post("/add", "unlucky").await;
        refused(&answer, 503, "write-failed");
        assert_eq!(answer.header("retry-after"), "60");
    }
    assert_eq!(client.post("/add-batch", batch([&b"x"[..]])).await.text(), "write-failed\n");
    assert_eq!(client.get("/proof/0").await.status, 200, "reading goes on");
    assert!(client.get("/").await.text().contains("Not now"));
}

#[tokio::test]
async fn a_full_disk_refuses_and_reading_goes_on() {
    let server = Server::start().await;
    server.fill(1).await;
    server.log.set_disk_full(true);
    let mut client = server.connect().await;
    refused(&client.post("/add", "x").await, 503, "disk-full");
    assert_eq!(client.get("/proof/0").await.status, 200);
    server.log.set_disk_full(false);
    assert_eq!(client.post("/add", "x").await.text(), "1\n");
}

#[tokio::test]
async fn a_slow_store_is_not_waited_for_for_ever_and_the_entry_is_not_lost() {
    let server = Server::with(|http| http.add_timeout = Duration::from_millis(50)).await;
    server.log.store().plan(Fault::Block);
    let mut client = server.connect().await;
    let answer = client.post("/add", "slow").await;
    refused(&answer, 503, "slow-store");
    assert_eq!(answer.header("retry-after"), "1");
    let answer = client.post("/add-batch", batch([&b"x"[..], b""])).await;
    assert_eq!(answer.text(), "slow-store\nempty-entry\n", "what is refused at once is said all the same");
    server.log.store().release();
    server.until_metric("acta_log_tree_size", 2.0).await;
    assert_eq!(client.post("/add", "slow").await.text(), "0\n");
}

#[tokio::test]
async fn a_client_that_leaves_leaves_at_most_one_entry() {
    let server = Server::start().await;
    server.log.store().plan(Fault::Block);
    for _ in 0..3 {
        let mut client = server.connect().await;
        client.send("POST /add HTTP/1.1\r\nhost: log.test\r\ncontent-length: 4\r\n\r\ngone").await;
        server.until_metric("acta_log_http_in_flight_requests", 1.0).await;
        drop(client);
        server.until_metric("acta_log_http_in_flight_requests", 0.0).await;
    }
    assert_eq!(server.metric("acta_log_http_requests_total{route=\"add\",status=\"499\"}"), 3.0);
    let mut half = server.connect().await;
    half.send("POST /add HTTP/1.1\r\nhost: log.test\r\ncontent-length: 9\r\n\r\nhalf").await;
    drop(half);
    server.log.store().release();
    assert_eq!(server.connect().await.post("/add", "gone").await.text(), "0\n");
    assert_eq!(server.log.published().size().as_u64(), 1);
}

fn two_at_once(http: &mut Http) {
    let number = |n| NonZeroU32::new(n).unwrap();
    // One an hour or so, as far as a test is concerned.
    http.limit = Some(Limit { per_second: number(1), burst: number(2), addresses: number(64) });
}

#[tokio::test]
async fn a_client_over_its_limit_waits_and_readers_do_not() {
    let server = Server::with(two_at_once).await;
    let mut client = server.connect().await;
    let mut answers = Vec::new();
    for number in 0..20 {
        answers.push(client.post("/add", entry(number)).await);
    }
    let refusals: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(refusals.len() > 10, "{answers:?}");
    for answer in refusals {
        refused(answer, 429, "too-many-adds");
        assert_eq!(answer.header("retry-after"), "1");
    }
    // The batch takes the next token and everything for a minute.
    let numbers: Vec<[u8; 4]> = (0..100_u32).map(u32::to_be_bytes).collect();
    let body = batch(numbers.iter().map(|n| &n[..]));
    super::wire::soon(async { while client.post("/add-batch", &body).await.status == 429 {} }).await;
    let answer = client.post("/add", "x").await;
    refused(&answer, 429, "too-many-adds");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 60);
    for _ in 0..20 {
        assert_eq!(client.get("/checkpoint").await.status, 200);
    }
}

#[tokio::test]
async fn the_body_of_a_client_over_its_limit_takes_no_memory() {
    let server = Server::with(|http| {
        two_at_once(http);
        http.body_memory = 1;
    })
    .await;
    let mut client = server.connect().await;
    let numbers: Vec<[u8; 4]> = (0..100_u32).map(u32::to_be_bytes).collect();
    assert_eq!(client.post("/add-batch", batch(numbers.iter().map(|n| &n[..]))).await.status, 200);
    for path in ["/add", "/add-batch"] {
        refused(&client.post(path, vec![0; 60_000]).await, 429, "too-many-adds");
    }
}

#[tokio::test]
async fn whoever_sends_a_body_to_the_wrong_place_is_told_so() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for path in ["/checkpoint", "/nothing", "/add/"] {
        let answer = client.post(path, vec![1; 200_000]).await;
        assert!(answer.status == 404 || answer.status == 405);
    }
    assert_eq!(client.post("/add", "x").await.text(), "0\n", "on the same connection");
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_limit() {
    let server = Server::with(|http| {
        two_at_once(http);
        http.proxies.trusted = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let mut client = server.connect().await;
    for address in 1..30 {
        let header = format!("x-forwarded-for: 198.51.100.7, 203.0.113.{address}\r\n");
        assert_eq!(client.request("POST", "/add", &header, b"x").await.status, 200);
    }
    let server = Server::with(two_at_once).await;
    let mut client = server.connect().await;
    let mut refusals = 0;
    for address in 1..30 {
        let header = format!("x-forwarded-for: 203.0.113.{address}\r\n");
        refusals += u32::from(client.request("POST", "/add", &header, b"x").await.status == 429);
    }
    assert!(refusals > 20, "a stranger's word on its address counts for nothing");
}
