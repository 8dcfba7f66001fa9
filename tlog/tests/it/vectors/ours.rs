//! What this crate makes and must refuse. The expectations are written by hand.

use std::collections::HashMap;

use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::evidence::{Branch, Evidence, ProvenHash};
use tlog::key::{Algorithm, KeyName, SigningKey, VerifierKey, encode_pem};
use tlog::merkle::{self, Appender};
use tlog::note::{Note, Signature};
use tlog::proof::Proof;
use tlog::{Hash, LeafIndex, TreeSize};

use super::{Vector, vector};

pub(super) type Named = Vec<(&'static str, Vector)>;

pub(super) fn vectors() -> Named {
    [notes(), verifier_keys(), checkpoints(), policies(), proofs(), requests(), evidence(), private_keys()].concat()
}

pub(super) const ORIGIN: &str = "example.com/log";

pub(super) fn key(name: &str, algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), algorithm, &[seed; 32]).unwrap()
}

pub(super) fn log_key() -> SigningKey {
    key(ORIGIN, Algorithm::Ed25519, 1)
}

pub(super) fn witness(algorithm: Algorithm) -> SigningKey {
    key("witness.example/w", algorithm, 2)
}

/// The tree of the entries `{prefix}0`, `{prefix}1`, …, at a size: its root and a function for proofs.
pub(super) fn tree(prefix: &str, size: u64) -> (Hash, HashMap<merkle::Node, Hash>) {
    let (mut appender, mut nodes) = (Appender::new(), HashMap::new());
    for i in 0..size {
        let completed = |node, hash| {
            nodes.insert(node, hash);
        };
        appender.append(Hash::leaf(format!("{prefix}{i}").as_bytes()), completed).unwrap();
    }
    (appender.root(), nodes)
}

pub(super) fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::new(size), tree("Decision ", size).0)
}

pub(super) fn sign(checkpoint: &Checkpoint, lines: &[Signature]) -> SignedCheckpoint {
    let mut signed = SignedCheckpoint::sign(checkpoint, &[&log_key()]).unwrap();
    lines.iter().for_each(|line| signed.add_signature(line.clone()).unwrap());
    signed
}

fn notes() -> Named {
    let signer = key("example.com/signer", Algorithm::Ed25519, 3);
    let signer_key = signer.verifier_key();
    let text = "First paragraph.\n\nSecond paragraph.\n";
    let line = signer.sign_note(text).unwrap();
    let stranger = key("example.com/stranger", Algorithm::Ed25519, 4).sign_note(text).unwrap();
    let note = |text: &str, lines: &[&Signature]| Note::new(text, lines.iter().copied().cloned().collect()).unwrap().to_string();
    let good = note(text, &[&line]);
    let with = |bytes: Vec<u8>| Signature { bytes, ..line.clone() };
    let bad = format!("unverified BadSignature {{ name: KeyName(\"example.com/signer\"), id: KeyId({}) }}", signer_key.id());
    let known = |comment, expect: &str, note: String| vector(comment, expect, note).with("key", signer_key);
    let mut flipped = line.bytes.clone();
    flipped[40] ^= 1;
    let other_name = Signature { name: KeyName::new("example.com/other").unwrap(), ..line.clone() };
    let other_id = Signature { key_id: stranger.key_id, ..line.clone() };
    vec![
        ("note/blank-lines-in-text", known("the text ends at the last blank line", "verified", good.clone())),
        ("note/text-of-blank-lines", vector("a text of blank lines only", "parsed", note("\n\n\n", &[&line]))),
        ("note/unknown-signatures", known("signatures of strangers are ignored", "verified", note(text, &[&stranger, &line, &stranger]))),
        ("note/only-unknown-signatures", known("nobody known has signed", "unverified NotSigned", note(text, &[&stranger]))),
        ("note/same-name-or-id-only", known("name and id must both fit", "unverified NotSigned", note(text, &[&other_name, &other_id]))),
        ("note/known-key-bad-signature", known("one bit is flipped", &bad, note(text, &[&with(flipped.clone())]))),
        ("note/good-and-bad-signature", known("a bad one spoils a good one", &bad, note(text, &[&line, &with(flipped)]))),
        ("note/other-text", known("the text was changed", &bad, note(&text.replace("First", "Last"), &[&line]))),
        ("note/signature-too-short", known("63 bytes", &bad, note(text, &[&with(line.bytes[..63].to_vec())]))),
        ("note/signature-too-long", known("65 bytes", &bad, note(text, &[&with([line.bytes.as_slice(), &[0]].concat())]))),
        ("note/malleable-signature", known("S + L in place of S", &bad, note(text, &[&with(plus_order(&line.bytes))]))),
        ("note/sixteen-ml-dsa-signatures", vector("must be supported", "parsed", note(text, &[&with(vec![7; 2428]); 16]))),
        ("note/empty", vector("nothing", "refused NoBlankLine", "")),
        ("note/text-only", vector("no signatures", "refused NoBlankLine", text.replace("\n\n", "\n"))),
        ("note/no-signatures", vector("a blank line and nothing", "refused NoSignatures", "Text.\n\n")),
        ("note/no-final-newline", vector("cut short by one byte", "refused NoFinalNewline", good.trim_end())),
        ("note/blank-line-at-the-end", vector("a further blank line", "refused NoSignatures", format!("{good}\n"))),
        ("note/windows-line-ends", vector("CR LF", "refused ControlCharacter", good.replace('\n', "\r\n"))),
        ("note/control-character", vector("a tab in the text", "refused ControlCharacter", good.replace(' ', "\t"))),
        ("note/hyphen", vector("a hyphen for the em dash", "refused MalformedSignature", good.replace('—', "-"))),
        ("note/two-spaces", vector("two spaces before the signature", "refused MalformedSignature", good.replace("signer ", "signer  "))),
        ("note/base64-unpadded", vector("padding left out", "refused MalformedSignature", "Text.\n\n— k AAAAAAAA/w\n")),
        ("note/base64-trailing-bits", vector("bits after the end", "refused MalformedSignature", "Text.\n\n— k AAAAAAB=\n")),
        ("note/base64-url", vector("the alphabet for URLs", "refused MalformedSignature", "Text.\n\n— k AAAAAA-_\n")),
        ("note/key-id-only", vector("four bytes and no signature", "refused MalformedSignature", "Text.\n\n— k AAAAAA==\n")),
        ("note/plus-in-name", vector("a plus in the key's name", "refused MalformedSignature", "Text.\n\n— k+ AAAAAAA=\n")),
        ("note/not-utf-8", vector("a byte that is no UTF-8", "refused NotUtf8", [b"T\xe9xt.\n\n".as_slice(), good.as_bytes()].concat())),
    ]
}

/// The Ed25519 signature with the group order added to its scalar: a second signature for the same text to those who do not look.
pub(super) fn plus_order(signature: &[u8]) -> Vec<u8> {
    // 2^252 + 27742317777372353535851937790883648493, little-endian (RFC 8032 section 5.1).
    let mut order = [0; 32];
    order[..16].copy_from_slice(&27_742_317_777_372_353_535_851_937_790_883_648_493_u128.to_le_bytes());
    order[31] = 0x10;
    let mut sum = signature.to_vec();
    let mut carry = 0;
    for (byte, order) in sum[32..].iter_mut().zip(order) {
        let [low, high] = (u16::from(*byte) + u16::from(order) + carry).to_le_bytes();
        (*byte, carry) = (low, u16::from(high));
    }
    sum
}

fn verifier_keys() -> Named {
    let text = log_key().verifier_key().to_string();
    let refused = |comment, error: &str, text: String| vector(comment, &format!("refused {error}"), text);
    let id = text.split('+').nth(1).unwrap();
    let wrong_id = format!("WrongId {{ expected: KeyId({id}), found: KeyId(00000000) }}");
    let length = "PublicKey(WrongLength { algorithm: Ed25519, expected: 32, found: 31 })";
    vec![
        ("vkey/ed25519", vector("how a log signs", "parsed", text.as_str())),
        ("vkey/cosignature-ed25519", cosigner(Algorithm::CosignatureEd25519)),
        ("vkey/cosignature-ml-dsa-44", cosigner(Algorithm::CosignatureMlDsa44)),
        ("vkey/name-only", refused("no id and key", "NotAVerifierKey", ORIGIN.to_owned())),
        ("vkey/space", refused("a space in the name", "Name(Space)", text.replace("com/", "com/ "))),
        ("vkey/upper-case-id", refused("only lower case is canonical", "MalformedId", text.replace(id, &id.to_uppercase()))),
        ("vkey/wrong-id", refused("the id of another key", &wrong_id, text.replace(id, "00000000"))),
        ("vkey/newline", refused("a newline at the end", "MalformedBase64", format!("{text}\n"))),
        ("vkey/unknown-type", refused("type 0x05", "UnknownAlgorithm(5)", "k+00000000+BQ==".to_owned())),
        ("vkey/too-short", refused("31 bytes", length, "k+00000000+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned())),
        (
            "vkey/small-order",
            refused("the neutral element", "PublicKey(SmallOrder)", "k+00000000+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned()),
        ),
        ("vkey/p384", refused("another curve", "PublicKey(NotP256)", format!("k+00000000+Ag{}", "A".repeat(158)))),
    ]
}

fn cosigner(algorithm: Algorithm) -> Vector {
    vector("how a witness signs", "parsed", witness(algorithm).verifier_key().to_string())
}

/// The policy of the log of these vectors, with a witness of both algorithms, one of which is enough.
pub(super) fn policy() -> String {
    let [ed, pq] = [Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44].map(witness);
    let (log, ed, pq) = (log_key(), ed.verifier_key().clone(), pq.verifier_key().clone());
    format!("log {}\nwitness w-ed {ed}\nwitness w-pq {pq}\ngroup w any w-ed w-pq\nquorum w\n", log.verifier_key())
}

fn checkpoints() -> Named {
    let five = checkpoint(5);
    let [ed, pq] = [Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44]
        .map(|algorithm| witness(algorithm).cosign(&five, 1_700_000_000).unwrap());
    let text = sign(&five, &[]).to_string();
    let mut forged = ed.clone();
    forged.bytes[7] ^= 1;
    let later = witness(Algorithm::CosignatureEd25519).cosign(&five, 1_800_000_000).unwrap();
    let verified = |comment, lines: &[Signature]| vector(comment, "verified", sign(&five, lines).to_bytes()).with_policy(&policy());
    let quorum = r#"QuorumNotMet { have: [], missing: [PolicyName("w-ed"), PolicyName("w-pq")], unmet: [UnmetGroup { name: PolicyName("w"), threshold: 1, signed: [], unsigned: [PolicyName("w-ed"), PolicyName("w-pq")] }] }"#;
    let bad_witness = r#"BadCosignature { witness: PolicyName("w-ed") }"#;
    let bad_log = format!("BadLogSignature {{ name: KeyName(\"{ORIGIN}\"), id: KeyId({}) }}", log_key().verifier_key().id());
    let unverified = |comment, error: &str, bytes: String| vector(comment, &format!("unverified {error}"), bytes).with_policy(&policy());
    let refused =
        |comment, error, from: &str, to: &str| vector(comment, &format!("refused Checkpoint({error})"), text.replacen(from, to, 1));
    let root = five.root().to_base64();
    vec![
        ("checkpoint/cosigned-ed25519", verified("cosigned with Ed25519", std::slice::from_ref(&ed))),
        ("checkpoint/cosigned-ml-dsa-44", verified("cosigned with ML-DSA-44", std::slice::from_ref(&pq))),
        ("checkpoint/cosigned-both", verified("cosigned with both keys of one witness", &[ed.clone(), pq])),
        ("checkpoint/cosigned-twice", verified("twice with the same key, at two times", &[ed.clone(), later])),
        ("checkpoint/not-cosigned", unverified("no witness has signed", quorum, text.clone())),
        ("checkpoint/other-size", unverified("the size was changed", &bad_log, text.replacen("\n5\n", "\n6\n", 1))),
        (
            "checkpoint/forged-second-line",
            unverified("a bad second line of a known key", bad_witness, sign(&five, &[ed, forged]).to_string()),
        ),
        (
            "checkpoint/extension-lines",
            vector("extension lines are kept", "parsed", text.replacen(&root, &format!("{root}\none\n two "), 1)),
        ),
        ("checkpoint/largest", vector("2^63 entries", "parsed", text.replacen("\n5\n", "\n9223372036854775808\n", 1))),
        ("checkpoint/too-large", refused("more than 2^63 entries", "SizeTooLarge", "\n5\n", "\n9223372036854775809\n")),
        ("checkpoint/size-beyond-64-bits", refused("2^64", "Size", "\n5\n", "\n18446744073709551616\n")),
        ("checkpoint/leading-zero", refused("05", "Size", "\n5\n", "\n05\n")),
        ("checkpoint/plus-sign", refused("+5", "Size", "\n5\n", "\n+5\n")),
        ("checkpoint/minus-sign", refused("-5", "Size", "\n5\n", "\n-5\n")),
        ("checkpoint/hexadecimal", refused("0x5", "Size", "\n5\n", "\n0x5\n")),
        ("checkpoint/no-origin", refused("an empty first line", "Origin", ORIGIN, "")),
        ("checkpoint/short-root", refused("31 bytes", "Root", &root, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")),
        ("checkpoint/no-root", refused("two lines", "TooFewLines", &format!("{root}\n"), "")),
        ("checkpoint/empty-extension-line", refused("a blank line in it", "EmptyExtension", &root, &format!("{root}\n\nmore"))),
    ]
}

fn policies() -> Named {
    let base = policy();
    let names = |from: &str, to: &str| base.replacen(from, to, 1);
    let log_line = base.lines().next().unwrap();
    let witness_line = base.lines().nth(1).unwrap();
    let renamed = key("other.example/w", Algorithm::CosignatureEd25519, 2);
    let refused = |comment, line: usize, problem: &str, text: String| {
        vector(comment, &format!("refused PolicyError {{ line: {line}, problem: {problem} }}"), text)
    };
    let loose = base.replace(' ', " \t ").replace('\n', "  \n\n\t# a comment: \u{fc}\n");
    let not_cosigner = witness_line.split(' ').next_back().unwrap();
    vec![
        ("policy/log-and-witness", vector("a log, and a witness with two keys", "parsed", base.as_str())),
        ("policy/white-space", vector("tabs, blank lines, comments", "parsed", loose)),
        ("policy/octets", vector("names that are not UTF-8", "parsed", [b"# \xff\n".as_slice(), names("", "").as_bytes()].concat())),
        ("policy/quorum-none", vector("the least policy", "parsed", "quorum none\n")),
        ("policy/empty", refused("nothing", 1, "NoQuorum", String::new())),
        ("policy/no-quorum", refused("no quorum line", 4, "NoQuorum", names("quorum w\n", ""))),
        ("policy/two-quorums", refused("two quorum lines", 6, "SecondQuorum", format!("{base}quorum none\n"))),
        ("policy/cut-short", refused("no final newline", 5, "NoFinalNewline", base.trim_end().to_owned())),
        ("policy/windows-line-ends", refused("CR LF", 1, "ControlCharacter", base.replace('\n', "\r\n"))),
        ("policy/log-twice", refused("the same log twice", 2, "DuplicateLog", format!("{log_line}\n{base}"))),
        (
            "policy/key-twice",
            refused(
                "a key under another name",
                3,
                "DuplicateWitness",
                names("witness w-pq", &format!("witness v {}\nwitness w-pq", renamed.verifier_key())),
            ),
        ),
        ("policy/name-twice", refused("one name for two", 3, "DuplicateName", names("witness w-pq", "witness w-ed"))),
        ("policy/member-twice", refused("a member counted twice", 4, "DuplicateMember", names("w-ed w-pq\n", "w-ed w-ed\n"))),
        (
            "policy/member-of-two-groups",
            refused("a member of two groups", 5, "DuplicateMember", names("quorum w", "group v all w-ed\nquorum v")),
        ),
        ("policy/undefined-member", refused("a name that is not defined", 4, "UndefinedName", names("any w-ed", "any w-xy"))),
        ("policy/member-none", refused("none as a member", 4, "UndefinedName", names("any w-ed", "any none"))),
        (
            "policy/defined-too-late",
            refused("the quorum before the group", 1, "UndefinedName", format!("quorum w\n{}", names("quorum w\n", ""))),
        ),
        ("policy/threshold-zero", refused("0 of 2", 4, "Threshold", names(" any ", " 0 "))),
        ("policy/threshold-three-of-two", refused("3 of 2", 4, "Threshold", names(" any ", " 3 "))),
        ("policy/group-without-members", refused("an empty group", 4, "GroupSyntax", names("any w-ed w-pq", "any"))),
        ("policy/reserved-name", refused("a witness called none", 2, "ReservedName", names("witness w-ed", "witness none"))),
        (
            "policy/log-key-as-witness",
            refused("a key that does not cosign", 2, "NotACosignatureKey", names(not_cosigner, &log_key().verifier_key().to_string())),
        ),
        ("policy/unknown-keyword", refused("upper case", 1, "UnknownKeyword", names("log", "Log"))),
    ]
}

fn proofs() -> Named {
    let lines = |checkpoint: &Checkpoint| vec![witness(Algorithm::CosignatureEd25519).cosign(checkpoint, 1_700_000_000).unwrap()];
    let receipt = |extra: Option<&str>, size: u64, checkpoint: SignedCheckpoint| {
        let (_, nodes) = tree("Decision ", size);
        let node = |node| nodes.get(&node).copied().ok_or(());
        let hashes = merkle::prove_inclusion(LeafIndex::new(2), TreeSize::new(size), node).unwrap();
        Proof::new(extra.map(|extra| extra.as_bytes().to_vec()), LeafIndex::new(2), hashes, checkpoint).unwrap().to_string()
    };
    let head = |size| sign(&checkpoint(size), &lines(&checkpoint(size)));
    let good = receipt(Some("Decision 2"), 5, head(5));
    let foreign = {
        let key = key("example.com/other", Algorithm::Ed25519, 9);
        let checkpoint = Checkpoint::new(Origin::for_new_log("example.com/other").unwrap(), TreeSize::new(5), *checkpoint(5).root());
        SignedCheckpoint::sign(&checkpoint, &[&key]).unwrap()
    };
    let refused = |comment, error: &str, bytes: String| vector(comment, &format!("refused {error}"), bytes);
    let unverified = |comment, error: &str, bytes: String| vector(comment, &format!("unverified {error}"), bytes).with_policy(&policy());
    let cut = |lines: usize| good.lines().take(lines).map(|line| format!("{line}\n")).collect::<String>();
    let no_witness = r#"Proof(Policy(QuorumNotMet { have: [], missing: [PolicyName("w-ed"), PolicyName("w-pq")], unmet: [UnmetGroup { name: PolicyName("w"), threshold: 1, signed: [], unsigned: [PolicyName("w-ed"), PolicyName("w-pq")] }] }))"#;
    let unknown = r#"Proof(Policy(UnknownLog { origin: Origin("example.com/other") }))"#;
    let many = format!("index 2\n{}", (Hash::EMPTY_TREE.to_base64() + "\n").repeat(64));
    vec![
        ("proof/receipt", vector("entry, proof, head and witness", "verified", good.as_str()).with_policy(&policy())),
        ("proof/one-entry", vector("a log of one entry needs no hashes", "verified", single()).with_policy(&policy())),
        ("proof/swapped-entry", unverified("another entry", "Proof(NotIncluded)", receipt(Some("Decision 3"), 5, head(5)))),
        ("proof/swapped-head", unverified("another head of the log", "Proof(NotIncluded)", receipt(Some("Decision 2"), 5, head(6)))),
        (
            "proof/much-later-head",
            unverified("a later head", "Proof(WrongLength { expected: 4, given: 3 })", receipt(Some("Decision 2"), 5, head(9))),
        ),
        ("proof/other-log", unverified("another log's head", unknown, receipt(Some("Decision 2"), 5, foreign))),
        ("proof/no-witness", unverified("the head is not cosigned", no_witness, receipt(Some("Decision 2"), 5, sign(&checkpoint(5), &[])))),
        ("proof/no-entry", unverified("the entry is not in it", "NoEntry", receipt(None, 5, head(5)))),
        ("proof/empty-extra", unverified("it carries an empty entry", "Proof(NotIncluded)", receipt(Some(""), 5, head(5)))),
        ("proof/other-index", unverified("the index was changed", "Proof(NotIncluded)", good.replacen("index 2", "index 3", 1))),
        (
            "proof/index-beyond",
            unverified(
                "an index that the head does not cover",
                "Proof(BeyondCheckpoint { index: LeafIndex(5), size: TreeSize(5) })",
                good.replacen("index 2", "index 5", 1),
            ),
        ),
        ("proof/cut-after-hashes", refused("cut before the checkpoint", "NoCheckpoint", cut(6))),
        ("proof/cut-in-checkpoint", refused("cut in the checkpoint", "Checkpoint(Note(NoBlankLine))", cut(10))),
        ("proof/other-header", refused("version 2", "Header", good.replacen("@v1", "@v2", 1))),
        ("proof/bad-extra", refused("base64 without padding", "Extra", good.replacen("==\n", "\n", 1))),
        ("proof/leading-zero", refused("index 02", "Index", good.replacen("index 2", "index 02", 1))),
        ("proof/bad-hash", refused("a hash of three bytes", "Hash { line: 4 }", good.replacen("index 2\n", "index 2\nAAAA\n", 1))),
        ("proof/64-hashes", refused("more than any proof has", "TooManyHashes", good.replacen("index 2\n", &many, 1))),
    ]
}

fn single() -> String {
    let one = checkpoint(1);
    let signed = sign(&one, &[witness(Algorithm::CosignatureEd25519).cosign(&one, 1_700_000_000).unwrap()]);
    Proof::new(Some(b"Decision 0".to_vec()), LeafIndex::new(0), vec![], signed).unwrap().to_string()
}

fn requests() -> Named {
    let log = log_key().verifier_key().clone();
    let (root, nodes) = tree("Decision ", 7);
    let node = |node| nodes.get(&node).copied().ok_or(());
    let proof: String =
        merkle::prove_consistency(TreeSize::new(3), TreeSize::new(7), node).unwrap().iter().map(|hash| hash.to_base64() + "\n").collect();
    let fork = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::new(7), tree("Forged ", 7).0);
    let empty = |root| Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::ZERO, root);
    let body = |old: u64, proof: &str, checkpoint: &Checkpoint| format!("old {old}\n{proof}\n{}", sign(checkpoint, &[]));
    let good = body(3, &proof, &checkpoint(7));
    let three = format!("3 {}", tree("Decision ", 3).0.to_base64());
    let case = |comment, expect: &str, body: String, log: &VerifierKey| vector(comment, expect, body).with("key", log);
    let after = |comment, expect: &str, body: String| case(comment, expect, body, &log).with("latest", &three);
    let first = |comment, expect: &str, body: String| case(comment, expect, body, &log);
    let other_key = key(ORIGIN, Algorithm::Ed25519, 8).verifier_key().clone();
    let other_log = key("example.com/other", Algorithm::Ed25519, 8).verifier_key().clone();
    let bad = format!("unverified BadSignature {{ name: KeyName(\"{ORIGIN}\"), id: KeyId({}) }}", log.id());
    let junk = Hash::EMPTY_TREE.to_base64() + "\n";
    let conflict = "unverified Conflict { latest: TreeSize(3), evidence: None }";
    let other_root =
        format!("unverified {:?}", tlog::witness::Refusal::OtherRoot { size: TreeSize::new(7), signed: Box::new(sign(&fork, &[])) });
    let contradiction = format!(
        "unverified {:?}",
        tlog::witness::Refusal::Conflict { latest: TreeSize::new(7), evidence: Some(Box::new(sign(&fork, &[]))) }
    );
    let unknown = format!("unverified UnknownOrigin {{ origin: Origin(\"{ORIGIN}\") }}");
    let not_signed = format!("unverified NotSigned {{ origin: Origin(\"{ORIGIN}\") }}");
    vec![
        ("add-checkpoint/first", first("the first checkpoint of a log", "verified", body(0, "", &checkpoint(7)))),
        ("add-checkpoint/next", after("from 3 to 7", "verified", good.clone())),
        ("add-checkpoint/empty-log", first("a log without entries", "verified", body(0, "", &empty(Hash::EMPTY_TREE)))),
        (
            "add-checkpoint/again",
            first("the same size again", "verified", body(7, "", &checkpoint(7))).with("latest", &format!("7 {}", root.to_base64())),
        ),
        ("add-checkpoint/unknown-log", case("404: no key of the log", &unknown, good.clone(), &other_log)),
        ("add-checkpoint/other-key", case("403: not signed with the known key", &not_signed, good.clone(), &other_key)),
        ("add-checkpoint/altered", after("403: the size was changed", &bad, good.replacen("\n7\n", "\n8\n", 1))),
        (
            "add-checkpoint/old-beyond-new",
            after("400: shrinks", "unverified OldBeyondCheckpoint { old: TreeSize(8), new: TreeSize(7) }", body(8, &proof, &checkpoint(7))),
        ),
        ("add-checkpoint/stale", after("409: from another size", conflict, body(2, &proof, &checkpoint(7)))),
        (
            "add-checkpoint/stale-two-roots",
            first("409: from another size, and convicts the log", &contradiction, body(0, "", &fork))
                .with("latest", &format!("7 {}", root.to_base64())),
        ),
        ("add-checkpoint/asks-for-size", after("409: from zero", conflict, body(0, "", &checkpoint(7)))),
        ("add-checkpoint/empty-log-with-root", first("422: size 0 with a root", "unverified EmptyTreeRoot", body(0, "", &empty(root)))),
        ("add-checkpoint/proof-from-zero", first("422: nothing to prove", "unverified ProofFromEmpty", body(0, &junk, &checkpoint(7)))),
        (
            "add-checkpoint/two-roots",
            first("422: convicts the log", &other_root, body(7, "", &fork)).with("latest", &format!("7 {}", root.to_base64())),
        ),
        (
            "add-checkpoint/fork",
            after("422: a history that does not continue", "unverified Inconsistent(WrongRoot)", body(3, &proof, &fork)),
        ),
        (
            "add-checkpoint/no-proof",
            after("422: no proof", "unverified Inconsistent(WrongLength { expected: 4, given: 0 })", body(3, "", &checkpoint(7))),
        ),
        ("add-checkpoint/leading-zero", after("old 03", "refused OldLine", good.replacen("old 3", "old 03", 1))),
        ("add-checkpoint/64-hashes", after("too many", "refused TooManyHashes", body(3, &junk.repeat(64), &checkpoint(7)))),
        ("add-checkpoint/bad-hash", after("three bytes", "refused Hash { line: 2 }", body(3, "AAAA\n", &checkpoint(7)))),
        ("add-checkpoint/cut-short", after("no checkpoint", "refused NoCheckpoint", "old 3\n".to_owned())),
    ]
}

/// A head of the tree of other entries.
fn forged(size: u64) -> SignedCheckpoint {
    sign(&Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::new(size), tree("Forged ", size).0), &[])
}

fn evidence() -> Named {
    let keys = [log_key().verifier_key().clone()];
    let same_size = Evidence::same_size(&sign(&checkpoint(7), &[]), &forged(7), &keys).unwrap();
    let branch = |prefix: &str, head: SignedCheckpoint| {
        let size = head.checkpoint().size();
        let (_, nodes) = tree(prefix, size.as_u64());
        let subtree = merkle::Subtree::new(4, 6).unwrap();
        let hash = nodes[&merkle::Node { height: 1, index: 2 }];
        let proof = merkle::prove_subtree(subtree, size, |node| nodes.get(&node).copied().ok_or(())).unwrap();
        Branch { head, proven: ProvenHash { hash, proof } }
    };
    let part = merkle::Subtree::new(4, 6).unwrap();
    let divergent = Evidence::divergent(part, branch("Decision ", sign(&checkpoint(7), &[])), branch("Forged ", forged(12)), &keys)
        .unwrap()
        .to_string();
    let (_, forged_nodes) = tree("Forged ", 12);
    let proof = merkle::prove_consistency(TreeSize::new(7), TreeSize::new(12), |node| forged_nodes.get(&node).copied().ok_or(())).unwrap();
    let from_proof = Evidence::from_failed_proof(&sign(&checkpoint(7), &[]), &forged(12), &proof, &keys).unwrap();
    let [first, second] = same_size.heads().each_ref().map(|head| format!("checkpoint 5\n{head}"));
    let (text, proven) = (same_size.to_string(), branch("Decision ", sign(&checkpoint(7), &[])).proven);
    let with_key = |comment, expect: &str, bytes: String| vector(comment, expect, bytes).with("key", &keys[0]);
    let refused = |comment, error: &str, bytes: String| with_key(comment, &format!("refused {error}"), bytes);
    let other_key = key(ORIGIN, Algorithm::Ed25519, 8);
    let not_signed = format!("Unsigned {{ second: false, error: NotSigned {{ origin: Origin(\"{ORIGIN}\") }} }}");
    let altered_signature = {
        let mut line = same_size.heads()[1].note().signatures()[0].clone();
        line.bytes[40] ^= 1;
        let note = Note::new(same_size.heads()[1].note().text(), vec![line]).unwrap();
        text.replacen(&second, &format!("checkpoint 5\n{note}"), 1)
    };
    let bad = format!(
        "Unsigned {{ second: true, error: BadSignature {{ name: KeyName(\"{ORIGIN}\"), id: KeyId({}) }} }}",
        log_key().verifier_key().id()
    );
    let header = text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
    let continued = format!("checkpoint 5\n{}checkpoint 5\n{}", sign(&checkpoint(7), &[]), sign(&checkpoint(12), &[]));
    let other_log = {
        let key = key("example.com/other", Algorithm::Ed25519, 9);
        let origin = Origin::for_new_log("example.com/other").unwrap();
        SignedCheckpoint::sign(&Checkpoint::new(origin, TreeSize::new(8), tree("Forged ", 8).0), &[&key]).unwrap()
    };
    let two_logs = format!("{header}{first}checkpoint 5\n{other_log}");
    let other_log = "NoContradiction(OtherLog { one: Origin(\"example.com/log\"), other: Origin(\"example.com/other\") })";
    vec![
        ("evidence/same-size", with_key("two roots of one size", "verified", text.clone())),
        ("evidence/divergent", with_key("two trees that differ in the entries 4 and 5", "verified", divergent.clone())),
        ("evidence/failed-proof", with_key("made of a proof that a witness refused", "verified", from_proof.to_string())),
        (
            "evidence/other-key",
            vector("not the key that signed", &format!("unverified {not_signed}"), text.as_str()).with("key", other_key.verifier_key()),
        ),
        ("evidence/altered-signature", with_key("one bit is flipped", &format!("unverified {bad}"), altered_signature)),
        ("evidence/one-head-twice", refused("says one thing twice", "NoContradiction(SameRoot)", format!("{header}{first}{first}"))),
        ("evidence/two-sizes", refused("sizes alone convict nobody", "NoContradiction(DifferentSizes)", format!("{header}{continued}"))),
        ("evidence/two-logs", refused("two logs have two histories", other_log, two_logs)),
        ("evidence/wrong-order", refused("one finding has one file", "Order", format!("{header}{second}{first}"))),
        (
            "evidence/unproved-part",
            refused(
                "a proof that fails",
                "NoContradiction(NotProved(WrongRoot))",
                divergent.replacen(&proven.proof[0].to_base64(), &Hash::EMPTY_TREE.to_base64(), 1),
            ),
        ),
        (
            "evidence/other-part",
            refused(
                "the proof is of another part",
                "NoContradiction(NotProved(WrongRoot))",
                divergent.replacen("subtree 4 6", "subtree 2 4", 1),
            ),
        ),
        ("evidence/other-header", refused("version 2", "Header", text.replacen("@v1", "@v2", 1))),
        (
            "evidence/other-kind",
            refused(
                "a kind that there is not",
                "Malformed { line: 2, expected: \"`kind same-size` or `kind divergent`\" }",
                text.replacen("same-size", "inconsistent", 1),
            ),
        ),
        ("evidence/cut-short", refused("the last line is not whole", "CutShort", text.trim_end().to_owned())),
        ("evidence/trailing", refused("a line too many", "Trailing { line: 15 }", format!("{text}\n"))),
        (
            "evidence/leading-zero",
            refused(
                "05 lines",
                "Malformed { line: 3, expected: \"`checkpoint` and the number of its lines\" }",
                text.replacen("checkpoint 5", "checkpoint 05", 1),
            ),
        ),
        (
            "evidence/64-hashes",
            refused(
                "more than any proof has",
                "Malformed { line: 21, expected: \"`proof` and the number of its lines, at most 63\" }",
                divergent.replacen("\nproof 3\n", "\nproof 64\n", 1),
            ),
        ),
    ]
}

fn private_keys() -> Named {
    let ml_dsa = witness(Algorithm::CosignatureMlDsa44);
    let ed25519 = witness(Algorithm::CosignatureEd25519);
    let other_kind = "refused OtherAlgorithm(CosignatureEd25519)";
    vec![
        ("private-key/ml-dsa-44", vector("its seed", "parsed", encode_pem(&ml_dsa).as_bytes()).with("key", ml_dsa.verifier_key())),
        (
            "private-key/cosignature",
            vector("the vkey says what it signs", "parsed", encode_pem(&ed25519).as_bytes()).with("key", ed25519.verifier_key()),
        ),
        (
            "private-key/other-kind",
            vector("not the kind of the vkey", other_kind, encode_pem(&ml_dsa).as_bytes()).with("key", ed25519.verifier_key()),
        ),
        ("private-key/empty", vector("nothing", "refused NotAPrivateKey", "")),
    ]
}
