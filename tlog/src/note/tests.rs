#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::key::{Algorithm, SigningKey};
use crate::work::{self, counted};

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), Algorithm::Ed25519, &[seed; 32]).unwrap()
}

const LINE: &str = "— k q6urqwECAwQ=\n";

#[test]
fn malformed_notes_are_refused_with_the_reason() {
    use NoteError as E;
    for (note, error) in [
        (String::new(), E::NoBlankLine),
        ("text\n".to_owned(), E::NoBlankLine),
        (format!("text\n{LINE}"), E::NoBlankLine),
        (format!("\n{LINE}"), E::NoBlankLine),
        ("text\n\n".to_owned(), E::NoSignatures),
        (format!("text\n\n{}", LINE.trim_end()), E::NoFinalNewline),
        (format!("text\r\n\r\n{LINE}"), E::ControlCharacter),
        (format!("te\0xt\n\n{LINE}"), E::ControlCharacter),
        (format!("te\txt\n\n{LINE}"), E::ControlCharacter),
        (format!("text\n\n{LINE}more\n"), E::MalformedSignature),
        (format!("text\n\n{LINE}\n"), E::NoSignatures),
        ("text\n\n- k q6urqwECAwQ=\n".to_owned(), E::MalformedSignature),
        ("text\n\n—k q6urqwECAwQ=\n".to_owned(), E::MalformedSignature),
        ("text\n\n— k  q6urqwECAwQ=\n".to_owned(), E::MalformedSignature),
        ("text\n\n—  q6urqwECAwQ=\n".to_owned(), E::MalformedSignature),
        ("text\n\n— k+ q6urqwECAwQ=\n".to_owned(), E::MalformedSignature),
        ("text\n\n— k q6urqwECAwQ\n".to_owned(), E::MalformedSignature),
        ("text\n\n— k q6urqwECAwR=\n".to_owned(), E::MalformedSignature),
        ("text\n\n— k q6urqwECAwQ= \n".to_owned(), E::MalformedSignature),
        ("text\n\n— k q6urqw==\n".to_owned(), E::MalformedSignature),
        ("text\n\n— k \n".to_owned(), E::MalformedSignature),
    ] {
        assert_eq!(Note::parse(note.as_bytes()), Err(error), "{note:?}");
    }
    assert_eq!(Note::parse(b"te\xfft\n\n"), Err(E::NotUtf8));
    assert_eq!(Note::parse(&vec![b'a'; MAX_NOTE + 1]), Err(E::TooLarge));
}

#[test]
fn the_text_ends_at_the_last_blank_line() {
    for text in ["a\n", "\n", "a\n\nb\n", "a\n\n\n", "\n\n\n\na\n", "— k q6urqwECAwQ=\n\nb\n"] {
        let bytes = format!("{text}\n{LINE}");
        let note = Note::parse(bytes.as_bytes()).unwrap();
        assert_eq!((note.text(), note.to_string()), (text, bytes.clone()), "{text:?}");
    }
}

#[test]
fn unknown_signatures_are_ignored_and_a_bad_known_one_refuses_the_note() {
    let (ours, theirs) = (key("ours", 1), key("theirs", 2));
    let good = Note::new("text\n", vec![theirs.sign_note("text\n").unwrap(), ours.sign_note("text\n").unwrap()]).unwrap();
    let keys = [ours.verifier_key().clone()];
    assert_eq!(good.verify(&keys).unwrap(), [&keys[0]]);

    let mut forged = good.clone();
    forged.add_signature(Signature { bytes: vec![1; 64], ..ours.sign_note("text\n").unwrap() }).unwrap();
    assert!(matches!(forged.verify(&keys), Err(VerifyNoteError::BadSignature { .. })));

    let other_text = Note::new("taxt\n", good.signatures().to_vec()).unwrap();
    assert!(matches!(other_text.verify(&keys), Err(VerifyNoteError::BadSignature { .. })));
    assert_eq!(good.verify(&[key("ours", 3).verifier_key().clone()]), Err(VerifyNoteError::NotSigned));
    assert_eq!(good.verify(&[]), Err(VerifyNoteError::NotSigned));
}

#[test]
fn a_name_or_an_id_alone_does_not_make_a_key_known() {
    let ours = key("ours", 1);
    let line = ours.sign_note("text\n").unwrap();
    let other_id = Signature { key_id: KeyId::new(line.key_id.as_u32() ^ 1), ..line.clone() };
    let other_name = Signature { name: KeyName::new("theirs").unwrap(), ..line.clone() };
    let keys = [ours.verifier_key().clone()];
    assert_eq!(Note::new("text\n", vec![other_id, other_name]).unwrap().verify(&keys), Err(VerifyNoteError::NotSigned));
}

#[test]
fn sixteen_signatures_of_the_largest_kind_fit_and_a_note_never_outgrows_its_limit() {
    let line = |bytes| Signature { name: KeyName::new(&"n".repeat(255)).unwrap(), key_id: KeyId::new(1), bytes };
    let mut note = Note::new("text\n", vec![line(vec![1; 8 + 2420]); 16]).unwrap();
    assert_eq!(Note::parse(&note.to_bytes()), Ok(note.clone()));
    let before = note.clone();
    assert_eq!(note.add_signature(line(vec![1; MAX_NOTE])), Err(NoteError::TooLarge));
    assert_eq!(note, before);
    assert_eq!(note.add_signature(line(vec![])), Err(NoteError::MalformedSignature));
    while note.add_signature(line(vec![1; 2428])).is_ok() {}
    assert_eq!(Note::parse(&note.to_bytes()), Ok(note));
}

/// A checkpoint with one good line of `key` many times.
fn many_lines(key: &SigningKey, lines: usize) -> Note {
    let text = format!("example.com/log\n1\n{}\n", crate::Hash::EMPTY_TREE.to_base64());
    let line = match key.verifier_key().algorithm() {
        Algorithm::Ed25519 => key.sign_note(&text).unwrap(),
        _ => key.cosign(&Checkpoint::parse(&text).unwrap(), 5).unwrap(),
    };
    Note::new(&text, vec![line; lines]).unwrap()
}

#[test]
fn many_good_lines_of_one_key_cost_few_verifications() {
    for (algorithm, lines) in [(Algorithm::Ed25519, 450), (Algorithm::CosignatureEd25519, 450), (Algorithm::CosignatureMlDsa44, 30)] {
        let key = SigningKey::from_seed(KeyName::new("example.com/log").unwrap(), algorithm, &[1; 32]).unwrap();
        let keys = [key.verifier_key().clone()];
        let most = many_lines(&key, MAX_LINES_PER_KEY);
        let (parsed, verified) = counted(&work::PARSED, || most.verify(&keys));
        assert!(verified.is_ok() && parsed <= 1, "{algorithm}: the text was parsed {parsed} times");

        let note = many_lines(&key, lines);
        let (verified, refused) = counted(&work::VERIFIED, || note.verify(&keys));
        assert!(matches!(refused, Err(VerifyNoteError::TooManySignatures { .. })), "{algorithm}");
        assert!(verified <= MAX_LINES_PER_KEY, "{algorithm}: {verified} verifications");
    }
}

#[test]
fn a_cosignature_of_the_wrong_length_is_refused_before_anything_is_computed() {
    for algorithm in [Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44] {
        let key = SigningKey::from_seed(KeyName::new("example.com/log").unwrap(), algorithm, &[1; 32]).unwrap();
        let note = many_lines(&key, 1);
        let (verified, refused) = counted(&work::VERIFIED, || {
            let short = Signature { bytes: vec![0; 12], ..note.signatures()[0].clone() };
            Note::new(note.text(), vec![short]).unwrap().verify(&[key.verifier_key().clone()]).map(drop)
        });
        assert!(matches!(refused, Err(VerifyNoteError::BadSignature { .. })));
        assert_eq!(verified, 0, "{algorithm}");
    }
}

#[test]
fn keys_that_share_name_and_id_do_not_refuse_each_other_s_lines() {
    let text = many_lines(&key("k", 1), 1).text().to_owned();
    let checkpoint = Checkpoint::parse(&text).unwrap();
    let id = KeyId::new(7);
    let signers = [1, 2].map(|seed| SigningKey::from_seed(KeyName::new("k").unwrap(), Algorithm::CosignatureEd25519, &[seed; 32]).unwrap());
    let keys = signers.each_ref().map(|signer| signer.verifier_key().clone().with_id(id));
    let lines = signers.each_ref().map(|signer| Signature { key_id: id, ..signer.cosign(&checkpoint, 5).unwrap() });
    let note = Note::new(&text, lines.to_vec()).unwrap();
    assert_eq!(note.verify(&keys).unwrap().len(), 2);
    let times = verify_lines(&lines, &text, Some(&checkpoint), &[&keys[0], &keys[1]]).ok().unwrap();
    assert_eq!(times, [Some(NonZeroU64::new(5)); 2], "a policy, which asks for times, sees them alike");
    assert!(note.verify(&keys[..1]).is_err(), "a line that is of none of the known keys");
}
