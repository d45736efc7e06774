//! The record of what was asked of the emulator.

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
    /// Those of the headers that matter, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, where it was JSON; null where there was none.
    pub body: Value,
    /// The status of the answer; none while there is no answer, and where a fault let it be none.
    pub status: Option<u16>,
    /// When the call came in, in nanoseconds since the emulator's start.
    pub received_ns: u64,
}

impl RecordedCall {
    /// Method and path, as one reads them in a log: `POST /v2/entries:list`.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
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
            body: serde_json::from_slice(received.body).unwrap_or_default(),
            status: None,
            received_ns: u64::try_from(received.at.as_nanos()).unwrap_or(u64::MAX),
        };
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        record.calls.push(call);
        CallId { index: record.calls.len() - 1, round: record.round }
    }

    #[expect(clippy::needless_pass_by_value, reason = "a call ends once")]
    pub(crate) fn end(&self, id: CallId, status: u16) {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if record.round == id.round {
            record.calls[id.index].status = Some(status);
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
