//! The files below `testdata/vectors/`: written by one command, and each checked against its expectation.

mod elsewhere;
mod ours;
mod receipts;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use tlog::checkpoint::SignedCheckpoint;
use tlog::evidence::Evidence;
use tlog::key::{SigningKey, VerifierKey};
use tlog::note::Note;
use tlog::policy::Policy;
use tlog::proof::Proof;
use tlog::witness::{AddCheckpoint, Latest, decide};
use tlog::{Hash, TreeSize};

const PARSED: &str = "parsed";

/// One vector; see `testdata/vectors/README.md`.
#[derive(Clone, Debug, PartialEq)]
struct Vector {
    headers: Vec<(String, String)>,
    bytes: Vec<u8>,
}

/// A vector named `directory/name`.
fn vector(comment: &str, expect: &str, bytes: impl Into<Vec<u8>>) -> Vector {
    let headers = vec![("comment".to_owned(), comment.to_owned()), ("expect".to_owned(), expect.to_owned())];
    Vector { headers, bytes: bytes.into() }
}

impl Vector {
    fn with(mut self, header: &str, value: &(impl ToString + ?Sized)) -> Self {
        self.headers.push((header.to_owned(), value.to_string()));
        self
    }

    fn with_policy(self, policy: &str) -> Self {
        policy.lines().fold(self, |vector, line| vector.with("policy", line))
    }

    fn parse(file: &[u8]) -> Option<Self> {
        let end = file.windows(5).position(|window| window == b"\n---\n")?;
        let headers = str::from_utf8(&file[..end]).ok()?.lines();
        let headers = headers.map(|line| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())));
        Some(Vector { headers: headers.collect::<Option<_>>()?, bytes: file[end + 5..].to_vec() })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        [headers.as_bytes(), b"---\n", &self.bytes].concat()
    }

    fn all(&self, header: &str) -> Vec<&str> {
        self.headers.iter().filter(|(name, _)| name == header).map(|(_, value)| value.as_str()).collect()
    }

    fn keys(&self) -> Vec<VerifierKey> {
        self.all("key").into_iter().map(|key| key.parse().unwrap()).collect()
    }

    fn policy(&self) -> Option<Policy> {
        let lines = self.all("policy");
        (!lines.is_empty()).then(|| Policy::parse((lines.join("\n") + "\n").as_bytes()).unwrap())
    }

    fn latest(&self) -> Latest {
        match self.all("latest").first() {
            None => Latest::NEVER,
            Some(latest) => {
                let (size, root) = latest.split_once(' ').unwrap();
                Latest { size: TreeSize::new(size.parse().unwrap()), root: Hash::from_base64(root).unwrap() }
            }
        }
    }

    /// What comes out, in the words of the `expect` header.
    fn outcome(&self, directory: &str) -> String {
        let bytes = &self.bytes;
        let text = || str::from_utf8(bytes).unwrap();
        match directory {
            "note" => outcome(Note::parse(bytes), |note| {
                assert_eq!(&note.to_bytes(), bytes);
                verdict(self.keys().first().map(|_| note.verify(&self.keys()).map(drop)))
            }),
            "vkey" => outcome(text().parse::<VerifierKey>(), |key| {
                assert_eq!(key.to_string(), text());
                PARSED.to_owned()
            }),
            "checkpoint" => outcome(SignedCheckpoint::parse(bytes), |signed| {
                assert_eq!(&signed.to_bytes(), bytes);
                verdict(self.policy().map(|policy| policy.verify(&signed)))
            }),
            "policy" => outcome(Policy::parse(bytes), |policy| {
                assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
                PARSED.to_owned()
            }),
            "proof" => outcome(Proof::parse(bytes), |proof| {
                assert_eq!(&proof.to_bytes(), bytes);
                verdict(self.policy().map(|policy| proof.verify_receipt(&policy, None)))
            }),
            "add-checkpoint" => outcome(AddCheckpoint::parse(bytes), |request| {
                assert_eq!(&request.to_bytes(), bytes);
                verdict(Some(decide(&request, &self.latest(), &self.keys(), &[], 1)))
            }),
            "evidence" => outcome(Evidence::parse(bytes), |evidence| {
                assert_eq!(&evidence.to_bytes(), bytes);
                verdict(Some(evidence.verify(&self.keys())))
            }),
            "private-key" => outcome(SigningKey::parse_file(text(), self.keys().first()), |_| PARSED.to_owned()),
            _ => panic!("no parser for the directory {directory}"),
        }
    }
}

fn outcome<T, E: Debug>(parsed: Result<T, E>, then: impl FnOnce(T) -> String) -> String {
    match parsed {
        Ok(parsed) => then(parsed),
        Err(error) => format!("refused {error:?}"),
    }
}

/// The outcome of what parsed: `None` if there was nothing to verify it with.
fn verdict<T>(verified: Option<Result<T, impl Debug>>) -> String {
    match verified {
        None => PARSED.to_owned(),
        Some(Ok(_)) => "verified".to_owned(),
        Some(Err(error)) => format!("unverified {error:?}"),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/vectors")
}

/// Every vector by its path below [`root`].
fn vectors() -> BTreeMap<String, Vector> {
    let all = elsewhere::vectors().into_iter().chain(ours::vectors()).chain(receipts::vectors());
    let mut vectors = BTreeMap::new();
    for (path, vector) in all {
        assert!(vectors.insert(path.to_owned(), vector).is_none(), "two vectors are named {path}");
    }
    vectors
}

/// Every vector file on the disk.
fn files() -> BTreeMap<String, Vector> {
    let mut files = BTreeMap::new();
    for directory in fs::read_dir(root()).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        for file in fs::read_dir(directory.path()).unwrap().map(Result::unwrap) {
            let name = format!("{}/{}", directory.file_name().display(), file.file_name().display());
            let vector = Vector::parse(&fs::read(file.path()).unwrap());
            files.insert(name.clone(), vector.unwrap_or_else(|| panic!("{name} is not a vector file")));
        }
    }
    files
}

#[test]
fn every_vector_comes_out_as_expected() {
    let files = files();
    assert!(files.len() > 80, "only {} vectors were found", files.len());
    let mut wrong = String::new();
    for (name, vector) in files {
        let outcome = vector.outcome(name.split_once('/').unwrap().0);
        if vector.all("expect") != [outcome.as_str()] {
            wrong += &format!("{name}\n  expected {:?}\n  came out {outcome:?}\n", vector.all("expect"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_vector_files_are_what_the_generator_writes() {
    let (files, vectors) = (files(), vectors());
    let names = |vectors: &BTreeMap<String, Vector>| vectors.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&files), names(&vectors), "see testdata/vectors/README.md for the command that writes them");
    for (name, vector) in vectors {
        assert!(files[&name] == vector, "{name} differs from what the generator writes");
    }
}

/// Not a test: writes the files. `cargo test -p tlog --test it -- --ignored write_the_vectors`
#[test]
#[ignore = "writes testdata/vectors"]
fn write_the_vectors() {
    for name in files().into_keys() {
        fs::remove_file(root().join(name)).unwrap();
    }
    for (name, vector) in vectors() {
        let path = root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vector.to_bytes()).unwrap();
    }
}

/// The bytes of every vector, for tests that alter them.
pub(super) fn contents() -> Vec<Vec<u8>> {
    vectors().into_values().map(|vector| vector.bytes).collect()
}
