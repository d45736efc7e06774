//! The backend service runs the admin image by mistake: gives it its own image back.
//!
//! [`look`] finds the image to go back to, or [`build`] makes one; [`deploy`] gives it to the service and
//! looks on until the new revision serves, or says why it does not.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use quill_admin_cloud::{
    CloudError, CloudErrorKind, LogEntry, LogSource, Readiness, Service, ServiceName, role,
};
use quill_admin_contract::ExitCode;
use quill_admin_contract::image::annotation;
use quill_admin_image::{
    BuildRequest, Context, Engine, ImageErrorKind, Registry, Repository, Revision, Token, split,
};
use tokio::time::sleep;

use super::patience::{Looking, Patience, tell_once};
use crate::admin_image::AdminImage;
use crate::config::{Backend, Environment};
use crate::error::CliError;
use crate::events::Event;
use crate::flow::build::skipped;
use crate::flow::point_of_no_return::{PointOfNoReturn, UnderWay};
use crate::hints;
use crate::session::Session;

/// A startup probe gives up after 65 s; pulling the image and starting it come before that.
const READY_WITHIN: Duration = Duration::from_mins(5);
/// How often the service is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A change whose answer was lost shows within this time, or is not known to have arrived.
const SHOWS_WITHIN: Duration = Duration::from_secs(10);
/// The last lines shown of a revision that does not start.
const LOG_LINES: i32 = 40;
/// Log entries come late: how often an empty log is read again, and after which time.
const LOG_READS: u32 = 4;
const LOG_READ_EVERY: Duration = Duration::from_secs(2);

/// What was found out.
pub struct Found {
    /// The service as it was read.
    pub service: Service,
    /// Its newest revision is ready, and is not the admin image.
    pub healthy: bool,
    /// Revisions that were passed over, and why; the newest first.
    pub passed_over: Vec<String>,
    /// The image to go back to.
    pub candidate: Option<Candidate>,
    admin: AdminImage,
}

/// An image for the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The image: pinned, unless it is still to be built.
    pub image: String,
    /// Where it is from, in words.
    pub origin: String,
}

/// The application's sources.
pub struct Source {
    context: Context,
    origin: String,
}

impl Source {
    /// Reads them.
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

    /// What will be built from them.
    #[must_use]
    pub fn candidate(&self, backend: &Backend) -> Candidate {
        Candidate { image: backend.image.tagged(&backend.tag), origin: self.origin.clone() }
    }
}

/// What is known of the environment's admin image.
async fn admin_image(session: &Session, token: Option<&Token>) -> AdminImage {
    let environment = session.environment();
    // Either may be missing or not ours to see: an image tells by other signs as well.
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

/// The environment's backend, or what is wrong in the file.
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

/// The command that builds the backend.
#[must_use]
pub fn from_source(environment: &Environment) -> String {
    hints::command(&environment.name, "restore-backend", &[("--from-source", "FOLDER")])
}

/// There is nothing to go back to.
#[must_use]
pub fn no_candidate(environment: &Environment, passed_over: Vec<String>) -> CliError {
    let service = environment.backend.as_ref().map(|backend| backend.service.service.to_string());
    let mut error = CliError::new(
        ExitCode::ResourceNotFound,
        format!("no revision of {} has an image to go back to", service.unwrap_or_default()),
    );
    error.messages.extend(passed_over);
    error.hint(format!("build it from the application's sources: {}", from_source(environment)))
}

/// Adds how to see what became of the service.
fn look_again(environment: &Environment, told: CliError) -> CliError {
    told.hint(see_again(environment))
}

fn see_again(environment: &Environment) -> String {
    let command = hints::command(&environment.name, "restore-backend", &[]);
    format!("see what it runs with: {command} --dry-run")
}

/// Looks at the service and for the image to go back to: that of the newest revision that was ready
/// and is not the admin image. Nothing is changed.
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
    let mut found = Found { service, healthy, passed_over: Vec::new(), candidate: None, admin };
    for revision in revisions.map_err(|error| explained(error, name))? {
        let why = match judge(&revision, backend.image.registry(), &found.admin, token).await? {
            Verdict::Good(image) => {
                found.candidate = Some(Candidate { image, origin: format!("revision {}", revision.id) });
                break;
            }
            Verdict::Bad(why) => {
                found.healthy &= revision.id != found.service.latest_created;
                why
            }
            Verdict::Lost(why) => why,
        };
        found.passed_over.push(format!("{}: {why}", revision.id));
    }
    Ok(found)
}

fn explained(error: CloudError, name: &ServiceName) -> CliError {
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

/// Whether a revision's image can be gone back to.
enum Verdict {
    /// It can, under this name.
    Good(String),
    /// The revision does not serve, or is the admin image.
    Bad(String),
    /// Nothing is wrong with the revision, but its image cannot be had any more.
    Lost(String),
}

/// `registry` is our own.
async fn judge(
    revision: &quill_admin_cloud::Revision,
    registry: &str,
    admin: &AdminImage,
    token: Option<&Token>,
) -> Result<Verdict, CliError> {
    let name = &revision.image;
    if let Some(sign) = admin.by_repository(name) {
        return Ok(Verdict::Bad(format!("it is the admin image: {sign}")));
    }
    match &revision.readiness {
        Readiness::Ready => {}
        Readiness::Pending => return Ok(Verdict::Bad("it is not ready yet".to_owned())),
        Readiness::Failed { reason } => {
            return Ok(Verdict::Bad(format!("it is not ready: {}", summary(reason))));
        }
    }
    let (repository, reference) = split(name);
    let repository: Repository = match repository.parse() {
        Ok(repository) => repository,
        Err(error) => return Ok(Verdict::Lost(format!("{error}"))),
    };
    // The token is for our own registry, and nobody else's business.
    let own = repository.registry() == registry;
    let image = match Registry::new(&repository, token.filter(|_| own)).image(reference).await {
        Ok(Some(image)) => image,
        Ok(None) => return Ok(Verdict::Lost(format!("the registry no longer has its image {name}"))),
        // That it does not answer is no reason to go back to an older image than necessary.
        Err(error) if own => return Err(error.into()),
        Err(error) => return Ok(Verdict::Lost(error.to_string())),
    };
    // A tag is what it is today, and the revision is what it was then.
    let moved = !reference.starts_with("sha256:") && image.created > revision.created;
    Ok(match (admin.by_content(&image), moved) {
        (None, false) => Verdict::Good(repository.pinned(&image.digest)),
        (None, true) => Verdict::Lost(format!("the tag {name} has been moved to a newer image since")),
        (Some(why), false) => Verdict::Bad(format!("it is the admin image: {why}")),
        (Some(why), true) => {
            Verdict::Lost(format!("the tag {name} has been moved to the admin image since: {why}"))
        }
    })
}

/// Cloud Run's reasons go on with where to read more; their first sentence says what it is.
#[must_use]
pub fn summary(reason: &str) -> &str {
    let line = reason.lines().next().unwrap_or_default();
    match line.split(". ").next().unwrap_or_default().trim().trim_end_matches('.') {
        "" => "Cloud Run gives no reason",
        line => line,
    }
}

/// Builds the backend from its sources and pushes it under its tag. Breaking it off leaves the service
/// as it is: dropping the future does that.
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
    // Only now: a build can take longer than the token was good for.
    let token = session.registry_token().await?;
    let digest = engine
        .push(&backend.image, &backend.tag, token.as_ref(), &|event| session.emit(Event::Image(event)))
        .await?;
    Ok(Candidate { image: backend.image.pinned(&digest), origin: source.origin })
}

/// Reads the service once more: a build takes minutes, in which Cloud Run may have noted something on
/// it. What somebody else changed in it is not to be overwritten.
async fn unchanged(session: &Session, before: &Service) -> Result<Service, CliError> {
    let environment = session.environment();
    let name = &backend(environment)?.service;
    let now = session.google().service(name).await.map_err(|error| explained(error, name))?;
    if now.generation == before.generation { Ok(now) } else { Err(conflict(environment)) }
}

fn conflict(environment: &Environment) -> CliError {
    look_again(
        environment,
        CliError::new(
            ExitCode::CloudFailed,
            "somebody else changed the service in the meantime: it was left as they made it",
        ),
    )
}

/// Reads the service once more, gives it the image, and waits until the new revision serves; returns the
/// service then. Until the change everything can be broken off.
///
/// # Errors
///
/// Somebody else changed the service, the change was refused, or the revision does not get ready.
pub async fn deploy(
    session: &Session,
    seen: &Service,
    image: &str,
    point: &PointOfNoReturn,
) -> Result<Service, CliError> {
    let before = unchanged(session, seen).await?;
    let environment = session.environment();
    point.reached(UnderWay::change().hint(see_again(environment))).await;
    let certain = change(session, &before, image).await?;
    let left = format!("{}, and Cloud Run goes on without this program", given(image, certain));
    point.passed(look_again(environment, CliError::interrupted(&left)));
    wait(session, &before, image, certain).await
}

/// Gives the service the image. Returns whether that is certain: an answer that was lost leaves it open.
async fn change(session: &Session, service: &Service, image: &str) -> Result<bool, CliError> {
    let environment = session.environment();
    session.emit(Event::Doing("changing the service"));
    let note = (annotation::RESTORED, Timestamp::now().to_string());
    match session.google().change_service_image(service, image, note).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind == CloudErrorKind::Conflict => Err(conflict(environment)),
        Err(error) if error.refused() => Err(explained(error, &backend(environment)?.service)),
        Err(error) => {
            session.emit(Event::Trouble(format!("{error}; looking whether the change arrived")));
            Ok(false)
        }
    }
}

/// What has become of the service once [`change`] was called, and nobody looks any more.
fn given(image: &str, certain: bool) -> String {
    format!("the service was {} {image}", if certain { "given" } else { "sent" })
}

/// Waits until the new revision serves; returns the service then.
async fn wait(session: &Session, before: &Service, image: &str, certain: bool) -> Result<Service, CliError> {
    let (google, environment) = (session.google(), session.environment());
    let name = &backend(environment)?.service;
    let given = || given(image, certain);
    session.emit(Event::Doing("waiting for the new revision"));
    let mut looking = Looking::new();
    let mut patience = Patience::new();
    let mut told = None;
    loop {
        let lasted = looking.lasted();
        match google.service(name).await {
            Ok(now) if now.latest_created == before.latest_created => {
                patience = Patience::new();
                if lasted > if certain { READY_WITHIN } else { SHOWS_WITHIN } {
                    let told = format!(
                        "{}, but whether that had an effect is not known: there is no new revision so far; {}",
                        given(),
                        requests(&now)
                    );
                    return Err(look_again(environment, CliError::new(ExitCode::Unknown, told)));
                }
            }
            Ok(now) if now.image != image => {
                let told = format!("somebody else has given the service another image since: {}", now.image);
                return Err(look_again(environment, CliError::new(ExitCode::CloudFailed, told)));
            }
            Ok(now) if now.latest_ready == now.latest_created && !now.reconciling => return Ok(now),
            Ok(now) => {
                patience = Patience::new();
                // It is announced before it can be read everywhere.
                if let Ok(revision) = google.revision(name, &now.latest_created).await
                    && let Readiness::Failed { reason } = revision.readiness
                {
                    return Err(failed(session, name, &now, summary(&reason)).await);
                }
                if lasted > READY_WITHIN {
                    let late = format!("it has been starting for {} minutes", READY_WITHIN.as_secs() / 60);
                    return Err(failed(session, name, &now, &late).await);
                }
            }
            Err(error) if patience.ends_with(&error) => {
                let mut lost = CliError::from(error);
                lost.code = ExitCode::Unknown;
                lost.messages.insert(0, format!("{}, but whether it runs it is not known", given()));
                return Err(look_again(environment, lost));
            }
            Err(error) => tell_once(&mut told, format!("{error}; trying again"), session),
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Where requests go, in words.
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

async fn failed(session: &Session, name: &ServiceName, service: &Service, reason: &str) -> CliError {
    let revision = &service.latest_created;
    let mut told = CliError::new(
        ExitCode::CloudFailed,
        format!("revision {revision} is not ready: {reason}; {}", requests(service)),
    );
    for read in 1..=LOG_READS {
        match session.google().revision_log(name, revision, LOG_LINES).await {
            Ok(entries) => {
                let own = entries.iter().filter(|entry| entry.source != LogSource::Other);
                told.output =
                    own.flat_map(|LogEntry { message, .. }| message.lines().map(str::to_owned)).collect();
            }
            Err(error) => told.messages.push(error.to_string()),
        }
        if !told.output.is_empty() || told.messages.len() > 1 || read == LOG_READS {
            break;
        }
        sleep(LOG_READ_EVERY).await;
    }
    told.hint(format!(
        "read all of its log with: gcloud beta run revisions logs read {revision} --project={} --region={}",
        name.project, name.region
    ))
    .hint(format!("put right what it says, or build another image: {}", from_source(session.environment())))
    .at("backend-startup")
}
