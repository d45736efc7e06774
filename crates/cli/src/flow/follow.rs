//! Follows an execution to its end: its state and its log, side by side.
//!
//! The log comes live where it can. Reads of the log stand in where it cannot, and prove at the end
//! that nothing is missing: the live log neither says when it begins nor that it has gone quiet for
//! good, as after the sleep of a laptop.

use std::collections::{HashSet, VecDeque};
use std::future::pending;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use quill_admin_cloud::{
    CloudError, CloudErrorKind, Ending, Execution, ExecutionName, Google, LogEntry, LogPage, LogSource,
    LogTail, Phase, Reply,
};
use quill_admin_contract::{ResultLine, WarningCode};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::conclusion::TaskEnd;
use crate::events::{Emit, Event};

/// The state is asked for quickly in the first second, then once a second.
const FIRST_POLL: Duration = Duration::from_millis(50);
const POLL_EVERY: Duration = Duration::from_secs(1);
/// How often the container's result is asked for, each time with the tries every read has.
const TASK_READS: usize = 4;
/// What one attempt counts for at most while there is no answer: a laptop that has slept for ten
/// minutes has not tried for ten minutes.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(15);

/// The project's quota of 60 log reads a minute is everybody's: one run takes at most 30.
const READS_A_MINUTE: usize = 30;
/// A little less often than that, so that the reads at the end need not wait.
const READ_EVERY: Duration = Duration::from_millis(2100);
/// The longest pause: between reads that bring nothing the live log has not brought, and after
/// refusals.
const SLOWEST_READ: Duration = Duration::from_secs(30);
/// Entries arrive late and out of order: every read looks back this far.
const OVERLAP: SignedDuration = SignedDuration::from_secs(30);

/// How long the result line is waited for after the end.
const DRAIN: Duration = Duration::from_secs(20);
/// As long as reads are refused: a quota by the minute is free again.
const DRAIN_REFUSED: Duration = Duration::from_secs(75);
/// How long lines before a known result line are waited for.
const DRAIN_LINES: Duration = Duration::from_secs(10);
const LONGEST_LINGER: Duration = Duration::from_secs(5);

/// How often the live log is opened again, each time after twice the pause.
const REOPENINGS: u32 = 5;
const FIRST_REOPENING: Duration = Duration::from_millis(500);

/// What was seen.
pub(super) struct Followed {
    pub(super) execution: Execution,
    pub(super) ending: Ending,
    pub(super) task: TaskEnd,
    pub(super) result: Option<ResultLine>,
    pub(super) system_log: Vec<String>,
    /// Why the last read of the log brought nothing: lines may be missing.
    pub(super) unread: Option<CloudError>,
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

/// Follows an execution: one that was just started, with a live log that was opened before, or one
/// that has long been running or is over.
pub(super) async fn follow(
    google: &Google,
    execution: Execution,
    tail: Option<LogTail<'_>>,
    emit: Emit<'_>,
) -> Result<Followed, Lost> {
    both(google, execution, tail, false, emit).await
}

/// Follows an execution for the sake of its log: all of it is shown, the result line and the lines of
/// Cloud Run itself included.
pub async fn follow_log(google: &Google, execution: Execution, emit: Emit<'_>) -> Result<(), CloudError> {
    let job = execution.name.job.clone();
    let tail = google.tail_log(&job).await;
    let followed = both(google, execution, Some(tail), true, emit).await.map_err(|Lost(error)| error)?;
    followed.unread.map_or(Ok(()), Err)
}

async fn both(
    google: &Google,
    execution: Execution,
    tail: Option<LogTail<'_>>,
    whole: bool,
    emit: Emit<'_>,
) -> Result<Followed, Lost> {
    let name = execution.name.clone();
    let over_for = match (&execution.phase, execution.completed) {
        // By this machine's clock: a wrong one costs a wait, or a line that is late by minutes.
        (Phase::Ended(_), Some(completed)) => {
            Duration::try_from(Timestamp::now().duration_since(completed)).unwrap_or_default()
        }
        _ => Duration::ZERO,
    };
    let mut reader = Reader {
        live: Live { google, name: &name, tail, failures: 0, reopen: None },
        reads: Reads::new(google, &name),
        log: Log { whole, ..Log::default() },
        ended: None,
        ran: false,
        drain: DRAIN.saturating_sub(over_for),
        emit,
    };
    // What was there before is not in the live log.
    if matches!(execution.phase, Phase::Running | Phase::Ended(_)) {
        reader.reads.due = Some(Instant::now());
    }
    let (stage, watched) = watch::channel(Stage::Waiting);
    let to_the_end = async {
        let seen = follow_state(google, execution, &stage, emit).await;
        // Dropping the sender tells the reader of the log to stop, should contact be lost.
        drop(stage);
        seen
    };
    let (seen, ()) = tokio::join!(to_the_end, reader.read(watched));
    let (execution, ending, task) = seen.map_err(Lost)?;
    let (log, unread) = (reader.log, reader.reads.failed);
    Ok(Followed { execution, ending, task, result: log.result, system_log: log.system, unread })
}

async fn follow_state(
    google: &Google,
    mut execution: Execution,
    stage: &watch::Sender<Stage>,
    emit: Emit<'_>,
) -> Result<(Execution, Ending, TaskEnd), CloudError> {
    let begun = Instant::now();
    let mut delay = FIRST_POLL;
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
                    Ending::Succeeded => TaskEnd::None,
                    _ => task_end(google, &execution.name, emit).await,
                };
                let ran = ending == Ending::Succeeded || task != TaskEnd::None;
                stage.send_replace(Stage::Ended { ran });
                return Ok((execution, ending, task));
            }
        }
        let mut told = None;
        let mut without_answer = Duration::ZERO;
        let mut tried = Instant::now();
        execution = loop {
            sleep(delay).await;
            delay = if begun.elapsed() < POLL_EVERY { delay * 3 / 2 } else { POLL_EVERY };
            match google.execution(&execution.name).await {
                Ok(now) => break now,
                Err(error) => {
                    without_answer += tried.elapsed().min(LONGEST_ATTEMPT);
                    tried = Instant::now();
                    if without_answer > patience(error.kind) {
                        return Err(error);
                    }
                    tell_once(&mut told, format!("{error}; trying again"), emit);
                    delay = POLL_EVERY;
                }
            }
        };
    }
}

/// How the container ended. Without that the ending is still known, only in less detail: not worth more
/// than a few tries.
async fn task_end(google: &Google, name: &ExecutionName, emit: Emit<'_>) -> TaskEnd {
    let mut told = None;
    for _ in 0..TASK_READS {
        match google.task_result(name).await {
            Ok(task) => return task.map_or(TaskEnd::None, TaskEnd::Seen),
            Err(error) => {
                tell_once(&mut told, error.to_string(), emit);
                if is_final(&error) {
                    break;
                }
                sleep(POLL_EVERY).await;
            }
        }
    }
    TaskEnd::Unread
}

/// How long an error is taken for one that passes.
fn patience(kind: CloudErrorKind) -> Duration {
    match kind {
        CloudErrorKind::PermissionDenied | CloudErrorKind::ServiceDisabled | CloudErrorKind::Invalid => {
            Duration::ZERO
        }
        // A token is renewed over the network, which may be a while in coming back after a sleep.
        CloudErrorKind::NotSignedIn => Duration::from_secs(30),
        // Also a 404: a new execution is not seen everywhere at once.
        _ => Duration::from_mins(2),
    }
}

/// Whether the same would be said again.
fn is_final(error: &CloudError) -> bool {
    patience(error.kind).is_zero()
}

/// The same trouble again and again is told once.
fn tell_once(told: &mut Option<String>, trouble: String, emit: Emit<'_>) {
    if told.as_ref() != Some(&trouble) {
        emit(Event::Trouble(trouble.clone()));
        *told = Some(trouble);
    }
}

/// What was in the log.
#[derive(Default)]
struct Log {
    /// Everything is shown, also what the result tells again.
    whole: bool,
    seen: HashSet<(Timestamp, String)>,
    result: Option<ResultLine>,
    /// When that was there, and how late.
    result_came: Option<(Instant, Duration)>,
    /// Least and most of how late lines are taken in.
    lateness: Option<(Duration, Duration)>,
    system: Vec<String>,
}

impl Log {
    /// Takes in what was there at a moment; whether anything was new.
    fn take(&mut self, entries: Vec<LogEntry>, at: Instant, emit: Emit<'_>) -> bool {
        let before = self.seen.len();
        for entry in entries {
            self.take_one(entry, at, emit);
        }
        self.seen.len() > before
    }

    fn take_one(&mut self, entry: LogEntry, at: Instant, emit: Emit<'_>) {
        if !self.seen.insert((entry.timestamp, entry.insert_id.clone())) {
            return;
        }
        if entry.source == LogSource::Container {
            let (least, most) = self.lateness.unwrap_or((entry.lateness, entry.lateness));
            self.lateness = Some((least.min(entry.lateness), most.max(entry.lateness)));
        }
        let payload = entry.payload.as_ref();
        let mut told_again = payload.and_then(WarningCode::from_payload).is_some();
        if let Some(result) = payload.and_then(ResultLine::from_payload) {
            self.result = Some(result);
            self.result_came = Some((at, entry.lateness));
            told_again = true;
        }
        match entry.source {
            LogSource::Container if self.whole || !told_again => emit(Event::Log(entry)),
            LogSource::System if self.whole => emit(Event::Log(entry)),
            LogSource::System => self.system.push(entry.message),
            LogSource::Container | LogSource::Other => {}
        }
    }

    /// From when on no line is expected any more: the result line was written last, but a line before
    /// it may be taken in after it, a little later than any so far.
    fn settled(&self) -> Option<Instant> {
        let (came, late) = self.result_came?;
        let (least, most) = self.lateness.unwrap_or_default();
        let latest = most.saturating_sub(least) * 5 / 4;
        Some(came + latest.saturating_sub(late.saturating_sub(least)).min(LONGEST_LINGER))
    }
}

/// The live log, opened again when it breaks.
struct Live<'a> {
    google: &'a Google,
    name: &'a ExecutionName,
    tail: Option<LogTail<'a>>,
    failures: u32,
    reopen: Option<Instant>,
}

impl Live<'_> {
    /// The next entries, or why there is no live log any more. Dropping the future loses nothing.
    async fn next(&mut self) -> Result<Vec<LogEntry>, String> {
        let tail = loop {
            match (&mut self.tail, self.reopen) {
                (Some(tail), _) => break tail,
                (None, Some(at)) => {
                    sleep_until(at).await;
                    self.tail = Some(self.google.tail_log(&self.name.job).await);
                }
                (None, None) => pending().await,
            }
        };
        let (passes, why) = match tail.next().await {
            Some(Ok(mut entries)) => {
                // The live log is of the job: others may run it at the same time.
                entries.retain(|entry| entry.execution == self.name.id);
                return Ok(entries);
            }
            Some(Err(error)) => (!is_final(&error), error.to_string()),
            None => (true, "the live log has ended".to_owned()),
        };
        self.tail = None;
        self.failures += 1;
        self.reopen = (passes && self.failures <= REOPENINGS)
            .then(|| Instant::now() + FIRST_REOPENING * 2_u32.pow(self.failures - 1));
        Err(why)
    }
}

/// Reads of the log, one after the other.
struct Reads<'a> {
    google: &'a Google,
    name: &'a ExecutionName,
    /// When the next one is to begin; `None` as long as there is no need.
    due: Option<Instant>,
    pause: Duration,
    /// When the last ones began, each page for itself.
    begun: VecDeque<Instant>,
    under_way: Option<Reply<'a, Result<LogPage, CloudError>>>,
    /// When the one under way, or the last one, began with its first page.
    first_page: Instant,
    /// What asks for its next page.
    page: String,
    /// The newest entry it has brought, and whether it has brought news.
    newest: Option<Timestamp>,
    news: bool,
    /// All that is older by more than the overlap has been read.
    read_to: Option<Timestamp>,
    /// Why the last one brought nothing.
    failed: Option<CloudError>,
    told: Option<String>,
}

impl<'a> Reads<'a> {
    fn new(google: &'a Google, name: &'a ExecutionName) -> Self {
        Self {
            google,
            name,
            due: None,
            pause: READ_EVERY,
            begun: VecDeque::new(),
            under_way: None,
            first_page: Instant::now(),
            page: String::new(),
            newest: None,
            news: false,
            read_to: None,
            failed: None,
            told: None,
        }
    }

    /// The next page, when its time has come. Dropping the future loses nothing.
    async fn next(&mut self) -> Result<LogPage, CloudError> {
        loop {
            if let Some(reply) = &mut self.under_way {
                let page = reply.await;
                self.under_way = None;
                return page;
            }
            let Some(due) = self.due else {
                return pending().await;
            };
            // A minute by their clock is not quite one by ours.
            let minute = Duration::from_secs(61);
            let quota = self.begun.iter().rev().nth(READS_A_MINUTE - 1).map(|begun| *begun + minute);
            sleep_until(quota.map_or(due, |quota| quota.max(due))).await;
            let now = Instant::now();
            if self.page.is_empty() {
                self.first_page = now;
                self.newest = None;
                self.news = false;
            }
            self.due = None;
            self.begun.push_back(now);
            if self.begun.len() > READS_A_MINUTE {
                self.begun.pop_front();
            }
            let since = self.read_to.map(|read_to| read_to - OVERLAP);
            let page = std::mem::take(&mut self.page);
            self.under_way = Some(self.google.log_entries(self.name, since, page));
        }
    }

    /// Reads as soon as the rhythm allows: the live log has broken.
    fn soon(&mut self) {
        self.pause = READ_EVERY;
        let soon = self.begun.back().map_or_else(Instant::now, |begun| *begun + READ_EVERY);
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }
}

/// Puts the live log and the reads together.
struct Reader<'a> {
    live: Live<'a>,
    reads: Reads<'a>,
    log: Log,
    ended: Option<Instant>,
    ran: bool,
    /// How long a result line is waited for after the end.
    drain: Duration,
    emit: Emit<'a>,
}

impl Reader<'_> {
    /// Reads until nothing more is to be expected, or contact with the execution is lost.
    async fn read(&mut self, mut stage: watch::Receiver<Stage>) {
        loop {
            let give_up = self.give_up();
            tokio::select! {
                entries = self.live.next() => self.took_live(entries),
                page = self.reads.next() => {
                    if self.took_page(page) {
                        return;
                    }
                }
                changed = stage.changed(), if self.ended.is_none() => {
                    if changed.is_err() {
                        return;
                    }
                    self.entered(*stage.borrow_and_update());
                }
                () = until(give_up) => {
                    if self.log.result.is_some() {
                        (self.emit)(Event::Trouble("lines of the log may be missing".to_owned()));
                    }
                    return;
                }
            }
        }
    }

    fn entered(&mut self, stage: Stage) {
        let now = Instant::now();
        match stage {
            Stage::Waiting => {}
            Stage::Running => {
                // A task is often over before there is anything to read.
                self.reads.due.get_or_insert(now + READ_EVERY);
            }
            Stage::Ended { ran } => {
                self.ended = Some(now);
                self.ran = ran;
                self.reads.pause = READ_EVERY;
                self.reads.due = Some(self.log.settled().map_or(now, |settled| settled.max(now)));
            }
        }
    }

    fn took_live(&mut self, entries: Result<Vec<LogEntry>, String>) {
        match entries {
            Ok(entries) => {
                let told = self.log.result.is_some();
                self.log.take(entries, Instant::now(), self.emit);
                if !told && self.ended.is_some() {
                    self.reads.due = self.log.settled().or(self.reads.due);
                }
            }
            Err(why) => {
                // Not worth a note: every line is read all the same.
                (self.emit)(Event::Detail(format!("{why}; reading the log every two seconds")));
                if self.ended.is_none() && (!self.log.seen.is_empty() || self.reads.due.is_some()) {
                    self.reads.soon();
                }
            }
        }
    }

    /// Takes in a page, and says when the next one is due; whether it was the last.
    fn took_page(&mut self, page: Result<LogPage, CloudError>) -> bool {
        let now = Instant::now();
        let reads = &mut self.reads;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                reads.page.clear();
                tell_once(&mut reads.told, format!("{error}; the task is not affected"), self.emit);
                if is_final(&error) {
                    // The live log may still bring something.
                    reads.due = None;
                } else {
                    reads.pause = (reads.pause * 2).min(SLOWEST_READ);
                    reads.due = Some(now + reads.pause);
                }
                reads.failed = Some(error);
                return reads.due.is_none() && self.ended.is_some() && self.live.tail.is_none();
            }
        };
        reads.failed = None;
        reads.told = None;
        reads.newest = reads.newest.max(page.entries.last().map(|entry| entry.timestamp));
        reads.news |= self.log.take(page.entries, reads.first_page, self.emit);
        if !page.next.is_empty() {
            reads.page = page.next;
            reads.due = Some(now);
            return false;
        }
        reads.read_to = reads.read_to.max(reads.newest);
        reads.pause = if reads.news || self.live.tail.is_none() {
            READ_EVERY
        } else {
            (reads.pause * 2).min(SLOWEST_READ)
        };
        reads.due = Some(reads.first_page + reads.pause);
        let Some(ended) = self.ended else {
            return false;
        };
        let settled = self.log.settled();
        if let Some(settled) = settled {
            reads.due = Some(settled.max(ended));
        }
        let all = match settled {
            Some(settled) if self.ran => Some(settled.max(ended)),
            _ if !self.ran || now >= ended + self.drain => Some(ended),
            _ => None,
        };
        // Only a read that was begun after that has everything.
        all.is_some_and(|all| reads.first_page >= all)
    }

    /// When there is no more waiting for what has not come.
    fn give_up(&self) -> Option<Instant> {
        let ended = self.ended?;
        Some(match self.log.result_came {
            Some((came, _)) => ended.max(came) + DRAIN_LINES,
            None if self.reads.failed.as_ref().is_some_and(|error| !is_final(error)) => ended + DRAIN_REFUSED,
            // In which there is a first read, also where there is nothing to wait for.
            None => ended + self.drain.max(DRAIN_LINES),
        })
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
