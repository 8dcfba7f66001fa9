//! JSON objects in which each member occurs once.
//!
//! Of a member that occurs twice most parsers keep the last. What somebody meant to publish is then a guess, and it would be published for
//! ever.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why a text is no such object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotMembers {
    /// No JSON, or no object.
    NotAnObject,
    /// This member occurs twice in one object, the outermost or one in it.
    Twice(Box<str>),
}

/// Reads a JSON object.
pub(super) fn parse(text: &[u8]) -> Result<Map<String, Value>, NotMembers> {
    let mut twice = None;
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Once(&mut twice).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(twice.map_or(NotMembers::NotAnObject, NotMembers::Twice)),
    }
}

/// Reads a value; leaves the name of a member that occurs twice.
struct Once<'a>(&'a mut Option<Box<str>>);

impl<'de> DeserializeSeed<'de> for Once<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = elements.next_element_seed(Once(&mut *self.0))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if map.contains_key(&name) {
                *self.0 = Some(name.into());
                return Err(A::Error::custom("a member occurs twice"));
            }
            map.insert(name, members.next_value_seed(Once(&mut *self.0))?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_object_is_read_as_others_read_it() {
        let text = br#" {"a": [1, -2, 1.5, null, true, "\u00e4"], "b": {"a": {}}, "c": ""} "#;
        assert_eq!(Value::Object(parse(text).unwrap()), serde_json::from_slice::<Value>(text).unwrap());
    }

    #[test]
    fn a_member_that_occurs_twice_is_named_wherever_it_is() {
        let twice = |name: &str| Err(NotMembers::Twice(name.into()));
        assert_eq!(parse(br#"{"a":1,"b":2,"a":1}"#), twice("a"));
        assert_eq!(parse(br#"{"a":{"b":1,"\u0062":2}}"#), twice("b"));
        assert_eq!(parse(br#"{"a":[{"b":1},{"b":1,"b":1}]}"#), twice("b"));
        assert!(parse(br#"{"a":[{"b":1},{"b":1}],"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn what_is_no_object_is_none() {
        for text in ["", "1", "[]", "{", "{}{}", "{} x", r#"{"a":}"#, "\"a\"", &"[".repeat(100_000), &r#"{"a":"#.repeat(100_000)] {
            assert_eq!(parse(text.as_bytes()), Err(NotMembers::NotAnObject));
        }
    }
}
