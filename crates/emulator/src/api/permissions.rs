//! The permissions of a call: the check that the caller has them, and the answer to `TestIamPermissions`.
//!
//! The caller has every permission except those a test denies. Sources: "IAM permissions" in the documentation of
//! each service, and the words people quote when they lack one.
//!
//! To change which permissions a method needs: its row in its API's table. To change the words of a refusal: `denied`
//! of its `Service`.

use serde_json::json;

use super::call::{Call, Reply};
use super::method::Method;
use super::service::Service;
use crate::api_error::ApiError;
use crate::cloud::Cloud;
use crate::names::{part, project_number};
use crate::resource::{items, text};
use crate::store::State;

/// Whoever says what runs as a service account must be allowed to act as it.
pub(super) const ACT_AS: &str = "iam.serviceAccounts.actAs";

/// Refuses a call that needs a denied permission.
pub(super) fn check(
    cloud: &Cloud,
    service: &Service,
    method: &Method,
    call: &Call<'_>,
) -> Result<(), ApiError> {
    let denied = cloud.store.read(|state| state.denied.clone());
    if denied.is_empty() {
        return Ok(());
    }
    let refusal = |permission: &str| {
        let resource = method.resource(call);
        match permission {
            ACT_AS => cannot_act(cloud, &resource),
            permission => (service.denied)(call, permission, &resource),
        }
    };
    if let Some(permission) = method.needs.iter().find(|permission| denied.contains(**permission)) {
        return Err(refusal(permission));
    }
    match &method.also {
        Some(also) if denied.contains(also.permission) && (also.is_needed)(call)? => {
            Err(refusal(also.permission))
        }
        _ => Ok(()),
    }
}

fn cannot_act(cloud: &Cloud, resource: &str) -> ApiError {
    let account = service_account(cloud, resource);
    ApiError::denied(format!(
        "Permission 'iam.serviceaccounts.actAs' denied on service account {account} (or it may not \
         exist)."
    ))
}

/// The service account of a job or a service: the project's default one where there is none.
fn service_account(cloud: &Cloud, resource: &str) -> String {
    let own = cloud.store.read(|state| {
        let job = state.saved.jobs.get(resource).map(|job| &job["template"]["template"]);
        let template = job.or_else(|| state.saved.services.get(resource).map(|service| &service["template"]));
        template.and_then(|template| template["serviceAccount"].as_str()).map(str::to_owned)
    });
    own.unwrap_or_else(|| {
        let number = project_number(part(resource, "projects"));
        format!("{number}-compute@developer.gserviceaccount.com")
    })
}

/// Answers with those of the permissions that the caller has; of what does not exist none, which is not
/// an error (`google.iam.v1.IAMPolicy.TestIamPermissions`).
pub(super) fn test(
    cloud: &Cloud,
    call: &Call<'_>,
    is_there: impl FnOnce(&State) -> Result<bool, ApiError>,
) -> Result<Reply, ApiError> {
    let request = call.read("google.iam.v1.TestIamPermissionsRequest", "")?;
    let asked: Vec<String> = items(&request["permissions"]).iter().map(text).collect();
    if let Some(wrong) = asked.iter().find(|permission| permission.contains('*')) {
        return Err(ApiError::invalid(format!("Permission {wrong} is not valid for this resource.")));
    }
    cloud.store.read(|state| {
        let there = is_there(state)?;
        let has: Vec<String> =
            asked.into_iter().filter(|permission| there && !state.denied.contains(permission)).collect();
        let value = if has.is_empty() { json!({}) } else { json!({ "permissions": has }) };
        Ok(Reply::new("google.iam.v1.TestIamPermissionsResponse", value))
    })
}
