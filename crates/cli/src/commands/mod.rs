//! One file per verb.
//!
//! **To add a task:** its file here, its arguments in `args.rs`, a line in [`dispatch`].

mod add_role;
mod build;
mod check;
mod create_superadmin;
mod envs;
mod gate;
#[cfg(feature = "local")]
mod local;
mod remove_role;
mod restore_backend;
mod show_user;
mod task;
mod update_permissions;

use std::sync::Arc;

use quill_admin_contract::RoleName;

use crate::args::{Cli, Command, Global};
use crate::config::{Config, Environment};
use crate::error::CliError;
use crate::process::Process;
use crate::prompt::{Choice, Field, Form, Questions, Terminal};
use crate::report::Reporter;
use crate::world::{Opening, World};

/// What every command works with.
pub struct Context<'a> {
    process: &'a Process,
    global: Global,
    reporter: &'a Arc<Reporter>,
    form: Form,
    questions: Questions,
}

/// Runs the command and returns the exit code; everything but errors has been reported.
pub async fn dispatch(cli: Cli, process: &Process, reporter: &Arc<Reporter>) -> Result<u8, CliError> {
    let form = Form::new(process.attended.then(|| Box::new(Terminal::new()) as _));
    let questions = Questions::begin({
        let reporter = Arc::clone(reporter);
        move |error| reporter.error(error)
    });
    let mut global = cli.global;
    // An empty QUILL_ADMIN_ENV means what an unset one does.
    global.env = global.env.filter(|name| !name.is_empty());
    let context = Context { process, global, reporter, form, questions };
    match cli.command {
        Command::CreateSuperadmin(args) => create_superadmin::run(context, args).await,
        Command::UpdatePermissions(args) => update_permissions::run(context, args).await,
        Command::AddRole(args) => add_role::run(context, args).await,
        Command::RemoveRole(args) => remove_role::run(context, args).await,
        Command::ShowUser(args) => show_user::run(context, args).await,
        Command::Check(args) => check::run(context, args).await,
        Command::Build(args) => build::run(context, args).await,
        Command::RestoreBackend(args) => restore_backend::run(context, args).await,
        Command::Envs => envs::run(&context),
        #[cfg(feature = "local")]
        Command::Local(args) => local::run(context, args).await,
        #[cfg(not(feature = "local"))]
        Command::Local(_) => Err(crate::world::without_local()),
    }
}

impl Context<'_> {
    fn config(&self) -> Result<Config, CliError> {
        Config::load(self.process, self.global.config.as_deref())
    }

    /// Notes a missing `--env`, to be named together with everything else that is missing.
    fn need_environment(&mut self) {
        if self.global.env.is_none() {
            self.form.need("--env");
        }
    }

    /// The environment of a task, and its opening: that goes on while a person answers questions.
    fn open(&mut self) -> Result<(Environment, Opening), CliError> {
        let environment = self.environment()?;
        let opening = self.open_environment(&environment)?.with_log();
        Ok((environment, opening))
    }

    fn open_environment(&self, environment: &Environment) -> Result<Opening, CliError> {
        World::open(environment, self.process, self.global.access_token_file.as_deref(), self.global.runner)
    }

    /// The environment of `--env`, or the one a person chooses.
    fn environment(&mut self) -> Result<Environment, CliError> {
        let config = self.config()?;
        if let Some(name) = &self.global.env {
            return config.environment(name);
        }
        let names: Vec<&str> = config.names().collect();
        let choices: Vec<Choice> = names
            .iter()
            .map(|name| Choice { name: (*name).to_owned(), note: config.describe(name) })
            .collect();
        config.environment(names[self.form.choose("Environment", &choices)?])
    }

    /// A role: of the flag, or chosen from the application's, or typed.
    fn role(&mut self, field: Field<RoleName>) -> Result<RoleName, CliError> {
        if let Field::Given(role) = field {
            return Ok(role);
        }
        let known = quill_admin_contract::KNOWN_ROLES;
        let mut choices: Vec<Choice> =
            known.iter().map(|name| Choice { name: (*name).to_owned(), note: String::new() }).collect();
        choices.push(Choice { name: "another role …".to_owned(), note: String::new() });
        match known.get(self.form.choose("Role", &choices)?) {
            Some(name) => name.parse().map_err(CliError::from),
            None => self.form.text(Field::Open, "Role, exactly as the database has it"),
        }
    }
}
