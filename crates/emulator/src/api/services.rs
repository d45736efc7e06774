//! `google.cloud.run.v2.Services` and `Revisions`: what reads and changes them. Nothing is served.
//!
//! To add a method: its row in [`API`] and its function here. `../deployment.rs` makes a new revision ready, or lets
//! it fail.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::method::{Api, Method};
use super::operations::{done, following, new_name, validated};
use super::page::page;
use super::permissions::{self, ACT_AS};
use super::run::{PAGE, RUN, check_etag, created, missing_resource};
use crate::api_error::ApiError;
use crate::cloud::Cloud;
use crate::deployment;
use crate::names::{etag, is_child, random_suffix, short_name};
use crate::resource::{text, touch};
use crate::schema::{field_names, snake};

/// The methods of services and of their revisions, and those of what else Cloud Run has.
pub(super) const API: Api = Api {
    service: &RUN,
    methods: &[
        Method::get("google.cloud.run.v2.Services.GetService", "/v2/projects/*/locations/*/services/*")
            .needs(&["run.services.get"])
            .by(get),
        Method::get("google.cloud.run.v2.Services.ListServices", "/v2/projects/*/locations/*/services")
            .query(PAGE)
            .needs(&["run.services.list"])
            .by(list),
        Method::patch("google.cloud.run.v2.Services.UpdateService", "/v2/projects/*/locations/*/services/*")
            .query(&["updateMask", "validateOnly", "allowMissing", "forceNewRevision"])
            .needs(&["run.services.update", ACT_AS])
            .by(update),
        Method::post("google.cloud.run.v2.Services.CreateService", "/v2/projects/*/locations/*/services"),
        Method::delete("google.cloud.run.v2.Services.DeleteService", "/v2/projects/*/locations/*/services/*"),
        Method::get(
            "google.cloud.run.v2.Services.GetIamPolicy",
            "/v2/projects/*/locations/*/services/*:getIamPolicy",
        ),
        Method::post(
            "google.cloud.run.v2.Services.SetIamPolicy",
            "/v2/projects/*/locations/*/services/*:setIamPolicy",
        ),
        Method::post(
            "google.cloud.run.v2.Services.TestIamPermissions",
            "/v2/projects/*/locations/*/services/*:testIamPermissions",
        )
        .by(test_permissions),
        Method::get(
            "google.cloud.run.v2.Revisions.GetRevision",
            "/v2/projects/*/locations/*/services/*/revisions/*",
        )
        .needs(&["run.revisions.get"])
        .by(get_revision),
        Method::get(
            "google.cloud.run.v2.Revisions.ListRevisions",
            "/v2/projects/*/locations/*/services/*/revisions",
        )
        .query(PAGE)
        .needs(&["run.revisions.list"])
        .by(list_revisions),
        Method::delete(
            "google.cloud.run.v2.Revisions.DeleteRevision",
            "/v2/projects/*/locations/*/services/*/revisions/*",
        ),
        Method::post("google.cloud.run.v2.Builds.SubmitBuild", "/v2/projects/*/locations/*/builds:submit"),
        Method::get(
            "google.cloud.run.v2.WorkerPools.ListWorkerPools",
            "/v2/projects/*/locations/*/workerPools",
        ),
        Method::get(
            "google.cloud.run.v2.WorkerPools.GetWorkerPool",
            "/v2/projects/*/locations/*/workerPools/*",
        ),
    ],
};

fn test_permissions(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    permissions::test(cloud, call, |state| Ok(state.saved.services.contains_key(call.name())))
}

fn get(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let service = cloud.store.read(|state| state.saved.services.get(name).cloned());
    let service = service.ok_or_else(|| missing_resource("SERVICE", name))?;
    Ok(Reply::new("google.cloud.run.v2.Service", service))
}

fn list(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    cloud.store.read(|state| {
        let services = state
            .saved
            .services
            .iter()
            .filter(|(name, _)| is_child(name, call.parent(), "services"))
            .map(|(_, service)| service);
        page(call, "google.cloud.run.v2.ListServicesResponse", "services", services)
    })
}

fn get_revision(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let revision = cloud.store.read(|state| state.saved.revisions.get(name).cloned());
    let revision = revision.ok_or_else(|| missing_resource("REVISION", name))?;
    Ok(Reply::new("google.cloud.run.v2.Revision", revision))
}

/// The newest first.
fn list_revisions(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    cloud.store.read(|state| {
        let mut revisions: Vec<&Value> = state
            .saved
            .revisions
            .iter()
            .filter(|(name, _)| is_child(name, call.parent(), "revisions"))
            .map(|(_, revision)| revision)
            .collect();
        revisions.sort_by_cached_key(|revision| std::cmp::Reverse(created(revision)));
        page(call, "google.cloud.run.v2.ListRevisionsResponse", "revisions", revisions.into_iter())
    })
}

/// Changes a service; a changed template makes a revision.
fn update(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let change = call.read("google.cloud.run.v2.Service", "service")?;
    let (reply, deployment) = cloud.store.change(|state| {
        let Some(old) = state.saved.services.get(name).cloned() else {
            return Err(if call.flag("allowMissing") {
                ApiError::unimplemented("Creating a service by update")
            } else {
                missing_resource("SERVICE", name)
            });
        };
        check_etag(change["etag"].as_str().unwrap_or_default(), &old)?;
        let mut service = merge(&old, &change, call.parameter("updateMask"))?;
        let now = Timestamp::now();
        let generation = text(&old["generation"]).parse::<i64>().unwrap_or(0) + 1;
        service["generation"] = json!(generation.to_string());
        service["lastModifier"] = json!(call.caller);
        touch(&mut service, now);
        let changed = service["template"] != old["template"];
        let revision =
            (changed || call.flag("forceNewRevision")).then(|| new_revision(&service, generation, now));
        if call.flag("validateOnly") {
            if let Some(revision) = revision {
                service["latestCreatedRevision"] = revision["name"].clone();
            }
            return Ok((validated(name, "google.cloud.run.v2.Service", service), None));
        }
        let Some(revision) = revision else {
            if service.get("reconciling").is_none() {
                service["observedGeneration"] = json!(generation.to_string());
                deployment::settle_traffic(&mut service);
            }
            state.saved.services.insert(name.to_owned(), service.clone());
            return Ok((done(state, name, "google.cloud.run.v2.Service", service), None));
        };
        let operation = new_name(name);
        let Some(deployment) = deployment::begin(cloud, state, &mut service, revision, &operation) else {
            return Ok((done(state, name, "google.cloud.run.v2.Service", service), None));
        };
        let reply = following(state, &operation, cloud.options.cancelled_run)
            .ok_or_else(|| missing_resource("OPERATION", &operation))?;
        Ok((Reply::new("google.longrunning.Operation", reply), Some(deployment)))
    })?;
    if let Some(deployment) = deployment {
        deployment::start(cloud, deployment);
    }
    Ok(reply)
}

/// The fields of `mask`, or all a caller can set where it is empty, taken from `change`.
fn merge(old: &Value, change: &Value, mask: &str) -> Result<Value, ApiError> {
    let mut service = old.clone();
    if mask.is_empty() || mask == "*" {
        // What only the server sets was dropped from the change when it was read.
        const SET_BY_SERVER: [&str; 18] = [
            "name",
            "uid",
            "createTime",
            "updateTime",
            "deleteTime",
            "expireTime",
            "creator",
            "lastModifier",
            "urls",
            "uri",
            "observedGeneration",
            "generation",
            "terminalCondition",
            "conditions",
            "latestReadyRevision",
            "latestCreatedRevision",
            "trafficStatuses",
            "reconciling",
        ];
        for field in field_names("google.cloud.run.v2.Service") {
            if !SET_BY_SERVER.contains(&field) {
                take(&mut service, change, &[field]);
            }
        }
        return Ok(service);
    }
    for path in mask.split(',') {
        let fields: Vec<String> = path.split('.').map(camel).collect();
        let known = fields
            .first()
            .is_some_and(|first| field_names("google.cloud.run.v2.Service").any(|field| field == first));
        if !known {
            return Err(ApiError::invalid(format!(
                "update_mask: '{}' is not a field of Service.",
                snake(path)
            )));
        }
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        take(&mut service, change, &fields);
    }
    Ok(service)
}

/// Copies the field at a path, or removes it where the change has none.
fn take(target: &mut Value, source: &Value, path: &[&str]) {
    match path {
        [] => {}
        [field] => match source.get(field) {
            Some(value) => target[*field] = value.clone(),
            None => {
                if let Some(object) = target.as_object_mut() {
                    object.remove(*field);
                }
            }
        },
        [field, rest @ ..] => take(&mut target[*field], &source[*field], rest),
    }
}

fn new_revision(service: &Value, generation: i64, now: Timestamp) -> Value {
    let service_name = text(&service["name"]);
    let id = short_name(&service_name);
    let template = &service["template"];
    let own = text(&template["revision"]);
    let revision_id = if own.is_empty() { format!("{id}-{generation:05}-{}", random_suffix(3)) } else { own };
    let name = format!("{service_name}/revisions/{revision_id}");
    let mut revision = template.clone();
    if let Some(object) = revision.as_object_mut() {
        object.remove("revision");
        object.remove("healthCheckDisabled");
    }
    revision["name"] = json!(name);
    revision["uid"] = json!(uuid::Uuid::new_v4());
    revision["generation"] = json!("1");
    revision["observedGeneration"] = json!("1");
    revision["createTime"] = json!(now.to_string());
    revision["updateTime"] = json!(now.to_string());
    revision["launchStage"] = json!("GA");
    revision["service"] = json!(id);
    revision["etag"] = json!(etag(&name, now));
    revision
}

/// `traffic_statuses` → `trafficStatuses`.
fn camel(snake: &str) -> String {
    let mut upper = false;
    let mut result = String::with_capacity(snake.len());
    for letter in snake.trim().chars() {
        if letter == '_' {
            upper = true;
        } else if upper {
            result.push(letter.to_ascii_uppercase());
            upper = false;
        } else {
            result.push(letter);
        }
    }
    result
}
