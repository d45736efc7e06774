//! Fills the values into texts for people.
//!
//! To let texts name another kind of value: `Segment` in the crate `actions`, and its arm in [`Values::say`].

use std::collections::BTreeMap;

use quill_admin_actions::{FieldWords, Segment, SubjectWords, Text};
use quill_admin_contract::{Argument, Arguments};

use crate::state::State;
use crate::value::Value;

/// The word for a missing value.
pub(crate) const NOTHING: &str = "nothing";

/// The values that texts may name.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) words: Option<&'a SubjectWords>,
    pub(crate) before: Option<&'a State>,
    pub(crate) after: Option<&'a State>,
    pub(crate) found: Option<&'a BTreeMap<String, Value>>,
}

impl<'a> Values<'a> {
    /// Fills the values into a text.
    pub(crate) fn say(&self, text: &Text) -> String {
        text.render(|segment| match segment {
            Segment::Literal(text) => text.clone(),
            Segment::Parameter(name) => argument(self.arguments.get(name)),
            Segment::Before(field) | Segment::After(field) => self.field(field, self.value(segment)),
            Segment::Found(_) => plain(self.value(segment)),
        })
    }

    /// The value of a segment that names a field or column of a row; `None` for other segments.
    pub(crate) fn value(&self, segment: &Segment) -> Option<&'a Value> {
        match segment {
            Segment::Before(field) => self.before?.get(field),
            Segment::After(field) => self.after?.get(field),
            Segment::Found(column) => self.found?.get(column),
            Segment::Parameter(_) | Segment::Literal(_) => None,
        }
    }

    fn field(&self, field: &str, value: Option<&Value>) -> String {
        let words = self.words.and_then(|words| words.fields.iter().find(|words| words.field == field));
        match (words, value) {
            (Some(words), Some(value)) => within(words, value),
            _ => plain(value),
        }
    }
}

/// The value of a parameter as people read it. A password is a hash here, and is redacted.
pub(crate) fn argument(argument: Option<&Argument>) -> String {
    match argument {
        None => NOTHING.to_owned(),
        Some(Argument::Password(_)) => "[redacted]".to_owned(),
        Some(other) => other.values().join(" and "),
    }
}

/// A value without its field's name.
pub(crate) fn plain(value: Option<&Value>) -> String {
    match value {
        Some(Value::Texts(texts)) => texts.join(" and "),
        Some(value) => value.as_text().unwrap_or_else(|| NOTHING.to_owned()),
        None => NOTHING.to_owned(),
    }
}

/// A field within a sentence: `staff`, `inactive`, `role Clinician`, `no role`.
pub(crate) fn within(words: &FieldWords, value: &Value) -> String {
    match (value, &words.words) {
        (Value::Boolean(value), Some([no, yes])) => if *value { yes } else { no }.clone(),
        (Value::Texts(texts), _) => match texts.as_slice() {
            [] => format!("no {}", words.label),
            [one] => format!("{} {one}", words.label),
            many => format!("{} {}", words.plural.as_ref().unwrap_or(&words.label), many.join(" and ")),
        },
        (other, _) => plain(Some(other)),
    }
}
