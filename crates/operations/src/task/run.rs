//! The pipeline of a task: read the job, start it once, follow it, draw the outcome.
//!
//! [`prepare`] reads the job and makes the request, [`validate`] serves dry runs, [`run`] starts the task,
//! and [`attend`] follows one that was started before. While the task runs, [`PointOfNoReturn`] is told its
//! stage, so that Ctrl-C can be answered.
//!
//! To add a step: its place in [`run`], or in [`attend`] where it also concerns executions that were started before.
//! The ways to end are in `run_outcome.rs`.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quill_admin_cloud::{CloudError, CloudErrorKind, Execution, ExecutionName, Job, JobName, LogTail, Reply};
use quill_admin_contract::{Asked, Claim, ExitCode, Request};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::error::CliError;
use crate::events::Event;
use crate::hints;
use crate::point_of_no_return::{PointOfNoReturn, Running, UnderWay};
use crate::session::Session;
use crate::task::asked::asked;
use crate::task::follow::{Followed, Lost, follow};
use crate::task::jobs;
use crate::task::run_outcome::{Run, RunOutcome};
use crate::task::start::{run_of, start, unchanged};

/// A run that is ready to be started: its request and the job that runs it.
pub struct Prepared<'s> {
    /// The job that runs it: the environment's own, or one of the application's.
    pub name: JobName,
    /// The job as it was read.
    pub job: Job,
    /// The request.
    pub request: Request,
    /// The job's log, live; `None` where nothing is to be started.
    pub tail: Option<LogTail<'s>>,
}

impl std::fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").finish_non_exhaustive()
    }
}

/// Reads the job `name`, which does what `action` asks for, while the request is made, which takes time (a
/// password is hashed). The job may be some seconds old when it is run: the run carries its etag, so that a
/// job that was changed since is not run before it was read again.
///
/// # Errors
///
/// Fails when the job is not there or cannot be read, and when the request cannot be made.
pub async fn prepare<'s>(
    session: &'s Session,
    action: &str,
    name: JobName,
    request: impl Future<Output = Result<Request, CliError>>,
    dry_run: bool,
) -> Result<Prepared<'s>, CliError> {
    let google = session.google();
    // Before anything can be in the log; nobody waits for it.
    let tail = if dry_run { None } else { Some(google.tail_log(&name).await) };
    let read = async {
        session.job(&name).await.map_err(|error| {
            let environment = session.environment();
            match error.kind {
                CloudErrorKind::NotFound if !environment.is_own(&name) => {
                    jobs::not_there(environment, action, &name)
                }
                _ => hints::no_job(error, environment),
            }
        })
    };
    let (job, request) = tokio::try_join!(read, request)?;
    Ok(Prepared { name, job, request, tail })
}

impl Prepared<'_> {
    /// The same, if the job still runs what was agreed to when it was `agreed`.
    ///
    /// # Errors
    ///
    /// Fails when the job would run something else now.
    pub fn as_agreed(self, agreed: &Job) -> Result<Self, CliError> {
        let job = unchanged(&self.name, agreed, self.job)?;
        Ok(Self { job, ..self })
    }
}

/// Has Google Cloud check the run; nothing is started.
///
/// # Errors
///
/// Fails when Google Cloud refuses the run, or cannot be reached.
pub async fn validate(session: &Session, prepared: Prepared<'_>) -> Result<(), CliError> {
    let run = run_of(&prepared.request, &prepared.job.settings, prepared.job.etag);
    session.google().validate_run(&prepared.name, run).await.map_err(CliError::from)
}

/// Starts the prepared run once, and follows it to its end. `point` says meanwhile where it is.
///
/// # Errors
///
/// Fails when the run was not started, when it is not known whether it was, and when contact with it was
/// lost.
pub async fn run(
    session: &Session,
    prepared: Prepared<'_>,
    point: &PointOfNoReturn,
) -> Result<Run, CliError> {
    let Prepared { name, job, request, tail } = prepared;
    if let Some(id) = request.id {
        session.emit(Event::Detail(format!("request {id}")));
    }
    session.emit(Event::Doing("starting the job"));
    session.check_served()?;
    let execution = start(session, &name, job, &request, point).await?;
    session.emit(Event::Started(execution.name.clone()));
    let asked = Asked { execution: Some(execution.name.id.clone()), ..Asked::of(&request) };
    let asked = Some(asked).filter(|_| request.action.job().is_none());
    Watch::of(session, &execution.name, point).to_the_end(execution, asked, tail, false).await
}

/// Follows an execution that was started before to its end; with `cancel`, after telling it to stop. `point`
/// says meanwhile where it is.
///
/// # Errors
///
/// Fails when the execution may not be cancelled, and goes on; and when contact with it was lost.
pub async fn attend(
    session: &Session,
    execution: Execution,
    cancel: bool,
    point: &PointOfNoReturn,
) -> Result<Run, CliError> {
    let asked = session.environment().is_own(&execution.name.job).then(|| asked(&execution));
    Watch::of(session, &execution.name.clone(), point).to_the_end(execution, asked, None, cancel).await
}

/// The time within which an execution must be seen to end when it could not be cancelled because it had
/// ended.
const SEEN_TO_END: Duration = Duration::from_secs(10);

/// Resolves with the refusal when an execution that could not be cancelled was not seen to end in time.
async fn still_runs(refused: &mut Option<(Instant, CloudError)>) -> CloudError {
    match refused {
        Some((until, _)) => sleep_until(*until).await,
        None => pending().await,
    }
    match refused.take() {
        Some((_, error)) => error,
        None => pending().await,
    }
}

/// An execution that is watched.
struct Watch<'a> {
    session: &'a Session,
    name: ExecutionName,
    point: &'a PointOfNoReturn,
    /// Notified when somebody wants the execution to be cancelled.
    cancel: Arc<Notify>,
    /// Whether the execution has ended, and its result is being read.
    over: AtomicBool,
}

impl<'a> Watch<'a> {
    fn of(session: &'a Session, name: &ExecutionName, point: &'a PointOfNoReturn) -> Self {
        let cancel = Arc::default();
        Self { session, name: name.clone(), point, cancel, over: AtomicBool::new(false) }
    }

    async fn to_the_end(
        &self,
        execution: Execution,
        asked: Option<Asked>,
        tail: Option<LogTail<'_>>,
        cancel: bool,
    ) -> Result<Run, CliError> {
        let Self { session, name, .. } = self;
        self.runs();
        if cancel {
            self.cancel.notify_one();
        }
        let over = || self.is_over();
        let mut following = std::pin::pin!(follow(session, execution, asked, tail, &over));
        let mut cancelling = None;
        let mut refused = None;
        let followed = loop {
            tokio::select! {
                // An execution that has ended is not cancelled any more.
                biased;
                followed = &mut following => break followed,
                () = self.cancel.notified(), if cancelling.is_none() => {
                    if self.over.load(Ordering::Relaxed) {
                        session.emit(Event::Trouble("it had ended before; nothing was cancelled".to_owned()));
                        continue;
                    }
                    session.emit(Event::Doing("cancelling the task"));
                    self.cancels().await;
                    cancelling = Some(session.google().cancel(name));
                }
                error = still_runs(&mut refused) => if !self.over.load(Ordering::Relaxed) {
                    return Err(error.into());
                },
                cancelled = answered(&mut cancelling) => {
                    cancelling = None;
                    match cancelled {
                        Ok(()) => self.told_to_stop(),
                        Err(error) => {
                            // A person who only wants to cancel it does not want to see how it goes on. A
                            // request that is not valid may have come too late: then the execution ends in a
                            // moment.
                            let over = self.over.load(Ordering::Relaxed);
                            if cancel && !over && error.kind != CloudErrorKind::Invalid {
                                return Err(error.into());
                            }
                            session.emit(Event::Trouble(error.to_string()));
                            self.runs();
                            refused = Some((Instant::now() + SEEN_TO_END, error)).filter(|_| cancel);
                        }
                    }
                }
            }
        };
        self.outcome(followed)
    }

    /// Notes that the execution runs, and that Ctrl-C offers interrupt choices.
    fn runs(&self) {
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        let goes_on = self.session.outlives_us();
        let left = if goes_on {
            let told = format!("the task goes on without this program, as execution {}", self.name.id);
            self.reach(CliError::interrupted(&told))
        } else {
            stops_with_us()
        };
        let (execution, cancel) = (self.name.id.clone(), Arc::clone(&self.cancel));
        self.point.runs(Running { execution, goes_on, cancel, left });
    }

    /// Notes that the execution is about to be told to stop.
    async fn cancels(&self) {
        if !self.session.outlives_us() {
            // It stops with this program in any case.
            self.point.passed(stops_with_us());
            return;
        }
        let told = format!(
            "interrupted while execution {} was being cancelled: whether it was told to stop is not known",
            self.name.id
        );
        self.point
            .reached(UnderWay {
                waits: "the request to cancel the task is under way: waiting for its answer (Ctrl-C again leaves at \
                        once)",
                left: self.reach(CliError::new(ExitCode::Unknown, told)),
            })
            .await;
    }

    /// Notes that the execution was told to stop, and that its end is being waited for.
    fn told_to_stop(&self) {
        if self.session.outlives_us() && !self.over.load(Ordering::Relaxed) {
            let told =
                format!("execution {} was told to stop; how it ended was not waited for", self.name.id);
            self.point.passed(self.attach(CliError::interrupted(&told)));
        }
    }

    /// Notes that the execution has ended.
    fn is_over(&self) {
        self.over.store(true, Ordering::Relaxed);
        let told = "the execution is over, its result was not read to its end";
        self.point.passed(self.attach(CliError::interrupted(told)));
    }

    /// Adds the hint that tells how to see how it ended.
    fn attach(&self, error: CliError) -> CliError {
        hints::attach(error, &self.session.environment().name, &self.name)
    }

    /// Adds the hints that tell how to see how it ends, and how to stop it.
    fn reach(&self, error: CliError) -> CliError {
        hints::reach(error, &self.session.environment().name, &self.name)
    }

    /// Draws the outcome from what was seen while it was followed.
    fn outcome(&self, followed: Result<Followed, Lost>) -> Result<Run, CliError> {
        match followed {
            Ok(Followed { execution, evidence, rows, row_results, unread }) => {
                let outcome = RunOutcome::draw(&evidence);
                let listing = outcome.listing(rows);
                let log_is_whole = unread.is_none();
                let system_log = evidence.system_log;
                Ok(Run { execution, outcome, listing, row_results, log_is_whole, system_log })
            }
            Err(Lost { error, proven }) => Err(self.lost(error, proven.as_ref())),
        }
    }

    /// The error of lost contact. It includes a result that has arrived by then: a result is printed after
    /// the task was done, or rolled back. How its container ended, which could contradict the result, is not
    /// known.
    fn lost(&self, error: CloudError, proven: Option<&Claim>) -> CliError {
        let id = &self.name.id;
        let result = proven.map(|claim| {
            let (outcome, code) = (claim.line.outcome.name(), claim.line.exit_code);
            format!(
                "its proven result has arrived ({outcome}, exit code {code}), and its end has not been seen"
            )
        });
        // There is no execution left to come back to.
        if error.kind == CloudErrorKind::NotFound {
            let known = result.unwrap_or_else(|| "whether the task was done is not known".to_owned());
            let gone = format!(
                "execution {id} is gone: somebody deleted it while it was followed, and {known} ({error})"
            );
            return CliError::new(ExitCode::Unknown, gone);
        }
        let known = result.unwrap_or_else(|| "the task may still be running".to_owned());
        let message = format!("lost contact with execution {id}: {error}; {known}");
        // Hints against the cause (signing in again) come first.
        let hints = CliError::from(error).hints;
        self.reach(CliError::new(ExitCode::Unknown, message).hints(hints))
    }
}

/// The error of a person who leaves a task of the local environment.
fn stops_with_us() -> CliError {
    CliError::interrupted(
        "the task is stopped together with the local environment and rolled back, unless it was done already",
    )
}

/// Waits for the answer to a request; without a request, for ever.
async fn answered(request: &mut Option<Reply<'_, Result<(), CloudError>>>) -> Result<(), CloudError> {
    match request {
        Some(answer) => answer.await,
        None => pending().await,
    }
}
