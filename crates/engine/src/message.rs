//! The message that tells the outcome of an action on one line.
//!
//! To change the sentence of an effect: [`message`]. The words of an action go first; the sentences here are for
//! actions that have none.

use quill_admin_actions::{Action, FieldWords, SubjectWords};

use crate::performed::{Change, Effect, Listed};
use crate::say::{self, NOTHING, Values};
use crate::state::State;
use crate::value::Value;

/// The parts that a message is made of.
pub(crate) struct MessageParts<'a> {
    pub(crate) action: &'a Action,
    pub(crate) values: Values<'a>,
    pub(crate) effect: Effect,
    pub(crate) changes: &'a [Change],
    pub(crate) listed: Option<&'a Listed>,
}

/// The message.
pub(crate) fn message(did: &MessageParts<'_>) -> String {
    let (words, values) = (&did.action.words, &did.values);
    let name = subject(did.action, values);
    let behind = |start: &str, parts: String| {
        if parts.is_empty() { start.to_owned() } else { format!("{start}: {parts}") }
    };
    match did.effect {
        Effect::Created => {
            let parts = match &words.created {
                Some(text) => values.say(text),
                None => values.after.map(|after| fields(values.words, after)).unwrap_or_default(),
            };
            behind(&format!("created {name}"), parts)
        }
        Effect::Updated => {
            let parts: Vec<String> = did.changes.iter().map(|one| change(values.words, one)).collect();
            behind(&format!("updated {name}"), parts.join(", "))
        }
        Effect::Unchanged => behind(
            "nothing to change",
            words.already.as_ref().map_or_else(|| name.clone(), |text| values.say(text)),
        ),
        Effect::Found if did.action.definition.subject.is_some() && values.after.is_none() => {
            unexpected(did.action, values)
        }
        Effect::Found => {
            let told_fields = values.after.map(|after| fields(values.words, after)).unwrap_or_default();
            match did.listed.map(list) {
                Some(list) if did.action.definition.subject.is_none() => list,
                Some(list) => format!("{}; {list}", behind(&name, told_fields)),
                None => behind(&name, told_fields),
            }
        }
    }
}

/// The subject of the action, by its kind and name; for an action without a subject, the action's own name.
pub(crate) fn subject(action: &Action, values: &Values<'_>) -> String {
    let Some(subject) = &action.definition.subject else { return action.name.clone() };
    let key = subject.key.iter().map(|name| say::argument(values.arguments.get(name)));
    std::iter::once(subject.name.clone()).chain(key).collect::<Vec<_>>().join(" ")
}

/// The message about a subject that exists and should not, or does not exist and should.
pub(crate) fn unexpected(action: &Action, values: &Values<'_>) -> String {
    let said = values.words.and_then(|words| words.unexpected.as_ref()).map(|text| values.say(text));
    let name = subject(action, values);
    said.unwrap_or_else(|| match values.before {
        Some(_) => format!("there is a {name} already"),
        None => format!("there is no {name}"),
    })
}

/// The values of all fields that are shown.
fn fields(words: Option<&SubjectWords>, state: &State) -> String {
    let Some(words) = words else { return String::new() };
    let told = words.fields.iter().filter_map(|words| match state.get(&words.field)? {
        Value::Null => None,
        value if names_itself(words, value) => Some(say::within(words, value)),
        value => Some(format!("{} {}", words.label, say::within(words, value))),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// Whether the words for a value include the field's name, or need none.
fn names_itself(words: &FieldWords, value: &Value) -> bool {
    matches!(value, Value::Texts(_)) || (matches!(value, Value::Boolean(_)) && words.words.is_some())
}

fn change(words: Option<&SubjectWords>, change: &Change) -> String {
    let field = change.field();
    let of_field = words.and_then(|words| words.fields.iter().find(|words| words.field == field));
    let label = of_field.map_or_else(|| field.replace('_', " "), |words| words.label.clone());
    match change {
        Change::Field { old, new, .. } => {
            let said = |value: Option<&Value>| match (value, of_field) {
                (None | Some(Value::Null), _) => NOTHING.to_owned(),
                (Some(value), Some(words)) => say::within(words, value),
                (value, None) => say::plain(value),
            };
            let (old, new, named) =
                (old.as_ref(), new, of_field.is_some_and(|words| names_itself(words, new)));
            match (old, named) {
                (Some(old), true) => format!("{} → {}", said(Some(old)), said(Some(new))),
                (Some(old), false) => format!("{label} {} → {}", said(Some(old)), said(Some(new))),
                (None, true) => said(Some(new)),
                (None, false) => format!("{label} {}", said(Some(new))),
            }
        }
        Change::Hidden { field } => {
            let said = words.and_then(|words| words.hidden.get(field));
            said.cloned().unwrap_or_else(|| format!("{label} changed"))
        }
        Change::Added { item, .. } => format!("{label} {item} added"),
        Change::Removed { item, .. } => format!("{label} {item} removed"),
    }
}

fn list(listed: &Listed) -> String {
    let count = rows(listed.rows.len() as u64);
    if listed.more { format!("the first {count}; there are more") } else { count }
}

fn rows(count: u64) -> String {
    match count {
        0 => "no rows".to_owned(),
        1 => "1 row".to_owned(),
        many => format!("{many} rows"),
    }
}
