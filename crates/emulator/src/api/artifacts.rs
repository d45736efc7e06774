//! `google.devtools.artifactregistry.v1`: what describes a repository's images. There is no registry
//! behind it.
//!
//! To add a method: its row in [`API`] and its function here. To add a field of images or repositories: `seed.rs`,
//! which completes them.

use std::sync::Arc;

use serde_json::Value;

use super::call::{Call, Reply};
use super::method::{Api, Method};
use super::page::page_up_to;
use super::service::{Enabling, Service, denied_on_resource};
use crate::api_error::ApiError;
use crate::cloud::Cloud;
use crate::names::is_child;

const ARTIFACTS: Service = Service {
    enabling: Some(Enabling {
        name: "artifactregistry.googleapis.com",
        title: "Artifact Registry API",
        projects: None,
    }),
    denied: |_, permission, resource| {
        denied_on_resource("artifactregistry.googleapis.com", permission, resource)
    },
};

/// The methods of Artifact Registry.
pub(super) const API: Api = Api {
    service: &ARTIFACTS,
    methods: &[
        Method::get(
            "google.devtools.artifactregistry.v1.ArtifactRegistry.GetRepository",
            "/v1/projects/*/locations/*/repositories/*",
        )
        .needs(&["artifactregistry.repositories.get"])
        .by(get_repository),
        Method::get(
            "google.devtools.artifactregistry.v1.ArtifactRegistry.ListRepositories",
            "/v1/projects/*/locations/*/repositories",
        ),
        Method::post(
            "google.devtools.artifactregistry.v1.ArtifactRegistry.CreateRepository",
            "/v1/projects/*/locations/*/repositories",
        ),
        Method::patch(
            "google.devtools.artifactregistry.v1.ArtifactRegistry.UpdateRepository",
            "/v1/projects/*/locations/*/repositories/*",
        ),
        Method::delete(
            "google.devtools.artifactregistry.v1.ArtifactRegistry.DeleteRepository",
            "/v1/projects/*/locations/*/repositories/*",
        ),
        Method::get(
            "google.devtools.artifactregistry.v1.ArtifactRegistry.ListDockerImages",
            "/v1/projects/*/locations/*/repositories/*/dockerImages",
        )
        .query(&["pageSize", "pageToken", "orderBy"])
        .needs(&["artifactregistry.dockerimages.list"])
        .by(list_images),
        Method::get(
            "google.devtools.artifactregistry.v1.ArtifactRegistry.GetDockerImage",
            "/v1/projects/*/locations/*/repositories/*/dockerImages/*",
        )
        .needs(&["artifactregistry.dockerimages.get"])
        .by(get_image),
        Method::get(
            "google.devtools.artifactregistry.v1.ArtifactRegistry.ListPackages",
            "/v1/projects/*/locations/*/repositories/*/packages",
        ),
        Method::get(
            "google.devtools.artifactregistry.v1.ArtifactRegistry.GetPackage",
            "/v1/projects/*/locations/*/repositories/*/packages/*",
        ),
        Method::get(
            "google.devtools.artifactregistry.v1.ArtifactRegistry.ListVersions",
            "/v1/projects/*/locations/*/repositories/*/packages/*/versions",
        ),
        Method::get(
            "google.devtools.artifactregistry.v1.ArtifactRegistry.GetVersion",
            "/v1/projects/*/locations/*/repositories/*/packages/*/versions/*",
        ),
        Method::get(
            "google.devtools.artifactregistry.v1.ArtifactRegistry.ListTags",
            "/v1/projects/*/locations/*/repositories/*/packages/*/tags",
        ),
        Method::get(
            "google.devtools.artifactregistry.v1.ArtifactRegistry.GetTag",
            "/v1/projects/*/locations/*/repositories/*/packages/*/tags/*",
        ),
        Method::post(
            "google.devtools.artifactregistry.v1.ArtifactRegistry.TestIamPermissions",
            "/v1/projects/*/locations/*/repositories/*:testIamPermissions",
        ),
    ],
};

fn get_repository(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let repository = cloud.store.read(|state| state.saved.repositories.get(call.name()).cloned());
    Ok(Reply::new("google.devtools.artifactregistry.v1.Repository", repository.ok_or_else(not_found)?))
}

fn get_image(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let image = cloud.store.read(|state| state.saved.docker_images.get(call.name()).cloned());
    Ok(Reply::new("google.devtools.artifactregistry.v1.DockerImage", image.ok_or_else(not_found)?))
}

/// By name, or by one of the times, as `orderBy` asks.
fn list_images(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    // The field's documentation: "Maximum page size is 1,000".
    const LARGEST: usize = 1000;
    let parent = call.parent();
    cloud.store.read(|state| {
        if !state.saved.repositories.contains_key(parent) {
            return Err(not_found());
        }
        let mut images: Vec<&Value> = state
            .saved
            .docker_images
            .iter()
            .filter(|(name, _)| is_child(name, parent, "dockerImages"))
            .map(|(_, image)| image)
            .collect();
        sort(&mut images, call.parameter("orderBy"))?;
        page_up_to(
            LARGEST,
            call,
            "google.devtools.artifactregistry.v1.ListDockerImagesResponse",
            "dockerImages",
            images.into_iter(),
        )
    })
}

fn sort(images: &mut [&Value], order: &str) -> Result<(), ApiError> {
    let (field, descending) = match order.split_whitespace().collect::<Vec<_>>()[..] {
        [] => return Ok(()),
        [field] | [field, "asc"] => (field, false),
        [field, "desc"] => (field, true),
        _ => return Err(invalid_order(order)),
    };
    let field = match field {
        "name" => "name",
        "uploadTime" | "upload_time" => "uploadTime",
        "updateTime" | "update_time" => "updateTime",
        "buildTime" | "build_time" => "buildTime",
        _ => return Err(invalid_order(order)),
    };
    // A time without a fraction sorts after one with it as text, so times are read.
    images.sort_by_cached_key(|image| {
        let text = image[field].as_str().unwrap_or_default();
        (text.parse::<jiff::Timestamp>().ok(), text.to_owned())
    });
    if descending {
        images.reverse();
    }
    Ok(())
}

fn invalid_order(order: &str) -> ApiError {
    ApiError::invalid(format!("Invalid order_by: {order:?}."))
}

fn not_found() -> ApiError {
    ApiError::not_found("Requested entity was not found.")
}
