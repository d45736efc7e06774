//! The backend service runs the admin image by mistake: gives it its own image back.
//!
//! [`look`] finds the image to go back to, or [`from_source`] builds one; [`deploy`] changes the service
//! and waits until the new revision serves, or says why it does not.

use std::path::Path;
use std::time::Duration;

use quill_admin_cloud::{CloudError, CloudErrorKind, Google, LogEntry, Readiness, Service, ServiceName};
use quill_admin_contract::ExitCode;
use quill_admin_contract::image::{LABEL_TITLE, TITLE};
use quill_admin_image::{BuildRequest, Context, Engine, Registry, Repository, Revision, Token};
use tokio::time::{Instant, sleep};

use crate::config::{Backend, Environment};
use crate::error::CliError;
use crate::events::{Emit, Event};

/// A startup probe gives up after 65 s; pulling the image and starting it come before that.
const READY_WITHIN: Duration = Duration::from_mins(5);
/// How often the new revision is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The last lines shown of a revision that does not start.
const LOG_LINES: i32 = 40;

/// What was found out.
pub struct Found {
    /// The service as it was read.
    pub service: Service,
    /// Why it cannot stay as it is; `None` if it runs its own image and is ready.
    pub trouble: Option<String>,
    /// Revisions that were passed over, and why.
    pub passed_over: Vec<String>,
    /// The image to go back to, and the revision it is from.
    pub candidate: Option<Candidate>,
}

/// An image to go back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The image, pinned.
    pub image: String,
    /// Where it is from, in words.
    pub origin: String,
}

/// What is known of the admin image, to tell it by.
struct AdminImage {
    repository: Repository,
    digests: Vec<String>,
}

impl AdminImage {
    async fn of(google: &Google, environment: &Environment, token: Option<&Token>) -> Result<Self, CliError> {
        let repository = environment.image.clone();
        let mut digests = Vec::new();
        // Each of the two may be missing or not ours to see; the labels tell as well.
        if let Ok(Some(job)) = google.deployed_job(&environment.job).await
            && let Some((_, digest)) = job.settings.image.split_once('@')
        {
            digests.push(digest.to_owned());
        }
        if let Ok(Some(digest)) = Registry::new(&repository, token).digest(super::build::LATEST).await {
            digests.push(digest);
        }
        Ok(Self { repository, digests })
    }

    /// Why an image, as it is named, is the admin image; `None` if nothing says so.
    fn by_name(&self, image: &str) -> Option<&'static str> {
        if self.repository.has(image) {
            return Some("it is from the admin image's repository");
        }
        let digest = image.split_once('@').map(|(_, digest)| digest)?;
        self.by_digest(digest)
    }

    fn by_digest(&self, digest: &str) -> Option<&'static str> {
        self.digests.iter().any(|own| own == digest).then_some("it has the admin image's digest")
    }
}

fn by_label(labels: &std::collections::HashMap<String, String>) -> Option<&'static str> {
    (labels.get(LABEL_TITLE).map(String::as_str) == Some(TITLE)).then_some("its labels say so")
}

/// The environment's backend, or what is missing in the file.
pub fn backend(environment: &Environment) -> Result<&Backend, CliError> {
    environment.backend.as_ref().ok_or_else(|| {
        CliError::usage(format!(
            "environment \"{}\" has no \"backend\" in the environments file",
            environment.name
        ))
    })
}

/// Looks at the service and for the image to go back to: that of the newest revision that was ready
/// and does not run the admin image. Nothing is changed.
pub async fn look(
    google: &Google,
    environment: &Environment,
    token: Option<&Token>,
    emit: Emit<'_>,
) -> Result<Found, CliError> {
    let backend = backend(environment)?;
    emit(Event::Doing("looking at the service and its revisions"));
    let service = google.service(&backend.service).await.map_err(|error| missing(error, &backend.service))?;
    let (revisions, admin) = tokio::try_join!(
        async { google.revisions(&backend.service).await.map_err(CliError::from) },
        AdminImage::of(google, environment, token)
    )?;
    let trouble = if let Some(why) = admin.by_name(&service.image) {
        Some(format!("it runs the admin image ({why})"))
    } else if service.latest_created != service.latest_ready {
        Some(format!("its newest revision {} is not ready", service.latest_created))
    } else {
        match resolve(&service.image, token).await {
            Ok(Resolved { labels: Some(why), .. }) => Some(format!("it runs the admin image ({why})")),
            _ => None,
        }
    };
    let mut passed_over = Vec::new();
    let mut candidate = None;
    for revision in &revisions {
        let mut pass = |why: &str| passed_over.push(format!("{}: {why}", revision.id));
        match &revision.readiness {
            Readiness::Ready => {}
            Readiness::Pending => {
                pass("it is not ready");
                continue;
            }
            Readiness::Failed { .. } => {
                pass("it was never ready");
                continue;
            }
        }
        if let Some(why) = admin.by_name(&revision.image) {
            pass(&format!("it runs the admin image ({why})"));
            continue;
        }
        match resolve(&revision.image, token).await {
            // A tag is what it is today: it may have been moved to the admin image since.
            Ok(Resolved { labels: Some(why), .. }) => pass(&format!("its image is the admin image ({why})")),
            Ok(Resolved { digest, .. }) if admin.by_digest(&digest).is_some() => {
                pass("its image has the admin image's digest");
            }
            Ok(Resolved { pinned, .. }) => {
                let origin = format!("revision {}", revision.id);
                candidate = Some(Candidate { image: pinned, origin });
                break;
            }
            Err(why) => pass(&why),
        }
    }
    Ok(Found { service, trouble, passed_over, candidate })
}

fn missing(error: CloudError, service: &ServiceName) -> CliError {
    match error.kind {
        CloudErrorKind::NotFound => CliError::new(
            ExitCode::ResourceNotFound,
            format!("project {} has no Cloud Run service \"{}\"", service.project, service.service),
        )
        .hint("check backend.service in the environments file"),
        _ => error.into(),
    }
}

struct Resolved {
    pinned: String,
    digest: String,
    /// Why its labels make it the admin image.
    labels: Option<&'static str>,
}

/// What an image's name stands for today. The error says in words why it cannot be used.
async fn resolve(image: &str, token: Option<&Token>) -> Result<Resolved, String> {
    let (name, reference) = match image.split_once('@') {
        Some((name, digest)) => (
            name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name),
            digest,
        ),
        None => match image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
            Some((name, tag)) => (name, tag),
            None => (image, "latest"),
        },
    };
    let repository: Repository = name.parse().map_err(|error| format!("{error}"))?;
    match Registry::new(&repository, token).image(reference).await {
        Ok(Some(found)) => Ok(Resolved {
            pinned: repository.pinned(&found.digest),
            labels: by_label(&found.labels),
            digest: found.digest,
        }),
        Ok(None) => Err(format!("the registry no longer has its image {image}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Builds the backend from its sources and pushes it under its tag.
pub async fn from_source(
    google: &Google,
    environment: &Environment,
    folder: &Path,
    engine: &Engine,
    token: Option<&Token>,
    no_cache: bool,
    emit: Emit<'_>,
) -> Result<Candidate, CliError> {
    let backend = backend(environment)?;
    let context = Context::read(folder, &backend.dockerfile).map_err(|error| {
        CliError::from(error).hint("give the root of the application's sources with --from-source")
    })?;
    let revision = Revision::of(folder).ok();
    emit(Event::Doing("building the backend"));
    let name = backend.image.tagged(&backend.tag);
    let request =
        BuildRequest { context: &context, target: &backend.target, args: &[], image: &name, no_cache };
    let image = engine.build(&request, &|event| emit(Event::Image(event))).await?;
    if let Some(why) = by_label(&image.labels) {
        return Err(is_admin(&format!("stage \"{}\" of {}", backend.target, backend.dockerfile), why));
    }
    if backend.image == environment.image {
        return Err(is_admin(&name, "backend.image names the admin image's repository"));
    }
    emit(Event::Doing("pushing the backend"));
    let digest = engine.push(&backend.image, &backend.tag, token, &|event| emit(Event::Image(event))).await?;
    let admin = AdminImage::of(google, environment, token).await?;
    if let Some(why) = admin.by_digest(&digest) {
        return Err(is_admin(&name, why));
    }
    let origin = revision.map_or_else(
        || format!("built from {}", folder.display()),
        |revision| format!("built from {} at {}", folder.display(), revision.tag()),
    );
    Ok(Candidate { image: backend.image.pinned(&digest), origin })
}

fn is_admin(what: &str, why: &str) -> CliError {
    CliError::usage(format!("{what} is the admin image ({why}): it was not deployed to the backend"))
        .hint("check backend.dockerfile and backend.target in the environments file")
}

/// Gives the service the image and waits until the new revision is ready; returns its id. `commit` is
/// called right before the change.
pub async fn deploy(
    google: &Google,
    environment: &Environment,
    service: &Service,
    image: &str,
    emit: Emit<'_>,
    commit: impl FnOnce(),
) -> Result<String, CliError> {
    let name = &backend(environment)?.service;
    commit();
    emit(Event::Doing("changing the service"));
    google.change_service_image(service, image).await.map_err(|error| match error.kind {
        CloudErrorKind::Conflict => CliError::new(
            ExitCode::CloudFailed,
            format!(
                "somebody else changed the service {} in the meantime: it was left as they made it ({})",
                name.service, error.message
            ),
        )
        .hint("look at it and run the same command again"),
        _ => error.into(),
    })?;
    emit(Event::Doing("waiting for the new revision"));
    let deadline = Instant::now() + READY_WITHIN;
    let before = &service.latest_created;
    loop {
        let late = Instant::now() > deadline;
        let now = google.service(name).await?;
        let revision = (now.latest_created != *before).then_some(now.latest_created);
        if let Some(revision) = &revision {
            match google.revision(name, revision).await {
                Ok(found) => match found.readiness {
                    Readiness::Ready => return Ok(revision.clone()),
                    Readiness::Failed { reason } => {
                        return Err(failed(google, name, revision, &reason).await);
                    }
                    Readiness::Pending => {}
                },
                // It is announced before it can be read everywhere.
                Err(error) if error.kind == CloudErrorKind::NotFound => {}
                Err(error) => emit(Event::Trouble(format!("{error}; trying again"))),
            }
        }
        if late {
            let revision = revision.unwrap_or_else(|| "the new revision".to_owned());
            let within = format!("it is not ready after {} minutes", READY_WITHIN.as_secs() / 60);
            return Err(failed(google, name, &revision, &within).await);
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn failed(google: &Google, service: &ServiceName, revision: &str, reason: &str) -> CliError {
    let mut error = CliError::new(
        ExitCode::CloudFailed,
        format!(
            "revision {revision} of {} does not serve: {}",
            service.service,
            if reason.is_empty() { "Cloud Run gives no reason" } else { reason }
        ),
    );
    match google.revision_log(service, revision, LOG_LINES).await {
        Ok(entries) => {
            error.output = entries.into_iter().map(|LogEntry { message, .. }| message).collect();
        }
        Err(problem) => error.messages.push(problem.to_string()),
    }
    error.hint(
        "requests still go to the last revision that was ready; its image can be deployed with --from-source",
    )
}
