//! Runs the rows of a table, part by part, and keeps what becomes of each row in the results file.
//!
//! The work for one part is in `each/parts.rs` of the crate `operations`; here are the order of the parts, Ctrl-C,
//! and the reports between them. To change when no further part is started: `run_parts`.

use std::sync::Arc;

use jiff::Timestamp;
use quill_admin_cloud::Execution;
use quill_admin_contract::{AdminAction, Arguments, ExitCode, Mode, Request, RequestId};
use quill_admin_operations::each::Start;
use quill_admin_operations::each::parts::{self, Looked};
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::Event;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;
use quill_admin_operations::session::{Opening, sign_in};
use quill_admin_operations::task::job_image;
use quill_admin_operations::task::run::{self, Prepared};
use quill_admin_operations::task::run_outcome::Run;

use super::super::context::Context;
use super::super::guard::close;
use super::super::task::{OpenTask, Subject};
use super::source::{Hashing, Source};
use super::standing::{Bulk, Standing};
use crate::report::{EachPlan, GOES_ON, TaskPlan, leaves_nobody_in};

impl Context<'_> {
    /// Runs an action for the rows of a table or a results file, and closes the environment; returns the exit code.
    pub(super) async fn run_bulk(
        mut self,
        opening: Opening,
        bulk: Bulk,
        source: Source,
    ) -> Result<u8, CliError> {
        let (progress, emit) = self.progress();
        self.reporter.begin();
        let hashing = Hashing::begin(source, bulk.action, bulk.options.dry_run, &emit);
        self.reporter.event(Event::Doing("judging and hashing the rows"));
        let session = opening.wait(Arc::clone(&emit)).await?;
        let subject = Subject::default();
        let code = match hashing.end().await {
            Ok((journal, path)) => {
                let standing = Standing::new(&session, &bulk, journal, path);
                let task = OpenTask::new(&session, &bulk.options, &subject, &progress);
                self.run_standing(standing, &task).await
            }
            Err(error) => Err(error),
        };
        close(self.reporter, session).await;
        code
    }

    async fn run_standing(&mut self, mut at: Standing<'_>, task: &OpenTask<'_>) -> Result<u8, CliError> {
        let (reporter, session) = (Arc::clone(self.reporter), at.session);
        let environment = session.environment();
        if !at.bulk.options.dry_run {
            self.catch_up(&mut at, task).await?;
        }
        let account = session.account().await;
        let actor = sign_in::actor(account.as_deref(), self.process);
        let action = AdminAction::new(at.bulk.action, Arguments::default());
        let mut request = Request::new(action, actor, at.bulk.options.reason.clone());
        request.origin = sign_in::origin(self.process);
        let Some(first) = at.next()? else { return Ok(at.report(&reporter, None)) };
        request.bulk = Some(first);
        let prepared = self.prepare(&at, &request).await?;
        let image = self.judge(task, &prepared)?;
        request.contract = job_image::contract(&prepared.job.settings);
        job_image::has_modes(request.contract, &environment.name)?;
        let previews_first = at.bulk.options.previews_first(environment);
        request.mode = if previews_first { Mode::Preview } else { Mode::Run };
        let plan = EachPlan {
            task: TaskPlan {
                environment,
                job: &prepared.name,
                account: account.as_deref(),
                image: &image,
                served: session.is_served(),
                request: &request,
                started_again: None,
            },
            rows: at.left(),
            results: at.path.as_deref().or(at.journal.path()),
            of_nobody: leaves_nobody_in(at.bulk.action, at.journal.header()),
        };
        if at.bulk.options.dry_run {
            let shown = reporter.prepare_each_plan(&plan);
            let mut prepared = prepared;
            prepared.request = request;
            run::validate(session, prepared).await?;
            return Ok(reporter.planned(shown));
        }
        reporter.each_plan(&plan);
        at.agreed = Some(prepared.job.clone());
        at.ready = Some(prepared);
        if previews_first {
            if let Some(code) = self.preview_rows(&mut at, task, &request).await? {
                return Ok(code);
            }
            request.mode = Mode::Run;
        } else if at.bulk.options.writes {
            self.agree_to_rows(&at)?;
        }
        if let Some(path) = at.path.take() {
            at.journal.keep_in(&path)?;
        }
        self.run_parts(at, task, request).await
    }

    /// Asks for agreement to a run for many rows. It is asked for at every terminal, unless a flag gives it: nobody
    /// types so many rows on purpose.
    fn agree_to_rows(&mut self, at: &Standing<'_>) -> Result<(), CliError> {
        let options = &at.bulk.options;
        self.form.note_unseen();
        self.agree(
            at.session.environment(),
            options.confirm.as_deref(),
            options.yes || options.confirm.is_some(),
        )
    }

    /// The next part, ready to be started. The job was read for the first one; the others, too, are run only where it
    /// still runs what was agreed to.
    pub(super) async fn part<'s>(
        &self,
        at: &mut Standing<'s>,
        request: Request,
    ) -> Result<Prepared<'s>, CliError> {
        if let Some(ready) = at.ready.take() {
            return Ok(Prepared { request, ..ready });
        }
        let prepared = self.prepare(at, &request).await?;
        match &at.agreed {
            Some(agreed) => prepared.as_agreed(agreed),
            None => Ok(prepared),
        }
    }

    /// Reads the job.
    async fn prepare<'s>(&self, at: &Standing<'s>, request: &Request) -> Result<Prepared<'s>, CliError> {
        let (name, job) = (&at.bulk.name, at.bulk.job.clone());
        let request = request.clone();
        run::prepare(at.session, name, job, async { Ok(request) }, at.bulk.options.dry_run).await
    }

    /// Sees a part to its end that was begun by an earlier command.
    async fn catch_up(&mut self, at: &mut Standing<'_>, task: &OpenTask<'_>) -> Result<(), CliError> {
        let Some(start) = at.journal.open_part().cloned() else { return Ok(()) };
        self.reporter.event(Event::Doing("finding out what became of the rows before"));
        let options = &at.bulk.options;
        let may_fence = options.writes && !options.preview;
        let looked = parts::look_back(at.session, &at.bulk.job, &at.journal, may_fence).await?;
        match looked {
            None => Ok(()),
            Some(Looked::NotStarted) => at.journal.ends(Vec::new()),
            Some(Looked::Started(execution)) => {
                let run = self.attend(task, *execution).await?;
                // Its log is read once more, some time after its end: what is not there now does not come.
                let last = run.log_is_whole;
                at.over(run, &start.rows, last)?;
                if at.journal.open_part().is_some() {
                    let what =
                        "the log of the rows before could not be read to its end; nothing more was started";
                    return Err(CliError::new(ExitCode::Unknown, what).hint(GOES_ON));
                }
                Ok(())
            }
        }
    }

    async fn attend(&self, task: &OpenTask<'_>, execution: Execution) -> Result<Run, CliError> {
        let mut guard = self.guard();
        let point = PointOfNoReturn::new("nothing more was started");
        guard.run(&point, Box::pin(run::attend(task.session, execution, false, &point))).await
    }

    /// Runs the rows that are left, part by part.
    async fn run_parts(
        &mut self,
        mut at: Standing<'_>,
        task: &OpenTask<'_>,
        mut request: Request,
    ) -> Result<u8, CliError> {
        let reporter = Arc::clone(self.reporter);
        if at.bulk.options.writes {
            self.give_reason(at.session.environment(), &mut request)?;
        }
        // One guard for all parts, so that Ctrl-C between two of them is not lost.
        let mut guard = self.guard();
        self.reporter.begin();
        let between = PointOfNoReturn::new("the rows that are left were not begun");
        while let Some(bulk) = at.next()? {
            let rows: Vec<u64> = bulk.rows.iter().map(|row| row.number).collect();
            let part = at.journal.next_part();
            let id = RequestId::of_part(at.journal.header().run, part);
            let request = Request { bulk: Some(bulk), id: Some(id), ..request.again() };
            let prepared = guard.run(&between, Box::pin(self.part(&mut at, request))).await;
            let prepared = match prepared {
                Ok(prepared) => prepared,
                Err(error) => return at.broken_off(&reporter, error),
            };
            at.journal.starts(Start {
                part,
                rows: rows.clone(),
                etag: prepared.job.etag.clone(),
                executions: prepared.job.executions,
                at: Timestamp::now(),
            })?;
            at.tried.extend(rows.iter().copied());
            let run = match self.run_guarded(&mut guard, task, prepared).await {
                Ok(run) => run,
                Err(error) => {
                    if !task.may_have_changed_something(&error) {
                        at.journal.ends(Vec::new())?;
                    }
                    return at.broken_off(&reporter, error);
                }
            };
            let told = run.told_all_rows();
            if let Err(error) = at.over(run, &rows, false) {
                return at.broken_off(&reporter, error);
            }
            if !told || at.is_too_much() {
                break;
            }
        }
        Ok(at.report(&reporter, None))
    }
}
