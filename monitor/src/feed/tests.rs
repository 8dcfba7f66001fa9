#![allow(clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;
use quick_xml::Reader;

use super::*;
use crate::alert::fixture::{World, at};
use crate::check::Outcome;
use crate::finding::{Code, Raised};

/// An element with its path, its attributes, and the text in it.
type Element = (String, Vec<(String, String)>, String);

/// What an XML parser makes of a feed.
fn parse(xml: &[u8]) -> Vec<Element> {
    let text = std::str::from_utf8(xml).unwrap();
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let (mut path, mut found, mut open): (Vec<String>, Vec<Element>, Vec<usize>) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let event = reader.read_event().unwrap();
        match &event {
            Event::Start(start) | Event::Empty(start) => {
                path.push(start.name().as_ref().to_owned());
                let attributes = start.attributes().map(Result::unwrap);
                let attribute = |attribute: quick_xml::events::attributes::Attribute<'_>| {
                    (attribute.key.as_ref().to_owned(), quick_xml::escape::unescape(&attribute.value).unwrap().into_owned())
                };
                found.push((path.join("/"), attributes.map(attribute).collect(), String::new()));
                open.push(found.len() - 1);
                if matches!(event, Event::Empty(_)) {
                    path.pop();
                    open.pop();
                }
            }
            Event::Text(text) => {
                if let Some(open) = open.last() {
                    found[*open].2.push_str(&text.xml10_content());
                }
            }
            Event::GeneralRef(reference) => {
                let name = reference.xml10_content();
                let text = quick_xml::escape::unescape(&format!("&{name};")).unwrap().into_owned();
                found[*open.last().unwrap()].2.push_str(&text);
            }
            Event::End(_) => {
                path.pop();
                open.pop();
            }
            Event::Eof => break,
            Event::Decl(_) => {}
            other => panic!("a feed has nothing of the kind: {other:?}"),
        }
    }
    assert!(path.is_empty());
    found
}

fn texts<'a>(elements: &'a [Element], path: &str) -> Vec<&'a str> {
    elements.iter().filter(|element| element.0 == path).map(|element| element.2.as_str()).collect()
}

/// SPEC: RFC 4287 §4.1.1, §4.1.2, §3.3
fn assert_is_atom(elements: &[Element], entries: usize) {
    assert_eq!(elements[0].0, "feed");
    assert_eq!(elements[0].1, [("xmlns".to_owned(), "http://www.w3.org/2005/Atom".to_owned())]);
    for one in ["feed/id", "feed/title", "feed/updated", "feed/author/name"] {
        assert_eq!(texts(elements, one).len(), 1, "{one}");
    }
    for each in ["feed/entry/id", "feed/entry/title", "feed/entry/updated", "feed/entry/content"] {
        assert_eq!(texts(elements, each).len(), entries, "{each}");
    }
    for time in texts(elements, "feed/updated").into_iter().chain(texts(elements, "feed/entry/updated")) {
        time.parse::<Timestamp>().unwrap();
    }
    let mut ids = texts(elements, "feed/entry/id");
    assert!(ids.iter().chain(&texts(elements, "feed/id")).all(|id| id.starts_with("urn:uuid:") && id.len() == 45), "{ids:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), entries, "each entry has an id of its own");
    assert!(elements.iter().filter(|element| element.0.ends_with("/content")).all(|content| content.1[0].1 == "text"));
}

#[test]
fn the_feed_has_the_newest_alerts_first_and_an_alert_that_comes_again_is_new() {
    let url = Url::parse("https://monitor.example/acta/").unwrap();
    let mut world = World::new(&[], 20);
    let elements = parse(&atom(&world.store, &world.mutes, None, at(0)).unwrap());
    assert_is_atom(&elements, 0);
    world.raise(10, &Code::GAP, "x.example", ["2026/1"]);
    world.group(10);
    world.raise(20, &Code::LOG_STALE, "", ["log"]);
    world.group(20);
    let elements = parse(&atom(&world.store, &world.mutes, Some(&url), at(20)).unwrap());
    assert_is_atom(&elements, 2);
    assert_eq!(texts(&elements, "feed/updated"), ["1970-01-01T00:00:20Z"]);
    assert!(texts(&elements, "feed/entry/title")[0].starts_with("warning: The log's head is old (log.example/1)"));
    let link = elements.iter().find(|element| element.0 == "feed/link").unwrap();
    assert_eq!(link.1[1].1, "https://monitor.example/acta/feed.atom");
    let link = elements.iter().rfind(|element| element.0 == "feed/entry/link").unwrap();
    assert_eq!(link.1[1].1, "https://monitor.example/acta/api/v1/findings?log=log.example%2F1&code=process.gap&issuer=x.example");
    let before = texts(&elements, "feed/entry/id")[1].to_owned();
    world.clear(200, &Code::GAP, ["2026/1"]);
    world.group(200);
    let elements = parse(&atom(&world.store, &world.mutes, None, at(200)).unwrap());
    assert_eq!(texts(&elements, "feed/entry/id")[0], before, "the same alert, with news");
    assert!(texts(&elements, "feed/entry/title")[0].starts_with("resolved: "));
    world.raise(400, &Code::GAP, "x.example", ["2026/1"]);
    world.group(400);
    let elements = parse(&atom(&world.store, &world.mutes, None, at(400)).unwrap());
    assert_ne!(texts(&elements, "feed/entry/id")[0], before);
}

#[test]
fn the_feed_is_bounded() {
    let mut world = World::new(&[], 20);
    let mut outcome = Outcome::default();
    let long = "ä".repeat(5000);
    (0..300).for_each(|number| outcome.raise(Raised::new(Code::GAP, format!("{number}{long}"), format!("{number}"), &long)));
    world.record(0, outcome);
    world.group(0);
    let xml = atom(&world.store, &world.mutes, None, at(0)).unwrap();
    assert_is_atom(&parse(&xml), ENTRIES);
    assert!(xml.len() < ENTRIES * 4000, "{}", xml.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_strangers_wrote_is_text(
        group in any::<String>(),
        text in "(\\PC|[\\x00-\\x1f<>&\"'\\]\u{202e}\u{2028}\u{fffe}\u{ffff}]){0,80}",
        subject in any::<String>(),
    ) {
        let mut world = World::new(&[], 20);
        let mut outcome = Outcome::default();
        outcome.raise(Raised::new(Code::GAP, &group, &subject, format!("{text}]]><script>&lt;")));
        world.record(0, outcome);
        world.group(0);
        let xml = atom(&world.store, &world.mutes, None, at(0)).unwrap();
        let elements = parse(&xml);
        assert_is_atom(&elements, 1);
        let content = texts(&elements, "feed/entry/content")[0];
        prop_assert!(content.contains(&inert(&format!("{text}]]><script>&lt;"), TEXT)), "{content:?}");
        // SPEC: XML 1.0 §2.2
        let allowed = |c: char| matches!(c, '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        prop_assert!(std::str::from_utf8(&xml).unwrap().chars().all(allowed));
    }
}
