//! Receipts and keys on which implementations are likely to differ: each of those under `client/verifiers/` has to say the same of them.
//! The expectations are written by hand.

use tlog::checkpoint::{Checkpoint, Origin};
use tlog::key::{Algorithm, SigningKey};
use tlog::merkle;
use tlog::note::{Note, Signature};
use tlog::proof::Proof;
use tlog::{Hash, LeafIndex, TreeSize};

use super::ours::{Named, ORIGIN, checkpoint, key, log_key, plus_order, policy, sign, tree, witness};
use super::{Vector, vector};

/// The entry that all of them are for, and where it is.
const ENTRY: &str = "Decision 2";
const INDEX: u64 = 2;
const SIZE: u64 = 5;
const TIME: u64 = 1_700_000_000;

pub(super) fn vectors() -> Named {
    [quorums(), signatures(), spellings(), proofs(), odd_names(), extension_lines(), odd_keys()].concat()
}

/// The scalar S with which R = neutral element is a signature of the log's key for its checkpoint of [`SIZE`] entries, as far as the equation
/// of RFC 8032 goes: SHA-512(R ‖ A ‖ text) times the secret scalar. Computed elsewhere, since no signer makes such signatures.
const S_FOR_NEUTRAL_R: [u8; 32] = [
    0x28, 0xda, 0x74, 0x2f, 0x97, 0x23, 0x28, 0xd1, 0x7d, 0x89, 0xb5, 0x1b, 0x84, 0xaa, 0x70, 0xd0, 0xd8, 0xf9, 0x3a, 0x59, 0x15, 0x5d,
    0x8b, 0x47, 0x55, 0x07, 0xdb, 0x10, 0xf6, 0x53, 0x71, 0x0f,
];

/// A receipt for the entry, under a head with these signature lines behind the log's.
fn receipt(lines: &[Signature]) -> String {
    proved(&sign(&checkpoint(SIZE), lines).to_string())
}

/// The same receipt with any text in the place of the head.
fn proved(head: &str) -> String {
    let (_, nodes) = tree("Decision ", SIZE);
    let hashes = merkle::prove_inclusion(LeafIndex::new(INDEX), TreeSize::new(SIZE), |node| nodes.get(&node).copied().ok_or(())).unwrap();
    let any = sign(&checkpoint(SIZE), &[]);
    let receipt = Proof::new(Some(ENTRY.into()), LeafIndex::new(INDEX), hashes, any).unwrap().to_string();
    let (proof, _) = receipt.split_once("\n\n").unwrap();
    format!("{proof}\n\n{head}")
}

fn ed25519() -> Signature {
    witness(Algorithm::CosignatureEd25519).cosign(&checkpoint(SIZE), TIME).unwrap()
}

fn ml_dsa() -> Signature {
    witness(Algorithm::CosignatureMlDsa44).cosign(&checkpoint(SIZE), TIME).unwrap()
}

fn flipped(line: &Signature, byte: usize) -> Signature {
    let mut line = line.clone();
    line.bytes[byte] ^= 1;
    line
}

fn verified(comment: &str, receipt: String) -> Vector {
    vector(comment, "verified", receipt).with_policy(&policy())
}

fn unverified(comment: &str, error: &str, receipt: String) -> Vector {
    vector(comment, &format!("unverified {error}"), receipt).with_policy(&policy())
}

fn refused(comment: &str, error: &str, receipt: String) -> Vector {
    vector(comment, &format!("refused {error}"), receipt).with_policy(&policy())
}

fn bad_log() -> String {
    format!("Proof(Policy(BadLogSignature {{ name: KeyName(\"{ORIGIN}\"), id: KeyId({}) }}))", log_key().verifier_key().id())
}

fn bad_witness(name: &str) -> String {
    format!("Proof(Policy(BadCosignature {{ witness: PolicyName(\"{name}\") }}))")
}

/// Three operators, two of which are enough. The first has two keys, which are one vote.
fn quorums() -> Named {
    let [a, b] = [11, 12].map(|seed| key(&format!("{seed}.example"), Algorithm::CosignatureEd25519, seed));
    let [a_too, c] = [11, 13].map(|seed| key(&format!("{seed}.example"), Algorithm::CosignatureMlDsa44, seed));
    let names = [("a-ed", &a), ("a-pq", &a_too), ("b", &b), ("c", &c)];
    let witnesses: String = names.map(|(name, key)| format!("witness {name} {}\n", key.verifier_key())).concat();
    let policy = format!("log {}\n{witnesses}group a any a-ed a-pq\ngroup two 2 a b c\nquorum two\n", log_key().verifier_key());
    let case = |comment, expect: &str, keys: &[&SigningKey]| {
        let lines: Vec<_> = keys.iter().map(|key| key.cosign(&checkpoint(SIZE), TIME).unwrap()).collect();
        vector(comment, expect, receipt(&lines)).with_policy(&policy)
    };
    let one_vote = r#"unverified Proof(Policy(QuorumNotMet { have: [PolicyName("a-ed"), PolicyName("a-pq")], missing: [PolicyName("b"), PolicyName("c")], unmet: [UnmetGroup { name: PolicyName("two"), threshold: 2, signed: [PolicyName("a")], unsigned: [PolicyName("b"), PolicyName("c")] }] }))"#;
    let all = policy.replace("two 2", "two all");
    let all_wanted = r#"unverified Proof(Policy(QuorumNotMet { have: [PolicyName("a-ed"), PolicyName("b")], missing: [PolicyName("a-pq"), PolicyName("c")], unmet: [UnmetGroup { name: PolicyName("two"), threshold: 3, signed: [PolicyName("a"), PolicyName("b")], unsigned: [PolicyName("c")] }] }))"#;
    let two = case("two of three", "verified", &[&a, &b]);
    let two_of_all = vector("two, where all three are wanted", all_wanted, two.bytes.clone()).with_policy(&all);
    vec![
        ("proof/two-of-three", two),
        ("proof/two-of-three-by-ml-dsa-44", case("the first by its other key", "verified", &[&a_too, &b])),
        ("proof/two-keys-are-one-vote", case("two keys of one operator, where two operators are wanted", one_vote, &[&a, &a_too])),
        ("proof/two-of-all", two_of_all),
    ]
}

fn signatures() -> Named {
    let (ed, pq) = (ed25519(), ml_dsa());
    let with = |line: &Signature, bytes: Vec<u8>| Signature { bytes, ..line.clone() };
    let plus = with(&ed, [&ed.bytes[..8], &plus_order(&ed.bytes[8..])].concat());
    let log_line = |line: Signature| proved(&Note::new(&checkpoint(SIZE).to_string(), vec![line, ed.clone()]).unwrap().to_string());
    let log = log_key().sign_note(&checkpoint(SIZE).to_string()).unwrap();
    let no_time = witness(Algorithm::CosignatureEd25519).cosign(&checkpoint(SIZE), 0).unwrap();
    let later = witness(Algorithm::CosignatureEd25519).cosign(&checkpoint(SIZE), TIME + 1).unwrap();
    let small_order = with(&log, [[1].as_slice(), &[0; 31], &S_FOR_NEUTRAL_R].concat());
    let message = format!("cosignature/v1\ntime {}\n{}", 1_u64 << 63, checkpoint(SIZE));
    let signed = key("witness.example/w", Algorithm::Ed25519, 2).sign_note(&message).unwrap();
    let beyond = with(&ed, [(1_u64 << 63).to_be_bytes().as_slice(), &signed.bytes].concat());
    let many = format!(
        "Proof(Policy(TooManySignatures {{ name: KeyName(\"witness.example/w\"), id: KeyId({}) }}))",
        witness(Algorithm::CosignatureEd25519).verifier_key().id()
    );
    vec![
        (
            "proof/cosigned-ml-dsa-44",
            verified("by the key of the witness that is safe from quantum computers", receipt(std::slice::from_ref(&pq))),
        ),
        ("proof/cosigned-by-both", verified("by both keys of the witness", receipt(&[ed.clone(), pq.clone()]))),
        ("proof/cosigned-twice", verified("twice with one key, at two times", receipt(&[ed.clone(), later]))),
        ("proof/cosigned-without-time", verified("the time 0 says that none is stated", receipt(&[no_time]))),
        ("proof/forged-log-signature", unverified("the log's line with a bit flipped", &bad_log(), log_line(flipped(&log, 20)))),
        (
            "proof/forged-cosignature",
            unverified("the witness's line with a bit flipped", &bad_witness("w-ed"), receipt(&[flipped(&ed, 20)])),
        ),
        ("proof/forged-time", unverified("another time than was signed", &bad_witness("w-ed"), receipt(&[flipped(&ed, 7)]))),
        ("proof/time-beyond-63-bits", unverified("a time that there is not, well signed", &bad_witness("w-ed"), receipt(&[beyond]))),
        (
            "proof/time-only",
            unverified("eight bytes and no signature", &bad_witness("w-ed"), receipt(&[with(&ed, ed.bytes[..8].to_vec())])),
        ),
        ("proof/one-byte", unverified("not even a whole time", &bad_witness("w-ed"), receipt(&[with(&ed, vec![0])]))),
        (
            "proof/forged-second-line",
            unverified("a bad line spoils a good one", &bad_witness("w-ed"), receipt(&[ed.clone(), flipped(&ed, 20)])),
        ),
        ("proof/forged-ml-dsa-44-line", unverified("likewise", &bad_witness("w-pq"), receipt(&[ed.clone(), flipped(&pq, 20)]))),
        ("proof/malleable-log-signature", unverified("S + L in place of S", &bad_log(), log_line(with(&log, plus_order(&log.bytes))))),
        ("proof/malleable-cosignature", unverified("S + L in place of S", &bad_witness("w-ed"), receipt(&[plus]))),
        ("proof/small-order-signature", unverified("R is the neutral element, and the equation holds", &bad_log(), log_line(small_order))),
        ("proof/sixteen-lines", verified("as many lines of one key as are looked at", receipt(&vec![ed.clone(); 16]))),
        ("proof/seventeen-lines", unverified("one more", &many, receipt(&vec![ed.clone(); 17]))),
        (
            "proof/not-signed-by-log",
            unverified("the witness alone", "Proof(Policy(NotSignedByLog { origin: Origin(\"example.com/log\") }))", {
                proved(&Note::new(&checkpoint(SIZE).to_string(), vec![ed]).unwrap().to_string())
            }),
        ),
    ]
}

/// One value has one spelling.
fn spellings() -> Named {
    let good = receipt(&[ed25519()]);
    let from = |from: &str, to: &str| {
        assert!(good.contains(from), "nothing would be changed by {from:?}");
        good.replacen(from, to, 1)
    };
    let root = checkpoint(SIZE).root().to_base64();
    let hash = good.lines().nth(3).unwrap().to_owned();
    let line = good.lines().last().unwrap().to_owned();
    // Of the last character before one `=` two bits, before two of them four have to be zero.
    let with_bits = |text: &str| {
        let at = text.find('=').unwrap() - 1;
        let next = char::from(text.as_bytes()[at] + 1);
        format!("{}{next}{}", &text[..at], &text[at + 1..])
    };
    let signature = "Checkpoint(Note(MalformedSignature))";
    let not_utf8 = [good.as_bytes(), "\u{2014} a".as_bytes(), b"\xff AAAAAAA=\n"].concat();
    vec![
        ("proof/trailing-bits-in-entry", refused("base64 with bits after the end", "Extra", from("Mg==", "Mh=="))),
        ("proof/trailing-bits-in-hash", refused("likewise", "Hash { line: 4 }", from(&hash, &with_bits(&hash)))),
        ("proof/trailing-bits-in-root", refused("likewise", "Checkpoint(Checkpoint(Root))", from(&root, &with_bits(&root)))),
        ("proof/trailing-bits-in-signature", refused("likewise", signature, from(&line, &with_bits(&line)))),
        ("proof/space-in-entry", refused("white space in base64", "Extra", from("extra ", "extra  "))),
        ("proof/space-after-hash", refused("white space behind base64", "Hash { line: 4 }", from(&hash, &format!("{hash} ")))),
        ("proof/plus-sign", refused("index +2", "Index", from("index 2", "index +2"))),
        ("proof/other-digits", refused("an index in digits that are not ASCII", "Index", from("index 2", "index \u{0662}"))),
        ("proof/index-beyond-64-bits", refused("2^64", "Index", from("index 2", "index 18446744073709551616"))),
        (
            "proof/largest-index",
            unverified(
                "2^64 - 1",
                "Proof(BeyondCheckpoint { index: LeafIndex(18446744073709551615), size: TreeSize(5) })",
                from("index 2", "index 18446744073709551615"),
            ),
        ),
        ("proof/size-leading-zero", refused("size 05", "Checkpoint(Checkpoint(Size))", from("\n5\n", "\n05\n"))),
        ("proof/size-too-large", refused("2^63 + 1", "Checkpoint(Checkpoint(SizeTooLarge))", from("\n5\n", "\n9223372036854775809\n"))),
        ("proof/extra-twice", refused("two entries", "Index", from("index", "extra AAAA\nindex"))),
        ("proof/extra-after-index", refused("in the wrong order", "Hash { line: 4 }", from("index 2\n", "index 2\nextra AAAA\n"))),
        ("proof/byte-order-mark", refused("a mark before the first line", "Header", from("c2sp", "\u{feff}c2sp"))),
        ("proof/windows-line-ends", refused("CR LF", "Header", good.replace('\n', "\r\n"))),
        ("proof/windows-line-end-in-head", refused("one CR LF", "Checkpoint(Note(ControlCharacter))", from("\n5\n", "\n5\r\n"))),
        ("proof/not-utf-8", vector("a byte that is no UTF-8, in a stranger's line", "refused NotUtf8", not_utf8).with_policy(&policy())),
        ("proof/line-after-the-end", refused("a further newline", "Checkpoint(Note(NoSignatures))", format!("{good}\n"))),
        ("proof/no-final-newline", refused("cut short by a byte", "Checkpoint(Note(NoFinalNewline))", good.trim_end().to_owned())),
    ]
}

fn proofs() -> Named {
    let good = receipt(&[ed25519()]);
    let hash = good.lines().nth(3).unwrap();
    let length = |given| format!("Proof(WrongLength {{ expected: 3, given: {given} }})");
    let renamed = key("example.com/renamed", Algorithm::Ed25519, 1).verifier_key().to_string();
    let renamed = policy().replacen(&log_key().verifier_key().to_string(), &renamed, 1);
    let unknown = format!("unverified Proof(Policy(UnknownLog {{ origin: Origin(\"{ORIGIN}\") }}))");
    // Both are accepted by who only hashes up: the levels beyond the root of the smaller tree, and the bits beyond the size, change nothing.
    let smaller = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), TreeSize::new(9), *checkpoint(SIZE).root());
    let smaller = sign(&smaller, &[witness(Algorithm::CosignatureEd25519).cosign(&smaller, TIME).unwrap()]).to_string();
    let beyond = "Proof(BeyondCheckpoint { index: LeafIndex(10), size: TreeSize(5) })";
    vec![
        (
            "proof/root-of-smaller-tree",
            unverified("9 entries, the root of 5", "Proof(WrongLength { expected: 4, given: 3 })", proved(&smaller)),
        ),
        ("proof/index-with-a-bit-more", unverified("index 2 + 8", beyond, good.replacen("index 2", "index 10", 1))),
        ("proof/too-short", unverified("a hash is missing", &length(2), good.replacen(&format!("{hash}\n"), "", 1))),
        ("proof/too-long", unverified("a hash too many", &length(4), good.replacen(hash, &format!("{hash}\n{hash}"), 1))),
        (
            "proof/other-hash",
            unverified("a hash of something else", "Proof(NotIncluded)", good.replacen(hash, &Hash::EMPTY_TREE.to_base64(), 1)),
        ),
        ("proof/renamed-log", vector("the log's key under another name", &unknown, good.as_str()).with_policy(&renamed)),
        ("proof/2-to-the-63-entries", large("the last entry of the largest tree", (1 << 63) - 1, 1 << 63)),
        ("proof/large-tree", large("in the middle of a large tree", 4_611_686_018_427_387_909, 9_223_372_036_854_775_295)),
        ("proof/edge-of-large-tree", large("the last entry, with few hashes", 9_223_372_036_854_775_296, 9_223_372_036_854_775_297)),
    ]
}

/// A receipt from a tree that nobody has: all nodes beside the path are made up, and the root follows from them.
fn large(comment: &str, index: u64, size: u64) -> Vector {
    let made_up = |node: merkle::Node| Ok::<_, ()>(Hash::sha256(format!("{} {}", node.height, node.index).as_bytes()));
    let (index, size) = (LeafIndex::new(index), TreeSize::new(size));
    let hashes = merkle::prove_inclusion(index, size, made_up).unwrap();
    let checkpoint = Checkpoint::new(Origin::for_new_log(ORIGIN).unwrap(), size, root(ENTRY, index.as_u64(), size.as_u64(), &hashes));
    let cosigned = witness(Algorithm::CosignatureEd25519).cosign(&checkpoint, TIME).unwrap();
    verified(comment, Proof::new(Some(ENTRY.into()), index, hashes, sign(&checkpoint, &[cosigned])).unwrap().to_string())
}

/// The root that a proof leads to, by the procedure of RFC 9162 section 2.1.3.2, which is not the one of this crate.
fn root(entry: &str, mut index: u64, size: u64, hashes: &[Hash]) -> Hash {
    let (mut root, mut last) = (Hash::leaf(entry.as_bytes()), size - 1);
    for sibling in hashes {
        if index & 1 == 1 || index == last {
            root = Hash::node(sibling, &root);
            while index & 1 == 0 && index != 0 {
                (index, last) = (index >> 1, last >> 1);
            }
        } else {
            root = Hash::node(&root, sibling);
        }
        (index, last) = (index >> 1, last >> 1);
    }
    root
}

/// What is white space in the name of a key, and what only looks like it.
fn odd_names() -> Named {
    let named = |name: char| format!("{}\u{2014} a{name}b AAAAAAA=\n", receipt(&[ed25519()]));
    let signature = "Checkpoint(Note(MalformedSignature))";
    vec![
        ("proof/name-with-no-break-space", refused("U+00A0 is white space", signature, named('\u{a0}'))),
        ("proof/name-with-next-line", refused("U+0085 is white space", signature, named('\u{85}'))),
        ("proof/name-with-line-separator", refused("U+2028 is white space", signature, named('\u{2028}'))),
        ("proof/name-with-byte-order-mark", verified("U+FEFF is none: a stranger's line, which is ignored", named('\u{feff}'))),
        ("proof/name-with-delete", verified("nor is U+007F", named('\u{7f}'))),
    ]
}

/// Extension lines of a checkpoint are signed by Ed25519 and not by ML-DSA-44.
fn extension_lines() -> Named {
    let text = format!("{}more\nto say\n", checkpoint(SIZE));
    let extended = Checkpoint::parse(&text).unwrap();
    let cosigned = witness(Algorithm::CosignatureEd25519).cosign(&extended, TIME).unwrap();
    let head = Note::new(&text, vec![log_key().sign_note(&text).unwrap(), cosigned.clone()]).unwrap().to_string();
    let pq = key(ORIGIN, Algorithm::CosignatureMlDsa44, 1);
    let pq_policy = policy().replacen(&log_key().verifier_key().to_string(), &pq.verifier_key().to_string(), 1);
    let unsigned = Note::new(&text, vec![pq.cosign(&extended, TIME).unwrap(), cosigned]).unwrap().to_string();
    let error = format!("unverified Proof(Policy(UnsignedExtensions {{ origin: Origin(\"{ORIGIN}\") }}))");
    vec![
        ("proof/extension-lines", verified("the log and the witness have signed them", proved(&head))),
        (
            "proof/unsigned-extension-lines",
            vector("the log's only signature does not cover them", &error, proved(&unsigned)).with_policy(&pq_policy),
        ),
    ]
}

/// Ed25519 keys of which some libraries take some. Their ids are right, so that nothing else is wrong with them.
fn odd_keys() -> Named {
    let vkey = |public: [u8; 32]| {
        let material = [&[1], public.as_slice()].concat();
        let id = Hash::sha256(&[b"example.com/odd\n", material.as_slice()].concat()).to_hex();
        let encoded = Proof::new(Some(material), LeafIndex::new(0), vec![], sign(&checkpoint(SIZE), &[])).unwrap().to_string();
        let (_, encoded) = encoded.lines().nth(1).unwrap().split_once(' ').unwrap();
        format!("example.com/odd+{}+{encoded}", &id[..8])
    };
    let little = |first: u8, last: u8| {
        let mut public = [if first < 3 { 0 } else { 0xff }; 32];
        (public[0], public[31]) = (first, last);
        vkey(public)
    };
    let order_eight = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
        0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    let refused = |comment, error: &str, text: String| vector(comment, &format!("refused PublicKey({error})"), text);
    vec![
        ("vkey/order-1", refused("the neutral element, y = 1", "SmallOrder", little(1, 0))),
        ("vkey/order-2", refused("y = -1", "SmallOrder", little(0xec, 0x7f))),
        ("vkey/order-4", refused("y = 0", "SmallOrder", little(0, 0))),
        ("vkey/order-8", refused("anybody could sign with one chance in eight", "SmallOrder", vkey(order_eight))),
        ("vkey/not-a-point", refused("y = 2 is not on the curve", "NotAPoint", little(2, 0))),
        ("vkey/not-reduced", refused("y = p + 3 is another spelling of y = 3", "NotAPoint", little(0xf0, 0x7f))),
    ]
}
