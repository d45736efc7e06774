//! The parts of a bulk run: which rows come next, what became of a part that was started and not seen to end, and
//! what a part that is over tells of its rows.
//!
//! To change which rows are run: [`next`]. To change what counts of a result: [`known_of`].

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use jiff::{SignedDuration, Timestamp};
use quill_admin_actions::{Action, Actions, Digest};
use quill_admin_cloud::{CloudErrorKind, Execution, JobName};
use quill_admin_contract::{
    AdminAction, Arguments, Bulk, BulkRow, ExitCode, Outcome, RequestId, Variables, variable,
};

use super::journal::{Journal, Known, Row, UNKNOWN};
use crate::error::CliError;
use crate::session::Session;
use crate::task::run_outcome::Run;

/// The age at which a request to start a part has been carried out, or never will be: no request of this program
/// waits for so long, and the list of executions is not so late.
const SETTLED: SignedDuration = SignedDuration::from_mins(5);

/// The age at which Cloud Run may have forgotten an execution: it keeps them for 7 days.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(6 * 24);

impl Row {
    /// The values of the row, read as the container reads them.
    ///
    /// # Errors
    ///
    /// Fails when the action does not take these values.
    pub fn arguments(&self, action: &str, actions: &Actions) -> Result<Arguments, CliError> {
        let name = (variable::ADMIN_ACTION.name.to_owned(), action.to_owned());
        let variables = self.values.clone().into_iter().chain([name]);
        let variables = variables.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        AdminAction::from_env(&Variables::new(variables), actions)
            .map(|action| action.arguments().clone())
            .map_err(|error| CliError::new(error.exit_code(), format!("row {}: {error}", self.row)))
    }
}

/// The rows to run next, in one execution: those that are not done and not in `tried`, as many as fit. A row that a
/// preview has shown is run only if it would still do the same. `None` where there are none.
///
/// # Errors
///
/// Fails when a row does not fit into an execution, or all of them do not where they are one transaction.
pub fn next(
    journal: &Journal,
    actions: &Actions,
    tried: &BTreeSet<u64>,
    plans: &BTreeMap<u64, Digest>,
    max_errors: Option<u64>,
) -> Result<Option<Bulk>, CliError> {
    let header = journal.header();
    let known = |row: &Row| journal.known(row.row);
    // What was only read can be read again.
    let writes = actions.get(&header.action).is_none_or(Action::writes);
    let left = journal
        .rows()
        .iter()
        .filter(|row| !(tried.contains(&row.row) || writes && known(row).is_some_and(Known::is_done)));
    // Rows that have failed before come after all others: with `max_errors` they would be in the way every time.
    let has_failed = |row: &&Row| known(row).is_some_and(|known| known.exit_code.is_some());
    let left: Vec<&Row> = left.collect();
    let any_new = left.iter().any(|row| !has_failed(row));
    let left = left.into_iter().filter(|row| header.atomic || !any_new || !has_failed(row));
    let rows = left.map(|row| {
        Ok(BulkRow {
            number: row.row,
            arguments: row.arguments(&header.action, actions)?,
            expect: plans.get(&row.row).cloned(),
            began: known(row).and_then(|known| known.transaction),
        })
    });
    let mut rows: Vec<BulkRow> = rows.collect::<Result<_, CliError>>()?;
    if rows.is_empty() {
        return Ok(None);
    }
    let fitting = Bulk::fitting(&rows);
    if fitting == 0 {
        let number = rows[0].number;
        return Err(CliError::usage(format!(
            "row {number} is too long for one execution; nothing more was started"
        )));
    }
    if header.atomic && fitting < rows.len() {
        return Err(CliError::usage(format!(
            "--atomic: {} rows do not fit into one execution, and {fitting} of them would; nothing was started",
            rows.len()
        ))
        .hint("leave --atomic out, or split the table"));
    }
    rows.truncate(fitting);
    Ok(Some(Bulk { rows, atomic: header.atomic, max_errors }))
}

/// The fate of a part that was about to be started.
#[derive(Debug)]
pub enum Looked {
    /// It was started.
    Started(Box<Execution>),
    /// It was not started, and never will be.
    NotStarted,
}

/// Finds out what became of the part of the journal that is open, if one is. With `may_fence` the job is changed
/// where that helps: a request that is still under way is refused then.
///
/// # Errors
///
/// Fails when that cannot be found out, or not yet.
pub async fn look_back(
    session: &Session,
    name: &JobName,
    journal: &Journal,
    may_fence: bool,
) -> Result<Option<Looked>, CliError> {
    let Some(start) = journal.open_part() else { return Ok(None) };
    let id = RequestId::of_part(journal.header().run, start.part).to_string();
    let google = session.google();
    let find = async || -> Result<Option<Box<Execution>>, CliError> {
        let executions = google.executions(name).await?;
        let is_it =
            |execution: &Execution| execution.request.get(variable::ADMIN_REQUEST_ID.name) == Some(&id);
        Ok(executions.into_iter().find(is_it).map(Box::new))
    };
    if let Some(found) = find().await? {
        return Ok(Some(Looked::Started(found)));
    }
    let age = Timestamp::now().duration_since(start.at);
    if age > FORGOTTEN {
        let told = format!(
            "part {} of this run was about to be started on {}, and Cloud Run does not keep executions for so long: \
             what became of its {} rows is not known any more; nothing was started",
            start.part,
            start.at.strftime("%Y-%m-%d"),
            start.rows.len()
        );
        return Err(CliError::new(ExitCode::Unknown, told)
            .hint("look with show-user what is there, and run what is missing with another results file"));
    }
    // A request that is still under way carries an etag that the job has had until now. With another one it is
    // refused.
    let fenced = if may_fence {
        let job = google.job(name).await?;
        google.fence_job(name, &job.etag, &id).await
    } else {
        google.job(name).await
    };
    match fenced {
        Ok(job) if job.executions == start.executions && may_fence => return Ok(Some(Looked::NotStarted)),
        Ok(_) => {}
        // Whoever may run tasks need not be allowed to change the job. Then only time helps.
        Err(error) if error.kind == CloudErrorKind::PermissionDenied => {}
        Err(error) => return Err(error.into()),
    }
    if let Some(found) = find().await? {
        return Ok(Some(Looked::Started(found)));
    }
    if age > SETTLED {
        return Ok(Some(Looked::NotStarted));
    }
    let told = format!(
        "whether part {} of this run was started is not known yet: the job was run in the meantime, and none of the \
         executions that are listed is this part; nothing was started",
        start.part
    );
    Err(CliError::new(ExitCode::Unknown, told).hint("run the same command again in five minutes"))
}

/// The results of rows that a run tells which is over. A row that was not begun is not among them, nor one whose
/// result was lost, unless this is the `last` time that its log is read. Only what the key of the request proves
/// counts.
#[must_use]
pub fn known_of(run: &Run, rows: &[u64], last: bool) -> Vec<Known> {
    let execution = &run.execution.name.id;
    let Some(results) = &run.row_results else { return Vec::new() };
    let lack = results.lack();
    let of = |row: u64| {
        let transaction = results.transaction_of(row);
        let unknown = |message: String| Known {
            row,
            outcome: UNKNOWN.to_owned(),
            exit_code: None,
            message: Some(message),
            transaction,
            execution: execution.clone(),
        };
        let Some(claim) = results.of(row).filter(|claim| claim.proven) else {
            return match (&lack, transaction) {
                (Some(lack), _) => last.then(|| unknown(lack.clone())),
                (None, Some(_)) => Some(unknown("its container ended while it was being saved".to_owned())),
                (None, None) => None,
            };
        };
        let message = match &claim.line.outcome {
            Outcome::Failed { failure } if failure.undecided => {
                return Some(unknown(failure.message.clone()));
            }
            Outcome::Failed { failure } => Some(failure.message.clone()),
            _ => None,
        };
        Some(Known {
            row,
            outcome: claim.line.outcome.name().to_owned(),
            exit_code: Some(claim.line.exit_code),
            message,
            transaction: None,
            execution: execution.clone(),
        })
    };
    rows.iter().copied().filter_map(of).collect()
}
