//! HTTP/1.1 by hand, so that a test can send what no decent client would.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Long enough for a loaded machine; nothing that works takes as long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What does not happen soon does not happen.
pub(super) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

/// A connection.
pub(super) struct Client<T = TcpStream> {
    pub(super) stream: T,
    unread: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A header's value, empty if there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(super) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    /// The last part of the problem's type. Checks what all problems have in common.
    pub(super) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.header("cache-control"), "no-store");
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        problem["type"].as_str().unwrap().strip_prefix("urn:acta:problem:").unwrap().to_owned()
    }
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        Client::over(soon(TcpStream::connect(address)).await.unwrap())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    pub(super) fn over(stream: T) -> Self {
        Client { stream, unread: Vec::new() }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref())).await.unwrap();
        soon(self.stream.flush()).await.unwrap();
    }

    /// Sends what the server may no longer want to read.
    pub(super) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        soon(self.stream.write_all(bytes.as_ref())).await
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path, "", b"").await
    }

    pub(super) async fn post(&mut self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.request("POST", path, "", body.as_ref()).await
    }

    /// One request; `headers` are whole lines.
    pub(super) async fn request(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        self.send(format!("{method} {path} HTTP/1.1\r\nhost: log.test\r\n{headers}content-length: {}\r\n\r\n", body.len())).await;
        let _ = self.try_send(body).await; // a server that refuses it answers all the same
        self.answer(method == "HEAD").await
    }

    /// The next answer; that to HEAD has no body whatever its headers say.
    pub(super) async fn answer(&mut self, to_head: bool) -> Answer {
        self.next_answer(to_head).await.expect("closed instead of an answer")
    }

    /// The next answer, or the end of the connection before it begins.
    pub(super) async fn answer_or_end(&mut self) -> Option<Answer> {
        self.next_answer(false).await
    }

    async fn next_answer(&mut self, to_head: bool) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if self.read_more().await == 0 {
                assert!(self.unread.is_empty(), "closed in the middle of {:?}", String::from_utf8_lossy(&self.unread));
                return None;
            }
        };
        let head: Vec<u8> = self.unread.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> =
            lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
        let length = if to_head || status == 304 { 0 } else { length };
        while self.unread.len() < length {
            assert!(self.read_more().await > 0, "closed in the middle of an answer");
        }
        Some(Answer { status, headers, body: self.unread.drain(..length).collect() })
    }

    /// Waits until the server closes the connection; gives what it said before.
    pub(super) async fn closed(mut self) -> Vec<u8> {
        while self.read_more().await > 0 {}
        self.unread
    }

    /// Reads more; 0 when the connection is closed or reset.
    async fn read_more(&mut self) -> usize {
        self.unread.reserve(16 << 10);
        soon(self.stream.read_buf(&mut self.unread)).await.unwrap_or(0)
    }
}
