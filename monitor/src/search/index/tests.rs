#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::search::{Order, Page, Query, Settings};
use crate::store::Store;
use crate::stored_log::{self, StoredLog};

/// An index over a store.
struct Bed {
    dir: TempDir,
    store: Arc<Store>,
    writer: Option<Writer>,
}

impl Bed {
    fn new() -> Self {
        let (dir, store) = stored_log::store();
        let mut bed = Bed { dir, store, writer: None };
        bed.reopen();
        bed
    }

    fn reopen(&mut self) {
        self.writer = None;
        self.writer = Some(Writer::open(&self.dir.path().join("search"), Settings::default(), &self.store).unwrap());
    }

    fn catch_up(&mut self) -> u64 {
        self.writer.as_mut().unwrap().catch_up(&self.store, || false, |_| {}).unwrap()
    }

    /// The indexes of hits in the first log, in their order.
    fn find(&self, query: &str) -> Vec<u64> {
        let mut hits = self.places(query, Order::Newest);
        hits.sort_unstable();
        hits.into_iter().map(|place| place.index.as_u64()).collect()
    }

    fn places(&self, query: &str, order: Order) -> Vec<Place> {
        let found = self.writer.as_ref().unwrap().reader().find(&Query::parse(query).unwrap(), order, Page { offset: 0, limit: 1000 });
        let found = found.unwrap();
        assert_eq!(usize::try_from(found.count.number).unwrap(), found.places.len(), "{query}");
        assert!(found.count.is_exact);
        found.places
    }
}

#[test]
fn a_place_is_one_number_and_back() {
    for (log, index) in [(0, 0), (7, 42), ((1 << 24) - 1, (1 << 40) - 1)] {
        let place = Place { log, index: LeafIndex::new(index) };
        assert_eq!(place.pack().map(Place::unpack), Some(place));
    }
    assert_eq!(Place { log: 1 << 24, index: LeafIndex::new(0) }.pack(), None);
    assert_eq!(Place { log: 0, index: LeafIndex::new(1 << 40) }.pack(), None);
}

#[test]
fn entries_are_found_by_words_fields_and_ranges() {
    let mut bed = Bed::new();
    let mut log = StoredLog::new(&bed.store, "log.example");
    log.decide(1, json!({"subject": "Neues Dach für das Haus Döhle", "lang": "de-CH", "legal_basis": ["Town Planning Act 1999"]}));
    log.decide(
        2,
        json!({"kind": "planning.permit.minor", "decided": "2025-12-31", "unit": "Committee A", "parties": [{"role": "applicant",
        "name": "Ballacraine Farm Ltd"}], "place": {"address": "Quay 13/45"}, "amount": {"value": "10000.50", "currency": "GBP"}}),
    );
    log.decide(3, json!({"issuer": "harbour.example", "kind": "procurement.award", "amount": {"value": "-3", "currency": "EUR"}}));
    log.annotate(4, json!({"text": "Read the roof plan again"}));
    log.push(b"no statement".to_vec());
    log.store();
    assert_eq!(bed.catch_up(), 8);
    for (query, expected) in [
        ("", vec![0, 1, 2, 3, 4, 5, 6]),
        ("doehle", vec![]),
        ("DOHLE", vec![3]),
        ("döhle dach", vec![3]),
        ("\"dach für\"", vec![3]),
        ("\"für dach\"", vec![]),
        ("roof", vec![4, 5, 6]),
        ("roof -type:annotation", vec![4, 5]),
        ("-type:annotation -type:decision", vec![0, 1, 2]),
        ("kind:planning.permit", vec![3]),
        ("kind:planning.*", vec![3, 4]),
        ("kind:planning.permit.*", vec![4]),
        ("kind:*", vec![3, 4, 5, 6]),
        ("issuer:harbour.example", vec![2, 5]),
        ("harbour.example", vec![2, 5]),
        ("\"harbour office\"", vec![2]),
        ("party:ballacraine", vec![4]),
        ("subject:ballacraine", vec![]),
        ("place:13/45", vec![4]),
        ("unit:committee", vec![4]),
        ("basis:\"planning act\"", vec![3]),
        ("outcome:granted series:2026 number:..2", vec![3, 4]),
        ("amount:10000.50", vec![4]),
        ("amount:>10000.50", vec![]),
        ("amount:<0 currency:eur", vec![5]),
        ("amount:>=-3", vec![4, 5]),
        ("decided:2025", vec![4]),
        ("decided:>2025", vec![3, 5]),
        ("issued:2026-03-01T09:30:00Z type:annotation", vec![6]),
        ("issued:<2026-03-01", vec![]),
        ("published:2026-03-02 type:annotation", vec![6]),
        ("published:<2026-03-02", vec![]),
        ("lang:de", vec![3]),
        ("lang:de-ch", vec![3]),
        ("log:log.example type:charter", vec![0]),
        ("log:other.example", vec![]),
        ("status:in-force", vec![3, 4, 5]),
        (&"x".repeat(100), vec![]),
    ] {
        assert_eq!(bed.find(query), expected, "{query}");
    }
}

#[test]
fn how_a_decision_stands_follows_later_entries() {
    let mut bed = Bed::new();
    let mut log = StoredLog::new(&bed.store, "log.example");
    let permit = log.decide(1, json!({}));
    let other = log.decide(2, json!({}));
    log.store();
    bed.catch_up();
    assert_eq!(bed.find("status:in-force"), [permit, other]);
    let relates = log.relates("revokes", permit);
    let revocation = log.decide(3, json!({"outcome": "revoked", "relates": relates}));
    // Refused: the chain would have two ends.
    let relates = log.relates("supersedes", permit);
    let second = log.decide(4, json!({"relates": relates}));
    log.store();
    bed.catch_up();
    assert_eq!(bed.find("status:in-force"), [other, revocation]);
    assert_eq!(bed.find("status:revoked"), [permit]);
    assert_eq!(bed.find("status:refused"), [second]);
    assert_eq!(bed.find("type:decision"), [permit, other, revocation, second], "each is there once");
    // And when all of it is indexed in one go.
    std::fs::remove_dir_all(bed.dir.path().join("search")).unwrap();
    bed.reopen();
    bed.catch_up();
    assert_eq!((bed.find("status:in-force"), bed.find("status:revoked")), (vec![other, revocation], vec![permit]));
    assert_eq!(bed.find("type:decision").len(), 4);
}

#[test]
fn a_kill_before_the_commit_loses_and_doubles_nothing() {
    let mut bed = Bed::new();
    let mut log = StoredLog::new(&bed.store, "log.example");
    for seq in 1..=600 {
        log.decide(seq, json!({"subject": format!("Roof {seq}")}));
    }
    log.store();
    // Added, and gone with the process.
    let stop = std::cell::Cell::new(0);
    let stopped = bed.writer.as_mut().unwrap().catch_up(
        &bed.store,
        || {
            stop.set(stop.get() + 1);
            stop.get() > 2
        },
        |_| panic!("nothing is committed"),
    );
    assert_eq!(stopped.unwrap(), 512);
    bed.reopen();
    assert_eq!((bed.find("roof").len(), bed.catch_up()), (0, 603));
    assert_eq!((bed.find("roof").len(), bed.find("\"roof 599\""), bed.find("").len()), (600, vec![601], 603));
    bed.reopen();
    assert_eq!((bed.catch_up(), bed.find("roof").len()), (0, 600));
}

#[test]
fn an_index_of_another_store_or_a_broken_one_is_made_anew() {
    let mut bed = Bed::new();
    let mut log = StoredLog::new(&bed.store, "log.example");
    log.decide(1, json!({}));
    log.store();
    assert_eq!((bed.catch_up(), bed.find("roof")), (4, vec![3]));
    // The same directory, and a store in which the first log is another one.
    let (_other_dir, other) = stored_log::store();
    bed.store = other;
    let mut log = StoredLog::new(&bed.store, "other.example");
    log.decide(1, json!({"subject": "A quay"}));
    log.decide(2, json!({"subject": "A quay"}));
    log.store();
    bed.reopen();
    assert_eq!((bed.catch_up(), bed.find("roof"), bed.find("quay")), (5, vec![], vec![3, 4]));
    bed.writer = None;
    for damage in ["", "{}", "\u{0}"] {
        std::fs::write(bed.dir.path().join("search/meta.json"), damage).unwrap();
        bed.reopen();
        assert_eq!((bed.catch_up(), bed.find("quay")), (5, vec![3, 4]), "{damage:?}");
    }
}

#[test]
fn pages_follow_each_other_and_the_order_is_as_asked() {
    let mut bed = Bed::new();
    let mut log = StoredLog::new(&bed.store, "log.example");
    for seq in 1..=9 {
        let subject = format!("A roof {}", "roof ".repeat(usize::try_from(seq).unwrap()).trim_end());
        log.decide(seq, json!({"subject": subject, "issued": format!("2026-03-0{seq}T09:30:00Z")}));
    }
    log.store();
    bed.catch_up();
    let page = |order, offset, limit| -> Vec<u64> {
        let query = Query::parse("roof").unwrap();
        let found = bed.writer.as_ref().unwrap().reader().find(&query, order, Page { offset, limit }).unwrap();
        assert_eq!((found.count.number, found.count.is_exact), (9, true));
        found.places.iter().map(|place| place.index.as_u64()).collect()
    };
    assert_eq!(page(Order::Newest, 0, 3), [11, 10, 9]);
    assert_eq!(page(Order::Newest, 3, 3), [8, 7, 6]);
    assert_eq!(page(Order::Oldest, 0, 2), [3, 4]);
    assert!(page(Order::Newest, 9, 3).is_empty());
    assert_eq!(page(Order::Relevance, 0, 1), [11]);
}
