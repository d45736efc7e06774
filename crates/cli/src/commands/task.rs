//! The part that all tasks have in common: open the environment, run the request, report.
//!
//! The order is fixed: the job is judged, the plan is shown, the person agrees, and the task runs under the
//! guard. `run_task.rs` asks for the values before; `preview.rs` runs a task that is previewed first. To add an
//! option of all tasks: `TaskFlags` in `task_command/command_line.rs`, and [`TaskOptions`] here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quill_admin_actions::Digest;
use quill_admin_cloud::JobName;
use quill_admin_contract::{
    AdminAction, ExitCode, Mode, Password, Plan, Reason, Request, Undoing, Username, look,
};
use quill_admin_operations::admin_image::deployed_actions::{self, Own};
use quill_admin_operations::admin_image::target;
use quill_admin_operations::config::{Application, Environment};
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::{Emit, Event};
use quill_admin_operations::hints;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;
use quill_admin_operations::session::{Opening, Session, sign_in};
use quill_admin_operations::task::job_image::{self, JobImage};
use quill_admin_operations::task::jobs;
use quill_admin_operations::task::run::{self, Prepared};
use quill_admin_operations::task::run_outcome::Run;

use super::context::Context;
use super::guard::{Guard, close};
use crate::prompt::{Field, Form};
use crate::report::{TaskPlan, TaskReport};
use crate::task_command::{TaskCommand, TaskFlags};

/// The options that every task takes.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct TaskOptions {
    /// Whether the action may write to the database.
    pub(super) writes: bool,
    /// The reason, as far as it was given.
    pub(super) reason: Option<Reason>,
    /// The environment's name, given to confirm it.
    pub(super) confirm: Option<String>,
    /// Whether nothing is to be started.
    pub(super) dry_run: bool,
    /// Whether an image that `build` has not deployed is accepted.
    pub(super) allow_unpinned: bool,
    /// Whether the plan needs no confirmation.
    pub(super) yes: bool,
    /// Whether the task can be previewed.
    pub(super) can_be_previewed: bool,
    /// Whether a preview is all that was asked for.
    pub(super) preview: bool,
    /// The plan of a preview that the task has to follow.
    pub(super) expect: Option<Digest>,
}

impl TaskOptions {
    /// The options of a change in the admin image.
    pub(super) fn of_a_change(form: &mut Form, flags: TaskFlags) -> Self {
        Self {
            writes: true,
            can_be_previewed: true,
            preview: flags.preview,
            expect: form.optional("--expect", flags.expect.as_deref()).map(|Plan(plan)| plan),
            reason: form.optional("--reason", flags.reason.as_deref()),
            confirm: flags.confirm,
            dry_run: flags.dry_run,
            allow_unpinned: flags.allow_unpinned,
            yes: flags.yes,
        }
    }

    /// The options of an action that changes nothing.
    pub(super) const fn of_a_look(reason: Option<Reason>) -> Self {
        Self {
            writes: false,
            reason,
            confirm: None,
            dry_run: false,
            allow_unpinned: false,
            yes: false,
            can_be_previewed: false,
            preview: false,
            expect: None,
        }
    }

    /// Whether the task is previewed before it is run, or instead.
    pub(super) fn previews_first(&self, environment: &Environment) -> bool {
        self.can_be_previewed && (self.preview || environment.preview_required && self.expect.is_none())
    }
}

/// A task that is ready to be run.
pub(super) struct Task<F> {
    /// The action's name.
    pub(super) name: String,
    /// The job that does it: the environment's own, or one of the application's.
    pub(super) job: JobName,
    pub(super) subject: Subject,
    pub(super) options: TaskOptions,
    /// The run that it undoes, where it undoes one.
    pub(super) undoes: Option<Undoing>,
    /// Makes the action: at once, or after hashing a password.
    pub(super) action: F,
}

/// The subject of a task.
#[derive(Default)]
pub(super) struct Subject {
    /// The user, where the task is about one.
    pub(super) username: Option<Username>,
    /// Their password, if it was generated: it is shown once, when it may have been set.
    pub(super) generated_password: Option<Password>,
}

/// The progress of a run that changes something, which a preview does not.
#[derive(Default)]
pub(super) struct Progress {
    /// Whether it is to be started now.
    due: AtomicBool,
    /// Whether it was started.
    started: AtomicBool,
}

impl Progress {
    fn may_have_changed_something(&self, error: &CliError) -> bool {
        self.due.load(Ordering::Relaxed)
            && (error.code == ExitCode::Unknown || self.started.load(Ordering::Relaxed))
    }
}

impl Context<'_> {
    /// Reads the options that every task takes.
    pub(super) fn task_options(&mut self, command: &TaskCommand, flags: TaskFlags) -> TaskOptions {
        let options = TaskOptions::of_a_change(&mut self.form, flags);
        TaskOptions { writes: command.writes, can_be_previewed: command.previews, ..options }
    }

    /// The environment, if the task may be run there, and the job that does it.
    pub(super) fn environment_for_task(
        &mut self,
        action: &str,
        options: &TaskOptions,
    ) -> Result<(Environment, JobName), CliError> {
        let environment = self.environment()?;
        let job = jobs::of(&environment, action)?;
        if !options.dry_run {
            self.gate_task(&environment, options)?;
        }
        self.confirm_settings(&environment)?;
        Ok((environment, job))
    }

    /// Begins to open the environment, and to read what a task needs.
    pub(super) fn open_for_task(
        &self,
        environment: &Environment,
        job: &JobName,
        options: &TaskOptions,
    ) -> Result<Opening, CliError> {
        // A dry run has no log.
        Ok(self.open_environment(environment)?.for_task(job.clone(), !options.dry_run))
    }

    /// Runs a task to its end and reports it; returns the exit code.
    pub(super) async fn run_task<F>(self, opening: Opening, task: Task<F>) -> Result<u8, CliError>
    where
        F: Future<Output = Result<AdminAction, CliError>>,
    {
        let (progress, emit) = self.progress();
        self.reporter.begin();
        let session = opening.wait(emit).await?;
        self.run_open(session, &progress, task).await
    }

    /// The progress of a task, and what shows its events and notes how far it has come.
    pub(super) fn progress(&self) -> (Arc<Progress>, Emit) {
        let progress = Arc::new(Progress::default());
        let (noted, reporter) = (Arc::clone(&progress), Arc::clone(self.reporter));
        let emit: Emit = Arc::new(move |event| {
            if matches!(event, Event::Started(_)) && noted.due.load(Ordering::Relaxed) {
                noted.started.store(true, Ordering::Relaxed);
            }
            reporter.event(event);
        });
        (progress, emit)
    }

    /// Runs a task in an environment that is open, and closes it.
    pub(super) async fn run_open<F>(
        self,
        session: Session,
        progress: &Progress,
        task: Task<F>,
    ) -> Result<u8, CliError>
    where
        F: Future<Output = Result<AdminAction, CliError>>,
    {
        let reporter = self.reporter;
        let Task { name, job, subject, options, undoes, action } = task;
        let own = session.environment().is_own(&job);
        let task = OpenTask::new(&session, &options, &subject, progress);
        let code = self.run_in(&task, (&name, job), undoes, action).await.map_err(|error| {
            // A person who is cut off from a task that was started still needs the password that it sets.
            if progress.may_have_changed_something(&error)
                && let Some(password) = &subject.generated_password
            {
                reporter.generated_password(password);
            }
            if !own {
                return hints::after_failure_of_a_job(error, &name);
            }
            // The error itself names the check for a closer look.
            let hints = hints::after_failure(error.code, session.environment(), subject.username.as_ref());
            error.hints(hints)
        });
        close(reporter, session).await;
        code
    }

    async fn run_in<F>(
        mut self,
        task: &OpenTask<'_>,
        (name, job): (&str, JobName),
        undoes: Option<Undoing>,
        action: F,
    ) -> Result<u8, CliError>
    where
        F: Future<Output = Result<AdminAction, CliError>>,
    {
        let OpenTask { session, options, .. } = *task;
        let reporter = self.reporter;
        let environment = session.environment();
        let mut account = None;
        let request = async {
            // A cached token does not say whose it is: Google is asked, while the password is hashed.
            let (action, known) = tokio::join!(action, session.account());
            let actor = sign_in::actor(known.as_deref(), self.process);
            account = known;
            let mut request = Request::new(action?, actor, options.reason.clone());
            request.origin = sign_in::origin(self.process);
            request.undoes = undoes;
            Ok(request)
        };
        let mut prepared = run::prepare(session, name, job, request, options.dry_run).await?;
        let image = self.judge(task, &prepared)?;
        prepared.request.contract = job_image::contract(&prepared.job.settings);
        let previews_first = options.previews_first(environment);
        prepared.request.mode = match &options.expect {
            _ if previews_first => Mode::Preview,
            Some(plan) => Mode::RunAsPreviewed(plan.clone()),
            None => Mode::Run,
        };
        if prepared.request.mode != Mode::Run || prepared.request.undoes.is_some() {
            job_image::has_modes(prepared.request.contract, &environment.name)?;
        }
        let again = Some(()).filter(|()| !environment.is_own(&prepared.name));
        let again = again.and_then(|()| job_image::started_again(&prepared.job.settings));
        let plan = TaskPlan {
            environment,
            job: &prepared.name,
            account: account.as_deref(),
            image: &image,
            served: session.is_served(),
            request: &prepared.request,
            started_again: again.as_deref(),
        };
        if options.dry_run {
            let plan = reporter.prepare_plan(&plan);
            run::validate(session, prepared).await?;
            return Ok(reporter.planned(plan));
        }
        reporter.task_plan(&plan, self.form.asked());
        if previews_first {
            return self.run_previewed(task, prepared).await;
        }
        if options.writes {
            self.give_reason(environment, &mut prepared.request)?;
            self.agree(environment, options.confirm.as_deref(), options.yes)?;
        }
        let request = prepared.request.clone();
        let run = self.run_prepared(task, prepared).await?;
        Ok(reporter.task(&task.report(&request, &run, None)))
    }

    /// Judges whether the job may run the task.
    pub(super) fn judge(&self, task: &OpenTask<'_>, prepared: &Prepared<'_>) -> Result<JobImage, CliError> {
        let OpenTask { session, options, subject, .. } = *task;
        let environment = session.environment();
        let settings = &prepared.job.settings;
        let image = if environment.is_own(&prepared.name) {
            // The embedded environment's image, which only this program can change, need not be deployed by
            // `build`.
            let any_image = options.allow_unpinned || !environment.builds_to_registry();
            let image = job_image::judge(settings, &environment.name, options.writes, any_image)?;
            if !any_image {
                let cwd = &self.process.cwd;
                let own = || Own::of(&Application::of(&environment.source), cwd, self.process.built_from);
                let action = &prepared.request.action;
                deployed_actions::judge(settings, action, &environment.name, cwd, own)?;
            }
            if let Some(remark) = target::judge(settings, environment)? {
                session.emit(Event::Trouble(remark));
            }
            image
        } else {
            job_image::of_application(settings)
        };
        let username = subject.username.as_ref();
        if options.writes
            && let Some(remark) = username.and_then(|name| look::unusual(name.as_str()))
        {
            session.emit(Event::Trouble(remark));
        }
        Ok(image)
    }

    /// Asks for the reason, where a protected environment wants one that was not given.
    pub(super) fn give_reason(
        &mut self,
        environment: &Environment,
        request: &mut Request,
    ) -> Result<(), CliError> {
        if environment.protected && request.reason.is_none() {
            request.reason = Some(self.form.text(Field::Open, "Reason", str::parse)?);
        }
        Ok(())
    }

    /// Starts a prepared run under the guard, and follows it to its end.
    pub(super) async fn run_prepared(
        &self,
        task: &OpenTask<'_>,
        prepared: Prepared<'_>,
    ) -> Result<Run, CliError> {
        let mut guard = self.guard();
        self.reporter.begin();
        self.run_guarded(&mut guard, task, prepared).await
    }

    /// The same under a guard that is there already.
    pub(super) async fn run_guarded(
        &self,
        guard: &mut Guard,
        task: &OpenTask<'_>,
        prepared: Prepared<'_>,
    ) -> Result<Run, CliError> {
        task.progress.due.store(prepared.request.mode != Mode::Preview, Ordering::Relaxed);
        task.progress.started.store(false, Ordering::Relaxed);
        let point = PointOfNoReturn::new("nothing was started");
        guard.run(&point, Box::pin(run::run(task.session, prepared, &point))).await
    }
}

/// A task whose environment is open.
pub(super) struct OpenTask<'a> {
    pub(super) session: &'a Session,
    pub(super) options: &'a TaskOptions,
    pub(super) subject: &'a Subject,
    progress: &'a Progress,
}

impl<'a> OpenTask<'a> {
    /// A task in a session.
    pub(super) const fn new(
        session: &'a Session,
        options: &'a TaskOptions,
        subject: &'a Subject,
        progress: &'a Progress,
    ) -> Self {
        Self { session, options, subject, progress }
    }

    /// Whether a run that ended with this error may have changed something.
    pub(super) fn may_have_changed_something(&self, error: &CliError) -> bool {
        self.progress.may_have_changed_something(error)
    }

    /// The report on a run. It is made before the environment is closed, which takes a moment and does not change
    /// the result.
    pub(super) fn report(
        &self,
        request: &'a Request,
        run: &'a Run,
        preview: Option<&'a Run>,
    ) -> TaskReport<'a> {
        TaskReport {
            environment: self.session.environment(),
            username: self.subject.username.as_ref(),
            request_id: request.id,
            action: Some(&request.action),
            run,
            preview,
            // A preview sets none.
            generated_password: self.subject.generated_password.as_ref().filter(|_| !run.is_preview()),
            to_cancel: false,
        }
    }
}
