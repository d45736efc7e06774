//! The pipeline: read the job, start it once, follow it, draw the conclusion.

use quill_admin_cloud::{CloudErrorKind, Execution, ExecutionName, Google, Job, JobName, LogTail, RunJob};
use quill_admin_contract::{ExitCode, Request};

use super::conclusion::{Conclusion, Run};
use super::follow::{Followed, Lost, follow};
use super::start::start;
use crate::config::{Environment, Place};
use crate::error::CliError;
use crate::events::{Emit, Event};
use crate::hints;

/// What is to be run, and what it is to be run by.
pub struct Prepared<'g> {
    /// The job as it was read.
    pub job: Job,
    /// The request.
    pub request: Request,
    /// The job's log, live; `None` where nothing is to be started.
    pub tail: Option<LogTail<'g>>,
}

/// What a person who pressed Ctrl-C wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To go on as before.
    Wait,
    /// To leave the task alone.
    Detach,
    /// To have the task stopped.
    Cancel,
}

/// Reads the job while the request is made, which takes time (hashing a password).
pub async fn prepare<'g>(
    google: &'g Google,
    environment: &'g Environment,
    request: impl Future<Output = Result<Request, CliError>>,
    dry_run: bool,
) -> Result<Prepared<'g>, CliError> {
    // Before anything can be in the log; nobody waits for it.
    let tail = if dry_run { None } else { Some(google.tail_log(&environment.job).await) };
    let read =
        async { google.job(&environment.job).await.map_err(|error| hints::no_job(error, environment)) };
    let (job, request) = tokio::try_join!(read, request)?;
    Ok(Prepared { job, request, tail })
}

/// The execution, or where to look for others.
pub async fn find(google: &Google, environment: &Environment, id: &str) -> Result<Execution, CliError> {
    let name = ExecutionName { job: environment.job.clone(), id: id.to_owned() };
    google.execution(&name).await.map_err(|error| match error.kind {
        CloudErrorKind::NotFound => CliError::new(
            ExitCode::ResourceNotFound,
            format!(
                "job {} has no execution \"{}\": Cloud Run forgets them after 7 days",
                environment.job.job,
                id.escape_debug()
            ),
        )
        .hint(format!("see what was run: {}", hints::command(&environment.name, "history", &[]))),
        _ => error.into(),
    })
}

/// Has Google Cloud check the run. Nothing is started.
pub async fn validate(google: &Google, name: &JobName, prepared: Prepared<'_>) -> Result<(), CliError> {
    let run = RunJob { etag: prepared.job.etag, env: prepared.request.to_env() };
    google.validate_run(name, run).await.map_err(CliError::from)
}

/// Starts what was prepared, once, and follows it to its end. `wish` resolves when a person pressed
/// Ctrl-C and said what for.
pub async fn run(
    google: &Google,
    environment: &Environment,
    prepared: Prepared<'_>,
    wish: impl AsyncFnMut() -> Wish,
    emit: Emit<'_>,
) -> Result<Run, CliError> {
    let Prepared { job, request, tail } = prepared;
    if let Some(id) = request.id {
        emit(Event::Detail(format!("request {id}")));
    }
    emit(Event::Doing("starting the job"));
    // From here on an interruption waits for the answer: without it nobody would know what runs.
    let execution = start(google, &environment.job, job, &request, emit).await?;
    emit(Event::Started(execution.name.clone()));
    attend(google, environment, execution, tail, wish, emit).await
}

/// Follows an execution to its end, or until a person has had enough of it: with a live log that was
/// opened before it began, or without one.
pub async fn attend(
    google: &Google,
    environment: &Environment,
    execution: Execution,
    tail: Option<LogTail<'_>>,
    mut wish: impl AsyncFnMut() -> Wish,
    emit: Emit<'_>,
) -> Result<Run, CliError> {
    let embedded = matches!(environment.place, Place::Embedded { .. });
    let name = execution.name.clone();
    let mut following = std::pin::pin!(follow(google, execution, tail, emit));
    let followed = loop {
        tokio::select! {
            followed = &mut following => break followed,
            wish = wish() => match wish {
                Wish::Wait => {}
                Wish::Cancel => {
                    emit(Event::Doing("cancelling the task"));
                    if let Err(error) = google.cancel(&name).await {
                        // It is followed to its end all the same.
                        emit(Event::Trouble(error.to_string()));
                    }
                }
                Wish::Detach if embedded => return Err(CliError::new(
                    ExitCode::Interrupted,
                    "interrupted; the task is stopped together with the local environment and rolled back, unless \
                     it was done already",
                )),
                Wish::Detach => return Err(hints::reach(
                    CliError::new(
                        ExitCode::Interrupted,
                        format!("interrupted; the task goes on without this program, as execution {}", name.id),
                    ),
                    &environment.name,
                    &name,
                )),
            },
        }
    };
    match followed {
        Ok(Followed { execution, ending, task, result, system_log, .. }) => {
            let conclusion = Conclusion::draw(&ending, execution.started.is_some(), &task, result);
            Ok(Run { execution, conclusion, system_log })
        }
        Err(Lost(error)) => {
            let message =
                format!("lost contact with execution {}: {error}; the task may still be running", name.id);
            // What helps against the cause (signing in again) comes first.
            let hints = CliError::from(error).hints;
            let lost = hints.into_iter().fold(CliError::new(ExitCode::Unknown, message), CliError::hint);
            Err(hints::reach(lost, &environment.name, &name))
        }
    }
}
