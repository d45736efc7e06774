//! A service of Google Cloud, and the words it has for callers whom it refuses whatever they ask.

use serde_json::{Value, json};

use super::call::Call;
use crate::api_error::ApiError;
use crate::cloud::Cloud;
use crate::names::{part, project_number};

pub(super) struct Service {
    /// The rule by which projects are refused that have not enabled the service. `None` for services whose calls do
    /// not tell which project pays for them.
    pub(super) enabling: Option<Enabling>,
    /// Makes the error of a caller who does not have a permission for a resource.
    pub(super) denied: fn(call: &Call<'_>, permission: &str, resource: &str) -> ApiError,
}

/// Reads from a request which projects it is about.
pub(super) type Projects = fn(&Call<'_>) -> Result<Vec<String>, ApiError>;

/// A service that a project has to enable.
pub(super) struct Enabling {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// The projects that a call is about; the one that its path names where this is none.
    pub(super) projects: Option<Projects>,
}

impl Service {
    /// Refuses a call to a service that its project has not enabled.
    pub(super) fn check_enabled(&self, cloud: &Cloud, call: &Call<'_>) -> Result<(), ApiError> {
        let Some(enabling) = &self.enabling else { return Ok(()) };
        if cloud.store.read(|state| state.saved.disabled_services.is_empty()) {
            return Ok(());
        }
        match enabling.projects {
            Some(projects) => projects(call)?.iter().try_for_each(|project| enabling.check(cloud, project)),
            None => enabling.check(cloud, part(call.name(), "projects")),
        }
    }
}

impl Enabling {
    /// Refuses what is about a project that has not enabled the service, in the real words, as people
    /// quote them.
    pub(super) fn check(&self, cloud: &Cloud, project: &str) -> Result<(), ApiError> {
        let Self { name: service, title, .. } = self;
        if !cloud.store.read(|state| state.has_disabled(project, service)) {
            return Ok(());
        }
        let number = project_number(project);
        let url =
            format!("https://console.developers.google.com/apis/api/{service}/overview?project={number}");
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
}

/// The detail of a refusal that names what is missing.
pub(super) fn permission_denied(domain: &str, metadata: &Value) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "IAM_PERMISSION_DENIED",
        "domain": domain,
        "metadata": metadata,
    })
}

/// The refusal of the services that name the resource with their own name before it.
pub(super) fn denied_on_resource(domain: &str, permission: &str, resource: &str) -> ApiError {
    ApiError::denied(format!(
        "Permission '{permission}' denied on resource '//{domain}/{resource}' (or it may not exist)."
    ))
    .with(permission_denied(domain, &json!({ "permission": permission, "resource": resource })))
}
