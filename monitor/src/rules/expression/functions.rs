//! The functions of expressions: those of CEL's standard library, and a few for what statements are made of.

use std::sync::Arc;

use cel::common::types::{CelDouble, CelInt, CelString, CelUInt, DOUBLE_TYPE, INT_TYPE, STRING_TYPE, UINT_TYPE};
use cel::common::value::CowVal;
use cel::{Env, ExecutionError};
use jiff::civil::Date;

use super::super::words;
use super::budget;

/// The functions that rules may call, as people write them. Operators have names of their own.
pub(super) const FUNCTIONS: [&str; 15] = [
    "number",
    "plain",
    "day",
    "weekday",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "dyn",
    "type",
];

/// All functions.
pub(super) fn environment() -> Arc<Env> {
    let mut env = Env::stdlib().with_optional_support(false);
    let mut add = |name: &str, id: &str, of, function| env.add_overload(name, id, vec![of], function).expect("each is added once");
    add("number", "number_of_string", STRING_TYPE, |arguments| Ok(CowVal::owned(CelDouble::from(number(text(&arguments)?)?))));
    add("number", "number_of_double", DOUBLE_TYPE, |arguments| {
        Ok(CowVal::owned(CelDouble::from(*first::<CelDouble>(&arguments)?.inner())))
    });
    add("number", "number_of_int", INT_TYPE, |arguments| {
        #[allow(clippy::as_conversions, reason = "to the nearest one, as CEL does it")]
        let number = *first::<CelInt>(&arguments)?.inner() as f64;
        Ok(CowVal::owned(CelDouble::from(number)))
    });
    add("number", "number_of_uint", UINT_TYPE, |arguments| {
        #[allow(clippy::as_conversions, reason = "to the nearest one, as CEL does it")]
        let number = *first::<CelUInt>(&arguments)?.inner() as f64;
        Ok(CowVal::owned(CelDouble::from(number)))
    });
    add("plain", "plain_string", STRING_TYPE, |arguments| Ok(CowVal::owned(CelString::from(words::plain(text(&arguments)?)))));
    add("day", "day_of_string", STRING_TYPE, |arguments| {
        let since = date("day", text(&arguments)?)?.since(Date::constant(1970, 1, 1));
        let days = since.map_err(|error| ExecutionError::function_error("day", error))?.get_days();
        Ok(CowVal::owned(CelInt::from(i64::from(days))))
    });
    add("weekday", "weekday_of_string", STRING_TYPE, |arguments| {
        let weekday = date("weekday", text(&arguments)?)?.weekday().to_monday_one_offset();
        Ok(CowVal::owned(CelInt::from(i64::from(weekday))))
    });
    budget::add_to(&mut env);
    Arc::new(env)
}

fn number(text: &str) -> Result<f64, ExecutionError> {
    // Rust also reads `inf` and `nan`, which are no amounts.
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| ExecutionError::function_error("number", "the text is not a number"))
}

/// The day of a date, or of a time in UTC.
fn date(function: &str, text: &str) -> Result<Date, ExecutionError> {
    let day = text.get(..10).filter(|_| text.len() == 10 || text.as_bytes()[10] == b'T');
    let date = day.and_then(|day| day.parse().ok());
    date.ok_or_else(|| ExecutionError::function_error(function, "the text is neither a date nor a time, such as 2026-03-01"))
}

fn text<'a>(arguments: &'a [CowVal<'_, '_>]) -> Result<&'a str, ExecutionError> {
    let text = arguments.first().and_then(|text| text.downcast_ref::<CelString<'_>>());
    text.map(CelString::inner).ok_or(ExecutionError::MissingArgumentOrTarget)
}

fn first<'a, T>(arguments: &'a [CowVal<'_, '_>]) -> Result<&'a T, ExecutionError>
where
    T: cel::common::value::StaticVal,
{
    arguments.first().and_then(|value| value.downcast_ref::<T>()).ok_or(ExecutionError::MissingArgumentOrTarget)
}
