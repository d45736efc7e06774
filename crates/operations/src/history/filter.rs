//! The runs that are asked for: since when, about whom, by whom, and which action.
//!
//! To add a filter: its field in [`Filter`], its part of [`Filter::query`], and of `wants` in `history.rs`.

use jiff::Timestamp;
use quill_admin_cloud::{Execution, LogBucketName, RecordQuery};
use quill_admin_contract::{ResultLine, Username, variable};

/// The field of a record that is of one row of a bulk run.
const ROW_NUMBER: &str = "row_number";

/// The number of records of rows that are read at most, unless more runs are wanted: a run can have 2,000 rows.
const MOST_ROWS: usize = 10_000;

/// The runs that are asked for.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The beginning of the period.
    pub since: Timestamp,
    /// The user that the action was about.
    pub user: Option<Username>,
    /// The account that started the run, or the person that the request names.
    pub actor: Option<String>,
    /// The name of the action.
    pub action: Option<String>,
    /// Whether the records of the rows of bulk runs are read, too. Where a user is wanted, they are among the others.
    pub rows: bool,
    /// The greatest number of runs.
    pub limit: usize,
}

impl Filter {
    /// Whether somebody is this filter's actor. Where it asks for none, everybody is.
    pub(super) fn is_by(&self, account: Option<&str>, actor: Option<&str>) -> bool {
        self.actor.as_deref().is_none_or(|wanted| account == Some(wanted) || actor == Some(wanted))
    }

    /// The records to read. A record names the person who asked, and not the account: the records of
    /// executions that the wanted account has started are asked for by the executions' names.
    pub(super) fn query(&self, executions: &[Execution], bucket: Option<LogBucketName>) -> RecordQuery {
        let mut fields: Vec<(&'static str, String)> = Vec::new();
        fields.extend(self.user.as_ref().map(|user| ("username", user.to_string())));
        fields.extend(self.action.clone().map(|action| ("action", action)));
        // Each row of a bulk run has a record of its own. Unless a user is wanted, they are read apart: thousands of
        // them must not keep the records of runs from being found.
        let without = self.user.is_none().then_some(ROW_NUMBER);
        let mut or_of = Vec::new();
        if let Some(actor) = &self.actor {
            let named = |execution: &Execution| execution.request.get(variable::ADMIN_ACTOR.name).cloned();
            or_of = executions
                .iter()
                .filter(|execution| execution.creator == *actor && named(execution).as_ref() != Some(actor))
                .map(|execution| execution.name.id.clone())
                .collect();
            fields.push(("actor", actor.clone()));
        }
        RecordQuery {
            key: ResultLine::KEY,
            fields,
            with: None,
            without,
            or_of,
            since: self.since,
            limit: self.limit,
            bucket,
        }
    }

    /// The records of the rows of bulk runs.
    pub(super) fn rows_query(&self, bucket: Option<LogBucketName>) -> RecordQuery {
        let limit = self.limit.max(MOST_ROWS);
        RecordQuery { with: Some(ROW_NUMBER), without: None, limit, ..self.query(&[], bucket) }
    }
}
