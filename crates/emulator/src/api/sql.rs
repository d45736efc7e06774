//! `google.cloud.sql.v1`: what describes an instance. There is no database behind it.

use axum::http::StatusCode;

use super::{Call, Reply};
use crate::error::ApiError;
use crate::{Cloud, MissingSqlInstance};

pub(super) fn get(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let instance = cloud.store.read(|state| state.saved.sql_instances.get(name).cloned());
    let instance = instance.ok_or_else(|| match cloud.options.missing_sql_instance {
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
    })?;
    Ok(Reply::new("DatabaseInstance", instance))
}
