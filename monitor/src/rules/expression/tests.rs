#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::worker::Worker;
use super::*;
use crate::fixture::decision;

fn subject(members: Json) -> Subject {
    Subject { statement: decision(members), log: "log.example".into(), index: 7, published: "2026-04-01T12:00:00Z".into(), refused: false }
}

fn apply(source: &str, members: Json) -> Verdict {
    let expression = Expression::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    Worker::new(vec![expression]).apply(subject(members)).remove(0)
}

fn refused(source: &str) -> String {
    Expression::parse(source).expect_err(source).to_string()
}

#[test]
fn rules_look_at_all_that_a_statement_says() {
    let members = json!({"amount": {"value": "1240000.50", "currency": "EUR"}, "subject": "Façade en chêne", "decided": "2026-03-01",
        "parties": [{"role": "applicant", "name": "A Ltd"}, {"role": "agent", "id": "GB-1"}],
        "place": {"point": {"type": "Point", "coordinates": [-4.5, 54]}}, "data": {"schema": "x", "big": 1e300, "deep": {"list": [1, 2.5, "a", null]}}});
    for source in [
        "statement.type == 'decision'",
        "statement.kind.startsWith('planning.')",
        "number(statement.amount.value) > 1240000.0",
        "double(statement.amount.value) > 1240000",
        "number(statement.amount.value) >= 1240000.5 && statement.amount.currency in ['EUR', 'USD']",
        "plain(statement.subject).contains('facade')",
        "day(published) - day(statement.decided) == 31",
        "weekday(statement.decided) == 7",
        "statement.seq == 1 && index == 7 && log == 'log.example' && !refused",
        "!has(statement.unit) && has(statement.place.point)",
        "statement.parties.exists(p, has(p.name) && p.name.endsWith('Ltd'))",
        "statement.parties.all(p, has(p.name) || has(p.id))",
        "statement.parties.exists_one(p, p.role == 'agent')",
        "size(statement.parties.filter(p, has(p.id))) == 1 && statement.parties.filter(p, has(p.id))[0].id == 'GB-1'",
        "statement.parties.map(p, p.role) == ['applicant', 'agent']",
        "statement.place.point.coordinates[1] > 53.9 && statement.place.point.coordinates[1] == 54.0",
        "statement.data.deep.list[1] == 2.5 && statement.data.deep.list[3] == null && statement.data.big > 1.0",
        "statement['data']['schema'] == 'x' && type(statement.seq) == int",
        "'parties' in statement && size(statement.subject) == 15",
        "statement.issued < published",
    ] {
        assert_eq!(apply(source, members.clone()), Verdict::True, "{source}");
    }
}

#[test]
fn what_an_entry_does_not_have_makes_a_rule_untrue_and_not_fail() {
    for source in [
        "statement.amount.value == '1'",
        "number(statement.amount.value) > 1.0",
        "statement.data.tender.value.amount > 5",
        "statement['no such thing'] == 1",
        "statement.parties[3].role == 'x'",
        "!(statement.unit == 'x')",
        "statement.parties.all(p, p.name == 'x')",
        "size(statement.documents) == 0",
        "false",
    ] {
        let members = json!({"parties": [{"role": "applicant"}], "data": {"schema": "x"}});
        assert_eq!(apply(source, members), Verdict::False, "{source}");
    }
}

#[test]
fn what_cannot_be_applied_says_why() {
    for (source, why) in [
        ("statement.seq", "gives a number instead of true or false"),
        ("statement.subject", "gives a text"),
        ("statement.seq > 'a'", "'_>_' applied to '(int, string)'"),
        ("number(statement.subject) > 1.0", "the text is not a number"),
        ("number('inf') > 1.0", "the text is not a number"),
        ("day(statement.subject) > 1", "neither a date nor a time"),
        ("day('2026-02-30') > 1", "neither a date nor a time"),
        ("day('2026-03-01x') > 1", "neither a date nor a time"),
        ("weekday('é2026-03-01') > 1", "neither a date nor a time"),
        ("1 / (statement.seq - 1) > 0", "Division by zero"),
        ("9223372036854775807 + statement.seq > 0", "Overflow"),
        ("statement.subject.contains(statement.seq)", "no matching overload"),
    ] {
        match apply(source, json!({})) {
            Verdict::Failed(said) => assert!(said.contains(why), "{source}: {said}"),
            other => panic!("{source}: {other:?}"),
        }
    }
    // What a stranger wrote does not come out again as it was.
    let Verdict::Failed(said) = apply("statement.data.x + 1 > 0", json!({"data": {"schema": "x", "x": "\u{202e}".repeat(3000)}})) else {
        panic!()
    };
    assert!(said.len() < 3000 && !said.contains('\u{202e}'), "{said}");
}

#[test]
fn names_that_are_not_there_are_told_with_those_that_are() {
    for (source, says) in [
        (
            "statment.kind == 'x'",
            "column 1: there is no variable `statment` (perhaps `statement`); there are statement, log, index, published, refused",
        ),
        ("statement.ammount.value == '1'", "a statement has no field `ammount` (perhaps `amount`); it has type, log"),
        ("statement.amount.vlaue == '1'", "an amount has no field `vlaue` (perhaps `value`); it has value, currency"),
        ("statement.parties.exists(p, p.nmae == 'x')", "a party has no field `nmae` (perhaps `name`); it has role, name, id"),
        ("statement.parties[0].nmae == 'x'", "a party has no field `nmae`"),
        ("statement.parties.filter(p, has(p.id))[0].nmae == 'x'", "a party has no field `nmae`"),
        ("statement['place'].adress == 'x'", "a place has no field `adress`"),
        ("has(statement.plaice)", "no field `plaice`"),
        ("lower(statement.subject) == 'x'", "there is no function `lower`; there are number, plain, day"),
        ("statement.subject.matches('x')", "there is no function `matches`"),
        ("statement.parties.exists(p, true) && p.name == 'x'", "there is no variable `p`"),
        ("optional.of(1).hasValue()", "there is no variable `optional`"),
    ] {
        let said = refused(source);
        assert!(said.contains(says), "{source}: {said}");
    }
    assert!(refused("true && lower(statement.subject) == 'x'").starts_with("at column "), "{}", refused("true && lower('x') == 'x'"));
    for fine in
        ["statement.parties.exists(statement, statement.role == 'x')", "statement['ammount'] == 1", "statement.data.whatever.it == 1"]
    {
        assert!(Expression::parse(fine).is_ok(), "{fine}");
    }
}

#[test]
fn what_is_no_expression_is_refused_with_its_place() {
    assert_eq!(Expression::parse("  ").unwrap_err(), ExpressionError::Empty);
    assert_eq!(Expression::parse(&"1".repeat(5000)).unwrap_err(), ExpressionError::TooLong);
    for (source, at) in [("statement.kind = 'x'", (1, 16)), ("true &&\n  && false", (2, 3)), ("statement.kind == 'x", (1, 19))] {
        match Expression::parse(source) {
            Err(ExpressionError::Syntax { line, column, .. }) => assert_eq!((line, column), at, "{source}"),
            other => panic!("{source}: {other:?}"),
        }
    }
    assert_eq!(Expression::parse("a.b.C{d: 1} == 2").err(), Some(ExpressionError::Unbounded("a structure")));
}

/// Everything that a rule's writer or a fuzzer might come up with: read or refused, and in time.
#[test]
fn no_text_brings_the_parser_down() {
    let n = MAX_EXPRESSION;
    let mut corpus =
        vec!["(".repeat(n), "[".repeat(n), "{".repeat(n), "!".repeat(n), "-".repeat(n), ")".repeat(n), "'".repeat(n), "`".repeat(n)];
    corpus.extend([
        "\\".repeat(n),
        "\0".repeat(n),
        "?".repeat(n),
        ".".repeat(n),
        "\u{202e}".repeat(n / 3),
        "\"\\".repeat(n / 2),
        "a.".repeat(n / 2),
    ]);
    corpus.push(format!("{}1{}", "(".repeat(n / 2 - 1), ")".repeat(n / 2 - 1)));
    corpus.push(format!("{}1{}", "[".repeat(n / 2 - 1), "]".repeat(n / 2 - 1)));
    corpus.push(format!("1{}", "+1".repeat(n / 2 - 1)));
    corpus.push(format!("true{}", "&&true".repeat(n / 6 - 1)));
    corpus.push(format!("true{}", "?true:true".repeat(n / 10 - 1)));
    corpus.push(format!("statement{}", "[0]".repeat(n / 3 - 10)));
    corpus.push(format!("{}true{}", "[1].all(x,".repeat(150), ")".repeat(150)));
    corpus.push(format!("{}true{}", "[1].map(x,".repeat(60), ")".repeat(60)));
    corpus.push(format!("1{}", "+1".repeat(240)));
    corpus.push(format!("{}true{}", "[1].all(x,".repeat(40), ")".repeat(40)));
    corpus.push(format!("{}1{} == []", "[".repeat(90), "]".repeat(90)));
    corpus.push(format!("!{}statement.seq==1", "!".repeat(501)));
    let pieces = [
        "statement",
        ".",
        "kind",
        "==",
        "'",
        "\"",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "has(",
        ".all(x,",
        "&&",
        "||",
        "!",
        "1u",
        "1e999",
        "\\u",
        "b'",
        "in",
        "?",
        ":",
        ",",
        "@pay(",
        "\n",
        "r'''",
        "🦀",
        "__result__",
        "@result",
    ];
    let mut state = 0x2026_1126_u64;
    for _ in 0..300 {
        let mut text = String::new();
        for _ in 0..20 {
            // SPEC: xorshift64 (Marsaglia 2003); the seed stands above.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.push_str(pieces[usize::try_from(state % u64::try_from(pieces.len()).unwrap()).unwrap()]);
        }
        corpus.push(text);
    }
    for text in corpus {
        let started = Instant::now();
        if let Ok(expression) = Expression::parse(&text) {
            Worker::new(vec![expression]).apply(subject(json!({})));
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{} took {:?}", &text[..text.floor_char_boundary(40)], started.elapsed());
    }
}

/// A statement of nearly the largest size, made to be costly.
fn costly() -> Json {
    with_parties(256)
}

fn with_parties(count: u32) -> Json {
    let parties: Vec<_> = (0..count).map(|number| json!({"role": "applicant", "name": format!("{number:0>150}")})).collect();
    json!({"parties": parties, "data": {"schema": "x", "list": vec![0; 5000]}})
}

#[test]
fn a_rule_that_is_too_costly_is_stopped_and_says_so() {
    let list = "statement.data.list";
    for source in [
        format!("{list}.all(a, {list}.all(b, {list}.all(c, a == b || b == c || true)))"),
        format!("{list}.map(a, {list}.map(b, [a, b])) == []"),
        "statement.parties.all(p, statement.parties.all(q, statement.parties == statement.parties && p.name != q.role))".into(),
        // Doubled again and again: it would not fit into any memory.
        format!("['0123456789abcdef']{}[0].contains('x')", ".map(x, x + x + x + x)".repeat(60)),
        format!("[[0]]{}.size() == 1", ".map(x, [x, x, x, x])".repeat(60)),
        format!("[{{'a': 1}}]{}.size() == 1", ".map(x, {'a': x, 'b': x, 'c': x})".repeat(60)),
        // An error that `||` would swallow.
        format!("{list}.all(a, {list}.all(b, a == b)) || {list}.exists(a, {list}.all(b, {list}.all(c, b == c))) || true"),
        format!("!{list}.exists(a, {list}.exists(b, {list}.exists(c, a + b + c == 1)))"),
        format!("{list}.exists_one(a, {list}.exists_one(b, {list}.exists_one(c, a + b + c == 1)))"),
        format!("{list}.filter(a, size({list}.filter(b, size({list}.filter(c, c == a)) == 1)) == 1).size() == 1"),
    ] {
        let expression = Expression::parse(&source).unwrap_or_else(|error| panic!("{source}: {error}"));
        let worker = Worker::new(vec![expression, Expression::parse("statement.seq == 1").unwrap()]);
        let started = Instant::now();
        let verdicts = worker.apply(subject(costly()));
        let took = started.elapsed();
        assert!(matches!(&verdicts[0], Verdict::Failed(why) if why.contains("too costly")), "{source}: {:?}", verdicts[0]);
        assert_eq!(verdicts[1], Verdict::True, "the next rule is not touched");
        assert!(took < Duration::from_secs(5), "{source} took {took:?}");
    }
}

#[test]
fn rules_that_people_write_are_not_too_costly_even_for_the_largest_statement() {
    for source in [
        "statement.parties.exists(p, plain(p.name).contains('facade') || p.role == 'agent')",
        "size(statement.parties.filter(p, p.role == 'agent')) > 3",
        "statement.data.list.exists(x, x > 3)",
    ] {
        assert_eq!(apply(source, costly()), Verdict::False, "{source}");
    }
    let pairs = "statement.parties.exists(p, size(statement.parties.filter(q, has(q.id) && q.id == p.role)) > 1)";
    assert_eq!(apply(pairs, with_parties(80)), Verdict::False);
}
