//! `google.cloud.run.v2.Tasks`.

use super::{Call, Reply, is_child, missing_resource, page};
use crate::Cloud;
use crate::error::ApiError;

pub(super) fn get(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let task = cloud.store.read(|state| state.saved.tasks.get(name).cloned());
    let task = task.ok_or_else(|| missing_resource("TASK", name))?;
    Ok(Reply::new("Task", task))
}

pub(super) fn list(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    cloud.store.read(|state| {
        let mut tasks: Vec<_> = state
            .saved
            .tasks
            .iter()
            .filter(|(name, _)| is_child(name, call.parent(), "tasks"))
            .map(|(_, task)| task)
            .collect();
        tasks.sort_by_key(|task| task["index"].as_i64().unwrap_or(0));
        page(call, "ListTasksResponse", "tasks", tasks.into_iter())
    })
}
