//! What holds for every input: a parser accepts one spelling of everything and never panics, and what was signed cannot be changed.

use std::collections::HashMap;

use proptest::collection::{hash_set, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::evidence::{Branch, Evidence, ProvenHash};
use tlog::key::{Algorithm, KeyId, KeyName, SigningKey, VerifierKey, encode_pem};
use tlog::merkle::{self, Appender, Subtree};
use tlog::note::{Note, Signature};
use tlog::policy::{Policy, PolicyName};
use tlog::proof::Proof;
use tlog::witness::{AddCheckpoint, Latest, SignSubtree, decide, parse_conflict, parse_cosignatures, print_conflict, print_cosignatures};
use tlog::{Hash, LeafIndex, TreeSize};

use crate::vectors;

const SIGNING: [Algorithm; 3] = [Algorithm::Ed25519, Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44];

/// Characters that parsers care about, and a few that they must not care about.
fn character() -> impl Strategy<Value = char> {
    prop_oneof![Just('\n'), Just(' '), Just('—'), Just('+'), Just('\u{85}'), Just('\u{7f}'), Just('0'), Just('='), any::<char>()]
}

fn line() -> impl Strategy<Value = String> {
    vec(character(), 1..20)
        .prop_map(|line| line.into_iter().filter(|&c| c >= ' ').collect())
        .prop_filter("empty", |s: &String| !s.is_empty())
}

fn text() -> impl Strategy<Value = String> {
    vec(character(), 0..60).prop_map(|text| text.into_iter().filter(|&c| c >= ' ' || c == '\n').chain(['\n']).collect())
}

fn name() -> impl Strategy<Value = KeyName> {
    "[a-z.ü/—]{1,30}".prop_map(|name| KeyName::new(&name).unwrap())
}

fn signature() -> impl Strategy<Value = Signature> {
    (name(), any::<u32>(), vec(any::<u8>(), 1..100)).prop_map(|(name, id, bytes)| Signature { name, key_id: KeyId::new(id), bytes })
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash::new)
}

fn checkpoint() -> impl Strategy<Value = SignedCheckpoint> {
    (line(), 0..=1u64 << 63, hash(), vec(line(), 0..3), vec(signature(), 1..4)).prop_map(|(origin, size, root, extensions, lines)| {
        let extensions: String = extensions.into_iter().map(|line| line + "\n").collect();
        let text = format!("{origin}\n{size}\n{}\n{extensions}", root.to_base64());
        SignedCheckpoint::from_note(Note::new(&text, lines).unwrap()).unwrap()
    })
}

fn signing_key() -> impl Strategy<Value = SigningKey> {
    (name(), select(&SIGNING), any::<[u8; 32]>()).prop_map(|(name, algorithm, seed)| SigningKey::from_seed(name, algorithm, &seed).unwrap())
}

fn key(name: &str, algorithm: Algorithm, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), algorithm, &[seed; 32]).unwrap()
}

proptest! {
    #[test]
    fn notes_print_as_they_are_read(text in text(), lines in vec(signature(), 1..5)) {
        let note = Note::new(&text, lines).unwrap();
        prop_assert_eq!(Note::parse(&note.to_bytes()), Ok(note));
    }

    #[test]
    fn checkpoints_print_as_they_are_read(signed in checkpoint()) {
        prop_assert_eq!(&Checkpoint::parse(&signed.checkpoint().to_string()).unwrap(), signed.checkpoint());
        prop_assert_eq!(SignedCheckpoint::parse(&signed.to_bytes()), Ok(signed));
    }

    #[test]
    fn proofs_print_as_they_are_read(
        extra in proptest::option::of(vec(any::<u8>(), 0..100)), index: u64, hashes in vec(hash(), 0..=63), signed in checkpoint(),
    ) {
        let proof = Proof::new(extra, LeafIndex::new(index), hashes, signed).unwrap();
        prop_assert_eq!(Proof::parse(&proof.to_bytes()), Ok(proof));
    }

    #[test]
    fn evidence_prints_as_it_is_read_and_convicts(
        shared in 0..30u64, small in 1..40u64, large in 1..40u64, start in 0..40u64, width in 1..40u64,
    ) {
        let (small, large) = (small.min(large), small.max(large));
        let histories = [forked("one", shared, small), forked("other", shared, large)];
        let log_keys = [key("example.com/log", Algorithm::Ed25519, 200).verifier_key().clone()];
        let width = width % small + 1;
        let aligned = start % (small - width + 1) / width.next_power_of_two() * width.next_power_of_two();
        let subtree = Subtree::new(aligned, aligned + width).unwrap();
        let made = if small == large {
            Evidence::same_size(&histories[1].head, &histories[0].head, &log_keys)
        } else {
            let [one, other] = histories.map(|history| history.branch(subtree));
            Evidence::divergent(subtree, one, other, &log_keys)
        };
        // The two histories differ in what is compared exactly if it reaches beyond what they share.
        let differs = if small == large { small > shared } else { subtree.end() > shared };
        prop_assert_eq!(made.is_ok(), differs);
        if let Ok(evidence) = made {
            prop_assert!(evidence.verify(&log_keys).is_ok());
            prop_assert_eq!(Evidence::parse(&evidence.to_bytes()), Ok(evidence));
        }
    }

    #[test]
    fn requests_to_witnesses_print_as_they_are_read(old: u64, hashes in vec(hash(), 0..=63), signed in checkpoint(), at: u64, height in 0..60u32) {
        let request = AddCheckpoint::new(TreeSize::new(old), hashes.clone(), signed.clone()).unwrap();
        prop_assert_eq!(AddCheckpoint::parse(&request.to_bytes()), Ok(request));
        let start = at >> height << height;
        if let Ok(subtree) = Subtree::new(start, start.saturating_add(1 << height))
            && let Ok(request) = SignSubtree::new(subtree, *signed.checkpoint().root(), hashes, signed)
        {
            prop_assert_eq!(SignSubtree::parse(&request.to_bytes()), Ok(request));
        }
    }

    #[test]
    fn answers_of_witnesses_print_as_they_are_read(lines in vec(signature(), 1..5), size: u64) {
        prop_assert_eq!(parse_cosignatures(print_cosignatures(&lines).as_bytes()), Ok(lines));
        prop_assert_eq!(parse_conflict(print_conflict(TreeSize::new(size)).as_bytes()), Ok(TreeSize::new(size)));
    }

    #[test]
    fn keys_print_as_they_are_read(key in signing_key()) {
        let verifier_key = key.verifier_key();
        prop_assert_eq!(&verifier_key.to_string().parse::<VerifierKey>().unwrap(), verifier_key);
        let again = SigningKey::parse_file(&encode_pem(&key), Some(verifier_key)).unwrap();
        prop_assert_eq!(again.verifier_key(), verifier_key);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        parse_with_everything(&bytes);
    }
}

/// A head of a log whose first entries all of its histories share.
struct Forked {
    head: SignedCheckpoint,
    leaves: Vec<Hash>,
}

fn forked(name: &str, shared: u64, size: u64) -> Forked {
    let entry = |i: u64| if i < shared { format!("{i}") } else { format!("{name} {i}") };
    let leaves: Vec<Hash> = (0..size).map(|i| Hash::leaf(entry(i).as_bytes())).collect();
    let (root, _) = grow(&leaves);
    let checkpoint = Checkpoint::new(Origin::for_new_log("example.com/log").unwrap(), TreeSize::new(size), root);
    let head = SignedCheckpoint::sign(&checkpoint, &[&key("example.com/log", Algorithm::Ed25519, 200)]).unwrap();
    Forked { head, leaves }
}

fn grow(leaves: &[Hash]) -> (Hash, HashMap<merkle::Node, Hash>) {
    let (mut appender, mut nodes) = (Appender::new(), HashMap::new());
    for leaf in leaves {
        let completed = |node, hash| {
            nodes.insert(node, hash);
        };
        appender.append(*leaf, completed).unwrap();
    }
    (appender.root(), nodes)
}

impl Forked {
    /// What the history has for a part of it.
    fn branch(self, subtree: Subtree) -> Branch {
        let (_, nodes) = grow(&self.leaves);
        let part = usize::try_from(subtree.start()).unwrap()..usize::try_from(subtree.end()).unwrap();
        let size = self.head.checkpoint().size();
        let proof = merkle::prove_subtree(subtree, size, |node| nodes.get(&node).copied().ok_or(())).unwrap();
        Branch { head: self.head, proven: ProvenHash { hash: grow(&self.leaves[part]).0, proof } }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn altered_vectors_never_panic_and_print_as_they_are_read(vector: Index, edits in vec(edit(), 1..4)) {
        let vectors = CORPUS.get_or_init(vectors::contents);
        let mut bytes = vector.get(vectors).clone();
        edits.iter().for_each(|edit| edit.apply(&mut bytes));
        parse_with_everything(&bytes);
    }
}

static CORPUS: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();

/// A change to some bytes.
#[derive(Clone, Debug)]
struct Edit {
    at: Index,
    remove: usize,
    insert: Vec<u8>,
}

fn edit() -> impl Strategy<Value = Edit> {
    let token =
        select(vec!["\n", "\n\n", " ", "\r", "—", "0", "+", "=", "— k AAAAAAA=\n", "index 0\n", "extra \n", "old 0\n", "quorum none\n"]);
    let insert = prop_oneof![token.prop_map(|token| token.as_bytes().to_vec()), vec(any::<u8>(), 0..4)];
    (any::<Index>(), prop_oneof![0..3usize, 0..60usize], insert).prop_map(|(at, remove, insert)| Edit { at, remove, insert })
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let start = self.at.index(bytes.len() + 1);
        let end = bytes.len().min(start + self.remove);
        bytes.splice(start..end, self.insert.iter().copied());
    }
}

/// Gives the bytes to every parser; what one accepts must print as it was, or, for policies and keys, as something equal.
fn parse_with_everything(bytes: &[u8]) {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_bytes(), bytes);
    }
    if let Ok(signed) = SignedCheckpoint::parse(bytes) {
        assert_eq!(signed.to_bytes(), bytes);
        assert_eq!(signed.checkpoint().to_string(), signed.note().text());
    }
    if let Ok(proof) = Proof::parse(bytes) {
        assert_eq!(proof.to_bytes(), bytes);
        let policy = Policy::parse(b"quorum none\n").unwrap();
        assert!(proof.verify_receipt(&policy, None).is_err());
    }
    if let Ok(evidence) = Evidence::parse(bytes) {
        assert_eq!(evidence.to_bytes(), bytes);
        assert!(evidence.verify(&[]).is_err());
    }
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.to_bytes(), bytes);
        assert!(decide(&request, &Latest::NEVER, &[], &[], 1).is_err());
    }
    if let Ok(request) = SignSubtree::parse(bytes) {
        assert_eq!(request.to_bytes(), bytes);
    }
    if let Ok(lines) = parse_cosignatures(bytes) {
        assert_eq!(print_cosignatures(&lines).as_bytes(), bytes);
    }
    if let Ok(size) = parse_conflict(bytes) {
        assert_eq!(print_conflict(size).as_bytes(), bytes);
    }
    if let Ok(policy) = Policy::parse(bytes) {
        assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
    }
    if let Ok(text) = str::from_utf8(bytes) {
        if let Ok(key) = text.parse::<VerifierKey>() {
            assert_eq!(key.to_string(), text);
        }
        let _ = SigningKey::from_go(text);
        for algorithm in SIGNING {
            let _ = SigningKey::from_pem(text, KeyName::new("k").unwrap(), algorithm);
        }
    }
}

/// A policy as the test understands it: witnesses are numbered, and a group has a threshold and members.
#[derive(Clone, Debug)]
struct Model {
    witnesses: usize,
    groups: Vec<(usize, Vec<String>)>,
    quorum: String,
}

impl Model {
    fn text(&self) -> String {
        let mut text = String::new();
        for i in 0..self.witnesses {
            let key = key(&format!("witness.example/{i}"), Algorithm::CosignatureEd25519, u8::try_from(i).unwrap());
            text += &format!("witness w{i} {}\n", key.verifier_key());
        }
        for (i, (threshold, members)) in self.groups.iter().enumerate() {
            text += &format!("group g{i} {threshold} {}\n", members.join(" "));
        }
        text + &format!("quorum {}\n", self.quorum)
    }

    /// Straight from the specification, recursively.
    fn holds(&self, name: &str, cosigned: &[bool]) -> bool {
        let number = |name: &str| name[1..].parse::<usize>().unwrap();
        match name.chars().next().unwrap() {
            'w' => cosigned[number(name)],
            'g' => {
                let (threshold, members) = &self.groups[number(name)];
                members.iter().filter(|member| self.holds(member, cosigned)).count() >= *threshold
            }
            _ => true,
        }
    }
}

fn model() -> impl Strategy<Value = Model> {
    let group = (any::<Index>(), vec(any::<Index>(), 1..5));
    (1..12usize, vec(group, 0..8), any::<Index>()).prop_map(|(witnesses, groups, quorum)| {
        let mut free: Vec<String> = (0..witnesses).map(|i| format!("w{i}")).collect();
        let mut names = free.clone();
        let mut model = Model { witnesses, groups: Vec::new(), quorum: String::new() };
        for (threshold, picks) in groups {
            let picks = picks.into_iter().take(free.len()).collect::<Vec<_>>();
            let members: Vec<String> = picks.into_iter().map(|pick| free.swap_remove(pick.index(free.len()))).collect();
            let name = format!("g{}", model.groups.len());
            model.groups.push((threshold.index(members.len()) + 1, members));
            free.push(name.clone());
            names.push(name);
        }
        names.push("none".to_owned());
        model.quorum = quorum.get(&names).clone();
        model
    })
}

proptest! {
    #[test]
    fn policies_print_as_equal_ones_and_decide_as_the_specification_says(model in model(), cosigned: [bool; 12]) {
        let policy = Policy::parse(model.text().as_bytes()).unwrap();
        prop_assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy.clone()));
        let names: Vec<&PolicyName> = policy.witnesses().iter().zip(cosigned).filter(|(_, c)| *c).map(|(w, _)| w.name()).collect();
        prop_assert_eq!(policy.quorum_met(names), model.holds(&model.quorum, &cosigned));
    }

    #[test]
    fn more_witnesses_never_make_a_good_quorum_bad(model in model(), some in hash_set(0..12usize, 0..12), more in hash_set(0..12usize, 0..12)) {
        let policy = Policy::parse(model.text().as_bytes()).unwrap();
        let name = |i: &usize| policy.witnesses().get(*i).map(|witness| witness.name());
        if policy.quorum_met(some.iter().filter_map(name)) {
            prop_assert!(policy.quorum_met(some.iter().chain(&more).filter_map(name)));
        }
    }
}

/// A receipt of a log with two witnesses of both algorithms, all of whom must have signed, and the policy that says so.
fn receipt() -> (Proof, Policy) {
    let log = key("example.com/log", Algorithm::Ed25519, 200);
    let witnesses = [key("w.example/ed", Algorithm::CosignatureEd25519, 201), key("w.example/pq", Algorithm::CosignatureMlDsa44, 202)];
    let (mut appender, mut nodes) = (Appender::new(), HashMap::new());
    for i in 0..6 {
        let completed = |node, hash| {
            nodes.insert(node, hash);
        };
        appender.append(Hash::leaf(format!("Decision {i}").as_bytes()), completed).unwrap();
    }
    let checkpoint = Checkpoint::new(Origin::for_new_log("example.com/log").unwrap(), appender.size(), appender.root());
    let mut signed = SignedCheckpoint::sign(&checkpoint, &[&log]).unwrap();
    witnesses.iter().for_each(|witness| signed.add_signature(witness.cosign(&checkpoint, 1_700_000_000).unwrap()).unwrap());
    let node = |node| nodes.get(&node).copied().ok_or(());
    let hashes = merkle::prove_inclusion(LeafIndex::new(2), appender.size(), node).unwrap();
    let [ed, pq] = witnesses.each_ref().map(SigningKey::verifier_key);
    let policy = format!("log {}\nwitness ed {ed}\nwitness pq {pq}\ngroup both all ed pq\nquorum both\n", log.verifier_key());
    (Proof::new(Some(b"Decision 2".to_vec()), LeafIndex::new(2), hashes, signed).unwrap(), Policy::parse(policy.as_bytes()).unwrap())
}

#[test]
fn no_byte_of_a_receipt_can_be_changed() {
    let (receipt, policy) = receipt();
    assert!(receipt.verify_receipt(&policy, None).is_ok());
    let bytes = receipt.to_bytes();
    for at in 0..bytes.len() {
        let change = [0x01, 0x02, 0x20, 0x80][at % 4];
        let mut altered = bytes.clone();
        altered[at] ^= change;
        if let Ok(altered) = Proof::parse(&altered) {
            assert!(altered.verify_receipt(&policy, None).is_err(), "byte {at} changed by {change:#04x} passes");
        }
    }
}

proptest! {
    #[test]
    fn signature_lines_in_any_order_and_with_strangers_between_verify(
        strangers in vec(signature(), 0..5), order in Just([0, 1, 2]).prop_shuffle(), places in subsequence(vec![0, 1, 2, 3, 4, 5, 6, 7], 5),
    ) {
        let (receipt, policy) = receipt();
        let note = receipt.checkpoint().note();
        let mut lines: Vec<Signature> = order.iter().map(|&i| note.signatures()[i].clone()).collect();
        for (stranger, place) in strangers.into_iter().zip(places) {
            lines.insert(place.min(lines.len()), stranger);
        }
        let signed = SignedCheckpoint::from_note(Note::new(note.text(), lines).unwrap()).unwrap();
        prop_assert_eq!(policy.verify(&signed).unwrap().cosignatures().len(), 2);
    }
}
