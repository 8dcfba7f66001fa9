//! What each mode asks, and which answers are answers.
//!
//! An answer counts only if it is what was asked for: a status of 200 with nonsense behind it is an error, or a broken server would win
//! every comparison.

use std::io::Write;

use tlog::TreeSize;
use tlog::tiles::{BundleId, TILE_WIDTH, TileId};

use super::Mode;
use super::acknowledged::Acknowledged;
use super::connection::Answer;
use super::entries::{Chooser, Entries, Random};

/// Bytes of the length before each entry of a batch.
const PREFIX: usize = 2;

/// What a receipt begins with.
const RECEIPT: &[u8] = b"c2sp.org/tlog-proof@v1\n";

/// Bytes of a full tile.
const FULL_TILE: usize = 8192;

/// One connection's requests. The buffer is kept and changed in place.
#[derive(Debug)]
pub(crate) struct Requests {
    asked: Asked,
    /// `Host` and the path before the log's own paths.
    host: String,
    base: String,
    bytes: Vec<u8>,
    /// Off against the null server, which has no answers that mean anything.
    check: bool,
}

#[derive(Debug)]
enum Asked {
    Add {
        entries: Entries,
        chooser: Chooser,
        /// Bytes of headers before the body.
        head: usize,
        /// The numbers of the entries in the request.
        numbers: Vec<u64>,
        as_one: One,
    },
    Tile {
        full: u64,
        random: Random,
    },
    Bundle {
        full: u64,
        random: Random,
    },
    Proof {
        size: u64,
        random: Random,
    },
    Checkpoint,
}

/// How entries are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum One {
    /// Alone; the answer is the index.
    Index,
    /// Alone; the answer is the receipt.
    Receipt,
    /// Many together; the answer has a line for each.
    Batch,
}

impl One {
    /// The path, and the bytes of the length before each entry.
    fn wire(self) -> (&'static str, usize) {
        match self {
            One::Index => ("add", 0),
            One::Receipt => ("add?receipt", 0),
            One::Batch => ("add-batch", PREFIX),
        }
    }
}

/// What all connections' requests have in common.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) mode: Mode,
    pub(crate) host: String,
    pub(crate) base: String,
    pub(crate) entry_bytes: usize,
    pub(crate) batch: usize,
    /// Of the log that is read from.
    pub(crate) size: TreeSize,
    pub(crate) check: bool,
}

/// What an answer amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What was asked for: so many entries acknowledged or things read, and so many entries of the batch refused for lack of room.
    Good { done: u64, refused: u64 },
    /// 503: come back later.
    Overloaded,
    /// Another status.
    Status(u16),
    /// A good status, and something else than what was asked for.
    Nonsense,
}

impl Requests {
    pub(crate) fn new(common: &Common, entries: Entries, chooser: Chooser, random: Random) -> Self {
        let size = common.size.as_u64();
        let asked = match common.mode {
            Mode::Add => Asked::Add { entries, chooser, head: 0, numbers: vec![0], as_one: One::Index },
            Mode::AddReceipt => Asked::Add { entries, chooser, head: 0, numbers: vec![0], as_one: One::Receipt },
            Mode::AddBatch => Asked::Add { entries, chooser, head: 0, numbers: vec![0; common.batch], as_one: One::Batch },
            Mode::Tile => Asked::Tile { full: size / u64::from(TILE_WIDTH), random },
            Mode::Bundle => Asked::Bundle { full: size / u64::from(TILE_WIDTH), random },
            Mode::Proof => Asked::Proof { size, random },
            Mode::Checkpoint => Asked::Checkpoint,
        };
        let (host, base) = (common.host.clone(), common.base.clone());
        let mut requests = Requests { asked, host, base, bytes: Vec::new(), check: common.check };
        requests.lay_out(common.entry_bytes);
        requests
    }

    /// Writes what stays the same in all requests.
    fn lay_out(&mut self, entry_bytes: usize) {
        let Requests { asked, host, base, bytes, .. } = self;
        match asked {
            Asked::Add { head, numbers, as_one, .. } => {
                let (path, prefix) = as_one.wire();
                let body = numbers.len() * (prefix + entry_bytes);
                bytes
                    .extend_from_slice(format!("POST {base}/{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {body}\r\n\r\n").as_bytes());
                *head = bytes.len();
                let length = u16::try_from(entry_bytes).expect("no longer than the longest entry").to_be_bytes();
                for _ in 0..numbers.len() {
                    bytes.extend_from_slice(&length[..prefix]);
                    bytes.resize(bytes.len() + entry_bytes, 0);
                }
            }
            Asked::Checkpoint => get(bytes, base, host, "checkpoint"),
            Asked::Tile { .. } | Asked::Bundle { .. } | Asked::Proof { .. } => {}
        }
    }

    /// The next request.
    pub(crate) fn next(&mut self) -> &[u8] {
        let Requests { asked, host, base, bytes, .. } = self;
        match asked {
            Asked::Add { entries, chooser, head, numbers, as_one } => {
                let body = &mut bytes[*head..];
                let length = body.len() / numbers.len();
                let (_, prefix) = as_one.wire();
                for (number, slot) in numbers.iter_mut().zip(body.chunks_exact_mut(length)) {
                    *number = chooser.next();
                    entries.fill(*number, &mut slot[prefix..]);
                }
            }
            Asked::Tile { full, random } => {
                let tile = TileId::new(0, random.below(*full), TILE_WIDTH).expect("a tile below the size of a tree");
                get(bytes, base, host, &tile.path());
            }
            Asked::Bundle { full, random } => {
                let bundle = BundleId::new(random.below(*full), TILE_WIDTH).expect("a bundle below the size of a tree");
                get(bytes, base, host, &bundle.path());
            }
            Asked::Proof { size, random } => get(bytes, base, host, &format!("proof/{}", random.below(*size))),
            Asked::Checkpoint => {}
        }
        &self.bytes
    }

    /// What the answer to the last request is worth; what it acknowledges is noted.
    pub(crate) fn judge(&self, answer: &Answer<'_>, acknowledged: &mut Acknowledged) -> Outcome {
        match answer.status {
            200 => {}
            503 => return Outcome::Overloaded,
            status => return Outcome::Status(status),
        }
        let one = Outcome::Good { done: 1, refused: 0 };
        let body = answer.body;
        let good = match &self.asked {
            Asked::Add { numbers, .. } if !self.check => {
                return Outcome::Good { done: u64::try_from(numbers.len()).unwrap_or(u64::MAX), refused: 0 };
            }
            _ if !self.check => true,
            Asked::Add { numbers, as_one: One::Batch, .. } => return judge_batch(numbers, body, acknowledged),
            Asked::Add { numbers, as_one, .. } => match index(*as_one, body) {
                Some(index) => {
                    acknowledged.note(numbers[0], index);
                    true
                }
                None => false,
            },
            Asked::Tile { .. } => body.len() == FULL_TILE,
            // An entry more or less would be noticed by the length before it; hashing is left to `acta audit`.
            Asked::Bundle { .. } => body.len() >= usize::from(TILE_WIDTH) * PREFIX,
            Asked::Proof { .. } => body.starts_with(RECEIPT),
            Asked::Checkpoint => body.windows(2).any(|pair| pair == b"\n\n"),
        };
        if good { one } else { Outcome::Nonsense }
    }
}

fn get(bytes: &mut Vec<u8>, base: &str, host: &str, path: &str) {
    bytes.clear();
    write!(bytes, "GET {base}/{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("writing to memory does not fail");
}

/// The index in the answer to one entry. A receipt is not verified here, which would take more than all else: `acta audit` is for that.
fn index(as_one: One, body: &[u8]) -> Option<u64> {
    match as_one {
        One::Index | One::Batch => decimal(body.strip_suffix(b"\n").unwrap_or(body)),
        One::Receipt => {
            let mut lines = body.strip_prefix(RECEIPT)?.split(|&c| c == b'\n');
            lines.find_map(|line| decimal(line.strip_prefix(b"index ")?))
        }
    }
}

/// One line for each entry: its index, or why not.
fn judge_batch(numbers: &[u64], body: &[u8], acknowledged: &mut Acknowledged) -> Outcome {
    let (mut done, mut refused) = (0, 0);
    let mut lines = body.strip_suffix(b"\n").unwrap_or(body).split(|&c| c == b'\n');
    for &number in numbers {
        match lines.next() {
            Some(b"overloaded") => refused += 1,
            Some(line) => match decimal(line) {
                Some(index) => {
                    acknowledged.note(number, index);
                    done += 1;
                }
                None => return Outcome::Nonsense,
            },
            None => return Outcome::Nonsense,
        }
    }
    if lines.next().is_some() { Outcome::Nonsense } else { Outcome::Good { done, refused } }
}

/// A number of digits and nothing else.
fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use super::*;

    fn requests(mode: Mode, check: bool) -> Requests {
        let (host, base) = ("log.example:80".to_owned(), "/prefix".to_owned());
        let common = Common { mode, host, base, entry_bytes: 100, batch: 3, size: TreeSize::new(100_000), check };
        Requests::new(&common, Entries::new(1), Chooser::new(Arc::default(), 0, Random::new(1, 1)), Random::new(1, 2))
    }

    fn judged(requests: &Requests, status: u16, body: &[u8]) -> Outcome {
        requests.judge(&Answer { status, body, keeps_open: true }, &mut Acknowledged::default())
    }

    const GOOD: Outcome = Outcome::Good { done: 1, refused: 0 };

    #[test]
    fn each_addition_carries_the_next_entry() {
        let mut requests = requests(Mode::Add, true);
        let head: &[u8] = b"POST /prefix/add HTTP/1.1\r\nHost: log.example:80\r\nContent-Length: 100\r\n\r\n";
        for number in 0..3 {
            let mut entry = [0; 100];
            Entries::new(1).fill(number, &mut entry);
            assert_eq!(requests.next(), [head, &entry].concat());
        }
    }

    #[test]
    fn a_batch_is_entries_with_their_lengths_before_them() {
        let mut requests = requests(Mode::AddBatch, true);
        let request = requests.next().to_vec();
        let text = b"POST /prefix/add-batch HTTP/1.1\r\nHost: log.example:80\r\nContent-Length: 306\r\n\r\n";
        let body = request.strip_prefix(text).unwrap();
        let entries: Vec<&[u8]> = tlog::tiles::parse_bundle(body, 3).unwrap();
        assert!(entries.iter().all(|entry| entry.len() == 100) && entries[0] != entries[1]);
        assert_ne!(requests.next(), request);
    }

    #[test]
    fn reads_ask_for_what_a_log_of_that_size_has() {
        let mut tiles = requests(Mode::Tile, true);
        let mut proofs = requests(Mode::Proof, true);
        for _ in 0..1000 {
            let text = String::from_utf8(tiles.next().to_vec()).unwrap();
            let path = text.strip_prefix("GET /prefix/").unwrap().split(' ').next().unwrap();
            let Some(tlog::tiles::Resource::Tile(tile)) = tlog::tiles::Resource::parse(path) else { panic!("{path}") };
            assert!(tile.number() < 100_000 / 256 && tile.is_full() && tile.level() == 0);
            let text = String::from_utf8(proofs.next().to_vec()).unwrap();
            let index: u64 = text.strip_prefix("GET /prefix/proof/").unwrap().split(' ').next().unwrap().parse().unwrap();
            assert!(index < 100_000);
        }
        assert_eq!(requests(Mode::Checkpoint, true).next(), b"GET /prefix/checkpoint HTTP/1.1\r\nHost: log.example:80\r\n\r\n");
    }

    #[test]
    fn only_an_index_acknowledges_an_addition() {
        let requests = requests(Mode::Add, true);
        assert_eq!(judged(&requests, 200, b"17\n"), GOOD);
        assert_eq!(judged(&requests, 200, b"17"), GOOD);
        for nonsense in [&b""[..], b"\n", b"ok\n", b"-1\n", b"+1\n", b"1\n2\n", b"99999999999999999999\n"] {
            assert_eq!(judged(&requests, 200, nonsense), Outcome::Nonsense);
        }
        assert_eq!(judged(&requests, 503, b""), Outcome::Overloaded);
        assert_eq!(judged(&requests, 202, b"17\n"), Outcome::Status(202));
    }

    #[test]
    fn only_a_receipt_acknowledges_an_addition_for_which_one_was_asked() {
        let mut requests = requests(Mode::AddReceipt, true);
        assert!(requests.next().starts_with(b"POST /prefix/add?receipt HTTP/1.1\r\nHost: log.example:80\r\nContent-Length: 100\r\n\r\n"));
        let receipt = b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 17\nAAAA\n\nlog\n";
        assert_eq!(judged(&requests, 200, receipt), GOOD);
        for nonsense in [&b"17\n"[..], b"c2sp.org/tlog-proof@v1\nindex x\n", b"<html>"] {
            assert_eq!(judged(&requests, 200, nonsense), Outcome::Nonsense);
        }
        assert_eq!(judged(&requests, 202, b"17\n"), Outcome::Status(202), "an index alone is not what was asked for");
    }

    #[test]
    fn a_batch_is_acknowledged_line_by_line() {
        let requests = requests(Mode::AddBatch, true);
        assert_eq!(judged(&requests, 200, b"1\n2\n3\n"), Outcome::Good { done: 3, refused: 0 });
        assert_eq!(judged(&requests, 200, b"1\noverloaded\noverloaded\n"), Outcome::Good { done: 1, refused: 2 });
        for nonsense in [&b"1\n2\n"[..], b"1\n2\n3\n4\n", b"1\n\n3\n", b""] {
            assert_eq!(judged(&requests, 200, nonsense), Outcome::Nonsense);
        }
    }

    #[test]
    fn reads_that_bring_something_else_do_not_count() {
        assert_eq!(judged(&requests(Mode::Tile, true), 200, &[0; 8192]), GOOD);
        assert_eq!(judged(&requests(Mode::Tile, true), 200, &[0; 8191]), Outcome::Nonsense);
        assert_eq!(judged(&requests(Mode::Proof, true), 200, b"<html>"), Outcome::Nonsense);
        assert_eq!(judged(&requests(Mode::Checkpoint, true), 200, b"<html>\n"), Outcome::Nonsense);
        assert_eq!(judged(&requests(Mode::Tile, false), 200, b"0\n"), GOOD, "the null server has no tiles");
    }
}
