//! What looks like a person in the clear: an entry stays for ever, so people appear in it as sealed fields only.
//!
//! No program can tell a person from a shop of the same name. This looks for what a careful clerk would stop at: a party with a name and no
//! registry number, a field that is called like something personal, and texts with an e-mail address, a telephone number or a day of birth.
//! It warns and never refuses, for the agency knows its law; what may be public is listed in the mapping (`public`), and is then not told
//! again. What is sealed is not in the statement any more, so nothing is said of it.
//!
//! Invariant: a line is told of each of its paths once for each sign, however many values a list has there.

mod signs;

use std::collections::BTreeSet;
use std::fmt;

use decision::statement::Draft;
use serde_json::{Map, Value};
use tlog::printable::Printable;

use super::mapping::Mapping;

/// A field that looks like a person in the clear.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Exposed {
    /// Where it is, such as `parties[2].name`.
    pub field: String,
    /// The path by which a mapping names such fields, such as `parties[].name`.
    pub path: String,
    /// What it looks like.
    pub sign: Sign,
    /// Whether the mapping can seal it: what a decision needs cannot be sealed.
    pub sealable: bool,
}

/// By what a person shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// A name of somebody whom a decision concerns, who is in no register.
    Name,
    /// A field that is called like something personal.
    Field,
    /// A text with an e-mail address.
    Mail,
    /// A text with a telephone number.
    Telephone,
    /// A text with a day of birth.
    Birth,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sign::Name => "may be the name of a person: there is no registry number (`id`) beside it",
            Sign::Field => "is called like something personal",
            Sign::Mail => "has what looks like an e-mail address",
            Sign::Telephone => "has what looks like a telephone number",
            Sign::Birth => "has what looks like a day of birth",
        })
    }
}

impl fmt::Display for Exposed {
    /// What there is, and what to do: entries cannot be taken back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (field, path) = (Printable(&self.field), Printable(&self.path));
        write!(f, "`{field}` {}, in the clear and for ever. ", self.sign)?;
        if self.sealable {
            write!(f, "If it is personal, seal it: seal = [\"{path}\"] in the file of --mapping; if all may know it: public = [\"{path}\"]")
        } else {
            write!(
                f,
                "It cannot be sealed: if it is personal, take it out; if all may know it: public = [\"{path}\"] in the file of --mapping"
            )
        }
    }
}

/// What looks like a person in a decision, after sealing; `public` are the paths that may be known to all.
pub(super) fn find(decision: &Map<String, Value>, public: &[String]) -> Vec<Exposed> {
    let mut search = Search { public, told: BTreeSet::new(), found: Vec::new() };
    for (name, value) in decision.iter().filter(|(name, _)| !FORMAL.contains(&name.as_str())) {
        search.member(&Spot::default(), decision, name, value);
    }
    let mut found = search.found;
    for exposed in &mut found {
        exposed.sealable = can_be_sealed(decision, &exposed.path);
    }
    found
}

/// Members of a decision that are codes, dates and hashes, and never a person.
const FORMAL: [&str; 13] =
    ["_sd", "type", "log", "issuer", "issued", "lang", "series", "seq", "kind", "decided", "effective", "until", "relates"];

/// Members at any depth of which the same is true.
const TECHNICAL: [&str; 7] = ["_sd", "id", "sha256", "media_type", "size", "schema", "coordinates"];

/// Where the search is: a place in one decision, and the path by which a mapping would name it.
#[derive(Clone, Default)]
struct Spot {
    field: String,
    path: String,
}

impl Spot {
    fn member(&self, name: &str) -> Spot {
        let dot = if self.field.is_empty() { "" } else { "." };
        Spot { field: format!("{}{dot}{name}", self.field), path: format!("{}{dot}{name}", self.path) }
    }

    fn element(&self, at: usize) -> Spot {
        Spot { field: format!("{}[{at}]", self.field), path: format!("{}[]", self.path) }
    }
}

struct Search<'a> {
    public: &'a [String],
    told: BTreeSet<(String, Sign)>,
    found: Vec<Exposed>,
}

impl Search<'_> {
    /// Looks at the member `name` of `object`, which is at `spot`.
    fn member(&mut self, spot: &Spot, object: &Map<String, Value>, name: &str, value: &Value) {
        let here = spot.member(name);
        if signs::is_personal(name) && !is_empty(value) {
            return self.tell(&here, &here.path, Sign::Field);
        }
        let in_no_register = object.get("id").is_none_or(is_empty);
        let of_party = spot.path == "parties[]" || spot.path.rsplit('.').next().is_some_and(signs::is_role);
        match value {
            Value::String(text) if in_no_register && (name == "name" && of_party || signs::is_role(name)) && signs::may_be_person(text) => {
                self.tell(&here, &here.path, Sign::Name);
            }
            value => self.value(&here, &here.path, value),
        }
    }

    /// Looks at a value; `path` is that of the member which it is or is a part of, since members are what can be sealed.
    fn value(&mut self, spot: &Spot, path: &str, value: &Value) {
        match value {
            Value::String(text) => {
                for sign in signs::in_text(text) {
                    self.tell(spot, path, sign);
                }
            }
            Value::Array(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    self.value(&spot.element(at), path, element);
                }
            }
            Value::Object(members) => {
                for (name, value) in members.iter().filter(|(name, _)| !TECHNICAL.contains(&name.as_str())) {
                    self.member(spot, members, name, value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn tell(&mut self, spot: &Spot, path: &str, sign: Sign) {
        if !self.public.iter().any(|public| public == path) && self.told.insert((path.to_owned(), sign)) {
            self.found.push(Exposed { field: spot.field.clone(), path: path.to_owned(), sign, sealable: false });
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.keys().all(|name| name == "_sd"),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Asked of the types themselves: whether something would be sealed by this path, and the rest would still be a statement.
fn can_be_sealed(decision: &Map<String, Value>, path: &str) -> bool {
    let mut sealed = decision.clone();
    let mapping = Mapping { seal: vec![path.to_owned()], ..Mapping::default() };
    let disclosures = mapping.seal(&mut sealed, &mut || [0; 16]);
    disclosures.is_ok_and(|disclosures| !disclosures.is_empty()) && Draft::from_json(&Value::Object(sealed)).is_ok()
}

#[cfg(test)]
mod tests;
