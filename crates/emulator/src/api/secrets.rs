//! `google.cloud.secretmanager.v1`: what describes a secret. Its value is never told.
//!
//! To add a method: its row in [`API`] and its function here; the secrets themselves are in `../secrets.rs`.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::method::{Api, Method};
use super::service::{Enabling, Service, permission_denied};
use crate::api_error::ApiError;
use crate::cloud::Cloud;
use crate::names::{etag, part, project_number};
use crate::resource::text;
use crate::secrets::{Secret, Version};

const SECRETS: Service = Service {
    enabling: Some(Enabling {
        name: "secretmanager.googleapis.com",
        title: "Secret Manager API",
        projects: None,
    }),
    denied: |_, permission, resource| {
        let metadata = json!({ "permission": permission, "resource": resource });
        ApiError::denied(format!(
            "Permission '{permission}' denied for resource '{resource}' (or it may not exist)."
        ))
        .with(permission_denied("iam.googleapis.com", &metadata))
    },
};

/// The methods of Secret Manager.
pub(super) const API: Api = Api {
    service: &SECRETS,
    methods: &[
        Method::get(
            "google.cloud.secretmanager.v1.SecretManagerService.GetSecret",
            "/v1/projects/*/secrets/*",
        )
        .needs(&["secretmanager.secrets.get"])
        .by(get),
        Method::get(
            "google.cloud.secretmanager.v1.SecretManagerService.GetSecretVersion",
            "/v1/projects/*/secrets/*/versions/*",
        )
        .needs(&["secretmanager.versions.get"])
        .by(get_version),
        Method::get(
            "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion",
            "/v1/projects/*/secrets/*/versions/*:access",
        ),
        Method::get(
            "google.cloud.secretmanager.v1.SecretManagerService.ListSecrets",
            "/v1/projects/*/secrets",
        ),
        Method::post(
            "google.cloud.secretmanager.v1.SecretManagerService.CreateSecret",
            "/v1/projects/*/secrets",
        )
        .query(&["secretId"])
        .needs(&["secretmanager.secrets.create"])
        .by(create),
        Method::patch(
            "google.cloud.secretmanager.v1.SecretManagerService.UpdateSecret",
            "/v1/projects/*/secrets/*",
        ),
        Method::delete(
            "google.cloud.secretmanager.v1.SecretManagerService.DeleteSecret",
            "/v1/projects/*/secrets/*",
        ),
        Method::post(
            "google.cloud.secretmanager.v1.SecretManagerService.AddSecretVersion",
            "/v1/projects/*/secrets/*:addVersion",
        )
        .needs(&["secretmanager.versions.add"])
        .by(add_version),
        Method::get(
            "google.cloud.secretmanager.v1.SecretManagerService.ListSecretVersions",
            "/v1/projects/*/secrets/*/versions",
        ),
        Method::post(
            "google.cloud.secretmanager.v1.SecretManagerService.EnableSecretVersion",
            "/v1/projects/*/secrets/*/versions/*:enable",
        ),
        Method::post(
            "google.cloud.secretmanager.v1.SecretManagerService.DisableSecretVersion",
            "/v1/projects/*/secrets/*/versions/*:disable",
        ),
        Method::post(
            "google.cloud.secretmanager.v1.SecretManagerService.DestroySecretVersion",
            "/v1/projects/*/secrets/*/versions/*:destroy",
        ),
        Method::get(
            "google.cloud.secretmanager.v1.SecretManagerService.GetIamPolicy",
            "/v1/projects/*/secrets/*:getIamPolicy",
        )
        .query(&["options.requestedPolicyVersion"])
        .needs(&["secretmanager.secrets.getIamPolicy"])
        .by(get_policy),
        Method::post(
            "google.cloud.secretmanager.v1.SecretManagerService.SetIamPolicy",
            "/v1/projects/*/secrets/*:setIamPolicy",
        ),
        Method::post(
            "google.cloud.secretmanager.v1.SecretManagerService.TestIamPermissions",
            "/v1/projects/*/secrets/*:testIamPermissions",
        ),
    ],
};

fn get(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    cloud.store.read(|state| {
        let secret = state.secrets.get(part(name, "projects"), part(name, "secrets"));
        let secret =
            secret.ok_or_else(|| ApiError::not_found(format!("Secret [{}] not found.", numbered(name))))?;
        Ok(Reply::new("google.cloud.secretmanager.v1.Secret", describe(secret)))
    })
}

fn create(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let secret = call.read("google.cloud.secretmanager.v1.Secret", "secret")?;
    if secret["replication"].is_null() {
        return Err(ApiError::invalid("The field `secret.replication` must be provided."));
    }
    let (project, id) = (part(call.parent(), "projects"), call.parameter("secretId"));
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if id.is_empty() || id.len() > 255 || !id.chars().all(valid) {
        return Err(ApiError::invalid(format!(
            "The secret id \"{id}\" must match the pattern [[a-zA-Z_0-9]+]."
        )));
    }
    cloud.store.change(|state| {
        if state.secrets.get(project, id).is_some() {
            return Err(ApiError::already_exists(format!(
                "Secret [projects/{project}/secrets/{id}] already exists."
            )));
        }
        state.secrets.put(project, id, None);
        let made = state.secrets.get(project, id).map(describe);
        Ok(Reply::new("google.cloud.secretmanager.v1.Secret", made.unwrap_or_default()))
    })
}

fn add_version(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let request = call.read("google.cloud.secretmanager.v1.AddSecretVersionRequest", "")?;
    let data = text(&request["payload"]["data"]);
    let value = BASE64_STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let value =
        value.ok_or_else(|| ApiError::invalid("this emulator keeps values of secrets that are UTF-8"))?;
    let (project, id) = (part(name, "projects"), part(name, "secrets"));
    let number = cloud.store.change(|state| state.secrets.add_version(project, id, value));
    let Some(number) = number else {
        return Err(ApiError::not_found(format!("Secret [{}] not found.", numbered(name))));
    };
    cloud.store.read(|state| {
        let secret = state.secrets.get(project, id);
        let found = secret.and_then(|secret| Some((secret, secret.version(&number.to_string())?)));
        let (secret, (number, version)) = found.ok_or_else(|| ApiError::not_found("the version is gone"))?;
        Ok(Reply::new(
            "google.cloud.secretmanager.v1.SecretVersion",
            describe_version(secret, number, version),
        ))
    })
}

/// The policy of a secret, with those who may read its value. A secret that nobody was let at has none.
fn get_policy(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    cloud.store.read(|state| {
        let secret = state.secrets.get(part(name, "projects"), part(name, "secrets"));
        let secret =
            secret.ok_or_else(|| ApiError::not_found(format!("Secret [{}] not found.", numbered(name))))?;
        let mut policy = json!({ "etag": "ACAB" });
        if !secret.readers.is_empty() {
            let readers = json!({ "role": "roles/secretmanager.secretAccessor", "members": secret.readers });
            policy = json!({ "version": 1, "etag": "BwX1", "bindings": [readers] });
        }
        Ok(Reply::new("google.iam.v1.Policy", policy))
    })
}

fn get_version(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let id = part(name, "versions");
    cloud.store.read(|state| {
        let secret = state.secrets.get(part(name, "projects"), part(name, "secrets"));
        let secret = secret.filter(|secret| !secret.versions.is_empty());
        let secret = secret.ok_or_else(|| {
            let secret = numbered(name.split("/versions/").next().unwrap_or_default());
            ApiError::not_found(format!("Secret [{secret}] not found or has no versions."))
        })?;
        let (number, version) = secret.version(id).ok_or_else(|| {
            ApiError::not_found(format!("Secret Version [{}/versions/{id}] not found.", secret.full_name()))
        })?;
        Ok(Reply::new(
            "google.cloud.secretmanager.v1.SecretVersion",
            describe_version(secret, number, version),
        ))
    })
}

fn describe_version(secret: &Secret, number: usize, version: &Version) -> Value {
    let name = format!("{}/versions/{number}", secret.full_name());
    let mut value = json!({
        "name": name,
        "createTime": version.created.to_string(),
        "state": version.state.name(),
        "replicationStatus": {"automatic": {}},
        "etag": etag(&name, version.destroyed.unwrap_or(version.created)),
    });
    if let Some(time) = version.destroyed {
        value["destroyTime"] = json!(time.to_string());
    }
    value
}

fn describe(secret: &Secret) -> Value {
    let name = secret.full_name();
    json!({
        "name": name,
        "createTime": secret.created.to_string(),
        "replication": {"automatic": {}},
        "etag": etag(&name, secret.created),
    })
}

/// The name with the project's number, which is how the service names it in its messages.
fn numbered(name: &str) -> String {
    let project = part(name, "projects");
    let number = project.parse().unwrap_or_else(|_| project_number(project));
    name.replacen(&format!("projects/{project}/"), &format!("projects/{number}/"), 1)
}
