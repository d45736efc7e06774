//! `google.cloud.run.v2.Tasks`: reading and listing the tasks of executions. To add a method: its row in [`API`] and
//! its function here.

use std::sync::Arc;

use super::call::{Call, Reply};
use super::method::{Api, Method};
use super::page::page;
use super::run::{PAGE, RUN, missing_resource};
use crate::api_error::ApiError;
use crate::cloud::Cloud;
use crate::names::is_child;

/// The methods of tasks.
pub(super) const API: Api = Api {
    service: &RUN,
    methods: &[
        Method::get(
            "google.cloud.run.v2.Tasks.GetTask",
            "/v2/projects/*/locations/*/jobs/*/executions/*/tasks/*",
        )
        .needs(&["run.tasks.get"])
        .by(get),
        Method::get(
            "google.cloud.run.v2.Tasks.ListTasks",
            "/v2/projects/*/locations/*/jobs/*/executions/*/tasks",
        )
        .query(PAGE)
        .needs(&["run.tasks.list"])
        .by(list),
    ],
};

fn get(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let task = cloud.store.read(|state| state.saved.tasks.get(name).cloned());
    let task = task.ok_or_else(|| missing_resource("TASK", name))?;
    Ok(Reply::new("google.cloud.run.v2.Task", task))
}

fn list(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    cloud.store.read(|state| {
        let mut tasks: Vec<_> = state
            .saved
            .tasks
            .iter()
            .filter(|(name, _)| is_child(name, call.parent(), "tasks"))
            .map(|(_, task)| task)
            .collect();
        tasks.sort_by_key(|task| task["index"].as_i64().unwrap_or(0));
        page(call, "google.cloud.run.v2.ListTasksResponse", "tasks", tasks.into_iter())
    })
}
