//! `google.cloud.run.v2.Executions`: reading, listing, deleting and cancelling executions.
//!
//! To add a method: its row in [`API`] and its function here. `../execution.rs` has the life of an execution.

use std::sync::Arc;

use serde_json::Value;

use super::call::{Call, Reply};
use super::method::{Api, Method};
use super::operations::{self, following};
use super::page::page;
use super::run::{CONDITIONAL, PAGE, RUN, check_etag, created, mark_deleted, missing_resource};
use crate::api_error::ApiError;
use crate::cloud::Cloud;
use crate::names::{is_child, short_name};
use crate::options::CancelledRun;
use crate::store::{Operation, State};

/// The methods of executions.
pub(super) const API: Api = Api {
    service: &RUN,
    methods: &[
        Method::get(
            "google.cloud.run.v2.Executions.GetExecution",
            "/v2/projects/*/locations/*/jobs/*/executions/*",
        )
        .needs(&["run.executions.get"])
        .by(get),
        Method::get(
            "google.cloud.run.v2.Executions.ListExecutions",
            "/v2/projects/*/locations/*/jobs/*/executions",
        )
        .query(PAGE)
        .needs(&["run.executions.list"])
        .by(list),
        Method::delete(
            "google.cloud.run.v2.Executions.DeleteExecution",
            "/v2/projects/*/locations/*/jobs/*/executions/*",
        )
        .query(CONDITIONAL)
        .needs(&["run.executions.delete"])
        .by(delete_call),
        Method::post(
            "google.cloud.run.v2.Executions.CancelExecution",
            "/v2/projects/*/locations/*/jobs/*/executions/*:cancel",
        )
        .needs(&["run.executions.cancel"])
        .by(cancel),
    ],
};

fn get(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let execution = cloud.store.read(|state| state.saved.executions.get(name).cloned());
    let execution = execution.ok_or_else(|| missing_resource("EXECUTION", name))?;
    Ok(Reply::new("google.cloud.run.v2.Execution", execution))
}

/// The newest first.
fn list(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
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
        page(call, "google.cloud.run.v2.ListExecutionsResponse", "executions", executions.into_iter())
    })
}

fn delete_call(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    cloud.store.change(|state| {
        let execution = state.saved.executions.get(name).cloned();
        let mut execution = execution.ok_or_else(|| missing_resource("EXECUTION", name))?;
        check_etag(call.parameter("etag"), &execution)?;
        mark_deleted(&mut execution);
        if call.flag("validateOnly") {
            return Ok(operations::validated(name, "google.cloud.run.v2.Execution", execution));
        }
        delete(state, name, cloud.options.cancelled_run);
        Ok(operations::done(state, name, "google.cloud.run.v2.Execution", execution))
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

fn cancel(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let request = call.read("google.cloud.run.v2.CancelExecutionRequest", "")?;
    cloud.store.change(|state| {
        let execution = state.saved.executions.get(name).cloned();
        let execution = execution.ok_or_else(|| missing_resource("EXECUTION", name))?;
        check_etag(request["etag"].as_str().unwrap_or_default(), &execution)?;
        if execution.get("completionTime").is_some() {
            return Err(ApiError::precondition(format!(
                "Execution '{}' is already completed and cannot be cancelled.",
                short_name(name)
            )));
        }
        if request["validateOnly"] == true {
            return Ok(operations::validated(name, "google.cloud.run.v2.Execution", execution));
        }
        if let Some(stop) = state.running.get(name) {
            stop.terminate.cancel();
        }
        let operation = operations::new_name(name);
        state.saved.operations.insert(operation.clone(), Operation::Cancel { execution: name.to_owned() });
        let reply = following(state, &operation, cloud.options.cancelled_run)
            .ok_or_else(|| missing_resource("OPERATION", &operation))?;
        Ok(Reply::new("google.longrunning.Operation", reply))
    })
}
