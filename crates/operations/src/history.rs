//! The history of runs: Cloud Run's executions, joined with the records that the executor leaves in the log.
//!
//! Each source knows what the other does not. An execution has the account that started it, its times and its
//! image, for 7 days; the record has the outcome, for as long as the log is kept. A run that was killed has
//! no record, and one of last month has no execution.
//!
//! Everybody who may write log entries can write a record. Where there is an execution, it says who asked for
//! what, and a record counts only if it is signed, if the request's key proves it, or, for an execution without a key,
//! if it agrees with the execution. Without the execution a signature alone proves a record, and the history says so
//! where there is none.
//!
//! To add a column: its field in [`PastRun`], the functions that fill it below, and `report/history.rs` of
//! the command-line program.

mod filter;
mod reading;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Span, Timestamp};
use quill_admin_cloud::{AuditEntry, CloudError, CloudErrorKind, Ending, Execution, JobName, Phase};
use quill_admin_contract::{
    Change, Claim, ExitCode, FieldValue, Outcome, PublicKey, ResultLine, Signature, Username, Verifier,
    variable,
};

use crate::error::CliError;
use crate::session::Session;
use crate::task::asked::{asked, context};
use crate::task::jobs::{self, Declared};
pub use filter::Filter;
pub use reading::UnreadLog;

/// The number of days for which Cloud Logging keeps a log by default.
const KEPT_DAYS: u32 = 30;
/// How far back the log is read unless told otherwise: as long as it is kept by default.
const KEPT: SignedDuration = SignedDuration::from_hours(KEPT_DAYS as i64 * 24);
/// How long Cloud Run keeps executions.
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
        self.unread.is_empty() && self.unread_log.is_none() && !self.unfinished
    }
}

/// One run of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// The execution's id.
    pub execution: String,
    /// The job that it belongs to: the environment's own, or one of the application's, which leaves no
    /// record.
    pub job: JobName,
    /// When it was asked for; where the execution is gone, when it ended.
    pub time: Timestamp,
    /// Whether Cloud Run still has its execution.
    pub has_execution: bool,
    /// The account that started it.
    pub account: Option<String>,
    /// The person who asked, as the request says: recorded, never trusted.
    pub actor: Option<String>,
    /// The action that was asked for.
    pub action: Option<String>,
    /// The user that the action was about.
    pub user: Option<String>,
    /// The number of rows, of a run for many.
    pub rows: Option<u64>,
    /// The number of the row that this is about, of a run for many of which one row is wanted.
    pub row_number: Option<u64>,
    /// The reason that was given for it.
    pub reason: Option<String>,
    /// The run of a pipeline that asked, as the request says: recorded, never trusted.
    pub origin: Option<String>,
    /// Values that the action has recorded, as the record has them.
    pub recorded: BTreeMap<String, FieldValue>,
    /// The kind of subject that the action was about, as the record has it.
    pub kind: Option<String>,
    /// What the action changed, as the record has it; `None` where that is not known, and for a preview.
    pub changes: Option<Vec<Change>>,
    /// The outcome, in one word.
    pub outcome: String,
    /// Whether it was a preview, which changed nothing.
    pub preview: bool,
    /// The execution that it undoes, where it is an undo.
    pub undoes: Option<String>,
    /// The record itself, where one can be used.
    pub line: Option<ResultLine>,
    /// The signature of the record that is used.
    pub signature: Signature,
    /// The reliability of its record.
    pub record: Record,
    /// Whether there are records of it that contradict the execution or each other; they are not used.
    pub contradicted: bool,
    /// The exit code of the executor, where its record has one.
    pub exit_code: Option<u8>,
    /// The time from its start to its end.
    pub duration: Option<SignedDuration>,
    /// The image that ran.
    pub image: Option<String>,
}

/// The reliability of a run's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// One of the environment's public keys verifies its signature.
    Signed,
    /// The request's key proves it.
    Proven,
    /// Nothing proves it: there was no key, or the key is gone with the execution.
    NotProvable,
    /// There is no record that can be used.
    None,
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
    let (executions, records, (others, unread)) = if filter.actor.is_some() {
        // The query depends on the executions.
        let (executions, others) = tokio::try_join!(executions, others)?;
        let records = reading::records(session, filter, &executions).await?;
        (executions, records, others)
    } else {
        tokio::try_join!(executions, reading::records(session, filter, &[]), others)?
    };
    let executions_from = session.environment().outlives_us().then(|| executions_from(&executions));
    let mut runs = join(job, executions, records.entries, &session.environment().record_keys);
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
                PastRun { action, user: None, ..of_execution(execution, &[], &[]) }
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

fn join(
    job: &JobName,
    executions: Vec<Execution>,
    records: Vec<AuditEntry>,
    keys: &[PublicKey],
) -> Vec<PastRun> {
    let mut told: BTreeMap<String, Vec<AuditEntry>> = BTreeMap::new();
    for record in records {
        told.entry(record.execution.clone()).or_default().push(record);
    }
    let mut runs: Vec<PastRun> = executions
        .into_iter()
        .map(|execution| {
            let records = told.remove(&execution.name.id).unwrap_or_default();
            of_execution(execution, &records, keys)
        })
        .collect();
    let forgotten = told.into_iter();
    runs.extend(forgotten.filter_map(|(execution, records)| of_records(job, execution, &records, keys)));
    runs
}

/// Makes a run that Cloud Run knows: the execution tells what was asked for, by whom and when.
fn of_execution(execution: Execution, records: &[AuditEntry], keys: &[PublicKey]) -> PastRun {
    let asked = asked(&execution);
    let key = asked.key.as_ref();
    // The records are newest first, so a task that was tried again is known by its last try.
    let name = &execution.name;
    let verifier = Verifier { keys, job: name.job.job.as_str(), execution: &name.id };
    let claims = records.iter().filter_map(|record| Claim::from_record(&record.payload, key, Some(verifier)));
    let (of_rows, of_run): (Vec<Claim>, Vec<Claim>) =
        claims.partition(|claim| claim.line.row_number.is_some());
    // Where the records of a user were asked for, the rows of a bulk run are there, and not the run itself. Whoever may
    // write log entries can write a record of either kind: one that is proven counts more.
    let is_proven = |claim: &Claim| claim.proven || claim.signature == Signature::Verified;
    let (any_row, any_run) = (of_rows.iter().any(is_proven), of_run.iter().any(is_proven));
    let is_of_rows = asked.rows.is_some() && !any_run && (any_row || of_run.is_empty());
    let (claims, others) = if is_of_rows { (of_rows, of_run) } else { (of_run, Vec::new()) };
    let is_signed = |claim: &&Claim| claim.signature == Signature::Verified;
    let worth = |claim: &Claim| {
        if !asked.may_be_answered_by(&claim.line) {
            return Worth::Contradicted;
        }
        // How the execution ended says nothing of one of its rows.
        let seen = if is_of_rows { Worth::Open } else { compared(&execution.phase, claim) };
        if execution.phase == SUCCEEDED && seen == Worth::Contradicted {
            // Cloud Run knows the exit code of the container.
            Worth::Contradicted
        } else if claim.proven || is_signed(&claim) {
            Worth::Agrees
        } else if key.is_some() {
            Worth::Contradicted
        } else {
            seen
        }
    };
    // Whoever may read executions can prove a result with the key of its request, and sign none.
    let agrees = |claim: &&Claim| worth(claim) == Worth::Agrees;
    let used = claims.iter().filter(is_signed).find(agrees).or_else(|| claims.iter().find(agrees));
    let contradicted = !others.is_empty()
        || claims.iter().any(|claim| {
            worth(claim) == Worth::Contradicted
                || !is_of_rows && used.is_some_and(|used| used.line != claim.line && !execution.retried)
        });
    let given = |name: &str| execution.request.get(name).cloned();
    let context = context(&execution);
    PastRun {
        time: execution.created.or(records.first().map(|record| record.timestamp)).unwrap_or_default(),
        has_execution: true,
        account: Some(execution.creator.clone()).filter(|creator| !creator.is_empty()),
        actor: given(variable::ADMIN_ACTOR.name),
        action: given(variable::ADMIN_ACTION.name),
        user: given(variable::ADMIN_USERNAME.name)
            .or_else(|| used.filter(|_| is_of_rows).and_then(|claim| claim.line.username.clone())),
        rows: execution.rows,
        row_number: used.and_then(|claim| claim.line.row_number),
        reason: given(variable::ADMIN_REASON.name),
        origin: given(variable::ADMIN_ORIGIN.name),
        recorded: used.map(|claim| claim.line.recorded.clone()).unwrap_or_default(),
        kind: used.and_then(|claim| kind(&claim.line)),
        changes: used.and_then(|claim| changes(&claim.line.outcome)),
        preview: context.preview,
        undoes: context.undoes,
        outcome: match (used, &execution.phase) {
            // The executor reports a failure: it was stopped, and has rolled back.
            (Some(claim), Phase::Ended(Ending::Cancelled { .. })) if claim.line.exit_code != 0 => None,
            (used, _) => used,
        }
        .map_or_else(|| seen(&execution.phase).to_owned(), outcome),
        line: used.map(|claim| claim.line.clone()),
        signature: used.map_or(Signature::None, |claim| claim.signature),
        record: match used {
            Some(claim) if is_signed(&claim) => Record::Signed,
            Some(claim) if claim.proven => Record::Proven,
            Some(_) => Record::NotProvable,
            None => Record::None,
        },
        contradicted,
        exit_code: used.map(|claim| claim.line.exit_code),
        duration: execution.started.zip(execution.completed).map(|(from, to)| to.duration_since(from)),
        image: Some(execution.image.clone()).filter(|image| !image.is_empty()),
        job: execution.name.job,
        execution: execution.name.id,
    }
}

const SUCCEEDED: Phase = Phase::Ended(Ending::Succeeded);

/// The relation of a record to what Cloud Run has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// Both say the same.
    Agrees,
    /// Cloud Run does not know the end yet.
    Open,
    Contradicted,
}

/// Compares a record with the end that Cloud Run saw. A container that was done, and was cancelled
/// afterwards, looks like one that was cancelled before: where nothing proves the record, Cloud Run's account
/// stands.
fn compared(phase: &Phase, claim: &Claim) -> Worth {
    let done = claim.line.exit_code == ExitCode::Success.code();
    let agrees = match phase {
        Phase::Ended(Ending::Succeeded) => done,
        Phase::Ended(Ending::Failed { .. } | Ending::Cancelled { .. }) => !done,
        Phase::Queued | Phase::Provisioning | Phase::Running => return Worth::Open,
    };
    if agrees { Worth::Agrees } else { Worth::Contradicted }
}

/// Makes a run that only the log knows: Cloud Run has forgotten it, and its key with it, or it never existed. A
/// signed record counts more than all that are not.
fn of_records(
    job: &JobName,
    execution: String,
    records: &[AuditEntry],
    keys: &[PublicKey],
) -> Option<PastRun> {
    let verifier = Verifier { keys, job: job.job.as_str(), execution: &execution };
    let claims = records.iter().filter_map(|record| {
        Some((record.timestamp, Claim::from_record(&record.payload, None, Some(verifier))?))
    });
    let (mut of_rows, of_run): (Vec<_>, Vec<_>) =
        claims.partition(|(_, claim)| claim.line.row_number.is_some());
    // Of several rows about one user, the last one is told.
    of_rows.dedup_by(|other, one| other.1.line.row_number != one.1.line.row_number);
    let is_signed = |claim: &Claim| claim.signature == Signature::Verified;
    let any = |claims: &[(Timestamp, Claim)]| claims.iter().any(|(_, claim)| is_signed(claim));
    let is_of_rows = !any(&of_run) && (any(&of_rows) || of_run.is_empty());
    let (claims, others) = if is_of_rows { (of_rows, of_run) } else { (of_run, Vec::new()) };
    let any_signed = claims.iter().any(|(_, claim)| is_signed(claim));
    let told: Vec<&(Timestamp, Claim)> =
        claims.iter().filter(|(_, claim)| is_signed(claim) || !any_signed).collect();
    let (time, claim) = told.first()?;
    let (first, signature) = (&claim.line, claim.signature);
    let lines = || told.iter().map(|(_, claim)| &claim.line);
    let differ = lines().any(|line| line != first);
    let contradicted = !others.is_empty() || claims.iter().any(|(_, claim)| &claim.line != first);
    // Where records differ, only the values that all of them have are used.
    let common = |said: fn(&ResultLine) -> Option<&String>| {
        said(first).filter(|_| lines().all(|line| said(line) == said(first))).cloned()
    };
    Some(PastRun {
        execution,
        job: job.clone(),
        time: *time,
        has_execution: false,
        account: None,
        outcome: if differ { "contradicted".to_owned() } else { first.outcome.name().to_owned() },
        undoes: common(|line| line.undoes.as_ref()),
        preview: lines().all(|line| line.mode.is_some()),
        line: (!differ).then(|| first.clone()),
        signature,
        record: if any_signed { Record::Signed } else { Record::NotProvable },
        contradicted,
        exit_code: Some(first.exit_code).filter(|_| !differ),
        actor: common(|line| line.actor.as_ref()),
        action: common(|line| line.action.as_ref()),
        user: common(|line| line.username.as_ref()),
        rows: match first.outcome {
            Outcome::Each { rows, .. } => Some(rows),
            _ => None,
        },
        row_number: first.row_number,
        reason: common(|line| line.reason.as_ref()),
        origin: common(|line| line.origin.as_ref()),
        recorded: if lines().all(|line| line.recorded == first.recorded) {
            first.recorded.clone()
        } else {
            BTreeMap::new()
        },
        kind: kind(first).filter(|_| !differ),
        changes: changes(&first.outcome).filter(|_| !differ),
        duration: None,
        image: None,
    })
}

fn kind(line: &ResultLine) -> Option<String> {
    line.outcome.subject().map(|subject| subject.kind.clone())
}

/// The changes that a record tells. A failure, a preview, and an outcome that this version does not know, tell none, which
/// does not mean that there were none.
fn changes(outcome: &Outcome) -> Option<Vec<Change>> {
    match outcome {
        Outcome::Failed { .. } | Outcome::Previewed { .. } | Outcome::Other(_) => None,
        outcome => Some(outcome.changes().to_vec()),
    }
}

fn outcome(claim: &Claim) -> String {
    claim.line.outcome.name().to_owned()
}

/// The outcome that Cloud Run saw of a run that left no record.
fn seen(phase: &Phase) -> &'static str {
    match phase {
        Phase::Ended(Ending::Succeeded) => "succeeded",
        Phase::Ended(Ending::Failed { .. }) => "failed",
        Phase::Ended(Ending::Cancelled { .. }) => "cancelled",
        Phase::Queued | Phase::Provisioning | Phase::Running => "running",
    }
}
