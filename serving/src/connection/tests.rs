#![allow(clippy::unwrap_used, reason = "tests")]

use hyper::body::Frame;
use prometheus::{IntCounter, IntGauge};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A stream that says a letter each second, or nothing at all.
struct Letters(Option<tokio::time::Interval>);

impl Body for Letters {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(ticks) = &mut self.0 else { return Poll::Pending };
        ticks.poll_tick(cx).map(|_| Some(Ok(Frame::data(Bytes::from_static(b"a")))))
    }
}

/// A connection with one request that is answered by a stream, and the client's end of it.
fn serve(letters: bool) -> (tokio::task::JoinHandle<()>, tokio::io::DuplexStream, watch::Sender<bool>, IntCounter) {
    let (stop, stopping) = watch::channel(false);
    let counters = Counters {
        open: IntGauge::new("open", "open").unwrap(),
        cut: IntCounter::new("cut", "cut").unwrap(),
        refused: IntCounter::new("refused", "refused").unwrap(),
    };
    let (header_timeout, idle_timeout, drain_timeout) = (Duration::from_secs(3), Duration::from_secs(5), Duration::from_secs(1));
    let connection = Connection {
        builder: Arc::new(Builder::new(TokioExecutor::new())),
        handler: move |_: IpAddr, _: Request<Incoming>| async move {
            Response::new(Letters(letters.then(|| tokio::time::interval(Duration::from_secs(1)))))
        },
        tls: None,
        bounds: Bounds { connections: 1, streams: 1, headers: 8192, header_timeout, idle_timeout, drain_timeout },
        counters: counters.clone(),
        stopping,
        peer: IpAddr::from([127, 0, 0, 1]),
    };
    let (client, server) = tokio::io::duplex(256);
    (tokio::spawn(connection.requests(server)), client, stop, counters.cut)
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_taken_lives_however_little_it_says() {
    let (connection, mut client, _stop, cut) = serve(true);
    client.write_all(REQUEST).await.unwrap();
    let (end, mut buffer) = (Instant::now() + Duration::from_secs(100), [0; 64]);
    while Instant::now() < end {
        assert!(client.read(&mut buffer).await.unwrap() > 0);
    }
    assert_eq!((connection.is_finished(), cut.get()), (false, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_taken_or_says_nothing_is_cut() {
    for letters in [true, false] {
        let (connection, mut client, _stop, cut) = serve(letters);
        client.write_all(REQUEST).await.unwrap();
        // The client stays and reads no more; what lies between the two has no room for more than a few letters.
        timeout(Duration::from_secs(100), connection).await.unwrap().unwrap();
        assert_eq!(cut.get(), 1, "{letters}");
    }
}
