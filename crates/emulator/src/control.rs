//! The control API: what the library's owner can do, for other processes.
//!
//! To add a call: its arm in `handle`, and its line in the README's table of the control API.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::faults::Fault;
use crate::http::body::to_json;
use crate::outcome::Rule;
use crate::script::Script;
use crate::secrets::SecretVersionState;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    value: Option<String>,
    #[serde(default)]
    readers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refresh {
    refuse: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretValue {
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretVersion {
    state: SecretVersionState,
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
        ("PUT", "clock", "") => {
            let clock = read(body)?;
            cloud.store.change(|state| state.clock = clock);
        }
        ("PUT", "empty-log-pages", "") => {
            let pages = read(body)?;
            cloud.store.change(|state| state.empty_log_pages = pages);
        }
        ("PUT", "denied", "") => {
            let denied = read(body)?;
            cloud.store.change(|state| state.denied = denied);
        }
        ("PUT", "token", "") => {
            let Token { token } = read(body)?;
            match token {
                Some(token) => cloud.tokens.set(token),
                None => cloud.tokens.expire(),
            }
        }
        ("PUT", "refresh", "") => {
            let Refresh { refuse } = read(body)?;
            cloud.tokens.refuse_refresh(refuse);
        }
        ("PUT", "policies", project) => {
            let policy: Value = read(body)?;
            cloud.put_policy(project, &policy).map_err(bad_request)?;
        }
        ("PUT", "enabled", name) => {
            let enabled: bool = read(body)?;
            let ["projects", project, "services", service] = name.split('/').collect::<Vec<_>>()[..] else {
                return Err(bad_request("a service's name is projects/PROJECT/services/SERVICE"));
            };
            cloud.set_enabled(project, service, enabled);
        }
        (_, "objects", name) => return objects(cloud, method, name, body),
        (_, "secrets", name) => return secrets(cloud, method, name, body),
        ("PUT", "scripts", job) => {
            let script: Script = read(body)?;
            cloud.store.change(|state| state.scripts.insert(job.to_owned(), script));
        }
        ("PUT", "outcomes", service) => {
            let rule: Rule = read(body)?;
            cloud.store.change(|state| state.outcomes.set(service, rule));
        }
        ("DELETE", "outcomes", service) => {
            cloud.store.change(|state| state.outcomes.forget(service));
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

fn secrets(cloud: &Cloud, method: &str, name: &str, body: &[u8]) -> Result<Value, Refusal> {
    match (method, &name.split('/').collect::<Vec<_>>()[..]) {
        ("PUT", ["projects", project, "secrets", secret]) => {
            let Secret { value, readers } = read(body)?;
            cloud.store.change(|state| {
                state.ensure_project(project);
                state.secrets.put(project, secret, value);
                if !readers.is_empty() {
                    state.secrets.set_readers(project, secret, readers);
                }
            });
            Ok(json!({}))
        }
        ("POST", ["projects", project, "secrets", secret]) => {
            let SecretValue { value } = read(body)?;
            let number = cloud.store.change(|state| state.secrets.add_version(project, secret, value));
            let number = number.ok_or_else(|| bad_request("there is no such secret"))?;
            Ok(json!({ "version": number }))
        }
        ("PUT", ["projects", project, "secrets", secret, "versions", number]) => {
            let SecretVersion { state: wanted } = read(body)?;
            let number = number.parse().map_err(bad_request)?;
            let set = cloud.store.change(|state| state.secrets.set_state(project, secret, number, wanted));
            set.map(|()| json!({})).map_err(bad_request)
        }
        _ => Err(bad_request(
            "a secret's name is projects/PROJECT/secrets/NAME, a version's has /versions/NUMBER behind it",
        )),
    }
}

fn objects(cloud: &Cloud, method: &str, name: &str, body: &[u8]) -> Result<Value, Refusal> {
    // The name is in a path of ours, so its slashes may stand for themselves.
    let name = percent_decode_str(name).decode_utf8().map_err(bad_request)?;
    match (method, name.split_once('/').unwrap_or((name.as_ref(), ""))) {
        ("PUT", (bucket, "")) => {
            cloud.store.change(|state| state.saved.objects.put_bucket(bucket));
            Ok(json!({}))
        }
        ("PUT", (bucket, object)) => {
            let generation =
                cloud.store.change(|state| state.saved.objects.put(bucket, object, body.to_vec()));
            Ok(json!({ "generation": generation.to_string() }))
        }
        ("DELETE", (bucket, object)) => {
            let removed = cloud.store.change(|state| state.saved.objects.remove(bucket, object));
            removed.map(|_| json!({})).ok_or_else(|| bad_request("there is no such object"))
        }
        _ => Err(bad_request("objects are put there, or deleted")),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(bad_request)
}

fn bad_request(error: impl std::fmt::Display) -> Refusal {
    (StatusCode::BAD_REQUEST, error.to_string())
}
