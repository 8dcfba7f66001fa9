//! One HTTP/1.1 connection, with as little between the caller and the socket as there can be.
//!
//! The generator shares the machine with the server that it measures, so what it does not spend is what can be measured. A request is a
//! buffer that the caller keeps and changes in place; it leaves in one write, and an answer that fits arrives in one read. Of an
//! answer's headers only those are read on which its end depends.
//!
//! Not a client for general use: plain http, no redirects, no chunked answers (they are refused, not misread).

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Room for a short answer; grows to the largest that comes.
const FIRST_BUFFER: usize = 1 << 10;

/// The longest answer: a full bundle of the largest entries is half of it.
const LONGEST_ANSWER: usize = 32 << 20;

/// A connection that is kept open from request to request.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// Whether the server leaves the connection open.
    pub(crate) keeps_open: bool,
}

/// Why a request got no answer. The connection is of no more use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ExchangeError {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the server closed the connection without an answer")]
    Closed,
    #[error("the answer is not HTTP/1.1 with a Content-Length")]
    NotUnderstood,
    #[error("the answer is longer than any that a log gives")]
    TooLong,
}

/// What the headers say, once they are complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes of the headers, with the empty line.
    length: usize,
    content: usize,
    keeps_open: bool,
}

impl Connection {
    pub(crate) async fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        // A request is written whole; waiting for more to send would only delay it.
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: vec![0; FIRST_BUFFER] })
    }

    /// Sends a whole request and waits for the whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, ExchangeError> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let head = loop {
            filled += self.read(filled).await?;
            if let Some(head) = parse_head(&self.buffer[..filled])? {
                break head;
            }
        };
        let end = head.length.checked_add(head.content).ok_or(ExchangeError::TooLong)?;
        while filled < end {
            self.make_room(end)?;
            filled += self.read(filled).await?;
        }
        if filled > end {
            // More than was asked for: whatever would be read next answers nothing that we send.
            return Err(ExchangeError::NotUnderstood);
        }
        Ok(Answer { status: head.status, body: &self.buffer[head.length..end], keeps_open: head.keeps_open })
    }

    async fn read(&mut self, filled: usize) -> Result<usize, ExchangeError> {
        if filled == self.buffer.len() {
            self.make_room(2 * filled)?;
        }
        match self.stream.read(&mut self.buffer[filled..]).await? {
            0 => Err(ExchangeError::Closed),
            read => Ok(read),
        }
    }

    fn make_room(&mut self, bytes: usize) -> Result<(), ExchangeError> {
        if bytes > LONGEST_ANSWER {
            return Err(ExchangeError::TooLong);
        }
        if bytes >= self.buffer.len() {
            // One byte more than asked for: a read that fills the buffer makes the runtime ask the socket again.
            self.buffer.resize((bytes + 1).next_power_of_two(), 0);
        }
        Ok(())
    }
}

/// The head of the answer that `bytes` begins with, or nothing if it goes on.
fn parse_head(bytes: &[u8]) -> Result<Option<Head>, ExchangeError> {
    let Some((first, mut at)) = line(bytes, 0) else { return Ok(None) };
    let mut head = parse_status(first).ok_or(ExchangeError::NotUnderstood)?;
    let mut content = None;
    loop {
        let Some((header, next)) = line(bytes, at) else { return Ok(None) };
        at = next;
        if header.is_empty() {
            break;
        }
        let colon = header.iter().position(|&c| c == b':').ok_or(ExchangeError::NotUnderstood)?;
        let (name, value) = (&header[..colon], header[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
            content = Some(length.ok_or(ExchangeError::NotUnderstood)?);
        } else if name.eq_ignore_ascii_case(b"connection") {
            head.keeps_open &= !value.eq_ignore_ascii_case(b"close");
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err(ExchangeError::NotUnderstood);
        }
    }
    head.length = at;
    head.content = content.ok_or(ExchangeError::NotUnderstood)?;
    Ok(Some(head))
}

/// `HTTP/1.1 200 OK`
fn parse_status(line: &[u8]) -> Option<Head> {
    let rest = line.strip_prefix(b"HTTP/1.1 ")?;
    let status = std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()?;
    // Answers below 200 are followed by another one, and nothing that we send asks for them.
    (matches!(rest.get(3), None | Some(b' ')) && status >= 200).then_some(Head { status, length: 0, content: 0, keeps_open: true })
}

/// The line that begins at `at`, without its end, and where the next one begins.
fn line(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = &bytes[at..];
    let end = rest.iter().position(|&c| c == b'\n')?;
    let line = &rest[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), at + end + 1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request on one connection with these pieces, each sent on its own, and closes it.
    async fn answered(pieces: &'static [&'static [u8]]) -> Result<(u16, Vec<u8>, bool), ExchangeError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
            for piece in pieces {
                // A client that has seen enough may be gone.
                let _ = stream.write_all(piece).await;
                tokio::task::yield_now().await;
            }
        });
        let mut connection = Connection::open(address).await.unwrap();
        let answer = connection.exchange(b"GET / HTTP/1.1\r\n\r\n").await.map(|a| (a.status, a.body.to_vec(), a.keeps_open));
        server.await.unwrap();
        answer
    }

    #[tokio::test]
    async fn an_answer_is_read_to_its_end_in_whatever_pieces_it_comes() {
        let whole: &[&[u8]] = &[b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n7\n"];
        let pieces: &[&[u8]] = &[b"HT", b"TP/1.1 200 OK\r\nContent-", b"Length:2\r\n\r", b"\n", b"7", b"\n"];
        for answer in [whole, pieces] {
            assert_eq!(answered(answer).await.unwrap(), (200, b"7\n".to_vec(), true));
        }
    }

    #[tokio::test]
    async fn a_body_larger_than_the_buffer_is_read_whole() {
        static BODY: [u8; 8192] = [7; 8192];
        static PIECES: [&[u8]; 2] = [b"HTTP/1.1 200 OK\r\nContent-Length: 8192\r\n\r\n", &BODY];
        let (status, body, _) = answered(&PIECES).await.unwrap();
        assert_eq!((status, body.len()), (200, 8192));
    }

    #[tokio::test]
    async fn a_server_that_wants_the_connection_closed_is_obeyed() {
        let answer = answered(&[b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"]).await;
        assert_eq!(answer.unwrap(), (503, Vec::new(), false));
    }

    #[tokio::test]
    async fn an_answer_cut_short_is_no_answer() {
        let cut = answered(&[b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n7\n"]).await;
        assert!(matches!(cut, Err(ExchangeError::Closed)), "{cut:?}");
    }

    #[tokio::test]
    async fn what_is_not_understood_is_refused() {
        let odd: [&[&[u8]]; 7] = [
            &[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
            &[b"HTTP/1.1 200 OK\r\n\r\n"],
            &[b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n"],
            &[b"HTTP/1.1 2000\r\nContent-Length: 0\r\n\r\n"],
            &[b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"],
            &[b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n12"],
            &[b"SSH-2.0-OpenSSH\r\n"],
        ];
        for answer in odd {
            let answer = answered(answer).await;
            assert!(matches!(answer, Err(ExchangeError::NotUnderstood)), "{answer:?}");
        }
        let endless = answered(&[b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"]).await;
        assert!(matches!(endless, Err(ExchangeError::TooLong)), "{endless:?}");
    }
}
