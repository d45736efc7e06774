//! Bodies: how large one may be, and how an answer gets one.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

/// The largest request that is read: more than any of the real services takes.
pub(crate) const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// An answer in JSON.
pub(crate) fn to_json(http: StatusCode, value: &Value) -> Response<Body> {
    of_bytes(http, value.to_string(), "application/json; charset=UTF-8")
}

/// An answer with a body of any type.
pub(crate) fn of_bytes(
    http: StatusCode,
    body: impl Into<Body>,
    content_type: &'static str,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = http;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
