//! Reports about restoring the backend's own image.
//!
//! To add a line of the plan or the result: `restore_plan_text` or `restored_text` for people, and the function that
//! ends with `_json` for `--json`.

use std::fmt::Write as _;
use std::time::Duration;

use quill_admin_cloud::Service;
use quill_admin_operations::backend::candidate::{self, Candidate, Found};
use quill_admin_operations::config::{Backend, Environment};
use serde_json::{Value, json};

use super::field::field;
use super::lines;
use super::output::{document_to_stdout, result_document, result_to_stdout, to_stdout};
use super::paint::style;
use super::reporter::Reporter;
use super::stream::to_stderr;
use super::symbols;

/// The image that the backend is to get, with everything that was found out about it.
#[derive(Debug)]
pub struct RestoreReport<'a> {
    /// The environment that it is about.
    pub environment: &'a Environment,
    /// The settings of its backend.
    pub backend: &'a Backend,
    /// The state of the service, and what was found in its revisions.
    pub found: &'a Found,
    /// The image that is to be deployed.
    pub candidate: &'a Candidate,
}

pub(super) fn restore_plan_text(report: &RestoreReport<'_>) -> String {
    let mut text = String::new();
    let RestoreReport { environment, backend, found, candidate } = report;
    let _ = writeln!(
        text,
        "restore {} of {} ({}, {})",
        backend.service.service, environment.name, backend.service.project, backend.service.region
    );
    lines::settings(&mut text, environment);
    let service = &found.service;
    field(&mut text, "now", &format!("{}, revision {}", service.image, service.latest_created));
    for passed in &found.passed_over {
        field(&mut text, "passed over", passed);
    }
    field(&mut text, "then", &candidate.image);
    field(&mut text, "from", &candidate.origin);
    text
}

pub(super) fn restored_text(
    environment: &Environment,
    service: &Service,
    changed: bool,
    elapsed: Duration,
) -> String {
    let mut text = String::new();
    let done = style(symbols::DONE).green();
    let name = &environment.name;
    let _ = if changed {
        writeln!(text, "{done} the backend of {name} has its own image again ({})", lines::seconds(elapsed))
    } else {
        writeln!(text, "{done} nothing to do: the backend of {name} runs its own image and is ready")
    };
    field(&mut text, "image", &service.image);
    field(&mut text, "revision", &service.latest_ready);
    text
}

/// The warning that a new revision gets no requests, where traffic is pinned to another one.
pub(super) fn traffic_text(environment: &Environment, service: &Service) -> String {
    let mut text = String::new();
    if let Some(backend) = environment.backend.as_ref().filter(|_| !service.traffic_to_latest) {
        lines::warning_line(
            &mut text,
            &format!("traffic is pinned, a new revision gets none: {}", candidate::requests(service)),
        );
        lines::hint_line(
            &mut text,
            &format!(
                "gcloud run services update-traffic {} --to-latest --project={} --region={}",
                backend.service.service, backend.service.project, backend.service.region
            ),
        );
    }
    text
}

pub(super) fn restore_plan_json(report: &RestoreReport<'_>) -> Value {
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

pub(super) fn restored_json(
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

impl Reporter {
    /// Shows the image that is to be deployed to the backend: on stdout in a dry run, where it is the result.
    pub fn restore_plan(&self, report: &RestoreReport<'_>, dry_run: bool, asked: bool) {
        self.stop();
        if !dry_run {
            self.plan(&restore_plan_text(report), asked);
        } else if self.style.json {
            document_to_stdout(&restore_plan_json(report));
        } else {
            to_stdout(&restore_plan_text(report));
        }
    }

    /// Shows the backend's service as it is now: with its image restored, or unchanged.
    pub fn restored(&self, environment: &Environment, service: &Service, changed: bool) -> u8 {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        if self.style.json {
            result_document(&restored_json(environment, service, changed, elapsed));
        } else {
            result_to_stdout(&restored_text(environment, service, changed, elapsed));
            to_stderr(&traffic_text(environment, service));
        }
        0
    }
}
