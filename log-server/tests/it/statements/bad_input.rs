//! Whatever is sent that must not be in the log is refused with its own reason, or admitted because a rule says so.

use serde_json::{Value, json};

use crate::process::{Connection, ORIGIN, Server};
use crate::world::*;

/// A log with issuers of all fates, and what was published in it.
struct Desk {
    connection: Connection,
    planning: Key,
    second: Key,
    /// A registration, with its index.
    registration: (u64, Vec<u8>),
    /// An old decision that stands, with its index.
    first: (u64, Vec<u8>),
    /// One that was corrected.
    corrected: (u64, Vec<u8>),
    /// One that was revoked.
    revoked: (u64, Vec<u8>),
    /// The next number of the first issuer.
    seq: u64,
    /// The index that the next entry would get.
    index: u64,
}

impl Desk {
    fn open(server: &Server) -> Self {
        let (planning, second) = (planning(), key("planning.example/second", 11));
        let registrars = registrars();
        let mut desk = Desk {
            connection: server.connect(),
            planning,
            second,
            registration: (0, Vec::new()),
            first: (0, Vec::new()),
            corrected: (0, Vec::new()),
            revoked: (0, Vec::new()),
            seq: 1,
            index: 0,
        };
        let (planning, second) = (key("planning.example", 10), key("planning.example/second", 11));
        let add = &mut desk.connection;
        let both = [&registrars[0], &registrars[1]];
        let registration = registration("planning.example", &[&planning, &second], &["planning.*"]);
        let entry = signed(&registration, &[both[0], both[1], &planning, &second]).to_bytes();
        desk.registration = (admitted(add, &entry), entry);
        for (issuer, seed) in
            [("court.example", 20), ("other.example", 21), ("retired.example", 22), ("busy.example", 23), ("closed.example", 24)]
        {
            admitted(add, &registered(issuer, &key(issuer, seed), &["*"]));
        }
        let gone = with(crate::world::registration("retired.example", &[], &["*"]), "retired", json!(true));
        admitted(add, &signed(&gone, &both).to_bytes());
        let close = with(annotation("close", 1), "issuer", json!("closed.example"));
        admitted(add, &signed(&close, &[&key("closed.example", 24)]).to_bytes());
        // a key that is in doubt by now, and one that will retire itself
        let (stolen, old) = (key("planning.example/stolen", 12), key("planning.example/old", 13));
        for added in [&stolen, &old] {
            admitted(add, &signed(&key_change("add", added), &[&planning, added]).to_bytes());
        }
        admitted(add, &signed(&with(key_change("retire", &stolen), "doubt_from", json!(3)), &both).to_bytes());
        desk.first = desk.publish(Value::Null);
        desk.corrected = desk.publish(Value::Null);
        desk.publish(relation("corrects", desk.corrected.0, &desk.corrected.1));
        desk.revoked = desk.publish(Value::Null);
        desk.publish(relation("revokes", desk.revoked.0, &desk.revoked.1));
        // the last entry before the first case
        admitted(&mut desk.connection, &signed(&key_change("retire", &old), &[&old]).to_bytes());
        desk
    }

    fn publish(&mut self, relates: Value) -> (u64, Vec<u8>) {
        let statement = self.next();
        let statement = if relates.is_null() { statement } else { with(statement, "relates", relates) };
        let entry = self.by(&statement);
        let index = admitted(&mut self.connection, &entry);
        self.seq += 1;
        (index, entry)
    }

    /// A decision that would be admitted.
    fn next(&self) -> Value {
        decision(self.seq)
    }

    /// Signed by the first issuer.
    fn by(&self, statement: &Value) -> Vec<u8> {
        signed(statement, &[&self.planning]).to_bytes()
    }

    /// The next decision, with a line of JSON that is put together by hand.
    fn by_hand(&self, edit: impl Fn(&str) -> String) -> Vec<u8> {
        let text = signed(&self.next(), &[&self.planning]).text().to_owned();
        let text = format!("{}\n", edit(text.trim_end()));
        let signature = self.planning.sign_note(&text);
        match signature {
            Ok(signature) => format!("{text}\n{signature}\n").into_bytes(),
            // What cannot be signed as a note has some signature.
            Err(_) => format!("{text}\n{}\n", self.planning.sign_note("x\n").unwrap()).into_bytes(),
        }
    }

    fn relating(&self, rel: &str, index: u64, entry: &[u8]) -> Vec<u8> {
        self.by(&with(self.next(), "relates", relation(rel, index, entry)))
    }

    /// By an issuer that may issue anything and overrule nobody.
    fn by_other(&self, relates: Value) -> Vec<u8> {
        let statement = with(decision_of("other.example", "judgment", 1), "relates", relates);
        signed(&statement, &[&key("other.example", 21)]).to_bytes()
    }
}

/// A text that is in the log, with another signature.
fn again(desk: &Desk, by: &Key) -> Vec<u8> {
    let first = decision::statement::Statement::parse(&desk.first.1).unwrap();
    first.draft().sign(&[by]).unwrap().to_bytes()
}

/// Answered with the index that the text has.
const KNOWN: &str = "the index that it has";

/// What is sent, and how it is answered.
type Case = (&'static str, fn(&Desk) -> Vec<u8>, u16, &'static str);

const CASES: &[Case] = &[
    // It has to be the first, and the entry before it is the retirement.
    (
        "a key that retired itself in the entry before",
        |desk| signed(&desk.next(), &[&key("planning.example/old", 13)]).to_bytes(),
        403,
        "retired-key",
    ),
    ("the same text signed again, by another key", |desk| again(desk, &desk.second), 200, KNOWN),
    ("the same text signed again, by nobody's key", |desk| again(desk, &key("nobody.example", 99)), 200, KNOWN),
    ("any bytes", |_| b"{}".to_vec(), 400, "not-a-statement"),
    ("a note that is not JSON", |desk| desk.by_hand(|_| "hello".into()), 400, "malformed-json"),
    ("a list", |desk| desk.by_hand(|_| "[]".into()), 400, "not-an-object"),
    ("a statement for another log", |desk| desk.by(&with(desk.next(), "log", json!("other.example/log"))), 422, "other-log"),
    (
        "a foreign signature line",
        |desk| signed(&desk.next(), &[&desk.planning, &key("nobody.example", 99)]).to_bytes(),
        403,
        "unknown-signer",
    ),
    (
        "a second line of the same issuer",
        |desk| signed(&desk.next(), &[&desk.planning, &desk.second]).to_bytes(),
        403,
        "superfluous-signature",
    ),
    (
        "lines reordered",
        |desk| {
            let entry = signed(&desk.next(), &[&desk.planning, &desk.second]).to_string();
            let (text, lines) = entry.split_once("\n\n").unwrap();
            let lines: Vec<&str> = lines.lines().rev().collect();
            format!("{text}\n\n{}\n", lines.join("\n")).into_bytes()
        },
        400,
        "unsorted-signatures",
    ),
    (
        "a line twice",
        |desk| {
            let entry = signed(&desk.next(), &[&desk.planning]).to_string();
            format!("{entry}{}\n", entry.lines().last().unwrap()).into_bytes()
        },
        400,
        "signed-twice",
    ),
    ("no line", |desk| format!("{}\n", signed(&desk.next(), &[&desk.planning]).text()).into_bytes(), 400, "not-a-statement"),
    (
        "a signature of another text",
        |desk| {
            let (one, other) = (signed(&desk.next(), &[&desk.planning]), signed(&decision(desk.seq + 1), &[&desk.planning]));
            one.draft().with_signatures(other.signatures().to_vec()).unwrap().to_bytes()
        },
        403,
        "bad-signature",
    ),
    ("two lines of JSON", |desk| desk.by_hand(|line| format!("{line}\n{line}")), 400, "not-one-line"),
    ("a member twice", |desk| desk.by_hand(|line| line.replacen('{', "{\"decided\":\"2026-03-01\",", 1)), 400, "duplicate-member"),
    ("a space that canonical JSON has not", |desk| desk.by_hand(|line| line.replacen(':', ": ", 1)), 400, "not-canonical"),
    ("a control character", |desk| desk.by_hand(|line| line.replacen("roof", "ro\u{1}of", 1)), 400, "not-a-statement"),
    ("a control character, escaped", |desk| desk.by_hand(|line| line.replacen("roof", "ro\\u0001of", 1)), 400, "bad-field"),
    (
        "a number beyond exact integers",
        |desk| desk.by_hand(|line| line.replacen("\"seq\":", "\"seq\":9007199254740993", 1)),
        400,
        "inexact-number",
    ),
    (
        "a thousand brackets",
        |desk| desk.by_hand(|line| line.replacen("\"type\"", &format!("\"t\":{}{},\"type\"", "[".repeat(1000), "]".repeat(1000)), 1)),
        400,
        "too-deep",
    ),
    ("text that is not in its normal form", |desk| desk.by(&with(desk.next(), "subject", json!("A cafe\u{301}"))), 422, "not-nfc"),
    ("a right-to-left override", |desk| desk.by(&with(desk.next(), "subject", json!("A \u{202e}foor"))), 422, "bidirectional-override"),
    ("a letter that looks like another", |desk| desk.by(&with(desk.next(), "subject", json!("A r\u{43e}of"))), 422, "mixed-scripts"),
    ("a character that nobody sees", |desk| desk.by(&with(desk.next(), "subject", json!("A ro\u{200b}of"))), 422, "invisible-character"),
    (
        "an identifier with a letter that looks like another",
        |desk| desk.by_hand(|line| line.replacen("planning.example", "pl\u{430}nning.example", 1)),
        400,
        "bad-field",
    ),
    (
        "markup, which is text and is admitted",
        |_| {
            let markup = with(decision_of("other.example", "x", 2), "subject", json!("<script>alert('\u{e4}')</script>"));
            signed(&markup, &[&key("other.example", 21)]).to_bytes()
        },
        200,
        "",
    ),
    ("an unknown type", |desk| desk.by_hand(|line| line.replacen("\"decision\"", "\"verdict\"", 1)), 400, "unknown-type"),
    (
        "an issuer that is not registered",
        |_| signed(&decision_of("nobody.example", "planning.permit", 1), &[&key("nobody.example", 99)]).to_bytes(),
        403,
        "unregistered-issuer",
    ),
    (
        "an issuer that was retired",
        |_| signed(&decision_of("retired.example", "planning.permit", 1), &[&key("retired.example", 22)]).to_bytes(),
        403,
        "retired-issuer",
    ),
    (
        "a kind that the issuer may not issue",
        |desk| desk.by(&with(desk.next(), "kind", json!("procurement.award"))),
        403,
        "kind-not-allowed",
    ),
    ("a key that is in doubt", |desk| signed(&desk.next(), &[&key("planning.example/stolen", 12)]).to_bytes(), 403, "retired-key"),
    ("a key of another issuer", |desk| signed(&desk.next(), &[&key("court.example", 20)]).to_bytes(), 403, "unknown-signer"),
    ("number 0", |desk| desk.by_hand(|line| line.replacen(&format!("\"seq\":{}", desk.seq), "\"seq\":0", 1)), 400, "bad-field"),
    ("a number again", |desk| desk.by(&with(decision(1), "subject", json!("Another roof"))), 409, "number-used"),
    ("a number 10,001 ahead", |desk| desk.by(&decision(desk.seq + 10_000)), 422, "number-too-high"),
    (
        "a number after the close",
        |_| signed(&decision_of("closed.example", "planning.permit", 2), &[&key("closed.example", 24)]).to_bytes(),
        422,
        "series-closed",
    ),
    ("a close below what was used", |desk| desk.by(&with(annotation("close", 1), "seq", json!(3))), 409, "number-used"),
    (
        "an issuer over its quota",
        |_| signed(&decision_of("busy.example", "planning.permit", 21), &[&key("busy.example", 23)]).to_bytes(),
        429,
        "over-quota",
    ),
    (
        "a key without proof of possession",
        |desk| signed(&key_change("add", &key("planning.example/third", 30)), &[&desk.planning]).to_bytes(),
        403,
        "no-proof-of-possession",
    ),
    (
        "a key that retires another",
        |desk| signed(&key_change("retire", &desk.second), &[&desk.planning]).to_bytes(),
        403,
        "retires-another-key",
    ),
    (
        "a registration that one registrar of two has signed",
        |_| {
            let new = key("new.example", 31);
            signed(&registration("new.example", &[&new], &["*"]), &[&registrars()[0], &new]).to_bytes()
        },
        403,
        "too-few-registrars",
    ),
    ("an overruling without the right to", |desk| desk.by_other(relation("supersedes", desk.first.0, &desk.first.1)), 403, "not-overruled"),
    ("a relation to an index that is not there", |desk| desk.relating("refers", 1_000_000, b""), 422, "no-such-entry"),
    ("a relation with another leaf hash", |desk| desk.relating("corrects", desk.first.0, b"other"), 422, "other-entry"),
    ("another issuer's decision revoked", |desk| desk.by_other(relation("revokes", desk.first.0, &desk.first.1)), 403, "not-overruled"),
    ("another issuer's decision contested", |desk| desk.by_other(relation("appeals", desk.first.0, &desk.first.1)), 200, ""),
    ("a registration revoked", |desk| desk.relating("revokes", desk.registration.0, &desk.registration.1), 422, "not-a-decision"),
    ("a relation to itself", |desk| desk.relating("corrects", desk.index, b""), 422, "no-such-entry"),
    ("a second successor", |desk| desk.relating("supersedes", desk.corrected.0, &desk.corrected.1), 409, "has-successor"),
    ("a successor of a revoked decision", |desk| desk.relating("corrects", desk.revoked.0, &desk.revoked.1), 409, "revoked"),
    (
        "a decision's place taken twice by one statement",
        |desk| {
            let [one] = relation("corrects", desk.first.0, &desk.first.1).as_array().unwrap().clone().try_into().unwrap();
            desk.by_hand(|line| line.replacen("\"seq\"", &format!("\"relates\":[{one},{one}],\"seq\""), 1))
        },
        400,
        "related-twice",
    ),
    ("issued an hour ahead", |desk| desk.by(&with(desk.next(), "issued", json!(in_seconds(3600)))), 422, "issued-ahead"),
    (
        "a second charter",
        |_| {
            let statement = json!({"type": "charter", "log": ORIGIN, "issued": *ISSUED, "version": 1, "registrars": [vkey(&registrars()[0])],
            "threshold": 1, "admission": "open"});
            signed(&statement, &[&registrars()[0]]).to_bytes()
        },
        403,
        "unknown-signer",
    ),
    ("a field of another type", |desk| desk.by_hand(|line| line.replacen("\"granted\"", "7", 1)), 400, "bad-field"),
    ("nothing", |_| Vec::new(), 400, "empty-entry"),
    ("too much", |_| vec![b'x'; 65_536], 413, "entry-too-large"),
];

#[test]
fn whatever_must_not_be_in_the_log_is_refused_with_its_own_reason() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    init_statements(&dir);
    let config = home.path().join("acta-log.toml");
    std::fs::write(&config, "[admission]\nentries_per_issuer_per_day = 20\n").unwrap();
    let server = Server::start(&dir, &["--config", config.to_str().unwrap()]);
    let mut desk = Desk::open(&server);
    let busy: Vec<Vec<u8>> =
        (1..=20).map(|seq| signed(&decision_of("busy.example", "x", seq), &[&key("busy.example", 23)]).to_bytes()).collect();
    let told = desk.connection.request("POST", "/add-batch", &batch(&busy)).unwrap();
    assert!(told.text().lines().all(|line| line.parse::<u64>().is_ok()), "{}", told.text());

    for (name, make, status, problem) in CASES {
        let before = size(&mut desk.connection);
        desk.index = before;
        let entry = make(&desk);
        let answer = desk.connection.request("POST", "/add", &entry).unwrap();
        if *problem == KNOWN {
            assert_eq!((answer.status, answer.text().trim_end()), (*status, &*desk.first.0.to_string()), "{name}");
            assert_eq!(size(&mut desk.connection), before, "{name}: it uses no index");
            continue;
        }
        assert_eq!(outcome(&answer), (*status, (*problem).to_owned()), "{name}: {}", answer.text());
        assert_eq!(size(&mut desk.connection), before + u64::from(*status == 200), "{name}: what is refused uses no index");
        if *status == 409 {
            let told: Value = serde_json::from_slice(&answer.body).unwrap();
            assert!(told["index"].as_u64().is_some_and(|index| index < before), "{name}: {told}");
        }
        if *status == 413 {
            continue;
        }
        // in a batch it is the name alone
        let in_batch = desk.connection.request("POST", "/add-batch", &batch(&[entry])).unwrap();
        let told = if *status == 200 { answer.text().trim_end() } else { problem };
        assert_eq!(in_batch.text().trim_end(), told, "{name}");
    }
}
