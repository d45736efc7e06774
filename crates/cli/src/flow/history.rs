//! What was run: Cloud Run's executions, joined with the records that the executor leaves in the log.
//!
//! Each knows what the other does not. An execution has the account that started it, its times and
//! its image, for 7 days; the record has the outcome, for as long as the log is kept. A run that was
//! killed has no record, one of last month no execution.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Span, Timestamp};
use quill_admin_cloud::{AuditEntry, Ending, Execution, Google, Phase};
use quill_admin_contract::{ResultLine, Username, variable};

use crate::config::Environment;
use crate::error::CliError;

/// How far back the log is read unless told otherwise: as long as it is kept by default.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Records read when only one user's are wanted: the log finds other users whose names differ in case
/// only, too.
const MANY: usize = 1000;

/// One run of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// The execution's id.
    pub execution: String,
    /// When it was asked for; without the execution, when it ended.
    pub time: Timestamp,
    /// The account that started it.
    pub account: Option<String>,
    /// Who asked, as the request says: recorded, never trusted.
    pub actor: Option<String>,
    /// What was asked for.
    pub action: Option<String>,
    /// About whom.
    pub user: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// What came of it, in one word.
    pub outcome: &'static str,
    /// What the executor ended with, where it said so.
    pub exit_code: Option<u8>,
    /// How long it took.
    pub duration: Option<SignedDuration>,
    /// The image that ran.
    pub image: Option<String>,
}

/// From when on: a time, a date, or how long ago.
pub fn since(given: Option<&str>) -> Result<Timestamp, CliError> {
    let now = Timestamp::now();
    let Some(text) = given else { return Ok(now - KEPT) };
    let refused = || {
        CliError::usage(format!(
            "--since \"{}\" is neither a date such as 2026-11-01 nor a time ago such as 7d or 12h",
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
    let ago = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| refused())?;
    now.checked_sub(ago.abs()).map_err(|_| refused())
}

/// Reads the newest `limit` runs, newest first.
pub async fn read(
    google: &Google,
    environment: &Environment,
    since: Timestamp,
    user: Option<&Username>,
    limit: usize,
) -> Result<Vec<PastRun>, CliError> {
    let wanted = if user.is_some() { MANY } else { limit };
    let executions = async { google.executions(&environment.job).await };
    let about = user.map(Username::as_str);
    let records = google.audit_entries(&environment.job, ResultLine::KEY, about, since, wanted);
    let (executions, records) = tokio::try_join!(executions, records)?;
    let mut runs = join(executions, records);
    runs.retain(|run| {
        run.time >= since && user.is_none_or(|user| run.user.as_deref() == Some(user.as_str()))
    });
    runs.truncate(limit);
    Ok(runs)
}

fn join(executions: Vec<Execution>, records: Vec<AuditEntry>) -> Vec<PastRun> {
    let mut told: BTreeMap<String, (Timestamp, ResultLine)> = BTreeMap::new();
    for record in records {
        if let Some(line) = ResultLine::from_payload(&record.payload) {
            // Newest first: a task that was tried again is known by its last try.
            told.entry(record.execution).or_insert((record.timestamp, line));
        }
    }
    let mut runs: Vec<PastRun> = executions
        .into_iter()
        .map(|execution| {
            let told = told.remove(&execution.name.id);
            let asked = |name: &str| execution.request.get(name).cloned();
            let line = told.as_ref().map(|(_, line)| line);
            PastRun {
                time: execution.created.or(told.as_ref().map(|(time, _)| *time)).unwrap_or_default(),
                account: Some(execution.creator.clone()).filter(|creator| !creator.is_empty()),
                actor: asked(variable::ADMIN_ACTOR.name),
                action: asked(variable::ADMIN_ACTION.name),
                user: asked(variable::ADMIN_USERNAME.name),
                reason: asked(variable::ADMIN_REASON.name),
                outcome: line.map_or_else(|| seen(&execution.phase), outcome),
                exit_code: line.map(|line| line.exit_code),
                duration: execution
                    .started
                    .zip(execution.completed)
                    .map(|(from, to)| to.duration_since(from)),
                image: Some(execution.image.clone()).filter(|image| !image.is_empty()),
                execution: execution.name.id,
            }
        })
        .collect();
    // Of these Cloud Run itself knows nothing any more.
    runs.extend(told.into_iter().map(|(execution, (time, line))| PastRun {
        execution,
        time,
        account: None,
        actor: line.actor.as_ref().map(ToString::to_string),
        action: line.action.map(|action| action.to_string()),
        user: line.username.as_ref().map(ToString::to_string),
        reason: line.reason.as_ref().map(ToString::to_string),
        outcome: outcome(&line),
        exit_code: Some(line.exit_code),
        duration: None,
        image: None,
    }));
    runs.sort_by_key(|run| std::cmp::Reverse(run.time));
    runs
}

fn outcome(line: &ResultLine) -> &'static str {
    line.outcome.name()
}

/// What Cloud Run saw of a run that left no record.
fn seen(phase: &Phase) -> &'static str {
    match phase {
        Phase::Ended(Ending::Succeeded) => "succeeded",
        Phase::Ended(Ending::Failed { .. }) => "failed",
        Phase::Ended(Ending::Cancelled { .. }) => "cancelled",
        Phase::Queued | Phase::Provisioning | Phase::Running => "running",
    }
}
