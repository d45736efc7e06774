//! The JSON API of Cloud Storage: one object at a time, and without its past: a bucket has no versioning.
//!
//! Its errors are those of the older APIs; of a download they are text.
//!
//! To add a method: its row in [`API`] and its function here; the objects themselves are in `../objects.rs`.

use std::sync::Arc;

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::method::{Api, Method};
use super::service::Service;
use crate::api_error::{ApiError, Header};
use crate::cloud::Cloud;
use crate::objects::Object;
use crate::store::State;

const STORAGE: Service = Service { enabling: None, denied: |call, permission, _| denied(call, permission) };

/// The query parameters of a method of an object.
const OBJECT: &[&str] = &[
    "generation",
    "ifGenerationMatch",
    "ifGenerationNotMatch",
    "ifMetagenerationMatch",
    "ifMetagenerationNotMatch",
    "projection",
    "userProject",
];

/// The methods of Cloud Storage.
pub(super) const API: Api = Api {
    service: &STORAGE,
    methods: &[
        Method::get("storage.objects.get", "/storage/v1/b/*/o/*")
            .query(OBJECT)
            .needs(&["storage.objects.get"])
            .by(get),
        Method::delete("storage.objects.delete", "/storage/v1/b/*/o/*")
            .query(OBJECT)
            .needs(&["storage.objects.delete"])
            .by(delete),
        Method::get("storage.objects.list", "/storage/v1/b/*/o"),
        Method::post("storage.objects.insert", "/upload/storage/v1/b/*/o"),
        Method::put("storage.objects.update", "/storage/v1/b/*/o/*"),
        Method::patch("storage.objects.patch", "/storage/v1/b/*/o/*"),
        Method::get("storage.objects.get", "/download/storage/v1/b/*/o/*"),
        Method::post("storage.objects.compose", "/storage/v1/b/*/o/*/compose"),
        Method::post("storage.objects.copy", "/storage/v1/b/*/o/*/copyTo/b/*/o/*"),
        Method::post("storage.objects.rewrite", "/storage/v1/b/*/o/*/rewriteTo/b/*/o/*"),
        Method::get("storage.buckets.testIamPermissions", "/storage/v1/b/*/iam/testPermissions")
            .query(&["permissions", "userProject"])
            .by(test_permissions),
        Method::get("storage.buckets.getIamPolicy", "/storage/v1/b/*/iam"),
        Method::put("storage.buckets.setIamPolicy", "/storage/v1/b/*/iam"),
        Method::get("storage.buckets.get", "/storage/v1/b/*"),
        Method::get("storage.buckets.list", "/storage/v1/b"),
        Method::post("storage.buckets.insert", "/storage/v1/b"),
        Method::patch("storage.buckets.patch", "/storage/v1/b/*"),
        Method::delete("storage.buckets.delete", "/storage/v1/b/*"),
    ],
};

/// The characters that are escaped in a path: all but letters, digits and these.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The content type of everything that was put there, as of Terraform's lock: nobody says what it is.
const CONTENT_TYPE: &str = "application/octet-stream";
/// Every object here has only ever had one.
const METAGENERATION: i64 = 1;

/// The error of a caller who is not let in.
pub(super) fn not_let_in() -> ApiError {
    ApiError::of_reason(StatusCode::UNAUTHORIZED, "authError", "Invalid Credentials")
        .at(Header::Authorization)
}

fn get(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let (bucket, name) = place(call);
    cloud.store.read(|state| {
        let object = find(state, call, &bucket, &name)?;
        if is_media(call) {
            let Object { content, generation, .. } = object.clone();
            return Ok(Reply::Media { content, content_type: CONTENT_TYPE, generation });
        }
        Ok(Reply::new("", describe(&bucket, &name, object)))
    })
}

fn delete(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let (bucket, name) = place(call);
    cloud.store.change(|state| {
        find(state, call, &bucket, &name)?;
        state.saved.objects.remove(&bucket, &name);
        Ok(Reply::Nothing)
    })
}

/// The permissions, of those that the request names, that the caller has on the bucket.
fn test_permissions(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let (bucket, _) = place(call);
    cloud.store.read(|state| {
        state.saved.objects.bucket(&bucket).ok_or_else(no_bucket)?;
        let asked = call.parameters("permissions");
        let has: Vec<&str> = asked.filter(|permission| !state.denied.contains(*permission)).collect();
        let mut value = json!({ "kind": "storage#testIamPermissionsResponse" });
        if !has.is_empty() {
            value["permissions"] = json!(has);
        }
        Ok(Reply::new("", value))
    })
}

/// The real words, as people quote them.
fn denied(call: &Call<'_>, permission: &str) -> ApiError {
    let message = format!(
        "{} does not have {permission} access to the Google Cloud Storage object. Permission '{permission}' \
         denied on resource (or it may not exist).",
        call.caller
    );
    in_form(call, ApiError::of_reason(StatusCode::FORBIDDEN, "forbidden", message))
}

/// The bucket and the object of a path, `/storage/v1/b/BUCKET/o/OBJECT`, where a slash of the object's name
/// is `%2F`.
fn place(call: &Call<'_>) -> (String, String) {
    let part = |number| {
        let text = call.path.split('/').nth(number).unwrap_or_default();
        percent_decode_str(text).decode_utf8_lossy().into_owned()
    };
    (part(4), part(6))
}

fn is_media(call: &Call<'_>) -> bool {
    call.parameter("alt") == "media"
}

fn in_form(call: &Call<'_>, error: ApiError) -> ApiError {
    if is_media(call) { error.into_text() } else { error }
}

fn no_bucket() -> ApiError {
    ApiError::of_reason(StatusCode::NOT_FOUND, "notFound", "The specified bucket does not exist.")
}

/// The object that a call is about, if the call's conditions hold ("Request preconditions").
fn find<'a>(state: &'a State, call: &Call<'_>, bucket: &str, name: &str) -> Result<&'a Object, ApiError> {
    let form = |error| in_form(call, error);
    let objects = state.saved.objects.bucket(bucket).ok_or_else(|| form(no_bucket()))?;
    let wanted = number(call, "generation").map_err(form)?;
    let object = objects.get(name).filter(|object| wanted.is_none_or(|wanted| wanted == object.generation));
    let object = object.ok_or_else(|| {
        let generation = wanted.map(|wanted| format!("#{wanted}")).unwrap_or_default();
        let message = format!("No such object: {bucket}/{name}{generation}");
        form(ApiError::of_reason(StatusCode::NOT_FOUND, "notFound", message))
    })?;
    for (condition, own) in
        [("ifGenerationMatch", object.generation), ("ifMetagenerationMatch", METAGENERATION)]
    {
        if number(call, condition).map_err(form)?.is_some_and(|wanted| wanted != own) {
            return Err(form(not_met(Header::IfMatch)));
        }
    }
    for (condition, own) in
        [("ifGenerationNotMatch", object.generation), ("ifMetagenerationNotMatch", METAGENERATION)]
    {
        if number(call, condition).map_err(form)?.is_some_and(|unwanted| unwanted == own) {
            return Err(if call.method == "GET" {
                ApiError::not_modified()
            } else {
                form(not_met(Header::IfNoneMatch))
            });
        }
    }
    Ok(object)
}

fn not_met(header: Header) -> ApiError {
    const MESSAGE: &str = "At least one of the pre-conditions you specified did not hold.";
    ApiError::of_reason(StatusCode::PRECONDITION_FAILED, "conditionNotMet", MESSAGE).at(header)
}

fn number(call: &Call<'_>, parameter: &'static str) -> Result<Option<i64>, ApiError> {
    let text = call.parameter(parameter);
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let message = format!("Invalid value '{text}' for {parameter}.");
        ApiError::of_reason(StatusCode::BAD_REQUEST, "invalid", message)
    })
}

/// `Objects: resource`. Checksums are left out.
fn describe(bucket: &str, name: &str, object: &Object) -> Value {
    let generation = object.generation;
    let created = object.created.to_string();
    let encoded = utf8_percent_encode(name, ESCAPED);
    let link = format!("https://www.googleapis.com/storage/v1/b/{bucket}/o/{encoded}");
    let download = format!("https://storage.googleapis.com/download/storage/v1/b/{bucket}/o/{encoded}");
    json!({
        "kind": "storage#object",
        "id": format!("{bucket}/{name}/{generation}"),
        "selfLink": link,
        "mediaLink": format!("{download}?generation={generation}&alt=media"),
        "name": name,
        "bucket": bucket,
        "generation": generation.to_string(),
        "metageneration": METAGENERATION.to_string(),
        "contentType": CONTENT_TYPE,
        "storageClass": "STANDARD",
        "size": object.content.len().to_string(),
        "etag": STANDARD.encode(generation.to_be_bytes()),
        "timeCreated": created,
        "updated": created,
        "timeStorageClassUpdated": created,
        "timeFinalized": created,
    })
}
