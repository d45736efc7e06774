//! The check `job-settings`: the job is set up as the environments file says. Its fix, `put-job-right`, is
//! also that of the check `database`.

use quill_admin_cloud::{Job, JobSettings};
use quill_admin_contract::ExitCode;
use quill_admin_operations::admin_image::deploy;
use quill_admin_operations::admin_image::plan::{self, JobPlan};
use quill_admin_operations::admin_image::target::{self, Database};
use quill_admin_operations::error::CliError;
use quill_admin_operations::hints;
use quill_admin_operations::task::job_image;

use super::other_tools::its_image;
use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::fix::{Fix, Plan, Planning, Site, line};
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "job-settings",
    title: "the job's settings against the environments file",
    needs: &["job"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    if !inquiries.environment.has_surroundings() {
        return Ok(Report::nothing("this program sets the job up itself"));
    }
    let job = inquiries.existing_job().await?;
    // The database's address and the target belong to the check `database`, which can ask for them.
    let wanted = plan::settings(&inquiries.environment, &Database::default(), job);
    let changes = target::differences(&job.settings, &wanted);
    let undecided = unknown_projects(inquiries, &job.settings, &wanted).await;
    if changes.is_empty() {
        return Ok(Report::healthy("as the environments file has them").and_undecided(undecided));
    }
    let retries = job.settings.max_retries != 0;
    let why = if retries {
        "a task that failed is run again, and a change could be made twice: tasks that write are refused"
    } else if job_image::was_deployed(&job.settings) {
        "the job, or the environments file, was changed since \"build\" deployed to it"
    } else {
        "\"build\" has not deployed to this job: Terraform or somebody else has set it up in another way"
    };
    let what = match changes.len() {
        1 => "a setting of the job is not as the environments file has it".to_owned(),
        count => format!("{count} of the job's settings are not as the environments file has them"),
    };
    let finding = Finding::problem(what, why).evidence(changes.iter().map(line)).blocks_nothing();
    let findings = only_for_ours(vec![finding.fix(PutJobRight)], inquiries, job).await;
    Ok(Report::Examined { note: None, findings, undecided })
}

/// The secrets that are as wanted as long as their project, which the job names by its number, is its own.
async fn unknown_projects(inquiries: &Inquiries, own: &JobSettings, wanted: &JobSettings) -> Vec<Undecided> {
    let unknown: Vec<String> = wanted
        .env
        .iter()
        .filter(|(name, value)| own.variable(name).is_some_and(|own| own != value && own.agrees(value)))
        .filter_map(|(name, _)| Some(format!("{name} is the {}", own.variable(name)?)))
        .collect();
    if unknown.is_empty() {
        return Vec::new();
    }
    let project = &inquiries.environment.job.project;
    let cause =
        format!("{}: whether the project of this number is {project} is not known", unknown.join(", and "));
    let undecided = match inquiries.project().await {
        // It was not answered a moment ago.
        Ok(_) => Undecided::new(cause).advice("look again in a minute"),
        Err(why) => Undecided { cause: format!("{cause}: {}", why.cause), ..why },
    };
    vec![undecided.blocks_nothing()]
}

/// The findings, without the fix where the job runs an image of another tool, or may do so: such an image does not
/// have the program that the settings start.
pub(super) async fn only_for_ours(findings: Vec<Finding>, inquiries: &Inquiries, job: &Job) -> Vec<Finding> {
    if findings.iter().all(|finding| finding.fix.is_none()) {
        return findings;
    }
    let Some(why) = not_ours(inquiries, job).await else { return findings };
    let closer = hints::doctor(&inquiries.environment.name, "other-tools");
    let advice =
        hints::advice(&format!("--fix leaves the job alone, because {why}; look closer with"), &closer);
    let without = |finding: Finding| match finding.fix {
        Some(_) => Finding { fix: None, ..finding }.advice(advice.clone()),
        None => finding,
    };
    findings.into_iter().map(without).collect()
}

/// The reason why a job may not be this program's, where there is one.
async fn not_ours(inquiries: &Inquiries, job: &Job) -> Option<String> {
    match its_image(inquiries, job).await {
        Ok(sign) => sign,
        Err(undecided) => Some(format!("whose image it runs could not be seen: {}", undecided.cause)),
    }
}

/// The fix that changes the job's settings to those of the environments file; its image stays.
#[derive(Debug)]
pub(super) struct PutJobRight;

impl Fix for PutJobRight {
    fn id(&self) -> &'static str {
        "put-job-right"
    }

    fn summary(&self) -> &'static str {
        "change the job's settings to those wanted; its image stays"
    }

    fn plan<'a>(&'a self, site: Site<'a>) -> Planning<'a> {
        Box::pin(plan_job(site))
    }
}

async fn plan_job(Site { inquiries, session }: Site<'_>) -> Result<Plan, CliError> {
    let environment = &inquiries.environment;
    let job = session.google().find_job(&environment.job).await?.ok_or_else(|| {
        CliError::new(ExitCode::ResourceNotFound, format!("there is no job {} any more", environment.job.job))
    })?;
    if let Some(why) = not_ours(inquiries, &job).await {
        let what = format!("the settings are those of this program's image, and {why}");
        return Err(CliError::new(ExitCode::NotConfirmed, what)
            .hint(hints::advice("look closer with", &hints::doctor(&environment.name, "other-tools"))));
    }
    let found = target::instance(session).await;
    let database = target::settle(environment, found, Some(&job.settings));
    // Unknown settings of the database stay as they are; the others are corrected all the same.
    let database = database.unwrap_or_else(|error| Database {
        notes: vec![format!("the job keeps what it knows of its database: {error}")],
        ..Database::default()
    });
    let wanted = plan::settings(environment, &database, &job);
    let changes = target::differences(&job.settings, &wanted);
    let lines = database.notes.into_iter().chain(changes.iter().map(line)).collect();
    let plan = JobPlan::Change { job: Box::new(job), wanted };
    Ok(Plan::new(lines, move |Site { inquiries, session }, point| {
        Box::pin(async move {
            let was = if plan.changes().is_empty() { "was as wanted already" } else { "was changed" };
            let done = format!("{} {was}", inquiries.environment.job.job);
            deploy::deploy(session, &plan, point, &done).await?;
            Ok(done)
        })
    }))
}
