//! The real `acta-witness`, started and talked to.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::{Duration, Instant};

use processes::Program;
use tlog::key::VerifierKey;
use tlog::witness::parse_cosignatures;

use crate::fixture::TestLog;

pub(crate) const NAME: &str = "witness.test/w";

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// `acta-witness` itself.
pub(crate) fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_acta-witness"))
}

/// Runs `acta-witness`, which must end well, and gives what it printed.
pub(crate) fn good(args: &[&str]) -> String {
    program().good(args)
}

/// Runs `acta-witness`, which must refuse with exit code 1, and gives what it printed to both outputs.
pub(crate) fn refused(args: &[&str]) -> String {
    program().refused(args)
}

/// Makes a witness with both keys in `dir`.
pub(crate) fn init(dir: &Path) {
    good(&["init", "--dir", dir.to_str().unwrap(), "--name", NAME]);
}

/// The verifier keys of the witness in `dir`.
pub(crate) fn keys(dir: &Path) -> Vec<VerifierKey> {
    std::fs::read_to_string(dir.join("witness.vkey")).unwrap().lines().map(|line| line.parse().unwrap()).collect()
}

/// Lets the witness in `dir` follow a log.
pub(crate) fn follow(dir: &Path, log: &TestLog) -> String {
    good(&["logs", "add", "--dir", dir.to_str().unwrap(), "--vkey", &log.keys()[0].to_string()])
}

/// An answer over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// One that came some other way.
    pub(crate) fn new(status: u16, body: &str) -> Self {
        Answer { status, head: String::new(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Panics unless this is a good answer to `add-checkpoint` with a signature of each key on the log's head of that size.
    pub(crate) fn assert_cosigned(&self, log: &TestLog, size: u64, keys: &[VerifierKey]) {
        assert_eq!(self.status, 200, "{}", self.body);
        let lines = parse_cosignatures(self.body.as_bytes()).unwrap();
        assert_eq!(lines.len(), keys.len());
        for (line, key) in lines.iter().zip(keys) {
            assert!(key.verify_cosignature(&log.checkpoint(size), &line.bytes).unwrap().is_some());
        }
    }
}

/// Reads one answer.
pub(crate) fn read_answer(stream: &mut impl Read) -> Answer {
    let mut bytes = Vec::new();
    // A server that closes with something unread resets the connection, perhaps after the answer.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// A running `acta-witness serve`. It is killed when dropped.
pub(crate) struct Server(processes::Server);

impl Server {
    /// Starts the witness in `dir` on free ports and waits until it listens.
    pub(crate) fn start(dir: &Path, more: &[&str]) -> Self {
        Server(program().serve(dir, more))
    }

    /// As [`Server::start`], with `acta-witness` run in some other way; gives what it printed if it ends instead.
    pub(crate) fn try_start_as(program: &Program, dir: &Path, more: &[&str]) -> Result<Self, String> {
        program.try_serve(dir, more).map(Server)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn request(&self, method: &str, path: &str, fields: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(&head(method, path, fields, body.len())).unwrap();
        // It may refuse by the headers alone.
        let _ = stream.write_all(body);
        read_answer(&mut stream)
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.request("POST", path, "", body)
    }

    /// Asks to be cosigned; `None` if the witness goes away.
    pub(crate) fn try_add(&self, body: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(&[&head("POST", "/add-checkpoint", "", body.len()), body].concat()).ok()?;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        (!answer.is_empty()).then(|| read_answer(&mut answer.as_slice()))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "", b"")
    }

    pub(crate) fn add(&self, body: &[u8]) -> Answer {
        self.post("/add-checkpoint", body)
    }

    /// What the operations listener says.
    pub(crate) fn operations(&self, path: &str) -> Answer {
        let mut stream = TcpStream::connect(self.operations).unwrap();
        stream.write_all(&head("GET", path, "", 0)).unwrap();
        read_answer(&mut stream)
    }

    /// The value of a metric.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let all = self.operations("/metrics").body;
        all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap().parse().unwrap()
    }

    /// Asks again and again until it is so.
    pub(crate) fn until(&self, what: &str, mut is_so: impl FnMut(&Server) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < PATIENCE, "never: {what}; {}", self.messages());
            std::thread::yield_now();
        }
    }
}

impl Deref for Server {
    type Target = processes::Server;

    fn deref(&self) -> &processes::Server {
        &self.0
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut processes::Server {
        &mut self.0
    }
}

/// The head of a request.
pub(crate) fn head(method: &str, path: &str, fields: &str, length: usize) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: witness.test\r\nConnection: close\r\n{fields}Content-Length: {length}\r\n\r\n").into_bytes()
}
