//! `google.longrunning.Operations`, as Cloud Run serves them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Call, Reply, is_child, missing_resource, page};
use crate::error::ApiError;
use crate::execution::ABORTED;
use crate::names::{part, short_name};
use crate::store::{Operation, State};
use crate::{CancelledRun, Cloud};

/// How long a wait lasts that does not say; the real limit is not documented.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

pub(super) fn get(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let cancelled = cloud.options.cancelled_run;
    let operation = cloud
        .store
        .read(|state| following(state, name, cancelled))
        .ok_or_else(|| missing_resource("OPERATION", name))?;
    Ok(Reply::new("Operation", operation))
}

pub(super) fn list(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
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
    page(call, "ListOperationsResponse", "operations", operations.iter())
}

/// Holds the answer until the operation is done or the caller's time is over; the answer is then
/// the operation as it is, not an error.
pub(super) async fn wait(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let request = call.read("WaitOperationRequest", "")?;
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
    Ok(Reply::new("Operation", operation))
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
    let reply = validated(resource, message, value);
    let name = crate::execution::text(&reply.value["name"]);
    state.saved.operations.insert(name, Operation::Done(reply.value.clone()));
    reply
}

/// The answer to a call that was only to be validated: an operation that is done, holds the
/// resource as it would be, and is kept nowhere.
pub(super) fn validated(resource: &str, message: &str, value: Value) -> Reply {
    let value = typed(message, value);
    Reply::new(
        "Operation",
        json!({
            "name": new_name(resource),
            "metadata": value,
            "done": true,
            "response": value,
        }),
    )
}

/// An operation as it is now.
pub(super) fn following(state: &State, name: &str, cancelled_run: CancelledRun) -> Option<Value> {
    let (execution, is_run) = match state.saved.operations.get(name)? {
        Operation::Done(operation) => return Some(operation.clone()),
        Operation::Run { execution } => (execution, true),
        Operation::Cancel { execution } => (execution, false),
        Operation::Deploy { service } => {
            let service = state.saved.services.get(service)?;
            return Some(json!({ "name": name, "metadata": typed("Service", service.clone()) }));
        }
    };
    let execution = state.saved.executions.get(execution)?;
    let typed = typed("Execution", execution.clone());
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

pub(crate) fn typed(message: &str, mut value: Value) -> Value {
    value["@type"] = json!(format!("type.googleapis.com/google.cloud.run.v2.{message}"));
    value
}
