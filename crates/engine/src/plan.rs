//! The plan of an action: a digest of what was asked for, what was found, and what was made of it.

use quill_admin_actions::{Action, Digest, Subject, canonical};
use quill_admin_contract::Arguments;
use serde_json::{Map, Value as Json, json};

use crate::state::State;
use crate::value::Value;

/// The digest of the plan: SHA-256 of canonical JSON of the action's digest, the values it was given except
/// passwords, and all columns of the subject before and after.
///
/// Of a hidden column the plan has the value before, which is a digest made in SQL, and afterwards only whether
/// it changes: a new password has another salt with every request, and which password it is no preview tells.
pub(crate) fn plan(
    action: &Action,
    arguments: &Arguments,
    subject: &Subject,
    before: Option<&State>,
    after: Option<&State>,
) -> Digest {
    let given: Map<String, Json> = arguments
        .iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_field()?))))
        .collect();
    let changes = |column: &str| {
        before.and_then(|before| before.get(column)) != after.and_then(|after| after.get(column))
    };
    let found = before.map(|before| columns(before, |_, value| json(value)));
    let made = after.map(|after| {
        columns(after, |column, value| {
            if subject.hidden.contains(column) { json!({"changes": changes(column)}) } else { json(value) }
        })
    });
    let plan = json!({
        "action": action.digest().as_str(),
        "arguments": given,
        "before": found,
        "after": made,
    });
    Digest::of(canonical(&plan).as_bytes())
}

fn columns(state: &State, written: impl Fn(&str, &Value) -> Json) -> Map<String, Json> {
    let value = |column: &str| state.get(column).map(|value| (column.to_owned(), written(column, value)));
    state.names().filter_map(value).collect()
}

fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Text(text) => json!(text),
        Value::Texts(texts) => json!(texts),
        Value::Boolean(value) => json!(value),
        Value::Integer(number) => json!(number),
    }
}
