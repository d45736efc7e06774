//! From a container's lines to log entries, the way Cloud Run's agent does it.
//!
//! Source: Cloud Run's guide "Logging and viewing logs" and Cloud Logging's "Structured logging":
//! a line that is one JSON object becomes `jsonPayload`, and the special fields move to their
//! places in the entry; anything else becomes `textPayload`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::Cloud;
use crate::schema;
use crate::store::Entry;

/// Which of a container's outputs a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
    /// What Cloud Run itself says about the container.
    System,
}

impl Stream {
    fn log_name(self, project: &str) -> String {
        let id = match self {
            Self::Stdout => "run.googleapis.com%2Fstdout",
            Self::Stderr => "run.googleapis.com%2Fstderr",
            Self::System => "run.googleapis.com%2Fvarlog%2Fsystem",
        };
        format!("projects/{project}/logs/{id}")
    }
}

/// Where one attempt's lines go.
#[derive(Clone)]
pub(crate) struct Output {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) project: String,
    pub(crate) location: String,
    pub(crate) job: String,
    pub(crate) execution: String,
    pub(crate) task_index: u32,
    pub(crate) attempt: u32,
    pub(crate) instance: String,
}

impl Output {
    pub(crate) fn line(&self, stream: Stream, line: &str) {
        self.late_line(stream, line, Duration::ZERO);
    }

    /// A line that reads return only some time after the emulator's own delay.
    pub(crate) fn late_line(&self, stream: Stream, line: &str, late: Duration) {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return;
        }
        self.add(stream, payload(line), late);
    }

    /// A line of Cloud Run itself.
    pub(crate) fn system(&self, severity: &str, text: &str) {
        let mut entry = Map::new();
        entry.insert("textPayload".to_owned(), json!(text));
        entry.insert("severity".to_owned(), json!(severity));
        self.add(Stream::System, entry, Duration::ZERO);
    }

    fn add(&self, stream: Stream, mut entry: Map<String, Value>, late: Duration) {
        let delay = self.cloud.options.log_delay + late;
        let mut labels = match entry.remove("labels") {
            Some(Value::Object(labels)) => labels,
            _ => Map::new(),
        };
        for (name, value) in [
            ("instanceId", self.instance.clone()),
            ("run.googleapis.com/execution_name", self.execution.clone()),
            ("run.googleapis.com/task_attempt", self.attempt.to_string()),
            ("run.googleapis.com/task_index", self.task_index.to_string()),
        ] {
            labels.insert(name.to_owned(), Value::String(value));
        }
        entry.insert("labels".to_owned(), Value::Object(labels));
        entry.insert("logName".to_owned(), Value::String(stream.log_name(&self.project)));
        entry.insert(
            "resource".to_owned(),
            json!({
                "type": "cloud_run_job",
                "labels": {
                    "project_id": self.project,
                    "location": self.location,
                    "job_name": self.job,
                },
            }),
        );
        self.cloud.store.change(|state| {
            let timestamp = state.entry_time();
            state.add_entry(finish(entry, timestamp, delay));
        });
    }
}

/// Cloud Logging takes entries of at most 256 KiB.
pub(crate) const LONGEST_LINE: usize = 256 * 1024;

/// Makes lines of pieces that end anywhere.
#[cfg(feature = "docker")]
#[derive(Default)]
pub(crate) struct Lines(Vec<u8>);

#[cfg(feature = "docker")]
impl Lines {
    pub(crate) fn push(&mut self, piece: &[u8], mut line: impl FnMut(&str)) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.0.extend_from_slice(part);
            if part.ends_with(b"\n") || self.0.len() >= LONGEST_LINE {
                self.finish(&mut line);
            }
        }
    }

    /// The last line, which needs no end.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&str)) {
        if !self.0.is_empty() {
            line(&String::from_utf8_lossy(&self.0));
            self.0.clear();
        }
    }
}

/// Gives an entry what every entry has.
pub(crate) fn finish(mut entry: Map<String, Value>, timestamp: Timestamp, delay: Duration) -> Entry {
    let available = timestamp.checked_add(delay).unwrap_or(timestamp);
    let timestamp = match entry.get("timestamp").and_then(Value::as_str) {
        Some(own) => own.parse().unwrap_or(timestamp),
        None => timestamp,
    };
    entry.insert("timestamp".to_owned(), json!(timestamp.to_string()));
    entry.entry("receiveTimestamp").or_insert_with(|| json!(available.to_string()));
    entry.entry("insertId").or_insert_with(|| {
        let mut id = uuid::Uuid::now_v7().simple().to_string();
        id.truncate(24);
        json!(id)
    });
    Entry { json: Value::Object(entry), timestamp, available }
}

/// The part of an entry that a line decides.
fn payload(line: &str) -> Map<String, Value> {
    let mut entry = Map::new();
    let Ok(Value::Object(mut object)) = serde_json::from_str::<Value>(line) else {
        entry.insert("textPayload".to_owned(), json!(line));
        return entry;
    };
    if let Some(severity) = object.get("severity").and_then(severity) {
        object.remove("severity");
        // DEFAULT is the zero value, which answers leave out.
        if severity != "DEFAULT" {
            entry.insert("severity".to_owned(), json!(severity));
        }
    }
    for time in ["time", "timestamp"] {
        let own = object.get(time).and_then(Value::as_str);
        if let Some(own) = own.and_then(|text| text.parse::<Timestamp>().ok()) {
            object.remove(time);
            entry.insert("timestamp".to_owned(), json!(own.to_string()));
        }
    }
    for (special, field) in [
        ("httpRequest", "httpRequest"),
        ("logging.googleapis.com/insertId", "insertId"),
        ("logging.googleapis.com/labels", "labels"),
        ("logging.googleapis.com/operation", "operation"),
        ("logging.googleapis.com/sourceLocation", "sourceLocation"),
        ("logging.googleapis.com/spanId", "spanId"),
        ("logging.googleapis.com/trace", "trace"),
        ("logging.googleapis.com/trace_sampled", "traceSampled"),
    ] {
        if let Some(value) = object.remove(special) {
            entry.insert(field.to_owned(), value);
        }
    }
    entry.insert("jsonPayload".to_owned(), Value::Object(object));
    entry
}

/// A severity as programs write it.
fn severity(value: &Value) -> Option<&'static str> {
    let word = value.as_str().map(str::to_ascii_uppercase);
    match word.as_deref() {
        Some("WARN") => Some("WARNING"),
        Some("FATAL") => Some("CRITICAL"),
        Some("TRACE") => Some("DEBUG"),
        Some(word) => schema::enum_name("LogSeverity", &json!(word)),
        None => schema::enum_name("LogSeverity", value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_object_becomes_a_json_payload_and_its_special_fields_move() {
        let entry =
            payload(r#"{"severity":"warn","message":"m","logging.googleapis.com/labels":{"a":"b"},"n":1}"#);
        assert_eq!(
            Value::Object(entry),
            json!({
                "severity": "WARNING",
                "labels": {"a": "b"},
                "jsonPayload": {"message": "m", "n": 1},
            })
        );
    }

    #[test]
    fn anything_else_is_text() {
        for line in ["hello", "[1]", "{\"half\":", "42", "{} {}"] {
            assert_eq!(Value::Object(payload(line)), json!({ "textPayload": line }));
        }
    }

    #[test]
    fn a_severity_nobody_knows_stays_where_it_was() {
        assert_eq!(
            Value::Object(payload(r#"{"severity":"loud"}"#)),
            json!({"jsonPayload": {"severity": "loud"}})
        );
    }
}
