//! The JSON form of the emulated messages: reading requests strictly, writing answers as asked.
//!
//! Inside the emulator every message is JSON in one form: camel-case names, enums by name, 64-bit
//! integers as strings, no zero values. [`read`] brings a request into that form or says what is
//! wrong with it; [`write`] turns enums into integers where the caller asked for that. Messages and enums go by
//! their full names, `google.cloud.run.v2.Job`.
//!
//! Nothing here is typed by hand for a message: `protocol/generate.rs` writes `google.schema`. To read another JSON
//! form: `value` of the reader, and `write_value`.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::api_error::Violation;
use crate::protocol;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::parse(protocol::SCHEMA));

#[derive(Default)]
struct Schema {
    messages: HashMap<&'static str, Message>,
    enums: HashMap<&'static str, Vec<(&'static str, i64)>>,
}

type Message = Vec<Field>;

struct Field {
    name: &'static str,
    kind: Kind,
    /// A zero value that was set is kept.
    explicit: bool,
    output_only: bool,
}

enum Kind {
    String,
    Bool,
    Int32,
    Int64,
    Double,
    Timestamp,
    Duration,
    Opaque,
    Any,
    Enum(&'static str),
    Message(&'static str),
    List(Box<Kind>),
    Map(Box<Kind>),
}

impl Schema {
    fn parse(text: &'static str) -> Self {
        let mut schema = Self::default();
        let mut message = "";
        let mut enumeration = None;
        for line in text.lines() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let Some(entry) = line.strip_prefix("  ") else {
                enumeration = line.strip_prefix("enum ");
                message = line;
                match enumeration {
                    Some(name) => drop(schema.enums.insert(name, Vec::new())),
                    None => drop(schema.messages.insert(line, Vec::new())),
                }
                continue;
            };
            if let Some(name) = enumeration {
                if let Some((value, number)) = entry.split_once(" = ") {
                    let number = number.parse().unwrap_or_default();
                    schema.enums.entry(name).or_default().push((value, number));
                }
            } else if let Some((name, rest)) = entry.split_once(": ") {
                let (kind, output_only) = match rest.strip_suffix(" out") {
                    Some(kind) => (kind, true),
                    None => (rest, false),
                };
                let (kind, explicit) = match kind.strip_suffix('?') {
                    Some(kind) => (kind, true),
                    None => (kind, false),
                };
                schema.messages.entry(message).or_default().push(Field {
                    name,
                    kind: Kind::parse(kind),
                    explicit,
                    output_only,
                });
            }
        }
        schema
    }
}

impl Kind {
    fn parse(text: &'static str) -> Self {
        if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            return Self::List(Box::new(Self::parse(inner)));
        }
        if let Some(inner) = text.strip_prefix("map<").and_then(|t| t.strip_suffix('>')) {
            return Self::Map(Box::new(Self::parse(inner)));
        }
        if let Some(name) = text.strip_prefix("enum ") {
            return Self::Enum(name);
        }
        match text {
            "string" => Self::String,
            "bool" => Self::Bool,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "double" => Self::Double,
            "timestamp" => Self::Timestamp,
            "duration" => Self::Duration,
            "opaque" => Self::Opaque,
            "any" => Self::Any,
            message => Self::Message(message),
        }
    }

    fn type_name(&self) -> String {
        match self {
            Self::String => "TYPE_STRING".to_owned(),
            Self::Bool => "TYPE_BOOL".to_owned(),
            Self::Int32 => "TYPE_INT32".to_owned(),
            Self::Int64 => "TYPE_INT64".to_owned(),
            Self::Double => "TYPE_DOUBLE".to_owned(),
            Self::Timestamp => "type.googleapis.com/google.protobuf.Timestamp".to_owned(),
            Self::Duration => "type.googleapis.com/google.protobuf.Duration".to_owned(),
            Self::Opaque | Self::Any => "type.googleapis.com/google.protobuf.Any".to_owned(),
            Self::Enum(name) | Self::Message(name) => format!("type.googleapis.com/{name}"),
            Self::List(inner) | Self::Map(inner) => inner.type_name(),
        }
    }
}

/// The fields that a reader accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fields {
    /// A request: what only the server sets is ignored.
    Input,
    /// Seeding: everything counts.
    All,
}

/// Brings `input` into the emulator's own form.
///
/// `at` is where the message sits in the request, in the names of the API definition (`job` for
/// the body of a create call, empty where the body is the whole request).
pub(crate) fn read(message: &str, at: &str, input: &Value, fields: Fields) -> Result<Value, Vec<Violation>> {
    let mut reader = Reader { fields, violations: Vec::new() };
    let value = reader.message(message, at, input);
    if reader.violations.is_empty() { Ok(value) } else { Err(reader.violations) }
}

struct Reader {
    fields: Fields,
    violations: Vec<Violation>,
}

impl Reader {
    fn message(&mut self, message: &str, at: &str, input: &Value) -> Value {
        let fields = SCHEMA.messages.get(message).map_or(&[][..], Vec::as_slice);
        let Some(object) = input.as_object() else {
            self.bad_value(at, &format!("type.googleapis.com/{message}"), input);
            return Value::Null;
        };
        let mut result = Map::new();
        for (name, value) in object {
            // The JSON mapping of protocol buffers takes both spellings of a field's name.
            let Some(field) = fields.iter().find(|field| field.name == name || snake(field.name) == *name)
            else {
                self.unknown(at, name);
                continue;
            };
            if value.is_null() {
                continue;
            }
            let path = join(at, &snake(field.name));
            let value = self.value(&field.kind, &path, value);
            let ignored = field.output_only && self.fields == Fields::Input;
            let zero = is_zero(&field.kind, &value) && !field.explicit;
            if !ignored && !zero && !value.is_null() {
                result.insert(field.name.to_owned(), value);
            }
        }
        Value::Object(result)
    }

    fn value(&mut self, kind: &Kind, at: &str, input: &Value) -> Value {
        let value = match kind {
            Kind::Opaque | Kind::Any => Some(input.clone()),
            Kind::String => input.as_str().map(Value::from),
            Kind::Bool => input.as_bool().map(Value::from),
            Kind::Int32 => integer(input).and_then(|number| i32::try_from(number).ok()).map(Value::from),
            Kind::Int64 => integer(input).map(|number| Value::from(number.to_string())),
            Kind::Double => input.as_number().map(|number| Value::Number(number.clone())),
            Kind::Timestamp => input
                .as_str()
                .and_then(|text| text.parse::<jiff::Timestamp>().ok())
                .map(|time| Value::from(time.to_string())),
            Kind::Duration => input.as_str().filter(|text| duration(text).is_some()).map(Value::from),
            Kind::Enum(name) => enum_name(name, input).map(Value::from),
            Kind::Message(message) => return self.message(message, at, input),
            Kind::List(inner) => {
                if let Some(items) = input.as_array() {
                    return items
                        .iter()
                        .enumerate()
                        .map(|(index, item)| self.value(inner, &format!("{at}[{index}]"), item))
                        .collect();
                }
                None
            }
            Kind::Map(inner) => {
                if let Some(entries) = input.as_object() {
                    return entries
                        .iter()
                        .map(|(key, item)| {
                            let value = self.value(inner, &format!("{at}[{key}]"), item);
                            (key.clone(), value)
                        })
                        .collect();
                }
                None
            }
        };
        value.unwrap_or_else(|| {
            self.bad_value(at, &kind.type_name(), input);
            Value::Null
        })
    }

    fn unknown(&mut self, at: &str, name: &str) {
        let place = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
        self.violations.push(Violation {
            field: at.to_owned(),
            description: format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."
            ),
        });
    }

    fn bad_value(&mut self, at: &str, type_name: &str, input: &Value) {
        self.violations.push(Violation {
            field: at.to_owned(),
            description: format!("Invalid value at '{at}' ({type_name}), {input}"),
        });
    }
}

/// Writes a message as the caller asked for it.
pub(crate) fn write(message: &str, value: &Value, enums_as_integers: bool) -> Value {
    if enums_as_integers { write_message(message, value) } else { value.clone() }
}

fn write_message(message: &str, value: &Value) -> Value {
    let (Some(fields), Some(object)) = (SCHEMA.messages.get(message), value.as_object()) else {
        return value.clone();
    };
    object
        .iter()
        .map(|(name, value)| {
            let value = match fields.iter().find(|field| field.name == name) {
                Some(field) => write_value(&field.kind, value),
                None => value.clone(),
            };
            (name.clone(), value)
        })
        .collect()
}

fn write_value(kind: &Kind, value: &Value) -> Value {
    match (kind, value) {
        (Kind::Enum(name), Value::String(word)) => {
            enum_number(name, word).map_or_else(|| value.clone(), |number| json!(number))
        }
        (Kind::Message(message), _) => write_message(message, value),
        (Kind::Any, Value::Object(object)) => match object.get("@type").and_then(Value::as_str) {
            Some(type_name) => {
                let message = type_name.rsplit('/').next().unwrap_or_default();
                write_message(message, value)
            }
            None => value.clone(),
        },
        (Kind::List(inner), Value::Array(items)) => {
            items.iter().map(|item| write_value(inner, item)).collect()
        }
        _ => value.clone(),
    }
}

/// The number of an enum's value.
pub(crate) fn enum_number(enumeration: &str, word: &str) -> Option<i64> {
    let values = SCHEMA.enums.get(enumeration)?;
    values.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, number)| *number)
}

/// The name of an enum's value, given by name or number.
pub(crate) fn enum_name(enumeration: &str, value: &Value) -> Option<&'static str> {
    let values = SCHEMA.enums.get(enumeration)?;
    values
        .iter()
        .find(|(name, number)| value.as_str() == Some(*name) || value.as_i64() == Some(*number))
        .map(|(name, _)| *name)
}

/// The JSON names of a message's fields.
pub(crate) fn field_names(message: &str) -> impl Iterator<Item = &'static str> + use<> {
    SCHEMA.messages.get(message).into_iter().flatten().map(|field| field.name)
}

/// A duration in its JSON form (`"300s"`, `"0.5s"`).
pub(crate) fn duration(text: &str) -> Option<std::time::Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    std::time::Duration::try_from_secs_f64(seconds).ok()
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn is_zero(kind: &Kind, value: &Value) -> bool {
    match (kind, value) {
        (Kind::Enum(name), Value::String(word)) => enum_number(name, word) == Some(0),
        (Kind::Int64, Value::String(text)) => text == "0",
        (_, Value::String(text)) => text.is_empty(),
        (_, Value::Bool(flag)) => !flag,
        (_, Value::Number(number)) => number.as_f64() == Some(0.0),
        (_, Value::Array(items)) => items.is_empty(),
        (Kind::Map(_), Value::Object(entries)) => entries.is_empty(),
        _ => false,
    }
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// `taskCount` → `task_count`: the name in the API definition.
pub(crate) fn snake(camel: &str) -> String {
    let mut result = String::with_capacity(camel.len() + 4);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            result.push('_');
        }
        result.push(letter.to_ascii_lowercase());
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_named_in_the_schema_is_described_there() {
        fn check(kind: &Kind) {
            match kind {
                Kind::Message(name) => {
                    assert!(SCHEMA.messages.contains_key(name), "no message {name}");
                }
                Kind::Enum(name) => assert!(SCHEMA.enums.contains_key(name), "no enum {name}"),
                Kind::List(inner) | Kind::Map(inner) => check(inner),
                _ => {}
            }
        }
        for field in SCHEMA.messages.values().flatten() {
            check(&field.kind);
        }
    }

    #[test]
    fn reads_either_spelling_and_drops_zeros_but_keeps_explicit_ones() {
        let job = json!({
            "launch_stage": 4,
            "labels": {},
            "uid": "set by the server",
            "template": {"task_count": "0", "template": {"max_retries": 0, "containers": [
                {"image": "i", "env": [{"name": "EMPTY", "value": ""}]},
            ]}},
        });
        let read = read("google.cloud.run.v2.Job", "job", &job, Fields::Input).expect("a valid job");
        assert_eq!(
            read,
            json!({
                "launchStage": "GA",
                "template": {"template": {"maxRetries": 0, "containers": [
                    {"image": "i", "env": [{"name": "EMPTY", "value": ""}]},
                ]}},
            })
        );
    }

    #[test]
    fn names_what_it_cannot_read() {
        let job = json!({
            "colour": "red",
            "launchStage": "SOON",
            "template": {"taskCount": "many", "template": {"containers": [{"imagee": "i"}]}},
        });
        let violations =
            read("google.cloud.run.v2.Job", "job", &job, Fields::Input).expect_err("an invalid job");
        let texts: Vec<&str> = violations.iter().map(|v| v.description.as_str()).collect();
        assert_eq!(
            texts,
            [
                "Invalid JSON payload received. Unknown name \"colour\" at 'job': Cannot find field.",
                "Invalid value at 'job.launch_stage' (type.googleapis.com/google.api.LaunchStage), \"SOON\"",
                "Invalid value at 'job.template.task_count' (TYPE_INT32), \"many\"",
                "Invalid JSON payload received. Unknown name \"imagee\" at 'job.template.template.containers[0]': Cannot find field.",
            ]
        );
    }

    #[test]
    fn writes_enums_as_integers_also_inside_an_any() {
        let operation = json!({
            "metadata": {
                "@type": "type.googleapis.com/google.cloud.run.v2.Execution",
                "launchStage": "GA",
                "conditions": [{"type": "Completed", "state": "CONDITION_FAILED"}],
            },
        });
        assert_eq!(
            write("google.longrunning.Operation", &operation, true),
            json!({
                "metadata": {
                    "@type": "type.googleapis.com/google.cloud.run.v2.Execution",
                    "launchStage": 4,
                    "conditions": [{"type": "Completed", "state": 3}],
                },
            })
        );
    }
}
