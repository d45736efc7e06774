//! The gate of a protected environment: its name has to be typed.
//!
//! It also asks for agreement to a plan, and to the loss of something in an image that is replaced. `build`,
//! `restore-backend`, `doctor --fix` and all tasks that write go through it.

use quill_admin_contract::ExitCode;
use quill_admin_operations::config::Environment;
use quill_admin_operations::error::CliError;

use super::context::Context;
use super::task::TaskOptions;

impl Context<'_> {
    /// Refuses at once what could not be confirmed later: a wrong name, or nobody to ask.
    pub(super) fn gate(&self, environment: &Environment, confirm: Option<&str>) -> Result<(), CliError> {
        match confirm {
            Some(given) if given != environment.name => Err(refused(format!(
                "--confirm {} does not name the environment \"{}\"; nothing was done",
                given.escape_debug(),
                environment.name
            ))),
            None if environment.protected && !self.form.attended() => Err(refused(format!(
                "environment \"{}\" is protected and {}; nothing was done",
                environment.name,
                self.form.nobody_to("confirm it")
            ))
            .hint(format!("confirm it with: --confirm {}", environment.name))),
            _ => Ok(()),
        }
    }

    /// The gate of a task: a change in a protected environment needs a reason, too.
    pub(super) fn gate_task(&self, environment: &Environment, options: &TaskOptions) -> Result<(), CliError> {
        if !options.writes || options.preview {
            return Ok(());
        }
        self.gate(environment, options.confirm.as_deref()).map_err(|error| {
            if options.confirm.is_none() && options.reason.is_none() {
                let mut error = error;
                error.hints = vec![format!(
                    "confirm it and say why with: --confirm {} --reason TEXT",
                    environment.name
                )];
                return error;
            }
            error
        })?;
        if environment.protected && options.reason.is_none() && !self.form.attended() {
            return Err(refused(format!(
                "environment \"{}\" is protected: a change there wants a reason; nothing was done",
                environment.name
            ))
            .hint("say why with: --reason TEXT"));
        }
        // A change is run without a person only where somebody has said that this is wanted.
        let is_agreed = options.yes || options.confirm.is_some() || options.expect.is_some();
        if environment.preview_required && options.can_be_previewed && !is_agreed && !self.form.attended() {
            return Err(refused(format!(
                "in environment \"{}\" a change is previewed first, and {}; nothing was done",
                environment.name,
                self.form.nobody_to("agree to it")
            ))
            .hint("look at it first with --preview, and run it with the plan that this shows: --expect PLAN")
            .hint("or agree to whatever it does with: --yes"));
        }
        Ok(())
    }

    /// Lets a change begin after its plan was shown. In a protected environment its name has to be typed, and
    /// where a value was asked for, a person has to agree to the plan, unless `yes` says so already. A
    /// command that was given everything asks nothing.
    pub(super) fn agree(
        &mut self,
        environment: &Environment,
        confirm: Option<&str>,
        yes: bool,
    ) -> Result<(), CliError> {
        let asked = self.form.asked();
        self.confirm(environment, confirm)?;
        let typed = environment.protected && confirm.is_none();
        if asked && !typed && !yes && !self.form.confirm("Run it?")? {
            return Err(CliError::new(ExitCode::Interrupted, "not confirmed; nothing was started"));
        }
        Ok(())
    }

    /// Lets a build replace an image of which something is lost. A person has to agree to that, whatever else
    /// was confirmed, unless `overwrite` says so already.
    pub(super) fn agree_to_lose(
        &mut self,
        environment: &Environment,
        loses: &[String],
        overwrite: bool,
    ) -> Result<(), CliError> {
        if loses.is_empty() || overwrite {
            return Ok(());
        }
        if !self.form.attended() {
            return Err(refused(format!(
                "the image that {} runs would be replaced although something of it is lost, and {}: {}; nothing was \
                 built or deployed",
                environment.job.job,
                self.form.nobody_to("ask"),
                loses.join("; ")
            ))
            .hint("if that is what you want, add: --overwrite"));
        }
        // The plan above the question says what is lost.
        if self.form.confirm("Replace the image all the same?")? {
            return Ok(());
        }
        Err(CliError::new(ExitCode::Interrupted, "not confirmed; nothing was built or deployed"))
    }

    /// Asks for the name, unless a flag gave it.
    pub(super) fn confirm(
        &mut self,
        environment: &Environment,
        confirm: Option<&str>,
    ) -> Result<(), CliError> {
        self.gate(environment, confirm)?;
        if !environment.protected || confirm.is_some() {
            return Ok(());
        }
        let name = &environment.name;
        self.form.line(&format!("Type \"{name}\" to go on"), &|typed| match typed.trim() {
            "" => Err(format!("nothing is done without the name \"{name}\"; Esc leaves")),
            typed if typed == name => Ok(()),
            typed => Err(format!("\"{}\" is not \"{name}\"; Esc leaves", typed.escape_debug())),
        })?;
        Ok(())
    }
}

fn refused(message: String) -> CliError {
    CliError::new(ExitCode::NotConfirmed, message)
}
