//! Those to whom alerts are sent: programs by HTTP, and a server for mail.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who receives, and when what was received.
pub(super) struct Inbox {
    pub(super) address: SocketAddr,
    received: Receiver<(Instant, String)>,
}

impl Inbox {
    /// A program that takes what is sent to it by HTTP.
    pub(super) fn webhook() -> Self {
        Inbox::new(take_request)
    }

    /// A program that takes connections and requests, and never answers.
    pub(super) fn hanging() -> Self {
        Inbox::new(|stream, inbox| {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            let _ = inbox.send((Instant::now(), String::new()));
            // Until whoever asks gives up.
            std::io::copy(stream, &mut std::io::sink()).map(|_| ())
        })
    }

    /// A server for mail, which takes everything.
    pub(super) fn mail() -> Self {
        Inbox::new(take_mail)
    }

    fn new(take: impl Fn(&mut TcpStream, &Sender<(Instant, String)>) -> std::io::Result<()> + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, (inbox, received)) = (listener.local_addr().unwrap(), channel());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (take, inbox) = (take.clone(), inbox.clone());
                // Whoever sends may go away.
                std::thread::spawn(move || drop(take(&mut stream, &inbox)));
            }
        });
        Inbox { address, received }
    }

    /// What comes next.
    pub(super) fn next(&self) -> (Instant, String) {
        self.received.recv_timeout(PATIENCE).expect("nothing came")
    }

    /// What comes next with this in it.
    pub(super) fn next_with(&self, text: &str) -> (Instant, String) {
        loop {
            let (at, received) = self.next();
            if received.contains(text) {
                return (at, received);
            }
        }
    }
}

fn take_request(stream: &mut TcpStream, inbox: &Sender<(Instant, String)>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body)?;
        let _ = inbox.send((Instant::now(), String::from_utf8(body).unwrap()));
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    }
}

// SPEC: RFC 5321, as much of it as a message takes.
fn take_mail(stream: &mut TcpStream, inbox: &Sender<(Instant, String)>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    stream.write_all(b"220 inbox.test ESMTP\r\n")?;
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let answer: &[u8] = match line.split_whitespace().next().unwrap_or_default() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let mut message = String::new();
                while !message.ends_with("\r\n.\r\n") {
                    lines.read_line(&mut message)?;
                }
                let _ = inbox.send((Instant::now(), message));
                b"250 taken\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 inbox.test\r\n",
        };
        stream.write_all(answer)?;
        line.clear();
    }
    Ok(())
}
