//! `acta` on the command line: what it prints and how it ends, as data files in `tests/cli/`, and the files they are about.
//!
//! After a change that is meant: `ACTA_REGENERATE=1 cargo test -p acta-client --test it cli` writes the files anew, and
//! `TRYCMD=overwrite` in its place what is printed.

use std::fs;
use std::path::PathBuf;

use tlog::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tlog::key::{Algorithm, KeyName, SigningKey};
use tlog::note::Note;
use tlog::policy::Policy;
use tlog::proof::Proof;
use tlog::tiles::Resource;

use crate::server::{ORIGIN, Tree, entry, key, policy};

#[test]
fn what_is_printed_is_as_written_down() {
    the_files_are_what_this_code_makes();
    trycmd::TestCases::new().case("tests/cli/*.trycmd");
}

#[test]
fn the_files_are_what_this_code_makes() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cli/offline.in");
    for (name, bytes) in files() {
        let path = directory.join(name);
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
    let stranger_head = Checkpoint::new(Origin::for_new_log("log.test/two").unwrap(), tree.size(), *tree.checkpoint().checkpoint().root());
    let stranger_head = SignedCheckpoint::sign(&stranger_head, &[&stranger]).unwrap();
    let witness = SigningKey::from_seed(KeyName::new("witness.test").unwrap(), Algorithm::CosignatureEd25519, &[9; 32]).unwrap();
    let mut witnessed = tree.checkpoint();
    witnessed.add_signature(witness.cosign(witnessed.checkpoint(), 1_767_225_600).unwrap()).unwrap();
    let witness_policy =
        format!("log {}\nwitness east {} https://witness.test\nquorum east\n", key(ORIGIN).verifier_key(), witness.verifier_key());
    let text_of_note = "A note to all.\n";
    let note = Note::new(text_of_note, vec![stranger.sign_note(text_of_note).unwrap()]).unwrap();
    let bundle = Resource::parse("tile/entries/001.p/44").unwrap();
    let tile = Resource::parse("tile/0/001.p/44").unwrap();
    vec![
        ("policy", Policy::without_witnesses(policy().logs()[0].key().clone(), Some("http://log.test/one")).unwrap().to_bytes()),
        ("witness-policy", witness_policy.into_bytes()),
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
        ("tile/entries/001.p/44", tree.resource(bundle).unwrap().to_vec()),
        ("tile/0/001.p/44", tree.resource(tile).unwrap().to_vec()),
        ("nothing", b"\xff\xfe nothing that acta knows".to_vec()),
    ]
}
