//! Reads values of a YAML document, as workflows and Compose files need them.

use quill_admin_contract::invisible::invisible;
use quill_admin_yaml::{Document, Format, Node, Value};

/// Reads a document. Characters that cannot be seen are left out, because an emoji may end with one.
///
/// # Errors
///
/// Fails, in words with the line, when the text is not YAML.
pub(super) fn read(text: &str, format: &Format) -> Result<Document, String> {
    let text = text.replace(|c: char| !c.is_ascii() && invisible(c).is_some(), "");
    quill_admin_yaml::read(text.as_bytes(), format)
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// The keys and values of a map, in the order of the file.
pub(super) fn entries(node: &Node) -> &[(Node, Node)] {
    match &node.value {
        Value::Map(entries) => entries,
        _ => &[],
    }
}

/// The value of a key.
pub(super) fn get<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    entries(node).iter().find(|(name, _)| text(name) == Some(key)).map(|(_, value)| value)
}

/// A scalar's text.
pub(super) fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// The items of a list.
pub(super) fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        _ => &[],
    }
}

/// Whether two values are the same, wherever they stand.
pub(super) fn same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Nothing, Value::Nothing) => true,
        (Value::Text(one), Value::Text(other)) => one == other,
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            let has = |key: &Node, value: &Node| {
                other.iter().any(|(its_key, its_value)| same(key, its_key) && same(value, its_value))
            };
            one.len() == other.len() && one.iter().all(|(key, value)| has(key, value))
        }
        _ => false,
    }
}
