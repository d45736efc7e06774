//! From the clients' types to ours.

use std::collections::BTreeMap;
use std::time::Duration;

use google_cloud_gax::error::rpc::Code;
use google_cloud_logging_v2::model::LogEntry as ApiLogEntry;
use google_cloud_run_v2::model;
use google_cloud_run_v2::model::condition::{ExecutionReason, Reasons, State};
use jiff::Timestamp;
use serde_json::Value;

use crate::model::{
    Condition, Ending, Execution, Job, LogEntry, LogSource, Phase, Readiness, Severity, TaskResult,
};
use crate::names::{ExecutionName, JobName};

/// The label that says which execution a log entry is of.
pub(super) const EXECUTION_LABEL: &str = "run.googleapis.com/execution_name";

pub(super) fn job(job: &model::Job) -> Job {
    let task = job.template.as_ref().and_then(|template| template.template.as_ref());
    Job {
        etag: job.etag.clone(),
        image: image(task),
        // Absent means 0 in what the API returns; only in what is sent does absence mean 3.
        max_retries: task.and_then(model::TaskTemplate::max_retries).copied().unwrap_or(0),
        annotations: job.annotations.clone().into_iter().collect(),
        executions: job.execution_count,
    }
}

fn image(task: Option<&model::TaskTemplate>) -> String {
    task.and_then(|task| task.containers.first()).map(|container| container.image.clone()).unwrap_or_default()
}

pub(super) fn execution(job: &JobName, execution: &model::Execution) -> Option<Execution> {
    Some(Execution {
        name: ExecutionName::from_resource(job, &execution.name)?,
        phase: phase(execution),
        created: execution.create_time.and_then(timestamp),
        started: execution.start_time.and_then(timestamp),
        completed: execution.completion_time.and_then(timestamp),
        creator: execution.creator.clone(),
        image: image(execution.template.as_ref()),
        log_uri: execution.log_uri.clone(),
        request: request(execution.template.as_ref()),
        plaintext_password: plaintext_password(execution.template.as_ref()),
    })
}

/// Variables a request is made of begin so; those with a password or its hash are left where they are.
const REQUEST: &str = "ADMIN_";
const SECRET: &str = "ADMIN_PASSWORD";

fn request(task: Option<&model::TaskTemplate>) -> BTreeMap<String, String> {
    let container = task.and_then(|task| task.containers.first());
    container
        .into_iter()
        .flat_map(|container| &container.env)
        .filter(|variable| variable.name.starts_with(REQUEST) && !variable.name.starts_with(SECRET))
        .filter_map(|variable| Some((variable.name.clone(), variable.value()?.clone())))
        .collect()
}

/// Its value stays where it is.
fn plaintext_password(task: Option<&model::TaskTemplate>) -> bool {
    let mut variables = task.into_iter().flat_map(|task| &task.containers).flat_map(|one| &one.env);
    variables.any(|variable| variable.name == SECRET && variable.value().is_some_and(|text| !text.is_empty()))
}

pub(super) fn conditions(conditions: &[model::Condition]) -> Vec<Condition> {
    let reason = |condition: &model::Condition| match &condition.reasons {
        Some(Reasons::Reason(reason)) => reason.name().map(str::to_owned),
        Some(Reasons::RevisionReason(reason)) => reason.name().map(str::to_owned),
        Some(Reasons::ExecutionReason(reason)) => reason.name().map(str::to_owned),
        _ => None,
    };
    conditions
        .iter()
        .map(|condition| Condition {
            kind: condition.r#type.clone(),
            readiness: readiness(Some(condition)),
            reason: reason(condition).unwrap_or_default(),
            since: condition.last_transition_time.and_then(timestamp),
        })
        .collect()
}

pub(super) fn readiness(condition: Option<&model::Condition>) -> Readiness {
    match condition {
        Some(condition) if condition.state == State::ConditionSucceeded => Readiness::Ready,
        Some(condition) if condition.state == State::ConditionFailed => {
            Readiness::Failed { reason: condition.message.clone() }
        }
        _ => Readiness::Pending,
    }
}

/// The counts decide whether it is over, not the operation: a cancelled run can end its operation
/// without an error.
fn phase(execution: &model::Execution) -> Phase {
    let completed = condition(execution, "Completed");
    let counted = execution.succeeded_count + execution.failed_count + execution.cancelled_count;
    let settled = completed.is_some_and(|condition| {
        matches!(condition.state, State::ConditionSucceeded | State::ConditionFailed)
    });
    if settled
        || execution.completion_time.is_some()
        || (execution.task_count > 0 && counted >= execution.task_count)
    {
        return Phase::Ended(ending(execution, completed));
    }
    let done = |name| {
        condition(execution, name).is_some_and(|condition| condition.state == State::ConditionSucceeded)
    };
    if execution.running_count > 0 {
        Phase::Running
    } else if execution.start_time.is_some() || done("ResourcesAvailable") || execution.retried_count > 0 {
        Phase::Provisioning
    } else {
        Phase::Queued
    }
}

fn ending(execution: &model::Execution, completed: Option<&model::Condition>) -> Ending {
    let reason = completed.map(|condition| condition.message.clone()).unwrap_or_default();
    let cancelled = completed.is_some_and(|condition| {
        condition.reasons == Some(Reasons::ExecutionReason(ExecutionReason::Cancelled))
    });
    if execution.cancelled_count > 0 || cancelled {
        Ending::Cancelled { reason }
    } else if execution.failed_count > 0 || completed.is_some_and(|c| c.state == State::ConditionFailed) {
        Ending::Failed { reason }
    } else {
        Ending::Succeeded
    }
}

fn condition<'a>(execution: &'a model::Execution, name: &str) -> Option<&'a model::Condition> {
    execution.conditions.iter().find(|condition| condition.r#type == name)
}

pub(super) fn task_result(task: &model::Task) -> Option<TaskResult> {
    let result = task.last_attempt_result.as_ref()?;
    let status = result.status.as_ref();
    Some(TaskResult {
        exit_code: result.exit_code,
        term_signal: result.term_signal,
        timed_out: status.is_some_and(|status| status.code == Code::DeadlineExceeded as i32),
        message: status.map(|status| status.message.clone()).unwrap_or_default(),
    })
}

pub(super) fn log_entry(entry: ApiLogEntry) -> Option<LogEntry> {
    let mut payload = entry.json_payload().map(|payload| Value::Object((**payload).clone()));
    if let Some(payload) = &mut payload {
        whole_numbers(payload);
    }
    let message = match (entry.text_payload(), &payload) {
        (Some(text), _) => text.clone(),
        (None, Some(payload)) => match payload.get("message") {
            Some(Value::String(message)) => message.clone(),
            _ => payload.to_string(),
        },
        (None, None) => String::new(),
    };
    // Google's numbers: 400 is a warning, 500 an error; 0 is the default of a plain line.
    let severity = match entry.severity.value().unwrap_or(0) {
        ..400 => Severity::Info,
        400..500 => Severity::Warning,
        500.. => Severity::Error,
    };
    let source = match entry.log_name.rsplit_once("/logs/").map(|(_, log)| log) {
        Some("run.googleapis.com%2Fstdout" | "run.googleapis.com%2Fstderr") => LogSource::Container,
        Some("run.googleapis.com%2Fvarlog%2Fsystem") => LogSource::System,
        _ => LogSource::Other,
    };
    let received = entry.receive_timestamp.and_then(timestamp);
    let written = entry.timestamp.and_then(timestamp).or(received)?;
    let lateness = received.and_then(|received| Duration::try_from(received.duration_since(written)).ok());
    Some(LogEntry {
        timestamp: written,
        // A clock that is ahead makes no line early.
        lateness: lateness.unwrap_or_default(),
        execution: entry.labels.get(EXECUTION_LABEL).cloned().unwrap_or_default(),
        insert_id: entry.insert_id,
        source,
        severity,
        message,
        payload,
    })
}

/// Over gRPC a payload is a `google.protobuf.Struct`, in which every number is a double: 1 comes as 1.0,
/// which nothing takes for a whole number.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            #[expect(clippy::cast_possible_truncation, reason = "doubles below this are exact")]
            if let Some(whole) = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15) {
                *number = (whole as i64).into();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

pub(super) fn timestamp(time: google_cloud_wkt::Timestamp) -> Option<Timestamp> {
    Timestamp::new(time.seconds(), time.nanos()).ok()
}
