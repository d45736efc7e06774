//! The record of the calls that the emulator has received, which tests compare.
//!
//! To record something else of calls: its field in [`RecordedCall`]; another header: `KEPT_HEADERS`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The headers that say who calls, with what, and how.
const KEPT_HEADERS: [&str; 7] = [
    "authorization",
    "content-type",
    "user-agent",
    "x-goog-api-client",
    "x-goog-request-params",
    "x-goog-request-reason",
    "x-goog-user-project",
];

/// A call the emulator received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RecordedCall {
    /// The HTTP method.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query, as it was sent.
    pub query: String,
    /// The headers of `KEPT_HEADERS` that the call had, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, where it was JSON or a form; null where there was none.
    pub body: Value,
    /// The status of the answer; `None` while there is no answer, and where a fault has prevented one.
    pub status: Option<u16>,
    /// The `google.rpc.Code` a call over gRPC ended with; none while it goes on, where it broke off,
    /// and for all other calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<i32>,
    /// The time at which the call came in, in nanoseconds since the emulator's start.
    pub received_ns: u64,
}

impl RecordedCall {
    /// Method and path, as one reads them in a log: `POST /v2/entries:list`.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A body as JSON. A form is an object of texts; anything else is null.
pub(crate) fn fields(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| {
        let is_form = std::str::from_utf8(body).is_ok_and(|text| text.contains('=') && !text.contains('{'));
        if !is_form {
            return Value::Null;
        }
        form_urlencoded::parse(body)
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect()
    })
}

pub(crate) struct Received<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) at: Duration,
}

#[derive(Default)]
pub(crate) struct Calls(Mutex<Record>);

#[derive(Default)]
struct Record {
    calls: Vec<RecordedCall>,
    /// Goes up when the record is cleared, so that a call that was under way is not mistaken.
    round: u64,
}

#[derive(Clone, Copy)]
pub(crate) struct CallId {
    index: usize,
    round: u64,
}

impl Calls {
    pub(crate) fn begin(&self, received: &Received<'_>) -> CallId {
        let headers = KEPT_HEADERS
            .into_iter()
            .filter_map(|name| {
                let value = received.headers.get(name)?.to_str().ok()?;
                Some((name.to_owned(), value.to_owned()))
            })
            .collect();
        let call = RecordedCall {
            method: received.method.to_owned(),
            path: received.path.to_owned(),
            query: received.query.to_owned(),
            headers,
            body: fields(received.body),
            status: None,
            grpc_status: None,
            received_ns: u64::try_from(received.at.as_nanos()).unwrap_or(u64::MAX),
        };
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        record.calls.push(call);
        CallId { index: record.calls.len() - 1, round: record.round }
    }

    pub(crate) fn end(&self, id: &CallId, status: u16) {
        self.change(id, |call| call.status = Some(status));
    }

    /// Says how a call over gRPC ended.
    pub(crate) fn end_stream(&self, id: &CallId, code: i32) {
        self.change(id, |call| call.grpc_status = Some(code));
    }

    /// Says what was asked for, where that is known only later.
    pub(crate) fn set_body(&self, id: &CallId, body: Value) {
        self.change(id, |call| call.body = body);
    }

    fn change(&self, id: &CallId, change: impl FnOnce(&mut RecordedCall)) {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if record.round == id.round {
            change(&mut record.calls[id.index]);
        }
    }

    pub(crate) fn all(&self) -> Vec<RecordedCall> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).calls.clone()
    }

    pub(crate) fn clear(&self) {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        record.calls.clear();
        record.round += 1;
    }
}
