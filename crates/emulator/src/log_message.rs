//! Log entries as the messages of the one gRPC method, made of their JSON.

use std::collections::{BTreeMap, HashMap};

use prost_types::{Any, Duration, Struct, Timestamp};
use serde_json::{Map, Value};

use crate::protocol::google::api::MonitoredResource;
use crate::protocol::google::logging::r#type::HttpRequest;
use crate::protocol::google::logging::v2::log_entry::Payload;
use crate::protocol::google::logging::v2::{LogEntry, LogEntryOperation, LogEntrySourceLocation, LogSplit};
use crate::resource::text;
use crate::schema::enum_number;

/// An entry in the emulator's own form as a message.
///
/// The bytes of a `protoPayload` cannot be made of its JSON: it keeps its type, and is empty.
pub(crate) fn log_entry(entry: &Value) -> LogEntry {
    let payload = if let Some(payload) = entry.get("protoPayload") {
        Some(Payload::ProtoPayload(Any { type_url: text(&payload["@type"]), value: Vec::new() }))
    } else if let Some(Value::Object(payload)) = entry.get("jsonPayload") {
        Some(Payload::JsonPayload(structure(payload)))
    } else {
        entry.get("textPayload").map(|payload| Payload::TextPayload(text(payload)))
    };
    let severity =
        entry["severity"].as_str().and_then(|word| enum_number("google.logging.type.LogSeverity", word));
    LogEntry {
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
        operation: entry.get("operation").map(|operation| LogEntryOperation {
            id: text(&operation["id"]),
            producer: text(&operation["producer"]),
            first: flag(&operation["first"]),
            last: flag(&operation["last"]),
        }),
        trace: text(&entry["trace"]),
        source_location: entry.get("sourceLocation").map(|place| LogEntrySourceLocation {
            file: text(&place["file"]),
            line: long(&place["line"]),
            function: text(&place["function"]),
        }),
        receive_timestamp: time(&entry["receiveTimestamp"]),
        span_id: text(&entry["spanId"]),
        trace_sampled: flag(&entry["traceSampled"]),
        split: entry.get("split").map(|split| LogSplit {
            uid: text(&split["uid"]),
            index: int(&split["index"]),
            total_splits: int(&split["totalSplits"]),
        }),
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
