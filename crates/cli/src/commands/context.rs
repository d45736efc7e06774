//! The context of every command: the process, the global options, the reporter, and the form that asks
//! questions.
//!
//! Other files add methods to it: `gate.rs`, `guard.rs`, `confirm_settings.rs`, `attach.rs`, `doctor.rs` and
//! `task.rs`. To add a global option: `Global` in `args.rs`, and a method here.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use quill_admin_operations::config::{Application, Config, Environment};
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::Emit;
use quill_admin_operations::process::Process;
use quill_admin_operations::session::{Opening, Purpose, Runner, Session};

use crate::args::Global;
use crate::prompt::{Choice, Form, Questions};
use crate::report::Reporter;

/// The context that every command works with.
pub(super) struct Context<'a> {
    pub(super) process: &'a Process,
    pub(super) global: Global,
    /// The command's words, such as `local serve`.
    pub(super) command: String,
    pub(super) reporter: &'a Arc<Reporter>,
    pub(super) form: Form,
    pub(super) questions: Questions,
    /// The environment, once it is known: hints about a closer look need it.
    pub(super) chosen: Arc<OnceLock<Environment>>,
}

impl Context<'_> {
    pub(super) fn config(&self) -> Result<Config, CliError> {
        let config = Config::load(self.process, self.global.config.as_deref())?;
        Ok(config.trusting(&self.global.trust_host).with_application(self.named_application()))
    }

    /// The program that runs the tasks of an embedded environment, where one was chosen.
    pub(super) fn runner(&self) -> Option<Runner> {
        self.global.runner.map(Runner::from)
    }

    /// The folder of `--application`.
    pub(super) fn named_application(&self) -> Option<PathBuf> {
        self.global.application.as_ref().map(|folder| self.process.cwd.join(folder))
    }

    /// The application that was chosen, also where there is no file with environments.
    pub(super) fn application(&self) -> Result<Application, CliError> {
        if let Some(folder) = self.named_application() {
            return Ok(Application::Named(folder));
        }
        let config = Config::load_if_any(self.process, self.global.config.as_deref())?;
        Ok(config.map_or(Application::BuiltIn, |config| Application::of(config.source())))
    }

    /// Notes a missing `--env`, to be named together with everything else that is missing.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read, or does not have the environment: before anything else is asked for.
    pub(super) fn need_environment(&mut self) -> Result<(), CliError> {
        let config = self.config()?;
        if let Some(name) = &self.global.env {
            // It is set once: a command has one environment.
            let _ = self.chosen.set(self.named(&config, name)?);
            return Ok(());
        }
        self.form.need("--env");
        Ok(())
    }

    /// The environment of this name, which `--env` or its variable has given.
    fn named(&self, config: &Config, name: &str) -> Result<Environment, CliError> {
        config.environment(name).map_err(|error| {
            let by_variable = !self.global.env_is_named;
            error.hints(
                by_variable.then(|| format!("QUILL_ADMIN_ENV={name} chose it; --env names another one")),
            )
        })
    }

    pub(super) fn open_environment(&self, environment: &Environment) -> Result<Opening, CliError> {
        self.open_for(environment, false)
    }

    fn open_for(&self, environment: &Environment, alone: bool) -> Result<Opening, CliError> {
        let purpose = Purpose { command: self.command.clone(), alone };
        let token = self.global.access_token_file.as_deref();
        // A variable that is set for all commands says nothing of environments where Cloud Run runs tasks.
        let means_it = self.global.runner_is_named || !environment.outlives_us();
        Session::open(environment, self.process, token, self.runner().filter(|_| means_it), purpose)
    }

    /// Opens the environment, waits until it is open, and shows the steps that take time.
    pub(super) async fn session(&self, environment: &Environment) -> Result<Session, CliError> {
        self.open_environment(environment)?.wait(self.emit()).await
    }

    /// Opens an embedded environment that this process has to run by itself.
    #[cfg(feature = "local")]
    pub(super) async fn session_alone(&self, environment: &Environment) -> Result<Session, CliError> {
        self.open_for(environment, true)?.wait(self.emit()).await
    }

    /// Shows events to the person.
    pub(super) fn emit(&self) -> Emit {
        let reporter = Arc::clone(self.reporter);
        Arc::new(move |event| reporter.event(event))
    }

    /// The environment of `--env`, or the one that a person chooses.
    pub(super) fn environment(&mut self) -> Result<Environment, CliError> {
        if let Some(chosen) = self.chosen.get() {
            return Ok(chosen.clone());
        }
        let config = self.config()?;
        let environment = if let Some(name) = &self.global.env {
            self.named(&config, name)?
        } else {
            let names: Vec<&str> = config.names().collect();
            let choices: Vec<Choice> = names
                .iter()
                .map(|name| Choice { name: (*name).to_owned(), note: config.describe(name) })
                .collect();
            config.environment(names[self.form.choose("Environment", &choices)?])?
        };
        let _ = self.chosen.set(environment.clone());
        Ok(environment)
    }
}
