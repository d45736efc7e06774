//! The changes of a subject, from its two readings before and after the action.

use quill_admin_actions::{Subject, SubjectWords};

use crate::performed::Change;
use crate::state::State;
use crate::value::Value;

/// The changes: first fields with one value, in the order in which they are shown, then hidden columns and
/// those that are only compared, then texts added to lists and removed from them. A subject that was created
/// has no `before`.
pub(crate) fn changes(
    subject: &Subject,
    words: &SubjectWords,
    before: Option<&State>,
    after: &State,
) -> Vec<Change> {
    let told: Vec<&str> = words.fields.iter().map(|words| words.field.as_str()).collect();
    let value = |field: &str| after.get(field).cloned().unwrap_or(Value::Null);
    let old = |field: &str| before.map(|before| before.get(field).cloned().unwrap_or(Value::Null));
    let (mut single, mut lists) = (Vec::new(), Vec::new());
    for field in &told {
        let (old, new) = (old(field), value(field));
        if is_list(&new) || old.as_ref().is_some_and(is_list) {
            lists.extend(list(field, old.as_ref(), &new));
        } else if old.as_ref().unwrap_or(&Value::Null) != &new {
            single.push(Change::Field { field: (*field).to_owned(), old, new });
        }
    }
    let untold = after.names().filter(|name| !told.contains(name)).filter(|name| match &before {
        Some(before) => before.get(name) != after.get(name),
        // A secret of a new subject is worth a mention; columns that every new subject has are not.
        None => subject.hidden.contains(*name) && matches!(after.get(name), Some(Value::Text(_))),
    });
    let hidden = untold.map(|field| Change::Hidden { field: field.to_owned() });
    single.into_iter().chain(hidden).chain(lists).collect()
}

const fn is_list(value: &Value) -> bool {
    matches!(value, Value::Texts(_))
}

fn list(field: &str, old: Option<&Value>, new: &Value) -> Vec<Change> {
    let (old, new) = (old.map(Value::items).unwrap_or_default(), new.items());
    let field = || field.to_owned();
    let added = new.iter().filter(|item| !old.contains(item));
    let removed = old.iter().filter(|item| !new.contains(item));
    let added = added.map(|item| Change::Added { field: field(), item: item.clone() });
    added.chain(removed.map(|item| Change::Removed { field: field(), item: item.clone() })).collect()
}
