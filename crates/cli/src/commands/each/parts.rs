//! Runs the rows of a table, part by part, and keeps what becomes of each row in the results file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use quill_admin_actions::{Action, Digest};
use quill_admin_cloud::{Execution, Job, JobName};
use quill_admin_contract::{AdminAction, Arguments, ExitCode, Mode, Outcome, Request, RequestId};
use quill_admin_operations::actions;
use quill_admin_operations::each::parts::{self, Looked};
use quill_admin_operations::each::{Header, Journal, Known, Row, Start};
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::Event;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;
use quill_admin_operations::session::{Opening, Session, sign_in};
use quill_admin_operations::task::job_image;
use quill_admin_operations::task::row_results::RowResults;
use quill_admin_operations::task::run::{self, Prepared};
use quill_admin_operations::task::run_outcome::Run;

use super::super::context::Context;
use super::super::guard::close;
use super::super::preview::{ONLY_PREVIEWED, only_previewed};
use super::super::task::{OpenTask, Subject, TaskOptions};
use super::rows::Judged;
use crate::report::{EachPlan, EachReport, Reporter, TaskPlan};

/// The hint after a run that was broken off.
const GOES_ON: &str = "run the same command again: it goes on where it is";

/// The rows of a run.
pub(super) enum Source {
    /// A results file that is there.
    Journal(Journal),
    /// A table, of which a results file is made; without a path for a dry run.
    Table { header: Header, judged: Judged, path: Option<PathBuf> },
}

/// A run for many rows.
pub(super) struct Bulk {
    pub(super) name: String,
    pub(super) action: &'static Action,
    pub(super) job: JobName,
    pub(super) options: TaskOptions,
    pub(super) max_errors: Option<u64>,
}

/// Where a run for many rows stands.
struct Standing<'a> {
    session: &'a Session,
    bulk: &'a Bulk,
    journal: Journal,
    /// The file that keeps it from the first start on; `None` for a dry run.
    path: Option<PathBuf>,
    /// The rows that were run by this command. They are not run again by it.
    tried: BTreeSet<u64>,
    /// The plans of the rows that were previewed.
    plans: BTreeMap<u64, Digest>,
    /// The job as it was when its plan was shown.
    agreed: Option<Job>,
    /// The first part, for which the job was read with the plan.
    ready: Option<Prepared<'a>>,
    /// The runs of this command, for what they tell of rows.
    runs: Vec<Run>,
}

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
        let hashing = async {
            match source {
                Source::Journal(journal) => Ok((journal, None)),
                Source::Table { header, judged, path } => {
                    let action = bulk.action;
                    let dry_run = bulk.options.dry_run;
                    let hashed = tokio::task::spawn_blocking(move || judged.hashed(action, dry_run)).await;
                    let failed = |error| {
                        CliError::new(ExitCode::Unexpected, format!("failed to hash passwords: {error}"))
                    };
                    Ok::<_, CliError>((Journal::new(header, hashed.map_err(failed)??), path))
                }
            }
        };
        self.reporter.event(Event::Doing("judging and hashing the rows"));
        let (session, rows) = tokio::join!(opening.wait(Arc::clone(&emit)), hashing);
        let session = session?;
        let subject = Subject::default();
        let code = match rows {
            Ok((journal, path)) => {
                let (tried, plans) = (BTreeSet::new(), BTreeMap::new());
                let (bulk, runs) = (&bulk, Vec::new());
                let standing = Standing {
                    session: &session,
                    bulk,
                    journal,
                    path,
                    tried,
                    plans,
                    agreed: None,
                    ready: None,
                    runs,
                };
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

    /// Asks for agreement to a run for many rows. It is asked for at every terminal, unless a flag gives it: nobody types so
    /// many rows on purpose.
    fn agree_to_rows(&mut self, at: &Standing<'_>) -> Result<(), CliError> {
        let options = &at.bulk.options;
        self.form.note_unseen();
        self.agree(
            at.session.environment(),
            options.confirm.as_deref(),
            options.yes || options.confirm.is_some(),
        )
    }

    /// The next part, ready to be started. The job was read for the first one; the others, too, are run only where it still
    /// runs what was agreed to.
    async fn part<'s>(&self, at: &mut Standing<'s>, request: Request) -> Result<Prepared<'s>, CliError> {
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

    /// Previews all rows, shows what they would do, and asks whether they are to be run; returns the exit code where they
    /// are not.
    async fn preview_rows(
        &mut self,
        at: &mut Standing<'_>,
        task: &OpenTask<'_>,
        request: &Request,
    ) -> Result<Option<u8>, CliError> {
        let reporter = Arc::clone(self.reporter);
        let environment = at.session.environment();
        while let Some(bulk) = at.next()? {
            let rows: Vec<u64> = bulk.rows.iter().map(|row| row.number).collect();
            let request = Request { bulk: Some(bulk), ..request.again() };
            let prepared = self.part(at, request).await?;
            let run = self.run_prepared(task, prepared).await?;
            let is_told = run.told_all_rows();
            at.tried.extend(rows);
            at.runs.push(run);
            if !is_told {
                return Ok(Some(at.report(&reporter, None)));
            }
        }
        let previews: Vec<Run> = std::mem::take(&mut at.runs);
        let previewed = Previewed::of(&previews)?;
        let options = &at.bulk.options;
        let attended = self.form.attended();
        let is_agreed = options.yes || options.confirm.is_some();
        // Rows that are all done or none cannot be done where one fails.
        let cannot = at.journal.header().atomic && !previewed.fails.is_empty()
            || at.bulk.max_errors.is_some_and(|most| previewed.fails.len() as u64 > most);
        let goes_on = if options.preview { attended && !reporter.is_json() } else { attended || is_agreed };
        let report = EachReport { previews: true, ..at.told(&previews) };
        if cannot || previewed.would == 0 || !goes_on {
            return Ok(Some(reporter.each(&report)));
        }
        if options.preview {
            reporter.each(&report);
        } else {
            reporter.each_preview(&report, attended);
        }
        self.listen(|| ONLY_PREVIEWED.to_owned());
        let question = match previewed.fails.len() {
            0 => "Run exactly this now?".to_owned(),
            1 => "Run the other rows exactly so now? One row would fail.".to_owned(),
            many => format!("Run the other rows exactly so now? {many} rows would fail."),
        };
        let asks = options.preview || !is_agreed;
        if asks && !self.form.confirm(&question).map_err(only_previewed)? {
            return if options.preview {
                Ok(Some(ExitCode::Success.code()))
            } else {
                Err(CliError::new(ExitCode::Interrupted, format!("not confirmed; {ONLY_PREVIEWED}")))
            };
        }
        self.confirm(environment, options.confirm.as_deref()).map_err(only_previewed)?;
        // Only rows with a plan are run: one that fails in a preview would fail in the run, and is told. Whether a row that
        // was begun before is done is not for a preview to say, unless it has found out that it is.
        let rows: Vec<u64> = at.journal.rows().iter().map(|row| row.row).collect();
        let is_open = |row: u64| at.journal.known(row).is_some_and(|known| known.transaction.is_some());
        let known = previews.iter().flat_map(|run| parts::known_of(run, &rows, false));
        let known = known.filter(|known| {
            known.is_done() && !previewed.plans.contains_key(&known.row)
                || previewed.fails.contains(&known.row) && !is_open(known.row)
        });
        let known = known.collect();
        at.journal.notes(known)?;
        at.tried = rows.into_iter().filter(|row| !previewed.plans.contains_key(row)).collect();
        at.plans = previewed.plans;
        Ok(None)
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

/// What a preview of all rows has told.
struct Previewed {
    /// The plans of the rows that can be run.
    plans: BTreeMap<u64, Digest>,
    /// The number of rows that would change something.
    would: u64,
    /// The rows that would fail.
    fails: Vec<u64>,
}

impl Previewed {
    fn of(previews: &[Run]) -> Result<Self, CliError> {
        let mut previewed = Self { plans: BTreeMap::new(), would: 0, fails: Vec::new() };
        for (row, claim) in
            previews.iter().filter_map(|run| run.row_results.as_ref()).flat_map(RowResults::iter)
        {
            match &claim.line.outcome {
                Outcome::Previewed { would, plan, .. } => {
                    previewed.would += u64::from(would != "unchanged");
                    let plan = plan.parse().map_err(|error| {
                        let told = format!("the plan of row {row} cannot be read: {error}; {ONLY_PREVIEWED}");
                        CliError::new(ExitCode::Unexpected, told)
                    })?;
                    previewed.plans.insert(row, plan);
                }
                Outcome::DoneBefore => {}
                _ => previewed.fails.push(row),
            }
        }
        Ok(previewed)
    }
}

impl Standing<'_> {
    /// The rows to run next.
    fn next(&self) -> Result<Option<quill_admin_contract::Bulk>, CliError> {
        let most = self.bulk.max_errors.map(|most| most.saturating_sub(self.failed()));
        parts::next(&self.journal, actions::of_this_run(), &self.tried, &self.plans, most)
    }

    /// The number of rows that are left.
    fn left(&self) -> usize {
        let is_done = |row: &&Row| self.journal.known(row.row).is_some_and(Known::is_done);
        self.journal.rows().iter().filter(|row| !self.bulk.options.writes || !is_done(row)).count()
    }

    /// The number of rows that this command has run and that have failed.
    fn failed(&self) -> u64 {
        let fails = |row: &&u64| self.journal.known(**row).is_some_and(|known| !known.is_done());
        self.tried.iter().filter(fails).count() as u64
    }

    fn is_too_much(&self) -> bool {
        self.bulk.max_errors.is_some_and(|most| self.failed() > most)
    }

    /// Takes in a part that is over. It stays open where its log may still bring something, unless this is the `last` time
    /// that it is read: whoever goes on reads it again.
    fn over(&mut self, run: Run, rows: &[u64], last: bool) -> Result<(), CliError> {
        let known = parts::known_of(&run, rows, last);
        let is_settled = last || run.told_all_rows();
        self.runs.push(run);
        if is_settled { self.journal.ends(known) } else { self.journal.notes(known) }
    }

    /// The end of a run that an error has broken off: the error, or, where rows were run before it, what became of them.
    fn broken_off(&self, reporter: &Reporter, mut error: CliError) -> Result<u8, CliError> {
        if self.runs.is_empty() {
            return Err(error.hint(GOES_ON));
        }
        // The words of a start that knows of nothing before it.
        for message in &mut error.messages {
            *message = message.replace("nothing was started", "nothing more was started");
        }
        Ok(self.report(reporter, Some(&error)))
    }

    fn told<'s>(&'s self, runs: &'s [Run]) -> EachReport<'s> {
        EachReport {
            environment: self.session.environment(),
            action: self.bulk.action,
            journal: &self.journal,
            runs,
            previews: false,
            error: None,
        }
    }

    fn report(&self, reporter: &Reporter, error: Option<&CliError>) -> u8 {
        let previews = self.runs.last().is_some_and(Run::is_preview);
        reporter.each(&EachReport { previews, error, ..self.told(&self.runs) })
    }
}
