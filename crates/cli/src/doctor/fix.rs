//! Does what a [`Treatment`] says: first a plan, then the work.
//!
//! It calls the flows that commands call; it does not copy them.

use std::collections::BTreeSet;
use std::sync::Arc;

use quill_admin_cloud::{CloudErrorKind, ExecutionName, ObjectName, Removal, Service, role};
use quill_admin_contract::ExitCode;

use super::check::Check;
use super::checks::{leaks, state_lock};
use super::facts::Facts;
use super::treatment::{Treatment, line};
use crate::config::Application;
use crate::config::confirmed::{self, Confirmation};
use crate::error::CliError;
use crate::events::{Emit, Event};
use crate::flow::build::{self, JobPlan, Made};
use crate::flow::point_of_no_return::{PointOfNoReturn, UnderWay};
use crate::flow::restore::{self, Candidate};
use crate::flow::target::{self, Database};
use crate::hints;

/// What a treatment would do, and what it needs for that.
pub struct Plan {
    /// What would be done, line by line.
    pub lines: Vec<String>,
    work: Work,
}

enum Work {
    Build(Box<build::Plan>, build::Options),
    Job(JobPlan),
    Restore(Box<Service>, Candidate),
    Lock(ObjectName, i64),
    Executions(Vec<ExecutionName>, BTreeSet<String>),
}

impl Plan {
    /// Finds out what it would do. Nothing is changed.
    pub async fn of(treatment: &Treatment, facts: &Facts, emit: &Emit) -> Result<Self, CliError> {
        let session = &facts.session().await?.with_emit(Arc::clone(emit));
        let environment = session.environment();
        match treatment {
            Treatment::Build => {
                let process = &facts.machine.process;
                let builder_image = process.var("QUILL_ADMIN_BUILDER_IMAGE").map(str::to_owned);
                let options = build::Options { builder_image, ..build::Options::default() };
                let source = build::Source::read(process, &Application::of(&environment.source), &options)?;
                // Build lists what would be in the image, and asks.
                if matches!(source.made, Made::Assembled(_))
                    && confirmed::is_needed(environment)
                    && confirmed::look(environment, process) != Confirmation::Given
                {
                    return Err(CliError::new(
                        ExitCode::NotConfirmed,
                        format!(
                            "{} was found, and nobody has confirmed on this machine, as it is now, where it has tasks go \
                             and which actions an image is made of",
                            environment.source.path.display()
                        ),
                    )
                    .hint(format!(
                        "build asks about it: {}",
                        hints::command(&environment.name, "build", &[])
                    )));
                }
                let plan = build::look(session, source, false).await?;
                // Only whoever builds can say that something of somebody else's may go.
                if !plan.loses().is_empty() {
                    return Err(CliError::new(
                        ExitCode::NotConfirmed,
                        format!(
                            "the image would be replaced although something of it is lost: {}",
                            plan.loses().join("; ")
                        ),
                    )
                    .hint(format!(
                        "build asks about it: {}",
                        hints::command(&environment.name, "build", &[])
                    )));
                }
                let what = match &plan.existing {
                    Some(existing) => {
                        format!("the registry has the image of these sources, {}", existing.digest)
                    }
                    None => {
                        let image = plan.image.tagged(&plan.source.revision.tag());
                        match &plan.source.made {
                            Made::Compiled(_) => {
                                format!(
                                    "build {image} of {} and push it",
                                    plan.source.revision.root.display()
                                )
                            }
                            Made::Assembled(made) => format!(
                                "put {image} together of the carried executor and the actions of {}, and push it",
                                made.whereabouts
                            ),
                        }
                    }
                };
                let changes = plan.job.as_ref().map(JobPlan::changes).unwrap_or_default();
                let lines = [what].into_iter().chain(plan.notes.clone()).chain(changes.iter().map(line));
                Ok(Self { lines: lines.collect(), work: Work::Build(Box::new(plan), options) })
            }
            Treatment::PutJobRight => {
                let job = session.google().find_job(&environment.job).await?.ok_or_else(|| {
                    CliError::new(
                        ExitCode::ResourceNotFound,
                        format!("there is no job {} any more", environment.job.job),
                    )
                })?;
                let found = target::instance(session).await;
                let database = target::settle(environment, found, Some(&job.settings));
                // What is not known of the database stays as it is; the rest is put right all the same.
                let database = database.unwrap_or_else(|error| Database {
                    notes: vec![format!("the job keeps what it knows of its database: {error}")],
                    ..Database::default()
                });
                let wanted = build::settings(environment, &database, &job);
                let changes = target::differences(&job.settings, &wanted);
                let lines = database.notes.into_iter().chain(changes.iter().map(line)).collect();
                Ok(Self { lines, work: Work::Job(JobPlan::Change { job: Box::new(job), wanted }) })
            }
            Treatment::RestoreBackend => {
                let mut found = restore::look(session).await?;
                let Some(candidate) = found.candidate.take() else {
                    return Err(restore::no_candidate(environment, found.passed_over));
                };
                let lines = vec![
                    format!("image: {} → {}", found.service.image, candidate.image),
                    format!("from {}", candidate.origin),
                ];
                Ok(Self { lines, work: Work::Restore(Box::new(found.service), candidate) })
            }
            Treatment::RemoveLock { generation, .. } => {
                let (Some(name), Some(lock)) = (&environment.state_lock, facts.state_lock().await?) else {
                    return Err(CliError::new(ExitCode::ResourceNotFound, "there is no lock any more"));
                };
                let lines = state_lock::lines(name, lock);
                Ok(Self { lines, work: Work::Lock(name.clone(), *generation) })
            }
            Treatment::DeleteExecutions { executions, usernames } => {
                let lines = executions.iter().map(|name| name.id.clone()).collect();
                Ok(Self { lines, work: Work::Executions(executions.clone(), usernames.clone()) })
            }
        }
    }

    /// Does what the plan says; says in words what was done. Dropping the future breaks it off, which
    /// `point` says when to do.
    pub async fn carry_out(
        self,
        facts: &Facts,
        point: &PointOfNoReturn,
        emit: &Emit,
    ) -> Result<String, CliError> {
        let session = &facts.session().await?.with_emit(Arc::clone(emit));
        let environment = session.environment();
        match self.work {
            Work::Build(plan, options) => {
                let compiles = plan.existing.is_none() && plan.source.needs_engine();
                let engine = if compiles { Some(facts.machine.engine().await?) } else { None };
                let built = build::carry_out(session, *plan, engine, &options, point).await?;
                Ok(format!("{} runs {}", environment.job.job, built.image))
            }
            Work::Job(plan) => {
                let changed = format!("{} was changed", environment.job.job);
                build::deploy(session, &plan, point, &changed).await?;
                Ok(changed)
            }
            Work::Restore(service, candidate) => {
                session.emit(Event::Doing("reading the service once more"));
                let now = restore::deploy(session, &service, &candidate.image, point).await?;
                Ok(format!("revision {} serves with {}", now.latest_ready, now.image))
            }
            Work::Lock(name, generation) => {
                point.reached(UnderWay::change()).await;
                session.emit(Event::Doing("removing the lock"));
                let denied = |error| facts.undecided(error, role::STORAGE_USER);
                match session.google().remove_state_lock(&name, generation).await.map_err(denied)? {
                    Removal::Removed => {
                        Ok("the lock is gone; run the apply, or the workflow, again".to_owned())
                    }
                    Removal::Gone => Ok("the lock was gone already".to_owned()),
                    Removal::Replaced => Err(CliError::new(
                        ExitCode::CloudFailed,
                        "somebody has taken another lock in the meantime: it was left alone",
                    )),
                }
            }
            Work::Executions(executions, usernames) => {
                session.emit(Event::Doing("deleting executions"));
                let (all, mut deleted) = (executions.len(), 0);
                for name in executions {
                    if deleted > 0 {
                        // One that had to wait ends it here.
                        point.passed(CliError::interrupted(&so_far(deleted, all)));
                    }
                    point.reached(UnderWay::change()).await;
                    match session.google().delete_execution(&name).await {
                        Ok(()) => deleted += 1,
                        // Cloud Run, or somebody else, was faster.
                        Err(error) if error.kind == CloudErrorKind::NotFound => deleted += 1,
                        Err(error) => {
                            let mut told = CliError::from(facts.undecided(error, role::RUN_DEVELOPER));
                            told.messages.insert(0, so_far(deleted, all));
                            return Err(told);
                        }
                    }
                }
                let deleted =
                    if all == 1 { "1 execution is".to_owned() } else { format!("{all} executions are") };
                Ok(format!("{deleted} deleted; {}", leaks::change_passwords(&usernames)))
            }
        }
    }
}

/// What has been deleted, of how many.
fn so_far(deleted: usize, all: usize) -> String {
    format!("{deleted} of {all} executions are deleted")
}

/// A treatment, and what came of it.
pub struct Treated {
    /// What it was for.
    pub check: &'static Check,
    /// What it is.
    pub treatment: Treatment,
    /// What it was to do, line by line.
    pub plan: Vec<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// More about that, in words.
    pub message: String,
    /// What to do now.
    pub advice: Vec<String>,
}

/// What came of a treatment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    Open,
    /// It is done.
    Done,
    /// It went wrong: what it was to change may be changed.
    Failed,
    /// A person did not want it.
    Declined,
    /// It is not to be done without `--force`.
    Refused,
    /// It was only looked at.
    DryRun,
}

impl Outcome {
    /// The name under which it is told, as in `--json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Declined => "declined",
            Self::Refused => "refused",
            Self::DryRun => "dry_run",
        }
    }
}

impl Treated {
    /// Nothing has come of it yet.
    #[must_use]
    pub fn new(check: &'static Check, treatment: Treatment) -> Self {
        let outcome = Outcome::Open;
        Self { check, treatment, plan: Vec::new(), outcome, message: String::new(), advice: Vec::new() }
    }

    /// It is done.
    pub fn done(&mut self, message: String) {
        self.outcome = Outcome::Done;
        self.message = message;
    }

    /// It went wrong.
    pub fn failed(&mut self, error: &CliError) {
        self.outcome = Outcome::Failed;
        self.message = error.to_string();
        self.advice.clone_from(&error.hints);
    }

    /// A person did not want it.
    pub fn declined(&mut self) {
        self.outcome = Outcome::Declined;
    }

    /// It is not to be done without `--force`.
    pub fn refused(&mut self, why: String) {
        self.outcome = Outcome::Refused;
        self.message = why;
        self.advice = vec!["do it all the same with: --force".to_owned()];
    }

    /// It would be done; or refused.
    pub fn would_be_done(&mut self, refused: Option<String>) {
        if let Some(why) = refused {
            self.refused(why);
        }
        self.outcome = Outcome::DryRun;
    }

    /// Whether things may be otherwise than they were seen.
    #[must_use]
    pub fn changed_something(&self) -> bool {
        matches!(self.outcome, Outcome::Done | Outcome::Failed)
    }
}
