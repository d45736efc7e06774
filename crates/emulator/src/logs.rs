//! From a container's lines to log entries, the way Cloud Run's agent does it.
//!
//! Source: Cloud Run's guide "Logging and viewing logs" and Cloud Logging's "Structured logging":
//! a line that is one JSON object becomes `jsonPayload`, and the special fields move to their
//! places in the entry; anything else becomes `textPayload`.
//!
//! To read another special field of a line: `payload`. To change what every entry has: `place` and `finish`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::options::Options;
use crate::schema;
use crate::store::{Entry, State, Store};

/// The output of a container that a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
    /// Lines of Cloud Run itself about the container.
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

/// The log of one attempt: it makes the attempt's lines entries of the store.
#[derive(Clone)]
pub(crate) struct Output {
    pub(crate) store: Arc<Store>,
    pub(crate) options: Arc<Options>,
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

    fn add(&self, stream: Stream, entry: Map<String, Value>, late: Duration) {
        let resource = json!({
            "type": "cloud_run_job",
            "labels": {
                "project_id": self.project,
                "location": self.location,
                "job_name": self.job,
            },
        });
        let labels = [
            ("instanceId", self.instance.clone()),
            ("run.googleapis.com/execution_name", self.execution.clone()),
            ("run.googleapis.com/task_attempt", self.attempt.to_string()),
            ("run.googleapis.com/task_index", self.task_index.to_string()),
        ];
        let entry = place(entry, stream.log_name(&self.project), resource, labels);
        self.store.change(|state| add(&self.options, state, entry, late));
    }
}

/// The log of a service's revision.
pub(crate) struct RevisionOutput {
    pub(crate) store: Arc<Store>,
    pub(crate) options: Arc<Options>,
    pub(crate) project: String,
    pub(crate) location: String,
    pub(crate) service: String,
    pub(crate) revision: String,
    pub(crate) instance: String,
}

impl RevisionOutput {
    pub(crate) fn line(&self, stream: Stream, line: &str) {
        let entry = self.entry(stream, payload(line));
        self.store.change(|state| add(&self.options, state, entry, Duration::ZERO));
    }

    /// A line of Cloud Run itself, together with a change of the state.
    pub(crate) fn finish(&self, state: &mut State, severity: &str, text: &str) {
        let mut entry = Map::new();
        entry.insert("textPayload".to_owned(), json!(text));
        entry.insert("severity".to_owned(), json!(severity));
        let entry = self.entry(Stream::System, entry);
        add(&self.options, state, entry, Duration::ZERO);
    }

    fn entry(&self, stream: Stream, entry: Map<String, Value>) -> Map<String, Value> {
        let resource = json!({
            "type": "cloud_run_revision",
            "labels": {
                "project_id": self.project,
                "location": self.location,
                "service_name": self.service,
                "revision_name": self.revision,
                "configuration_name": self.service,
            },
        });
        let labels = [("instanceId", self.instance.clone())];
        place(entry, stream.log_name(&self.project), resource, labels)
    }
}

/// Says where an entry comes from. Labels a line has set itself stay.
fn place<const N: usize>(
    mut entry: Map<String, Value>,
    log_name: String,
    resource: Value,
    labels: [(&str, String); N],
) -> Map<String, Value> {
    let mut all = match entry.remove("labels") {
        Some(Value::Object(own)) => own,
        _ => Map::new(),
    };
    for (name, value) in labels {
        all.insert(name.to_owned(), Value::String(value));
    }
    entry.insert("labels".to_owned(), Value::Object(all));
    entry.insert("logName".to_owned(), Value::String(log_name));
    entry.insert("resource".to_owned(), resource);
    entry
}

/// Takes an entry in, now.
pub(crate) fn add(options: &Options, state: &mut State, entry: Map<String, Value>, late: Duration) {
    let number = state.next_entry();
    let mut late = options.log_delay + late;
    if let Some((seed, within)) = options.shuffle_entries {
        late += within.mul_f64(chance(seed, number));
    }
    let timestamp = state.entry_time();
    let mut entry = finish(entry, timestamp, late);
    // Of three entries one comes again: at the same time, or when it is most out of order.
    if options.duplicate_entries.is_some_and(|seed| chance(!seed, number) < 1.0 / 3.0) {
        let later = options.shuffle_entries.map_or(Duration::ZERO, |(_, within)| within);
        entry.again = Some(entry.available.checked_add(later).unwrap_or(entry.available));
    }
    state.add_entry(entry);
}

/// A number from 0 to 1 that is the same every time (`SplitMix64`).
fn chance(seed: u64, number: u64) -> f64 {
    let mut mixed = seed.wrapping_add((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let upper = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0);
    f64::from(upper) / f64::from(u32::MAX)
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
fn finish(mut entry: Map<String, Value>, timestamp: Timestamp, delay: Duration) -> Entry {
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
    Entry { json: Value::Object(entry), timestamp, available, again: None, number: 0 }
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
        Some(word) => schema::enum_name("google.logging.type.LogSeverity", &json!(word)),
        None => schema::enum_name("google.logging.type.LogSeverity", value),
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
