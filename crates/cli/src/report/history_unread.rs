//! Warnings about the parts of the history that could not be looked at, or may be missing in it.
//!
//! To add a warning: its sentence in `unread`, and `not_read` where it belongs into `--json`.

use quill_admin_cloud::role;
use quill_admin_operations::hints;
use quill_admin_operations::history::{Past, UnreadLog};
use serde_json::{Value, json};

use super::lines;
use super::stream::to_stderr;

/// The warnings, as lines of text.
pub(super) fn warnings(past: &Past) -> String {
    let mut text = String::new();
    for what in unread(past) {
        lines::warning_line(&mut text, &what);
    }
    text
}

/// The sentences, one for each part that could not be looked at.
pub(super) fn unread(past: &Past) -> Vec<String> {
    let jobs = past
        .unread
        .iter()
        .map(|(job, error)| format!("what was run in the job {} could not be looked at: {error}", job.job));
    // Where there are more than were asked for, the next sentence says so.
    let older = (past.unfinished && !past.cut).then(|| match past.records_from {
        Some(time) => {
            let time = time.strftime("%Y-%m-%d %H:%M UTC");
            format!("the log was not searched to its end: records from before {time} were not looked at")
        }
        None => "the log was not searched to its end: there may be more records".to_owned(),
    });
    let cut = past.cut.then(|| {
        format!("these are the newest {}, and there are more: --limit NUMBER shows more", past.runs.len())
    });
    let rows = (past.rows_unread && past.unread_log.is_none()).then(|| {
        "the log was not searched to the end for rows of runs for many: rows may be missing".to_owned()
    });
    let accounts = past.by_person_alone.then(|| {
        "Cloud Run forgets executions after 7 days, and with them the account that started one: of older runs --actor finds \
         only the person that the request names"
            .to_owned()
    });
    let log = past.unread_log.as_ref().map(|log| match log {
        UnreadLog::OfProject(error) => {
            format!("the log of the project could not be read, only the bucket of the records: {error}")
        }
        UnreadLog::Bucket(bucket, error) => format!(
            "the records in {bucket} could not be read, so that older runs are missing here: {error}; to read there \
             takes {} on its view _AllLogs, and \"{}\" looks at the bucket",
            role::VIEW_ACCESSOR,
            hints::of_file("doctor --only records")
        ),
    });
    let forgotten = past.kept_days.map(|days| {
        if past.has_bucket {
            return format!("the bucket of the records keeps them for {days} days: older runs are gone");
        }
        format!(
            "Cloud Logging keeps a log for {days} days unless its bucket is set otherwise: older runs may be missing; a \
             bucket that keeps records for years is named by the key \"audit\" of environments.yaml"
        )
    });
    log.into_iter().chain(jobs).chain(older).chain(cut).chain(rows).chain(accounts).chain(forgotten).collect()
}

/// The logs and jobs that could not be looked at, as in `--json`.
pub(super) fn not_read(past: &Past) -> Value {
    let jobs = past.unread.iter().map(|(job, error)| json!({"job": job.job, "why": error.to_string()}));
    let log = past.unread_log.as_ref().map(|log| match log {
        UnreadLog::OfProject(error) => json!({"log": "project", "why": error.to_string()}),
        UnreadLog::Bucket(bucket, error) => json!({"log": bucket.to_string(), "why": error.to_string()}),
    });
    log.into_iter().chain(jobs).collect()
}

/// Warns of what could not be looked at, beside a result that has no place for it.
pub(super) fn warn_of_unread(past: &Past) {
    to_stderr(&warnings(past));
}
