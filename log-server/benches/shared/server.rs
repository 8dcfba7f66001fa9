//! A real `acta-log`, and a connection to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::statements::{ORIGIN, registrar};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_acta-log");

/// Entries of a batch.
pub(crate) const BATCH: usize = 2048;

/// Creates a log of statements in `dir`, whose registrar is [`registrar`].
pub(crate) fn init(dir: &Path) {
    let home = tempfile::tempdir().unwrap();
    let vkey = home.path().join("registrar.vkey");
    std::fs::write(&vkey, registrar().verifier_key().to_string()).unwrap();
    let init = Command::new(PROGRAM).args(["init", "--origin", ORIGIN, "--registrar"]).arg(vkey).arg("--dir").arg(dir).output().unwrap();
    assert!(init.status.success(), "{init:?}");
}

pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Serves the log in `dir`, on the processor `core` alone if one is given.
    pub(crate) fn start(dir: &Path, core: Option<usize>) -> Self {
        let mut command = match core {
            None => Command::new(PROGRAM),
            // Becomes the server, so the process is the same.
            Some(core) => {
                let mut taskset = Command::new("taskset");
                taskset.args(["-c", &core.to_string(), PROGRAM]);
                taskset
            }
        };
        let mut child = command.args(["serve", "--listen", "127.0.0.1:0", "--dir"]).arg(dir).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
        Server { child, address }
    }

    /// The most memory that it had, in bytes.
    pub(crate) fn most_memory(&self) -> u64 {
        most_memory(self.child.id()).unwrap()
    }

    /// Processor time of all its threads.
    pub(crate) fn cpu(&self) -> Duration {
        cpu(self.child.id()).unwrap()
    }

    pub(crate) fn stop(mut self) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

/// The peak of a process's resident memory in bytes.
pub(crate) fn most_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// Processor time of a process, which Linux counts in hundredths of a second.
pub(crate) fn cpu(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may have spaces; what follows it are numbers, of which these are the 14th and 15th of all.
    let numbers: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = [numbers.get(11)?, numbers.get(12)?].iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks * 10))
}

/// How many other programs want a processor, as the kernel counts it over the last minute.
pub(crate) fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    load.split_whitespace().next().unwrap().to_owned()
}

pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection(BufReader::new(stream))
    }

    /// Publishes entries, each of which must be admitted, batch by batch.
    pub(crate) fn publish(&mut self, entries: impl Iterator<Item = Vec<u8>>) {
        let mut entries = entries.peekable();
        while entries.peek().is_some() {
            let batch = batch(entries.by_ref().take(BATCH));
            self.publish_batch(&batch);
        }
    }

    /// Publishes a batch of entries, each of which must be admitted.
    pub(crate) fn publish_batch(&mut self, batch: &[u8]) {
        let answer = self.request(batch);
        assert!(answer.lines().all(|line| line.parse::<u64>().is_ok()), "{answer}");
    }

    fn request(&mut self, body: &[u8]) -> String {
        let head = format!("POST /add-batch HTTP/1.1\r\nhost: log\r\ncontent-length: {}\r\n\r\n", body.len());
        self.0.get_mut().write_all(&[head.as_bytes(), body].concat()).unwrap();
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }
}

/// The body of a request: each entry with its length before it.
pub(crate) fn batch(entries: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    entries.flat_map(|entry| [&u16::try_from(entry.len()).unwrap().to_be_bytes(), entry.as_slice()].concat()).collect()
}
