//! What all tasks have in common: open the environment, run the request, report.

use std::sync::atomic::{AtomicBool, Ordering};

use quill_admin_contract::{
    Actor, AdminAction, ExitCode, Password, Reason, Request, RequestId, RoleName, Username,
};

use super::Context;
use crate::args::Role;
use crate::config::{Environment, Place};
use crate::error::CliError;
use crate::events::Event;
use crate::flow;
use crate::hints;
use crate::prompt::Interrupt;
use crate::report::TaskReport;
use crate::world::Opening;

/// A task that is ready to be run.
pub(super) struct Task<F> {
    pub(super) environment: Environment,
    pub(super) opening: Opening,
    pub(super) username: Option<Username>,
    pub(super) reason: Option<Reason>,
    /// Makes the action: at once, or by hashing a password first.
    pub(super) action: F,
    /// To be shown once, when it may have been set.
    pub(super) generated_password: Option<Password>,
}

impl Context<'_> {
    /// Runs a task to its end and reports it; returns the exit code.
    pub(super) async fn run_task<F>(self, task: Task<F>) -> Result<u8, CliError>
    where
        F: Future<Output = Result<AdminAction, CliError>>,
    {
        let Task { environment, opening, username, reason, action, generated_password } = task;
        // Before the questions' own listener goes: no Ctrl-C falls between the two.
        let mut interrupt = Interrupt::listen();
        self.questions.end();
        self.reporter.begin();
        let started = AtomicBool::new(false);
        let emit = |event| {
            if matches!(event, Event::Started(_)) {
                started.store(true, Ordering::Relaxed);
            }
            self.reporter.event(event);
        };
        let id = RequestId::new();
        let request = async {
            let action = action.await?;
            Ok(Request { action, id: Some(id), actor: actor(self.process), reason })
        };
        let world = tokio::select! {
            world = opening.wait(&emit) => world?,
            () = interrupt.wait() => return Err(crate::prompt::interrupted()),
        };
        let embedded = matches!(environment.place, Place::Embedded { .. });
        let interrupted = async || interrupt.wait().await;
        let run =
            flow::run::run(&world.google, &environment.job, request, interrupted, embedded, &emit).await;
        // Reported before closing, which takes a moment and changes nothing about the result.
        let code = match run {
            Ok(run) => Ok(self.reporter.task(&TaskReport {
                environment: &environment,
                username: username.as_ref(),
                request_id: id,
                run: &run,
                generated_password: generated_password.as_ref(),
            })),
            Err(error) => {
                // Whoever is cut off from a task that was started still needs the password it sets.
                if (error.code == ExitCode::Unknown || started.load(Ordering::Relaxed))
                    && let Some(password) = &generated_password
                {
                    self.reporter.generated_password(password);
                }
                let hints = hints::after_failure(error.code, &environment.name, username.as_ref());
                Err(hints.into_iter().fold(error, CliError::hint))
            }
        };
        if let Err(error) = world.close().await {
            emit(Event::Trouble(error.to_string()));
        }
        code
    }
}

impl Context<'_> {
    /// Runs a task that is about one user and one role.
    pub(super) async fn run_role_task(
        mut self,
        args: Role,
        action: impl FnOnce(Username, RoleName) -> AdminAction,
    ) -> Result<u8, CliError> {
        let username = self.form.flag::<Username>("--username", args.username.as_deref());
        let role = self.form.flag::<RoleName>("--role", args.role.as_deref());
        let reason = self.form.optional("--reason", args.task.reason.as_deref());
        self.need_environment();
        self.form.check()?;

        let (environment, opening) = self.open()?;
        let username = self.form.text(username, "Username")?;
        let role = self.role(role)?;
        let task = Task {
            environment,
            opening,
            username: Some(username.clone()),
            reason,
            action: async move { Ok(action(username, role)) },
            generated_password: None,
        };
        self.run_task(task).await
    }
}

/// Who asks: recorded, never trusted. Without sign-in this is the account on this machine.
fn actor(process: &crate::process::Process) -> Option<Actor> {
    ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| process.var(name)?.parse().ok())
}
