//! Clients that are slow, greedy or broken.

use std::time::Duration;

use log_server::store::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::server::{Server, entry};
use super::wire::{Client, soon};

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_connection_that_does_not_say_what_it_wants_is_closed() {
    let server = Server::with(|http| http.bounds.header_timeout = SHORT).await;
    let openings: [&[u8]; 6] =
        [b"", b"G", b"PRI * HT", b"GET / HTTP/1.1\r\nhost: a\r\nx: ", b"\r\n\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    let mut clients = Vec::new();
    for said in openings {
        let mut client = server.connect().await;
        client.send(said).await;
        clients.push(client);
    }
    for client in clients {
        client.closed().await;
    }
    server.until_metric("acta_log_http_connections", 0.0).await;
    assert_eq!(server.metric("acta_log_http_connections_cut_total"), 6.0);
}

#[tokio::test]
async fn headers_letter_by_letter_do_not_keep_a_connection_open() {
    let server = Server::with(|http| http.bounds.header_timeout = SHORT).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\n").await;
    soon(async {
        while server.metric("acta_log_http_connections_cut_total") == 0.0 {
            let _ = client.try_send("x: y\r\n").await;
            tokio::time::sleep(SHORT / 10).await;
        }
    })
    .await;
    client.closed().await;
}

#[tokio::test]
async fn slow_headers_of_a_later_request_are_cut_off_too() {
    let server = Server::with(|http| http.bounds.header_timeout = SHORT).await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/checkpoint").await.status, 200);
    client.send("GET /checkpoint HTTP/1.1\r\nhost").await;
    client.closed().await;
}

#[tokio::test]
async fn a_connection_that_is_idle_for_too_long_is_closed() {
    let server = Server::with(|http| http.bounds.idle_timeout = SHORT).await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        assert_eq!(client.get("/checkpoint").await.status, 200);
    }
    client.closed().await;
    server.until_metric("acta_log_http_connections", 0.0).await;
}

#[tokio::test]
async fn waiting_for_an_answer_is_not_idle() {
    let server = Server::with(|http| {
        http.bounds.header_timeout = SHORT;
        http.bounds.idle_timeout = SHORT;
    })
    .await;
    server.log.store().plan(Fault::Block);
    let mut client = server.connect().await;
    client.send("POST /add HTTP/1.1\r\nhost: log.test\r\ncontent-length: 1\r\n\r\na").await;
    tokio::time::sleep(SHORT * 20).await; // several times what an idle connection has, and the moment of grace
    server.log.store().release();
    assert_eq!(client.answer(false).await.text(), "0\n");
}

#[tokio::test]
async fn a_body_that_is_too_slow_is_answered_and_cut_off() {
    let server = Server::with(|http| http.body_timeout = SHORT).await;
    for path in ["/add", "/add-batch"] {
        for framing in ["content-length: 5", "transfer-encoding: chunked"] {
            let mut client = server.connect().await;
            client.send(format!("POST {path} HTTP/1.1\r\nhost: log.test\r\n{framing}\r\n\r\n1")).await;
            let answer = client.answer(false).await;
            assert_eq!((answer.status, answer.problem().as_str(), answer.header("connection")), (408, "slow-body", "close"));
            client.closed().await;
        }
    }
    assert_eq!(server.log.published().size().as_u64(), 0);
}

#[tokio::test]
async fn bodies_that_arrive_slowly_share_a_bounded_memory() {
    let server = Server::with(|http| http.body_memory = 100 << 10).await;
    let begin = |length: usize| format!("POST /add-batch HTTP/1.1\r\nhost: log.test\r\ncontent-length: {length}\r\n\r\n\0");
    let mut first = server.connect().await;
    first.send(begin(120 << 10)).await;
    first.send(vec![0; 80 << 10]).await;
    server.until_metric("acta_log_http_in_flight_requests", 1.0).await;
    let mut second = server.connect().await;
    // Whether the first one has begun to read its body cannot be seen from here, so the second tries until it has.
    soon(async {
        loop {
            second.send(begin(60 << 10)).await;
            let _ = second.try_send(vec![0; (60 << 10) - 1]).await;
            let answer = second.answer(false).await;
            if answer.status == 503 {
                assert_eq!((answer.problem().as_str(), answer.header("retry-after")), ("overloaded", "1"));
                return;
            }
            second = server.connect().await;
        }
    })
    .await;
    drop(first);
    server.until_metric("acta_log_http_in_flight_requests", 0.0).await;
    let mut third = server.connect().await;
    let body = [b"\xf0\0".as_slice(), &vec![1; 0xf000]].concat();
    assert_eq!(third.post("/add-batch", body).await.text(), "0\n", "and gives it back");
}

#[tokio::test]
async fn a_body_of_unknown_length_counts_as_it_grows() {
    let server = Server::with(|http| http.body_memory = 100 << 10).await;
    let mut client = server.connect().await;
    client.send("POST /add-batch HTTP/1.1\r\nhost: log.test\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for _ in 0..30 {
        client.send([b"2000\r\n".as_slice(), &[0; 0x2000], b"\r\n"].concat()).await;
    }
    client.send("0\r\n\r\n").await;
    let answer = client.answer(false).await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "overloaded"));
}

#[tokio::test]
async fn headers_are_bounded_in_bytes_and_number() {
    let server = Server::with(|http| http.bounds.headers = 8192).await;
    let mut client = server.connect().await;
    let _ = client.try_send(format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(20_000))).await;
    assert_eq!(client.answer(false).await.status, 431);
    let mut client = server.connect().await;
    let _ = client.try_send(format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(200))).await;
    assert_eq!(client.answer(false).await.status, 431);
    assert_eq!(server.connect().await.get("/").await.status, 200);
}

#[tokio::test]
async fn no_more_connections_than_configured_are_served_at_once() {
    let server = Server::with(|http| http.bounds.connections = 2).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    assert_eq!(first.get("/checkpoint").await.status, 200);
    assert_eq!(second.get("/checkpoint").await.status, 200);
    let mut third = server.connect().await;
    third.send("GET /checkpoint HTTP/1.1\r\nhost: a\r\n\r\n").await;
    for _ in 0..20 {
        assert_eq!(first.get("/checkpoint").await.status, 200);
        assert_eq!(server.metric("acta_log_http_connections"), 2.0);
    }
    drop(second);
    assert_eq!(third.answer(false).await.status, 200, "its turn comes when there is room");
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_in_order() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let mut all = String::new();
    for number in 0..50 {
        all += &format!(
            "POST /add HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{number:02}GET /proof/{number} HTTP/1.1\r\nhost: a\r\n\r\n"
        );
    }
    client.send(all).await;
    for number in 0..50 {
        assert_eq!(client.answer(false).await.text(), format!("{number}\n"));
        assert_eq!(client.answer(false).await.status, 200);
    }
}

#[tokio::test]
async fn garbage_harms_nobody_else() {
    let server = Server::with(|http| http.bounds.header_timeout = SHORT).await;
    let mut other = server.connect().await;
    let mut openings: Vec<Vec<u8>> = vec![
        b"\0\0\0\0".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"POST /add HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_vec(),
        b"POST /add HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".to_vec(),
        b"POST /add HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec(),
        b"POST /add HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec(),
    ];
    // Noise that is the same in every run (xorshift).
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..50 {
        let bytes = (0..64).flat_map(|_| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise.to_be_bytes()
        });
        openings.push(bytes.collect());
    }
    for opening in openings {
        let mut client = server.connect().await;
        let _ = client.try_send(&opening).await;
        let said = client.closed().await;
        assert!(!said.starts_with(b"HTTP/1.1 2"), "{opening:?}");
        assert_eq!(other.get("/checkpoint").await.status, 200);
    }
    assert_eq!(server.log.published().size().as_u64(), 0);
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_cut_off() {
    let server = Server::with(|http| {
        http.bounds.header_timeout = SHORT;
        http.bounds.idle_timeout = SHORT;
    })
    .await;
    let entries = (0..=255_u8).map(|n| bytes::Bytes::from(vec![n; 65_535]));
    for outcome in soon(server.log.add_batch(entries)).await {
        outcome.unwrap();
    }
    // 16 MiB do not fit into the buffers of a socket.
    let mut client = server.connect().await;
    client.send("GET /tile/entries/000 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    server.until_metric("acta_log_http_connections_cut_total", 1.0).await;
    server.until_metric("acta_log_http_connections", 0.0).await;
    assert!(client.closed().await.len() < 256 * 65_537);

    let mut client = server.connect().await;
    assert_eq!(client.get("/tile/entries/000").await.body.len(), 256 * 65_537, "one that does gets all of it");
}

#[tokio::test]
async fn http_2_streams_that_are_opened_and_reset_at_once_end_the_connection() {
    let server = Server::start().await;
    server.fill(1).await;
    let mut client = server.connect().await;
    let mut flood = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for stream in (1..20_001_u32).step_by(2) {
        // HEADERS with END_HEADERS and END_STREAM: GET / over http, authority a.
        flood.extend_from_slice(b"\0\0\x06\x01\x05");
        flood.extend_from_slice(&stream.to_be_bytes());
        flood.extend_from_slice(b"\x82\x84\x86\x41\x01a");
        // RST_STREAM: CANCEL.
        flood.extend_from_slice(b"\0\0\x04\x03\0");
        flood.extend_from_slice(&stream.to_be_bytes());
        flood.extend_from_slice(b"\0\0\0\x08");
    }
    let _ = client.try_send(flood).await;
    let said = client.closed().await;
    assert!(said.windows(5).any(|frame| frame[3] == 7 && frame[4] == 0), "no GOAWAY");
    assert_eq!(server.connect().await.get("/proof/0").await.status, 200);
    assert!(!entry(0).is_empty());
}

#[tokio::test]
async fn an_idle_http_2_connection_is_closed_although_it_answers_pings() {
    let server = Server::with(|http| {
        http.bounds.header_timeout = SHORT;
        http.bounds.idle_timeout = SHORT;
    })
    .await;
    let mut client: Client = server.connect().await;
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    client.send(b"\0\0\x06\x01\x05\0\0\0\x01\x82\x84\x86\x41\x01a").await;
    let answer_pings = async {
        let mut head = [0; 9];
        while client.stream.read_exact(&mut head).await.is_ok() {
            let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
            client.stream.read_exact(&mut payload).await.unwrap();
            if (head[3], head[4]) == (6, 0) {
                let pong = [b"\0\0\x08\x06\x01\0\0\0\0".as_slice(), &payload].concat();
                let _ = client.stream.write_all(&pong).await; // it may be closing already
            }
        }
    };
    soon(answer_pings).await;
    assert_eq!(server.metric("acta_log_http_connections_cut_total"), 1.0);
}

#[tokio::test]
async fn one_address_does_not_get_all_connections() {
    let server = Server::with(|http| {
        http.max_connections_per_client = 2;
        http.many_connections.clear();
    })
    .await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    assert_eq!(first.get("/checkpoint").await.status, 200);
    assert_eq!(second.get("/checkpoint").await.status, 200);
    assert_eq!(server.connect().await.closed().await, b"");
    assert_eq!(server.metric("acta_log_http_connections_refused_total"), 1.0);
    drop(first);
    server.until_metric("acta_log_http_connections", 1.0).await;
    assert_eq!(second.get("/checkpoint").await.status, 200);
}

#[tokio::test]
async fn this_machine_has_as_many_connections_as_there_are() {
    let server = Server::with(|http| http.max_connections_per_client = 1).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = server.connect().await;
        assert_eq!(client.get("/checkpoint").await.status, 200);
        clients.push(client);
    }
}

#[tokio::test]
async fn requests_in_progress_are_bounded_over_all_connections() {
    let server = Server::with(|http| http.max_requests = 2).await;
    server.log.store().plan(Fault::Block);
    let mut adding = Vec::new();
    for number in 0..2 {
        let mut client = server.connect().await;
        client.send(format!("POST /add HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n{number}")).await;
        server.until_metric("acta_log_http_in_flight_requests", f64::from(number + 1)).await;
        adding.push(client);
    }
    let refused = server.connect().await.get("/checkpoint").await;
    assert_eq!((refused.status, refused.problem().as_str(), refused.header("retry-after")), (503, "overloaded", "1"));
    server.log.store().release();
    for mut client in adding {
        assert_eq!(client.answer(false).await.status, 200);
    }
    assert_eq!(server.connect().await.get("/checkpoint").await.status, 200);
}

#[tokio::test]
async fn answers_that_nobody_takes_share_a_bounded_memory() {
    let server = Server::with(|http| http.answer_memory = 40 << 20).await;
    let entries = (0..=255_u8).map(|n| bytes::Bytes::from(vec![n; 65_535]));
    for outcome in soon(server.log.add_batch(entries)).await {
        outcome.unwrap();
    }
    let mut readers = Vec::new();
    for width in [250, 251, 252] {
        let mut client = server.connect().await;
        client.send(format!("GET /tile/entries/000.p/{width} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        let mut status = [0; 12];
        soon(client.stream.read_exact(&mut status)).await.unwrap();
        let room = width < 252;
        assert_eq!(&status, if room { b"HTTP/1.1 200" } else { b"HTTP/1.1 503" });
        readers.push(client);
    }
    let refused = server.connect().await.get("/tile/entries/000").await;
    assert_eq!((refused.status, refused.problem().as_str(), refused.header("retry-after")), (503, "overloaded", "1"));
    assert_eq!(server.connect().await.get("/tile/0/000").await.status, 200, "small answers still fit");
    drop(readers);
    server.until_metric("acta_log_http_connections", 0.0).await;
    assert_eq!(server.connect().await.get("/tile/entries/000").await.body.len(), 256 * 65_537, "and the memory comes back");
}

#[tokio::test]
async fn announcing_a_body_reserves_no_memory() {
    let server = Server::with(|http| http.body_memory = 16 << 20).await;
    let mut announced = Vec::new();
    for number in 0..16 {
        let mut client = server.connect().await;
        client.send("POST /add-batch HTTP/1.1\r\nhost: a\r\ncontent-length: 8388608\r\n\r\n\0\x01").await;
        server.until_metric("acta_log_http_in_flight_requests", f64::from(number + 1)).await;
        announced.push(client);
    }
    let body = [b"\xf0\0".as_slice(), &vec![1; 0xf000]].concat();
    assert_eq!(server.connect().await.post("/add-batch", body.repeat(2)).await.text(), "0\n0\n");
}
