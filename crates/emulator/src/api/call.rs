//! A call, taken apart, and the answer to it.

use axum::body::Bytes;
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::schema::{self, Fields};

/// A request for one of the methods.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: &'a Bytes,
    /// Whose token it is.
    pub(crate) caller: String,
}

/// The answer to a call.
pub(crate) enum Reply {
    Message {
        /// The message's name in the schema; empty where it is not described there.
        name: &'static str,
        value: Value,
    },
    /// The content of an object.
    Media { content: Vec<u8>, content_type: &'static str, generation: i64 },
    /// 204.
    Nothing,
}

impl Reply {
    pub(super) fn new(name: &'static str, value: Value) -> Self {
        Self::Message { name, value }
    }
}

impl Call<'_> {
    /// Whether the caller asked for `json;enum-encoding=int`.
    pub(crate) fn enums_as_integers(&self) -> bool {
        ["$alt", "alt"]
            .iter()
            .flat_map(|name| self.parameters(name))
            .any(|alt| alt.split(';').any(|part| part == "enum-encoding=int"))
    }

    /// The resource's name: the path without the version and the custom verb.
    pub(super) fn name(&self) -> &str {
        let path = ["/v1/", "/v2/", "/v3/"].iter().find_map(|version| self.path.strip_prefix(version));
        split_verb(path.unwrap_or(self.path)).0
    }

    /// The collection's parent: the path without its last part.
    pub(super) fn parent(&self) -> &str {
        let name = self.name();
        name.rsplit_once('/').map_or(name, |(parent, _)| parent)
    }

    /// The value of a parameter; empty where it is not there.
    pub(super) fn parameter(&self, name: &str) -> &str {
        self.parameters(name).last().unwrap_or_default()
    }

    /// The values of a parameter that can be there several times.
    pub(super) fn parameters(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is `true`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.parameter(name) == "true"
    }

    /// The body as a message; none is an empty message.
    pub(super) fn read(&self, message: &str, at: &str) -> Result<Value, ApiError> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        let input: Value = serde_json::from_slice(self.body)
            .map_err(|error| ApiError::invalid(format!("Invalid JSON payload received. {error}")))?;
        schema::read(message, at, &input, Fields::Input)
            .map_err(|violations| ApiError::violations(&violations))
    }
}

/// Takes the custom verb off. The colon of an image's digest begins none, and Cloud Storage has none.
pub(super) fn split_verb(path: &str) -> (&str, &str) {
    path.rsplit_once(':')
        .filter(|(name, _)| !name.ends_with("@sha256") && !is_storage(path))
        .unwrap_or((path, ""))
}

/// Whether a path is Cloud Storage's.
pub(super) fn is_storage(path: &str) -> bool {
    ["/storage/v1/", "/download/storage/v1/", "/upload/storage/v1/"].iter().any(|own| path.starts_with(own))
}
