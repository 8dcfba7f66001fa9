//! The real `acta-witness`, started, talked to and killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tlog::key::VerifierKey;
use tlog::witness::parse_cosignatures;

use crate::fixture::TestLog;

pub(crate) const NAME: &str = "witness.test/w";

/// Numbers the files of messages.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `acta-witness` to its end.
pub(crate) fn acta_witness(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_acta-witness")).args(args).stdin(Stdio::null()).output().unwrap()
}

/// Runs `acta-witness`, which must end well, and gives what it printed.
pub(crate) fn good(args: &[&str]) -> String {
    let output = acta_witness(args);
    assert!(output.status.success(), "acta-witness {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `acta-witness`, which must refuse with exit code 1, and gives what it printed to both outputs.
pub(crate) fn refused(args: &[&str]) -> String {
    let output = acta_witness(args);
    assert_eq!(output.status.code(), Some(1), "acta-witness {args:?}: {output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
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
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) operations: SocketAddr,
    messages: PathBuf,
}

impl Server {
    /// Starts the witness in `dir` on free ports and waits until it listens.
    pub(crate) fn start(dir: &Path, more: &[&str]) -> Self {
        Server::try_start_under(&[], dir, more).unwrap_or_else(|told| panic!("acta-witness serve did not start: {told}"))
    }

    /// As [`Server::start`], with another program running it; gives what it printed if it ends instead.
    pub(crate) fn try_start_under(wrapper: &[&str], dir: &Path, more: &[&str]) -> Result<Self, String> {
        // Not on a disk that a test may fill.
        let messages =
            std::env::temp_dir().join(format!("acta-witness-{}-{}.messages", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
        let words = [wrapper, &[env!("CARGO_BIN_EXE_acta-witness")]].concat();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .args(["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--dir"])
            .arg(dir)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&messages).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |prefix: &str| Some(lines.next()?.unwrap().strip_prefix(prefix)?.parse().unwrap());
        let scheme = if more.iter().any(|flag| flag.ends_with("tls.toml")) { "https" } else { "http" };
        let addresses = address(&format!("listening on {scheme}://")).and_then(|public| Some((public, address("operations on http://")?)));
        match addresses {
            Some((address, operations)) => Ok(Server { child, address, operations, messages }),
            None => {
                let status = child.wait().unwrap();
                let told = std::fs::read_to_string(&messages).unwrap();
                std::fs::remove_file(&messages).unwrap();
                assert_eq!(status.code(), Some(1), "{told}");
                Err(told)
            }
        }
    }

    /// What it has printed about itself so far.
    pub(crate) fn messages(&self) -> String {
        std::fs::read_to_string(&self.messages).unwrap()
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

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills it as a power cut would, but for what the system has not written yet.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to stop, and gives its exit code.
    pub(crate) fn stop(self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }

    /// Waits for its end, which must have this exit code, and gives what it printed.
    pub(crate) fn messages_after_end(mut self, code: Option<i32>) -> String {
        let ended = self.child.wait().unwrap();
        let messages = self.messages();
        assert_eq!(ended.code(), code, "{messages}");
        messages
    }

    /// Waits for its end, and gives its exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.messages);
    }
}

/// The head of a request.
pub(crate) fn head(method: &str, path: &str, fields: &str, length: usize) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: witness.test\r\nConnection: close\r\n{fields}Content-Length: {length}\r\n\r\n").into_bytes()
}
