//! One JSON document per command, also on failure.
//!
//! Every document has `exit_code`. A command that came to an end has its result; one that did not
//! has `error` with `messages` and `hints`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use quill_admin_contract::invisible::invisible;
use quill_admin_contract::{Password, variable};
use serde_json::{Value, json};

use super::deployed_actions;
use super::paint::MARK;
use super::results::{BuildReport, RestoreReport, TaskPlan, TaskReport, WhoamiReport};
use quill_admin_cloud::{Difference, ExecutionName, LogEntry, Service, Severity, SignIn};
use quill_admin_image::{Builder, LATEST, LocalImage, PLATFORM};

use crate::config::Environment;
use crate::error::CliError;
use crate::flow::build::{Built, JobPlan, Made};
use crate::flow::conclusion::Conclusion;
use crate::flow::history::{Past, Record};

/// A document as it is written: what a terminal would act on, or would not show, is escaped, which changes
/// nothing about any value.
pub(super) fn text(document: &Value) -> String {
    escaped(&format!("{document:#}\n"))
}

/// A path; bytes that are no text are replaced, since JSON has none.
pub(super) fn path(path: &Path) -> Value {
    json!(path.to_string_lossy())
}

/// A document on one line.
#[cfg(any(feature = "local", test))]
pub(super) fn line(document: &Value) -> String {
    escaped(&format!("{document}\n"))
}

/// JSON has only ASCII outside of its strings, and `serde_json` escapes C0 in them: what is left of all that
/// is not seen stands in a string, where `\uXXXX` is the same (RFC 8259, section 7). So does the mark of our
/// own styles, which no document has.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c > '~' && (c == MARK || invisible(c).is_some()) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text
}

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

pub(super) fn history(environment: &Environment, past: &Past) -> Value {
    let unread: Value =
        past.unread.iter().map(|(job, error)| json!({"job": job.job, "why": error.to_string()})).collect();
    let runs: Value = past
        .runs
        .iter()
        .map(|run| {
            json!({
                "execution": run.execution,
                "job": run.job.job,
                "time": run.time,
                "account": run.account,
                "actor": run.actor,
                "action": run.action,
                "user": run.user,
                "reason": run.reason,
                "origin": run.origin,
                "outcome": run.outcome,
                "proven": run.record == Record::Proven,
                "record": match run.record {
                    Record::Proven => Some("proven"),
                    Record::NotProvable => Some("not_provable"),
                    Record::None => None,
                },
                "contradicted": run.contradicted,
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
        "not_read": unread,
    })
}

pub(super) fn task_plan(plan: &TaskPlan<'_>) -> Value {
    let TaskPlan { environment, job, account, image, request, started_again } = plan;
    let variables: serde_json::Map<String, Value> = request
        .to_env()
        .into_iter()
        .filter(|(name, _)| *name != variable::ADMIN_PROOF_KEY.name && !name.ends_with("_HASH"))
        .map(|(name, value)| (name, Value::String(value)))
        .collect();
    let mut document = json!({
        "exit_code": 0,
        "dry_run": true,
        "environment": environment.name,
        "project": environment.job.project,
        "region": environment.job.region,
        "job": job.job,
        "account": account,
        "image": image.name,
        "revision": image.revision,
        "built": image.built,
        "request": variables,
        "settings": environment.source.elsewhere().map(path),
    });
    if let Some(job) = request.action.job() {
        document["timeout_seconds"] = json!(job.timeout);
        document["started_again"] = json!(started_again);
    }
    document
}

pub(super) fn task(
    report: &TaskReport<'_>,
    log: &[LogEntry],
    password: Option<&Password>,
    elapsed: Duration,
) -> Value {
    let run = report.run;
    let code = report.exit_code();
    let (ending, reason) = self::ending(&run.conclusion);
    let mut document = json!({
        "exit_code": code,
        "environment": report.environment.name,
        "project": report.environment.job.project,
        "job": report.job().job,
        "request_id": report.request_id,
        "execution": run.execution.name.id,
        "image": run.execution.image,
        "ending": ending,
        "elapsed_seconds": elapsed.as_secs_f64(),
        "hints": report.hints(),
    });
    document["proven"] = json!(run.conclusion.is_proven());
    if let Conclusion::Told(told) = &run.conclusion {
        // As it was written: also what this version does not know.
        document["result"] = told.claim.written.clone();
        if let Some(afterwards) = &told.afterwards {
            document["afterwards"] = json!(afterwards);
        }
    }
    if let Conclusion::Ended { exit_code } = run.conclusion {
        document["container_exit_code"] = json!(exit_code);
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
        Conclusion::Ended { .. } => ("ended", None),
        Conclusion::Contradicted { reason } => ("contradicted", Some(reason.clone())),
        Conclusion::Unread { reason } => ("unread", Some(reason.clone())),
        Conclusion::Unclear { reason } => ("unclear", Some(reason.clone())),
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
        "platform": PLATFORM,
        "image": plan.image.to_string(),
        "tags": plan.source.tags(),
        "digest": plan.existing.as_ref().map(|existing| existing.digest.clone()),
        "stray_tags": plan.stray_tags,
        "actions": plan.replaced.as_ref().map(deployed_actions::replaced_json),
        "notes": plan.notes,
    });
    match &plan.source.made {
        Made::Compiled(compiled) => {
            document["context_bytes"] = compiled.context.bytes().into();
            document["builder_image"] = compiled.builder_image.clone().into();
        }
        Made::Assembled(assembled) => {
            document["carried"] = json!({
                "version": env!("CARGO_PKG_VERSION"),
                "executor_sha256": assembled.executor,
                "actions": assembled.whereabouts,
                "image_digest": assembled.image.digest(),
            });
        }
    }
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
        "moved_tags": built.moved_tags,
        "notes": built.notes,
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
        "settings": environment.source.elsewhere().map(path),
    })
}

pub(super) fn confirmed(path: &Path, environments: &[&Environment]) -> Value {
    let list: Vec<Value> = environments
        .iter()
        .map(|environment| {
            json!({
                "name": environment.name,
                "project": environment.job.project,
                "job": environment.job.job,
                "application": environment.source.application.as_deref().map(self::path),
            })
        })
        .collect();
    json!({"exit_code": 0, "file": self::path(path), "confirmed": list})
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
                "emulated": environment.is_embedded(),
            })
        })
        .collect();
    json!({"exit_code": 0, "file": self::path(path), "environments": list})
}

#[cfg(feature = "local")]
pub(super) fn local_status(
    status: &quill_admin_local::Status,
    contents: Option<quill_admin_local::Contents>,
) -> Value {
    json!({
        "exit_code": 0,
        "state": path(&status.directory),
        "exists": status.exists,
        "in_use": status.in_use,
        "bytes": status.bytes,
        "contents": contents,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_nothing_in_it_that_is_not_seen_and_the_same_values() {
        let name = "ä\u{1b}[31m\u{9b}2J\u{7f}\u{202e}\u{200b}\u{2028}\u{e0041}\u{fdd0}31m\n🙂";
        let document = json!({"name": name, name: [name]});
        for written in [text(&document), line(&document)] {
            assert!(!written.trim_end().chars().any(|c| c != '\n' && invisible(c).is_some()), "{written:?}");
            assert!(
                written.contains(r"\u001b[31m\u009b2J\u007f\u202e\u200b\u2028\udb40\udc41\ufdd031m"),
                "{written}"
            );
            assert!(written.contains("🙂"), "{written}");
            assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), document);
        }
    }
}
