//! A bulk run: one action for many rows, one row after the other on one connection.
//!
//! Each row is a transaction of its own, and its result is printed when that is over. Before COMMIT the row's
//! transaction is named in the log, so that the next execution can ask what became of it where this one is killed
//! before it has told. Rows that are asked for together, and previews, are one transaction with a savepoint for
//! each row.
//!
//! To change when no further row is begun: `ends_all` and `is_too_much`. To change the result of the whole run:
//! `conclude`, and `Outcome::Each` in the crate `contract`.

use std::fmt::Write as _;

use quill_admin_contract::{Bulk, BulkRow, ExitCode, Failure, Mode, Outcome, Request, Saving, UndoNote};
use quill_admin_engine::Layout;

use crate::action::Done;
use crate::commit::{Fate, commit, fate};
use crate::failure::{ActionError, Failed};
use crate::output::Output;
use crate::surroundings::Surroundings;
use crate::transaction::{ATTEMPTS, Task, roll_back_if_stopped, within_limit};

/// The result of one row, ready to be printed.
struct RowEnd {
    code: ExitCode,
    outcome: Outcome,
    undo: Option<UndoNote>,
    message: String,
}

impl RowEnd {
    fn of(ended: Result<Done, Failed>) -> Self {
        match ended {
            Ok(Done { outcome, message, undo, .. }) => {
                Self { code: ExitCode::Success, outcome, undo, message }
            }
            Err(Failed { code, failure }) => {
                let message = failure.message.clone();
                Self { code, outcome: Outcome::Failed { failure }, undo: None, message }
            }
        }
    }

    fn done_before() -> Self {
        let message = "done before: an earlier execution has saved it".to_owned();
        Self { code: ExitCode::Success, outcome: Outcome::DoneBefore, undo: None, message }
    }

    /// Whether no further row can be begun: what failed was not about the row.
    fn ends_all(&self) -> bool {
        let undecided = matches!(&self.outcome, Outcome::Failed { failure: Failure { undecided: true, .. } });
        undecided
            || matches!(
                self.code,
                // A rule of the database that one row breaks ends with `SchemaMismatch`, too, and stops no other row.
                ExitCode::Unexpected
                    | ExitCode::DatabaseUnreachable
                    | ExitCode::DatabaseRefused
                    | ExitCode::Stopped
            )
    }
}

/// Finds out what an earlier execution has done to a row; `None` where the row can be run. A row is not run where it
/// was saved, nor where an execution began to save it and the fate of that cannot be found out: it could be done
/// twice.
async fn before(row: &BulkRow, around: &mut Surroundings<'_, '_>) -> Option<RowEnd> {
    let transaction = row.began?;
    match fate(Some(transaction), around.server, around.connections, around.log).await {
        Fate::Committed => Some(RowEnd::done_before()),
        Fate::RolledBack | Fate::Forgotten => None,
        Fate::Unknown => {
            let message = format!(
                "an earlier execution has begun to save it, in transaction {transaction}, and what became of that \
                 could not be found out; it was not run again"
            );
            let failure = Failure::undecided(message);
            Some(RowEnd::of(Err(Failed { code: ExitCode::DatabaseUnreachable, failure })))
        }
    }
}

/// The rows whose results are printed.
#[derive(Default)]
struct Tally {
    done: u64,
    failed: u64,
    /// The printed results, for the digest of all of them.
    results: Vec<String>,
}

impl Tally {
    fn print(&mut self, bulk: &BulkTask<'_>, row: &BulkRow, end: RowEnd, log: &mut Output<'_>) {
        match end.code {
            ExitCode::Success => self.done += 1,
            _ => self.failed += 1,
        }
        let RowEnd { code, outcome, undo, message } = end;
        let context = bulk.task.context_of(log.context(), row);
        let recorded = bulk.task.request.action.writes();
        self.results.push(log.row_result(&context, code, outcome, undo, &message, recorded));
    }

    fn conclude(self, bulk: &BulkTask<'_>) -> Done {
        let rows = bulk.bulk.rows.len() as u64;
        let Self { done, failed, results } = self;
        let left = rows - done - failed;
        let mut message =
            format!("{done} of {rows} rows {}", if bulk.previews() { "previewed" } else { "done" });
        if failed > 0 {
            let _ = write!(message, ", {failed} failed");
        }
        if left > 0 {
            let why = if bulk.together() { "were rolled back" } else { "were not begun" };
            let _ = write!(message, ", {left} {why}");
        }
        let digest = Bulk::digest(results.iter().map(String::as_str));
        Done {
            outcome: Outcome::Each { rows, done, failed, digest },
            message,
            writes: false,
            plan: None,
            undo: None,
            rows: Vec::new(),
        }
    }
}

/// A task that is run for many rows.
pub(crate) struct BulkTask<'a> {
    pub(crate) task: Task<'a>,
    pub(crate) bulk: &'a Bulk,
}

impl BulkTask<'_> {
    /// Runs all rows. What becomes of a row is in its own result.
    ///
    /// # Errors
    ///
    /// Fails where all rows are one transaction, and that cannot be begun or saved.
    pub(crate) async fn run(&self, around: &mut Surroundings<'_, '_>) -> Result<Done, Failed> {
        if self.previews() || self.bulk.atomic {
            self.run_together(around).await
        } else {
            self.run_each(around).await
        }
    }

    fn previews(&self) -> bool {
        self.task.request.mode == Mode::Preview
    }

    /// Whether nothing is done where one row fails.
    fn together(&self) -> bool {
        self.bulk.atomic && !self.previews()
    }

    fn is_too_much(&self, tally: &Tally) -> bool {
        self.bulk.max_errors.is_some_and(|most| tally.failed > most)
    }

    fn request_of(&self, row: &BulkRow) -> Request {
        self.task.request.of_row(row)
    }

    /// Each row in a transaction of its own.
    async fn run_each(&self, around: &mut Surroundings<'_, '_>) -> Result<Done, Failed> {
        let mut tally = Tally::default();
        let mut layout = None;
        for row in &self.bulk.rows {
            let end = if let Some(end) = before(row, around).await {
                end
            } else {
                let request = self.request_of(row);
                let task = Task { request: &request, row: Some(row.number), ..self.task };
                RowEnd::of(task.transact(&mut layout, around).await)
            };
            let ends_all = end.ends_all();
            tally.print(self, row, end, around.log);
            if ends_all || self.is_too_much(&tally) {
                break;
            }
        }
        Ok(tally.conclude(self))
    }

    /// All rows in one transaction: of a preview it is rolled back.
    async fn run_together(&self, around: &mut Surroundings<'_, '_>) -> Result<Done, Failed> {
        let session = self.task.session;
        let mut before = self.before_all(around).await;
        if let Some(ended) = self.together_before(&mut before, around.log) {
            return ended;
        }
        let mut layout = None;
        for attempt in 1.. {
            let work = self.try_together(&before, &mut layout, around.log, attempt >= ATTEMPTS);
            let tried = match roll_back_if_stopped(session, around.stop, work).await? {
                Ok((ends, id)) => {
                    let ends = ends.into_iter().zip(&mut before);
                    let ends = ends.map(|(end, before)| end.or_else(|| before.take())).collect();
                    self.end_together(ends, id, around).await
                }
                Err(error) => Err(error),
            };
            match tried {
                Ok(done) => return Ok(done),
                Err(error) if !error.is_conflict() || attempt >= ATTEMPTS => {
                    session.roll_back().await;
                    return Err(error.into_failed());
                }
                Err(_) => session.roll_back().await,
            }
            around.log.info("another transaction changed the same rows at the same time: starting again");
        }
        unreachable!("the last attempt returns")
    }

    /// The result of [`before`] for each row; it is `None` for most.
    async fn before_all(&self, around: &mut Surroundings<'_, '_>) -> Vec<Option<RowEnd>> {
        let mut all = Vec::with_capacity(self.bulk.rows.len());
        for row in &self.bulk.rows {
            all.push(before(row, around).await);
        }
        all
    }

    /// Ends rows that are one transaction where that is known from before: it was committed, or that is not known.
    fn together_before(
        &self,
        before: &mut [Option<RowEnd>],
        log: &mut Output<'_>,
    ) -> Option<Result<Done, Failed>> {
        if !self.bulk.atomic {
            return None;
        }
        let end = before.iter_mut().find_map(Option::take)?;
        if let Outcome::Failed { failure } = end.outcome {
            return Some(Err(Failed { code: end.code, failure }));
        }
        let mut tally = Tally::default();
        self.bulk.rows.iter().for_each(|row| tally.print(self, row, RowEnd::done_before(), log));
        Some(Ok(tally.conclude(self)))
    }

    /// Runs all rows in a transaction, and leaves it open; also returns its number. A row of which something is known
    /// from before is left out. In the `last` attempt a row that loses against another transaction fails by itself.
    async fn try_together(
        &self,
        before: &[Option<RowEnd>],
        layout: &mut Option<Layout>,
        log: &mut Output<'_>,
        last: bool,
    ) -> Result<(Vec<Option<RowEnd>>, Option<i64>), ActionError> {
        let client = &self.task.session.client;
        self.task.session.begin(self.task.request.action.writes()).await?;
        let (mut ends, mut failed) = (Vec::new(), 0);
        for (row, before) in self.bulk.rows.iter().zip(before) {
            if before.is_some() {
                ends.push(None);
                continue;
            }
            client.batch_execute("SAVEPOINT each_row").await?;
            let request = self.request_of(row);
            let task = Task { request: &request, row: Some(row.number), ..self.task };
            let mut connected = |found: &Layout| task.tell_connected(found, log);
            let end = match within_limit(task.perform(layout, &mut connected)).await {
                Ok(done) => RowEnd::of(Ok(done)),
                Err(error) if error.is_conflict() && !last => return Err(error),
                Err(error) => RowEnd::of(Err(error.into_failed())),
            };
            if end.ends_all() {
                let Outcome::Failed { failure } = end.outcome else { continue };
                return Err(Failed { code: end.code, failure }.into());
            }
            if end.code == ExitCode::Success {
                client.batch_execute("RELEASE SAVEPOINT each_row").await?;
            } else {
                failed += 1;
                client.batch_execute("ROLLBACK TO SAVEPOINT each_row").await?;
            }
            ends.push(Some(end));
            if self.bulk.max_errors.is_some_and(|most| failed > most) {
                break;
            }
        }
        let id = self.task.transaction_id().await?;
        Ok((ends, id))
    }

    /// Ends the transaction, and prints what became of the rows: if one of those that are asked for together has
    /// failed, only the failures.
    async fn end_together(
        &self,
        ends: Vec<Option<RowEnd>>,
        id: Option<i64>,
        around: &mut Surroundings<'_, '_>,
    ) -> Result<Done, ActionError> {
        let session = self.task.session;
        let fails = ends.iter().flatten().any(|end| end.code != ExitCode::Success);
        if fails || self.previews() || id.is_none() {
            session.roll_back().await;
        } else {
            for (row, transaction) in self.bulk.rows.iter().zip(std::iter::repeat(id)) {
                let saving = transaction.map(|transaction| Saving { row: row.number, transaction });
                if let Some(saving) = saving {
                    around.log.saving(&saving);
                }
            }
            commit(session, id, around).await?;
        }
        let mut tally = Tally::default();
        for (row, end) in self.bulk.rows.iter().zip(ends) {
            let Some(end) = end else { continue };
            if !(fails && self.together()) || end.code != ExitCode::Success {
                tally.print(self, row, end, around.log);
            }
        }
        Ok(tally.conclude(self))
    }
}
