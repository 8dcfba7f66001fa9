//! What to publish: the lines of a file, or the files of a directory.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tlog::tiles::MAX_ENTRY;

use crate::{durable, terminal};

/// A `.jsonl` file, or a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Each line is an entry: its bytes without the newline, as they are.
    Lines(PathBuf),
    /// Each file is an entry. Subdirectories, and files whose name starts with a dot, are left out.
    Files(PathBuf),
}

/// One entry to be, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1, if the file has several entries.
    pub line: Option<u64>,
    /// The bytes; of one that is too large for a log, only as many as show that.
    pub bytes: Bytes,
}

/// Why an input cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A file operation failed.
    #[error("{}: {source}", terminal::path(.path))]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither a directory nor `.jsonl`.
    #[error("{} is neither a directory nor a .jsonl file; give a file with one decision per line, or a directory with one per file", terminal::path(.path))]
    Kind {
        /// Which file.
        path: PathBuf,
    },
}

/// Reads no more of a line or a file than shows that it is too large.
const ENOUGH: usize = MAX_ENTRY + 1;

impl Input {
    /// Looks at what there is at `path`.
    pub fn at(path: &Path) -> Result<Self, InputError> {
        let metadata = std::fs::metadata(path).map_err(|source| InputError::File { path: path.to_owned(), source })?;
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if metadata.is_dir() => Ok(Input::Files(path.to_owned())),
            Some("jsonl" | "ndjson") => Ok(Input::Lines(path.to_owned())),
            _ => Err(InputError::Kind { path: path.to_owned() }),
        }
    }

    /// How many items there are, for a progress bar.
    pub fn count(&self) -> Result<u64, InputError> {
        match self {
            Input::Lines(path) => count_lines(path).map_err(|source| InputError::File { path: path.clone(), source }),
            Input::Files(path) => Ok(u64::try_from(files(path)?.len()).expect("a number of files fits")),
        }
    }

    /// The items one after the other. Ends after an error.
    pub fn items(&self) -> Result<Box<dyn Iterator<Item = Result<Item, InputError>> + Send>, InputError> {
        match self {
            Input::Lines(path) => {
                let file = File::open(path).map_err(|source| InputError::File { path: path.clone(), source })?;
                Ok(Box::new(Lines { path: path.clone(), reader: BufReader::with_capacity(1 << 18, file), line: 0, failed: false }))
            }
            Input::Files(path) => Ok(Box::new(files(path)?.into_iter().map(read_file))),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", terminal::path(&self.path))?;
        self.line.map_or(Ok(()), |line| write!(f, " line {line}"))
    }
}

struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    line: u64,
    failed: bool,
}

impl Iterator for Lines {
    type Item = Result<Item, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        self.line += 1;
        match read_line(&mut self.reader) {
            Ok(bytes) => bytes.map(|bytes| Ok(Item { path: self.path.clone(), line: Some(self.line), bytes })),
            Err(source) => {
                self.failed = true;
                Some(Err(InputError::File { path: self.path.clone(), source }))
            }
        }
    }
}

/// A line without its newline, cut after [`ENOUGH`] bytes; `None` at the end. A file that is one endless line takes no more memory.
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<Bytes>> {
    let mut line = Vec::new();
    let limit = u64::try_from(ENOUGH + 1).expect("small");
    if reader.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > ENOUGH {
        reader.skip_until(b'\n')?;
        line.truncate(ENOUGH);
    }
    Ok(Some(line.into()))
}

fn count_lines(path: &Path) -> io::Result<u64> {
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path)?);
    let mut lines = 0;
    while reader.skip_until(b'\n')? > 0 {
        lines += 1;
    }
    Ok(lines)
}

/// In the order of their names, so that a rerun does the same.
fn files(directory: &Path) -> Result<Vec<PathBuf>, InputError> {
    let failed = |source| InputError::File { path: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: PathBuf) -> Result<Item, InputError> {
    let read = durable::read_bounded(&path, u64::try_from(MAX_ENTRY).expect("small"));
    match read {
        Ok(bytes) => Ok(Item { bytes: bytes.unwrap_or_else(|| vec![0; ENOUGH]).into(), line: None, path }),
        Err(source) => Err(InputError::File { path, source }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn lines(text: &[u8]) -> Vec<Vec<u8>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.jsonl");
        std::fs::write(&path, text).unwrap();
        let input = Input::at(&path).unwrap();
        let items: Vec<_> = input.items().unwrap().map(|item| item.unwrap().bytes.to_vec()).collect();
        assert_eq!(input.count().unwrap(), u64::try_from(items.len()).unwrap());
        items
    }

    #[test]
    fn lines_are_taken_as_they_are() {
        assert_eq!(lines(b""), Vec::<Vec<u8>>::new());
        assert_eq!(lines(b"a\r\n\n b \nc"), [b"a\r".as_slice(), b"", b" b ", b"c"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_seen_to_be_and_the_next_one_is_whole() {
        let largest = vec![b'x'; MAX_ENTRY];
        for more in [1, 2, 300_000] {
            let text = [&largest, b"\n".as_slice(), &largest, &vec![b'y'; more], b"\nnext\n"].concat();
            let read = lines(&text);
            assert_eq!(read[0].len(), MAX_ENTRY);
            assert_eq!(read[1].len(), MAX_ENTRY + 1);
            assert_eq!(read[2], b"next");
        }
    }

    #[test]
    fn a_directory_gives_its_files_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b", "a", ".hidden"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("large"), vec![0; MAX_ENTRY + 5]).unwrap();
        let items: Vec<_> = Input::at(dir.path()).unwrap().items().unwrap().map(|item| item.unwrap().bytes).collect();
        assert_eq!(items[..2], ["a", "b"]);
        assert_eq!(items[2].len(), MAX_ENTRY + 1);
        assert_eq!(items.len(), 3);
    }

    #[test]
    fn other_files_are_refused_rather_than_guessed_at() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x.csv"), "").unwrap();
        assert!(matches!(Input::at(&dir.path().join("x.csv")), Err(InputError::Kind { .. })));
        assert!(matches!(Input::at(&dir.path().join("none.jsonl")), Err(InputError::File { .. })));
    }
}
