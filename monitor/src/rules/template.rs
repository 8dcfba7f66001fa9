//! What a finding of a rule says: words with fields of the entry in braces.

use std::fmt::Write;

use decision::types::{Body, Place};
use tlog::printable::Printable;

use crate::check::Judged;

/// A text with fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Words(Box<str>),
    Field(Field),
}

/// A text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A field that there is not.
    #[error("there is no field {{{0}}}; there are {list}", list = Field::list())]
    UnknownField(Box<str>),
    /// A brace without its partner.
    #[error("a brace has no partner; a field is written as {{subject}}")]
    Brace,
    /// Too long.
    #[error("it is longer than {MAX} bytes")]
    TooLong,
}

/// The longest template.
const MAX: usize = 1000;

macro_rules! fields {
    ($($field:ident = $name:literal),* $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Field { $($field),* }

        impl Field {
            const ALL: &[(&'static str, Field)] = &[$(($name, Field::$field)),*];
        }
    };
}

fields! {
    Subject = "subject", Issuer = "issuer", Kind = "kind", Outcome = "outcome", Decided = "decided", Number = "number", Unit = "unit",
    Place = "place", Parties = "parties", Amount = "amount", Type = "type", Index = "index", Log = "log", Published = "published",
}

impl Template {
    /// What is said where nothing else is wanted.
    pub(super) fn usual() -> Self {
        Template::parse("{kind} {number} of {issuer}: {subject}").expect("the fields are there")
    }

    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX {
            return Err(TemplateError::TooLong);
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (words, field) = rest.split_at(open);
            let (name, after) = field.strip_prefix('{').and_then(|field| field.split_once('}')).ok_or(TemplateError::Brace)?;
            if name.contains('{') {
                return Err(TemplateError::Brace);
            }
            let known = Field::ALL.iter().find(|(known, _)| *known == name);
            let (_, field) = known.ok_or_else(|| TemplateError::UnknownField(name.into()))?;
            pieces.extend([Piece::Words(words.into()), Piece::Field(*field)]);
            rest = after;
        }
        pieces.push(Piece::Words(rest.into()));
        Ok(Template(pieces))
    }

    /// The text for an entry. Fields that it does not have are a dash; what strangers wrote is cut and made printable.
    pub(super) fn fill(&self, entry: &Judged<'_>) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Words(words) => text.push_str(words),
                Piece::Field(field) => match field.of(entry) {
                    // Writing to a string cannot fail.
                    Some(value) => drop(write!(text, "{}", Printable(value))),
                    None => text.push('–'),
                },
            }
        }
        text
    }
}

impl Field {
    fn list() -> String {
        Field::ALL.iter().map(|(name, _)| format!("{{{name}}}")).collect::<Vec<_>>().join(", ")
    }

    fn of(self, entry: &Judged<'_>) -> Option<String> {
        let statement = entry.statement?;
        let body = statement.body();
        let (decision, annotation) = match body {
            Body::Decision(decision) => (Some(decision), None),
            Body::Annotation(annotation) => (None, Some(annotation)),
            _ => (None, None),
        };
        match self {
            Field::Subject => {
                let subject = decision.map(|decision| decision.subject.as_str());
                subject.or_else(|| annotation?.text.as_ref().map(|text| text.as_str())).map(str::to_owned)
            }
            Field::Issuer => Some(statement.issuer()?.to_string()),
            Field::Kind => {
                decision.map(|decision| &decision.kind).or(annotation.map(|annotation| &annotation.kind)).map(ToString::to_string)
            }
            Field::Outcome => Some(decision?.outcome.as_str().to_owned()),
            Field::Decided => Some(decision?.decided.to_string()),
            Field::Number => Some(statement.number()?.to_string()),
            Field::Unit => Some(decision?.unit.as_ref()?.as_str().to_owned()),
            Field::Place => place(decision?.place.as_ref()?),
            Field::Parties => {
                let name = |party: &decision::types::Party| Some(party.name.as_ref()?.as_str().to_owned());
                let id = |party: &decision::types::Party| Some(party.id.as_ref()?.as_str().to_owned());
                let names: Vec<_> = decision?.parties.iter().filter_map(|party| name(party).or_else(|| id(party))).take(10).collect();
                (!names.is_empty()).then(|| names.join(", "))
            }
            Field::Amount => decision?.amount.as_ref().map(|amount| format!("{} {}", amount.value, amount.currency)),
            Field::Type => Some(body.type_name().to_owned()),
            Field::Index => Some(entry.index.to_string()),
            Field::Log => Some(entry.log.to_owned()),
            Field::Published => Some(entry.published.latest.to_string()),
        }
    }
}

fn place(place: &Place) -> Option<String> {
    let point = || match place.point.as_ref()? {
        decision::types::Point::Point { coordinates: [longitude, latitude] } => Some(format!("{latitude}, {longitude}")),
    };
    place.address.as_ref().map(|address| address.as_str().to_owned()).or_else(point)
}
