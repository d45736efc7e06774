//! Actions with values, as suggestions for a person and as the undo of an action.

use std::collections::BTreeMap;

use quill_admin_actions::{Call, Segment, Suggestion, Text};

use crate::next::Next;
use crate::say::Values;

/// A suggested action with its values. A parameter without a value is left out, and is asked for.
pub(crate) fn suggested(values: &Values<'_>, suggestion: &Suggestion) -> Next {
    let typed = |(name, text): (&String, &Text)| Some((name.clone(), typed(values, text)?));
    Next { action: suggestion.action.clone(), with: suggestion.with.iter().filter_map(typed).collect() }
}

/// The action that undoes this one; `None` if a value is missing that it needs. A parameter that was left out
/// is left out again.
pub(crate) fn undoing(values: &Values<'_>, call: &Call) -> Option<Next> {
    let mut with = BTreeMap::new();
    for (name, text) in &call.with {
        match typed(values, text) {
            Some(text) => drop(with.insert(name.clone(), text)),
            None if is_left_out(values, text) => {}
            None => return None,
        }
    }
    Some(Next { action: call.action.clone(), with })
}

/// A text with its values in the form in which they are typed; `None` if one is missing.
fn typed(values: &Values<'_>, text: &Text) -> Option<String> {
    let mut whole = String::new();
    for segment in text.segments() {
        match segment {
            Segment::Literal(text) => whole.push_str(text),
            Segment::Parameter(name) => whole.push_str(&values.arguments.get(name)?.as_text()?),
            row => whole.push_str(&values.value(row)?.as_text()?),
        }
    }
    Some(whole)
}

fn is_left_out(values: &Values<'_>, text: &Text) -> bool {
    matches!(text.segments(), [Segment::Parameter(name)] if values.arguments.get(name).is_none())
}
