//! One JSON document per command, also on failure.
//!
//! Every document has `exit_code`. A command that came to an end has its result; one that did not
//! has `error` with `messages` and `hints`.

use std::path::Path;
use std::time::Duration;

use quill_admin_contract::{ExitCode, Password, variable};
use serde_json::{Value, json};

use super::{BuildReport, RestoreReport, TaskPlan, TaskReport, WhoamiReport};
use quill_admin_cloud::{Difference, ExecutionName, LogEntry, Service, Severity, SignIn};
use quill_admin_image::{Builder, LocalImage, PLATFORM};

use crate::config::{Environment, Place};
use crate::error::CliError;
use crate::flow::build::{Built, JobPlan, LATEST};
use crate::flow::conclusion::Conclusion;
use crate::flow::history::PastRun;
use crate::hints;

pub(super) fn logs(execution: &ExecutionName, entries: &[LogEntry]) -> Value {
    let entries: Value = entries
        .iter()
        .map(|entry| {
            json!({
                "time": entry.timestamp,
                "severity": format!("{:?}", entry.severity).to_uppercase(),
                "message": entry.message,
                "payload": entry.payload,
            })
        })
        .collect();
    json!({"exit_code": 0, "execution": execution.id, "entries": entries})
}

pub(super) fn history(environment: &Environment, runs: &[PastRun]) -> Value {
    let runs: Value = runs
        .iter()
        .map(|run| {
            json!({
                "execution": run.execution,
                "time": run.time,
                "account": run.account,
                "actor": run.actor,
                "action": run.action,
                "user": run.user,
                "reason": run.reason,
                "outcome": run.outcome,
                "exit_code": run.exit_code,
                "seconds": run.duration.map(|duration| duration.as_secs_f64()),
                "image": run.image,
            })
        })
        .collect();
    json!({
        "exit_code": 0,
        "environment": environment.name,
        "project": environment.job.project,
        "job": environment.job.job,
        "runs": runs,
    })
}

pub(super) fn task_plan(plan: &TaskPlan<'_>) -> Value {
    let TaskPlan { environment, account, image, request } = plan;
    let variables: serde_json::Map<String, Value> = request
        .to_env()
        .into_iter()
        .filter(|(name, _)| *name != variable::ADMIN_PASSWORD_HASH.name)
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect();
    json!({
        "exit_code": 0,
        "dry_run": true,
        "environment": environment.name,
        "project": environment.job.project,
        "region": environment.job.region,
        "job": environment.job.job,
        "account": account,
        "image": image.name,
        "revision": image.revision,
        "built": image.built,
        "request": variables,
    })
}

pub(super) fn task(
    report: &TaskReport<'_>,
    log: &[LogEntry],
    password: Option<&Password>,
    elapsed: Duration,
) -> Value {
    let run = report.run;
    let code = run.conclusion.exit_code();
    let (ending, reason) = self::ending(&run.conclusion);
    let hints = ExitCode::from_u8(code)
        .map(|code| hints::after_task(code, report.environment, report.username))
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
    if code != 0 {
        document["log"] = self::log(log);
        document["system_log"] = json!(run.system_log);
    }
    if let Some(password) = password {
        document["generated_password"] = json!(password.expose());
    }
    document
}

/// How an execution ended, in a word; and Cloud Run's reason, where there is one.
pub(super) fn ending(conclusion: &Conclusion) -> (&'static str, Option<String>) {
    match conclusion {
        Conclusion::Told(_) => ("told", None),
        Conclusion::Untold { .. } => ("untold", None),
        Conclusion::Unread { reason } => ("unread", Some(reason.clone())),
        Conclusion::NeverStarted { reason } => ("never_started", Some(reason.clone())),
        Conclusion::Cancelled { reason, .. } => ("cancelled", Some(reason.clone())),
        Conclusion::TimedOut { .. } => ("timed_out", None),
        Conclusion::Killed { signal } => ("killed", Some(format!("signal {signal}"))),
    }
}

/// Lines of the container's log.
pub(super) fn log(log: &[LogEntry]) -> Value {
    log.iter()
        .map(|entry| {
            let severity = match entry.severity {
                Severity::Info => "info",
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            json!({"time": entry.timestamp, "severity": severity, "message": entry.message})
        })
        .collect()
}

fn differences(changes: &[Difference]) -> Value {
    changes
        .iter()
        .map(|change| json!({"setting": change.setting, "from": change.from, "to": change.to}))
        .collect()
}

pub(super) fn build_plan(report: &BuildReport<'_>) -> Value {
    let BuildReport { environment, plan, engine } = report;
    let mut document = json!({
        "exit_code": 0,
        "dry_run": true,
        "environment": environment.name,
        "project": environment.job.project,
        "revision": plan.source.revision.label(),
        "source_digest": plan.source.digest,
        "context_bytes": plan.source.context.bytes(),
        "builder_image": plan.source.builder_image,
        "platform": PLATFORM,
        "image": plan.image.to_string(),
        "tags": plan.source.tags(),
        "digest": plan.existing.as_ref().map(|existing| existing.digest.clone()),
        "notes": plan.notes,
    });
    match engine {
        Some(Ok(engine)) => {
            document["engine"] = json!({
                "version": engine.version(),
                "address": engine.address(),
                "builder": match engine.builder() {
                    Builder::BuildKit => "buildkit",
                    Builder::Classic => "classic",
                },
            });
        }
        Some(Err(error)) => document["engine"] = json!({"error": error.messages}),
        None => {}
    }
    if let Some(job) = &plan.job {
        document["job"] = json!({
            "name": environment.job.job,
            "created": matches!(job, JobPlan::Create(_)),
            "changes": differences(&job.changes()),
        });
    }
    document
}

pub(super) fn built(environment: &Environment, built: &Built, elapsed: Duration) -> Value {
    json!({
        "exit_code": 0,
        "environment": environment.name,
        "project": environment.job.project,
        "image": built.image,
        "built": built.built,
        "uploaded_bytes": built.uploaded,
        "image_bytes": built.size,
        "job": {
            "name": environment.job.job,
            "created": built.created_job,
            "changes": differences(&built.changes),
        },
        "elapsed_seconds": elapsed.as_secs_f64(),
    })
}

pub(super) fn built_locally(environment: &Environment, image: &LocalImage, elapsed: Duration) -> Value {
    json!({
        "exit_code": 0,
        "environment": environment.name,
        "image": environment.image.tagged(LATEST),
        "image_id": image.id,
        "image_bytes": image.size,
        "built": true,
        "elapsed_seconds": elapsed.as_secs_f64(),
    })
}

pub(super) fn restore_plan(report: &RestoreReport<'_>) -> Value {
    let RestoreReport { environment, backend, found, candidate } = report;
    json!({
        "exit_code": 0,
        "dry_run": true,
        "environment": environment.name,
        "service": backend.service.service,
        "image": found.service.image,
        "revision": found.service.latest_created,
        "healthy": found.healthy,
        "restore": {"image": candidate.image, "origin": candidate.origin},
        "passed_over": found.passed_over,
    })
}

pub(super) fn restored(
    environment: &Environment,
    service: &Service,
    changed: bool,
    elapsed: Duration,
) -> Value {
    let serving: Vec<Value> = service
        .serving
        .iter()
        .map(|(revision, percent)| json!({"revision": revision, "percent": percent}))
        .collect();
    json!({
        "exit_code": 0,
        "environment": environment.name,
        "changed": changed,
        "image": service.image,
        "revision": service.latest_ready,
        "traffic_to_latest": service.traffic_to_latest,
        "serving": serving,
        "elapsed_seconds": elapsed.as_secs_f64(),
    })
}

pub(super) fn error(error: &CliError) -> Value {
    json!({
        "exit_code": error.code.code(),
        "error": {
            "meaning": error.code.meaning(),
            "messages": error.messages,
            "hints": error.hints,
            "output": error.output,
            "check": error.check,
        },
    })
}

pub(super) fn whoami(report: &WhoamiReport<'_>) -> Value {
    let WhoamiReport { environment, account, sign_in, .. } = report;
    let permissions: Vec<Value> = report
        .permissions()
        .map(|(permission, there)| {
            json!({
                "for": permission.purpose.to_string(),
                "permission": permission.name,
                "granted": there,
                "role": permission.role,
            })
        })
        .collect();
    json!({
        "exit_code": report.exit_code(),
        "environment": environment.name,
        "account": account,
        "sign_in": sign_in.map(|sign_in| sign_in.source().to_string()),
        "acts_as": sign_in.and_then(SignIn::acts_as),
        "project": environment.job.project,
        "region": environment.job.region,
        "job": environment.job.job,
        "permissions": permissions,
        "hints": report.hints(),
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
                "image": environment.image.to_string(),
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
