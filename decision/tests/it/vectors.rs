//! The files below `testdata/statements/`: for every implementation of the rules, what they say of logs at their edges.
//!
//! The table here writes the files, and each file is checked against what it expects.

mod admitted;
mod refused;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use decision::ledger::{Fold, Rules};
use tlog::Hash;
use tlog::tiles::{Entries, encode_entry};

use crate::world::{LOG, World};

/// One vector: a log, and what becomes of its last entry.
#[derive(Clone, Debug, PartialEq)]
struct Vector {
    comment: String,
    /// `admitted`, or `refused` and the name of the reason.
    expect: String,
    /// The SHA-256 of the ledger's snapshot after all entries.
    ledger: String,
    log_key: String,
    entries: Vec<Vec<u8>>,
}

/// What a line of the table does: brings the log into the state it wants, and gives the entry in question.
type Case = (&'static str, &'static str, &'static str, fn(&mut World) -> Vec<u8>);

impl Vector {
    fn of((_, comment, expect, make): Case) -> Self {
        let mut world = World::new();
        let last = make(&mut world);
        let mut entries = world.entries().to_vec();
        entries.push(last);
        let log_key = world.log.verifier_key().to_string();
        let mut vector = Vector { comment: comment.into(), expect: expect.into(), ledger: String::new(), log_key, entries };
        vector.ledger = vector.outcome().1;
        vector
    }

    /// Folds all entries: what became of the last one, and the hash of the ledger. All others must be admitted.
    fn outcome(&self) -> (String, String) {
        let mut fold = Fold::new(Rules::new(LOG, vec![self.log_key.parse().unwrap()]));
        let (last, before) = self.entries.split_last().unwrap();
        for entry in before {
            assert_eq!(fold.push(entry).unwrap(), None, "only the last entry is in question");
        }
        let outcome = match fold.push(last).unwrap() {
            None => "admitted".into(),
            Some(finding) => format!("refused {}", finding.reason.name()),
        };
        (outcome, Hash::sha256(&fold.ledger().snapshot(fold.size().as_u64())).to_hex())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!(
            "comment: {}\nexpect: {}\nledger: {}\nlog: {LOG}\nkey: {}\n---\n",
            self.comment, self.expect, self.ledger, self.log_key
        )
        .into_bytes();
        for entry in &self.entries {
            encode_entry(entry, &mut bytes).unwrap();
        }
        bytes
    }

    fn parse(file: &[u8]) -> Option<Self> {
        let end = file.windows(5).position(|window| window == b"\n---\n")?;
        let mut headers = str::from_utf8(&file[..end]).ok()?.lines().map(|line| line.split_once(": "));
        let mut header = |wanted: &str| {
            let (name, value) = headers.next()??;
            (name == wanted).then(|| value.to_owned())
        };
        let (comment, expect, ledger) = (header("comment")?, header("expect")?, header("ledger")?);
        let (_, log_key) = (header("log").filter(|log| log == LOG)?, header("key")?);
        let entries = Entries::new(&file[end + 5..]).map(|entry| entry.map(<[u8]>::to_vec)).collect::<Result<_, _>>().ok()?;
        Some(Vector { comment, expect, ledger, log_key, entries })
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/statements")
}

/// Every vector by its name.
fn vectors() -> BTreeMap<String, Vector> {
    let mut vectors = BTreeMap::new();
    for case in admitted::CASES.iter().chain(refused::CASES) {
        assert!(vectors.insert(case.0.to_owned(), Vector::of(*case)).is_none(), "two vectors are named {}", case.0);
    }
    vectors
}

/// Every vector file on the disk.
fn files() -> BTreeMap<String, Vector> {
    let files = fs::read_dir(root()).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_none_or(|extension| extension != "md"));
    let named = files.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let vector = Vector::parse(&fs::read(&path).unwrap()).unwrap_or_else(|| panic!("{name} is not a vector"));
        (name, vector)
    });
    named.collect()
}

#[test]
fn every_vector_comes_out_as_expected() {
    let files = files();
    assert!(files.len() > 70, "only {} vectors were found", files.len());
    let mut wrong = String::new();
    for (name, vector) in files {
        let (expect, ledger) = vector.outcome();
        if (&expect, &ledger) != (&vector.expect, &vector.ledger) {
            wrong += &format!("{name}\n  expected {:?}\n  came out {expect:?}\n", vector.expect);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_vector_files_are_what_the_table_writes() {
    let (files, vectors) = (files(), vectors());
    let names = |vectors: &BTreeMap<String, Vector>| vectors.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&files), names(&vectors), "see testdata/statements/README.md for the command that writes them");
    for (name, vector) in vectors {
        assert!(files[&name] == vector, "{name} differs from what the table writes");
    }
}

#[test]
fn every_reason_has_a_vector_or_is_said_to_have_none() {
    // Reasons of which no log can be an example here: a newer charter comes first in a log, and 256 keys are many.
    let without = ["charter-version", "no-charter", "too-many-keys"];
    let found: Vec<String> =
        vectors().into_values().filter_map(|vector| Some(vector.expect.strip_prefix("refused ")?.to_owned())).collect();
    for name in decision::ledger::Refusal::NAMES {
        assert!(found.iter().any(|found| found == name) != without.contains(name), "{name}");
    }
}

/// Not a test: writes the files. `cargo test -p decision --test it -- --ignored write_the_vectors`
#[test]
#[ignore = "writes testdata/statements"]
fn write_the_vectors() {
    fs::create_dir_all(root()).unwrap();
    for name in files().into_keys() {
        fs::remove_file(root().join(name)).unwrap();
    }
    for (name, vector) in vectors() {
        fs::write(root().join(name), vector.to_bytes()).unwrap();
    }
}
