//! The examples of `docs/formats.md`: each is a test vector, byte for byte, or what the code makes.
//!
//! A block of the document that begins with ```` ```text vector=NAME ```` has the bytes of `testdata/vectors/NAME`, one with `example=NAME` what the
//! table here computes. `cargo test -p acta-client --test it -- --ignored write_the_examples` fills them in.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use acta_client::audit::ConflictingHeads;
use decision::disclosure::{NEVER_SEALED, seal};
use decision::ledger::{Fold, MemoryLedger, Rules, Status};
use decision::statement::Statement;
use serde::Serialize;
use serde_json::json;
use tlog::checkpoint::SignedCheckpoint;
use tlog::evidence::Evidence;
use tlog::key::{Algorithm, KeyName, SigningKey, VerifierKey};
use tlog::merkle::Appender;
use tlog::tiles::{BundleId, Entries, TileId, encode_entry};
use tlog::{Hash, LeafIndex, TreeSize};

/// What an example is called, and what makes it.
type Example = (&'static str, fn() -> String);

const EXAMPLES: &[Example] = &[
    ("key-id", key_id),
    ("leaf-hashes", leaf_hashes),
    ("cosigned-text", cosigned_text),
    ("ml-dsa-message", ml_dsa_message),
    ("statement", || String::from_utf8(entries().pop().unwrap()).unwrap()),
    ("statement-ids", statement_ids),
    ("disclosure", disclosure),
    ("never-sealed", || format!("{}\n", NEVER_SEALED.join(" "))),
    ("ledger-rows", ledger_rows),
    ("evidence-name", || format!("{}\n", evidence().file_name())),
    ("conflicting-heads", conflicting_heads),
    ("bundle", bundle),
    ("paths", paths),
    ("status", status),
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document() -> String {
    fs::read_to_string(repository().join("docs/formats.md")).unwrap()
}

/// The part of a file of test data behind its headers.
fn content(path: &str) -> Vec<u8> {
    let file = fs::read(repository().join("testdata").join(path)).unwrap();
    let end = file.windows(5).position(|window| window == b"\n---\n").unwrap();
    file[end + 5..].to_vec()
}

/// What a block has to contain, by what stands behind its language.
fn expected(source: &str) -> Option<String> {
    let mut text = match source.split_once('=')? {
        ("vector", name) => String::from_utf8(content(&format!("vectors/{name}"))).ok()?,
        ("example", name) => EXAMPLES.iter().find(|(known, _)| *known == name)?.1(),
        _ => return None,
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Some(text)
}

/// The document with every example as it should be, and the sources of the examples.
fn filled(document: &str) -> (String, Vec<String>) {
    let (mut filled, mut sources) = (String::new(), Vec::new());
    let mut lines = document.split_inclusive('\n');
    while let Some(line) = lines.next() {
        filled.push_str(line);
        let Some((_, source)) = line.trim_end().strip_prefix("```").and_then(|info| info.split_once(' ')) else { continue };
        filled.push_str(&expected(source).unwrap_or_else(|| panic!("there is no {source}")));
        filled.push_str(lines.find(|line| *line == "```\n").unwrap());
        sources.push(source.to_owned());
    }
    (filled, sources)
}

#[test]
fn the_examples_are_what_the_code_makes() {
    let document = document();
    let (filled, sources) = filled(&document);
    for (number, (found, expected)) in document.lines().zip(filled.lines()).enumerate() {
        assert_eq!(found, expected, "docs/formats.md, line {}; the head of this file says how to write it anew", number + 1);
    }
    assert_eq!(document, filled);
    for (name, _) in EXAMPLES {
        assert!(sources.contains(&format!("example={name}")), "docs/formats.md does not show {name}");
    }
}

#[test]
fn an_example_that_was_changed_is_noticed() {
    let document = document();
    let mut examples = 0;
    let mut at = 0;
    let inside = document.split_inclusive('\n').scan(false, |inside, line| {
        *inside = if line.starts_with("```") { !*inside && line.contains('=') } else { *inside };
        let found = (at, line, *inside && !line.starts_with("```"));
        at += line.len();
        Some(found)
    });
    for (at, line, _) in inside.filter(|(_, _, inside)| *inside) {
        let changed = format!("{}x{}", &document[..at], &document[at..]);
        assert_ne!(changed, filled(&changed).0, "nobody looks at: {line}");
        examples += 1;
    }
    assert!(examples > 100, "only {examples} lines of examples were found");
}

/// Not a test: writes the examples.
#[test]
#[ignore = "writes docs/formats.md"]
fn write_the_examples() {
    let (filled, _) = filled(&document());
    fs::write(repository().join("docs/formats.md"), filled).unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key_id() -> String {
    let key: VerifierKey = String::from_utf8(content("vectors/vkey/ed25519")).unwrap().parse().unwrap();
    let hashed = [key.name().as_str().as_bytes(), b"\n\x01", key.public_key()].concat();
    let hash = Hash::sha256(&hashed).to_hex();
    assert!(hash.starts_with(&key.id().to_string()));
    format!("hashed   {}\nSHA-256  {hash}\nID       {}\n", hex(&hashed), key.id())
}

fn leaf_hashes() -> String {
    let mut appender = Appender::new();
    let mut text = String::new();
    for entry in (0..5).map(|i| format!("Decision {i}")) {
        let leaf = Hash::leaf(entry.as_bytes());
        appender.append(leaf, |_, _| {}).unwrap();
        writeln!(text, "{entry}  {leaf}").unwrap();
    }
    assert_eq!(&appender.root(), head().checkpoint().root());
    text + &format!("root        {}\n", appender.root())
}

/// The head whose cosignatures are explained.
fn head() -> SignedCheckpoint {
    SignedCheckpoint::parse(&content("vectors/checkpoint/cosigned-ed25519")).unwrap()
}

fn time_of(head: &SignedCheckpoint) -> (u64, Vec<u8>) {
    let (time, signature) = head.note().signatures()[1].bytes.split_first_chunk::<8>().unwrap();
    (u64::from_be_bytes(*time), signature.to_vec())
}

fn cosigned_text() -> String {
    let (time, signature) = time_of(&head());
    let text = format!("cosignature/v1\ntime {time}\n{}", head().note().text());
    // Signatures of Ed25519 depend on nothing else. All keys of the vectors are made of repeated bytes.
    let key = SigningKey::from_seed(KeyName::new("witness.example/w").unwrap(), Algorithm::Ed25519, &[2; 32]).unwrap();
    assert_eq!(key.sign_note(&text).unwrap().bytes, signature, "this is not what was signed");
    text
}

/// That this is what is signed is checked in `client/verifiers/test_verifiers.py`, with another implementation of ML-DSA-44.
fn ml_dsa_message() -> String {
    let head = SignedCheckpoint::parse(&content("vectors/checkpoint/cosigned-ml-dsa-44")).unwrap();
    let (name, origin) = (head.note().signatures()[1].name.as_str(), head.checkpoint().origin().as_str());
    let length = |text: &str| vec![u8::try_from(text.len()).unwrap()];
    let number = |number: u64| number.to_be_bytes().to_vec();
    let parts = [
        b"subtree/v1\n\0".to_vec(),
        [length(name), name.into()].concat(),
        number(time_of(&head).0),
        [length(origin), origin.into()].concat(),
        [number(0), number(head.checkpoint().size().as_u64())].concat(),
        head.checkpoint().root().as_bytes().to_vec(),
    ];
    parts.iter().map(|part| hex(part) + "\n").collect()
}

/// The entries of a small log, whose last one is the statement that is shown.
fn entries() -> Vec<Vec<u8>> {
    Entries::new(&content("statements/admitted-decision")).map(|entry| entry.unwrap().to_vec()).collect()
}

/// The ledger of that log, before the statement and after it.
fn ledgers() -> (MemoryLedger, Fold) {
    let file = fs::read(repository().join("testdata/statements/admitted-decision")).unwrap();
    let file = String::from_utf8_lossy(&file);
    let header = |name: &str| file.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let mut fold = Fold::new(Rules::new(&header("log: "), vec![header("key: ").parse().unwrap()]));
    let mut entries = entries();
    let last = entries.pop().unwrap();
    for entry in entries {
        assert_eq!(fold.push(&entry).unwrap(), None);
    }
    let before = fold.ledger().clone();
    assert_eq!(fold.push(&last).unwrap(), None);
    let snapshot = fold.ledger().snapshot(fold.size().as_u64());
    assert_eq!(Hash::sha256(&snapshot).to_hex(), header("ledger: "));
    (before, fold)
}

fn statement_ids() -> String {
    let entry = entries().pop().unwrap();
    format!("identity   {}\nleaf hash  {}\n", Statement::parse(&entry).unwrap().id(), Hash::leaf(&entry))
}

fn disclosure() -> String {
    use base64::Engine as _;
    let mut party = json!({"name": "Ada Example", "role": "applicant"}).as_object().unwrap().clone();
    let disclosure = seal(&mut party, "name", &[7; 16]).unwrap();
    let array = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(disclosure.encoded()).unwrap();
    let (array, party) = (String::from_utf8(array).unwrap(), serde_json::to_string(&party).unwrap());
    format!("{array}\n{}\n{}\n{party}\n", disclosure.encoded(), disclosure.digest())
}

fn ledger_rows() -> String {
    let (before, after) = ledgers();
    let before: Vec<_> = before.rows().collect();
    let new = after.ledger().rows().filter(|row| !before.contains(row));
    new.map(|(key, row)| format!("{}\n  {}\n", hex(key), hex(row))).collect()
}

fn evidence() -> Evidence {
    Evidence::parse(&content("vectors/evidence/same-size")).unwrap()
}

fn conflicting_heads() -> String {
    let evidence = evidence();
    let [earlier, served] = evidence.heads();
    ConflictingHeads::new(ConflictingHeads::FORMAT, "2026-03-01T09:30:00Z".parse().unwrap(), earlier, served).to_json()
}

fn bundle() -> String {
    let mut bytes = Vec::new();
    encode_entry(b"Decision 0", &mut bytes).unwrap();
    encode_entry(b"x", &mut bytes).unwrap();
    hex(&bytes) + "\n"
}

fn paths() -> String {
    let size = TreeSize::new(70_000);
    let tiles = [(0, 0), (0, 273), (1, 0), (1, 1), (2, 0)].map(|(level, number)| TileId::for_size(level, number, size).unwrap().path());
    let bundles = [0, 273].map(|number| BundleId::for_size(number, size).unwrap().path());
    tiles.iter().chain(&bundles).map(|path| format!("/{path}\n")).collect()
}

/// As `log-server/src/http/status.rs` sends it.
#[derive(Serialize)]
struct Told {
    says: &'static str,
    note: &'static str,
    log: String,
    size: u64,
    #[serde(flatten)]
    status: Status,
}

fn status() -> String {
    let (_, fold) = ledgers();
    let status = fold.rules().status(fold.ledger(), LeafIndex::new(3)).unwrap().unwrap();
    let told = Told { says: "operator", note: "…", log: fold.rules().log().to_owned(), size: fold.size().as_u64(), status };
    serde_json::to_string_pretty(&told).unwrap() + "\n"
}
