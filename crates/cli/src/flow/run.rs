//! The pipeline: read the job, start it once, follow it, draw the conclusion.

use quill_admin_cloud::{Google, Job, JobName, RunError, RunJob};
use quill_admin_contract::{ExitCode, Request};

use super::conclusion::{Conclusion, Run};
use super::follow::{Followed, Lost, follow};
use crate::error::CliError;
use crate::events::{Emit, Event};

/// Runs one request against a job.
///
/// The request is a future because making it takes time (hashing a password): the job is read
/// meanwhile. `interrupted` resolves when a person presses Ctrl-C; `embedded` says that the
/// execution cannot outlive this program.
pub async fn run(
    google: &Google,
    job: &JobName,
    request: impl Future<Output = Result<Request, CliError>>,
    mut interrupted: impl AsyncFnMut(),
    embedded: bool,
    emit: Emit<'_>,
) -> Result<Run, CliError> {
    // Before anything can be in the log; nobody waits for it.
    let tail = google.tail_log(job).await;
    let read = async { google.job(job).await.map_err(CliError::from) };
    let prepared: Result<(Job, Request), CliError> = tokio::select! {
        prepared = async { tokio::try_join!(read, request) } => prepared,
        () = interrupted() => return Err(crate::prompt::interrupted()),
    };
    let (job_now, request) = prepared?;

    if let Some(id) = request.id {
        emit(Event::Detail(format!("request {id}")));
    }
    emit(Event::Detail(format!("image {}", job_now.image)));
    emit(Event::Doing("starting the job"));
    // From here on an interruption waits for the answer: without it nobody would know what runs.
    let started = google.run(job, RunJob { etag: job_now.etag, env: request.to_env() }).await;
    let execution = match started {
        Ok(execution) => execution,
        Err(RunError::NotStarted(error)) => return Err(error.into()),
        Err(RunError::Unknown(error)) => {
            let request = request.id.map(|id| format!(" (request {id})")).unwrap_or_default();
            return Err(CliError::new(
                ExitCode::Unknown,
                format!("{error}: the task may or may not have been started{request}"),
            ));
        }
    };
    let name = execution.name.clone();
    emit(Event::Started(name.clone()));

    let mut following = std::pin::pin!(follow(google, execution, Some(tail), emit));
    let mut interruptions = 0;
    let followed = loop {
        tokio::select! {
            followed = &mut following => break followed,
            () = interrupted() => {
                interruptions += 1;
                if !embedded {
                    return Err(CliError::new(
                        ExitCode::Interrupted,
                        format!("interrupted; the task goes on without this program, as execution {}", name.id),
                    ));
                }
                if interruptions > 1 {
                    return Err(CliError::new(
                        ExitCode::Interrupted,
                        "interrupted; the task is stopped together with the local environment and rolled back, \
                         unless it was done already",
                    ));
                }
                emit(Event::Doing("cancelling the task"));
                if let Err(error) = google.cancel(&name).await {
                    // It is followed to its end all the same.
                    emit(Event::Trouble(error.to_string()));
                }
            }
        }
    };
    match followed {
        Ok(Followed { execution, ending, task, result, system_log }) => {
            let conclusion = Conclusion::draw(&ending, execution.started.is_some(), task.as_ref(), result);
            Ok(Run { execution, conclusion, system_log })
        }
        Err(Lost(error)) => Err(CliError::new(
            ExitCode::Unknown,
            format!("lost contact with execution {}: {error}; the task may still be running", name.id),
        )),
    }
}
