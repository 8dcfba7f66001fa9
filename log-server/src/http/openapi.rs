//! `GET /openapi.json`: what this log answers, for programs.
//!
//! The document is written by hand and no code follows from it, so it is held against the code from three sides: the tests below want its
//! addresses to be those that [`Target`](super::Target) knows and its problems to be those that there are, and `scripts/openapi.sh` lets
//! a program from elsewhere compare each answer of a running log with it.

use bytes::Bytes;
use hyper::header::HeaderValue;
use serving::response::{self, Answer};

const DOCUMENT: &str = include_str!("openapi.json");

/// The same for every log: what depends on how it was created is said in words.
pub(super) fn document() -> Answer {
    response::public("application/json", HeaderValue::from_static("public, max-age=3600"), Bytes::from_static(DOCUMENT.as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use hyper::Method;
    use serde_json::Value;
    use tlog::tiles::Resource;

    use super::super::Target;
    use super::super::problem::Problem;
    use super::super::rfc6962::Call;
    use super::*;

    fn parsed() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    /// What a reference stands for, or the value itself.
    fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
        let target = value["$ref"].as_str().map(|path| document.pointer(path.strip_prefix('#').unwrap()).unwrap());
        target.unwrap_or(value)
    }

    /// A path of the document with its examples in it.
    fn example(document: &Value, path: &str) -> String {
        let mut filled = path.to_owned();
        for parameter in document["paths"][path]["parameters"].as_array().into_iter().flatten() {
            let parameter = resolved(document, parameter);
            let value = &parameter["example"];
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            filled = filled.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &value);
        }
        filled
    }

    /// The path under which the document has a target. Another target is another line here, and then in `EVERY`.
    fn documented(target: Target) -> &'static str {
        match target {
            Target::Page => "/",
            Target::Robots => "/robots.txt",
            Target::OpenApi => "/openapi.json",
            Target::Checkpoint => "/checkpoint",
            Target::Resource(Resource::Tile(_)) => "/tile/{level}/",
            Target::Resource(Resource::Bundle(_)) => "/tile/entries/",
            Target::Add => "/add",
            Target::AddBatch => "/add-batch",
            Target::Proof(_) => "/proof/{index}",
            Target::ProofOfLeaf(_) => "/proof/leaf/{leaf}",
            Target::HeadCovering(_) => "/head/covering/{index}",
            Target::Status(_) => "/status/{index}",
            Target::Rfc6962(Call::TreeHead) => "/ct/v1/get-sth",
            Target::Rfc6962(Call::Consistency) => "/ct/v1/get-sth-consistency",
            Target::Rfc6962(Call::ProofByHash) => "/ct/v1/get-proof-by-hash",
            Target::Rfc6962(Call::Entries) => "/ct/v1/get-entries",
            Target::Rfc6962(Call::EntryAndProof) => "/ct/v1/get-entry-and-proof",
        }
    }

    /// How many lines `documented` has.
    const EVERY: usize = 17;

    #[test]
    fn the_document_has_each_address_that_the_log_knows_with_its_methods_and_no_other() {
        let document = parsed();
        let mut found = BTreeSet::new();
        let mut forms = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            let filled = example(&document, path);
            let target = Target::parse(&filled).unwrap_or_else(|| panic!("{filled} means nothing to the log"));
            let known = documented(target);
            // Tiles and bundles have a form for each count of groups of three digits, full and partial.
            if known.ends_with('/') && known != "/" {
                assert!(path.starts_with(known), "{path} is {known}");
                forms += 1;
            } else {
                assert_eq!(path, known);
            }
            found.insert(known);
            for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
                let listed = item.get(method.as_str().to_lowercase()).is_some();
                assert_eq!(listed, target.allows(&method), "{method} {path}");
            }
        }
        assert_eq!((found.len(), forms), (EVERY, 12));
    }

    #[test]
    fn the_document_has_each_problem_with_its_status_and_no_other() {
        let document = parsed();
        let mut listed = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            let operation = item.get("get").or_else(|| item.get("post")).unwrap();
            for (status, response) in operation["responses"].as_object().unwrap() {
                let problem = &resolved(&document, response)["content"]["application/problem+json"]["schema"];
                for name in problem["properties"]["type"]["enum"].as_array().into_iter().flatten() {
                    assert_eq!(problem["properties"]["status"]["const"].to_string(), *status, "{path}");
                    listed.insert((name.as_str().unwrap().to_owned(), status.clone()));
                }
            }
        }
        let all = Problem::names_and_statuses().map(|(name, status)| (format!("urn:acta:problem:{name}"), status.as_str().to_owned()));
        // Of a method that the document does not have it can only speak in words.
        let expected: BTreeSet<_> = all.filter(|(name, _)| !name.ends_with(":method-not-allowed")).collect();
        assert_eq!(listed, expected);
    }

    #[test]
    fn heads_are_answered_with_the_statuses_of_get() {
        let document = parsed();
        for (path, item) in document["paths"].as_object().unwrap() {
            let statuses = |method: &str| item[method]["responses"].as_object().map(|all| all.keys().cloned().collect::<Vec<_>>());
            assert_eq!(statuses("get"), statuses("head"), "{path}");
        }
    }
}
