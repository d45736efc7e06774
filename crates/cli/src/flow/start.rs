//! Starts a run exactly once, or says that it does not know.
//!
//! `RunJob` has no idempotency key. A lost answer is resolved in three steps, each of them safe:
//!
//! 1. The job's executions are searched for the request's id, which is one of their variables.
//! 2. Not found, the job is fenced: it gets a new etag. `RunJob` carries the etag it was read with, so
//!    from then on the lost request has been carried out, or never will be.
//! 3. The job counts its executions. If the count is what it was before the run, nothing was started,
//!    and the request is sent once more. Otherwise the executions are searched again.
//!
//! Whatever cannot be told apart so ends as unknown.

use std::time::Duration;

use quill_admin_cloud::{CloudError, CloudErrorKind, Execution, Google, Job, JobName, RunError, RunJob};
use quill_admin_contract::{ExitCode, Request, variable};
use tokio::time::sleep;

use crate::error::CliError;
use crate::events::{Emit, Event};

/// How long to wait before each look at the executions: they may be listed a little late.
const LOOKS: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// How often a job is tried that was changed in between, without a change that matters.
const TRIES: usize = 3;

/// Starts `job`, as it was read, with a request.
pub(super) async fn start(
    google: &Google,
    name: &JobName,
    job: Job,
    request: &Request,
    emit: Emit<'_>,
) -> Result<Execution, CliError> {
    let starting = Starting { google, name, request, emit };
    let mut job = job;
    let mut tries = 0;
    loop {
        tries += 1;
        match starting.send(&job).await {
            Ok(execution) => return Ok(execution),
            // Refused by its etag, it was not started.
            Err(RunError::NotStarted(error)) if error.kind == CloudErrorKind::Conflict => {
                if tries == TRIES {
                    return Err(CliError::from(error)
                        .hint("somebody keeps changing the job; run the same command again in a moment"));
                }
                job = starting.unchanged(&job).await?;
            }
            Err(RunError::NotStarted(error)) => return Err(error.into()),
            Err(RunError::Unknown(error)) => return starting.resolve(&job, error).await,
        }
    }
}

struct Starting<'a> {
    google: &'a Google,
    name: &'a JobName,
    request: &'a Request,
    emit: Emit<'a>,
}

impl Starting<'_> {
    async fn send(&self, job: &Job) -> Result<Execution, RunError> {
        self.google.run(self.name, RunJob { etag: job.etag.clone(), env: self.request.to_env() }).await
    }

    /// The job as it is now, if what was agreed to still holds.
    async fn unchanged(&self, before: &Job) -> Result<Job, CliError> {
        let now = self.google.job(self.name).await?;
        if runs_the_same(before, &now) {
            return Ok(now);
        }
        Err(changed(self.name))
    }

    /// What became of a request whose answer was lost.
    async fn resolve(&self, job: &Job, error: CloudError) -> Result<Execution, CliError> {
        let lost = error.to_string();
        (self.emit)(Event::Trouble(format!("{lost}; looking whether the task was started")));
        if let Some(found) = self.look(&LOOKS).await {
            return Ok(found);
        }
        let id = self.request.id.map(|id| id.to_string()).unwrap_or_default();
        let fenced = match self.google.fence_job(self.name, &job.etag, &id).await {
            Ok(fenced) => fenced,
            Err(error) => return Err(self.unknown(&lost, &error.to_string())),
        };
        if fenced.executions != job.executions {
            return match self.look(&LOOKS).await {
                Some(found) => Ok(found),
                None => Err(self.unknown(&lost, "the job was run in the meantime, and not by this request")),
            };
        }
        if !runs_the_same(job, &fenced) {
            return Err(changed(self.name));
        }
        (self.emit)(Event::Trouble("the task was not started; sending it once more".to_owned()));
        match self.send(&fenced).await {
            Ok(execution) => Ok(execution),
            Err(RunError::NotStarted(error)) => Err(error.into()),
            Err(RunError::Unknown(error)) => match self.look(&LOOKS).await {
                Some(found) => Ok(found),
                None => Err(self.unknown(&error.to_string(), "this was the second try")),
            },
        }
    }

    /// Looks for the request among the job's executions.
    async fn look(&self, pauses: &[Duration]) -> Option<Execution> {
        let id = self.request.id?.to_string();
        for pause in pauses {
            sleep(*pause).await;
            match self.google.executions(self.name).await {
                Ok(executions) => {
                    let ours = |execution: &Execution| {
                        execution.request.get(variable::ADMIN_REQUEST_ID.name) == Some(&id)
                    };
                    if let Some(found) = executions.into_iter().find(ours) {
                        return Some(found);
                    }
                }
                Err(error) => (self.emit)(Event::Trouble(error.to_string())),
            }
        }
        None
    }

    fn unknown(&self, lost: &str, why: &str) -> CliError {
        let request = self.request.id.map(|id| format!(" (request {id})")).unwrap_or_default();
        CliError::new(
            ExitCode::Unknown,
            format!(
                "{lost}: the task may or may not have been started{request}; it could not be found out: {why}"
            ),
        )
    }
}

fn changed(name: &JobName) -> CliError {
    CliError::new(
        ExitCode::CloudFailed,
        format!("somebody changed the job {} since it was looked at; nothing was started", name.job),
    )
    .hint("run the same command again")
}

/// Whether two readings of a job would run the same thing in the same way.
fn runs_the_same(before: &Job, now: &Job) -> bool {
    before.image == now.image && before.max_retries == now.max_retries
}
