//! `google.longrunning.Operations`, as Cloud Run serves them: of executions, of deployments, and of calls that were
//! done at once.
//!
//! To add a kind of operation: a variant of `Operation` in `store.rs`, and its arm in [`following`].

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::method::{Api, Method};
use super::page::page;
use super::run::{RUN, missing_resource};
use crate::api_error::ApiError;
use crate::cloud::Cloud;
use crate::execution::ABORTED;
use crate::names::{is_child, part, short_name};
use crate::options::CancelledRun;
use crate::resource::{text, typed};
use crate::store::{Operation, State};

/// The methods of operations.
pub(super) const API: Api = Api {
    service: &RUN,
    methods: &[
        Method::get("google.longrunning.Operations.GetOperation", "/v2/projects/*/locations/*/operations/*")
            .needs(&["run.operations.get"])
            .by(get),
        Method::get("google.longrunning.Operations.ListOperations", "/v2/projects/*/locations/*/operations")
            .query(&["filter", "pageSize", "pageToken", "returnPartialSuccess"])
            .needs(&["run.operations.list"])
            .by(list),
        Method::post(
            "google.longrunning.Operations.WaitOperation",
            "/v2/projects/*/locations/*/operations/*:wait",
        )
        .needs(&["run.operations.get"])
        .by_waiting(|cloud, call| Box::pin(wait(cloud, call))),
        Method::delete(
            "google.longrunning.Operations.DeleteOperation",
            "/v2/projects/*/locations/*/operations/*",
        ),
    ],
};

/// The length of a wait whose request names none; the real limit is not documented.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

fn get(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let cancelled = cloud.options.cancelled_run;
    let operation = cloud
        .store
        .read(|state| following(state, name, cancelled))
        .ok_or_else(|| missing_resource("OPERATION", name))?;
    Ok(Reply::new("google.longrunning.Operation", operation))
}

fn list(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let cancelled = cloud.options.cancelled_run;
    if !call.parameter("filter").is_empty() {
        return Err(ApiError::unimplemented("The filter of google.longrunning.Operations.ListOperations"));
    }
    let operations: Vec<Value> = cloud.store.read(|state| {
        state
            .saved
            .operations
            .keys()
            .filter(|name| is_child(name, call.parent(), "operations"))
            .filter_map(|name| following(state, name, cancelled))
            .collect()
    });
    page(call, "google.longrunning.ListOperationsResponse", "operations", operations.iter())
}

/// Holds the answer until the operation is done or the caller's time is over; the answer is then
/// the operation as it is, not an error.
async fn wait(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let request = call.read("google.longrunning.WaitOperationRequest", "")?;
    let time = request["timeout"].as_str().and_then(crate::schema::duration).unwrap_or(DEFAULT_WAIT);
    let cancelled = cloud.options.cancelled_run;
    let done = cloud.store.wait_for(|state| match following(state, name, cancelled) {
        Some(operation) if operation["done"] == true => Some(Some(operation)),
        Some(_) => None,
        None => Some(None),
    });
    let operation = tokio::select! {
        operation = done => operation,
        () = tokio::time::sleep(time) => None,
        () = cloud.closing.cancelled() => None,
    };
    let operation = operation
        .or_else(|| cloud.store.read(|state| following(state, name, cancelled)))
        .ok_or_else(|| missing_resource("OPERATION", name))?;
    Ok(Reply::new("google.longrunning.Operation", operation))
}

/// A name for a new operation about a resource.
pub(super) fn new_name(resource: &str) -> String {
    format!(
        "projects/{}/locations/{}/operations/{}",
        part(resource, "projects"),
        part(resource, "locations"),
        uuid::Uuid::new_v4()
    )
}

/// An operation that is done as soon as it exists, and stays there to be asked for.
pub(super) fn done(state: &mut State, resource: &str, message: &str, value: Value) -> Reply {
    let operation = finished(resource, message, value);
    state.saved.operations.insert(text(&operation["name"]), Operation::Done(operation.clone()));
    Reply::new("google.longrunning.Operation", operation)
}

/// The answer to a call that was only to be validated: an operation that is done, holds the
/// resource as it would be, and is kept nowhere.
pub(super) fn validated(resource: &str, message: &str, value: Value) -> Reply {
    Reply::new("google.longrunning.Operation", finished(resource, message, value))
}

fn finished(resource: &str, message: &str, value: Value) -> Value {
    let value = typed(message, value);
    json!({
        "name": new_name(resource),
        "metadata": value,
        "done": true,
        "response": value,
    })
}

/// An operation as it is now.
pub(super) fn following(state: &State, name: &str, cancelled_run: CancelledRun) -> Option<Value> {
    let (execution, is_run) = match state.saved.operations.get(name)? {
        Operation::Done(operation) => return Some(operation.clone()),
        Operation::Run { execution } => (execution, true),
        Operation::Cancel { execution } => (execution, false),
        Operation::Deploy { service } => {
            let service = state.saved.services.get(service)?;
            return Some(
                json!({ "name": name, "metadata": typed("google.cloud.run.v2.Service", service.clone()) }),
            );
        }
    };
    let execution = state.saved.executions.get(execution)?;
    let typed = typed("google.cloud.run.v2.Execution", execution.clone());
    let mut operation = json!({ "name": name, "metadata": typed });
    if execution.get("completionTime").is_none() {
        return Some(operation);
    }
    operation["done"] = json!(true);
    let completed = execution["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Completed");
    let failed = completed.filter(|condition| condition["state"] == "CONDITION_FAILED");
    let was_cancelled = execution.get("cancelledCount").is_some();
    match failed {
        Some(condition) if is_run && !(was_cancelled && cancelled_run == CancelledRun::Response) => {
            operation["error"] = json!({ "code": ABORTED, "message": condition["message"] });
        }
        _ => operation["response"] = typed,
    }
    Some(operation)
}

/// Settles the operations of an execution that is about to be deleted: they keep their end, or
/// fail where there was none.
pub(super) fn settle(state: &mut State, execution: &str, cancelled_run: CancelledRun) {
    let names: Vec<String> = state
        .saved
        .operations
        .iter()
        .filter(|(_, operation)| match operation {
            Operation::Run { execution: own } | Operation::Cancel { execution: own } => own == execution,
            Operation::Deploy { .. } | Operation::Done(_) => false,
        })
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        let end = following(state, &name, cancelled_run)
            .filter(|operation| operation["done"] == true)
            .unwrap_or_else(|| {
                json!({
                    "name": name,
                    "done": true,
                    "error": {
                        "code": ABORTED,
                        "message": format!("Execution '{}' was deleted.", short_name(execution)),
                    },
                })
            });
        state.saved.operations.insert(name, Operation::Done(end));
    }
}
