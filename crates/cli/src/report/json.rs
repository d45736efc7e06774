//! One JSON document per command, also on failure.
//!
//! Every document has `exit_code`. A command that came to an end has its result; one that did not
//! has `error` with `messages` and `hints`.

use std::path::Path;
use std::time::Duration;

use quill_admin_contract::{ExitCode, Password};
use serde_json::{Value, json};

use super::TaskReport;
use crate::config::{Environment, Place};
use crate::error::CliError;
use crate::flow::conclusion::Conclusion;
use crate::hints;

pub(super) fn task(report: &TaskReport<'_>, password: Option<&Password>, elapsed: Duration) -> Value {
    let run = report.run;
    let code = run.conclusion.exit_code();
    let (ending, reason) = match &run.conclusion {
        Conclusion::Told(_) => ("told", None),
        Conclusion::Untold { .. } => ("untold", None),
        Conclusion::NeverStarted { reason } => ("never_started", Some(reason.clone())),
        Conclusion::Cancelled { reason, .. } => ("cancelled", Some(reason.clone())),
        Conclusion::TimedOut { .. } => ("timed_out", None),
        Conclusion::Killed { signal } => ("killed", Some(format!("signal {signal}"))),
    };
    let hints = ExitCode::from_u8(code)
        .map(|code| hints::after_failure(code, &report.environment.name, report.username))
        .unwrap_or_default();
    let mut document = json!({
        "exit_code": code,
        "environment": report.environment.name,
        "project": report.environment.job.project,
        "job": report.environment.job.job,
        "request_id": report.request_id,
        "execution": run.execution.name.id,
        "image": run.execution.image,
        "ending": ending,
        "elapsed_seconds": elapsed.as_secs_f64(),
        "hints": hints,
    });
    if let Conclusion::Told(line) = &run.conclusion {
        document["result"] = json!(line);
    }
    if let Some(reason) = reason {
        document["reason"] = json!(reason);
    }
    if let Some(password) = password {
        document["generated_password"] = json!(password.expose());
    }
    document
}

pub(super) fn error(error: &CliError) -> Value {
    json!({
        "exit_code": error.code.code(),
        "error": {
            "meaning": error.code.meaning(),
            "messages": error.messages,
            "hints": error.hints,
        },
    })
}

pub(super) fn environments(path: &Path, environments: &[Environment]) -> Value {
    let list: Vec<Value> = environments
        .iter()
        .map(|environment| {
            json!({
                "name": environment.name,
                "project": environment.job.project,
                "region": environment.job.region,
                "job": environment.job.job,
                "image": environment.image,
                "protected": environment.protected,
                "emulated": matches!(environment.place, Place::Embedded { .. }),
            })
        })
        .collect();
    json!({"exit_code": 0, "file": path, "environments": list})
}

#[cfg(feature = "local")]
pub(super) fn local_status(
    status: &quill_admin_local::Status,
    contents: Option<quill_admin_local::Contents>,
) -> Value {
    json!({
        "exit_code": 0,
        "state": status.directory,
        "exists": status.exists,
        "in_use": status.in_use,
        "bytes": status.bytes,
        "contents": contents,
    })
}
