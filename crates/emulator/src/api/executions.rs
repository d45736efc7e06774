//! `google.cloud.run.v2.Executions`.

use serde_json::Value;

use super::operations::{self, following};
use super::{Call, Reply, check_etag, created, is_child, missing_resource, page};
use crate::error::ApiError;
use crate::store::{Operation, State};
use crate::{CancelledRun, Cloud};

pub(super) fn get(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let execution = cloud.store.read(|state| state.saved.executions.get(name).cloned());
    let execution = execution.ok_or_else(|| missing_resource("EXECUTION", name))?;
    Ok(Reply::new("Execution", execution))
}

/// The newest first.
pub(super) fn list(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let parent = call.parent();
    // `jobs/-` is the API's way to ask for every job's executions.
    let parent = parent.strip_suffix("/jobs/-").unwrap_or(parent);
    cloud.store.read(|state| {
        let mut executions: Vec<&Value> = state
            .saved
            .executions
            .iter()
            .filter(|(name, _)| {
                is_child(name, parent, "executions")
                    || (name
                        .rsplit_once("/executions/")
                        .is_some_and(|(job, _)| is_child(job, parent, "jobs")))
            })
            .map(|(_, execution)| execution)
            .collect();
        executions.sort_by_cached_key(|execution| std::cmp::Reverse(created(execution)));
        page(call, "ListExecutionsResponse", "executions", executions.into_iter())
    })
}

pub(super) fn delete_call(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    cloud.store.change(|state| {
        let execution = state.saved.executions.get(name).cloned();
        let mut execution = execution.ok_or_else(|| missing_resource("EXECUTION", name))?;
        check_etag(call.parameter("etag"), &execution)?;
        super::jobs::mark_deleted(&mut execution);
        if call.flag("validateOnly") {
            return Ok(operations::validated(name, "Execution", execution));
        }
        delete(state, name, cloud.options.cancelled_run);
        Ok(operations::done(state, name, "Execution", execution))
    })
}

/// Takes an execution out of the state; what runs of it is terminated.
pub(super) fn delete(state: &mut State, name: &str, cancelled_run: CancelledRun) {
    operations::settle(state, name, cancelled_run);
    if let Some(stop) = state.running.get(name) {
        stop.terminate.cancel();
    }
    state.saved.executions.remove(name);
    let tasks = format!("{name}/tasks/");
    state.saved.tasks.retain(|task, _| !task.starts_with(&tasks));
}

pub(super) fn cancel(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let request = call.read("CancelExecutionRequest", "")?;
    cloud.store.change(|state| {
        let execution = state.saved.executions.get(name).cloned();
        let execution = execution.ok_or_else(|| missing_resource("EXECUTION", name))?;
        check_etag(request["etag"].as_str().unwrap_or_default(), &execution)?;
        if execution.get("completionTime").is_some() {
            return Err(ApiError::precondition(format!(
                "Execution '{}' is already completed and cannot be cancelled.",
                crate::names::short_name(name)
            )));
        }
        if request["validateOnly"] == true {
            return Ok(operations::validated(name, "Execution", execution));
        }
        if let Some(stop) = state.running.get(name) {
            stop.terminate.cancel();
        }
        let operation = operations::new_name(name);
        state.saved.operations.insert(operation.clone(), Operation::Cancel { execution: name.to_owned() });
        let reply = following(state, &operation, cloud.options.cancelled_run)
            .ok_or_else(|| missing_resource("OPERATION", &operation))?;
        Ok(Reply::new("Operation", reply))
    })
}
