//! A task that is previewed: run in the container and rolled back, shown, asked about, and then run for good if it
//! would still do the same.
//!
//! The values, and the hash of a password, are made once and sent twice. What was agreed to is the plan that the
//! preview has told, so the second run carries its digest, and the executor refuses any other.

use quill_admin_contract::{ExitCode, Mode, Request};
use quill_admin_operations::error::CliError;
use quill_admin_operations::task::run::{self, Prepared};

use super::context::Context;
use super::task::OpenTask;

/// The message for a person who leaves between the preview and the run.
pub(super) const ONLY_PREVIEWED: &str = "it was only previewed: nothing was changed";

/// The outcome after which there is nothing to go on with.
const UNCHANGED: &str = "unchanged";

impl Context<'_> {
    /// Runs the preview that was prepared, and the task after it if it is agreed to; returns the exit code.
    pub(super) async fn run_previewed(
        mut self,
        task: &OpenTask<'_>,
        prepared: Prepared<'_>,
    ) -> Result<u8, CliError> {
        let OpenTask { session, options, .. } = *task;
        let reporter = self.reporter;
        let (name, agreed) = (prepared.name.clone(), prepared.job.clone());
        let request = prepared.request.clone();
        let preview = self.run_prepared(task, prepared).await?;
        let report = task.report(&request, &preview, None);
        let Some((would, plan)) = preview.previewed() else {
            if preview.exit_code() == ExitCode::Success.code() {
                let what = format!(
                    "the result of the preview, execution {}, did not arrive: what it would change is not known; \
                     {ONLY_PREVIEWED}",
                    preview.execution.name.id
                );
                return Err(CliError::new(ExitCode::Unknown, what).hint("run the same command again"));
            }
            return Ok(reporter.task(&report));
        };
        let goes_on = !options.preview || self.form.attended() && !reporter.is_json();
        if would == UNCHANGED || !goes_on {
            return Ok(reporter.task(&report));
        }
        if options.preview {
            reporter.task(&report);
        } else {
            reporter.preview(&report, self.form.attended());
        }
        let plan = plan.parse().map_err(|error| {
            CliError::new(ExitCode::Unexpected, format!("the plan of the preview cannot be read: {error}"))
        })?;

        let mut second = Request { mode: Mode::RunAsPreviewed(plan), ..request.again() };
        self.listen(|| ONLY_PREVIEWED.to_owned());
        if !self.agree_to_preview(task, &mut second).map_err(only_previewed)? {
            // Whoever has asked for the preview alone has got it.
            return if options.preview {
                Ok(ExitCode::Success.code())
            } else {
                Err(CliError::new(ExitCode::Interrupted, format!("not confirmed; {ONLY_PREVIEWED}")))
            };
        }
        let action = request.action.name();
        let again = second.clone();
        let prepared = run::prepare(session, action, name, async { Ok(again) }, false).await?;
        let prepared = prepared.as_agreed(&agreed)?;
        let run = self.run_prepared(task, prepared).await?;
        Ok(reporter.task(&task.report(&second, &run, Some(&preview))))
    }

    /// Asks whether a task that was previewed is to be run, exactly as it was.
    fn agree_to_preview(&mut self, task: &OpenTask<'_>, request: &mut Request) -> Result<bool, CliError> {
        let OpenTask { session, options, subject, .. } = *task;
        let environment = session.environment();
        if subject.generated_password.is_some() {
            // It is shown once, at the end: a task is better not begun than its password lost.
            self.reporter.check_password_can_be_shown()?;
        }
        if options.preview && !self.form.confirm("Run exactly this now?")? {
            return Ok(false);
        }
        self.give_reason(environment, request)?;
        self.confirm(environment, options.confirm.as_deref())?;
        let is_typed = environment.protected && options.confirm.is_none();
        let is_agreed = options.preview || options.yes || is_typed || !self.form.attended();
        Ok(is_agreed || self.form.confirm("Run exactly this?")?)
    }
}

/// The error of a person who leaves at a question after the preview.
pub(super) fn only_previewed(error: CliError) -> CliError {
    match error.code {
        ExitCode::Interrupted => CliError::interrupted(ONLY_PREVIEWED),
        _ => error,
    }
}
