//! Whether all that an expression names is there.
//!
//! CEL itself finds out only when it looks, and takes what is not there for what the entry does not have. So a rule with a misspelt field
//! would be never true, and its writer would believe that all is well. Fields of our own that are not in the schema of statements can be
//! asked for as `statement["field"]`.

use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use super::functions::FUNCTIONS;

/// Something in an expression is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// A variable.
    #[error("there is no variable `{0}`{maybe}; there are {list}", maybe = perhaps(.0, &VARIABLES), list = VARIABLES.join(", "))]
    Variable(Box<str>),
    /// A field.
    #[error("{of} has no field `{field}`{maybe}; it has {list}; a field beyond these can be asked for as [\"{field}\"]", maybe = perhaps(.field, .known), list = known.join(", "))]
    Field {
        /// Of what.
        of: &'static str,
        /// Which.
        field: Box<str>,
        /// Which there are.
        known: &'static [&'static str],
    },
    /// A function.
    #[error(
        "there is no function `{0}`{maybe}; there are {list}, and the forms has, in, all, exists, exists_one, map and filter",
        maybe = perhaps(.0, &FUNCTIONS),
        list = FUNCTIONS.join(", ")
    )]
    Function(Box<str>),
}

const VARIABLES: [&str; 5] = ["statement", "log", "index", "published", "refused"];

/// What `type(x)` can be compared with.
const TYPES: [&str; 8] = ["int", "uint", "double", "string", "bool", "list", "map", "null_type"];

/// What of a statement an expression speaks of, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Statement,
    Amount,
    Place,
    Point,
    Party,
    Document,
    Relates,
    Many(Member),
    Anything,
}

/// Of what there are many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Party,
    Document,
    Relates,
}

impl Shape {
    fn fields(self) -> Option<(&'static str, &'static [&'static str])> {
        match self {
            Shape::Statement => Some((
                "a statement",
                &[
                    "type",
                    "log",
                    "issuer",
                    "issued",
                    "lang",
                    "series",
                    "seq",
                    "kind",
                    "subject",
                    "outcome",
                    "decided",
                    "effective",
                    "until",
                    "unit",
                    "signatories",
                    "legal_basis",
                    "place",
                    "parties",
                    "amount",
                    "documents",
                    "relates",
                    "data",
                    "text",
                    "_sd",
                    "version",
                    "registrars",
                    "threshold",
                    "admission",
                    "names",
                    "keys",
                    "kinds",
                    "may_overrule",
                    "hours",
                    "contact",
                    "retired",
                    "action",
                    "key",
                    "doubt_from",
                ],
            )),
            Shape::Amount => Some(("an amount", &["value", "currency"])),
            Shape::Place => Some(("a place", &["address", "point", "_sd"])),
            Shape::Point => Some(("a point", &["type", "coordinates"])),
            Shape::Party => Some(("a party", &["role", "name", "id", "_sd"])),
            Shape::Document => Some(("a document", &["name", "media_type", "size", "sha256", "url"])),
            Shape::Relates => Some(("a relation", &["rel", "index", "leaf"])),
            Shape::Many(_) | Shape::Anything => None,
        }
    }

    fn of_field(self, field: &str) -> Shape {
        match (self, field) {
            (Shape::Statement, "amount") => Shape::Amount,
            (Shape::Statement, "place") => Shape::Place,
            (Shape::Place, "point") => Shape::Point,
            (Shape::Statement, "parties") => Shape::Many(Member::Party),
            (Shape::Statement, "documents") => Shape::Many(Member::Document),
            (Shape::Statement, "relates") => Shape::Many(Member::Relates),
            _ => Shape::Anything,
        }
    }

    fn of_element(self) -> Shape {
        match self {
            Shape::Many(Member::Party) => Shape::Party,
            Shape::Many(Member::Document) => Shape::Document,
            Shape::Many(Member::Relates) => Shape::Relates,
            _ => Shape::Anything,
        }
    }
}

/// What is not there, and the number of the part of the expression that names it.
type Missing = (u64, NameError);

/// Looks for the first name that is not there.
pub(super) fn check(expression: &IdedExpr) -> Result<(), Missing> {
    Names { scopes: Vec::new() }.shape(expression).map(drop)
}

/// The variables of the loops around.
struct Names<'e> {
    scopes: Vec<(&'e str, Shape)>,
}

impl<'e> Names<'e> {
    fn shape(&mut self, expression: &'e IdedExpr) -> Result<Shape, Missing> {
        match &expression.expr {
            Expr::Ident(name) => self.variable(name).ok_or_else(|| (expression.id, NameError::Variable(name.as_str().into()))),
            Expr::Select(select) => {
                let of = self.shape(&select.operand)?;
                if let Some((of, known)) = of.fields().filter(|(_, known)| !known.contains(&select.field.as_str())) {
                    return Err((expression.id, NameError::Field { of, field: select.field.as_str().into(), known }));
                }
                Ok(of.of_field(&select.field))
            }
            Expr::Call(call) => {
                let target = call.target.iter().map(|target| &**target);
                let shapes = target.chain(&call.args).map(|part| self.shape(part)).collect::<Result<Vec<_>, _>>()?;
                let name = call.func_name.as_str();
                // A name that people can write; operators have others.
                if name.starts_with(|c: char| c.is_ascii_alphabetic()) && !FUNCTIONS.contains(&name) {
                    return Err((expression.id, NameError::Function(name.into())));
                }
                match (name, &shapes[..], call.args.last().map(|last| &last.expr)) {
                    (operators::INDEX, [of, _], Some(Expr::Literal(LiteralValue::String(field)))) => Ok(of.of_field(field.inner())),
                    (operators::INDEX, [of, _], _) => Ok(of.of_element()),
                    _ => Ok(Shape::Anything),
                }
            }
            Expr::Comprehension(all) => self.comprehension(all),
            Expr::List(list) => self.each(&list.elements),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(pair) = &entry.expr {
                        self.shape(&pair.key)?;
                        self.shape(&pair.value)?;
                    }
                }
                Ok(Shape::Anything)
            }
            Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => Ok(Shape::Anything),
        }
    }

    fn comprehension(&mut self, all: &'e ComprehensionExpr) -> Result<Shape, Missing> {
        let range = self.shape(&all.iter_range)?;
        self.scopes.push((&all.accu_var, Shape::Anything));
        self.scopes.push((&all.iter_var, range.of_element()));
        let inside =
            [&all.accu_init, &all.loop_cond, &all.loop_step, &all.result].into_iter().try_for_each(|part| self.shape(part).map(drop));
        self.scopes.truncate(self.scopes.len() - 2);
        inside?;
        // `filter` gives some of the same; what `map` gives is not known. Both begin with an empty list, and only `filter` asks first.
        let filters = matches!(&all.loop_step.expr, Expr::Call(call) if call.func_name == operators::CONDITIONAL && appends(call.args.get(1), &all.iter_var));
        Ok(if filters { range } else { Shape::Anything })
    }

    fn each(&mut self, parts: &'e [IdedExpr]) -> Result<Shape, Missing> {
        parts.iter().try_for_each(|part| self.shape(part).map(drop))?;
        Ok(Shape::Anything)
    }

    fn variable(&self, name: &str) -> Option<Shape> {
        if let Some((_, shape)) = self.scopes.iter().rev().find(|(known, _)| *known == name) {
            return Some(*shape);
        }
        match name {
            "statement" => Some(Shape::Statement),
            name => (VARIABLES.contains(&name) || TYPES.contains(&name)).then_some(Shape::Anything),
        }
    }
}

/// Whether a step puts the variable itself into the list.
fn appends(step: Option<&IdedExpr>, variable: &str) -> bool {
    let Some(Expr::Call(call)) = step.map(|step| &step.expr) else { return false };
    match call.args.get(1).map(|more| &more.expr) {
        Some(Expr::List(list)) => matches!(&list.elements[..], [one] if matches!(&one.expr, Expr::Ident(name) if name == variable)),
        _ => false,
    }
}

/// What may have been meant by a name that is not there.
fn perhaps(name: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|known| (distance(name, known), known)).min();
    nearest.filter(|(distance, _)| *distance <= 2).map(|(_, nearest)| format!(" (perhaps `{nearest}`)")).unwrap_or_default()
}

/// How many letters are to be put in, left out or exchanged to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.bytes().enumerate() {
            let changed = corner + usize::from(a != b);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}
