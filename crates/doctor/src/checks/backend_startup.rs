//! The check `backend-startup`: the backend's newest revision starts. Where it does not, the startup
//! diagnosis says why.
//!
//! To add a cause: `startup.rs`, and its advice below where the log alone does not help.

use quill_admin_cloud::{LogExtent, Readiness, Revision, Service};
use quill_admin_operations::backend::{candidate, verdict};
use quill_admin_operations::config::Environment;
use quill_admin_operations::hints;

use super::backend_image::{IN_PART, Newest, is_admin_image, newest};
use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Inquiries;
use crate::startup::{self, Cause, Diagnosis, Startup};
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "backend-startup",
    title: "the start of the backend's newest revision",
    needs: &["backend-image"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    let newest = match Box::pin(newest(inquiries)).await? {
        Ok(newest) => newest,
        Err(seen) => return Ok(seen),
    };
    let Newest { service, revision } = &newest;
    let reason = match &revision.readiness {
        Readiness::Ready => {
            return Ok(match &service.readiness {
                Readiness::Failed { reason } => not_applied(&newest, reason).into(),
                _ if !service.reconciling && !is_asked(service, revision) => {
                    left_behind(service, revision, &inquiries.environment).into()
                }
                _ => Report::healthy(format!("{} is ready", revision.id)),
            });
        }
        Readiness::Pending => {
            let what = format!("revision {} is still starting", revision.id);
            let finding = Finding::warning(what, candidate::requests(service)).since(revision.created);
            return Ok(finding.advice("look again in a minute").into());
        }
        Readiness::Failed { reason } => reason,
    };
    // The failure to start is certain, even where its log cannot be read.
    let log = inquiries.revision_log(&revision.id).await;
    let (log, unread) = match log {
        Ok(log) => (Some(log), None),
        Err(undecided) => (None, Some(undecided)),
    };
    let admin_image = is_admin_image(inquiries, &revision.image).await.ok().flatten();
    let probe = revision.startup_probe.as_ref();
    let port = u16::try_from(revision.port).ok().filter(|port| *port != 0);
    let Diagnosis { cause, evidence } =
        startup::diagnose(&Startup { log: log.as_ref(), reason, admin_image, probe, port });
    let mut finding = Finding::problem(
        format!("revision {} does not start: {}", revision.id, cause.words()),
        format!("{}; {}", cause.explanation(), candidate::requests(service)),
    )
    .since(newest.since());
    if !matches!(cause, Cause::NoContainer) {
        finding = finding.evidence([verdict::summary(reason)]);
    }
    finding = finding.evidence(evidence);
    if log.is_some_and(|log| log.extent == LogExtent::Part) {
        finding = finding.evidence([IN_PART.to_owned()]);
    }
    for advice in advice(inquiries, &cause, revision) {
        finding = finding.advice(advice);
    }
    if let Some(Undecided { cause, advice, .. }) = unread {
        finding = finding.evidence([cause]);
        finding.advice.extend(advice);
    }
    Ok(finding.into())
}

/// Whether any requests go to a revision.
fn is_asked(service: &Service, revision: &Revision) -> bool {
    service.serving.iter().any(|(id, percent)| *id == revision.id && *percent > 0)
}

/// A finding about a revision that is ready but gets no requests: a deploy that first tries a new revision
/// and then sends requests to it stopped in between, or somebody went back to an older one.
fn left_behind(service: &Service, revision: &Revision, environment: &Environment) -> Finding {
    let what = format!("the newest revision {} is ready, and no requests go to it", revision.id);
    let why = format!(
        "the last deploy stopped before it sent requests there, or somebody has gone back; {}",
        candidate::requests(service)
    );
    let name = environment.backend.as_ref().map(|backend| &backend.service);
    let to_latest = name.map(|name| {
        format!(
            "if it is to serve: gcloud run services update-traffic {} --to-latest --project={} --region={}",
            name.service, name.project, name.region
        )
    });
    let finding = Finding::warning(what, why).since(revision.created);
    to_latest.into_iter().fold(finding, Finding::advice)
}

/// A finding about a service whose last change failed although its newest revision is ready: requests may still
/// go where they went before, or the change may have made no revision.
fn not_applied(Newest { service, revision }: &Newest<'_>, reason: &str) -> Finding {
    Finding::problem(
        format!("the last change of the service failed: {}", verdict::summary(reason)),
        format!(
            "its newest revision {} is ready, and is not all that was asked for; {}",
            revision.id,
            candidate::requests(service)
        ),
    )
    .since(revision.created)
    .advice("put right what Cloud Run says, and deploy again")
}

/// The commands to type.
fn advice(inquiries: &Inquiries, cause: &Cause, revision: &Revision) -> Vec<String> {
    let environment: &Environment = &inquiries.environment;
    let name = &environment.job;
    let closer = |check: &str| hints::advice("look closer with", &hints::doctor(&environment.name, check));
    let whole = format!(
        "read all of its log with: gcloud beta run revisions logs read {} --project={} --region={} --limit=200",
        revision.id, name.project, name.region
    );
    match cause {
        Cause::AdminImage => vec![hints::advice(
            "give it its own image back with",
            &hints::command(&environment.name, "restore-backend", &[]),
        )],
        Cause::Database(_) => vec![closer("database"), whole],
        Cause::SlowStart { .. } => vec![
            "allow it more time in Terraform: failure_threshold of the service's startup_probe".to_owned(),
            whole,
        ],
        Cause::Migration(_)
        | Cause::Platform
        | Cause::EntryPoint { .. }
        | Cause::Killed { .. }
        | Cause::NotListening { .. }
        | Cause::OutOfMemory
        | Cause::PortMismatch { .. }
        | Cause::Unhealthy { .. }
        | Cause::Crash { .. }
        | Cause::Error
        | Cause::NoContainer
        | Cause::Unknown { .. } => vec![whole],
    }
}
