//! The real `acta-log`, started, talked to and killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

pub(crate) const ORIGIN: &str = "log.test/2026";

/// Runs `acta-log` to its end.
pub(crate) fn acta_log(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_acta-log")).args(args).stdin(Stdio::null()).output().unwrap()
}

/// Runs `acta-log`, which must end well, and gives what it printed.
pub(crate) fn good(args: &[&str]) -> String {
    let output = acta_log(args);
    assert!(output.status.success(), "acta-log {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `acta-log`, which must refuse with exit code 1, and gives what it printed to both outputs.
pub(crate) fn refused(args: &[&str]) -> String {
    let output = acta_log(args);
    assert_eq!(output.status.code(), Some(1), "acta-log {args:?}: {output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

pub(crate) fn init(dir: &Path) {
    good(&["init", "--dir", dir.to_str().unwrap(), "--origin", ORIGIN, "--admission", "open"]);
}

/// A running `acta-log serve`. It is killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The operations listener.
    pub(crate) operations: SocketAddr,
}

impl Server {
    /// Starts the log in `dir` on free ports and waits until it listens.
    pub(crate) fn start(dir: &Path, more: &[&str]) -> Self {
        Server::try_start(dir, more).unwrap_or_else(|refusal| panic!("acta-log serve did not start: {refusal}"))
    }

    /// As [`Server::start`]; gives what it printed if it ends instead.
    pub(crate) fn try_start(dir: &Path, more: &[&str]) -> Result<Self, String> {
        Server::try_start_under(&[], dir, more)
    }

    /// As [`Server::try_start`], with another program running it.
    pub(crate) fn try_start_under(wrapper: &[&str], dir: &Path, more: &[&str]) -> Result<Self, String> {
        let words = [wrapper, &[env!("CARGO_BIN_EXE_acta-log")]].concat();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .args(["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--dir"])
            .arg(dir)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |prefix: &str| Some(lines.next()?.unwrap().strip_prefix(prefix)?.parse().unwrap());
        let addresses = address("listening on http://").and_then(|public| Some((public, address("operations on http://")?)));
        match addresses {
            Some((address, operations)) => Ok(Server { child, address, operations }),
            None => {
                let mut told = String::new();
                child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
                assert_eq!(child.wait().unwrap().code(), Some(1), "{told}");
                Err(told)
            }
        }
    }

    /// Starts the log in `dir` and kills it after `life`, wherever it then is: most starts take some tens of milliseconds. Says whether it
    /// had come to listening.
    pub(crate) fn start_and_kill(dir: &Path, life: Duration) -> bool {
        let mut child = Command::new(env!("CARGO_BIN_EXE_acta-log"))
            .args(["serve", "--listen", "127.0.0.1:0", "--dir"])
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(life); // what is waited for is nothing but a moment
        child.kill().unwrap();
        child.wait().unwrap();
        let mut told = String::new();
        child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
        told.contains("listening on")
    }

    /// SIGKILL: the process has no chance to do anything.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its exit code with what it printed to standard error.
    pub(crate) fn terminate(&mut self) -> (Option<i32>, String) {
        let id = i32::try_from(self.child.id()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), rustix::process::Signal::TERM).unwrap();
        self.wait()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        let mut told = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        (self.child.wait().unwrap().code(), told)
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::to(self.address).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
