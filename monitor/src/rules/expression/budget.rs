//! What an expression may spend on one entry.
//!
//! Before an expression is used, every value that it hands on to a function, puts into a list, or runs through is wrapped in a call that
//! pays for the value's size and then gives the value itself. So each step is paid for that takes longer the more there is, and all
//! that is built has been paid for by the time that more is built of it. What costs nothing is what a rule of its length can do once.
//!
//! The account is one of the thread: CEL's functions are plain functions and have nowhere else to find it. A thread applies one
//! expression at a time.

use std::cell::Cell;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, operators};
use cel::common::types::{CelBytes, CelList, CelMap, CelString};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError};

use super::ExpressionError;

/// What one expression may spend on one entry. Five for each payment, one for each value in a value, one for sixteen bytes of a text.
///
/// A statement of the largest size costs a few thousand at a time, and all pairs of eighty parties half of all.
const BUDGET: u64 = 400_000;

const PAYMENT: u64 = 5;

/// No name that a rule can call.
const PAY: &str = "@pay";

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
    static SPENT: Cell<bool> = const { Cell::new(false) };
}

/// Opens the account for an expression.
pub(super) fn begin() {
    LEFT.set(BUDGET);
    SPENT.set(false);
}

/// Whether the expression wanted to spend more than there was.
pub(super) fn is_spent() -> bool {
    SPENT.get()
}

/// Lets expressions of this environment pay.
pub(super) fn add_to(env: &mut Env) {
    env.add_overload(PAY, "pay", vec![cel::common::types::DYN_TYPE], pay).expect("the name is used once");
}

fn pay<'b, 'v>(mut arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = arguments.pop().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    let left = LEFT.get().checked_sub(PAYMENT).and_then(|left| price(&*value, left));
    match left {
        Some(left) => LEFT.set(left),
        None => {
            LEFT.set(0);
            SPENT.set(true);
            return Err(ExecutionError::function_error("rule", "too costly"));
        }
    }
    Ok(value)
}

/// What is left of `left` after paying for a value. Stops looking at it when nothing is.
fn price(value: &dyn Val, left: u64) -> Option<u64> {
    let mut left = left.checked_sub(1)?;
    let bytes = |count: usize| u64::try_from(count).unwrap_or(u64::MAX) / 16;
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        left = left.checked_sub(bytes(text.inner().len()))?;
    } else if let Some(blob) = value.downcast_ref::<CelBytes<'_>>() {
        left = left.checked_sub(bytes(blob.inner().len()))?;
    } else if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        for value in list.inner() {
            left = price(&**value, left)?;
        }
    } else if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        for (key, value) in map.inner() {
            left = price(&**value, price(key.inner(), left)?)?;
        }
    }
    Some(left)
}

/// How deep an expression may nest. Each level takes some kilobytes of stack when it is applied.
const MAX_DEPTH: usize = 250;

/// Whether an expression nests no deeper than `left` levels.
pub(super) fn is_shallow(expression: &IdedExpr) -> bool {
    fn within(expression: &IdedExpr, left: usize) -> bool {
        let Some(left) = left.checked_sub(1) else { return false };
        match &expression.expr {
            Expr::Call(call) => call.target.iter().all(|target| within(target, left)) && call.args.iter().all(|part| within(part, left)),
            Expr::Comprehension(all) => {
                let parts = [&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result];
                parts.into_iter().all(|part| within(part, left))
            }
            Expr::List(list) => list.elements.iter().all(|part| within(part, left)),
            Expr::Map(map) => map.entries.iter().all(|entry| match &entry.expr {
                EntryExpr::MapEntry(pair) => within(&pair.key, left) && within(&pair.value, left),
                EntryExpr::StructField(field) => within(&field.value, left),
            }),
            Expr::Select(select) => within(&select.operand, left),
            Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => true,
        }
    }
    within(expression, MAX_DEPTH)
}

/// The same expression, which pays for what it does.
pub(super) fn bounded(mut expression: IdedExpr) -> Result<IdedExpr, ExpressionError> {
    expression.expr = match expression.expr {
        Expr::Call(call) => Expr::Call(call_bounded(call)?),
        Expr::Comprehension(comprehension) => Expr::Comprehension(Box::new(comprehension_bounded(*comprehension)?)),
        Expr::List(mut list) => {
            list.elements = list.elements.into_iter().map(paid).collect::<Result<_, _>>()?;
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                let EntryExpr::MapEntry(pair) = &mut entry.expr else { return Err(ExpressionError::Unbounded("a structure")) };
                pair.key = paid(std::mem::take(&mut pair.key))?;
                pair.value = paid(std::mem::take(&mut pair.value))?;
            }
            Expr::Map(map)
        }
        Expr::Select(mut select) => {
            *select.operand = bounded(std::mem::take(&mut *select.operand))?;
            Expr::Select(select)
        }
        Expr::Struct(_) => return Err(ExpressionError::Unbounded("a structure")),
        Expr::Unspecified => return Err(ExpressionError::Unbounded("an empty part")),
        same @ (Expr::Ident(_) | Expr::Literal(_)) => same,
    };
    Ok(expression)
}

/// The same expression, whose value is paid for.
fn paid(expression: IdedExpr) -> Result<IdedExpr, ExpressionError> {
    if matches!(expression.expr, Expr::Literal(_)) {
        return Ok(expression);
    }
    let id = expression.id;
    let call = CallExpr { func_name: PAY.into(), target: None, args: vec![bounded(expression)?] };
    Ok(IdedExpr { id, expr: Expr::Call(call) })
}

fn call_bounded(mut call: CallExpr) -> Result<CallExpr, ExpressionError> {
    // These look at no more than one bit, or one place, of what they are given.
    let small = [operators::LOGICAL_AND, operators::LOGICAL_OR, operators::LOGICAL_NOT, operators::CONDITIONAL, operators::INDEX];
    let each = if small.contains(&call.func_name.as_str()) { bounded } else { paid };
    call.target = call.target.map(|target| each(*target).map(Box::new)).transpose()?;
    call.args = call.args.into_iter().map(each).collect::<Result<_, _>>()?;
    Ok(call)
}

/// What `all`, `exists`, `exists_one`, `map` and `filter` are made into by the parser. Their frame stays as it is, since the evaluation
/// knows it by its form; what is paid for is what they run through, and at each step what the rule says of it.
fn comprehension_bounded(mut all: ComprehensionExpr) -> Result<ComprehensionExpr, ExpressionError> {
    if all.iter_var2.is_some() {
        return Err(ExpressionError::Unbounded("a loop with two variables"));
    }
    all.iter_range = paid(all.iter_range)?;
    all.loop_step = step_bounded(all.loop_step, &all.accu_var)?;
    Ok(all)
}

fn step_bounded(mut step: IdedExpr, accumulator: &str) -> Result<IdedExpr, ExpressionError> {
    let is_accumulator = |expression: &IdedExpr| matches!(&expression.expr, Expr::Ident(name) if name == accumulator);
    let unknown = ExpressionError::Unbounded("a loop of this kind");
    if is_accumulator(&step) {
        return Ok(step);
    }
    let Expr::Call(call) = &mut step.expr else { return Err(unknown) };
    let arguments = std::mem::take(&mut call.args);
    call.args = match (call.func_name.as_str(), <[IdedExpr; 3]>::try_from(arguments)) {
        (operators::CONDITIONAL, Ok([condition, then, otherwise])) => {
            vec![paid(condition)?, step_bounded(then, accumulator)?, step_bounded(otherwise, accumulator)?]
        }
        (name, Err(arguments)) => match (name, <[IdedExpr; 2]>::try_from(arguments)) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, Ok([result, said])) if is_accumulator(&result) => vec![result, paid(said)?],
            (operators::ADD, Ok([result, more])) if is_accumulator(&result) => vec![result, bounded(more)?],
            _ => return Err(unknown),
        },
        _ => return Err(unknown),
    };
    Ok(step)
}
