//! Starts a run exactly once, or says that it does not know.
//!
//! `RunJob` has no idempotency key. A lost answer is resolved in three steps, each of them safe:
//!
//! 1. The job's executions are searched for the request's id, which is one of their variables.
//! 2. Not found, the job is fenced: it gets a new etag. `RunJob` carries the etag it was read with, so
//!    from then on the lost request has been carried out, or never will be.
//! 3. The job counts its executions. If the count is what it was before the run, nothing was started, and
//!    the request is sent once more. Otherwise the executions are searched again.
//!
//! Whatever cannot be told apart so ends as unknown.
//!
//! A request that is refused by its etag was not started: the job was changed, or, should Cloud Run give
//! a job a new etag with every run (not known), somebody else ran it. It is read and tried again for as
//! long as what was agreed to stays the same.
//!
//! To change how often a lost request is looked for, or how long the start is tried again: the constants below.
//! docs/decisions/0011-a-lost-answer-is-fenced.md has the reasons.

use std::time::Duration;

use quill_admin_cloud::{
    CloudError, CloudErrorKind, Difference, Execution, Job, JobName, JobSettings, RunError, RunJob,
};
use quill_admin_contract::{Bulk, ExitCode, Request, variable};
use tokio::time::{Instant, sleep};

use crate::error::CliError;
use crate::events::Event;
use crate::patience::is_final;
use crate::point_of_no_return::{PointOfNoReturn, UnderWay};
use crate::session::Session;

/// The waits before each look at the executions: they may be listed a little late.
const LOOKS: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// The time for which the start is tried again while others change or run the job: as long as a person would wait.
const CROWD: Duration = Duration::from_mins(1);
/// The pauses between those tries are drawn at random between nothing and this, so that those who
/// collided do not collide again; doubled after each try, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The time that a row of a bulk run may take: some hundredths of a second, unless it waits for a lock.
const PER_ROW: Duration = Duration::from_secs(2);
/// The greatest number of times that a request is sent. It is sent again only when its answer was lost and it is
/// known not to have been carried out.
const SENT_AT_MOST: u32 = 2;

/// Starts the job `name`, as it was read, with a request. `point` says whether a request is under way:
/// between two requests the work can be left, and nothing was started.
pub(super) async fn start(
    session: &Session,
    name: &JobName,
    job: Job,
    request: &Request,
    point: &PointOfNoReturn,
) -> Result<Execution, CliError> {
    let starting = Starting { session, name, request, agreed: job.clone() };
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut lost = 0;
    let mut now = job;
    loop {
        point.reached(starting.under_way()).await;
        match starting.send(now.etag.clone()).await {
            Ok(execution) => return Ok(execution),
            // A request that is refused by its etag was not started.
            Err(RunError::NotStarted(error)) if error.kind == CloudErrorKind::Conflict => {
                point.not_passed().await;
                if begun.elapsed() >= CROWD {
                    return Err(crowded(&error));
                }
                if pause == FIRST_PAUSE {
                    let others = "somebody else uses or changes the job at the same time; trying again";
                    session.emit(Event::Trouble(others.to_owned()));
                }
                sleep(pause.mul_f64(fastrand::f64())).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                now = unchanged(name, &starting.agreed, session.google().job(name).await?)?;
            }
            Err(RunError::NotStarted(error)) => return Err(not_started(error)),
            Err(RunError::Unknown(error)) => match starting.resolve(now, &error).await? {
                Resolved::Started(execution) => return Ok(*execution),
                Resolved::NotStarted(job) => {
                    point.not_passed().await;
                    lost += 1;
                    if lost == SENT_AT_MOST {
                        return Err(CliError::new(
                            ExitCode::CloudFailed,
                            format!("{error}; it was sent {lost} times, and nothing was started"),
                        )
                        .hint("run the same command again in a moment"));
                    }
                    now = unchanged(name, &starting.agreed, *job)?;
                    session.emit(Event::Trouble("the task was not started; sending it once more".to_owned()));
                }
            },
        }
    }
}

struct Starting<'a> {
    session: &'a Session,
    name: &'a JobName,
    request: &'a Request,
    /// The job as it was when its plan was shown.
    agreed: Job,
}

/// The fate of a request whose answer was lost.
enum Resolved {
    /// It was carried out.
    Started(Box<Execution>),
    /// It was not carried out, and never will be. Holds the job as it is now.
    NotStarted(Box<Job>),
}

/// The result of looking for the request among the job's executions.
enum Look {
    /// One of them is the request's.
    Found(Box<Execution>),
    /// None of the listed ones is; the list may lack the newest.
    NotThere,
    /// They could not be read.
    CouldNot(CloudError),
}

impl Starting<'_> {
    /// A request to start the task is under way, or its fate is being found out.
    fn under_way(&self) -> UnderWay {
        UnderWay {
            waits: "the request to start the task is under way: waiting for its answer, without which nobody would \
                    know whether it runs (Ctrl-C again leaves at once)",
            left: self.unknown("interrupted", "the answer was not waited for"),
        }
    }

    async fn send(&self, etag: String) -> Result<Execution, RunError> {
        let run = run_of(self.request, &self.agreed.settings, etag);
        self.session.google().run(self.name, run).await
    }

    /// Finds out what became of a request whose answer was lost; it carried the etag of `sent`.
    async fn resolve(&self, sent: Job, error: &CloudError) -> Result<Resolved, CliError> {
        let lost = error.to_string();
        self.session.emit(Event::Trouble(format!("{lost}; looking whether the task was started")));
        if let Look::Found(found) = self.look().await {
            return Ok(Resolved::Started(found));
        }
        let id = self.request.id.map(|id| id.to_string()).unwrap_or_default();
        let fenced = match self.session.google().fence_job(self.name, &sent.etag, &id).await {
            Ok(fenced) => fenced,
            Err(error) => return Err(self.unknown(&lost, &error.to_string())),
        };
        if fenced.executions == sent.executions {
            return Ok(Resolved::NotStarted(Box::new(fenced)));
        }
        let since = fenced.executions.saturating_sub(sent.executions);
        match self.look().await {
            Look::Found(found) => Ok(Resolved::Started(found)),
            // A list may be late, so it proves nothing.
            Look::NotThere => Err(self.unknown(
                &lost,
                &format!(
                    "the job was run {since} times in the meantime, and none that is listed is this request"
                ),
            )),
            Look::CouldNot(error) => Err(self.unknown(
                &lost,
                &format!(
                    "the job was run in the meantime, and whether by this request could not be seen: {error}"
                ),
            )),
        }
    }

    /// Looks for the request among the job's executions, again and again for a few seconds.
    async fn look(&self) -> Look {
        let Some(id) = self.request.id.map(|id| id.to_string()) else {
            return Look::NotThere;
        };
        let mut seen = None;
        for pause in LOOKS {
            sleep(pause).await;
            match self.session.google().executions(self.name).await {
                Ok(executions) => {
                    let ours = |execution: &Execution| {
                        execution.request.get(variable::ADMIN_REQUEST_ID.name) == Some(&id)
                    };
                    if let Some(found) = executions.into_iter().find(ours) {
                        return Look::Found(Box::new(found));
                    }
                    seen = Some(Look::NotThere);
                }
                Err(error) => {
                    self.session.emit(Event::Trouble(error.to_string()));
                    let last = is_final(&error);
                    // The latest look counts: what was not there before it may be by now.
                    seen = Some(Look::CouldNot(error));
                    if last {
                        break;
                    }
                }
            }
        }
        seen.unwrap_or(Look::NotThere)
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

/// Makes the run of a request, for a job whose etag is `etag` and whose settings were these.
pub(super) fn run_of(request: &Request, settings: &JobSettings, etag: String) -> RunJob {
    let of_job = request.action.job().map(|job| Duration::from_secs(u64::from(job.timeout)));
    let of_rows = || request.bulk.as_ref().map(time_for_rows);
    let own = Duration::from_secs(u64::try_from(settings.timeout).unwrap_or_default());
    let timeout = of_job.or_else(|| of_rows().filter(|time| *time > own));
    RunJob { etag, env: request.to_env(), timeout }
}

/// The time that a run for many rows may need: a minute, and two seconds for each row.
fn time_for_rows(bulk: &Bulk) -> Duration {
    let rows = u32::try_from(bulk.rows.len()).unwrap_or(u32::MAX);
    Duration::from_mins(1) + PER_ROW.saturating_mul(rows)
}

/// The start was refused, so nothing was started.
fn not_started(error: CloudError) -> CliError {
    if error.kind != CloudErrorKind::Quota {
        return error.into();
    }
    CliError::new(ExitCode::NeverStarted, format!("{error}; nothing was started"))
        .hint("the quota is shared by everybody who uses the project: run the same command again in a minute; if it stays so, ask for a higher quota")
}

fn crowded(error: &CloudError) -> CliError {
    CliError::new(
        ExitCode::CloudFailed,
        format!("{error}; others used or changed the job all the time for a minute; nothing was started"),
    )
    .hint("run the same command again in a moment")
}

/// The job as it is now, if it still runs what was agreed to when it was `agreed`.
pub(super) fn unchanged(name: &JobName, agreed: &Job, now: Job) -> Result<Job, CliError> {
    let changes = agreed.changes(&now);
    if changes.is_empty() { Ok(now) } else { Err(changed(name, &changes)) }
}

/// The error of a job that would run something else than what was agreed to.
fn changed(name: &JobName, changes: &[Difference]) -> CliError {
    let changes: Vec<String> = changes.iter().map(told).collect();
    CliError::new(
        ExitCode::CloudFailed,
        format!(
            "somebody changed the job {} since it was looked at ({}); nothing was started",
            name.job,
            changes.join(", ")
        ),
    )
    .hint("run the same command again: it shows the plan as it is now")
}

fn told(change: &Difference) -> String {
    match (&change.from, change.to.as_str()) {
        (None, "") => change.setting.clone(),
        (Some(from), to) => format!("{}: {from} → {to}", change.setting),
        (None, to) => format!("{}: {to}", change.setting),
    }
}
