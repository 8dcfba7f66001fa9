//! Expressions in CEL, the Common Expression Language: read once, bounded, and then applied to one entry after the other.
//!
//! CEL has no loops and always ends, but it can take its time: `all` within `all`, and texts that are doubled again and again. So what an
//! expression may spend on one entry is counted as it goes, see [`budget`], and by counting and not by the clock, so that a log that is
//! read again gives the same findings.
//!
//! Invariant: neither a rule nor an entry can bring the monitor down. The parser and the evaluation recurse, so both run on threads of
//! their own with stacks that are large enough for the longest rule; if one panics all the same, that is an error of the rule.

mod budget;
mod functions;
mod names;

use std::sync::Arc;
use std::thread;

use cel::common::ast::IdedExpr;
use cel::objects::{Key, Map, Value};
use cel::{Context, Env, ExecutionError};
use serde_json::Value as Json;
use tlog::printable::Printable;

pub use names::NameError;

/// The longest expression, in bytes.
pub(super) const MAX_EXPRESSION: usize = 4096;

/// Enough for what [`MAX_EXPRESSION`] bytes can nest.
pub(super) const STACK: usize = 64 << 20;

/// A text is no expression that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// Nothing.
    #[error("it is empty; write an expression such as statement.kind == \"procurement.award\"")]
    Empty,
    /// Too long.
    #[error("it is longer than {MAX_EXPRESSION} bytes; make several rules of it")]
    TooLong,
    /// Not CEL.
    #[error("at line {line}, column {column}: {problem}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What the parser says.
        problem: Box<str>,
    },
    /// A variable, field or function that there is not.
    #[error("at column {column}: {problem}")]
    Name {
        /// From 1, of the whole text.
        column: usize,
        /// Which, and which there are.
        problem: NameError,
    },
    /// Something that cannot be bounded.
    #[error("{0} cannot be used in a rule")]
    Unbounded(&'static str),
    /// The parser gave up.
    #[error("it nests too deeply to be read; make it shorter, or several rules of it")]
    TooDeep,
}

/// An expression that can be used.
#[derive(Clone, Debug)]
pub(super) struct Expression(IdedExpr);

/// What an expression says of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    True,
    /// It is false, or looks at something that the entry does not have.
    False,
    /// It could not be applied, for this reason.
    Failed(Box<str>),
}

/// What expressions are applied to.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) statement: Json,
    pub(super) log: String,
    pub(super) index: u64,
    pub(super) published: String,
    pub(super) refused: bool,
}

impl Expression {
    /// Reads an expression.
    pub(super) fn parse(source: &str) -> Result<Self, ExpressionError> {
        if source.trim().is_empty() {
            return Err(ExpressionError::Empty);
        }
        if source.len() > MAX_EXPRESSION {
            return Err(ExpressionError::TooLong);
        }
        let source = source.to_owned();
        let parser = thread::Builder::new().name("rule-parser".into()).stack_size(STACK).spawn(move || parse(&source));
        // Without a thread there is no monitor either; and what panicked was the parser, over this text.
        parser.map_err(|_| ExpressionError::TooDeep)?.join().unwrap_or(Err(ExpressionError::TooDeep))
    }
}

/// The entry that expressions are applied to, made ready once for all of them. Belongs to a thread with a stack of [`STACK`].
pub(super) struct Scope(Context<'static, 'static>);

impl Scope {
    pub(super) fn new(env: &Arc<Env>, subject: Subject) -> Self {
        let mut context = Context::with_env(Arc::clone(env));
        context.add_variable_from_value("statement", value(subject.statement));
        context.add_variable_from_value("log", subject.log);
        context.add_variable_from_value("index", number(&subject.index.into()));
        context.add_variable_from_value("published", subject.published);
        context.add_variable_from_value("refused", subject.refused);
        Scope(context)
    }

    /// What an expression says of the entry.
    pub(super) fn apply(&self, expression: &Expression) -> Verdict {
        budget::begin();
        let said = Value::resolve(&expression.0, &self.0);
        // `||` and `&&` may swallow the error of the part that was too costly.
        if budget::is_spent() {
            return Verdict::Failed("it is too costly for this entry and was not applied to the end".into());
        }
        match said {
            Ok(Value::Bool(true)) => Verdict::True,
            Ok(Value::Bool(false)) => Verdict::False,
            Ok(other) => Verdict::Failed(format!("it gives {} instead of true or false", kind(&other)).into()),
            Err(ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_)) => Verdict::False,
            // The text may quote what a stranger wrote.
            Err(error) => Verdict::Failed(Printable(error).to_string().into()),
        }
    }
}

/// The functions that expressions may use.
pub(super) fn environment() -> Arc<Env> {
    functions::environment()
}

fn parse(source: &str) -> Result<Expression, ExpressionError> {
    let program = functions::environment().compile(source).map_err(|errors| {
        let first = errors.errors.into_iter().next();
        let (line, column) = first.as_ref().map_or((1, 1), |error| error.pos);
        let at = |place: isize| usize::try_from(place).unwrap_or(1).max(1);
        let problem = first.map_or_else(|| "this is no expression".into(), |error| Printable(error.msg).to_string().into());
        ExpressionError::Syntax { line: at(line), column: at(column), problem }
    })?;
    let column = |id| {
        let start = program.source_info().offset_for(id).map_or(0, |(start, _)| start);
        usize::try_from(start).unwrap_or(0) + 1
    };
    if !budget::is_shallow(program.expression()) {
        return Err(ExpressionError::TooDeep);
    }
    names::check(program.expression()).map_err(|(id, problem)| ExpressionError::Name { column: column(id), problem })?;
    Ok(Expression(budget::bounded(program.expression().clone())?))
}

/// JSON as a value of CEL.
fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => value.into(),
        Json::Number(value) => number(&value),
        Json::String(value) => value.into(),
        Json::Array(values) => Value::List(Arc::new(values.into_iter().map(value).collect())),
        Json::Object(members) => {
            let members = members.into_iter().map(|(name, member)| (Key::from(name), value(member)));
            Value::Map(Map { map: Arc::new(members.collect()) })
        }
    }
}

/// A whole number where it is one.
fn number(number: &serde_json::Number) -> Value {
    match (number.as_i64(), number.as_u64()) {
        (Some(signed), _) => Value::Int(signed),
        (None, Some(unsigned)) => Value::UInt(unsigned),
        (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "a list",
        Value::Map(_) => "an object",
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => "a number",
        Value::String(_) => "a text",
        Value::Null => "null",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests;
