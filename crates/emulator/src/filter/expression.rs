//! The expressions that filters are made of, and whether one holds for an entry.
//!
//! To add an operator: its variant, its meaning in `fits` or `compare`, and its letters in `tokens.rs`.

use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;

use crate::schema::enum_number;

pub(super) enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Compare {
        field: Vec<String>,
        operator: Operator,
        value: Operand,
    },
    /// A text anywhere in the entry.
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Has,
    Matches,
    MatchesNot,
}

#[derive(Clone)]
pub(super) enum Operand {
    Text(String),
    /// `field:*`, which holds where there is such a field.
    Present,
    Pattern(Regex),
    /// A severity, by its number.
    Severity(i64),
    Time(Timestamp),
}

impl Expression {
    pub(super) fn holds(&self, entry: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(entry)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(entry)),
            Self::Not(inner) => !inner.holds(entry),
            Self::Text(text) => contains_anywhere(entry, &text.to_lowercase()),
            Self::Compare { field, operator, value } => {
                if let Operand::Severity(wanted) = value {
                    let word = entry["severity"].as_str().unwrap_or("DEFAULT");
                    let own = enum_number("google.logging.type.LogSeverity", word).unwrap_or(0);
                    return compare(*operator, own.cmp(wanted));
                }
                let mut found = Vec::new();
                collect(entry, field, &mut found);
                found.iter().any(|own| fits(own, *operator, value))
            }
        }
    }
}

/// The values at a path; a list stands for each of its items.
fn collect<'a>(value: &'a Value, path: &[String], found: &mut Vec<&'a Value>) {
    if let Value::Array(items) = value {
        for item in items {
            collect(item, path, found);
        }
        return;
    }
    match path {
        [] => found.push(value),
        [first, rest @ ..] => {
            if let Some(inner) = value.get(first) {
                collect(inner, rest, found);
            }
        }
    }
}

fn fits(own: &Value, operator: Operator, value: &Operand) -> bool {
    let plain = || match own {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Operand::Present => !own.is_null(),
        Operand::Pattern(pattern) => pattern.is_match(&plain()) == (operator == Operator::Matches),
        Operand::Time(wanted) => own
            .as_str()
            .and_then(|text| text.parse::<Timestamp>().ok())
            .is_some_and(|own| compare(operator, own.cmp(wanted))),
        Operand::Severity(_) => false,
        Operand::Text(wanted) => {
            if let (Some(own), Ok(wanted)) = (own.as_f64(), wanted.parse::<f64>()) {
                return own.partial_cmp(&wanted).is_some_and(|order| compare(operator, order));
            }
            let (own, wanted) = (plain().to_lowercase(), wanted.to_lowercase());
            if operator == Operator::Has {
                return own.contains(&wanted);
            }
            compare(operator, own.cmp(&wanted))
        }
    }
}

fn compare(operator: Operator, order: std::cmp::Ordering) -> bool {
    match operator {
        Operator::Equal | Operator::Has => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Matches | Operator::MatchesNot => false,
    }
}

fn contains_anywhere(value: &Value, text: &str) -> bool {
    match value {
        Value::String(own) => own.to_lowercase().contains(text),
        Value::Number(own) => own.to_string() == text,
        Value::Bool(own) => own.to_string() == text,
        Value::Array(items) => items.iter().any(|item| contains_anywhere(item, text)),
        Value::Object(entries) => entries.values().any(|item| contains_anywhere(item, text)),
        Value::Null => false,
    }
}
