//! YAML with the line of every value.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A value and the line it stands in, from 1.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Nothing,
    /// Any scalar, as text.
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Reads a file's text; the error is in words, with its line.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| {
            let error = error.without_snippet();
            error.to_string().lines().next().unwrap_or_default().to_owned()
        })
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text()
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, defined, .. } = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { line: defined.line(), value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

macro_rules! scalars {
    ($($method:ident: $type:ty),+) => {
        $(fn $method<E>(self, value: $type) -> Result<Value, E> { Ok(Value::Text(value.to_string())) })+
    };
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Node, Node>()? {
            if let Value::Text(key) = key.value {
                entries.push((key, value));
            }
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_values() {
        let text = "\
on: [push]
jobs:
  build:
    steps:
      - uses: a/b@v1 # first
      - run: |
          one
      - run: >-
          two
        name: x
      -
        run: three
    empty:
";
        let node = Node::read(text).unwrap();
        let build = node.get("jobs").unwrap().get("build").unwrap();
        let steps = build.get("steps").unwrap().items();
        assert_eq!(steps[0].get("uses").unwrap().line, 5);
        assert_eq!((steps[1].get("run").unwrap().line, steps[1].text("run")), (7, Some("one\n")));
        assert_eq!(steps[2].get("run").unwrap().line, 9);
        assert_eq!(steps[3].get("run").unwrap().line, 12);
        assert!(matches!(build.get("empty").unwrap().value, Value::Nothing));
        let error = Node::read("a: [1\nb: {").unwrap_err();
        assert!(error.contains("line"), "{error}");
    }

    #[test]
    fn merged_values_keep_their_own_line() {
        let text = "base: &base\n  context: backend\nown:\n  <<: *base\n  target: prod\n";
        let node = Node::read(text).unwrap();
        assert_eq!(node.get("own").unwrap().text("context"), Some("backend"));
    }
}
