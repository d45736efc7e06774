//! The preview of a run for many rows, and the question whether they are to be run so.

use std::collections::BTreeMap;
use std::sync::Arc;

use quill_admin_actions::Digest;
use quill_admin_contract::{ExitCode, Outcome, Request};
use quill_admin_operations::each::parts;
use quill_admin_operations::error::CliError;
use quill_admin_operations::task::row_results::RowResults;
use quill_admin_operations::task::run_outcome::Run;

use super::super::context::Context;
use super::super::preview::{ONLY_PREVIEWED, only_previewed};
use super::super::task::OpenTask;
use super::standing::Standing;
use crate::report::EachReport;

impl Context<'_> {
    /// Previews all rows, shows what they would do, and asks whether they are to be run; returns the exit code where
    /// they are not.
    pub(super) async fn preview_rows(
        &mut self,
        at: &mut Standing<'_>,
        task: &OpenTask<'_>,
        request: &Request,
    ) -> Result<Option<u8>, CliError> {
        let reporter = Arc::clone(self.reporter);
        let environment = at.session.environment();
        while let Some(bulk) = at.next()? {
            let rows: Vec<u64> = bulk.rows.iter().map(|row| row.number).collect();
            let request = Request { bulk: Some(bulk), ..request.again() };
            let prepared = self.part(at, request).await?;
            let run = self.run_prepared(task, prepared).await?;
            let is_told = run.told_all_rows();
            at.tried.extend(rows);
            at.runs.push(run);
            if !is_told {
                return Ok(Some(at.report(&reporter, None)));
            }
        }
        let previews: Vec<Run> = std::mem::take(&mut at.runs);
        let previewed = Previewed::of(&previews)?;
        let options = &at.bulk.options;
        let attended = self.form.attended();
        let is_agreed = options.yes || options.confirm.is_some();
        // Rows that are all done or none cannot be done where one fails.
        let cannot = at.journal.header().atomic && !previewed.fails.is_empty()
            || at.bulk.max_errors.is_some_and(|most| previewed.fails.len() as u64 > most);
        let goes_on = if options.preview { attended && !reporter.is_json() } else { attended || is_agreed };
        let report = EachReport { previews: true, ..at.told(&previews) };
        if cannot || previewed.would == 0 || !goes_on {
            return Ok(Some(reporter.each(&report)));
        }
        if options.preview {
            reporter.each(&report);
        } else {
            reporter.each_preview(&report, attended);
        }
        self.listen(|| ONLY_PREVIEWED.to_owned());
        let question = match previewed.fails.len() {
            0 => "Run exactly this now?".to_owned(),
            1 => "Run the other rows exactly so now? One row would fail.".to_owned(),
            many => format!("Run the other rows exactly so now? {many} rows would fail."),
        };
        let asks = options.preview || !is_agreed;
        if asks && !self.form.confirm(&question).map_err(only_previewed)? {
            return if options.preview {
                Ok(Some(ExitCode::Success.code()))
            } else {
                Err(CliError::new(ExitCode::Interrupted, format!("not confirmed; {ONLY_PREVIEWED}")))
            };
        }
        self.confirm(environment, options.confirm.as_deref()).map_err(only_previewed)?;
        // Only rows with a plan are run: one that fails in a preview would fail in the run, and is told. Whether a
        // row that was begun before is done is not for a preview to say, unless it has found out that it is.
        let rows: Vec<u64> = at.journal.rows().iter().map(|row| row.row).collect();
        let is_open = |row: u64| at.journal.known(row).is_some_and(|known| known.transaction.is_some());
        let known = previews.iter().flat_map(|run| parts::known_of(run, &rows, false));
        let known = known.filter(|known| {
            known.is_done() && !previewed.plans.contains_key(&known.row)
                || previewed.fails.contains(&known.row) && !is_open(known.row)
        });
        let known = known.collect();
        at.journal.notes(known)?;
        at.tried = rows.into_iter().filter(|row| !previewed.plans.contains_key(row)).collect();
        at.plans = previewed.plans;
        Ok(None)
    }
}

/// The result of a preview of all rows.
struct Previewed {
    /// The plans of the rows that can be run.
    plans: BTreeMap<u64, Digest>,
    /// The number of rows that would change something.
    would: u64,
    /// The rows that would fail.
    fails: Vec<u64>,
}

impl Previewed {
    fn of(previews: &[Run]) -> Result<Self, CliError> {
        let mut previewed = Self { plans: BTreeMap::new(), would: 0, fails: Vec::new() };
        for (row, claim) in
            previews.iter().filter_map(|run| run.row_results.as_ref()).flat_map(RowResults::iter)
        {
            match &claim.line.outcome {
                Outcome::Previewed { would, plan, .. } => {
                    previewed.would += u64::from(would != "unchanged");
                    let plan = plan.parse().map_err(|error| {
                        let told = format!("the plan of row {row} cannot be read: {error}; {ONLY_PREVIEWED}");
                        CliError::new(ExitCode::Unexpected, told)
                    })?;
                    previewed.plans.insert(row, plan);
                }
                Outcome::DoneBefore => {}
                _ => previewed.fails.push(row),
            }
        }
        Ok(previewed)
    }
}
