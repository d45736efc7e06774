//! `google.cloud.sql.v1`: what describes an instance. There is no database behind it.
//!
//! To add a method: its row in [`API`] and its function here.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::method::{Api, Method};
use super::service::{Enabling, Service};
use crate::api_error::ApiError;
use crate::cloud::Cloud;
use crate::names::short_name;
use crate::options::MissingSqlInstance;

const SQL: Service = Service {
    enabling: Some(Enabling {
        name: "sqladmin.googleapis.com",
        title: "Cloud SQL Admin API",
        projects: None,
    }),
    denied: |_, permission, resource| {
        let message = format!(
            "boss::NOT_AUTHORIZED: Not authorized to access resource. Possibly missing permission \
             {permission} on resource instances/{}.",
            short_name(resource.trim_end_matches("/listServerCas"))
        );
        ApiError::of_reason(StatusCode::FORBIDDEN, "forbidden", message)
    },
};

/// The methods of Cloud SQL.
pub(super) const API: Api = Api {
    service: &SQL,
    methods: &[
        Method::get("google.cloud.sql.v1.SqlInstancesService.Get", "/v1/projects/*/instances/*")
            .query(&["location"])
            .needs(&["cloudsql.instances.get"])
            .by(get),
        Method::get(
            "google.cloud.sql.v1.SqlInstancesService.ListServerCas",
            "/v1/projects/*/instances/*/listServerCas",
        )
        .query(&["location"])
        .needs(&["cloudsql.instances.listServerCas"])
        .by(list_server_cas),
        Method::get("google.cloud.sql.v1.SqlInstancesService.List", "/v1/projects/*/instances"),
        Method::post("google.cloud.sql.v1.SqlInstancesService.Insert", "/v1/projects/*/instances"),
        Method::patch("google.cloud.sql.v1.SqlInstancesService.Patch", "/v1/projects/*/instances/*"),
        Method::put("google.cloud.sql.v1.SqlInstancesService.Update", "/v1/projects/*/instances/*"),
        Method::delete("google.cloud.sql.v1.SqlInstancesService.Delete", "/v1/projects/*/instances/*"),
        Method::post("google.cloud.sql.v1.SqlInstancesService.Restart", "/v1/projects/*/instances/*/restart"),
        Method::get(
            "google.cloud.sql.v1.SqlConnectService.GetConnectSettings",
            "/v1/projects/*/instances/*/connectSettings",
        ),
        Method::get("google.cloud.sql.v1.SqlDatabasesService.List", "/v1/projects/*/instances/*/databases"),
        Method::get("google.cloud.sql.v1.SqlUsersService.List", "/v1/projects/*/instances/*/users"),
        Method::get("google.cloud.sql.v1.SqlOperationsService.Get", "/v1/projects/*/operations/*"),
    ],
};

fn get(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    Ok(Reply::new("google.cloud.sql.v1.DatabaseInstance", instance(cloud, call.name())?))
}

/// The authorities that were put there for the instance; else the one that the instance itself names.
fn list_server_cas(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name().trim_end_matches("/listServerCas");
    let instance = instance(cloud, name)?;
    if let Some(list) = cloud.store.read(|state| state.saved.server_cas.get(name).cloned()) {
        return Ok(Reply::new("google.cloud.sql.v1.InstancesListServerCasResponse", list));
    }
    let own = instance.get("serverCaCert").cloned();
    let active = own.as_ref().map(|own| own["sha1Fingerprint"].clone()).unwrap_or_default();
    let mut list = json!({"kind": "sql#instancesListServerCas", "certs": Vec::from_iter(own)});
    if active.is_string() {
        list["activeVersion"] = active;
    }
    Ok(Reply::new("google.cloud.sql.v1.InstancesListServerCasResponse", list))
}

fn instance(cloud: &Cloud, name: &str) -> Result<Value, ApiError> {
    let instance = cloud.store.read(|state| state.saved.sql_instances.get(name).cloned());
    instance.ok_or_else(|| match cloud.options.missing_sql_instance {
        MissingSqlInstance::NotFound => ApiError::of_reason(
            StatusCode::NOT_FOUND,
            "instanceDoesNotExist",
            "The Cloud SQL instance does not exist.",
        ),
        MissingSqlInstance::NotAuthorized => ApiError::of_reason(
            StatusCode::FORBIDDEN,
            "notAuthorized",
            "The client is not authorized to make this request.",
        ),
    })
}
