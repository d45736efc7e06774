//! The question whether a settings file that was found names the right project.

use quill_admin_contract::ExitCode;
use quill_admin_contract::image_actions::ActionDigests;
use quill_admin_operations::config::Environment;
use quill_admin_operations::config::confirmed::{self, Lacking};
use quill_admin_operations::error::{CliError, advice};
use quill_admin_operations::hints;

use super::context::Context;

impl Context<'_> {
    /// Lets tasks go to the project and job of a file that was found only where a person has confirmed that
    /// once, or does so now.
    pub(super) fn confirm_settings(&mut self, environment: &Environment) -> Result<(), CliError> {
        self.confirm_for(environment, "", "send tasks there?")
    }

    /// Lets actions become an image of that job only where the file and the folder that it names are
    /// confirmed. A person who has not confirmed them sees first which actions these are.
    pub(super) fn confirm_actions(
        &mut self,
        environment: &Environment,
        whereabouts: &str,
        actions: &ActionDigests,
    ) -> Result<(), CliError> {
        let names: Vec<&str> = actions.names().collect();
        let listed = format!("; the image would have these actions of {whereabouts}: {}", names.join(", "));
        self.confirm_for(environment, &listed, "deploy that image there, and send tasks there?")
    }

    fn confirm_for(
        &mut self,
        environment: &Environment,
        listed: &str,
        question: &str,
    ) -> Result<(), CliError> {
        let Some(lacking) = confirmed::lacking(environment, self.process) else {
            return Ok(());
        };
        let changed = lacking == Lacking::Changed;
        let file = environment.source.path.display();
        let (project, job, name) = (&environment.job.project, &environment.job.job, &environment.name);
        let names = match &environment.source.application {
            None => format!("{file} names project {project} and job {job} for \"{name}\""),
            // The folder decides what tasks do.
            Some(folder) => format!(
                "{file} names project {project} and job {job} for \"{name}\", and the application's folder {}",
                folder.display()
            ),
        };
        let names = format!("{names}{listed}");
        let what = match &environment.source.application {
            None => "the file has changed",
            Some(_) => "the file, or the actions there, have changed",
        };
        if !self.form.attended() {
            let why = if changed {
                format!("{what} since that was confirmed")
            } else {
                "nobody has confirmed that on this machine".to_owned()
            };
            let confirm = hints::command(&environment.name, "envs --trust", &[]);
            return Err(CliError::new(
                ExitCode::NotConfirmed,
                format!("{names}, and {why}; nothing was sent"),
            )
            .hint(advice("if tasks should go there, confirm it once", &confirm))
            .hint(confirmed::named(environment)));
        }
        let since = if changed { format!(" ({what} since you confirmed it)") } else { String::new() };
        if !self.form.confirm(&format!("{names}{since}: {question}"))? {
            return Err(CliError::new(ExitCode::NotConfirmed, "not confirmed; nothing was sent").hint(
                "if the project and job are not yours, correct the file; to ask again, run the same command",
            ));
        }
        confirmed::remember(environment, self.process)
    }
}
