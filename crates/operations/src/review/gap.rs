//! The gaps of a review: what it could not look at. A gap is never reported as something that is not there.
//!
//! To add a gap: a variant of [`Gap`] with its code in `code` and its sentence in `fmt`, its arm in `misses_runs`,
//! and the place that finds it: `in_past` here, or `gaps` in `review.rs`.

use std::fmt;

use jiff::Timestamp;
use quill_admin_cloud::role;

use crate::history::{Past, UnreadLog};

/// Something that a review could not look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// A log with records could not be read.
    LogUnread {
        /// The log, in words.
        log: String,
        /// The reason.
        why: String,
    },
    /// The log was not searched to its end.
    LogUnfinished {
        /// The time from which on it was, if that is known.
        from: Option<Timestamp>,
    },
    /// Not all records of the rows of bulk runs could be read.
    RowsUnread,
    /// The executions of a job of the application could not be read.
    JobUnread {
        /// The job.
        job: String,
        /// The reason.
        why: String,
    },
    /// There are more runs than are reviewed at once.
    TooManyRuns {
        /// The number that was looked at: the newest.
        looked_at: usize,
    },
    /// The period begins earlier than records are kept.
    RecordsForgotten {
        /// The number of days for which they are kept.
        days: u32,
    },
    /// The period begins earlier than executions are kept, and no audit log says what was started then.
    ExecutionsForgotten {
        /// The time from which on there are executions.
        from: Timestamp,
    },
    /// No audit log says since the beginning of the period what was started.
    NoAuditLog {
        /// The reason why it could not be read, where it could not.
        why: Option<String>,
    },
    /// There are no public keys, so that records are proven only as long as their executions are kept.
    NoKeys,
}

impl Gap {
    /// The code of the gap: programs go by this, never by the text.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::LogUnread { .. } => "log_unread",
            Self::LogUnfinished { .. } => "log_unfinished",
            Self::RowsUnread => "rows_unread",
            Self::JobUnread { .. } => "job_unread",
            Self::TooManyRuns { .. } => "too_many_runs",
            Self::RecordsForgotten { .. } => "records_forgotten",
            Self::ExecutionsForgotten { .. } => "executions_forgotten",
            Self::NoAuditLog { .. } => "no_audit_log",
            Self::NoKeys => "no_keys",
        }
    }

    /// Whether a review with the gap of this code may have missed runs that another look could find. The next review
    /// looks at its period again. What is forgotten is not found by looking again.
    #[must_use]
    pub fn misses_runs(code: &str) -> bool {
        ["log_unread", "log_unfinished", "job_unread", "too_many_runs"].contains(&code)
    }

    /// The gaps in what was read of the past.
    pub(super) fn in_past(past: &Past) -> Vec<Self> {
        let mut gaps = Vec::new();
        if let Some(unread) = &past.unread_log {
            let (log, why) = match unread {
                UnreadLog::OfProject(error) => ("the log of the project".to_owned(), error.to_string()),
                UnreadLog::Bucket(bucket, error) => {
                    let reader = role::VIEW_ACCESSOR;
                    (format!("the records in {bucket}"), format!("{error}; to read there takes {reader}"))
                }
            };
            gaps.push(Self::LogUnread { log, why });
        }
        if past.unfinished {
            gaps.push(Self::LogUnfinished { from: past.records_from });
        }
        // Where a log could not be read, that says it.
        gaps.extend((past.rows_unread && past.unread_log.is_none()).then_some(Self::RowsUnread));
        gaps.extend(
            past.unread
                .iter()
                .map(|(job, error)| Self::JobUnread { job: job.job.to_string(), why: error.to_string() }),
        );
        if past.cut {
            gaps.push(Self::TooManyRuns { looked_at: past.runs.len() });
        }
        gaps.extend(past.kept_days.map(|days| Self::RecordsForgotten { days }));
        gaps
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: &Timestamp| time.strftime("%Y-%m-%d %H:%M UTC").to_string();
        match self {
            Self::LogUnread { log, why } => write!(f, "{log} could not be read: {why}"),
            Self::LogUnfinished { from: Some(from) } => write!(
                f,
                "the log was not searched to its end: records from before {} were not looked at",
                time(from)
            ),
            Self::LogUnfinished { from: None } => f.write_str("the log was not searched to its end"),
            Self::RowsUnread => f.write_str(
                "not all records of the rows of tables could be read: what a row has changed may be missing here",
            ),
            Self::JobUnread { job, why } => write!(f, "what was run in the job {job} could not be looked at: {why}"),
            Self::TooManyRuns { looked_at } => write!(
                f,
                "these are the newest {looked_at} runs, and there are more: a review of a shorter period, with --since, \
                 sees all of it"
            ),
            Self::RecordsForgotten { days } => {
                write!(f, "records are kept for {days} days: runs from before are gone")
            }
            Self::ExecutionsForgotten { from } => write!(
                f,
                "Cloud Run has forgotten the executions from before {}: a run without a record, and the account of a run, \
                 cannot be known from then",
                time(from)
            ),
            Self::NoAuditLog { why: Some(why) } => {
                write!(f, "the audit log, which says what was started, could not be read: {why}")
            }
            Self::NoAuditLog { why: None } => f.write_str(
                "no entry of the audit log was found from before the period: it is off, or you may not read it, so that a \
                 run whose execution was deleted cannot be known",
            ),
            Self::NoKeys => f.write_str(
                "the environment has no public keys, so that nothing proves a record once its execution is forgotten",
            ),
        }
    }
}
