//! The description of `/api/v1/` and what the server does, held against each other in both directions: each path, status, parameter and
//! field that is described is there, and nothing else is.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use serving::limits::Limit;

use super::*;
use crate::store::{Family, StoreError};

fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

/// What the document says of the answers to one path.
struct Operation {
    document: Value,
    path: &'static str,
}

impl Operation {
    /// Checks an answer against its description, and takes note of what it shows.
    fn check(&self, reply: &Reply, seen: &mut Seen) {
        let responses = &self.document["paths"][self.path]["get"]["responses"];
        let status = reply.status.to_string();
        let response = responses.get(&status).unwrap_or_else(|| panic!("{} is not described for {}: {}", status, self.path, reply.text()));
        seen.statuses.insert((self.path.to_owned(), status));
        let Some(content) = response.get("content") else {
            assert!(reply.body.is_empty());
            return;
        };
        let schema = &content[&reply.headers["content-type"]]["schema"];
        assert!(schema.is_object(), "{}: {} {content}", self.path, reply.headers["content-type"]);
        let body = reply.json();
        if let Err(error) = fits(&self.document, schema, &body) {
            panic!("{}: {error}\n{body}", self.path);
        }
        seen.fields(&self.document, schema, &body);
    }
}

/// Whether a value is as a schema says. Keywords that are not known here are mistakes, so that nothing is described in vain.
fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    for (keyword, says) in schema.as_object().unwrap() {
        let fine = match keyword.as_str() {
            "description" | "format" | "default" => true,
            "$ref" => {
                let name = says.as_str().unwrap().strip_prefix("#/components/schemas/").unwrap();
                fits(document, &document["components"]["schemas"][name], value)?;
                true
            }
            "anyOf" => says.as_array().unwrap().iter().any(|schema| fits(document, schema, value).is_ok()),
            "type" => says.as_array().unwrap_or(&vec![says.clone()]).iter().any(|name| has_type(name.as_str().unwrap(), value)),
            "enum" => says.as_array().unwrap().contains(value),
            "minimum" => value.is_null() || value.as_u64().is_some_and(|value| value >= says.as_u64().unwrap()),
            "pattern" => matches_pattern(says.as_str().unwrap(), value.as_str().unwrap_or_default()),
            "required" => says.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "items" => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                items.iter().try_for_each(|item| fits(document, says, item))?;
                true
            }
            "properties" => {
                let there = says.as_object().unwrap().iter().filter_map(|(name, schema)| Some((name, schema, value.get(name)?)));
                for (name, schema, value) in there {
                    fits(document, schema, value).map_err(|error| format!("{name}: {error}"))?;
                }
                true
            }
            "additionalProperties" => {
                let known = |name: &String| schema["properties"].get(name).is_some();
                let mut others = value.as_object().into_iter().flatten().filter(|(name, _)| !known(name));
                match says {
                    Value::Bool(false) => others.next().is_none(),
                    says => others.all(|(_, value)| fits(document, says, value).is_ok()),
                }
            }
            _ => return Err(format!("the keyword {keyword} is not known here")),
        };
        if !fine {
            return Err(format!("{value} is not as {keyword} says: {says}"));
        }
    }
    Ok(())
}

fn has_type(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}

/// The patterns that the document has.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let hex = |len| text.len() == len && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    match pattern {
        "^[0-9a-f]{64}$" => hex(64),
        "^[0-9a-f]{32}$" => hex(32),
        "^urn:acta:problem:[a-z-]+$" => text
            .strip_prefix("urn:acta:problem:")
            .is_some_and(|name| !name.is_empty() && name.bytes().all(|c| matches!(c, b'a'..=b'z' | b'-'))),
        _ => panic!("the pattern {pattern} is not known here"),
    }
}

#[test]
fn a_value_that_is_not_as_described_is_seen() {
    let document = document();
    let count = |value: Value| fits(&document, &json!({"$ref": "#/components/schemas/Count"}), &value);
    assert_eq!(count(json!({"number": 1, "exact": true})), Ok(()));
    for wrong in [
        json!({"number": -1, "exact": true}),
        json!({"number": 1}),
        json!({"number": 1, "exact": "true"}),
        json!({"number": 1, "exact": true, "more": 1}),
        json!([]),
        json!(null),
    ] {
        assert!(count(wrong.clone()).is_err(), "{wrong}");
    }
}

#[derive(Default)]
struct Seen {
    statuses: BTreeSet<(String, String)>,
    fields: BTreeSet<(String, String)>,
}

impl Seen {
    /// Takes note of the fields that are there and say something.
    fn fields(&mut self, document: &Value, schema: &Value, value: &Value) {
        if value.is_null() {
            return;
        }
        if let Some(all) = schema.get("anyOf") {
            self.fields(document, &all[0], value);
        } else if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let name = name.rsplit('/').next().unwrap();
            let schema = &document["components"]["schemas"][name];
            for (field, of_field) in schema["properties"].as_object().unwrap() {
                if let Some(value) = value.get(field).filter(|value| !value.is_null()) {
                    self.fields.insert((name.to_owned(), field.clone()));
                    self.fields(document, of_field, value);
                }
            }
        } else if let Some(items) = schema.get("items") {
            value.as_array().unwrap().iter().for_each(|value| self.fields(document, items, value));
        }
    }
}

fn described() -> Seen {
    let document = document();
    let mut all = Seen::default();
    for (path, operations) in document["paths"].as_object().unwrap() {
        assert_eq!(operations.as_object().unwrap().keys().collect::<Vec<_>>(), ["get"], "{path}");
        let statuses = operations["get"]["responses"].as_object().unwrap();
        all.statuses.extend(statuses.keys().map(|status| (path.clone(), status.clone())));
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert_eq!(schema["additionalProperties"], false, "{name} may have nothing that is not described");
        all.fields.extend(schema["properties"].as_object().unwrap().keys().map(|field| (name.clone(), field.clone())));
    }
    all
}

/// Each path with an address that is answered, and one that is not found if there is such.
fn addresses(hash: &Hash, finding: &str) -> Vec<(&'static str, String, Option<String>)> {
    let unknown = Hash::sha256(b"other.example");
    vec![
        ("/api/v1/logs", "/api/v1/logs".into(), None),
        ("/api/v1/logs/{hash}", format!("/api/v1/logs/{hash}"), Some(format!("/api/v1/logs/{unknown}"))),
        ("/api/v1/findings", "/api/v1/findings".into(), None),
        ("/api/v1/findings/{id}", format!("/api/v1/findings/{finding}"), Some(format!("/api/v1/findings/{}", "0".repeat(32)))),
        ("/api/v1/alerts", "/api/v1/alerts".into(), None),
        ("/api/v1/search", "/api/v1/search".into(), None),
        ("/api/v1/decisions/{hash}/{index}", format!("/api/v1/decisions/{hash}/3"), Some(format!("/api/v1/decisions/{hash}/99"))),
        ("/api/v1/issuers", "/api/v1/issuers".into(), None),
    ]
}

#[tokio::test]
async fn the_server_does_what_is_described_and_nothing_else() {
    let mut seen = Seen::default();
    let running = run(|_| {}).await;
    let finding = running.get("/api/v1/findings").await.json()["findings"][0]["id"].as_str().unwrap().to_owned();
    let all = addresses(&running.hash, &finding);
    let operation = |path| Operation { document: document(), path };
    for (path, there, missing) in &all {
        let reply = running.get(there).await;
        assert_eq!(reply.status, 200, "{path}");
        operation(path).check(&reply, &mut seen);
        let tag = format!("If-None-Match: {}\r\n", reply.headers["etag"]);
        operation(path).check(&running.ask("GET", there, &tag).await, &mut seen);
        operation(path).check(&running.ask("DELETE", there, "").await, &mut seen);
        operation(path).check(&running.get(&format!("{there}?nonsense=1")).await, &mut seen);
        if let Some(missing) = missing {
            operation(path).check(&running.get(missing).await, &mut seen);
        }
    }
    for index in 0..running.log.entries.len() {
        let reply = running.get(&format!("/api/v1/decisions/{}/{index}", running.hash)).await;
        operation("/api/v1/decisions/{hash}/{index}").check(&reply, &mut seen);
    }
    for query in ["limit=1", "q=%22", "q=script&order=newest"] {
        operation("/api/v1/search").check(&running.get(&format!("/api/v1/search?{query}")).await, &mut seen);
    }
    for path in ["/api/v1/findings", "/api/v1/issuers"] {
        operation(path).check(&running.get(&format!("{path}?limit=1")).await, &mut seen);
    }
    troubles(&all, &mut seen).await;
    let described = described();
    let differ = |seen: &BTreeSet<(String, String)>, described| seen.symmetric_difference(described).cloned().collect::<Vec<_>>();
    assert!(seen.statuses == described.statuses, "answered or described, but not both: {:?}", differ(&seen.statuses, &described.statuses));
    assert!(seen.fields == described.fields, "answered or described, but not both: {:?}", differ(&seen.fields, &described.fields));
}

/// What a server answers that is busy, asked too much, or broken, or that has no search.
async fn troubles(all: &[(&'static str, String, Option<String>)], seen: &mut Seen) {
    let busy = run(|settings| settings.max_requests = 0).await;
    let one = NonZeroU32::MIN;
    let limited = run(|settings| settings.limit = Some(Limit { per_second: one, burst: one, addresses: one })).await;
    let broken = run(|_| {}).await;
    let written = broken.store.write(|txn| {
        txn.put(Family::Logs, 0_u32.to_be_bytes().to_vec(), b"{".to_vec());
        for family in [Family::Findings, Family::Alerts] {
            for (key, _) in txn.scan(family, &[], 100)? {
                txn.put(family, key, b"{".to_vec());
            }
        }
        Ok::<_, StoreError>(())
    });
    written.unwrap();
    for (path, there, _) in all {
        let operation = Operation { document: document(), path };
        operation.check(&busy.get(there).await, seen);
        // One request a second is answered.
        let reply = loop {
            let reply = limited.get(there).await;
            if reply.status == 429 {
                break reply;
            }
        };
        assert!(reply.headers.contains_key("retry-after"));
        operation.check(&reply, seen);
        operation.check(&broken.get(there).await, seen);
    }
    let (_dir, store) = stored_log::store();
    let settings = search::Settings { enabled: false, ..search::Settings::default() };
    let without = Api::new(store, Arc::new(Search::new("/nowhere".into(), settings)), Mutes::default(), Clock::system());
    let problem = without.answer(Resource::Search, None).await.unwrap_err();
    assert_eq!((problem.clone(), problem.answer().status().as_u16()), (Problem::NoSearch, 404));
    seen.statuses.insert(("/api/v1/search".into(), "404".into()));
}

#[tokio::test]
async fn the_parameters_that_are_described_are_those_that_there_are() {
    let running = run(|_| {}).await;
    let finding = running.get("/api/v1/findings").await.json()["findings"][0]["id"].as_str().unwrap().to_owned();
    for (path, there, _) in addresses(&running.hash, &finding) {
        let document = document();
        let none = Vec::new();
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap_or(&none);
        let of_query: Vec<_> = parameters.iter().filter(|parameter| parameter["in"] == "query").collect();
        let mut query = String::new();
        for parameter in &of_query {
            let name = parameter["name"].as_str().unwrap();
            let example = parameter["example"].as_str().map_or_else(|| parameter["example"].to_string(), str::to_owned);
            let encoded: String = example.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let reply = running.get(&format!("{there}?{name}={encoded}")).await;
            assert_eq!(reply.status, 200, "{path} {name}={example}: {}", reply.text());
            query.push_str(&format!("{name}={encoded}&"));
        }
        assert_eq!(running.get(&format!("{there}?{query}")).await.status, 200, "all at once: {path}");
        let refused = running.get(&format!("{there}?nonsense=1")).await.json()["detail"].as_str().unwrap().to_owned();
        let there_are = refused.split_once("there are ").map_or("", |(_, names)| names);
        let named: BTreeSet<&str> = there_are.split(", ").filter(|name| !name.starts_with("no ") && !name.is_empty()).collect();
        let expected: BTreeSet<&str> = of_query.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
        assert_eq!(named, expected, "{path}");
    }
}
