//! The jobs that tasks run in: an environment's own, and those of the application that actions run.
//!
//! To change how the name of a job is made: [`of`] and [`declared`]; its form is checked by `jobs.rs` of the crate
//! `application`.

use quill_admin_actions::{Action, Job};
use quill_admin_cloud::{CloudErrorKind, Execution, ExecutionName, JobName, ResourceId};
use quill_admin_contract::{CHECK, ExitCode};

use crate::actions;
use crate::config::{Application, Environment};
use crate::error::CliError;
use crate::hints;
use crate::session::Session;

/// A job of the application that an action of this run starts.
#[derive(Debug)]
pub struct Declared {
    /// The action.
    pub action: &'static Action,
    /// The action's description of the job.
    pub job: &'static Job,
    /// The job in the environment.
    pub name: JobName,
}

/// The jobs of the application in an environment, in the order of the actions. Jobs that the environment
/// cannot have are left out: running such an action fails with the reason.
#[must_use]
pub fn declared(environment: &Environment) -> Vec<Declared> {
    let jobs = actions::of_this_run().iter().filter_map(|action| {
        let name = of_action(environment, action).ok()?;
        Some(Declared { action, job: action.definition.job.as_ref()?, name })
    });
    jobs.filter(|declared| !environment.is_own(&declared.name)).collect()
}

/// The job that does what the action of this name asks for: a job of the application where the action runs
/// one, else the environment's own.
///
/// # Errors
///
/// Fails when the action runs a job that the environment cannot have.
pub fn of(environment: &Environment, action: &str) -> Result<JobName, CliError> {
    match actions::known(action).filter(|_| action != CHECK) {
        Some(action) => of_action(environment, action),
        None => Ok(environment.job.clone()),
    }
}

fn of_action(environment: &Environment, action: &Action) -> Result<JobName, CliError> {
    let Some(job) = &action.definition.job else { return Ok(environment.job.clone()) };
    let (of, place) = (&action.name, environment.name.as_str());
    let file = Application::of(&environment.source).actions_file();
    let file = file.display();
    let name = job.name_in(place, environment.job.project.as_str());
    if !environment.has_surroundings() {
        return Err(CliError::new(
            ExitCode::ResourceNotFound,
            format!(
                "{of} runs the application's job {name}, and {place} is on this machine, where there is no such job: \
                 its tables come from the application's schema.sql; nothing was started"
            ),
        )
        .hint(hints::advice("to make the tables afresh", &hints::reset(place))));
    }
    let id: ResourceId = name.parse().map_err(|invalid| {
        CliError::usage(format!(
            "the action {of} of {file} runs a job of {place}: {invalid}; nothing was started"
        ))
    })?;
    let name = JobName { job: id, ..environment.job.clone() };
    if environment.is_own(&name) {
        let job = &name.job;
        return Err(CliError::usage(format!(
            "the action {of} of {file} runs the job {job}, and that is the job of {place}'s own tasks: quill-admin's \
             container would be asked for what only the application's can do; nothing was started"
        ))
        .hint(format!(
            "give quill-admin's tasks a job of their own: \"job: quill-tasks-{{env}}\" in {}, or name another job of \
             the application's with \"job:\" of the action in {file}",
            environment.source.path.display()
        )));
    }
    Ok(name)
}

/// The error for a job of the application that is not there; it says where the job's name comes from.
#[must_use]
pub fn not_there(environment: &Environment, action: &str, name: &JobName) -> CliError {
    let file = Application::of(&environment.source).actions_file();
    CliError::new(
        ExitCode::ResourceNotFound,
        format!(
            "there is no job {} in {}, {}: the action {action} of {} names it; nothing was started",
            name.job,
            name.project,
            name.region,
            file.display()
        ),
    )
    .hint(format!(
        "see which jobs there are: gcloud run jobs list --project={} --region={}; another one is named with \"job:\" of \
         the action",
        name.project, name.region
    ))
}

/// Whether an execution is named after a job, as Cloud Run does it: the job's name, a hyphen, and letters and
/// digits.
#[must_use]
pub fn is_named_after(execution: &str, job: &JobName) -> bool {
    let rest = execution.strip_prefix(job.job.as_str()).and_then(|rest| rest.strip_prefix('-'));
    rest.is_some_and(|rest| !rest.contains('-'))
}

/// All jobs of an environment whose executions can be looked at; the environment's own comes first.
#[must_use]
pub fn all(environment: &Environment) -> Vec<JobName> {
    let mut jobs = vec![environment.job.clone()];
    for Declared { name, .. } in declared(environment) {
        if !jobs.contains(&name) {
            jobs.push(name);
        }
    }
    jobs
}

/// The jobs that an execution can belong to: those that it is named after, else all.
#[must_use]
pub fn possible(environment: &Environment, execution: &str) -> Vec<JobName> {
    let all = all(environment);
    let after: Vec<JobName> = all.iter().filter(|job| is_named_after(execution, job)).cloned().collect();
    if after.is_empty() { all } else { after }
}

/// Finds an execution of one of the environment's jobs.
///
/// # Errors
///
/// Fails when no job has it, with a hint where to look for others, and when a job could not be asked.
pub async fn find(session: &Session, id: &str) -> Result<Execution, CliError> {
    let environment = session.environment();
    let jobs = possible(environment, id);
    for job in &jobs {
        let name = ExecutionName { job: job.clone(), id: id.to_owned() };
        match session.google().execution(&name).await {
            Ok(execution) => return Ok(execution),
            Err(error) if error.kind == CloudErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let names: Vec<&str> = jobs.iter().map(|job| job.job.as_str()).collect();
    let what = match names[..] {
        [one] => format!("job {one} has no execution"),
        _ => format!("none of the jobs {} has an execution", names.join(", ")),
    };
    Err(CliError::new(
        ExitCode::ResourceNotFound,
        format!("{what} \"{}\": Cloud Run forgets them after 7 days", id.escape_debug()),
    )
    .hint(hints::advice("see what was run", &hints::command(&environment.name, "history", &[]))))
}
