//! Combines the live log with reads of the log, and knows when all of the log has been read.
//!
//! Every wait is here: how long the result line, the lines before it and missing rows are waited for after
//! the end of an execution. To change one: the constants below, `drain` and `give_up`.

use std::future::pending;
use std::time::Duration;

use quill_admin_cloud::{CloudError, LogEntry, LogPage};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::live::Live;
use super::log::Log;
use super::progress::{EndedHow, Progress};
use super::reads::{Newest, READ_EVERY, Reads, SLOWEST_READ};
use crate::events::Event;
use crate::patience::{is_final, tell_once};
use crate::session::Session;

/// The longest wait for the result line after the end. Nobody promises when a line can be read, so this long
/// is waited where no line has come that would show how late this log is.
const DRAIN: Duration = Duration::from_secs(20);
/// The wait beyond the lateness of the lines that have come: the last line is rarely much later than those
/// before it, and a container that was killed has written none.
const DRAIN_BEYOND: Duration = Duration::from_secs(5);
/// The wait as long as reads are refused: a quota by the minute is free again after it.
const DRAIN_REFUSED: Duration = Duration::from_secs(75);
/// The wait for lines before a known result line.
const DRAIN_LINES: Duration = Duration::from_secs(10);
/// A timer that fires later than this was not run in time: the program was stopped.
const LATE: Duration = Duration::from_secs(2);

/// Puts the live log and the reads together.
pub(super) struct Reader<'a> {
    pub(super) live: Live<'a>,
    pub(super) reads: Reads<'a>,
    pub(super) log: Log,
    pub(super) ended: Option<Instant>,
    pub(super) ran: Option<bool>,
    pub(super) how: EndedHow,
    /// The time for which the program was stopped after the end.
    pub(super) stopped_for: Duration,
    /// The time for which the execution had been over before it was followed.
    pub(super) over_for: Duration,
    /// The time at which the last read began that has brought all its pages.
    pub(super) complete: Option<Instant>,
    /// Notified when the result line has come: the end is near.
    pub(super) result_came: &'a Notify,
    pub(super) session: &'a Session,
}

impl Reader<'_> {
    /// Reads until nothing more is to be expected, or contact with the execution is lost.
    pub(super) async fn read(&mut self, mut progress: watch::Receiver<Progress>) {
        loop {
            let give_up = self.give_up();
            tokio::select! {
                // Lines that are there are taken in before the wait is given up.
                biased;
                changed = progress.changed(), if self.ran.is_none() => {
                    if changed.is_err() {
                        return;
                    }
                    let progress = *progress.borrow_and_update();
                    self.entered(progress);
                    if self.is_all_read() {
                        return;
                    }
                }
                entries = self.live.next() => {
                    self.took_live(entries);
                    if self.is_all_read() {
                        return;
                    }
                }
                page = self.reads.next() => {
                    if self.took_page(page) {
                        return;
                    }
                }
                () = until(give_up) => {
                    if self.was_stopped(give_up) {
                        continue;
                    }
                    if self.log.result_came.is_some() {
                        self.session.emit(Event::Trouble("lines of the log may be missing".to_owned()));
                    }
                    return;
                }
            }
        }
    }

    fn entered(&mut self, progress: Progress) {
        let now = Instant::now();
        match progress {
            Progress::Waiting => {}
            Progress::Running => {
                // A task is often over before there is anything to read.
                self.reads.due.get_or_insert(now + READ_EVERY);
            }
            Progress::Ended { ran, how } => {
                self.ran = ran;
                self.how = how;
                if self.ended.is_some() {
                    return;
                }
                self.ended = Some(now);
                self.reads.pause = READ_EVERY;
                self.reads.due = Some(self.log.settled().map_or(now, |settled| settled.max(now)));
                self.look_at_the_end();
            }
        }
    }

    fn took_live(&mut self, entries: Result<Vec<LogEntry>, String>) {
        match entries {
            Ok(entries) => {
                let told = self.log.result_came.is_some();
                self.log.take(entries, Instant::now(), self.session);
                if !told && let Some(settled) = self.log.settled() {
                    self.result_came.notify_one();
                    // The last read goes beside the question for the state.
                    if self.ended.is_some() || self.is_last_line() {
                        self.reads.due = Some(settled);
                    }
                }
            }
            Err(why) => {
                let told = format!("{why}; reading the log every two seconds");
                self.session.emit(match self.live.proxy() {
                    // A proxy breaks the live log every time, and its setting can be changed.
                    Some(_) => Event::Trouble(told),
                    // Without a proxy it is not worth a note: every line is read all the same.
                    None => Event::Detail(told),
                });
                if self.ended.is_none() && (!self.log.seen.is_empty() || self.reads.due.is_some()) {
                    self.reads.soon();
                }
            }
        }
    }

    /// Takes in a page, and sets when the next one is due; returns whether it was the last.
    fn took_page(&mut self, page: Result<LogPage, CloudError>) -> bool {
        let now = Instant::now();
        let newest_first = self.reads.newest_first == Newest::UnderWay;
        if newest_first {
            self.reads.newest_first = Newest::Asked;
        }
        let reads = &mut self.reads;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                // A read of several pages goes on where it was.
                if !newest_first {
                    reads.page.clear();
                }
                tell_once(&mut reads.told, format!("{error}; the task is not affected"), self.session);
                if is_final(&error) {
                    // The live log may still bring something.
                    reads.due = None;
                } else {
                    reads.pause = (reads.pause * 2).min(SLOWEST_READ);
                    reads.due = Some(now + reads.pause);
                }
                reads.failed = Some(error);
                return reads.due.is_none() && self.ended.is_some() && !self.live.is_open();
            }
        };
        reads.failed = None;
        reads.told = None;
        if newest_first {
            for entry in &page.entries {
                // The read that this one interrupts still brings all lines.
                self.log.take_claim(entry, reads.first_page);
            }
            reads.due = Some(now);
            return false;
        }
        reads.newest = reads.newest.max(page.entries.last().map(|entry| entry.timestamp));
        let told = self.log.result_came.is_some();
        reads.news |= self.log.take(page.entries, reads.first_page, self.session);
        if !told && self.log.result_came.is_some() && self.ended.is_none() {
            self.result_came.notify_one();
        }
        if !page.next.is_empty() {
            reads.page = page.next;
            reads.due = Some(now);
            self.look_at_the_end();
            return false;
        }
        self.complete = Some(reads.first_page);
        reads.read_to = reads.read_to.max(reads.newest);
        reads.pause =
            if reads.news || !self.live.is_open() { READ_EVERY } else { (reads.pause * 2).min(SLOWEST_READ) };
        reads.due = Some(reads.first_page + reads.pause);
        if let Some(ended) = self.ended {
            let settled = self.log.settled().map(|settled| settled.max(ended));
            // The last read is due when the waiting is over.
            let waited = Some(ended + self.drain()).filter(|waited| *waited > now);
            // Rows that have not come are looked for again and again.
            if !self.log.lacks_rows() {
                self.reads.due = settled.or_else(|| self.reads.due.min(waited).or(self.reads.due));
            }
        }
        self.is_all_read()
    }

    /// Asks for the end of the log first, where the log is longer than a page and its result is still
    /// missing: the result is at the end.
    fn look_at_the_end(&mut self) {
        if self.ended.is_some()
            && self.log.result_came.is_none()
            && !self.reads.page.is_empty()
            && self.reads.newest_first == Newest::Unasked
        {
            self.reads.newest_first = Newest::Wanted;
        }
    }

    /// Whether nothing of interest comes after the result line. After a failure it does: Cloud Run tells
    /// how the container ended.
    fn is_last_line(&self) -> bool {
        self.log.succeeds && !self.log.whole
    }

    /// Whether the last read that has brought all its pages was begun after the last line could be read.
    fn is_all_read(&self) -> bool {
        let (Some(ended), Some(ran), Some(complete)) = (self.ended, self.ran, self.complete) else {
            return false;
        };
        if self.log.lacks_rows() {
            return false;
        }
        let all = match self.log.settled() {
            Some(settled) if self.how == EndedHow::Well && self.is_last_line() => settled,
            Some(settled) if ran => settled.max(ended),
            _ if ran => ended + self.drain(),
            _ => ended,
        };
        complete >= all
    }

    /// The longest wait for a result line after the end.
    fn drain(&self) -> Duration {
        // Where there is no result to wait for, a job that has printed nothing is no reason to wait for long.
        let silent = if self.log.asked.is_some() { DRAIN } else { DRAIN_BEYOND };
        let longest = self.log.lateness.map_or(silent, |(_, most)| (DRAIN_BEYOND + most * 5 / 4).min(DRAIN));
        longest.saturating_sub(self.over_for)
    }

    /// Whether the program was stopped, or the laptop slept, when this deadline passed. Then nothing was
    /// waited for, and the wait begins again.
    fn was_stopped(&mut self, deadline: Option<Instant>) -> bool {
        let late = deadline.map(|deadline| deadline.elapsed()).filter(|late| *late > LATE);
        if let Some(late) = late {
            self.stopped_for += late + DRAIN_LINES;
            if !self.reads.is_off() {
                self.reads.soon();
            }
        }
        late.is_some()
    }

    /// The moment to stop waiting for lines that have not come. It is not before the log was asked for once
    /// after the end: a program that was stopped then, or a laptop that slept, has not done so.
    fn give_up(&self) -> Option<Instant> {
        let ended = self.ended.filter(|ended| self.reads.is_off() || self.reads.has_begun_since(*ended))?;
        let refused = self.reads.failed.as_ref().is_some_and(|error| !is_final(error));
        let deadline = match self.log.result_came {
            // A list without some of its rows is worth less than the wait for them.
            Some((came, _)) if self.log.lacks_rows() => {
                ended.max(came) + DRAIN.saturating_sub(self.over_for).max(DRAIN_LINES)
            }
            Some((came, _)) => ended.max(came) + DRAIN_LINES,
            // How it ended is known without the log.
            None if refused && self.how == EndedHow::Cancelled => ended + DRAIN_LINES,
            None if refused => ended + DRAIN_REFUSED,
            None if self.reads.failed.is_some() => ended + self.drain().max(DRAIN_LINES),
            // This leaves time for a last read, also where there is nothing to wait for.
            None => ended + self.drain() + DRAIN_LINES,
        };
        Some(deadline + self.stopped_for)
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
