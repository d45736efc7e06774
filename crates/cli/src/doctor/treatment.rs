//! What `--fix` can do about a finding: first a plan, then what it says.
//!
//! Treatments call the flows that commands call; they do not copy them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use quill_admin_cloud::{CloudErrorKind, Difference, ExecutionName, ObjectName, Removal, Service};
use quill_admin_contract::ExitCode;

use super::check::Check;
use super::checks::{leaks, state_lock};
use super::facts::{Facts, role};
use crate::error::CliError;
use crate::events::{Emit, Event};
use crate::flow::build::{self, JobPlan};
use crate::flow::restore::{self, Candidate};

/// What can be done about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Treatment {
    /// Build the admin image, push it, and let the job run exactly it: `build`.
    Build,
    /// Change the job's settings to those of the environments file; its image stays.
    PutJobRight,
    /// Give the backend its own image back: `restore-backend`.
    RestoreBackend,
    /// Remove this lock on Terraform's state, and no later one.
    RemoveLock {
        /// Which one it is.
        generation: i64,
        /// When it was taken.
        created: Timestamp,
        /// Who holds it.
        holder: String,
    },
    /// Delete executions that carry a password in clear.
    DeleteExecutions {
        /// Which; none of them runs.
        executions: Vec<ExecutionName>,
        /// Whose passwords they carry, as far as is known.
        usernames: BTreeSet<String>,
    },
}

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

/// How far a treatment is: what Ctrl-C does to it.
#[derive(Default)]
pub struct Course(Mutex<Stage>);

/// See [`Course`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Stage {
    /// Nothing is changed yet: it can be broken off.
    #[default]
    Free,
    /// The change is under way: its answer comes soon, and is worth waiting for.
    UnderWay,
    /// The change is made, and how it goes on is only looked at. In words.
    Made(String),
}

impl Course {
    /// How far it is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, stage: Stage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }
}

impl Treatment {
    /// Its name, which does not change.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::PutJobRight => "put-job-right",
            Self::RestoreBackend => "restore-backend",
            Self::RemoveLock { .. } => "remove-lock",
            Self::DeleteExecutions { .. } => "delete-executions",
        }
    }

    /// What it does, as in "--fix can …".
    #[must_use]
    pub fn summary(&self) -> &'static str {
        match self {
            Self::Build => "build the admin image, push it, and let the job run it",
            Self::PutJobRight => "change the job's settings to those wanted; its image stays",
            Self::RestoreBackend => "give the backend its own image back",
            Self::RemoveLock { .. } => "remove exactly this lock, and no later one",
            Self::DeleteExecutions { .. } => "delete these executions, and the passwords in them",
        }
    }

    /// Why it is not to be done without `--force`, if so.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        let Self::RemoveLock { created, holder, .. } = self else { return None };
        let age = state_lock::young(*created)?;
        Some(format!("the lock of {holder} is {age} old: Terraform is probably at work"))
    }

    /// Checks of other things that may be well afterwards.
    #[must_use]
    pub fn concerns(&self) -> &'static [&'static str] {
        match self {
            // The application seeds the roles when it starts.
            Self::RestoreBackend => &["database-check"],
            _ => &[],
        }
    }

    /// Finds out what it would do. Nothing is changed.
    pub async fn plan(&self, facts: &Facts, emit: Emit<'_>) -> Result<Plan, CliError> {
        let environment = &facts.environment;
        let google = facts.google().await?;
        let sign_in = facts.sign_in().await?;
        match self {
            Self::Build => {
                let process = &facts.machine.process;
                let builder_image = process.var("QUILL_ADMIN_BUILDER_IMAGE").map(str::to_owned);
                let options = build::Options { builder_image, ..build::Options::default() };
                let source = build::Source::read(&process.cwd, &options)?;
                let token = build::registry_token(sign_in).await?;
                let plan = build::look(google, environment, source, token.as_ref(), false, emit).await?;
                let what = match &plan.existing {
                    Some(existing) => {
                        format!("the registry has the image of these sources, {}", existing.digest)
                    }
                    None => format!(
                        "build {} of {} and push it",
                        plan.image.tagged(&plan.source.revision.tag()),
                        plan.source.revision.root.display()
                    ),
                };
                let changes = plan.job.as_ref().map(JobPlan::changes).unwrap_or_default();
                let lines = [what].into_iter().chain(plan.notes.clone()).chain(changes.iter().map(line));
                Ok(Plan { lines: lines.collect(), work: Work::Build(Box::new(plan), options) })
            }
            Self::PutJobRight => {
                let job = google.deployed_job(&environment.job).await?.ok_or_else(|| {
                    CliError::new(
                        ExitCode::ResourceNotFound,
                        format!("there is no job {} any more", environment.job.job),
                    )
                })?;
                let host = facts.database_host().await;
                let wanted = build::settings(environment, host.as_deref(), &job);
                let lines = job.settings.differences(&wanted).iter().map(line).collect();
                Ok(Plan { lines, work: Work::Job(JobPlan::Change { job: Box::new(job), wanted }) })
            }
            Self::RestoreBackend => {
                let token = build::registry_token(sign_in).await?;
                let mut found = restore::look(google, environment, token.as_ref(), emit).await?;
                let Some(candidate) = found.candidate.take() else {
                    return Err(restore::no_candidate(environment, found.passed_over));
                };
                let lines = vec![
                    format!("image: {} → {}", found.service.image, candidate.image),
                    format!("from {}", candidate.origin),
                ];
                Ok(Plan { lines, work: Work::Restore(Box::new(found.service), candidate) })
            }
            Self::RemoveLock { generation, .. } => {
                let (Some(name), Some(lock)) = (&environment.state_lock, facts.state_lock().await?) else {
                    return Err(CliError::new(ExitCode::ResourceNotFound, "there is no lock any more"));
                };
                let lines = state_lock::lines(name, lock);
                Ok(Plan { lines, work: Work::Lock(name.clone(), *generation) })
            }
            Self::DeleteExecutions { executions, usernames } => {
                let lines = executions.iter().map(|name| name.id.clone()).collect();
                Ok(Plan { lines, work: Work::Executions(executions.clone(), usernames.clone()) })
            }
        }
    }
}

impl Plan {
    /// Does what the plan says; says in words what was done. Dropping the future breaks it off, which
    /// `course` says when to do.
    pub async fn carry_out(self, facts: &Facts, course: &Course, emit: Emit<'_>) -> Result<String, CliError> {
        let environment = &facts.environment;
        let google = facts.google().await?;
        match self.work {
            Work::Build(plan, options) => {
                let engine = match &plan.existing {
                    Some(_) => None,
                    None => Some(facts.machine.engine().await?),
                };
                let sign_in = facts.sign_in().await?;
                let commit = || course.set(Stage::UnderWay);
                let built =
                    build::carry_out(google, environment, *plan, sign_in, engine, &options, emit, commit)
                        .await?;
                Ok(format!("{} runs {}", environment.job.job, built.image))
            }
            Work::Job(plan) => {
                course.set(Stage::UnderWay);
                build::deploy(google, environment, &plan, emit).await?;
                Ok(format!("{} was changed", environment.job.job))
            }
            Work::Restore(service, candidate) => {
                let image = &candidate.image;
                emit(Event::Doing("reading the service once more"));
                let before = restore::unchanged(google, environment, &service).await?;
                course.set(Stage::UnderWay);
                let certain = restore::change(google, environment, &before, image, emit).await?;
                let given = restore::given(image, certain);
                course.set(Stage::Made(format!("{given}, and Cloud Run goes on without this program")));
                let now = restore::wait(google, environment, &before, image, certain, emit).await?;
                Ok(format!("revision {} serves with {}", now.latest_ready, now.image))
            }
            Work::Lock(name, generation) => {
                course.set(Stage::UnderWay);
                emit(Event::Doing("removing the lock"));
                let denied = |error| facts.undecided(error, role::STORAGE_USER);
                match google.remove_state_lock(&name, generation).await.map_err(denied)? {
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
                course.set(Stage::UnderWay);
                emit(Event::Doing("deleting executions"));
                let (all, mut deleted) = (executions.len(), 0);
                for name in executions {
                    match google.delete_execution(&name).await {
                        Ok(()) => deleted += 1,
                        // Cloud Run, or somebody else, was faster.
                        Err(error) if error.kind == CloudErrorKind::NotFound => deleted += 1,
                        Err(error) => {
                            let mut told = CliError::from(facts.undecided(error, role::RUN_DEVELOPER));
                            told.messages.insert(0, format!("{deleted} of {all} executions are deleted"));
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
    /// It in one word.
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

/// A setting that is changed, in one line.
#[must_use]
pub fn line(change: &Difference) -> String {
    let or_nothing = |text: &str| if text.is_empty() { "nothing" } else { text }.to_owned();
    let from = change.from.as_deref().map_or_else(|| "nothing".to_owned(), or_nothing);
    format!("{}: {from} → {}", change.setting, or_nothing(&change.to))
}
