//! `google.cloud.resourcemanager.v3.Projects`: what describes a project, and who has which role there.
//!
//! To add a method: its row in [`API`] and its function here.

use std::sync::Arc;

use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::method::{Api, Method};
use super::permissions;
use super::service::{Service, denied_on_resource};
use crate::api_error::ApiError;
use crate::cloud::Cloud;
use crate::names::part;
use crate::resource::text;

const PROJECTS: Service =
    Service { enabling: None, denied: |_, permission, resource| denied(permission, resource) };

/// The methods of Resource Manager.
pub(super) const API: Api = Api {
    service: &PROJECTS,
    methods: &[
        Method::get("google.cloud.resourcemanager.v3.Projects.GetProject", "/v3/projects/*")
            .needs(&["resourcemanager.projects.get"])
            .by(get_project),
        Method::post(
            "google.cloud.resourcemanager.v3.Projects.TestIamPermissions",
            "/v3/projects/*:testIamPermissions",
        )
        .by(test_permissions),
        Method::get("google.cloud.resourcemanager.v3.Projects.ListProjects", "/v3/projects"),
        Method::get("google.cloud.resourcemanager.v3.Projects.SearchProjects", "/v3/projects:search"),
        Method::post("google.cloud.resourcemanager.v3.Projects.GetIamPolicy", "/v3/projects/*:getIamPolicy")
            .needs(&["resourcemanager.projects.getIamPolicy"])
            .by(get_policy),
        Method::post("google.cloud.resourcemanager.v3.Projects.SetIamPolicy", "/v3/projects/*:setIamPolicy"),
    ],
};

fn denied(permission: &str, resource: &str) -> ApiError {
    denied_on_resource("cloudresourcemanager.googleapis.com", permission, resource)
}

fn test_permissions(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    permissions::test(cloud, call, |state| {
        let project = state.project(part(call.name(), "projects"));
        project.map(|_| true).ok_or_else(no_project)
    })
}

fn get_project(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let project = cloud.store.read(|state| state.project(part(name, "projects")).cloned());
    // What is not there cannot be told from what the caller may not see.
    let project = project.ok_or_else(|| denied("resourcemanager.projects.get", name))?;
    Ok(Reply::new("google.cloud.resourcemanager.v3.Project", project))
}

/// A project's policy, with what is audited.
fn get_policy(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let request = call.read("google.iam.v1.GetIamPolicyRequest", "")?;
    let version = request["options"]["requestedPolicyVersion"].as_i64().unwrap_or(0);
    if !matches!(version, 0 | 1 | 3) {
        return Err(ApiError::invalid(format!("Invalid requested policy version: {version}.")));
    }
    cloud.store.read(|state| {
        let project = state.project(part(name, "projects"));
        let project = project.ok_or_else(|| denied("resourcemanager.projects.getIamPolicy", name))?;
        let own = format!("projects/{}", text(&project["projectId"]));
        let policy = state.saved.policies.get(&own).cloned();
        // The etag of a policy that nobody has touched (`google.iam.v1.Policy` calls it bytes).
        let mut policy = policy.unwrap_or_else(|| json!({ "version": 1, "etag": "ACAB" }));
        if version < 3 {
            without_conditions(&mut policy);
        }
        Ok(Reply::new("google.iam.v1.Policy", policy))
    })
}

/// A policy as version 1 has it: a binding with a condition gets another role, and loses the condition ("Troubleshoot
/// policies with withcond" of IAM's documentation; the digits behind the word are not documented).
fn without_conditions(policy: &mut Value) {
    for binding in policy["bindings"].as_array_mut().into_iter().flatten() {
        if binding["condition"].is_object() {
            let role = format!("{}_withcond_2b17cc25d2cd9e2c54d8", text(&binding["role"]));
            binding["role"] = json!(role);
            binding.as_object_mut().map(|binding| binding.remove("condition"));
        }
    }
    if policy["version"] == 3 {
        policy["version"] = json!(1);
    }
}

fn no_project() -> ApiError {
    ApiError::denied("The caller does not have permission")
}
