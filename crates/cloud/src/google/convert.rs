//! Conversions from the clients' types to those of this crate: executions, task results, variables, log
//! entries.
//!
//! To read another field: its field in `model.rs`, and its conversion here. To hide the value of another variable:
//! `is_secret`.

use std::collections::BTreeMap;
use std::time::Duration;

use google_cloud_gax::error::rpc::Code;
use google_cloud_logging_v2::model::LogEntry as ApiLogEntry;
use google_cloud_run_v2::model;
use google_cloud_run_v2::model::condition::{ExecutionReason, Reasons, State};
use jiff::Timestamp;
use serde_json::Value;

use crate::model::{
    Condition, Confidential, Ending, Execution, LogEntry, LogSource, Phase, Readiness, Severity, TaskResult,
};
use crate::names::{ExecutionName, JobName};

/// The label that names the execution which a log entry belongs to.
pub(super) const EXECUTION_LABEL: &str = "run.googleapis.com/execution_name";

/// The logs of a container's output, as names of logs write them: with an encoded slash.
pub(super) const CONTAINER_LOGS: [&str; 2] = ["run.googleapis.com%2Fstdout", "run.googleapis.com%2Fstderr"];

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
        timeout: execution.template.as_ref().and_then(|task| task.timeout.as_ref()).and_then(duration),
        retried: execution.retried_count > 0,
        log_uri: execution.log_uri.clone(),
        request: request(execution.template.as_ref()),
        proof_key: proof_key(execution.template.as_ref()),
        rows: rows(execution.template.as_ref()),
        plaintext_password: plaintext_password(execution.template.as_ref()),
    })
}

/// The prefix of the variables that make up a request; those with a password, a hash or a key are left out.
const REQUEST: &str = "ADMIN_";
const SECRET: &str = "ADMIN_PASSWORD";
/// The suffix of variables that hold hashes of passwords: the name before it is the application's.
const HASH: &str = "_HASH";
const PROOF_KEY: &str = "ADMIN_PROOF_KEY";
/// The prefix of the variables that hold rows of values, with hashes of passwords among them.
const ROWS: &str = "ADMIN_ROWS_";

fn request(task: Option<&model::TaskTemplate>) -> BTreeMap<String, String> {
    let container = task.and_then(|task| task.containers.first());
    container
        .into_iter()
        .flat_map(|container| &container.env)
        .filter(|variable| variable.name.starts_with(REQUEST))
        .filter(|variable| !is_secret(&variable.name))
        .filter_map(|variable| Some((variable.name.clone(), variable.value()?.clone())))
        .collect()
}

/// Whether the value of a request's variable is never shown.
fn is_secret(name: &str) -> bool {
    name.starts_with(SECRET) || name.ends_with(HASH) || name == PROOF_KEY || name.starts_with(ROWS)
}

/// The number of rows of values; `None` where there are none.
fn rows(task: Option<&model::TaskTemplate>) -> Option<u64> {
    let variables = task.and_then(|task| task.containers.first()).into_iter().flat_map(|one| &one.env);
    let texts =
        variables.filter(|variable| variable.name.starts_with(ROWS)).filter_map(|variable| variable.value());
    let count = texts.flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty()).count();
    (count > 0).then_some(count as u64)
}

fn proof_key(task: Option<&model::TaskTemplate>) -> Option<Confidential> {
    let variables = task.and_then(|task| task.containers.first()).into_iter().flat_map(|one| &one.env);
    let key = variables.filter(|variable| variable.name == PROOF_KEY).find_map(|variable| variable.value());
    key.filter(|key| !key.trim().is_empty()).cloned().map(Confidential::new)
}

/// Whether the execution was given a plaintext password. The value itself is not copied.
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
            readiness: Readiness::of(Some(condition)),
            reason: reason(condition).unwrap_or_default(),
            since: condition.last_transition_time.and_then(timestamp),
        })
        .collect()
}

/// The phase of an execution. Its counts decide whether it has ended, not the operation: a cancelled run can
/// end its operation without an error.
fn phase(execution: &model::Execution) -> Phase {
    let completed = condition(execution, "Completed");
    let counted = execution.succeeded_count + execution.failed_count + execution.cancelled_count;
    let settled = completed.is_some_and(|condition| {
        matches!(condition.state, State::ConditionSucceeded | State::ConditionFailed)
    });
    // A time of completion alone does not say how the execution ended: the counts or the condition come a
    // moment later.
    if settled
        || (execution.completion_time.is_some() && counted > 0)
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
    let reason = reason(execution);
    let cancelled = completed.is_some_and(|condition| {
        condition.reasons == Some(Reasons::ExecutionReason(ExecutionReason::Cancelled))
    });
    let failed = completed.is_some_and(|condition| condition.state == State::ConditionFailed);
    if execution.cancelled_count > 0 || cancelled {
        Ending::Cancelled { reason }
    } else if execution.failed_count > 0 || failed {
        Ending::Failed { reason }
    } else {
        Ending::Succeeded
    }
}

/// The reason for the failure, in Cloud Run's words. The counts may be there before the conditions: the
/// message of a condition that has not failed describes an earlier step ("Waiting for execution to
/// complete."), and is no reason.
fn reason(execution: &model::Execution) -> String {
    let failed = |condition: &&model::Condition| {
        condition.state == State::ConditionFailed && !condition.message.is_empty()
    };
    let completed = condition(execution, "Completed").filter(failed);
    completed
        .or_else(|| execution.conditions.iter().find(failed))
        .map(|condition| condition.message.clone())
        .unwrap_or_default()
}

fn condition<'a>(execution: &'a model::Execution, name: &str) -> Option<&'a model::Condition> {
    execution.conditions.iter().find(|condition| condition.r#type == name)
}

pub(super) fn task_result(task: &model::Task) -> Option<TaskResult> {
    let result = task.last_attempt_result.as_ref()?;
    let status = result.status.as_ref();
    let message = status.map(|status| status.message.clone()).unwrap_or_default();
    let length = task.start_time.and_then(timestamp).zip(task.completion_time.and_then(timestamp));
    Some(TaskResult {
        exit_code: Some(result.exit_code).filter(|code| *code != 0),
        signal: Some(result.term_signal).filter(|signal| *signal != 0),
        timed_out: status.is_some_and(|status| status.code == Code::DeadlineExceeded as i32)
            || TaskResult::words_of_a_time_out(&message),
        length: length.and_then(|(from, to)| Duration::try_from(to.duration_since(from)).ok()),
        message,
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
        Some(log) if CONTAINER_LOGS.contains(&log) => LogSource::Container,
        Some("run.googleapis.com%2Fvarlog%2Fsystem") => LogSource::System,
        _ => LogSource::Other,
    };
    let received = entry.receive_timestamp.and_then(timestamp);
    let written = entry.timestamp.and_then(timestamp).or(received)?;
    let lateness = received.and_then(|received| Duration::try_from(received.duration_since(written)).ok());
    Some(LogEntry {
        timestamp: written,
        // A clock that is ahead does not make a line early.
        lateness: lateness.unwrap_or_default(),
        execution: entry.labels.get(EXECUTION_LABEL).cloned().unwrap_or_default(),
        insert_id: entry.insert_id,
        source,
        severity,
        message,
        payload,
    })
}

/// Turns doubles without a fraction into whole numbers. Over gRPC a payload is a `google.protobuf.Struct`, in
/// which every number is a double: 1 comes as 1.0, which no reader takes for a whole number.
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

fn duration(duration: &google_cloud_wkt::Duration) -> Option<Duration> {
    let seconds = u64::try_from(duration.seconds()).ok()?;
    Some(Duration::new(seconds, u32::try_from(duration.nanos()).ok()?))
}

#[cfg(test)]
mod tests {
    use google_cloud_run_v2::model::{Condition, Execution, Task, TaskAttemptResult};
    use serde_json::json;

    use super::*;

    fn failed(conditions: &[(&str, State, &str)]) -> Execution {
        let conditions = conditions.iter().map(|(kind, state, message)| {
            Condition::new().set_type(*kind).set_state(state.clone()).set_message(*message)
        });
        Execution::new().set_task_count(1).set_failed_count(1).set_conditions(conditions)
    }

    #[test]
    fn what_was_waited_for_is_no_reason() {
        let reason = |conditions: &[(&str, State, &str)]| match phase(&failed(conditions)) {
            Phase::Ended(Ending::Failed { reason }) => reason,
            other => panic!("{other:?}"),
        };
        let waiting = ("Completed", State::ConditionPending, "Waiting for execution to complete.");
        assert_eq!(reason(std::slice::from_ref(&waiting)), "");
        let image = ("ResourcesAvailable", State::ConditionFailed, "Image 'x' not found.");
        assert_eq!(reason(&[waiting, image.clone()]), "Image 'x' not found.");
        assert_eq!(reason(&[image, ("Completed", State::ConditionFailed, "the reason")]), "the reason");
    }

    /// The hash of a password is secret, whatever the name of the password is.
    #[test]
    fn no_hash_comes_out_of_an_execution() {
        let variable = |name: &str, value: &str| model::EnvVar::new().set_name(name).set_value(value);
        let env = [
            variable("ADMIN_ACTION", "rotate"),
            variable("ADMIN_PASSWORD", "planted-1"),
            variable("ADMIN_PASSWORD_HASH", "$argon2id$planted-2"),
            variable("ADMIN_PASSPHRASE_HASH", "$argon2id$planted-3"),
            variable("ADMIN_PROOF_KEY", "planted-4"),
            variable("ADMIN_ROWS_1", "{\"password_hash\": \"planted-6\"}\n\n{}"),
            variable("ADMIN_ROWS_2", "{}"),
            variable("AUTH_DB_PASSWORD", "planted-5"),
        ];
        let task = model::TaskTemplate::new().set_containers([model::Container::new().set_env(env)]);
        let name = "projects/quill-medical-staging/locations/europe-west2/jobs/j/executions/j-abc";
        let job = JobName {
            project: "quill-medical-staging".parse().expect("valid"),
            region: "europe-west2".parse().expect("valid"),
            job: "j".parse().expect("valid"),
        };
        let execution = execution(&job, &Execution::new().set_name(name).set_template(task)).expect("named");
        assert_eq!(execution.request, BTreeMap::from([("ADMIN_ACTION".to_owned(), "rotate".to_owned())]));
        let debug = format!("{execution:?}");
        assert!(!debug.contains("planted"), "{debug}");
    }

    #[test]
    fn a_time_of_completion_alone_is_no_end() {
        let now = google_cloud_wkt::Timestamp::clamp(1, 0);
        let execution = Execution::new().set_task_count(1).set_running_count(1).set_completion_time(now);
        assert_eq!(phase(&execution), Phase::Running);
        assert_eq!(phase(&execution.set_succeeded_count(1)), Phase::Ended(Ending::Succeeded));
    }

    #[test]
    fn what_is_absent_is_not_0() {
        let result = |result: Value| {
            let result: TaskAttemptResult = serde_json::from_value(result).expect("a valid result");
            task_result(&Task::new().set_last_attempt_result(result)).expect("a result")
        };
        let unclean = result(json!({"status": {"code": 9, "message": "Application failed to start"}}));
        assert_eq!((unclean.exit_code, unclean.signal, unclean.timed_out), (None, None, false));
        assert_eq!(result(json!({"exitCode": 13})).exit_code, Some(13));
        assert_eq!(result(json!({"termSignal": 15})).signal, Some(15));
        for status in
            [json!({"code": 4}), json!({"code": 10, "message": "The configured timeout was reached."})]
        {
            assert!(result(json!({"status": status})).timed_out);
        }
    }
}
