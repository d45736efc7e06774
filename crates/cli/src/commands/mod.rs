//! One file per verb.
//!
//! **To add a task:** its file here, its arguments in `args.rs`, a line in [`dispatch`].

mod add_role;
mod attach;
mod build;
mod check;
mod completions;
mod create_superadmin;
mod doctor;
mod envs;
mod gate;
mod history;
#[cfg(feature = "local")]
mod local;
mod login;
mod logs;
mod man;
mod reference;
mod remove_role;
mod restore_backend;
mod show_user;
mod task;
mod update_permissions;
mod whoami;

use std::sync::{Arc, OnceLock};

use quill_admin_contract::RoleName;

use crate::args::{Cli, Command, Global};
use crate::config::{Config, Environment};
use crate::error::CliError;
use crate::hints;
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
    /// The environment, once it is known: to say where to look closer.
    chosen: Arc<OnceLock<Environment>>,
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
    let chosen = Arc::<OnceLock<Environment>>::default();
    let context = Context { process, global, reporter, form, questions, chosen: Arc::clone(&chosen) };
    let diagnosed = matches!(cli.command, Command::Doctor(_));
    run(context, cli.command).await.map_err(|error| {
        let check = error.check.filter(|_| !diagnosed);
        match check.and_then(|check| hints::look_closer(chosen.get(), check)) {
            Some(closer) => error.hint(closer),
            None => error,
        }
    })
}

async fn run(context: Context<'_>, command: Command) -> Result<u8, CliError> {
    match command {
        Command::CreateSuperadmin(args) => create_superadmin::run(context, args).await,
        Command::UpdatePermissions(args) => update_permissions::run(context, args).await,
        Command::AddRole(args) => add_role::run(context, args).await,
        Command::RemoveRole(args) => remove_role::run(context, args).await,
        Command::ShowUser(args) => show_user::run(context, args).await,
        Command::Check(args) => check::run(context, args).await,
        Command::Build(args) => build::run(context, args).await,
        Command::RestoreBackend(args) => restore_backend::run(context, args).await,
        Command::Doctor(args) => doctor::run(context, args).await,
        Command::Attach(args) => attach::attach(context, args).await,
        Command::Cancel(args) => attach::cancel(context, args).await,
        Command::Logs(args) => logs::run(context, args).await,
        Command::History(args) => history::run(context, args).await,
        Command::Envs => envs::run(&context),
        Command::Login(args) => login::run(&context, &args).await,
        Command::Whoami => whoami::run(context).await,
        #[cfg(feature = "local")]
        Command::Local(args) => local::run(context, args).await,
        #[cfg(not(feature = "local"))]
        Command::Local(_) => Err(crate::world::without_local()),
        Command::Completions(args) => completions::run(&context, &args),
        Command::Man(args) => man::run(&context, &args),
        Command::Reference(args) => Ok(reference::run(&context, &args)),
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

    fn open_environment(&self, environment: &Environment) -> Result<Opening, CliError> {
        World::open(environment, self.process, self.global.access_token_file.as_deref(), self.global.runner)
    }

    /// The environment of `--env`, or the one a person chooses.
    fn environment(&mut self) -> Result<Environment, CliError> {
        let config = self.config()?;
        let name = if let Some(name) = &self.global.env {
            name.clone()
        } else {
            let names: Vec<&str> = config.names().collect();
            let choices: Vec<Choice> = names
                .iter()
                .map(|name| Choice { name: (*name).to_owned(), note: config.describe(name) })
                .collect();
            names[self.form.choose("Environment", &choices)?].to_owned()
        };
        let environment = config.environment(&name)?;
        // It is asked for once.
        let _ = self.chosen.set(environment.clone());
        Ok(environment)
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
