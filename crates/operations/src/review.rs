//! A review: what was run since the last one, by whom, and what of it deserves a look.
//!
//! It begins where the last review ended, of which there is a signed record, and ends before the first run that has
//! not ended. What could not be looked at is a [`Gap`], and is told; a [`Mark`] is only given where it could be
//! judged. The review itself is recorded by the action `review`, which connects to nothing.
//!
//! To add a mark: `review/mark.rs`. To add a gap: `review/gap.rs`. To read something else about runs: [`read`], which
//! hands it to `Judge` in `review/judge.rs`.

mod gap;
mod judge;
mod last;
mod mark;
mod starts;
#[cfg(test)]
mod tests;

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use quill_admin_actions::Actions;
use quill_admin_contract::REVIEW;

pub use gap::Gap;
pub use last::{Earlier, LastReview};
pub use mark::Mark;

use crate::actions;
use crate::config::Environment;
use crate::error::CliError;
use crate::history::{self, Filter, Past, PastRun, Record};
use crate::session::Session;
use judge::{Judge, Looked};
use starts::Starts;

/// The greatest number of runs that are reviewed at once.
const MANY: usize = 10_000;
/// The number of reviews among which the last one is looked for.
const REVIEWS: usize = 1000;

/// A review of what was run.
#[derive(Debug)]
pub struct Reviewed {
    /// The beginning of the period.
    pub from: Timestamp,
    /// Its end, which does not belong to it.
    pub until: Timestamp,
    /// The earlier reviews, as far as they are known; `None` where the beginning was given.
    pub earlier: Option<Earlier>,
    /// The runs with their marks, newest first.
    pub runs: Vec<ReviewedRun>,
    /// Number of runs that are left to the next review: they have not ended, or were started later than one that has
    /// not.
    pub left: usize,
    /// The gaps: the things that could not be looked at.
    pub gaps: Vec<Gap>,
    /// Marks that were not used, and why, a sentence each.
    pub unused: Vec<String>,
}

/// A run with its marks.
#[derive(Debug)]
pub struct ReviewedRun {
    /// The run.
    pub run: PastRun,
    /// Its marks; none: nothing was seen that deserves a look.
    pub marks: Vec<Mark>,
    /// Whether the values of its record are proven.
    pub proven: bool,
}

impl Reviewed {
    /// Number of runs that are marked.
    #[must_use]
    pub fn marked(&self) -> usize {
        self.runs.iter().filter(|one| !one.marks.is_empty()).count()
    }
}

/// Reviews what was run since a time, or since the last review. Changes nothing.
///
/// # Errors
///
/// Fails when the executions of the environment's own job, or all records, cannot be read.
pub async fn read(session: &Session, since: Option<Timestamp>) -> Result<Reviewed, CliError> {
    let began = Instant::now();
    let environment = session.environment();
    let (mut gaps, mut earlier) = (Vec::new(), None);
    let from = if let Some(since) = since {
        since
    } else {
        let kept = environment.records.as_ref().map(|kept| format!("{}d", kept.retention_days));
        let everything = Filter {
            since: history::since(kept.as_deref())?,
            user: None,
            actor: None,
            action: Some(REVIEW.to_owned()),
            rows: false,
            limit: REVIEWS,
        };
        let reviews = history::read(session, &everything).await?;
        // How long records are kept says nothing about this.
        let looked = Past { kept_days: None, unread: Vec::new(), ..reviews };
        gaps = Gap::in_past(&looked);
        let found = Earlier::of(&looked.runs, environment.is_embedded(), began_at(session, began));
        let from = match &found.last {
            Some(last) => last.review.until,
            None => history::since(None)?,
        };
        earlier = Some(found);
        from
    };
    let filter = Filter { since: from, user: None, actor: None, action: None, rows: true, limit: MANY };
    let (past, starts) = tokio::join!(history::read(session, &filter), Starts::read(session, from));
    let past = past?;
    let now = began_at(session, began);
    let reviewed = judged(environment, actions::of_this_run(), past, &starts, (from, now));
    for gap in reviewed.gaps {
        if !gaps.iter().any(|known| known.code() == gap.code()) {
            gaps.push(gap);
        }
    }
    Ok(Reviewed { earlier, gaps, ..reviewed })
}

/// The time at which reading has begun. A period that ended later would leave out what was started in between, so
/// this is Google's time. Where no answer has told it, a clock that is a little ahead does no harm.
fn began_at(session: &Session, began: Instant) -> Timestamp {
    const AHEAD: SignedDuration = SignedDuration::from_mins(10);
    let told = session.google().time().and_then(|time| time.checked_sub(began.elapsed()).ok());
    told.unwrap_or_else(|| Timestamp::now() - AHEAD)
}

/// Judges the runs of a period.
fn judged(
    environment: &Environment,
    actions: &Actions,
    past: Past,
    starts: &Starts,
    (from, now): (Timestamp, Timestamp),
) -> Reviewed {
    let gaps = gaps(environment, &past, starts, from);
    let judge = Judge {
        actions,
        own: &environment.job,
        has_keys: !environment.record_keys.is_empty(),
        is_embedded: environment.is_embedded(),
        hours: environment.working_hours.as_ref(),
        executions_from: past.executions_from,
        from,
        records: looked(&past, now),
        rows_read: !past.rows_unread,
        starts,
    };
    let mut runs = past.runs;
    let forgotten: Vec<PastRun> = starts
        .executions()
        .filter(|(execution, _)| !runs.iter().any(|run| run.execution == **execution))
        .map(|(execution, entry)| only_started(environment, execution, entry.timestamp))
        .collect();
    runs.extend(forgotten);
    for run in &mut runs {
        if run.account.is_none() {
            run.account = starts.get(&run.execution).and_then(|entry| entry.account.clone());
        }
    }
    runs.sort_by_key(|run| std::cmp::Reverse(run.time));
    let open = runs.iter().filter(|run| judge.is_open(run, now)).map(|run| run.time).min();
    // All that was started before an execution that was listed was listed, too.
    let listed = runs.iter().filter(|run| run.has_execution).map(|run| run.time).max();
    let listed = listed.map_or(now, |listed| (listed + SignedDuration::from_nanos(1)).max(now));
    let until = open.map_or(listed, |open| open.min(listed)).max(from);
    let left = runs.iter().filter(|run| run.time >= until).count();
    runs.retain(|run| run.time >= from && run.time < until);
    let runs = runs
        .into_iter()
        .map(|run| {
            let (marks, proven) = (judge.marks(&run), judge.is_proven(&run));
            ReviewedRun { run, marks, proven }
        })
        .collect();
    Reviewed { from, until, earlier: None, runs, left, gaps, unused: unused(environment, actions) }
}

/// From when on records were looked for, and are still kept.
fn looked(past: &Past, now: Timestamp) -> Looked {
    let kept = past.kept_days.map(|days| now - SignedDuration::from_hours(24 * i64::from(days)));
    match (&past.unread_log, past.unfinished, past.records_from) {
        (Some(_), ..) | (None, true, None) => Looked::Nowhere,
        (None, true, Some(from)) => Looked::From(kept.map_or(from, |kept| kept.max(from))),
        (None, false, _) => kept.map_or(Looked::Whole, Looked::From),
    }
}

/// A run of which only the audit log knows: its execution is gone, and there is no record.
fn only_started(environment: &Environment, execution: &str, time: Timestamp) -> PastRun {
    PastRun {
        execution: execution.to_owned(),
        job: environment.job.clone(),
        time,
        has_execution: false,
        account: None,
        actor: None,
        action: None,
        user: None,
        rows: None,
        row_number: None,
        of_rows: Vec::new(),
        reason: None,
        origin: None,
        recorded: std::collections::BTreeMap::new(),
        kind: None,
        changes: None,
        outcome: "unknown".to_owned(),
        preview: false,
        undoes: None,
        line: None,
        signature: quill_admin_contract::Signature::None,
        record: Record::None,
        contradicted: false,
        exit_code: None,
        duration: None,
        image: None,
    }
}

fn gaps(environment: &Environment, past: &Past, starts: &Starts, from: Timestamp) -> Vec<Gap> {
    let mut gaps = Gap::in_past(past);
    if environment.outlives_us() && !starts.reach(from) {
        let executions = past.executions_from.filter(|executions| from < *executions);
        gaps.extend(executions.map(|from| Gap::ExecutionsForgotten { from }));
        gaps.push(Gap::NoAuditLog { why: starts.unread.clone() });
    }
    if environment.record_keys.is_empty() && !environment.is_embedded() {
        gaps.push(Gap::NoKeys);
    }
    gaps
}

/// The marks that are not used, since nobody has said what they need.
fn unused(environment: &Environment, actions: &Actions) -> Vec<String> {
    let mut unused = Vec::new();
    match &environment.working_hours {
        None => unused.push(
            "out of hours is not judged: the key working_hours of environments.yaml names no hours"
                .to_owned(),
        ),
        Some(hours) if !hours.can_be_judged() => {
            unused.push(
                "out of hours is not judged: this machine knows no time zones (package tzdata)".to_owned(),
            );
        }
        Some(_) => {}
    }
    let rights = |action: &quill_admin_actions::Action| {
        let words = action.words.subject.as_ref();
        words.is_some_and(|words| words.fields.iter().any(|field| field.rights.is_some()))
    };
    if !actions.iter().any(rights) {
        unused.push(
            "rights are not judged: the file of actions says of no field that its values are rights"
                .to_owned(),
        );
    }
    unused
}
