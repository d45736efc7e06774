//! The control API: what the library's owner can do, for other processes.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::server::to_json;
use crate::{Cloud, Fault, Script};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    value: String,
}

/// Answers `/emulator/{path}`. The README documents every call.
pub(crate) async fn answer(cloud: &Arc<Cloud>, method: &str, path: &str, body: &[u8]) -> Response<Body> {
    match handle(cloud, method, path, body).await {
        Ok(value) => to_json(StatusCode::OK, &value),
        Err((status, message)) => to_json(status, &json!({ "error": message })),
    }
}

type Refusal = (StatusCode, String);

async fn handle(cloud: &Arc<Cloud>, method: &str, path: &str, body: &[u8]) -> Result<Value, Refusal> {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match (method, first, rest) {
        ("GET", "health", "") => return Ok(json!({ "status": "ok" })),
        ("GET", "calls", "") => return Ok(json!({ "calls": cloud.calls.all() })),
        ("DELETE", "calls", "") => cloud.calls.clear(),
        ("GET", "faults", "") => return Ok(json!({ "faults": cloud.faults.get() })),
        ("PUT", "faults", "") => cloud.faults.set(read::<Vec<Fault>>(body)?),
        ("POST", "reset", "") => cloud.reset().await,
        ("PUT", "resources", name) => {
            let resource: Value = read(body)?;
            cloud.put(name, &resource).map_err(bad_request)?;
        }
        ("POST", "logs", "") => {
            let entry: Value = read(body)?;
            cloud.put_log_entry(&entry).map_err(bad_request)?;
        }
        ("PUT", "secrets", name) => {
            let Secret { value } = read(body)?;
            match name.split('/').collect::<Vec<_>>()[..] {
                ["projects", project, "secrets", secret] => cloud.store.change(|state| {
                    let key = (project.to_owned(), secret.to_owned());
                    state.secrets.insert(key, value);
                }),
                _ => {
                    return Err(bad_request("a secret's name is projects/PROJECT/secrets/NAME"));
                }
            }
        }
        ("PUT", "scripts", job) => {
            let script: Script = read(body)?;
            cloud.store.change(|state| state.scripts.insert(job.to_owned(), script));
        }
        ("DELETE", "scripts", job) => {
            cloud.store.change(|state| state.scripts.remove(job));
        }
        _ => {
            let message = format!("there is no {method} /emulator/{path}");
            return Err((StatusCode::NOT_FOUND, message));
        }
    }
    Ok(json!({}))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(bad_request)
}

fn bad_request(error: impl std::fmt::Display) -> Refusal {
    (StatusCode::BAD_REQUEST, error.to_string())
}
