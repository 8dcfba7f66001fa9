//! The real `acta-log`, started and talked to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use processes::Program;

pub(crate) const ORIGIN: &str = "log.test/2026";

/// `acta-log` itself.
pub(crate) fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_acta-log"))
}

/// Runs `acta-log` to its end.
pub(crate) fn acta_log(args: &[&str]) -> Output {
    program().run(args)
}

/// Runs `acta-log`, which must end well, and gives what it printed.
pub(crate) fn good(args: &[&str]) -> String {
    program().good(args)
}

/// Runs `acta-log`, which must refuse with exit code 1, and gives what it printed to both outputs.
pub(crate) fn refused(args: &[&str]) -> String {
    program().refused(args)
}

pub(crate) fn init(dir: &Path) {
    good(&["init", "--dir", dir.to_str().unwrap(), "--origin", ORIGIN, "--admission", "open"]);
}

/// A running `acta-log serve`. It is killed when dropped.
pub(crate) struct Server(processes::Server);

impl Server {
    /// Starts the log in `dir` on free ports and waits until it listens.
    pub(crate) fn start(dir: &Path, more: &[&str]) -> Self {
        Server(program().serve(dir, more))
    }

    /// As [`Server::start`]; gives what it printed if it ends instead.
    pub(crate) fn try_start(dir: &Path, more: &[&str]) -> Result<Self, String> {
        Server::try_start_as(&program(), dir, more)
    }

    /// As [`Server::try_start`], with `acta-log` run in some other way.
    pub(crate) fn try_start_as(program: &Program, dir: &Path, more: &[&str]) -> Result<Self, String> {
        program.try_serve(dir, more).map(Server)
    }

    /// Starts the log in `dir` and kills it after `life`, wherever it then is. Says whether it had come to listening.
    pub(crate) fn start_and_kill(dir: &Path, life: Duration) -> bool {
        program().serve_and_kill(dir, life)
    }

    /// SIGTERM, and its exit code with what it printed to standard error.
    pub(crate) fn terminate(&mut self) -> (Option<i32>, String) {
        (self.0.stop(), self.messages())
    }

    /// Waits for its end: its exit code, with what it printed to standard error.
    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        (self.0.wait(), self.messages())
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::to(self.address).unwrap()
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

/// An HTTP/1.1 connection that is kept alive, of as few lines as will do.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

/// An answer: its status and body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream: BufReader::new(stream) })
    }

    pub(crate) fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        self.request("GET", path, b"")
    }

    /// Publishes an entry; `None` if the server went away or refused.
    pub(crate) fn add(&mut self, entry: &[u8]) -> Option<u64> {
        let answer = self.request("POST", "/add", entry).ok()?;
        (answer.status == 200).then(|| answer.text().trim_end().parse().unwrap())
    }

    pub(crate) fn request(&mut self, method: &str, path: &str, body: &[u8]) -> std::io::Result<Answer> {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: log\r\ncontent-length: {}\r\n\r\n", body.len());
        self.stream.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        let mut line = String::new();
        self.line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
        let mut answer = Answer { status, headers: Vec::new(), body: Vec::new() };
        loop {
            self.line(&mut line)?;
            let Some((name, value)) = line.split_once(": ") else { break };
            answer.headers.push((name.to_owned(), value.to_owned()));
        }
        let length = answer.header("content-length").map_or(Ok(0), str::parse);
        answer.body = vec![0; length.map_err(|_| std::io::ErrorKind::InvalidData)?];
        self.stream.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    fn line(&mut self, line: &mut String) -> std::io::Result<()> {
        line.clear();
        if self.stream.read_line(line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end().len());
        Ok(())
    }
}
