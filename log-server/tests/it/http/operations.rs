//! The listener for whoever runs the log.

use std::net::SocketAddr;

use log_server::config::{Config, Ops};
use log_server::ops::LogOperations;
use serving::ops::{self, OpsMetrics};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::server::Server;
use super::wire::{Client, soon};

struct Operations {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn operations(server: &Server) -> Operations {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        let _ = stopped.await;
    };
    let task = serve(server, listener, Config::default().ops, shutdown);
    Operations { address, stop, task }
}

fn serve(server: &Server, listener: TcpListener, config: Ops, shutdown: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let committed = server.metrics.tree_size.clone();
    let operations = LogOperations::new(server.log.clone(), config, &server.registry, committed).unwrap();
    let metrics = OpsMetrics::new("acta_log", server.registry.clone()).unwrap();
    tokio::spawn(ops::serve(listener, operations, metrics, shutdown))
}

#[tokio::test]
async fn metrics_show_what_the_log_did() {
    let server = Server::start().await;
    let operations = operations(&server).await;
    server.fill(3).await;
    let mut client = server.connect().await;
    client.post("/add", "one more").await;
    client.get("/checkpoint").await;
    client.get("/nothing").await;
    let mut ops = Client::connect(operations.address).await;
    let answer = ops.get("/metrics").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    for line in [
        "acta_log_http_requests_total{route=\"add\",status=\"200\"} 1",
        "acta_log_http_requests_total{route=\"checkpoint\",status=\"200\"} 1",
        "acta_log_http_requests_total{route=\"other\",status=\"404\"} 1",
        "acta_log_http_request_seconds_count{route=\"add\"} 1",
        "acta_log_http_in_flight_requests 0",
        "acta_log_http_connections 1",
        "acta_log_tree_size 4",
        "acta_log_published_size 4",
        "acta_log_queue_entries 0",
        "acta_log_queue_bytes 0",
        "acta_log_accepting 1",
    ] {
        assert!(text.lines().any(|known| known == line), "no {line} in {text}");
    }
    assert!(text.contains("acta_log_head_age_seconds ") && text.contains("acta_log_commit_seconds_count "));
    assert_eq!(server.connect().await.get("/metrics").await.status, 404, "the public has no metrics");
}

#[tokio::test]
async fn ready_is_who_takes_entries_and_healthy_who_answers() {
    let mut server = Server::start().await;
    let operations = operations(&server).await;
    let mut ops = Client::connect(operations.address).await;
    assert_eq!(ops.get("/healthz").await.status, 200);
    assert_eq!(ops.get("/readyz").await.status, 200);
    server.log.set_disk_full(true);
    assert_eq!(ops.get("/readyz").await.status, 503);
    server.log.set_disk_full(false);
    assert_eq!(ops.get("/readyz").await.status, 200);
    // Durable, and no published head covers it: not ready once that has lasted, which takes longer than this test.
    server.metrics.tree_size.set(10);
    assert_eq!(ops.get("/readyz").await.status, 200);
    server.log.close();
    soon(server.write_side.ended()).await.unwrap();
    let answer = ops.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().starts_with("not ready: "), "{}", answer.text());
    assert_eq!(ops.get("/healthz").await.status, 200);
    assert_eq!(ops.request("POST", "/metrics", "", b"").await.status, 405);
    assert_eq!(ops.get("/checkpoint").await.status, 404);
    operations.stop.send(()).unwrap();
    soon(operations.task).await.unwrap();
}

#[tokio::test]
async fn a_head_that_stays_behind_makes_the_log_unready() {
    let server = Server::start().await;
    let mut config = Config::default().ops;
    config.max_head_age = std::time::Duration::from_millis(1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = serve(&server, listener, config, std::future::pending());
    let mut ops = Client::connect(address).await;
    assert_eq!(ops.get("/readyz").await.status, 200);
    server.metrics.tree_size.set(10);
    soon(async { while ops.get("/readyz").await.status == 200 {} }).await;
    assert!(ops.get("/readyz").await.text().contains("witnesses"));
    server.metrics.tree_size.set(0);
    assert_eq!(ops.get("/readyz").await.status, 200);
    task.abort();
}
