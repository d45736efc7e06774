//! Asks for the state of an execution until it is over.
//!
//! To change how often the state is asked for: the constants below.

use std::time::Duration;

use quill_admin_cloud::{CloudError, CloudErrorKind, Ending, Execution, ExecutionName, Phase};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::progress::{EndedHow, Progress};
use crate::events::Event;
use crate::patience::{Patience, is_final, tell_once};
use crate::session::Session;
use crate::task::run_outcome::TaskEnd;

/// The state is asked for quickly in the first second, then once a second.
const FIRST_POLL: Duration = Duration::from_millis(50);
const POLL_EVERY: Duration = Duration::from_secs(1);
/// The state of a run for many rows is asked for less often: it takes longer, and its rows come through the log.
const POLL_FOR_ROWS: Duration = Duration::from_secs(5);
/// Once the result line is there, the end is near. The state is asked for as quickly as in the first second
/// again, and after that at this pace for as long as the end may be near.
const POLL_FOR_END: Duration = Duration::from_millis(400);
const END_IS_NEAR: Duration = Duration::from_secs(20);
/// The number of reports in a row that an execution is missing, which was there before, after which it is taken for
/// deleted.
const GONE_AFTER: u32 = 5;
/// The number of times that the container's result is asked for. Each read has its own retries besides.
const TASK_READS: usize = 4;

/// Follows the state of an execution to its end. `over` is called when the end is known, before it is shown:
/// a person who sees the end and presses Ctrl-C must not be told that the task still runs.
pub(super) async fn follow_state(
    session: &Session,
    mut execution: Execution,
    progress: &watch::Sender<Progress>,
    result_came: &Notify,
    over: &(dyn Fn() + Sync),
) -> Result<(Execution, Ending, TaskEnd), CloudError> {
    let mut pace = Pace::new(execution.rows.is_some());
    let mut phase = None;
    // An execution that was just started was not asked for yet.
    let mut was_there = matches!(execution.phase, Phase::Running | Phase::Ended(_));
    loop {
        if matches!(execution.phase, Phase::Ended(_)) {
            over();
        }
        if phase.as_ref() != Some(&execution.phase) {
            session.emit(Event::Phase(execution.phase.clone()));
            phase = Some(execution.phase.clone());
        }
        match &execution.phase {
            Phase::Queued | Phase::Provisioning => {}
            Phase::Running => {
                progress.send_replace(Progress::Running);
            }
            Phase::Ended(ending) => {
                let ending = ending.clone();
                let how = match ending {
                    Ending::Succeeded => EndedHow::Well,
                    Ending::Failed { .. } => EndedHow::Badly,
                    Ending::Cancelled { .. } => EndedHow::Cancelled,
                };
                // The log is read to its end in the meantime.
                let ran = (ending == Ending::Succeeded).then_some(true);
                progress.send_replace(Progress::Ended { ran, how });
                let task = match ending {
                    Ending::Succeeded => TaskEnd::None,
                    _ => task_end(session, &execution.name).await,
                };
                let ran = ending == Ending::Succeeded || task != TaskEnd::None;
                progress.send_replace(Progress::Ended { ran: Some(ran), how });
                return Ok((execution, ending, task));
            }
        }
        let mut told = None;
        let mut patience = Patience::new();
        let mut not_there = 0;
        execution = loop {
            pace.next(result_came).await;
            match session.google().execution(&execution.name).await {
                Ok(now) => break now,
                Err(error) => {
                    not_there = if error.kind == CloudErrorKind::NotFound { not_there + 1 } else { 0 };
                    if patience.ends_with(&error) || (was_there && not_there >= GONE_AFTER) {
                        return Err(error);
                    }
                    tell_once(&mut told, format!("{error}; trying again"), session);
                    pace.delay = POLL_EVERY;
                }
            }
        };
        was_there = true;
    }
}

/// The pace at which the state is asked for.
struct Pace {
    delay: Duration,
    /// The moment since which it is asked for quickly.
    quick: Instant,
    /// The time at which the result line came.
    near: Option<Instant>,
    /// The pace while neither holds.
    idle: Duration,
}

impl Pace {
    fn new(has_rows: bool) -> Self {
        let (delay, idle) = if has_rows { (POLL_EVERY, POLL_FOR_ROWS) } else { (FIRST_POLL, POLL_EVERY) };
        Self { delay, quick: Instant::now(), near: None, idle }
    }

    /// Waits until the next read is due; when the result line comes, it is due at once.
    async fn next(&mut self, result_came: &Notify) {
        tokio::select! {
            () = sleep(self.delay) => {
                let slowest = match self.near {
                    Some(near) if near.elapsed() < END_IS_NEAR => POLL_FOR_END,
                    _ => self.idle,
                };
                let quick = self.quick.elapsed() < POLL_EVERY;
                self.delay = if quick { (self.delay * 3 / 2).min(slowest) } else { slowest };
            }
            () = result_came.notified() => {
                let now = Instant::now();
                *self = Self { delay: FIRST_POLL, quick: now, near: Some(now), ..*self };
            }
        }
    }
}

/// Reads how the container ended. Without that the ending is still known, in less detail, so it is not worth
/// more than a few tries.
async fn task_end(session: &Session, name: &ExecutionName) -> TaskEnd {
    let mut told = None;
    for _ in 0..TASK_READS {
        match session.google().task_result(name).await {
            Ok(task) => return task.map_or(TaskEnd::None, TaskEnd::Seen),
            Err(error) => {
                tell_once(&mut told, error.to_string(), session);
                if is_final(&error) {
                    break;
                }
                sleep(POLL_EVERY).await;
            }
        }
    }
    TaskEnd::Unknown
}
