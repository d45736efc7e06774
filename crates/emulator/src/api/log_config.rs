//! `google.logging.v2.ConfigServiceV2`: log buckets, and the sinks that put entries into them.
//!
//! To add a method: its row in [`API`] and its function here.

use std::sync::Arc;

use super::call::{Call, Reply};
use super::method::{Api, Method};
use super::page::page_up_to;
use super::service::{Enabling, Service};
use crate::api_error::ApiError;
use crate::cloud::Cloud;

const CONFIG: Service = Service {
    enabling: Some(Enabling { name: "logging.googleapis.com", title: "Cloud Logging API", projects: None }),
    denied: |_, permission, resource| {
        ApiError::denied(format!(
            "Permission '{permission}' denied on resource '{resource}' (or it may not exist)."
        ))
    },
};

/// The methods that configure Cloud Logging.
pub(super) const API: Api = Api {
    service: &CONFIG,
    methods: &[
        Method::get("google.logging.v2.ConfigServiceV2.GetBucket", "/v2/projects/*/locations/*/buckets/*")
            .needs(&["logging.buckets.get"])
            .by(get_bucket),
        Method::get("google.logging.v2.ConfigServiceV2.ListBuckets", "/v2/projects/*/locations/*/buckets"),
        Method::post("google.logging.v2.ConfigServiceV2.CreateBucket", "/v2/projects/*/locations/*/buckets"),
        Method::patch(
            "google.logging.v2.ConfigServiceV2.UpdateBucket",
            "/v2/projects/*/locations/*/buckets/*",
        ),
        Method::delete(
            "google.logging.v2.ConfigServiceV2.DeleteBucket",
            "/v2/projects/*/locations/*/buckets/*",
        ),
        Method::get("google.logging.v2.ConfigServiceV2.ListSinks", "/v2/projects/*/sinks")
            .query(&["pageSize", "pageToken"])
            .needs(&["logging.sinks.list"])
            .by(list_sinks),
        Method::get("google.logging.v2.ConfigServiceV2.GetSink", "/v2/projects/*/sinks/*")
            .needs(&["logging.sinks.get"])
            .by(get_sink),
        Method::post("google.logging.v2.ConfigServiceV2.CreateSink", "/v2/projects/*/sinks"),
        Method::put("google.logging.v2.ConfigServiceV2.UpdateSink", "/v2/projects/*/sinks/*"),
        Method::delete("google.logging.v2.ConfigServiceV2.DeleteSink", "/v2/projects/*/sinks/*"),
    ],
};

fn get_bucket(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let bucket = cloud.store.read(|state| state.saved.log_buckets.get(name).cloned());
    let bucket = bucket.ok_or_else(|| cloud.options.missing_log_bucket.error(name))?;
    Ok(Reply::new("google.logging.v2.LogBucket", bucket))
}

fn get_sink(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let sink = cloud.store.read(|state| state.saved.log_sinks.get(name).cloned());
    let sink = sink.ok_or_else(|| {
        let id = name.rsplit('/').next().unwrap_or_default();
        ApiError::not_found(format!("Sink {id} does not exist"))
    })?;
    Ok(Reply::new("google.logging.v2.LogSink", sink))
}

fn list_sinks(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let prefix = format!("{}/", call.name());
    cloud.store.read(|state| {
        let sinks = state.saved.log_sinks.iter();
        let own = sinks.filter(|(name, _)| name.starts_with(&prefix)).map(|(_, sink)| sink);
        page_up_to(1000, call, "google.logging.v2.ListSinksResponse", "sinks", own)
    })
}
