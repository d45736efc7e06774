//! Canonical JSON: one way to write a value, so that equal values have the same bytes.

use std::collections::BTreeMap;

use serde_json::Value;

/// A value as canonical JSON: on one line, without white space, the keys of every object sorted by their
/// bytes, texts with only the escapes that JSON asks for.
///
/// The keys are sorted here and not by `serde_json`, whose objects keep the order of insertion as soon as
/// any crate of the build asks for that.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(entries) => {
            text.push('{');
            let sorted: BTreeMap<&String, &Value> = entries.iter().collect();
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(&Value::String(key.clone()), text);
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        // A scalar's `Display` is its JSON.
        scalar => text.push_str(&scalar.to_string()),
    }
}

/// The first place at which two values differ, as a path from the root: `steps[0].write.limit`.
pub(crate) fn difference(one: &Value, other: &Value) -> Option<String> {
    let below = |name: String, one: &Value, other: &Value| {
        difference(one, other).map(|rest| match rest.as_str() {
            "" => name,
            rest if rest.starts_with('[') => format!("{name}{rest}"),
            rest => format!("{name}.{rest}"),
        })
    };
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
            names.sort_unstable();
            names.dedup();
            names.into_iter().find_map(|name| match (one.get(name), other.get(name)) {
                (Some(one), Some(other)) => below(name.clone(), one, other),
                _ => Some(name.clone()),
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut pairs = one.iter().zip(other).enumerate();
            pairs.find_map(|(index, (one, other))| below(format!("[{index}]"), one, other))
        }
        (one, other) => (one != other).then(String::new),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_and_nothing_is_written_that_need_not_be() {
        let value = json!({"b": [1, true, null, {"z": "\u{1f642}\n\"", "a": -2}], "": {}, "é": "", "a": []});
        assert_eq!(canonical(&value), r#"{"":{},"a":[],"b":[1,true,null,{"a":-2,"z":"🙂\n\""}],"é":""}"#);
    }

    #[test]
    fn the_first_difference_is_named_by_its_path() {
        let one = json!({"steps": [{"write": {"rows": 1}}], "x": 1});
        assert_eq!(difference(&one, &one.clone()), None);
        let other = json!({"steps": [{"write": {"rows": 1, "limit": 2}}], "x": 1});
        assert_eq!(difference(&one, &other).as_deref(), Some("steps[0].write.limit"));
        assert_eq!(difference(&one, &json!({"steps": [], "x": 1})).as_deref(), Some("steps"));
        assert_eq!(difference(&json!(1), &json!(2)).as_deref(), Some(""));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..4)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_the_same_value_and_is_written_so_again(value in value()) {
            let text = canonical(&value);
            let read: Value = serde_json::from_str(&text).expect("JSON");
            prop_assert_eq!(&read, &value);
            prop_assert_eq!(canonical(&read), text);
        }
    }
}
