//! Carries out a plan: the image is built and pushed, and the job is changed to run exactly that image.
//!
//! [`carry_out`] does all of it; [`deploy`] changes the job alone, which the doctor's fix `put-job-right`
//! does, too. The change of the job is the point of no return; the tags are moved after it.
//!
//! To add a step: its place in [`carry_out`], before or after the point of no return.

use std::time::Duration;

use quill_admin_cloud::{CloudErrorKind, Difference, JobName, Readiness};
use quill_admin_contract::ExitCode;
use quill_admin_image::Engine;
use tokio::time::sleep;

use super::plan::{JobPlan, Plan};
use super::push::{build, move_tags, no_engine, open_registry, push};
use super::source::{Made, Options};
use crate::error::CliError;
use crate::events::Event;
use crate::hints;
use crate::patience::{Looking, Patience, tell_once};
use crate::point_of_no_return::{PointOfNoReturn, UnderWay};
use crate::session::Session;

/// The longest time that a changed job may take to be ready.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// The first pause between looks at the job, doubled after each look up to the longest.
const FIRST_LOOK: Duration = Duration::from_millis(100);

const SLOWEST_LOOK: Duration = Duration::from_secs(2);

/// The result of carrying out a plan.
#[derive(Debug)]
pub struct Built {
    /// The image the job runs, pinned.
    pub image: String,
    /// Whether the image was built now.
    pub built: bool,
    /// Size of the layers that were not in the registry before, compressed, in bytes.
    pub uploaded: u64,
    /// Size of all layers, compressed, in bytes.
    pub size: u64,
    /// Whether the job was created now.
    pub created_job: bool,
    /// The changes that were made to the job.
    pub changes: Vec<Difference>,
    /// Tags that were moved to the image.
    pub moved_tags: Vec<String>,
    /// Notes for a person: tags that could not be moved.
    pub notes: Vec<String>,
}

/// Builds, pushes and deploys the image of the plan.
///
/// Until the job is changed everything can be broken off, by dropping the future. The change of the job is
/// the point of no return. The tags move after it, so that `latest` becomes this image only for whoever has
/// changed the job.
///
/// # Errors
///
/// Fails when there is no sign-in or no engine, when the build, the push or the change of the job fails, and
/// as [`deploy`] does.
pub async fn carry_out(
    session: &Session,
    mut plan: Plan,
    engine: Option<&Engine>,
    options: &Options,
    point: &PointOfNoReturn,
) -> Result<Built, CliError> {
    let mut uploaded = 0;
    let local = match &plan.source.made {
        _ if plan.existing.is_some() => None,
        Made::Compiled(compiled) => {
            let token = session.registry_token().await?;
            let engine = engine.ok_or_else(no_engine)?;
            let built = build(engine, &plan, compiled, options, token.as_ref(), session.emitter()).await?;
            // It gets the time of the commit, so that building the same commit again gives the same bytes.
            Some(engine.assembled(&built.id, plan.source.revision.time).await?)
        }
        Made::Assembled(assembled) => Some(assembled.image.clone()),
    };
    // The registry is opened only now: a build can take longer than the token was valid.
    let registry = open_registry(session, &plan.image).await?;
    let image = match (&plan.existing, &local) {
        (Some(existing), _) => existing.clone(),
        (None, Some(local)) => {
            let pushed;
            (pushed, uploaded) = push(session, &registry, &plan, local).await?;
            pushed
        }
        (None, None) => return Err(no_engine()),
    };
    plan.pin(&image);
    let mut done = Built {
        image: plan.image.pinned(&image.digest),
        built: local.is_some(),
        uploaded,
        size: image.layers.iter().map(|(_, size)| size).sum(),
        created_job: false,
        changes: Vec::new(),
        moved_tags: Vec::new(),
        notes: Vec::new(),
    };
    // Nothing was shown, and nobody was asked, so nothing is written, whatever else may have moved since.
    if plan.is_done() {
        return Ok(done);
    }
    if let Some(job) = &plan.job {
        done.changes = job.changes();
        let runs = format!(
            "the job {} runs {}; tags that were not moved yet are moved by running build again",
            session.environment().job.job,
            done.image
        );
        deploy(session, job, point, &runs).await?;
        done.created_job = matches!(job, JobPlan::Create(_));
    }
    (done.moved_tags, done.notes) = move_tags(session, &registry, &plan, &image.digest).await;
    Ok(done)
}

/// Creates or changes the job as planned, and waits until it can run. `made` says in words what was done, for
/// a person who leaves after the change.
///
/// # Errors
///
/// Fails when the change was refused, or it is not known whether it was made; and when the changed job cannot
/// run, or it is not known whether it can.
pub async fn deploy(
    session: &Session,
    job: &JobPlan,
    point: &PointOfNoReturn,
    made: &str,
) -> Result<(), CliError> {
    let (google, environment) = (session.google(), session.environment());
    let name: &JobName = &environment.job;
    let again = || hints::command(&environment.name, "build", &[]);
    let safe = || format!("running it again is safe: {}", again());
    let left = CliError::interrupted(made).hint(safe());
    if job.changes().is_empty() {
        point.passed(left);
        return Ok(());
    }
    point.reached(UnderWay::change().hint(safe())).await;
    let result = match job {
        JobPlan::Create(wanted) => {
            session.emit(Event::Doing("creating the job"));
            google.create_job(name, wanted).await
        }
        JobPlan::Change { job, wanted } => {
            session.emit(Event::Doing("changing the job"));
            google.change_job(name, job, wanted).await
        }
    };
    result.map_err(|error| match error.kind {
        CloudErrorKind::Conflict => CliError::new(
            ExitCode::CloudFailed,
            format!(
                "somebody else changed the job {} in the meantime: it was left as they made it",
                name.job
            ),
        )
        .hint(format!("look at it and try again with: {}", again())),
        CloudErrorKind::Failed => {
            CliError::new(ExitCode::CloudFailed, format!("{error}; whether the job was changed is not known"))
                .hint(safe())
        }
        _ => error.into(),
    })?;
    point.passed(left);
    ready(session).await.map_err(|error| error.hint(safe()))
}

/// Waits until the job, which was changed, can run.
async fn ready(session: &Session) -> Result<(), CliError> {
    let mut looking = Looking::new();
    let mut patience = Patience::new();
    let mut told = None;
    let mut pause = FIRST_LOOK;
    let wrong = |how: &str| CliError::new(ExitCode::CloudFailed, format!("the job was changed, and {how}"));
    loop {
        let job = session.google().job(&session.environment().job).await;
        match job.map(|job| job.readiness) {
            Ok(Readiness::Ready) => return Ok(()),
            Ok(Readiness::Failed { reason }) => return Err(wrong(&format!("is not ready: {reason}"))),
            Ok(Readiness::Pending) => {
                patience = Patience::new();
                if looking.lasted() > READY_WITHIN {
                    return Err(wrong("is not ready after a minute"));
                }
            }
            Err(error) if patience.ends_with(&error) => {
                let mut lost = CliError::from(error);
                lost.code = ExitCode::Unknown;
                lost.messages
                    .insert(0, "the job was changed, and whether it is ready is not known".to_owned());
                return Err(lost);
            }
            Err(error) => tell_once(&mut told, format!("{error}; trying again"), session),
        }
        sleep(pause).await;
        pause = (pause * 2).min(SLOWEST_LOOK);
    }
}
