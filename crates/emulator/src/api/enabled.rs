//! `google.api.serviceusage.v1`: which services a project has enabled.
//!
//! To add a method: its row in [`API`] and its function here.

use std::sync::Arc;

use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::method::{Api, Method};
use super::service::{Service, denied_on_resource};
use crate::api_error::ApiError;
use crate::cloud::Cloud;
use crate::names::{is_child, part, short_name};
use crate::store::State;

/// `BatchGetServicesRequest.names`: "A single request can get a maximum of 30 services at a time."
const LARGEST_BATCH: usize = 30;

const ENABLED: Service = Service {
    enabling: None,
    denied: |_, permission, resource| denied_on_resource("serviceusage.googleapis.com", permission, resource),
};

/// The methods of Service Usage.
pub(super) const API: Api = Api {
    service: &ENABLED,
    methods: &[
        Method::get("google.api.serviceusage.v1.ServiceUsage.GetService", "/v1/projects/*/services/*")
            .needs(&["serviceusage.services.get"])
            .by(get),
        Method::get(
            "google.api.serviceusage.v1.ServiceUsage.BatchGetServices",
            "/v1/projects/*/services:batchGet",
        )
        .query(&["names"])
        .needs(&["serviceusage.services.get"])
        .by(batch_get),
        Method::get("google.api.serviceusage.v1.ServiceUsage.ListServices", "/v1/projects/*/services"),
        Method::post(
            "google.api.serviceusage.v1.ServiceUsage.EnableService",
            "/v1/projects/*/services/*:enable",
        ),
        Method::post(
            "google.api.serviceusage.v1.ServiceUsage.DisableService",
            "/v1/projects/*/services/*:disable",
        ),
        Method::post(
            "google.api.serviceusage.v1.ServiceUsage.BatchEnableServices",
            "/v1/projects/*/services:batchEnable",
        ),
    ],
};

fn get(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    cloud
        .store
        .read(|state| Ok(Reply::new("google.api.serviceusage.v1.Service", describe(state, call.name())?)))
}

fn batch_get(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let parent = call.parent();
    let names: Vec<&str> = call.parameters("names").collect();
    if names.is_empty() || names.len() > LARGEST_BATCH {
        return Err(ApiError::invalid(format!(
            "The number of services must be between 1 and {LARGEST_BATCH}, not {}.",
            names.len()
        )));
    }
    cloud.store.read(|state| {
        let services = names
            .iter()
            .map(|name| {
                let own = is_child(name, parent, "services");
                let other = || format!("{name} is not a service of the parent {parent}.");
                if own { describe(state, name) } else { Err(ApiError::invalid(other())) }
            })
            .collect::<Result<Vec<Value>, ApiError>>()?;
        Ok(Reply::new("google.api.serviceusage.v1.BatchGetServicesResponse", json!({ "services": services })))
    })
}

/// A service as a project has it. Names in answers have the project's number.
fn describe(state: &State, name: &str) -> Result<Value, ApiError> {
    let service = short_name(name);
    let project = state.project(part(name, "projects"));
    let Some(project) = project.filter(|_| service.ends_with(".googleapis.com")) else {
        return Err(ApiError::denied(format!("Not found or permission denied for service(s): {service}."))
            .with(json!({
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "SERVICE_CONFIG_NOT_FOUND_OR_PERMISSION_DENIED",
                "domain": "serviceusage.googleapis.com",
                "metadata": { "services": service },
            })));
    };
    let id = project["projectId"].as_str().unwrap_or_default();
    let parent = project["name"].as_str().unwrap_or_default();
    let disabled = state.has_disabled(id, service);
    Ok(json!({
        "name": format!("{parent}/services/{service}"),
        "parent": parent,
        "config": { "name": service },
        "state": if disabled { "DISABLED" } else { "ENABLED" },
    }))
}
