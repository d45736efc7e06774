//! Completes a job as the server does: the fields that it fills in, and the jobs that it refuses.
//!
//! To add a default: `complete`; a rule: `check`.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::names::{etag, part, project_number};
use crate::resource::{default, items, text};

/// Fills in the fields that the server fills in.
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
