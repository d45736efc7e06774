//! Permissions: what a call needs, what the caller is told it has, and tokens.
//!
//! The caller has every permission except those a test denies. Sources: "IAM permissions" in the
//! documentation of each service, and the words people quote when they lack one.

use std::time::Duration;

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Call, Emulated, Reply};
use crate::Cloud;
use crate::error::ApiError;
use crate::execution::{items, text};
use crate::names::{part, project_number, short_name};

/// The services whose words for a missing permission differ.
#[derive(Clone, Copy)]
enum Service {
    Run,
    Logging,
    Sql,
    Artifacts,
    Secrets,
    Projects,
    Enabled,
    Storage,
    Tokens,
}

/// Refuses a call that needs a denied permission.
pub(super) fn check(cloud: &Cloud, emulated: Emulated, call: &Call<'_>) -> Result<(), ApiError> {
    let (service, permission) = needed(emulated);
    if permission.is_empty() {
        return Ok(());
    }
    let denied = cloud.store.read(|state| state.denied.clone());
    if denied.is_empty() {
        return Ok(());
    }
    if matches!(service, Service::Logging) {
        return check_logging(cloud);
    }
    let resource = resource(emulated, call);
    if denied.contains(permission) {
        if matches!(service, Service::Storage) {
            return Err(super::storage::denied(call, permission));
        }
        return Err(refusal(service, permission, &resource));
    }
    if matches!(emulated, Emulated::RunJob) && denied.contains("run.jobs.runWithOverrides") {
        let request = call.read("RunJobRequest", "")?;
        if request["overrides"].as_object().is_some_and(|overrides| !overrides.is_empty()) {
            return Err(refusal(service, "run.jobs.runWithOverrides", &resource));
        }
    }
    // Whoever says what runs as a service account must be allowed to act as it.
    let acts = matches!(emulated, Emulated::CreateJob | Emulated::UpdateJob | Emulated::UpdateService);
    if acts && denied.contains("iam.serviceAccounts.actAs") {
        let account = service_account(cloud, &resource);
        return Err(ApiError::denied(format!(
            "Permission 'iam.serviceaccounts.actAs' denied on service account {account} (or it may not \
             exist)."
        )));
    }
    Ok(())
}

/// Refuses who may not read log entries. The documentation of both methods names either permission.
pub(crate) fn check_logging(cloud: &Cloud) -> Result<(), ApiError> {
    const EITHER: [&str; 2] = ["logging.logEntries.list", "logging.views.access"];
    let denied = cloud.store.read(|state| EITHER.iter().any(|one| state.denied.contains(*one)));
    if denied { Err(refusal(Service::Logging, "", "")) } else { Ok(()) }
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

/// The permission a method needs; none for those everybody may call.
fn needed(emulated: Emulated) -> (Service, &'static str) {
    use Service::{Artifacts, Enabled, Logging, Projects, Run, Secrets, Sql, Storage, Tokens};
    match emulated {
        Emulated::GetJob => (Run, "run.jobs.get"),
        Emulated::ListJobs => (Run, "run.jobs.list"),
        Emulated::CreateJob => (Run, "run.jobs.create"),
        Emulated::UpdateJob => (Run, "run.jobs.update"),
        Emulated::DeleteJob => (Run, "run.jobs.delete"),
        Emulated::RunJob => (Run, "run.jobs.run"),
        Emulated::GetExecution => (Run, "run.executions.get"),
        Emulated::ListExecutions => (Run, "run.executions.list"),
        Emulated::DeleteExecution => (Run, "run.executions.delete"),
        Emulated::CancelExecution => (Run, "run.executions.cancel"),
        Emulated::GetTask => (Run, "run.tasks.get"),
        Emulated::ListTasks => (Run, "run.tasks.list"),
        Emulated::GetOperation | Emulated::WaitOperation => (Run, "run.operations.get"),
        Emulated::ListOperations => (Run, "run.operations.list"),
        Emulated::GetService => (Run, "run.services.get"),
        Emulated::ListServices => (Run, "run.services.list"),
        Emulated::UpdateService => (Run, "run.services.update"),
        Emulated::GetRevision => (Run, "run.revisions.get"),
        Emulated::ListRevisions => (Run, "run.revisions.list"),
        Emulated::ListLogEntries | Emulated::TailLogEntries => (Logging, "logging.logEntries.list"),
        Emulated::GetSqlInstance => (Sql, "cloudsql.instances.get"),
        Emulated::GetRepository => (Artifacts, "artifactregistry.repositories.get"),
        Emulated::GetDockerImage => (Artifacts, "artifactregistry.dockerimages.get"),
        Emulated::ListDockerImages => (Artifacts, "artifactregistry.dockerimages.list"),
        Emulated::GetSecret => (Secrets, "secretmanager.secrets.get"),
        Emulated::GetSecretVersion => (Secrets, "secretmanager.versions.get"),
        Emulated::GetProject => (Projects, "resourcemanager.projects.get"),
        Emulated::GetProjectPolicy => (Projects, "resourcemanager.projects.getIamPolicy"),
        Emulated::GetEnabled | Emulated::BatchGetEnabled => (Enabled, "serviceusage.services.get"),
        Emulated::GetObject => (Storage, "storage.objects.get"),
        Emulated::DeleteObject => (Storage, "storage.objects.delete"),
        Emulated::GenerateAccessToken => (Tokens, "iam.serviceAccounts.getAccessToken"),
        Emulated::TestJobPermissions
        | Emulated::TestServicePermissions
        | Emulated::TestProjectPermissions
        | Emulated::TestBucketPermissions
        | Emulated::RefreshToken
        | Emulated::UserInfo => (Projects, ""),
    }
}

/// What the permission is asked for: a list's parent, what is to be created, or the resource.
fn resource(emulated: Emulated, call: &Call<'_>) -> String {
    match emulated {
        Emulated::ListJobs
        | Emulated::ListExecutions
        | Emulated::ListTasks
        | Emulated::ListOperations
        | Emulated::ListServices
        | Emulated::ListRevisions
        | Emulated::ListDockerImages
        | Emulated::BatchGetEnabled => call.parent().to_owned(),
        Emulated::CreateJob => format!("{}/{}", call.name(), call.parameter("jobId")),
        _ => call.name().to_owned(),
    }
}

fn refusal(service: Service, permission: &str, resource: &str) -> ApiError {
    let info = |domain: &str, metadata: Value| {
        json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "IAM_PERMISSION_DENIED",
            "domain": domain,
            "metadata": metadata,
        })
    };
    match service {
        Service::Run => ApiError::denied(format!(
            "Permission '{permission}' denied on resource '{resource}' (or resource may not exist)."
        )),
        Service::Logging => ApiError::denied("Permission denied for all log views"),
        Service::Sql => ApiError::of_reason(
            StatusCode::FORBIDDEN,
            "forbidden",
            format!(
                "boss::NOT_AUTHORIZED: Not authorized to access resource. Possibly missing permission \
                 {permission} on resource instances/{}.",
                short_name(resource)
            ),
        ),
        Service::Artifacts => on_resource("artifactregistry.googleapis.com", permission, resource, info),
        Service::Enabled => on_resource("serviceusage.googleapis.com", permission, resource, info),
        Service::Projects => on_resource("cloudresourcemanager.googleapis.com", permission, resource, info),
        Service::Secrets => ApiError::denied(format!(
            "Permission '{permission}' denied for resource '{resource}' (or it may not exist)."
        ))
        .with(info("iam.googleapis.com", json!({ "permission": permission, "resource": resource }))),
        // Cloud Storage's names who may not: `super::storage::denied`.
        Service::Storage | Service::Tokens => {
            ApiError::denied(format!("Permission '{permission}' denied on resource (or it may not exist)."))
                .with(info("iam.googleapis.com", json!({ "permission": permission })))
        }
    }
}

fn on_resource(
    domain: &str,
    permission: &str,
    resource: &str,
    info: impl Fn(&str, Value) -> Value,
) -> ApiError {
    ApiError::denied(format!(
        "Permission '{permission}' denied on resource '//{domain}/{resource}' (or it may not exist)."
    ))
    .with(info(domain, json!({ "permission": permission, "resource": resource })))
}

/// Those of the permissions that the caller has; of what does not exist none, which is not an error
/// (`google.iam.v1.IAMPolicy.TestIamPermissions`).
pub(super) fn test(cloud: &Cloud, emulated: Emulated, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let request = call.read("TestIamPermissionsRequest", "")?;
    let asked: Vec<String> = items(&request["permissions"]).iter().map(text).collect();
    if let Some(wrong) = asked.iter().find(|permission| permission.contains('*')) {
        return Err(ApiError::invalid(format!("Permission {wrong} is not valid for this resource.")));
    }
    cloud.store.read(|state| {
        let there = match emulated {
            Emulated::TestJobPermissions => state.saved.jobs.contains_key(name),
            Emulated::TestServicePermissions => state.saved.services.contains_key(name),
            _ => {
                state.project(part(name, "projects")).ok_or_else(no_project)?;
                true
            }
        };
        let has: Vec<String> =
            asked.into_iter().filter(|permission| there && !state.denied.contains(permission)).collect();
        let value = if has.is_empty() { json!({}) } else { json!({ "permissions": has }) };
        Ok(Reply::new("TestIamPermissionsResponse", value))
    })
}

pub(super) fn get_project(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let project = cloud.store.read(|state| state.project(part(name, "projects")).cloned());
    // What is not there cannot be told from what the caller may not see.
    let project = project.ok_or_else(|| refusal(Service::Projects, "resourcemanager.projects.get", name))?;
    Ok(Reply::new("Project", project))
}

/// A project's policy, with what is audited.
pub(super) fn get_policy(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    const PERMISSION: &str = "resourcemanager.projects.getIamPolicy";
    let name = call.name();
    let request = call.read("GetIamPolicyRequest", "")?;
    let version = request["options"]["requestedPolicyVersion"].as_i64().unwrap_or(0);
    if !matches!(version, 0 | 1 | 3) {
        return Err(ApiError::invalid(format!("Invalid requested policy version: {version}.")));
    }
    cloud.store.read(|state| {
        let project = state.project(part(name, "projects"));
        let project = project.ok_or_else(|| refusal(Service::Projects, PERMISSION, name))?;
        let own = format!("projects/{}", text(&project["projectId"]));
        let policy = state.saved.policies.get(&own).cloned();
        // The etag of a policy that nobody has touched (`google.iam.v1.Policy` calls it bytes).
        let policy = policy.unwrap_or_else(|| json!({ "version": 1, "etag": "ACAB" }));
        Ok(Reply::new("Policy", policy))
    })
}

fn no_project() -> ApiError {
    ApiError::denied("The caller does not have permission")
}

/// `google.iam.credentials.v1.IAMCredentials.GenerateAccessToken`: a token of a service account.
pub(super) fn generate_token(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    // The documentation of the method: "By default, the maximum allowed value is 1 hour."
    const LONGEST: Duration = Duration::from_hours(1);
    let request = call.read("GenerateAccessTokenRequest", "")?;
    if items(&request["scope"]).is_empty() {
        return Err(ApiError::invalid("The request must contain at least one scope."));
    }
    let asked = request["lifetime"].as_str().and_then(crate::schema::duration).unwrap_or(LONGEST);
    if asked > LONGEST {
        return Err(ApiError::invalid("The access token lifetime cannot exceed 3600 seconds (1 hour)."));
    }
    let account = short_name(call.name()).to_owned();
    let (token, lifetime) = cloud.tokens.issue(Some(account), Some(asked));
    let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::ZERO);
    let expires = Timestamp::now().checked_add(lifetime).unwrap_or(Timestamp::MAX);
    Ok(Reply::new(
        "GenerateAccessTokenResponse",
        json!({ "accessToken": token, "expireTime": expires.to_string() }),
    ))
}

/// The OAuth 2.0 token endpoint, for what an `authorized_user` file holds (RFC 6749, section 6).
/// Google's clients send JSON or a form.
pub(super) fn refresh(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let fields = crate::calls::fields(call.body);
    let missing = |name: &str| fields[name].as_str().is_none_or(str::is_empty);
    if fields["grant_type"] != "refresh_token" {
        let given = fields["grant_type"].as_str().unwrap_or_default();
        return Err(ApiError::oauth("unsupported_grant_type", format!("Invalid grant_type: {given}")));
    }
    if let Some(name) = ["refresh_token", "client_id"].into_iter().find(|name| missing(name)) {
        let text = format!("Missing required parameter: {name}");
        return Err(ApiError::oauth("invalid_request", text));
    }
    if let Some(why) = cloud.tokens.refusal() {
        return Err(ApiError::oauth("invalid_grant", why));
    }
    let (token, lifetime) = cloud.tokens.issue(None, None);
    Ok(Reply::new(
        "",
        json!({
            "access_token": token,
            "expires_in": lifetime.as_secs(),
            "scope": "openid https://www.googleapis.com/auth/cloud-platform",
            "token_type": "Bearer",
        }),
    ))
}

/// Whose token it is (`OpenID` Connect Core 1.0, section 5.3).
pub(super) fn user_info(call: &Call<'_>) -> Reply {
    Reply::new("", json!({ "sub": "1", "email": call.caller, "email_verified": true }))
}
