//! The history of runs: Cloud Run's executions, joined with the records that the executor leaves in the log.
//!
//! Each source knows what the other does not. An execution has the account that started it, its times and its
//! image, for 7 days; the record has the outcome, for as long as the log is kept. A run that was killed has
//! no record, and one of last month has no execution.
//!
//! Everybody who may write log entries can write a record. Where there is an execution, it says who asked for what,
//! and a record counts only if it is signed, if the request's key proves it, or, for an execution without a key, if
//! it agrees with the execution. Without the execution a signature alone proves a record, and the history says so
//! where there is none.
//!
//! To add a column: its field in `past_run.rs`, the functions of `joined.rs` that fill it, and `report/history.rs` of
//! the command-line program.

mod filter;
mod joined;
mod past_run;
mod reading;

use jiff::{SignedDuration, Span, Timestamp};
use quill_admin_cloud::{CloudError, CloudErrorKind, Execution, JobName};
use quill_admin_contract::{Username, variable};

use crate::error::CliError;
use crate::session::Session;
use crate::task::jobs::{self, Declared};
pub use filter::Filter;
use joined::{Reading, join, without_records};
pub use past_run::{PastRun, Record};
pub use reading::UnreadLog;

/// The number of days for which Cloud Logging keeps a log by default.
const KEPT_DAYS: u32 = 30;
/// The time for which the log is read back unless told otherwise: that for which it is kept by default.
const KEPT: SignedDuration = SignedDuration::from_hours(KEPT_DAYS as i64 * 24);
/// The time for which Cloud Run keeps executions.
const EXECUTIONS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The greatest number of executions that Cloud Run keeps.
const EXECUTIONS_MOST: usize = 1000;

/// The runs of the past, as far as they could be read.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that may be missing")]
pub struct Past {
    /// Runs, newest first.
    pub runs: Vec<PastRun>,
    /// The jobs of the application whose executions could not be read, and why.
    pub unread: Vec<(JobName, CloudError)>,
    /// The log that could not be read, where the other one with records could.
    pub unread_log: Option<UnreadLog>,
    /// The number of days for which records are kept, where the period is longer than that.
    pub kept_days: Option<u32>,
    /// Whether the environment names a bucket that keeps records.
    pub has_bucket: bool,
    /// Whether the log was not searched to its end, where older records are wanted: a call reads a limited number.
    pub unfinished: bool,
    /// The time of the oldest record that was looked at in a log that was not searched to its end.
    pub records_from: Option<Timestamp>,
    /// Whether records of rows that were wanted may not have been found.
    pub rows_unread: bool,
    /// Whether there are more runs than were wanted.
    pub cut: bool,
    /// Whether an actor is wanted in a period from which Cloud Run has forgotten the accounts.
    pub by_person_alone: bool,
    /// The time from which on Cloud Run has all executions of the environment's own job, but for those that somebody
    /// has deleted. `None`: it has them all.
    pub executions_from: Option<Timestamp>,
}

impl Past {
    /// Whether all was read that was to be read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.unread.is_empty() && self.unread_log.is_none() && !self.unfinished && !self.rows_unread
    }
}

/// Reads the beginning of the period from a time, a date, or a span such as `7d`.
///
/// # Errors
///
/// Fails when the text is none of these.
pub fn since(given: Option<&str>) -> Result<Timestamp, CliError> {
    let now = Timestamp::now();
    let Some(text) = given else { return Ok(now - KEPT) };
    let refused = || {
        CliError::usage(format!(
            "--since \"{}\" is neither a date such as 2026-11-01 nor a time ago such as 7d, 12h or 2y",
            text.escape_debug()
        ))
    };
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(date) = text.parse::<jiff::civil::Date>() {
        return date
            .to_zoned(jiff::tz::TimeZone::system())
            .map(|time| time.timestamp())
            .map_err(|_| refused());
    }
    let span: Span = text.parse().map_err(|_| refused())?;
    // Months and years differ in length, so they are counted in the calendar.
    let ago = now.to_zoned(jiff::tz::TimeZone::system()).checked_sub(span.abs()).map_err(|_| refused())?;
    Ok(ago.timestamp())
}

/// Reads the newest runs that a filter wants, newest first.
///
/// # Errors
///
/// Fails when the executions of the environment's own job, or the records in the log, cannot be read.
pub async fn read(session: &Session, filter: &Filter) -> Result<Past, CliError> {
    let (google, job) = (session.google(), &session.environment().job);
    let declared = jobs::declared(session.environment());
    let executions = async { google.executions(job).await };
    let others = async { Ok(of_application(session, &declared).await) };
    let rows = async { Ok(reading::rows(session, filter).await) };
    let (executions, mut records, (others, unread), (rows, rows_whole)) = if filter.actor.is_some() {
        // The query depends on the executions.
        let (executions, others, rows) = tokio::try_join!(executions, others, rows)?;
        let records = reading::records(session, filter, &executions).await?;
        (executions, records, others, rows)
    } else {
        tokio::try_join!(executions, reading::records(session, filter, &[]), others, rows)?
    };
    records.entries.extend(rows);
    let executions_from = session.environment().outlives_us().then(|| executions_from(&executions));
    let reading = Reading { keys: &session.environment().record_keys, each_row: filter.user.is_some() };
    let mut runs = join(job, executions, records.entries, reading);
    runs.extend(others);
    runs.sort_by_key(|run| std::cmp::Reverse(run.time));
    runs.retain(|run| wants(filter, run));
    let is_full = runs.len() >= filter.limit;
    let cut = runs.len() > filter.limit || is_full && records.more;
    runs.truncate(filter.limit);
    // Executions fill the list, too, and their records may not have been looked at.
    let is_looked_at = |run: &PastRun| records.from.is_some_and(|from| run.time >= from);
    let unfinished = records.more && !(is_full && runs.last().is_some_and(is_looked_at));
    let environment = session.environment();
    let ago = Timestamp::now().duration_since(filter.since);
    let kept_days = environment.records.as_ref().map_or(KEPT_DAYS, |kept| kept.retention_days.max(KEPT_DAYS));
    let kept = SignedDuration::from_hours(i64::from(kept_days) * 24) + SignedDuration::from_hours(1);
    Ok(Past {
        records_from: records.from.filter(|_| unfinished),
        unread_log: records.unread,
        kept_days: Some(kept_days).filter(|_| environment.outlives_us() && ago > kept),
        has_bucket: environment.records.is_some(),
        unfinished,
        rows_unread: !rows_whole,
        cut,
        by_person_alone: filter.actor.is_some() && ago > EXECUTIONS_KEPT,
        executions_from,
        unread,
        runs,
    })
}

/// The time from which on Cloud Run has all executions of a job that were not deleted: it keeps them for 7 days, and
/// no more than 1,000 ("Cloud Run: quotas and limits").
fn executions_from(executions: &[Execution]) -> Timestamp {
    let kept = Timestamp::now() - EXECUTIONS_KEPT;
    let oldest = executions.iter().filter_map(|execution| execution.created).min();
    oldest.filter(|_| executions.len() >= EXECUTIONS_MOST).map_or(kept, |oldest| oldest.max(kept))
}

fn wants(filter: &Filter, run: &PastRun) -> bool {
    let is = |wanted: Option<&str>, value: &Option<String>| wanted.is_none_or(|_| value.as_deref() == wanted);
    run.time >= filter.since
        && is(filter.user.as_ref().map(Username::as_str), &run.user)
        && is(filter.action.as_deref(), &run.action)
        && filter.is_by(run.account.as_deref(), run.actor.as_deref())
}

/// The executions of the application's jobs that actions run, whoever started them. There is one request for
/// each job, and few applications have more than one. A job that does not exist has never run.
async fn of_application(
    session: &Session,
    declared: &[Declared],
) -> (Vec<PastRun>, Vec<(JobName, CloudError)>) {
    let mut jobs: Vec<&JobName> = Vec::new();
    for Declared { name, .. } in declared {
        if !jobs.contains(&name) {
            jobs.push(name);
        }
    }
    let (mut runs, mut unread) = (Vec::new(), Vec::new());
    for job in jobs {
        match session.google().executions(job).await {
            Ok(executions) => runs.extend(executions.into_iter().map(|execution| {
                let action = action_of(&execution, declared);
                PastRun { action, user: None, ..without_records(&execution) }
            })),
            Err(error) if error.kind == CloudErrorKind::NotFound => {}
            Err(error) => unread.push((job.clone(), error)),
        }
    }
    (runs, unread)
}

/// The action that an execution of one of the application's jobs was started for: the one whose variables it
/// was given, as far as they can be seen here, which is those that begin with `ADMIN_`; else the one that its
/// own variables name.
fn action_of(execution: &Execution, declared: &[Declared]) -> Option<String> {
    let given = |name: &str, value: &String| execution.request.get(name) == Some(value);
    let has_run = |declared: &&Declared| {
        declared.name == execution.name.job
            && declared
                .job
                .variables
                .iter()
                .all(|(name, value)| !name.starts_with("ADMIN_") || given(name, value))
    };
    let mut those = declared.iter().filter(has_run);
    match (those.next(), those.next()) {
        (Some(one), None) => Some(one.action.name.clone()),
        _ => execution.request.get(variable::ADMIN_ACTION.name).cloned(),
    }
}
