//! Cloud Run: what all its methods have in common.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::service::{Enabling, Service};
use crate::api_error::ApiError;
use crate::names::{part, short_name};

pub(super) const RUN: Service = Service {
    enabling: Some(Enabling { name: "run.googleapis.com", title: "Cloud Run Admin API", projects: None }),
    denied: |_, permission, resource| {
        ApiError::denied(format!(
            "Permission '{permission}' denied on resource '{resource}' (or resource may not exist)."
        ))
    },
};

/// The query parameters of a list.
pub(super) const PAGE: &[&str] = &["pageSize", "pageToken", "showDeleted"];

/// The query parameters of what can be refused because of the resource's state.
pub(super) const CONDITIONAL: &[&str] = &["validateOnly", "etag"];

/// Google's words for a resource that is not there.
pub(super) fn missing_resource(kind: &str, name: &str) -> ApiError {
    let of = |collection| part(name, collection);
    ApiError::not_found(format!(
        "Resource '{}' of kind '{kind}' in region '{}' in project '{}' does not exist.",
        short_name(name),
        of("locations"),
        of("projects"),
    ))
}

/// Refuses a change that was made for another version of the resource.
///
/// The code is that of AIP-154, the rule for Google's APIs; the wording is not documented.
pub(super) fn check_etag(given: &str, resource: &Value) -> Result<(), ApiError> {
    let current = resource["etag"].as_str().unwrap_or_default();
    if given.is_empty() || given == current {
        return Ok(());
    }
    Err(ApiError::aborted(format!(
        "Conflict for resource '{}': version '{given}' was specified but current version is \
         '{current}'.",
        short_name(resource["name"].as_str().unwrap_or_default()),
    )))
}

/// The time at which a resource was made.
pub(super) fn created(resource: &Value) -> Option<Timestamp> {
    resource["createTime"].as_str()?.parse().ok()
}

/// Says of a resource that it was deleted.
pub(super) fn mark_deleted(resource: &mut Value) {
    let now = Timestamp::now();
    let expires = now.checked_add(SignedDuration::from_hours(30 * 24));
    resource["deleteTime"] = json!(now.to_string());
    resource["expireTime"] = json!(expires.unwrap_or(now).to_string());
}
