//! Gives the backend an image, and waits until it serves.
//!
//! The change of the service is the point of no return. After it the service is read again and again, and the
//! log of a revision that does not start becomes part of the error.
//!
//! To change how long is waited: the constants below.

use std::time::Duration;

use jiff::Timestamp;
use quill_admin_cloud::{CloudErrorKind, LogEntry, LogSource, Readiness, Service, ServiceName};
use quill_admin_contract::ExitCode;
use quill_admin_contract::image::annotation;
use tokio::time::sleep;

use super::candidate::{backend, explained, from_source, look_again, requests, see_again};
use super::verdict::summary;
use crate::config::Environment;
use crate::error::{CliError, advice};
use crate::events::Event;
use crate::patience::{Looking, Patience, tell_once};
use crate::point_of_no_return::{PointOfNoReturn, UnderWay};
use crate::session::Session;

/// A startup probe gives up after 65 s; pulling the image and starting it come before that.
const READY_WITHIN: Duration = Duration::from_mins(5);

/// The interval at which the service is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A change whose answer was lost is visible within this time, or it is not known whether it arrived.
const SHOWS_WITHIN: Duration = Duration::from_secs(10);

/// The number of last log lines that are shown of a revision that does not start.
const LOG_LINES: usize = 40;

/// The number of times that an empty log is read again, and the pause before each: log entries come late.
const LOG_READS: u32 = 4;

const LOG_READ_EVERY: Duration = Duration::from_secs(2);

/// Reads the service once more: a build takes minutes, in which Cloud Run may have noted something on it. A
/// change that somebody else made must not be overwritten.
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
/// service as it is then. Until the change everything can be broken off.
///
/// # Errors
///
/// Fails when somebody else changed the service, when the change was refused, and when the revision does not
/// get ready, or it is not known whether it does.
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

/// Gives the service the image. Returns whether that is certain: a lost answer leaves it open.
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

/// The state of the service after [`change`], in words, for a person who leaves.
fn given(image: &str, certain: bool) -> String {
    format!("the service was {} {image}", if certain { "given" } else { "sent" })
}

/// Waits until the new revision serves; returns the service as it is then.
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
                // A revision is announced before it can be read everywhere.
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

async fn failed(session: &Session, name: &ServiceName, service: &Service, reason: &str) -> CliError {
    let revision = &service.latest_created;
    let mut told = CliError::new(
        ExitCode::CloudFailed,
        format!("revision {revision} is not ready: {reason}; {}", requests(service)),
    );
    for read in 1..=LOG_READS {
        match session.google().revision_log(name, revision, LOG_LINES).await {
            Ok(log) => {
                let own = log.entries.iter().filter(|entry| entry.source != LogSource::Other);
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
    .hint(advice("put right what it says, or build another image", &from_source(session.environment())))
    .at("backend-startup")
}
