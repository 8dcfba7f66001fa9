//! What one can ask for: words, `"phrases"`, `field:value` and ranges, all of which have to hold; `-` before one says that it must not.
//!
//! ```text
//! roof "Ballacraine Farm" kind:planning.* decided:2024-01-01..2024-12-31 amount:>=10000 currency:GBP -status:revoked
//! ```
//!
//! Invariant: whatever is asked, what it costs is bounded: a query has few parts, each part names a fixed number of terms, and nothing in it
//! is expanded by what the index holds. There are no wildcards but the dotted ones of kinds, which the index holds as terms of their own.

mod value;

use std::fmt;

use decision::types::{Currency, IssuerId, KindPattern, Lang, SeriesName};

/// The longest query, in bytes.
pub const MAX_QUERY: usize = 1024;

/// The most parts of a query.
pub const MAX_CLAUSES: usize = 32;

/// A query that makes sense: all of its parts have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    clauses: Vec<Clause>,
}

/// A part of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clause {
    /// Whether it must not hold.
    pub(super) excluded: bool,
    pub(super) what: What,
}

/// What a part of a query asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Words that follow each other, in a field of text.
    Text(TextField, Box<str>),
    /// A value as a whole.
    Exact(ExactField, Box<str>),
    /// Numbers between these two, which are among them.
    Range(RangeField, i64, i64),
}

/// Fields of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextField {
    All,
    Subject,
    Outcome,
    Party,
    Place,
    Unit,
    Basis,
}

/// Fields that are compared as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExactField {
    Log,
    Type,
    Issuer,
    Kind,
    Series,
    Status,
    Currency,
    Lang,
}

/// Fields of numbers and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangeField {
    Number,
    /// In ten thousandths.
    Amount,
    /// In days since 1970.
    Decided,
    /// In seconds since 1970.
    Issued,
    /// In seconds since 1970.
    Published,
}

/// A query that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {reason}", .at + 1)]
pub struct QueryError {
    /// Where, in characters from the beginning of the query.
    pub at: usize,
    /// Why.
    pub reason: QueryErrorReason,
}

/// What is wrong with a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryErrorReason {
    /// Too many bytes.
    #[error("the query is longer than {MAX_QUERY} bytes: ask for less")]
    TooLong,
    /// Too many parts, or too many words in one.
    #[error("the query has more than {MAX_CLAUSES} parts, or as many words in one of them: ask for less")]
    TooManyParts,
    /// A quote that is not closed.
    #[error("the quotation mark is not closed: write another one where the phrase ends")]
    OpenQuote,
    /// A field that there is not.
    #[error("there is no field of that name; there are {}. Put text that has a colon in it into quotation marks", Fields)]
    UnknownField,
    /// A field and nothing after it.
    #[error("nothing follows the colon: write the value right after it, or put text that ends with a colon into quotation marks")]
    NoValue,
    /// Nothing but signs.
    #[error("there is no letter and no digit here, so there is nothing to look for")]
    NoWord,
    /// A value that cannot be one of its field.
    #[error("{0}")]
    Value(Expected),
    /// A range that ends before it begins.
    #[error("the range ends before it begins: write the lesser value first")]
    Backwards,
}

/// What a field's values look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Expected {
    /// An issuer.
    #[error("an issuer is named like a web address, such as planning.example")]
    Issuer,
    /// A kind or a group of kinds.
    #[error("a kind is written as planning.permit, or planning.* for all that begin so")]
    Kind,
    /// A series.
    #[error("a series has a name like 2026 or 2026-appeals")]
    Series,
    /// A type.
    #[error("a type is one of decision, annotation, issuer, key, registrar, charter")]
    Type,
    /// A status.
    #[error("a status is one of in-force, corrected, superseded, revoked, refused")]
    Status,
    /// A currency.
    #[error("a currency is three letters, such as EUR")]
    Currency,
    /// A language.
    #[error("a language is a code such as en or de-CH")]
    Lang,
    /// A number.
    #[error("a number is written in digits: 7, >7, >=7, <7, <=7, 7..9")]
    Number,
    /// An amount.
    #[error("an amount is a decimal number without signs between its digits: 10000, >=10000.50, 10000..20000")]
    Amount,
    /// A day, month or year.
    #[error("a day is written as 2026-03-01, 2026-03 or 2026; ranges as >=2026-03-01, <2026, 2026-01..2026-03")]
    Date,
    /// A moment, day, month or year.
    #[error("a time is written as 2026-03-01T09:30:00Z, 2026-03-01, 2026-03 or 2026; ranges as >=2026-03-01, <2026, 2026-01..2026-03")]
    Time,
}

/// A field, of whichever sort.
#[derive(Clone, Copy)]
enum Field {
    Text(TextField),
    Exact(ExactField),
    Range(RangeField),
}

/// All fields that one can name.
const FIELDS: [(&str, Field); 20] = [
    ("text", Field::Text(TextField::All)),
    ("subject", Field::Text(TextField::Subject)),
    ("outcome", Field::Text(TextField::Outcome)),
    ("party", Field::Text(TextField::Party)),
    ("place", Field::Text(TextField::Place)),
    ("unit", Field::Text(TextField::Unit)),
    ("basis", Field::Text(TextField::Basis)),
    ("log", Field::Exact(ExactField::Log)),
    ("type", Field::Exact(ExactField::Type)),
    ("issuer", Field::Exact(ExactField::Issuer)),
    ("kind", Field::Exact(ExactField::Kind)),
    ("series", Field::Exact(ExactField::Series)),
    ("status", Field::Exact(ExactField::Status)),
    ("currency", Field::Exact(ExactField::Currency)),
    ("lang", Field::Exact(ExactField::Lang)),
    ("number", Field::Range(RangeField::Number)),
    ("amount", Field::Range(RangeField::Amount)),
    ("decided", Field::Range(RangeField::Decided)),
    ("issued", Field::Range(RangeField::Issued)),
    ("published", Field::Range(RangeField::Published)),
];

/// The names of types, as they stand in statements.
const TYPES: [&str; 6] = ["decision", "annotation", "issuer", "key", "registrar", "charter"];

/// How a decision can stand.
const STATUSES: [&str; 5] = ["in-force", "corrected", "superseded", "revoked", "refused"];

/// For the text of an error.
struct Fields;

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&FIELDS.map(|(name, _)| name).join(", "))
    }
}

impl Query {
    /// Parses what somebody wrote. The empty query asks for everything.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let mut query = Query::default();
        if text.len() > MAX_QUERY {
            return Err(QueryErrorReason::TooLong.at(0));
        }
        let mut reader = Reader { text, at: 0 };
        while let Some(word) = reader.next()? {
            if query.clauses.len() == MAX_CLAUSES {
                return Err(QueryErrorReason::TooManyParts.at(word.at));
            }
            let what = match word.field {
                None => text_of(TextField::All, word.value),
                Some(name) => named(name).ok_or(QueryErrorReason::UnknownField).and_then(|field| field.holds(word.value)),
            };
            query.clauses.push(Clause { excluded: word.excluded, what: what.map_err(|reason| reason.at(word.at))? });
        }
        Ok(query)
    }

    /// The same, and the field with this name has to hold `value`.
    pub fn and(mut self, field: &str, value: &str) -> Result<Self, QueryErrorReason> {
        if self.clauses.len() >= MAX_CLAUSES {
            return Err(QueryErrorReason::TooManyParts);
        }
        if value.len() > MAX_QUERY {
            return Err(QueryErrorReason::TooLong);
        }
        let what = named(field).ok_or(QueryErrorReason::UnknownField)?.holds(value)?;
        self.clauses.push(Clause { excluded: false, what });
        Ok(self)
    }

    pub(super) fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// Whether it asks for words: then what has them most comes first.
    pub fn has_words(&self) -> bool {
        self.clauses.iter().any(|clause| !clause.excluded && matches!(clause.what, What::Text(..)))
    }
}

impl QueryErrorReason {
    fn at(self, at: usize) -> QueryError {
        QueryError { at, reason: self }
    }
}

impl Field {
    fn holds(self, value: &str) -> Result<What, QueryErrorReason> {
        if value.is_empty() {
            return Err(QueryErrorReason::NoValue);
        }
        match self {
            Field::Text(field) => text_of(field, value),
            Field::Exact(field) => Ok(What::Exact(field, field.spelling(value).map_err(QueryErrorReason::Value)?)),
            Field::Range(field) => {
                let (least, most) = value::range(value, |value| field.values(value)).ok_or(QueryErrorReason::Value(field.expected()))?;
                if least > most { Err(QueryErrorReason::Backwards) } else { Ok(What::Range(field, least, most)) }
            }
        }
    }
}

impl ExactField {
    /// A value in the one spelling that the index has.
    fn spelling(self, value: &str) -> Result<Box<str>, Expected> {
        let one_of = |all: &[&str], expected| if all.contains(&value) { Ok(value.into()) } else { Err(expected) };
        match self {
            ExactField::Log => Ok(value.into()),
            ExactField::Type => one_of(&TYPES, Expected::Type),
            ExactField::Status => one_of(&STATUSES, Expected::Status),
            ExactField::Issuer => value.parse::<IssuerId>().map(|id| id.as_str().into()).map_err(|_| Expected::Issuer),
            ExactField::Kind => value.parse::<KindPattern>().map(|kind| kind.as_str().into()).map_err(|_| Expected::Kind),
            ExactField::Series => value.parse::<SeriesName>().map(|name| name.as_str().into()).map_err(|_| Expected::Series),
            ExactField::Currency => {
                let currency: Result<Currency, _> = value.to_ascii_uppercase().parse();
                currency.map(|currency| currency.as_str().into()).map_err(|_| Expected::Currency)
            }
            ExactField::Lang => value.parse::<Lang>().map(|lang| lang.as_str().to_ascii_lowercase().into()).map_err(|_| Expected::Lang),
        }
    }
}

impl RangeField {
    /// The numbers that a value stands for, from and to: a month is many days.
    fn values(self, value: &str) -> Option<(i64, i64)> {
        match self {
            RangeField::Number => value.parse().ok().filter(|number| *number >= 0).map(|number| (number, number)),
            RangeField::Amount => value::amount(value),
            RangeField::Decided => value::days(value),
            RangeField::Issued | RangeField::Published => value::seconds(value),
        }
    }

    fn expected(self) -> Expected {
        match self {
            RangeField::Number => Expected::Number,
            RangeField::Amount => Expected::Amount,
            RangeField::Decided => Expected::Date,
            RangeField::Issued | RangeField::Published => Expected::Time,
        }
    }
}

/// An amount as the index has it, in ten thousandths; what is beyond its range counts as its end.
pub(super) fn indexed_amount(value: &str) -> Option<i64> {
    value::amount(value).map(|(_, floor)| floor)
}

/// A day as the index has it.
pub(super) fn indexed_day(date: &str) -> Option<i64> {
    value::days(date).map(|(day, _)| day)
}

fn named(name: &str) -> Option<Field> {
    FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
}

fn text_of(field: TextField, value: &str) -> Result<What, QueryErrorReason> {
    match value.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).count() {
        0 => Err(QueryErrorReason::NoWord),
        1..=MAX_CLAUSES => Ok(What::Text(field, value.into())),
        _ => Err(QueryErrorReason::TooManyParts),
    }
}

/// A part of a query as it is written.
struct Word<'a> {
    /// Where it begins, in characters.
    at: usize,
    excluded: bool,
    field: Option<&'a str>,
    value: &'a str,
}

/// Splits a query into its parts.
struct Reader<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<Word<'a>>, QueryError> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        let begin = self.at;
        if begin == self.text.len() {
            return Ok(None);
        }
        let at = self.text[..begin].chars().count();
        let excluded = self.text[begin..].starts_with('-');
        self.at += usize::from(excluded);
        let rest = &self.text[self.at..];
        if rest.starts_with('"') {
            let value = self.quoted()?;
            return Ok(Some(Word { at, excluded, field: None, value }));
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == ':' || c == '"').unwrap_or(rest.len());
        self.at += end;
        let word = &rest[..end];
        if !rest[end..].starts_with(':') {
            return Ok(Some(Word { at, excluded, field: None, value: word }));
        }
        self.at += 1;
        let rest = &self.text[self.at..];
        let value = if rest.starts_with('"') {
            self.quoted()?
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            self.at += end;
            &rest[..end]
        };
        Ok(Some(Word { at, excluded, field: Some(word), value }))
    }

    /// What is between the quotation mark here and the next one.
    fn quoted(&mut self) -> Result<&'a str, QueryError> {
        let begin = self.at + 1;
        let length = self.text[begin..].find('"').ok_or_else(|| {
            let at = self.text[..self.at].chars().count();
            QueryErrorReason::OpenQuote.at(at)
        })?;
        self.at = begin + length + 1;
        Ok(&self.text[begin..begin + length])
    }
}

#[cfg(test)]
mod tests;
