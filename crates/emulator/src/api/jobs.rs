//! `google.cloud.run.v2.Jobs`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::operations::{self, following};
use super::{Call, Reply, check_etag, is_child, missing_resource, page};
use crate::Cloud;
use crate::error::ApiError;
use crate::execution::{self, items, set_condition, text};
use crate::names::{self, etag, part, project_number, random_suffix, short_name};
use crate::runner::Stop;
use crate::store::{Operation, State};

pub(super) fn get(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let job = cloud.store.read(|state| state.saved.jobs.get(name).cloned());
    let job = job.ok_or_else(|| missing_resource("JOB", name))?;
    Ok(Reply::new("Job", job))
}

pub(super) fn list(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    cloud.store.read(|state| {
        let jobs = state
            .saved
            .jobs
            .iter()
            .filter(|(name, _)| is_child(name, call.parent(), "jobs"))
            .map(|(_, job)| job);
        page(call, "ListJobsResponse", "jobs", jobs)
    })
}

pub(super) fn create(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let job = call.read("Job", "job")?;
    let id = call.parameter("jobId");
    if !is_valid_id(id) {
        return Err(ApiError::invalid(format!(
            "job_id: '{id}' is not valid: only lowercase letters, digits and hyphens, beginning \
             with a letter, at most 49 characters."
        )));
    }
    if !text(&job["name"]).is_empty() {
        return Err(ApiError::invalid("job.name: Must be empty when creating."));
    }
    let name = format!("{}/jobs/{id}", call.parent());
    cloud.store.change(|state| {
        if state.saved.jobs.contains_key(&name) {
            return Err(ApiError::already_exists(format!("Resource '{id}' already exists.")));
        }
        let job = complete(&name, job, None, &call.caller)?;
        Ok(store(state, call, job))
    })
}

/// Replaces the whole job: there is no update mask, and what is left out gets its default.
pub(super) fn update(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let job = call.read("Job", "job")?;
    let own = text(&job["name"]);
    if !own.is_empty() && own != name {
        return Err(ApiError::invalid(format!("job.name: '{own}' is not the name in the path, '{name}'.")));
    }
    cloud.store.change(|state| {
        let old = state.saved.jobs.get(name);
        match old {
            Some(old) => check_etag(job["etag"].as_str().unwrap_or_default(), old)?,
            None if call.flag("allowMissing") => {}
            None => return Err(missing_resource("JOB", name)),
        }
        let job = complete(name, job, old, &call.caller)?;
        Ok(store(state, call, job))
    })
}

fn store(state: &mut State, call: &Call<'_>, job: Value) -> Reply {
    let name = text(&job["name"]);
    if call.flag("validateOnly") {
        return operations::validated(&name, "Job", job);
    }
    state.ensure_project(part(&name, "projects"));
    state.saved.jobs.insert(name.clone(), job.clone());
    operations::done(state, &name, "Job", job)
}

pub(super) fn delete(cloud: &Cloud, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    cloud.store.change(|state| {
        let job = state.saved.jobs.get(name).cloned();
        let mut job = job.ok_or_else(|| missing_resource("JOB", name))?;
        check_etag(call.parameter("etag"), &job)?;
        mark_deleted(&mut job);
        if call.flag("validateOnly") {
            return Ok(operations::validated(name, "Job", job));
        }
        state.saved.jobs.remove(name);
        let executions: Vec<String> = state
            .saved
            .executions
            .keys()
            .filter(|execution| is_child(execution, name, "executions"))
            .cloned()
            .collect();
        for execution in executions {
            super::executions::delete(state, &execution, cloud.options.cancelled_run);
        }
        Ok(operations::done(state, name, "Job", job))
    })
}

pub(super) fn mark_deleted(resource: &mut Value) {
    let now = Timestamp::now();
    let expires = now.checked_add(jiff::SignedDuration::from_hours(30 * 24));
    resource["deleteTime"] = json!(now.to_string());
    resource["expireTime"] = json!(expires.unwrap_or(now).to_string());
}

pub(super) fn run(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let request = call.read("RunJobRequest", "")?;
    let caller = &call.caller;
    let (operation, started) = cloud.store.change(|state| {
        let job = state.saved.jobs.get(name);
        let job = job.ok_or_else(|| missing_resource("JOB", name))?;
        check_etag(request["etag"].as_str().unwrap_or_default(), job)?;
        let (id, execution) = new_execution(name, job, &request["overrides"], caller)?;
        if request["validateOnly"] == true {
            return Ok((operations::validated(name, "Execution", execution), None));
        }
        let stop = cloud.stop.child();
        begin(state, name, &id, execution, stop.clone());
        let operation = operations::new_name(name);
        let execution = id.to_string();
        state.saved.operations.insert(operation.clone(), Operation::Run { execution });
        let reply = following(state, &operation, cloud.options.cancelled_run)
            .ok_or_else(|| missing_resource("OPERATION", &operation))?;
        Ok((Reply::new("Operation", reply), Some((id, stop))))
    })?;
    if let Some((id, stop)) = started {
        execution::start(cloud, id, stop);
    }
    Ok(operation)
}

/// Puts an execution and its tasks into the state.
fn begin(state: &mut State, job: &str, id: &names::Execution, execution: Value, stop: Stop) {
    let name = id.to_string();
    let count = execution["taskCount"].as_u64().unwrap_or(1);
    for index in 0..u32::try_from(count).unwrap_or(1) {
        let task = id.task(index);
        state.saved.tasks.insert(task.clone(), new_task(&task, index, id, &execution));
    }
    if let Some(job) = state.saved.jobs.get_mut(job) {
        let executions = job["executionCount"].as_i64().unwrap_or(0);
        job["executionCount"] = json!(executions + 1);
        job["latestCreatedExecution"] = json!({
            "name": id.id,
            "createTime": execution["createTime"],
            "completionStatus": "EXECUTION_RUNNING",
        });
    }
    state.saved.executions.insert(name.clone(), execution);
    state.running.insert(name, stop);
}

fn new_execution(
    job_name: &str,
    job: &Value,
    overrides: &Value,
    caller: &str,
) -> Result<(names::Execution, Value), ApiError> {
    let mut template = job["template"]["template"].clone();
    override_containers(&mut template, overrides)?;
    if let Some(timeout) = overrides["timeout"].as_str() {
        template["timeout"] = json!(timeout);
    }
    let own_count = job["template"]["taskCount"].as_i64().unwrap_or(1);
    let count = overrides["taskCount"].as_i64().unwrap_or(own_count);
    if count < 1 {
        return Err(ApiError::invalid("overrides.task_count: Must be at least 1."));
    }
    let job_id = short_name(job_name);
    let id = names::Execution {
        project: part(job_name, "projects").to_owned(),
        location: part(job_name, "locations").to_owned(),
        job: job_id.to_owned(),
        id: format!("{job_id}-{}", random_suffix(5)),
    };
    let now = Timestamp::now();
    let name = id.to_string();
    let mut execution = json!({
        "name": name,
        "uid": uuid::Uuid::new_v4(),
        "creator": caller,
        "generation": "1",
        "createTime": now.to_string(),
        "updateTime": now.to_string(),
        "launchStage": job.get("launchStage").unwrap_or(&json!("GA")),
        "job": job_id,
        "taskCount": count,
        "template": template,
        "reconciling": true,
        "observedGeneration": "1",
        "logUri": format!(
            "https://console.cloud.google.com/run/jobs/executions/details/{}/{}/logs?project={}",
            id.location, id.id, id.project
        ),
        "etag": etag(&name, now),
    });
    for field in ["labels", "annotations", "parallelism"] {
        if let Some(value) = job["template"].get(field) {
            execution[field] = value.clone();
        }
    }
    for condition in ["Completed", "ResourcesAvailable", "Started", "ContainerReady"] {
        set_condition(&mut execution, condition, "CONDITION_PENDING", "", None);
    }
    set_condition(
        &mut execution,
        "Retry",
        "CONDITION_SUCCEEDED",
        "System will retry after 0:00:00 from lastTransitionTime for attempt 0.",
        Some(("reason", "IMMEDIATE_RETRY")),
    );
    Ok((id, execution))
}

fn new_task(name: &str, index: u32, id: &names::Execution, execution: &Value) -> Value {
    let now = Timestamp::now();
    let template = &execution["template"];
    let mut task = json!({
        "name": name,
        "uid": uuid::Uuid::new_v4(),
        "generation": "1",
        "createTime": now.to_string(),
        "scheduledTime": now.to_string(),
        "updateTime": now.to_string(),
        "job": id.job,
        "execution": id.id,
        "reconciling": true,
        "observedGeneration": "1",
        "logUri": execution["logUri"],
        "etag": etag(name, now),
    });
    for field in [
        "containers",
        "volumes",
        "timeout",
        "serviceAccount",
        "executionEnvironment",
        "encryptionKey",
        "vpcAccess",
    ] {
        if let Some(value) = template.get(field) {
            task[field] = value.clone();
        }
    }
    // Unlike the template's, the task's count has no explicit zero.
    for (field, value) in
        [("maxRetries", template["maxRetries"].as_i64().unwrap_or(0)), ("index", i64::from(index))]
    {
        if value != 0 {
            task[field] = json!(value);
        }
    }
    for condition in ["Completed", "ContainerReady", "Started"] {
        set_condition(&mut task, condition, "CONDITION_PENDING", "", None);
    }
    task
}

fn override_containers(template: &mut Value, overrides: &Value) -> Result<(), ApiError> {
    for change in items(&overrides["containerOverrides"]) {
        let name = text(&change["name"]);
        let containers = template["containers"].as_array_mut();
        let containers = containers.map_or(&mut [][..], Vec::as_mut_slice);
        let only = containers.len() == 1;
        let container = containers
            .iter_mut()
            .find(|container| (name.is_empty() && only) || container["name"] == name.as_str());
        let Some(container) = container else {
            return Err(ApiError::invalid(if name.is_empty() {
                "overrides.container_overrides.name: Must be set where the job has several \
                 containers."
                    .to_owned()
            } else {
                format!("overrides.container_overrides.name: The job has no container named '{name}'.")
            }));
        };
        let args = items(&change["args"]);
        if change["clearArgs"] == true {
            if !args.is_empty() {
                return Err(ApiError::invalid(
                    "overrides.container_overrides: args and clear_args exclude each other.",
                ));
            }
            if let Some(container) = container.as_object_mut() {
                container.remove("args");
            }
        } else if !args.is_empty() {
            container["args"] = json!(args);
        }
        merge_env(container, items(&change["env"]));
    }
    Ok(())
}

/// A variable of the same name is replaced in its place, a new one comes last.
fn merge_env(container: &mut Value, changes: &[Value]) {
    if changes.is_empty() {
        return;
    }
    let mut env = items(&container["env"]).to_vec();
    for change in changes {
        match env.iter_mut().find(|known| known["name"] == change["name"]) {
            Some(known) => *known = change.clone(),
            None => env.push(change.clone()),
        }
    }
    container["env"] = json!(env);
}

/// Fills in what the server fills in.
pub(crate) fn complete(
    name: &str,
    mut job: Value,
    old: Option<&Value>,
    caller: &str,
) -> Result<Value, ApiError> {
    check(&job)?;
    let now = Timestamp::now();
    job["name"] = json!(name);
    let template = &mut job["template"];
    default(template, "taskCount", || json!(1));
    let task = &mut template["template"];
    default(task, "maxRetries", || json!(3));
    default(task, "timeout", || json!("600s"));
    default(task, "executionEnvironment", || json!("EXECUTION_ENVIRONMENT_GEN2"));
    default(task, "serviceAccount", || {
        let number = project_number(part(name, "projects"));
        json!(format!("{number}-compute@developer.gserviceaccount.com"))
    });
    for container in task["containers"].as_array_mut().into_iter().flatten() {
        for (resource, amount) in [("cpu", "1000m"), ("memory", "512Mi")] {
            default(&mut container["resources"]["limits"], resource, || json!(amount));
        }
    }
    default(&mut job, "launchStage", || json!("GA"));

    let generation = old.and_then(|old| old["generation"].as_str()?.parse::<i64>().ok()).unwrap_or(0) + 1;
    for field in ["uid", "createTime", "creator", "executionCount", "latestCreatedExecution"] {
        if let Some(value) = old.and_then(|old| old.get(field)) {
            job[field] = value.clone();
        }
    }
    // A caller's own values were dropped when the request was read: what is there was seeded.
    default(&mut job, "uid", || json!(uuid::Uuid::new_v4()));
    default(&mut job, "createTime", || json!(now.to_string()));
    default(&mut job, "creator", || json!(caller));
    default(&mut job, "terminalCondition", || {
        json!({
            "type": "Ready",
            "state": "CONDITION_SUCCEEDED",
            "lastTransitionTime": now.to_string(),
        })
    });
    job["generation"] = json!(generation.to_string());
    job["observedGeneration"] = json!(generation.to_string());
    job["updateTime"] = json!(now.to_string());
    job["lastModifier"] = json!(caller);
    job["etag"] = json!(etag(name, now));
    Ok(job)
}

fn check(job: &Value) -> Result<(), ApiError> {
    for token in ["startExecutionToken", "runExecutionToken"] {
        if job.get(token).is_some() {
            return Err(ApiError::unimplemented(&format!("google.cloud.run.v2.Job.{token}")));
        }
    }
    let containers = items(&job["template"]["template"]["containers"]);
    if containers.is_empty() {
        return Err(ApiError::invalid("job.template.template.containers: Must have at least one container."));
    }
    for (index, container) in containers.iter().enumerate() {
        if text(&container["image"]).is_empty() {
            return Err(ApiError::invalid(format!(
                "job.template.template.containers[{index}].image: Must not be empty."
            )));
        }
    }
    Ok(())
}

fn default(message: &mut Value, field: &str, value: impl FnOnce() -> Value) {
    if message.get(field).is_none() {
        message[field] = value();
    }
}

fn is_valid_id(id: &str) -> bool {
    id.len() <= 49
        && id.starts_with(|first: char| first.is_ascii_lowercase())
        && !id.ends_with('-')
        && id.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
}
