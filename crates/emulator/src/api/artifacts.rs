//! `google.devtools.artifactregistry.v1`: what describes a repository's images. There is no registry
//! behind it.

use serde_json::Value;

use super::{Call, Reply, is_child, page_up_to};
use crate::Cloud;
use crate::error::ApiError;

pub(super) fn get_repository(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let repository = cloud.store.read(|state| state.saved.repositories.get(call.name()).cloned());
    Ok(Reply::new("Repository", repository.ok_or_else(not_found)?))
}

pub(super) fn get_image(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let image = cloud.store.read(|state| state.saved.docker_images.get(call.name()).cloned());
    Ok(Reply::new("DockerImage", image.ok_or_else(not_found)?))
}

/// By name, or by one of the times, as `orderBy` asks.
pub(super) fn list_images(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
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
        page_up_to(LARGEST, call, "ListDockerImagesResponse", "dockerImages", images.into_iter())
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
