//! Lists, a page at a time.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::call::{Call, Reply};
use crate::api_error::ApiError;

/// One page of the items, of 100 at most. They have to be in order.
pub(super) fn page<'a>(
    call: &Call<'_>,
    message: &'static str,
    field: &str,
    items: impl Iterator<Item = &'a Value>,
) -> Result<Reply, ApiError> {
    page_up_to(100, call, message, field, items)
}

/// One page of the items, of `largest` at most. They have to be in order; the page token is the last name of the page
/// before.
pub(super) fn page_up_to<'a>(
    largest: usize,
    call: &Call<'_>,
    message: &'static str,
    field: &str,
    items: impl Iterator<Item = &'a Value>,
) -> Result<Reply, ApiError> {
    const DEFAULT: usize = 100;
    let size = match call.parameter("pageSize") {
        "" => DEFAULT,
        text => match text.parse::<i32>() {
            Ok(0) => DEFAULT,
            Ok(size) if size > 0 => usize::try_from(size).unwrap_or(largest).min(largest),
            _ => return Err(ApiError::invalid(format!("Invalid page size: {text}."))),
        },
    };
    let mut items = items.peekable();
    let token = call.parameter("pageToken");
    if !token.is_empty() {
        let last = URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| ApiError::invalid("The page token is invalid."))?;
        if !items.any(|item| item["name"] == last.as_str()) {
            return Err(ApiError::invalid("The page token is invalid."));
        }
    }
    let page: Vec<&Value> = items.by_ref().take(size).collect();
    let mut value = json!({});
    if let (Some(last), Some(_)) = (page.last(), items.peek()) {
        let name = last["name"].as_str().unwrap_or_default();
        value["nextPageToken"] = json!(URL_SAFE_NO_PAD.encode(name));
    }
    if !page.is_empty() {
        value[field] = json!(page);
    }
    Ok(Reply::new(message, value))
}
