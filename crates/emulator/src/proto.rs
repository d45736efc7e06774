//! The messages of the one gRPC method, as protocol buffers.
//!
//! Written by hand after `google/logging/v2/logging.proto`, `google/logging/v2/log_entry.proto`,
//! `google/logging/type/http_request.proto` and `google/api/monitored_resource.proto`: the generated
//! crates there are carry a whole client, or every API there is. The field numbers are the
//! contract; a test compares them with what Google's own client makes of them.

use std::collections::{BTreeMap, HashMap};

use prost::Message;
use prost_types::{Any, Duration, Struct, Timestamp};
use serde_json::{Map, Value};

use crate::resource::text;
use crate::schema::enum_number;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TailLogEntriesRequest {
    #[prost(string, repeated, tag = "1")]
    pub(crate) resource_names: Vec<String>,
    #[prost(string, tag = "2")]
    pub(crate) filter: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) buffer_window: Option<Duration>,
}

/// Without `suppression_info`: nothing is ever suppressed.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TailLogEntriesResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) entries: Vec<LogEntry>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LogEntry {
    #[prost(oneof = "Payload", tags = "2, 3, 6")]
    payload: Option<Payload>,
    #[prost(string, tag = "4")]
    insert_id: String,
    #[prost(message, optional, tag = "7")]
    http_request: Option<HttpRequest>,
    #[prost(message, optional, tag = "8")]
    resource: Option<MonitoredResource>,
    #[prost(message, optional, tag = "9")]
    timestamp: Option<Timestamp>,
    #[prost(int32, tag = "10")]
    severity: i32,
    #[prost(map = "string, string", tag = "11")]
    labels: HashMap<String, String>,
    #[prost(string, tag = "12")]
    log_name: String,
    #[prost(message, optional, tag = "15")]
    operation: Option<Operation>,
    #[prost(string, tag = "22")]
    trace: String,
    #[prost(message, optional, tag = "23")]
    source_location: Option<SourceLocation>,
    #[prost(message, optional, tag = "24")]
    receive_timestamp: Option<Timestamp>,
    #[prost(string, tag = "27")]
    span_id: String,
    #[prost(bool, tag = "30")]
    trace_sampled: bool,
    #[prost(message, optional, tag = "35")]
    split: Option<Split>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Payload {
    #[prost(message, tag = "2")]
    Proto(Any),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(message, tag = "6")]
    Json(Struct),
}

#[derive(Clone, PartialEq, Message)]
struct MonitoredResource {
    #[prost(string, tag = "1")]
    r#type: String,
    #[prost(map = "string, string", tag = "2")]
    labels: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct Operation {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    producer: String,
    #[prost(bool, tag = "3")]
    first: bool,
    #[prost(bool, tag = "4")]
    last: bool,
}

#[derive(Clone, PartialEq, Message)]
struct SourceLocation {
    #[prost(string, tag = "1")]
    file: String,
    #[prost(int64, tag = "2")]
    line: i64,
    #[prost(string, tag = "3")]
    function: String,
}

#[derive(Clone, PartialEq, Message)]
struct Split {
    #[prost(string, tag = "1")]
    uid: String,
    #[prost(int32, tag = "2")]
    index: i32,
    #[prost(int32, tag = "3")]
    total_splits: i32,
}

#[derive(Clone, PartialEq, Message)]
struct HttpRequest {
    #[prost(string, tag = "1")]
    request_method: String,
    #[prost(string, tag = "2")]
    request_url: String,
    #[prost(int64, tag = "3")]
    request_size: i64,
    #[prost(int32, tag = "4")]
    status: i32,
    #[prost(int64, tag = "5")]
    response_size: i64,
    #[prost(string, tag = "6")]
    user_agent: String,
    #[prost(string, tag = "7")]
    remote_ip: String,
    #[prost(string, tag = "8")]
    referer: String,
    #[prost(bool, tag = "9")]
    cache_hit: bool,
    #[prost(bool, tag = "10")]
    cache_validated_with_origin_server: bool,
    #[prost(bool, tag = "11")]
    cache_lookup: bool,
    #[prost(int64, tag = "12")]
    cache_fill_bytes: i64,
    #[prost(string, tag = "13")]
    server_ip: String,
    #[prost(message, optional, tag = "14")]
    latency: Option<Duration>,
    #[prost(string, tag = "15")]
    protocol: String,
}

impl LogEntry {
    /// An entry in the emulator's own form as a message.
    ///
    /// The bytes of a `protoPayload` cannot be made of its JSON: it keeps its type, and is empty.
    pub(crate) fn from_json(entry: &Value) -> Self {
        let payload = if let Some(payload) = entry.get("protoPayload") {
            Some(Payload::Proto(Any { type_url: text(&payload["@type"]), value: Vec::new() }))
        } else if let Some(Value::Object(payload)) = entry.get("jsonPayload") {
            Some(Payload::Json(structure(payload)))
        } else {
            entry.get("textPayload").map(|payload| Payload::Text(text(payload)))
        };
        let severity = entry["severity"].as_str().and_then(|word| enum_number("LogSeverity", word));
        Self {
            payload,
            insert_id: text(&entry["insertId"]),
            http_request: entry.get("httpRequest").map(http_request),
            resource: entry.get("resource").map(|resource| MonitoredResource {
                r#type: text(&resource["type"]),
                labels: labels(&resource["labels"]),
            }),
            timestamp: time(&entry["timestamp"]),
            severity: severity.and_then(|number| i32::try_from(number).ok()).unwrap_or(0),
            labels: labels(&entry["labels"]),
            log_name: text(&entry["logName"]),
            operation: entry.get("operation").map(|operation| Operation {
                id: text(&operation["id"]),
                producer: text(&operation["producer"]),
                first: flag(&operation["first"]),
                last: flag(&operation["last"]),
            }),
            trace: text(&entry["trace"]),
            source_location: entry.get("sourceLocation").map(|place| SourceLocation {
                file: text(&place["file"]),
                line: long(&place["line"]),
                function: text(&place["function"]),
            }),
            receive_timestamp: time(&entry["receiveTimestamp"]),
            span_id: text(&entry["spanId"]),
            trace_sampled: flag(&entry["traceSampled"]),
            split: entry.get("split").map(|split| Split {
                uid: text(&split["uid"]),
                index: int(&split["index"]),
                total_splits: int(&split["totalSplits"]),
            }),
        }
    }
}

fn http_request(request: &Value) -> HttpRequest {
    HttpRequest {
        request_method: text(&request["requestMethod"]),
        request_url: text(&request["requestUrl"]),
        request_size: long(&request["requestSize"]),
        status: int(&request["status"]),
        response_size: long(&request["responseSize"]),
        user_agent: text(&request["userAgent"]),
        remote_ip: text(&request["remoteIp"]),
        referer: text(&request["referer"]),
        cache_hit: flag(&request["cacheHit"]),
        cache_validated_with_origin_server: flag(&request["cacheValidatedWithOriginServer"]),
        cache_lookup: flag(&request["cacheLookup"]),
        cache_fill_bytes: long(&request["cacheFillBytes"]),
        server_ip: text(&request["serverIp"]),
        latency: request["latency"].as_str().and_then(crate::schema::duration).and_then(|latency| {
            Some(Duration {
                seconds: i64::try_from(latency.as_secs()).ok()?,
                nanos: i32::try_from(latency.subsec_nanos()).ok()?,
            })
        }),
        protocol: text(&request["protocol"]),
    }
}

fn structure(object: &Map<String, Value>) -> Struct {
    let fields: BTreeMap<String, prost_types::Value> =
        object.iter().map(|(name, value)| (name.clone(), json(value))).collect();
    Struct { fields }
}

fn json(value: &Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => {
            Kind::ListValue(prost_types::ListValue { values: items.iter().map(json).collect() })
        }
        Value::Object(object) => Kind::StructValue(structure(object)),
    };
    prost_types::Value { kind: Some(kind) }
}

fn time(value: &Value) -> Option<Timestamp> {
    let time: jiff::Timestamp = value.as_str()?.parse().ok()?;
    Some(Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() })
}

fn labels(value: &Value) -> HashMap<String, String> {
    let labels = value.as_object().into_iter().flatten();
    labels.map(|(name, value)| (name.clone(), text(value))).collect()
}

fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or(false)
}

/// A 64-bit integer, which JSON carries as text.
fn long(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

fn int(value: &Value) -> i32 {
    i32::try_from(long(value)).unwrap_or(0)
}
