//! From a line of canonical JSON to what it says.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::malformed::{FieldError, Malformed};
use crate::types::{Body, KeyAction, Registration, Relates};

/// Parses a line of JSON. What does not depend on other entries is checked here.
pub(super) fn parse(line: &str) -> Result<Body, Malformed> {
    let body = match type_of(line)? {
        "charter" => Body::Charter(typed(line)?),
        "registrar" => Body::RegistrarChange(typed(line)?),
        "issuer" => Body::Registration(typed(line)?),
        "key" => Body::KeyChange(typed(line)?),
        "decision" => Body::Decision(typed(line)?),
        "annotation" => Body::Annotation(typed(line)?),
        _ => return Err(Malformed::UnknownType),
    };
    check(&body)?;
    Ok(body)
}

fn type_of(line: &str) -> Result<&str, Malformed> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(rename = "type", borrow)]
        name: &'a str,
    }
    let typed: Result<Typed<'_>, _> = serde_json::from_str(line);
    // A type that cannot be borrowed has escapes in it, and none that is known has.
    typed.map(|typed| typed.name).map_err(|_| Malformed::UnknownType)
}

fn typed<T: DeserializeOwned>(line: &str) -> Result<T, Malformed> {
    serde_json::from_str(line).map_err(|_| Malformed::Field(explain::<T>(line)))
}

/// Reads again what did not fit, slowly, to tell which field it was.
fn explain<T: DeserializeOwned>(line: &str) -> FieldError {
    let value: Value = serde_json::from_str(line).unwrap_or_default();
    match serde_path_to_error::deserialize::<_, T>(value) {
        Ok(_) => FieldError { path: ".".into(), reason: "it cannot be read".into() },
        Err(error) => FieldError { path: error.path().to_string().into(), reason: error.inner().to_string().into() },
    }
}

fn check(body: &Body) -> Result<(), Malformed> {
    match body {
        Body::Charter(charter) if !charter.by.is_sound() => Err(Malformed::BadThreshold),
        Body::RegistrarChange(change) if !change.by.is_sound() => Err(Malformed::BadThreshold),
        Body::Registration(registration) => check_keys(registration),
        Body::KeyChange(change) if change.action == KeyAction::Add && change.doubt_from.is_some() => Err(Malformed::DoubtWithoutRetirement),
        Body::Decision(decision) => check_relations(&decision.relates),
        Body::Annotation(annotation) => check_relations(&annotation.relates),
        _ => Ok(()),
    }
}

fn check_keys(registration: &Registration) -> Result<(), Malformed> {
    let keys = &registration.keys;
    let repeated = keys.iter().enumerate().any(|(i, key)| keys[..i].iter().any(|other| other.name_and_id() == key.name_and_id()));
    if registration.names.is_empty() || registration.names.len() > 64 {
        return Err(Malformed::Field(FieldError { path: "names".into(), reason: "expected 1 to 64 names, by language".into() }));
    }
    if repeated { Err(Malformed::RepeatedKey) } else { Ok(()) }
}

/// An entry may be mentioned in two ways, but its place can be taken only once.
fn check_relations(relates: &[Relates]) -> Result<(), Malformed> {
    let mut succeeded: Vec<u64> = relates.iter().filter(|one| one.rel.is_succession()).map(|one| one.index).collect();
    succeeded.sort_unstable();
    match succeeded.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Malformed::RelatedTwice(pair[0])),
        None => Ok(()),
    }
}
