//! What all tasks have in common: open the environment, run the request, report.

use std::sync::atomic::{AtomicBool, Ordering};

use quill_admin_contract::{
    ActionName, AdminAction, ExitCode, Password, Reason, Request, RequestId, RoleName, Username,
};

use super::Context;
use crate::args::{self, Role};
use crate::config::{Environment, Place};
use crate::error::CliError;
use crate::events::{Emit, Event};
use crate::flow::fit;
use crate::flow::run::{self, Wish};
use crate::hints;
use crate::prompt::{self, Field, Interrupt, Stop};
use crate::report::{Reporter, TaskPlan, TaskReport};
use crate::world::{self, Opening, World};

/// What every task can be told.
pub(super) struct TaskOptions {
    /// What is to be done.
    pub(super) action: ActionName,
    /// Why, as far as it is known.
    pub(super) reason: Option<Reason>,
    /// The environment's name, once more.
    pub(super) confirm: Option<String>,
    /// Nothing is to be started.
    pub(super) dry_run: bool,
    /// Any image will do.
    pub(super) allow_unpinned: bool,
}

/// A task that is ready to be run.
pub(super) struct Task<F> {
    pub(super) environment: Environment,
    pub(super) opening: Opening,
    pub(super) username: Option<Username>,
    pub(super) options: TaskOptions,
    /// Makes the action: at once, or by hashing a password first.
    pub(super) action: F,
    /// To be shown once, when it may have been set.
    pub(super) generated_password: Option<Password>,
}

impl Context<'_> {
    /// Reads what every task can be told.
    pub(super) fn task_options(&mut self, action: ActionName, args: args::Task) -> TaskOptions {
        TaskOptions {
            action,
            reason: self.form.optional("--reason", args.reason.as_deref()),
            confirm: args.confirm,
            dry_run: args.dry_run,
            allow_unpinned: args.allow_unpinned,
        }
    }

    /// The environment, if a task may be run there, and its opening: that goes on while a person
    /// answers questions.
    pub(super) fn open_for_task(
        &mut self,
        options: &TaskOptions,
    ) -> Result<(Environment, Opening), CliError> {
        let environment = self.environment()?;
        if !options.dry_run {
            self.gate_task(&environment, options)?;
        }
        let opening = self.open_environment(&environment)?.with_log();
        Ok((environment, opening))
    }

    /// Runs a task to its end and reports it; returns the exit code.
    pub(super) async fn run_task<F>(self, task: Task<F>) -> Result<u8, CliError>
    where
        F: Future<Output = Result<AdminAction, CliError>>,
    {
        let reporter = self.reporter;
        let started = AtomicBool::new(false);
        let emit = |event| {
            if matches!(event, Event::Started(_)) {
                started.store(true, Ordering::Relaxed);
            }
            reporter.event(event);
        };
        reporter.begin();
        let Task { environment, opening, username, options, action, generated_password } = task;
        let world = opening.wait(&emit).await?;
        let code = self
            .run_in(
                &world,
                &environment,
                options,
                action,
                username.as_ref(),
                generated_password.as_ref(),
                &emit,
            )
            .await
            .map_err(|error| {
                // Whoever is cut off from a task that was started still needs the password it sets.
                if (error.code == ExitCode::Unknown || started.load(Ordering::Relaxed))
                    && let Some(password) = &generated_password
                {
                    reporter.generated_password(password);
                }
                // What can be looked at closer the error itself knows.
                let hints = hints::after_failure(error.code, &environment, username.as_ref());
                hints.into_iter().fold(error, CliError::hint)
            });
        if let Err(error) = world.close().await {
            emit(Event::Trouble(error.to_string()));
        }
        code
    }

    #[expect(clippy::too_many_arguments, reason = "each is one of the things the work is about")]
    async fn run_in<F>(
        mut self,
        world: &World,
        environment: &Environment,
        options: TaskOptions,
        action: F,
        username: Option<&Username>,
        generated_password: Option<&Password>,
        emit: Emit<'_>,
    ) -> Result<u8, CliError>
    where
        F: Future<Output = Result<AdminAction, CliError>>,
    {
        let reporter = self.reporter;
        let id = RequestId::new();
        let reason = options.reason.clone();
        let mut account = None;
        let request = async {
            // A ready token does not say whose it is: Google is asked, while the password is hashed.
            let (action, known) = tokio::join!(action, world.account());
            let actor = world::actor(known.as_deref(), self.process);
            account = known;
            Ok(Request { action: action?, id: Some(id), actor, reason })
        };
        let mut prepared = run::prepare(&world.google, environment, request, options.dry_run).await?;
        let embedded = matches!(environment.place, Place::Embedded { .. });
        let image =
            fit::judge(&prepared.job, &environment.name, options.action, options.allow_unpinned || embedded)?;
        let plan =
            TaskPlan { environment, account: account.as_deref(), image: &image, request: &prepared.request };
        if options.dry_run {
            let plan = reporter.prepare_plan(&plan);
            run::validate(&world.google, &environment.job, prepared).await?;
            return Ok(reporter.planned(plan));
        }
        reporter.task_plan(&plan);
        if options.action.writes() {
            if environment.protected && prepared.request.reason.is_none() {
                prepared.request.reason = Some(self.form.text(Field::Open, "Reason")?);
            }
            self.confirm(environment, options.confirm.as_deref())?;
        }
        // Before the questions' own listener goes: no Ctrl-C falls between the two.
        let mut interrupt = Interrupt::listen();
        self.questions.end();
        reporter.begin();
        let mut wishes = Wishes { reporter, attended: self.form.attended(), embedded, cancelled: false };
        let wish = async || wishes.next(&mut interrupt).await;
        let run = run::run(&world.google, environment, prepared, wish, emit).await?;
        // Reported before closing, which takes a moment and changes nothing about the result.
        Ok(reporter.task(&TaskReport {
            environment,
            username,
            request_id: Some(id),
            run: &run,
            generated_password,
        }))
    }

    /// Runs a task that is about one user and one role.
    pub(super) async fn run_role_task(
        mut self,
        args: Role,
        name: ActionName,
        action: impl FnOnce(Username, RoleName) -> AdminAction,
    ) -> Result<u8, CliError> {
        let username = self.form.flag::<Username>("--username", args.username.as_deref());
        let role = self.form.flag::<RoleName>("--role", args.role.as_deref());
        let options = self.task_options(name, args.task);
        self.need_environment();
        self.form.check()?;

        let (environment, opening) = self.open_for_task(&options)?;
        let username = self.form.text(username, "Username")?;
        let role = self.role(role)?;
        let task = Task {
            environment,
            opening,
            username: Some(username.clone()),
            options,
            action: async move { Ok(action(username, role)) },
            generated_password: None,
        };
        self.run_task(task).await
    }
}

/// What a person wants who presses Ctrl-C while a task runs.
pub(super) struct Wishes<'a> {
    pub(super) reporter: &'a Reporter,
    /// Somebody can be asked.
    pub(super) attended: bool,
    /// The task cannot outlive this program.
    pub(super) embedded: bool,
    pub(super) cancelled: bool,
}

impl Wishes<'_> {
    /// Waits for Ctrl-C and asks what for. Another one, instead of an answer, detaches, and so does
    /// whatever else tells this program to stop.
    pub(super) async fn next(&mut self, interrupt: &mut Interrupt) -> Wish {
        let stop = interrupt.wait().await;
        if self.embedded {
            return if std::mem::replace(&mut self.cancelled, true) { Wish::Detach } else { Wish::Cancel };
        }
        if !self.attended || stop == Stop::Ended {
            return Wish::Detach;
        }
        self.reporter.question(
            "The task is still running. Ctrl-C does not stop it.\n  w  wait for it\n  d  detach: it goes on, \
             and you can come back to it (Ctrl-C again does the same)\n  c  cancel it\n[w/d/c] ",
        );
        tokio::select! {
            _ = interrupt.wait() => Wish::Detach,
            answer = prompt::line() => match answer.trim().chars().next().map(|c| c.to_ascii_lowercase()) {
                Some('d') => Wish::Detach,
                Some('c') => Wish::Cancel,
                _ => Wish::Wait,
            },
        }
    }
}
