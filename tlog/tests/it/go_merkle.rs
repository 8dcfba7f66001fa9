//! The proof vectors of the Go module github.com/transparency-dev/merkle, read from Go's module cache: they stay where they are maintained.
//!
//! Two versions: the one that `interop/go.mod` has too, with every valid and invalid proof as a JSON file below `testdata/`, and the release
//! before, with its valid ones in a Go test file. `ACTA_MERKLE_TESTDATA` names a directory like the former to read instead. What cannot be
//! had is not compared: the test says so, and fails if `ACTA_REQUIRE_GO=1`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;
use tlog::merkle::{self, Appender, Node, Subtree};
use tlog::{Hash, LeafIndex, TreeSize};

const WITH_JSON: &str = "github.com/transparency-dev/merkle@v0.0.3-0.20260707140218-77df88e508fa";
const RELEASE: &str = "github.com/transparency-dev/merkle@v0.0.2";

#[test]
fn the_go_modules_proof_vectors_have_the_results_that_they_want() {
    let json = env::var_os("ACTA_MERKLE_TESTDATA").map(PathBuf::from).or_else(|| Some(module(WITH_JSON)?.join("testdata")));
    let release = module(RELEASE);
    let required = env::var("ACTA_REQUIRE_GO").is_ok_and(|value| value == "1");
    let missing = [(WITH_JSON, json.is_none()), (RELEASE, release.is_none())].into_iter().filter(|(_, missing)| *missing);
    for (version, _) in missing {
        assert!(!required, "ACTA_REQUIRE_GO=1, but Go's module cache gave no {version}; is Go installed?");
        eprintln!("SKIPPED: the proof vectors of {version}; install Go to compare with them");
    }
    if let Some(dir) = json {
        let (valid, refused) = check_json(&dir);
        eprintln!("{valid} valid and {refused} invalid proofs below {}", dir.display());
        assert!(valid >= 15 && refused >= 150, "too few vectors below {}: {valid} valid, {refused} invalid", dir.display());
    }
    if let Some(dir) = release {
        check_go_source(&fs::read_to_string(dir.join("proof/verify_test.go")).unwrap());
    }
}

/// Where Go keeps a module's files, downloaded if need be; `None` if Go or the version cannot be had.
fn module(version: &str) -> Option<PathBuf> {
    let elsewhere = tempfile::tempdir().unwrap();
    let go = Command::new("go").args(["mod", "download", "-json", version]).current_dir(elsewhere.path()).output().ok()?;
    let answer: Value = serde_json::from_slice(&go.stdout).ok()?;
    answer.get("Dir")?.as_str().map(PathBuf::from)
}

/// Checks each file below `dir`; counts the valid and the invalid proofs.
fn check_json(dir: &Path) -> (usize, usize) {
    let (mut valid, mut refused) = (0, 0);
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                let vector: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                let wants_error = vector["wantErr"].as_bool().unwrap();
                let refuse = wants_error || is_refused_by_us_only(&vector);
                assert_eq!(verifies(&vector).is_none(), refuse, "{}", path.display());
                *(if wants_error { &mut refused } else { &mut valid }) += 1;
            }
        }
    }
    (valid, refused)
}

/// Where we differ on purpose: nothing begins with, or contains, a tree without leaves (the specifications that we follow have no such
/// proofs), and what is not 32 bytes long is no hash, even where it is only compared with its like.
fn is_refused_by_us_only(vector: &Value) -> bool {
    let of_nothing = vector.get("start").is_some_and(|start| start == &vector["end"]);
    let is_no_hash = |name: &str| vector[name].as_str().is_some_and(|text| Hash::from_base64(text).is_err());
    of_nothing || is_no_hash("root1") || is_no_hash("root2")
}

/// `None` is a refusal, be it that a hash has another length, or that there cannot be such a tree.
fn verifies(vector: &Value) -> Option<()> {
    let number = |name: &str| vector[name].as_u64();
    let hash = |value: &Value| Hash::from_base64(value.as_str()?).ok();
    let proof: Vec<Hash> = vector["proof"].as_array().into_iter().flatten().map(hash).collect::<Option<_>>()?;
    if vector.get("leafIdx").is_some() {
        let (leaf, root, index) = (hash(&vector["leafHash"])?, hash(&vector["root"])?, number("leafIdx")?);
        // A leaf of a subtree is proved as in a tree that begins where the subtree does.
        let (start, end) = match number("treeSize") {
            Some(size) => (0, size),
            None => (number("start")?, number("end")?),
        };
        Subtree::new(start, end).ok()?;
        let (index, size) = (LeafIndex::new(index.checked_sub(start)?), TreeSize::new(end - start));
        return merkle::verify_inclusion(&leaf, index, size, &proof, &root).ok();
    }
    let (first, second) = (hash(&vector["root1"])?, hash(&vector["root2"])?);
    match number("size1") {
        Some(old) => merkle::verify_consistency(TreeSize::new(old), &first, TreeSize::new(number("size2")?), &second, &proof).ok(),
        None => {
            let subtree = Subtree::new(number("start")?, number("end")?).ok()?;
            merkle::verify_subtree(subtree, &first, TreeSize::new(number("size")?), &second, &proof).ok()
        }
    }
}

/// The lists `leaves`, `roots`, `inclusionProofs` and `consistencyProofs` of the module's test.
fn check_go_source(source: &str) {
    let list = |name: &str| {
        let start = source.find(&format!("\t{name} ")).unwrap_or_else(|| panic!("no list {name}"));
        let rest = &source[start..];
        &rest[..rest.find("\n\t}\n").unwrap()]
    };
    let mut tree = Appender::new();
    let mut nodes: HashMap<Node, Hash> = HashMap::new();
    let mut roots = vec![];
    for leaf in quoted(list("leaves")) {
        let entry: Vec<u8> = (0..leaf.len()).step_by(2).map(|at| u8::from_str_radix(&leaf[at..at + 2], 16).unwrap()).collect();
        tree.append(Hash::leaf(&entry), |node, hash| _ = nodes.insert(node, hash)).unwrap();
        roots.push(tree.root().to_hex());
    }
    assert_eq!(roots, quoted(list("roots")));
    assert_eq!(roots.len(), 8);

    let node = |node| nodes.get(&node).copied().ok_or(node);
    let mut checked = 0;
    for (leaf, size, expected) in proofs(list("inclusionProofs")).into_iter().filter(|(leaf, ..)| *leaf > 0) {
        // The module counts leaves from 1 here.
        let proof = merkle::prove_inclusion(LeafIndex::new(leaf - 1), TreeSize::new(size), node).unwrap();
        assert_eq!(proof.iter().map(Hash::to_hex).collect::<Vec<_>>(), expected, "leaf {leaf} of {size}");
        checked += 1;
    }
    for (old, new, expected) in proofs(list("consistencyProofs")) {
        let proof = merkle::prove_consistency(TreeSize::new(old), TreeSize::new(new), node).unwrap();
        assert_eq!(proof.iter().map(Hash::to_hex).collect::<Vec<_>>(), expected, "{old} to {new}");
        checked += 1;
    }
    assert_eq!(checked, 10, "the module's lists are not as they were");
}

/// What stands between quotation marks.
fn quoted(text: &str) -> Vec<String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Elements like `{1, 8, [][]byte{ dh("…", 32), … }},` or `{1, 1, nil},`, the first of which opens a line.
fn proofs(list: &str) -> Vec<(u64, u64, Vec<String>)> {
    list.split("\n\t\t{")
        .skip(1)
        .map(|element| {
            let mut fields = element.splitn(3, ", ");
            let mut number = || fields.next().unwrap().parse().unwrap();
            (number(), number(), quoted(element))
        })
        .collect()
}
