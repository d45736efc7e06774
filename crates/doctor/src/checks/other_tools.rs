//! The check `other-tools`: no other tool changes or runs the environment's job, or pushes its images into
//! the admin image's repository.
//!
//! The application's own deploy does both where the names are the same: it gives the job an image of its own
//! and runs it with an action of its own, so that each tool breaks the other. The signs are the job's image
//! and the account that changed the job last, executions with an action that is not one of ours, images
//! without our labels, and, with `--repo`, lines that name either.
//!
//! To add a sign: a function beside `its_image` and `latest`, its call in `inspect`, and its finding in `of_job` or
//! `of_repository`.

use std::path::Path;

use quill_admin_cloud::{Execution, Job, LastChange};
use quill_admin_contract::{CHECK as CHECK_ACTION, REVIEW, variable};
use quill_admin_image::LATEST;
use quill_admin_operations::actions;
use quill_admin_operations::admin_image::recognise::{by_labels, of_another_tool};
use quill_admin_operations::config::Environment;
use quill_admin_operations::hints;

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Inquiries;
use crate::repository::names::{self, Found, Named, Names};
use crate::undecided::{Undecided, or_note};

pub(crate) const CHECK: Check = Check {
    id: "other-tools",
    title: "other tools that use the same job, or the same repository of images",
    needs: &["project"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

/// The number of lines of one kind that are shown.
const TOLD: usize = 5;
/// The names that only this program uses, as the shipped environments file has them.
const OWN_JOB: &str = "quill-tasks-{env}";
const OWN_IMAGE: &str = "quill/tasks";

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    if let Some(why) = inquiries.nothing_around() {
        return Ok(Report::nothing(why));
    }
    let environment = &inquiries.environment;
    let mut unseen: Vec<Undecided> = Vec::new();
    let job = or_note(inquiries.job().await, &mut unseen);
    let (mut executions, mut image) = (&[][..], None);
    if let Some(job) = job {
        executions = or_note(inquiries.executions().await, &mut unseen);
        image = or_note(its_image(inquiries, job).await, &mut unseen);
    }
    let named = or_note(in_repository(inquiries).await, &mut unseen);
    unseen.extend(named.unread.first().map(|(file, why)| {
        let more = named.unread.len() - 1;
        let others = if more == 0 { String::new() } else { format!(", and {more} more could not be read") };
        Undecided::new(format!("{file} could not be read: {why}{others}"))
    }));
    let latest = or_note(latest(inquiries).await, &mut unseen);
    let findings: Vec<Finding> =
        [of_job(environment, job, image, executions, &named), of_repository(environment, latest, &named)]
            .into_iter()
            .flatten()
            .collect();
    let unseen = unseen.into_iter().map(Undecided::blocks_nothing).collect();
    Ok(Report::found(note(executions.len(), &named), findings).and_undecided(unseen))
}

/// The lines of the application's repository that name the job or an image; none where no folder was named.
async fn in_repository(inquiries: &Inquiries) -> Result<Found, Undecided> {
    let Some(folder) = inquiries.machine.repository.clone() else { return Ok(Found::default()) };
    let environment = &inquiries.environment;
    let parts: Vec<&str> = environment.image.path().rsplit('/').take(2).collect();
    let names = Names {
        environment: environment.name.clone(),
        job: environment.job.job.to_string(),
        image: parts.into_iter().rev().collect::<Vec<_>>().join("/"),
    };
    let shown = folder.display().to_string();
    let looked = tokio::task::spawn_blocking(move || names::find(Path::new(&folder), &names)).await;
    match looked {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(Undecided::new(format!("failed to read {shown}: {error}"))
            .advice("name its folder with: --repo FOLDER")),
        Err(error) => Err(Undecided::new(format!("looking through {shown} failed: {error}"))),
    }
}

/// The sign that the job runs an image of another tool.
pub(super) async fn its_image(inquiries: &Inquiries, job: &Job) -> Result<Option<String>, Undecided> {
    let image = inquiries.image_called(&job.settings.image);
    Box::pin(of_another_tool(&job.settings, &inquiries.environment.image, image)).await
}

/// The sign that the repository's newest image is not ours.
async fn latest(inquiries: &Inquiries) -> Result<Option<String>, Undecided> {
    let Some(image) = inquiries.image(LATEST).await? else { return Ok(None) };
    let name = inquiries.environment.image.tagged(LATEST);
    Ok(by_labels(&image.labels)
        .is_none()
        .then(|| format!("{name} does not have the labels of this program's image")))
}

fn of_job(
    environment: &Environment,
    job: Option<&Job>,
    image: Option<String>,
    executions: &[Execution],
    named: &Found,
) -> Option<Finding> {
    let runs: Vec<&Execution> = executions.iter().filter(|one| foreign_action(one).is_some()).collect();
    let lines = lines(named, Named::Job);
    if image.is_none() && runs.is_empty() && lines.is_empty() {
        return None;
    }
    let name = &environment.job.job;
    let finding = if image.is_some() {
        Finding::problem(
            format!("another tool has put its image into the job {name}"),
            "tasks are refused until \"build\" has put this program's image back, and what the other tool runs then \
             meets a program that does not know it: two tools must not share one job",
        )
    } else {
        Finding::warning(
            format!("another tool uses the job {name}"),
            "where it puts an image of its own there, tasks are refused, and what it runs meets this program's \
             image: two tools must not share one job",
        )
    };
    let changed = job.and_then(|job| last_change(&job.changed));
    let runs = told(runs.into_iter().map(run).collect(), "executions");
    let evidence = image.into_iter().chain(changed).chain(runs).chain(lines);
    let place = &environment.job_place;
    let build = hints::command(&environment.name, "build", &[]);
    Some(
        finding
            .blocks_nothing()
            .evidence(evidence)
            .advice(if environment.job_place.is_empty() || name.as_str().starts_with("quill-tasks-") {
                format!("give the job a name that nobody else uses: \"job:\" in {place}")
            } else {
                format!("give the job a name of its own: \"job: {OWN_JOB}\" in {place}")
            })
            .advice(hints::advice("then make it with terraform apply, or with", &build))
            .advice(format!(
                "where the other tool is not used any more, put the admin image back with: {build}"
            )),
    )
}

fn of_repository(environment: &Environment, latest: Option<String>, named: &Found) -> Option<Finding> {
    let lines = lines(named, Named::Image);
    if latest.is_none() && lines.is_empty() {
        return None;
    }
    let repository = &environment.image;
    let why = "both push the tag \"latest\", so each takes it from the other, and whoever looks for an image by its \
               repository takes one for the other's";
    let what = format!("another tool puts its images into {repository}");
    let finding = if latest.is_some() { Finding::problem(what, why) } else { Finding::warning(what, why) };
    let place = &environment.image_place;
    Some(finding.blocks_nothing().evidence(latest.into_iter().chain(lines)).advice(
        if repository.path().ends_with(OWN_IMAGE) {
            format!("give the image a repository that nobody else uses: \"image:\" in {place}")
        } else {
            format!(
                "give the image a repository of its own: \
                     \"image: \"{{region}}-docker.pkg.dev/{{project}}/{OWN_IMAGE}\"\" in {place}"
            )
        },
    ))
}

/// The action of an execution that another tool has started: one that this program's image does not have. An
/// execution that this program starts carries the id of its request.
fn foreign_action(execution: &Execution) -> Option<&str> {
    let said = |variable: &variable::Variable| execution.request.get(variable.name).map(String::as_str);
    let action = said(&variable::ADMIN_ACTION)?;
    let ours = said(&variable::ADMIN_REQUEST_ID).is_some()
        || [CHECK_ACTION, REVIEW].contains(&action)
        || actions::known(action).is_some_and(|known| !known.is_job());
    (!ours).then_some(action)
}

fn run(execution: &Execution) -> String {
    let creator = if execution.creator.is_empty() { "somebody" } else { &execution.creator };
    let when = execution.created.map(|at| at.strftime(" on %Y-%m-%d %H:%M UTC").to_string());
    format!(
        "execution {} ran the action {}, started by {creator}{}",
        execution.name.id,
        foreign_action(execution).unwrap_or_default().escape_debug(),
        when.unwrap_or_default()
    )
}

/// The last change of the job, where it was not made by this program or Terraform.
fn last_change(changed: &LastChange) -> Option<String> {
    let LastChange { account, tool, version } = changed;
    if tool.is_empty() || tool == "quill-admin" || tool == "terraform" {
        return None;
    }
    let account = if account.is_empty() { "somebody" } else { account };
    let with = format!("{tool} {version}");
    Some(format!("the job was changed last by {account} with {}", with.trim_end()))
}

fn lines(found: &Found, named: Named) -> Vec<String> {
    let lines = found.lines.iter().filter(|line| line.named == named);
    told(lines.map(|one| format!("{}:{}: {}", one.file, one.line, one.text)).collect(), "lines")
}

/// The first lines, and the number of the others.
fn told(mut lines: Vec<String>, what: &str) -> Vec<String> {
    let more = lines.len().saturating_sub(TOLD);
    lines.truncate(TOLD);
    if more > 0 {
        lines.push(format!("and {more} more {what}"));
    }
    lines
}

fn note(executions: usize, named: &Found) -> String {
    let executions = match executions {
        0 => "no executions".to_owned(),
        1 => "1 execution".to_owned(),
        count => format!("{count} executions"),
    };
    match named.read {
        0 => format!("none seen; {executions}"),
        1 => format!("none seen; {executions}, 1 file"),
        count => format!("none seen; {executions}, {count} files"),
    }
}
