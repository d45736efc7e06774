//! `google.api.serviceusage.v1`: which services a project has enabled, and what those that it has not
//! answer.

use serde_json::{Value, json};

use super::{Call, Method, Reply, logging};
use crate::Cloud;
use crate::error::ApiError;
use crate::names::{part, project_number, short_name};
use crate::store::State;

/// `BatchGetServicesRequest.names`: "A single request can get a maximum of 30 services at a time."
const LARGEST_BATCH: usize = 30;
const LOGGING: &str = "logging.googleapis.com";

pub(super) fn get(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    cloud.store.read(|state| Ok(Reply::new("ServiceUsage.Service", describe(state, call.name())?)))
}

pub(super) fn batch_get(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
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
                let own = super::is_child(name, parent, "services");
                let other = || format!("{name} is not a service of the parent {parent}.");
                if own { describe(state, name) } else { Err(ApiError::invalid(other())) }
            })
            .collect::<Result<Vec<Value>, ApiError>>()?;
        Ok(Reply::new("BatchGetServicesResponse", json!({ "services": services })))
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
    let disabled = is_disabled(state, id, service);
    Ok(json!({
        "name": format!("{parent}/services/{service}"),
        "parent": parent,
        "config": { "name": service },
        "state": if disabled { "DISABLED" } else { "ENABLED" },
    }))
}

fn is_disabled(state: &State, project: &str, service: &str) -> bool {
    state.saved.disabled_services.contains(&format!("projects/{project}/services/{service}"))
}

/// Refuses a call to a service that its project has not enabled.
pub(super) fn check(cloud: &Cloud, method: &Method, call: &Call<'_>) -> Result<(), ApiError> {
    if cloud.store.read(|state| state.saved.disabled_services.is_empty()) {
        return Ok(());
    }
    // Which project pays for a call to the other services, the call does not tell.
    let service = match method.name.split('.').collect::<Vec<_>>()[..] {
        ["google", "cloud", "run", ..] | ["google", "longrunning", ..] => "run.googleapis.com",
        ["google", "cloud", "sql", ..] => "sqladmin.googleapis.com",
        ["google", "cloud", "secretmanager", ..] => "secretmanager.googleapis.com",
        ["google", "devtools", "artifactregistry", ..] => "artifactregistry.googleapis.com",
        ["google", "logging", ..] => {
            let request = call.read("ListLogEntriesRequest", "")?;
            return logging::projects(&request)?.into_iter().try_for_each(|one| check_logging(cloud, one));
        }
        _ => return Ok(()),
    };
    refuse(cloud, part(call.name(), "projects"), service)
}

/// Refuses to read the log entries of a project that has not enabled Cloud Logging.
pub(crate) fn check_logging(cloud: &Cloud, project: &str) -> Result<(), ApiError> {
    refuse(cloud, project, LOGGING)
}

/// The real words, as people quote them.
fn refuse(cloud: &Cloud, project: &str, service: &str) -> Result<(), ApiError> {
    if !cloud.store.read(|state| is_disabled(state, project, service)) {
        return Ok(());
    }
    let title = match service {
        "run.googleapis.com" => "Cloud Run Admin API",
        "sqladmin.googleapis.com" => "Cloud SQL Admin API",
        "secretmanager.googleapis.com" => "Secret Manager API",
        "artifactregistry.googleapis.com" => "Artifact Registry API",
        _ => "Cloud Logging API",
    };
    let number = project_number(project);
    let url = format!("https://console.developers.google.com/apis/api/{service}/overview?project={number}");
    let message = format!(
        "{title} has not been used in project {number} before or it is disabled. Enable it by visiting {url} \
         then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our \
         systems and retry."
    );
    Err(ApiError::denied(message).with(json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {
            "activationUrl": url,
            "consumer": format!("projects/{number}"),
            "service": service,
            "serviceTitle": title,
        },
    })))
}
