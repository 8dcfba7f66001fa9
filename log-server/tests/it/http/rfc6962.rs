//! `/ct/v1/…`, as a client of Certificate Transparency would use it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::Value;
use tlog::merkle;
use tlog::{Hash, LeafIndex, TreeSize};

use super::server::{Server, entry};
use super::wire::{Answer, Client};

async fn get(client: &mut Client, path: &str) -> Value {
    let answer = client.get(path).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{path}");
    assert_eq!((answer.header("cache-control"), answer.header("access-control-allow-origin")), ("no-store", "*"));
    serde_json::from_slice(&answer.body).unwrap()
}

fn message(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 1);
    body["error_message"].as_str().unwrap().to_owned()
}

fn hash(value: &Value) -> Hash {
    Hash::try_from(STANDARD.decode(value.as_str().unwrap()).unwrap().as_slice()).unwrap()
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

/// What stands in a URL for the base64 of a hash.
fn escaped(hash: &Hash) -> String {
    STANDARD.encode(hash.as_bytes()).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

#[tokio::test]
async fn heads_are_signed_with_the_key_for_them_and_proofs_lead_from_one_to_the_next() {
    let (server, public) = Server::with_tree_heads().await;
    let mut client = server.connect().await;
    let mut heads: Vec<(TreeSize, Hash)> = Vec::new();
    let mut last = 0;
    for count in [1, 255, 256, 257, 600] {
        server.fill(count).await; // those that are there already are not added again
        let sth = get(&mut client, "/ct/v1/get-sth").await;
        let (size, time) = (sth["tree_size"].as_u64().unwrap(), sth["timestamp"].as_u64().unwrap());
        assert_eq!(size, count);
        assert!(time > last, "each head is newer than the one before");
        last = time;
        let root = hash(&sth["sha256_root_hash"]);
        assert_eq!(root, server.log.published().root());
        let signature = STANDARD.decode(sth["tree_head_signature"].as_str().unwrap()).unwrap();
        assert_eq!(usize::from(u16::from_be_bytes([signature[2], signature[3]])), signature.len() - 4);
        let signed = [[0, 1].as_slice(), &time.to_be_bytes(), &size.to_be_bytes(), root.as_bytes()].concat();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &public[26..]).verify(&signed, &signature[4..]).unwrap();
        heads.push((TreeSize::new(size), root));
    }
    for (first, first_root) in &heads {
        for (second, second_root) in heads.iter().filter(|(size, _)| size >= first) {
            let answer = get(&mut client, &format!("/ct/v1/get-sth-consistency?first={first}&second={second}")).await;
            merkle::verify_consistency(*first, first_root, *second, second_root, &hashes(&answer["consistency"])).unwrap();
        }
    }
    for (size, root) in &heads {
        let index = LeafIndex::new(size.as_u64() - 1);
        let leaf = Hash::leaf(&entry(index.as_u64()));
        let by_hash = get(&mut client, &format!("/ct/v1/get-proof-by-hash?hash={}&tree_size={size}", escaped(&leaf))).await;
        assert_eq!(by_hash["leaf_index"], index.as_u64());
        merkle::verify_inclusion(&leaf, index, *size, &hashes(&by_hash["audit_path"]), root).unwrap();
        let both = get(&mut client, &format!("/ct/v1/get-entry-and-proof?leaf_index={index}&tree_size={size}")).await;
        assert_eq!(STANDARD.decode(both["leaf_input"].as_str().unwrap()).unwrap(), entry(index.as_u64()));
        assert_eq!((&both["audit_path"], &both["extra_data"]), (&by_hash["audit_path"], &Value::from("")));
    }
}

#[tokio::test]
async fn all_entries_come_in_their_order_however_many_are_asked_for() {
    let server = Server::start().await;
    server.fill(600).await;
    let mut client = server.connect().await;
    let mut next = 0;
    while next < 600 {
        let answer = get(&mut client, &format!("/ct/v1/get-entries?start={next}&end=18446744073709551615")).await;
        let entries = answer["entries"].as_array().unwrap();
        assert!(!entries.is_empty() && entries.len() <= 256);
        for each in entries {
            assert_eq!(STANDARD.decode(each["leaf_input"].as_str().unwrap()).unwrap(), entry(next));
            next += 1;
        }
    }
    let some = get(&mut client, "/ct/v1/get-entries?start=300&end=302").await;
    assert_eq!(some["entries"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_answer_has_a_megabyte_of_entries_and_at_least_one() {
    let server = Server::start().await;
    for number in 0..20u8 {
        let ticket = server.log.add(vec![number; 65_535].into()).unwrap();
        super::wire::soon(ticket).await.unwrap();
    }
    let mut client = server.connect().await;
    let first = get(&mut client, "/ct/v1/get-entries?start=0&end=19").await["entries"].as_array().unwrap().len();
    assert_eq!(first, 16);
    let rest = get(&mut client, "/ct/v1/get-entries?start=16&end=19").await["entries"].as_array().unwrap().len();
    assert_eq!(rest, 4);
}

#[tokio::test]
async fn what_cannot_be_answered_says_why_in_the_form_of_rfc_6962() {
    let server = Server::start().await;
    server.fill(3).await;
    let mut client = server.connect().await;
    let unknown = format!("get-proof-by-hash?hash={}&tree_size=3", escaped(&Hash::leaf(b"never added")));
    let beyond = format!("get-proof-by-hash?hash={}&tree_size=2", escaped(&Hash::leaf(&entry(2))));
    for (call, status, part) in [
        ("get-sth", 404, "/checkpoint"),
        ("get-sth-consistency", 400, "'first' is missing"),
        ("get-sth-consistency?first=1", 400, "'second' is missing"),
        ("get-sth-consistency?first=0&second=3", 400, "nothing to prove"),
        ("get-sth-consistency?first=3&second=2", 400, "'first' cannot be greater than 'second'"),
        ("get-sth-consistency?first=1&second=4", 400, "at most 3"),
        ("get-proof-by-hash?tree_size=3", 400, "'hash' is missing"),
        ("get-proof-by-hash?hash=AAAA&tree_size=3", 400, "32 bytes in base64"),
        (unknown.as_str(), 404, "no entry with this leaf hash"),
        (beyond.as_str(), 404, "no entry with this leaf hash"),
        ("get-entries?start=2&end=1", 400, "'start' cannot be greater than 'end'"),
        ("get-entries?start=3&end=3", 400, "below 3"),
        ("get-entries?start=x&end=3", 400, "decimal digits"),
        ("get-entry-and-proof?leaf_index=3&tree_size=3", 400, "below 'tree_size'"),
        ("get-entry-and-proof?leaf_index=0&tree_size=4", 400, "at most 3"),
        ("get-entry-and-proof?leaf_index=0&tree_size=18446744073709551615", 400, "at most 3"),
    ] {
        let answer = client.get(&format!("/ct/v1/{call}")).await;
        let said = message(&answer);
        assert!(answer.status == status && said.contains(part), "{call}: {} {said}", answer.status);
    }
    assert_eq!(client.post("/ct/v1/get-sth", "x").await.problem(), "method-not-allowed");
    assert_eq!(client.get("/ct/v1/get-roots").await.problem(), "not-found");
}
