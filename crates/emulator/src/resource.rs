//! Resources as the emulator keeps them, in the API's JSON: how their fields are read and set.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::names::etag;

/// Sets a condition, adding it where there is none of that type.
pub(crate) fn set_condition(
    resource: &mut Value,
    kind: &str,
    state: &str,
    message: &str,
    reason: Option<(&str, &str)>,
) {
    let mut condition = json!({
        "type": kind,
        "state": state,
        "lastTransitionTime": Timestamp::now().to_string(),
    });
    if !message.is_empty() {
        condition["message"] = json!(message);
    }
    if let Some((field, reason)) = reason {
        condition[field] = json!(reason);
    }
    let conditions = resource["conditions"].as_array_mut();
    match conditions {
        Some(conditions) => match conditions.iter_mut().find(|known| known["type"] == kind) {
            Some(known) => *known = condition,
            None => conditions.push(condition),
        },
        None => resource["conditions"] = json!([condition]),
    }
}

/// A change of a resource: its time and its etag.
pub(crate) fn touch(resource: &mut Value, now: Timestamp) {
    resource["updateTime"] = json!(now.to_string());
    resource["etag"] = json!(etag(&text(&resource["name"]), now));
}

/// Adds to a counter, which is absent while it is zero.
pub(crate) fn add(resource: &mut Value, counter: &str, number: i64) {
    match resource[counter].as_i64().unwrap_or(0) + number {
        0 => remove(resource, counter),
        sum => resource[counter] = json!(sum),
    }
}

/// Takes a field away.
pub(crate) fn remove(resource: &mut Value, field: &str) {
    if let Some(object) = resource.as_object_mut() {
        object.remove(field);
    }
}

/// The items of a list; none where there is no list.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text; an empty one where there is none.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Sets a field that is not there.
pub(crate) fn default(message: &mut Value, field: &str, value: impl FnOnce() -> Value) {
    if message.get(field).is_none() {
        message[field] = value();
    }
}

/// Sets those of the fields that are not there.
pub(crate) fn defaults<const N: usize>(resource: &mut Value, fields: [(&str, Value); N]) {
    for (field, value) in fields {
        if resource.get(field).is_none() {
            resource[field] = value;
        }
    }
}

/// A message of Cloud Run inside an `Any`: with the name of its type.
pub(crate) fn typed(message: &str, mut value: Value) -> Value {
    value["@type"] = json!(format!("type.googleapis.com/{message}"));
    value
}
