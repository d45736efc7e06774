//! The check `backend-image`: the backend runs its own image, and not the admin image by mistake. Its fix is
//! `restore-backend`.
//!
//! To add a sign of the admin image: `admin_image/recognise.rs` of the crate `operations`.

use jiff::Timestamp;
use quill_admin_cloud::{CloudErrorKind, LogExtent, Readiness, Revision, Service};
use quill_admin_contract::ExitCode;
use quill_admin_operations::admin_image::recognise::{AdminImage, Sign};
use quill_admin_operations::backend::{candidate, rollout};
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::Event;
use quill_admin_operations::hints;

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::fix::{Fix, Plan, Planning, Site};
use crate::inquiries::Inquiries;
use crate::startup::{self, Cause, Diagnosis, Startup};
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "backend-image",
    title: "the image the backend runs",
    needs: &["project"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

/// The reason why nothing follows from the absence of a line in a log.
pub(super) const IN_PART: &str =
    "its log was read only in part: Cloud Logging took too long to search all of it";

/// The newest revision of the backend's service.
pub(super) struct Newest<'a> {
    pub(super) service: &'a Service,
    pub(super) revision: &'a Revision,
}

impl Newest<'_> {
    /// The time at which it failed, or else at which it was created.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.revision.condition("Ready").and_then(|ready| ready.since).or(self.revision.created)
    }
}

/// The newest revision, or the result of the check where there is none to examine.
pub(super) async fn newest(inquiries: &Inquiries) -> Result<Result<Newest<'_>, Report>, Undecided> {
    if let Some(why) = inquiries.nothing_around() {
        return Ok(Err(Report::nothing(why)));
    }
    let Some(backend) = &inquiries.environment.backend else {
        return Ok(Err(Report::nothing("the environments file names no backend")));
    };
    let (service, revisions) = tokio::join!(inquiries.service(), inquiries.revisions());
    let name = &backend.service;
    let service = match service {
        Ok(Some(service)) => service,
        Ok(None) => return Ok(Err(Report::nothing("the environments file names no backend"))),
        Err(undecided) if undecided.kind == Some(CloudErrorKind::NotFound) => {
            let what = format!(
                "project {} has no Cloud Run service \"{}\" in {}",
                name.project, name.service, name.region
            );
            let finding =
                Finding::problem(what, "the application is not deployed, or the file names it wrongly");
            let advice = "check backend.service in the environments file, or make it with: terraform apply";
            return Ok(Err(finding.advice(advice).into()));
        }
        Err(undecided) => return Err(undecided),
    };
    let revisions = revisions?;
    if service.latest_created.is_empty() {
        let what = format!("the service {} has no revision", name.service);
        return Ok(Err(Finding::problem(what, "it has never been deployed").into()));
    }
    // The list is read apart from the service: it can be from before a deploy, or from after a clean-up.
    let Some(revision) = revisions.iter().find(|revision| revision.id == service.latest_created) else {
        let (service, newest) = (&name.service, &service.latest_created);
        let what =
            format!("the service {service} names {newest} as its newest revision, and its list lacks it");
        return Err(Undecided::new(what).advice("look again in a minute"));
    };
    Ok(Ok(Newest { service, revision }))
}

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    let newest = match Box::pin(newest(inquiries)).await? {
        Ok(newest) => newest,
        Err(seen) => return Ok(seen),
    };
    let Newest { service, revision } = &newest;
    let ready = revision.readiness == Readiness::Ready;
    let mut evidence = vec![format!("{}: {}", revision.id, revision.image)];
    let mut why = match is_admin_image(inquiries, &revision.image).await {
        Ok(why) => why,
        // A revision that serves requests does not run the admin image, which cannot serve.
        Err(_) if ready => None,
        Err(undecided) => match said(inquiries, revision).await? {
            Some(lines) => {
                evidence.extend(lines);
                Some(Sign::Log)
            }
            None => return Err(undecided.blocks_nothing()),
        },
    };
    if why.is_none()
        && !ready
        && let Some(lines) = said(inquiries, revision).await?
    {
        evidence.extend(lines);
        why = Some(Sign::Log);
    }
    let Some(why) = why else {
        return Ok(Report::healthy(format!("{}, revision {}", short(&revision.image), revision.id)));
    };
    if ready {
        return Ok(doubtful(&newest, why).into());
    }
    // The lines of the log are added because people know the mistake by them.
    if evidence.len() == 1
        && let Ok(Some(lines)) = said(inquiries, revision).await
    {
        evidence.extend(lines);
    }
    let explanation = format!("{}; {}", Cause::AdminImage.explanation(), candidate::requests(service));
    let command = hints::command(&inquiries.environment.name, "restore-backend", &[]);
    Ok(Finding::problem(format!("the backend runs the admin image: {why}"), explanation)
        .since(newest.since())
        .evidence(evidence)
        .advice(hints::advice("give it its own image back with", &command))
        .advice(hints::advice(
            "then find the step that deployed it",
            &hints::of_file("doctor --only repository --repo FOLDER"),
        ))
        .fix(RestoreBackend)
        .into())
}

/// A finding about a revision that is taken for the admin image and is ready, which the admin image never is. To
/// replace it by another one could end what serves, so there is no fix.
fn doubtful(Newest { service, revision }: &Newest<'_>, why: Sign) -> Finding {
    Finding::warning(
        format!("revision {} is ready, and its image is taken for the admin image: {why}", revision.id),
        format!(
            "the admin image is never ready, so this is another image under its name, digest or labels; {}",
            candidate::requests(service)
        ),
    )
    .since(revision.created)
    .evidence([format!("{}: {}", revision.id, revision.image)])
    .advice(
        "push the backend's image to its own repository, without the admin image's labels, and deploy that",
    )
}

/// The lines of a revision's log that prove that it is the admin image.
async fn said(inquiries: &Inquiries, revision: &Revision) -> Result<Option<Vec<String>>, Undecided> {
    let log = inquiries.revision_log(&revision.id).await.map_err(Undecided::blocks_nothing)?;
    let startup = Startup { log: Some(&log), reason: "", admin_image: None, probe: None, port: None };
    let Diagnosis { cause, evidence } = startup::diagnose(&startup);
    match (cause, log.extent) {
        (Cause::AdminImage, _) => Ok(Some(evidence)),
        (_, LogExtent::Whole | LogExtent::End) => Ok(None),
        (_, LogExtent::Part) => {
            Err(Undecided::new(format!("revision {} is not ready, and {IN_PART}", revision.id))
                .advice("look again in a minute")
                .blocks_nothing())
        }
    }
}

/// The sign by which an image is the admin image; `None` if it is not.
pub(super) async fn is_admin_image(inquiries: &Inquiries, name: &str) -> Result<Option<Sign>, Undecided> {
    // The job and the images may be missing, or not be readable for us: there are other signs as well.
    let job = inquiries.job().await.ok().flatten();
    let deployed = job.map(|job| job.settings.image.as_str());
    let mut admin = AdminImage::new(&inquiries.environment.image, deployed);
    for reference in admin.references() {
        if let Ok(Some(image)) = inquiries.image(&reference).await {
            admin.learn(&image);
        }
    }
    if let Some(sign) = admin.by_name(name) {
        return Ok(Some(sign));
    }
    let found = inquiries.image_called(name).await?;
    Ok(found.and_then(|image| admin.by_content(&image)))
}

/// The name of an image without the registry, and with a shortened digest.
fn short(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once("@sha256:") {
        Some((name, digest)) => format!("{name}@sha256:{}", digest.get(..12).unwrap_or(digest)),
        None => name.to_owned(),
    }
}

/// The fix that gives the backend its own image back, as `restore-backend` does.
#[derive(Debug)]
struct RestoreBackend;

impl Fix for RestoreBackend {
    fn id(&self) -> &'static str {
        "restore-backend"
    }

    fn summary(&self) -> &'static str {
        "give the backend its own image back"
    }

    fn plan<'a>(&'a self, site: Site<'a>) -> Planning<'a> {
        Box::pin(plan_restore(site))
    }
}

async fn plan_restore(Site { inquiries, session }: Site<'_>) -> Result<Plan, CliError> {
    let mut found = candidate::look(session).await?;
    found.is_certain(&inquiries.environment)?;
    if found.healthy {
        let now = &found.service.latest_ready;
        return Err(CliError::new(
            ExitCode::CloudFailed,
            format!("revision {now} is ready by now, and is not the admin image: the service is as it was"),
        )
        .hint("look again"));
    }
    let Some(candidate) = found.candidate.take() else {
        return Err(candidate::no_candidate(&inquiries.environment, found.passed_over));
    };
    let service = found.service;
    let lines =
        vec![format!("image: {} → {}", service.image, candidate.image), format!("from {}", candidate.origin)];
    Ok(Plan::new(lines, move |Site { session, .. }, point| {
        Box::pin(async move {
            session.emit(Event::Doing("reading the service once more"));
            let now = rollout::deploy(session, &service, &candidate.image, point).await?;
            Ok(format!("revision {} serves with {}", now.latest_ready, now.image))
        })
    }))
}
