//! Follows an execution to its end: its state and its log, side by side.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use quill_admin_cloud::{
    CloudError, Ending, Execution, ExecutionName, Google, LogEntry, LogSource, Phase, TaskResult,
};
use quill_admin_contract::{ResultLine, WarningCode};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::events::{Emit, Event};

/// The state is asked for soon at first, then ever more slowly, never more than once a second.
const FIRST_POLL: Duration = Duration::from_millis(50);
const SLOWEST_POLL: Duration = Duration::from_secs(1);
/// Without an answer for this long, contact is lost: the laptop may have slept, the network gone.
const LOST_AFTER: Duration = Duration::from_mins(2);

/// The project's quota of 60 log reads a minute is everybody's: one run takes at most 30.
const LOG_READ_EVERY: Duration = Duration::from_secs(2);
const LOG_READ_SLOWEST: Duration = Duration::from_secs(30);
/// How long the log is read on after the end, for a result line that is late.
const DRAIN: Duration = Duration::from_secs(20);
/// Entries arrive late and out of order: every read looks back this far.
const OVERLAP: SignedDuration = SignedDuration::from_secs(30);

/// What was seen.
pub(super) struct Followed {
    pub(super) execution: Execution,
    pub(super) ending: Ending,
    pub(super) task: Option<TaskResult>,
    pub(super) result: Option<ResultLine>,
    pub(super) system_log: Vec<String>,
}

/// Contact was lost while the execution may go on.
pub(super) struct Lost(pub(super) CloudError);

/// What the reader of the log needs to know of the state.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing can be in the log yet.
    Waiting,
    Running,
    /// Over; the container ran, so that a result line is to be expected, or it never did.
    Ended {
        ran: bool,
    },
}

pub(super) async fn follow(google: &Google, execution: Execution, emit: Emit<'_>) -> Result<Followed, Lost> {
    let name = execution.name.clone();
    let (stage, watched) = watch::channel(Stage::Waiting);
    let to_the_end = async {
        let seen = follow_state(google, execution, &stage, emit).await;
        // Dropping the sender tells the reader of the log to stop, should contact be lost.
        drop(stage);
        seen
    };
    let (seen, log) = tokio::join!(to_the_end, read_log(google, &name, watched, emit));
    let (execution, ending, task) = seen.map_err(Lost)?;
    Ok(Followed { execution, ending, task, result: log.result, system_log: log.system.into() })
}

async fn follow_state(
    google: &Google,
    mut execution: Execution,
    stage: &watch::Sender<Stage>,
    emit: Emit<'_>,
) -> Result<(Execution, Ending, Option<TaskResult>), CloudError> {
    let mut delay = FIRST_POLL;
    let mut answered = Instant::now();
    let mut phase = None;
    loop {
        if phase.as_ref() != Some(&execution.phase) {
            emit(Event::Phase(execution.phase.clone()));
            phase = Some(execution.phase.clone());
        }
        match &execution.phase {
            Phase::Queued | Phase::Provisioning => {}
            Phase::Running => {
                stage.send_replace(Stage::Running);
            }
            Phase::Ended(ending) => {
                let ending = ending.clone();
                let task = match ending {
                    Ending::Succeeded => None,
                    // Without its result the ending is still known, only in less detail.
                    _ => google.task_result(&execution.name).await.unwrap_or_else(|error| {
                        emit(Event::Trouble(error.to_string()));
                        None
                    }),
                };
                let ran = ending == Ending::Succeeded || task.is_some();
                stage.send_replace(Stage::Ended { ran });
                return Ok((execution, ending, task));
            }
        }
        loop {
            sleep(delay).await;
            delay = (delay * 5 / 4).min(SLOWEST_POLL);
            match google.execution(&execution.name).await {
                Ok(now) => {
                    execution = now;
                    answered = Instant::now();
                    break;
                }
                Err(error) if error.is_final() || answered.elapsed() > LOST_AFTER => return Err(error),
                Err(error) => {
                    emit(Event::Trouble(format!("{error}; trying again")));
                    delay = SLOWEST_POLL;
                }
            }
        }
    }
}

/// What was in the log.
#[derive(Default)]
struct Log {
    seen: HashSet<(Timestamp, String)>,
    newest: Option<Timestamp>,
    result: Option<ResultLine>,
    system: VecDeque<String>,
}

impl Log {
    fn take(&mut self, entry: LogEntry, emit: Emit<'_>) {
        if !self.seen.insert((entry.timestamp, entry.insert_id.clone())) {
            return;
        }
        self.newest = self.newest.max(Some(entry.timestamp));
        if let Some(result) = entry.payload.as_ref().and_then(ResultLine::from_payload) {
            self.result = Some(result);
            return;
        }
        if entry.payload.as_ref().and_then(WarningCode::from_payload).is_some() {
            return; // The result has it, too.
        }
        match entry.source {
            LogSource::Container => emit(Event::Log(entry)),
            LogSource::System => self.system.push_back(entry.message),
            LogSource::Other => {}
        }
    }
}

async fn read_log(
    google: &Google,
    name: &ExecutionName,
    mut stage: watch::Receiver<Stage>,
    emit: Emit<'_>,
) -> Log {
    let mut log = Log::default();
    if stage.wait_for(|stage| *stage != Stage::Waiting).await.is_err() {
        return log;
    }
    let mut ended: Option<Instant> = None;
    let mut pause = LOG_READ_EVERY;
    // A task is often over before there is anything to read: the first read waits for the pause or
    // the end, whichever is first.
    loop {
        if ended.is_none() {
            tokio::select! {
                () = sleep(pause) => {}
                changed = stage.wait_for(|stage| matches!(stage, Stage::Ended { .. })) => {
                    if changed.is_err() {
                        return log;
                    }
                    ended = Some(Instant::now());
                }
            }
        } else {
            sleep(pause).await;
        }
        match google.log_entries(name, log.newest.map(|newest| newest - OVERLAP)).await {
            Ok(entries) => {
                pause = LOG_READ_EVERY;
                for entry in entries {
                    log.take(entry, emit);
                }
            }
            Err(error) => {
                pause = (pause * 2).min(LOG_READ_SLOWEST);
                emit(Event::Trouble(format!("{error}; the task is not affected")));
                if error.is_final() {
                    return log;
                }
            }
        }
        if let Some(ended) = ended {
            let ran = matches!(*stage.borrow(), Stage::Ended { ran: true });
            if log.result.is_some() || !ran || ended.elapsed() > DRAIN {
                return log;
            }
        }
    }
}
