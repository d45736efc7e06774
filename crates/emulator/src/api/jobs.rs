//! `google.cloud.run.v2.Jobs`: the methods of jobs, and the start of their executions.
//!
//! To add a method: its row in [`API`] and its function here. To change what a new execution has: `new_execution` and
//! `new_task`; `execution.rs` then runs it. To change what a server fills into a job: `job.rs`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::executions;
use super::method::{Api, Method};
use super::operations::{self, following};
use super::page::page;
use super::permissions::{self, ACT_AS};
use super::run::{CONDITIONAL, PAGE, RUN, check_etag, mark_deleted, missing_resource};
use crate::api_error::ApiError;
use crate::audit;
use crate::cloud::Cloud;
use crate::execution;
use crate::job;
use crate::names::{self, etag, is_child, part, random_suffix, short_name};
use crate::resource::{items, set_condition, text, touch};
use crate::stop::Stop;
use crate::store::{Operation, State};

/// The methods of jobs.
pub(super) const API: Api = Api {
    service: &RUN,
    methods: &[
        Method::get("google.cloud.run.v2.Jobs.GetJob", "/v2/projects/*/locations/*/jobs/*")
            .needs(&["run.jobs.get"])
            .by(get),
        Method::get("google.cloud.run.v2.Jobs.ListJobs", "/v2/projects/*/locations/*/jobs")
            .query(PAGE)
            .needs(&["run.jobs.list"])
            .by(list),
        Method::post("google.cloud.run.v2.Jobs.CreateJob", "/v2/projects/*/locations/*/jobs")
            .query(&["jobId", "validateOnly"])
            .creates("jobId")
            .needs(&["run.jobs.create", ACT_AS])
            .by(create),
        Method::patch("google.cloud.run.v2.Jobs.UpdateJob", "/v2/projects/*/locations/*/jobs/*")
            .query(&["validateOnly", "allowMissing"])
            .needs(&["run.jobs.update", ACT_AS])
            .by(update),
        Method::delete("google.cloud.run.v2.Jobs.DeleteJob", "/v2/projects/*/locations/*/jobs/*")
            .query(CONDITIONAL)
            .needs(&["run.jobs.delete"])
            .by(delete),
        Method::post("google.cloud.run.v2.Jobs.RunJob", "/v2/projects/*/locations/*/jobs/*:run")
            .needs(&["run.jobs.run"])
            .also("run.jobs.runWithOverrides", has_overrides)
            .by(run),
        Method::get(
            "google.cloud.run.v2.Jobs.GetIamPolicy",
            "/v2/projects/*/locations/*/jobs/*:getIamPolicy",
        ),
        Method::post(
            "google.cloud.run.v2.Jobs.SetIamPolicy",
            "/v2/projects/*/locations/*/jobs/*:setIamPolicy",
        ),
        Method::post(
            "google.cloud.run.v2.Jobs.TestIamPermissions",
            "/v2/projects/*/locations/*/jobs/*:testIamPermissions",
        )
        .by(test_permissions),
    ],
};

fn test_permissions(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    permissions::test(cloud, call, |state| Ok(state.saved.jobs.contains_key(call.name())))
}

/// Whether a run is to be different from what its job says.
fn has_overrides(call: &Call<'_>) -> Result<bool, ApiError> {
    let request = call.read("google.cloud.run.v2.RunJobRequest", "")?;
    Ok(request["overrides"].as_object().is_some_and(|overrides| !overrides.is_empty()))
}

fn get(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let job = cloud.store.read(|state| state.saved.jobs.get(name).cloned());
    let job = job.ok_or_else(|| missing_resource("JOB", name))?;
    Ok(Reply::new("google.cloud.run.v2.Job", job))
}

fn list(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    cloud.store.read(|state| {
        let jobs = state
            .saved
            .jobs
            .iter()
            .filter(|(name, _)| is_child(name, call.parent(), "jobs"))
            .map(|(_, job)| job);
        page(call, "google.cloud.run.v2.ListJobsResponse", "jobs", jobs)
    })
}

fn create(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let job = call.read("google.cloud.run.v2.Job", "job")?;
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
        let job = job::complete(&name, job, None, &call.caller)?;
        check_variables(cloud, &job["template"]["template"])?;
        Ok(store(state, call, job))
    })
}

/// Replaces the whole job: there is no update mask, and what is left out gets its default.
fn update(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let job = call.read("google.cloud.run.v2.Job", "job")?;
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
        let job = job::complete(name, job, old, &call.caller)?;
        check_variables(cloud, &job["template"]["template"])?;
        Ok(store(state, call, job))
    })
}

fn store(state: &mut State, call: &Call<'_>, job: Value) -> Reply {
    let name = text(&job["name"]);
    if call.flag("validateOnly") {
        return operations::validated(&name, "google.cloud.run.v2.Job", job);
    }
    state.ensure_project(part(&name, "projects"));
    state.saved.jobs.insert(name.clone(), job.clone());
    operations::done(state, &name, "google.cloud.run.v2.Job", job)
}

fn delete(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    cloud.store.change(|state| {
        let job = state.saved.jobs.get(name).cloned();
        let mut job = job.ok_or_else(|| missing_resource("JOB", name))?;
        check_etag(call.parameter("etag"), &job)?;
        mark_deleted(&mut job);
        if call.flag("validateOnly") {
            return Ok(operations::validated(name, "google.cloud.run.v2.Job", job));
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
            executions::delete(state, &execution, cloud.options.cancelled_run);
        }
        Ok(operations::done(state, name, "google.cloud.run.v2.Job", job))
    })
}

fn run(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let name = call.name();
    let request = call.read("google.cloud.run.v2.RunJobRequest", "")?;
    let caller = &call.caller;
    let (operation, started) = cloud.store.change(|state| {
        let job = state.saved.jobs.get(name);
        let job = job.ok_or_else(|| missing_resource("JOB", name))?;
        check_etag(request["etag"].as_str().unwrap_or_default(), job)?;
        let (id, execution) = new_execution(state, name, job, &request["overrides"], caller)?;
        check_variables(cloud, &execution["template"])?;
        if request["validateOnly"] == true {
            return Ok((operations::validated(name, "google.cloud.run.v2.Execution", execution), None));
        }
        let stop = cloud.stop.child();
        begin(state, name, &id, execution, stop.clone());
        audit::started(&cloud.options, state, name, &id, caller);
        if cloud.options.run_changes_etag
            && let Some(job) = state.saved.jobs.get_mut(name)
        {
            touch(job, Timestamp::now());
        }
        let operation = operations::new_name(name);
        let execution = id.to_string();
        state.saved.operations.insert(operation.clone(), Operation::Run { execution });
        let reply = following(state, &operation, cloud.options.cancelled_run)
            .ok_or_else(|| missing_resource("OPERATION", &operation))?;
        Ok((Reply::new("google.longrunning.Operation", reply), Some((id, stop))))
    })?;
    if let Some((id, stop)) = started {
        execution::start(cloud, id, stop);
    }
    Ok(operation)
}

/// Refuses variables by which a process of this machine would load other code. Cloud Run takes them:
/// there they reach the container only.
fn check_variables(cloud: &Cloud, template: &Value) -> Result<(), ApiError> {
    match cloud.runner.refused_variable(template) {
        None => Ok(()),
        Some(name) => Err(ApiError::invalid(format!(
            "containers.env: The emulator runs containers as processes of this machine and does not set \
             '{name}', which can make a process load other code. Run it with Docker instead."
        ))),
    }
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
    state: &State,
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
    let mut id = names::Execution {
        project: part(job_name, "projects").to_owned(),
        location: part(job_name, "locations").to_owned(),
        job: job_id.to_owned(),
        id: String::new(),
    };
    // Of a thousand names two are the same in every thirtieth case.
    while id.id.is_empty() || state.saved.executions.contains_key(&id.to_string()) {
        id.id = format!("{job_id}-{}", random_suffix(5));
    }
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

fn is_valid_id(id: &str) -> bool {
    id.len() <= 49
        && id.starts_with(|first: char| first.is_ascii_lowercase())
        && !id.ends_with('-')
        && id.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
}
