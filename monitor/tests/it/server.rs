//! A server of static files over HTTP that serves whatever a test wants.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What is served at a path.
#[derive(Clone, Debug)]
pub(crate) enum Served {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Bytes without end.
    Endless,
    /// A redirect.
    Redirect(String),
    /// An answer with this head, and behind it these bytes so many times: made while they are sent, so that gigabytes cost nothing here.
    Answer(String, Arc<[u8]>, u64),
    /// One after the other, and then again from the first.
    Turns(Vec<Served>),
}

#[derive(Default)]
struct Shared {
    files: Mutex<BTreeMap<String, Served>>,
    requests: Mutex<Vec<String>>,
    is_gone: AtomicBool,
}

/// The server. Its threads end with the process.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::new(Shared::default()));
        let answering = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&answering);
                // A client that goes away is no matter.
                std::thread::spawn(move || drop(answer(stream, &shared)));
            }
        });
        Server { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn put(&self, path: &str, served: Served) {
        self.shared.files.lock().unwrap().insert(path.to_owned(), served);
    }

    pub(crate) fn put_all(&self, files: BTreeMap<String, Vec<u8>>) {
        files.into_iter().for_each(|(path, bytes)| self.put(&path, Served::Bytes(bytes)));
    }

    pub(crate) fn remove(&self, path: &str) {
        self.shared.files.lock().unwrap().remove(path);
    }

    /// Whether connections are closed without an answer.
    pub(crate) fn be_gone(&self, gone: bool) {
        self.shared.is_gone.store(gone, Ordering::SeqCst);
    }

    /// What was asked for since this was called last.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.requests.lock().unwrap())
    }
}

fn answer(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
        while lines.read_line(&mut line)? > 2 {}
        if shared.is_gone.load(Ordering::SeqCst) {
            return Ok(());
        }
        shared.requests.lock().unwrap().push(path.clone());
        match shared.of(&path) {
            None => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
            Some(Served::Bytes(bytes)) => {
                stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len()).as_bytes())?;
                stream.write_all(&bytes)?;
            }
            Some(Served::Redirect(to)) => {
                stream.write_all(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").as_bytes())?;
            }
            Some(Served::Endless) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                loop {
                    stream.write_all(&[b'x'; 4096])?;
                }
            }
            Some(Served::Answer(head, bytes, times)) => {
                stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())?;
                for _ in 0..times {
                    stream.write_all(&bytes)?;
                }
                return Ok(());
            }
            Some(Served::Turns(_)) => unreachable!("turns take one of theirs"),
        }
    }
}

impl Shared {
    /// What is served at a path now.
    fn of(&self, path: &str) -> Option<Served> {
        let mut files = self.files.lock().unwrap();
        match files.get_mut(path)? {
            Served::Turns(turns) => {
                turns.rotate_left(1);
                turns.last().cloned()
            }
            served => Some(served.clone()),
        }
    }
}
