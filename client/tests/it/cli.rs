//! `acta` on the command line: what it prints and how it ends, as data files in `tests/cli/`, and the files they are about.
//!
//! After a change that is meant: `ACTA_REGENERATE=1 cargo test -p acta-client --test it cli` writes the files anew, and
//! `TRYCMD=overwrite` in its place what is printed.

use std::fs;
use std::path::PathBuf;

use decision::disclosure::{print_file, seal};
use decision::statement::Draft;
use serde_json::{Value, json};
use tlog::Hash;
use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::evidence::{Evidence, HEADER};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::note::Note;
use tlog::policy::Policy;
use tlog::proof::Proof;
use tlog::tiles::Resource;

use crate::server::{ORIGIN, Tree, entry, key, policy};
use crate::world::{World, signed, vkey, with};

#[test]
fn what_is_printed_is_as_written_down() {
    the_files_are_what_this_code_makes();
    trycmd::TestCases::new().case("tests/cli/*.trycmd");
}

#[test]
fn the_files_are_what_this_code_makes() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let offline = files().into_iter().map(|(name, bytes)| (format!("offline.in/{name}"), bytes));
    let statements = statement_files().into_iter().map(|(name, bytes)| (format!("statements.in/{name}"), bytes));
    for (name, bytes) in offline.chain(statements) {
        let path = directory.join(&name);
        if std::env::var_os("ACTA_REGENERATE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        assert!(fs::read(&path).is_ok_and(|file| file == bytes), "{name} differs; see above for how to write it anew");
    }
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let tree = Tree::new(300);
    let good = tree.receipt(7);
    let other_log = Tree::new(299).checkpoint();
    let text = good.to_string();
    let remade = |extra: Option<&[u8]>, checkpoint: &SignedCheckpoint| {
        Proof::new(extra.map(<[u8]>::to_vec), good.index(), good.hashes().to_vec(), checkpoint.clone()).unwrap().to_bytes()
    };
    let stranger = key("log.test/two");
    let stranger_with_its_name = SigningKey::from_seed(KeyName::new(ORIGIN).unwrap(), Algorithm::Ed25519, &[8; 32]).unwrap();
    let stranger_head = Checkpoint::new(Origin::for_new_log("log.test/two").unwrap(), tree.size(), *tree.checkpoint().checkpoint().root());
    let stranger_head = SignedCheckpoint::sign(&stranger_head, &[&stranger]).unwrap();
    let witnessed = witnessed_at(&tree, 1_767_225_600);
    let text_of_note = "A note to all.\n";
    let note = Note::new(text_of_note, vec![stranger.sign_note(text_of_note).unwrap()]).unwrap();
    let bundle = Resource::parse("tile/entries/001.p/44").unwrap();
    let tile = Resource::parse("tile/0/001.p/44").unwrap();
    vec![
        ("policy", Policy::without_witnesses(policy().logs()[0].key().clone(), Some("http://log.test/one")).unwrap().to_bytes()),
        ("witness-policy", witness_policy()),
        ("twice-policy", format!("log {0}\nlog {0}\nquorum none\n", key(ORIGIN).verifier_key()).into_bytes()),
        ("good.tlog-proof", good.to_bytes()),
        ("entry-7", entry(7).to_vec()),
        ("entry-8", entry(8).to_vec()),
        ("no-entry.tlog-proof", remade(None, good.checkpoint())),
        ("other-entry.tlog-proof", remade(Some(&entry(8)), good.checkpoint())),
        ("other-head.tlog-proof", remade(Some(&entry(7)), &other_log)),
        ("other-log.tlog-proof", remade(Some(&entry(7)), &stranger_head)),
        ("cut.tlog-proof", text[..text.len() - 9].into()),
        ("altered-head.tlog-proof", text.replace("\n300\n", "\n301\n").into_bytes()),
        ("witnessed.tlog-proof", remade(Some(&entry(7)), &witnessed)),
        ("witnessed", witnessed.to_bytes()),
        ("note", note.to_bytes()),
        ("log.vkey", format!("{}\n", key(ORIGIN).verifier_key()).into_bytes()),
        ("other.vkey", format!("{}\n", stranger_with_its_name.verifier_key()).into_bytes()),
        ("tile/entries/001.p/44", tree.resource(bundle).unwrap().to_vec()),
        ("tile/0/001.p/44", tree.resource(tile).unwrap().to_vec()),
        ("operators-policy", operators_policy(2)),
        ("strict-policy", operators_policy(3)),
        ("two-of-three.tlog-proof", remade(Some(&entry(7)), &witnessed_by(&tree, &[(0, 0), (0, 1), (1, 1)]))),
        ("one-of-three.tlog-proof", remade(Some(&entry(7)), &witnessed_by(&tree, &[(2, 0)]))),
        ("two-roots.acta-evidence", evidence(&tree, 300).to_bytes()),
        ("two-trees.acta-evidence", evidence(&tree, 299).to_bytes()),
        ("one-history.acta-evidence", one_history(&tree)),
        ("nothing", b"\xff\xfe nothing that acta knows".to_vec()),
    ]
}

fn witness() -> SigningKey {
    SigningKey::from_seed(KeyName::new("witness.test").unwrap(), Algorithm::CosignatureEd25519, &[9; 32]).unwrap()
}

pub(crate) fn witness_policy() -> Vec<u8> {
    format!("log {}\nwitness east {} https://witness.test\nquorum east\n", key(ORIGIN).verifier_key(), witness().verifier_key())
        .into_bytes()
}

pub(crate) fn witnessed_at(tree: &Tree, seconds: u64) -> SignedCheckpoint {
    let mut head = tree.checkpoint();
    head.add_signature(witness().cosign(head.checkpoint(), seconds).unwrap()).unwrap();
    head
}

/// One of the two keys of one of three operators.
fn operator(number: usize, which: usize) -> SigningKey {
    let name = ["north", "south", "east"][number];
    let (suffix, algorithm) = [("ed", Algorithm::CosignatureEd25519), ("pq", Algorithm::CosignatureMlDsa44)][which];
    let seed = u8::try_from(20 + 2 * number + which).unwrap();
    SigningKey::from_seed(KeyName::new(&format!("{name}.test/{suffix}")).unwrap(), algorithm, &[seed; 32]).unwrap()
}

/// Three operators with two keys each, as `acta-witness init` prints them.
fn operators_policy(needed: usize) -> Vec<u8> {
    let mut policy = format!("log {}\n", key(ORIGIN).verifier_key());
    for (number, name) in ["north", "south", "east"].into_iter().enumerate() {
        for (which, suffix) in ["ed", "pq"].into_iter().enumerate() {
            policy += &format!("witness {name}-{suffix} {} https://{name}.test\n", operator(number, which).verifier_key());
        }
        policy += &format!("group {name} any {name}-ed {name}-pq\n");
    }
    (policy + &format!("group operators {needed} north south east\nquorum operators\n")).into_bytes()
}

fn witnessed_by(tree: &Tree, keys: &[(usize, usize)]) -> SignedCheckpoint {
    let mut head = tree.checkpoint();
    for ((number, which), minute) in keys.iter().zip(0..) {
        let time = 1_767_225_600 + 60 * minute;
        // With no randomness of its own, so that the file is the same each time it is made.
        head.add_signature(operator(*number, *which).cosign(head.checkpoint(), time).unwrap()).unwrap();
    }
    head
}

/// That the log signed another history than this one, of as many entries or of fewer.
fn evidence(tree: &Tree, size: u64) -> Evidence {
    let mut fork = Tree::new(6);
    fork.append("something else".into());
    for index in 7..size {
        fork.append(entry(index));
    }
    let keys = [key(ORIGIN).verifier_key().clone()];
    if size == tree.size().as_u64() {
        return Evidence::same_size(&tree.checkpoint(), &fork.checkpoint(), &keys).unwrap();
    }
    // The proof of another beginning of the tree is what a witness would be sent by a log that hides its fork.
    let proof = tree.consistency(fork.size());
    Evidence::from_failed_proof(&fork.checkpoint(), &tree.checkpoint(), &proof, &keys).unwrap()
}

/// What somebody might call evidence: two heads of a log that only grew.
fn one_history(tree: &Tree) -> Vec<u8> {
    let heads: String = [Tree::new(299).checkpoint(), tree.checkpoint()].iter().map(|head| format!("checkpoint 5\n{head}")).collect();
    format!("{HEADER}\nkind same-size\n{heads}").into_bytes()
}

/// A decision with one of everything, and with a name that is sealed.
fn permit(world: &World) -> (Value, String) {
    let mut party = json!({"role": "applicant", "name": "Ada Lovelace"}).as_object().unwrap().clone();
    let disclosure = seal(&mut party, "name", &[1; 16]).unwrap();
    let more = json!({
        "lang": "en", "subject": "Loft conversion at 3 Quay Street", "effective": "2026-03-15", "until": "2029-03-14", "unit": "Planning Committee",
        "signatories": ["Head of Planning"], "legal_basis": ["Town and Country Planning Act 1999, section 10"],
        "place": {"address": "3 Quay Street, Northmere", "point": {"type": "Point", "coordinates": [-4.48, 54.15]}},
        "parties": [party, {"role": "architect", "name": "Beam & Sons Ltd", "id": "NM-4711"}], "amount": {"value": "12500.00", "currency": "EUR"},
        "documents": [{"name": "plan.pdf", "media_type": "application/pdf", "size": 13, "sha256": Hash::sha256(PLAN).to_hex()}],
        "relates": [world.relation("refers", 1)], "data": {"schema": "https://schema.example/permit", "floors": 2}, "mood": "good",
    });
    let mut decision = world.decision(2);
    for (name, value) in more.as_object().unwrap() {
        decision = with(decision, name, value.clone());
    }
    (decision, print_file(&[disclosure]))
}

const PLAN: &[u8] = b"%PDF a plan.\n";

fn statement_files() -> Vec<(&'static str, Vec<u8>)> {
    let mut world = World::new(ORIGIN, World::charter(ORIGIN, &key(ORIGIN)));
    let (planning, court, registrar) = (world.planning.clone(), world.court.clone(), world.registrars[0].clone());
    let (permit, disclosures) = permit(&world);
    let permit = world.good(&permit, &[&planning]);
    let hostile = with(world.decision(3), "subject", json!("<b>\u{202e}detnarg</b> \\u001b[2J\u{200b}"));
    let hostile = world.good(&with(hostile, "m\u{202e}ood", json!(1)), &[&planning]);
    let text = signed(&world.decision(4), &[&planning]).to_string().replace("granted", "refused");
    let forged = world.next();
    world.plant_bytes("bad-signature", text);
    let close = world.good(&world.annotation("close", 9), &[&planning]);
    let registration = world.registration("lands.example", &[&court], &["land.*"]);
    let draft = Draft::from_json(&registration).unwrap();
    let other = seal(&mut json!({"name": "Bob"}).as_object().unwrap().clone(), "name", &[2; 16]).unwrap();

    let mut tree = Tree::new(0);
    world.entries.iter().for_each(|entry| {
        tree.append(entry.clone());
    });
    let head = witnessed_at(&tree, 1_772_357_402);
    let receipt = |index: u64| {
        let good = tree.receipt(index);
        Proof::new(good.extra().map(<[u8]>::to_vec), good.index(), good.hashes().to_vec(), head.clone()).unwrap().to_bytes()
    };
    vec![
        ("policy", policy().to_bytes()),
        ("witness-policy", witness_policy()),
        ("charter.tlog-proof", receipt(0)),
        ("registration.tlog-proof", receipt(1)),
        ("key.tlog-proof", receipt(3)),
        ("permit.tlog-proof", receipt(permit)),
        ("hostile.tlog-proof", receipt(hostile)),
        ("forged.tlog-proof", receipt(forged)),
        ("close.tlog-proof", receipt(close)),
        ("permit.disclosures", disclosures.into_bytes()),
        ("other.disclosures", print_file(&[other]).into_bytes()),
        ("plan.pdf", PLAN.to_vec()),
        ("other.pdf", b"%PDF another plan.\n".to_vec()),
        ("planning.vkey", format!("{}\n", vkey(&planning)).into_bytes()),
        ("court.vkey", format!("{}\n", vkey(&court)).into_bytes()),
        ("unsigned.statement", draft.text().as_bytes().to_vec()),
        ("half.statement", signed(&registration, &[&registrar]).to_bytes()),
        ("changed.statement", signed(&registration, &[&registrar, &court]).to_string().replace("land.*", "*").into_bytes()),
    ]
}
