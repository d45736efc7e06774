//! `google.cloud.secretmanager.v1`: what describes a secret. Its value is never told.

use serde_json::{Value, json};

use super::{Call, Reply};
use crate::Cloud;
use crate::error::ApiError;
use crate::names::{etag, part, project_number};
use crate::secrets::Secret;

pub(super) fn get(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    cloud.store.read(|state| {
        let secret = state.secrets.get(part(name, "projects"), part(name, "secrets"));
        let secret =
            secret.ok_or_else(|| ApiError::not_found(format!("Secret [{}] not found.", numbered(name))))?;
        Ok(Reply::new("Secret", describe(secret)))
    })
}

pub(super) fn get_version(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
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
        Ok(Reply::new("SecretVersion", value))
    })
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
