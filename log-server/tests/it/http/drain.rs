//! The orderly end.

use std::time::Duration;

use log_server::store::Fault;
use tokio::net::TcpStream;

use super::server::{Server, entry};
use super::wire::soon;

#[tokio::test]
async fn requests_that_have_begun_are_answered_and_nothing_new_is_accepted() {
    let mut server = Server::start().await;
    server.log.store().plan(Fault::Block);
    let mut clients = Vec::new();
    for number in 0..20 {
        let mut client = server.connect().await;
        let entry = entry(number);
        client.send(format!("POST /add?receipt HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", entry.len())).await;
        client.send(entry).await;
        clients.push(client);
    }
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/checkpoint").await.status, 200);
    server.until_metric("acta_log_http_in_flight_requests", 20.0).await;
    server.stop();
    idle.closed().await;
    soon(async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
    assert_eq!(server.metric("acta_log_http_in_flight_requests"), 20.0);
    server.log.store().release();
    for mut client in clients {
        let answer = client.answer(false).await;
        assert_eq!((answer.status, answer.header("connection")), (200, "close"));
        client.closed().await;
    }
    server.stopped().await;
    assert_eq!(server.log.published().size().as_u64(), 20);
    server.log.close();
    soon(server.write_side.ended()).await.unwrap();
}

#[tokio::test]
async fn what_is_not_done_by_the_deadline_is_cut_off() {
    let mut server = Server::with(|http| http.bounds.drain_timeout = Duration::from_millis(50)).await;
    server.log.store().plan(Fault::Block);
    let mut client = server.connect().await;
    client.send("POST /add HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\na").await;
    server.until_metric("acta_log_http_in_flight_requests", 1.0).await;
    server.stop();
    server.stopped().await;
    assert_eq!(client.closed().await, b"");
    server.log.store().release();
}

#[tokio::test]
async fn half_a_request_does_not_hold_up_the_end() {
    let mut server = Server::start().await;
    let mut silent = server.connect().await;
    let mut half = server.connect().await;
    half.send("GET / HTTP/1.1\r\nho").await;
    let mut later = server.connect().await;
    assert_eq!(later.get("/checkpoint").await.status, 200);
    silent.send("").await;
    server.until_metric("acta_log_http_connections", 3.0).await;
    server.stop();
    silent.closed().await;
    later.closed().await;
    // What is left is the half request, and whoever sends it may end it in time.
    let _ = half.try_send("st: a\r\n\r\n").await;
    half.closed().await;
    server.stopped().await;
}

#[tokio::test]
async fn the_end_under_load_breaks_no_answer() {
    let mut server = Server::start().await;
    let mut clients = Vec::new();
    for number in 0..16_u32 {
        let mut client = server.connect().await;
        assert_eq!(client.get("/checkpoint").await.status, 200);
        clients.push(tokio::spawn(async move {
            let mut answered = 0_u32;
            // Each answer is either whole, or the connection was closed between requests.
            loop {
                let body = format!("{number} {answered}");
                let _ = client.try_send(format!("POST /add HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
                let Some(answer) = client.answer_or_end().await else { return answered };
                assert_eq!(answer.status, 200);
                answered += 1;
            }
        }));
    }
    soon(async {
        while server.log.published().size().as_u64() < 200 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    server.stop();
    server.stopped().await;
    let mut answered = 0;
    for client in clients {
        answered += u64::from(soon(client).await.unwrap());
    }
    assert!(answered >= 200);
    assert!(server.log.published().size().as_u64() >= answered);
}
