//! Finds the image that the backend gets back: one that it has run before, or one that is built.
//!
//! [`look`] goes through the revisions of the service, newest first, until `verdict.rs` accepts an image;
//! [`build`] builds one from the application's sources. Neither changes the service.
//!
//! To accept or refuse another image: `verdict.rs`. To look for it elsewhere: [`look`].

use std::path::Path;

use quill_admin_cloud::{CloudError, CloudErrorKind, Readiness, Service, ServiceName, role};
use quill_admin_contract::ExitCode;
use quill_admin_image::{BuildRequest, Context, Engine, ImageErrorKind, Registry, Revision, Token};

use super::verdict::{Verdict, judge};
use crate::admin_image::recognise::AdminImage;
use crate::admin_image::source::skipped;
use crate::config::{Backend, Environment};
use crate::error::CliError;
use crate::events::Event;
use crate::hints;
use crate::session::Session;

/// The state of the service, and the image to go back to.
#[derive(Debug)]
pub struct Found {
    /// The service as it was read.
    pub service: Service,
    /// Whether its newest revision is ready and is not the admin image.
    pub healthy: bool,
    /// The contradiction where its newest revision is ready, which the admin image never is, and is taken for it
    /// all the same.
    pub doubt: Option<String>,
    /// Revisions that were passed over, with the reasons; the newest first.
    pub passed_over: Vec<String>,
    /// The image to go back to.
    pub candidate: Option<Candidate>,
    admin: AdminImage,
}

impl Found {
    /// Makes sure that nobody goes back from a revision that is ready on the strength of a sign alone.
    ///
    /// # Errors
    ///
    /// Fails when the newest revision is ready and is taken for the admin image.
    pub fn is_certain(&self, environment: &Environment) -> Result<(), CliError> {
        let Some(doubt) = &self.doubt else { return Ok(()) };
        let force = hints::command(&environment.name, "restore-backend --force", &[]);
        Err(CliError::new(ExitCode::NotConfirmed, format!("{doubt}; {}", requests(&self.service)))
            .hint(
                "look which image it runs: what is ready is no admin image, whatever its name and labels say",
            )
            .hint(hints::advice("to go back all the same", &force)))
    }
}

/// An image for the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The image's name: pinned to a digest, unless it is still to be built.
    pub image: String,
    /// The origin of the image, in words.
    pub origin: String,
}

/// The application's sources.
#[derive(Debug)]
pub struct Source {
    context: Context,
    origin: String,
}

impl Source {
    /// Reads the sources.
    ///
    /// # Errors
    ///
    /// Fails when the folder or the Dockerfile in it cannot be read.
    pub fn read(folder: &Path, backend: &Backend) -> Result<Self, CliError> {
        let context = Context::read(folder, &backend.dockerfile).map_err(|error| {
            CliError::from(error).hint("give the root of the application's sources with --from-source")
        })?;
        let at = Revision::of(folder).map(|revision| format!(" at {}", revision.tag())).unwrap_or_default();
        let mut origin = format!("stage \"{}\" of {}{at}", backend.target, folder.display());
        for note in skipped(&context) {
            origin = format!("{origin}; {note}");
        }
        Ok(Self { context, origin })
    }

    /// The image that will be built from them.
    #[must_use]
    pub fn candidate(&self, backend: &Backend) -> Candidate {
        Candidate { image: backend.image.tagged(&backend.tag), origin: self.origin.clone() }
    }
}

/// The known properties of the environment's admin image.
async fn admin_image(session: &Session, token: Option<&Token>) -> AdminImage {
    let environment = session.environment();
    // The job and the images may be missing, or not be readable for us: there are other signs as well.
    let job = session.google().find_job(&environment.job).await.ok().flatten();
    let mut admin = AdminImage::new(&environment.image, job.as_ref().map(|job| job.settings.image.as_str()));
    let registry = Registry::new(&environment.image, token);
    for reference in admin.references() {
        if let Ok(Some(image)) = registry.image(&reference).await {
            admin.learn(&image);
        }
    }
    admin
}

/// The settings of the environment's backend.
///
/// # Errors
///
/// Fails when the environments file has no backend, and when its image has the admin image's repository.
pub fn backend(environment: &Environment) -> Result<&Backend, CliError> {
    let wrong = |what: &str| {
        CliError::usage(format!("environment \"{}\" {what}", environment.name))
            .hint("put it right in the environments file")
    };
    let backend = environment.backend.as_ref().ok_or_else(|| wrong("has no \"backend\""))?;
    if backend.image == environment.image {
        return Err(wrong("has the admin image's repository as its \"backend.image\""));
    }
    Ok(backend)
}

/// The command that builds the backend from its sources.
#[must_use]
pub fn from_source(environment: &Environment) -> String {
    hints::command(&environment.name, "restore-backend", &[("--from-source", "FOLDER")])
}

/// The error where there is no image to go back to.
#[must_use]
pub fn no_candidate(environment: &Environment, passed_over: Vec<String>) -> CliError {
    let service = environment.backend.as_ref().map(|backend| backend.service.service.to_string());
    let mut error = CliError::new(
        ExitCode::ResourceNotFound,
        format!("no revision of {} has an image to go back to", service.unwrap_or_default()),
    );
    error.messages.extend(passed_over);
    error.hint(hints::advice("build it from the application's sources", &from_source(environment)))
}

/// Adds the hint that tells how to see the state of the service.
pub(super) fn look_again(environment: &Environment, told: CliError) -> CliError {
    told.hint(see_again(environment))
}

pub(super) fn see_again(environment: &Environment) -> String {
    let command = hints::command(&environment.name, "restore-backend", &[]);
    format!("see what it runs with: {command} --dry-run")
}

/// Reads the service and looks for the image to go back to: that of the newest revision that was ready and is
/// not the admin image. Nothing is changed.
///
/// # Errors
///
/// Fails when the environment has no usable backend, and when the service, its revisions or an image in one of
/// the environment's registries cannot be read.
pub async fn look(session: &Session) -> Result<Found, CliError> {
    let google = session.google();
    let backend = backend(session.environment())?;
    let name = &backend.service;
    let token = session.registry_token().await?;
    let token = token.as_ref();
    session.emit(Event::Doing("looking at the service and its revisions"));
    let service = google.service(name).await.map_err(|error| explained(error, name))?;
    let (revisions, admin) = tokio::join!(google.revisions(name), admin_image(session, token));
    let healthy = service.latest_created == service.latest_ready;
    let mut found = Found { service, healthy, doubt: None, passed_over: Vec::new(), candidate: None, admin };
    for revision in revisions.map_err(|error| explained(error, name))? {
        let why = match judge(&revision, session.environment(), &found.admin, token).await? {
            Verdict::Good(image) => {
                found.candidate = Some(Candidate { image, origin: format!("revision {}", revision.id) });
                break;
            }
            Verdict::Bad(why) => {
                if revision.id == found.service.latest_created {
                    if found.healthy && revision.readiness == Readiness::Ready {
                        found.doubt =
                            Some(format!("revision {} is ready, and a sign says that {why}", revision.id));
                    }
                    found.healthy = false;
                }
                why
            }
            Verdict::Lost(why) => why,
        };
        found.passed_over.push(format!("{}: {why}", revision.id));
    }
    Ok(found)
}

pub(super) fn explained(error: CloudError, name: &ServiceName) -> CliError {
    let ServiceName { project, region, service } = name;
    match error.kind {
        CloudErrorKind::NotFound => CliError::new(
            ExitCode::ResourceNotFound,
            format!("project {project} has no Cloud Run service \"{service}\" in {region}"),
        )
        .hint("check backend.service in the environments file"),
        CloudErrorKind::PermissionDenied => CliError::from(error)
            .hint(format!("ask for the role {} in project {project}", role::RUN_DEVELOPER)),
        _ => error.into(),
    }
}

/// Builds the backend from its sources and pushes it under its tag. The service stays as it is, so the future
/// can be dropped at any time.
///
/// # Errors
///
/// Fails when the build or the push fails, and when the built image is the admin image.
pub async fn build(
    session: &Session,
    source: Source,
    found: &Found,
    engine: &Engine,
    no_cache: bool,
) -> Result<Candidate, CliError> {
    let backend = backend(session.environment())?;
    let name = backend.image.tagged(&backend.tag);
    let token = session.registry_token().await?;
    session.emit(Event::Doing("building the backend"));
    let request = BuildRequest {
        context: &source.context,
        target: &backend.target,
        args: &[],
        image: &name,
        no_cache,
        token: token.as_ref(),
    };
    let image =
        engine.build(&request, &|event| session.emit(Event::Image(event))).await.map_err(|error| {
            let hint = match error.kind {
                ImageErrorKind::BaseImage => {
                    "check that this machine reaches the registry of that image; where it wants a password: docker login"
                }
                ImageErrorKind::BuildFailed => {
                    "check backend.dockerfile and backend.target in the environments file"
                }
                _ => return CliError::from(error),
            };
            CliError { hints: vec![hint.to_owned()], ..error.into() }
        })?;
    if let Some(why) = found.admin.by_local_content(&image) {
        return Err(CliError::usage(format!(
            "stage \"{}\" of {} is the admin image ({why}): it was not pushed, and the service is as it was",
            backend.target, backend.dockerfile
        ))
        .hint("check backend.dockerfile and backend.target in the environments file"));
    }
    session.emit(Event::Doing("pushing the backend"));
    // A new token is asked for: a build can take longer than the first one was valid.
    let token = session.registry_token().await?;
    let digest = engine
        .push(&backend.image, &backend.tag, token.as_ref(), &|event| session.emit(Event::Image(event)))
        .await?;
    Ok(Candidate { image: backend.image.pinned(&digest), origin: source.origin })
}

/// The revisions that requests go to, in words.
#[must_use]
pub fn requests(service: &Service) -> String {
    match &service.serving[..] {
        [] => "no revision serves requests".to_owned(),
        [(revision, 100)] => format!("requests go to {revision}"),
        several => {
            let shares = several.iter().map(|(revision, percent)| format!("{percent} % to {revision}"));
            format!("requests go {}", shares.collect::<Vec<_>>().join(", "))
        }
    }
}
