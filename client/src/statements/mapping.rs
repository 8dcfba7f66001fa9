//! How an agency's own records become decisions: a TOML file, `--mapping`.
//!
//! Without one, a line is a decision already. `client/publish-mapping.example.toml` shows every key.

use std::collections::BTreeMap;

use decision::disclosure::{Disclosure, NEVER_SEALED, SealError, seal};
use decision::types::Relation;
use serde::Deserialize;
use serde_json::{Map, Value};
use tlog::printable::Printable;

/// What a mapping file says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The column that holds what the agency's own records call a decision.
    pub reference: Option<String>,
    /// Fields that are the same in every decision, by their path.
    #[serde(default)]
    pub constants: BTreeMap<String, toml::Value>,
    /// From which column each field comes, by its path. If there are any, columns that are not named here are left out.
    #[serde(default)]
    pub fields: BTreeMap<String, Field>,
    /// Earlier decisions that a line relates to.
    #[serde(default)]
    pub relates: Vec<Rule>,
    /// Paths of fields that are sealed, such as `parties[].name`.
    #[serde(default)]
    pub seal: Vec<String>,
    /// Paths of fields that may be known to all, and that nobody is to be warned about.
    #[serde(default)]
    pub public: Vec<String>,
}

/// Where a field comes from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Field {
    /// A column as it is.
    Column(String),
    /// A column, changed.
    Changed(Box<Changed>),
}

/// A column, and what is done to its text. An empty text leaves the field out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changed {
    /// Which column.
    pub column: String,
    /// The code that stands for each text. A text that is not listed is an error, unless there is an `otherwise`.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// What stands for every text that is not in `values`.
    pub otherwise: Option<String>,
    /// How the column writes dates, as in strftime, such as `%d-%b-%y`.
    pub date: Option<String>,
    /// What is put before the text.
    #[serde(default)]
    pub prefix: String,
    /// What is taken if the column is empty.
    pub empty: Option<String>,
}

/// A relation to an earlier decision.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// How.
    pub rel: Relation,
    /// The column that holds the earlier decision's `reference`.
    pub reference: String,
    /// Only where each of these columns has one of its texts.
    #[serde(default)]
    pub when: BTreeMap<String, Vec<String>>,
    /// Whether a line whose earlier decision is not known is published without the relation, rather than refused.
    #[serde(default)]
    pub optional: bool,
}

/// Why a line cannot be mapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// A column that is not there.
    #[error("there is no column `{}`, which the mapping names", Printable(.0))]
    NoColumn(Box<str>),
    /// A text without a code.
    #[error("`{}` has the text \"{}\", for which the mapping has no value", Printable(column), Printable(text))]
    NoValue {
        /// Which column.
        column: Box<str>,
        /// What it holds.
        text: Box<str>,
    },
    /// Not a date in the given form.
    #[error("`{}` has \"{}\", which is not a date in the form of the mapping", Printable(column), Printable(text))]
    NotADate {
        /// Which column.
        column: Box<str>,
        /// What it holds.
        text: Box<str>,
    },
    /// Two fields that exclude each other.
    #[error("the mapping's field `{}` is part of a field that is not an object", Printable(.0))]
    NotAnObject(Box<str>),
    /// A field that counts only in the open.
    #[error("`{0}` cannot be sealed: the log's rules look at it, and not into seals; take it out of the mapping's `seal`")]
    NeverSealed(Box<str>),
    /// A field that cannot be sealed.
    #[error("`{}` cannot be sealed: {reason}", Printable(path))]
    Seal {
        /// Which field.
        path: Box<str>,
        /// Why.
        reason: SealError,
    },
}

impl Mapping {
    /// The fields of a decision, from a line's columns.
    pub fn apply(&self, line: &Map<String, Value>) -> Result<Map<String, Value>, MapError> {
        let mut decision = if self.fields.is_empty() { line.clone() } else { Map::new() };
        for (path, value) in &self.constants {
            let value = serde_json::to_value(value).unwrap_or_default();
            put(&mut decision, path, value)?;
        }
        for (path, field) in &self.fields {
            if let Some(value) = field.value(line)? {
                put(&mut decision, path, value)?;
            }
        }
        Ok(decision)
    }

    /// What the agency's own records call the decision of this line.
    pub fn reference(&self, line: &Map<String, Value>) -> Option<String> {
        text(line.get(self.reference.as_ref()?)?)
    }

    /// The rules that a line meets, with the reference of the earlier decision.
    pub fn relations<'a>(&'a self, line: &'a Map<String, Value>) -> impl Iterator<Item = (&'a Rule, String)> {
        let meets = |rule: &&Rule| {
            rule.when.iter().all(|(column, texts)| line.get(column).and_then(text).is_some_and(|text| texts.contains(&text)))
        };
        self.relates.iter().filter(meets).filter_map(|rule| Some((rule, text(line.get(&rule.reference)?)?)))
    }

    /// Seals the fields that are to be sealed; `salt` gives a new one each time. A field that is not there is not missed.
    pub fn seal(&self, decision: &mut Map<String, Value>, salt: &mut dyn FnMut() -> [u8; 16]) -> Result<Vec<Disclosure>, MapError> {
        let all = self.seal.iter().map(|path| seal_path(decision, path, salt)).collect::<Result<Vec<_>, _>>()?;
        Ok(all.into_iter().flatten().collect())
    }
}

/// Seals the fields at one path.
pub(super) fn seal_path(
    decision: &mut Map<String, Value>,
    path: &str,
    salt: &mut dyn FnMut() -> [u8; 16],
) -> Result<Vec<Disclosure>, MapError> {
    if NEVER_SEALED.contains(&path) {
        return Err(MapError::NeverSealed(path.into()));
    }
    let (parts, mut disclosures) = (path.split('.').collect::<Vec<_>>(), Vec::new());
    seal_at(decision, &parts, salt, &mut disclosures).map_err(|reason| MapError::Seal { path: path.into(), reason })?;
    Ok(disclosures)
}

impl Field {
    fn value(&self, line: &Map<String, Value>) -> Result<Option<Value>, MapError> {
        let column = match self {
            Field::Column(column) => column,
            Field::Changed(changed) => &changed.column,
        };
        let value = line.get(column).ok_or_else(|| MapError::NoColumn(column.as_str().into()))?;
        match self {
            Field::Column(_) if value.as_str().is_some_and(|text| text.trim().is_empty()) => Ok(None),
            Field::Column(_) => {
                Ok(value.as_str().map(|text| text.trim().into()).or_else(|| Some(value.clone())).filter(|value| !value.is_null()))
            }
            Field::Changed(changed) => changed.value(value),
        }
    }
}

impl Changed {
    fn value(&self, value: &Value) -> Result<Option<Value>, MapError> {
        let Some(text) = text(value).or_else(|| self.empty.clone()) else { return Ok(None) };
        let text = match (self.values.get(&text), &self.otherwise) {
            (Some(code), _) => code.clone(),
            (None, Some(otherwise)) => otherwise.clone(),
            (None, None) if self.values.is_empty() => text,
            (None, None) => return Err(MapError::NoValue { column: self.column.as_str().into(), text: text.into() }),
        };
        let text = match &self.date {
            None => text,
            Some(form) => jiff::civil::Date::strptime(form, &text)
                .map(|date| date.to_string())
                .map_err(|_| MapError::NotADate { column: self.column.as_str().into(), text: text.as_str().into() })?,
        };
        Ok(Some(Value::from(format!("{}{text}", self.prefix))))
    }
}

/// The text of a value, trimmed; `None` if there is none.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(is) => is.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// Puts a value at a path such as `place.address`.
fn put(object: &mut Map<String, Value>, path: &str, value: Value) -> Result<(), MapError> {
    match path.split_once('.') {
        None => {
            object.insert(path.into(), value);
            Ok(())
        }
        Some((first, rest)) => match object.entry(first).or_insert_with(|| Value::Object(Map::new())) {
            Value::Object(inner) => put(inner, rest, value),
            _ => Err(MapError::NotAnObject(first.into())),
        },
    }
}

fn seal_at(
    object: &mut Map<String, Value>,
    path: &[&str],
    salt: &mut dyn FnMut() -> [u8; 16],
    disclosures: &mut Vec<Disclosure>,
) -> Result<(), SealError> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    if rest.is_empty() {
        match seal(object, first, &salt()) {
            Ok(disclosure) => disclosures.push(disclosure),
            Err(SealError::Missing) => {}
            Err(error) => return Err(error),
        }
        return Ok(());
    }
    let inner = match first.strip_suffix("[]") {
        Some(name) => object.get_mut(name).and_then(Value::as_array_mut).map(|list| list.iter_mut().collect::<Vec<_>>()),
        None => object.get_mut(*first).map(|value| vec![value]),
    };
    let objects = inner.unwrap_or_default().into_iter().filter_map(Value::as_object_mut);
    objects.into_iter().try_for_each(|object| seal_at(object, rest, salt, disclosures))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_example_is_read_and_maps_a_line() {
        let mapping: Mapping = toml::from_str(include_str!("../../publish-mapping.example.toml")).unwrap();
        let line = object(json!({"Ref": "26/1", "What": " A roof ", "Where": "1 Quay", "Result": "Permitted", "Date": "02-Mar-26",
            "Applicant": "Ada Example", "Appeal of": "25/7", "Body": ""}));
        let decision = mapping.apply(&line).unwrap();
        let expected = json!({"kind": "planning.permit", "lang": "en", "subject": "A roof", "place": {"address": "1 Quay"}, "outcome": "granted",
            "decided": "2026-03-02", "unit": "Planning Office", "applicant": {"name": "Ada Example"},
            "data": {"application": "26/1", "schema": "https://planning.example/schemas/1"}});
        assert_eq!(Value::Object(decision.clone()), expected);
        assert_eq!(mapping.reference(&line).unwrap(), "26/1");
        let relations: Vec<_> = mapping.relations(&line).map(|(rule, reference)| (rule.rel, reference)).collect();
        assert_eq!(relations, [(Relation::Appeals, "25/7".into()), (Relation::Supersedes, "25/7".into())]);
        let mut sealed = decision;
        let disclosures = mapping.seal(&mut sealed, &mut || [7; 16]).unwrap();
        assert_eq!((disclosures.len(), disclosures[0].name(), sealed["applicant"].get("name")), (1, "name", None));
    }

    #[test]
    fn fields_within_lists_are_sealed_each_with_its_own_salt() {
        let mapping = Mapping { seal: vec!["parties[].name".into()], ..Mapping::default() };
        let mut decision = object(json!({"parties": [{"role": "a", "name": "x"}, {"role": "b"}, {"role": "c", "name": "x"}]}));
        let mut salts = 0_u8;
        let disclosures = mapping
            .seal(&mut decision, &mut || {
                salts += 1;
                [salts; 16]
            })
            .unwrap();
        assert_eq!(disclosures.len(), 2);
        assert_ne!(disclosures[0].digest(), disclosures[1].digest());
        assert!(!Value::Object(decision).to_string().contains("\"x\""));
    }

    #[test]
    fn what_the_rules_look_at_is_not_sealed() {
        let mapping = Mapping { seal: vec!["relates".into()], ..Mapping::default() };
        let mut decision = object(json!({"relates": [{"rel": "revokes"}]}));
        assert_eq!(mapping.seal(&mut decision, &mut || [7; 16]), Err(MapError::NeverSealed("relates".into())));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mapping: Mapping = toml::from_str("[fields]\noutcome = { column = \"R\", values = { A = \"a\" } }\n").unwrap();
        assert_eq!(mapping.apply(&object(json!({}))), Err(MapError::NoColumn("R".into())));
        assert_eq!(mapping.apply(&object(json!({"R": "B"}))), Err(MapError::NoValue { column: "R".into(), text: "B".into() }));
        assert_eq!(mapping.apply(&object(json!({"R": ""}))), Ok(Map::new()));
        let date: Mapping = toml::from_str("[fields]\ndecided = { column = \"D\", date = \"%d-%b-%y\" }\n").unwrap();
        assert!(matches!(date.apply(&object(json!({"D": "31-Feb-26"}))), Err(MapError::NotADate { .. })));
        assert!(toml::from_str::<Mapping>("colour = 1").is_err(), "keys that are not known are errors");
    }
}
